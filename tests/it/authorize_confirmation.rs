//! Requests that anybody may have sent in the name of a public application: the user confirms each of them
//! (RFC 8252 §8.6, RFC 6749 §10.2).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    CALLBACK, Credentials, Node, PASSWORD, Person, Seen, authorize_path, both_hands, both_stores,
    exchange, hidden, usual,
};
use crate::shop::{self, ORDERS, answered, by_reference, push, refused};

const SWITCH: &str = "skip_non_verifiable_callback_uri_confirmation_prompt";
const LOOPBACK: &str = "http://127.0.0.1:49152/cb";
const OWN_SCHEME: &str = "com.example.app:/cb";
const WARNING: &str = "Grantor could not verify that this request really comes from Shop. Continue only if you started this yourself.";

/// A program on the user's device; the fields lie over it.
fn native(fields: Value) -> Value {
    let mut native = json!({
        "app_type": "native",
        "token_endpoint_auth_method": "none",
        "callbacks": [CALLBACK, "http://127.0.0.1/cb", OWN_SCHEME],
    });
    crate::desk::overlay(&mut native, fields);
    native
}

/// The consent page that the person sees; fails where there is none, or one without the warning.
async fn asked(
    person: &Person,
    node: &Node,
    client: &Credentials,
    params: &[(&str, &str)],
) -> String {
    let path = authorize_path(&usual(client, params));
    let seen = person.open(node, &path);
    let (path, status, html) = seen.await.page();
    assert_eq!((path.as_str(), status), ("u/consent", StatusCode::OK));
    assert!(html.contains(WARNING), "{params:?}: {html}");
    html
}

/// Presses a button of a consent page.
async fn press(person: &Person, node: &Node, html: &str, action: &str) -> Seen {
    let state = hidden(html, "state");
    let form = [("state", state.as_str()), ("action", action)];
    person.send(node, "/u/consent", &form).await
}

both_stores! {
    async fn each_request_to_an_address_that_anybody_can_have_is_confirmed(world: World) {
        let node = &world.node;
        let others = shop::open(node, native(json!({}))).await;
        let own = shop::application(node, native(json!({ "is_first_party": true }))).await;
        let ann = Person::create(node, "ann@example.com").await;
        for client in [&others, &own] {
            // At an address of its own on the web, and with that everything is known.
            ann.code(node, client, &[("scope", "openid email")]).await;
            let known = [("scope", "openid email"), ("prompt", "none")];
            assert!(answered(&ann, node, client, &known).await.contains_key("code"));
            for address in [LOOPBACK, OWN_SCHEME] {
                let params = [("scope", "openid email"), ("redirect_uri", address)];
                let silently = both_hands(&params, &[("prompt", "none")]);
                assert_eq!(refused(&ann, node, client, &silently).await, "consent_required");
                let html = asked(&ann, node, client, &params).await;
                assert!(html.contains("See your e-mail address"), "{html}");
                let code = press(&ann, node, &html, "accept").await.answer()["code"].clone();
                exchange(node, client, &code, &[("redirect_uri", address)]).await.expect(StatusCode::OK);
                // It counted for that one request.
                asked(&ann, node, client, &params).await;
                assert_eq!(refused(&ann, node, client, &silently).await, "consent_required");
                let html = asked(&ann, node, client, &params).await;
                assert_eq!(press(&ann, node, &html, "deny").await.answer()["error"], "access_denied");
            }
        }
    }

    /// However the request comes, and however the answer goes.
    async fn no_way_around_the_confirmation(world: World) {
        let node = &world.node;
        let shop = shop::open(node, native(json!({ "web_origins": ["http://127.0.0.1:49152"] }))).await;
        shop::allow_front_channel(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let here = [("redirect_uri", LOOPBACK)];
        let silently = both_hands(&here, &[("prompt", "none")]);
        for over in [
            [("response_mode", "fragment")], [("response_type", "id_token")], [("response_type", "code id_token token")],
            [("id_token_hint", "")], [("login_hint", "ann@example.com")], [("max_age", "3600")],
        ] {
            let params = both_hands(&silently, &over);
            assert_eq!(refused(&ann, node, &shop, &params).await, "consent_required", "{over:?}");
            asked(&ann, node, &shop, &both_hands(&here, &over)).await;
        }
        for mode in ["form_post", "web_message"] {
            let params = both_hands(&silently, &[("response_mode", mode)]);
            let answer = ann.look(node, &authorize_path(&usual(&shop, &params))).await;
            assert!(answer.body.contains("consent_required") && !answer.body.contains("code"), "{mode}: {}", answer.body);
        }
        let posted = ann.send(node, "/authorize", &usual(&shop, &silently)).await.answer();
        assert_eq!(posted["error"], "consent_required");
        let (path, _, html) = ann.send(node, "/authorize", &usual(&shop, &here)).await.page();
        assert!(path == "u/consent" && html.contains(WARNING), "{path}: {html}");
        let pushed = push(node, &shop, &silently).await.expect(StatusCode::CREATED).text("request_uri");
        let answer = ann.open(node, &by_reference(&shop, &pushed, &[])).await.answer();
        assert_eq!(answer["error"], "consent_required");
    }

    async fn a_sign_in_for_this_very_request_confirms_it(world: World) {
        let node = &world.node;
        let own = shop::open(node, native(json!({ "is_first_party": true }))).await;
        let ann = Person::create(node, "ann@example.com").await;
        let params = usual(&own, &[("redirect_uri", LOOPBACK)]);
        let (path, _, html) = ann.open(node, &authorize_path(&params)).await.page();
        assert!(path == "u/login" && html.contains(WARNING), "{path}: {html}");
        let resume = ann.sign_in(node, &html).await;
        let code = ann.open(node, &resume).await.answer()["code"].clone();
        exchange(node, &own, &code, &[("redirect_uri", LOOPBACK)]).await.expect(StatusCode::OK);
        // Not for another one, and not for long.
        asked(&ann, node, &own, &[("redirect_uri", LOOPBACK)]).await;
        world.clock.advance(61);
        let (path, _, html) = ann.open(node, &resume).await.page();
        assert!(path == "u/consent" && html.contains(WARNING), "{path}: {html}");
        // Who has to sign in again is warned again.
        let again = both_hands(&params, &[("prompt", "login")]);
        let (_, _, html) = ann.open(node, &authorize_path(&again)).await.page();
        assert!(html.contains(WARNING), "{html}");
        let seen = ann.authorize(node, &again).await;
        assert!(seen.answer().contains_key("code"));
    }

    async fn a_new_account_is_made_under_the_same_warning(world: World, "GRANTOR_SIGN_UP__ALLOWED" = "true") {
        let node = &world.node;
        let own = shop::open(node, native(json!({ "is_first_party": true }))).await;
        let somebody = Person::stranger();
        let path = authorize_path(&usual(&own, &[("redirect_uri", LOOPBACK), ("screen_hint", "signup")]));
        let (path, _, html) = somebody.open(node, &path).await.page();
        assert!(path == "u/signup" && html.contains(WARNING), "{path}: {html}");
        let state = hidden(&html, "state");
        let typed = [("state", state.as_str()), ("email", "new@example.com"), ("password", PASSWORD)];
        assert!(somebody.send(node, "/u/signup", &typed).await.answer().contains_key("code"));
    }

    /// What a page did not say, nobody has confirmed.
    async fn a_page_without_the_warning_confirms_nothing(world: World) {
        let node = &world.node;
        let own = shop::open(node, native(json!({ "is_first_party": true }))).await;
        let ann = Person::create(node, "ann@example.com").await;
        let path = authorize_path(&usual(&own, &[("redirect_uri", LOOPBACK)]));
        shop::set(node, json!({ SWITCH: true })).await;
        let (_, _, html) = ann.open(node, &path).await.page();
        assert!(!html.contains("could not verify"), "{html}");
        let consent = [("redirect_uri", LOOPBACK), ("prompt", "consent")];
        shop::set(node, json!({ SWITCH: false })).await;
        let resume = ann.sign_in(node, &html).await;
        let (path, _, _) = ann.open(node, &resume).await.page();
        assert_eq!(path, "u/consent");
        shop::set(node, json!({ SWITCH: true })).await;
        let (_, _, html) = ann.open(node, &authorize_path(&usual(&own, &consent))).await.page();
        assert!(!html.contains("could not verify"), "{html}");
        shop::set(node, json!({ SWITCH: null })).await;
        let (path, _, html) = press(&ann, node, &html, "accept").await.page();
        assert!(path == "u/consent" && html.contains(WARNING), "{path}: {html}");
        // The new page brings nothing of what was said to the old one.
        let state = hidden(&html, "state");
        let resumed = ann.open(node, &format!("/authorize/resume?state={state}")).await;
        assert!(matches!(&resumed, Seen::Page { path, .. } if path == "u/consent"), "{resumed:?}");
        assert!(press(&ann, node, &html, "accept").await.answer().contains_key("code"));
    }

    /// A code is worth nothing without the secret; tokens are worth something to whoever receives them.
    async fn an_application_with_a_secret_is_asked_about_where_it_gets_tokens_in_the_browser(world: World) {
        let node = &world.node;
        let fields = json!({ "callbacks": [CALLBACK, "http://127.0.0.1/cb"], "is_first_party": true });
        let shop = shop::open(node, fields).await;
        shop::allow_front_channel(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let silently = [("redirect_uri", LOOPBACK), ("prompt", "none")];
        assert!(answered(&ann, node, &shop, &silently).await.contains_key("code"));
        for response_type in ["id_token", "token", "code token"] {
            let params = both_hands(&silently, &[("response_type", response_type)]);
            assert_eq!(refused(&ann, node, &shop, &params).await, "consent_required", "{response_type}");
            let https = [("response_type", response_type), ("prompt", "none")];
            assert!(!answered(&ann, node, &shop, &https).await.contains_key("error"), "{response_type}");
        }
    }

    /// Auth0's switch: on the application, and where that says nothing, on the tenant.
    async fn the_switch_spares_the_confirmation(world: World) {
        let node = &world.node;
        let own = shop::open(node, native(json!({ "is_first_party": true }))).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &own, &[]).await;
        let silently = [("redirect_uri", OWN_SCHEME), ("prompt", "none")];
        for (tenant, application, is_spared) in [
            (json!(null), json!(null), false),
            (json!(false), json!(null), false),
            (json!(true), json!(null), true),
            (json!(true), json!(false), false),
            (json!(null), json!(true), true),
            (json!(false), json!(true), true),
        ] {
            shop::set(node, json!({ SWITCH: tenant })).await;
            shop::change(node, &own, json!({ SWITCH: application })).await;
            let answer = answered(&ann, node, &own, &silently).await;
            assert_eq!(answer.contains_key("code"), is_spared, "{tenant} {application}: {answer:?}");
        }
        let shown = node.manage(Method::GET, "/tenants/settings", None).await.expect(StatusCode::OK);
        assert_eq!(shown.json[SWITCH], false);
        let shown = node.manage(Method::GET, &format!("/clients/{}", own.id), None).await.expect(StatusCode::OK);
        assert_eq!(shown.json[SWITCH], true);
        // Consent is another thing.
        let more = both_hands(&silently, &[("audience", ORDERS), ("scope", "openid read")]);
        assert_eq!(refused(&ann, node, &own, &more).await, "consent_required");
    }

    /// Who holds a refresh token was confirmed when it was issued.
    async fn a_refresh_token_goes_on_without_a_confirmation(world: World) {
        let node = &world.node;
        let shop = shop::open(node, native(json!({}))).await;
        let ann = Person::create(node, "ann@example.com").await;
        let params = [("redirect_uri", LOOPBACK), ("scope", "openid offline_access")];
        let code = ann.code(node, &shop, &params).await;
        let tokens = exchange(node, &shop, &code, &[("redirect_uri", LOOPBACK)]).await.expect(StatusCode::OK);
        let refresh = tokens.text("refresh_token");
        let form = [("grant_type", "refresh_token"), ("client_id", &shop.id), ("refresh_token", &refresh)];
        node.bare_form("/oauth/token", &form).await.expect(StatusCode::OK);
    }
}
