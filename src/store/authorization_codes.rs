//! Authorization codes, under the keyed digest of their text. Redeemed ones are kept for a while, so
//! that a second use is seen and ends what the first one got.

use sqlx::FromRow;

use super::group::{CodeRedemption, Reach};
use super::{Conn, Write, execute, families, parse_json, refresh_families, run, to_json};
use crate::model::authorization_code::AuthorizationCode;
use crate::model::fault::Fault;

/// How long a code is remembered, in seconds: whoever stole one is late at times.
const KEPT_SECONDS: i64 = 86_400;

#[derive(FromRow)]
struct CodeRow {
    request: String,
    authorized: String,
    created_at: i64,
    expires_at: i64,
}

/// Stores a code, where its application and user are still there: it is worth nothing without them. Its digest
/// is of 256 random bits, so a second row of the same digest is this same request's, run again after an unknown
/// outcome.
pub(super) async fn insert(
    tx: &mut Write,
    digest: &str,
    code: &AuthorizationCode,
) -> Result<bool, Fault> {
    let authorization = &code.authorization;
    let inserted = execute!(
        tx,
        "insert into authorization_codes (digest, family, client_id, user_id, position, request,
             authorized, created_at, expires_at, kept_until)
         select $1, $2, a.client_id, u.user_id, $5, $6, $7, $8, $9, $10
           from applications a, users u where a.client_id = $3 and u.user_id = $4
         on conflict (digest) do nothing",
        digest,
        &authorization.family,
        &authorization.client_id,
        &authorization.user_id,
        authorization.position,
        to_json(&code.request)?,
        to_json(authorization)?,
        code.created_at,
        code.expires_at,
        code.expires_at.saturating_add(KEPT_SECONDS)
    )?;
    Ok(inserted == 1)
}

/// The code of a digest, redeemed or not.
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn, digest: &str) -> Result<Option<AuthorizationCode>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        CodeRow,
        "select request, authorized, created_at, expires_at from authorization_codes
          where digest = $1",
        digest
    )?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(AuthorizationCode {
        authorization: parse_json(&row.authorized)?,
        request: parse_json(&row.request)?,
        created_at: row.created_at,
        expires_at: row.expires_at,
    }))
}

/// What became of a redemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// It is this request's.
    ByThis,
    /// Another request has it: what that one got has ended now.
    ByAnother,
    /// Nobody's yet: to redeem it, more rows of the user have to change.
    NeedsUser,
}

/// Takes a code for a request, by the request's mark. The first to come has it, and keeps it however
/// often it asks: a run that is repeated because its outcome was unknown finds its own mark. Its refresh
/// token begins with it. Anybody else ends the family (RFC 6749 §4.1.2).
pub(super) async fn redeem(
    tx: &mut Write,
    redemption: &CodeRedemption,
    reach: Reach,
    now: i64,
) -> Result<Redeemed, Fault> {
    let CodeRedemption {
        digest,
        family,
        mark,
        refresh,
        ..
    } = redemption;
    if let (Reach::Row, Some(new)) = (reach, refresh)
        && refresh_families::is_full(tx, new).await?
    {
        return Ok(Redeemed::NeedsUser);
    }
    let taken = execute!(
        tx,
        "update authorization_codes set mark = $2
          where digest = $1 and (mark is null or mark = $2)",
        digest,
        mark
    )?;
    if taken == 1 {
        if let Some(new) = refresh {
            refresh_families::insert(tx, new, reach).await?;
        }
        return Ok(Redeemed::ByThis);
    }
    if reach == Reach::Row {
        return Ok(Redeemed::NeedsUser);
    }
    // From now on it is nobody's: whoever had it and runs again does not bring the family back.
    execute!(
        tx,
        "update authorization_codes set mark = '' where digest = $1",
        digest
    )?;
    families::revoke(tx, family, now).await?;
    Ok(Redeemed::ByAnother)
}

/// Removes up to `rows_max` codes that nobody needs to remember.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, now: i64, rows_max: i64) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from authorization_codes where digest in (
            select digest from authorization_codes where kept_until <= $1
             order by kept_until limit $2)",
        now,
        rows_max
    )
}
