//! PKCE (RFC 7636): a code is of no use to whoever has stolen it.

use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{OMITTED, Person, VERIFIER, both_stores, exchange};
use crate::shop::{self, refused};

both_stores! {
    /// RFC 7636 §4.3 and §4.4.1, RFC 9700 §2.1.1: required of public applications, and `plain`, which is
    /// also what no method means, of nobody.
    async fn a_public_application_needs_a_challenge_and_nobody_may_send_it_plain(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let public = shop::application(node, json!({ "app_type": "spa", "token_endpoint_auth_method": "none" })).await;
        let somebody = Person::stranger();
        let unchallenged = [("code_challenge", OMITTED), ("code_challenge_method", OMITTED)];
        assert_eq!(refused(&somebody, node, &public, &unchallenged).await, "invalid_request");
        for client in [&shop, &public] {
            for wrong in [
                &[("code_challenge_method", "plain")][..],
                &[("code_challenge_method", OMITTED)],
                &[("code_challenge_method", "s256")],
                &[("code_challenge", OMITTED)],
                &[("code_challenge", VERIFIER), ("code_challenge_method", "plain")],
                &[("code_challenge", "too-short")],
                &[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM")],
            ] {
                assert_eq!(refused(&somebody, node, client, wrong).await, "invalid_request", "{wrong:?}");
            }
        }
        let ann = Person::create(node, "ann@example.com").await;
        let code = ann.code(node, &shop, &unchallenged).await;
        exchange(node, &shop, &code, &[("code_verifier", OMITTED)]).await.expect(StatusCode::OK);
    }

    /// RFC 7636 §4.6; RFC 9700 §2.1.1: a verifier where there was no challenge is a downgrade.
    async fn only_the_verifier_of_the_challenge_gets_the_tokens(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let code = ann.code(node, &shop, &[]).await;
        let another = "x".repeat(43);
        for wrong in [OMITTED, "", another.as_str(), &VERIFIER.to_uppercase(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"] {
            let answer = exchange(node, &shop, &code, &[("code_verifier", wrong)]).await;
            answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        }
        // Whoever guesses does not take the code away from its owner.
        exchange(node, &shop, &code, &[]).await.expect(StatusCode::OK);
        let unchallenged = [("code_challenge", OMITTED), ("code_challenge_method", OMITTED)];
        let code = ann.code(node, &shop, &unchallenged).await;
        let downgraded = exchange(node, &shop, &code, &[]).await;
        downgraded.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    }
}
