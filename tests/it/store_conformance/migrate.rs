//! `store::migrate`

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use grantor::model::key::KeyState;
use grantor::store::{Store, feed, keys};
use sqlx::migrate::Migrator;

use super::{api, both_databases, expect_defect};
use crate::harness::{Backend, Database, Sql};

async fn migrate(store: &Store) {
    let lock = store.migration_lock().await.unwrap();
    store.migrate(&lock).await.unwrap();
}

async fn four_at_once_on_a_new_database(backend: Backend) {
    let database = Database::create(backend).await;
    let stores: [Store; 4] = std::array::from_fn(|_| database.store(&[]));
    let [a, b, c, d] = &stores;
    tokio::join!(migrate(a), migrate(b), migrate(c), migrate(d));
    for store in stores {
        store.close().await;
    }
    let mut sql = database.sql().await;
    let applied = sql.number("select count(*) from _sqlx_migrations").await;
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"));
    assert_eq!(usize::try_from(applied).unwrap(), files.unwrap().count());
    assert_eq!(sql.number("select count(*) from apis").await, 0);
    drop(sql);
    database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_migrations_at_the_same_time_agree_on_sqlite() {
    four_at_once_on_a_new_database(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_migrations_at_the_same_time_agree_on_postgres() {
    four_at_once_on_a_new_database(Backend::Postgres).await;
}

/// A database as the first version left it: its schema, two keys.
async fn database_of_the_first_version(backend: Backend) -> Database {
    let database = Database::create(backend).await;
    let folder = tempfile::tempdir().unwrap();
    let first = "0001_first.sql";
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/");
    std::fs::copy(format!("{own}{first}"), folder.path().join(first)).unwrap();
    let migrator = Migrator::new(folder.path()).await.unwrap();
    // Makes the file of SQLite, too.
    drop(database.store(&[]).migration_lock().await.unwrap());
    match database.sql().await {
        Sql::Sqlite(mut conn) => migrator.run(&mut conn).await.unwrap(),
        Sql::Postgres(mut conn) => migrator.run(&mut conn).await.unwrap(),
    }
    let mut sql = database.sql().await;
    for (kid, state) in [("c", "current"), ("n", "next")] {
        let row = format!(
            "insert into signing_keys (kid, algorithm, state, sealed_private_key, created_at) values ('{kid}', 'RS256', '{state}', 'sealed', 7)"
        );
        sql.run(&row).await.unwrap();
    }
    drop(sql);
    database
}

async fn keys_of_the_first_version_go_on_signing(backend: Backend) {
    let database = database_of_the_first_version(backend).await;
    let store = database.store(&[]);
    migrate(&store).await;
    let keys = keys::all(&mut store.read().await.unwrap()).await.unwrap();
    let shown: Vec<_> = keys
        .iter()
        .map(|key| (key.kid.as_str(), key.generation, key.state, key.signs_from))
        .collect();
    let expected = [
        ("n", 2, KeyState::Next, None),
        ("c", 1, KeyState::Current, Some(7)),
    ];
    assert_eq!(shown, expected);
    store.close().await;
    database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_the_first_version_go_on_signing_on_sqlite() {
    keys_of_the_first_version_go_on_signing(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_the_first_version_go_on_signing_on_postgres() {
    keys_of_the_first_version_go_on_signing(Backend::Postgres).await;
}

both_databases! {
    async fn migrating_again_changes_nothing(bench: Bench) {
        bench.insert_api(&api("id", "https://api/")).await;
        for _ in 0..2 {
            migrate(&bench.database.store(&[])).await;
        }
        let mut conn = bench.store.read().await.unwrap();
        let found = grantor::store::apis::by_id(&mut conn, "id").await.unwrap();
        assert_eq!(found, Some(api("id", "https://api/")));
        assert_eq!(feed::read(&mut conn, 0).await.unwrap().entries.len(), 1);
    }

    async fn only_one_holds_the_migration_lock_at_a_time(bench: Bench) {
        let inside = Arc::new(AtomicUsize::new(0));
        let running: Vec<_> = (0..8).map(|_| {
            let (store, inside) = (bench.database.store(&[]), Arc::clone(&inside));
            tokio::spawn(async move {
                for _ in 0..5 {
                    let lock = store.migration_lock().await.unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                }
            })
        }).collect();
        for running in running {
            running.await.unwrap();
        }
    }

    async fn a_schema_of_another_program_stops_the_migration(bench: Bench) {
        let mut sql = bench.database.sql().await;
        sql.run("update _sqlx_migrations set version = version + 99999999999999").await.unwrap();
        let lock = bench.store.migration_lock().await.unwrap();
        expect_defect(bench.store.migrate(&lock).await);
    }
}
