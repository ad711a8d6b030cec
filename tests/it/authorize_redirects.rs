//! How an address is written into `Location`.

use serde_json::json;

use crate::harness::both_stores;
use crate::raw::Connection;
use crate::shop;

both_stores! {
    async fn an_address_beyond_ascii_is_percent_encoded(world: World) {
        let node = &world.node;
        let callback = "https://shop.example/r\u{fc}ckkehr?f\u{fc}r=\u{1f511}";
        let shop = shop::open(node, json!({ "callbacks": [callback] })).await;
        let encoded: String = url::form_urlencoded::byte_serialize(callback.as_bytes()).collect();
        let mut connection = Connection::open(&node.base).await.unwrap();
        let path = format!(
            "/authorize?client_id={}&redirect_uri={encoded}&response_type=nonsense&state=s",
            shop.id
        );
        connection.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await.unwrap();
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status, 303, "{answer:?}");
        let location = answer.header("location").unwrap();
        assert!(
            location.starts_with("https://shop.example/r%C3%BCckkehr?f%C3%BCr=%F0%9F%94%91&error="),
            "{location}"
        );
    }
}
