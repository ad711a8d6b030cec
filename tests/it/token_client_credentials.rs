//! `POST /oauth/token` with `client_credentials` (RFC 6749 §4.4).

use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{both_stores, claims};

const ORDERS: &str = "https://orders.example/";

both_stores! {
    async fn an_application_gets_a_token_that_lives_as_long_as_asked(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let answer = node.ask(&shop, &[("audience", ORDERS), ("validity_period", "600")]).await.expect(StatusCode::OK);
        assert_eq!(answer.json["expires_in"], 600);
        assert_eq!(answer.headers["cache-control"], "no-store");
        let claims = claims(&answer.text("access_token"));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
        assert_eq!(claims["aud"], ORDERS);
        assert_eq!(claims["sub"], json!(format!("{}@clients", shop.id)));
    }
}
