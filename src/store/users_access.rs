//! Ending what users have at applications: a session, or everything at once.

use super::{Write, execute, refresh_lists, sessions};
use crate::model::change::{Change, Covered};
use crate::model::fault::Fault;

/// Ends a session; false where it is gone already.
///
/// # Errors
/// A fault of the store.
pub async fn end_session(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    sessions::delete(tx, id).await
}

/// Ends every session of a user; how many there were.
///
/// # Errors
/// A fault of the store.
pub async fn end_sessions(tx: &mut Write, user_id: &str) -> Result<u64, Fault> {
    execute!(tx, "delete from sessions where user_id = $1", user_id)
}

/// Signs a user out everywhere: every session, refresh token, access token and unused code ends. What
/// the user has consented to stays.
///
/// # Errors
/// A fault of the store.
pub async fn end_all(tx: &mut Write, user_id: &str) -> Result<(), Fault> {
    end_sessions(tx, user_id).await?;
    refresh_lists::delete_of_user(tx, user_id).await?;
    tx.note(Change::Revocation(Covered::User(user_id.to_owned())));
    Ok(())
}
