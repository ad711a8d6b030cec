//! The first start: schema, master key, digest key, signing keys, system APIs and the first
//! application, in one transaction under the migration lock. Every later start finds them.

pub mod master;

use crate::clock::Clock;
use crate::config::{BootstrapCredentials, Config};
use crate::lifetime::{ApiLifetimes, ApplicationLifetimes};
use crate::model::api::{Api, ClientPolicy, SigningAlgorithm, SystemApi, system_scopes};
use crate::model::application::{
    Application, ApplicationSecret, CLIENT_CREDENTIALS, LIVE_SECRETS_MAX,
};
use crate::model::change::Change;
use crate::model::client_grant::{ClientGrant, SubjectType};
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::secret::{self, Digester, MasterKeys, Secret, SecretChecker};
use crate::store::{self, Store, Write};
use crate::tokens::keys::{self, KeyRing};

/// The name of the sealed digest key.
const DIGEST_KEY: &str = "digest_key";

/// What a start needs of the store.
pub struct Prepared {
    /// The signing keys, parsed.
    pub keys: KeyRing,
    /// Digests secrets and stored tokens.
    pub digester: Digester,
    /// Checks secrets.
    pub secrets: SecretChecker,
    /// The first application, where this start made it with generated credentials.
    pub first: Option<FirstApplication>,
}

/// Credentials that are shown once.
pub struct FirstApplication {
    /// 32 alphanumeric characters.
    pub client_id: String,
    /// Known to nobody else.
    pub client_secret: Secret<String>,
}

/// Prepares the store; see the module.
///
/// # Errors
/// A fault where the store cannot be reached, or was made under another master key.
pub async fn prepare(
    store: &Store,
    config: &Config,
    issuer: &Issuer,
    clock: &Clock,
) -> Result<Prepared, Fault> {
    let lock = store.migration_lock().await?;
    store.migrate(&lock).await?;
    let sealed = store::keys::sealed(&mut *store.read().await?, DIGEST_KEY).await?;
    let masters = master::load(config, sealed.is_some())?;
    let first_keys = if sealed.is_none() {
        Some(FirstKeys::generate(&masters, clock.now())?)
    } else {
        None
    };
    let digester = match (&first_keys, sealed) {
        (Some(first), _) => Digester::new(first.digest_key.expose()),
        (None, sealed) => unseal_digest_key(&masters, &sealed.unwrap_or_default())?,
    };
    let limits = &config.secrets;
    let secrets = SecretChecker::new(
        digester.clone(),
        limits.slow_hashes_at_once_max,
        limits.slow_hash_queue_max,
    );
    let now = clock.now();
    let mut tx = store.write().await?;
    if let Some(first) = &first_keys {
        first.store(&mut tx, clock).await?;
        insert_system_apis(&mut tx, issuer, now).await?;
    }
    let first = first_application(&mut tx, config, &secrets, now).await?;
    tx.commit(now).await?;
    drop(lock);
    let rows = store::keys::all(&mut *store.read().await?).await?;
    Ok(Prepared {
        keys: KeyRing::load(&rows, &masters)?,
        digester,
        secrets,
        first,
    })
}

fn unseal_digest_key(masters: &MasterKeys, sealed: &str) -> Result<Digester, Fault> {
    let key = masters
        .unseal(DIGEST_KEY, sealed)
        .and_then(|key| key.expose().as_slice().try_into().ok());
    let key: [u8; 32] = key.ok_or_else(|| {
        Fault::internal(
            "this store was made under another master key: set keys.master or keys.master_file to that one, or put its master.key back",
        )
    })?;
    Ok(Digester::new(&key))
}

/// What a new store begins with; made before the transaction, because it is slow.
struct FirstKeys {
    digest_key: Secret<[u8; 32]>,
    sealed_digest_key: String,
    signing_keys: Vec<store::keys::KeyRow>,
}

impl FirstKeys {
    fn generate(masters: &MasterKeys, now: i64) -> Result<Self, Fault> {
        let digest_key: [u8; 32] = secret::random_bytes();
        let states = ["current", "next"];
        let wanted = SigningAlgorithm::ALL
            .into_iter()
            .flat_map(|alg| states.map(|state| (alg, state)));
        let signing_keys = wanted.map(|(alg, state)| keys::generate(alg, state, masters, now));
        Ok(Self {
            sealed_digest_key: masters.seal(DIGEST_KEY, &digest_key)?,
            digest_key: Secret::new(digest_key),
            signing_keys: signing_keys.collect::<Result<_, _>>()?,
        })
    }

    async fn store(&self, tx: &mut Write, clock: &Clock) -> Result<(), Fault> {
        store::feed::raise(tx, clock.now_millis()).await?;
        store::keys::insert_sealed(tx, DIGEST_KEY, &self.sealed_digest_key, clock.now()).await?;
        for key in &self.signing_keys {
            store::keys::insert(tx, key).await?;
        }
        Ok(())
    }
}

async fn insert_system_apis(tx: &mut Write, issuer: &Issuer, now: i64) -> Result<(), Fault> {
    // The Management API's exact name is how Auth0's tools tell it apart (compatibility.md §1.2).
    for (system, name) in [
        (SystemApi::Management, "Auth0 Management API"),
        (SystemApi::Mfa, "MFA API"),
    ] {
        let api = Api {
            id: secret::random_hex_id(),
            identifier: issuer.identifier_of(system),
            system: Some(system),
            name: Some(name.to_owned()),
            scopes: system_scopes(system),
            signing_alg: SigningAlgorithm::Rs256,
            token_dialect: None,
            allow_offline_access: false,
            skip_consent_for_verifiable_first_party_clients: false,
            client_policy: ClientPolicy::RequireClientGrant,
            lifetimes: ApiLifetimes::of_system_api(system),
            created_at: now,
        };
        store::apis::insert(tx, &api).await?;
    }
    Ok(())
}

/// Makes the first application where nobody is granted the Management API.
async fn first_application(
    tx: &mut Write,
    config: &Config,
    secrets: &SecretChecker,
    now: i64,
) -> Result<Option<FirstApplication>, Fault> {
    let given = config.bootstrap.credentials.as_ref();
    if store::applications::any_administrator(tx).await? {
        if let Some(given) = given {
            warn_of_difference(tx, given, secrets, now).await?;
        }
        return Ok(None);
    }
    match given {
        Some(given) => {
            let BootstrapCredentials {
                client_id,
                client_secret,
            } = given.clone();
            let first = FirstApplication {
                client_id,
                client_secret,
            };
            insert_administrator(tx, &first, secrets, now).await?;
            Ok(None)
        }
        None => new_administrator(tx, secrets, now).await.map(Some),
    }
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
        resource_server_identifier: None,
        lifetimes: ApplicationLifetimes::default(),
        expires_at: None,
        created_at: now,
        secrets: vec![secrets.keep(&first.client_secret, now).await?],
    };
    if !store::applications::insert(tx, &application).await? {
        // It is there and has lost its grant: it gets the configured secret beside its own.
        add_secret(tx, &application.client_id, &application.secrets).await?;
    }
    let api = store::apis::system(tx, SystemApi::Management).await?;
    let api = api.ok_or_else(|| Fault::internal("the Management API is not in the store"))?;
    let grant = ClientGrant {
        id: format!("cgr_{}", secret::random_alphanumeric(16)),
        client_id: first.client_id.clone(),
        api_id: api.id,
        audience: api.identifier,
        subject_type: SubjectType::Client,
        scopes: Vec::new(),
        allow_all_scopes: true,
        expires_at: None,
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
pub async fn admin_secret(
    store: &Store,
    secrets: &SecretChecker,
    new: bool,
    now: i64,
) -> Result<FirstApplication, Fault> {
    let mut tx = store.write().await?;
    let known = if new {
        None
    } else {
        store::applications::first_administrator(&mut tx).await?
    };
    let first = match known {
        None => new_administrator(&mut tx, secrets, now).await?,
        Some(client_id) => another_secret(&mut tx, secrets, client_id, now).await?,
    };
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
    let live = application
        .iter()
        .flat_map(|own| &own.secrets)
        .filter(|secret| secret.is_live(now))
        .count();
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
