//! `Authorization: Bearer` (RFC 6750 §2.1): who asks with an access token of ours.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::app::App;
use crate::model::api::SystemApi;
use crate::model::fault::Fault;
use crate::model::scope::Scopes;
use crate::secret::Secret;
use crate::tokens::jwt::TOKEN_BYTES_MAX;

/// Why a Bearer token is not good.
pub(crate) enum Bad {
    /// There is none.
    Missing,
    /// It is not ours, has ended, is revoked, or is for another API.
    Invalid,
    /// We could not tell.
    Fault(Fault),
}

/// The holder of an active token for the Management API.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The application that holds the token.
    pub(crate) client_id: String,
    /// What it may do: the scopes of the token.
    pub(crate) scopes: Scopes,
}

/// True where the request carries a Bearer token rather than a client's own credentials.
pub(crate) fn is_bearer(headers: &HeaderMap) -> bool {
    read(headers).is_some()
}

fn read(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The caller of the Management API.
pub(crate) async fn management_caller(
    app: &App,
    headers: &HeaderMap,
    now: i64,
) -> Result<Caller, Bad> {
    let text = read(headers).ok_or(Bad::Missing)?;
    if text.len() > TOKEN_BYTES_MAX {
        return Err(Bad::Invalid);
    }
    let found = app
        .recogniser()
        .recognise(&Secret::new(text.to_owned()), now)
        .await
        .map_err(Bad::Fault)?;
    let token = found.ok_or(Bad::Invalid)?.token;
    if token.audiences != [app.issuer.identifier_of(SystemApi::Management)] {
        return Err(Bad::Invalid);
    }
    Ok(Caller {
        client_id: token.client_id,
        scopes: Scopes::parse(&token.scope),
    })
}
