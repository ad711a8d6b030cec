//! `kill -9` right after an answer: what was answered is there afterwards.
//!
//! The server is the real program, as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Backend, Credentials, Database, Wire, api_path, environment};

const ORDERS: &str = "https://orders.example/";
const NOTES: &str = "https://notes.example/";
const ROUNDS: usize = 5;
/// A start makes keys and tables the first time.
const START_MAX: Duration = Duration::from_mins(1);

/// A server in a process of its own.
struct Process {
    wire: Wire,
    child: Child,
}

impl Process {
    /// Starts it on a free port and waits until it says where it listens.
    async fn start(database: &Database, folder: &TempDir) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_grantor"))
            .arg("serve")
            .env_clear()
            .envs(environment(database, &[]))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (found, base) = mpsc::channel();
        // Reads to the end, so that the server is never held up by a full pipe.
        std::thread::spawn(move || {
            let mut seen = Vec::new();
            for line in log.lines().map_while(Result::ok) {
                if let Some(base) = listening_on(&line) {
                    drop(found.send(Ok(base)));
                }
                seen.push(line);
            }
            drop(found.send(Err(seen)));
        });
        let base = tokio::task::spawn_blocking(move || base.recv_timeout(START_MAX));
        match base.await.unwrap() {
            Ok(Ok(base)) => Self {
                wire: Wire::to(base),
                child,
            },
            other => {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("the server did not start: {other:?}")
            }
        }
    }

    /// `kill -9`; the process is gone when this returns.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The URL in the log's line that says where the server listens.
fn listening_on(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let message = line["message"].as_str()?.strip_prefix("listening on ")?;
    Some(message.split(',').next()?.to_owned())
}

/// A database, and the folder in which its servers run one after the other.
struct Ground {
    database: Database,
    folder: TempDir,
    shop: Credentials,
}

impl Ground {
    /// An API of signed tokens, one of opaque ones, and an application that is granted both.
    async fn prepare(backend: Backend) -> Self {
        let database = Database::create(backend).await;
        let folder = tempfile::tempdir().unwrap();
        let server = Process::start(&database, &folder).await;
        let shop = server.wire.api_and_application(ORDERS).await;
        let opaque = json!({ "token_dialect": "opaque", "max_token_lifetime": -1 });
        server.wire.create_api(NOTES, opaque).await;
        server.wire.grant(&shop, NOTES, json!({})).await;
        server.kill();
        Self {
            database,
            folder,
            shop,
        }
    }

    async fn start(&self) -> Process {
        Process::start(&self.database, &self.folder).await
    }

    async fn end(self) {
        self.database.drop_it().await;
    }
}

/// Runs stories against servers that are killed, on both stores.
macro_rules! killed_on_both_stores {
    ($($(#[$doc:meta])* async fn $name:ident($ground:ident: Ground) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn story($ground: &mut Ground) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let mut ground = Ground::prepare(Backend::Sqlite).await;
                story(&mut ground).await;
                ground.end().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let mut ground = Ground::prepare(Backend::Postgres).await;
                story(&mut ground).await;
                ground.end().await;
            }
        }
    )*};
}

killed_on_both_stores! {
    async fn a_revoked_signed_token_stays_revoked(ground: Ground) {
        let (mut revoked, mut live) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let server = ground.start().await;
            let token = server.wire.token(&ground.shop, ORDERS).await;
            live.push(server.wire.token(&ground.shop, ORDERS).await);
            server.wire.revoke(&ground.shop, &token).await;
            server.kill();
            revoked.push(token);
            let server = ground.start().await;
            for token in &revoked {
                assert!(!server.wire.is_active(&ground.shop, token).await);
            }
            for token in &live {
                assert!(server.wire.is_active(&ground.shop, token).await);
            }
        }
    }

    async fn a_stored_token_stays_and_once_revoked_it_stays_revoked(ground: Ground) {
        let mut revoked = Vec::new();
        for round in 0..ROUNDS {
            let lifetime = if round % 2 == 0 { "-1" } else { "600" };
            let server = ground.start().await;
            let params = [("audience", NOTES), ("validity_period", lifetime)];
            let answer = server.wire.ask(&ground.shop, &params).await;
            server.kill();
            let token = answer.expect(StatusCode::OK).text("access_token");
            let server = ground.start().await;
            assert!(server.wire.is_active(&ground.shop, &token).await);
            server.wire.revoke(&ground.shop, &token).await;
            server.kill();
            revoked.push(token);
            let server = ground.start().await;
            for token in &revoked {
                assert!(!server.wire.is_active(&ground.shop, token).await);
            }
        }
    }

    async fn a_change_and_a_revocation_stay_together_with_their_records(ground: Ground) {
        for round in 0..ROUNDS {
            let identifier = format!("https://{round}.recorded.example/");
            let server = ground.start().await;
            let token = server.wire.token(&ground.shop, ORDERS).await;
            server.wire.revoke(&ground.shop, &token).await;
            server.wire.create_api(&identifier, json!({})).await;
            server.kill();
            let mut sql = ground.database.sql().await;
            let count = "select count(*) from audit where";
            let created = format!("{count} type = 'sapi' and audience = '{identifier}'");
            assert_eq!(sql.number(&created).await, 1);
            let revoked = format!("{count} type = 'srat' and client_id = '{}'", ground.shop.id);
            assert_eq!(sql.number(&revoked).await, i64::try_from(round).unwrap() + 1);
        }
    }

    async fn a_created_api_and_a_changed_lifetime_stay(ground: Ground) {
        for round in 0..ROUNDS {
            let identifier = format!("https://{round}.example/");
            let server = ground.start().await;
            let created = server.wire.create_api(&identifier, json!({ "token_lifetime": 77, "name": "Ünï" })).await;
            server.kill();
            let server = ground.start().await;
            let found = server.wire.manage(Method::GET, &api_path(&identifier), None).await;
            assert_eq!(found.expect(StatusCode::OK).json, created);
            let lifetime = 1000 + round;
            server.wire.change_api(ORDERS, json!({ "token_lifetime": lifetime })).await.expect(StatusCode::OK);
            server.kill();
            let server = ground.start().await;
            assert_eq!(server.wire.ask(&ground.shop, &[("audience", ORDERS)]).await.json["expires_in"], lifetime);
            let all = server.wire.manage(Method::GET, "/resource-servers", None).await.json;
            assert_eq!(all.as_array().unwrap().len(), 3 + round + 1);
        }
    }

    async fn a_client_grant_stays_and_once_deleted_it_stays_deleted(ground: Ground) {
        let server = ground.start().await;
        server.wire.create_api("https://third.example/", json!({})).await;
        server.kill();
        for _ in 0..ROUNDS {
            let server = ground.start().await;
            let grant = server.wire.grant(&ground.shop, "https://third.example/", json!({})).await;
            server.kill();
            let server = ground.start().await;
            let token = server.wire.token(&ground.shop, "https://third.example/").await;
            let path = format!("/client-grants/{}?revoke_tokens=true", grant["id"].as_str().unwrap());
            server.wire.manage(Method::DELETE, &path, None).await.expect(StatusCode::NO_CONTENT);
            server.kill();
            let server = ground.start().await;
            server.wire.ask(&ground.shop, &[("audience", "https://third.example/")]).await
                .expect_error(StatusCode::FORBIDDEN, "access_denied");
            assert!(!server.wire.is_active(&ground.shop, &token).await, "the wholesale revocation stays too");
        }
    }

    async fn a_rotated_secret_stays_and_the_old_one_does_not_come_back(ground: Ground) {
        for round in 0..ROUNDS {
            let server = ground.start().await;
            let token = server.wire.token(&ground.shop, ORDERS).await;
            let path = format!("/clients/{}/rotate-secret", ground.shop.id);
            let revoke_tokens = round % 2 == 0;
            let body = json!({ "revoke_tokens": revoke_tokens });
            let rotated = server.wire.manage(Method::POST, &path, Some(body)).await;
            server.kill();
            let old = ground.shop.clone();
            ground.shop.secret = rotated.expect(StatusCode::OK).text("client_secret");
            let server = ground.start().await;
            server.wire.ask(&old, &[("audience", ORDERS)]).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
            assert_eq!(server.wire.is_active(&ground.shop, &token).await, !revoke_tokens);
            server.wire.token(&ground.shop, ORDERS).await;
        }
    }

    async fn a_deleted_application_stays_deleted_and_its_tokens_stay_revoked(ground: Ground) {
        for _ in 0..ROUNDS {
            let server = ground.start().await;
            let doomed = server.wire.create_application(json!({})).await;
            server.wire.grant(&doomed, ORDERS, json!({})).await;
            server.wire.grant(&doomed, NOTES, json!({})).await;
            let tokens = [server.wire.token(&doomed, ORDERS).await, server.wire.token(&doomed, NOTES).await];
            let path = format!("/clients/{}", doomed.id);
            server.wire.manage(Method::DELETE, &path, None).await.expect(StatusCode::NO_CONTENT);
            server.kill();
            let server = ground.start().await;
            server.wire.ask(&doomed, &[("audience", ORDERS)]).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
            let management = server.wire.admin_token().await;
            for token in &tokens {
                assert!(!server.wire.is_active_to(&management, token).await);
            }
        }
    }

    /// Killed in the middle: each change was answered and is there, or was not and is there or not,
    /// whole.
    async fn a_kill_in_the_middle_of_many_requests_loses_nothing_that_was_answered(ground: Ground) {
        let mut stored = Vec::new();
        for round in 0..ROUNDS {
            let server = ground.start().await;
            server.wire.token(&ground.shop, NOTES).await;
            let (answered, answers) = mpsc::channel();
            let mut asking = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let (wire, shop, answered) = (server.wire.clone(), ground.shop.clone(), answered.clone());
                asking.spawn(async move {
                    loop {
                        let params = [("grant_type", "client_credentials"), ("audience", NOTES)];
                        let request = wire.request(Method::POST, "/oauth/token").basic_auth(&shop.id, Some(&shop.secret)).form(&params);
                        let Ok(answer) = request.send().await else { return };
                        let status = answer.status();
                        let Ok(body) = answer.json::<Value>().await else { return };
                        assert_eq!(status, StatusCode::OK, "{body}");
                        drop(answered.send(body["access_token"].as_str().unwrap().to_owned()));
                    }
                });
            }
            drop(answered);
            // So many answers, and then the end, with others under way.
            let enough = 20 + 10 * round;
            let counting = tokio::task::spawn_blocking(move || (answers.iter().take(enough).collect::<Vec<_>>(), answers));
            let (mut tokens, answers) = counting.await.unwrap();
            server.kill();
            while let Some(asked) = asking.join_next().await {
                asked.unwrap();
            }
            tokens.extend(answers.iter());
            assert!(tokens.len() >= enough);
            stored.extend(tokens);
            let server = ground.start().await;
            let management = server.wire.admin_token().await;
            for token in &stored {
                assert!(server.wire.is_active_to(&management, token).await, "an answered token is gone");
            }
            let mut sql = ground.database.sql().await;
            let halves = "select count(*) from tokens t where not exists (select 1 from token_apis a where a.token_id = t.id)";
            assert_eq!(sql.number(halves).await, 0);
        }
    }
}
