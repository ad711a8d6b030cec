//! Memory of the real program: what slow hashes take during a flood is given back after it.
#![cfg(target_os = "linux")]

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Backend, Credentials, Database, Wire, environment};
use crate::program::{Program, Running};

/// The most that may be kept after a flood, in KiB.
const KEPT_KIB_MAX: u64 = 30 * 1024;
const CONNECTIONS: usize = 60;
const REQUESTS_PER_CONNECTION: usize = 3;

/// The memory that a process has in use now (`VmRSS`), in KiB.
fn resident_kib(server: &Running) -> u64 {
    let path = format!("/proc/{}/status", server.id());
    let status = std::fs::read_to_string(Path::new(&path)).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

/// Wrong passwords and wrong short secrets, over so many connections at one time. Some find the queues
/// full.
async fn flood(wire: &Wire, application: &Credentials) {
    let mut running = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let (wire, application) = (wire.clone(), application.clone());
        running.spawn(async move {
            let guess = Credentials {
                secret: format!("a wrong guess {connection:02}"),
                ..application.clone()
            };
            for number in 0..REQUESTS_PER_CONNECTION {
                let name = format!("nobody{connection}-{number}");
                let wrong_password = [
                    ("grant_type", "password"),
                    ("username", name.as_str()),
                    ("password", "a wrong guess"),
                ];
                let password = wire.form("/oauth/token", &application, &wrong_password);
                let (password, secret) = tokio::join!(password, wire.ask(&guess, &[]));
                for answer in [password, secret] {
                    let is_refused = matches!(answer.status.as_u16(), 400 | 401 | 503);
                    assert!(is_refused, "{answer:?}");
                }
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

async fn a_flood_of_guesses_leaves_no_memory_behind(backend: Backend) {
    let database = Database::create(backend).await;
    let folder = tempfile::tempdir().unwrap();
    let limits = [("GRANTOR_LIMITS__SIGN_INS_PER_ADDRESS_MAX", "100000")];
    let limits = limits.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let environment = environment(&database, &limits);
    let server = Program::with_environment(folder.path(), &environment).serve();
    let wire = Wire::to(server.base.clone());
    let flags = json!({ "flags": { "allow_password_grant": true } });
    wire.manage(Method::PATCH, "/tenants/settings", Some(flags))
        .await
        .expect(StatusCode::OK);
    let fields = json!({ "client_secret": "sixteen letters!", "grant_types": ["password", "client_credentials"] });
    let application = wire.create_application(fields).await;
    // Connections and caches are there from now on.
    wire.ask(&application, &[]).await;
    let before = resident_kib(&server);
    flood(&wire, &application).await;
    let after = resident_kib(&server);
    assert!(
        after <= before + KEPT_KIB_MAX,
        "{before} KiB before, {after} KiB after"
    );
    drop(server);
    database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_guesses_leaves_no_memory_behind_on_sqlite() {
    a_flood_of_guesses_leaves_no_memory_behind(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_guesses_leaves_no_memory_behind_on_postgres() {
    a_flood_of_guesses_leaves_no_memory_behind(Backend::Postgres).await;
}
