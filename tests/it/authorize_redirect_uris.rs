//! Redirect URIs: an answer goes to none but the application's own.

use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{
    CALLBACK, OMITTED, Person, Seen, authorize_path, both_stores, exchange, usual,
};
use crate::shop::{self, stays_here};

both_stores! {
    /// OpenID Connect Core §3.1.2.1 (simple string comparison), RFC 6749 §3.1.2.3 and §3.1.2.4, RFC 9700
    /// §2.1 and §4.1.3.
    async fn nothing_goes_to_a_uri_that_is_only_like_a_registered_one(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({ "callbacks": [CALLBACK, "https://*.app.example/cb"] })).await;
        let somebody = Person::stranger();
        for named in [
            "https://app.example/callback/", "https://app.example/callback?x=1", "https://app.example/Callback",
            "https://APP.example/callback", "https://app.example:443/callback", "http://app.example/callback",
            "https://app.example/./callback", "https://app.example/callback#", "https://app.example@evil.example/callback",
            "https://x.app.example/cb", "https://evil.example/", "//evil.example/", "javascript:alert(1)", "/callback",
        ] {
            let params = usual(&shop, &[("redirect_uri", named)]);
            let page = stays_here(&somebody, node, &authorize_path(&params)).await;
            assert!(page.contains("invalid_request"), "{named}");
        }
    }

    /// RFC 8252 §7.3: the port of a loopback address is the operating system's to choose.
    async fn a_program_on_the_users_machine_listens_on_any_port(world: World) {
        let node = &world.node;
        let callbacks = json!(["http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/cb"]);
        let method = json!("none");
        let fields = json!({ "callbacks": callbacks, "app_type": "native", "token_endpoint_auth_method": method });
        let program = shop::open(node, fields).await;
        let ann = Person::create(node, "ann@example.com").await;
        for named in ["http://127.0.0.1:49152/cb", "http://[::1]:1025/cb", "http://127.0.0.1/cb", "com.example.app:/cb"] {
            let seen = ann.authorize(node, &usual(&program, &[("redirect_uri", named)])).await;
            let Seen::Left(url) = &seen else { panic!("{seen:?}") };
            assert!(url.as_str().starts_with(&format!("{named}?code=")), "{url}");
            let code = seen.answer()["code"].clone();
            // The token request names the very same one (RFC 6749 §4.1.3).
            let other = exchange(node, &program, &code, &[("redirect_uri", "http://127.0.0.1:49153/cb")]).await;
            other.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
            exchange(node, &program, &code, &[("redirect_uri", named)]).await.expect(StatusCode::OK);
        }
        let elsewhere = usual(&program, &[("redirect_uri", "http://localhost:49152/cb")]);
        stays_here(&ann, node, &authorize_path(&elsewhere)).await;
    }

    /// RFC 6749 §3.1.2.3 and §4.1.3; OpenID Connect Core §3.1.2.1 makes it required.
    async fn the_only_registered_one_stands_in_where_openid_is_not_asked_for(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let unnamed = [("redirect_uri", OMITTED), ("scope", "read"), ("audience", shop::ORDERS)];
        let seen = ann.authorize(node, &usual(&shop, &unnamed)).await;
        let code = seen.answer()["code"].clone();
        exchange(node, &shop, &code, &[("redirect_uri", OMITTED)]).await.expect(StatusCode::OK);
        let openid = usual(&shop, &[("redirect_uri", OMITTED)]);
        stays_here(&ann, node, &authorize_path(&openid)).await;
        shop::change(node, &shop, json!({ "callbacks": [CALLBACK, "https://app.example/other"] })).await;
        stays_here(&ann, node, &authorize_path(&usual(&shop, &unnamed))).await;
        // Where it was named, the token request names it too.
        let code = ann.code(node, &shop, &[]).await;
        let unnamed = exchange(node, &shop, &code, &[("redirect_uri", OMITTED)]).await;
        unnamed.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    }

    /// RFC 6749 §3.1.2: a query component is kept.
    async fn a_query_of_the_redirect_uri_stays(world: World) {
        let node = &world.node;
        let callback = "https://app.example/cb?shop=1&x=%20";
        let shop = shop::open(node, json!({ "callbacks": [callback] })).await;
        let somebody = Person::stranger();
        let params = usual(&shop, &[("redirect_uri", callback), ("prompt", "none")]);
        let Seen::Left(url) = somebody.open(node, &authorize_path(&params)).await else { panic!() };
        assert!(url.as_str().starts_with(&format!("{callback}&error=login_required&")), "{url}");
        // RFC 6749 §3.1.2: no fragment is ever registered.
        let fields = json!({ "callbacks": ["https://app.example/cb#x"] });
        let path = format!("/clients/{}", shop.id);
        node.manage(reqwest::Method::PATCH, &path, Some(fields)).await.expect(StatusCode::BAD_REQUEST);
    }
}
