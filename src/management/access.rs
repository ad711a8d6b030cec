//! Who may do what at the Management API: Auth0's scope for each operation, and nobody hands out
//! more than they hold (compatibility.md §6).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::answer::Problem;
use crate::app::App;
use crate::model::api::MANAGEMENT_SCOPES;
use crate::model::client_grant::ClientGrant;
use crate::model::text::has_control;
use crate::store::{self, Conn};
use crate::wire::bearer::Caller;
use crate::wire::operation::Access;

/// Passes where the caller holds the scopes that open an operation.
pub(crate) fn admit(caller: &Caller, access: Access) -> Result<(), Problem> {
    let Access::AllOf(scopes) = access else {
        return require(caller, access.scopes());
    };
    if scopes.iter().all(|scope| caller.scopes.contains(scope)) {
        return Ok(());
    }
    Err(Problem::insufficient_scope("all", scopes))
}

/// Passes where the caller holds one of the scopes.
pub(crate) fn require(caller: &Caller, any_of: &[&str]) -> Result<(), Problem> {
    if any_of.iter().any(|scope| caller.scopes.contains(scope)) {
        return Ok(());
    }
    Err(Problem::insufficient_scope("any", any_of))
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

/// axum's, but what cannot be decoded, or cannot be an id, is a problem in the Management API's shape.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync> FromRequestParts<S> for Path<String> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Path(id) =
            axum::extract::Path::<String>::from_request_parts(parts, state)
                .await
                .map_err(|_| not_utf8())?;
        check_id(&id)?;
        Ok(Self(id))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Path<(String, String)> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Path((id, below)) =
            axum::extract::Path::<(String, String)>::from_request_parts(parts, state)
                .await
                .map_err(|_| not_utf8())?;
        check_id(&id)?;
        check_id(&below)?;
        Ok(Self((id, below)))
    }
}

fn not_utf8() -> Problem {
    Problem::path("id", "String is not UTF-8")
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
