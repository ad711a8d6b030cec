//! `store::locks`: locks by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use grantor::store::{Locks, Scope};

use super::{NOW, both_databases};
use crate::harness::{Backend, within};

/// How long a transaction may take to begin to wait.
const PATIENCE: Duration = Duration::from_secs(10);
const WAITING: &str = "select count(*) from pg_locks l join pg_database d on d.oid = l.database
      where not l.granted and l.locktype = 'advisory' and d.datname = current_database()";

both_databases! {
    async fn who_takes_a_name_alone_is_waited_for(bench: Bench) {
        let user = Scope::User("u");
        let alone = bench.store.write_locked(&Locks::new().exclusive(user)).await.unwrap();
        let has_ended = Arc::new(AtomicBool::new(false));
        let (store, ended) = (bench.store.clone(), Arc::clone(&has_ended));
        let waiting = tokio::spawn(async move {
            let tx = store.write_locked(&Locks::new().shared(user)).await.unwrap();
            let came_later = ended.load(Ordering::SeqCst);
            tx.commit(NOW).await.unwrap();
            came_later
        });
        if bench.database.backend() == Backend::Postgres {
            let mut sql = bench.database.sql().await;
            within(PATIENCE, async || sql.number(WAITING).await == 1).await;
        }
        has_ended.store(true, Ordering::SeqCst);
        alone.commit(NOW).await.unwrap();
        assert!(waiting.await.unwrap());
    }

    async fn who_shares_a_name_or_takes_another_waits_for_nobody(bench: Bench) {
        let shared = Locks::below("u", "a");
        let first = bench.store.write_locked(&shared).await.unwrap();
        if bench.database.backend() == Backend::Postgres {
            let another = Locks::new().exclusive(Scope::User("v")).shared(Scope::User("u"));
            for locks in [&shared, &another] {
                bench.store.write_locked(locks).await.unwrap().commit(NOW).await.unwrap();
            }
        }
        first.commit(NOW).await.unwrap();
    }
}
