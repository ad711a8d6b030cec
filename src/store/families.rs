//! Families: what came from one authorization of a user, ended as one.

use super::revocations::{self, KEPT_SECONDS};
use super::{Write, execute, refresh_families, tokens};
use crate::model::authorization::Authorization;
use crate::model::fault::Fault;
use crate::model::token::family_name;

/// Ends a family: its refresh tokens, its stored tokens, and by its name its signed ones. Doing it
/// twice is doing it once, and false.
///
/// # Errors
/// A fault of the store.
pub async fn revoke(tx: &mut Write, family: &str, now: i64) -> Result<bool, Fault> {
    refresh_families::delete(tx, family).await?;
    tokens::delete_family(tx, family).await?;
    let ends_at = now.saturating_add(KEPT_SECONDS);
    revocations::revoke_token(tx, &family_name(family), ends_at).await
}

/// Ends what a user has consented to for an application at one API, or, without one, to OpenID's scopes
/// alone: the user grant and every refresh token under it, so that none wakes up with the next
/// consent. Access tokens live on. Answers how many families had refresh tokens.
///
/// # Errors
/// A fault of the store.
pub async fn end_grant(
    tx: &mut Write,
    (user_id, client_id): (&str, &str),
    api_id: Option<&str>,
) -> Result<u64, Fault> {
    let place = api_id.unwrap_or("");
    execute!(
        tx,
        "delete from user_grants where user_id = $1 and client_id = $2 and place = $3",
        user_id,
        client_id,
        place
    )?;
    refresh_families::delete_at(tx, (user_id, client_id), place).await
}

/// The same for all that an authorization rests on.
pub(super) async fn end_grants(tx: &mut Write, authorization: &Authorization) -> Result<(), Fault> {
    let whose = (
        authorization.user_id.as_str(),
        authorization.client_id.as_str(),
    );
    for api in &authorization.apis {
        end_grant(tx, whose, Some(&api.api_id)).await?;
    }
    if authorization.apis.is_empty() {
        end_grant(tx, whose, None).await?;
    }
    Ok(())
}

/// Ends a family whose refresh token is given back, and where `takes_grants` also what the
/// authorization rests on. False where its refresh tokens have ended before.
pub(super) async fn give_back(
    tx: &mut Write,
    (family, takes_grants): (&str, bool),
    now: i64,
) -> Result<bool, Fault> {
    let Some(found) = refresh_families::get(tx, family).await? else {
        return Ok(false);
    };
    if takes_grants {
        end_grants(tx, &found.authorization).await?;
    }
    revoke(tx, family, now).await?;
    Ok(true)
}
