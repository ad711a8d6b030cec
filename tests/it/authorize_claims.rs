//! The `claims` parameter (OpenID Connect Core §5.5), and scopes as claims (§5.4).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Credentials, Node, Person, authorize_path, both_stores, claims, exchange, hidden, usual,
};
use crate::shop::{self, ORDERS, STOCK, answered, refused};

async fn userinfo(node: &Node, tokens: &Value) -> Value {
    let token = tokens["access_token"].as_str().unwrap();
    let request = node.request(Method::GET, "/userinfo").bearer_auth(token);
    node.send(request).await.json
}

/// A `claims` parameter that requests one claim.
fn one(place: &str, claim: &str) -> String {
    json!({ place: { claim: null } }).to_string()
}

/// The consent page that the person sees; fails where there is none.
async fn page(
    person: &Person,
    node: &Node,
    client: &Credentials,
    params: &[(&str, &str)],
) -> String {
    let path = authorize_path(&usual(client, params));
    let (path, _, html) = person.open(node, &path).await.page();
    assert_eq!(path, "u/consent", "{params:?}");
    html
}

/// Tells the server what an administrator knows of the person.
async fn describe(node: &Node, person: &Person) {
    let path = format!("/users/{}", person.id.replace('|', "%7C"));
    let known =
        json!({ "name": "Ann Bell", "user_metadata": { "address": { "locality": "Bern" } } });
    let changed = node.manage(Method::PATCH, &path, Some(known)).await;
    changed.expect(StatusCode::OK);
}

/// What users have consented to, as administrators see it.
async fn grants(node: &Node) -> Vec<Value> {
    let shown = node
        .manage(Method::GET, "/grants", None)
        .await
        .expect(StatusCode::OK);
    shown.json.as_array().unwrap().clone()
}

/// Takes back all that users have consented to.
async fn take_back(node: &Node) {
    for grant in grants(node).await {
        let path = format!("/grants/{}", grant["id"].as_str().unwrap());
        let deleted = node.manage(Method::DELETE, &path, None).await;
        deleted.expect(StatusCode::NO_CONTENT);
    }
}

both_stores! {
    /// OpenID Connect Core §3.1.2.4: the user decides about a claim as about its scope (§5.4).
    async fn each_claim_is_shown_and_asked_for_as_its_scope_is(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        for (n, (place, claim, scope, text)) in [
            ("id_token", "email", "email", "See your e-mail address"),
            ("userinfo", "email_verified", "email", "See your e-mail address"),
            ("id_token", "name", "profile", "See your profile, such as your name and picture"),
            ("userinfo", "birthdate", "profile", "See your profile"),
            ("id_token", "address", "address", "See your postal address"),
            ("userinfo", "phone_number", "phone", "See your phone number"),
        ].into_iter().enumerate() {
            let ann = Person::create(node, &format!("ann{n}@example.com")).await;
            describe(node, &ann).await;
            ann.code(node, &shop, &[]).await;
            let requested = one(place, claim);
            let params = [("claims", requested.as_str())];
            let silently = [("claims", requested.as_str()), ("prompt", "none")];
            assert_eq!(refused(&ann, node, &shop, &silently).await, "consent_required", "{claim}");
            let html = page(&ann, node, &shop, &params).await;
            assert!(html.contains(text), "{claim}: {html}");
            let tokens = ann.tokens(node, &shop, &params).await;
            assert_eq!(tokens["scope"], "openid", "{claim}: the token has no further scope");
            let id_token = claims(tokens["id_token"].as_str().unwrap());
            let told = userinfo(node, &tokens).await;
            let has = |claims: &Value| claims.get(claim).is_some();
            let is_known = !matches!(claim, "birthdate" | "phone_number");
            let expected = (is_known && place == "id_token", is_known && place == "userinfo");
            assert_eq!((has(&id_token), has(&told)), expected, "{claim}: {id_token} {told}");
            assert!(answered(&ann, node, &shop, &silently).await.contains_key("code"), "{claim}");
            let of_ann = grants(node).await.into_iter().find(|own| own["user_id"] == json!(ann.id)).unwrap();
            assert_eq!(of_ann["scope"], json!(["openid", scope]), "{claim}");
            // What was consented to so is consented to as the scope as well.
            let by_scope = format!("openid {scope}");
            let by_scope = [("scope", by_scope.as_str()), ("prompt", "none")];
            assert!(answered(&ann, node, &shop, &by_scope).await.contains_key("code"), "{claim}");
        }
    }

    /// They describe the sign-in, or nobody knows them. Without `openid` nothing could tell a claim.
    async fn claims_that_belong_to_no_scope_need_no_consent_and_give_nothing_away(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let requested = json!({
            "id_token": { "auth_time": { "essential": true }, "acr": null, "sub": null, "user_metadata": null, "amr": null },
            "userinfo": { "sub": null, "app_metadata": null, "user_id": null, "identities": null, "email ": null, "Email": null },
        }).to_string();
        let params = [("claims", requested.as_str()), ("prompt", "none")];
        let answer = answered(&ann, node, &shop, &params).await;
        let tokens = exchange(node, &shop, &answer["code"], &[]).await.expect(StatusCode::OK).json;
        let id_token = claims(tokens["id_token"].as_str().unwrap());
        for absent in ["user_metadata", "email", "name"] {
            assert!(id_token.get(absent).is_none(), "{absent}: {id_token}");
        }
        assert_eq!(userinfo(node, &tokens).await, json!({ "sub": ann.id }));
        ann.code(node, &shop, &[("audience", ORDERS), ("scope", "read")]).await;
        let email = one("userinfo", "email");
        let without = [("audience", ORDERS), ("scope", "read"), ("claims", email.as_str()), ("prompt", "none")];
        let answer = answered(&ann, node, &shop, &without).await;
        let token = exchange(node, &shop, &answer["code"], &[]).await.expect(StatusCode::OK).text("access_token");
        let request = node.request(Method::GET, "/userinfo").bearer_auth(token);
        assert!(node.send(request).await.status.is_client_error());
    }

    /// The consent at each API of the token counts, as for scopes.
    async fn consent_to_a_claim_at_one_api_is_none_at_another(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let email = one("id_token", "email");
        ann.code(node, &shop, &[("audience", ORDERS), ("scope", "openid read"), ("claims", &email)]).await;
        ann.code(node, &shop, &[("audience", STOCK), ("scope", "openid read")]).await;
        for (audience, is_known) in [(ORDERS, true), (STOCK, false)] {
            let params = [("audience", audience), ("scope", "openid read"), ("claims", &email), ("prompt", "none")];
            let answer = answered(&ann, node, &shop, &params).await;
            assert_eq!(answer.contains_key("code"), is_known, "{audience}: {answer:?}");
        }
    }

    async fn a_claim_is_dropped_where_consent_to_it_was_taken_back(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let requested = json!({ "id_token": { "email": null }, "userinfo": { "email": null, "name": null } }).to_string();
        let params = [("claims", requested.as_str())];
        let tokens = ann.tokens(node, &shop, &params).await;
        assert_eq!(userinfo(node, &tokens).await["email"], "ann@example.com");
        let code = ann.code(node, &shop, &params).await;
        take_back(node).await;
        assert_eq!(userinfo(node, &tokens).await, json!({ "sub": ann.id }), "the token lives on");
        assert_eq!(refused(&ann, node, &shop, &[("claims", &requested), ("prompt", "none")]).await, "consent_required");
        ann.code(node, &shop, &[]).await;
        let later = exchange(node, &shop, &code, &[]).await.expect(StatusCode::OK).json;
        for tokens in [&tokens, &later] {
            assert_eq!(userinfo(node, tokens).await, json!({ "sub": ann.id }));
        }
        let id_token = claims(later["id_token"].as_str().unwrap());
        assert!(id_token.get("email").is_none(), "{id_token}");
    }

    /// A consent that has ended, and was given anew for less.
    async fn a_refresh_brings_no_claim_back_to_which_there_is_no_consent(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        node.change_api(ORDERS, json!({ "user_grant_lifetime": 1000 })).await.expect(StatusCode::OK);
        let ann = Person::create(node, "ann@example.com").await;
        let requested = json!({ "id_token": { "email": null }, "userinfo": { "email": null } }).to_string();
        let offline = [("audience", ORDERS), ("scope", "openid offline_access")];
        let with_claims = [&offline[..], &[("claims", requested.as_str())]].concat();
        let tokens = ann.tokens(node, &shop, &with_claims).await;
        let refresh = async || {
            let refresh = tokens["refresh_token"].as_str().unwrap();
            let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
            node.form("/oauth/token", &shop, &form).await.expect(StatusCode::OK).json
        };
        let before = refresh().await;
        assert_eq!(claims(before["id_token"].as_str().unwrap())["email"], "ann@example.com");
        assert_eq!(userinfo(node, &before).await["email"], "ann@example.com");
        world.clock.advance(1001);
        ann.code(node, &shop, &offline).await;
        let after = refresh().await;
        assert!(claims(after["id_token"].as_str().unwrap()).get("email").is_none());
        assert_eq!(userinfo(node, &after).await, json!({ "sub": ann.id }));
    }

    /// The operator's own applications: nobody is asked, and what they may have is noted as consent.
    async fn who_skips_consent_gets_claims_without_a_page(world: World) {
        let node = &world.node;
        let own = shop::open(node, json!({ "is_first_party": true })).await;
        let ann = Person::create(node, "ann@example.com").await;
        let email = one("id_token", "email");
        ann.code(node, &own, &[]).await;
        let answer = answered(&ann, node, &own, &[("claims", &email), ("prompt", "none")]).await;
        let tokens = exchange(node, &own, &answer["code"], &[]).await.expect(StatusCode::OK).json;
        assert_eq!(claims(tokens["id_token"].as_str().unwrap())["email"], "ann@example.com");
        assert_eq!(grants(node).await[0]["scope"], json!(["openid", "email"]));
        // Who may not be asked about scopes may not be asked about claims either.
        let at_api = [("audience", ORDERS), ("scope", "openid"), ("claims", &email)];
        let html = page(&ann, node, &own, &at_api).await;
        assert!(html.contains("See your e-mail address"), "{html}");
        assert!(!hidden(&html, "state").is_empty());
    }

    /// Tokens of the front channel as well, and requests that were pushed.
    async fn no_way_around_the_consent_to_claims(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        shop::allow_front_channel(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let email = one("id_token", "email");
        let silently = [("claims", email.as_str()), ("prompt", "none")];
        for response_type in ["id_token", "code id_token token"] {
            let params = [&silently[..], &[("response_type", response_type)]].concat();
            assert_eq!(refused(&ann, node, &shop, &params).await, "consent_required");
        }
        let pushed = shop::push(node, &shop, &silently).await.expect(StatusCode::CREATED).text("request_uri");
        let answer = ann.open(node, &shop::by_reference(&shop, &pushed, &[])).await.answer();
        assert_eq!(answer["error"], "consent_required");
    }

    /// OpenID Connect Core §5.4 and §5.5: by scope, or one by one; for the ID token, for userinfo, or both.
    async fn an_application_gets_the_claims_that_it_asks_for_where_it_asks_for_them(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let asked = json!({
            "id_token": { "email": null, "auth_time": { "essential": true } },
            "userinfo": { "email_verified": { "value": true }, "unknown": null },
            "unknown": 1,
        });
        let tokens = ann.tokens(node, &shop, &[("claims", &asked.to_string())]).await;
        let id_token = claims(tokens["id_token"].as_str().unwrap());
        assert_eq!(id_token["email"], "ann@example.com");
        assert!(id_token.get("email_verified").is_none(), "{id_token}");
        assert_eq!(id_token["auth_time"], world.clock.now());
        let told = userinfo(node, &tokens).await;
        assert_eq!(told, json!({ "sub": ann.id, "email_verified": true }));
        let tokens = ann.tokens(node, &shop, &[("scope", "openid email")]).await;
        let told = userinfo(node, &tokens).await;
        assert_eq!(told, json!({ "sub": ann.id, "email": "ann@example.com", "email_verified": true }));
        let bare = ann.tokens(node, &shop, &[]).await;
        assert!(claims(bare["id_token"].as_str().unwrap()).get("email").is_none());
    }
}
