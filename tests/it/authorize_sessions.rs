//! The session of a browser: its cookie, and what other sites cannot do with it.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::desk::Desk;
use crate::harness::{
    Answer, Credentials, Node, PASSWORD, Person, Seen, World, authorize_path, both_hands,
    both_stores, claims, exchange, hidden, usual,
};
use crate::held::{ASKED, Held};
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

/// Whether a browser with these cookies is signed in.
async fn opens_something(node: &Node, shop: &Credentials, cookies: &str) -> bool {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let path = authorize_path(&usual(shop, &[("prompt", "none")]));
    let asked = client.build().unwrap().get(format!("{}{path}", node.base));
    let answer = Answer::read(asked.header("cookie", cookies).send().await.unwrap()).await;
    let location = answer.headers["location"].to_str().unwrap();
    let is_refused = location.contains("error=login_required");
    assert!(is_refused || location.contains("code="), "{location}");
    !is_refused
}

/// How many rows there are of what a sign-in and a consent leave.
async fn stored(world: &World) -> BTreeMap<&'static str, i64> {
    let mut sql = world.database.sql().await;
    let mut rows = BTreeMap::new();
    for table in [
        "sessions",
        "session_clients",
        "user_grants",
        "authorization_codes",
        "pushed_requests",
        "refresh_families",
        "tokens",
        "user_tickets",
    ] {
        let count = format!("select count(*) from {table}");
        rows.insert(table, sql.number(&count).await);
    }
    rows
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
        for (cookies, opens) in [
            (cookie.clone(), true),
            (format!("{cookie}; {NAME}=grantor_ss_{}", "x".repeat(43)), false),
            (format!("{NAME}=grantor_ss_{}", "x".repeat(43)), false),
            (cookie.replace(NAME, "grantor_session"), false),
        ] {
            assert_eq!(opens_something(node, &other, &cookies).await, opens, "{cookies}");
        }
    }

    /// OWASP ASVS 5, V7.2.4: whoever has got hold of the cookie before has nothing after.
    async fn the_cookie_from_before_a_second_sign_in_is_worth_nothing(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({ "is_first_party": true })).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let old = ann.cookie().await.unwrap();
        assert!(opens_something(node, &shop, &old).await);
        ann.code(node, &shop, &[("prompt", "login")]).await;
        let new = ann.cookie().await.unwrap();
        assert!(opens_something(node, &shop, &new).await);
        assert!(!opens_something(node, &shop, &old).await);
    }

    async fn who_signs_in_at_the_browser_of_another_gets_nothing_of_hers_and_ends_her_session(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let (ann, ben) = (Person::create(node, "ann@example.com").await, Person::create(node, "ben@example.com").await);
        let of_ann = Held::get(node, &ann, &shop).await;
        let ben = ben.at_the_browser_of(&ann).await;
        let anew = both_hands(&ASKED, &[("prompt", "login")]);
        let (_, _, html) = ben.open(node, &authorize_path(&usual(&shop, &anew))).await.page();
        assert!(!html.contains(&ann.email), "{html}");
        let state = hidden(&html, "state");
        let form = [("state", state.as_str()), ("username", &ben.email), ("password", PASSWORD)];
        let seen = ben.send(node, "/u/login", &form).await;
        let Seen::Page { path, html, .. } = &seen else { panic!("her consent counts for him: {seen:?}") };
        assert_eq!(path, "u/consent");
        assert!(html.contains(&ben.email) && !html.contains(&ann.email), "{html}");
        let code = ben.go_on(node, seen).await.answer()["code"].clone();
        let tokens = exchange(node, &shop, &code, &[]).await.expect(StatusCode::OK);
        for name in ["access_token", "id_token"] {
            assert_eq!(claims(&tokens.text(name))["sub"], json!(ben.id), "{name}");
        }
        // What she has let the shop do while she is away is hers to end.
        assert_eq!(of_ann.works(node).await, ["introspection", "userinfo", "refresh"]);
        let sessions = async |person: &Person| {
            Desk::open(node).await.shown(&format!("/users/{}/sessions", person.id)).await["sessions"].as_array().unwrap().len()
        };
        assert_eq!((sessions(&ann).await, sessions(&ben).await), (0, 1));
    }

    /// Whoever has proven nothing leaves nothing behind, however often they come.
    async fn nothing_is_stored_for_strangers(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let before = stored(world).await;
        assert_eq!((before["sessions"], before["user_grants"]), (1, 1), "of ann");
        let stranger = Person::stranger();
        for more in [&[][..], &[("prompt", "login consent")], &[("prompt", "none")], &[("audience", ORDERS), ("scope", "openid offline_access read")]] {
            let path = authorize_path(&usual(&shop, more));
            stranger.open(node, &path).await;
            stranger.send(node, "/authorize", &usual(&shop, more)).await;
        }
        let (_, _, html) = stranger.open(node, &authorize_path(&usual(&shop, &[]))).await.page();
        let state = hidden(&html, "state");
        for page in ["u/login", "u/signup", "u/consent", "u/reset-password", "authorize/resume"] {
            stranger.open(node, &format!("/{page}?state={state}")).await;
        }
        let form = [("state", state.as_str()), ("action", "accept")];
        stranger.send(node, "/u/consent", &form).await;
        let form = [("state", state.as_str()), ("username", &ann.email), ("password", "a wrong guess")];
        let (_, status, _) = stranger.send(node, "/u/login", &form).await.page();
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(stored(world).await, before);
        assert_eq!(stranger.cookie().await, None);
    }
}
