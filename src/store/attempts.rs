//! Buckets of attempts: each attempt fills its bucket by a step, and time empties it. One statement
//! an attempt, so that any number of parallel ones on any number of nodes never get more than fits.

use super::{Conn, Write, execute, run};
use crate::model::fault::Fault;

/// A bucket's name.
#[derive(Clone, Copy, Debug)]
pub struct Bucket<'a> {
    /// What is attempted, and by what it is counted.
    pub kind: &'a str,
    /// Of whom: an account's digest, or an address.
    pub subject: &'a str,
}

/// How much a bucket holds, in milliseconds of its emptying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What an attempt takes.
    pub step_ms: i64,
    /// What fits.
    pub full_ms: i64,
}

/// Fills the bucket by a step where one fits; true where it did.
///
/// # Errors
/// A fault of the store.
pub async fn take(
    tx: &mut Write,
    bucket: Bucket<'_>,
    room: Room,
    now_ms: i64,
) -> Result<bool, Fault> {
    let taken = execute!(
        tx,
        "insert into attempts (kind, subject, spent_until_ms) values ($1, $2, $3 + $4)
         on conflict (kind, subject) do update set spent_until_ms = $4 +
            case when attempts.spent_until_ms > $3 then attempts.spent_until_ms else $3 end
         where attempts.spent_until_ms + $4 <= $3 + $5",
        bucket.kind,
        bucket.subject,
        now_ms,
        room.step_ms,
        room.full_ms
    )?;
    Ok(taken > 0)
}

/// Takes a step out of the bucket again.
///
/// # Errors
/// A fault of the store.
pub async fn give_back(tx: &mut Write, bucket: Bucket<'_>, step_ms: i64) -> Result<(), Fault> {
    execute!(
        tx,
        "update attempts set spent_until_ms = spent_until_ms - $3 where kind = $1 and subject = $2",
        bucket.kind,
        bucket.subject,
        step_ms
    )
    .map(drop)
}

/// When the bucket will be empty, unix milliseconds; `None` where nothing is known of it.
///
/// # Errors
/// A fault of the store.
pub async fn spent_until(conn: &mut Conn, bucket: Bucket<'_>) -> Result<Option<i64>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        (i64,),
        "select spent_until_ms from attempts where kind = $1 and subject = $2",
        bucket.kind,
        bucket.subject
    )?;
    Ok(row.map(|(until,)| until))
}

/// Empties the bucket; true where there was one.
///
/// # Errors
/// A fault of the store.
pub async fn clear(tx: &mut Write, bucket: Bucket<'_>) -> Result<bool, Fault> {
    let rows = execute!(
        tx,
        "delete from attempts where kind = $1 and subject = $2",
        bucket.kind,
        bucket.subject
    )?;
    Ok(rows > 0)
}

/// Removes up to `rows_max` buckets that are empty, also by the clock of a node that is behind.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, now: i64, rows_max: i64) -> Result<u64, Fault> {
    let before = now.saturating_sub(super::revocations::CLOCKS_APART_SECONDS_MAX);
    execute!(
        tx,
        "delete from attempts where (kind, subject) in (
            select kind, subject from attempts where spent_until_ms <= $1
            order by spent_until_ms limit $2)",
        before.saturating_mul(1000),
        rows_max
    )
}
