//! Client assertions that have been used: each counts once (RFC 7523 §3, `jti`).

use super::revocations::CLOCKS_APART_SECONDS_MAX;
use super::{Write, execute, run};
use crate::model::fault::Fault;

/// Takes an assertion for a request, by the request's mark; true where it is this request's. The
/// first to come has it, also within one transaction, and keeps it however often it asks: a run
/// that is repeated because its outcome was unknown finds its own mark.
pub(super) async fn redeem(
    tx: &mut Write,
    digest: &str,
    mark: &str,
    ends_at: i64,
) -> Result<bool, Fault> {
    // The idle update makes the row that is there answer, in the one statement.
    let (taken_by,) = run!(
        fetch_one,
        tx,
        (String,),
        "insert into used_assertions (digest, mark, ends_at) values ($1, $2, $3)
         on conflict (digest) do update set mark = used_assertions.mark returning mark",
        digest,
        mark,
        ends_at
    )?;
    Ok(taken_by == mark)
}

/// Removes up to `rows_max` records of assertions that would be refused anyway, also by a node
/// whose clock is behind.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, now: i64, rows_max: i64) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from used_assertions where digest in (
            select digest from used_assertions where ends_at <= $1 order by ends_at limit $2)",
        now.saturating_sub(CLOCKS_APART_SECONDS_MAX),
        rows_max
    )
}
