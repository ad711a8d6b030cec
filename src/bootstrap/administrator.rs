//! The application that may administer: made at the first start, and recovered on the machine.

use std::sync::Arc;

use crate::config::{BootstrapCredentials, Config};
use crate::lifetime::ApplicationLifetimes;
use crate::model::api::SystemApi;
use crate::model::application::{
    Application, ApplicationSecret, CLIENT_CREDENTIALS, LIVE_SECRETS_MAX,
};
use crate::model::change::Change;
use crate::model::client_grant::{ClientGrant, SubjectType};
use crate::model::described::Described;
use crate::model::fault::Fault;
use crate::model::record::{Kind, Record, Whence};
use crate::secret::{self, Secret, SecretChecker};
use crate::store::{self, Store, Write};

/// Credentials that are shown once.
pub struct FirstApplication {
    /// 32 alphanumeric characters.
    pub client_id: String,
    /// Known to nobody else.
    pub client_secret: Secret<String>,
}

/// Makes the first application where nobody is granted the Management API. Answers it where its
/// credentials were generated, to be shown once.
///
/// # Errors
/// A fault of the store.
pub(super) async fn first(
    tx: &mut Write,
    config: &Config,
    secrets: &SecretChecker,
    now: i64,
) -> Result<Option<FirstApplication>, Fault> {
    let given = config.bootstrap.credentials.as_ref();
    if store::applications::is_management_granted(tx).await? {
        if let Some(given) = given {
            warn_of_difference(tx, given, secrets, now).await?;
        }
        return Ok(None);
    }
    let (made, shown) = if let Some(given) = given {
        let BootstrapCredentials {
            client_id,
            client_secret,
        } = given.clone();
        let first = FirstApplication {
            client_id,
            client_secret,
        };
        insert_administrator(tx, &first, secrets, now).await?;
        (first.client_id, None)
    } else {
        let first = new_administrator(tx, secrets, now).await?;
        (first.client_id.clone(), Some(first))
    };
    tx.record(record(
        "Create the first application",
        "the start",
        &made,
        now,
    ));
    Ok(shown)
}

/// What the machine's own operator did: no application, and no address.
fn record(what: &str, by: &str, client_id: &str, now: i64) -> Record {
    Record::new(
        Kind::Changed,
        now.saturating_mul(1000),
        &Whence::default(),
        None,
    )
    .says(what)
    .with("by", by.into())
    .with("object", client_id.into())
}

async fn warn_of_difference(
    tx: &mut Write,
    given: &BootstrapCredentials,
    secrets: &SecretChecker,
    now: i64,
) -> Result<(), Fault> {
    let application = store::applications::get(tx, &given.client_id).await?;
    let is_the_same = match &application {
        None => false,
        Some(own) => secrets
            .find(given.client_secret.expose(), &own.secrets, now)
            .await?
            .is_some(),
    };
    if !is_the_same {
        tracing::warn!(
            "bootstrap.client_id and bootstrap.client_secret are not those of an application of this store. They count only while no application holds the Management grant; `grantor admin-secret` recovers access"
        );
    }
    Ok(())
}

/// A new application that holds every Management scope.
///
/// # Errors
/// A fault of the store.
pub async fn new_administrator(
    tx: &mut Write,
    secrets: &SecretChecker,
    now: i64,
) -> Result<FirstApplication, Fault> {
    let first = FirstApplication {
        client_id: secret::random_alphanumeric(32),
        client_secret: secret::new_secret(),
    };
    insert_administrator(tx, &first, secrets, now).await?;
    Ok(first)
}

async fn insert_administrator(
    tx: &mut Write,
    first: &FirstApplication,
    secrets: &SecretChecker,
    now: i64,
) -> Result<(), Fault> {
    let application = Application {
        client_id: first.client_id.clone(),
        name: "First application".to_owned(),
        app_type: Some("non_interactive".to_owned()),
        grant_types: vec![CLIENT_CREDENTIALS.to_owned()],
        token_endpoint_auth_method: None,
        private_key_jwt: None,
        resource_server_identifier: None,
        lifetimes: ApplicationLifetimes::default(),
        expires_at: None,
        created_at: now,
        is_first_party: true,
        described: Described::default(),
        sign_in: Arc::default(),
        secrets: vec![secrets.keep(&first.client_secret, now).await?],
        credentials: Vec::new(),
        request_credentials: Vec::new(),
    };
    if !store::applications::insert(tx, &application).await? {
        // It is there and has lost its grant: it gets the configured secret beside its own, and that
        // has to open it.
        store::client_credentials::attach(tx, &application.client_id, None).await?;
        add_secret(tx, &application.client_id, &application.secrets).await?;
    }
    let api = store::apis::system(tx, SystemApi::Management).await?;
    let api = api.ok_or_else(|| Fault::internal("the Management API is not in the store"))?;
    let grant = ClientGrant {
        id: secret::random_id("cgr_"),
        client_id: first.client_id.clone(),
        api_id: api.id,
        audience: api.identifier,
        subject_type: SubjectType::Client,
        scopes: Vec::new(),
        allow_all_scopes: true,
        expires_at: None,
        described: Described::default(),
        created_at: now,
    };
    store::client_grants::insert(tx, &grant).await?;
    tx.note(Change::Application(first.client_id.clone()));
    tx.note(Change::ClientGrants(first.client_id.clone()));
    Ok(())
}

async fn add_secret(
    tx: &mut Write,
    client_id: &str,
    secrets: &[ApplicationSecret],
) -> Result<(), Fault> {
    for secret in secrets {
        store::applications::insert_secret(tx, client_id, secret).await?;
    }
    Ok(())
}

/// `grantor admin-secret`: one more secret for the oldest application that holds every Management
/// scope, or with `new` a new application.
///
/// # Errors
/// A fault of the store; also where that application has as many live secrets as it can have.
pub async fn recover(
    store: &Store,
    secrets: &SecretChecker,
    new: bool,
    now: i64,
) -> Result<FirstApplication, Fault> {
    let mut tx = store.write().await?;
    let known = if new {
        None
    } else {
        store::applications::first_administrator(&mut tx, now).await?
    };
    let first = match known {
        None => new_administrator(&mut tx, secrets, now).await?,
        Some(client_id) => another_secret(&mut tx, secrets, client_id, now).await?,
    };
    let what = if new {
        "Create an administrator"
    } else {
        "Add a secret"
    };
    tx.record(record(what, "grantor admin-secret", &first.client_id, now));
    tx.commit(now).await?;
    Ok(first)
}

async fn another_secret(
    tx: &mut Write,
    secrets: &SecretChecker,
    client_id: String,
    now: i64,
) -> Result<FirstApplication, Fault> {
    store::applications::lock(tx, &client_id).await?;
    let application = store::applications::get(tx, &client_id).await?;
    let live = application.map_or(0, |own| own.live_secrets(now));
    if live >= LIVE_SECRETS_MAX {
        return Err(Fault::internal(format_args!(
            "application {client_id} has {live} live secrets, the most that it can have; `grantor admin-secret --new` makes another application"
        )));
    }
    let client_secret = secret::new_secret();
    add_secret(tx, &client_id, &[secrets.keep(&client_secret, now).await?]).await?;
    tx.note(Change::Application(client_id.clone()));
    Ok(FirstApplication {
        client_id,
        client_secret,
    })
}
