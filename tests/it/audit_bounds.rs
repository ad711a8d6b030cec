//! What the audit may cost: no request waits for it, its memory is bounded, and its rows go in time.

use std::time::{Duration, Instant};

use grantor::config::AuditConfig;
use grantor::sweep;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{Executor, SqliteConnection};

use crate::desk::Desk;
use crate::harness::{Sql, World, both_stores};

const ORDERS: &str = "https://orders.example/";
const DAY: i64 = 86_400;

/// Keeps everybody from writing to the audit, until it is dropped.
async fn hold(world: &World) -> Sql {
    let mut sql = world.database.sql().await;
    match &mut sql {
        Sql::Sqlite(c) => begin_immediate(c).await,
        Sql::Postgres(c) => {
            c.execute("begin").await.unwrap();
            c.execute("lock table audit, audit_writers, issuance_counts in access exclusive mode")
                .await
                .unwrap();
        }
    }
    sql
}

async fn begin_immediate(c: &mut SqliteConnection) {
    c.execute("begin immediate").await.unwrap();
}

async fn release(mut held: Sql) {
    held.run("rollback").await.unwrap();
}

async fn of_type(desk: &Desk<'_>, kind: &str) -> Vec<Value> {
    let logs = desk
        .shown(&format!("/logs?per_page=100&q=type:{kind}"))
        .await;
    logs.as_array().unwrap().clone()
}

both_stores! {
    async fn while_nothing_can_be_written_tokens_are_issued_and_what_does_not_fit_is_counted(
        world: World, "GRANTOR_AUDIT__QUEUE_MAX" = "100"
    ) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let desk = Desk::open(node).await;
        node.token(&shop, ORDERS).await;
        node.app.audit.settle().await;
        let held = hold(world).await;
        let began = Instant::now();
        for _ in 0..300 {
            node.token(&shop, ORDERS).await;
        }
        // A writer that waits takes seconds for each; a request that waited for it would as well.
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        release(held).await;
        crate::harness::within(Duration::from_secs(30), async || !of_type(&desk, "audit_dropped").await.is_empty()).await;
        let dropped: i64 = of_type(&desk, "audit_dropped").await.iter().map(|record| record["details"]["dropped"].as_i64().unwrap()).sum();
        let q = format!("/logs?q=type:seccft%20client_id:{}&include_totals=true", shop.id);
        let kept = desk.shown(&q).await["total"].as_i64().unwrap();
        assert_eq!(kept + dropped, 301, "kept {kept}, dropped {dropped}");
        assert!(dropped > 0 && kept >= 100, "kept {kept}, dropped {dropped}");
        let plot = desk.shown(&format!("/stats/issuance?client_id={}", shop.id)).await;
        assert_eq!(plot["total"], 301, "each token is counted");
    }

    async fn at_a_graceful_end_everything_is_written(world: World) {
        let node = world.another_node().await;
        let shop = node.api_and_application(ORDERS).await;
        for _ in 0..10 {
            node.token(&shop, ORDERS).await;
            let unknown = [("audience", "https://unknown/")];
            node.ask(&shop, &unknown).await.expect(StatusCode::FORBIDDEN);
        }
        let audit = node.app.audit.clone();
        let at_its_end = tokio_util::sync::CancellationToken::new();
        at_its_end.cancel();
        audit.run(at_its_end).await;
        let mut sql = world.database.sql().await;
        let issued = format!("select count(*) from audit where type = 'seccft' and client_id = '{}'", shop.id);
        assert_eq!(sql.number(&issued).await, 10);
        let tokens = format!("select cast(sum(tokens) as bigint) from issuance_counts where client_id = '{}'", shop.id);
        assert_eq!(sql.number(&tokens).await, 10);
        let refused = format!("select count(*) from audit where type = 'feccft' and client_id = '{}'", shop.id);
        assert_eq!(sql.number(&refused).await, 2, "the first, and those after it");
        node.stop().await;
    }

    async fn records_and_counts_go_when_they_are_older_than_they_are_kept(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let kept = AuditConfig { retention_days: 10, stats_retention_days: 20, ..node.app.config.audit.clone() };
        let sweep = async || {
            node.app.audit.settle().await;
            sweep::audit(&node.app.store, world.clock.now(), &kept, 2).await.unwrap()
        };
        for _ in 0..5 {
            node.token(&shop, ORDERS).await;
        }
        let count = async |table: &str| world.database.sql().await.number(&format!("select count(*) from {table}")).await;
        assert_eq!(sweep().await, 0);
        let (records, counts) = (count("audit").await, count("issuance_counts").await);
        assert!(records >= 5 && counts >= 1);
        world.clock.advance(9 * DAY);
        sweep().await;
        assert_eq!((count("audit").await, count("issuance_counts").await), (records, counts));
        world.clock.advance(2 * DAY);
        node.token(&shop, ORDERS).await;
        assert!(sweep().await >= 5);
        assert_eq!((count("audit").await, count("issuance_counts").await), (1, counts + 1));
        world.clock.advance(11 * DAY);
        sweep().await;
        assert_eq!((count("audit").await, count("issuance_counts").await), (0, 1));
        world.clock.advance(11 * DAY);
        sweep().await;
        assert_eq!(count("issuance_counts").await, 0);
    }

    async fn a_change_that_is_not_made_leaves_no_record(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        desk.post("/resource-servers", json!({ "identifier": ORDERS })).await.expect(StatusCode::CONFLICT);
        let creations = "/logs?q=description:%22Create+a+resource+server%22";
        assert_eq!(desk.shown(creations).await.as_array().unwrap().len(), 1);
    }
}
