//! The first start, by the real binary: what it makes, whom it tells, and that nothing leaks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::harness::{ADMIN_ID, ADMIN_SECRET, Backend, Credentials, Database, ISSUER, claims};
use crate::program::{Program, Running};

const ORDERS: &str = "https://orders.example/";
const ANOTHER_MASTER: &str = "YW5vdGhlciBtYXN0ZXIga2V5IG9mIDMyIGJ5dGVzISE=";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn credentials_in(folder: &Path) -> Credentials {
    let text = fs::read_to_string(folder.join("data/first-application.json")).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    let member = |name: &str| written[name].as_str().unwrap().to_owned();
    Credentials {
        id: member("client_id"),
        secret: member("client_secret"),
    }
}

async fn key_set(running: &Running) -> Value {
    let url = format!("{}/.well-known/jwks.json", running.base);
    let keys = reqwest::get(url).await.unwrap();
    keys.json().await.unwrap()
}

async fn expect_management_token(running: &Running, client: &Credentials) -> String {
    let answer = running.ask_for_management(client).await;
    answer.expect(StatusCode::OK).text("access_token")
}

/// A folder and a database for programs that share both.
struct Place {
    folder: TempDir,
    database: Database,
}

impl Place {
    async fn new(backend: Backend) -> Self {
        Self {
            folder: tempdir().unwrap(),
            database: Database::create(backend).await,
        }
    }

    fn program(&self) -> Program {
        let url = match &self.database {
            // As by default, so that the files beside it are where they are on Postgres.
            Database::Sqlite(_) => "sqlite://data/grantor.db".to_owned(),
            Database::Postgres { .. } => self.database.url(),
        };
        Program::in_folder(self.folder.path()).with("GRANTOR_STORE__URL", url)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nothing_configured_it_makes_a_store_and_hands_over_credentials_in_a_private_file() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path());
    let running = program.serve();
    let data = folder.path().join("data");
    assert!(data.join("grantor.db").is_file());
    assert_eq!(mode(&data.join("first-application.json")), 0o600);
    assert_eq!(mode(&data.join("master.key")), 0o600);
    for file in ["grantor.db", "grantor.db-wal", "grantor.db-shm"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }

    let first = credentials_in(folder.path());
    let token = expect_management_token(&running, &first).await;
    assert_eq!(claims(&token)["iss"], format!("{}/", running.base));
    let keys = key_set(&running).await;

    let ended = running.stop().expect(0);
    ended.complains_of(&["data/first-application.json", "data/master.key"]);
    for secret in [&first.id, &first.secret] {
        let output = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!output.contains(secret.as_str()), "{output}");
    }

    let before = fs::read_to_string(data.join("first-application.json")).unwrap();
    let again = program.serve();
    assert_eq!(key_set(&again).await, keys);
    expect_management_token(&again, &first).await;
    let ended = again.stop().expect(0);
    assert_eq!(ended.stdout, "");
    assert!(!ended.stderr.contains("first application"), "{ended:?}");
    assert!(!ended.stderr.contains("master key"), "{ended:?}");
    let after = fs::read_to_string(data.join("first-application.json")).unwrap();
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_there_is_never_overwritten_and_the_start_says_so() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let path = folder.path().join("data/first-application.json");
    fs::write(&path, "mine").unwrap();
    let program = Program::in_folder(folder.path());
    let ended = program.serve().stop().expect(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    ended.complains_of(&["data/first-application.json", "not overwritten"]);
    // The way that the message names leads on.
    ended.complains_of(&["grantor admin-secret"]);
    let recovered = program.run(&["admin-secret"]).expect(0);
    assert!(recovered.stdout.contains("client_secret"), "{recovered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_terminal_the_credentials_are_printed_once_with_a_curl_line_that_gets_a_token() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path());
    let running = program.serve_on_a_terminal();
    let output = running.output();
    let line = output
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("curl "));
    let line = line.unwrap_or_else(|| panic!("no curl line: {output}"));
    let pasted = Command::new("sh").args(["-c", line]).output().unwrap();
    let answer = String::from_utf8(pasted.stdout).unwrap();
    let answer: Value =
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {line}: {answer}"));
    assert_eq!(answer["token_type"], "Bearer", "{answer}");
    assert!(answer["access_token"].is_string(), "{answer}");
    assert!(!folder.path().join("data/first-application.json").exists());
    running.stop();

    let again = program.serve_on_a_terminal();
    let output = again.output();
    assert!(!output.contains("curl"), "{output}");
    assert!(!output.contains("client_secret"), "{output}");
    again.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_credentials_are_taken_and_nothing_is_printed_or_written() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path())
        .with("GRANTOR_BOOTSTRAP__CLIENT_ID", ADMIN_ID)
        .with("GRANTOR_BOOTSTRAP__CLIENT_SECRET", ADMIN_SECRET);
    let running = program.serve();
    expect_management_token(&running, &Credentials::admin()).await;
    let ended = running.stop().expect(0);
    assert_eq!(ended.stdout, "");
    assert!(!ended.stderr.contains("first application"), "{ended:?}");
    assert!(!folder.path().join("data/first-application.json").exists());

    // The same again is nothing to warn about.
    let ended = program.serve().stop().expect(0);
    assert!(!ended.stderr.contains("bootstrap."), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_differences_of_given_credentials_change_nothing_and_are_warned_about_once() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path())
        .with("GRANTOR_BOOTSTRAP__CLIENT_ID", ADMIN_ID)
        .with("GRANTOR_BOOTSTRAP__CLIENT_SECRET", ADMIN_SECRET);
    program.serve().stop().expect(0);
    let other_secret = "another secret that has 32 characters or more";
    let other_id = "AnotherApplicationOfTheTests0001";
    let differences = [
        ("GRANTOR_BOOTSTRAP__CLIENT_ID", other_id),
        ("GRANTOR_BOOTSTRAP__CLIENT_SECRET", other_secret),
    ];
    for (name, value) in differences {
        let running = program.clone().with(name, value).serve();
        expect_management_token(&running, &Credentials::admin()).await;
        let other = Credentials {
            id: other_id.into(),
            secret: other_secret.into(),
        };
        let refused = running.ask_for_management(&other).await;
        refused.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        let ended = running.stop().expect(0);
        let warnings = ended.stderr.matches("bootstrap.client_id").count();
        assert_eq!(warnings, 1, "{ended:?}");
        assert!(!ended.stderr.contains(other_secret), "{ended:?}");
    }
}

#[test]
fn given_credentials_of_a_wrong_length_stop_the_start() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path())
        .with("GRANTOR_BOOTSTRAP__CLIENT_ID", "short")
        .with("GRANTOR_BOOTSTRAP__CLIENT_SECRET", "a short secret");
    let ended = program.refuse_to_serve().expect(78);
    ended.complains_of(&["GRANTOR_BOOTSTRAP__CLIENT_ID", "exactly 32 letters"]);
    ended.complains_of(&["GRANTOR_BOOTSTRAP__CLIENT_SECRET", "32 to 256"]);
    assert!(!ended.stderr.contains("a short secret"), "{ended:?}");
    assert!(!folder.path().join("data").exists(), "nothing is begun");
}

/// Two starts at one moment agree on keys, and one of them makes the first application.
async fn two_starts_at_once_agree(backend: Backend) {
    let place = Place::new(backend).await;
    let program = place.program().with("GRANTOR_ISSUER", ISSUER);
    let both = [program.start(), program.start()];
    let both = both.map(|starting| starting.listening().unwrap_or_else(|e| panic!("{e:?}")));
    let first = credentials_in(place.folder.path());
    let params = [
        ("grant_type", "client_credentials"),
        ("audience", "https://grantor.test/api/v2/"),
    ];
    let mut seen = Vec::new();
    for running in &both {
        let answer = running.form("/oauth/token", &first, &params).await;
        let token = answer.expect(StatusCode::OK).text("access_token");
        seen.push((key_set(running).await, token));
    }
    assert_eq!(seen[0].0, seen[1].0, "the keys");
    // What the one issues, the other knows.
    for (running, (_, token)) in both.iter().zip(seen.iter().rev()) {
        let answer = running
            .form("/oauth/introspect", &first, &[("token", token)])
            .await;
        assert_eq!(answer.json["active"], true, "{answer:?}");
    }
    let ended = both.map(|running| running.stop().expect(0).stderr).concat();
    let made = ended.matches("the first application was made").count();
    assert_eq!(made, 1, "{ended}");
    place.database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_starts_at_once_agree_on_sqlite() {
    two_starts_at_once_agree(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_starts_at_once_agree_on_postgres() {
    two_starts_at_once_agree(Backend::Postgres).await;
}

/// Neither another master key nor a lost one starts on a store that is in use.
async fn only_its_own_master_key_opens_a_store(backend: Backend) {
    let place = Place::new(backend).await;
    let program = place.program();
    program.serve().stop().expect(0);

    let other = program.clone().with("GRANTOR_KEYS__MASTER", ANOTHER_MASTER);
    let ended = other.refuse_to_serve().expect(70);
    ended.complains_of(&["another master key", "keys.master_file"]);
    assert!(!ended.stderr.contains(ANOTHER_MASTER), "{ended:?}");

    let file = place.folder.path().join("data/master.key");
    let key = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let ended = program.refuse_to_serve().expect(70);
    ended.complains_of(&["data/master.key", "master key"]);
    assert!(!file.exists(), "no other key takes its place");

    // Set in the configuration, the same key opens it; also behind a newer one.
    for master in [
        key.trim().to_owned(),
        format!("{ANOTHER_MASTER},{}", key.trim()),
    ] {
        let running = program.clone().with("GRANTOR_KEYS__MASTER", master).serve();
        let first = credentials_in(place.folder.path());
        expect_management_token(&running, &first).await;
        running.stop().expect(0);
    }
    place.database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_its_own_master_key_opens_a_store_on_sqlite() {
    only_its_own_master_key_opens_a_store(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_its_own_master_key_opens_a_store_on_postgres() {
    only_its_own_master_key_opens_a_store(Backend::Postgres).await;
}

/// At the most talkative level the whole output is searched for everything that is secret.
async fn the_log_holds_no_secret(backend: Backend) {
    let place = Place::new(backend).await;
    let mut url = place.program();
    if let Database::Postgres { .. } = &place.database {
        // The test server trusts everybody, and so takes any password.
        let with_password = place
            .database
            .url()
            .replace("grantor@", "grantor:s3cr3t-of-pg@");
        url = url.with("GRANTOR_STORE__URL", with_password);
    }
    let program = url
        .with("GRANTOR_LOG__LEVEL", "trace")
        .with("GRANTOR_BOOTSTRAP__CLIENT_ID", ADMIN_ID)
        .with("GRANTOR_BOOTSTRAP__CLIENT_SECRET", ADMIN_SECRET);
    let running = program.serve();
    let mut secrets = vec!["s3cr3t-of-pg".to_owned(), ADMIN_SECRET.to_owned()];
    secrets.extend(everything_once(&running).await);
    let master = fs::read_to_string(place.folder.path().join("data/master.key")).unwrap();
    secrets.push(master.trim().to_owned());
    let ended = running.stop().expect(0);
    let output = format!("{}{}", ended.stdout, ended.stderr);
    assert!(
        output.contains("\"DEBUG\""),
        "the level is in force: {output}"
    );
    for secret in secrets {
        assert!(secret.len() >= 12, "{secret}");
        if let Some(line) = output.lines().find(|line| line.contains(&secret)) {
            panic!("{secret} is in: {line}");
        }
    }
    place.database.drop_it().await;
}

/// Uses every endpoint; answers all that nobody may find in a log.
async fn everything_once(running: &Running) -> Vec<String> {
    let admin = Credentials::admin();
    let token = expect_management_token(running, &admin).await;
    let (shop, shown_once) = make_shop(running, &token).await;
    let form = async |path: &str, params: &[(&str, &str)]| {
        let answer = running.form(path, &shop, params).await;
        answer.expect(StatusCode::OK)
    };
    let ask = [("grant_type", "client_credentials"), ("audience", ORDERS)];
    let opaque = form("/oauth/token", &ask).await.text("access_token");
    form("/oauth/introspect", &[("token", &opaque)]).await;
    form("/oauth/revoke", &[("token", &opaque)]).await;
    form("/oauth/revoke", &[("token", "an unknown token")]).await;
    let basic = |client: &Credentials| {
        use base64::Engine;
        let pair = format!("{}:{}", client.id, client.secret);
        base64::engine::general_purpose::STANDARD.encode(pair)
    };
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let basics = [basic(&shop), basic(&admin)];
    let mut secrets = make_mistakes(running, &shop.id, &token).await;
    secrets.extend(["an unknown token".to_owned(), signature]);
    secrets.extend(shown_once);
    secrets.extend(basics);
    secrets.extend([shop.secret, token, opaque]);
    secrets
}

/// An application that is granted an API of stored tokens; and the secret that it had first, and
/// those of an API under HS256.
async fn make_shop(running: &Running, token: &str) -> (Credentials, Vec<String>) {
    let client = reqwest::Client::new();
    let manage = async |path: &str, body: Value| -> Value {
        let url = format!("{}/api/v2/{path}", running.base);
        let request = client.post(url).bearer_auth(token).json(&body);
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        answer.json().await.unwrap()
    };
    let stored = json!({ "identifier": ORDERS, "token_dialect": "opaque" });
    manage("resource-servers", stored).await;
    let fields = json!({ "name": "shop", "app_type": "non_interactive" });
    let made = manage("clients", fields).await;
    let id = made["client_id"].as_str().unwrap().to_owned();
    let grant = json!({ "client_id": id, "audience": ORDERS });
    manage("client-grants", grant).await;
    let rotated = manage(&format!("clients/{id}/rotate-secret"), json!({})).await;
    let secret_of = |shown: &Value| shown["client_secret"].as_str().unwrap().to_owned();
    let secret = secret_of(&rotated);
    let mut shown_once = vec![secret_of(&made)];
    for chosen in [
        json!(null),
        json!("a secret of an API's own, 32 bytes and more"),
    ] {
        let identifier = format!("urn:{}", shown_once.len());
        let mut fields = json!({ "identifier": identifier, "signing_alg": "HS256" });
        if chosen.is_string() {
            fields["signing_secret"] = chosen;
        }
        let shown = manage("resource-servers", fields).await;
        shown_once.push(shown["signing_secret"].as_str().unwrap().to_owned());
    }
    manage("keys/signing/rotate", json!({ "alg": "ES256" })).await;
    (Credentials { id, secret }, shown_once)
}

/// Mistakes are where logs usually tell too much; answers the secrets in them.
async fn make_mistakes(running: &Running, id: &str, token: &str) -> Vec<String> {
    let url = format!("{}/oauth/token", running.base);
    let in_query = "a-secret-in-the-query-string";
    let in_header = "a-wrong-secret-in-the-header";
    let in_array = "a-secret-in-an-array";
    let in_broken_json = "a-secret-in-broken-json";
    let ask = [("grant_type", "client_credentials"), ("audience", ORDERS)];
    let array = json!({ "grant_type": ask[0].1, "client_id": id, "client_secret": [in_array] });
    let broken = format!("{{\"client_secret\": \"{in_broken_json}");
    let client = reqwest::Client::new();
    let post = || client.post(&url);
    let json = ("content-type", "application/json");
    let mistakes = [
        client
            .post(format!("{url}?client_secret={in_query}"))
            .form(&ask),
        post().basic_auth(id, Some(in_header)).form(&ask),
        post().bearer_auth(token).form(&ask),
        post().json(&array),
        post().header(json.0, json.1).body(broken),
    ];
    for request in mistakes {
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_client_error(), "{answer:?}");
    }
    [in_query, in_header, in_array, in_broken_json]
        .map(str::to_owned)
        .to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_holds_no_secret_on_sqlite() {
    the_log_holds_no_secret(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_holds_no_secret_on_postgres() {
    the_log_holds_no_secret(Backend::Postgres).await;
}
