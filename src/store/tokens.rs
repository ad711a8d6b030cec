//! Stored tokens: opaque, long and never-expiring ones, under the keyed digest of their text.

use sqlx::FromRow;

use super::{Conn, PageStart, Write, execute, run};
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
    family: Option<String>,
    userinfo_claims: Option<String>,
}

/// The column, which is unset where there are none.
fn claims_column(claims: &[String]) -> Result<Option<String>, Fault> {
    let written = (!claims.is_empty()).then(|| super::to_json(&claims));
    written.transpose()
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
        "insert into tokens (digest, id, client_id, subject, scope, position, issued_at, expires_at,
             family, userinfo_claims)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (digest) do nothing",
        digest,
        &token.jti,
        &token.client_id,
        &token.subject,
        &token.scope,
        token.position,
        token.issued_at,
        token.expires_at,
        &token.family,
        claims_column(&token.userinfo_claims)?
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

/// Columns are named, so that a newer version's further column changes nothing for a running node.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, client_id, subject, scope, position, issued_at, expires_at, last_used_at, family,
                 userinfo_claims
               from tokens ",
            $rest
        )
    };
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
        select!("where digest = $1"),
        digest
    )?;
    with_audiences(conn, row).await
}

async fn with_audiences(
    conn: &mut Conn,
    row: Option<TokenRow>,
) -> Result<Option<StoredToken>, Fault> {
    let Some(row) = row else { return Ok(None) };
    let audiences = audiences(conn, &row.id).await?;
    row.into_stored(audiences).map(Some)
}

/// The APIs of a token, the one named first in front.
async fn audiences(conn: &mut Conn, id: &str) -> Result<Vec<String>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        (String,),
        "select audience from token_apis where token_id = $1 order by ordinal",
        id
    )?;
    Ok(rows.into_iter().map(|(audience,)| audience).collect())
}

impl TokenRow {
    fn into_stored(self, audiences: Vec<String>) -> Result<StoredToken, Fault> {
        let claims = self.userinfo_claims.as_deref().map(super::parse_json);
        Ok(StoredToken {
            last_used_at: self.last_used_at,
            token: Token {
                jti: self.id,
                position: self.position,
                client_id: self.client_id,
                subject: self.subject,
                audiences,
                scope: self.scope,
                issued_at: self.issued_at,
                expires_at: self.expires_at,
                family: self.family,
                userinfo_claims: claims.transpose()?.unwrap_or_default(),
            },
        })
    }
}

/// What a list of stored tokens is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one application.
    pub client_id: Option<String>,
    /// For one API, by its identifier.
    pub audience: Option<String>,
    /// Those that never expire, or those that do.
    pub never_expiring: Option<bool>,
}

/// The active ones among the stored tokens: alive, and covered by no wholesale revocation, whether
/// or not the sweep has been there. `$1` to `$3` are the filter's, `$4` is now.
macro_rules! active {
    () => {
        "where (cast($1 as text) is null or t.client_id = $1)
           and (cast($2 as text) is null or exists (
                select 1 from token_apis a where a.token_id = t.id and a.audience = $2))
           and (cast($3 as boolean) is null or (t.expires_at is null) = $3)
           and (t.expires_at is null or t.expires_at > $4)
           and not exists (
                select 1 from revocations r
                 where r.object in ('all', 'application ' || t.client_id, 'user ' || t.subject)
                   and r.number > t.position)
           and (t.family is null or not exists (
                select 1 from revocations r
                 where r.object = 'users_of ' || t.client_id and r.number > t.position))
           and not exists (
                select 1 from token_apis a join revocations r
                    on r.object in ('api ' || a.audience,
                                    'client_grant ' || t.client_id || ' ' || a.audience,
                                    'user_grant ' || t.client_id || ' ' || a.audience || ' '
                                        || t.subject)
                 where a.token_id = t.id and r.number > t.position)"
    };
}

/// A token of a list, once for each of its APIs.
#[derive(FromRow)]
struct ListRow {
    #[sqlx(flatten)]
    token: TokenRow,
    audience: Option<String>,
}

/// A page of the active stored tokens, oldest first.
///
/// # Errors
/// A fault of the store.
pub async fn list(
    conn: &mut Conn,
    (filter, now): (&Filter, i64),
    from: &PageStart,
    rows_max: i64,
) -> Result<Vec<StoredToken>, Fault> {
    let (offset, behind_at, behind_id) = from.columns();
    let rows = run!(
        fetch_all,
        conn,
        ListRow,
        concat!(
            "select p.id, p.client_id, p.subject, p.scope, p.position, p.issued_at, p.expires_at,
                 p.last_used_at, p.family, p.userinfo_claims, a.audience
               from (
                select t.id, t.client_id, t.subject, t.scope, t.position, t.issued_at, t.expires_at,
                     t.last_used_at, t.family, t.userinfo_claims
                  from tokens t ",
            active!(),
            "  and (t.issued_at > $5 or (t.issued_at = $5 and t.id > $6))
                 order by t.issued_at, t.id limit $7 offset $8) p
               left join token_apis a on a.token_id = p.id
              order by p.issued_at, p.id, a.ordinal"
        ),
        &filter.client_id,
        &filter.audience,
        filter.never_expiring,
        now,
        behind_at,
        behind_id,
        rows_max,
        offset
    )?;
    let mut listed: Vec<StoredToken> = Vec::new();
    for ListRow { token, audience } in rows {
        match listed.last_mut() {
            Some(last) if last.token.jti == token.id => last.token.audiences.extend(audience),
            _ => listed.push(token.into_stored(audience.into_iter().collect())?),
        }
    }
    Ok(listed)
}

/// How many active stored tokens the filter lets through.
///
/// # Errors
/// A fault of the store.
pub async fn count(conn: &mut Conn, filter: &Filter, now: i64) -> Result<i64, Fault> {
    let (count,) = run!(
        fetch_one,
        conn,
        (i64,),
        concat!("select count(*) from tokens t ", active!()),
        &filter.client_id,
        &filter.audience,
        filter.never_expiring,
        now
    )?;
    Ok(count)
}

/// The stored token of an id.
///
/// # Errors
/// A fault of the store.
pub async fn by_id(conn: &mut Conn, id: &str) -> Result<Option<StoredToken>, Fault> {
    let row = run!(fetch_optional, conn, TokenRow, select!("where id = $1"), id)?;
    with_audiences(conn, row).await
}

/// Removes the stored token of an id, which is in force on every node at once: a stored token is read
/// whenever it is presented. False where it is gone already.
///
/// # Errors
/// A fault of the store.
pub async fn delete_by_id(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    Ok(execute!(tx, "delete from tokens where id = $1", id)? == 1)
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

/// The API that a revocation is about, and of whose tokens for it: of which application, of which user.
fn at_api(covered: &Covered) -> (&str, Option<&str>, Option<&str>) {
    match covered {
        Covered::Api(audience) => (audience, None, None),
        Covered::ClientGrant {
            client_id,
            audience,
        } => (audience, Some(client_id), None),
        Covered::UserGrant {
            client_id,
            audience,
            user_id,
        } => (audience, Some(client_id), Some(user_id)),
        // Of no API; none is called so.
        Covered::Application(_) | Covered::UsersOf(_) | Covered::User(_) | Covered::All => {
            ("", None, None)
        }
    }
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
        Covered::UsersOf(client_id) => run!(
            fetch_optional,
            conn,
            (String,),
            "select id from tokens
              where client_id = $1 and family is not null and position < $2 limit 1",
            client_id,
            number
        ),
        Covered::Api(_) | Covered::ClientGrant { .. } | Covered::UserGrant { .. } => {
            let (audience, client_id, subject) = at_api(covered);
            run!(
                fetch_optional,
                conn,
                (String,),
                "select t.id from token_apis a join tokens t on t.id = a.token_id
                  where a.audience = $1 and (cast($2 as text) is null or t.client_id = $2)
                    and (cast($3 as text) is null or (t.subject = $3 and t.family is not null))
                    and t.position < $4 limit 1",
                audience,
                client_id,
                subject,
                number
            )
        }
        Covered::User(subject) => run!(
            fetch_optional,
            conn,
            (String,),
            "select id from tokens where subject = $1 and position < $2 limit 1",
            subject,
            number
        ),
        Covered::All => run!(
            fetch_optional,
            conn,
            (String,),
            "select id from tokens where position < $1 limit 1",
            number
        ),
    };
    Ok(row?.is_some())
}

/// Removes the stored tokens of a family: what came from one authorization of a user. In the order in which
/// batches of the group-commit door go through tokens.
///
/// # Errors
/// A fault of the store.
pub async fn delete_family(tx: &mut Write, family: &str) -> Result<u64, Fault> {
    let rows = run!(
        fetch_all,
        tx,
        (String,),
        "select digest from tokens where family = $1",
        family
    )?;
    let mut digests: Vec<String> = rows.into_iter().map(|(digest,)| digest).collect();
    digests.sort_unstable();
    let mut deleted = 0;
    for digest in &digests {
        deleted += u64::from(delete(tx, digest).await?);
    }
    Ok(deleted)
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
        Covered::UsersOf(client_id) => execute!(
            tx,
            "delete from tokens where digest in (
                select digest from tokens
                 where client_id = $1 and family is not null and position < $2 limit $3)",
            client_id,
            number,
            rows_max
        ),
        Covered::Api(_) | Covered::ClientGrant { .. } | Covered::UserGrant { .. } => {
            let (audience, client_id, subject) = at_api(covered);
            execute!(
                tx,
                "delete from tokens where id in (
                    select t.id from token_apis a join tokens t on t.id = a.token_id
                     where a.audience = $1 and (cast($2 as text) is null or t.client_id = $2)
                       and (cast($3 as text) is null or (t.subject = $3 and t.family is not null))
                       and t.position < $4 limit $5)",
                audience,
                client_id,
                subject,
                number,
                rows_max
            )
        }
        Covered::User(subject) => execute!(
            tx,
            "delete from tokens where digest in (
                select digest from tokens where subject = $1 and position < $2 limit $3)",
            subject,
            number,
            rows_max
        ),
        Covered::All => execute!(
            tx,
            "delete from tokens where digest in (
                select digest from tokens where position < $1 limit $2)",
            number,
            rows_max
        ),
    }
}
