//! The store's conformance suite: every function of the store on both databases, through the
//! library. One behaviour, two databases; a difference is a defect.

mod apis;
mod applications;
mod assertions;
mod attempts;
mod audit;
mod authorization_codes;
mod authorizations;
mod client_credentials;
mod client_grants;
mod families;
mod feed;
mod group;
mod issuances;
mod jobs;
mod keys;
mod known_addresses;
mod locks;
mod logout_notices;
mod migrate;
mod pushed_requests;
mod refresh_exchange;
mod refresh_families;
mod resource_servers;
mod revocations;
mod secrets;
mod session_lists;
mod sessions;
mod settings;
mod tokens;
mod user_grants;
mod user_lists;
mod user_tickets;
mod users;

use std::sync::Arc;

use grantor::lifetime::{ApiLifetimes, ApplicationLifetimes, Lifetime, Maximum};
use grantor::model::api::{Api, ClientPolicy, SigningAlgorithm, UserPolicy};
use grantor::model::application::{Application, ApplicationSecret, LastNoted, Verifier};
use grantor::model::client_grant::{ClientGrant, SubjectType};
use grantor::model::described::Described;
use grantor::model::fault::Fault;
use grantor::model::token::Token;
use grantor::model::user::User;
use grantor::store::{self, Store, Write};

use crate::harness::{Backend, Database};

/// A text that breaks what guesses at bytes, lengths, quotes or patterns.
const ODD: &str = "Ünï — 'quote' \"double\" \\ % _ $1 😀 e\u{301} \u{202e}";
/// When everything in this suite happens, unless a test says otherwise.
const NOW: i64 = 1_900_000_000;

/// A store with its tables made and its feed begun, and nothing else in it.
struct Bench {
    database: Database,
    store: Store,
}

impl Bench {
    async fn start(backend: Backend, settings: &[(&str, &str)]) -> Self {
        let database = Database::create(backend).await;
        let store = database.store(settings);
        let lock = store.migration_lock().await.unwrap();
        store.migrate(&lock).await.unwrap();
        drop(lock);
        let bench = Self { database, store };
        bench
            .write(async |tx| store::feed::raise(tx, NOW * 1000, NOW).await)
            .await
            .unwrap();
        bench
    }

    /// Runs a transaction to its commit; where the work fails, it is dropped.
    async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&mut Write) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut tx = self.store.write().await?;
        let result = work(&mut tx).await?;
        tx.commit(NOW).await?;
        Ok(result)
    }

    async fn end(self) {
        self.store.close().await;
        self.database.drop_it().await;
    }

    async fn insert_api(&self, api: &Api) {
        let inserted = self.write(async |tx| store::apis::insert(tx, api).await);
        assert!(inserted.await.unwrap());
    }

    async fn insert_application(&self, application: &Application) {
        let inserted = self.write(async |tx| store::applications::insert(tx, application).await);
        assert!(inserted.await.unwrap());
    }

    async fn insert_user(&self, user: &User) {
        let inserted = self.write(async |tx| store::users::insert(tx, user, None).await);
        assert!(inserted.await.unwrap());
    }

    async fn insert_grant(&self, grant: &ClientGrant) {
        let inserted = self.write(async |tx| store::client_grants::insert(tx, grant).await);
        assert!(inserted.await.unwrap());
    }
}

/// Runs conformance cases on both databases.
macro_rules! both_databases {
    ($($(#[$doc:meta])* async fn $name:ident($bench:ident: Bench $(, $key:literal = $value:expr)*) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports, reason = "not every story names what its file imports")]
            use super::*;

            async fn story($bench: &crate::store_conformance::Bench) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let bench = crate::store_conformance::Bench::start(crate::harness::Backend::Sqlite, &[$(($key, $value)),*]).await;
                story(&bench).await;
                bench.end().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let bench = crate::store_conformance::Bench::start(crate::harness::Backend::Postgres, &[$(($key, $value)),*]).await;
                story(&bench).await;
                bench.end().await;
            }
        }
    )*};
}
use both_databases;

/// A description that holds every kind of JSON.
fn odd() -> Described {
    let inner = serde_json::json!({ ODD: [ODD, 1.5, i64::MIN, null, true], "": {} });
    Described([(ODD.to_owned(), inner)].into_iter().collect())
}

fn api(id: &str, identifier: &str) -> Api {
    Api {
        id: id.into(),
        identifier: identifier.into(),
        system: None,
        name: None,
        scopes: Vec::new(),
        signing_alg: SigningAlgorithm::Rs256,
        signing_secret: None,
        token_dialect: None,
        allow_offline_access: false,
        skip_consent_for_verifiable_first_party_clients: false,
        client_policy: ClientPolicy::RequireClientGrant,
        user_policy: UserPolicy::AllowAll,
        user_grant_seconds: None,
        lifetimes: ApiLifetimes {
            token_lifetime: Lifetime::Finite(86_400),
            token_lifetime_for_web: 7200,
            max_token_lifetime: Maximum::Unset,
        },
        described: Described::default(),
        created_at: NOW,
    }
}

fn application(client_id: &str) -> Application {
    Application {
        client_id: client_id.into(),
        name: "An application".into(),
        app_type: None,
        grant_types: vec!["client_credentials".into()],
        token_endpoint_auth_method: None,
        private_key_jwt: None,
        resource_server_identifier: None,
        lifetimes: ApplicationLifetimes::default(),
        expires_at: None,
        created_at: NOW,
        is_first_party: true,
        described: Described::default(),
        sign_in: Arc::default(),
        secrets: Vec::new(),
        credentials: Vec::new(),
        request_credentials: Vec::new(),
    }
}

fn secret(id: &str, expires_at: Option<i64>, created_at: i64) -> ApplicationSecret {
    ApplicationSecret {
        id: id.into(),
        verifier: Verifier::Digest(format!("digest of {id}")),
        expires_at,
        created_at,
        noted: LastNoted::default(),
    }
}

fn grant(id: &str, client_id: &str, api: &Api) -> ClientGrant {
    ClientGrant {
        id: id.into(),
        client_id: client_id.into(),
        api_id: api.id.clone(),
        audience: api.identifier.clone(),
        subject_type: SubjectType::Client,
        scopes: Vec::new(),
        allow_all_scopes: false,
        expires_at: None,
        described: Described::default(),
        created_at: NOW,
    }
}

fn token(jti: &str, client_id: &str, audiences: &[&str]) -> Token {
    Token {
        jti: jti.into(),
        position: NOW * 1000,
        client_id: client_id.into(),
        subject: format!("{client_id}@clients"),
        audiences: audiences.iter().map(|&one| one.to_owned()).collect(),
        scope: String::new(),
        issued_at: NOW,
        expires_at: Some(NOW + 600),
        family: None,
        userinfo_claims: Vec::new(),
    }
}

/// A user of this own id, with an e-mail address that follows from it.
fn user(own: &str) -> User {
    User {
        email: Some(format!("{own}@a.example")),
        ..User::new(format!("auth0|{own}"), NOW)
    }
}

/// A fault that is a defect's, not a store's that is away for a moment.
#[track_caller]
fn expect_defect<T: std::fmt::Debug>(result: Result<T, Fault>) {
    match result {
        Err(Fault::Internal { .. }) => {}
        other => panic!("expected an internal fault: {other:?}"),
    }
}
