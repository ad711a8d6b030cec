//! Secrets one by one, as an operator looks at them: how old, until when, when last used.

use super::{Conn, Write, execute, run};
use crate::model::fault::Fault;

/// What may be told of a secret.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SecretFacts {
    /// `sec_` and 16 alphanumeric characters.
    pub id: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds; none: it does not expire.
    pub expires_at: Option<i64>,
    /// Unix seconds, to the minute; none: never yet.
    pub last_used_at: Option<i64>,
}

/// The secrets of an application, oldest first; they are few.
///
/// # Errors
/// A fault of the store.
pub async fn of_application(conn: &mut Conn, client_id: &str) -> Result<Vec<SecretFacts>, Fault> {
    run!(
        fetch_all,
        conn,
        SecretFacts,
        "select id, created_at, expires_at, last_used_at
           from application_secrets where client_id = $1 order by created_at, id",
        client_id
    )
}

/// Removes a secret; false where it is gone already.
///
/// # Errors
/// A fault of the store.
pub async fn delete(tx: &mut Write, client_id: &str, id: &str) -> Result<bool, Fault> {
    let deleted = execute!(
        tx,
        "delete from application_secrets where client_id = $1 and id = $2",
        client_id,
        id
    )?;
    Ok(deleted == 1)
}

/// Records that secrets were used, each at a time in unix seconds, where nothing later is recorded.
/// The caller sorts them, so that two nodes' transactions cannot deadlock.
///
/// # Errors
/// A fault of the store.
pub async fn record(tx: &mut Write, uses: &[(String, i64)]) -> Result<(), Fault> {
    for (id, at) in uses {
        execute!(
            tx,
            "update application_secrets set last_used_at = $2
              where id = $1 and (last_used_at is null or last_used_at < $2)",
            id,
            *at
        )?;
    }
    Ok(())
}

/// Removes the secrets of an application that have ended.
///
/// # Errors
/// A fault of the store.
pub async fn delete_ended(tx: &mut Write, client_id: &str, now: i64) -> Result<(), Fault> {
    execute!(
        tx,
        "delete from application_secrets where client_id = $1 and expires_at <= $2",
        client_id,
        now
    )?;
    Ok(())
}
