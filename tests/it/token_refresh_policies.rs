//! Auth0's multi-resource refresh tokens: APIs that an application's policies add to what a user has
//! authorized.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Credentials, Node, Person, World, both_stores, claims};
use crate::shop::{self, ORDERS, STOCK};

const ASKED: [(&str, &str); 2] = [
    ("audience", ORDERS),
    ("scope", "openid read offline_access"),
];

/// An application whose refresh tokens may read at the second API too; the fields lie over it.
fn fields(over: &Value) -> Value {
    let mut fields = json!({
        "is_first_party": true,
        "refresh_token": {
            "rotation_type": "non-rotating",
            "expiration_type": "non-expiring",
            "policies": [{ "audience": STOCK, "scope": ["read", "unknown"] }],
        },
    });
    crate::desk::overlay(&mut fields, over.clone());
    fields
}

/// Both APIs leave it to the operator's own applications whom to ask.
async fn skip_consent(node: &Node) {
    for api in [ORDERS, STOCK] {
        let fields = json!({ "skip_consent_for_verifiable_first_party_clients": true });
        node.change_api(api, fields).await.expect(StatusCode::OK);
    }
}

async fn refresh(node: &Node, shop: &Credentials, token: &str, params: &[(&str, &str)]) -> Answer {
    let own = [("grant_type", "refresh_token"), ("refresh_token", token)];
    node.form("/oauth/token", shop, &[&own[..], params].concat())
        .await
}

/// A refresh token for the first API.
async fn token(world: &World, shop: &Credentials, ann: &Person) -> String {
    let tokens = ann.tokens(&world.node, shop, &ASKED).await;
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

/// The user's consents at the application: the API and the scopes of each.
async fn consents(node: &Node, ann: &Person) -> Vec<(String, Value)> {
    let path = format!("/grants?user_id={}", ann.id.replace('|', "%7C"));
    let grants = node
        .manage(Method::GET, &path, None)
        .await
        .expect(StatusCode::OK);
    let all = grants.json.as_array().unwrap().iter();
    all.map(|own| {
        (
            own["audience"].as_str().unwrap().to_owned(),
            own["id"].clone(),
        )
    })
    .collect()
}

both_stores! {
    async fn a_policy_opens_an_api_that_the_user_has_not_named(world: World) {
        let node = &world.node;
        let shop = shop::open(node, fields(&json!({}))).await;
        skip_consent(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        let token = token(world, &shop, &ann).await;
        for named in ["audience", "resource"] {
            let answer = refresh(node, &shop, &token, &[(named, STOCK)]).await.expect(StatusCode::OK);
            let access = claims(&answer.text("access_token"));
            assert_eq!(access["aud"], json!([STOCK, "https://grantor.test/userinfo"]), "{named}");
            assert_eq!(access["scope"], "openid offline_access read", "no more than the policy and the API have");
            assert_eq!(answer.text("refresh_token"), token);
        }
        let both = refresh(node, &shop, &token, &[("resource", ORDERS), ("resource", STOCK), ("scope", "read")]).await;
        assert_eq!(claims(&both.expect(StatusCode::OK).text("access_token"))["aud"], json!([ORDERS, STOCK]));
        let more = refresh(node, &shop, &token, &[("audience", STOCK), ("scope", "write")]).await;
        more.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
        // Without a name it is for what the user has authorized, as ever.
        let usual = refresh(node, &shop, &token, &[]).await.expect(StatusCode::OK);
        assert_eq!(claims(&usual.text("access_token"))["aud"][0], ORDERS);
        assert_eq!(consents(node, &ann).await.len(), 2, "what was skipped is kept, so that it can be taken back");
    }

    /// An access token that came by a policy ends with the refresh token, like any other of its family.
    async fn what_came_by_a_policy_ends_with_its_refresh_token(world: World) {
        let node = &world.node;
        let shop = shop::open(node, fields(&json!({}))).await;
        skip_consent(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        let token = token(world, &shop, &ann).await;
        let answer = refresh(node, &shop, &token, &[("audience", STOCK)]).await;
        let access = answer.expect(StatusCode::OK).text("access_token");
        assert!(node.is_active(&shop, &access).await);
        node.form("/oauth/revoke", &shop, &[("token", &token)]).await.expect(StatusCode::OK);
        assert!(!node.is_active(&shop, &access).await);
    }

    async fn nobody_is_spared_a_question_by_a_policy(world: World) {
        let node = &world.node;
        let not_asked = [
            ("somebody else's application", json!({ "is_first_party": false })),
            ("others may listen there", json!({ "callbacks": [crate::harness::CALLBACK, "http://127.0.0.1/"] })),
        ];
        let mut shop = shop::open(node, fields(&json!({}))).await;
        for (round, (why, over)) in not_asked.into_iter().enumerate() {
            skip_consent(node).await;
            shop = shop::application(node, fields(&over)).await;
            let ann = Person::create(node, &format!("ann{round}@example.com")).await;
            let token = token(world, &shop, &ann).await;
            let stock = [("audience", STOCK)];
            let answer = refresh(node, &shop, &token, &stock).await;
            answer.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
            refresh(node, &shop, &token, &[]).await.expect(StatusCode::OK);
            // Once asked, the user's answer is good for the old token as well.
            let asked = [("audience", STOCK), ("scope", "write read offline_access")];
            ann.code(node, &shop, &asked).await;
            let answer = refresh(node, &shop, &token, &stock).await.expect(StatusCode::OK);
            assert_eq!(claims(&answer.text("access_token"))["scope"], "offline_access read", "{why}");
        }
        // The API decides as well.
        let fields = json!({ "skip_consent_for_verifiable_first_party_clients": false });
        node.change_api(STOCK, fields).await.expect(StatusCode::OK);
        shop::change(node, &shop, json!({ "is_first_party": true, "callbacks": [crate::harness::CALLBACK] })).await;
        let ben = Person::create(node, "ben@example.com").await;
        let token = token(world, &shop, &ben).await;
        let answer = refresh(node, &shop, &token, &[("audience", STOCK)]).await;
        answer.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
    }

    async fn what_was_revoked_does_not_come_again(world: World) {
        let node = &world.node;
        let shop = shop::open(node, fields(&json!({}))).await;
        skip_consent(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        let token = token(world, &shop, &ann).await;
        let stock = [("audience", STOCK)];
        refresh(node, &shop, &token, &stock).await.expect(StatusCode::OK);
        let consents = consents(node, &ann).await;
        let (_, id) = consents.iter().find(|(audience, _)| audience == STOCK).unwrap();
        let path = format!("/grants/{}?revoke_tokens=true", id.as_str().unwrap());
        node.manage(Method::DELETE, &path, None).await.expect(StatusCode::NO_CONTENT);
        refresh(node, &shop, &token, &stock).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        refresh(node, &shop, &token, &[]).await.expect(StatusCode::OK);
        // A policy that is gone, and an API that may not be had, open nothing.
        shop::change(node, &shop, json!({ "refresh_token": null })).await;
        refresh(node, &shop, &token, &stock).await.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
    }
}
