//! `/api/v2/client-grants`: which application may get tokens for which API, with which scopes,
//! until when.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, members, no_nulls, not_supported, refused};
use crate::harness::{Answer, Credentials, MANAGEMENT, MFA, Node, api_path, both_stores};

pub(crate) const ORDERS: &str = "https://orders.example/";
pub(crate) const GRANTS: &str = "/client-grants";

/// An API with the scopes `read` and `write`, and an application that is not granted it.
pub(crate) async fn api_and_stranger(desk: &Desk<'_>) -> Credentials {
    desk.api(
        ORDERS,
        json!({ "scopes": [{ "value": "read" }, { "value": "write" }] }),
    )
    .await;
    desk.application(json!({})).await
}

pub(crate) async fn ask(node: &Node, application: &Credentials) -> Answer {
    node.ask(application, &[("audience", ORDERS)]).await
}

/// The scopes of the next token; null where it has none.
async fn scope(node: &Node, application: &Credentials) -> Value {
    ask(node, application).await.expect(StatusCode::OK).json["scope"].clone()
}

pub(crate) fn named(application: &Credentials, fields: Value) -> Value {
    let mut body = json!({ "client_id": application.id, "audience": ORDERS });
    crate::desk::overlay(&mut body, fields);
    body
}

both_stores! {
    async fn a_grant_shows_what_it_gives_and_nothing_that_is_unset(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = api_and_stranger(&desk).await;
        ask(node, &shop)
            .await
            .expect_error(StatusCode::FORBIDDEN, "access_denied");
        let created = desk
            .post(GRANTS, named(&shop, json!({ "scope": ["write"] })))
            .await
            .expect(StatusCode::CREATED);
        let id = created.text("id");
        let random = id.strip_prefix("cgr_").expect("as Auth0's ids begin");
        assert!(
            random.len() == 16 && random.bytes().all(|b| b.is_ascii_alphanumeric()),
            "{id}"
        );
        let expected = json!({ "id": id, "client_id": shop.id, "audience": ORDERS,
            "subject_type": "client", "scope": ["write"] });
        assert_eq!(created.json, expected);
        assert_eq!(desk.shown(&format!("{GRANTS}/{id}")).await, expected);
        assert_eq!(scope(node, &shop).await, "write");
    }

    async fn a_grant_without_scopes_gives_tokens_without_scopes(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = api_and_stranger(&desk).await;
        let created = desk
            .post(GRANTS, named(&shop, json!({})))
            .await
            .expect(StatusCode::CREATED);
        assert_eq!(created.json["scope"], json!([]));
        assert_eq!(scope(node, &shop).await, Value::Null);
        let asked = node
            .ask(&shop, &[("audience", ORDERS), ("scope", "read")])
            .await;
        asked.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
    }

    async fn there_is_one_grant_of_a_kind_for_an_application_and_an_api(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = api_and_stranger(&desk).await;
        let id = desk
            .grant(&shop, ORDERS, json!({ "scope": ["read"] }))
            .await;
        for fields in [
            json!({}),
            json!({ "scope": ["write"] }),
            json!({ "subject_type": "client", "allow_all_scopes": true }),
        ] {
            desk.post(GRANTS, named(&shop, fields))
                .await
                .expect_problem(StatusCode::CONFLICT, "resource_conflict");
        }
        assert_eq!(
            desk.shown(&format!("{GRANTS}/{id}")).await["scope"],
            json!(["read"])
        );
        let of_users = desk
            .post(GRANTS, named(&shop, json!({ "subject_type": "user" })))
            .await
            .expect(StatusCode::CREATED);
        assert_eq!(of_users.json["subject_type"], "user");
        let again = desk
            .post(GRANTS, named(&shop, json!({ "subject_type": "user" })))
            .await;
        again.expect_problem(StatusCode::CONFLICT, "resource_conflict");
        desk.delete(&format!("{GRANTS}/{id}"))
            .await
            .expect(StatusCode::NO_CONTENT);
        desk.grant(&shop, ORDERS, json!({})).await;
    }

    async fn a_grant_for_users_gives_the_application_itself_nothing(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = api_and_stranger(&desk).await;
        desk.grant(
            &shop,
            ORDERS,
            json!({ "subject_type": "user", "scope": ["read"] }),
        )
        .await;
        ask(node, &shop)
            .await
            .expect_error(StatusCode::FORBIDDEN, "access_denied");
    }

    async fn the_application_and_the_api_must_exist(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = api_and_stranger(&desk).await;
        let unknown = Credentials {
            id: "unknown".into(),
            secret: String::new(),
        };
        desk.post(GRANTS, named(&unknown, json!({})))
            .await
            .expect_problem(StatusCode::NOT_FOUND, "inexistent_client");
        // The audience is another one without its last slash.
        for audience in ["urn:unknown", "https://orders.example"] {
            let answer = desk
                .post(GRANTS, named(&shop, json!({ "audience": audience })))
                .await;
            answer.expect_problem(StatusCode::NOT_FOUND, "inexistent_resource_server");
        }
        refused(
            desk.post(GRANTS, json!({ "client_id": shop.id })).await,
            "audience",
        );
        refused(
            desk.post(GRANTS, json!({ "audience": ORDERS })).await,
            "client_id",
        );
    }

    async fn a_scope_must_exist_on_the_api(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = api_and_stranger(&desk).await;
        for scope in [
            json!(["delete"]),
            json!(["read", "delete"]),
            json!(["Read"]),
            json!([""]),
            json!(["read", "read"]),
            json!("read"),
            json!([1]),
            json!(["read write"]),
            json!(["s".repeat(281)]),
        ] {
            refused(
                desk.post(GRANTS, named(&shop, json!({ "scope": scope })))
                    .await,
                "scope",
            );
        }
        let id = desk
            .grant(&shop, ORDERS, json!({ "scope": ["read"] }))
            .await;
        refused(
            desk.patch(&format!("{GRANTS}/{id}"), json!({ "scope": ["delete"] }))
                .await,
            "scope",
        );
        assert_eq!(
            desk.shown(&format!("{GRANTS}/{id}")).await["scope"],
            json!(["read"])
        );
    }

    async fn all_scopes_means_those_of_the_future_too_and_hides_the_list(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = api_and_stranger(&desk).await;
        let body = named(&shop, json!({ "allow_all_scopes": true }));
        let created = desk.post(GRANTS, body).await.expect(StatusCode::CREATED);
        assert_eq!(created.json["allow_all_scopes"], true);
        assert!(!members(&created.json).contains(&"scope"), "{created:?}");
        assert_eq!(scope(node, &shop).await, "read write");
        let more =
            json!({ "scopes": [{ "value": "read" }, { "value": "write" }, { "value": "delete" }] });
        desk.patch(&api_path(ORDERS), more)
            .await
            .expect(StatusCode::OK);
        assert_eq!(scope(node, &shop).await, "read write delete");
        refused(
            desk.post(
                GRANTS,
                named(
                    &shop,
                    json!({ "allow_all_scopes": true, "scope": ["read"] }),
                ),
            )
            .await,
            "scope",
        );

        let path = format!("{GRANTS}/{}", created.text("id"));
        refused(
            desk.patch(&path, json!({ "scope": ["read"] })).await,
            "scope",
        );
        let narrowed = desk
            .patch(
                &path,
                json!({ "allow_all_scopes": false, "scope": ["read"] }),
            )
            .await
            .expect(StatusCode::OK);
        assert!(
            !members(&narrowed.json).contains(&"allow_all_scopes"),
            "{narrowed:?}"
        );
        assert_eq!(scope(node, &shop).await, "read");
        let widened = desk
            .patch(&path, json!({ "allow_all_scopes": true }))
            .await
            .expect(StatusCode::OK);
        assert!(!members(&widened.json).contains(&"scope"), "{widened:?}");
        assert_eq!(scope(node, &shop).await, "read write delete");
    }

    async fn a_change_is_in_force_for_the_next_token(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = api_and_stranger(&desk).await;
        let path = format!(
            "{GRANTS}/{}",
            desk.grant(&shop, ORDERS, json!({ "scope": ["read"] }))
                .await
        );
        for (sent, shown, carried) in [
            (
                json!(["write", "read"]),
                json!(["write", "read"]),
                json!("read write"),
            ),
            (json!(["write"]), json!(["write"]), json!("write")),
            (json!(null), json!([]), Value::Null),
            (json!(["read"]), json!(["read"]), json!("read")),
            (json!([]), json!([]), Value::Null),
        ] {
            let changed = desk
                .patch(&path, json!({ "scope": sent }))
                .await
                .expect(StatusCode::OK);
            assert_eq!(changed.json["scope"], shown);
            assert_eq!(desk.shown(&path).await, changed.json);
            assert_eq!(scope(node, &shop).await, carried);
        }
        let nothing = desk.patch(&path, json!({})).await.expect(StatusCode::OK);
        assert_eq!(nothing.json["scope"], json!([]));
    }

    async fn whose_grant_it_is_and_for_what_is_never_changed(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = api_and_stranger(&desk).await;
        let path = format!(
            "{GRANTS}/{}",
            desk.grant(&shop, ORDERS, json!({ "scope": ["read"] }))
                .await
        );
        let before = desk.shown(&path).await;
        for (property, value) in [
            ("client_id", json!(shop.id)),
            ("audience", json!(MANAGEMENT)),
            ("subject_type", json!("user")),
            ("id", json!("cgr_0123456789abcdef")),
            ("scopes", json!(["write"])),
            ("is_system", json!(true)),
        ] {
            refused(
                desk.patch(&path, json!({ property: value, "scope": ["write"] }))
                    .await,
                property,
            );
        }
        assert_eq!(desk.shown(&path).await, before);
    }

    async fn values_without_effect_are_taken_and_promises_that_are_not_built_refused(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = api_and_stranger(&desk).await;
        let path = format!("{GRANTS}/{}", desk.grant(&shop, ORDERS, json!({})).await);
        for (field, value) in [
            ("organization_usage", json!("deny")),
            ("organization_usage", json!(null)),
            ("allow_any_organization", json!(false)),
            ("allow_any_organization", json!(null)),
            ("authorization_details_types", json!([])),
            ("allow_all_scopes", json!(null)),
            ("allow_all_scopes", json!(false)),
        ] {
            let changed = desk
                .patch(&path, json!({ field: value }))
                .await
                .expect(StatusCode::OK);
            no_nulls(&changed.json);
        }
        for (field, value) in [
            ("organization_usage", json!("deny")),
            ("allow_any_organization", json!(false)),
            ("authorization_details_types", json!([])),
            ("allow_all_scopes", json!(false)),
        ] {
            let other = desk.application(json!({})).await;
            desk.grant(&other, ORDERS, json!({ field: value })).await;
        }
        for (field, value) in [
            ("organization_usage", json!("allow")),
            ("organization_usage", json!("require")),
            ("allow_any_organization", json!(true)),
            ("authorization_details_types", json!(["payment"])),
            ("default_for", json!("third_party_clients")),
        ] {
            not_supported(
                desk.post(GRANTS, named(&shop, json!({ field: value })))
                    .await,
                field,
            );
        }
        for (field, value) in [
            ("expires", json!(1)),
            ("Scope", json!([])),
            ("id", json!("cgr_1")),
        ] {
            refused(
                desk.post(GRANTS, named(&shop, json!({ field: value })))
                    .await,
                field,
            );
        }
    }

    async fn grants_are_found_by_application_api_and_kind(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = api_and_stranger(&desk).await;
        let other = desk.application(json!({})).await;
        desk.api("urn:stock", json!({})).await;
        let first = desk.grant(&shop, ORDERS, json!({})).await;
        let second = desk.grant(&shop, "urn:stock", json!({})).await;
        let third = desk.grant(&other, ORDERS, json!({ "subject_type": "user" })).await;
        let found = async |query: String| {
            let listed = desk.shown(&format!("{GRANTS}?{query}")).await;
            let listed = listed.as_array().unwrap().iter();
            let mut ids: Vec<_> =
                listed.map(|grant| grant["id"].as_str().unwrap().to_owned()).collect();
            ids.sort();
            ids
        };
        let sorted = |ids: &[&String]| {
            let mut ids: Vec<_> = ids.iter().map(|id| (*id).clone()).collect();
            ids.sort();
            ids
        };
        assert_eq!(found(format!("client_id={}", shop.id)).await, sorted(&[&first, &second]));
        let of_orders = found("audience=https%3A%2F%2Forders.example%2F".into()).await;
        assert_eq!(of_orders, sorted(&[&first, &third]));
        let of_both = found(format!("audience={ORDERS}&client_id={}", shop.id)).await;
        assert_eq!(of_both, sorted(&[&first]));
        assert_eq!(found("subject_type=user".into()).await, sorted(&[&third]));
        let query = "subject_type=client&allow_any_organization=false";
        let query = format!("client_id={}&{query}", shop.id);
        assert_eq!(found(query).await, sorted(&[&first, &second]));
        for nothing in ["client_id=unknown", "audience=urn:unknown", "allow_any_organization=true",
            "default_for=third_party_clients"] {
            assert!(found(nothing.into()).await.is_empty(), "{nothing}");
        }
        let query = format!("client_id={}&include_totals=true&per_page=1", shop.id);
        let page = desk.shown(&format!("{GRANTS}?{query}")).await;
        assert_eq!(page["total"], 2);
        assert_eq!(page["client_grants"].as_array().map(Vec::len), Some(1));
        for bad in ["subject_type=robot", "allow_any_organization=maybe", "client=x",
            "client_id=a&client_id=b"] {
            let answer = desk.get(&format!("{GRANTS}?{bad}")).await;
            answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        }
    }

    async fn the_mfa_api_is_granted_like_any_other(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = desk.application(json!({})).await;
        let id = desk.grant(&shop, MFA, json!({ "scope": ["enroll"] })).await;
        let token = node
            .ask(&shop, &[("audience", MFA)])
            .await
            .expect(StatusCode::OK);
        assert_eq!(
            (&token.json["expires_in"], &token.json["scope"]),
            (&json!(600), &json!("enroll"))
        );
        desk.delete(&format!("{GRANTS}/{id}"))
            .await
            .expect(StatusCode::NO_CONTENT);
        node.ask(&shop, &[("audience", MFA)])
            .await
            .expect_error(StatusCode::FORBIDDEN, "access_denied");
    }
}
