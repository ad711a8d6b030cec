//! A store that has lost history (a restore, a failover), and a feed with a gap.

use std::time::Duration;

use grantor::directory::FRESH_MAX;
use reqwest::StatusCode;
use serde_json::json;

use super::expires_in;
use crate::harness::{Credentials, Node, Sql, World, both_stores, within};

const ORDERS: &str = "https://orders.example/";
/// Finding out, raising the counter and reading everything anew.
pub(super) const RECOVERED_WITHIN: Duration = Duration::from_secs(3);

/// Two nodes that know the API, the application and the grant by heart, and have read all of the feed.
pub(super) async fn furnish(world: &World) -> (Node, Credentials) {
    let (here, there) = (&world.node, world.another_node().await);
    let shop = here.api_and_application(ORDERS).await;
    here.change_api(ORDERS, json!({ "token_lifetime": 100 }))
        .await
        .expect(StatusCode::OK);
    let position = here.app.directory.position();
    within(FRESH_MAX, async || {
        there.app.directory.position() == position
    })
    .await;
    for node in [here, &there] {
        assert_eq!(expires_in(node, &shop, ORDERS).await, 100);
    }
    // Milliseconds pass faster than changes happen, also where the clock stands still.
    world.clock.advance(1);
    (there, shop)
}

pub(super) async fn counter(sql: &mut Sql) -> i64 {
    sql.number("select n from change_counter").await
}

/// Runs statements as one transaction that no node takes part in.
pub(super) async fn behind_their_backs(sql: &mut Sql, statements: &[&str]) {
    sql.run("begin").await.unwrap();
    for statement in statements {
        sql.run(statement).await.unwrap();
    }
    sql.run("commit").await.unwrap();
}

/// Both nodes act on a lifetime that nothing in the feed has announced.
async fn both_see(world: &World, there: &Node, shop: &Credentials, lifetime: i64) {
    for node in [&world.node, there] {
        // While a node reads everything anew it may not know; it never errs.
        within(RECOVERED_WITHIN, async || {
            let answer = node.ask(shop, &[("audience", ORDERS)]).await;
            assert!(
                answer.status == StatusCode::OK || answer.status == StatusCode::SERVICE_UNAVAILABLE,
                "{answer:?}"
            );
            answer.json["expires_in"] == lifetime
        })
        .await;
        let ready = async || {
            let request = node.request(reqwest::Method::GET, "/readyz");
            node.send(request).await.status == StatusCode::OK
        };
        within(RECOVERED_WITHIN, ready).await;
    }
}

/// The feed goes on: a change on either node reaches the other.
async fn the_feed_goes_on(world: &World, there: &Node, shop: &Credentials) {
    for (lifetime, changed, other) in [(201, &world.node, there), (202, there, &world.node)] {
        changed
            .change_api(ORDERS, json!({ "token_lifetime": lifetime }))
            .await
            .expect(StatusCode::OK);
        assert_eq!(expires_in(changed, shop, ORDERS).await, lifetime);
        within(FRESH_MAX, async || {
            expires_in(other, shop, ORDERS).await == lifetime
        })
        .await;
    }
}

const CHANGED: &str =
    "update apis set token_lifetime = 55 where identifier = 'https://orders.example/'";

both_stores! {
    async fn after_a_restore_both_nodes_drop_what_they_know_and_no_number_is_given_twice(world: World) {
        let (there, shop) = furnish(world).await;
        let mut sql = world.database.sql().await;
        let before = counter(&mut sql).await;
        let started_at = world.clock.now_millis();
        behind_their_backs(&mut sql, &[
            "delete from changes where n > (select min(n) from changes)",
            "update change_counter set n = (select max(n) from changes)",
            CHANGED,
        ]).await;
        both_see(world, &there, &shop, 55).await;
        // Above the time, and so above every number that was given before.
        within(RECOVERED_WITHIN, async || counter(&mut sql).await >= started_at).await;
        assert!(counter(&mut sql).await > before, "numbers up to {before} have been given");
        the_feed_goes_on(world, &there, &shop).await;
        there.stop().await;
    }

    async fn a_restore_whose_numbers_have_grown_past_a_node_again_is_told_by_the_mark(world: World) {
        let (there, shop) = furnish(world).await;
        let mut sql = world.database.sql().await;
        let before = counter(&mut sql).await;
        // The same number, another history.
        behind_their_backs(&mut sql, &["update changes set mark = 'of another history' where n = (select max(n) from changes)", CHANGED]).await;
        both_see(world, &there, &shop, 55).await;
        within(RECOVERED_WITHIN, async || counter(&mut sql).await > before).await;
        the_feed_goes_on(world, &there, &shop).await;
        there.stop().await;
    }

    async fn a_lost_revocation_is_forgotten_and_one_from_the_restored_store_is_known(world: World) {
        let (there, shop) = furnish(world).await;
        let management = world.node.admin_token().await;
        let (kept, lost) = (world.node.token(&shop, ORDERS).await, world.node.token(&shop, ORDERS).await);
        let jti = crate::harness::claims(&lost)["jti"].as_str().unwrap().to_owned();
        let mut sql = world.database.sql().await;
        let insert = format!("insert into revoked_tokens (jti, expires_at) values ('{jti}', {})", world.clock.now() + 600);
        behind_their_backs(&mut sql, &[
            "delete from changes where n > (select min(n) from changes)",
            "update change_counter set n = (select max(n) from changes)",
            &insert,
        ]).await;
        for node in [&world.node, &there] {
            within(RECOVERED_WITHIN, async || {
                let request = node.request(reqwest::Method::POST, "/oauth/introspect").bearer_auth(&management).form(&[("token", &lost)]);
                let answer = node.send(request).await;
                assert!(answer.status == StatusCode::OK || answer.status == StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
                answer.json["active"] == false
            }).await;
            assert!(node.is_active_to(&management, &kept).await);
        }
        there.stop().await;
    }

    async fn a_gap_in_the_feed_makes_both_nodes_drop_what_they_know(world: World) {
        let (there, shop) = furnish(world).await;
        let mut sql = world.database.sql().await;
        let before = counter(&mut sql).await;
        // Numbers were given while both nodes were away, and their rows have been swept since.
        behind_their_backs(&mut sql, &[
            "update change_counter set n = n + 5",
            "insert into changes (n, mark, kind, key, created_at) select n, 'newest', 'application', 'somebody', 1 from change_counter",
            CHANGED,
        ]).await;
        both_see(world, &there, &shop, 55).await;
        assert_eq!(counter(&mut sql).await, before + 5, "nothing is lost, so nothing is raised");
        the_feed_goes_on(world, &there, &shop).await;
        there.stop().await;
    }

    async fn a_change_of_a_kind_from_a_newer_version_makes_both_nodes_read_anew(world: World) {
        let (there, shop) = furnish(world).await;
        let mut sql = world.database.sql().await;
        behind_their_backs(&mut sql, &[
            "update change_counter set n = n + 1",
            "insert into changes (n, mark, kind, key, created_at) select n, 'new', 'tenant settings', 'x', 1 from change_counter",
            CHANGED,
        ]).await;
        both_see(world, &there, &shop, 55).await;
        the_feed_goes_on(world, &there, &shop).await;
        there.stop().await;
    }

    async fn tokens_from_before_and_after_lost_history_are_told_right(world: World) {
        let (there, shop) = furnish(world).await;
        let management = world.node.admin_token().await;
        let old = world.node.token(&shop, ORDERS).await;
        let mut sql = world.database.sql().await;
        behind_their_backs(&mut sql, &[
            "delete from changes where n > (select min(n) from changes)",
            "update change_counter set n = (select max(n) from changes)",
            CHANGED,
        ]).await;
        both_see(world, &there, &shop, 55).await;
        // Its position is above the restored rows, and below the raised counter.
        for node in [&world.node, &there] {
            assert!(node.is_active_to(&management, &old).await);
        }
        // A revocation after the restore covers it, although the numbers began anew.
        let path = format!("/clients/{}/rotate-secret", shop.id);
        world.node.manage(reqwest::Method::POST, &path, Some(json!({ "revoke_tokens": true }))).await.expect(StatusCode::OK);
        assert!(!world.node.is_active_to(&management, &old).await);
        within(FRESH_MAX, async || !there.is_active_to(&management, &old).await).await;
        there.stop().await;
    }
}
