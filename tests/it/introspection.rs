//! `POST /oauth/introspect` (RFC 7662): who sees which token, and what it says.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Backend, Credentials, ISSUER, MANAGEMENT, Node, World, both_stores, claims, header,
};

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";

fn inactive() -> Value {
    json!({ "active": false })
}

/// The application of an API's own servers.
async fn resource_server(node: &Node, identifier: &str) -> Credentials {
    let fields = json!({
        "app_type": "resource_server", "resource_server_identifier": identifier,
    });
    node.create_application(fields).await
}

/// A Management token of an application of its own with these scopes.
async fn management_token(node: &Node, scopes: &[&str]) -> String {
    let operator = node.create_application(json!({})).await;
    node.grant(&operator, MANAGEMENT, json!({ "scope": scopes }))
        .await;
    node.token(&operator, MANAGEMENT).await
}

/// A token for ORDERS, signed or stored.
async fn token(node: &Node, client: &Credentials, is_stored: bool) -> String {
    let maximum = json!({ "max_token_lifetime": if is_stored { json!(-1) } else { Value::Null } });
    node.change_api(ORDERS, maximum)
        .await
        .expect(StatusCode::OK);
    let asks = if is_stored { "2592001" } else { "600" };
    let params = [("audience", ORDERS), ("validity_period", asks)];
    let answer = node.ask(client, &params).await.expect(StatusCode::OK);
    answer.text("access_token")
}

/// A compact token of these two parts and a signature.
fn compact(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signature = URL_SAFE_NO_PAD.encode(signature);
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

/// The published key that a token is signed with.
async fn published_key(node: &Node, token: &str) -> Value {
    let kid = header(token)["kid"].clone();
    let request = node.request(Method::GET, "/.well-known/jwks.json");
    let answer = node.send(request).await.expect(StatusCode::OK);
    let mut keys = answer.json["keys"].as_array().unwrap().iter();
    keys.find(|key| key["kid"] == kid).unwrap().clone()
}

both_stores! {
    async fn an_active_token_says_exactly_what_is_promised(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({ "scopes": [{ "value": "read" }] })).await;
        let shop = node.create_application(json!({})).await;
        node.grant(&shop, ORDERS, json!({ "scope": ["read"] })).await;
        let signed = token(node, &shop, false).await;
        let said = claims(&signed);
        let answer = node.form("/oauth/introspect", &shop, &[("token", &signed)]).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["content-type"], "application/json");
        let expected = json!({
            "active": true,
            "client_id": shop.id,
            "sub": format!("{}@clients", shop.id),
            "scope": "read",
            "iss": ISSUER,
            "aud": ORDERS,
            "iat": said["iat"],
            "exp": said["exp"],
            "jti": said["jti"],
            "token_type": "Bearer",
        });
        assert_eq!(answer.expect(StatusCode::OK).json, expected);
        // A stored one says the same, with its own times and name.
        let stored = node.introspect(&shop, &token(node, &shop, true).await).await;
        assert_eq!(stored["exp"].as_i64().unwrap() - stored["iat"].as_i64().unwrap(), 2_592_001);
        let mut same = stored.clone();
        for own in ["iat", "exp", "jti"] {
            same[own] = expected[own].clone();
        }
        assert_eq!(same, expected);
        assert_ne!(stored["jti"], expected["jti"]);
    }

    async fn each_sees_what_concerns_them_and_nothing_else(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let rival = node.api_and_application(STOCK).await;
        node.grant(&rival, ORDERS, json!({})).await;
        let (at_orders, at_stock) =
            (resource_server(node, ORDERS).await, resource_server(node, STOCK).await);
        for is_stored in [false, true] {
            let token = token(node, &shop, is_stored).await;
            let jti = node.introspect(&shop, &token).await["jti"].clone();
            assert!(jti.is_string());
            assert_eq!(node.introspect(&at_orders, &token).await["jti"], jti);
            for other in [&rival, &at_stock, &Credentials::admin()] {
                assert_eq!(node.introspect(other, &token).await, inactive());
            }
        }
        // One that is told to be of another API from now on sees that one's tokens.
        let token = token(node, &shop, false).await;
        let moved = json!({ "resource_server_identifier": ORDERS });
        let path = format!("/clients/{}", at_stock.id);
        node.manage(Method::PATCH, &path, Some(moved)).await.expect(StatusCode::OK);
        assert!(node.is_active(&at_stock, &token).await);
    }

    async fn nobody_is_the_resource_server_of_a_system_api(world: World) {
        let node = &world.node;
        for identifier in [MANAGEMENT, "https://grantor.test/mfa/", "https://grantor.test/mfa"] {
            let fields = json!({
                "name": "A spy", "app_type": "resource_server",
                "resource_server_identifier": identifier,
            });
            node.manage(Method::POST, "/clients", Some(fields)).await
                .expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        }
        // The first application sees its own Management token, and no other one does.
        let admin = node.admin_token().await;
        assert!(node.is_active(&Credentials::admin(), &admin).await);
        let server = node.api_and_application(ORDERS).await;
        assert!(!node.is_active(&server, &admin).await);
    }

    async fn a_management_token_with_the_scope_sees_all(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let sees_all = management_token(node, &["introspect:tokens"]).await;
        let admin = node.admin_token().await;
        for is_stored in [false, true] {
            let token = token(node, &shop, is_stored).await;
            let expected = node.introspect(&shop, &token).await;
            let seen = node.introspect_as(&sees_all, &token).await.expect(StatusCode::OK);
            assert_eq!(seen.json, expected);
        }
        let seen = node.introspect_as(&sees_all, &admin).await.expect(StatusCode::OK);
        assert_eq!((&seen.json["active"], &seen.json["aud"]), (&json!(true), &json!(MANAGEMENT)));
        let seen = node.introspect_as(&sees_all, "nonsense").await.expect(StatusCode::OK);
        assert_eq!(seen.json, inactive());
    }

    async fn a_management_token_without_the_scope_sees_nothing(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let token = token(node, &shop, false).await;
        let other = management_token(node, &["read:clients"]).await;
        let refused = node.introspect_as(&other, &token).await;
        let refused = refused.expect_error(StatusCode::FORBIDDEN, "insufficient_scope");
        let challenge = refused.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Bearer ") && challenge.contains("insufficient_scope"));
    }

    async fn a_bearer_token_that_is_not_good_is_refused(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let token = token(node, &shop, false).await;
        let revoked = node.admin_token().await;
        node.introspect_as(&revoked, &token).await.expect(StatusCode::OK);
        node.revoke(&Credentials::admin(), &revoked).await;
        let old = node.admin_token().await;
        let for_another_api = token.clone();
        world.clock.advance(86400);
        for bad in [&revoked, &old, &for_another_api, "nonsense"] {
            let refused = node.introspect_as(bad, &token).await;
            let refused = refused.expect_error(StatusCode::UNAUTHORIZED, "invalid_token");
            let challenge = refused.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with("Bearer "), "{challenge}");
        }
        node.introspect_as("", &token).await.expect(StatusCode::UNAUTHORIZED);
        let fresh = node.token(&shop, ORDERS).await;
        node.introspect_as(&fresh, &fresh).await
            .expect_error(StatusCode::UNAUTHORIZED, "invalid_token");
    }

    async fn a_token_is_active_until_its_end_and_not_a_second_longer(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        for is_stored in [false, true] {
            let token = token(node, &shop, is_stored).await;
            let exp = node.introspect(&shop, &token).await["exp"].as_i64().unwrap();
            world.clock.advance(exp - world.clock.now() - 2);
            // The machine's own clock runs on, so what is asserted depends on it.
            let seen = node.introspect(&shop, &token).await;
            if world.clock.now() < exp {
                assert_eq!(seen["active"], true, "{is_stored}");
            }
            world.clock.advance(exp - world.clock.now());
            assert_eq!(node.introspect(&shop, &token).await, inactive());
        }
    }

    async fn what_is_no_token_of_ours_is_inactive_and_no_more_is_said(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let good = token(node, &shop, false).await;
        let parts: Vec<&str> = good.split('.').collect();
        let (head, said) = (header(&good), claims(&good));
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        let mut longer = said.clone();
        longer["exp"] = (said["exp"].as_i64().unwrap() + 1).into();
        let with = |name: &str, value: Value| {
            let mut other = head.clone();
            other[name] = value;
            other
        };
        let stored = token(node, &shop, true).await;
        let mut flipped = stored.clone().into_bytes();
        *flipped.last_mut().unwrap() ^= 1;
        for bad in [
            "nonsense".to_owned(),
            "a.b.c".to_owned(),
            "..".to_owned(),
            "\u{e9}".repeat(43),
            format!("{good}x"),
            format!("{good}.x"),
            good[..good.len() - 4].to_owned(),
            parts[..2].join("."),
            format!("{}.{}.", parts[0], parts[1]),
            compact(&head, &longer, &signature),
            compact(&with("alg", "none".into()), &said, b""),
            compact(&with("alg", "none".into()), &said, &signature),
            compact(&with("alg", "RS512".into()), &said, &signature),
            compact(&with("kid", "another".into()), &said, &signature),
            compact(&with("kid", Value::Null), &said, &signature),
            compact(&with("typ", "at+jwt".into()), &said, &signature),
            flipped.iter().map(|byte| char::from(*byte)).collect(),
            format!("{stored}x"),
            stored.trim_start_matches("grantor_at_").to_owned(),
            stored.to_uppercase(),
        ] {
            assert_eq!(node.introspect(&shop, &bad).await, inactive(), "{bad}");
            let seen = node.introspect_as(&node.admin_token().await, &bad).await;
            assert_eq!(seen.expect(StatusCode::OK).json, inactive(), "{bad}");
        }
        assert!(node.is_active(&shop, &good).await && node.is_active(&shop, &stored).await);
    }

    async fn the_public_key_is_no_secret_to_sign_with(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let good = token(node, &shop, false).await;
        let (key, said) = (published_key(node, &good).await, claims(&good));
        let modulus = key["n"].as_str().unwrap();
        let raw = URL_SAFE_NO_PAD.decode(modulus).unwrap();
        for secret in [modulus.as_bytes(), &raw, key.to_string().as_bytes(), b""] {
            let mut forged = Header::new(Algorithm::HS256);
            forged.kid = Some(key["kid"].as_str().unwrap().to_owned());
            let forged =
                jsonwebtoken::encode(&forged, &said, &EncodingKey::from_secret(secret)).unwrap();
            assert_eq!(node.introspect(&shop, &forged).await, inactive());
            let path = "/resource-servers";
            node.manage_as(&forged, Method::GET, path, None).await.expect(StatusCode::UNAUTHORIZED);
        }
    }

    async fn another_servers_tokens_are_inactive_even_under_our_keys(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        // The same database and keys under another name.
        let renamed = world.another_node_with(&[("GRANTOR_ISSUER", "https://other.test/")]).await;
        let asked = [("audience", ORDERS)];
        let foreign = renamed.ask(&shop, &asked).await.expect(StatusCode::OK);
        let foreign = foreign.text("access_token");
        assert_eq!(claims(&foreign)["iss"], "https://other.test/");
        let own = node.token(&shop, ORDERS).await;
        assert_eq!(header(&foreign)["kid"], header(&own)["kid"]);
        assert!(renamed.is_active(&shop, &foreign).await);
        assert_eq!(node.introspect(&shop, &foreign).await, inactive());
        renamed.stop().await;
        // The same name over other keys.
        let other = World::start(Backend::Sqlite, &[]).await;
        let twin = other.node.admin_token().await;
        let own = node.admin_token().await;
        assert_eq!(claims(&twin)["iss"], claims(&own)["iss"]);
        assert!(!node.is_active(&Credentials::admin(), &twin).await);
        node.manage_as(&twin, Method::GET, "/clients", None).await
            .expect(StatusCode::UNAUTHORIZED);
        let kid = header(&own)["kid"].clone();
        let mut renamed = header(&twin);
        renamed["kid"] = kid;
        let signature = URL_SAFE_NO_PAD.decode(twin.split('.').nth(2).unwrap()).unwrap();
        let forged = compact(&renamed, &claims(&twin), &signature);
        assert!(!node.is_active(&Credentials::admin(), &forged).await);
        other.end().await;
    }

    async fn a_hint_is_no_more_than_a_hint_and_a_missing_token_is_refused(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let token = token(node, &shop, false).await;
        for hint in ["access_token", "refresh_token", "nonsense", ""] {
            let params = [("token", token.as_str()), ("token_type_hint", hint)];
            let seen = node.form("/oauth/introspect", &shop, &params).await;
            assert_eq!(seen.expect(StatusCode::OK).json["active"], true, "{hint}");
        }
        let json = json!({ "token": token }).to_string();
        let seen = node.body("/oauth/introspect", &shop, ("application/json", json)).await;
        assert_eq!(seen.expect(StatusCode::OK).json["active"], true);
        for params in [&[][..], &[("token", "")], &[("Token", "x")]] {
            let refused = node.form("/oauth/introspect", &shop, params).await;
            let refused = refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            assert_eq!(refused.text("error_description"), "Missing required parameter: token");
        }
    }
}

both_stores! {
    /// Like a client grant, a resource server is of the API and not of its identifier.
    async fn a_resource_server_sees_nothing_of_an_api_made_anew_under_the_same_identifier(world: World) {
        let node = &world.node;
        let identifier = "https://anew.example/";
        let shop = node.api_and_application(identifier).await;
        let server = node
            .create_application(json!({
                "app_type": "resource_server",
                "resource_server_identifier": identifier,
            }))
            .await;
        let token = node.token(&shop, identifier).await;
        assert_eq!(node.introspect(&server, &token).await["active"], true);
        let path = crate::harness::api_path(identifier);
        node.manage(reqwest::Method::DELETE, &path, None).await.expect(StatusCode::NO_CONTENT);
        node.create_api(identifier, json!({})).await;
        node.grant(&shop, identifier, json!({})).await;
        let token = node.token(&shop, identifier).await;
        assert_eq!(node.introspect(&server, &token).await, json!({ "active": false }));
        let renamed = json!({ "name": "Still here" });
        let path = format!("/clients/{}", server.id);
        node.manage(reqwest::Method::PATCH, &path, Some(renamed)).await.expect(StatusCode::OK);
    }
}
