//! Client credentials: public keys of applications (`private_key_jwt`).

use sqlx::FromRow;

use super::apis::known;
use super::{Conn, Write, execute, run};
use crate::model::client_credential::{ClientCredential, CredentialType};
use crate::model::fault::Fault;
use crate::model::public_key::{AssertionAlgorithm, PublicKey};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, credential_type, name, kid, alg, public_key, thumbprint_sha256, expires_at,
                 created_at, updated_at
               from client_credentials ",
            $rest
        )
    };
}

#[derive(FromRow)]
struct CredentialRow {
    id: String,
    credential_type: String,
    name: Option<String>,
    kid: String,
    alg: String,
    public_key: String,
    thumbprint_sha256: Option<String>,
    expires_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl CredentialRow {
    fn into_credential(self) -> Result<ClientCredential, Fault> {
        Ok(ClientCredential {
            credential_type: known(
                CredentialType::parse(&self.credential_type),
                &self.credential_type,
            )?,
            algorithm: known(AssertionAlgorithm::parse(&self.alg), &self.alg)?,
            key: known(PublicKey::from_jwk(&self.public_key), &self.public_key)?,
            id: self.id,
            name: self.name,
            kid: self.kid,
            thumbprint_sha256: self.thumbprint_sha256,
            expires_at: self.expires_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// Stores a credential of an application; false where it has one of this `kid`.
///
/// # Errors
/// A fault of the store.
pub async fn insert(
    tx: &mut Write,
    client_id: &str,
    credential: &ClientCredential,
) -> Result<bool, Fault> {
    let inserted = execute!(
        tx,
        "insert into client_credentials (id, client_id, credential_type, name, kid, alg, public_key,
             thumbprint_sha256, expires_at, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (client_id, kid) do nothing",
        &credential.id,
        client_id,
        credential.credential_type.as_str(),
        &credential.name,
        &credential.kid,
        credential.algorithm.as_str(),
        credential.key.as_jwk(),
        &credential.thumbprint_sha256,
        credential.expires_at,
        credential.created_at,
        credential.updated_at
    )?;
    Ok(inserted == 1)
}

/// The credentials of an application, attached or not, oldest first; they are few.
///
/// # Errors
/// A fault of the store.
pub async fn of_application(
    conn: &mut Conn,
    client_id: &str,
) -> Result<Vec<ClientCredential>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        CredentialRow,
        select!("where client_id = $1 order by created_at, id"),
        client_id
    )?;
    rows.into_iter()
        .map(CredentialRow::into_credential)
        .collect()
}

/// A credential of an application.
///
/// # Errors
/// A fault of the store.
pub async fn get(
    conn: &mut Conn,
    client_id: &str,
    id: &str,
) -> Result<Option<ClientCredential>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        CredentialRow,
        select!("where client_id = $1 and id = $2"),
        client_id,
        id
    )?;
    row.map(CredentialRow::into_credential).transpose()
}

/// Sets the end of a credential, unix seconds; none: it does not expire. False where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn update_end(
    tx: &mut Write,
    (client_id, id): (&str, &str),
    expires_at: Option<i64>,
    now: i64,
) -> Result<bool, Fault> {
    let updated = execute!(
        tx,
        "update client_credentials set expires_at = $3, updated_at = $4
          where client_id = $1 and id = $2",
        client_id,
        id,
        expires_at,
        now
    )?;
    Ok(updated == 1)
}

/// Removes a credential; false where it is gone already.
///
/// # Errors
/// A fault of the store.
pub async fn delete(tx: &mut Write, client_id: &str, id: &str) -> Result<bool, Fault> {
    let deleted = execute!(
        tx,
        "delete from client_credentials where client_id = $1 and id = $2",
        client_id,
        id
    )?;
    Ok(deleted == 1)
}

/// Sets which credentials an application authenticates by; none: it authenticates otherwise.
///
/// # Errors
/// A fault of the store.
pub async fn attach(tx: &mut Write, client_id: &str, ids: Option<&[String]>) -> Result<(), Fault> {
    execute!(
        tx,
        "update applications set private_key_jwt = $2 where client_id = $1",
        client_id,
        ids.map(|ids| super::to_json(&ids)).transpose()?
    )?;
    Ok(())
}
