//! The one owner of statuses and `WWW-Authenticate` at the protocol endpoints.

use axum::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::model::fault::Fault;
use crate::model::refusal::{Code, Refusal, Stop};

/// A JSON answer that nobody may keep (RFC 6749 §5.1).
pub(crate) fn no_store(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// RFC 6749 §5.2; `access_denied` of a token request is 403 (compatibility.md §6).
fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidClient | Code::InvalidToken => StatusCode::UNAUTHORIZED,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::AccessDenied | Code::InsufficientScope => StatusCode::FORBIDDEN,
        Code::InvalidRequest
        | Code::UnauthorizedClient
        | Code::UnsupportedGrantType
        | Code::InvalidScope
        | Code::InvalidTarget
        | Code::UnsupportedTokenType => StatusCode::BAD_REQUEST,
    }
}

/// What `WWW-Authenticate` says, where the refusal is about who asks (RFC 7617 §2, RFC 6750 §3).
fn challenge(code: Code) -> Option<HeaderValue> {
    let challenge = match code {
        Code::InvalidClient => r#"Basic realm="grantor", charset="UTF-8""#,
        Code::InvalidToken => r#"Bearer realm="grantor", error="invalid_token""#,
        Code::InsufficientScope => r#"Bearer realm="grantor", error="insufficient_scope""#,
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
        response
    }
}

/// What every edge says of a fault: logged once here, and nothing of it told.
pub(crate) fn report(fault: &Fault) -> (StatusCode, Option<HeaderValue>) {
    match fault {
        Fault::Unavailable {
            context,
            retry_after,
        } => {
            tracing::warn!(%context, "unavailable");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Some(HeaderValue::from(retry_after.as_secs().max(1))),
            )
        }
        Fault::Internal { context } => {
            tracing::error!(%context, "fault");
            (StatusCode::INTERNAL_SERVER_ERROR, None)
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, retry_after) = report(&self);
        let body = match retry_after {
            Some(_) => {
                json!({ "error": "temporarily_unavailable", "error_description": "Try again in a moment." })
            }
            None => {
                json!({ "error": "server_error", "error_description": "The server met an error of its own; its log has the X-Request-Id." })
            }
        };
        let mut response = no_store(status, &body);
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
