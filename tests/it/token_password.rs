//! The password grants (RFC 6749 §4.3, and Auth0's password-realm), behind the tenant's flag.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Credentials, Node, PASSWORD, Person, both_stores, claims};
use crate::limits_of_pages::records;

const ORDERS: &str = "https://orders.example/";
const REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";

async fn allow(node: &Node) {
    let on = json!({ "flags": { "allow_password_grant": true } });
    node.manage(Method::PATCH, "/tenants/settings", Some(on))
        .await
        .expect(StatusCode::OK);
}

async fn old_application(node: &Node, fields: Value) -> Credentials {
    let scopes = json!([{ "value": "read" }]);
    let api = json!({ "scopes": scopes, "allow_offline_access": true });
    node.create_api(ORDERS, api).await;
    let mut all = json!({ "grant_types": ["password", REALM, "refresh_token"] });
    all.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    node.create_application(all).await
}

fn asked<'a>(person: &'a Person, password: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "password"),
        ("username", &person.email),
        ("password", password),
        ("audience", ORDERS),
        ("scope", "openid offline_access read"),
    ]
}

both_stores! {
    async fn a_password_gets_tokens_where_the_tenant_allows_it(world: World) {
        let node = &world.node;
        let old = old_application(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        node.form("/oauth/token", &old, &asked(&ann, PASSWORD)).await
            .expect_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
        allow(node).await;
        let tokens = node.form("/oauth/token", &old, &asked(&ann, PASSWORD)).await.expect(StatusCode::OK);
        assert_eq!(tokens.json["scope"], "openid offline_access read");
        assert_eq!(claims(&tokens.text("access_token"))["sub"], json!(ann.id));
        assert_eq!(claims(&tokens.text("access_token"))["gty"], "password");
        assert_eq!(claims(&tokens.text("id_token"))["amr"], json!(["pwd"]));
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", &tokens.text("refresh_token"))];
        node.form("/oauth/token", &old, &refresh).await.expect(StatusCode::OK);
        let mut by_realm = asked(&ann, PASSWORD);
        by_realm[0].1 = REALM;
        node.form("/oauth/token", &old, &by_realm).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        by_realm.push(("realm", "Username-Password-Authentication"));
        node.form("/oauth/token", &old, &by_realm).await.expect(StatusCode::OK);
        by_realm.last_mut().unwrap().1 = "another";
        node.form("/oauth/token", &old, &by_realm).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn a_wrong_password_and_an_unknown_user_are_told_alike_and_limited(world: World, "GRANTOR_LIMITS__SIGN_INS_PER_ACCOUNT_MAX" = "2") {
        let node = &world.node;
        let old = old_application(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        allow(node).await;
        let mut unknown = asked(&ann, PASSWORD);
        unknown[1].1 = "nobody@example.com";
        let wrong = node.form("/oauth/token", &old, &asked(&ann, "another")).await;
        let wrong = wrong.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        let unknown = node.form("/oauth/token", &old, &unknown).await;
        let unknown = unknown.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        assert_eq!(wrong.body, unknown.body);
        node.form("/oauth/token", &old, &asked(&ann, "another")).await;
        let limited = node.form("/oauth/token", &old, &asked(&ann, "another")).await;
        let limited = limited.expect_error(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts");
        assert!(limited.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
        assert_eq!(limited.text("error_description"), "Your account has been blocked after multiple consecutive login attempts.");
    }

    async fn who_is_limited_for_the_address_is_not_told_that_the_account_is(world: World, "GRANTOR_LIMITS__SIGN_INS_PER_ADDRESS_MAX" = "1") {
        let node = &world.node;
        let old = old_application(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        allow(node).await;
        node.form("/oauth/token", &old, &asked(&ann, "another")).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        let limited = node.form("/oauth/token", &old, &asked(&ann, "another")).await;
        let limited = limited.expect_error(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts");
        let says = limited.text("error_description");
        assert_eq!(says, "We have detected suspicious login behavior and further attempts will be blocked. Please contact the administrator.");
        let told = records(node, "limit_mu").await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0]["description"], json!(says));
    }

    async fn an_application_of_somebody_elses_sees_no_password(world: World) {
        let node = &world.node;
        let other = old_application(node, json!({ "is_first_party": false })).await;
        let ann = Person::create(node, "ann@example.com").await;
        allow(node).await;
        node.form("/oauth/token", &other, &asked(&ann, PASSWORD)).await
            .expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");
    }
}
