//! APIs.

use sqlx::FromRow;

use super::{Conn, Write, execute, run};
use crate::lifetime::{ApiLifetimes, Lifetime, Maximum};
use crate::model::api::{
    Api, ClientPolicy, Dialect, SigningAlgorithm, SigningSecret, SystemApi, UserPolicy,
    system_scopes,
};
use crate::model::described::Described;
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;

/// Columns are named: a newer version's further column must not change what a running node's
/// prepared statements return.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, system, identifier, name, scopes, signing_alg, token_dialect,
                 allow_offline_access, skip_consent_for_verifiable_first_party_clients,
                 client_policy, user_policy, user_grant_seconds, token_lifetime,
                 token_lifetime_for_web, max_token_lifetime, max_is_implied, described, created_at, sealed_signing_secret,
                 signing_secret_ends_at
               from apis ",
            $rest
        )
    };
}

#[derive(FromRow)]
struct ApiRow {
    id: String,
    system: Option<String>,
    identifier: Option<String>,
    name: Option<String>,
    scopes: String,
    signing_alg: String,
    token_dialect: Option<String>,
    allow_offline_access: bool,
    skip_consent_for_verifiable_first_party_clients: bool,
    client_policy: String,
    user_policy: String,
    user_grant_seconds: Option<i64>,
    token_lifetime: i64,
    token_lifetime_for_web: i64,
    max_token_lifetime: Option<i64>,
    max_is_implied: bool,
    described: String,
    created_at: i64,
    sealed_signing_secret: Option<String>,
    signing_secret_ends_at: Option<i64>,
}

impl ApiRow {
    fn into_api(self, issuer: &Issuer) -> Result<Api, Fault> {
        let system = self.system.as_deref().map(parse_system).transpose()?;
        let identifier = match (system, self.identifier) {
            (Some(system), _) => issuer.identifier_of(system),
            (None, Some(identifier)) => identifier,
            (None, None) => {
                return Err(Fault::internal(format_args!(
                    "API {} has no identifier",
                    self.id
                )));
            }
        };
        let scopes = match system {
            Some(system) => system_scopes(system),
            None => super::parse_json(&self.scopes)?,
        };
        let max_token_lifetime = match self.max_token_lifetime {
            _ if self.max_is_implied => Maximum::ImpliedNever,
            None => Maximum::Unset,
            Some(seconds) => Maximum::Set(lifetime(seconds)?),
        };
        let ends_at = self.signing_secret_ends_at;
        let signing_secret = self
            .sealed_signing_secret
            .map(|sealed| SigningSecret { sealed, ends_at });
        Ok(Api {
            identifier,
            system,
            name: self.name,
            scopes,
            signing_alg: known(
                SigningAlgorithm::parse(&self.signing_alg),
                &self.signing_alg,
            )?,
            signing_secret,
            token_dialect: match self.token_dialect {
                Some(text) => Some(known(Dialect::parse(&text), &text)?),
                None => None,
            },
            allow_offline_access: self.allow_offline_access,
            skip_consent_for_verifiable_first_party_clients: self
                .skip_consent_for_verifiable_first_party_clients,
            client_policy: known(
                ClientPolicy::parse(&self.client_policy),
                &self.client_policy,
            )?,
            user_policy: known(UserPolicy::parse(&self.user_policy), &self.user_policy)?,
            user_grant_seconds: self.user_grant_seconds,
            lifetimes: ApiLifetimes {
                token_lifetime: lifetime(self.token_lifetime)?,
                token_lifetime_for_web: self.token_lifetime_for_web,
                max_token_lifetime,
            },
            described: Described(super::parse_json(&self.described)?),
            created_at: self.created_at,
            id: self.id,
        })
    }
}

pub(super) fn parse_system(text: &str) -> Result<SystemApi, Fault> {
    match text {
        "management" => Ok(SystemApi::Management),
        "mfa" => Ok(SystemApi::Mfa),
        _ => Err(Fault::internal(format_args!("unknown system API '{text}'"))),
    }
}

fn system_text(system: SystemApi) -> &'static str {
    match system {
        SystemApi::Management => "management",
        SystemApi::Mfa => "mfa",
    }
}

/// A value that a newer version has written is a fault here, never taken for another one.
pub(super) fn known<T>(parsed: Option<T>, text: &str) -> Result<T, Fault> {
    parsed.ok_or_else(|| {
        Fault::internal(format_args!(
            "the store holds '{text}', which this version does not know"
        ))
    })
}

pub(super) fn lifetime(seconds: i64) -> Result<Lifetime, Fault> {
    Lifetime::from_seconds(seconds)
        .ok_or_else(|| Fault::internal("the store holds a lifetime of 0"))
}

/// The maximum as its two columns.
fn maximum_columns(maximum: Maximum) -> (Option<i64>, bool) {
    match maximum {
        Maximum::Unset => (None, false),
        Maximum::ImpliedNever => (None, true),
        Maximum::Set(lifetime) => (Some(lifetime.as_integer()), false),
    }
}

/// The signing secret as its two columns.
fn secret_columns(api: &Api) -> (Option<&str>, Option<i64>) {
    let secret = api.signing_secret.as_ref();
    (
        secret.map(|secret| secret.sealed.as_str()),
        secret.and_then(|secret| secret.ends_at),
    )
}

/// Stores a new API; false where its identifier (or system place) is taken.
///
/// # Errors
/// A fault of the store.
pub async fn insert(tx: &mut Write, api: &Api) -> Result<bool, Fault> {
    let (maximum, is_implied) = maximum_columns(api.lifetimes.max_token_lifetime);
    let scopes = if api.system.is_some() {
        "[]".to_owned()
    } else {
        super::to_json(&api.scopes)?
    };
    let (secret, secret_ends_at) = secret_columns(api);
    let inserted = execute!(
        tx,
        "insert into apis (id, system, identifier, name, scopes, signing_alg, token_dialect,
             allow_offline_access, skip_consent_for_verifiable_first_party_clients, client_policy,
             token_lifetime, token_lifetime_for_web, max_token_lifetime, max_is_implied, described,
             created_at, sealed_signing_secret, signing_secret_ends_at, user_policy,
             user_grant_seconds)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
             $19, $20)
         on conflict do nothing",
        &api.id,
        api.system.map(system_text),
        Some(&api.identifier).filter(|_| api.system.is_none()),
        &api.name,
        scopes,
        api.signing_alg.as_str(),
        api.token_dialect.map(Dialect::as_str),
        api.allow_offline_access,
        api.skip_consent_for_verifiable_first_party_clients,
        api.client_policy.as_str(),
        api.lifetimes.token_lifetime.as_integer(),
        api.lifetimes.token_lifetime_for_web,
        maximum,
        is_implied,
        super::to_json(&api.described.0)?,
        api.created_at,
        secret,
        secret_ends_at,
        api.user_policy.as_str(),
        api.user_grant_seconds
    )?;
    Ok(inserted == 1)
}

/// Overwrites what may change of an API; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn update(tx: &mut Write, api: &Api) -> Result<bool, Fault> {
    let (maximum, is_implied) = maximum_columns(api.lifetimes.max_token_lifetime);
    let scopes = if api.system.is_some() {
        "[]".to_owned()
    } else {
        super::to_json(&api.scopes)?
    };
    let (secret, secret_ends_at) = secret_columns(api);
    let updated = execute!(
        tx,
        "update apis set name = $2, scopes = $3, signing_alg = $4, token_dialect = $5,
             allow_offline_access = $6, skip_consent_for_verifiable_first_party_clients = $7,
             client_policy = $8, token_lifetime = $9, token_lifetime_for_web = $10,
             max_token_lifetime = $11, max_is_implied = $12, described = $13,
             sealed_signing_secret = $14, signing_secret_ends_at = $15, user_policy = $16,
             user_grant_seconds = $17
         where id = $1",
        &api.id,
        &api.name,
        scopes,
        api.signing_alg.as_str(),
        api.token_dialect.map(Dialect::as_str),
        api.allow_offline_access,
        api.skip_consent_for_verifiable_first_party_clients,
        api.client_policy.as_str(),
        api.lifetimes.token_lifetime.as_integer(),
        api.lifetimes.token_lifetime_for_web,
        maximum,
        is_implied,
        super::to_json(&api.described.0)?,
        secret,
        secret_ends_at,
        api.user_policy.as_str(),
        api.user_grant_seconds
    )?;
    Ok(updated == 1)
}

/// Takes the API's row lock, so that a change that was read before is written over nobody's other
/// change; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn lock(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    Ok(execute!(tx, "update apis set id = id where id = $1", id)? == 1)
}

/// Removes an API and its client grants; false where it is gone already.
///
/// # Errors
/// A fault of the store.
pub async fn delete(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    Ok(execute!(tx, "delete from apis where id = $1 and system is null", id)? == 1)
}

/// The API of an identifier; system APIs answer to theirs (`Issuer::system_api`).
///
/// # Errors
/// A fault of the store.
pub async fn by_identifier(conn: &mut Conn, identifier: &str) -> Result<Option<Api>, Fault> {
    let system = conn.issuer().system_api(identifier).map(system_text);
    let row = run!(
        fetch_optional,
        conn,
        ApiRow,
        select!("where identifier = $1 or system = $2"),
        identifier,
        system
    )?;
    row.map(|row| row.into_api(conn.issuer())).transpose()
}

/// The API of an id.
///
/// # Errors
/// A fault of the store.
pub async fn by_id(conn: &mut Conn, id: &str) -> Result<Option<Api>, Fault> {
    let row = run!(fetch_optional, conn, ApiRow, select!("where id = $1"), id)?;
    row.map(|row| row.into_api(conn.issuer())).transpose()
}

/// A system API.
///
/// # Errors
/// A fault of the store.
pub async fn system(conn: &mut Conn, system: SystemApi) -> Result<Option<Api>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        ApiRow,
        select!("where system = $1"),
        system_text(system)
    )?;
    row.map(|row| row.into_api(conn.issuer())).transpose()
}

/// A page of APIs, oldest first, and how many there are in all. The MFA API is not among them: Auth0
/// does not list its own either, and its tools would change or delete whatever is listed.
///
/// # Errors
/// A fault of the store.
pub async fn list(conn: &mut Conn, offset: i64, rows_max: i64) -> Result<(Vec<Api>, i64), Fault> {
    let rows = run!(
        fetch_all,
        conn,
        ApiRow,
        select!(
            "where system is null or system <> $1
             order by created_at, id limit $2 offset $3"
        ),
        system_text(SystemApi::Mfa),
        rows_max,
        offset
    )?;
    let (total,) = run!(
        fetch_one,
        conn,
        (i64,),
        "select count(*) from apis where system is null or system <> $1",
        system_text(SystemApi::Mfa)
    )?;
    let apis = rows
        .into_iter()
        .map(|row| row.into_api(conn.issuer()))
        .collect::<Result<_, _>>()?;
    Ok((apis, total))
}

/// The algorithms that APIs have.
///
/// # Errors
/// A fault of the store.
pub async fn signing_algs(conn: &mut Conn) -> Result<Vec<String>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        (String,),
        "select distinct signing_alg from apis order by signing_alg"
    )?;
    Ok(rows.into_iter().map(|(alg,)| alg).collect())
}

/// The sealed signing secrets of APIs with ids above `after`, in order; at most `rows_max`.
///
/// # Errors
/// A fault of the store.
pub async fn page_of_secrets(
    conn: &mut Conn,
    after: &str,
    rows_max: i64,
) -> Result<Vec<(String, String)>, Fault> {
    run!(
        fetch_all,
        conn,
        (String, String),
        "select id, sealed_signing_secret from apis
          where sealed_signing_secret is not null and id > $1 order by id limit $2",
        after,
        rows_max
    )
}

/// Puts a signing secret's new seal in the place of the old one, unless that has changed meanwhile.
///
/// # Errors
/// A fault of the store.
pub async fn reseal_secret(tx: &mut Write, id: &str, old: &str, new: &str) -> Result<(), Fault> {
    execute!(
        tx,
        "update apis set sealed_signing_secret = $3
          where id = $1 and sealed_signing_secret = $2",
        id,
        old,
        new
    )?;
    Ok(())
}

/// Removes up to `rows_max` signing secrets whose tokens have all ended.
///
/// # Errors
/// A fault of the store.
pub async fn sweep_secrets(tx: &mut Write, now: i64, rows_max: i64) -> Result<u64, Fault> {
    execute!(
        tx,
        "update apis set sealed_signing_secret = null, signing_secret_ends_at = null where id in (
            select id from apis where signing_secret_ends_at <= $1
             order by signing_secret_ends_at limit $2)",
        now,
        rows_max
    )
}
