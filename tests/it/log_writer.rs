//! The log when nobody reads it, and when it cannot be written: requests are answered all the same.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::StatusCode;
use serde_json::json;
use tempfile::tempdir;

use crate::harness::{ADMIN_ID, ADMIN_SECRET, Backend, Credentials, Database, Wire};
use crate::program::{BINARY, Program};

const API: &str = "https://orders.example/";
/// A pipe holds 64 KiB; each of these requests leaves more than 200 bytes in the log.
const REQUESTS: usize = 1000;

/// A server whose log is in the hands of the test.
struct Server {
    child: Child,
    log: Option<BufReader<std::process::ChildStderr>>,
    wire: Wire,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, or this ends it; either way nothing is left behind.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    fn start(folder: &Path, database: &Database) -> Self {
        let program = Program::in_folder(folder)
            .with("GRANTOR_STORE__URL", database.url())
            .with("GRANTOR_BOOTSTRAP__CLIENT_ID", ADMIN_ID)
            .with("GRANTOR_BOOTSTRAP__CLIENT_SECRET", ADMIN_SECRET)
            .with(
                "GRANTOR_KEYS__MASTER",
                "dGhlIHRlc3RzIHNoYXJlIHRoaXMgbWFzdGVyIGtleSE=",
            )
            .with("GRANTOR_LOG__QUEUE_LINES_MAX", "100")
            .with("GRANTOR_LOG__LEVEL", "debug,sqlx=off,hyper=off");
        let mut command: Command = program.command(BINARY);
        command
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let base = loop {
            line.clear();
            assert!(
                log.read_line(&mut line).unwrap() > 0,
                "it did not come to listen"
            );
            if let Some((_, behind)) = line.split_once("listening on ") {
                break behind.split_once(',').unwrap().0.to_owned();
            }
        };
        let mut wire = Wire::to(base.clone());
        wire.management = format!("{base}/api/v2/");
        Self {
            child,
            log: Some(log),
            wire,
        }
    }

    /// Grants the first application an API whose tokens are stored.
    async fn grant_stored_tokens(&self) {
        self.wire
            .create_api(API, json!({ "token_dialect": "opaque" }))
            .await;
        self.wire.grant(&Credentials::admin(), API, json!({})).await;
    }

    async fn stored_token_is_issued(&self) {
        self.wire.token(&Credentials::admin(), API).await;
    }

    /// Each of these leaves a line in the log.
    async fn requests_are_answered(&self) {
        let client = reqwest::Client::new();
        for _ in 0..REQUESTS {
            let answer = client
                .get(format!("{}/nothing/at/this/path", self.wire.base))
                .send()
                .await;
            assert_eq!(answer.unwrap().status(), StatusCode::NOT_FOUND);
        }
    }
}

async fn requests_are_answered_while_nobody_reads_the_log(backend: Backend) {
    let folder = tempdir().unwrap();
    let database = Database::create(backend).await;
    let mut server = Server::start(folder.path(), &database);
    server.grant_stored_tokens().await;
    server.requests_are_answered().await;
    server.stored_token_is_issued().await;
    // Whoever reads on is told how many lines were dropped.
    let log = server.log.take().unwrap();
    let told = tokio::task::spawn_blocking(move || {
        log.lines()
            .map_while(Result::ok)
            .find(|line| line.contains("lines of the log were dropped"))
    });
    let told = tokio::time::timeout(std::time::Duration::from_mins(1), told).await;
    let told = told
        .expect("a line about dropped lines")
        .unwrap()
        .expect("the log goes on");
    assert!(told.contains("log.queue_lines_max"), "{told}");
    server.stored_token_is_issued().await;
    drop(server);
    database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_answered_while_nobody_reads_the_log_on_sqlite() {
    requests_are_answered_while_nobody_reads_the_log(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_answered_while_nobody_reads_the_log_on_postgres() {
    requests_are_answered_while_nobody_reads_the_log(Backend::Postgres).await;
}

async fn a_log_whose_reader_has_gone_harms_nothing(backend: Backend) {
    let folder = tempdir().unwrap();
    let database = Database::create(backend).await;
    let mut server = Server::start(folder.path(), &database);
    drop(server.log.take());
    server.grant_stored_tokens().await;
    server.requests_are_answered().await;
    server.stored_token_is_issued().await;
    let ready = reqwest::get(format!("{}/readyz", server.wire.base)).await;
    assert_eq!(ready.unwrap().status(), StatusCode::OK);
    drop(server);
    database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_reader_has_gone_harms_nothing_on_sqlite() {
    a_log_whose_reader_has_gone_harms_nothing(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_reader_has_gone_harms_nothing_on_postgres() {
    a_log_whose_reader_has_gone_harms_nothing(Backend::Postgres).await;
}

#[test]
fn a_start_that_fails_ends_though_nobody_reads_why() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path()).with("GRANTOR_SERVER__LISTEN", "nowhere");
    let mut command = program.command(BINARY);
    command
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(78));
}

#[test]
fn the_last_lines_before_the_end_are_written() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path());
    let mut command = program.command(BINARY);
    command
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert!(
            log.read_line(&mut line).unwrap() > 0,
            "it did not come to listen"
        );
    }
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(rest.contains("stopped"), "{rest}");
}
