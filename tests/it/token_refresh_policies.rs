//! Auth0's multi-resource refresh tokens: APIs that an application's policies add to what a user has
//! authorized.

use grantor::model::instant;
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
        "refresh_token": {
            "rotation_type": "non-rotating",
            "expiration_type": "non-expiring",
            "policies": [{ "audience": STOCK, "scope": ["read", "unknown"] }],
        },
    });
    crate::desk::overlay(&mut fields, over.clone());
    fields
}

/// The user's consent at the second API too, and its id.
async fn consent(node: &Node, shop: &Credentials, ann: &Person) -> String {
    let asked = [
        ("audience", STOCK),
        ("scope", "openid read write offline_access"),
    ];
    ann.code(node, shop, &asked).await;
    let path = format!("/grants?user_id={}", ann.id.replace('|', "%7C"));
    let grants = node
        .manage(Method::GET, &path, None)
        .await
        .expect(StatusCode::OK);
    let mut grants = grants.json.as_array().unwrap().iter();
    let own = grants.find(|own| own["audience"] == STOCK).unwrap();
    own["id"].as_str().unwrap().to_owned()
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

/// The second API is refused, and the token is good for the first one all the same.
async fn is_closed(node: &Node, shop: &Credentials, token: &str) {
    let answer = refresh(node, shop, token, &[("audience", STOCK)]).await;
    answer.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
    refresh(node, shop, token, &[]).await.expect(StatusCode::OK);
}

both_stores! {
    async fn a_policy_opens_an_api_to_which_the_user_has_consented(world: World) {
        let node = &world.node;
        let shop = shop::open(node, fields(&json!({}))).await;
        let ann = Person::create(node, "ann@example.com").await;
        let token = token(world, &shop, &ann).await;
        is_closed(node, &shop, &token).await;
        consent(node, &shop, &ann).await;
        for named in ["audience", "resource"] {
            let answer = refresh(node, &shop, &token, &[(named, STOCK)]).await.expect(StatusCode::OK);
            let access = claims(&answer.text("access_token"));
            assert_eq!(access["aud"], json!([STOCK, "https://grantor.test/userinfo"]), "{named}");
            assert_eq!(access["scope"], "openid offline_access read", "no more than the policy and the API have");
            assert_eq!(answer.text("refresh_token"), token);
        }
        let both = [("resource", ORDERS), ("resource", STOCK)];
        let answer = refresh(node, &shop, &token, &[&both[..], &[("scope", "read")]].concat()).await;
        assert_eq!(claims(&answer.expect(StatusCode::OK).text("access_token"))["aud"], json!([ORDERS, STOCK]));
        let more = refresh(node, &shop, &token, &[("audience", STOCK), ("scope", "write")]).await;
        more.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
        // Older than what revocations are remembered for, it needs the user again.
        world.clock.advance(2_592_000);
        is_closed(node, &shop, &token).await;
        world.clock.advance(-2_592_000);
        // Without a name it is for what it was issued for, as ever.
        let usual = refresh(node, &shop, &token, &[]).await.expect(StatusCode::OK);
        assert_eq!(claims(&usual.text("access_token"))["aud"][0], ORDERS);
        // What cannot share a token by other ways cannot by this one.
        node.change_api(STOCK, json!({ "token_dialect": "rfc9068_profile" })).await.expect(StatusCode::OK);
        refresh(node, &shop, &token, &both).await.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
        node.change_api(STOCK, json!({ "allow_offline_access": false })).await.expect(StatusCode::OK);
        is_closed(node, &shop, &token).await;
    }

    /// An access token that came by a policy ends with the refresh token, like any other of its family.
    async fn what_came_by_a_policy_ends_with_its_refresh_token(world: World) {
        let node = &world.node;
        let shop = shop::open(node, fields(&json!({}))).await;
        let ann = Person::create(node, "ann@example.com").await;
        let token = token(world, &shop, &ann).await;
        consent(node, &shop, &ann).await;
        let answer = refresh(node, &shop, &token, &[("audience", STOCK)]).await;
        let access = answer.expect(StatusCode::OK).text("access_token");
        assert!(node.is_active(&shop, &access).await);
        node.form("/oauth/revoke", &shop, &[("token", &token)]).await.expect(StatusCode::OK);
        assert!(!node.is_active(&shop, &access).await);
    }

    async fn what_was_taken_back_has_to_be_given_anew(world: World) {
        let node = &world.node;
        let shop = shop::open(node, fields(&json!({}))).await;
        let ann = Person::create(node, "ann@example.com").await;
        let first = token(world, &shop, &ann).await;
        let id = consent(node, &shop, &ann).await;
        node.manage(Method::DELETE, &format!("/grants/{id}"), None).await.expect(StatusCode::NO_CONTENT);
        is_closed(node, &shop, &first).await;
        let id = consent(node, &shop, &ann).await;
        refresh(node, &shop, &first, &[("audience", STOCK)]).await.expect(StatusCode::OK);
        // Where its tokens were revoked, an older refresh token brings none.
        let path = format!("/grants/{id}?revoke_tokens=true");
        node.manage(Method::DELETE, &path, None).await.expect(StatusCode::NO_CONTENT);
        consent(node, &shop, &ann).await;
        is_closed(node, &shop, &first).await;
        let second = token(world, &shop, &ann).await;
        refresh(node, &shop, &second, &[("audience", STOCK)]).await.expect(StatusCode::OK);
        // Nothing outlives the consent.
        node.change_api(STOCK, json!({ "user_grant_lifetime": 600 })).await.expect(StatusCode::OK);
        let id = consent(node, &shop, &ann).await;
        let soon = instant::to_rfc3339(world.clock.now() + 100);
        let end = Some(json!({ "expires_at": soon }));
        node.manage(Method::PATCH, &format!("/grants/{id}"), end).await.expect(StatusCode::OK);
        let answer = refresh(node, &shop, &second, &[("audience", STOCK)]).await.expect(StatusCode::OK);
        assert_eq!(answer.json["expires_in"], 100);
        world.clock.advance(100);
        is_closed(node, &shop, &second).await;
        shop::change(node, &shop, json!({ "refresh_token": null })).await;
        is_closed(node, &shop, &second).await;
    }
}
