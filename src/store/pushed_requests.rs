//! Pushed authorization requests (RFC 9126), under the keyed digest of their reference.

use sqlx::FromRow;

use super::{Conn, Write, execute, parse_json, run, to_json};
use crate::model::authorization::{AuthorizationRequest, Pushed};
use crate::model::fault::Fault;

#[derive(FromRow)]
struct PushedRow {
    request: String,
    expires_at: i64,
}

/// Stores a request. Its digest is of 256 random bits, so a second row of the same digest is this same
/// request's, run again after an unknown outcome.
pub(super) async fn insert(tx: &mut Write, digest: &str, pushed: &Pushed) -> Result<bool, Fault> {
    let inserted = execute!(
        tx,
        "insert into pushed_requests (digest, request, expires_at) values ($1, $2, $3)
         on conflict (digest) do nothing",
        digest,
        to_json(&pushed.request)?,
        pushed.expires_at
    )?;
    Ok(inserted == 1)
}

/// The request of a digest, taken or not.
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn, digest: &str) -> Result<Option<Pushed>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        PushedRow,
        "select request, expires_at from pushed_requests where digest = $1",
        digest
    )?;
    let Some(row) = row else { return Ok(None) };
    let request: AuthorizationRequest = parse_json(&row.request)?;
    Ok(Some(Pushed {
        request,
        expires_at: row.expires_at,
    }))
}

/// Takes a request, which counts once, by the mark of whoever takes it; true where it is theirs,
/// however often they ask.
pub(super) async fn redeem(tx: &mut Write, digest: &str, mark: &str) -> Result<bool, Fault> {
    let taken = execute!(
        tx,
        "update pushed_requests set mark = $2
          where digest = $1 and (mark is null or mark = $2)",
        digest,
        mark
    )?;
    Ok(taken == 1)
}

/// Removes up to `rows_max` requests that nobody can take any more.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, now: i64, rows_max: i64) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from pushed_requests where digest in (
            select digest from pushed_requests where expires_at <= $1
             order by expires_at limit $2)",
        now,
        rows_max
    )
}
