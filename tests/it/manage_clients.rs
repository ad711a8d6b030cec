//! `/api/v2/clients`: applications, their lifetimes, their end, and what is never shown.

use std::collections::HashSet;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, members, no_nulls, refused};
use crate::harness::{Credentials, MANAGEMENT, MFA, both_stores};

pub(crate) const ORDERS: &str = "https://orders.example/";
pub(crate) const CLIENTS: &str = "/clients";

pub(crate) fn path(client: &Credentials) -> String {
    format!("{CLIENTS}/{}", client.id)
}

both_stores! {
    async fn a_minimal_application_has_auth0s_defaults_and_a_secret(world: World) {
        let desk = Desk::open(&world.node).await;
        let created = desk
            .post(CLIENTS, json!({ "name": "Shop" }))
            .await
            .expect(StatusCode::CREATED);
        no_nulls(&created.json);
        assert_eq!(created.json["name"], "Shop");
        let usual = [
            "authorization_code",
            "implicit",
            "refresh_token",
            "client_credentials",
        ];
        assert_eq!(created.json["grant_types"], json!(usual));
        for unset in [
            "app_type",
            "token_endpoint_auth_method",
            "resource_server_identifier",
            "access_token_lifetimes",
            "expires_at",
        ] {
            assert!(
                !members(&created.json).contains(&unset),
                "{unset}: {created:?}"
            );
        }
        let secret = created.text("client_secret");
        assert!(
            secret.len() >= 43
                && secret
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
            "{secret}"
        );
        let mut expected = created.json.clone();
        expected.as_object_mut().unwrap().remove("client_secret");
        assert_eq!(
            desk.shown(&format!("{CLIENTS}/{}", created.text("client_id")))
                .await,
            expected
        );
    }

    async fn client_ids_are_32_alphanumeric_characters_and_never_the_same(world: World) {
        let desk = Desk::open(&world.node).await;
        let (mut ids, mut secrets) = (HashSet::new(), HashSet::new());
        for _ in 0..10 {
            let made = desk.application(json!({})).await;
            assert!(
                made.id.len() == 32 && made.id.bytes().all(|b| b.is_ascii_alphanumeric()),
                "{}",
                made.id
            );
            ids.insert(made.id);
            secrets.insert(made.secret);
        }
        assert_eq!((ids.len(), secrets.len()), (10, 10));
        refused(
            desk.post(
                CLIENTS,
                json!({ "name": "Mine", "client_id": "a".repeat(32) }),
            )
            .await,
            "client_id",
        );
    }

    async fn grant_types_follow_the_type_of_application_unless_they_are_named(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        let user = json!(["authorization_code", "implicit", "refresh_token"]);
        for (fields, expected) in [
            (
                json!({ "app_type": "non_interactive" }),
                json!(["client_credentials"]),
            ),
            (json!({ "app_type": "native" }), user.clone()),
            (json!({ "app_type": "spa" }), user.clone()),
            (
                json!({ "app_type": "resource_server", "resource_server_identifier": ORDERS }),
                json!([]),
            ),
            (json!({ "app_type": "spa", "grant_types": [] }), json!([])),
            (
                json!({ "grant_types": ["client_credentials", "password"] }),
                json!(["client_credentials", "password"]),
            ),
        ] {
            let mut body = fields;
            body["name"] = "Shop".into();
            let created = desk.post(CLIENTS, body).await.expect(StatusCode::CREATED);
            assert_eq!(created.json["grant_types"], expected);
        }
    }

    async fn an_application_without_the_grant_type_gets_no_token(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let desk = Desk::open(node).await;
        let changed = desk
            .patch(
                &path(&shop),
                json!({ "grant_types": ["authorization_code"] }),
            )
            .await;
        assert_eq!(
            changed.expect(StatusCode::OK).json["grant_types"],
            json!(["authorization_code"])
        );
        let refused = node.ask(&shop, &[("audience", ORDERS)]).await;
        refused.expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");
        desk.patch(
            &path(&shop),
            json!({ "grant_types": ["client_credentials"] }),
        )
        .await
        .expect(StatusCode::OK);
        node.token(&shop, ORDERS).await;
    }

    async fn what_a_field_does_not_take_is_named_and_changes_nothing(world: World) {
        let desk = Desk::open(&world.node).await;
        let fields = json!({ "access_token_lifetimes": { "application": 60 } });
        let shop = desk.application(fields).await;
        let before = desk.shown(&path(&shop)).await;
        refused(desk.post(CLIENTS, json!({ "app_type": "spa" })).await, "name");
        let within = |member: &str, value: Value| json!({ member: value });
        let lifetimes = "access_token_lifetimes";
        for (field, value, property) in [
            ("name", json!(""), "name"),
            ("name", json!("<b>"), "name"),
            ("name", json!("n".repeat(201)), "name"),
            ("name", json!(null), "name"),
            ("name", json!("a\u{0}b"), "name"),
            ("app_type", json!("robot"), "app_type"),
            ("app_type", json!(1), "app_type"),
            ("grant_types", json!("client_credentials"), "grant_types"),
            ("grant_types", json!(["made_up"]), "grant_types"),
            ("grant_types", json!(["client_credentials", "client_credentials"]), "grant_types"),
            ("grant_types", json!([1]), "grant_types"),
            ("token_endpoint_auth_method", json!("private_key_jwt"), "token_endpoint_auth_method"),
            ("token_endpoint_auth_method", json!(""), "token_endpoint_auth_method"),
            ("resource_server_identifier", json!(""), "resource_server_identifier"),
            ("resource_server_identifier", json!("i".repeat(601)), "resource_server_identifier"),
            (lifetimes, json!(60), lifetimes),
            (lifetimes, within("application", json!(0)), "access_token_lifetimes.application"),
            (lifetimes, within("user", json!("0")), "access_token_lifetimes.user"),
            (lifetimes, within("application", json!(3600.0)), "access_token_lifetimes.application"),
            (lifetimes, within("application", json!("1h")), "access_token_lifetimes.application"),
            (lifetimes, within("application", json!(true)), "access_token_lifetimes.application"),
            (lifetimes, within("user", json!(1u64 << 63)), "access_token_lifetimes.user"),
            (lifetimes, within("web", json!(60)), "access_token_lifetimes.web"),
            ("expires_at", json!(4_102_444_800_i64), "expires_at"),
            ("client_id", json!("mine"), "client_id"),
            ("nmae", json!("misspelt"), "nmae"),
        ] {
            let mut created = json!({ "name": "New" });
            created[field] = value.clone();
            refused(desk.post(CLIENTS, created).await, property);
            let mut change = json!({ "app_type": "spa", "token_endpoint_auth_method": "none" });
            change[field] = value;
            refused(desk.patch(&path(&shop), change).await, property);
            assert_eq!(desk.shown(&path(&shop)).await, before, "{field}");
        }
        assert_eq!(desk.shown("/clients?include_totals=true").await["total"], 2);
    }

    /// What restricts or protects is never taken without effect (compatibility.md §6).
    async fn a_protection_that_is_not_built_is_never_silently_taken(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        for (field, value) in [
            ("require_proof_of_possession", json!(true)),
            ("compliance_level", json!("fapi2_sp_pkj_mtls")),
            (
                "token_quota",
                json!({ "client_credentials": { "enforce": true, "per_day": 1 } }),
            ),
            ("organization_usage", json!("require")),
            (
                "default_organization",
                json!({ "organization_id": "org_1", "flows": ["client_credentials"] }),
            ),
            (
                "client_authentication_methods",
                json!({ "tls_client_auth": { "credentials": [] } }),
            ),
        ] {
            let created = desk
                .post(CLIENTS, json!({ "name": "New", field: value }))
                .await;
            let changed = desk.patch(&path(&shop), json!({ field: value })).await;
            for answer in [created, changed] {
                let answer = answer.expect(StatusCode::BAD_REQUEST);
                assert!(answer.text("message").contains(field), "{answer:?}");
            }
        }
    }

    async fn a_change_keeps_what_it_does_not_name(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({ "name": "Shop", "expires_at": "2099-01-01T00:00:00Z",
            "token_endpoint_auth_method": "client_secret_post",
            "access_token_lifetimes": { "application": 1800, "user": -9 } })).await;
        let before = desk.shown(&path(&shop)).await;
        assert_eq!(
            before["access_token_lifetimes"],
            json!({ "application": 1800, "user": -1 })
        );
        assert_eq!(
            desk.patch(&path(&shop), json!({}))
                .await
                .expect(StatusCode::OK)
                .json,
            before
        );
        let renamed = desk
            .patch(&path(&shop), json!({ "name": "Shop 2" }))
            .await
            .expect(StatusCode::OK);
        let mut expected = before;
        expected["name"] = "Shop 2".into();
        assert_eq!(renamed.json, expected);
        assert_eq!(desk.shown(&path(&shop)).await, expected);
    }

    async fn a_secret_is_shown_when_it_is_made_and_never_again(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        let mut secrets = vec![shop.secret.clone()];
        let rotated = desk
            .post(&format!("{}/rotate-secret", path(&shop)), json!({}))
            .await
            .expect(StatusCode::OK);
        secrets.push(rotated.text("client_secret"));
        let set = desk
            .patch(
                &path(&shop),
                json!({ "client_secret": "a secret of one's own" }),
            )
            .await
            .expect(StatusCode::OK);
        assert_eq!(set.text("client_secret"), "a secret of one's own");
        secrets.push(set.text("client_secret"));
        let renamed = desk
            .patch(&path(&shop), json!({ "name": "Renamed" }))
            .await
            .expect(StatusCode::OK);
        let mut answers = vec![renamed];
        for query in [
            "",
            "?fields=client_secret",
            "?fields=client_id,client_secret&include_fields=true",
            "?fields=name&include_fields=false",
        ] {
            answers.push(
                desk.get(&format!("{}{query}", path(&shop)))
                    .await
                    .expect(StatusCode::OK),
            );
            answers.push(
                desk.get(&format!("{CLIENTS}{query}"))
                    .await
                    .expect(StatusCode::OK),
            );
        }
        answers.push(desk.get("/clients?take=10").await.expect(StatusCode::OK));
        for answer in answers {
            assert!(!answer.body.contains("client_secret"), "{answer:?}");
            assert!(
                !secrets.iter().any(|secret| answer.body.contains(secret)),
                "{answer:?}"
            );
        }
    }

    async fn a_public_application_has_no_secret(world: World) {
        let desk = Desk::open(&world.node).await;
        let body =
            json!({ "name": "App", "app_type": "native", "token_endpoint_auth_method": "none" });
        let created = desk.post(CLIENTS, body).await.expect(StatusCode::CREATED);
        assert!(
            !members(&created.json).contains(&"client_secret"),
            "{created:?}"
        );
        assert_eq!(created.json["token_endpoint_auth_method"], "none");
    }

    async fn a_secret_of_ones_own_at_creation_is_the_one_that_works(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({})).await;
        for secret in [
            "0123456789abcdef",
            &"s".repeat(256),
            "with: %41 + & = 'signs' and \"quotes\"",
        ] {
            let shop = desk.application(json!({ "client_secret": secret })).await;
            assert_eq!(shop.secret, secret);
            desk.grant(&shop, ORDERS, json!({})).await;
            let form = [
                ("grant_type", "client_credentials"),
                ("client_id", shop.id.as_str()),
                ("client_secret", secret),
                ("audience", ORDERS),
            ];
            node.bare_form("/oauth/token", &form)
                .await
                .expect(StatusCode::OK);
        }
        for secret in [
            "0123456789abcde",
            &"s".repeat(257),
            "sixteen bytes \u{fc}berall",
            "0123456789abcde\u{7f}",
            "",
        ] {
            let answer = refused(
                desk.post(CLIENTS, json!({ "name": "New", "client_secret": secret }))
                    .await,
                "client_secret",
            );
            assert!(
                secret.is_empty() || !answer.body.contains(secret),
                "{answer:?}"
            );
        }
    }

    async fn a_resource_server_names_its_api(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        let with = |fields: Value| {
            let mut body = json!({ "name": "Gateway" });
            body.as_object_mut()
                .unwrap()
                .extend(fields.as_object().unwrap().clone());
            body
        };
        let of = |identifier: &str| {
            with(json!({ "app_type": "resource_server", "resource_server_identifier": identifier }))
        };
        let created = desk
            .post(CLIENTS, of(ORDERS))
            .await
            .expect(StatusCode::CREATED);
        assert_eq!(created.json["resource_server_identifier"], ORDERS);
        let property = "resource_server_identifier";
        refused(
            desk.post(CLIENTS, with(json!({ "app_type": "resource_server" })))
                .await,
            property,
        );
        refused(
            desk.post(CLIENTS, with(json!({ property: ORDERS }))).await,
            property,
        );
        refused(
            desk.post(
                CLIENTS,
                with(json!({ "app_type": "non_interactive", property: ORDERS })),
            )
            .await,
            property,
        );
        for system in [MANAGEMENT, MFA, MFA.trim_end_matches('/')] {
            refused(desk.post(CLIENTS, of(system)).await, property);
        }
        let unknown = desk.post(CLIENTS, of("urn:unknown")).await;
        unknown.expect_problem(StatusCode::NOT_FOUND, "inexistent_resource_server");

        let gateway = format!("{CLIENTS}/{}", created.text("client_id"));
        for fields in [
            json!({ property: MANAGEMENT }),
            json!({ "app_type": "native" }),
        ] {
            refused(desk.patch(&gateway, fields).await, property);
        }
        let shop = desk.application(json!({})).await;
        refused(
            desk.patch(&path(&shop), json!({ property: ORDERS })).await,
            property,
        );
        let becomes = json!({ "app_type": "resource_server", property: ORDERS });
        desk.patch(&path(&shop), becomes)
            .await
            .expect(StatusCode::OK);
    }

    async fn an_unknown_application_is_404_but_deleting_it_is_204(world: World) {
        let desk = Desk::open(&world.node).await;
        for id in [
            "unknown",
            "01234567890123456789012345678901",
            "%27%20or%201=1--",
        ] {
            let unknown = format!("{CLIENTS}/{id}");
            for answer in [
                desk.get(&unknown).await,
                desk.patch(&unknown, json!({ "name": "x" })).await,
                desk.patch(&unknown, json!({ "client_secret": "0123456789abcdef" }))
                    .await,
                desk.post(&format!("{unknown}/rotate-secret"), json!({}))
                    .await,
            ] {
                answer.expect_problem(StatusCode::NOT_FOUND, "inexistent_client");
            }
            desk.delete(&unknown).await.expect(StatusCode::NO_CONTENT);
        }
        for id in ["%00", "a%0Ab"] {
            desk.get(&format!("{CLIENTS}/{id}"))
                .await
                .expect_problem(StatusCode::BAD_REQUEST, "invalid_uri");
        }
    }
}
