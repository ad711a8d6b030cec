//! Removes what has expired, in bounded batches.

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{AuditConfig, Sweep};
use crate::logout;
use crate::model::change::{Change, Covered};
use crate::model::fault::Fault;
use crate::model::instant;
use crate::model::job::KEPT_SECONDS;
use crate::store::revocations::{self, Revocation};
use crate::store::{
    self, Store, apis, assertions, attempts, authorization_codes, feed, jobs, keys,
    known_addresses, pushed_requests, refresh_families, tokens, user_tickets,
};

/// Sweeps every `sweep.interval_seconds` until `stop`.
pub async fn run(
    store: Store,
    clock: Clock,
    (config, kept): (Sweep, AuditConfig),
    stop: CancellationToken,
) {
    let sweeping = async {
        loop {
            sleep(config.interval).await;
            let (now, rows_max) = (clock.now(), config.batch_rows_max);
            let swept = async {
                Ok(once(&store, now, rows_max).await?
                    + logout::end_expired(&store, now).await?
                    + audit(&store, now, &kept, rows_max).await?)
            };
            match swept.await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "swept"),
                Err::<_, Fault>(fault) => tracing::warn!(%fault, "the sweep did not finish"),
            }
        }
    };
    stop.run_until_cancelled(sweeping).await;
}

/// Sweeps once; answers how many rows went.
///
/// # Errors
/// A fault of the store.
pub async fn once(store: &Store, now: i64, rows_max: i64) -> Result<u64, Fault> {
    let mut swept = 0;
    loop {
        let mut tx = store.write().await?;
        let rows = tokens::sweep(&mut tx, now, rows_max).await?
            + revocations::sweep(&mut tx, now, rows_max).await?
            + assertions::sweep(&mut tx, now, rows_max).await?
            + attempts::sweep(&mut tx, now, rows_max).await?
            + known_addresses::sweep(&mut tx, now, rows_max).await?
            + user_tickets::sweep(&mut tx, now, rows_max).await?
            + jobs::sweep(&mut tx, now - KEPT_SECONDS, rows_max).await?
            + authorization_codes::sweep(&mut tx, now, rows_max).await?
            + pushed_requests::sweep(&mut tx, now, rows_max).await?
            + refresh_families::sweep(&mut tx, now, rows_max).await?
            + apis::sweep_secrets(&mut tx, now, rows_max).await?
            + feed::sweep(&mut tx, now, rows_max).await?;
        let keys = keys::sweep(&mut tx, now, rows_max).await?;
        for algorithm in &keys {
            tx.note(Change::SigningKeys(algorithm.clone()));
        }
        tx.commit(now).await?;
        let rows = rows + u64::try_from(keys.len()).unwrap_or(u64::MAX);
        swept += rows;
        if rows == 0 {
            break;
        }
    }
    Ok(swept + sweep_covered(store, now, rows_max).await?)
}

/// Removes records and counts that are older than they are kept; answers how many rows went.
///
/// # Errors
/// A fault of the store.
pub async fn audit(
    store: &Store,
    now: i64,
    kept: &AuditConfig,
    rows_max: i64,
) -> Result<u64, Fault> {
    const DAY_SECONDS: i64 = 86_400;
    let before_ms = (now - kept.retention_days * DAY_SECONDS).saturating_mul(1000);
    let before_day = instant::to_day(now - kept.stats_retention_days * DAY_SECONDS);
    let mut swept = 0;
    loop {
        let mut tx = store.write().await?;
        let rows = store::audit::sweep(&mut tx, before_ms, now, rows_max).await?
            + store::issuances::sweep(&mut tx, before_day, rows_max).await?;
        tx.commit(now).await?;
        if rows == 0 {
            return Ok(swept);
        }
        swept += rows;
    }
}

/// Stored tokens, refresh tokens and sessions that a wholesale revocation covers are removed first; the
/// revocation itself goes when it covers nothing any more. The write door is taken only where there is
/// something to do.
async fn sweep_covered(store: &Store, now: i64, rows_max: i64) -> Result<u64, Fault> {
    let mut swept = 0;
    let revocations = revocations::all(&mut *store.read().await?).await?;
    for Revocation {
        covered,
        number,
        ends_at,
        ..
    } in &revocations
    {
        while tokens::is_any_covered(&mut *store.read().await?, covered, *number).await? {
            let mut tx = store.write().await?;
            swept += tokens::sweep_covered(&mut tx, covered, *number, rows_max).await?;
            tx.commit(now).await?;
        }
        swept += sweep_covered_families(store, (covered, *number), now, rows_max).await?;
        swept += logout::end_covered(store, (covered, *number), now).await?;
        if *ends_at <= now {
            let mut tx = store.write().await?;
            revocations::forget(&mut tx, covered, *number).await?;
            tx.commit(now).await?;
        }
    }
    Ok(swept)
}

/// Refresh tokens outlive the revocation, so none that it covers may be left when it goes.
async fn sweep_covered_families(
    store: &Store,
    (covered, number): (&Covered, i64),
    now: i64,
    rows_max: i64,
) -> Result<u64, Fault> {
    let mut swept = 0;
    loop {
        let mut conn = store.read().await?;
        let ids = refresh_families::covered(&mut conn, covered, number, rows_max).await?;
        drop(conn);
        if ids.is_empty() {
            return Ok(swept);
        }
        let mut tx = store.write().await?;
        for id in &ids {
            swept += u64::from(refresh_families::delete(&mut tx, id).await?);
        }
        tx.commit(now).await?;
    }
}
