//! Keys: the signing keys, and values sealed under the master key. Only sealed text lies here.

use sqlx::FromRow;

use super::{Conn, Write, execute, run};
use crate::model::fault::Fault;
use crate::model::key::{Key, KeyState};

/// A row of `signing_keys`.
#[derive(FromRow)]
struct KeyRow {
    kid: String,
    algorithm: String,
    generation: i64,
    state: String,
    sealed_private_key: Option<String>,
    certificate: Option<String>,
    created_at: i64,
    current_since: Option<i64>,
    signs_from: Option<i64>,
    current_until: Option<i64>,
    published_until: Option<i64>,
    revoked_at: Option<i64>,
}

impl KeyRow {
    fn into_key(self) -> Result<Key, Fault> {
        Ok(Key {
            state: super::apis::known(KeyState::parse(&self.state), &self.state)?,
            kid: self.kid,
            algorithm: self.algorithm,
            generation: self.generation,
            sealed_private_key: self.sealed_private_key,
            certificate: self.certificate,
            created_at: self.created_at,
            current_since: self.current_since,
            signs_from: self.signs_from,
            current_until: self.current_until,
            published_until: self.published_until,
            revoked_at: self.revoked_at,
        })
    }
}

/// Every signing key, an algorithm's newest first.
///
/// # Errors
/// A fault of the store.
pub async fn all(conn: &mut Conn) -> Result<Vec<Key>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        KeyRow,
        "select kid, algorithm, generation, state, sealed_private_key, certificate, created_at,
             current_since, signs_from, current_until, published_until, revoked_at
           from signing_keys order by algorithm, generation desc"
    )?;
    rows.into_iter().map(KeyRow::into_key).collect()
}

/// Lets nobody else change signing keys until the transaction's end.
///
/// # Errors
/// A fault of the store.
pub async fn lock(tx: &mut Write) -> Result<(), Fault> {
    // The digest key's row is there from the first start, and nothing else ever locks it.
    execute!(
        tx,
        "update sealed_values set name = name where name = 'digest_key'"
    )?;
    Ok(())
}

/// Stores a new signing key; false where its place in the row, or its turn, is taken.
///
/// # Errors
/// A fault of the store.
pub async fn insert(tx: &mut Write, key: &Key) -> Result<bool, Fault> {
    let inserted = execute!(
        tx,
        "insert into signing_keys (kid, algorithm, generation, state, sealed_private_key,
             certificate, created_at, current_since, signs_from, current_until, published_until,
             revoked_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict do nothing",
        &key.kid,
        &key.algorithm,
        key.generation,
        key.state.as_str(),
        &key.sealed_private_key,
        &key.certificate,
        key.created_at,
        key.current_since,
        key.signs_from,
        key.current_until,
        key.published_until,
        key.revoked_at
    )?;
    Ok(inserted == 1)
}

/// Overwrites what changes of a signing key: its turn and times, and the private key, which a
/// revocation takes away.
///
/// # Errors
/// A fault of the store.
pub async fn update(tx: &mut Write, key: &Key) -> Result<(), Fault> {
    execute!(
        tx,
        "update signing_keys set state = $2, sealed_private_key = $3, current_since = $4,
             signs_from = $5, current_until = $6, published_until = $7, revoked_at = $8
         where kid = $1",
        &key.kid,
        key.state.as_str(),
        &key.sealed_private_key,
        key.current_since,
        key.signs_from,
        key.current_until,
        key.published_until,
        key.revoked_at
    )?;
    Ok(())
}

/// Puts the new seal and the certificate of a private key in the place of the old ones, unless the
/// key has been revoked meanwhile.
///
/// # Errors
/// A fault of the store.
pub async fn mend(tx: &mut Write, key: &Key) -> Result<(), Fault> {
    execute!(
        tx,
        "update signing_keys set sealed_private_key = $2, certificate = $3
          where kid = $1 and sealed_private_key is not null",
        &key.kid,
        &key.sealed_private_key,
        &key.certificate
    )?;
    Ok(())
}

/// Forgets the revoked keys of an algorithm, the `kept` newest excepted.
///
/// # Errors
/// A fault of the store.
pub async fn forget_revoked(tx: &mut Write, algorithm: &str, kept: i64) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from signing_keys where algorithm = $1 and state = 'revoked' and kid not in (
            select kid from signing_keys where algorithm = $1 and state = 'revoked'
             order by generation desc limit $2)",
        algorithm,
        kept
    )
}

/// Removes up to `rows_max` keys whose tokens have all ended; answers their algorithms.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, now: i64, rows_max: i64) -> Result<Vec<String>, Fault> {
    let rows = run!(
        fetch_all,
        tx,
        (String,),
        "delete from signing_keys where kid in (
            select kid from signing_keys where published_until <= $1
             order by published_until limit $2)
         returning algorithm",
        now,
        rows_max
    )?;
    Ok(rows.into_iter().map(|(algorithm,)| algorithm).collect())
}

/// A sealed value by name.
///
/// # Errors
/// A fault of the store.
pub async fn sealed(conn: &mut Conn, name: &str) -> Result<Option<String>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        (String,),
        "select sealed from sealed_values where name = $1",
        name
    )?;
    Ok(row.map(|(sealed,)| sealed))
}

/// Stores a sealed value, in the place of an older seal of it.
///
/// # Errors
/// A fault of the store.
pub async fn put_sealed(tx: &mut Write, name: &str, sealed: &str, now: i64) -> Result<(), Fault> {
    execute!(
        tx,
        "insert into sealed_values (name, sealed, created_at) values ($1, $2, $3)
         on conflict (name) do update set sealed = excluded.sealed",
        name,
        sealed,
        now
    )?;
    Ok(())
}
