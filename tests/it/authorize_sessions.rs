//! The session of a browser: its cookie, and what other sites cannot do with it.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Answer, Node, PASSWORD, Person, authorize_path, both_stores, hidden, usual};
use crate::shop::{self, ORDERS, answered};

const NAME: &str = "__Host-grantor_session";

/// Posts the sign-in form as a browser would from a page of some site.
async fn sign_in(node: &Node, person: &Person, state: &str, headers: &[(&str, &str)]) -> Answer {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let mut post = client
        .build()
        .unwrap()
        .post(format!("{}/u/login", node.base));
    for (name, value) in headers {
        post = post.header(*name, *value);
    }
    let form = [
        ("state", state),
        ("username", &person.email),
        ("password", PASSWORD),
        ("action", "default"),
    ];
    Answer::read(post.form(&form).send().await.unwrap()).await
}

both_stores! {
    /// OWASP ASVS 5, V3.3 (RFC 6265bis §4.1.3.2 on `__Host-`): out of reach of scripts and of other sites,
    /// and a new text at each sign-in, so that nobody plants one (V7.2.4).
    async fn the_cookie_is_for_this_server_alone_and_new_at_each_sign_in(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let path = authorize_path(&usual(&shop, &[]));
        let (_, _, html) = ann.open(node, &path).await.page();
        assert_eq!(ann.cookie().await, None, "nobody has signed in");
        let state = hidden(&html, "state");
        let own = [("sec-fetch-site", "same-origin")];
        let signed_in = sign_in(node, &ann, &state, &own).await.expect(StatusCode::SEE_OTHER);
        let cookie = signed_in.headers["set-cookie"].to_str().unwrap();
        let (pair, attributes) = cookie.split_once(';').unwrap();
        assert!(pair.starts_with(&format!("{NAME}=grantor_ss_")) && pair.len() > 60, "{pair}");
        for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=604800"] {
            assert!(attributes.contains(attribute), "{attribute}: {attributes}");
        }
        assert!(!attributes.contains("Domain"), "{attributes}");
        let again = sign_in(node, &ann, &state, &own).await;
        assert_ne!(again.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap(), pair);
        shop::set(node, json!({ "session_cookie": { "mode": "non-persistent" } })).await;
        let ephemeral = sign_in(node, &ann, &state, &own).await;
        let cookie = ephemeral.headers["set-cookie"].to_str().unwrap();
        assert!(!cookie.contains("Max-Age") && !cookie.contains("Expires"), "{cookie}");
    }

    /// Login CSRF: a form that another site posts signs nobody in, and consents to nothing.
    async fn what_another_site_posts_does_nothing(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let path = authorize_path(&usual(&shop, &[("audience", ORDERS), ("scope", "openid read")]));
        let (_, _, html) = ann.open(node, &path).await.page();
        let state = hidden(&html, "state");
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
        ] {
            let answer = sign_in(node, &ann, &state, foreign).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{foreign:?}: {answer:?}");
            assert!(answer.headers.get("set-cookie").is_none(), "{foreign:?}");
        }
        ann.code(node, &shop, &[]).await;
        let (path, _, html) = ann.open(node, &path).await.page();
        assert_eq!(path, "u/consent");
        let form = [("state", hidden(&html, "state")), ("action", "accept".to_owned())];
        let post = node.request(Method::POST, "/u/consent").header("sec-fetch-site", "cross-site");
        let post = post.header("cookie", ann.cookie().await.unwrap()).form(&form);
        node.send(post).await.expect(StatusCode::FORBIDDEN);
    }

    async fn one_sign_in_serves_all_applications_of_a_browser_and_of_no_other(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({ "is_first_party": true })).await;
        let other = shop::application(node, json!({ "name": "Other", "is_first_party": true })).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let silently = [("prompt", "none")];
        assert!(answered(&ann, node, &other, &silently).await.contains_key("code"));
        let elsewhere = ann.at_another_browser();
        assert_eq!(answered(&elsewhere, node, &other, &silently).await["error"], "login_required");
        // Two cookies of the name: somebody has planted one, so neither counts.
        let cookie = ann.cookie().await.unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        for (cookies, error) in [
            (cookie.clone(), None),
            (format!("{cookie}; {NAME}=grantor_ss_{}", "x".repeat(43)), Some("login_required")),
            (format!("{NAME}=grantor_ss_{}", "x".repeat(43)), Some("login_required")),
            (cookie.replace(NAME, "grantor_session"), Some("login_required")),
        ] {
            let url = format!("{}{}", node.base, authorize_path(&usual(&other, &silently)));
            let went = client.get(url).header("cookie", cookies).send().await.unwrap();
            let location = went.headers()["location"].to_str().unwrap().to_owned();
            assert_eq!(location.contains("error=login_required"), error.is_some(), "{location}");
        }
    }
}
