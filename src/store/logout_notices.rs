//! Logout notices: who is still to be told that a session has ended. Written with the end itself, taken
//! by whichever node comes first, and kept until they are delivered or given up.

use sqlx::FromRow;

use super::{Conn, Write, execute, run};
use crate::model::fault::Fault;
use crate::model::logout_notice::LogoutNotice;

#[derive(FromRow)]
struct NoticeRow {
    id: String,
    client_id: String,
    user_id: String,
    session_id: String,
    url: String,
    attempts: i64,
    next_attempt_at: i64,
    ends_at: i64,
}

impl NoticeRow {
    fn into_notice(self) -> LogoutNotice {
        LogoutNotice {
            id: self.id,
            client_id: self.client_id,
            user_id: self.user_id,
            session_id: self.session_id,
            url: self.url,
            attempts: self.attempts,
            next_attempt_at: self.next_attempt_at,
            ends_at: self.ends_at,
        }
    }
}

/// Stores a notice.
///
/// # Errors
/// A fault of the store.
pub async fn insert(tx: &mut Write, notice: &LogoutNotice) -> Result<(), Fault> {
    execute!(
        tx,
        "insert into logout_notices (id, client_id, user_id, session_id, url, attempts,
             next_attempt_at, ends_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        &notice.id,
        &notice.client_id,
        &notice.user_id,
        &notice.session_id,
        &notice.url,
        notice.attempts,
        notice.next_attempt_at,
        notice.ends_at
    )?;
    Ok(())
}

/// The notices whose turn it is, those that have waited longest first.
///
/// # Errors
/// A fault of the store.
pub async fn due(conn: &mut Conn, now: i64, rows_max: i64) -> Result<Vec<LogoutNotice>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        NoticeRow,
        "select id, client_id, user_id, session_id, url, attempts, next_attempt_at, ends_at
           from logout_notices where next_attempt_at <= $1
          order by next_attempt_at, id limit $2",
        now,
        rows_max
    )?;
    Ok(rows.into_iter().map(NoticeRow::into_notice).collect())
}

/// Takes a notice as it was read: nobody else does until `until`, unix seconds, so that one whose
/// taker dies comes up again. False where somebody else was first.
///
/// # Errors
/// A fault of the store.
pub async fn take(tx: &mut Write, notice: &LogoutNotice, until: i64) -> Result<bool, Fault> {
    let taken = execute!(
        tx,
        "update logout_notices set attempts = attempts + 1, next_attempt_at = $3
          where id = $1 and attempts = $2",
        &notice.id,
        notice.attempts,
        until
    )?;
    Ok(taken == 1)
}

/// Puts a notice off until `until`, unix seconds, where this attempt is still the last.
///
/// # Errors
/// A fault of the store.
pub async fn put_off(tx: &mut Write, notice: &LogoutNotice, until: i64) -> Result<bool, Fault> {
    let put_off = execute!(
        tx,
        "update logout_notices set next_attempt_at = $3 where id = $1 and attempts = $2",
        &notice.id,
        notice.attempts,
        until
    )?;
    Ok(put_off == 1)
}

/// Removes a notice; false where it is gone already.
///
/// # Errors
/// A fault of the store.
pub async fn delete(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    Ok(execute!(tx, "delete from logout_notices where id = $1", id)? == 1)
}
