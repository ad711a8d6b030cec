//! Every route in one list, and what stands around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;

use crate::app::App;
use crate::login::{self, consent, links, sign_in, sign_out, sign_up};
use crate::management::answer::{self, Problem};
use crate::management::{
    client_grants, client_secrets, client_tokens, clients, credentials, device_credentials, grants,
    jobs, logs, refresh_tokens, refusals, resource_servers, secrets, sessions, signing_keys, stats,
    tenant_settings, token_lifetime, tokens, user_blocks, user_tickets, users, users_access,
};
use crate::model::fault::Fault;
use crate::oauth::{authorize, discovery, introspect, par, revoke, token, userinfo};
use crate::wire::https::{self, Https};
use crate::wire::operation::{Answer, Operation, Routes};
use crate::wire::schema::text;
use crate::wire::{cors, host, is_management, no_store, remains};
use crate::{openapi, telemetry};

/// What the log says of a request that ended in a panic.
const PANICKED: &str = "a request panicked";

/// Every route, with what it takes and gives.
pub(crate) fn routes() -> Routes {
    for_servers()
        .merge(for_pages())
        .merge(for_pages_and_tokens())
        .merge(for_users())
        .merge(for_everybody())
}

/// Routes that no page in a browser reads.
fn for_servers() -> Routes {
    Routes::new()
        .post("/oauth/introspect", introspect::post, &introspect::POST)
        .post("/introspect", introspect::post, &introspect::POST)
        .get("/authorize", authorize::get, &authorize::GET)
        .post("/authorize", authorize::post, &authorize::POST)
        .get("/authorize/resume", authorize::resume, &authorize::RESUME)
        .get("/oidc/logout", sign_out::get, &sign_out::GET)
        .post("/oidc/logout", sign_out::post, &sign_out::POST)
        .get("/v2/logout", sign_out::auth0, &sign_out::AUTH0)
        .get("/healthz", healthz, &HEALTHZ)
        .get("/readyz", readyz, &READYZ)
        .nest("/api/v2", management())
}

/// Routes for pages of origins that applications list.
fn for_pages() -> Routes {
    Routes::new()
        .post("/oauth/token", token::post, &token::POST)
        .post("/token", token::post, &token::POST)
        .post("/oauth/par", par::post, &par::POST)
        .post("/par", par::post, &par::POST)
        .post("/oauth/revoke", revoke::post, &revoke::POST)
        .post("/revoke", revoke::post, &revoke::POST)
}

/// The same, for whoever holds a user's token.
fn for_pages_and_tokens() -> Routes {
    Routes::new()
        .get("/userinfo", userinfo::answer, &userinfo::GET)
        .post("/userinfo", userinfo::answer, &userinfo::POST)
}

/// Pages for users, and what leads to them.
#[rustfmt::skip]
fn for_users() -> Routes {
    Routes::new()
        .get("/u/login", sign_in::get, &sign_in::GET)
        .post("/u/login", sign_in::post, &sign_in::POST)
        .get("/u/signup", sign_up::get, &sign_up::GET)
        .post("/u/signup", sign_up::post, &sign_up::POST)
        .get("/u/reset-password", links::get_reset, &links::GET_RESET)
        .post("/u/reset-password", links::post_reset, &links::POST_RESET)
        .get("/u/change-password", links::get_change, &links::GET_CHANGE)
        .post("/u/change-password", links::post_change, &links::POST_CHANGE)
        .get("/u/verify-email", links::get_verify, &links::GET_VERIFY)
        .post("/u/verify-email", links::post_verify, &links::POST_VERIFY)
        .get("/u/consent", consent::get, &consent::GET)
        .post("/u/consent", consent::post, &consent::POST)
        .get("/u/logout", sign_out::resume, &sign_out::RESUME)
        .post("/u/logout", sign_out::answer, &sign_out::ANSWER)
        .get("/u/assets/{file}", login::asset, &login::ASSET)
}

/// Documents for everybody.
#[rustfmt::skip]
fn for_everybody() -> Routes {
    Routes::new()
        .get("/.well-known/oauth-authorization-server", discovery::get_metadata, &discovery::METADATA)
        .get("/.well-known/openid-configuration", discovery::get_metadata, &discovery::OPENID)
        .get("/.well-known/jwks.json", discovery::get_key_set, &discovery::KEY_SET)
}

fn management() -> Routes {
    let mut routes = of_the_tenant()
        .merge(of_users())
        .merge(of_users_at_applications());
    // A panic is told in this API's shape.
    routes.router = routes.router.layer(CatchPanicLayer::custom(|_| {
        Problem::from(Fault::internal(PANICKED)).into_response()
    }));
    routes
}

/// APIs, applications, and what holds for all of them. A line a route, as in a table.
#[rustfmt::skip]
fn of_the_tenant() -> Routes {
    Routes::new()
        .get("/resource-servers", resource_servers::list, &resource_servers::LIST)
        .post("/resource-servers", resource_servers::create, &resource_servers::CREATE)
        .get("/resource-servers/{id}", resource_servers::get, &resource_servers::GET)
        .patch("/resource-servers/{id}", resource_servers::update, &resource_servers::UPDATE)
        .delete("/resource-servers/{id}", resource_servers::delete, &resource_servers::DELETE)
        .get("/resource-servers/{id}/token-lifetime", token_lifetime::get, &token_lifetime::GET)
        .get("/clients", clients::list, &clients::LIST)
        .post("/clients", clients::create, &clients::CREATE)
        .get("/clients/{id}", clients::get, &clients::GET)
        .patch("/clients/{id}", clients::update, &clients::UPDATE)
        .delete("/clients/{id}", clients::delete, &clients::DELETE)
        .get("/clients/{id}/connections", clients::connections, &clients::CONNECTIONS)
        .post("/clients/{id}/rotate-secret", secrets::rotate, &secrets::ROTATE)
        .get("/clients/{id}/secrets", client_secrets::list, &client_secrets::LIST)
        .post("/clients/{id}/secrets", client_secrets::create, &client_secrets::CREATE)
        .delete("/clients/{id}/secrets/{secret_id}",
            client_secrets::delete, &client_secrets::DELETE)
        .get("/clients/{id}/credentials", credentials::list, &credentials::LIST)
        .post("/clients/{id}/credentials", credentials::create, &credentials::CREATE)
        .get("/clients/{id}/credentials/{credential_id}", credentials::get, &credentials::GET)
        .patch("/clients/{id}/credentials/{credential_id}",
            credentials::update, &credentials::UPDATE)
        .delete("/clients/{id}/credentials/{credential_id}",
            credentials::delete, &credentials::DELETE)
        .post("/clients/{id}/tokens", client_tokens::create, &client_tokens::CREATE)
        .get("/tokens", tokens::list, &tokens::LIST)
        .delete("/tokens/{id}", tokens::delete, &tokens::DELETE)
        .post("/tokens/revoke", tokens::revoke, &tokens::REVOKE)
        .get("/tenants/settings", tenant_settings::get, &tenant_settings::GET)
        .patch("/tenants/settings", tenant_settings::update, &tenant_settings::UPDATE)
        .get("/client-grants", client_grants::list, &client_grants::LIST)
        .post("/client-grants", client_grants::create, &client_grants::CREATE)
        .get("/client-grants/{id}", client_grants::get, &client_grants::GET)
        .patch("/client-grants/{id}", client_grants::update, &client_grants::UPDATE)
        .delete("/client-grants/{id}", client_grants::delete, &client_grants::DELETE)
        .get("/keys/signing", signing_keys::list, &signing_keys::LIST)
        .get("/keys/signing/{kid}", signing_keys::get, &signing_keys::GET)
        .post("/keys/signing/rotate", signing_keys::rotate, &signing_keys::ROTATE)
        .put("/keys/signing/{kid}/revoke", signing_keys::revoke, &signing_keys::REVOKE)
        .get("/logs", logs::list, &logs::LIST)
        .get("/logs/{id}", logs::get, &logs::GET)
        .get("/stats/daily", stats::daily, &stats::DAILY)
        .get("/stats/active-users", stats::active_users, &stats::ACTIVE_USERS)
        .get("/stats/issuance", stats::issuance, &stats::ISSUANCE)
        .get("/openapi.json", openapi::get, &openapi::GET)
}

/// Users, and what is done for them.
#[rustfmt::skip]
fn of_users() -> Routes {
    Routes::new()
        .get("/users", users::list, &users::LIST)
        .post("/users", users::create, &users::CREATE)
        .get("/users/{id}", users::get, &users::GET)
        .patch("/users/{id}", users::update, &users::UPDATE)
        .delete("/users/{id}", users::delete, &users::DELETE)
        .get("/users/{id}/logs", logs::of_user, &logs::OF_USER)
        .get("/users-by-email", users::by_email, &users::BY_EMAIL)
        .post("/jobs/users-imports", jobs::import, &jobs::IMPORT)
        .post("/jobs/verification-email", jobs::send_verification, &jobs::SEND_VERIFICATION)
        .get("/jobs/{id}", jobs::get, &jobs::GET)
        .get("/jobs/{id}/errors", jobs::errors, &jobs::ERRORS)
        .get("/user-blocks", user_blocks::by_identifier, &user_blocks::BY_IDENTIFIER)
        .delete("/user-blocks", user_blocks::unblock_identifier, &user_blocks::UNBLOCK_IDENTIFIER)
        .get("/user-blocks/{id}", user_blocks::get, &user_blocks::GET)
        .delete("/user-blocks/{id}", user_blocks::unblock_user, &user_blocks::UNBLOCK)
        .post("/tickets/password-change",
            user_tickets::change_password, &user_tickets::CHANGE_PASSWORD)
        .post("/tickets/email-verification",
            user_tickets::verify_email, &user_tickets::VERIFY_EMAIL)
}

/// What users have at applications.
#[rustfmt::skip]
fn of_users_at_applications() -> Routes {
    Routes::new()
        .get("/grants", grants::list, &grants::LIST)
        .delete("/grants", grants::delete_of_user, &grants::DELETE_OF_USER)
        .patch("/grants/{id}", grants::update, &grants::UPDATE)
        .delete("/grants/{id}", grants::delete, &grants::DELETE)
        .get("/sessions/{id}", sessions::get, &sessions::GET)
        .patch("/sessions/{id}", sessions::update, &sessions::UPDATE)
        .delete("/sessions/{id}", sessions::delete, &sessions::DELETE)
        .post("/sessions/{id}/revoke", sessions::revoke, &sessions::REVOKE)
        .get("/users/{id}/sessions", sessions::list_of_user, &sessions::LIST_OF_USER)
        .delete("/users/{id}/sessions", sessions::delete_of_user, &sessions::DELETE_OF_USER)
        .get("/refresh-tokens", refresh_tokens::list, &refresh_tokens::LIST)
        .post("/refresh-tokens/revoke", refresh_tokens::revoke, &refresh_tokens::REVOKE)
        .get("/refresh-tokens/{id}", refresh_tokens::get, &refresh_tokens::GET)
        .patch("/refresh-tokens/{id}", refresh_tokens::update, &refresh_tokens::UPDATE)
        .delete("/refresh-tokens/{id}", refresh_tokens::delete, &refresh_tokens::DELETE)
        .get("/users/{id}/refresh-tokens",
            refresh_tokens::list_of_user, &refresh_tokens::LIST_OF_USER)
        .delete("/users/{id}/refresh-tokens",
            refresh_tokens::delete_of_user, &refresh_tokens::DELETE_OF_USER)
        .post("/users/{id}/revoke-access", users_access::revoke, &users_access::REVOKE)
        .get("/device-credentials", device_credentials::list, &device_credentials::LIST)
        .delete("/device-credentials/{id}",
            device_credentials::delete, &device_credentials::DELETE)
}

/// The router. An issuer with a path is served below it and at the root, for proxies that strip it.
pub fn router(app: &Arc<App>) -> Router {
    // Preflights reach a layer only through a fallback that is there before it.
    let with = |routes: Routes, layer: CorsLayer| {
        let answering = routes
            .router
            .method_not_allowed_fallback(method_not_allowed);
        answering.layer(layer)
    };
    let routes = for_servers()
        .router
        .merge(with(
            for_pages(),
            cors::of_applications(app, &[Method::POST]),
        ))
        .merge(with(
            for_pages_and_tokens(),
            cors::of_applications(app, &[Method::GET, Method::POST]),
        ))
        .merge(with(for_everybody(), cors::of_everybody()))
        .merge(login::refuse_forged_posts(
            for_users().router,
            &app.pages,
            &app.issuer,
        ));
    let path = app.issuer.path();
    let all = if path.is_empty() {
        routes
    } else {
        // RFC 8414 §3.1 and §5: the issuer's path stands behind the well-known name.
        let names = ["oauth-authorization-server", "openid-configuration"];
        names
            .iter()
            .fold(routes.clone().nest(path, routes), |all, name| {
                all.route(
                    &format!("/.well-known/{name}{path}"),
                    get(discovery::get_metadata).layer(cors::of_everybody()),
                )
            })
    };
    let all = all
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed);
    around_every_request(all, app)
}

/// What happens before and after each handler; the last layer is the outermost.
fn around_every_request(routes: Router<Arc<App>>, app: &Arc<App>) -> Router {
    routes
        .layer(CatchPanicLayer::custom(|_| {
            Fault::internal(PANICKED).into_response()
        }))
        .layer(middleware::from_fn_with_state(
            Https::of(&app.issuer, came_by_http),
            https::require,
        ))
        .layer(middleware::from_fn_with_state(
            unreadable_host as host::Refuse,
            host::require,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(app),
            refusals::record,
        ))
        .layer(middleware::from_fn_with_state(
            telemetry::Bound {
                request_max: app.config.server.request_max,
                trusted_proxies: app.config.server.trusted_proxies.clone().into(),
                on_fault,
            },
            telemetry::observe,
        ))
        .layer(middleware::from_fn(remains::discard))
        .with_state(Arc::clone(app))
}

const HEALTHZ: Operation = Operation {
    summary: "The process answers",
    answer: Answer::One(200, &[&[text("status", 1, 200)]]),
    ..Operation::DEFAULT
};

async fn healthz() -> Response {
    no_store(StatusCode::OK, &json!({ "status": "ok" }))
}

const READYZ: Operation = Operation {
    summary: "This node hears of changes and knows what is revoked",
    ..HEALTHZ
};

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

/// What a proxy received by http, in the shape of the endpoint.
fn came_by_http(path: &str) -> Response {
    let text = "This server is reached by https only; this request came to its proxy by http.";
    no_such(StatusCode::BAD_REQUEST, path, "invalid_request", text)
}

/// A `Host` header that the protocol does not allow, in the shape of the endpoint.
fn unreadable_host(path: &str, text: &str) -> Response {
    no_such(StatusCode::BAD_REQUEST, path, "invalid_request", text)
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
