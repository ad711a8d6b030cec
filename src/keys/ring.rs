//! The key ring: what signs and what verifies at this moment, without IO.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use super::pair::SigningKey;
use crate::model::api::SigningAlgorithm;
use crate::model::fault::Fault;
use crate::model::key::{Key, KeyState};
use crate::secret::MasterKeys;

/// All keys of this server that are not revoked.
#[derive(Default)]
pub struct KeyRing {
    /// As they are published: by algorithm, the newest first.
    held: Vec<Arc<Held>>,
    by_kid: HashMap<String, Arc<Held>>,
}

struct Held {
    key: Arc<SigningKey>,
    state: KeyState,
    signs_from: i64,
    published_until: Option<i64>,
}

impl Held {
    fn is_published(&self, now: i64) -> bool {
        self.published_until.is_none_or(|end| now < end)
    }
}

impl KeyRing {
    /// The ring of the store's rows, which come with an algorithm's newest in front. What `before`
    /// holds already is not parsed again.
    ///
    /// # Errors
    /// A fault where a key cannot be unsealed or parsed.
    pub(super) fn of(rows: &[Key], masters: &MasterKeys, before: &Self) -> Result<Self, Fault> {
        let mut ring = Self::default();
        for row in rows {
            let Some(sealed) = &row.sealed_private_key else {
                continue;
            };
            let Some(algorithm) = SigningAlgorithm::parse_with_keys(&row.algorithm) else {
                let (kid, algorithm) = (&row.kid, &row.algorithm);
                tracing::warn!(
                    kid,
                    algorithm,
                    "a newer version's signing key is left alone"
                );
                continue;
            };
            let key = match before.by_kid.get(&row.kid) {
                Some(held) => Arc::clone(&held.key),
                None => Arc::new(unseal(&row.kid, sealed, algorithm, masters)?),
            };
            let held = Arc::new(Held {
                key,
                state: row.state,
                signs_from: row.signs_from.unwrap_or(i64::MAX),
                published_until: row.published_until,
            });
            ring.by_kid.insert(row.kid.clone(), Arc::clone(&held));
            ring.held.push(held);
        }
        Ok(ring)
    }

    /// The key that signs with `algorithm` now: the newest whose time has come, so that a key which
    /// others may not know yet leaves it to the one before. Where that is revoked, the current one.
    #[must_use]
    pub fn signer(&self, algorithm: SigningAlgorithm, now: i64) -> Option<&SigningKey> {
        let mut row = self
            .held
            .iter()
            .filter(|held| held.key.algorithm() == algorithm && held.state != KeyState::Next);
        let current = row.clone().find(|held| held.state == KeyState::Current);
        row.find(|held| held.signs_from <= now)
            .or(current)
            .map(|held| held.key.as_ref())
    }

    /// True where there are keys for the algorithm.
    #[must_use]
    pub fn has(&self, algorithm: SigningAlgorithm) -> bool {
        let is_one =
            |held: &Arc<Held>| held.key.algorithm() == algorithm && held.state == KeyState::Current;
        self.held.iter().any(is_one)
    }

    /// The key of a `kid`; none once the last token that it signed has ended.
    #[must_use]
    pub fn get(&self, kid: &str, now: i64) -> Option<&SigningKey> {
        let held = self.by_kid.get(kid)?;
        held.is_published(now).then(|| held.key.as_ref())
    }

    /// The JWK set (RFC 7517 §5) as JSON text.
    #[must_use]
    pub fn key_set(&self, now: i64) -> String {
        let published = self.held.iter().filter(|held| held.is_published(now));
        let keys: Vec<_> = published.map(|held| held.key.public()).collect();
        json!({ "keys": keys }).to_string()
    }
}

fn unseal(
    kid: &str,
    sealed: &str,
    algorithm: SigningAlgorithm,
    masters: &MasterKeys,
) -> Result<SigningKey, Fault> {
    let der = masters
        .unseal(kid, sealed)
        .ok_or_else(|| Fault::internal(format_args!("key {kid} cannot be unsealed")))?;
    SigningKey::parse(algorithm, &der.value)
}
