//! Revocation (RFC 7009), single and wholesale, and that it is in force with the answer.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Credentials, MANAGEMENT, Node, api_path, both_stores};

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";

/// ORDERS, whose tokens may live for ever, and an application that is granted it.
async fn shop(node: &Node) -> Credentials {
    node.create_api(ORDERS, json!({ "max_token_lifetime": -1 }))
        .await;
    let shop = node.create_application(json!({})).await;
    node.grant(&shop, ORDERS, json!({})).await;
    shop
}

/// A signed token, a long one and one that never expires.
async fn one_of_each(node: &Node, client: &Credentials) -> [String; 3] {
    let mut tokens = Vec::new();
    for asks in ["600", "2592001", "-1"] {
        let params = [("audience", ORDERS), ("validity_period", asks)];
        let answer = node.ask(client, &params).await.expect(StatusCode::OK);
        tokens.push(answer.text("access_token"));
    }
    tokens.try_into().unwrap()
}

async fn revoke(node: &Node, client: &Credentials, token: &str) -> Answer {
    node.form("/oauth/revoke", client, &[("token", token)])
        .await
}

async fn delete(node: &Node, path: &str) {
    node.manage(Method::DELETE, path, None)
        .await
        .expect(StatusCode::NO_CONTENT);
}

/// Asked as an administrator, because the application may be gone.
async fn is_active(node: &Node, token: &str) -> bool {
    let seen = node.introspect_as(&node.admin_token().await, token).await;
    let seen = seen.expect(StatusCode::OK).json;
    if seen["active"] == false {
        assert_eq!(seen, json!({ "active": false }));
    }
    seen["active"] == true
}

async fn assert_all(node: &Node, tokens: &[String], expected: bool) {
    for token in tokens {
        assert_eq!(is_active(node, token).await, expected, "{token}");
    }
}

both_stores! {
    async fn an_application_revokes_its_own_token_and_may_do_so_again(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        for token in one_of_each(node, &shop).await {
            let spared = node.token(&shop, ORDERS).await;
            assert!(node.is_active(&shop, &token).await);
            for _ in 0..2 {
                let answer = revoke(node, &shop, &token).await.expect(StatusCode::OK);
                assert_eq!((answer.body.as_str(), &answer.headers["cache-control"]),
                    ("", &"no-store".parse().unwrap()));
                assert!(!node.is_active(&shop, &token).await);
                assert!(!is_active(node, &token).await);
            }
            assert!(node.is_active(&shop, &spared).await);
        }
    }

    async fn a_hint_does_not_matter_and_json_is_read_as_well(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        for hint in ["access_token", "refresh_token", "nonsense"] {
            let token = node.token(&shop, ORDERS).await;
            let params = [("token", token.as_str()), ("token_type_hint", hint)];
            node.form("/oauth/revoke", &shop, &params).await.expect(StatusCode::OK);
            assert!(!node.is_active(&shop, &token).await, "{hint}");
        }
        let token = node.token(&shop, ORDERS).await;
        let body = json!({
            "token": token, "client_id": shop.id, "client_secret": shop.secret,
        });
        let request = node.request(Method::POST, "/oauth/revoke").json(&body);
        node.send(request).await.expect(StatusCode::OK);
        assert!(!node.is_active(&shop, &token).await);
    }

    async fn somebody_elses_token_is_200_without_effect(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let rival = node.create_application(json!({})).await;
        node.grant(&rival, ORDERS, json!({})).await;
        let public = json!({ "token_endpoint_auth_method": "none" });
        let public = node.create_application(public).await;
        let server = json!({
            "app_type": "resource_server", "resource_server_identifier": ORDERS,
        });
        let server = node.create_application(server).await;
        let tokens = one_of_each(node, &shop).await;
        for token in &tokens {
            let own = revoke(node, &rival, "nonsense").await.expect(StatusCode::OK);
            for other in [&rival, &server, &Credentials::admin()] {
                let answer = revoke(node, other, token).await.expect(StatusCode::OK);
                assert_eq!(answer.body, own.body);
            }
            let params = [("client_id", public.id.as_str()), ("token", token.as_str())];
            node.bare_form("/oauth/revoke", &params).await.expect(StatusCode::OK);
        }
        assert_all(node, &tokens, true).await;
    }

    async fn what_is_no_token_is_200_and_no_token_at_all_is_400(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let ended = node.ask(&shop, &[("audience", ORDERS), ("validity_period", "1")]).await;
        let ended = ended.text("access_token");
        world.clock.advance(1);
        for unknown in ["nonsense", "a.b.c", &ended, &format!("grantor_at_{}", "x".repeat(43))] {
            revoke(node, &shop, unknown).await.expect(StatusCode::OK);
        }
        for params in [&[][..], &[("token", "")], &[("token_type_hint", "access_token")]] {
            node.form("/oauth/revoke", &shop, params).await
                .expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        }
    }

    async fn a_revoked_management_token_stops_working_at_once(world: World) {
        let node = &world.node;
        let (token, other) = (node.admin_token().await, node.admin_token().await);
        let list = async |token: &str| {
            node.manage_as(token, Method::GET, "/clients", None).await.status
        };
        assert_eq!(list(&token).await, StatusCode::OK);
        node.revoke(&Credentials::admin(), &token).await;
        assert_eq!(list(&token).await, StatusCode::UNAUTHORIZED);
        assert_eq!(list(&other).await, StatusCode::OK);
    }

    async fn deleting_a_grant_stops_new_tokens_and_spares_the_old_ones(world: World) {
        let node = &world.node;
        let shop = node.create_application(json!({})).await;
        node.create_api(ORDERS, json!({ "max_token_lifetime": -1 })).await;
        let grant = node.grant(&shop, ORDERS, json!({})).await;
        let tokens = one_of_each(node, &shop).await;
        delete(node, &format!("/client-grants/{}", grant["id"].as_str().unwrap())).await;
        assert_all(node, &tokens, true).await;
        node.ask(&shop, &[("audience", ORDERS)]).await
            .expect_error(StatusCode::FORBIDDEN, "access_denied");
    }

    async fn deleting_a_grant_with_its_tokens_ends_those_and_no_others(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        node.create_api(STOCK, json!({})).await;
        node.grant(&shop, STOCK, json!({})).await;
        let rival = node.create_application(json!({})).await;
        node.grant(&rival, ORDERS, json!({})).await;
        let mut ended = one_of_each(node, &shop).await.to_vec();
        let both = node.ask(&shop, &[("resource", STOCK), ("resource", ORDERS)]).await;
        ended.push(both.expect(StatusCode::OK).text("access_token"));
        let mut spared = one_of_each(node, &rival).await.to_vec();
        spared.push(node.token(&shop, STOCK).await);
        let query = format!("/client-grants?client_id={}&audience={ORDERS}", shop.id);
        let grants = node.manage(Method::GET, &query, None).await.expect(StatusCode::OK);
        let grant = grants.json[0]["id"].as_str().unwrap();
        delete(node, &format!("/client-grants/{grant}?revoke_tokens=true")).await;
        assert_all(node, &ended, false).await;
        assert_all(node, &spared, true).await;
        // Granted again in the same second, its new tokens live and the old ones do not.
        node.grant(&shop, ORDERS, json!({})).await;
        assert_all(node, &one_of_each(node, &shop).await, true).await;
        assert_all(node, &ended, false).await;
    }

    async fn deleting_an_application_ends_its_tokens(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let rival = node.create_application(json!({})).await;
        node.grant(&rival, ORDERS, json!({})).await;
        let (ended, spared) = (one_of_each(node, &shop).await, one_of_each(node, &rival).await);
        delete(node, &format!("/clients/{}", shop.id)).await;
        assert_all(node, &ended, false).await;
        assert_all(node, &spared, true).await;
        node.ask(&shop, &[("audience", ORDERS)]).await
            .expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        revoke(node, &shop, &ended[0]).await
            .expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    }

    async fn deleting_an_operators_application_takes_its_management_token(world: World) {
        let node = &world.node;
        let operator = node.create_application(json!({})).await;
        let grant = node.grant(&operator, MANAGEMENT, json!({ "scope": ["read:clients"] })).await;
        let token = node.token(&operator, MANAGEMENT).await;
        let list = async || node.manage_as(&token, Method::GET, "/clients", None).await.status;
        assert_eq!(list().await, StatusCode::OK);
        let path = format!("/client-grants/{}", grant["id"].as_str().unwrap());
        delete(node, &path).await;
        assert_eq!(list().await, StatusCode::OK);
        delete(node, &format!("/clients/{}", operator.id)).await;
        assert_eq!(list().await, StatusCode::UNAUTHORIZED);
    }

    async fn deleting_an_api_ends_its_tokens_and_a_new_one_of_the_name_starts_afresh(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let ended = one_of_each(node, &shop).await;
        delete(node, &api_path(ORDERS)).await;
        assert_all(node, &ended, false).await;
        node.ask(&shop, &[("audience", ORDERS)]).await
            .expect_error(StatusCode::FORBIDDEN, "access_denied");
        node.create_api(ORDERS, json!({ "max_token_lifetime": -1 })).await;
        // Neither the grant nor the tokens come back.
        node.ask(&shop, &[("audience", ORDERS)]).await
            .expect_error(StatusCode::FORBIDDEN, "access_denied");
        node.ask(&shop, &[]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        assert_all(node, &ended, false).await;
        node.grant(&shop, ORDERS, json!({})).await;
        assert_all(node, &one_of_each(node, &shop).await, true).await;
        assert_all(node, &ended, false).await;
    }

    async fn rotating_a_secret_ends_tokens_only_where_that_is_asked_for(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let path = format!("/clients/{}/rotate-secret", shop.id);
        let rotate = async |body: Value| {
            let answer = node.manage(Method::POST, &path, Some(body)).await.expect(StatusCode::OK);
            Credentials { id: shop.id.clone(), secret: answer.text("client_secret") }
        };
        let old = one_of_each(node, &shop).await;
        let renewed = rotate(json!({})).await;
        assert_all(node, &old, true).await;
        let between = one_of_each(node, &renewed).await;
        let renewed = rotate(json!({ "revoke_tokens": true })).await;
        assert_all(node, &old, false).await;
        assert_all(node, &between, false).await;
        assert_all(node, &one_of_each(node, &renewed).await, true).await;
    }

    async fn tokens_issued_after_a_wholesale_revocation_in_its_second_live(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let path = format!("/clients/{}/rotate-secret", shop.id);
        let body = json!({ "revoke_tokens": true, "grace_seconds": 600 });
        for _ in 0..3 {
            let before = one_of_each(node, &shop).await;
            let answer = node.manage(Method::POST, &path, Some(body.clone())).await;
            answer.expect(StatusCode::OK);
            let after = one_of_each(node, &shop).await;
            assert_all(node, &before, false).await;
            assert_all(node, &after, true).await;
        }
    }

    async fn what_is_revoked_stays_so_on_a_node_that_starts_later(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let single = one_of_each(node, &shop).await;
        for token in &single {
            node.revoke(&shop, token).await;
        }
        let rival = node.create_application(json!({})).await;
        node.grant(&rival, ORDERS, json!({})).await;
        let wholesale = one_of_each(node, &rival).await;
        delete(node, &format!("/clients/{}", rival.id)).await;
        let spared = one_of_each(node, &shop).await;
        let later = world.another_node().await;
        assert_all(&later, &single, false).await;
        assert_all(&later, &wholesale, false).await;
        assert_all(&later, &spared, true).await;
        later.stop().await;
    }
}
