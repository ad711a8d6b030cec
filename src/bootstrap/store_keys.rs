//! The keys that a store was made with: its digest key and its signing keys, sealed under the
//! master key, and sealed anew when another master key comes to the front.

use super::master;
use crate::config::Config;
use crate::model::api::SigningAlgorithm;
use crate::model::fault::Fault;
use crate::secret::{self, Digester, MasterKeys};
use crate::store::keys::KeyRow;
use crate::store::{self, Store, Write};
use crate::tokens::keys;

/// The name of the sealed digest key. That it can be unsealed proves the master key right.
const DIGEST_KEY: &str = "digest_key";

/// The store's keys, and what of them has to be written.
pub(super) struct StoreKeys {
    pub(super) masters: MasterKeys,
    pub(super) digester: Digester,
    /// The digest key's seal, where it is new.
    sealed_digest_key: Option<String>,
    /// Signing keys of a new store.
    made: Vec<KeyRow>,
    /// Signing keys whose seal is new.
    resealed: Vec<KeyRow>,
}

impl StoreKeys {
    /// Called under the migration lock. Making RSA keys is slow, so nothing here is within a
    /// transaction.
    pub(super) async fn find_or_make(
        store: &Store,
        config: &Config,
        now: i64,
    ) -> Result<Self, Fault> {
        let mut conn = store.read().await?;
        let sealed = store::keys::sealed(&mut conn, DIGEST_KEY).await?;
        let rows = store::keys::all(&mut conn).await?;
        let masters = master::load(config, sealed.is_some())?;
        match sealed {
            None => Self::make(masters, now),
            Some(sealed) => Self::find(masters, &sealed, rows),
        }
    }

    fn make(masters: MasterKeys, now: i64) -> Result<Self, Fault> {
        let digest_key: [u8; 32] = secret::random_bytes();
        let states = ["current", "next"];
        let wanted = SigningAlgorithm::ALL
            .iter()
            .flat_map(|alg| states.map(|state| (*alg, state)));
        let made = wanted.map(|(alg, state)| keys::generate(alg, state, &masters, now));
        Ok(Self {
            made: made.collect::<Result<_, _>>()?,
            sealed_digest_key: Some(masters.seal(DIGEST_KEY, &digest_key)?),
            digester: Digester::new(&digest_key),
            resealed: Vec::new(),
            masters,
        })
    }

    fn find(masters: MasterKeys, sealed: &str, rows: Vec<KeyRow>) -> Result<Self, Fault> {
        let another = || {
            Fault::internal(
                "this store was made under another master key: set keys.master or \
                 keys.master_file to that one, or put its master.key back",
            )
        };
        let digest_key = masters.unseal(DIGEST_KEY, sealed).ok_or_else(another)?;
        let bytes: [u8; 32] = digest_key
            .value
            .expose()
            .as_slice()
            .try_into()
            .map_err(Fault::internal)?;
        let mut resealed = Vec::new();
        for row in rows {
            let private_key = masters.unseal(&row.kid, &row.sealed_private_key);
            let private_key = private_key.ok_or_else(another)?;
            if !private_key.by_first {
                let sealed_private_key = masters.seal(&row.kid, private_key.value.expose())?;
                resealed.push(KeyRow {
                    sealed_private_key,
                    ..row
                });
            }
        }
        let reseal = || masters.seal(DIGEST_KEY, &bytes);
        let sealed_digest_key = (!digest_key.by_first).then(reseal).transpose()?;
        let digester = Digester::new(&bytes);
        Ok(Self {
            masters,
            digester,
            sealed_digest_key,
            made: Vec::new(),
            resealed,
        })
    }

    /// True for a new store.
    pub(super) fn are_new(&self) -> bool {
        !self.made.is_empty()
    }

    /// Writes what is new.
    pub(super) async fn store(&self, tx: &mut Write, now: i64) -> Result<(), Fault> {
        if let Some(sealed) = &self.sealed_digest_key {
            store::keys::put_sealed(tx, DIGEST_KEY, sealed, now).await?;
        }
        for key in &self.made {
            store::keys::insert(tx, key).await?;
        }
        for key in &self.resealed {
            store::keys::reseal(tx, &key.kid, &key.sealed_private_key).await?;
            tracing::info!(
                kid = key.kid,
                "a signing key was sealed under the first master key"
            );
        }
        Ok(())
    }
}
