//! Removes what has expired, in bounded batches.
//!
//! What is removed is gone, also where the clock was wrong: a revocation that goes before its token makes the
//! token active again. So nothing is removed by a clock that has just been set ([`Clock::settled_now`]), that is far
//! from the store's newest records, or that is ahead of the database server's.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, JUMP_SECONDS_MAX, SETTLED_AFTER_FAR_JUMP_SECONDS};
use crate::config::{AuditConfig, Sweep};
use crate::logout;
use crate::model::change::{Change, Covered};
use crate::model::fault::Fault;
use crate::model::instant;
use crate::model::job::KEPT_SECONDS;
use crate::store::revocations::{self, CLOCKS_APART_SECONDS_MAX, Revocation};
use crate::store::{
    self, Conn, Locks, Scope, Store, Write, apis, assertions, attempts, authorization_codes, feed,
    jobs, keys, known_addresses, pushed_requests, refresh_families, tokens, user_tickets,
};

/// Sweeps one node's store again and again.
pub struct Sweeper {
    store: Store,
    clock: Clock,
    config: Sweep,
    kept: AuditConfig,
    /// The clocks of this node and of the database's server were apart in the round before.
    were_apart: AtomicBool,
}

impl Sweeper {
    /// Looks once whether the store's newest records and the clock agree. Where they do not, the log says so, and
    /// nothing is removed for a while.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn start(
        store: &Store,
        clock: &Clock,
        config: &Sweep,
        kept: &AuditConfig,
    ) -> Result<Self, Fault> {
        compare_with_newest(&mut *store.read().await?, clock).await?;
        Ok(Self {
            store: store.clone(),
            clock: clock.clone(),
            config: config.clone(),
            kept: kept.clone(),
            were_apart: AtomicBool::new(false),
        })
    }

    /// Sweeps every `sweep.interval_seconds` until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let sweeping = async {
            loop {
                sleep(self.config.interval).await;
                match self.round().await {
                    Ok(0) => {}
                    Ok(rows) => tracing::debug!(rows, "swept"),
                    Err(fault) => tracing::warn!(%fault, "the sweep did not finish"),
                }
            }
        };
        stop.run_until_cancelled(sweeping).await;
    }

    /// One round; answers how many rows went. None go where the time may not be relied on.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn round(&self) -> Result<u64, Fault> {
        let Some(now) = self.time().await? else {
            return Ok(0);
        };
        let rows_max = self.config.batch_rows_max;
        Ok(once(&self.store, now, rows_max).await?
            + logout::end_expired(&self.store, now).await?
            + audit(&self.store, now, &self.kept, rows_max).await?)
    }

    /// The time by which things have ended: the earlier one of this node's and the database server's, so that one
    /// node whose clock is ahead removes nothing that lives by the clocks of all others.
    async fn time(&self) -> Result<Option<i64>, Fault> {
        let Some(now) = self.clock.settled_now() else {
            return Ok(None);
        };
        let Some(server) = self.store.server_time().await? else {
            return Ok(Some(now));
        };
        let server = self.clock.of_another_machine(server);
        let ahead_seconds = now.saturating_sub(server);
        let are_apart = ahead_seconds.abs() > JUMP_SECONDS_MAX;
        if are_apart && !self.were_apart.swap(are_apart, Ordering::Relaxed) {
            tracing::warn!(
                ahead_seconds,
                "this machine's clock and the database server's differ; what has ended by the earlier one is removed. Set both by NTP."
            );
        }
        self.were_apart.store(are_apart, Ordering::Relaxed);
        Ok(Some(if are_apart { now.min(server) } else { now }))
    }
}

/// The newest records say about what time it is. Those from the future prove that this machine's clock is behind, or
/// that another one was ahead. Old ones prove nothing, since the server may have been off; but a clock that is far
/// ahead of them has to prove itself for longer.
async fn compare_with_newest(conn: &mut Conn, clock: &Clock) -> Result<(), Fault> {
    let now = clock.now();
    let record = store::audit::newest(conn).await?;
    let record = record.map(|date_ms| date_ms.div_euclid(1000));
    let newest = record.max(feed::latest_time(conn).await?);
    let ahead_seconds = newest.map_or(0, |newest| newest.saturating_sub(now));
    if ahead_seconds > CLOCKS_APART_SECONDS_MAX {
        tracing::warn!(
            ahead_seconds,
            "the database holds records from the future: this machine's clock is behind, or that of a machine that wrote them was ahead. Compare `date -u` on every machine with the true time and set the clocks by NTP. What has ended is not removed until this clock has kept pace for a while."
        );
        clock.doubt(ahead_seconds);
    } else if let Some(behind_seconds) = record.map(|record| now.saturating_sub(record))
        && behind_seconds > SETTLED_AFTER_FAR_JUMP_SECONDS
    {
        tracing::info!(
            behind_seconds,
            "the newest record in the database is old: where the server was not off for so long, this machine's clock is ahead. What has ended is not removed until this clock has kept pace for a day."
        );
        clock.doubt(behind_seconds);
    }
    Ok(())
}

/// Removes rows of one kind in a transaction that nobody shares who may lock several of them. Each kind has its own,
/// so that nobody waits for all of them.
macro_rules! in_a_step {
    ($store:expr, $now:expr, |$tx:ident| $removal:expr) => {{
        let locks = Locks::new().exclusive(Scope::Expiring);
        let mut $tx = $store.write_locked(&locks).await?;
        let rows: u64 = $removal.await?;
        $tx.commit($now).await?;
        rows
    }};
}

/// Sweeps once; answers how many rows went.
///
/// # Errors
/// A fault of the store.
pub async fn once(store: &Store, now: i64, rows_max: i64) -> Result<u64, Fault> {
    let mut swept = 0;
    loop {
        let rows = in_a_step!(store, now, |tx| tokens::sweep(&mut tx, now, rows_max))
            + in_a_step!(store, now, |tx| revocations::sweep(&mut tx, now, rows_max))
            + in_a_step!(store, now, |tx| assertions::sweep(&mut tx, now, rows_max))
            + in_a_step!(store, now, |tx| attempts::sweep(&mut tx, now, rows_max))
            + in_a_step!(store, now, |tx| known_addresses::sweep(
                &mut tx, now, rows_max
            ))
            + in_a_step!(store, now, |tx| user_tickets::sweep(&mut tx, now, rows_max))
            + in_a_step!(store, now, |tx| jobs::sweep(
                &mut tx,
                now - KEPT_SECONDS,
                rows_max
            ))
            + in_a_step!(store, now, |tx| authorization_codes::sweep(
                &mut tx, now, rows_max
            ))
            + in_a_step!(store, now, |tx| pushed_requests::sweep(
                &mut tx, now, rows_max
            ))
            + in_a_step!(store, now, |tx| refresh_families::sweep(
                &mut tx, now, rows_max
            ))
            + in_a_step!(store, now, |tx| apis::sweep_secrets(&mut tx, now, rows_max))
            + in_a_step!(store, now, |tx| feed::sweep(&mut tx, now, rows_max))
            + in_a_step!(store, now, |tx| sweep_keys(&mut tx, now, rows_max));
        swept += rows;
        if rows == 0 {
            break;
        }
    }
    Ok(swept + sweep_covered(store, now, rows_max).await?)
}

/// Removes signing keys whose tokens have all ended.
async fn sweep_keys(tx: &mut Write, now: i64, rows_max: i64) -> Result<u64, Fault> {
    keys::lock(tx).await?;
    let algorithms = keys::sweep(tx, now, rows_max).await?;
    for algorithm in &algorithms {
        tx.note(Change::SigningKeys(algorithm.clone()));
    }
    u64::try_from(algorithms.len()).map_err(Fault::internal)
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
        let records = store::audit::sweep;
        let counts = store::issuances::sweep;
        let rows = in_a_step!(store, now, |tx| records(&mut tx, before_ms, now, rows_max))
            + in_a_step!(store, now, |tx| counts(&mut tx, before_day, rows_max));
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
            swept += in_a_step!(store, now, |tx| {
                tokens::sweep_covered(&mut tx, covered, *number, rows_max)
            });
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
        let locks = Locks::new().exclusive(Scope::Expiring);
        let mut tx = store.write_locked(&locks).await?;
        for id in &ids {
            swept += u64::from(refresh_families::delete(&mut tx, id).await?);
        }
        tx.commit(now).await?;
    }
}
