//! Authorization requests that cannot be granted: who is told, and what.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{CALLBACK, ISSUER, OMITTED, Person, authorize_path, both_stores, usual};
use crate::shop::{self, ORDERS, refused, stays_here};

/// Parameters over the usual ones, and the error that follows.
type Wrong = (&'static [(&'static str, &'static str)], &'static str);

both_stores! {
    /// RFC 6749 §4.1.2.1: the user is told, and the browser goes nowhere.
    async fn nothing_is_sent_anywhere_while_it_is_open_where_to(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let somebody = Person::stranger();
        for wrong in [
            &[("client_id", OMITTED)][..],
            &[("client_id", "unknown")],
            &[("client_id", "")],
            &[("redirect_uri", OMITTED)],
            &[("redirect_uri", "https://evil.example/")],
            &[("redirect_uri", "https://evil.example/"), ("response_type", "nonsense")],
            &[("redirect_uri", "https://evil.example/"), ("response_mode", "form_post")],
        ] {
            stays_here(&somebody, node, &authorize_path(&usual(&shop, wrong))).await;
        }
        let gone = shop::application(node, json!({ "name": "Gone" })).await;
        node.manage(Method::DELETE, &format!("/clients/{}", gone.id), None).await.expect(StatusCode::NO_CONTENT);
        stays_here(&somebody, node, &authorize_path(&usual(&gone, &[]))).await;
        stays_here(&somebody, node, "/authorize").await;
        stays_here(&somebody, node, "/authorize/resume?state=nonsense").await;
    }

    /// RFC 6749 §3.1 and §4.1.2.1: parameters are not included more than once. Which of two redirect URIs
    /// is meant nobody knows; of two states, none is handed back.
    async fn a_repeated_parameter_is_an_error(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let somebody = Person::stranger();
        let path = authorize_path(&usual(&shop, &[]));
        for name in ["client_id", "redirect_uri"] {
            stays_here(&somebody, node, &format!("{path}&{name}=1&{name}=1")).await;
        }
        for name in [
            "response_type", "scope", "state", "nonce", "code_challenge", "response_mode", "prompt", "max_age",
            "claims", "request", "unknown",
        ] {
            let answer = somebody.open(node, &format!("{path}&{name}=1&{name}=1")).await.answer();
            assert_eq!(answer["error"], "invalid_request", "{name}");
            assert_eq!(answer["error_description"], format!("Parameter '{name}' is repeated."));
            let state = Some("the state").filter(|_| name != "state");
            assert_eq!((answer["iss"].as_str(), answer.get("state").map(String::as_str)), (ISSUER, state));
        }
    }

    async fn what_cannot_be_read_is_told_the_application(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let somebody = Person::stranger();
        let long = "x".repeat(2001);
        for (name, value) in [
            ("scope", "a%09b"), ("login_hint", "%ff"), ("response_type", &long), ("response_mode", &long),
            ("state", &"x".repeat(8001)),
        ] {
            let path = authorize_path(&usual(&shop, &[(name, OMITTED)]));
            let answer = somebody.open(node, &format!("{path}&{name}={value}")).await.answer();
            assert_eq!((answer["error"].as_str(), answer["iss"].as_str()), ("invalid_request", ISSUER), "{name}");
            assert!(answer["error_description"].contains(&format!("'{name}'")), "{answer:?}");
        }
    }

    /// RFC 9110 §9.2.1: HEAD changes nothing, so it may not stand for a GET that uses something up.
    async fn head_is_no_request_of_an_application(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let path = authorize_path(&usual(&shop, &[]));
        for (path, allow) in [(path.as_str(), "GET, POST"), ("/oidc/logout", "GET, POST"), ("/v2/logout", "GET")] {
            let answer = node.send(node.request(Method::HEAD, path)).await.expect(StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(answer.headers["allow"], allow, "{path}");
        }
    }

    /// RFC 6749 §4.1.2.1 and §4.2.2.1, OpenID Connect Core §3.1.2.2, §3.1.2.6, §6 and §7.2.1, RFC 8707 §2,
    /// RFC 9207 §2.
    async fn the_application_is_told_the_rest_with_state_and_issuer(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let somebody = Person::stranger();
        let cases: &[Wrong] = &[
            (&[("response_type", OMITTED)], "invalid_request"),
            (&[("response_type", "nonsense")], "unsupported_response_type"),
            (&[("response_type", "code code")], "unsupported_response_type"),
            (&[("response_type", "none")], "unsupported_response_type"),
            (&[("response_type", "token")], "unsupported_response_type"),
            (&[("response_mode", "nonsense")], "invalid_request"),
            (&[("prompt", "nonsense")], "invalid_request"),
            (&[("prompt", "none login")], "invalid_request"),
            (&[("max_age", "-1")], "invalid_request"),
            (&[("max_age", "soon")], "invalid_request"),
            (&[("claims", "[]")], "invalid_request"),
            (&[("claims", "{\"id_token\":{},\"id_token\":{}}")], "invalid_request"),
            (&[("claims", "{\"id_token\":1}")], "invalid_request"),
            (&[("validity_period", "0")], "invalid_request"),
            (&[("validity_period", "")], "invalid_request"),
            (&[("validity_period", "1e3")], "invalid_request"),
            (&[("id_token_hint", "nonsense")], "invalid_request"),
            (&[("audience", ORDERS), ("resource", ORDERS)], "invalid_request"),
            (&[("audience", "https://unknown.example/")], "access_denied"),
            (&[("resource", "https://unknown.example/")], "invalid_target"),
            (&[("request", "nonsense")], "invalid_request_object"),
            (&[("request_uri", "https://app.example/request")], "request_uri_not_supported"),
            (&[("registration", "{}")], "registration_not_supported"),
            (&[("prompt", "none")], "login_required"),
        ];
        for (params, error) in cases {
            assert_eq!(refused(&somebody, node, &shop, params).await, *error, "{params:?}");
        }
        shop::change(node, &shop, json!({ "grant_types": ["refresh_token"] })).await;
        assert_eq!(refused(&somebody, node, &shop, &[]).await, "unauthorized_client");
    }

    /// RFC 6749 §3.1: what is not known is ignored, and what has no value counts as left out; §4.1.2.1:
    /// `state` comes back where it came, byte for byte.
    async fn what_is_unknown_or_empty_is_as_if_it_were_not_there(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let somebody = Person::stranger();
        let empty = [("prompt", "none"), ("display", "page"), ("max_age", ""), ("claims", ""), ("login_hint", ""), ("x", "y")];
        assert_eq!(refused(&somebody, node, &shop, &empty).await, "login_required");
        let state = "ü + & = % \" <script> 'x'";
        let answer = shop::answered(&somebody, node, &shop, &[("prompt", "none"), ("state", state)]).await;
        assert_eq!(answer["state"], state);
        let answer = shop::answered(&somebody, node, &shop, &[("prompt", "none"), ("state", OMITTED)]).await;
        assert!(!answer.contains_key("state"), "{answer:?}");
        assert_eq!(answer["iss"], ISSUER);
    }

    /// OpenID Connect Core §3.1.2.1: GET and POST are both there, and the session counts in both.
    async fn a_request_may_come_as_a_form(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let form = usual(&shop, &[("prompt", "none")]);
        let answer = ann.send(node, "/authorize", &form).await.answer();
        assert!(answer.contains_key("code"), "{answer:?}");
        assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("the state", ISSUER));
        let form = usual(&shop, &[("prompt", "nonsense")]);
        assert_eq!(ann.send(node, "/authorize", &form).await.answer()["error"], "invalid_request");
        // An application's page posts from its own site, and a browser leaves our cookie out.
        let request = node.request(Method::POST, "/authorize").header("sec-fetch-site", "cross-site");
        let wrong = usual(&shop, &[("redirect_uri", "https://evil.example/")]);
        let page = node.send(request.form(&wrong)).await.expect(StatusCode::BAD_REQUEST);
        assert!(page.headers.get("location").is_none());
    }

    /// RFC 9207 §2 and §2.4: the issuer is in errors and in successes, exactly as it is announced.
    async fn every_answer_says_who_gives_it(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({ "callbacks": [CALLBACK] })).await;
        let ann = Person::create(node, "ann@example.com").await;
        let path = "/.well-known/oauth-authorization-server";
        let said = node.send(node.request(Method::GET, path)).await.expect(StatusCode::OK).json;
        for params in [&[][..], &[("prompt", "none")], &[("response_mode", "fragment")], &[("response_type", "x")]] {
            let answer = ann.authorize(node, &usual(&shop, params)).await.answer();
            assert_eq!(said["issuer"], answer["iss"].as_str(), "{params:?}");
        }
        assert_eq!(said["authorization_response_iss_parameter_supported"], true);
    }
}
