//! Signing out (OpenID Connect RP-Initiated Logout 1.0, and Auth0's `/v2/logout`), with a person at a
//! browser.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::desk::{Desk, overlay};
use crate::harness::{
    CALLBACK, Credentials, Node, Person, Seen, World, authorize_path, both_stores, claims,
    exchange, hidden, usual,
};

const BYE: &str = "https://app.example/bye";

async fn application(desk: &Desk<'_>, fields: Value) -> Credentials {
    let mut usual = json!({
        "name": "Shop",
        "app_type": "regular_web",
        "callbacks": [CALLBACK],
        "allowed_logout_urls": [BYE, "http://127.0.0.1/bye", "com.example.app:/bye?x=1"],
    });
    overlay(&mut usual, fields);
    desk.application(usual).await
}

async fn id_token(node: &Node, person: &Person, client: &Credentials) -> String {
    let tokens = person.tokens(node, client, &[]).await;
    tokens["id_token"].as_str().unwrap().to_owned()
}

async fn is_signed_in(node: &Node, person: &Person, client: &Credentials) -> bool {
    let asked = usual(client, &[("prompt", "none")]);
    let answer = person.open(node, &authorize_path(&asked)).await.answer();
    answer.contains_key("code")
}

fn path_of(path: &str, params: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params)
        .finish();
    format!("{path}?{query}")
}

async fn sign_out(node: &Node, person: &Person, params: &[(&str, &str)]) -> Seen {
    person.open(node, &path_of("/oidc/logout", params)).await
}

#[track_caller]
fn left_for(seen: Seen, expected: &str) {
    let Seen::Left(url) = seen else {
        panic!("the browser is still here: {seen:?}");
    };
    assert_eq!(url, Url::parse(expected).unwrap());
}

/// The question's `state`.
#[track_caller]
fn asked(seen: Seen) -> String {
    let (_, status, html) = seen.page();
    assert_eq!(status, StatusCode::OK, "{html}");
    assert!(html.contains("name=\"action\" value=\"accept\""), "{html}");
    hidden(&html, "state")
}

#[track_caller]
fn refused(seen: Seen) {
    let (_, status, html) = seen.page();
    assert_eq!(status, StatusCode::BAD_REQUEST, "{html}");
}

#[track_caller]
fn is_done(seen: Seen) {
    let (_, status, html) = seen.page();
    assert_eq!(status, StatusCode::OK, "{html}");
    assert!(html.contains("You are signed out"), "{html}");
}

/// A person who is signed in to an application, and the ID token of it.
async fn begin(world: &World) -> (Person, Credentials, String) {
    let node = &world.node;
    let desk = Desk::open(node).await;
    let shop = application(&desk, json!({})).await;
    let ann = Person::create(node, "ann@example.com").await;
    let hint = id_token(node, &ann, &shop).await;
    (ann, shop, hint)
}

both_stores! {
    /// §2: at once, where the hint is of this session; one that has expired is as good. §3: back to the
    /// registered address, with `state`.
    async fn who_brings_the_sessions_id_token_is_signed_out_at_once(world: World) {
        let node = &world.node;
        let (ann, shop, hint) = begin(world).await;
        world.clock.advance(36_001);
        let params = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE), ("state", "a b&c")];
        left_for(sign_out(node, &ann, &params).await, "https://app.example/bye?state=a+b%26c");
        assert_eq!(ann.cookie().await, None);
        assert!(!is_signed_in(node, &ann, &shop).await);
        // Once more is as good, whoever is signed in: nobody.
        left_for(sign_out(node, &ann, &params).await, "https://app.example/bye?state=a+b%26c");
        let desk = Desk::open(node).await;
        let logged = desk.shown("/logs?q=type:slo").await;
        assert_eq!(logged.as_array().unwrap().len(), 1);
        assert_eq!((&logged[0]["user_id"], &logged[0]["client_id"]), (&json!(ann.id), &json!(shop.id)));
    }

    /// §2: the same by POST, whether or not the browser sends the cookie along.
    /// An application that was told of the end of a session would never hear of the end of what it got
    /// afterwards.
    async fn a_code_is_worth_nothing_when_its_user_has_signed_out(world: World) {
        let node = &world.node;
        let (ann, shop, _) = begin(world).await;
        let (early, late) = (ann.code(node, &shop, &[]).await, ann.code(node, &shop, &[]).await);
        exchange(node, &shop, &early, &[]).await.expect(StatusCode::OK);
        left_for(ann.open(node, &path_of("/v2/logout", &[("returnTo", BYE), ("client_id", &shop.id)])).await, BYE);
        exchange(node, &shop, &late, &[]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    }

    /// The page names the user; somebody else who has signed in since was not asked.
    async fn the_answer_counts_for_the_user_whom_the_page_named(world: World) {
        let node = &world.node;
        let (ann, shop, _) = begin(world).await;
        let bob = Person::create(node, "bob@example.com").await;
        let state = asked(sign_out(node, &ann, &[]).await);
        let bob = bob.at_the_browser_of(&ann).await;
        bob.code(node, &shop, &[("prompt", "login")]).await;
        let (_, _, html) = bob.send(node, "/u/logout", &[("state", &state), ("action", "accept")]).await.page();
        assert!(html.contains("bob@example.com"), "{html}");
        assert!(is_signed_in(node, &bob, &shop).await);
        let state = hidden(&html, "state");
        is_done(bob.send(node, "/u/logout", &[("state", &state), ("action", "accept")]).await);
        assert!(!is_signed_in(node, &bob, &shop).await);
    }

    async fn a_request_that_does_not_fit_into_an_address_is_refused(world: World) {
        let node = &world.node;
        let (ann, shop, _) = begin(world).await;
        let long = "/".repeat(5000);
        let form = [
            ("client_id", shop.id.as_str()), ("post_logout_redirect_uri", BYE), ("state", &long),
            ("logout_hint", &long), ("ui_locales", &long),
        ];
        let (_, status, html) = ann.send(node, "/oidc/logout", &form).await.page();
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(html.contains("too long"), "{html}");
        assert!(is_signed_in(node, &ann, &shop).await);
    }

    async fn a_posted_request_is_as_good(world: World) {
        let node = &world.node;
        let (ann, shop, hint) = begin(world).await;
        let params = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE)];
        left_for(ann.send(node, "/oidc/logout", &params).await, BYE);
        assert!(!is_signed_in(node, &ann, &shop).await);
        // From a page of the application's, without the cookie: the browser comes back with it.
        let hint = id_token(node, &ann, &shop).await;
        let params = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE)];
        let staying = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let request = staying.post(format!("{}/oidc/logout", node.base)).header("sec-fetch-site", "cross-site");
        let sent_on = request.form(&params).send().await.unwrap();
        assert_eq!(sent_on.status(), StatusCode::SEE_OTHER);
        let location = sent_on.headers()["location"].to_str().unwrap();
        assert!(!location.contains(&hint), "no ID token in a URL");
        left_for(ann.open(node, location).await, BYE);
        assert!(!is_signed_in(node, &ann, &shop).await);
    }

    /// §2: without a hint, or with one of another session, the user is asked.
    async fn who_could_be_anybody_is_asked(world: World) {
        let node = &world.node;
        let (ann, shop, hint) = begin(world).await;
        let bob = Person::create(node, "bob@example.com").await;
        let of_bob = id_token(node, &bob, &shop).await;
        let elsewhere = ann.at_another_browser();
        let of_elsewhere = id_token(node, &elsewhere, &shop).await;
        let id = ("client_id", shop.id.as_str());
        let back = ("post_logout_redirect_uri", BYE);
        for params in [
            vec![],
            vec![id, back],
            vec![back, ("id_token_hint", &of_bob)],
            vec![back, ("id_token_hint", &of_elsewhere)],
            vec![id, ("logout_hint", "another session")],
        ] {
            let state = asked(sign_out(node, &ann, &params).await);
            assert!(is_signed_in(node, &ann, &shop).await, "{params:?}");
            // To stay is to go back signed in.
            let seen = ann.send(node, "/u/logout", &[("state", &state), ("action", "deny")]).await;
            if params.contains(&back) {
                left_for(seen, BYE);
            } else {
                assert!(seen.page().2.contains("You are still signed in"));
            }
            assert!(is_signed_in(node, &ann, &shop).await, "{params:?}");
        }
        let state = asked(sign_out(node, &ann, &[id, back, ("state", "x")]).await);
        let seen = ann.send(node, "/u/logout", &[("state", &state), ("action", "accept")]).await;
        left_for(seen, "https://app.example/bye?state=x");
        assert!(!is_signed_in(node, &ann, &shop).await);
        assert!(is_signed_in(node, &elsewhere, &shop).await);
        assert!(is_signed_in(node, &bob, &shop).await);
        // Auth0's `logout_hint` is the session.
        let sid = claims(&hint)["sid"].clone();
        let of_elsewhere = claims(&of_elsewhere)["sid"].clone();
        assert_ne!(sid, of_elsewhere);
        is_done(sign_out(node, &elsewhere, &[("logout_hint", of_elsewhere.as_str().unwrap())]).await);
        assert!(!is_signed_in(node, &elsewhere, &shop).await);
    }

    /// §2 and §4: what is not an ID token of this server for that application is no hint.
    async fn a_hint_that_does_not_hold_is_none(world: World) {
        let node = &world.node;
        let (ann, shop, hint) = begin(world).await;
        let tokens = ann.tokens(node, &shop, &[]).await;
        let parts: Vec<_> = hint.split('.').collect();
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut head = crate::harness::header(&hint);
        let with = |head: &Value, signature: &str| format!("{}.{}.{signature}", encode(head), parts[1]);
        head["alg"] = json!("none");
        let mut wrong = vec![with(&head, ""), with(&json!({ "alg": "none" }), ""), "x".into(), with(&head, parts[2])];
        head["alg"] = json!("HS256");
        wrong.push(with(&head, parts[2]));
        head["alg"] = json!("RS256");
        for typ in ["logout+jwt", "at+jwt"] {
            head["typ"] = json!(typ);
            wrong.push(with(&head, parts[2]));
        }
        let mut other = claims(&hint);
        other["sub"] = json!("auth0|somebody else");
        wrong.push(format!("{}.{}.{}", parts[0], encode(&other), parts[2]));
        wrong.push(tokens["access_token"].as_str().unwrap().into());
        wrong.push(node.admin_token().await);
        for hint in &wrong {
            let params = [("id_token_hint", hint.as_str()), ("client_id", shop.id.as_str()), ("post_logout_redirect_uri", BYE)];
            asked(sign_out(node, &ann, &params).await);
            // Alone it names no application either.
            let params = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE)];
            refused(sign_out(node, &ann, &params).await);
        }
        assert!(is_signed_in(node, &ann, &shop).await);
    }

    /// §2: `client_id` is the application to which the hint was issued, or nothing happens.
    async fn the_application_is_one(world: World) {
        let node = &world.node;
        let (ann, shop, hint) = begin(world).await;
        let desk = Desk::open(node).await;
        let other = application(&desk, json!({ "allowed_logout_urls": ["https://other.example/bye"] })).await;
        let hint = ("id_token_hint", hint.as_str());
        for params in [
            vec![hint, ("client_id", other.id.as_str())],
            vec![hint, ("client_id", other.id.as_str()), ("post_logout_redirect_uri", "https://other.example/bye")],
            vec![("client_id", "unknown")],
            vec![hint, ("post_logout_redirect_uri", "https://other.example/bye")],
        ] {
            refused(sign_out(node, &ann, &params).await);
        }
        assert!(is_signed_in(node, &ann, &shop).await);
        is_done(sign_out(node, &ann, &[hint, ("client_id", shop.id.as_str())]).await);
    }

    /// §3: exactly an address that is registered; otherwise nobody is sent anywhere, or signed out.
    async fn the_browser_goes_to_registered_addresses_only(world: World) {
        let node = &world.node;
        let (ann, shop, hint) = begin(world).await;
        let hint = ("id_token_hint", hint.as_str());
        for wrong in [
            "https://app.example/bye/", "https://app.example/bye?x", "https://APP.example/bye", "https://app.example:443/bye",
            "https://evil.example/bye", "http://app.example/bye", "http://127.0.0.1/other", "http://127.0.0.2/bye",
            "http://127.0.0.1@evil.example/bye", "com.example.app:/bye", "/bye", "javascript:alert(1)", CALLBACK,
        ] {
            refused(sign_out(node, &ann, &[hint, ("post_logout_redirect_uri", wrong)]).await);
            refused(ann.open(node, &path_of("/v2/logout", &[("client_id", &shop.id), ("returnTo", wrong)])).await);
        }
        assert!(is_signed_in(node, &ann, &shop).await);
        // RFC 8252 §7.3: a program's port is its own.
        left_for(sign_out(node, &ann, &[hint, ("post_logout_redirect_uri", "http://127.0.0.1:49152/bye")]).await, "http://127.0.0.1:49152/bye");
        left_for(sign_out(node, &ann, &[hint, ("post_logout_redirect_uri", "com.example.app:/bye?x=1"), ("state", "s")]).await, "com.example.app:/bye?x=1&state=s");
        // The tenant's addresses are everybody's.
        let desk = Desk::open(node).await;
        let all = "https://tenant.example/bye";
        refused(sign_out(node, &ann, &[("post_logout_redirect_uri", all)]).await);
        desk.patch("/tenants/settings", json!({ "allowed_logout_urls": [all] })).await.expect(StatusCode::OK);
        left_for(sign_out(node, &ann, &[("post_logout_redirect_uri", all)]).await, all);
        left_for(ann.open(node, &path_of("/v2/logout", &[("returnTo", all)])).await, all);
        let logged = desk.shown("/logs?q=type:flo").await;
        assert!(!logged.as_array().unwrap().is_empty());
    }

    async fn auth0s_address_signs_out_at_once_but_not_from_within_a_page(world: World) {
        let node = &world.node;
        let (ann, shop, _) = begin(world).await;
        let path = path_of("/v2/logout", &[("client_id", &shop.id), ("returnTo", BYE), ("federated", "")]);
        let picture = node.request(Method::GET, &path)
            .header("cookie", ann.cookie().await.unwrap())
            .header("sec-fetch-dest", "image");
        node.send(picture).await.expect(StatusCode::OK);
        assert!(is_signed_in(node, &ann, &shop).await);
        left_for(ann.open(node, &path).await, BYE);
        assert!(!is_signed_in(node, &ann, &shop).await);
        is_done(ann.open(node, "/v2/logout").await);
        refused(ann.open(node, &path_of("/v2/logout", &[("client_id", "unknown")])).await);
    }

    /// Auth0's switch: the tenant trusts whoever leads its users here.
    async fn a_tenant_may_have_nobody_asked(world: World) {
        let node = &world.node;
        let (ann, shop, _) = begin(world).await;
        let desk = Desk::open(node).await;
        let never = json!({ "sessions": { "oidc_logout_prompt_enabled": false } });
        desk.patch("/tenants/settings", never).await.expect(StatusCode::OK);
        let params = [("client_id", shop.id.as_str()), ("post_logout_redirect_uri", BYE)];
        left_for(sign_out(node, &ann, &params).await, BYE);
        assert!(!is_signed_in(node, &ann, &shop).await);
    }

    /// What another site posts, or somebody makes up, answers no question.
    async fn nobody_else_answers_the_question(world: World) {
        let node = &world.node;
        let (ann, shop, _) = begin(world).await;
        let state = asked(sign_out(node, &ann, &[]).await);
        let cookie = ann.cookie().await.unwrap();
        let post = |state: &str| node.request(Method::POST, "/u/logout").header("cookie", &cookie)
            .form(&[("state", state), ("action", "accept")]);
        let forged = post(&state).header("sec-fetch-site", "cross-site");
        node.send(forged).await.expect(StatusCode::FORBIDDEN);
        for made_up in ["", "x", &state[1..]] {
            let request = post(made_up).header("sec-fetch-site", "same-origin");
            node.send(request).await.expect(StatusCode::BAD_REQUEST);
        }
        assert!(is_signed_in(node, &ann, &shop).await);
        world.clock.advance(3600);
        let late = ann.send(node, "/u/logout", &[("state", &state), ("action", "accept")]).await;
        assert_eq!(late.page().1, StatusCode::BAD_REQUEST);
        assert!(is_signed_in(node, &ann, &shop).await);
    }

    /// §2: the languages of `ui_locales`.
    async fn the_question_speaks_the_users_language(world: World) {
        let node = &world.node;
        let (ann, _, _) = begin(world).await;
        for (locales, language) in [("fr de en", "de"), ("es", "es"), ("fr", "en")] {
            let (_, _, html) = sign_out(node, &ann, &[("ui_locales", locales)]).await.page();
            assert!(html.contains(&format!("lang=\"{language}\"")), "{locales}");
        }
    }
}
