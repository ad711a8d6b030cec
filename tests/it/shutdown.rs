//! The graceful end: what has begun is answered, nothing new begins, and nothing is lost.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use tempfile::{TempDir, tempdir};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::harness::{ADMIN_ID, ADMIN_SECRET, Backend, Credentials, Database};
use crate::program::{Program, Running};
use crate::raw::Connection;

const API: &str = "https://orders.example/";

struct Place {
    _folder: TempDir,
    database: Database,
    program: Program,
}

impl Place {
    async fn new(backend: Backend) -> Self {
        let folder = tempdir().unwrap();
        let database = Database::create(backend).await;
        let program = Program::in_folder(folder.path())
            .with("GRANTOR_STORE__URL", database.url())
            .with("GRANTOR_BOOTSTRAP__CLIENT_ID", ADMIN_ID)
            .with("GRANTOR_BOOTSTRAP__CLIENT_SECRET", ADMIN_SECRET)
            .with("GRANTOR_ISSUER", crate::harness::ISSUER);
        Self {
            _folder: folder,
            database,
            program,
        }
    }
}

/// Makes an API whose tokens are stored, and grants it to the first application.
async fn grant_stored_tokens(running: &Running) {
    let params = [
        ("grant_type", "client_credentials"),
        ("audience", crate::harness::MANAGEMENT),
    ];
    let answer = running
        .form("/oauth/token", &Credentials::admin(), &params)
        .await;
    let token = answer.expect(StatusCode::OK).text("access_token");
    let bodies = [
        (
            "resource-servers",
            json!({ "identifier": API, "token_dialect": "opaque" }),
        ),
        (
            "client-grants",
            json!({ "client_id": ADMIN_ID, "audience": API }),
        ),
    ];
    for (path, body) in bodies {
        let request = reqwest::Client::new()
            .post(format!("{}/api/v2/{path}", running.base))
            .bearer_auth(&token)
            .json(&body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{answer:?}");
    }
}

/// A token request, cut in two: the server cannot answer before the second part.
fn token_request() -> (String, String) {
    let body = format!(
        "grant_type=client_credentials&client_id={ADMIN_ID}&client_secret={}&audience={API}",
        ADMIN_SECRET.replace(' ', "+")
    );
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (first, second) = body.split_at(10);
    (head + first, second.to_owned())
}

/// Waits until connections are refused.
async fn refuses_connections(base: &str) {
    let address = base.trim_start_matches("http://");
    let asking = async {
        while TcpStream::connect(address).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let refused = timeout(Duration::from_secs(10), asking).await;
    refused.expect("new connections are refused");
}

/// Requests that are under way at SIGTERM are answered, and what they were told is true after the
/// next start.
async fn what_has_begun_is_answered_and_kept(backend: Backend) {
    let place = Place::new(backend).await;
    let mut running = place.program.serve();
    grant_stored_tokens(&running).await;
    let mut connections = Vec::new();
    for _ in 0..50 {
        let mut connection = Connection::open(&running.base).await.unwrap();
        connection.send(token_request().0).await.unwrap();
        connections.push(connection);
    }
    // The server has read this far where it has answered a later request.
    let healthy = reqwest::get(format!("{}/healthz", running.base)).await;
    assert_eq!(healthy.unwrap().status(), StatusCode::OK);

    running.terminate();
    assert!(running.until(|running| running.output().contains("stopping")));
    refuses_connections(&running.base).await;
    let mut tokens = Vec::new();
    for connection in &mut connections {
        connection.send(token_request().1).await.unwrap();
    }
    for connection in &mut connections {
        let answer = connection.answer().await.expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        tokens.push(token);
        assert!(connection.answer().await.is_none(), "the connection ends");
    }
    running.end().expect(0);

    let again = place.program.serve();
    for token in &tokens {
        let params = [("token", token.as_str())];
        let answer = again
            .form("/oauth/introspect", &Credentials::admin(), &params)
            .await;
        assert_eq!(answer.json["active"], true, "{answer:?}");
    }
    again.stop().expect(0);
    place.database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_begun_is_answered_and_kept_on_sqlite() {
    what_has_begun_is_answered_and_kept(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_begun_is_answered_and_kept_on_postgres() {
    what_has_begun_is_answered_and_kept(Backend::Postgres).await;
}

/// Writes that nobody waits for, such as when a token was used, are made before the end.
async fn the_queue_of_writes_is_emptied(backend: Backend) {
    let place = Place::new(backend).await;
    let running = place.program.serve();
    grant_stored_tokens(&running).await;
    let ask = [("grant_type", "client_credentials"), ("audience", API)];
    let admin = Credentials::admin();
    let mut tokens = Vec::new();
    for _ in 0..20 {
        let answer = running.form("/oauth/token", &admin, &ask).await;
        tokens.push(answer.expect(StatusCode::OK).text("access_token"));
    }
    for token in &tokens {
        let seen = running
            .form("/oauth/introspect", &admin, &[("token", token)])
            .await;
        assert_eq!(seen.json["active"], true, "{seen:?}");
    }
    let ended = running.stop().expect(0);
    assert!(!ended.stderr.contains("did not end in time"), "{ended:?}");
    assert_eq!(used_tokens(&place.database).await, 20);
    place.database.drop_it().await;
}

/// How many tokens the store says were used.
async fn used_tokens(database: &Database) -> i64 {
    use sqlx::{Connection, PgConnection, SqliteConnection};
    let sql = "select count(*) from tokens where last_used_at is not null";
    let url = database.url();
    match database {
        Database::Sqlite(_) => {
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut connection).await
        }
        Database::Postgres { .. } => {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut connection).await
        }
    }
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_of_writes_is_emptied_on_sqlite() {
    the_queue_of_writes_is_emptied(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_of_writes_is_emptied_on_postgres() {
    the_queue_of_writes_is_emptied(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_do_not_hold_up_the_end() {
    let folder = tempdir().unwrap();
    let running = Program::in_folder(folder.path()).serve();
    let mut idle = Connection::open(&running.base).await.unwrap();
    idle.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(idle.answer().await.unwrap().status, 200);
    let mut unused = Connection::open(&running.base).await.unwrap();
    let began = Instant::now();
    running.stop().expect(0);
    // Far less than server.header_seconds_max (10) and server.shutdown_seconds_max (30).
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(idle.answer().await.is_none());
    assert!(unused.answer().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_never_end_are_cut_off_after_shutdown_seconds_max() {
    let folder = tempdir().unwrap();
    let program =
        Program::in_folder(folder.path()).with("GRANTOR_SERVER__SHUTDOWN_SECONDS_MAX", "1");
    let running = program.serve();
    let mut endless = Connection::open(&running.base).await.unwrap();
    endless.send(token_request().0).await.unwrap();
    let healthy = reqwest::get(format!("{}/healthz", running.base)).await;
    assert_eq!(healthy.unwrap().status(), StatusCode::OK);
    let began = Instant::now();
    let ended = running.stop().expect(0);
    ended.complains_of(&["server.shutdown_seconds_max"]);
    assert!(began.elapsed() < Duration::from_secs(8), "{ended:?}");
    assert!(endless.answer().await.is_none());
}

#[test]
fn a_signal_as_soon_as_it_listens_is_an_orderly_end() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path());
    for signal in ["TERM", "INT", "TERM", "INT"] {
        let running = program.serve();
        running.signal(signal);
        running.end().expect(0).complains_of(&["stopped"]);
    }
}
