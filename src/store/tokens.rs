//! Stored tokens: opaque, long and never-expiring ones, under the keyed digest of their text.

use sqlx::FromRow;

use super::{Conn, Write, execute, run};
use crate::model::change::Covered;
use crate::model::fault::Fault;
use crate::model::token::Token;

/// The longest that a use goes unrecorded: `last_used_at` is kept to the hour.
pub const USE_RECORDED_EVERY_SECONDS: i64 = 3600;

#[derive(FromRow)]
struct TokenRow {
    id: String,
    client_id: String,
    subject: String,
    scope: String,
    position: i64,
    issued_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
}

/// A stored token and when it was last seen in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// What it says.
    pub token: Token,
    /// Unix seconds, to the hour.
    pub last_used_at: Option<i64>,
}

/// Stores a token. Its digest is of 256 random bits, so a second row of the same digest is this
/// same request's, run again after an unknown outcome.
pub(super) async fn insert(tx: &mut Write, digest: &str, token: &Token) -> Result<bool, Fault> {
    let inserted = execute!(
        tx,
        "insert into tokens (digest, id, client_id, subject, scope, position, issued_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (digest) do nothing",
        digest,
        &token.jti,
        &token.client_id,
        &token.subject,
        &token.scope,
        token.position,
        token.issued_at,
        token.expires_at
    )?;
    if inserted == 0 {
        return Ok(false);
    }
    for (ordinal, audience) in (0_i64..).zip(&token.audiences) {
        execute!(
            tx,
            "insert into token_apis (token_id, ordinal, audience) values ($1, $2, $3)",
            &token.jti,
            ordinal,
            audience
        )?;
    }
    Ok(true)
}

/// The token of a digest.
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn, digest: &str) -> Result<Option<StoredToken>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        TokenRow,
        "select id, client_id, subject, scope, position, issued_at, expires_at, last_used_at
           from tokens where digest = $1",
        digest
    )?;
    let Some(row) = row else { return Ok(None) };
    let audiences = run!(
        fetch_all,
        conn,
        (String,),
        "select audience from token_apis where token_id = $1 order by ordinal",
        &row.id
    )?;
    let audiences = audiences.into_iter().map(|(audience,)| audience).collect();
    Ok(Some(StoredToken {
        last_used_at: row.last_used_at,
        token: row.into_token(audiences),
    }))
}

impl TokenRow {
    fn into_token(self, audiences: Vec<String>) -> Token {
        Token {
            jti: self.id,
            position: self.position,
            client_id: self.client_id,
            subject: self.subject,
            audiences,
            scope: self.scope,
            issued_at: self.issued_at,
            expires_at: self.expires_at,
        }
    }
}

/// Removes the token of a digest; false where it is gone already.
pub(super) async fn delete(tx: &mut Write, digest: &str) -> Result<bool, Fault> {
    Ok(execute!(tx, "delete from tokens where digest = $1", digest)? == 1)
}

/// Records a use, where the last one recorded is an hour old; false otherwise.
pub(super) async fn record_use(tx: &mut Write, digest: &str, now: i64) -> Result<bool, Fault> {
    let updated = execute!(
        tx,
        "update tokens set last_used_at = $2
          where digest = $1 and (last_used_at is null or last_used_at <= $3)",
        digest,
        now,
        now - USE_RECORDED_EVERY_SECONDS
    )?;
    Ok(updated == 1)
}

/// How many tokens are out that never expire.
///
/// # Errors
/// A fault of the store.
pub async fn count_never_expiring(conn: &mut Conn) -> Result<i64, Fault> {
    let (count,) = run!(
        fetch_one,
        conn,
        (i64,),
        "select count(*) from tokens where expires_at is null"
    )?;
    Ok(count)
}

/// Removes up to `rows_max` tokens that have ended.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, now: i64, rows_max: i64) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from tokens where digest in (
            select digest from tokens where expires_at <= $1 order by expires_at limit $2)",
        now,
        rows_max
    )
}

/// True where a wholesale revocation covers a token that is still there.
///
/// # Errors
/// A fault of the store.
pub async fn is_any_covered(
    conn: &mut Conn,
    covered: &Covered,
    number: i64,
) -> Result<bool, Fault> {
    let row = match covered {
        Covered::Application(client_id) => run!(
            fetch_optional,
            conn,
            (String,),
            "select id from tokens where client_id = $1 and position < $2 limit 1",
            client_id,
            number
        ),
        Covered::Api(audience) => run!(
            fetch_optional,
            conn,
            (String,),
            "select t.id from token_apis a join tokens t on t.id = a.token_id
              where a.audience = $1 and t.position < $2 limit 1",
            audience,
            number
        ),
        Covered::ClientGrant {
            client_id,
            audience,
        } => run!(
            fetch_optional,
            conn,
            (String,),
            "select t.id from token_apis a join tokens t on t.id = a.token_id
              where a.audience = $1 and t.client_id = $2 and t.position < $3 limit 1",
            audience,
            client_id,
            number
        ),
    };
    Ok(row?.is_some())
}

/// Removes up to `rows_max` tokens that a wholesale revocation covers.
///
/// # Errors
/// A fault of the store.
pub async fn sweep_covered(
    tx: &mut Write,
    covered: &Covered,
    number: i64,
    rows_max: i64,
) -> Result<u64, Fault> {
    match covered {
        Covered::Application(client_id) => execute!(
            tx,
            "delete from tokens where digest in (
                select digest from tokens where client_id = $1 and position < $2 limit $3)",
            client_id,
            number,
            rows_max
        ),
        Covered::Api(audience) => execute!(
            tx,
            "delete from tokens where id in (
                select t.id from token_apis a join tokens t on t.id = a.token_id
                 where a.audience = $1 and t.position < $2 limit $3)",
            audience,
            number,
            rows_max
        ),
        Covered::ClientGrant {
            client_id,
            audience,
        } => execute!(
            tx,
            "delete from tokens where id in (
                select t.id from token_apis a join tokens t on t.id = a.token_id
                 where a.audience = $1 and t.client_id = $2 and t.position < $3 limit $4)",
            audience,
            client_id,
            number,
            rows_max
        ),
    }
}
