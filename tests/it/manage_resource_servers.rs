//! `/api/v2/resource-servers`: creating, finding, changing and deleting APIs. Their fields are in
//! manage_api_fields.rs, their lifetimes in manage_api_lifetimes.rs.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, members, no_nulls, refused};
use crate::harness::{ISSUER, MANAGEMENT, MFA, api_path, both_stores};

const ORDERS: &str = "https://orders.example/api/v1";
const APIS: &str = "/resource-servers";

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

both_stores! {
    /// compatibility.md §1.2, note 2, and §6: `max_token_lifetime` is always shown.
    async fn a_minimal_api_has_auth0s_fields_and_defaults_and_nothing_else(world: World) {
        let desk = Desk::open(&world.node).await;
        let body = json!({ "name": "Orders", "identifier": ORDERS });
        let created = desk.post(APIS, body).await.expect(StatusCode::CREATED);
        let id = created.text("id");
        assert!(
            id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit()),
            "{id}"
        );
        let expected = json!({
            "id": id,
            "name": "Orders",
            "identifier": ORDERS,
            "allow_offline_access": false,
            "skip_consent_for_verifiable_first_party_clients": false,
            "subject_type_authorization": {
                "client": { "policy": "require_client_grant" },
                "user": { "policy": "allow_all" },
            },
            "token_lifetime": 86400,
            "token_lifetime_for_web": 7200,
            "max_token_lifetime": 2_592_000,
            "signing_alg": "RS256",
        });
        assert_eq!(created.json, expected);
        assert_eq!(desk.shown(&api_path(ORDERS)).await, expected);
    }

    async fn a_name_is_not_needed_and_is_not_shown_where_there_is_none(world: World) {
        let desk = Desk::open(&world.node).await;
        let created = desk.api(ORDERS, json!({})).await;
        assert!(!members(&created).contains(&"name"), "{created}");
        no_nulls(&created);
    }

    async fn an_identifier_is_needed_and_is_never_changed(world: World) {
        let desk = Desk::open(&world.node).await;
        refused(
            desk.post(APIS, json!({ "name": "Orders" })).await,
            "identifier",
        );
        refused(
            desk.post(APIS, json!({ "identifier": null })).await,
            "identifier",
        );
        desk.api(ORDERS, json!({})).await;
        for property in ["identifier", "id", "is_system", "client_id"] {
            let change = json!({ property: "anything" });
            refused(desk.patch(&api_path(ORDERS), change).await, property);
        }
    }

    async fn an_identifier_is_one_to_600_characters(world: World) {
        let desk = Desk::open(&world.node).await;
        for identifier in [
            "o",
            &"é".repeat(600),
            "urn:orders",
            "Bestellungen-ü",
            "a/b?c=d#e%2Ff",
        ] {
            let created = desk.api(identifier, json!({})).await;
            assert_eq!(created["identifier"], identifier);
            let found = desk
                .shown(&format!("{APIS}/{}", created["id"].as_str().unwrap()))
                .await;
            assert_eq!(found["identifier"], identifier);
        }
        for identifier in ["", &"o".repeat(601)] {
            refused(
                desk.post(APIS, json!({ "identifier": identifier })).await,
                "identifier",
            );
        }
    }

    async fn a_taken_identifier_is_a_conflict_until_its_api_is_deleted(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        let again = json!({ "identifier": ORDERS, "name": "Another" });
        desk.post(APIS, again.clone())
            .await
            .expect_problem(StatusCode::CONFLICT, "resource_conflict");
        assert!(
            desk.shown(&api_path(ORDERS)).await.get("name").is_none(),
            "the first one stays"
        );
        desk.delete(&api_path(ORDERS))
            .await
            .expect(StatusCode::NO_CONTENT);
        desk.post(APIS, again).await.expect(StatusCode::CREATED);
    }

    async fn nobody_takes_the_system_identifiers_with_or_without_their_last_slash(world: World) {
        let desk = Desk::open(&world.node).await;
        for identifier in [MANAGEMENT, MFA] {
            for identifier in [identifier, identifier.trim_end_matches('/')] {
                let answer = desk.post(APIS, json!({ "identifier": identifier })).await;
                answer.expect_problem(StatusCode::CONFLICT, "resource_conflict");
            }
        }
    }

    async fn identifiers_that_would_be_taken_for_something_else_are_refused(world: World) {
        let desk = Desk::open(&world.node).await;
        let of_the_issuer = [
            ISSUER.to_owned(),
            format!("{ISSUER}orders"),
            format!("{ISSUER}api/v3/"),
        ];
        let like_ids = [
            "0123456789abcdef01234567".to_owned(),
            "0123456789ABCDEF01234567".to_owned(),
            "0123456789abcdefghijklmnopQRSTUV".to_owned(),
        ];
        let unwritable = [
            "or ders",
            " orders",
            "orders ",
            "or\u{a0}ders",
            "or\tders",
            "or\nders",
            "or\u{0}ders",
            "or\u{7f}ders",
            "or\u{85}ders",
        ];
        let all = of_the_issuer
            .into_iter()
            .chain(like_ids)
            .chain(unwritable.map(str::to_owned));
        for identifier in all {
            refused(
                desk.post(APIS, json!({ "identifier": identifier })).await,
                "identifier",
            );
        }
        // One character more or less, and none that is not of an id: nobody takes these for ids.
        for identifier in [
            "0123456789abcdef0123456",
            "0123456789abcdef0123456g",
            "0123456789abcdefghijklmnopQRSTU-",
        ] {
            desk.api(identifier, json!({})).await;
        }
    }

    async fn a_path_takes_the_id_and_the_identifier_encoded_once_or_twice(world: World) {
        let desk = Desk::open(&world.node).await;
        for identifier in [ORDERS, "orders", "50% off/today", "a+b&c", "ü"] {
            let identifier = identifier.replace(' ', "_");
            let id = desk.api(&identifier, json!({})).await["id"]
                .as_str()
                .unwrap()
                .to_owned();
            let once = encode(&identifier);
            for (number, segment) in [id, once.clone(), encode(&once)].iter().enumerate() {
                let path = format!("{APIS}/{segment}");
                assert_eq!(desk.shown(&path).await["identifier"], identifier, "{path}");
                let name = format!("change {number}");
                let changed = desk
                    .patch(&path, json!({ "name": name }))
                    .await
                    .expect(StatusCode::OK);
                assert_eq!(changed.json["name"], name, "{path}");
            }
            desk.delete(&format!("{APIS}/{}", encode(&once)))
                .await
                .expect(StatusCode::NO_CONTENT);
            let gone = desk.get(&format!("{APIS}/{once}")).await;
            gone.expect_problem(StatusCode::NOT_FOUND, "inexistent_resource_server");
        }
    }

    async fn what_does_not_exist_is_404_but_deleting_it_is_204(world: World) {
        let desk = Desk::open(&world.node).await;
        for segment in [
            "0123456789abcdef01234567",
            "unknown",
            "https%3A%2F%2Funknown",
            "%252F",
        ] {
            let path = format!("{APIS}/{segment}");
            for answer in [
                desk.get(&path).await,
                desk.patch(&path, json!({ "name": "x" })).await,
            ] {
                answer.expect_problem(StatusCode::NOT_FOUND, "inexistent_resource_server");
            }
            let gone = desk.delete(&path).await.expect(StatusCode::NO_CONTENT);
            assert_eq!(gone.body, "");
        }
    }

    async fn control_characters_in_a_path_are_an_invalid_uri(world: World) {
        let desk = Desk::open(&world.node).await;
        for segment in ["%00", "a%0Ab", &"a".repeat(2001)] {
            let path = format!("{APIS}/{segment}");
            let answers = [
                desk.get(&path).await,
                desk.patch(&path, json!({})).await,
                desk.delete(&path).await,
            ];
            for answer in answers {
                answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_uri");
            }
        }
    }

    async fn the_system_apis_are_there_from_the_start(world: World) {
        let desk = Desk::open(&world.node).await;
        let management = desk.shown(&api_path(MANAGEMENT)).await;
        assert_eq!(
            management["name"], "Auth0 Management API",
            "tools look for this very name"
        );
        let mfa = desk.shown(&api_path(MFA)).await;
        let scopes: Vec<_> = mfa["scopes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|scope| &scope["value"])
            .collect();
        assert_eq!(
            scopes,
            ["enroll", "read:authenticators", "remove:authenticators"]
        );
        for system in [&management, &mfa] {
            assert_eq!(system["is_system"], true);
            assert_eq!(system["allow_offline_access"], false);
            no_nulls(system);
        }
        assert_eq!(
            (
                &management["token_lifetime"],
                &management["max_token_lifetime"]
            ),
            (&json!(86400), &json!(2_592_000))
        );
        assert_eq!(
            (&mfa["token_lifetime"], &mfa["token_lifetime_for_web"]),
            (&json!(600), &json!(600))
        );
        assert_eq!(mfa["max_token_lifetime"], 600);
    }

    async fn the_system_apis_cannot_be_deleted(world: World) {
        let desk = Desk::open(&world.node).await;
        for identifier in [MANAGEMENT, MFA] {
            let shown = desk.shown(&api_path(identifier)).await;
            let by_id = format!("{APIS}/{}", shown["id"].as_str().unwrap());
            for path in [api_path(identifier), by_id] {
                desk.delete(&path)
                    .await
                    .expect_problem(StatusCode::BAD_REQUEST, "operation_not_supported");
            }
            assert_eq!(desk.shown(&api_path(identifier)).await, shown);
        }
        let still_in = desk.get("/clients").await;
        still_in.expect(StatusCode::OK);
    }

    async fn the_system_apis_keep_their_names_scopes_and_form(world: World) {
        let desk = Desk::open(&world.node).await;
        for identifier in [MANAGEMENT, MFA] {
            let path = api_path(identifier);
            let before = desk.shown(&path).await;
            for (field, value) in [
                ("name", json!("Mine")),
                ("scopes", json!([])),
                ("scopes", json!([{ "value": "everything" }])),
                ("token_dialect", json!("opaque")),
                ("allow_offline_access", json!(true)),
                (
                    "subject_type_authorization",
                    json!({ "client": { "policy": "deny_all" } }),
                ),
            ] {
                let skip = "skip_consent_for_verifiable_first_party_clients";
                let change = json!({ field: value, skip: true });
                let answer = desk.patch(&path, change).await;
                let answer =
                    answer.expect_problem(StatusCode::BAD_REQUEST, "operation_not_supported");
                assert!(answer.text("message").contains(field), "{answer:?}");
                assert_eq!(desk.shown(&path).await, before, "{field}");
            }
        }
    }

    /// Tools read, change and write back.
    async fn a_system_api_takes_its_own_values_back(world: World) {
        let desk = Desk::open(&world.node).await;
        for identifier in [MANAGEMENT, MFA] {
            let path = api_path(identifier);
            let before = desk.shown(&path).await;
            let mut back = before.clone();
            for read_only in ["id", "identifier", "is_system"] {
                back.as_object_mut().unwrap().remove(read_only);
            }
            let after = desk.patch(&path, back).await.expect(StatusCode::OK);
            assert_eq!(after.json, before);
        }
    }

    async fn deleting_an_api_ends_its_tokens_and_its_grants_for_good(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        desk.api("urn:stock", json!({})).await;
        desk.grant(&shop, "urn:stock", json!({})).await;
        let stored = [("audience", ORDERS), ("validity_period", "-1")];
        desk.patch(&api_path(ORDERS), json!({ "max_token_lifetime": -1 }))
            .await
            .expect(StatusCode::OK);
        let never = node
            .ask(&shop, &stored)
            .await
            .expect(StatusCode::OK)
            .text("access_token");
        let (signed, other) = (
            node.token(&shop, ORDERS).await,
            node.token(&shop, "urn:stock").await,
        );
        assert!(node.is_active(&shop, &signed).await && node.is_active(&shop, &never).await);

        desk.delete(&api_path(ORDERS))
            .await
            .expect(StatusCode::NO_CONTENT);
        assert!(!node.is_active(&shop, &signed).await, "the signed one");
        assert!(
            !node.is_active(&shop, &never).await,
            "the never-expiring one"
        );
        assert!(node.is_active(&shop, &other).await, "another API's");
        let denied = node.ask(&shop, &[("audience", ORDERS)]).await;
        denied.expect_error(StatusCode::FORBIDDEN, "access_denied");

        desk.api(ORDERS, json!({})).await;
        assert!(
            !node.is_active(&shop, &signed).await,
            "a new API of this name revives nothing"
        );
        let denied = node.ask(&shop, &[("audience", ORDERS)]).await;
        denied.expect_error(StatusCode::FORBIDDEN, "access_denied");
        let grants = desk
            .shown(&format!("/client-grants?client_id={}", shop.id))
            .await;
        assert_eq!(grants.as_array().map(Vec::len), Some(1), "{grants}");
    }

    async fn a_change_replaces_the_fields_that_it_names_and_no_others(world: World) {
        let desk = Desk::open(&world.node).await;
        let fields = json!({ "name": "Orders", "token_lifetime": 3600,
            "scopes": [{ "value": "read", "description": "Reads" }],
            "token_dialect": "rfc9068_profile", "allow_offline_access": true });
        let created = desk.api(ORDERS, fields).await;
        let nothing = desk
            .patch(&api_path(ORDERS), json!({}))
            .await
            .expect(StatusCode::OK);
        assert_eq!(nothing.json, created);
        let changed = desk
            .patch(
                &api_path(ORDERS),
                json!({ "scopes": [{ "value": "write" }] }),
            )
            .await
            .expect(StatusCode::OK);
        let mut expected = created.clone();
        expected["scopes"] = json!([{ "value": "write" }]);
        assert_eq!(changed.json, expected, "the list is replaced as a whole");
        assert_eq!(desk.shown(&api_path(ORDERS)).await, expected);
    }

    async fn a_denied_api_gives_applications_no_tokens_whatever_is_granted(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let deny =
            |policy| json!({ "subject_type_authorization": { "client": { "policy": policy } } });
        node.change_api(ORDERS, deny("deny_all"))
            .await
            .expect(StatusCode::OK);
        let denied = node.ask(&shop, &[("audience", ORDERS)]).await;
        denied.expect_error(StatusCode::FORBIDDEN, "access_denied");
        node.change_api(ORDERS, deny("require_client_grant"))
            .await
            .expect(StatusCode::OK);
        node.token(&shop, ORDERS).await;
    }

    async fn the_scopes_of_an_api_are_what_its_tokens_carry(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(
            ORDERS,
            json!({ "scopes": [{ "value": "read" }, { "value": "write" }] }),
        )
        .await;
        let shop = desk.application(json!({})).await;
        let grant = desk
            .grant(&shop, ORDERS, json!({ "scope": ["read", "write"] }))
            .await;
        let scope = async || {
            node.ask(&shop, &[("audience", ORDERS)])
                .await
                .expect(StatusCode::OK)
                .json["scope"]
                .clone()
        };
        assert_eq!(scope().await, "read write");
        desk.patch(
            &api_path(ORDERS),
            json!({ "scopes": [{ "value": "read" }] }),
        )
        .await
        .expect(StatusCode::OK);
        assert_eq!(
            scope().await,
            "read",
            "tokens drop what the API does not define any more"
        );
        let kept = desk.shown(&format!("/client-grants/{grant}")).await;
        assert_eq!(
            kept["scope"],
            json!(["read", "write"]),
            "and the grant keeps it"
        );
        desk.patch(&api_path(ORDERS), json!({ "scopes": [] }))
            .await
            .expect(StatusCode::OK);
        assert_eq!(scope().await, Value::Null, "no scope, no member");
        assert!(!members(&desk.shown(&api_path(ORDERS)).await).contains(&"scopes"));
    }
}
