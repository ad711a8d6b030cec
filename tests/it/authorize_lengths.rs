//! Long authorization requests: each parameter has its bound, and so has the whole, which travels in the
//! addresses of the sign-in pages.

use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{ISSUER, Person, Seen, authorize_path, both_stores, exchange, usual};
use crate::shop::{self, ORDERS, push};

/// The longest `state`, of all that an application may put into it.
fn state() -> String {
    let mut state = "ü+ &=%<'/".repeat(1000);
    state.truncate(8000);
    state
}

/// A `claims` parameter of so many bytes.
fn claims(bytes: usize) -> String {
    let claims = |text: &str| json!({ "userinfo": { "name": { "value": text } } }).to_string();
    claims(&"c".repeat(bytes - claims("").len()))
}

both_stores! {
    /// RFC 6749 §4.1.2.1 and RFC 9207 §2: it is an error like another, with `state` and `iss`.
    async fn what_is_too_long_as_a_whole_is_told_the_application(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let somebody = Person::stranger();
        let (state, claims) = (state(), claims(16_000));
        let params = [("state", state.as_str()), ("claims", claims.as_str())];
        let asked = usual(&shop, &params);
        for seen in [
            somebody.send(node, "/authorize", &asked).await,
            somebody.open(node, &authorize_path(&asked)).await,
        ] {
            let answer = seen.answer();
            assert_eq!(answer["error"], "invalid_request");
            assert!(answer["error_description"].contains("too long"), "{answer:?}");
            assert_eq!((answer["iss"].as_str(), &answer["state"]), (ISSUER, &state));
        }
        push(node, &shop, &params).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        // Each of them alone is within bounds.
        for param in params {
            let seen = somebody.send(node, "/authorize", &usual(&shop, &[param])).await;
            assert!(matches!(&seen, Seen::Page { path, .. } if path == "u/login"), "{seen:?}");
        }
        // What is too long by itself cannot be handed back.
        let longer = format!("{state}x");
        let answer = somebody.open(node, &authorize_path(&usual(&shop, &[("state", &longer)]))).await.answer();
        assert_eq!((answer["error"].as_str(), answer.get("state")), ("invalid_request", None));
    }

    async fn the_longest_request_goes_through_all_pages_and_comes_back_with_its_state(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let state = state();
        let asked = |claims: &str| -> Vec<(String, String)> {
            let params = [("state", state.as_str()), ("claims", claims), ("audience", ORDERS), ("scope", "openid read")];
            let all = usual(&shop, &params);
            all.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
        };
        let send = async |bytes: usize| {
            let asked = asked(&claims(bytes));
            let form: Vec<_> = asked.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            ann.send(node, "/authorize", &form).await
        };
        // The answer says by how much it is too long.
        let refused = send(16_000).await.answer();
        let numbers = refused["error_description"].split(|c: char| !c.is_ascii_digit());
        let numbers: Vec<usize> = numbers.filter_map(|number| number.parse().ok()).collect();
        let [has, possible] = numbers[..] else { panic!("{refused:?}") };
        let longest = 16_000 - (has - possible);
        assert_eq!(send(longest + 1).await.answer()["error"], "invalid_request");
        let seen = send(longest).await;
        assert!(matches!(&seen, Seen::Page { path, .. } if path == "u/login"), "{seen:?}");
        let answer = ann.go_on(node, seen).await.answer();
        assert_eq!((answer["iss"].as_str(), &answer["state"]), (ISSUER, &state));
        exchange(node, &shop, &answer["code"], &[]).await.expect(StatusCode::OK);
    }
}
