//! What a token says in each dialect, and that others can check it with the published keys.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Credentials, ISSUER, Node, api_path, both_stores, claims, header};

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";

/// An application that is granted the scope `read` of ORDERS, whose tokens are of the dialect.
async fn shop(node: &Node, dialect: Option<&str>) -> Credentials {
    let mut fields = json!({ "scopes": [{ "value": "read" }] });
    if let Some(dialect) = dialect {
        fields["token_dialect"] = dialect.into();
    }
    node.create_api(ORDERS, fields).await;
    let shop = node.create_application(json!({})).await;
    node.grant(&shop, ORDERS, json!({ "scope": ["read"] }))
        .await;
    shop
}

/// A resource server that knows nothing but the published keys.
async fn checked_by_a_resource_server(node: &Node, token: &str, audience: &str) -> Value {
    let answer = node
        .send(node.request(Method::GET, "/.well-known/jwks.json"))
        .await;
    let keys: JwkSet = serde_json::from_str(&answer.expect(StatusCode::OK).body).unwrap();
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(keys.find(&kid).expect("the kid is published")).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iat", "iss", "aud", "sub"]);
    jsonwebtoken::decode::<Value>(token, &key, &validation)
        .unwrap()
        .claims
}

fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

both_stores! {
    async fn auth0s_dialect_says_what_auth0s_tokens_say(world: World) {
        let node = &world.node;
        for dialect in [None, Some("access_token"), Some("access_token_authz")] {
            node.manage(Method::DELETE, &api_path(ORDERS), None).await
                .expect(StatusCode::NO_CONTENT);
            let shop = shop(node, dialect).await;
            let before = world.clock.now();
            let token = node.token(&shop, ORDERS).await;
            let read = checked_by_a_resource_server(node, &token, ORDERS).await;
            let expected = ["aud", "azp", "exp", "gty", "iat", "iss", "jti", "scope", "sub"];
            assert_eq!(names(&read), expected);
            assert_eq!(read["iss"], ISSUER);
            assert_eq!(read["sub"], json!(format!("{}@clients", shop.id)));
            assert_eq!(read["aud"], ORDERS);
            assert_eq!(read["azp"], json!(shop.id));
            assert_eq!(read["gty"], "client-credentials");
            assert_eq!(read["scope"], "read");
            assert!((before..=world.clock.now()).contains(&read["iat"].as_i64().unwrap()));
            let header = header(&token);
            assert_eq!(names(&header), ["alg", "kid", "typ"]);
            assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("JWT")));
        }
    }

    async fn rfc_9068s_dialect_says_what_the_rfc_demands(world: World) {
        let node = &world.node;
        let shop = shop(node, Some("rfc9068_profile")).await;
        let token = node.token(&shop, ORDERS).await;
        let read = checked_by_a_resource_server(node, &token, ORDERS).await;
        assert_eq!(names(&read), ["aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sub"]);
        assert_eq!(read["client_id"], json!(shop.id));
        assert_eq!(read["sub"], json!(format!("{}@clients", shop.id)));
        assert_eq!(read["scope"], "read");
        assert_eq!(header(&token)["typ"], "at+jwt");
        // Its own tokens are recognised again.
        assert!(node.is_active(&shop, &token).await);
        node.revoke(&shop, &token).await;
        assert!(!node.is_active(&shop, &token).await);
    }

    async fn an_opaque_token_says_nothing_itself_and_all_at_introspection(world: World) {
        let node = &world.node;
        let shop = shop(node, Some("opaque")).await;
        let answer = node.ask(&shop, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
        assert_eq!(answer.json["expires_in"], 86400);
        assert_eq!(answer.json["scope"], "read");
        let token = answer.text("access_token");
        assert!(token.starts_with("grantor_at_") && !token.contains('.'), "{token}");
        assert!(token.len() >= 43, "256 bits are 43 characters: {token}");
        let seen = node.introspect(&shop, &token).await;
        assert_eq!((&seen["aud"], &seen["scope"]), (&json!(ORDERS), &json!("read")));
        assert!(seen["jti"].as_str().is_some_and(|jti| !token.contains(jti) && jti.len() >= 22));
    }

    async fn a_new_dialect_is_in_force_for_the_next_token_and_old_ones_live_on(world: World) {
        let node = &world.node;
        let shop = shop(node, None).await;
        let old = node.token(&shop, ORDERS).await;
        for dialect in ["rfc9068_profile", "opaque", "access_token"] {
            let change = json!({ "token_dialect": dialect });
            node.change_api(ORDERS, change).await.expect(StatusCode::OK);
            let new = node.token(&shop, ORDERS).await;
            match dialect {
                "opaque" => assert!(!new.contains('.')),
                "rfc9068_profile" => assert_eq!(header(&new)["typ"], "at+jwt"),
                _ => assert_eq!(header(&new)["typ"], "JWT"),
            }
            assert!(node.is_active(&shop, &new).await && node.is_active(&shop, &old).await);
        }
    }

    async fn every_token_has_a_name_of_its_own(world: World) {
        let node = &world.node;
        let shop = shop(node, None).await;
        let mut names = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let token = node.token(&shop, ORDERS).await;
            names.insert(claims(&token)["jti"].as_str().unwrap().to_owned());
        }
        assert_eq!(names.len(), 20);
    }

    async fn one_audience_is_a_string_and_several_are_an_array(world: World) {
        let node = &world.node;
        let shop = shop(node, None).await;
        node.create_api(STOCK, json!({})).await;
        node.grant(&shop, STOCK, json!({})).await;
        let both = [("resource", STOCK), ("resource", ORDERS)];
        let both = node.ask(&shop, &both).await.expect(StatusCode::OK).text("access_token");
        // Each of the two accepts it.
        let read = checked_by_a_resource_server(node, &both, STOCK).await;
        assert_eq!(read["aud"], json!([STOCK, ORDERS]));
        checked_by_a_resource_server(node, &both, ORDERS).await;
        assert_eq!(node.introspect(&shop, &both).await["aud"], json!([STOCK, ORDERS]));
        let one = node.token(&shop, STOCK).await;
        assert_eq!(claims(&one)["aud"], STOCK);
        assert_eq!(node.introspect(&shop, &one).await["aud"], STOCK);
    }
}
