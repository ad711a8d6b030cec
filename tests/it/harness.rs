//! The one harness: it hides the machine, so that tests can speak the user's language.
//!
//! A [`World`] is a fresh database with one or more nodes on it, each a real listener on a free
//! port. `both_stores!` runs a story on SQLite and on Postgres; a missing Postgres fails.

mod answer;
mod database;
mod first_keys;
mod parts;
mod person;

use std::sync::Arc;
use std::time::{Duration, Instant};

use grantor::app::App;
use grantor::clock::Clock;
use grantor::model::fault::Fault;
use grantor::serve::serve;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) use answer::{Answer, claims, header};
pub(crate) use database::{Database, OWN, Sql};
pub(crate) use parts::Parts;
pub(crate) use person::{
    CALLBACK, CHALLENGE, PASSWORD, Person, Seen, VERIFIER, authorize_path, exchange, hidden, usual,
};

/// The issuer of every test server; nothing listens there.
pub(crate) const ISSUER: &str = "https://grantor.test/";
/// The Management API's audience.
pub(crate) const MANAGEMENT: &str = "https://grantor.test/api/v2/";
/// The MFA audience.
pub(crate) const MFA: &str = "https://grantor.test/mfa/";
/// The credentials of the first application.
pub(crate) const ADMIN_ID: &str = "FirstApplicationOfTheTests000001";
pub(crate) const ADMIN_SECRET: &str = "a secret of the tests that has more than 32 characters";
/// The master key of every node; where it is unset, nodes on Postgres would write `data/`.
const MASTER: &str = "dGhlIHRlc3RzIHNoYXJlIHRoaXMgbWFzdGVyIGtleSE=";

/// Which database a story runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// Runs stories on both stores: `both_stores! { async fn what_a_user_notices(world: World) { … } }`.
/// Settings may follow the name in the environment's form:
/// `async fn name(world: World, "GRANTOR_TOKENS__APIS_PER_TOKEN_MAX" = "2") { … }`.
macro_rules! both_stores {
    ($($(#[$doc:meta])* async fn $name:ident($world:ident: World $(, $key:literal = $value:expr)*) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports, reason = "a short story may need nothing from outside")]
            use super::*;

            async fn story($world: &crate::harness::World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let world = crate::harness::World::start(crate::harness::Backend::Sqlite, &[$(($key, $value)),*]).await;
                story(&world).await;
                world.end().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let world = crate::harness::World::start(crate::harness::Backend::Postgres, &[$(($key, $value)),*]).await;
                story(&world).await;
                world.end().await;
            }
        }
    )*};
}
pub(crate) use both_stores;

/// A database with a node on it.
pub(crate) struct World {
    /// The first node.
    pub(crate) node: Node,
    /// Every node's clock.
    pub(crate) clock: Clock,
    /// The database.
    pub(crate) database: Database,
    settings: Vec<(String, String)>,
}

impl World {
    pub(crate) async fn start(backend: Backend, settings: &[(&str, &str)]) -> Self {
        let database = Database::create(backend).await;
        let settings: Vec<_> = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let clock = Clock::still();
        let are_usual = first_keys::are_usual(&settings);
        if are_usual {
            first_keys::give(&database, &clock).await;
        }
        let node = Node::start(&database, &settings, clock.clone()).await;
        if are_usual {
            first_keys::keep(&node.app.store).await;
        }
        Self {
            node,
            clock,
            database,
            settings,
        }
    }

    /// Another node on the same database, with the same settings.
    pub(crate) async fn another_node(&self) -> Node {
        Node::start(&self.database, &self.settings, self.clock.clone()).await
    }

    /// The parts of another node on the same database, which does not serve yet.
    pub(crate) async fn parts_of_another_node(&self) -> Parts {
        Parts::prepare(&self.database, &self.settings, self.clock.clone()).await
    }

    /// Another node on the same database, with further settings.
    pub(crate) async fn another_node_with(&self, further: &[(&str, &str)]) -> Node {
        let further = further
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let settings: Vec<_> = self.settings.iter().cloned().chain(further).collect();
        Node::start(&self.database, &settings, self.clock.clone()).await
    }

    /// Stops the first node and drops the database.
    pub(crate) async fn end(self) {
        self.node.stop().await;
        self.database.drop_it().await;
    }
}

/// Waits until the condition holds; fails where a look that began later than `limit` still finds it
/// wanting. Answers when the look began that found it.
pub(crate) async fn within(limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    loop {
        let looked_at = began.elapsed();
        if holds().await {
            return looked_at;
        }
        assert!(looked_at <= limit, "not so within {limit:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The settings of a node, as the environment would give them.
pub(crate) fn environment(
    database: &Database,
    settings: &[(String, String)],
) -> Vec<(String, String)> {
    let usual = [
        ("GRANTOR_ISSUER", ISSUER.to_owned()),
        ("GRANTOR_SERVER__LISTEN", "127.0.0.1:0".to_owned()),
        ("GRANTOR_STORE__URL", database.url()),
        ("GRANTOR_STORE__CONNECTIONS_MAX", "4".to_owned()),
        ("GRANTOR_KEYS__MASTER", MASTER.to_owned()),
        ("GRANTOR_BOOTSTRAP__CLIENT_ID", ADMIN_ID.to_owned()),
        ("GRANTOR_BOOTSTRAP__CLIENT_SECRET", ADMIN_SECRET.to_owned()),
    ];
    let usual = usual
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value));
    let mut environment: Vec<_> = usual.collect();
    for (key, value) in settings {
        environment.retain(|(own, _)| own != key);
        environment.push((key.clone(), value.clone()));
    }
    environment
}

/// A running server.
pub(crate) struct Node {
    wire: Wire,
    /// Its parts, where a test looks behind the wire.
    pub(crate) app: Arc<App>,
    stop: CancellationToken,
    served: tokio::sync::Mutex<Option<tokio::task::JoinHandle<Result<(), Fault>>>>,
}

impl Node {
    async fn start(database: &Database, settings: &[(String, String)], clock: Clock) -> Self {
        let Parts {
            app,
            listener,
            background,
        } = Parts::prepare(database, settings, clock).await;
        let bound = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(Arc::clone(&app), listener, background, stop.clone()));
        let mut wire = Wire::to(format!("http://{bound}"));
        wire.management = app.issuer.join("api/v2/");
        Self {
            wire,
            app,
            stop,
            served: Some(served).into(),
        }
    }

    /// Stops it; its listener is closed when this returns.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        if let Some(served) = self.served.lock().await.take() {
            // The node's own `app` keeps the group door open, so the end of its task is not awaited.
            served.abort();
        }
    }
}

impl std::ops::Deref for Node {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

/// How tests talk to a server, whether it runs in this process or in one of its own.
#[derive(Clone)]
pub(crate) struct Wire {
    /// `http://127.0.0.1:port`
    pub(crate) base: String,
    /// The Management API's audience.
    pub(crate) management: String,
    client: Client,
}

impl Wire {
    pub(crate) fn to(base: String) -> Self {
        // The tests' own client never keeps a connection: a server that stops would cut it.
        let client = Client::builder().pool_max_idle_per_host(0).build().unwrap();
        Self {
            base,
            management: MANAGEMENT.to_owned(),
            client,
        }
    }

    /// A request to a path of this node.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::read(request.send().await.unwrap()).await
    }

    /// A form to a protocol endpoint, authenticated by Basic.
    pub(crate) async fn form(
        &self,
        path: &str,
        client: &Credentials,
        params: &[(&str, &str)],
    ) -> Answer {
        self.send(
            self.request(Method::POST, path)
                .basic_auth(&client.id, Some(&client.secret))
                .form(params),
        )
        .await
    }

    /// A form to a protocol endpoint, without an `Authorization` header.
    pub(crate) async fn bare_form(&self, path: &str, params: &[(&str, &str)]) -> Answer {
        self.send(self.request(Method::POST, path).form(params))
            .await
    }

    /// A client-credentials request with further parameters.
    pub(crate) async fn ask(&self, client: &Credentials, params: &[(&str, &str)]) -> Answer {
        let params = [&[("grant_type", "client_credentials")], params].concat();
        self.form("/oauth/token", client, &params).await
    }

    /// A token that must be granted, for an audience.
    pub(crate) async fn token(&self, client: &Credentials, audience: &str) -> String {
        self.ask(client, &[("audience", audience)])
            .await
            .expect(StatusCode::OK)
            .text("access_token")
    }

    /// What introspection says to an application.
    pub(crate) async fn introspect(&self, client: &Credentials, token: &str) -> Value {
        self.form("/oauth/introspect", client, &[("token", token)])
            .await
            .expect(StatusCode::OK)
            .json
    }

    /// Whether introspection calls a token active, asked by its own application.
    pub(crate) async fn is_active(&self, client: &Credentials, token: &str) -> bool {
        self.introspect(client, token).await["active"] == true
    }

    /// Revokes a token; 200 is expected.
    pub(crate) async fn revoke(&self, client: &Credentials, token: &str) {
        self.form("/oauth/revoke", client, &[("token", token)])
            .await
            .expect(StatusCode::OK);
    }

    /// A Management token of the first application.
    pub(crate) async fn admin_token(&self) -> String {
        self.token(&Credentials::admin(), &self.management).await
    }

    /// A request to the Management API (`path` begins behind `/api/v2`) with a given token.
    pub(crate) async fn manage_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = self
            .request(method, &format!("/api/v2{path}"))
            .bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.send(request).await
    }

    /// The same with a token of the first application.
    pub(crate) async fn manage(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.manage_as(&self.admin_token().await, method, path, body)
            .await
    }

    /// Creates an API; the fields lie over `{identifier}`.
    pub(crate) async fn create_api(&self, identifier: &str, fields: Value) -> Value {
        let mut body = json!({ "identifier": identifier });
        merge(&mut body, fields);
        self.manage(Method::POST, "/resource-servers", Some(body))
            .await
            .expect(StatusCode::CREATED)
            .json
    }

    /// Changes an API.
    pub(crate) async fn change_api(&self, identifier: &str, fields: Value) -> Answer {
        self.manage(Method::PATCH, &api_path(identifier), Some(fields))
            .await
    }

    /// Creates an application that may use client credentials; the fields lie over that.
    pub(crate) async fn create_application(&self, fields: Value) -> Credentials {
        let mut body = json!({ "name": "An application", "app_type": "non_interactive" });
        merge(&mut body, fields);
        let created = self
            .manage(Method::POST, "/clients", Some(body))
            .await
            .expect(StatusCode::CREATED);
        Credentials {
            id: created.text("client_id"),
            secret: created.json["client_secret"].as_str().unwrap_or("").into(),
        }
    }

    /// Grants an API; the fields lie over `{client_id, audience}`.
    pub(crate) async fn grant(&self, client: &Credentials, audience: &str, fields: Value) -> Value {
        let mut body = json!({ "client_id": client.id, "audience": audience });
        merge(&mut body, fields);
        self.manage(Method::POST, "/client-grants", Some(body))
            .await
            .expect(StatusCode::CREATED)
            .json
    }

    /// Whether a token is active, asked by the administrator with a Management token.
    pub(crate) async fn is_active_to(&self, management_token: &str, token: &str) -> bool {
        let request = self
            .request(Method::POST, "/oauth/introspect")
            .bearer_auth(management_token)
            .form(&[("token", token)]);
        self.send(request).await.expect(StatusCode::OK).json["active"] == true
    }

    /// An API of the identifier and an application that is granted it.
    pub(crate) async fn api_and_application(&self, identifier: &str) -> Credentials {
        self.create_api(identifier, json!({})).await;
        let application = self.create_application(json!({})).await;
        self.grant(&application, identifier, json!({})).await;
        application
    }

    /// A body as it is, of a content type, authenticated by Basic.
    pub(crate) async fn body(
        &self,
        path: &str,
        client: &Credentials,
        (content_type, body): (&str, impl Into<reqwest::Body>),
    ) -> Answer {
        let request = self
            .request(Method::POST, path)
            .basic_auth(&client.id, Some(&client.secret))
            .header("content-type", content_type)
            .body(body);
        self.send(request).await
    }

    /// A JSON object to the token endpoint; its members lie over `{grant_type}`.
    pub(crate) async fn ask_json(&self, client: &Credentials, members: Value) -> Answer {
        let mut body = json!({ "grant_type": "client_credentials" });
        merge(&mut body, members);
        self.body(
            "/oauth/token",
            client,
            ("application/json", body.to_string()),
        )
        .await
    }

    /// What introspection says to the holder of a Management token.
    pub(crate) async fn introspect_as(&self, bearer: &str, token: &str) -> Answer {
        let request = self.request(Method::POST, "/oauth/introspect");
        self.send(request.bearer_auth(bearer).form(&[("token", token)]))
            .await
    }
}

/// Parameters, and others that lie over them.
pub(crate) fn both_hands<'a>(
    under: &[(&'a str, &'a str)],
    over: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let is_named = |name: &str| over.iter().any(|(own, _)| *own == name);
    let under = under.iter().filter(|(name, _)| !is_named(name));
    under
        .chain(over.iter().filter(|(_, value)| *value != OMITTED))
        .copied()
        .collect()
}

/// The value of a parameter that is left out.
pub(crate) const OMITTED: &str = "\0";

/// `/resource-servers/{identifier}`
pub(crate) fn api_path(identifier: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(identifier.as_bytes()).collect();
    format!("/resource-servers/{encoded}")
}

fn merge(under: &mut Value, over: Value) {
    let Value::Object(over) = over else {
        panic!("fields are an object")
    };
    under.as_object_mut().unwrap().extend(over);
}

/// An application's id and secret.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Credentials {
    /// The first application's.
    pub(crate) fn admin() -> Self {
        Self {
            id: ADMIN_ID.into(),
            secret: ADMIN_SECRET.into(),
        }
    }
}
