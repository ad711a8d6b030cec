//! A clock that is wrong for a while: nothing is forgotten that the right time still knows.

use grantor::clock::{SETTLED_AFTER_FAR_JUMP_SECONDS, SETTLED_AFTER_SECONDS};
use grantor::model::instant::to_rfc3339;
use grantor::sweep::Sweeper;
use reqwest::StatusCode;
use serde_json::json;
use tempfile::tempdir;

use crate::desk::Desk;
use crate::harness::{Backend, Credentials, Node, Person, World, both_stores, environment};
use crate::held::{EVERYTHING, Held};
use crate::program::Program;
use crate::shop::{self, ORDERS};

const HOUR: i64 = 3600;
const DAY: i64 = 86_400;
/// Everything from which the sweep removes rows.
const SWEPT: [&str; 14] = [
    "application_secrets",
    "attempts",
    "audit",
    "authorization_codes",
    "changes",
    "issuance_counts",
    "known_addresses",
    "pushed_requests",
    "refresh_families",
    "revoked_tokens",
    "sessions",
    "signing_keys",
    "tokens",
    "user_tickets",
];

async fn sweeper(world: &World) -> Sweeper {
    let app = &world.node.app;
    let (sweep, audit) = (&app.config.sweep, &app.config.audit);
    let started = Sweeper::start(&app.store, &world.clock, sweep, audit).await;
    started.unwrap()
}

async fn sweep(sweeper: &Sweeper) -> u64 {
    sweeper.round().await.unwrap()
}

async fn count(world: &World, table: &str) -> i64 {
    let count = format!("select count(*) from {table}");
    world.database.sql().await.number(&count).await
}

async fn counts(world: &World) -> Vec<(&'static str, i64)> {
    let mut counts = Vec::new();
    for table in SWEPT {
        counts.push((table, count(world, table).await));
    }
    counts
}

/// A token for so many seconds that its own application has revoked.
async fn revoked_token(node: &Node, client: &Credentials, seconds: i64) -> String {
    let seconds = seconds.to_string();
    let params = [("audience", ORDERS), ("validity_period", seconds.as_str())];
    let answer = node.ask(client, &params).await;
    let token = answer.expect(StatusCode::OK).text("access_token");
    node.revoke(client, &token).await;
    assert!(!node.is_active(client, &token).await);
    token
}

async fn is_active(node: &Node, token: &str) -> bool {
    node.is_active_to(&node.admin_token().await, token).await
}

both_stores! {
    async fn a_clock_that_runs_ahead_for_a_while_forgets_no_revocation(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let sweeper = sweeper(world).await;
        let (token, short) = (revoked_token(node, &shop, HOUR).await, revoked_token(node, &shop, 60).await);
        world.clock.jump(2 * HOUR);
        for _ in 0..3 {
            assert_eq!((sweep(&sweeper).await, count(world, "revoked_tokens").await), (0, 2));
            world.clock.advance(1);
        }
        world.clock.jump(-2 * HOUR);
        // The clock is right again, and the sweep goes on at once: by now the short one has ended.
        world.clock.advance(400);
        assert!(sweep(&sweeper).await > 0);
        assert_eq!(count(world, "revoked_tokens").await, 1);
        for node in [node, &world.another_node().await] {
            assert!(!is_active(node, &token).await && !is_active(node, &short).await);
        }
    }

    async fn a_clock_that_was_set_for_good_is_believed_after_an_hour(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let sweeper = sweeper(world).await;
        let token = revoked_token(node, &shop, 5 * HOUR).await;
        revoked_token(node, &shop, 60).await;
        world.clock.jump(2 * HOUR);
        assert_eq!(sweep(&sweeper).await, 0);
        world.clock.advance(SETTLED_AFTER_SECONDS - 1);
        assert_eq!(sweep(&sweeper).await, 0);
        world.clock.advance(1);
        assert!(sweep(&sweeper).await > 0);
        assert_eq!(count(world, "revoked_tokens").await, 1);
        assert!(!is_active(node, &token).await);
    }

    async fn nothing_at_all_goes_by_a_clock_that_is_a_year_ahead(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let opaque = "https://opaque.example/";
        node.create_api(opaque, json!({ "token_dialect": "opaque" })).await;
        let other = node.create_application(json!({})).await;
        for audience in [ORDERS, opaque] {
            node.grant(&other, audience, json!({})).await;
            node.token(&other, audience).await;
        }
        revoked_token(node, &other, HOUR).await;
        let ann = Person::create(node, "ann@example.com").await;
        let held = Held::get(node, &ann, &shop).await;
        shop::push(node, &shop, &[("scope", "openid")]).await.expect(StatusCode::CREATED);
        let desk = Desk::open(node).await;
        desk.post("/keys/signing/rotate", json!({})).await.expect(StatusCode::CREATED);
        desk.post("/tickets/password-change", json!({ "user_id": ann.id })).await.expect(StatusCode::CREATED);
        // What waits for the audit is written before anybody reads.
        desk.shown("/logs").await;
        let before = counts(world).await;
        assert!(before.iter().all(|(_, rows)| *rows > 0), "{before:?}");
        let sweeper = sweeper(world).await;
        world.clock.jump(366 * DAY);
        assert_eq!(sweep(&sweeper).await, 0);
        world.clock.advance(2 * HOUR);
        assert_eq!(sweep(&sweeper).await, 0, "a jump of more than a day is believed after a day");
        for ((table, before), (_, now)) in before.iter().zip(counts(world).await) {
            assert!(now >= *before, "rows of {table} have gone");
        }
        world.clock.jump(-366 * DAY);
        assert_eq!(held.works(node).await, EVERYTHING);
        world.clock.jump(366 * DAY);
        assert_eq!(sweep(&sweeper).await, 0);
        world.clock.advance(SETTLED_AFTER_FAR_JUMP_SECONDS);
        assert!(sweep(&sweeper).await > 0);
    }

    /// On Postgres the database's server has a clock, too.
    async fn a_node_whose_clock_is_always_ahead_removes_nothing_that_lives_by_the_databases_clock(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let sweeper = sweeper(world).await;
        let token = revoked_token(node, &shop, 5 * HOUR).await;
        world.clock.jump(20 * HOUR);
        assert_eq!(sweep(&sweeper).await, 0);
        world.clock.advance(SETTLED_AFTER_SECONDS);
        sweep(&sweeper).await;
        let is_kept = world.database.backend() == Backend::Postgres;
        assert_eq!(count(world, "revoked_tokens").await, i64::from(is_kept));
        world.clock.jump(-20 * HOUR);
        if is_kept {
            let other = world.another_node().await;
            assert!(!is_active(&other, &token).await);
            other.stop().await;
        }
        // What has ended by both clocks goes, when the clock that was set has kept pace.
        assert_eq!(sweep(&sweeper).await, 0);
        world.clock.advance(5 * HOUR);
        sweep(&sweeper).await;
        assert_eq!(count(world, "revoked_tokens").await, 0);
    }

    async fn a_node_that_started_while_its_clock_was_ahead_knows_what_is_revoked(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let token = revoked_token(node, &shop, HOUR).await;
        world.clock.jump(2 * HOUR);
        let other = world.another_node().await;
        world.clock.jump(-2 * HOUR);
        assert!(!is_active(&other, &token).await);
        other.stop().await;
    }

    async fn a_start_that_finds_records_from_the_future_removes_nothing_for_an_hour(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        world.clock.advance(-2 * HOUR);
        revoked_token(node, &shop, 60).await;
        world.clock.advance(HOUR);
        let sweeper = sweeper(world).await;
        assert_eq!(sweep(&sweeper).await, 0);
        world.clock.advance(SETTLED_AFTER_SECONDS);
        assert!(sweep(&sweeper).await > 0);
    }

    async fn a_start_long_after_the_newest_record_removes_nothing_for_a_day(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        revoked_token(node, &shop, 60).await;
        world.clock.advance(3 * DAY);
        let sweeper = sweeper(world).await;
        world.clock.advance(2 * HOUR);
        assert_eq!(sweep(&sweeper).await, 0);
        world.clock.advance(SETTLED_AFTER_FAR_JUMP_SECONDS);
        assert!(sweep(&sweeper).await > 0);
    }

    async fn a_start_that_finds_records_from_the_future_says_what_to_do(world: World) {
        let folder = tempdir().unwrap();
        let program = Program::with_environment(folder.path(), &environment(&world.database, &[]));
        let ended = program.serve().stop().expect(0);
        assert!(!ended.stderr.contains("from the future"), "{ended:?}");
        let later = "update changes set created_at = created_at + 7200";
        world.database.sql().await.run(later).await.unwrap();
        let ended = program.serve().stop().expect(0);
        ended.complains_of(&["records from the future", "date -u", "NTP"]);
    }

    async fn a_secret_that_seems_to_have_ended_by_a_clock_that_jumped_is_kept(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let path = format!("/clients/{}/secrets", shop.id);
        let end = to_rfc3339(world.clock.now() + HOUR);
        let made = Desk::open(node).await.post(&path, json!({ "expires_at": end })).await;
        let ending = Credentials { id: shop.id.clone(), secret: made.expect(StatusCode::CREATED).text("client_secret") };
        world.clock.jump(2 * HOUR);
        let desk = Desk::open(node).await;
        desk.post(&path, json!({})).await.expect(StatusCode::CREATED);
        let rotate = format!("/clients/{}/rotate-secret", shop.id);
        desk.post(&rotate, json!({ "grace_seconds": HOUR })).await.expect(StatusCode::OK);
        node.ask(&ending, &[("audience", ORDERS)]).await.expect(StatusCode::UNAUTHORIZED);
        world.clock.jump(-2 * HOUR);
        node.ask(&ending, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
    }
}
