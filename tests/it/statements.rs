//! What rarely changes asks the database nothing: statements are counted, not timed.

use grantor::store::BESIDE;
use reqwest::StatusCode;
use serde_json::json;
use sqlx::PgConnection;

use crate::harness::{Backend, Credentials, OWN, World, both_stores};

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";
const NOTES: &str = "https://notes.example/";
/// The feed's reader has a connection of its own; this is all that it ever says.
const FEED_READING: &str = "select c.n, f.n, f.mark%";

/// What the server has counted itself, and what Postgres says of every session but the feed's.
struct Meter<'w> {
    world: &'w World,
    postgres: Option<(PgConnection, String)>,
}

impl<'w> Meter<'w> {
    async fn of(world: &'w World) -> Self {
        let postgres = match world.database.backend() {
            Backend::Sqlite => None,
            Backend::Postgres => {
                let (connection, name) = world.database.postgres_server().await;
                Some((connection, name.to_owned()))
            }
        };
        Self { world, postgres }
    }

    /// Equal readings: no statement came between. The feed's own two sessions do not count: the one
    /// that reads, and the one that listens, which may come up late. Nor does the one of the audit,
    /// which has a name of its own; what it sends is counted apart. Nor do the test's own.
    async fn read(&mut self) -> (u64, Vec<(i32, String)>) {
        let counted = self.world.node.app.store.statements_sent();
        let Some((connection, name)) = &mut self.postgres else {
            return (counted, Vec::new());
        };
        let sessions = sqlx::query_as(
            "select pid, query_start::text from pg_stat_activity
              where datname = $1 and backend_type = 'client backend' and query not like $2
                and query not ilike 'listen %' and application_name <> all($3)
              order by pid",
        )
        .bind(&*name)
        .bind(FEED_READING)
        .bind([BESIDE, OWN])
        .fetch_all(connection)
        .await
        .unwrap();
        assert!(!sessions.is_empty(), "the node has sessions");
        (counted, sessions)
    }
}

/// Two APIs of signed tokens and one of opaque ones; the application is granted all three.
async fn furnish(world: &World) -> Credentials {
    let node = &world.node;
    let shop = node.api_and_application(ORDERS).await;
    node.create_api(STOCK, json!({ "scopes": [{ "value": "read:stock" }] }))
        .await;
    node.grant(&shop, STOCK, json!({ "scope": ["read:stock"] }))
        .await;
    node.create_api(NOTES, json!({ "token_dialect": "opaque" }))
        .await;
    node.grant(&shop, NOTES, json!({})).await;
    shop
}

both_stores! {
    async fn a_hundred_tokens_are_written_to_the_audit_in_a_few_statements_beside_the_requests(world: World) {
        let node = &world.node;
        let shop = furnish(world).await;
        node.token(&shop, ORDERS).await;
        node.app.audit.settle().await;
        let recorded = async || {
            let records = "select count(*) from audit where type = 'seccft'";
            world.database.sql().await.number(records).await
        };
        let (before, sent) = (recorded().await, node.app.audit.statements_sent());
        let mut meter = Meter::of(world).await;
        let reading = meter.read().await;
        for _ in 0..100 {
            node.token(&shop, ORDERS).await;
        }
        node.app.audit.settle().await;
        assert_eq!(meter.read().await, reading, "the requests sent nothing");
        assert_eq!(recorded().await - before, 100);
        // One record each would be a hundred; a batch may go in halves, and each second has one.
        let sent = node.app.audit.statements_sent() - sent;
        assert!((1..60).contains(&sent), "{sent}");
    }

    async fn a_client_credentials_token_for_a_signed_api_is_issued_with_no_statement_sent_to_the_database(world: World) {
        let node = &world.node;
        let shop = furnish(world).await;
        let mut meter = Meter::of(world).await;
        for params in [
            &[("audience", ORDERS)][..],
            &[("audience", STOCK), ("scope", "read:stock"), ("validity_period", "60")],
            &[("resource", ORDERS), ("resource", STOCK)],
        ] {
            node.ask(&shop, params).await.expect(StatusCode::OK);
            let before = meter.read().await;
            for _ in 0..100 {
                node.ask(&shop, params).await.expect(StatusCode::OK);
            }
            assert_eq!(meter.read().await, before, "{params:?}");
        }
    }

    async fn the_count_notices_a_token_that_is_stored(world: World) {
        let node = &world.node;
        let shop = furnish(world).await;
        let mut meter = Meter::of(world).await;
        node.token(&shop, NOTES).await;
        let (counted, sessions) = meter.read().await;
        node.token(&shop, NOTES).await;
        let (counted_after, sessions_after) = meter.read().await;
        assert!(counted_after > counted);
        let is_postgres = world.database.backend() == Backend::Postgres;
        assert_eq!(sessions_after != sessions, is_postgres, "{sessions:?} {sessions_after:?}");
    }

    async fn a_signed_token_that_is_not_revoked_is_introspected_with_no_statement(world: World) {
        let node = &world.node;
        let shop = furnish(world).await;
        let management = node.admin_token().await;
        let (token, revoked) = (node.token(&shop, ORDERS).await, node.token(&shop, ORDERS).await);
        node.revoke(&shop, &revoked).await;
        assert!(node.is_active(&shop, &token).await);
        let mut meter = Meter::of(world).await;
        let before = meter.read().await;
        for _ in 0..50 {
            assert!(node.is_active(&shop, &token).await);
            assert!(node.is_active_to(&management, &token).await);
            // One revoked lately is remembered exactly.
            assert!(!node.is_active(&shop, &revoked).await);
        }
        assert_eq!(meter.read().await, before);
    }

    async fn a_refusal_asks_no_more_than_a_token(world: World) {
        let node = &world.node;
        let shop = furnish(world).await;
        let wrong = Credentials { secret: "wrong".repeat(8), ..shop.clone() };
        let nobody = Credentials { id: "NobodyAtAllWithThirtyTwoLetters0".into(), ..shop.clone() };
        let mut meter = Meter::of(world).await;
        let refusals = async || {
            node.ask(&wrong, &[("audience", ORDERS)]).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
            node.ask(&nobody, &[("audience", ORDERS)]).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
            node.ask(&shop, &[("audience", "https://unknown.example/")]).await.expect_error(StatusCode::FORBIDDEN, "access_denied");
            node.ask(&shop, &[("resource", "https://unknown.example/")]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
            node.ask(&shop, &[("audience", ORDERS), ("scope", "read:stock")]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
        };
        refusals().await;
        let before = meter.read().await;
        for _ in 0..20 {
            refusals().await;
        }
        assert_eq!(meter.read().await, before);
    }
}
