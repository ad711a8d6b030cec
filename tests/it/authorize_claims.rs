//! The `claims` parameter (OpenID Connect Core §5.5), and scopes as claims (§5.4).

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Node, Person, both_stores, claims};
use crate::shop;

async fn userinfo(node: &Node, tokens: &Value) -> Value {
    let token = tokens["access_token"].as_str().unwrap();
    let request = node.request(Method::GET, "/userinfo").bearer_auth(token);
    node.send(request).await.json
}

both_stores! {
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
