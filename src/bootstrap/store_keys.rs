//! The keys that a store has: its digest key, its signing keys and its APIs' signing secrets. They
//! are sealed under the master key, sealed anew when another master key comes to the front, and
//! made where something in use lacks them.

use std::sync::Arc;

use super::master;
use crate::config::Config;
use crate::keys::{Maker, certificate, secret_name};
use crate::model::api::SigningAlgorithm;
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::model::key::Key;
use crate::secret::{self, Digester, MasterKeys, Sealer, Secret};
use crate::store::{self, Conn, Store, Write};

/// The name of the sealed digest key. That it can be unsealed proves the master key right.
const DIGEST_KEY: &str = "digest_key";
/// APIs' secrets in one reading.
const PAGE_ROWS: i64 = 1000;

/// The store's keys, and what of them has to be written.
pub(super) struct StoreKeys {
    pub(super) maker: Maker,
    pub(super) digester: Digester,
    pub(super) tickets: Sealer,
    /// True for a new store.
    pub(super) are_new: bool,
    /// The digest key's seal, where it is new.
    sealed_digest_key: Option<String>,
    /// Signing keys of algorithms that had none.
    made: Vec<Key>,
    /// Signing keys whose seal or certificate is new.
    mended: Vec<Key>,
    /// APIs' secrets whose seal is new: the API's id, the old one, the new one.
    resealed_secrets: Vec<(String, String, String)>,
}

impl StoreKeys {
    /// Called under the migration lock. Making RSA keys is slow, so nothing here is within a
    /// transaction.
    pub(super) async fn find_or_make(
        store: &Store,
        config: &Config,
        issuer: &Issuer,
        now: i64,
    ) -> Result<Self, Fault> {
        let mut conn = store.read().await?;
        let sealed = store::keys::sealed(&mut conn, DIGEST_KEY).await?;
        let masters = Arc::new(master::load(config, sealed.is_some())?);
        let maker = Maker {
            masters,
            issuer: issuer.clone(),
        };
        let mut keys = match sealed {
            None => Self::of_a_new_store(maker)?,
            Some(sealed) => Self::of_a_store_in_use(maker, &sealed)?,
        };
        keys.mend(&mut conn).await?;
        keys.make_what_lacks(&mut conn, config, now).await?;
        Ok(keys)
    }

    fn of_a_new_store(maker: Maker) -> Result<Self, Fault> {
        let digest_key: [u8; 32] = secret::random_bytes();
        let sealed = maker.masters.seal(DIGEST_KEY, &digest_key)?;
        Self::new(maker, &digest_key, Some(sealed), true)
    }

    fn of_a_store_in_use(maker: Maker, sealed: &str) -> Result<Self, Fault> {
        let digest_key = unseal(&maker.masters, DIGEST_KEY, sealed)?;
        let bytes = digest_key.value.expose().as_slice();
        let bytes: [u8; 32] = bytes.try_into().map_err(Fault::internal)?;
        let reseal = || maker.masters.seal(DIGEST_KEY, &bytes);
        let sealed = (!digest_key.by_first).then(reseal).transpose()?;
        Self::new(maker, &bytes, sealed, false)
    }

    fn new(
        maker: Maker,
        digest_key: &[u8; 32],
        sealed_digest_key: Option<String>,
        are_new: bool,
    ) -> Result<Self, Fault> {
        Ok(Self {
            maker,
            digester: Digester::new(digest_key),
            tickets: Sealer::new(digest_key)?,
            are_new,
            sealed_digest_key,
            made: Vec::new(),
            mended: Vec::new(),
            resealed_secrets: Vec::new(),
        })
    }

    /// Seals anew what another master key than the first had sealed, and gives certificates to
    /// keys of the version that made none.
    async fn mend(&mut self, conn: &mut Conn) -> Result<(), Fault> {
        for key in store::keys::all(conn).await? {
            self.mended.extend(self.mended_key(key)?);
        }
        let mut after = String::new();
        loop {
            let page = store::apis::page_of_secrets(conn, &after, PAGE_ROWS).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after.clone_from(last);
            for (id, sealed) in page {
                let name = secret_name(&id);
                let unsealed = unseal(&self.maker.masters, &name, &sealed)?;
                if !unsealed.by_first {
                    let anew = self.maker.masters.seal(&name, unsealed.value.expose())?;
                    self.resealed_secrets.push((id, sealed, anew));
                }
            }
        }
    }

    fn mended_key(&self, mut key: Key) -> Result<Option<Key>, Fault> {
        let Some(sealed) = &key.sealed_private_key else {
            return Ok(None);
        };
        let Maker { masters, issuer } = &self.maker;
        let unsealed = unseal(masters, &key.kid, sealed)?;
        let algorithm = SigningAlgorithm::parse_with_keys(&key.algorithm);
        let lacks_certificate = algorithm.filter(|_| key.certificate.is_none());
        if unsealed.by_first && lacks_certificate.is_none() {
            return Ok(None);
        }
        if !unsealed.by_first {
            key.sealed_private_key = Some(masters.seal(&key.kid, unsealed.value.expose())?);
        }
        if let Some(algorithm) = lacks_certificate {
            let der: &Secret<Vec<u8>> = &unsealed.value;
            key.certificate = Some(certificate::make(algorithm, der, issuer, key.created_at)?);
        }
        Ok(Some(key))
    }

    /// Keys are made for what is in use only: each more is a key more to fetch and to guard.
    async fn make_what_lacks(
        &mut self,
        conn: &mut Conn,
        config: &Config,
        now: i64,
    ) -> Result<(), Fault> {
        let have = store::keys::all(conn).await?;
        let mut chosen = store::apis::signing_algs(conn).await?;
        chosen.extend(store::applications::id_token_algs(conn).await?);
        let default = config.tokens.default_signing_alg;
        let is_needed = |algorithm: &SigningAlgorithm| {
            let name = algorithm.as_str();
            (*algorithm == default || chosen.iter().any(|own| own == name))
                && !have.iter().any(|key| key.algorithm == name)
        };
        for algorithm in SigningAlgorithm::WITH_KEYS.into_iter().filter(is_needed) {
            let maker = self.maker.clone();
            let made = tokio::task::spawn_blocking(move || maker.first(algorithm, now)).await;
            self.made.extend(made.map_err(Fault::internal)??);
        }
        Ok(())
    }

    /// Writes the new seals of APIs' secrets.
    pub(super) async fn reseal_apis(&self, tx: &mut Write) -> Result<(), Fault> {
        for (id, old, new) in &self.resealed_secrets {
            store::apis::reseal_secret(tx, id, old, new).await?;
            tracing::info!(
                api = id,
                "an API's signing secret was sealed under the first master key"
            );
        }
        Ok(())
    }

    /// Writes what else is new.
    pub(super) async fn store(&self, tx: &mut Write, now: i64) -> Result<(), Fault> {
        if let Some(sealed) = &self.sealed_digest_key {
            store::keys::put_sealed(tx, DIGEST_KEY, sealed, now).await?;
        }
        store::keys::lock(tx).await?;
        for key in &self.made {
            store::keys::insert(tx, key).await?;
        }
        for key in &self.mended {
            store::keys::mend(tx, key).await?;
            tracing::info!(
                kid = key.kid,
                "a signing key was sealed under the first master key or given its certificate"
            );
        }
        Ok(())
    }
}

fn unseal(masters: &MasterKeys, name: &str, sealed: &str) -> Result<secret::Unsealed, Fault> {
    masters.unseal(name, sealed).ok_or_else(|| {
        Fault::internal(
            "this store was made under another master key: set keys.master or \
             keys.master_file to that one, or put its master.key back",
        )
    })
}
