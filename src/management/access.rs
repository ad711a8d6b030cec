//! Who may do what at the Management API: Auth0's scope for each operation, and nobody hands out
//! more than they hold (compatibility.md §6).

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

use super::answer::Problem;
use crate::app::App;
use crate::model::api::MANAGEMENT_SCOPES;
use crate::model::client_grant::ClientGrant;
use crate::model::text::has_control;
use crate::oauth::bearer::{self, Bad, Caller};
use crate::store::{self, Conn};

/// The caller, if its token carries one of the scopes.
pub(crate) async fn authorize(
    app: &App,
    headers: &HeaderMap,
    any_of: &[&str],
    now: i64,
) -> Result<Caller, Problem> {
    let caller = bearer::management_caller(app, headers, now)
        .await
        .map_err(|bad| match bad {
            Bad::Missing => Problem::missing_token(),
            Bad::Invalid => Problem::invalid_token(),
            Bad::Fault(fault) => Problem::Fault(fault),
        })?;
    require(&caller, any_of)?;
    Ok(caller)
}

/// Passes where the caller holds one of the scopes.
pub(crate) fn require(caller: &Caller, any_of: &[&str]) -> Result<(), Problem> {
    if any_of.iter().any(|scope| caller.scopes.contains(scope)) {
        return Ok(());
    }
    Err(Problem::insufficient_scope(&any_of.join(",")))
}

/// Passes where the caller itself holds every Management scope that the grant gives.
pub(crate) fn may_hand_out(caller: &Caller, grant: &ClientGrant) -> Result<(), Problem> {
    let given = MANAGEMENT_SCOPES
        .iter()
        .map(|(value, _)| *value)
        .filter(|value| grant.grants(value));
    let missing: Vec<String> = given
        .filter(|value| !caller.scopes.contains(value))
        .map(str::to_owned)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Problem::more_than_held(&missing))
    }
}

/// Passes where the caller holds every Management scope of an application whose secret it sets:
/// whoever sets a secret can become the application.
pub(crate) async fn may_become(
    app: &App,
    conn: &mut Conn,
    caller: &Caller,
    client_id: &str,
) -> Result<(), Problem> {
    let management = app
        .issuer
        .identifier_of(crate::model::api::SystemApi::Management);
    let grants = store::client_grants::of_application(conn, client_id).await?;
    grants
        .iter()
        .filter(|grant| grant.audience == management)
        .try_for_each(|grant| may_hand_out(caller, grant))
}

/// Answers a path that is not UTF-8 in the Management API's own shape, before a route reads it.
pub(crate) async fn readable_path(request: Request, next: Next) -> Response {
    match percent_decode_str(request.uri().path()).decode_utf8() {
        Ok(_) => next.run(request).await,
        Err(_) => Problem::path("id", "String is not UTF-8").into_response(),
    }
}

/// A path segment, once decoded.
pub(crate) fn check_id(id: &str) -> Result<(), Problem> {
    const ID_CHARS_MAX: usize = 2000;
    if id.chars().count() > ID_CHARS_MAX {
        return Err(Problem::path("id", "String is too long"));
    }
    if has_control(id) {
        return Err(Problem::path("id", "String holds control characters"));
    }
    Ok(())
}
