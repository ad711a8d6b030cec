//! Two nodes on one database: what one of them answers is in force there at once, and on the other
//! within a second.

mod history;
mod parallel;
mod restored;

use grantor::directory::FRESH_MAX;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Answer, Credentials, Node, api_path, both_stores, within};

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";
/// Often enough to meet the races.
const ROUNDS: i64 = 50;

async fn expires_in(node: &Node, client: &Credentials, audience: &str) -> i64 {
    let answer = node.ask(client, &[("audience", audience)]).await;
    answer.expect(StatusCode::OK).json["expires_in"]
        .as_i64()
        .unwrap()
}

/// The answer's OAuth error; none for a token. A 5xx fails.
fn error_of(answer: &Answer) -> Option<String> {
    assert!(!answer.status.is_server_error(), "{answer:?}");
    answer.json["error"].as_str().map(str::to_owned)
}

async fn asked(node: &Node, client: &Credentials, audience: &str) -> Option<String> {
    error_of(&node.ask(client, &[("audience", audience)]).await)
}

async fn none_is_active(node: &Node, management: &str, tokens: &[String]) -> bool {
    for token in tokens {
        if node.is_active_to(management, token).await {
            return false;
        }
    }
    true
}

both_stores! {
    async fn a_changed_lifetime_counts_at_once_here_and_within_a_second_there(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let shop = here.api_and_application(ORDERS).await;
        for round in 1..=ROUNDS {
            // Both nodes know the old value, and each of them is changed in turn.
            let (changed, other) = if round % 2 == 0 { (here, there) } else { (there, here) };
            changed.change_api(ORDERS, json!({ "token_lifetime": round })).await.expect(StatusCode::OK);
            assert_eq!(expires_in(changed, &shop, ORDERS).await, round);
            within(FRESH_MAX, async || expires_in(other, &shop, ORDERS).await == round).await;
            // And it stays: no older reading comes back.
            assert_eq!(expires_in(changed, &shop, ORDERS).await, round);
            assert_eq!(expires_in(other, &shop, ORDERS).await, round);
        }
        there.stop().await;
    }

    async fn a_changed_lifetime_counts_at_once_while_others_ask_for_it_without_pause(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let shop = here.api_and_application(ORDERS).await;
        let mut askers = tokio::task::JoinSet::new();
        let ended = tokio_util::sync::CancellationToken::new();
        for _ in 0..3 {
            for node in [here, there] {
                let (wire, shop, ended) = ((**node).clone(), shop.clone(), ended.clone());
                askers.spawn(async move {
                    while !ended.is_cancelled() {
                        wire.ask(&shop, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
                    }
                });
            }
        }
        for round in 1..=ROUNDS {
            here.change_api(ORDERS, json!({ "token_lifetime": round })).await.expect(StatusCode::OK);
            for _ in 0..3 {
                assert_eq!(expires_in(here, &shop, ORDERS).await, round, "an old reading came back");
            }
        }
        within(FRESH_MAX, async || expires_in(there, &shop, ORDERS).await == ROUNDS).await;
        ended.cancel();
        while let Some(asked) = askers.join_next().await {
            asked.unwrap();
        }
        there.stop().await;
    }

    async fn a_deleted_client_grant_gives_no_token_at_once_here_and_within_a_second_there(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let shop = here.api_and_application(ORDERS).await;
        here.create_api(STOCK, json!({})).await;
        for _ in 0..ROUNDS {
            let grant = here.grant(&shop, STOCK, json!({})).await;
            assert_eq!(asked(here, &shop, STOCK).await, None);
            within(FRESH_MAX, async || asked(there, &shop, STOCK).await.is_none()).await;
            let path = format!("/client-grants/{}", grant["id"].as_str().unwrap());
            here.manage(Method::DELETE, &path, None).await.expect(StatusCode::NO_CONTENT);
            assert_eq!(asked(here, &shop, STOCK).await.as_deref(), Some("access_denied"));
            within(FRESH_MAX, async || asked(there, &shop, STOCK).await.as_deref() == Some("access_denied")).await;
            assert_eq!(asked(here, &shop, ORDERS).await, None, "the other grant is still there");
        }
        there.stop().await;
    }

    async fn a_rotated_secret_counts_at_once_here_and_within_a_second_there(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let mut shop = here.api_and_application(ORDERS).await;
        for _ in 0..ROUNDS {
            assert_eq!(asked(there, &shop, ORDERS).await, None);
            let path = format!("/clients/{}/rotate-secret", shop.id);
            let rotated = here.manage(Method::POST, &path, None).await.expect(StatusCode::OK);
            let old = std::mem::replace(&mut shop.secret, rotated.text("client_secret"));
            let old = Credentials { id: shop.id.clone(), secret: old };
            assert_eq!(asked(here, &shop, ORDERS).await, None);
            assert_eq!(asked(here, &old, ORDERS).await.as_deref(), Some("invalid_client"));
            within(FRESH_MAX, async || asked(there, &shop, ORDERS).await.is_none()).await;
            assert_eq!(asked(there, &old, ORDERS).await.as_deref(), Some("invalid_client"));
        }
        there.stop().await;
    }

    async fn a_deleted_application_and_its_tokens_end_at_once_here_and_within_a_second_there(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        here.create_api(ORDERS, json!({})).await;
        here.create_api(STOCK, json!({ "token_dialect": "opaque" })).await;
        let management = here.admin_token().await;
        for _ in 0..ROUNDS {
            let shop = here.create_application(json!({})).await;
            here.grant(&shop, ORDERS, json!({})).await;
            here.grant(&shop, STOCK, json!({})).await;
            within(FRESH_MAX, async || asked(there, &shop, ORDERS).await.is_none()).await;
            let tokens = [here.token(&shop, ORDERS).await, here.token(&shop, STOCK).await, there.token(&shop, ORDERS).await];
            for token in &tokens {
                assert!(here.is_active_to(&management, token).await && there.is_active_to(&management, token).await);
            }
            let path = format!("/clients/{}", shop.id);
            here.manage(Method::DELETE, &path, None).await.expect(StatusCode::NO_CONTENT);
            assert_eq!(asked(here, &shop, ORDERS).await.as_deref(), Some("invalid_client"));
            for token in &tokens {
                assert!(!here.is_active_to(&management, token).await);
            }
            within(FRESH_MAX, async || {
                asked(there, &shop, ORDERS).await.as_deref() == Some("invalid_client")
                    && none_is_active(there, &management, &tokens).await
            }).await;
        }
        there.stop().await;
    }

    async fn a_revoked_token_is_inactive_at_once_here_and_within_a_second_there(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let shop = here.api_and_application(ORDERS).await;
        here.create_api(STOCK, json!({ "token_dialect": "opaque" })).await;
        here.grant(&shop, STOCK, json!({})).await;
        within(FRESH_MAX, async || asked(there, &shop, STOCK).await.is_none()).await;
        for round in 0..ROUNDS {
            let audience = if round % 2 == 0 { ORDERS } else { STOCK };
            // A token is good on every node as soon as it is issued, wherever that was.
            let (token, other) = (there.token(&shop, audience).await, here.token(&shop, audience).await);
            assert!(here.is_active(&shop, &token).await && there.is_active(&shop, &other).await);
            here.revoke(&shop, &token).await;
            assert!(!here.is_active(&shop, &token).await);
            within(FRESH_MAX, async || !there.is_active(&shop, &token).await).await;
            assert!(here.is_active(&shop, &other).await && there.is_active(&shop, &other).await);
        }
        there.stop().await;
    }

    async fn a_wholesale_revocation_holds_at_once_here_and_within_a_second_there(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let mut shop = here.api_and_application(ORDERS).await;
        here.create_api(STOCK, json!({ "token_dialect": "opaque" })).await;
        here.grant(&shop, STOCK, json!({})).await;
        let management = here.admin_token().await;
        for round in 0..ROUNDS {
            within(FRESH_MAX, async || asked(there, &shop, ORDERS).await.is_none()).await;
            let tokens = [here.token(&shop, ORDERS).await, there.token(&shop, ORDERS).await, there.token(&shop, STOCK).await];
            let path = format!("/clients/{}/rotate-secret", shop.id);
            let body = json!({ "revoke_tokens": true });
            shop.secret = here.manage(Method::POST, &path, Some(body)).await.expect(StatusCode::OK).text("client_secret");
            for token in &tokens {
                assert!(!here.is_active_to(&management, token).await);
            }
            // A token from after it lives, in the same second too, and on a node that has not heard yet.
            let new = here.token(&shop, if round % 2 == 0 { ORDERS } else { STOCK }).await;
            assert!(there.is_active_to(&management, &new).await && here.is_active_to(&management, &new).await);
            within(FRESH_MAX, async || none_is_active(there, &management, &tokens).await).await;
            assert!(there.is_active_to(&management, &new).await);
        }
        there.stop().await;
    }

    async fn an_api_that_is_deleted_and_made_anew_is_the_new_one_on_both_nodes(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let shop = here.api_and_application(ORDERS).await;
        let management = here.admin_token().await;
        for _ in 0..10 {
            within(FRESH_MAX, async || asked(there, &shop, ORDERS).await.is_none()).await;
            let old = there.token(&shop, ORDERS).await;
            here.manage(Method::DELETE, &api_path(ORDERS), None).await.expect(StatusCode::NO_CONTENT);
            assert_eq!(asked(here, &shop, ORDERS).await.as_deref(), Some("access_denied"));
            here.create_api(ORDERS, json!({})).await;
            assert_eq!(asked(here, &shop, ORDERS).await.as_deref(), Some("access_denied"), "the old grant is not inherited");
            here.grant(&shop, ORDERS, json!({})).await;
            let new = here.token(&shop, ORDERS).await;
            assert!(here.is_active_to(&management, &new).await && there.is_active_to(&management, &new).await);
            assert!(!here.is_active_to(&management, &old).await && !there.is_active_to(&management, &old).await);
        }
        there.stop().await;
    }

    async fn a_secret_that_was_tried_too_early_works_as_soon_as_the_application_is_there(world: World) {
        // Unknown ids are remembered as well, and forgotten when they become known.
        let (here, there) = (&world.node, &world.another_node().await);
        let shop = here.api_and_application(ORDERS).await;
        for round in 0..10 {
            let identifier = format!("https://{round}.example/");
            for node in [here, there] {
                assert_eq!(asked(node, &shop, &identifier).await.as_deref(), Some("access_denied"));
            }
            here.create_api(&identifier, json!({})).await;
            here.grant(&shop, &identifier, json!({})).await;
            assert_eq!(asked(here, &shop, &identifier).await, None);
            within(FRESH_MAX, async || asked(there, &shop, &identifier).await.is_none()).await;
        }
        there.stop().await;
    }
}
