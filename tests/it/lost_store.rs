//! A database that was truncated or lost does not silently become a new store.

use std::fs;

use tempfile::tempdir;

use crate::harness::{Backend, Database};
use crate::program::Program;

#[test]
fn a_truncated_database_is_not_taken_for_a_new_one() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path());
    program.serve().stop().expect(0);
    let data = folder.path().join("data");
    assert!(!data.join("master.key.unused").exists());
    let whole = fs::read(data.join("grantor.db")).unwrap();
    for file in ["grantor.db-wal", "grantor.db-shm"] {
        drop(fs::remove_file(data.join(file)));
    }
    fs::write(data.join("grantor.db"), "").unwrap();
    let words = [
        "data/grantor.db",
        "data/master.key",
        "Restore it from a backup",
        "master.key.unused",
    ];
    program.refuse_to_serve().expect(70).complains_of(&words);
    fs::remove_file(data.join("grantor.db")).unwrap();
    program.refuse_to_serve().expect(70).complains_of(&words);
    // Restored, it goes on.
    for file in ["grantor.db-wal", "grantor.db-shm"] {
        drop(fs::remove_file(data.join(file)));
    }
    fs::write(data.join("grantor.db"), whole).unwrap();
    program.serve().stop().expect(0);
    // On purpose: without the old key, or under the same one.
    for file in ["grantor.db", "grantor.db-wal", "grantor.db-shm"] {
        drop(fs::remove_file(data.join(file)));
    }
    fs::write(data.join("master.key.unused"), "").unwrap();
    program.serve().stop().expect(0);
    for file in [
        "grantor.db",
        "grantor.db-wal",
        "grantor.db-shm",
        "master.key",
    ] {
        drop(fs::remove_file(data.join(file)));
    }
    program.serve().stop().expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_empty_database_is_not_taken_for_a_new_one() {
    let folder = tempdir().unwrap();
    let (first, second) = (
        Database::create(Backend::Postgres).await,
        Database::create(Backend::Postgres).await,
    );
    let on = |database: &Database| {
        Program::in_folder(folder.path()).with("GRANTOR_STORE__URL", database.url())
    };
    on(&first).serve().stop().expect(0);
    on(&second)
        .refuse_to_serve()
        .expect(70)
        .complains_of(&["the database of store.url", "data/master.key"]);
    on(&first).serve().stop().expect(0);
    first.drop_it().await;
    second.drop_it().await;
}

/// A first start that is killed between the master key and the store can be repeated.
#[test]
fn a_first_start_that_was_cut_short_can_be_repeated() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("master.key.unused"), "").unwrap();
    fs::write(
        data.join("master.key"),
        "dGhlIHRlc3RzIHNoYXJlIHRoaXMgbWFzdGVyIGtleSE=\n",
    )
    .unwrap();
    let program = Program::in_folder(folder.path());
    program.serve().stop().expect(0);
    assert!(!data.join("master.key.unused").exists());
    program.serve().stop().expect(0);
}
