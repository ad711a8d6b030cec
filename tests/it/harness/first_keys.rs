//! Signing keys for new stores: making two takes longer than most stories do, so stores with the usual
//! settings begin with those that the first of them has made.

use std::sync::OnceLock;

use grantor::clock::Clock;
use grantor::model::key::Key;
use grantor::store;

use super::Database;

/// What a store's first keys depend on.
const OF_KEYS: [&str; 3] = [
    "GRANTOR_ISSUER",
    "GRANTOR_KEYS__",
    "GRANTOR_TOKENS__DEFAULT_SIGNING_ALG",
];

static FIRST: OnceLock<Vec<Key>> = OnceLock::new();

/// Whether a node with these settings makes the same kind of keys as others.
pub(super) fn are_usual(settings: &[(String, String)]) -> bool {
    let is_of_keys = |name: &str| OF_KEYS.iter().any(|own| name.starts_with(own));
    !settings.iter().any(|(name, _)| is_of_keys(name))
}

/// Keeps the keys that a node has made in its new store.
pub(super) async fn keep(store: &store::Store) {
    let mut conn = store.read().await.unwrap();
    let made = store::keys::all(&mut conn).await.unwrap();
    FIRST.get_or_init(|| made);
}

/// Gives them to a store that has none yet, as if it had made them now.
pub(super) async fn give(database: &Database, clock: &Clock) {
    let Some(keys) = FIRST.get() else { return };
    let store = database.store(&[]);
    let lock = store.migration_lock().await.unwrap();
    store.migrate(&lock).await.unwrap();
    let now = clock.now();
    let mut tx = store.write().await.unwrap();
    for key in keys {
        let since = key.current_since.map(|_| now);
        let key = Key {
            created_at: now,
            current_since: since,
            signs_from: since,
            ..key.clone()
        };
        store::keys::insert(&mut tx, &key).await.unwrap();
    }
    tx.commit(now).await.unwrap();
    drop(lock);
    store.close().await;
}
