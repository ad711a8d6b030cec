//! Who may do what at the Management API: Auth0's scope for each operation, and nobody hands out
//! more than they hold (compatibility.md §6).

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::answer::Problem;
use super::body::Fields;
use crate::app::App;
use crate::model::api::MANAGEMENT_SCOPES;
use crate::model::client_grant::ClientGrant;
use crate::model::text::has_control;
use crate::store::{self, Conn};
use crate::wire::bearer::{self, Bad, Caller};

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

/// Reads the body and then, by a fresh reading of the clock, who asks: a token that is revoked
/// while a body is on its way opens nothing. Nobody who may not ask gets a body read.
pub(crate) async fn authorize_body(
    app: &App,
    headers: &HeaderMap,
    body: Body,
    any_of: &[&str],
) -> Result<(Caller, Fields, i64), Problem> {
    authorize(app, headers, any_of, app.clock.now()).await?;
    let fields = Fields::read(headers, body, &app.config.server).await?;
    let now = app.clock.now();
    let caller = authorize(app, headers, any_of, now).await?;
    Ok((caller, fields, now))
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

/// axum's, but what cannot be decoded is a problem in the Management API's shape.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync> FromRequestParts<S> for Path<String> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(segment)| Self(segment))
            .map_err(|_| Problem::path("id", "String is not UTF-8"))
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
