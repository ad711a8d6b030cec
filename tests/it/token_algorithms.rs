//! Signing algorithms: each API has its own, others check its tokens with the published keys, and a
//! key is used with one algorithm only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Credentials, ISSUER, Node, both_stores, header};

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";
/// Those with key pairs.
const ALGORITHMS: [(&str, Algorithm); 5] = [
    ("RS256", Algorithm::RS256),
    ("PS256", Algorithm::PS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
    ("RS512", Algorithm::RS512),
];

async fn key_set(node: &Node) -> Value {
    let request = node.request(Method::GET, "/.well-known/jwks.json");
    node.send(request).await.expect(StatusCode::OK).json
}

/// The algorithms of the published keys, each once, sorted.
async fn published(node: &Node) -> Vec<String> {
    let keys = key_set(node).await;
    let keys = keys["keys"].as_array().unwrap().iter();
    let algorithms = keys.map(|key| key["alg"].as_str().unwrap().to_owned());
    let different: std::collections::BTreeSet<_> = algorithms.collect();
    different.into_iter().collect()
}

/// A resource server that knows nothing but the published keys.
async fn check(node: &Node, token: &str, algorithm: Algorithm) -> Value {
    let keys: JwkSet = serde_json::from_value(key_set(node).await).unwrap();
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(keys.find(&kid).expect("the kid is published")).unwrap();
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[ORDERS]);
    validation.set_issuer(&[ISSUER]);
    jsonwebtoken::decode::<Value>(token, &key, &validation)
        .unwrap()
        .claims
}

/// The token with another header, under its own signature.
fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

/// An API of the algorithm and an application that is granted it.
async fn shop(node: &Node, identifier: &str, algorithm: &str) -> Credentials {
    node.create_api(identifier, json!({ "signing_alg": algorithm }))
        .await;
    let shop = node.create_application(json!({})).await;
    node.grant(&shop, identifier, json!({})).await;
    shop
}

both_stores! {
    async fn others_check_the_tokens_of_each_algorithm_and_dialect_with_the_published_keys(world: World) {
        let node = &world.node;
        let shop = shop(node, ORDERS, "RS256").await;
        for (name, algorithm) in ALGORITHMS {
            for (dialect, typ) in [("access_token", "JWT"), ("rfc9068_profile", "at+jwt")] {
                let change = json!({ "signing_alg": name, "token_dialect": dialect });
                let changed = node.change_api(ORDERS, change).await.expect(StatusCode::OK).json;
                assert_eq!(changed["signing_alg"], name);
                let token = node.token(&shop, ORDERS).await;
                let said = header(&token);
                assert_eq!((&said["alg"], &said["typ"]), (&json!(name), &json!(typ)));
                assert_eq!(check(node, &token, algorithm).await["aud"], ORDERS);
                assert!(node.is_active(&shop, &token).await, "{name} {dialect}");
                node.revoke(&shop, &token).await;
                assert!(!node.is_active(&shop, &token).await, "{name} {dialect}");
            }
        }
    }

    async fn the_key_set_says_of_each_key_what_it_is_and_nothing_more(world: World) {
        let node = &world.node;
        for (name, _) in ALGORITHMS {
            node.create_api(&format!("urn:{name}"), json!({ "signing_alg": name })).await;
        }
        let keys = key_set(node).await;
        let mut kids = std::collections::BTreeSet::new();
        for key in keys["keys"].as_array().unwrap() {
            let (kind, own): (Value, &[&str]) = match key["alg"].as_str().unwrap() {
                "ES256" => (json!(["EC", "P-256"]), &["crv", "x", "y"]),
                "EdDSA" => (json!(["OKP", "Ed25519"]), &["crv", "x"]),
                _ => (json!(["RSA", null]), &["e", "n"]),
            };
            assert_eq!(json!([key["kty"], key["crv"]]), kind);
            let mut expected = [&["alg", "kid", "kty", "use"], own].concat();
            expected.sort_unstable();
            let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            assert_eq!(members, expected);
            for coordinate in ["x", "y"].iter().filter_map(|name| key[name].as_str()) {
                assert_eq!(URL_SAFE_NO_PAD.decode(coordinate).unwrap().len(), 32);
            }
            let jwk: Jwk = serde_json::from_value(key.clone()).unwrap();
            assert_eq!(key["kid"], json!(jwk.thumbprint(ThumbprintHash::SHA256).unwrap()));
            kids.insert(key["kid"].to_string());
        }
        // One that signs and the next, for each.
        assert_eq!(kids.len(), 2 * ALGORITHMS.len());
    }

    async fn keys_are_made_for_what_is_in_use_only(world: World) {
        let node = &world.node;
        assert_eq!(published(node).await, ["RS256"]);
        node.create_api(ORDERS, json!({ "signing_alg": "ES256" })).await;
        assert_eq!(published(node).await, ["ES256", "RS256"]);
        node.change_api(ORDERS, json!({ "signing_alg": "EdDSA" })).await.expect(StatusCode::OK);
        assert_eq!(published(node).await, ["ES256", "EdDSA", "RS256"]);
        // A change that is refused leaves none behind.
        node.change_api(crate::harness::MANAGEMENT, json!({ "signing_alg": "PS256" })).await
            .expect_problem(StatusCode::BAD_REQUEST, "operation_not_supported");
        node.manage(Method::POST, "/resource-servers", Some(json!({ "identifier": ORDERS, "signing_alg": "RS512" }))).await
            .expect(StatusCode::CONFLICT);
        assert_eq!(published(node).await, ["ES256", "EdDSA", "RS256"]);
    }

    async fn new_apis_have_the_default_algorithm_and_so_do_administrators_tokens(
        world: World, "GRANTOR_TOKENS__DEFAULT_SIGNING_ALG" = "EdDSA"
    ) {
        let node = &world.node;
        assert_eq!(published(node).await, ["EdDSA"]);
        assert_eq!(node.create_api(ORDERS, json!({})).await["signing_alg"], "EdDSA");
        let admin = node.admin_token().await;
        assert_eq!(header(&admin)["alg"], "EdDSA");
        // A new default reaches new APIs only, and its keys are there from the start.
        let other = world.another_node_with(&[("GRANTOR_TOKENS__DEFAULT_SIGNING_ALG", "PS256")]).await;
        assert_eq!(published(&other).await, ["EdDSA", "PS256"]);
        assert_eq!(other.create_api(STOCK, json!({})).await["signing_alg"], "PS256");
        assert_eq!(header(&other.admin_token().await)["alg"], "EdDSA");
        crate::harness::within(grantor::directory::FRESH_MAX, async || published(node).await.len() == 2).await;
        other.stop().await;
    }

    async fn a_new_algorithm_counts_for_the_next_token_and_old_ones_live_on(world: World) {
        let node = &world.node;
        let shop = shop(node, ORDERS, "RS256").await;
        let mut tokens = vec![node.token(&shop, ORDERS).await];
        for (name, _) in ALGORITHMS.iter().rev() {
            node.change_api(ORDERS, json!({ "signing_alg": name })).await.expect(StatusCode::OK);
            tokens.push(node.token(&shop, ORDERS).await);
            assert_eq!(header(tokens.last().unwrap())["alg"], *name);
        }
        for token in &tokens {
            assert!(node.is_active(&shop, token).await);
        }
    }

    async fn two_nodes_that_use_an_algorithm_first_at_one_time_agree_on_its_keys(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let shop = here.api_and_application("urn:first").await;
        for (name, _) in &ALGORITHMS[1..] {
            let (a, b) = (format!("urn:a:{name}"), format!("urn:b:{name}"));
            let fields = json!({ "signing_alg": name });
            tokio::join!(here.create_api(&a, fields.clone()), there.create_api(&b, fields.clone()));
            here.grant(&shop, &a, json!({})).await;
            there.grant(&shop, &b, json!({})).await;
            let (ours, theirs) = (here.token(&shop, &a).await, there.token(&shop, &b).await);
            assert_eq!(header(&ours)["kid"], header(&theirs)["kid"], "{name}");
            for node in [here, there] {
                assert!(node.is_active(&shop, &ours).await && node.is_active(&shop, &theirs).await);
            }
        }
        assert_eq!(key_set(here).await, key_set(there).await);
        there.stop().await;
    }

    async fn a_node_that_hears_of_an_api_before_its_keys_signs_all_the_same(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let shop = here.create_application(json!({})).await;
        for (name, _) in &ALGORITHMS[1..] {
            here.create_api(&format!("urn:{name}"), json!({ "signing_alg": name })).await;
            here.grant(&shop, &format!("urn:{name}"), json!({})).await;
            // Within the time that the other node has to hear of it, refusals are fine; faults are not.
            crate::harness::within(grantor::directory::FRESH_MAX, async || {
                let answer = there.ask(&shop, &[("audience", &format!("urn:{name}"))]).await;
                assert!(!answer.status.is_server_error(), "{answer:?}");
                answer.status == StatusCode::OK
            }).await;
        }
        there.stop().await;
    }

    async fn a_key_is_used_with_its_one_algorithm_whatever_a_token_says(world: World) {
        let node = &world.node;
        let shop = shop(node, ORDERS, "RS256").await;
        for (name, _) in ALGORITHMS {
            node.change_api(ORDERS, json!({ "signing_alg": name })).await.expect(StatusCode::OK);
            let token = node.token(&shop, ORDERS).await;
            let said = header(&token);
            for other in ["none", "None", "HS256", "HS512", "RS256", "RS384", "PS256", "ES256", "ES384", "EdDSA", "RS512", ""] {
                if other == name {
                    continue;
                }
                let mut header = said.clone();
                header["alg"] = json!(other);
                let mut forged = vec![with_header(&token, &header)];
                header.as_object_mut().unwrap().remove("kid");
                forged.push(with_header(&token, &header));
                forged.push(forged[0].rsplit_once('.').map(|(signed, _)| format!("{signed}.")).unwrap());
                for forged in forged {
                    assert!(!node.is_active(&shop, &forged).await, "{name} as {other}");
                    let refused = node.manage_as(&forged, Method::GET, "/clients", None).await;
                    refused.expect(StatusCode::UNAUTHORIZED);
                }
            }
            assert!(node.is_active(&shop, &token).await);
        }
    }

    async fn a_kid_that_nobody_knows_is_no_tokens_name(world: World) {
        let node = &world.node;
        let shop = shop(node, ORDERS, "ES256").await;
        let token = node.token(&shop, ORDERS).await;
        let mut header = header(&token);
        for kid in [json!("A".repeat(43)), json!("'; drop table signing_keys"), json!("../../etc"), json!(""), json!(null)] {
            header["kid"] = kid.clone();
            assert!(!node.is_active(&shop, &with_header(&token, &header)).await, "{kid}");
        }
        assert!(node.is_active(&shop, &token).await);
    }

    async fn apis_of_different_algorithms_share_an_opaque_token_only(world: World) {
        let node = &world.node;
        let shop = shop(node, ORDERS, "ES256").await;
        node.create_api(STOCK, json!({})).await;
        node.grant(&shop, STOCK, json!({})).await;
        node.ask(&shop, &[("resource", ORDERS), ("resource", STOCK)]).await
            .expect_error(StatusCode::BAD_REQUEST, "invalid_target");
        let both = node.ask(&shop, &[]).await.expect(StatusCode::OK).text("access_token");
        assert!(both.starts_with("grantor_at_"), "{both}");
        node.change_api(STOCK, json!({ "signing_alg": "ES256" })).await.expect(StatusCode::OK);
        let both = node.ask(&shop, &[]).await.expect(StatusCode::OK).text("access_token");
        assert_eq!(header(&both)["alg"], "ES256");
        check(node, &both, Algorithm::ES256).await;
    }
}
