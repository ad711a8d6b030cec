//! `POST /api/v2/clients/{id}/tokens`: a token for an application, got by an administrator.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, refused};
use crate::harness::{ADMIN_ID, Answer, Credentials, MANAGEMENT, MFA, Node, both_stores, claims};
use crate::manage_rights::lacks;

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";

/// Two APIs and an application that is granted both.
async fn shop(desk: &Desk<'_>) -> Credentials {
    for identifier in [ORDERS, STOCK] {
        let scopes = json!([{ "value": "read" }, { "value": "write" }]);
        desk.api(identifier, json!({ "scopes": scopes })).await;
    }
    let shop = desk.application(json!({})).await;
    for identifier in [ORDERS, STOCK] {
        desk.grant(&shop, identifier, json!({ "scope": ["read", "write"] }))
            .await;
    }
    shop
}

async fn ask(desk: &Desk<'_>, client: &Credentials, body: Value) -> Answer {
    desk.post(&format!("/clients/{}/tokens", client.id), body)
        .await
}

async fn issued(desk: &Desk<'_>, client: &Credentials, body: Value) -> Value {
    ask(desk, client, body)
        .await
        .expect(StatusCode::CREATED)
        .json
}

async fn token(desk: &Desk<'_>, client: &Credentials, body: Value) -> String {
    let issued = issued(desk, client, body).await;
    issued["access_token"].as_str().unwrap().to_owned()
}

/// Fails where this is not 400 with the code.
#[track_caller]
fn denied(answer: Answer, code: &str) -> String {
    answer
        .expect_problem(StatusCode::BAD_REQUEST, code)
        .text("message")
}

both_stores! {
    async fn an_administrator_gets_the_token_that_the_application_would_get(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        let answer = ask(&desk, &shop, json!({ "audience": ORDERS })).await.expect(StatusCode::CREATED);
        assert_eq!(answer.headers["cache-control"], "no-store");
        let shown = answer.json;
        let text = shown["access_token"].as_str().unwrap();
        assert_eq!(shown["token_type"], "Bearer");
        assert_eq!(shown["expires_in"], 86400);
        assert_eq!(shown["scope"], "read write");
        assert_eq!(shown["audiences"], json!([ORDERS]));
        assert_eq!(shown["lifetime"], json!({ "granted": 86400, "rule": "api_default" }));
        let seen = node.introspect(&shop, text).await;
        assert_eq!((&seen["active"], &seen["jti"]), (&json!(true), &shown["id"]));
        let (own, given) = (claims(&node.token(&shop, ORDERS).await), claims(text));
        for name in ["iss", "sub", "aud", "azp", "gty", "scope"] {
            assert_eq!(given[name], own[name], "{name}");
        }
    }

    async fn a_validity_period_is_clamped_and_explained_as_elsewhere(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        desk.patch(&crate::harness::api_path(ORDERS), json!({ "token_lifetime": 300, "max_token_lifetime": 900 }))
            .await.expect(StatusCode::OK);
        desk.patch(&crate::harness::api_path(STOCK), json!({ "max_token_lifetime": -1 }))
            .await.expect(StatusCode::OK);
        for (audience, asked, granted, rule) in [
            (ORDERS, json!(901), 900, "api_maximum"),
            (ORDERS, json!("60"), 60, "requested"),
            (ORDERS, json!(-1), 900, "api_maximum"),
            (STOCK, json!(-86400), -1, "requested"),
            (STOCK, json!("-1"), -1, "requested"),
            (STOCK, json!(31_536_000), 31_536_000, "requested"),
        ] {
            let body = json!({ "audience": audience, "validity_period": asked });
            let shown = issued(&desk, &shop, body).await;
            assert_eq!((&shown["lifetime"]["granted"], &shown["lifetime"]["rule"]), (&json!(granted), &json!(rule)), "{asked}");
            let requested = asked.as_i64().unwrap_or_else(|| asked.as_str().unwrap().parse().unwrap());
            assert_eq!(shown["lifetime"]["requested"], requested.max(-1));
            if granted < 0 {
                assert!(shown.get("expires_in").is_none() && shown.get("expires_at").is_none(), "{shown}");
            } else {
                assert_eq!(shown["expires_in"], granted);
            }
        }
        for wrong in [json!(0), json!(""), json!("1.5"), json!(1.5), json!("9223372036854775808"), json!(true), json!([60])] {
            let body = json!({ "audience": ORDERS, "validity_period": wrong });
            refused(ask(&desk, &shop, body).await, "validity_period");
        }
    }

    async fn the_scope_narrows_as_text_or_as_a_list(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        for (scope, expected) in [
            (json!("write"), Some("write")),
            (json!("write read"), Some("write read")),
            (json!(["read"]), Some("read")),
            (json!(["write", "read"]), Some("write read")),
        ] {
            let shown = issued(&desk, &shop, json!({ "audience": ORDERS, "scope": scope })).await;
            assert_eq!(shown["scope"].as_str(), expected, "{scope}");
        }
        for scope in [json!("read delete"), json!(["delete"])] {
            let message = denied(ask(&desk, &shop, json!({ "audience": ORDERS, "scope": scope })).await, "invalid_scope");
            assert!(message.contains("delete"), "{message}");
        }
        for scope in [json!(1), json!([1]), json!({}), json!(["read write"]), json!(["read", "read"])] {
            refused(ask(&desk, &shop, json!({ "audience": ORDERS, "scope": scope })).await, "scope");
        }
    }

    async fn one_token_for_several_apis_or_for_all_that_are_granted(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        let shown = issued(&desk, &shop, json!({ "audiences": [STOCK, ORDERS] })).await;
        assert_eq!(shown["audiences"], json!([STOCK, ORDERS]));
        let shown = issued(&desk, &shop, json!({})).await;
        let every = shown["audiences"].as_array().unwrap();
        assert!(every.len() == 2 && every.contains(&json!(ORDERS)) && every.contains(&json!(STOCK)), "{shown}");
        let alone = denied(ask(&desk, &shop, json!({ "audiences": [STOCK, MANAGEMENT] })).await, "invalid_target");
        assert!(alone.contains("not authorized"), "{alone}");
        desk.patch(&crate::harness::api_path(STOCK), json!({ "token_dialect": "rfc9068_profile" })).await.expect(StatusCode::OK);
        denied(ask(&desk, &shop, json!({ "audiences": [STOCK, ORDERS] })).await, "invalid_target");
        for body in [
            json!({ "audience": ORDERS, "audiences": [STOCK] }),
            json!({ "audience": [ORDERS] }),
            json!({ "audiences": ORDERS }),
            json!({ "audiences": [] }),
            json!({ "audiences": [ORDERS, ORDERS] }),
            json!({ "audience": "" }),
            json!({ "audience": ORDERS, "resource": ORDERS }),
            json!({ "audience": ORDERS, "revoke_previous": "yes" }),
        ] {
            ask(&desk, &shop, body).await.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        }
        let many: Vec<_> = (0..1000).map(|n| format!("urn:{n}")).collect();
        refused(ask(&desk, &shop, json!({ "audiences": many })).await, "audiences");
    }

    async fn mfa_tokens_live_for_ten_minutes_here_too(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = shop(&desk).await;
        desk.grant(&shop, MFA, json!({ "scope": ["enroll"] })).await;
        let shown = issued(&desk, &shop, json!({ "audience": MFA, "validity_period": -1 })).await;
        assert_eq!((&shown["expires_in"], &shown["lifetime"]["rule"]), (&json!(600), &json!("mfa_audience")));
    }

    async fn only_apis_that_the_application_is_granted_and_that_are_open(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        desk.api("urn:other", json!({})).await;
        for audience in ["urn:other", "urn:unknown", MANAGEMENT] {
            let message = denied(ask(&desk, &shop, json!({ "audience": audience })).await, "access_denied");
            assert!(message.contains(audience), "{message}");
        }
        let policy = json!({ "subject_type_authorization": { "client": { "policy": "deny_all" } } });
        desk.patch(&crate::harness::api_path(ORDERS), policy).await.expect(StatusCode::OK);
        denied(ask(&desk, &shop, json!({ "audience": ORDERS })).await, "access_denied");
        let grants = desk.shown(&format!("/client-grants?client_id={}&audience={STOCK}", shop.id)).await;
        let path = format!("/client-grants/{}", grants[0]["id"].as_str().unwrap());
        desk.delete(&path).await.expect(StatusCode::NO_CONTENT);
        denied(ask(&desk, &shop, json!({ "audience": STOCK })).await, "access_denied");
        denied(ask(&desk, &shop, json!({})).await, "invalid_request");
        ask(&desk, &Credentials { id: "unknown".into(), secret: String::new() }, json!({ "audience": ORDERS })).await
            .expect_problem(StatusCode::NOT_FOUND, "inexistent_client");
    }

    /// What an administrator gets for an application is worth no more than what it can get itself.
    async fn an_application_that_gets_no_tokens_itself_gets_none_this_way(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        let public = desk.application(json!({ "app_type": "spa", "token_endpoint_auth_method": "none" })).await;
        desk.grant(&public, ORDERS, json!({})).await;
        denied(ask(&desk, &public, json!({ "audience": ORDERS })).await, "unauthorized_client");
        let path = format!("/clients/{}", shop.id);
        desk.patch(&path, json!({ "grant_types": ["authorization_code"] })).await.expect(StatusCode::OK);
        denied(ask(&desk, &shop, json!({ "audience": ORDERS })).await, "unauthorized_client");
        desk.patch(&path, json!({ "grant_types": ["client_credentials"] })).await.expect(StatusCode::OK);
        let end = grantor::model::instant::to_rfc3339(world.clock.now() + 100);
        desk.patch(&path, json!({ "expires_at": end })).await.expect(StatusCode::OK);
        let shown = issued(&desk, &shop, json!({ "audience": ORDERS })).await;
        assert_eq!((&shown["expires_in"], &shown["lifetime"]["rule"]), (&json!(100), &json!("credential_expiry")));
        world.clock.advance(100);
        denied(ask(&desk, &shop, json!({ "audience": ORDERS })).await, "invalid_client");
    }

    async fn a_token_of_an_application_with_ending_secrets_ends_with_the_last_of_them(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        world.database.sql().await
            .run(&format!("update application_secrets set expires_at = {} where client_id = '{}'", world.clock.now() + 300, shop.id))
            .await.unwrap();
        let shown = issued(&desk, &shop, json!({ "audience": ORDERS })).await;
        assert_eq!((&shown["expires_in"], &shown["lifetime"]["rule"]), (&json!(300), &json!("credential_expiry")));
        let path = format!("{}/token-lifetime?client_id={}", crate::harness::api_path(ORDERS), shop.id);
        let explained = desk.shown(&path).await;
        assert_eq!((&explained["lifetime"], &explained["rule"]), (&json!(300), &json!("credential_expiry")), "as it is explained");
        world.clock.advance(300);
        denied(ask(&Desk::open(node).await, &shop, json!({ "audience": ORDERS })).await, "invalid_client");
    }

    async fn generating_again_ends_the_earlier_tokens_of_that_api_and_only_those(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        desk.patch(&crate::harness::api_path(ORDERS), json!({ "max_token_lifetime": -1 })).await.expect(StatusCode::OK);
        let rival = desk.application(json!({})).await;
        desk.grant(&rival, ORDERS, json!({})).await;
        for validity_period in [600, -1] {
            let body = json!({ "audience": ORDERS, "validity_period": validity_period });
            let earlier = [token(&desk, &shop, body.clone()).await, node.token(&shop, ORDERS).await];
            let spared = [node.token(&shop, STOCK).await, node.token(&rival, ORDERS).await];
            let kept = token(&desk, &shop, body.clone()).await;
            assert!(node.is_active(&shop, &earlier[0]).await, "nothing is revoked that nobody asked for");
            let mut body = body;
            body["revoke_previous"] = json!(true);
            let renewed = token(&desk, &shop, body).await;
            assert!(node.is_active(&shop, &renewed).await, "the new one lives");
            for token in [&earlier[0], &earlier[1], &kept] {
                assert!(!node.is_active(&shop, token).await);
            }
            assert!(node.is_active(&shop, &spared[0]).await);
            assert!(node.is_active(&rival, &spared[1]).await);
        }
        // A request that is refused ends nothing.
        let kept = node.token(&shop, ORDERS).await;
        denied(ask(&desk, &shop, json!({ "audience": ORDERS, "scope": "nonsense", "revoke_previous": true })).await, "invalid_scope");
        assert!(node.is_active(&shop, &kept).await);
    }

    async fn the_new_token_lives_on_every_node_and_the_earlier_ones_nowhere(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let desk = Desk::open(here).await;
        let shop = shop(&desk).await;
        let mut earlier = here.token(&shop, ORDERS).await;
        for _ in 0..10 {
            let renewed = token(&desk, &shop, json!({ "audience": ORDERS, "revoke_previous": true })).await;
            assert!(there.is_active(&shop, &renewed).await);
            assert!(!there.is_active(&shop, &earlier).await, "asking for the new one made it read of the old one");
            earlier = renewed;
        }
        there.stop().await;
    }

    async fn what_was_generated_can_be_listed_and_ended_by_the_id_that_was_shown(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        desk.patch(&crate::harness::api_path(ORDERS), json!({ "max_token_lifetime": -1 })).await.expect(StatusCode::OK);
        for validity_period in [-1, 600] {
            let shown = issued(&desk, &shop, json!({ "audience": ORDERS, "validity_period": validity_period })).await;
            let (id, text) = (shown["id"].as_str().unwrap(), shown["access_token"].as_str().unwrap());
            let listed = desk.shown(&format!("/tokens?client_id={}", shop.id)).await;
            let is_listed = listed.as_array().unwrap().iter().any(|one| one["id"] == id);
            assert_eq!(is_listed, validity_period < 0);
            desk.delete(&format!("/tokens/{id}")).await.expect(StatusCode::NO_CONTENT);
            assert!(!node.is_active(&shop, text).await);
        }
    }

    async fn nobody_gets_more_management_scopes_this_way_than_they_hold(world: World) {
        let node = &world.node;
        let admin = Desk::open(node).await;
        let first = Credentials { id: ADMIN_ID.into(), secret: String::new() };
        let clerk = Desk::with_scopes(node, &["create:client_tokens", "read:clients"]).await;
        // The mightiest application there is.
        lacks(ask(&clerk, &first, json!({ "audience": MANAGEMENT })).await, &["delete:clients", "create:client_grants"]);
        for scope in ["delete:clients", "read:clients delete:clients"] {
            let body = json!({ "audience": MANAGEMENT, "scope": scope, "revoke_previous": true });
            lacks(ask(&clerk, &first, body).await, &["delete:clients"]);
        }
        for audiences in [json!({ "audiences": [MANAGEMENT] }), json!({ "audience": MANAGEMENT, "validity_period": 1 })] {
            lacks(ask(&clerk, &first, audiences).await, &["delete:clients"]);
        }
        let twice = json!({ "audiences": [MANAGEMENT, MFA], "scope": "read:clients" });
        denied(ask(&clerk, &first, twice).await, "invalid_target");
        admin.get("/clients").await.expect(StatusCode::OK);
        let narrowed = token(&clerk, &first, json!({ "audience": MANAGEMENT, "scope": "read:clients" })).await;
        let narrowed = Desk::with_token(node, narrowed);
        narrowed.get("/clients").await.expect(StatusCode::OK);
        lacks(narrowed.delete("/clients/unknown").await, &["delete:clients"]);
        lacks(ask(&narrowed, &first, json!({ "audience": MANAGEMENT })).await, &["create:client_tokens"]);
        // Without a word about the audience none is for the Management API.
        denied(ask(&clerk, &first, json!({})).await, "invalid_request");
        // Whoever holds everything gets everything.
        let all = token(&admin, &first, json!({ "audience": MANAGEMENT })).await;
        Desk::with_token(node, all).delete("/clients/unknown").await.expect(StatusCode::NO_CONTENT);
    }

    /// A stolen token does not prolong itself: what it makes ends with it.
    async fn a_management_token_got_this_way_ends_no_later_than_the_callers(world: World) {
        let node = &world.node;
        let first = Credentials { id: ADMIN_ID.into(), secret: String::new() };
        let own = node.ask(&Credentials::admin(), &[("audience", MANAGEMENT), ("validity_period", "60")]).await;
        let thief = Desk::with_token(node, own.expect(StatusCode::OK).text("access_token"));
        world.clock.advance(20);
        let shown = issued(&thief, &first, json!({ "audience": MANAGEMENT, "validity_period": 2_592_000 })).await;
        assert_eq!((&shown["expires_in"], &shown["lifetime"]["rule"]), (&json!(40), &json!("credential_expiry")));
        let shop = shop(&Desk::open(node).await).await;
        let shown = issued(&thief, &shop, json!({ "audience": ORDERS })).await;
        assert_eq!(shown["expires_in"], 86400, "other APIs' tokens are the application's");
    }

    async fn it_needs_a_scope_of_its_own(world: World) {
        let node: &Node = &world.node;
        let shop = shop(&Desk::open(node).await).await;
        let others = ["create:clients", "update:clients", "update:client_keys", "create:client_grants", "delete:tokens", "read:tokens"];
        let clerk = Desk::with_scopes(node, &others).await;
        lacks(ask(&clerk, &shop, json!({ "audience": ORDERS })).await, &["create:client_tokens"]);
        let clerk = Desk::with_scopes(node, &["create:client_tokens"]).await;
        issued(&clerk, &shop, json!({ "audience": ORDERS })).await;
    }
}
