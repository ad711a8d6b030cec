//! Lists of the sessions of a user, and what an administrator keeps of one.

use serde_json::{Map, Value};
use sqlx::FromRow;

use super::sessions::SessionRow;
use super::{Conn, PageStart, Write, execute, run, to_json};
use crate::model::fault::Fault;
use crate::model::session::{Session, SessionLifetimes};

/// Which of a user's sessions live: by today's settings, and covered by no wholesale revocation.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// For sessions whose cookie outlives the browser's window.
    pub persistent: SessionLifetimes,
    /// For the others.
    pub ephemeral: SessionLifetimes,
    /// Unix seconds.
    pub now: i64,
}

impl Live {
    /// The latest that a session may have begun, and have been used, to live no more; unix seconds.
    const fn bounds(self, of: SessionLifetimes) -> (i64, i64) {
        (
            self.now.saturating_sub(of.absolute),
            self.now.saturating_sub(of.idle),
        )
    }
}

/// `$1` is the column's, `$2` is now, `$3` to `$6` are the bounds of [`Live`].
macro_rules! live {
    ($column:literal) => {
        concat!(
            "where ",
            $column,
            " = $1 and s.expires_at > $2
           and s.authenticated_at > case when s.is_persistent then $3 else $5 end
           and s.last_interacted_at > case when s.is_persistent then $4 else $6 end
           and not exists (
                select 1 from revocations r
                 where r.object in ('all', 'user ' || s.user_id) and r.number > s.position)"
        )
    };
}

macro_rules! with_clients {
    ($column:literal, $rest:literal) => {
        concat!(
            "select p.*, c.client_id
               from (
                select s.id, s.user_id, s.position, s.amr, s.is_persistent, s.initial_ip,
                     s.initial_user_agent, s.last_ip, s.last_user_agent, s.metadata, s.created_at,
                     s.updated_at, s.authenticated_at, s.last_interacted_at, s.expires_at
                  from sessions s ",
            live!($column),
            $rest,
            ") p
               left join session_clients c on c.session_id = p.id
              order by p.created_at, p.id, c.created_at, c.client_id"
        )
    };
}

/// A session of a list, once for each of its applications.
#[derive(FromRow)]
struct ListRow {
    #[sqlx(flatten)]
    session: SessionRow,
    client_id: Option<String>,
}

/// A page of a user's live sessions with the applications that each has signed the user in to, both
/// oldest first.
///
/// # Errors
/// A fault of the store.
pub async fn list(
    conn: &mut Conn,
    (user_id, live): (&str, Live),
    from: &PageStart,
    rows_max: i64,
) -> Result<Vec<(Session, Vec<String>)>, Fault> {
    let (offset, behind_at, behind_id) = from.columns();
    let (began, used) = live.bounds(live.persistent);
    let (ephemeral_began, ephemeral_used) = live.bounds(live.ephemeral);
    let rows = run!(
        fetch_all,
        conn,
        ListRow,
        with_clients!(
            "s.user_id",
            "and (s.created_at > $7 or (s.created_at = $7 and s.id > $8))
             order by s.created_at, s.id limit $9 offset $10"
        ),
        user_id,
        live.now,
        began,
        used,
        ephemeral_began,
        ephemeral_used,
        behind_at,
        behind_id,
        rows_max,
        offset
    )?;
    gather(rows)
}

/// The live session of an id, with its applications.
///
/// # Errors
/// A fault of the store.
pub async fn get(
    conn: &mut Conn,
    id: &str,
    live: Live,
) -> Result<Option<(Session, Vec<String>)>, Fault> {
    let (began, used) = live.bounds(live.persistent);
    let (ephemeral_began, ephemeral_used) = live.bounds(live.ephemeral);
    let rows = run!(
        fetch_all,
        conn,
        ListRow,
        with_clients!("s.id", ""),
        id,
        live.now,
        began,
        used,
        ephemeral_began,
        ephemeral_used
    )?;
    Ok(gather(rows)?.pop())
}

fn gather(rows: Vec<ListRow>) -> Result<Vec<(Session, Vec<String>)>, Fault> {
    let mut listed: Vec<(Session, Vec<String>)> = Vec::new();
    for ListRow { session, client_id } in rows {
        match listed.last_mut() {
            Some((last, clients)) if session.is(&last.id) => clients.extend(client_id),
            _ => listed.push((session.into_session()?, client_id.into_iter().collect())),
        }
    }
    Ok(listed)
}

/// How many live sessions a user has.
///
/// # Errors
/// A fault of the store.
pub async fn count(conn: &mut Conn, user_id: &str, live: Live) -> Result<i64, Fault> {
    let (began, used) = live.bounds(live.persistent);
    let (ephemeral_began, ephemeral_used) = live.bounds(live.ephemeral);
    let (count,) = run!(
        fetch_one,
        conn,
        (i64,),
        concat!("select count(*) from sessions s ", live!("s.user_id")),
        user_id,
        live.now,
        began,
        used,
        ephemeral_began,
        ephemeral_used
    )?;
    Ok(count)
}

/// Sets what an administrator keeps of a session; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn set_metadata(
    tx: &mut Write,
    id: &str,
    metadata: &Map<String, Value>,
    now: i64,
) -> Result<bool, Fault> {
    let set = execute!(
        tx,
        "update sessions set metadata = $2, updated_at = $3 where id = $1",
        id,
        to_json(metadata)?,
        now
    )?;
    Ok(set == 1)
}
