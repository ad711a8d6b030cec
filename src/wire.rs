//! What all endpoints share of HTTP: a bounded body, answers that nobody may keep, our own faults,
//! and the Bearer token of an administrator.

pub mod bearer;
pub(crate) mod cors;
pub(crate) mod host;
pub(crate) mod https;
pub(crate) mod operation;
pub mod origin;
pub(crate) mod params;
pub(crate) mod proxy;
pub(crate) mod remains;
pub(crate) mod schema;

use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use tokio::time::timeout;

use crate::config::Server;
use crate::model::fault::Fault;

/// Why a body was not read to its end: the client's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is longer than `server.body_bytes_max`.
    TooLarge(usize),
    /// It did not come within `server.body_seconds_max`.
    TooSlow(Duration),
    /// The client went away, or broke the framing.
    Broken,
}

impl Cut {
    /// RFC 9110 §15.5.14, §15.5.9 and §15.5.1.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(max) => {
                write!(
                    f,
                    "The body is longer than {max} bytes (server.body_bytes_max)."
                )
            }
            Self::TooSlow(max) => {
                let seconds = max.as_secs();
                write!(
                    f,
                    "The body did not come within {seconds} s (server.body_seconds_max)."
                )
            }
            Self::Broken => f.write_str("The body could not be read to its end."),
        }
    }
}

/// Reads a body within the bounds of `[server]`.
///
/// # Errors
/// [`Cut`].
pub async fn read_body(body: Body, bounds: &Server) -> Result<Bytes, Cut> {
    let bytes_max = bounds.body_bytes_max;
    // One that says its length is refused before it is sent (RFC 9110 §10.1.1).
    if body.size_hint().lower() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
        return Err(Cut::TooLarge(bytes_max));
    }
    match timeout(bounds.body_max, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Cut::TooLarge(bytes_max)),
        Ok(Err(_)) => Err(Cut::Broken),
        Err(_) => Err(Cut::TooSlow(bounds.body_max)),
    }
}

/// The media type of `Content-Type` in lower case, without its parameters; empty where there is none.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    // Two of them name no type: whoever looks at the body in front of us may read it by the other.
    let text = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or(""),
        _ => "",
    };
    text.split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase()
}

/// Decodes a name or value of `application/x-www-form-urlencoded`; `None` where it is not UTF-8. A
/// library that puts something in the place of what is not UTF-8 would let two different requests
/// look the same.
pub(crate) fn decode_form(part: &str) -> Option<String> {
    let spaced = part.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(String::from)
}

/// A JSON answer that nobody may keep (RFC 6749 §5.1).
pub(crate) fn no_store(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a caller may know of a fault, for either shape of error body.
pub(crate) struct Apology {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<HeaderValue>,
    pub(crate) code: &'static str,
    pub(crate) text: &'static str,
}

/// True for paths of the Management API, whose errors have a shape of their own.
pub(crate) fn is_management(path: &str) -> bool {
    path.contains("/api/v2/")
}

/// Logs a fault, once, and tells nothing of it.
pub(crate) fn apologise(fault: &Fault) -> Apology {
    match fault {
        Fault::Unavailable {
            context,
            retry_after,
        } => {
            tracing::warn!(%context, "unavailable");
            Apology {
                status: StatusCode::SERVICE_UNAVAILABLE,
                retry_after: Some(HeaderValue::from(retry_after.as_secs().max(1))),
                code: "temporarily_unavailable",
                text: "Try again in a moment.",
            }
        }
        Fault::Internal { context } => {
            tracing::error!(%context, "fault");
            Apology {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                retry_after: None,
                code: "server_error",
                text: "The server met an error of its own; its log has the X-Request-Id.",
            }
        }
    }
}
