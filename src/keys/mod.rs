//! What signs: the key ring of this node, kept true by the feed, and the APIs' own secrets.
//!
//! The store holds the rows, sealed; [`rotation`] says how they take turns; the ring is what they
//! mean at a moment, swapped whole so that nobody who signs or verifies ever waits.

pub mod certificate;
pub mod pair;
pub mod ring;
pub mod rotation;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, Semaphore};

use crate::model::api::{Api, SigningAlgorithm, SigningSecret};
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::model::key::{Key, KeyState};
use crate::secret::{MasterKeys, Secret};
use crate::store::{self, Conn};

use ring::KeyRing;

/// Shortest secret of an API for HS256, in bytes: that of the digest (RFC 7518 §3.2).
pub const SIGNING_SECRET_BYTES_MIN: usize = 32;
/// Longest, in characters.
pub const SIGNING_SECRET_CHARS_MAX: usize = 1024;

/// The keys of one node.
pub struct Keys {
    maker: Maker,
    ring: ArcSwap<KeyRing>,
    /// Readings of the store replace the ring in the order in which they read.
    loading: Mutex<()>,
    /// Keys are made one at a time: an RSA key costs a processor a moment.
    making: Semaphore,
}

/// Makes and seals keys.
#[derive(Clone)]
pub struct Maker {
    /// Seal private keys and secrets.
    pub masters: Arc<MasterKeys>,
    /// The subject of certificates.
    pub issuer: Issuer,
}

impl Keys {
    /// Unseals and parses the store's keys.
    ///
    /// # Errors
    /// A fault where a key cannot be unsealed or parsed, or the store does not answer.
    pub async fn start(maker: Maker, conn: &mut Conn) -> Result<Self, Fault> {
        let keys = Self {
            maker,
            ring: ArcSwap::default(),
            loading: Mutex::default(),
            making: Semaphore::new(1),
        };
        keys.load(conn).await?;
        Ok(keys)
    }

    /// The issuer whose keys they are.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.maker.issuer
    }

    /// What signs and verifies now.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Reads the store's keys anew; in force when this returns.
    ///
    /// # Errors
    /// The same as of [`Keys::start`].
    pub async fn load(&self, conn: &mut Conn) -> Result<(), Fault> {
        let _in_order = self.loading.lock().await;
        let rows = store::keys::all(conn).await?;
        let ring = KeyRing::of(&rows, &self.maker.masters, &self.ring.load())?;
        self.ring.store(Arc::new(ring));
        Ok(())
    }

    /// The first two keys of an algorithm that has none yet; nothing where it has, or needs none.
    ///
    /// # Errors
    /// A fault where the library refuses.
    pub async fn make_first(
        &self,
        algorithm: SigningAlgorithm,
        now: i64,
    ) -> Result<Vec<Key>, Fault> {
        if !algorithm.has_keys() || self.ring().has(algorithm) {
            return Ok(Vec::new());
        }
        self.make(move |maker| maker.first(algorithm, now)).await
    }

    /// A new next key; its place in the row is given by [`rotation::rotate`].
    ///
    /// # Errors
    /// A fault where the library refuses.
    pub async fn make_next(&self, algorithm: SigningAlgorithm, now: i64) -> Result<Key, Fault> {
        self.make(move |maker| maker.make(algorithm, KeyState::Next, now))
            .await
    }

    async fn make<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Maker) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let _turn = self.making.acquire().await.map_err(Fault::internal)?;
        let maker = self.maker.clone();
        tokio::task::spawn_blocking(move || work(&maker))
            .await
            .map_err(Fault::internal)?
    }

    /// Seals an API's secret; it cannot be unsealed as another's.
    ///
    /// # Errors
    /// A fault where the library refuses.
    pub fn seal_secret(
        &self,
        api_id: &str,
        secret: &Secret<String>,
    ) -> Result<SigningSecret, Fault> {
        let name = secret_name(api_id);
        let sealed = self.maker.masters.seal(&name, secret.expose().as_bytes())?;
        Ok(SigningSecret {
            sealed,
            ends_at: None,
        })
    }

    /// The bytes of an API's secret, as long as it verifies.
    ///
    /// # Errors
    /// A fault where it cannot be unsealed.
    pub fn secret_of(&self, api: &Api, now: i64) -> Result<Option<Secret<Vec<u8>>>, Fault> {
        let live = api
            .signing_secret
            .as_ref()
            .filter(|secret| api.system.is_none() && secret.is_live(now));
        let Some(secret) = live else {
            return Ok(None);
        };
        let unsealed = self
            .maker
            .masters
            .unseal(&secret_name(&api.id), &secret.sealed);
        let unsealed = unsealed.ok_or_else(|| {
            Fault::internal(format_args!(
                "the signing secret of API {} cannot be unsealed",
                api.id
            ))
        })?;
        Ok(Some(unsealed.value))
    }
}

/// The name to which an API's sealed secret is bound.
#[must_use]
pub fn secret_name(api_id: &str) -> String {
    format!("signing_secret {api_id}")
}

impl Maker {
    /// The first two keys of an algorithm: one that signs at once, and the next.
    ///
    /// # Errors
    /// A fault where the library refuses.
    pub fn first(&self, algorithm: SigningAlgorithm, now: i64) -> Result<Vec<Key>, Fault> {
        let current = self.make(algorithm, KeyState::Current, now)?;
        let next = Key {
            generation: current.generation + 1,
            ..self.make(algorithm, KeyState::Next, now)?
        };
        Ok(vec![current, next])
    }

    fn make(&self, algorithm: SigningAlgorithm, state: KeyState, now: i64) -> Result<Key, Fault> {
        let der = pair::generate(algorithm)?;
        let kid = pair::SigningKey::parse(algorithm, &der)?.kid().to_owned();
        let since = (state == KeyState::Current).then_some(now);
        Ok(Key {
            sealed_private_key: Some(self.masters.seal(&kid, der.expose())?),
            certificate: Some(certificate::make(algorithm, &der, &self.issuer, now)?),
            kid,
            algorithm: algorithm.as_str().to_owned(),
            generation: 1,
            state,
            created_at: now,
            current_since: since,
            signs_from: since,
            current_until: None,
            published_until: None,
            revoked_at: None,
        })
    }
}
