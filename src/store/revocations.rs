//! What is revoked: single signed tokens, and wholesale everything of an object up to a number.

use super::{Conn, Write, execute, refresh_families, run, tokens};
use crate::lifetime::LONGEST_SIGNED_SECONDS;
use crate::model::change::{Change, Covered};
use crate::model::fault::Fault;
use crate::model::token::family_of;

/// A wholesale revocation is kept this long. A node that is cut off still signs with an old position
/// for `store.stale_seconds_max`, an hour at the most, and those tokens are covered as well.
pub const KEPT_SECONDS: i64 = LONGEST_SIGNED_SECONDS + 3600;

/// The record of a revoked token outlives the token by this much: the clock of a node that still
/// takes it for alive may be behind that of the node that sweeps.
pub const CLOCKS_APART_SECONDS_MAX: i64 = 300;

/// A wholesale revocation: tokens of the object whose position is below the number are revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What it covers.
    pub covered: Covered,
    /// The feed's number of the newest revocation of the object.
    pub number: i64,
    /// The random mark of the feed's row of that number; none where that row has been swept.
    pub mark: Option<String>,
    /// Unix seconds: no signed token that it covers lives longer.
    pub ends_at: i64,
}

/// Revokes everything of an object up to a number: one row per object, newest number only. The caller has
/// the counter locked, because `n` comes from it.
///
/// # Errors
/// A fault of the store.
pub async fn upsert(tx: &mut Write, covered: &Covered, n: i64, now: i64) -> Result<(), Fault> {
    execute!(
        tx,
        "insert into revocations (object, number, ends_at) values ($1, $2, $3)
         on conflict (object) do update set number = excluded.number, ends_at = excluded.ends_at",
        covered.to_key(),
        n,
        now + KEPT_SECONDS
    )?;
    Ok(())
}

/// Every wholesale revocation in force.
///
/// # Errors
/// A fault of the store.
pub async fn all(conn: &mut Conn) -> Result<Vec<Revocation>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        (String, i64, i64, Option<String>),
        "select r.object, r.number, r.ends_at, c.mark
           from revocations r left join changes c on c.n = r.number
          order by r.object"
    )?;
    let revocation = |(object, number, ends_at, mark): (String, i64, i64, Option<String>)| {
        let covered = Covered::from_key(&object);
        if covered.is_none() {
            tracing::warn!(
                object,
                "a newer version revoked something that this one does not know"
            );
        }
        Some(Revocation {
            covered: covered?,
            number,
            mark,
            ends_at,
        })
    };
    Ok(rows.into_iter().filter_map(revocation).collect())
}

/// True where tokens of an object were revoked wholesale, and that is kept still.
///
/// # Errors
/// A fault of the store.
pub async fn is_kept(conn: &mut Conn, covered: &Covered) -> Result<bool, Fault> {
    Ok(run!(
        fetch_optional,
        conn,
        (i64,),
        "select number from revocations where object = $1",
        covered.to_key()
    )?
    .is_some())
}

/// Forgets a wholesale revocation, unless a newer one of the same object came between.
///
/// # Errors
/// A fault of the store.
pub async fn forget(tx: &mut Write, covered: &Covered, number: i64) -> Result<(), Fault> {
    execute!(
        tx,
        "delete from revocations where object = $1 and number = $2",
        covered.to_key(),
        number
    )?;
    Ok(())
}

/// How many revoked tokens are recorded. Those that have ended count until the sweep removes them: by a wrong clock
/// they may seem to have ended.
///
/// # Errors
/// A fault of the store.
pub async fn count_tokens(conn: &mut Conn) -> Result<i64, Fault> {
    let (count,) = run!(
        fetch_one,
        conn,
        (i64,),
        "select count(*) from revoked_tokens"
    )?;
    Ok(count)
}

/// The `jti`s above `after`, in order; at most `rows_max`.
///
/// # Errors
/// A fault of the store.
pub async fn page_of_tokens(
    conn: &mut Conn,
    after: &str,
    rows_max: i64,
) -> Result<Vec<String>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        (String,),
        "select jti from revoked_tokens where jti > $1 order by jti limit $2",
        after,
        rows_max
    )?;
    Ok(rows.into_iter().map(|(jti,)| jti).collect())
}

/// True where the signed token is revoked by itself.
///
/// # Errors
/// A fault of the store.
pub async fn is_token_revoked(conn: &mut Conn, jti: &str) -> Result<bool, Fault> {
    Ok(run!(
        fetch_optional,
        conn,
        (i64,),
        "select expires_at from revoked_tokens where jti = $1",
        jti
    )?
    .is_some())
}

/// Revokes a signed token by its name, until it would have ended; false where it was revoked already.
/// The feed carries it either way, so that an answer that was lost can be given again.
///
/// # Errors
/// A fault of the store.
pub async fn revoke_token(tx: &mut Write, jti: &str, expires_at: i64) -> Result<bool, Fault> {
    tx.note(Change::RevokedToken(jti.to_owned()));
    insert_token(tx, jti, expires_at).await
}

/// Records that a signed token is revoked; doing it twice is doing it once, and false.
async fn insert_token(tx: &mut Write, jti: &str, expires_at: i64) -> Result<bool, Fault> {
    let inserted = execute!(
        tx,
        "insert into revoked_tokens (jti, expires_at) values ($1, $2) on conflict (jti) do nothing",
        jti,
        expires_at
    )?;
    Ok(inserted == 1)
}

/// Removes up to `rows_max` records of tokens that have ended anyway. A family may have got another
/// stored token or refresh token while it ended, which may live longer: that goes first.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, now: i64, rows_max: i64) -> Result<u64, Fault> {
    let before = now.saturating_sub(CLOCKS_APART_SECONDS_MAX);
    let rows = run!(
        fetch_all,
        tx,
        (String,),
        "delete from revoked_tokens where jti in (
            select jti from revoked_tokens where expires_at <= $1 order by expires_at limit $2)
         returning jti",
        before,
        rows_max
    )?;
    for (name,) in &rows {
        if let Some(family) = family_of(name) {
            tokens::delete_family(tx, family).await?;
            refresh_families::delete(tx, family).await?;
        }
    }
    Ok(rows.len().try_into().unwrap_or(u64::MAX))
}
