//! Finds out whether a connection pooler in transaction mode stands between this node and Postgres.
//!
//! Behind one (PgBouncer with `pool_mode = transaction`), each transaction may run on another session of Postgres.
//! Prepared statements, the migration lock and LISTEN belong to a session, so nothing would work reliably; the
//! start refuses instead.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor, PgConnection, Row};
use tokio::time::timeout;

use super::fault;
use crate::model::fault::Fault;

/// How long a transaction may wait to begin. Postgres begins one at once; a pool that has no session left lets it
/// wait.
const BEGIN_MAX: Duration = Duration::from_secs(5);

const POOLED: &str = "store.url leads through a connection pooler in transaction mode (PgBouncer: pool_mode = transaction). \
    Grantor needs sessions of its own, for prepared statements, locks and LISTEN. Let store.url name Postgres itself, \
    or a pool with pool_mode = session";

/// Passes where a connection keeps its session of Postgres.
///
/// # Errors
/// An internal fault that names the cause and the setting where it does not; otherwise a fault of the store.
pub(super) async fn check_session(options: &PgConnectOptions) -> Result<(), Fault> {
    let mut probe = Probe {
        other: options.connect().await.map_err(explain)?,
        own: options.connect().await.map_err(explain)?,
    };
    // A pool hands out the session that was given back last, or the one that has been idle for longest. Each of the
    // two orders gives one of these pools away.
    for end_first in [End::Own, End::Other] {
        if probe.changes_session(end_first).await? {
            return Err(Fault::internal(POOLED));
        }
    }
    Ok(())
}

/// Which of two transactions ends first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Own,
    Other,
}

struct Probe {
    other: PgConnection,
    own: PgConnection,
}

impl Probe {
    /// Whether two transactions of one connection ran in different sessions, while another connection had one too.
    async fn changes_session(&mut self, end_first: End) -> Result<bool, Fault> {
        begin(&mut self.other).await?;
        session(&mut self.other).await?;
        begin(&mut self.own).await?;
        let before = session(&mut self.own).await?;
        if end_first == End::Own {
            end(&mut self.own).await?;
            end(&mut self.other).await?;
        } else {
            end(&mut self.other).await?;
            end(&mut self.own).await?;
        }
        begin(&mut self.own).await?;
        let after = session(&mut self.own).await?;
        end(&mut self.own).await?;
        Ok(before != after)
    }
}

async fn begin(connection: &mut PgConnection) -> Result<(), Fault> {
    let begun = timeout(BEGIN_MAX, connection.execute(sqlx::raw_sql("begin"))).await;
    begun
        .map_err(|_| Fault::internal(POOLED))?
        .map_err(explain)?;
    Ok(())
}

async fn end(connection: &mut PgConnection) -> Result<(), Fault> {
    connection
        .execute(sqlx::raw_sql("commit"))
        .await
        .map_err(explain)?;
    Ok(())
}

/// The number of the session in which the transaction runs.
async fn session(connection: &mut PgConnection) -> Result<i32, Fault> {
    let row = connection
        .fetch_one(sqlx::raw_sql("select pg_backend_pid()"))
        .await
        .map_err(explain)?;
    row.try_get(0).map_err(fault)
}

/// Adds what to do to an error that only a pooler gives.
fn explain(error: sqlx::Error) -> Fault {
    let text = error.to_string();
    if text.contains("statement pooling") {
        return Fault::internal(POOLED);
    }
    if text.contains("unsupported startup parameter") {
        return Fault::internal(format_args!(
            "{text}: the pooler at store.url must let it pass (PgBouncer: ignore_startup_parameters = extra_float_digits), \
             and must keep sessions (pool_mode = session)"
        ));
    }
    fault(error)
}
