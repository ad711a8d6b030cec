//! PKCE (RFC 7636): a code is of no use to whoever has stolen it.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{
    OMITTED, Person, VERIFIER, authorize_path, both_hands, both_stores, exchange, usual,
};
use crate::shop::{self, refused};

const UNCHALLENGED: [(&str, &str); 2] = [
    ("code_challenge", OMITTED),
    ("code_challenge_method", OMITTED),
];

both_stores! {
    /// RFC 7636 §4.3 and §4.4.1, RFC 9700 §2.1.1: required of public applications, and `plain`, which is
    /// also what no method means, of nobody.
    async fn a_public_application_needs_a_challenge_and_nobody_may_send_it_plain(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let public = shop::application(node, json!({ "app_type": "spa", "token_endpoint_auth_method": "none" })).await;
        let somebody = Person::stranger();
        assert_eq!(refused(&somebody, node, &public, &UNCHALLENGED).await, "invalid_request");
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
    }

    /// OWASP ASVS 5, 10.4.6: where nobody has said anything, a code needs a challenge, of applications that
    /// keep a secret too and in every flow that gives a code; tokens without a code need none.
    async fn a_new_tenant_requires_a_challenge_wherever_there_is_a_code(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        shop::allow_front_channel(node).await;
        let somebody = Person::stranger();
        for response_type in ["code", "code id_token", "code token", "code id_token token"] {
            let asked = both_hands(&UNCHALLENGED, &[("response_type", response_type)]);
            assert_eq!(refused(&somebody, node, &shop, &asked).await, "invalid_request", "{response_type}");
            let pushed = shop::push(node, &shop, &asked).await;
            pushed.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        }
        let ann = Person::create(node, "ann@example.com").await;
        let asked = both_hands(&UNCHALLENGED, &[("response_type", "id_token")]);
        let answer = ann.authorize(node, &usual(&shop, &asked)).await.answer();
        assert!(answer.contains_key("id_token"), "{answer:?}");
    }

    /// `require_pkce` of the tenant and of an application: null is as the tenant says.
    async fn an_application_decides_before_the_tenant_and_a_public_one_not_at_all(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let public = shop::application(node, json!({ "app_type": "spa", "token_endpoint_auth_method": "none" })).await;
        let ann = Person::create(node, "ann@example.com").await;
        for (tenant, own, is_required) in [
            (true, json!(null), true),
            (true, json!(false), false),
            (true, json!(true), true),
            (false, json!(null), false),
            (false, json!(true), true),
            (false, json!(false), false),
        ] {
            shop::set(node, json!({ "require_pkce": tenant })).await;
            for client in [&shop, &public] {
                shop::change(node, client, json!({ "require_pkce": own })).await;
            }
            assert_eq!(refused(&ann, node, &public, &UNCHALLENGED).await, "invalid_request");
            if is_required {
                assert_eq!(refused(&ann, node, &shop, &UNCHALLENGED).await, "invalid_request", "{tenant} {own}");
            } else {
                let code = ann.code(node, &shop, &UNCHALLENGED).await;
                exchange(node, &shop, &code, &[("code_verifier", OMITTED)]).await.expect(StatusCode::OK);
            }
        }
    }

    /// A request that was allowed when it came is not answered any more once it is forbidden.
    async fn a_switch_counts_for_who_is_signing_in_just_now(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({ "require_pkce": false })).await;
        let ann = Person::create(node, "ann@example.com").await;
        let page = ann.open(node, &authorize_path(&usual(&shop, &UNCHALLENGED))).await;
        shop::change(node, &shop, json!({ "require_pkce": null })).await;
        let answer = ann.go_on(node, page).await.answer();
        assert_eq!(answer["error"], "invalid_request", "{answer:?}");
    }

    /// A database of an older version has no word of it: its applications go on working.
    async fn a_tenant_that_existed_before_the_switch_requires_nothing(world: World) {
        let mut sql = world.database.sql().await;
        sql.run("update settings set fields = '{}'").await.unwrap();
        let node = &world.another_node().await;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let code = ann.code(node, &shop, &UNCHALLENGED).await;
        exchange(node, &shop, &code, &[("code_verifier", OMITTED)]).await.expect(StatusCode::OK);
        let settings = node.manage(Method::GET, "/tenants/settings", None).await;
        assert_eq!(settings.expect(StatusCode::OK).json["require_pkce"], false);
        node.stop().await;
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
        shop::change(node, &shop, json!({ "require_pkce": false })).await;
        let code = ann.code(node, &shop, &UNCHALLENGED).await;
        let downgraded = exchange(node, &shop, &code, &[]).await;
        downgraded.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    }
}
