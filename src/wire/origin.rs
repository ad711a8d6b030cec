//! Where a request comes from, for the log.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};

use super::proxy::Sender;
use crate::model::record::Whence;

/// Auth0's header with which a caller ties its requests together in the log.
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// Characters of it that are kept, as in Auth0.
const CORRELATION_CHARS_MAX: usize = 64;
/// Characters of `User-Agent` that are kept.
const USER_AGENT_CHARS_MAX: usize = 256;

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// As in the `X-Request-Id` of the answer.
    pub request_id: String,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// What the client says that it is.
    pub user_agent: Option<String>,
    /// The caller's `X-Correlation-ID`.
    pub correlation_id: Option<String>,
    /// The method of the request.
    pub method: Method,
    /// The path of the request, without its query string.
    pub path: String,
}

impl Origin {
    /// Reads what a request says of itself.
    #[must_use]
    pub(crate) fn of<B>(
        request: &axum::http::Request<B>,
        request_id: String,
        sender: Option<Sender>,
    ) -> Self {
        let headers = request.headers();
        Self {
            request_id,
            ip: sender.map(|sender| sender.address),
            user_agent: text(headers, &USER_AGENT, USER_AGENT_CHARS_MAX),
            correlation_id: text(headers, &CORRELATION_ID, CORRELATION_CHARS_MAX),
            method: request.method().clone(),
            // The path only: a query string may hold what nobody should log.
            path: request.uri().path().to_owned(),
        }
    }
}

impl From<Origin> for Whence {
    fn from(origin: Origin) -> Self {
        Self {
            ip: origin.ip.map(|ip| ip.to_string()),
            user_agent: origin.user_agent,
            correlation_id: origin.correlation_id,
            request_id: Some(origin.request_id).filter(|id| !id.is_empty()),
            method: Some(origin.method.to_string()),
            path: Some(origin.path),
        }
    }
}

/// A header of visible ASCII, cut at a number of characters.
fn text(headers: &HeaderMap, name: &HeaderName, chars_max: usize) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    let cut: String = text.chars().take(chars_max).collect();
    Some(cut).filter(|text| !text.is_empty())
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    /// `telemetry::observe` has left it with the request.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Self {
            request_id: String::new(),
            ip: None,
            user_agent: None,
            correlation_id: None,
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
        }))
    }
}
