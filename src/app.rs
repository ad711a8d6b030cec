//! The running server's parts, and every route in one list.

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use axum::http::header::STRICT_TRANSPORT_SECURITY;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;

use crate::background::Background;
use crate::bootstrap;
use crate::bootstrap::administrator::FirstApplication;
use crate::clock::Clock;
use crate::config::Config;
use crate::directory::Directory;
use crate::grants::Ground;
use crate::management::answer::{self, Problem};
use crate::management::{client_grants, clients, resource_servers, secrets, token_lifetime};
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::oauth::{discovery, introspect, revoke, token};
use crate::secret::SecretChecker;
use crate::store::Store;
use crate::store::group::GroupDoor;
use crate::tls::Door;
use crate::tokens::issue::Mint;
use crate::tokens::recognise::Recogniser;
use crate::wire::proxy::{self, Peer, Scheme};
use crate::wire::{is_management, no_store};
use crate::{renewal, sweep, telemetry};

/// What the log says of a request that ended in a panic.
const PANICKED: &str = "a request panicked";

/// For a year, as long as browsers are told so again and again.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What every request may use.
pub struct App {
    /// Checked settings.
    pub config: Config,
    /// The URL that names this server.
    pub issuer: Issuer,
    /// Tells the time.
    pub clock: Clock,
    /// The database.
    pub store: Store,
    /// APIs, applications, client grants and revocations as this node sees them.
    pub directory: Arc<Directory>,
    /// Issues tokens.
    pub mint: Mint,
    /// Checks applications' secrets.
    pub secrets: SecretChecker,
    /// The RFC 8414 document.
    pub metadata: String,
    /// Where connections become TLS ones; `None` where `server.tls` is unset.
    pub tls: Option<Door>,
}

impl App {
    /// Opens and prepares the store, reads the keys, and starts what runs beside the requests.
    ///
    /// # Errors
    /// A fault where the store cannot be reached or prepared, or the master key is another.
    pub async fn start(
        config: Config,
        issuer: Issuer,
        clock: Clock,
        background: &Background,
    ) -> Result<(Arc<Self>, Option<FirstApplication>), Fault> {
        let store = Store::open(&config.store, &issuer)?;
        let prepared = bootstrap::prepare(&store, &config, &issuer, &clock).await?;
        let directory = Directory::start(&store, &issuer, &config, &clock, background).await?;
        let door = GroupDoor::open(
            store.clone(),
            clock.clone(),
            config.store.group_queue_max,
            &background.tasks,
        );
        background.tasks.spawn(sweep::run(
            store.clone(),
            clock.clone(),
            config.sweep.clone(),
            background.stop.clone(),
        ));
        let tls = open_door(&config, background)?;
        let app = Self {
            tls,
            metadata: discovery::metadata(&issuer),
            mint: Mint {
                issuer: issuer.clone(),
                keys: prepared.keys,
                digester: prepared.digester,
                door,
            },
            secrets: prepared.secrets,
            config,
            issuer,
            clock,
            store,
            directory,
        };
        Ok((Arc::new(app), prepared.first))
    }

    /// What grants decide on.
    #[must_use]
    pub fn ground(&self, position: i64, now: i64) -> Ground<'_> {
        Ground {
            directory: &self.directory,
            lifetimes: &self.config.lifetimes,
            apis_per_token_max: self.config.tokens.apis_per_token_max,
            position,
            now,
        }
    }

    /// Recognises tokens that somebody presents.
    #[must_use]
    pub fn recogniser(&self) -> Recogniser<'_> {
        Recogniser {
            mint: &self.mint,
            directory: &self.directory,
            store: &self.store,
        }
    }
}

/// Every route. An issuer with a path is served below it and at the root, for proxies that strip it.
pub fn router(app: &Arc<App>) -> Router {
    let routes = Router::new()
        .route("/oauth/token", post(token::post))
        .route("/token", post(token::post))
        .route("/oauth/revoke", post(revoke::post))
        .route("/revoke", post(revoke::post))
        .route("/oauth/introspect", post(introspect::post))
        .route("/introspect", post(introspect::post))
        .route(
            "/.well-known/oauth-authorization-server",
            get(discovery::get_metadata),
        )
        .route("/.well-known/jwks.json", get(discovery::get_key_set))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .nest("/api/v2", management());
    let path = app.issuer.path();
    let all = if path.is_empty() {
        routes
    } else {
        // RFC 8414 §3.1: the issuer's path stands behind the well-known name.
        let inserted = format!("/.well-known/oauth-authorization-server{path}");
        routes
            .clone()
            .nest(path, routes)
            .route(&inserted, get(discovery::get_metadata))
    };
    all.fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(|_| {
            Fault::internal(PANICKED).into_response()
        }))
        .layer(middleware::from_fn_with_state(Arc::clone(app), in_the_open))
        .layer(middleware::from_fn_with_state(
            telemetry::Bound {
                request_max: app.config.server.request_max,
                on_fault,
            },
            telemetry::observe,
        ))
        .with_state(Arc::clone(app))
}

fn open_door(config: &Config, background: &Background) -> Result<Option<Door>, Fault> {
    let Some(tls) = &config.server.tls else {
        return Ok(None);
    };
    let door = Door::open(&tls.identity, tls.handshake_max)?;
    renewal::start(tls, &door, background)?;
    Ok(Some(door))
}

fn management() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/resource-servers",
            get(resource_servers::list).post(resource_servers::create),
        )
        .route(
            "/resource-servers/{id}",
            get(resource_servers::get)
                .patch(resource_servers::update)
                .delete(resource_servers::delete),
        )
        .route(
            "/resource-servers/{id}/token-lifetime",
            get(token_lifetime::get),
        )
        .route("/clients", get(clients::list).post(clients::create))
        .route(
            "/clients/{id}",
            get(clients::get)
                .patch(clients::update)
                .delete(clients::delete),
        )
        .route("/clients/{id}/rotate-secret", post(secrets::rotate))
        .route(
            "/client-grants",
            get(client_grants::list).post(client_grants::create),
        )
        .route(
            "/client-grants/{id}",
            get(client_grants::get)
                .patch(client_grants::update)
                .delete(client_grants::delete),
        )
        .layer(CatchPanicLayer::custom(|_| {
            Problem::from(Fault::internal(PANICKED)).into_response()
        }))
}

/// The process answers.
async fn healthz() -> Response {
    no_store(StatusCode::OK, &json!({ "status": "ok" }))
}

/// What a proxy received by http is refused where the issuer is https: RFC 6749 §3.2 demands TLS, and
/// a redirect would only hide that a secret has been sent in the clear. What came by https tells
/// browsers to go on so (RFC 6797 §7.1), but for this machine's own names, which others share.
async fn in_the_open(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<Peer>().copied() else {
        return next.run(request).await;
    };
    let sender = proxy::sender(peer, request.headers(), &app.config.server.trusted_proxies);
    if sender.scheme == Some(Scheme::Http) && app.issuer.is_https() {
        let text = "This server is reached by https only; this request came to its proxy by http.";
        let path = request.uri().path();
        return no_such(StatusCode::BAD_REQUEST, path, "invalid_request", text);
    }
    request.extensions_mut().insert(sender);
    let mut response = next.run(request).await;
    if sender.scheme == Some(Scheme::Https) && !app.issuer.is_on_loopback() {
        let headers = response.headers_mut();
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
    response
}

/// This node hears of changes and knows what is revoked.
async fn readyz(State(app): State<Arc<App>>) -> Response {
    if app.directory.is_ready() {
        return no_store(StatusCode::OK, &json!({ "status": "ready" }));
    }
    no_store(
        StatusCode::SERVICE_UNAVAILABLE,
        &json!({ "status": "the store's feed cannot be read" }),
    )
}

async fn not_found(OriginalUri(uri): OriginalUri) -> Response {
    no_such(
        StatusCode::NOT_FOUND,
        uri.path(),
        "not_found",
        "There is nothing at this path.",
    )
}

async fn method_not_allowed(OriginalUri(uri): OriginalUri) -> Response {
    let text = "This path has another method; see Allow.";
    no_such(
        StatusCode::METHOD_NOT_ALLOWED,
        uri.path(),
        "method_not_allowed",
        text,
    )
}

/// A fault in the shape of the endpoint.
fn on_fault(path: &str, fault: Fault) -> Response {
    if is_management(path) {
        Problem::Fault(fault).into_response()
    } else {
        fault.into_response()
    }
}

/// Both shapes: the Management API's below its path, the protocol's elsewhere.
fn no_such(status: StatusCode, path: &str, code: &str, text: &str) -> Response {
    if is_management(path) {
        let error = status.canonical_reason();
        let body = json!({ "statusCode": status.as_u16(), "error": error, "message": text, "errorCode": code });
        return answer::json(status, &body);
    }
    no_store(status, &json!({ "error": code, "error_description": text }))
}
