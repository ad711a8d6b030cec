//! When a user is asked to sign in, and who has to be signed in.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Credentials, Node, Person, Seen, authorize_path, both_stores, claims, exchange, usual,
};
use crate::shop::{self, answered, refused};

/// The path of the page that the request leads to.
async fn page(
    person: &Person,
    node: &Node,
    client: &Credentials,
    params: &[(&str, &str)],
) -> String {
    let seen = person
        .open(node, &authorize_path(&usual(client, params)))
        .await;
    let (path, status, _) = seen.page();
    assert_eq!(status, StatusCode::OK);
    path
}

/// The claims of the ID token that comes of a request.
async fn id_token(
    person: &Person,
    node: &Node,
    client: &Credentials,
    params: &[(&str, &str)],
) -> Value {
    let tokens = person.tokens(node, client, params).await;
    claims(tokens["id_token"].as_str().unwrap())
}

both_stores! {
    /// OpenID Connect Core §3.1.2.1 and §3.1.2.6: with `prompt=none` no page is shown.
    async fn whoever_may_not_be_asked_anything_is_not(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let silently = [("prompt", "none")];
        assert_eq!(refused(&ann, node, &shop, &silently).await, "login_required");
        ann.code(node, &shop, &[]).await;
        assert!(answered(&ann, node, &shop, &silently).await.contains_key("code"));
        let more = [("prompt", "none"), ("audience", shop::ORDERS), ("scope", "openid read")];
        assert_eq!(refused(&ann, node, &shop, &more).await, "consent_required");
        for with_another in ["none login", "consent none", "none select_account"] {
            let params = [("prompt", with_another)];
            assert_eq!(refused(&ann, node, &shop, &params).await, "invalid_request");
        }
        // A session that has ended is none.
        world.clock.advance(169 * 3600);
        assert_eq!(refused(&ann, node, &shop, &silently).await, "login_required");
    }

    /// OpenID Connect Core §3.1.2.1 (`prompt`) and §3.1.2.3: the sign-in is a new one.
    async fn who_is_asked_to_sign_in_anew_does(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let first = id_token(&ann, node, &shop, &[]).await;
        world.clock.advance(100);
        assert_eq!(id_token(&ann, node, &shop, &[]).await["auth_time"], first["auth_time"]);
        for prompt in ["login", "select_account", "login consent"] {
            assert_eq!(page(&ann, node, &shop, &[("prompt", prompt)]).await, "u/login", "{prompt}");
            let anew = id_token(&ann, node, &shop, &[("prompt", prompt)]).await;
            assert_eq!(anew["auth_time"], world.clock.now(), "{prompt}");
            assert_eq!(anew["sid"], first["sid"], "the same browser goes on with its session");
            world.clock.advance(100);
        }
        assert_eq!(page(&ann, node, &shop, &[("prompt", "consent")]).await, "u/consent");
    }

    /// Initiating User Registration via OpenID Connect 1.0 §4: whoever is signed in. Auth0's hint matters
    /// only to somebody who is not.
    async fn an_account_is_offered_first_where_that_is_asked(world: World, "GRANTOR_SIGN_UP__ALLOWED" = "true") {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let (ann, nobody) = (Person::create(node, "ann@example.com").await, Person::stranger());
        let (create, hint) = ([("prompt", "create")], [("screen_hint", "signup")]);
        assert_eq!(page(&nobody, node, &shop, &[]).await, "u/login");
        for asked in [create, hint] {
            assert_eq!(page(&nobody, node, &shop, &asked).await, "u/signup", "{asked:?}");
        }
        ann.code(node, &shop, &[]).await;
        assert_eq!(page(&ann, node, &shop, &create).await, "u/signup");
        assert!(answered(&ann, node, &shop, &hint).await.contains_key("code"));
        let said = node.send(node.request(Method::GET, "/.well-known/openid-configuration")).await;
        assert!(said.json["prompt_values_supported"].as_array().unwrap().contains(&json!("create")));
    }

    /// OpenID Connect Core §3.1.2.1 (`max_age`): after that time the user signs in anew, and `auth_time`
    /// is in the ID token; 0 is `prompt=login`.
    async fn a_sign_in_that_is_too_old_does_not_count(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let first = id_token(&ann, node, &shop, &[("max_age", "60")]).await;
        assert_eq!(first["auth_time"], world.clock.now());
        world.clock.advance(60);
        let young = [("max_age", "60"), ("prompt", "none")];
        assert!(answered(&ann, node, &shop, &young).await.contains_key("code"));
        world.clock.advance(1);
        assert_eq!(refused(&ann, node, &shop, &young).await, "login_required");
        assert_eq!(page(&ann, node, &shop, &[("max_age", "60")]).await, "u/login");
        let anew = id_token(&ann, node, &shop, &[("max_age", "60")]).await;
        assert_eq!(anew["auth_time"], world.clock.now());
        world.clock.advance(1);
        assert_eq!(page(&ann, node, &shop, &[("max_age", "0")]).await, "u/login");
        let never = [("max_age", "0"), ("prompt", "none")];
        assert_eq!(refused(&ann, node, &shop, &never).await, "login_required");
    }

    /// OpenID Connect Core §3.1.2.1 (`id_token_hint`) and §3.1.2.3: an answer is about the user who is
    /// meant, or an error. An expired ID token is as good.
    async fn a_hint_says_who_has_to_be_signed_in(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let other_shop = shop::application(node, json!({ "name": "Other" })).await;
        let (ann, ben) = (Person::create(node, "ann@example.com").await, Person::create(node, "ben@example.com").await);
        let of_ann = ann.tokens(node, &shop, &[]).await;
        ben.code(node, &shop, &[]).await;
        let hint = |tokens: &Value, name: &str| tokens[name].as_str().unwrap().to_owned();
        world.clock.advance(36_001);
        let own = hint(&of_ann, "id_token");
        let silently = [("prompt", "none"), ("id_token_hint", own.as_str())];
        assert!(answered(&ann, node, &shop, &silently).await.contains_key("code"));
        assert_eq!(refused(&ben, node, &shop, &silently).await, "login_required");
        assert_eq!(page(&ben, node, &shop, &[("id_token_hint", &own)]).await, "u/login");
        // Whoever signs in in the place of the one who is meant is asked again.
        let seen = ben.authorize(node, &usual(&shop, &[("id_token_hint", &own)])).await;
        assert!(matches!(&seen, Seen::Page { path, .. } if path == "u/login"), "{seen:?}");
        // Neither an access token, nor another application's, nor one that was tampered with.
        let cut = own.rsplit_once('.').unwrap().0.to_owned();
        let of_other = ann.tokens(node, &other_shop, &[]).await;
        for wrong in [hint(&of_ann, "access_token"), hint(&of_other, "id_token"), format!("{cut}.AAAA"), cut] {
            let params = [("prompt", "none"), ("id_token_hint", wrong.as_str())];
            assert_eq!(refused(&ann, node, &shop, &params).await, "invalid_request", "{wrong}");
        }
        // OpenID Connect Core §5.5.1: `claims` may say it too, and the two have to agree.
        let sub = json!({ "id_token": { "sub": { "value": ben.id } } }).to_string();
        let by_claim = [("prompt", "none"), ("claims", sub.as_str())];
        assert!(answered(&ben, node, &shop, &by_claim).await.contains_key("code"));
        assert_eq!(refused(&ann, node, &shop, &by_claim).await, "login_required");
        let both = [("claims", sub.as_str()), ("id_token_hint", own.as_str())];
        assert_eq!(refused(&ann, node, &shop, &both).await, "invalid_request");
    }

    /// OpenID Connect Core §3.1.2.1 (`login_hint`).
    async fn a_likely_name_is_filled_in(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let path = authorize_path(&usual(&shop, &[("login_hint", "ann\"><b>@example.com")]));
        let (path, _, html) = Person::stranger().open(node, &path).await.page();
        assert_eq!(path, "u/login");
        assert!(!html.contains("<b>@example.com"), "{html}");
        assert!(html.contains("@example.com"), "{html}");
    }

    /// OpenID Connect Core §3.1.2.1 (`acr_values` are wishes) and §5.5.1.1 (an essential `acr` that cannot
    /// be had fails; one that is not essential does not).
    async fn how_a_user_signed_in_is_said_and_can_be_insisted_on(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let own = id_token(&ann, node, &shop, &[("acr_values", "urn:other urn:another")]).await;
        assert_eq!(own["amr"], json!(["pwd"]));
        let acr = own["acr"].as_str().unwrap();
        let asked = |essential: bool, values: Value| {
            json!({ "id_token": { "acr": { "essential": essential, "values": values } } }).to_string()
        };
        let (wish, good, bad) = (asked(false, json!(["urn:other"])), asked(true, json!(["urn:other", acr])), asked(true, json!(["urn:other"])));
        for fine in [&wish, &good] {
            let code = answered(&ann, node, &shop, &[("claims", fine)]).await["code"].clone();
            exchange(node, &shop, &code, &[]).await.expect(StatusCode::OK);
        }
        assert_eq!(refused(&ann, node, &shop, &[("claims", &bad)]).await, "unmet_authentication_requirements");
    }
}
