//! A Management token hands out only what it holds, neither by grants nor by secrets
//! (compatibility.md §6, "rights of a Management token").

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{ADMIN_ID, Credentials, MANAGEMENT, MFA, both_stores};
use crate::manage_rights::{ORDERS, clerk, lacks};
use crate::raw::Connection;

both_stores! {
    async fn a_clerk_grants_only_the_management_scopes_that_it_holds(world: World) {
        let node = &world.node;
        let held = ["create:client_grants", "create:clients", "read:clients"];
        let (_, clerk, _) = clerk(node, &held).await;
        let accomplice = clerk.application(json!({})).await;
        let grant = async |fields: Value| {
            let mut body = json!({ "client_id": accomplice.id, "audience": MANAGEMENT });
            body.as_object_mut()
                .unwrap()
                .extend(fields.as_object().unwrap().clone());
            clerk.post("/client-grants", body).await
        };
        lacks(
            grant(json!({ "scope": ["delete:clients"] })).await,
            &["delete:clients"],
        );
        lacks(
            grant(json!({ "scope": ["read:clients", "update:client_keys", "delete:clients"] }))
                .await,
            &["update:client_keys", "delete:clients"],
        );
        lacks(
            grant(json!({ "allow_all_scopes": true })).await,
            &["update:clients", "delete:resource_servers"],
        );
        lacks(
            grant(json!({ "allow_all_scopes": true, "subject_type": "user" })).await,
            &["update:clients"],
        );
        lacks(
            grant(json!({ "scope": ["delete:clients"], "subject_type": "user" })).await,
            &["delete:clients"],
        );
        let denied = node.ask(&accomplice, &[("audience", MANAGEMENT)]).await;
        denied.expect_error(StatusCode::FORBIDDEN, "access_denied");

        grant(json!({ "scope": ["read:clients", "create:clients"] }))
            .await
            .expect(StatusCode::CREATED);
        let token = node
            .ask(&accomplice, &[("audience", MANAGEMENT)])
            .await
            .expect(StatusCode::OK);
        assert_eq!(token.json["scope"], "create:clients read:clients");
    }

    async fn what_counts_is_the_token_and_not_what_its_application_could_have(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = desk.application(json!({})).await;
        // The first application holds everything, this token of it one scope.
        let narrow = Desk::with_scopes(node, &["create:client_grants"]).await;
        let body =
            json!({ "client_id": shop.id, "audience": MANAGEMENT, "scope": ["read:clients"] });
        lacks(narrow.post("/client-grants", body).await, &["read:clients"]);
        let rotated = Desk::with_scopes(node, &["update:client_keys"]).await;
        let answer = rotated
            .post(&format!("/clients/{ADMIN_ID}/rotate-secret"), json!({}))
            .await;
        lacks(answer, &["update:clients"]);
    }

    async fn a_clerk_does_not_widen_a_grant_beyond_what_it_holds(world: World) {
        let node = &world.node;
        let held = ["update:client_grants", "read:clients"];
        let (clerk_itself, clerk, own_grant) = clerk(node, &held).await;
        let path = format!("/client-grants/{own_grant}");
        let before = Desk::open(node).await.shown(&path).await;
        for (change, missing) in [
            (json!({ "allow_all_scopes": true }), "delete:clients"),
            (
                json!({ "scope": ["update:client_grants", "update:client_keys"] }),
                "update:client_keys",
            ),
        ] {
            lacks(clerk.patch(&path, change).await, &[missing]);
            assert_eq!(Desk::open(node).await.shown(&path).await, before);
        }
        let same = node
            .ask(&clerk_itself, &[("audience", MANAGEMENT)])
            .await
            .expect(StatusCode::OK);
        assert_eq!(same.json["scope"], "read:clients update:client_grants");
        clerk
            .patch(&path, json!({ "scope": ["read:clients"] }))
            .await
            .expect(StatusCode::OK);
    }

    async fn a_clerk_does_not_touch_a_stronger_grant_at_all(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let (_, clerk, _) = clerk(node, &["update:client_grants", "read:client_grants"]).await;
        let grants = desk
            .shown(&format!("/client-grants?client_id={ADMIN_ID}"))
            .await;
        let path = format!("/client-grants/{}", grants[0]["id"].as_str().unwrap());
        let before = desk.shown(&path).await;
        assert_eq!(before["allow_all_scopes"], true);
        for change in [
            json!({}),
            json!({ "expires_at": "2099-01-01T00:00:00Z" }),
            json!({ "expires_at": null }),
        ] {
            lacks(clerk.patch(&path, change).await, &["delete:clients"]);
        }
        assert_eq!(desk.shown(&path).await, before);
    }

    async fn other_apis_are_granted_by_whoever_may_grant(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({ "scopes": [{ "value": "read" }] }))
            .await;
        let shop = desk.application(json!({})).await;
        let (_, clerk, _) = clerk(node, &["create:client_grants", "update:client_grants"]).await;
        let id = clerk
            .grant(&shop, ORDERS, json!({ "scope": ["read"] }))
            .await;
        clerk
            .patch(
                &format!("/client-grants/{id}"),
                json!({ "allow_all_scopes": true }),
            )
            .await
            .expect(StatusCode::OK);
        clerk
            .grant(&shop, MFA, json!({ "scope": ["enroll"] }))
            .await;
    }

    async fn whoever_sets_secrets_cannot_become_a_stronger_application(world: World) {
        let node = &world.node;
        let held = ["update:client_keys", "update:clients", "read:client_keys"];
        let (_, clerk, _) = clerk(node, &held).await;
        let admin = format!("/clients/{ADMIN_ID}");
        for body in [
            json!({}),
            json!({ "grace_seconds": 600 }),
            json!({ "revoke_tokens": true }),
        ] {
            let answer = clerk.post(&format!("{admin}/rotate-secret"), body).await;
            assert!(answer.json.get("client_secret").is_none());
            lacks(answer, &["delete:clients", "create:client_grants"]);
        }
        for body in [
            json!({ "client_secret": "the attacker knows this secret well" }),
            json!({ "client_secret": "0123456789abcdef", "name": "Mine" }),
        ] {
            lacks(
                clerk.patch(&admin, body).await,
                &["delete:clients", "create:client_grants"],
            );
        }
        for attempt in ["the attacker knows this secret well", "0123456789abcdef"] {
            let attacker = Credentials {
                id: ADMIN_ID.into(),
                secret: attempt.into(),
            };
            let answer = node.ask(&attacker, &[("audience", MANAGEMENT)]).await;
            answer.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        }
        let still = Desk::open(node).await.shown(&admin).await;
        assert_ne!(still["name"], "Mine");
    }

    async fn whoever_sets_secrets_may_become_an_equal_or_weaker_application(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        let (equal, _, _) = clerk(node, &["update:client_keys"]).await;
        let (_, clerk, _) = clerk(node, &["update:client_keys", "read:clients"]).await;
        for weaker in [&shop, &equal] {
            clerk
                .post(&format!("/clients/{}/rotate-secret", weaker.id), json!({}))
                .await
                .expect(StatusCode::OK);
            let own = json!({ "client_secret": "a secret of thirty-two characters" });
            clerk
                .patch(&format!("/clients/{}", weaker.id), own)
                .await
                .expect(StatusCode::OK);
        }
        // It grew: from now on its secrets are out of reach.
        desk.grant(&shop, MANAGEMENT, json!({ "scope": ["delete:clients"] }))
            .await;
        let answer = clerk
            .post(&format!("/clients/{}/rotate-secret", shop.id), json!({}))
            .await;
        lacks(answer, &["delete:clients"]);
    }

    async fn secrets_need_update_client_keys_and_all_else_update_clients(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let path = format!("/clients/{}", shop.id);
        let secret = "a secret of thirty-two characters";
        let keys = Desk::with_scopes(node, &["update:client_keys"]).await;
        let fields = Desk::with_scopes(node, &["update:clients"]).await;
        lacks(
            fields
                .patch(&path, json!({ "client_secret": secret }))
                .await,
            &["update:client_keys"],
        );
        lacks(
            fields
                .patch(&path, json!({ "client_secret": secret, "name": "x" }))
                .await,
            &["update:client_keys"],
        );
        lacks(
            keys.patch(&path, json!({ "name": "x" })).await,
            &["update:clients"],
        );
        lacks(
            keys.patch(&path, json!({ "client_secret": secret, "name": "x" }))
                .await,
            &["update:clients"],
        );
        node.token(&shop, ORDERS).await;
        keys.patch(&path, json!({ "client_secret": secret }))
            .await
            .expect(StatusCode::OK);
        fields
            .patch(&path, json!({ "name": "x" }))
            .await
            .expect(StatusCode::OK);
    }
}

both_stores! {
    /// Whoever holds a request open while the token is revoked has gained nothing.
    async fn a_token_that_is_revoked_while_a_body_is_on_its_way_opens_nothing(world: World) {
        let node = &world.node;
        let token = node.admin_token().await;
        let body = json!({ "name": "Parked" }).to_string();
        let (begin, rest) = body.split_at(3);
        let mut parked = Connection::open(&node.base).await.unwrap();
        let head = format!(
            "POST /api/v2/clients HTTP/1.1\r\nHost: grantor\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{begin}",
            body.len()
        );
        parked.send(head).await.unwrap();
        // The server has read as far as it can once it has answered another request.
        node.send(node.request(reqwest::Method::GET, "/healthz")).await.expect(StatusCode::OK);
        node.revoke(&Credentials::admin(), &token).await;
        parked.send(rest).await.unwrap();
        let answer = parked.answer().await.unwrap();
        assert_eq!(answer.status, 401, "{}", answer.body);
    }

    async fn refusals_carry_the_challenge_of_rfc_6750(world: World) {
        let node = &world.node;
        let (_, clerk, _) = clerk(node, &["read:clients"]).await;
        let challenge = |answer: &crate::harness::Answer| {
            let value = answer.headers.get("www-authenticate");
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let refused = clerk.post("/clients", json!({ "name": "x" })).await;
        assert!(challenge(&refused).unwrap().contains(r#"error="insufficient_scope""#));
        let bad = node.manage_as("rubbish", reqwest::Method::GET, "/clients", None).await;
        assert!(challenge(&bad).unwrap().contains(r#"error="invalid_token""#));
        let bare = node
            .send(node.request(reqwest::Method::GET, "/api/v2/clients"))
            .await;
        assert_eq!(bare.status, StatusCode::UNAUTHORIZED);
        assert!(!challenge(&bare).unwrap().contains("error"));
    }
}
