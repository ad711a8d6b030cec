//! The feed: every change with a number that is given in commit order, without gaps.

use super::{Conn, Write, execute, run};
use crate::model::change::Change;
use crate::model::fault::Fault;
use crate::secret;
use crate::store::revocations;

/// Changes are kept this long; a node that was away for longer drops what it knows.
pub const KEPT_SECONDS: i64 = 3600;

/// Most rows in one reading. Whoever is further behind finds a gap, and reads everything anew.
pub const ENTRIES_MAX: i64 = 10_000;

/// A row of the feed.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub n: i64,
    /// Random: another mark under a known number means that history was lost.
    pub mark: String,
    /// What changed.
    pub change: Change,
}

/// One reading: the counter, and the rows from the reader's position on.
#[derive(Debug)]
pub struct Reading {
    /// The newest number given.
    pub counter: i64,
    /// In order; the first is the one that the reader has read last, if it is still there.
    pub entries: Vec<Entry>,
}

/// Appends changes; the counter's row stays locked until the commit. Answers the last number.
pub(super) async fn append(tx: &mut Write, changes: &[Change], now: i64) -> Result<i64, Fault> {
    let mut last = 0;
    for change in changes {
        let (n,) = run!(
            fetch_one,
            tx,
            (i64,),
            "update change_counter set n = n + 1 where id = 1 returning n"
        )?;
        insert(tx, n, change, now).await?;
        if let Change::Revocation(covered) = change {
            revocations::upsert(tx, covered, n, now).await?;
        }
        last = n;
    }
    Ok(last)
}

async fn insert(tx: &mut Write, n: i64, change: &Change, now: i64) -> Result<(), Fault> {
    let (kind, key) = change.to_row();
    execute!(
        tx,
        "insert into changes (n, mark, kind, key, created_at) values ($1, $2, $3, $4, $5)",
        n,
        secret::random_text(8),
        kind,
        key,
        now
    )?;
    Ok(())
}

/// Reads the counter and the rows from `position` on, in one statement so that both are of one moment.
///
/// # Errors
/// A fault of the store.
pub async fn read(conn: &mut Conn, position: i64) -> Result<Reading, Fault> {
    type Row = (
        i64,
        Option<i64>,
        Option<String>,
        Option<String>,
        Option<String>,
    );
    let rows = run!(
        fetch_all,
        conn,
        Row,
        "select c.n, f.n, f.mark, f.kind, f.key
           from change_counter c left join changes f on f.n >= $1
          where c.id = 1
          order by f.n limit $2",
        position,
        ENTRIES_MAX
    )?;
    let counter = rows
        .first()
        .map(|row| row.0)
        .ok_or_else(|| Fault::internal("no change counter"))?;
    let entries = rows
        .into_iter()
        .filter_map(|(_, n, mark, kind, key)| {
            Some(Entry {
                n: n?,
                mark: mark?,
                change: Change::from_row(&kind?, key?),
            })
        })
        .collect();
    Ok(Reading { counter, entries })
}

/// The newest row: its number is the counter's, because the sweep spares it.
///
/// # Errors
/// A fault of the store.
pub async fn newest(conn: &mut Conn) -> Result<(i64, String), Fault> {
    run!(
        fetch_one,
        conn,
        (i64, String),
        "select n, mark from changes order by n desc limit 1"
    )
}

/// The latest time at which a change was made, unix seconds, by the clock of the node that made it.
///
/// # Errors
/// A fault of the store.
pub async fn latest_time(conn: &mut Conn) -> Result<Option<i64>, Fault> {
    let (latest,) = run!(
        fetch_one,
        conn,
        (Option<i64>,),
        "select max(created_at) from changes"
    )?;
    Ok(latest)
}

/// Starts the feed, or raises it after history was lost, so that no number is given twice: the counter
/// becomes `least`, or goes up by one where it is above that. Answers its new number.
///
/// # Errors
/// A fault of the store.
pub async fn raise(tx: &mut Write, least: i64, now: i64) -> Result<i64, Fault> {
    execute!(
        tx,
        "insert into change_counter (id, n) values (1, $1) on conflict (id) do nothing",
        0_i64
    )?;
    let (n,) = run!(
        fetch_one,
        tx,
        (i64,),
        "update change_counter set n = case when n < $1 then $1 else n + 1 end where id = 1 returning n",
        least
    )?;
    insert(tx, n, &Change::Everything, now).await?;
    Ok(n)
}

/// Removes rows older than [`KEPT_SECONDS`], the newest excepted: readers read their last row again.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, now: i64, rows_max: i64) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from changes where n in (
            select n from changes
             where created_at < $1 and n < (select max(n) from changes)
             order by n limit $2)",
        now - KEPT_SECONDS,
        rows_max
    )
}
