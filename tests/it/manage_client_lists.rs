//! Who sees what of an application, how a list of them is narrowed, and what is linked to them.

use reqwest::StatusCode;
use serde_json::json;

use crate::desk::{Desk, members, refused};
use crate::harness::{api_path, both_stores};
use crate::manage_clients::{CLIENTS, ORDERS, path};

both_stores! {
    async fn each_reading_scope_sees_its_part_of_an_application(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let fields = json!({ "description": "Sells", "encryption_key": { "pub": "KEY" } });
        let shop = desk.application(fields).await;
        let summary = ["app_type", "client_id", "description", "name"];
        for (scopes, sees_rest, sees_keys) in [
            (&["read:client_summary"][..], false, false),
            (&["read:client_credentials"], false, true),
            (&["read:clients"], true, false),
            (&["read:clients", "read:client_credentials"], true, true),
            (&["read:client_keys"], true, true),
        ] {
            let reader = Desk::with_scopes(node, scopes).await;
            let one = reader.shown(&path(&shop)).await;
            let listed = reader.shown(&format!("{CLIENTS}?fields=name,encryption_key,callbacks&include_fields=false")).await;
            let names = members(&one);
            assert!(summary.iter().all(|name| names.contains(name)), "{scopes:?} {names:?}");
            assert_eq!(names.contains(&"refresh_token"), sees_rest, "{scopes:?}");
            assert_eq!(names.contains(&"encryption_key"), sees_keys, "{scopes:?}");
            if !sees_rest {
                assert_eq!(names.len(), summary.len() + usize::from(sees_keys), "{names:?}");
            }
            for own in listed.as_array().unwrap() {
                assert_eq!(members(own).contains(&"grant_types"), sees_rest, "{scopes:?}");
                assert!(!members(own).contains(&"encryption_key"));
            }
        }
        let nobody = Desk::with_scopes(node, &["read:client_grants"]).await;
        nobody.get(&path(&shop)).await.expect(StatusCode::FORBIDDEN);
    }

    async fn a_list_is_narrowed_by_kind_owner_and_name(world: World) {
        let desk = Desk::open(&world.node).await;
        for (name, app_type, is_first_party) in [
            ("Shop", "spa", true),
            ("Shop 2", "native", false),
            ("Office", "zendesk", true),
        ] {
            let fields = json!({ "name": name, "app_type": app_type, "is_first_party": is_first_party });
            desk.application(fields).await;
        }
        for (query, expected) in [
            ("is_first_party=false", &["Shop 2"][..]),
            ("is_first_party=true&app_type=spa,native", &["Shop"]),
            ("app_type=zendesk", &["Office"]),
            ("q=name:Shop", &["Shop"]),
            ("q=name:Shop*", &["Shop", "Shop 2"]),
            ("q=name:%22Shop%202%22", &["Shop 2"]),
            ("q=name:Shop*&is_first_party=true", &["Shop"]),
            ("q=client_grant.organization_id:org_1", &[]),
            ("q=client_grant.allow_any_organization:true", &[]),
            ("is_global=true", &[]),
            ("is_global=false&q=name:Office", &["Office"]),
            ("external_client_id=https://app.example/client", &[]),
        ] {
            let shown = desk.shown(&format!("{CLIENTS}?{query}&include_totals=true")).await;
            let mut names: Vec<_> = shown["clients"].as_array().unwrap().iter()
                .map(|own| own["name"].as_str().unwrap())
                .collect();
            names.sort_unstable();
            assert_eq!(names, expected, "{query}");
            assert_eq!(shown["total"], expected.len(), "{query}");
        }
        for q in ["Shop", "name:", "name:*", "name:Shop%20OR%20x", "name:%22a%22b%22", "id:1", "*:*",
            "client_grant.allow_any_organization:false"] {
            desk.get(&format!("{CLIENTS}?q={q}"))
                .await
                .expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        }
    }

    async fn an_application_has_no_connections(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        let query = "take=10&strategy[]=auth0&fields=id&include_fields=true";
        let connections = desk.shown(&format!("{}/connections?{query}", path(&shop))).await;
        assert_eq!(connections, json!({ "connections": [] }));
        desk.get("/clients/unknown/connections")
            .await
            .expect_problem(StatusCode::NOT_FOUND, "inexistent_client");
    }

    async fn an_api_names_the_application_that_is_its_resource_server(world: World) {
        let desk = Desk::open(&world.node).await;
        let before = desk.api(ORDERS, json!({})).await;
        assert!(before.get("client_id").is_none());
        let gateway = json!({ "app_type": "resource_server", "resource_server_identifier": ORDERS });
        let gateway = desk.application(gateway).await;
        let one = desk.shown(&api_path(ORDERS)).await;
        assert_eq!(one["client_id"], gateway.id);
        let renamed = desk.patch(&api_path(ORDERS), json!({ "name": "Orders" })).await;
        assert_eq!(renamed.expect(StatusCode::OK).json["client_id"], gateway.id);
        for own in desk.shown("/resource-servers").await.as_array().unwrap() {
            let is_linked = own["identifier"] == ORDERS;
            assert_eq!(own.get("client_id").is_some(), is_linked, "{own}");
        }
        refused(desk.patch(&api_path(ORDERS), json!({ "client_id": "x" })).await, "client_id");
        desk.delete(&path(&gateway)).await.expect(StatusCode::NO_CONTENT);
        assert!(desk.shown(&api_path(ORDERS)).await.get("client_id").is_none());
    }
}
