//! The first start: schema, master key, digest key, signing keys, system APIs and the first
//! application, in one transaction under the migration lock. Every later start finds them, and mends
//! what is missing of the keys.

pub mod administrator;
pub mod master;
mod store_keys;

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::keys::Keys;
use crate::lifetime::ApiLifetimes;
use crate::model::api::{
    Api, ClientPolicy, SigningAlgorithm, SystemApi, UserPolicy, system_scopes,
};
use crate::model::described::Described;
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::model::settings::Settings;
use crate::secret::slow::SlowHashes;
use crate::secret::{self, Digester, Sealer, SecretChecker};
use crate::store::{self, Locks, Scope, Store, Write};

use administrator::FirstApplication;
use store_keys::StoreKeys;

/// What a start needs of the store.
pub struct Prepared {
    /// The signing keys, parsed.
    pub keys: Arc<Keys>,
    /// Digests secrets and stored tokens.
    pub digester: Digester,
    /// Seals what browsers carry between pages.
    pub tickets: Sealer,
    /// Checks secrets.
    pub secrets: SecretChecker,
    /// Where users' passwords are hashed.
    pub slow_hashes: SlowHashes,
    /// The first application, where this start made it with generated credentials.
    pub first: Option<FirstApplication>,
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
    let now = clock.now();
    let store_keys = StoreKeys::find_or_make(store, config, issuer, now).await?;
    let bounds = &config.secrets;
    let slow_hashes = SlowHashes::new(bounds.slow_hashes_at_once_max);
    let digester = store_keys.digester.clone();
    let secrets = SecretChecker::new(digester, &slow_hashes, bounds.slow_hash_queue_max);
    // The sweep may change several APIs, too.
    let locks = Locks::new().shared(Scope::Expiring);
    let mut tx = store.write_locked(&locks).await?;
    if store_keys.are_new {
        let signing_alg = config.tokens.default_signing_alg;
        insert_system_apis(&mut tx, issuer, signing_alg, now).await?;
        store::settings::update(&mut tx, &Settings::of_new_tenant(), None).await?;
    }
    // APIs before applications before keys, as everybody locks them.
    store_keys.reseal_apis(&mut tx).await?;
    let first = administrator::first(&mut tx, config, &secrets, now).await?;
    store_keys.store(&mut tx, now).await?;
    // Everybody takes the audit's counter before the feed's.
    tx.write_records().await?;
    // At each start: a store that was restored while no node ran must give no number twice.
    store::feed::raise(&mut tx, clock.now_millis(), now).await?;
    tx.commit(now).await?;
    master::mark_used(config)?;
    drop(lock);
    let StoreKeys {
        digester,
        tickets,
        maker,
        ..
    } = store_keys;
    let keys = Keys::start(maker, &mut *store.read().await?).await?;
    Ok(Prepared {
        keys: Arc::new(keys),
        digester,
        tickets,
        secrets,
        slow_hashes,
        first,
    })
}

async fn insert_system_apis(
    tx: &mut Write,
    issuer: &Issuer,
    signing_alg: SigningAlgorithm,
    now: i64,
) -> Result<(), Fault> {
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
            signing_alg,
            signing_secret: None,
            token_dialect: None,
            allow_offline_access: false,
            skip_consent_for_verifiable_first_party_clients: false,
            client_policy: ClientPolicy::RequireClientGrant,
            // Nobody administers by somebody's consent.
            user_policy: match system {
                SystemApi::Management => UserPolicy::DenyAll,
                SystemApi::Mfa => UserPolicy::AllowAll,
            },
            user_grant_seconds: None,
            lifetimes: ApiLifetimes::of_system_api(system),
            described: Described::default(),
            created_at: now,
        };
        store::apis::insert(tx, &api).await?;
    }
    Ok(())
}
