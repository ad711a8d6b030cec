//! The one owner of statuses and `WWW-Authenticate` at the protocol endpoints.

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::model::fault::Fault;
use crate::model::refusal::{Code, Refusal, Stop};
use crate::wire::bearer::{INSUFFICIENT_SCOPE, INVALID_TOKEN};
use crate::wire::{Apology, apologise, no_store};

/// RFC 6749 §5.2; `access_denied` of a token request is 403 (compatibility.md §6).
pub(super) fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidClient | Code::InvalidToken => StatusCode::UNAUTHORIZED,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
        Code::AccessDenied | Code::InsufficientScope => StatusCode::FORBIDDEN,
        Code::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
        Code::InvalidRequest
        | Code::UnauthorizedClient
        | Code::UnsupportedGrantType
        | Code::InvalidGrant
        | Code::InvalidScope
        | Code::InvalidTarget
        | Code::UnsupportedResponseType
        | Code::LoginRequired
        | Code::ConsentRequired
        | Code::UnmetAuthenticationRequirements
        | Code::InvalidRequestObject
        | Code::InvalidRequestUri
        | Code::RequestUriNotSupported
        | Code::RegistrationNotSupported => StatusCode::BAD_REQUEST,
    }
}

/// What `WWW-Authenticate` says, where the refusal is about who asks (RFC 7617 §2, RFC 6750 §3).
fn challenge(code: Code) -> Option<HeaderValue> {
    let challenge = match code {
        Code::InvalidClient => r#"Basic realm="grantor", charset="UTF-8""#,
        Code::InvalidToken => INVALID_TOKEN,
        Code::InsufficientScope => INSUFFICIENT_SCOPE,
        _ => return None,
    };
    Some(HeaderValue::from_static(challenge))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        tracing::info!(
            error = self.code.as_str(),
            description = self.description,
            log = self.log,
            "refused"
        );
        let body = json!({ "error": self.code.as_str(), "error_description": self.description });
        let mut response = no_store(status(self.code), &body);
        if let Some(challenge) = challenge(self.code) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(pause) = self.retry_after {
            let seconds = HeaderValue::from(pause.as_secs().max(1));
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let Apology {
            status,
            retry_after,
            code,
            text,
        } = apologise(&self);
        let mut response = no_store(status, &json!({ "error": code, "error_description": text }));
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => refusal.into_response(),
            Self::Fault(fault) => fault.into_response(),
        }
    }
}
