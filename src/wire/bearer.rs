//! `Authorization: Bearer` (RFC 6750 §2.1): who asks with an access token of ours.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::app::App;
use crate::model::api::SystemApi;
use crate::model::fault::Fault;
use crate::model::scope::Scopes;
use crate::secret::Secret;
use crate::tokens::jwt::{self, Claimed, TOKEN_BYTES_MAX};

/// The challenge to who presents none: nothing is said of errors (RFC 6750 §3.1).
pub(crate) const WANTS_TOKEN: &str = r#"Bearer realm="grantor""#;
/// The challenge to a token that is not good (RFC 6750 §3.1).
pub(crate) const INVALID_TOKEN: &str = r#"Bearer realm="grantor", error="invalid_token""#;
/// The challenge to a token that may not do this.
pub(crate) const INSUFFICIENT_SCOPE: &str = r#"Bearer realm="grantor", error="insufficient_scope""#;

/// Why a Bearer token is not good.
pub(crate) enum Bad {
    /// There is none.
    Missing,
    /// There are two `Authorization` headers, and a proxy in front may have judged the other one.
    Repeated,
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
    /// When the token ends, unix seconds.
    pub(crate) token_expires_at: Option<i64>,
    /// What it may do: the scopes of the token.
    pub(crate) scopes: Scopes,
}

/// True where the request carries a Bearer token rather than a client's own credentials.
pub(crate) fn is_bearer(headers: &HeaderMap) -> bool {
    presented(headers).is_some()
}

/// Passes where at most one `Authorization` header is there (RFC 9110 §5.3, RFC 6750 §2).
pub(crate) fn check_single(headers: &HeaderMap) -> Result<(), Bad> {
    match headers.get_all(AUTHORIZATION).iter().nth(1) {
        None => Ok(()),
        Some(_) => Err(Bad::Repeated),
    }
}

/// What is said where [`check_single`] does not pass.
pub(crate) const REPEATED: &str = "Two Authorization headers in one request.";

/// The text of the Bearer token.
pub(crate) fn presented(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The caller of the Management API.
pub(crate) async fn management_caller(
    app: &App,
    headers: &HeaderMap,
    now: i64,
) -> Result<Caller, Bad> {
    check_single(headers)?;
    let text = presented(headers).ok_or(Bad::Missing)?;
    if text.len() > TOKEN_BYTES_MAX {
        return Err(Bad::Invalid);
    }
    // No API's own secret opens this one, so nobody looks for it either.
    if matches!(jwt::claimed(text), Some(Claimed::SecretOf(_))) {
        return Err(Bad::Invalid);
    }
    let (recogniser, text) = (app.recogniser(), Secret::new(text.to_owned()));
    let found = recogniser.recognise(&text, now).await.map_err(Bad::Fault)?;
    let found = found.ok_or(Bad::Invalid)?;
    if found.token.audiences != [app.issuer.identifier_of(SystemApi::Management)] {
        return Err(Bad::Invalid);
    }
    recogniser.record_use(&found, now);
    let token = found.token;
    Ok(Caller {
        client_id: token.client_id,
        token_expires_at: token.expires_at,
        scopes: Scopes::parse(&token.scope),
    })
}
