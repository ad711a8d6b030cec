//! Tokens from the authorization endpoint: implicit and hybrid flows (OpenID Connect Core §3.2 and §3.3).

use std::collections::HashMap;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{
    ISSUER, OMITTED, Person, Seen, authorize_path, both_stores, claims, exchange, header, usual,
};
use crate::relying_party::half_hash;
use crate::shop::{self, ORDERS, refused};

const TYPES: [&str; 6] = [
    "token",
    "id_token",
    "id_token token",
    "code id_token",
    "code token",
    "code id_token token",
];

/// A hash is there where what it is of is there, and right.
#[track_caller]
fn check_hash(name: &str, id_token: &str, beside: Option<&String>) {
    let expected = beside.map(|text| json!(half_hash(id_token, text)));
    assert_eq!(claims(id_token).get(name), expected.as_ref(), "{name}");
}

#[track_caller]
fn check_id_token(answer: &HashMap<String, String>, person: &Person, client_id: &str) {
    let id_token = &answer["id_token"];
    let own = claims(id_token);
    assert_eq!(own["iss"], ISSUER);
    assert_eq!(own["aud"], client_id);
    assert_eq!(own["sub"], json!(person.id));
    assert_eq!(own["nonce"], "the nonce");
    check_hash("at_hash", id_token, answer.get("access_token"));
    check_hash("c_hash", id_token, answer.get("code"));
    check_hash("s_hash", id_token, answer.get("state"));
}

both_stores! {
    /// OAuth 2.0 Multiple Response Type Encoding Practices §3 and §5; OpenID Connect Core §3.2.2.5 and
    /// §3.3.2.5 (what is in the fragment), §3.2.2.10, §3.3.2.9 and §3.3.2.11 (hashes and nonce).
    async fn each_response_type_answers_with_what_it_names_in_the_fragment(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        shop::allow_front_channel(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        let asked = [("audience", ORDERS), ("scope", "openid email read offline_access")];
        for response_type in TYPES {
            let params = [&asked[..], &[("response_type", response_type)]].concat();
            let seen = ann.authorize(node, &usual(&shop, &params)).await;
            let Seen::Left(url) = &seen else { panic!("{seen:?}") };
            assert!(url.query().is_none() && url.fragment().is_some(), "{url}");
            let answer = seen.answer();
            assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("the state", ISSUER));
            let words: Vec<_> = response_type.split(' ').collect();
            assert_eq!(answer.contains_key("code"), words.contains(&"code"), "{response_type}");
            assert_eq!(answer.contains_key("id_token"), words.contains(&"id_token"), "{response_type}");
            assert!(!answer.contains_key("refresh_token"), "RFC 6749 §4.2.2");
            if words.contains(&"token") {
                assert_eq!(answer["token_type"], "Bearer");
                assert_eq!(answer["expires_in"], "7200");
                let access = claims(&answer["access_token"]);
                assert_eq!(access["sub"], json!(ann.id));
                assert!(answer["scope"].contains("read"));
            } else {
                assert!(!answer.contains_key("access_token") && !answer.contains_key("expires_in"), "{answer:?}");
            }
            if words.contains(&"id_token") {
                check_id_token(&answer, &ann, &shop.id);
            }
            if let Some(code) = answer.get("code") {
                // §3.3.3.6: the ID token of the token endpoint is about the same user, by the same issuer.
                let tokens = exchange(node, &shop, code, &[]).await.expect(StatusCode::OK);
                let id_token = tokens.text("id_token");
                let own = claims(&id_token);
                assert_eq!((&own["iss"], &own["sub"]), (&json!(ISSUER), &json!(ann.id)));
                assert_eq!(own["nonce"], "the nonce");
                check_hash("at_hash", &id_token, Some(&tokens.text("access_token")));
            }
        }
    }

    /// OpenID Connect Core §3.2.2.1 and §3.3.2.1: a nonce is required, and the scope `openid`; RFC 9700
    /// §2.1.2: no token travels in a query.
    async fn a_token_in_the_browser_needs_nonce_scope_and_a_way_that_keeps_it_from_servers(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let somebody = Person::stranger();
        for response_type in TYPES {
            let params = [("response_type", response_type)];
            assert_eq!(refused(&somebody, node, &shop, &params).await, "unsupported_response_type");
        }
        shop::allow_front_channel(node).await;
        for response_type in TYPES {
            let silently = [("response_type", response_type), ("prompt", "none")];
            let with = |more: (&'static str, &'static str)| [&silently[..], &[more]].concat();
            assert_eq!(refused(&somebody, node, &shop, &silently).await, "login_required");
            let in_query = with(("response_mode", "query"));
            let seen = somebody.open(node, &authorize_path(&usual(&shop, &in_query))).await;
            let Seen::Left(url) = &seen else { panic!("{seen:?}") };
            assert!(url.query().is_none(), "an error comes back in the fragment as well: {url}");
            assert_eq!(seen.answer()["error"], "invalid_request");
            if response_type.contains("id_token") {
                assert_eq!(refused(&somebody, node, &shop, &with(("nonce", OMITTED))).await, "invalid_request");
                assert_eq!(refused(&somebody, node, &shop, &with(("scope", "read"))).await, "invalid_scope");
            }
        }
        shop::change(node, &shop, json!({ "grant_types": ["authorization_code"] })).await;
        for response_type in TYPES {
            let params = [("response_type", response_type)];
            assert_eq!(refused(&somebody, node, &shop, &params).await, "unauthorized_client");
        }
    }

    /// OpenID Connect Core §3.1.3.6 and §3.1.3.7: the ID token of the code flow, by every algorithm.
    async fn the_hash_goes_with_the_algorithm_of_the_id_token(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        for algorithm in ["RS256", "RS512", "PS256", "ES256", "EdDSA"] {
            shop::change(node, &shop, json!({ "jwt_configuration": { "alg": algorithm } })).await;
            let tokens = ann.tokens(node, &shop, &[]).await;
            let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
            assert_eq!(header(&text("id_token"))["alg"], algorithm);
            check_hash("at_hash", &text("id_token"), Some(&text("access_token")));
            let own: Value = claims(&text("id_token"));
            assert_eq!((&own["aud"], &own["azp"]), (&json!(shop.id), &json!(shop.id)));
            assert_eq!(own["iat"], world.clock.now());
        }
    }
}
