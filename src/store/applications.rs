//! Applications and their secrets.

use std::sync::OnceLock;

use sqlx::FromRow;

use super::apis::{known, lifetime};
use super::{Conn, PageStart, Write, client_credentials, execute, run};
use crate::lifetime::{ApplicationLifetimes, Lifetime};
use crate::model::api::SigningAlgorithm;
use crate::model::application::{Application, ApplicationSecret, AuthMethod, LastNoted, Verifier};
use crate::model::described::Described;
use crate::model::fault::Fault;
use crate::model::sign_in::{RefreshTerms, SignIn};

/// Columns are named, so that a newer version's further column changes nothing for a running node.
macro_rules! select {
    ($($rest:tt)*) => {
        concat!(
            "select client_id, name, app_type, grant_types, token_endpoint_auth_method, private_key_jwt,
                 resource_server_identifier, application_token_lifetime, user_token_lifetime,
                 expires_at, is_first_party, described, created_at
               from applications ",
            $($rest)*
        )
    };
}

#[derive(FromRow)]
struct ApplicationRow {
    client_id: String,
    name: String,
    app_type: Option<String>,
    grant_types: String,
    token_endpoint_auth_method: Option<String>,
    private_key_jwt: Option<String>,
    resource_server_identifier: Option<String>,
    application_token_lifetime: Option<i64>,
    user_token_lifetime: Option<i64>,
    expires_at: Option<i64>,
    is_first_party: bool,
    described: String,
    created_at: i64,
}

#[derive(FromRow)]
struct SecretRow {
    id: String,
    scheme: String,
    verifier: String,
    expires_at: Option<i64>,
    created_at: i64,
}

impl ApplicationRow {
    fn into_application(self, secrets: Vec<ApplicationSecret>) -> Result<Application, Fault> {
        let method = match &self.token_endpoint_auth_method {
            Some(text) => Some(known(AuthMethod::parse(text), text)?),
            None => None,
        };
        let described = Described(super::parse_json(&self.described)?);
        Ok(Application {
            client_id: self.client_id,
            name: self.name,
            app_type: self.app_type,
            grant_types: super::parse_json(&self.grant_types)?,
            token_endpoint_auth_method: method,
            private_key_jwt: self
                .private_key_jwt
                .map(|ids| super::parse_json(&ids))
                .transpose()?,
            resource_server_identifier: self.resource_server_identifier,
            lifetimes: ApplicationLifetimes {
                application: self.application_token_lifetime.map(lifetime).transpose()?,
                user: self.user_token_lifetime.map(lifetime).transpose()?,
            },
            expires_at: self.expires_at,
            created_at: self.created_at,
            is_first_party: self.is_first_party,
            sign_in: SignIn::of(&described),
            described,
            secrets,
            credentials: Vec::new(),
            request_credentials: Vec::new(),
        })
    }
}

impl SecretRow {
    fn into_secret(self) -> Result<ApplicationSecret, Fault> {
        let verifier = match self.scheme.as_str() {
            "digest" => Verifier::Digest(self.verifier),
            "argon2id" => Verifier::Slow {
                phc: self.verifier,
                matched: OnceLock::new(),
            },
            other => return known(None, other),
        };
        Ok(ApplicationSecret {
            id: self.id,
            verifier,
            expires_at: self.expires_at,
            created_at: self.created_at,
            noted: LastNoted::default(),
        })
    }
}

/// The column, which is unset where there are none.
fn web_origins(application: &Application) -> Result<Option<String>, Fault> {
    let origins = application.web_origins();
    (!origins.is_empty())
        .then(|| super::to_json(&origins))
        .transpose()
}

/// The column: what signs its ID tokens, where it says so.
fn id_token_alg(application: &Application) -> Option<&'static str> {
    let chosen = SignIn::of(&application.described).id_token_alg;
    chosen.map(SigningAlgorithm::as_str)
}

/// The algorithms that applications have chosen for their ID tokens, each once.
///
/// # Errors
/// A fault of the store.
pub async fn id_token_algs(conn: &mut Conn) -> Result<Vec<String>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        (String,),
        "select distinct id_token_alg from applications where id_token_alg is not null"
    )?;
    Ok(rows.into_iter().map(|(algorithm,)| algorithm).collect())
}

/// The columns of the sweep: lifetime and idle lifetime of refresh tokens, in seconds.
fn refresh_terms(application: &Application) -> (Option<i64>, Option<i64>) {
    let refresh = SignIn::of(&application.described).refresh;
    let terms = RefreshTerms::in_force(refresh, application.is_public());
    (terms.lifetime, terms.idle)
}

/// The origins that any application lists for CORS; some may come twice.
///
/// # Errors
/// A fault of the store.
pub async fn all_web_origins(conn: &mut Conn) -> Result<Vec<String>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        (String,),
        "select web_origins from applications where web_origins is not null"
    )?;
    let mut all = Vec::new();
    for (own,) in rows {
        all.extend(super::parse_json::<Vec<String>>(&own)?);
    }
    Ok(all)
}

/// Stores a new application with its secrets; false where its `client_id` is taken.
///
/// # Errors
/// A fault of the store.
pub async fn insert(tx: &mut Write, application: &Application) -> Result<bool, Fault> {
    let (refresh_lifetime, refresh_idle) = refresh_terms(application);
    let inserted = execute!(
        tx,
        "insert into applications (client_id, name, app_type, grant_types, token_endpoint_auth_method,
             resource_server_identifier, application_token_lifetime, user_token_lifetime, expires_at,
             created_at, is_first_party, described, web_origins, refresh_lifetime_seconds,
             refresh_idle_seconds, id_token_alg)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         on conflict (client_id) do nothing",
        &application.client_id,
        &application.name,
        &application.app_type,
        super::to_json(&application.grant_types)?,
        application.token_endpoint_auth_method.map(AuthMethod::as_str),
        &application.resource_server_identifier,
        application.lifetimes.application.map(Lifetime::as_integer),
        application.lifetimes.user.map(Lifetime::as_integer),
        application.expires_at,
        application.created_at,
        application.is_first_party,
        super::to_json(&application.described.0)?,
        web_origins(application)?,
        refresh_lifetime,
        refresh_idle,
        id_token_alg(application)
    )?;
    if inserted == 0 {
        return Ok(false);
    }
    for secret in &application.secrets {
        insert_secret(tx, &application.client_id, secret).await?;
    }
    Ok(true)
}

/// Overwrites what may change of an application, its secrets excepted; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn update(tx: &mut Write, application: &Application) -> Result<bool, Fault> {
    let (refresh_lifetime, refresh_idle) = refresh_terms(application);
    let updated = execute!(
        tx,
        "update applications set name = $2, app_type = $3, grant_types = $4,
             token_endpoint_auth_method = $5, resource_server_identifier = $6,
             application_token_lifetime = $7, user_token_lifetime = $8, expires_at = $9,
             is_first_party = $10, described = $11, web_origins = $12,
             refresh_lifetime_seconds = $13, refresh_idle_seconds = $14, id_token_alg = $15
         where client_id = $1",
        &application.client_id,
        &application.name,
        &application.app_type,
        super::to_json(&application.grant_types)?,
        application
            .token_endpoint_auth_method
            .map(AuthMethod::as_str),
        &application.resource_server_identifier,
        application.lifetimes.application.map(Lifetime::as_integer),
        application.lifetimes.user.map(Lifetime::as_integer),
        application.expires_at,
        application.is_first_party,
        super::to_json(&application.described.0)?,
        web_origins(application)?,
        refresh_lifetime,
        refresh_idle,
        id_token_alg(application)
    )?;
    Ok(updated == 1)
}

/// Takes the application's row lock, so that a change that was read before is written over nobody's
/// other change; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn lock(tx: &mut Write, client_id: &str) -> Result<bool, Fault> {
    let locked = execute!(
        tx,
        "update applications set client_id = client_id where client_id = $1",
        client_id
    )?;
    Ok(locked == 1)
}

/// Removes an application with its secrets and client grants; false where it is gone already.
///
/// # Errors
/// A fault of the store.
pub async fn delete(tx: &mut Write, client_id: &str) -> Result<bool, Fault> {
    Ok(execute!(
        tx,
        "delete from applications where client_id = $1",
        client_id
    )? == 1)
}

/// Adds a secret.
///
/// # Errors
/// A fault of the store.
pub async fn insert_secret(
    tx: &mut Write,
    client_id: &str,
    secret: &ApplicationSecret,
) -> Result<(), Fault> {
    let (scheme, verifier) = match &secret.verifier {
        Verifier::Digest(digest) => ("digest", digest),
        Verifier::Slow { phc, .. } => ("argon2id", phc),
    };
    execute!(
        tx,
        "insert into application_secrets (id, client_id, scheme, verifier, expires_at, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        &secret.id,
        client_id,
        scheme,
        verifier,
        secret.expires_at,
        secret.created_at
    )?;
    Ok(())
}

/// Ends every secret of an application at `end` (unix seconds), where it does not end sooner; those
/// that have ended by `now` are removed.
///
/// # Errors
/// A fault of the store.
pub async fn end_secrets(tx: &mut Write, client_id: &str, end: i64, now: i64) -> Result<(), Fault> {
    execute!(
        tx,
        "update application_secrets set expires_at = $2
          where client_id = $1 and (expires_at is null or expires_at > $2)",
        client_id,
        end
    )?;
    super::secrets::delete_ended(tx, client_id, now).await
}

/// The application of a `client_id`, with its secrets and the credentials that count, oldest first.
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn, client_id: &str) -> Result<Option<Application>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        ApplicationRow,
        select!("where client_id = $1"),
        client_id
    )?;
    let Some(row) = row else { return Ok(None) };
    let secrets = run!(
        fetch_all,
        conn,
        SecretRow,
        "select id, scheme, verifier, expires_at, created_at
           from application_secrets where client_id = $1 order by created_at, id",
        client_id
    )?;
    let secrets = secrets.into_iter().map(SecretRow::into_secret);
    let mut application = row.into_application(secrets.collect::<Result<_, _>>()?)?;
    let attached = application.private_key_jwt.as_deref().unwrap_or_default();
    let for_requests = &application.sign_in.request_credentials;
    if !attached.is_empty() || !for_requests.is_empty() {
        let all = client_credentials::of_application(conn, client_id).await?;
        let of = |ids: &[String]| {
            let named = all.iter().filter(|own| ids.contains(&own.id));
            named.cloned().collect::<Vec<_>>()
        };
        let (attached, for_requests) = (of(attached), of(for_requests));
        application.credentials = attached;
        application.request_credentials = for_requests;
    }
    Ok(Some(application))
}

/// What a list of applications is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one of these types, a list with commas.
    pub app_types: Option<String>,
    /// The operator's own, or the others.
    pub is_first_party: Option<bool>,
    /// Of this name.
    pub name: Option<String>,
    /// Of a name that begins so.
    pub name_start: Option<String>,
}

/// The condition of a [`Filter`], whose values are the first four.
macro_rules! fits {
    () => {
        "where (cast($1 as text) is null or replace(',' || $1 || ',', ',' || app_type || ',', '') <> ',' || $1 || ',')
           and (cast($2 as boolean) is null or is_first_party = $2)
           and (cast($3 as text) is null or name = $3)
           and (cast($4 as text) is null or substr(name, 1, length($4)) = $4)"
    };
}

/// A page of applications without their secrets, oldest first.
///
/// # Errors
/// A fault of the store.
pub async fn list(
    conn: &mut Conn,
    filter: &Filter,
    from: &PageStart,
    rows_max: i64,
) -> Result<Vec<Application>, Fault> {
    let (offset, behind_at, behind_id) = from.columns();
    let rows = run!(
        fetch_all,
        conn,
        ApplicationRow,
        select!(
            fits!(),
            " and (created_at > $5 or (created_at = $5 and client_id > $6))
             order by created_at, client_id limit $7 offset $8"
        ),
        &filter.app_types,
        filter.is_first_party,
        &filter.name,
        &filter.name_start,
        behind_at,
        behind_id,
        rows_max,
        offset
    )?;
    rows.into_iter()
        .map(|row| row.into_application(Vec::new()))
        .collect()
}

/// How many applications there are.
///
/// # Errors
/// A fault of the store.
pub async fn count(conn: &mut Conn, filter: &Filter) -> Result<i64, Fault> {
    let (count,) = run!(
        fetch_one,
        conn,
        (i64,),
        concat!("select count(*) from applications ", fits!()),
        &filter.app_types,
        filter.is_first_party,
        &filter.name,
        &filter.name_start
    )?;
    Ok(count)
}

/// The oldest application that can get a token with every scope of the Management API now, by a secret.
///
/// # Errors
/// A fault of the store.
pub async fn first_administrator(conn: &mut Conn, now: i64) -> Result<Option<String>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        (String,),
        "select p.client_id from client_grants g
           join apis a on a.id = g.api_id
           join applications p on p.client_id = g.client_id
          where a.system = 'management' and g.subject_type = 'client' and g.allow_all_scopes
            and (g.expires_at is null or g.expires_at > $1)
            and (p.expires_at is null or p.expires_at > $1)
            and (p.token_endpoint_auth_method is null or p.token_endpoint_auth_method <> 'none')
            and p.private_key_jwt is null
            and p.grant_types like '%\"client_credentials\"%'
          order by p.created_at, p.client_id limit 1",
        now
    )?;
    Ok(row.map(|(client_id,)| client_id))
}

/// True where any application holds a grant for the Management API, expired or not.
///
/// # Errors
/// A fault of the store.
pub async fn is_management_granted(conn: &mut Conn) -> Result<bool, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        (String,),
        "select g.id from client_grants g join apis a on a.id = g.api_id
          where a.system = 'management' limit 1"
    )?;
    Ok(row.is_some())
}
