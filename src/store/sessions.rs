//! Sessions: users' sign-ins, under the keyed digest of the cookie's text.

use sqlx::FromRow;

use super::{Conn, Write, execute, parse_json, run, to_json};
use crate::model::fault::Fault;
use crate::model::session::{Device, Session, SessionLifetimes};

/// The longest that a use goes unrecorded, in seconds: the row is touched seldom.
pub const TOUCHED_EVERY_SECONDS: i64 = 60;

macro_rules! select {
    ($($rest:tt)*) => {
        concat!(
            "select id, user_id, position, amr, is_persistent, initial_ip, initial_user_agent, last_ip,
                 last_user_agent, metadata, created_at, updated_at, authenticated_at,
                 last_interacted_at, expires_at
               from sessions ",
            $($rest)*
        )
    };
}

#[derive(FromRow)]
pub(super) struct SessionRow {
    id: String,
    user_id: String,
    position: i64,
    amr: String,
    is_persistent: bool,
    initial_ip: Option<String>,
    initial_user_agent: Option<String>,
    last_ip: Option<String>,
    last_user_agent: Option<String>,
    metadata: String,
    created_at: i64,
    updated_at: i64,
    authenticated_at: i64,
    last_interacted_at: i64,
    expires_at: i64,
}

impl SessionRow {
    /// True where it is the session of this id.
    pub(super) fn is(&self, id: &str) -> bool {
        self.id == id
    }

    pub(super) fn into_session(self) -> Result<Session, Fault> {
        Ok(Session {
            id: self.id,
            user_id: self.user_id,
            position: self.position,
            amr: parse_json(&self.amr)?,
            is_persistent: self.is_persistent,
            device: Device {
                initial_ip: self.initial_ip,
                initial_user_agent: self.initial_user_agent,
                last_ip: self.last_ip,
                last_user_agent: self.last_user_agent,
            },
            metadata: parse_json(&self.metadata)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
            authenticated_at: self.authenticated_at,
            last_interacted_at: self.last_interacted_at,
            expires_at: self.expires_at,
        })
    }
}

/// Stores a new session; false where its user is gone.
///
/// # Errors
/// A fault of the store.
pub async fn insert(tx: &mut Write, session: &Session, cookie_digest: &str) -> Result<bool, Fault> {
    let inserted = execute!(
        tx,
        "insert into sessions (id, cookie_digest, user_id, position, amr, is_persistent, initial_ip,
             initial_user_agent, last_ip, last_user_agent, metadata, created_at, updated_at,
             authenticated_at, last_interacted_at, expires_at)
         select $1, $2, user_id, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
           from users where user_id = $3",
        &session.id,
        cookie_digest,
        &session.user_id,
        session.position,
        to_json(&session.amr)?,
        session.is_persistent,
        &session.device.initial_ip,
        &session.device.initial_user_agent,
        &session.device.last_ip,
        &session.device.last_user_agent,
        to_json(&session.metadata)?,
        session.created_at,
        session.updated_at,
        session.authenticated_at,
        session.last_interacted_at,
        session.expires_at
    )?;
    Ok(inserted == 1)
}

/// The session of a cookie.
///
/// # Errors
/// A fault of the store.
pub async fn by_cookie(conn: &mut Conn, cookie_digest: &str) -> Result<Option<Session>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        SessionRow,
        select!("where cookie_digest = $1"),
        cookie_digest
    )?;
    row.map(SessionRow::into_session).transpose()
}

/// The session of an id (`sid`).
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Session>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        SessionRow,
        select!("where id = $1"),
        id
    )?;
    row.map(SessionRow::into_session).transpose()
}

/// The same user has signed in once more in the same browser: the session goes on under another
/// cookie, so that one that was seen before is worth nothing. False where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn renew(tx: &mut Write, session: &Session, cookie_digest: &str) -> Result<bool, Fault> {
    let renewed = execute!(
        tx,
        "update sessions set cookie_digest = $2, position = $3, amr = $4, is_persistent = $5,
             last_ip = $6, last_user_agent = $7, updated_at = $8, authenticated_at = $9,
             last_interacted_at = $10, expires_at = $11
          where id = $1",
        &session.id,
        cookie_digest,
        session.position,
        to_json(&session.amr)?,
        session.is_persistent,
        &session.device.last_ip,
        &session.device.last_user_agent,
        session.updated_at,
        session.authenticated_at,
        session.last_interacted_at,
        session.expires_at
    )?;
    Ok(renewed == 1)
}

/// Records a use, where the last one that was recorded is old enough.
pub(super) async fn touch(tx: &mut Write, id: &str, now: i64) -> Result<bool, Fault> {
    let touched = execute!(
        tx,
        "update sessions set last_interacted_at = $2, updated_at = $2
          where id = $1 and last_interacted_at <= $3",
        id,
        now,
        now.saturating_sub(TOUCHED_EVERY_SECONDS)
    )?;
    Ok(touched == 1)
}

/// Records that a session has signed the user in to an application. Only where it is one more is the row
/// locked: whoever ends the session reads who is to be told under that lock.
pub(super) async fn note_client(
    tx: &mut Write,
    (id, client_id): (&str, &str),
    now: i64,
) -> Result<bool, Fault> {
    let locked = execute!(
        tx,
        "update sessions set id = id where id = $1 and not exists
             (select 1 from session_clients where session_id = $1 and client_id = $2)",
        id,
        client_id
    )?;
    if locked == 0 {
        return Ok(false);
    }
    let noted = execute!(
        tx,
        "insert into session_clients (session_id, client_id, created_at)
         select $1, client_id, $3 from applications where client_id = $2
         on conflict (session_id, client_id) do nothing",
        id,
        client_id,
        now
    )?;
    Ok(noted == 1)
}

/// The applications that a session has signed the user in to, oldest first.
///
/// # Errors
/// A fault of the store.
pub async fn clients(conn: &mut Conn, id: &str) -> Result<Vec<String>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        (String,),
        "select client_id from session_clients where session_id = $1
          order by created_at, client_id",
        id
    )?;
    Ok(rows.into_iter().map(|(client_id,)| client_id).collect())
}

/// The ids of up to `rows_max` sessions of a user, oldest first.
///
/// # Errors
/// A fault of the store.
pub async fn ids_of_user(
    conn: &mut Conn,
    user_id: &str,
    rows_max: i64,
) -> Result<Vec<String>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        (String,),
        "select id from sessions where user_id = $1 order by created_at, id limit $2",
        user_id,
        rows_max
    )?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Takes the session's row lock; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn lock(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    let locked = execute!(tx, "update sessions set id = id where id = $1", id)?;
    Ok(locked == 1)
}

/// The ids of up to `rows_max` sessions, of one user or of all, that began before a change had this number.
///
/// # Errors
/// A fault of the store.
pub async fn begun_before(
    conn: &mut Conn,
    user_id: Option<&str>,
    number: i64,
    rows_max: i64,
) -> Result<Vec<String>, Fault> {
    let rows = match user_id {
        Some(user_id) => run!(
            fetch_all,
            conn,
            (String,),
            "select id from sessions where user_id = $1 and position < $2 limit $3",
            user_id,
            number,
            rows_max
        ),
        None => run!(
            fetch_all,
            conn,
            (String,),
            "select id from sessions where position < $1 limit $2",
            number,
            rows_max
        ),
    }?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The ids of up to `rows_max` sessions that live no more by today's settings of those whose cookie
/// outlives the browser's window, and of the others.
///
/// # Errors
/// A fault of the store.
pub async fn expired(
    conn: &mut Conn,
    (persistent, others): (SessionLifetimes, SessionLifetimes),
    now: i64,
    rows_max: i64,
) -> Result<Vec<String>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        (String,),
        "select id from sessions
          where expires_at <= $1
             or (is_persistent and (authenticated_at <= $2 or last_interacted_at <= $3))
             or (not is_persistent and (authenticated_at <= $4 or last_interacted_at <= $5))
          order by id limit $6",
        now,
        now.saturating_sub(persistent.absolute),
        now.saturating_sub(persistent.idle),
        now.saturating_sub(others.absolute),
        now.saturating_sub(others.idle),
        rows_max
    )?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Removes a session; false where it is gone already. Whoever ends one goes through `logout`, so that
/// applications are told.
///
/// # Errors
/// A fault of the store.
pub async fn delete(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    Ok(execute!(tx, "delete from sessions where id = $1", id)? == 1)
}
