//! The sweep: what has expired goes, in bounded batches, and nobody notices.

use grantor::lifetime::LONGEST_SIGNED_SECONDS;
use grantor::model::change::{Change, Covered};
use grantor::store::feed;
use grantor::store::revocations::{CLOCKS_APART_SECONDS_MAX, KEPT_SECONDS};
use grantor::sweep;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Credentials, Node, Person, World, both_stores};
use crate::held::{Held, NOTHING};
use crate::shop;

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";
/// Small, so that each sweep takes several batches.
const ROWS_MAX: i64 = 2;

async fn sweep(world: &World) -> u64 {
    sweep::once(&world.node.app.store, world.clock.now(), ROWS_MAX)
        .await
        .unwrap()
}

async fn count(world: &World, table: &str) -> i64 {
    let count = format!("select count(*) from {table}");
    world.database.sql().await.number(&count).await
}

/// An API of opaque tokens that live as long as asked, and an application that is granted it.
async fn opaque_api(node: &Node, identifier: &str) -> Credentials {
    node.create_api(
        identifier,
        json!({ "token_dialect": "opaque", "token_lifetime": 600, "max_token_lifetime": -1 }),
    )
    .await;
    let application = node.create_application(json!({})).await;
    node.grant(&application, identifier, json!({})).await;
    application
}

/// What the administrator sees of tokens, one letter each.
async fn active(node: &Node, tokens: &[String]) -> String {
    let management = node.admin_token().await;
    let mut seen = String::new();
    for token in tokens {
        let is_active = node.is_active_to(&management, token).await;
        seen.push(if is_active { 'a' } else { '-' });
    }
    seen
}

/// A token that lives for so many seconds.
async fn token_for(node: &Node, client: &Credentials, audience: &str, seconds: &str) -> String {
    let params = [("audience", audience), ("validity_period", seconds)];
    node.ask(client, &params)
        .await
        .expect(StatusCode::OK)
        .text("access_token")
}

both_stores! {
    async fn stored_tokens_that_have_ended_go_and_the_others_stay(world: World) {
        let node = &world.node;
        let shop = opaque_api(node, ORDERS).await;
        let mut tokens = Vec::new();
        for seconds in ["600", "600", "601", "5", "-1", "600", "6000"] {
            tokens.push(token_for(node, &shop, ORDERS, seconds).await);
        }
        // The fourth ends; the clock goes on by itself, so nothing is asserted to the second.
        world.clock.advance(300);
        assert_eq!(sweep(world).await, 1);
        assert_eq!(active(node, &tokens).await, "aaa-aaa");
        world.clock.advance(400);
        let before = active(node, &tokens).await;
        assert_eq!(before, "----a-a");
        assert_eq!(count(world, "tokens").await, 6);
        assert_eq!(sweep(world).await, 4);
        assert_eq!(count(world, "tokens").await, 2);
        assert_eq!(count(world, "token_apis").await, 2);
        assert_eq!(active(node, &tokens).await, before);
        assert_eq!(sweep(world).await, 0);
    }

    async fn a_revoked_signed_token_stays_revoked_when_its_record_has_gone(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let mut tokens = Vec::new();
        for seconds in ["600", "600", "600", "6000", "6000"] {
            tokens.push(token_for(node, &shop, ORDERS, seconds).await);
        }
        for token in &tokens[..4] {
            node.revoke(&shop, token).await;
        }
        assert_eq!(active(node, &tokens).await, "----a");
        assert_eq!((sweep(world).await, count(world, "revoked_tokens").await), (0, 4));
        world.clock.advance(700);
        // A node whose clock is behind still takes them for alive.
        assert_eq!((sweep(world).await, count(world, "revoked_tokens").await), (0, 4));
        world.clock.advance(CLOCKS_APART_SECONDS_MAX);
        assert_eq!((sweep(world).await, count(world, "revoked_tokens").await), (3, 1));
        assert_eq!(active(node, &tokens).await, "----a");
        // Also to a node that knows only what is left in the store.
        let fresh = world.another_node().await;
        assert_eq!(active(&fresh, &tokens).await, "----a");
        fresh.stop().await;
        world.clock.advance(6000);
        assert_eq!(active(node, &tokens).await, "-----");
        sweep(world).await;
        assert_eq!(count(world, "revoked_tokens").await, 0);
        assert_eq!(active(node, &tokens).await, "-----");
    }

    async fn changes_are_kept_an_hour_and_the_newest_for_ever(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let changes = count(world, "changes").await;
        assert!(changes > 3);
        world.clock.advance(feed::KEPT_SECONDS - 60);
        sweep(world).await;
        assert_eq!(count(world, "changes").await, changes);
        world.clock.advance(120);
        sweep(world).await;
        assert_eq!(count(world, "changes").await, 1);
        let mut sql = world.database.sql().await;
        assert_eq!(sql.number("select max(n) from changes").await, sql.number("select n from change_counter").await);
        // The feed goes on from there, on this node and on one that starts now.
        let fresh = world.another_node().await;
        node.change_api(ORDERS, json!({ "token_lifetime": 77 })).await.expect(StatusCode::OK);
        assert_eq!(node.ask(&shop, &[("audience", ORDERS)]).await.json["expires_in"], 77);
        crate::harness::within(grantor::directory::FRESH_MAX, async || {
            fresh.ask(&shop, &[("audience", ORDERS)]).await.json["expires_in"] == 77
        }).await;
        fresh.stop().await;
    }

    async fn stored_tokens_that_a_wholesale_revocation_covers_go_and_only_those(world: World) {
        let node = &world.node;
        let shop = opaque_api(node, ORDERS).await;
        node.create_api(STOCK, json!({ "token_dialect": "opaque", "max_token_lifetime": -1 })).await;
        let bin = "https://bin.example/";
        node.create_api(bin, json!({ "token_dialect": "opaque", "max_token_lifetime": -1 })).await;
        let other = node.create_application(json!({})).await;
        let doomed = node.create_application(json!({})).await;
        let stock_grant = node.grant(&shop, STOCK, json!({})).await;
        for client in [&other, &doomed] {
            for audience in [ORDERS, STOCK, bin] {
                node.grant(client, audience, json!({})).await;
            }
        }
        let issue = async || {
            let mut tokens = Vec::new();
            for (client, audience) in [(&shop, ORDERS), (&shop, STOCK), (&other, ORDERS), (&other, STOCK), (&other, bin), (&doomed, ORDERS), (&doomed, STOCK)] {
                for seconds in ["6000", "-1"] {
                    tokens.push(token_for(node, client, audience, seconds).await);
                }
            }
            tokens
        };
        let tokens = issue().await;
        let grant = format!("/client-grants/{}?revoke_tokens=true", stock_grant["id"].as_str().unwrap());
        node.manage(Method::DELETE, &grant, None).await.expect(StatusCode::NO_CONTENT);
        node.manage(Method::DELETE, &crate::harness::api_path(bin), None).await.expect(StatusCode::NO_CONTENT);
        let doomed_path = format!("/clients/{}/rotate-secret", doomed.id);
        let rotated = node.manage(Method::POST, &doomed_path, Some(json!({ "revoke_tokens": true }))).await.expect(StatusCode::OK);
        let doomed = Credentials { secret: rotated.text("client_secret"), ..doomed };
        // A token from after a revocation is none of its business.
        let mut all = tokens;
        all.push(token_for(node, &doomed, ORDERS, "-1").await);
        let before = active(node, &all).await;
        assert_eq!(before, "aa--aaaa------a");
        assert_eq!(count(world, "tokens").await, 15);
        assert_eq!(sweep(world).await, 8);
        assert_eq!(count(world, "tokens").await, 7);
        assert_eq!(active(node, &all).await, before);
        assert_eq!(count(world, "revocations").await, 3, "they still cover signed tokens");
        let fresh = world.another_node().await;
        assert_eq!(active(&fresh, &all).await, before);
        fresh.stop().await;
    }

    async fn a_wholesale_revocation_ends_when_it_covers_nothing_any_more(world: World) {
        let node = &world.node;
        let shop = opaque_api(node, ORDERS).await;
        node.create_api(STOCK, json!({ "token_lifetime": LONGEST_SIGNED_SECONDS, "max_token_lifetime": -1 })).await;
        node.grant(&shop, STOCK, json!({})).await;
        let mut tokens = vec![token_for(node, &shop, ORDERS, "-1").await, node.token(&shop, STOCK).await];
        let path = format!("/clients/{}/rotate-secret", shop.id);
        let rotated = node.manage(Method::POST, &path, Some(json!({ "revoke_tokens": true }))).await.expect(StatusCode::OK);
        let shop = Credentials { secret: rotated.text("client_secret"), ..shop };
        tokens.push(token_for(node, &shop, ORDERS, "-1").await);
        assert_eq!(active(node, &tokens).await, "--a");
        world.clock.advance(LONGEST_SIGNED_SECONDS - 600);
        sweep(world).await;
        assert_eq!(count(world, "revocations").await, 1, "the signed token still lives");
        world.clock.advance(2 * 3600);
        sweep(world).await;
        assert_eq!(count(world, "revocations").await, 0);
        assert_eq!(active(node, &tokens).await, "--a");
        let fresh = world.another_node().await;
        assert_eq!(active(&fresh, &tokens).await, "--a");
        fresh.stop().await;
    }

    /// The longest session outlives the revocation.
    async fn a_session_that_a_revocation_covers_has_ended_for_good(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        shop::set(node, json!({ "session_lifetime": 8760, "idle_session_lifetime": 2400 })).await;
        let (ann, ben) = (Person::create(node, "ann@example.com").await, Person::create(node, "ben@example.com").await);
        for (body, lives_on) in [(json!({ "user_id": ann.id }), true), (json!({ "all": true }), false)] {
            let (of_ann, of_ben) = (Held::get(node, &ann, &shop).await, Held::get(node, &ben, &shop).await);
            node.manage(Method::POST, "/tokens/revoke", Some(body)).await.expect(StatusCode::OK);
            assert_eq!(of_ann.works(node).await, NOTHING);
            world.clock.advance(KEPT_SECONDS);
            sweep(world).await;
            assert_eq!(count(world, "revocations").await, 0);
            let fresh = world.another_node().await;
            for node in [node, &fresh] {
                assert_eq!(of_ann.works(node).await, NOTHING);
                assert_eq!(of_ben.works(node).await.contains(&"session"), lives_on);
            }
            fresh.stop().await;
        }
    }

    /// architecture.md: a node that is cut off still signs for `store.stale_seconds_max`, with the
    /// position that it had reached. A revocation is kept until those tokens have ended as well.
    async fn a_token_that_a_node_signed_while_cut_off_is_covered_to_its_end(world: World) {
        let node = &world.node;
        let shop = node.create_application(json!({})).await;
        node.create_api(ORDERS, json!({ "token_lifetime": LONGEST_SIGNED_SECONDS })).await;
        node.grant(&shop, ORDERS, json!({})).await;
        let tokens = [node.token(&shop, ORDERS).await];
        // The revocation was made 25 seconds before the token, and reached its node only now.
        let mut tx = node.app.store.write().await.unwrap();
        tx.note(Change::Revocation(Covered::Application(shop.id.clone())));
        node.app.directory.commit(tx, world.clock.now() - 25).await.unwrap();
        assert_eq!(active(node, &tokens).await, "-");
        world.clock.advance(LONGEST_SIGNED_SECONDS - 15);
        sweep(world).await;
        let fresh = world.another_node().await;
        assert_eq!(active(&fresh, &tokens).await, "-", "a revoked token lives again");
        fresh.stop().await;
    }

    async fn a_living_token_is_not_touched_by_the_sweep_that_runs_by_itself(world: World, "GRANTOR_SWEEP__INTERVAL_SECONDS" = "1", "GRANTOR_SWEEP__BATCH_ROWS_MAX" = "1") {
        let node = &world.node;
        let shop = opaque_api(node, ORDERS).await;
        let mut tokens = Vec::new();
        for seconds in ["600", "6000", "600", "600"] {
            tokens.push(token_for(node, &shop, ORDERS, seconds).await);
        }
        world.clock.advance(700);
        crate::harness::within(std::time::Duration::from_secs(5), async || count(world, "tokens").await == 1).await;
        assert_eq!(active(node, &tokens).await, "-a--");
    }
}
