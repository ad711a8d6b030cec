//! Families: what came from one authorization of a user, ended as one.

use super::revocations::{self, KEPT_SECONDS};
use super::{Write, execute, tokens};
use crate::model::fault::Fault;
use crate::model::token::family_name;

/// Ends a family: its refresh tokens, its stored tokens, and by its name its signed ones. Doing it
/// twice is doing it once, and false.
///
/// # Errors
/// A fault of the store.
pub async fn revoke(tx: &mut Write, family: &str, now: i64) -> Result<bool, Fault> {
    execute!(tx, "delete from refresh_families where id = $1", family)?;
    tokens::delete_family(tx, family).await?;
    let ends_at = now.saturating_add(KEPT_SECONDS);
    revocations::revoke_token(tx, &family_name(family), ends_at).await
}
