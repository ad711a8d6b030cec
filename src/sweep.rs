//! Removes what has expired, in bounded batches.

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Sweep;
use crate::model::change::Change;
use crate::model::fault::Fault;
use crate::store::revocations::{self, Revocation};
use crate::store::{Store, apis, assertions, feed, keys, tokens};

/// Sweeps every `sweep.interval_seconds` until `stop`.
pub async fn run(store: Store, clock: Clock, config: Sweep, stop: CancellationToken) {
    let sweeping = async {
        loop {
            sleep(config.interval).await;
            match once(&store, clock.now(), config.batch_rows_max).await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "swept"),
                Err(fault) => tracing::warn!(%fault, "the sweep did not finish"),
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

/// Stored tokens that a wholesale revocation covers are removed first; the revocation itself goes
/// when it covers nothing any more. The write door is taken only where there is something to do.
async fn sweep_covered(store: &Store, now: i64, rows_max: i64) -> Result<u64, Fault> {
    let mut swept = 0;
    let revocations = revocations::all(&mut *store.read().await?).await?;
    for Revocation {
        covered,
        number,
        ends_at,
    } in &revocations
    {
        while tokens::is_any_covered(&mut *store.read().await?, covered, *number).await? {
            let mut tx = store.write().await?;
            swept += tokens::sweep_covered(&mut tx, covered, *number, rows_max).await?;
            tx.commit(now).await?;
        }
        if *ends_at <= now {
            let mut tx = store.write().await?;
            revocations::forget(&mut tx, covered, *number).await?;
            tx.commit(now).await?;
        }
    }
    Ok(swept)
}
