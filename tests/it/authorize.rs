//! The code flow with a person at a browser: sign-in, consent, code, tokens.

use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{ISSUER, Person, authorize_path, both_stores, claims, exchange, usual};
use crate::shop::{self, ORDERS};

both_stores! {
    async fn a_user_signs_in_consents_and_the_application_gets_tokens(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let asked = [("audience", ORDERS), ("scope", "openid email read unknown")];
        let seen = ann.authorize(node, &usual(&shop, &asked)).await;
        let answer = seen.answer();
        assert_eq!(answer["state"], "the state");
        assert_eq!(answer["iss"], ISSUER);
        let tokens = exchange(node, &shop, &answer["code"], &[]).await.expect(StatusCode::OK);
        assert_eq!(tokens.json["token_type"], "Bearer");
        assert_eq!(tokens.json["expires_in"], 86400);
        assert_eq!(tokens.json["scope"], "openid email read");
        let access = claims(&tokens.text("access_token"));
        assert_eq!(access["sub"], json!(ann.id));
        assert_eq!(access["aud"], json!([ORDERS, "https://grantor.test/userinfo"]));
        assert_eq!(access["azp"], json!(shop.id));
        let id_token = claims(&tokens.text("id_token"));
        assert_eq!(id_token["iss"], ISSUER);
        assert_eq!(id_token["aud"], json!(shop.id));
        assert_eq!(id_token["nonce"], "the nonce");
        assert_eq!(id_token["email"], "ann@example.com");
        assert_eq!(id_token["email_verified"], true);
        assert_eq!(id_token["amr"], json!(["pwd"]));
        let lives = id_token["exp"].as_i64().unwrap() - id_token["iat"].as_i64().unwrap();
        assert_eq!(lives, 36000);
    }

    async fn who_is_signed_in_and_has_consented_is_not_asked_again(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[("audience", ORDERS), ("scope", "openid read")]).await;
        let again = usual(&shop, &[("audience", ORDERS), ("scope", "openid read"), ("prompt", "none")]);
        let seen = ann.open(node, &authorize_path(&again)).await;
        assert!(seen.answer().contains_key("code"));
        let more = usual(&shop, &[("audience", ORDERS), ("scope", "openid read write"), ("prompt", "none")]);
        let answer = ann.open(node, &authorize_path(&more)).await.answer();
        assert_eq!(answer["error"], "consent_required");
        assert_eq!(answer["iss"], ISSUER);
        let elsewhere = ann.at_another_browser();
        let answer = elsewhere.open(node, &authorize_path(&again)).await.answer();
        assert_eq!(answer["error"], "login_required");
    }

    async fn a_code_counts_once_and_its_second_use_ends_what_the_first_got(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let code = ann.code(node, &shop, &[("audience", ORDERS), ("scope", "openid read")]).await;
        let first = exchange(node, &shop, &code, &[]).await.expect(StatusCode::OK);
        let token = first.text("access_token");
        assert!(node.is_active(&shop, &token).await);
        let second = exchange(node, &shop, &code, &[]).await.expect(StatusCode::BAD_REQUEST);
        assert_eq!(second.json["error"], "invalid_grant");
        assert!(!node.is_active(&shop, &token).await);
    }
}
