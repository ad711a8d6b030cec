//! The scripts of `tests/curl` with the real curl, against the built program on both stores.

use std::path::{Path, PathBuf};

use crate::harness::{ADMIN_ID, ADMIN_SECRET, Backend, Database, environment};
use crate::program::{BINARY, Program};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/curl")
}

/// Each script as a test of its own, and the list of all of them.
macro_rules! scripts {
    ($($name:ident)*) => {
        const SCRIPTS: &[&str] = &[$(stringify!($name)),*];

        $(mod $name {
            #[tokio::test]
            async fn on_sqlite() {
                super::run(stringify!($name), crate::harness::Backend::Sqlite).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                super::run(stringify!($name), crate::harness::Backend::Postgres).await;
            }
        })*
    };
}

scripts! {
    create_rotate_delete
    explain_lifetime
    never_expiring
    recover_admin
    revoke_client_grant
    rotate_with_grace
    several_resources
    shorten_lifetime
    sign_in
    walkthrough
}

async fn run(script: &str, backend: Backend) {
    let database = Database::create(backend).await;
    let home = tempfile::tempdir().unwrap();
    let mut environment = environment(&database, &[]);
    let server = Program::with_environment(home.path(), &environment).serve();
    for (key, value) in [
        ("GRANTOR", server.base.as_str()),
        ("CLIENT_ID", ADMIN_ID),
        ("CLIENT_SECRET", ADMIN_SECRET),
        ("PROGRAM", BINARY),
    ] {
        environment.push((key.to_owned(), value.to_owned()));
    }
    let path = folder().join(format!("{script}.sh"));
    let output = Program::with_environment(home.path(), &environment)
        .command(path.to_str().unwrap())
        .output()
        .unwrap();
    let (said, wrong) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success() && !said.is_empty() && wrong.lines().all(is_a_log_line),
        "{script}.sh: {}\n{said}{wrong}",
        output.status
    );
    drop(server);
    database.drop_it().await;
}

/// The program logs to standard error, in JSON where that is no terminal.
fn is_a_log_line(line: &str) -> bool {
    line.starts_with(r#"{"timestamp":"#)
}

#[test]
fn every_script_is_run() {
    let mut found: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap() != "lib.sh")
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, SCRIPTS);
}
