//! Consent: when it is asked for, what it holds for, and how long.

use grantor::model::instant;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{
    CALLBACK, Credentials, Node, Person, Seen, authorize_path, both_hands, both_stores, exchange,
    hidden, usual,
};
use crate::shop::{self, ORDERS, STOCK, answered, refused};

const SKIP: &str = "skip_consent_for_verifiable_first_party_clients";

/// True where the signed-in person is asked to consent.
async fn is_asked(
    person: &Person,
    node: &Node,
    client: &Credentials,
    params: &[(&str, &str)],
) -> bool {
    match person
        .open(node, &authorize_path(&usual(client, params)))
        .await
    {
        Seen::Page { path, .. } => {
            assert_eq!(path, "u/consent");
            true
        }
        Seen::Left(_) => false,
    }
}

/// Refresh tokens that do not end.
fn without_end() -> Value {
    json!({ "refresh_token": { "rotation_type": "non-rotating", "expiration_type": "non-expiring" } })
}

both_stores! {
    /// RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.4.
    async fn who_declines_sends_the_application_away(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let asked = [("audience", ORDERS), ("scope", "openid read")];
        let (_, _, html) = ann.open(node, &authorize_path(&usual(&shop, &asked))).await.page();
        let form = [("state", hidden(&html, "state")), ("action", "deny".to_owned())];
        let form: Vec<_> = form.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let answer = ann.send(node, "/u/consent", &form).await.answer();
        assert_eq!((answer["error"].as_str(), answer["state"].as_str()), ("access_denied", "the state"));
        assert!(!answer.contains_key("code"));
        assert!(is_asked(&ann, node, &shop, &asked).await, "nothing was kept");
    }

    async fn what_was_consented_to_is_not_asked_again_and_more_is(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[("audience", ORDERS), ("scope", "openid read")]).await;
        for (audience, scope, asks) in [
            (ORDERS, "openid read", false),
            (ORDERS, "read", false),
            (ORDERS, "openid read write", true),
            (ORDERS, "openid email read", true),
            (STOCK, "openid read", true),
        ] {
            let params = [("audience", audience), ("scope", scope)];
            assert_eq!(is_asked(&ann, node, &shop, &params).await, asks, "{params:?}");
        }
        ann.code(node, &shop, &[("audience", ORDERS), ("scope", "openid write")]).await;
        assert!(!is_asked(&ann, node, &shop, &[("audience", ORDERS), ("scope", "openid read write")]).await);
        // OpenID Connect Core §3.1.2.1: prompt=consent asks all the same.
        assert!(is_asked(&ann, node, &shop, &[("prompt", "consent")]).await);
    }

    /// Auth0's rule: first-party applications are trusted where the API says so, and where nobody else
    /// can be behind the redirect URI (RFC 8252 §8.6).
    async fn the_operators_own_applications_skip_it_where_nobody_else_can_pose_as_them(world: World) {
        let node = &world.node;
        let loopback = "http://127.0.0.1/cb";
        let fields = json!({ "is_first_party": true, "callbacks": [CALLBACK, loopback, "com.example.app:/cb"] });
        let own = shop::open(node, fields).await;
        let ann = Person::create(node, "ann@example.com").await;
        // Without an API there is nothing that needs it.
        assert!(answered(&ann, node, &own, &[("prompt", "none")]).await["error"] == "login_required");
        ann.code(node, &own, &[]).await;
        let asked = [("audience", ORDERS), ("scope", "openid read")];
        assert!(is_asked(&ann, node, &own, &asked).await);
        node.change_api(ORDERS, json!({ SKIP: true })).await.expect(StatusCode::OK);
        for elsewhere in [loopback, "com.example.app:/cb"] {
            let params = [&asked[..], &[("redirect_uri", elsewhere)]].concat();
            assert!(is_asked(&ann, node, &own, &params).await, "{elsewhere}");
        }
        let two = [("resource", ORDERS), ("scope", "openid read")];
        let both = format!("{}&resource={STOCK}", authorize_path(&usual(&own, &two)));
        assert!(matches!(ann.open(node, &both).await, Seen::Page { .. }), "each API has to allow it");
        assert!(!is_asked(&ann, node, &own, &asked).await);
        let others = shop::application(node, json!({})).await;
        assert!(is_asked(&ann, node, &others, &asked).await, "somebody else's application");
    }

    async fn the_page_says_for_how_long(world: World) {
        const OFFLINE: (&str, &str) = ("scope", "openid read offline_access");
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        shop::allow_front_channel(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let says = async |over: &[(&str, &str)], words: &str| {
            let asked = [("audience", ORDERS), ("scope", "openid read"), ("prompt", "consent")];
            let params = both_hands(&asked, over);
            let (_, _, html) = ann.open(node, &authorize_path(&usual(&shop, &params))).await.page();
            assert!(html.contains(words), "{over:?} {words}: {html}");
        };
        let more = ", or up to 30 days if Shop asks for that.";
        let again = "Afterwards Shop has to send you here again.";
        says(&[], &format!("Access lasts 1 day{more} {again}")).await;
        let in_front = [("response_type", "token"), ("response_mode", "fragment")];
        says(&in_front, &format!("Access lasts 2 hours. {again}")).await;
        says(&both_hands(&in_front, &[("response_type", "code token")]), &format!("Access lasts 1 day{more}")).await;
        let short = ("validity_period", "60");
        says(&both_hands(&in_front, &[short]), &format!("Access lasts 1 minute. {again}")).await;
        says(&[short], &format!("Access lasts 1 minute{more}")).await;
        // What is asked for one token holds for none that a refresh token gives.
        let for_a_month = "Shop can renew it without you for 30 days, until ";
        says(&[OFFLINE, short], &format!("Access lasts 1 day{more} {for_a_month}")).await;
        shop::change(node, &shop, without_end()).await;
        let renews = "Shop can renew it without you, until you take it back.";
        says(&[OFFLINE, short], &format!("Access lasts 1 day{more} {renews}")).await;
        node.change_api(ORDERS, json!({ "max_token_lifetime": 86_400 })).await.expect(StatusCode::OK);
        says(&[OFFLINE], &format!("Access lasts 1 day. {renews}")).await;
        node.change_api(ORDERS, json!({ "user_grant_lifetime": 100_000 })).await.expect(StatusCode::OK);
        says(&[OFFLINE], "Access lasts 1 day. Shop can renew it without you for 1 day and 4 hours.").await;
        node.change_api(ORDERS, json!({ "user_grant_lifetime": 600 })).await.expect(StatusCode::OK);
        for over in [&[][..], &[OFFLINE]] {
            says(over, &format!("Access lasts 10 minutes. {again}")).await;
        }
        node.change_api(ORDERS, json!({ "user_grant_lifetime": null })).await.expect(StatusCode::OK);
        let soon = instant::to_rfc3339(world.clock.now() + 500);
        shop::change(node, &shop, json!({ "expires_at": soon })).await;
        says(&[OFFLINE], &format!("Access lasts 8 minutes and 20 seconds. {again}")).await;
    }

    /// RFC 8707 §2.2: a token may be for one of them, and then the others' bounds do not count.
    async fn of_several_apis_the_page_tells_the_longest(world: World) {
        let node = &world.node;
        let shop = shop::open(node, without_end()).await;
        let short = json!({ "token_lifetime": 3600, "max_token_lifetime": 3600, "user_grant_lifetime": 86_400 });
        node.change_api(STOCK, short).await.expect(StatusCode::OK);
        let ann = Person::create(node, "ann@example.com").await;
        let asked = usual(&shop, &[("resource", ORDERS), ("scope", "openid read offline_access")]);
        let both = [&asked[..], &[("resource", STOCK)]].concat();
        ann.code(node, &shop, &[]).await;
        let words = "Access lasts 1 hour, or up to 30 days if Shop asks for that. Shop can renew it without you, until you take it back.";
        let (path, _, html) = ann.open(node, &authorize_path(&both)).await.page();
        assert!(path == "u/consent" && html.contains(words), "{path}: {html}");
    }

    /// The page shows an end, and the user's word moves it; where nobody is asked, it stays.
    async fn a_new_word_moves_the_end_and_none_does_not(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        node.change_api(ORDERS, json!({ "user_grant_lifetime": 1000, SKIP: true })).await.expect(StatusCode::OK);
        let ann = Person::create(node, "ann@example.com").await;
        let asked = [("audience", ORDERS), ("scope", "openid read")];
        let left = async |over: &[(&str, &str)]| {
            ann.tokens(node, &shop, &both_hands(&asked, over)).await["expires_in"].as_i64().unwrap()
        };
        assert_eq!(left(&[]).await, 1000);
        world.clock.advance(400);
        assert_eq!(left(&[]).await, 600);
        assert_eq!(left(&[("prompt", "consent")]).await, 1000);
        world.clock.advance(400);
        shop::change(node, &shop, json!({ "is_first_party": true })).await;
        assert_eq!(left(&[("scope", "openid read write")]).await, 600, "more, and nobody was asked");
        node.change_api(ORDERS, json!({ "user_grant_lifetime": 100 })).await.expect(StatusCode::OK);
        assert_eq!(left(&[("scope", "openid email read write")]).await, 100, "never later");
    }

    /// An API's `user_grant_lifetime`: the consent ends, and no token outlives it (lifetime.md,
    /// `grant_expiry`).
    async fn consent_holds_as_long_as_the_api_says(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        node.change_api(ORDERS, json!({ "user_grant_lifetime": 1000 })).await.expect(StatusCode::OK);
        let ann = Person::create(node, "ann@example.com").await;
        let asked = [("audience", ORDERS), ("scope", "openid read")];
        let tokens = ann.tokens(node, &shop, &asked).await;
        assert_eq!(tokens["expires_in"], 1000);
        world.clock.advance(400);
        let tokens = ann.tokens(node, &shop, &asked).await;
        assert_eq!(tokens["expires_in"], 600, "it was not asked again");
        let code = ann.code(node, &shop, &asked).await;
        world.clock.advance(30);
        let late = ann.code(node, &shop, &asked).await;
        world.clock.advance(570);
        let silently = [&asked[..], &[("prompt", "none")]].concat();
        assert_eq!(refused(&ann, node, &shop, &silently).await, "consent_required");
        for code in [code, late] {
            exchange(node, &shop, &code, &[]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        }
        assert!(is_asked(&ann, node, &shop, &asked).await);
    }

    /// Two windows of one browser: neither takes the other's scopes away.
    async fn of_two_consents_at_one_moment_both_hold(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let other_node = world.another_node().await;
        for round in 0..8 {
            let ann = Person::create(node, &format!("ann{round}@example.com")).await;
            ann.code(node, &shop, &[("audience", ORDERS), ("scope", "openid")]).await;
            let mut answers = Vec::new();
            for scope in ["openid read", "openid write"] {
                let params = [("audience", ORDERS), ("scope", scope)];
                let (_, _, html) = ann.open(node, &authorize_path(&usual(&shop, &params))).await.page();
                answers.push(hidden(&html, "state"));
            }
            let form = |state: &str| vec![("state".to_owned(), state.to_owned()), ("action".to_owned(), "accept".to_owned())];
            let cookie = ann.cookie().await.unwrap();
            let mut running = JoinSet::new();
            for (state, wire) in answers.iter().zip([(**node).clone(), (*other_node).clone()]) {
                let (form, cookie) = (form(state), cookie.clone());
                running.spawn(async move {
                    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
                    let post = client.post(format!("{}/u/consent", wire.base)).header("cookie", &cookie);
                    let went = post.header("sec-fetch-site", "same-origin").form(&form).send().await.unwrap();
                    let location = went.headers()["location"].to_str().unwrap().to_owned();
                    let path = location.strip_prefix("https://grantor.test").unwrap().to_owned();
                    let resumed = client.get(format!("{}{path}", wire.base)).header("cookie", &cookie).send().await.unwrap();
                    let location = resumed.headers()["location"].to_str().unwrap().to_owned();
                    assert!(location.contains("code="), "{location}");
                });
            }
            while let Some(done) = running.join_next().await {
                done.unwrap();
            }
            let both = [("audience", ORDERS), ("scope", "openid read write"), ("prompt", "none")];
            let answer = answered(&ann, node, &shop, &both).await;
            assert!(answer.contains_key("code"), "round {round}: {answer:?}");
        }
        other_node.stop().await;
    }

    async fn who_takes_consent_back_is_asked_again(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let asked = [("audience", ORDERS), ("scope", "openid read")];
        ann.code(node, &shop, &asked).await;
        let path = format!("/grants?user_id={}", ann.id.replace('|', "%7C"));
        let grants = node.manage(Method::GET, &path, None).await.expect(StatusCode::OK).json;
        let id = grants[0]["id"].as_str().unwrap();
        node.manage(Method::DELETE, &format!("/grants/{id}"), None).await.expect(StatusCode::NO_CONTENT);
        assert!(is_asked(&ann, node, &shop, &asked).await);
    }
}
