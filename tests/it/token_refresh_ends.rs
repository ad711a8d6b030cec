//! Refresh tokens end, and those of public applications rotate or end whatever somebody wants to set
//! (RFC 9700 §2.2.2 and §4.14.2, OWASP ASVS 5 10.4.8).

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, overlay, refused};
use crate::harness::{Person, both_stores};
use crate::shop::{self, ORDERS};

const OFFLINE: [(&str, &str); 2] = [
    ("audience", ORDERS),
    ("scope", "openid read offline_access"),
];
const DAYS_30: i64 = 2_592_000;

fn terms(over: Value) -> Value {
    let mut terms = json!({ "rotation_type": "non-rotating", "expiration_type": "non-expiring" });
    overlay(&mut terms, over);
    json!({ "refresh_token": terms })
}

/// What neither rotates nor has an absolute end.
fn endless() -> [Value; 3] {
    [
        terms(json!({})),
        terms(json!({ "expiration_type": "expiring", "infinite_token_lifetime": true })),
        terms(
            json!({ "expiration_type": "expiring", "infinite_token_lifetime": true, "idle_token_lifetime": 60 }),
        ),
    ]
}

both_stores! {
    async fn a_public_application_has_no_refresh_tokens_that_neither_rotate_nor_end(world: World) {
        let desk = Desk::open(&world.node).await;
        let public = json!({ "name": "Page", "app_type": "spa", "token_endpoint_auth_method": "none" });
        for endless in endless() {
            let mut body = public.clone();
            overlay(&mut body, endless.clone());
            let answer = refused(desk.post("/clients", body).await, "refresh_token");
            assert!(answer.text("message").contains("infinite_token_lifetime"), "{answer:?}");
            // Set later, and where the other half comes later.
            let page = desk.application(public.clone()).await;
            let path = format!("/clients/{}", page.id);
            refused(desk.patch(&path, endless.clone()).await, "refresh_token");
            let shop = desk.application(endless).await;
            let path = format!("/clients/{}", shop.id);
            refused(desk.patch(&path, json!({ "token_endpoint_auth_method": "none" })).await, "refresh_token");
            let both = json!({ "token_endpoint_auth_method": "none", "refresh_token": null });
            desk.patch(&path, both).await.expect(StatusCode::OK);
        }
        for fine in [
            terms(json!({ "rotation_type": "rotating", "expiration_type": "expiring" })),
            terms(json!({ "rotation_type": "rotating", "expiration_type": "expiring", "infinite_token_lifetime": true })),
            terms(json!({ "expiration_type": "expiring" })),
            terms(json!({ "expiration_type": "expiring", "token_lifetime": 60, "infinite_idle_token_lifetime": true })),
        ] {
            let mut body = public.clone();
            overlay(&mut body, fine);
            desk.post("/clients", body).await.expect(StatusCode::CREATED);
        }
    }

    async fn one_that_was_set_before_that_was_refused_ends_all_the_same(world: World) {
        let node = &world.node;
        let shop = shop::open(node, terms(json!({}))).await;
        let ann = Person::create(node, "ann@example.com").await;
        world
            .database
            .sql()
            .await
            .run(&format!("update applications set token_endpoint_auth_method = 'none' where client_id = '{}'", shop.id))
            .await
            .unwrap();
        let node = world.another_node().await;
        let page = crate::harness::Credentials { id: shop.id.clone(), secret: String::new() };
        let tokens = ann.tokens(&node, &page, &OFFLINE).await;
        assert_eq!(tokens["refresh_token_timeout"], DAYS_30);
        node.stop().await;
    }

    async fn those_of_an_application_with_a_secret_end_after_thirty_days(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let tokens = ann.tokens(node, &shop, &OFFLINE).await;
        let token = tokens["refresh_token"].as_str().unwrap();
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", token)];
        for _ in 0..5 {
            node.form("/oauth/token", &shop, &refresh).await.expect(StatusCode::OK);
            world.clock.advance(DAYS_30 / 5);
        }
        let late = node.form("/oauth/token", &shop, &refresh).await;
        assert_eq!((late.status, &late.json["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    }
}
