//! Keys: the signing keys, and values sealed under the master key. Only sealed text lies here.

use sqlx::FromRow;

use super::{Conn, Write, execute, run};
use crate::model::fault::Fault;

/// A signing key as stored.
#[derive(Clone, FromRow)]
pub struct KeyRow {
    /// The key's name in token headers and the key set.
    pub kid: String,
    /// The one algorithm that it is used with.
    pub algorithm: String,
    /// `previous`, `current` or `next`.
    pub state: String,
    /// The PKCS #8 private key under the master key.
    pub sealed_private_key: String,
    /// Unix seconds.
    pub created_at: i64,
}

/// Every signing key.
///
/// # Errors
/// A fault of the store.
pub async fn all(conn: &mut Conn) -> Result<Vec<KeyRow>, Fault> {
    run!(
        fetch_all,
        conn,
        KeyRow,
        "select kid, algorithm, state, sealed_private_key, created_at from signing_keys order by created_at, kid"
    )
}

/// Stores a signing key.
///
/// # Errors
/// A fault of the store.
pub async fn insert(tx: &mut Write, key: &KeyRow) -> Result<(), Fault> {
    execute!(
        tx,
        "insert into signing_keys (kid, algorithm, state, sealed_private_key, created_at)
         values ($1, $2, $3, $4, $5)",
        &key.kid,
        &key.algorithm,
        &key.state,
        &key.sealed_private_key,
        key.created_at
    )?;
    Ok(())
}

/// Puts a private key's new seal in the place of the old one.
///
/// # Errors
/// A fault of the store.
pub async fn reseal(tx: &mut Write, kid: &str, sealed: &str) -> Result<(), Fault> {
    execute!(
        tx,
        "update signing_keys set sealed_private_key = $2 where kid = $1",
        kid,
        sealed
    )?;
    Ok(())
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
