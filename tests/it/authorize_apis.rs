//! Which APIs a user's token is for, and which scopes it carries.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Answer, Credentials, Node, Person, authorize_path, both_stores, claims, exchange, usual,
};
use crate::shop::{self, ORDERS, STOCK, refused};

const USERINFO: &str = "https://grantor.test/userinfo";

/// A code for both APIs.
async fn code_for_both(person: &Person, node: &Node, client: &Credentials, scope: &str) -> String {
    let params = usual(client, &[("scope", scope)]);
    let params: Vec<_> = [&params[..], &[("resource", ORDERS), ("resource", STOCK)]].concat();
    person.authorize(node, &params).await.answer()["code"].clone()
}

fn access(answer: &Answer) -> Value {
    claims(&answer.text("access_token"))
}

async fn set_policy(node: &Node, policy: &str) {
    let policy = json!({ "subject_type_authorization": { "user": { "policy": policy } } });
    node.change_api(ORDERS, policy).await.expect(StatusCode::OK);
}

both_stores! {
    /// RFC 8707 §2.1 and §2.2: several resources in one grant, and a token for those of them that are
    /// named when the code is exchanged.
    async fn a_user_authorizes_several_apis_and_a_token_is_for_some_of_them(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let code = code_for_both(&ann, node, &shop, "read write").await;
        let tokens = exchange(node, &shop, &code, &[]).await.expect(StatusCode::OK);
        assert_eq!(access(&tokens)["aud"], json!([ORDERS, STOCK]));
        assert_eq!(tokens.text("scope"), "read write");
        let code = code_for_both(&ann, node, &shop, "openid read").await;
        for wrong in ["https://unknown.example/", "https://grantor.test/api/v2/"] {
            let answer = exchange(node, &shop, &code, &[("resource", wrong)]).await;
            answer.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
        }
        let tokens = exchange(node, &shop, &code, &[("resource", STOCK)]).await.expect(StatusCode::OK);
        assert_eq!(access(&tokens)["aud"], json!([STOCK, USERINFO]));
        // One that was not authorized is not to be had by naming it later.
        let code = ann.code(node, &shop, &[("audience", ORDERS), ("scope", "openid read")]).await;
        let answer = exchange(node, &shop, &code, &[("resource", STOCK)]).await;
        answer.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
        // The Management API is nobody's to authorize, and never in company.
        let management = [("audience", crate::harness::MANAGEMENT)];
        assert_eq!(refused(&ann, node, &shop, &management).await, "access_denied");
    }

    async fn one_request_names_twenty_apis_at_most(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        for (times, error) in [(20, None), (21, Some("invalid_request"))] {
            let asked = vec![("resource", ORDERS); times];
            let params = [&usual(&shop, &[("scope", "read")])[..], &asked].concat();
            let answer = ann.authorize(node, &params).await.answer();
            assert_eq!(answer.get("error").map(String::as_str), error, "{answer:?}");
        }
    }

    /// RFC 6749 §3.3: what is asked and not to be had is left out, and the answer's `scope` says so.
    async fn unknown_scopes_are_left_out_and_said(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let tokens = ann.tokens(node, &shop, &[("audience", ORDERS), ("scope", "openid read admin")]).await;
        assert_eq!(tokens["scope"], "openid read");
        assert_eq!(claims(tokens["access_token"].as_str().unwrap())["scope"], "openid read");
        let bare = ann.tokens(node, &shop, &[("audience", ORDERS), ("scope", "read")]).await;
        assert!(bare.get("id_token").is_none(), "OpenID Connect Core §3.1.2.1: openid was not asked for");
    }

    /// lifetime.md: without an API the token is for userinfo only, unless the tenant says which API.
    async fn without_an_api_the_token_opens_userinfo_and_nothing_else(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let tokens = ann.tokens(node, &shop, &[("scope", "openid email")]).await;
        let token = tokens["access_token"].as_str().unwrap();
        assert!(!token.contains('.'), "opaque");
        let request = node.request(Method::GET, "/userinfo").bearer_auth(token);
        let told = node.send(request).await.expect(StatusCode::OK).json;
        assert_eq!((&told["sub"], &told["email"]), (&json!(ann.id), &json!("ann@example.com")));
        shop::set(node, json!({ "default_audience": ORDERS })).await;
        let tokens = ann.tokens(node, &shop, &[("scope", "openid read")]).await;
        assert_eq!(claims(tokens["access_token"].as_str().unwrap())["aud"], json!([ORDERS, USERINFO]));
    }

    /// Auth0's `subject_type_authorization.user.policy`.
    async fn an_api_says_which_applications_may_come_for_users(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({ "grant_types": ["authorization_code", "client_credentials"] })).await;
        let ann = Person::create(node, "ann@example.com").await;
        let asked = [("audience", ORDERS), ("scope", "openid read write")];
        let code = ann.code(node, &shop, &asked).await;
        set_policy(node, "deny_all").await;
        assert_eq!(refused(&ann, node, &shop, &asked).await, "access_denied");
        assert_eq!(refused(&ann, node, &shop, &[("resource", ORDERS)]).await, "invalid_target");
        exchange(node, &shop, &code, &[]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        set_policy(node, "require_client_grant").await;
        assert_eq!(refused(&ann, node, &shop, &asked).await, "access_denied");
        // A grant for the application itself is none for its users.
        node.grant(&shop, ORDERS, json!({ "scope": ["read"] })).await;
        assert_eq!(refused(&ann, node, &shop, &asked).await, "access_denied");
        let for_users = json!({ "scope": ["read"], "subject_type": "user", });
        let grant = node.grant(&shop, ORDERS, for_users).await;
        let code = ann.code(node, &shop, &asked).await;
        let tokens = exchange(node, &shop, &code, &[]).await.expect(StatusCode::OK);
        assert_eq!(tokens.text("scope"), "openid read");
        let code = ann.code(node, &shop, &asked).await;
        let path = format!("/client-grants/{}", grant["id"].as_str().unwrap());
        node.manage(Method::DELETE, &path, None).await.expect(StatusCode::NO_CONTENT);
        exchange(node, &shop, &code, &[]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        let path = authorize_path(&usual(&shop, &asked));
        assert_eq!(ann.open(node, &path).await.answer()["error"], "access_denied");
    }
}
