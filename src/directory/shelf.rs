//! One kind of thing, kept in memory: bounded in bytes, filled on a miss, unknown keys included.
//!
//! A fill whose key is forgotten while it reads is not kept, because what it read may be from
//! before the change: the library gives up a placeholder when its key is removed.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::model::api::Api;
use crate::model::application::Application;
use crate::model::client_grant::ClientGrant;
use crate::model::fault::Fault;
use crate::model::settings::InForce;

/// What a value weighs in memory, about.
pub(super) trait Weigh {
    /// In bytes.
    fn bytes(&self) -> usize;
}

#[derive(Clone)]
struct ByBytes;

impl<V: Weigh> Weighter<String, Option<Arc<V>>> for ByBytes {
    fn weight(&self, key: &String, value: &Option<Arc<V>>) -> u64 {
        /// An entry's own administration, about.
        const ENTRY_BYTES: usize = 128;
        let bytes = ENTRY_BYTES + key.len() + value.as_ref().map_or(0, |value| value.bytes());
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Values of one kind by key; `None` is a key that the store does not know.
pub(super) struct Shelf<V: Weigh> {
    known: Cache<String, Option<Arc<V>>, ByBytes>,
}

impl<V: Weigh> Shelf<V> {
    /// Holds about `bytes_max` bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        /// What an entry weighs, about: only a first guess for the tables' size.
        const USUAL_ENTRY_BYTES: u64 = 1024;
        let entries = usize::try_from(bytes_max / USUAL_ENTRY_BYTES)
            .unwrap_or(usize::MAX)
            .min(4096);
        Self {
            known: Cache::with_weighter(entries, bytes_max, ByBytes),
        }
    }

    /// The value of a key, read where it is not known. Requests for one key share one reading,
    /// which is never one from before the key was forgotten.
    pub(super) async fn get_or_read<R>(&self, key: &str, read: R) -> Result<Option<Arc<V>>, Fault>
    where
        R: AsyncFnOnce() -> Result<Option<V>, Fault>,
    {
        match self.known.get_value_or_guard_async(key).await {
            Ok(value) => Ok(value),
            Err(place) => {
                let value = read().await?.map(Arc::new);
                // Refused where the key was forgotten meanwhile: the answer is good for this
                // request, which began before the change was in force, and for nobody later.
                drop(place.insert(value.clone()));
                Ok(value)
            }
        }
    }

    /// What is known of a key, without reading.
    pub(super) fn known(&self, key: &str) -> Option<Option<Arc<V>>> {
        self.known.get(key)
    }

    /// Forgets a key that has changed, and any running fill of it.
    pub(super) fn forget(&self, key: &str) {
        self.known.remove(key);
    }

    /// Forgets everything, and any running fill.
    pub(super) fn forget_all(&self) {
        self.known.clear();
    }
}

impl Weigh for Api {
    fn bytes(&self) -> usize {
        let scope = |scope: &crate::model::scope::Scope| {
            64 + scope.value.len() + scope.description.as_ref().map_or(0, String::len)
        };
        size_of::<Self>()
            + self.id.len()
            + self.identifier.len()
            + self.name.as_ref().map_or(0, String::len)
            + self
                .signing_secret
                .as_ref()
                .map_or(0, |own| own.sealed.len())
            + self.scopes.iter().map(scope).sum::<usize>()
            + self.described.bytes()
    }
}

impl Weigh for Application {
    fn bytes(&self) -> usize {
        /// A secret's id and verifier, the remembered digest included.
        const SECRET_BYTES: usize = 320;
        /// A credential with its key, as JWK and parsed, about: most keys are RSA of 2048 bits.
        const CREDENTIAL_BYTES: usize = 1536;
        size_of::<Self>()
            + self.client_id.len()
            + self.name.len()
            + self
                .grant_types
                .iter()
                .map(|grant_type| 32 + grant_type.len())
                .sum::<usize>()
            + self.sign_in.bytes()
            + self.secrets.len() * SECRET_BYTES
            + (self.credentials.len() + self.request_credentials.len()) * CREDENTIAL_BYTES
            + self
                .private_key_jwt
                .as_ref()
                .map_or(0, |ids| 64 * ids.len())
    }
}

impl Weigh for Vec<Arc<ClientGrant>> {
    fn bytes(&self) -> usize {
        let grant = |grant: &Arc<ClientGrant>| {
            size_of::<ClientGrant>()
                + 128
                + grant.audience.len()
                + grant.described.bytes()
                + grant
                    .scopes
                    .iter()
                    .map(|scope| 32 + scope.len())
                    .sum::<usize>()
        };
        self.iter().map(grant).sum()
    }
}

impl Weigh for InForce {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.default_audience.as_ref().map_or(0, String::len)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::sync::Barrier;

    use super::*;

    impl Weigh for u64 {
        fn bytes(&self) -> usize {
            8
        }
    }

    /// The store's value and a reader that pauses between its read and its return.
    struct Paused {
        stored: AtomicU64,
        has_read: Barrier,
        may_return: Barrier,
    }

    impl Paused {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                stored: AtomicU64::new(1),
                has_read: Barrier::new(2),
                may_return: Barrier::new(2),
            })
        }

        async fn read(&self) -> Result<Option<u64>, Fault> {
            let value = self.stored.load(Ordering::SeqCst);
            self.has_read.wait().await;
            self.may_return.wait().await;
            Ok(Some(value))
        }

        #[expect(
            clippy::unused_async,
            reason = "stands where the store's reading would"
        )]
        async fn at_once(&self) -> Result<Option<u64>, Fault> {
            Ok(Some(self.stored.load(Ordering::SeqCst)))
        }
    }

    /// The race that would keep a stale row for ever: read, change, forget, fill.
    async fn race(forget: fn(&Shelf<u64>)) {
        let (shelf, store) = (Arc::new(Shelf::<u64>::new(1 << 20)), Paused::new());
        let fill = tokio::spawn({
            let (shelf, store) = (Arc::clone(&shelf), Arc::clone(&store));
            async move { shelf.get_or_read("k", async || store.read().await).await }
        });
        store.has_read.wait().await;
        store.stored.store(2, Ordering::SeqCst);
        forget(&shelf);
        // A request after the change neither joins the old reading nor waits for it.
        let after = shelf
            .get_or_read("k", async || store.at_once().await)
            .await
            .unwrap();
        assert_eq!(after.as_deref(), Some(&2));
        store.may_return.wait().await;
        assert_eq!(fill.await.unwrap().unwrap().as_deref(), Some(&1));
        let later = shelf
            .get_or_read("k", async || store.at_once().await)
            .await
            .unwrap();
        assert_eq!(later.as_deref(), Some(&2), "the old reading was kept");
    }

    #[tokio::test]
    async fn a_fill_from_before_a_change_is_not_kept() {
        race(|shelf| shelf.forget("k")).await;
        race(Shelf::forget_all).await;
    }

    #[tokio::test]
    async fn a_paused_fill_alone_does_not_survive_the_change() {
        let (shelf, store) = (Arc::new(Shelf::<u64>::new(1 << 20)), Paused::new());
        let fill = tokio::spawn({
            let (shelf, store) = (Arc::clone(&shelf), Arc::clone(&store));
            async move { shelf.get_or_read("k", async || store.read().await).await }
        });
        store.has_read.wait().await;
        store.stored.store(2, Ordering::SeqCst);
        shelf.forget("k");
        store.may_return.wait().await;
        fill.await.unwrap().unwrap();
        assert!(shelf.known("k").is_none());
    }

    #[tokio::test]
    async fn requests_for_one_key_share_one_reading_and_unknown_keys_are_known_as_such() {
        let shelf = Shelf::<u64>::new(1 << 20);
        let reads = AtomicU64::new(0);
        let read = async || {
            reads.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(None)
        };
        let (a, b) = tokio::join!(shelf.get_or_read("k", read), shelf.get_or_read("k", read));
        assert!(a.unwrap().is_none() && b.unwrap().is_none());
        shelf.get_or_read("k", read).await.unwrap();
        assert_eq!(reads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_shelf_stays_within_its_bytes() {
        let shelf = Shelf::<u64>::new(1 << 16);
        for n in 0..10_000 {
            shelf
                .get_or_read(&format!("key {n}"), async || Ok(Some(n)))
                .await
                .unwrap();
        }
        assert!(shelf.known.weight() <= 1 << 16);
    }
}
