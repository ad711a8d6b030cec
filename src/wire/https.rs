//! What https asks of us: nothing is answered that travelled by http, and browsers are told so.

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::STRICT_TRANSPORT_SECURITY;
use axum::middleware::Next;
use axum::response::Response;

use super::proxy::{Scheme, Sender};
use crate::model::issuer::Issuer;

/// For a year, as long as browsers are told so again and again (RFC 6797 §6.1.1).
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What follows from the issuer.
#[derive(Clone, Copy)]
pub(crate) struct Https {
    /// Makes the refusal, of the request's path; `None` where the issuer itself is http.
    refuse: Option<fn(&str) -> Response>,
    /// Not for this machine's own names, which others share.
    tells_browsers: bool,
}

impl Https {
    pub(crate) fn of(issuer: &Issuer, refuse: fn(&str) -> Response) -> Self {
        Self {
            refuse: issuer.is_https().then_some(refuse),
            tells_browsers: !issuer.is_on_loopback(),
        }
    }
}

/// Around every request. What a proxy received by http is refused where the issuer is https: RFC 6749
/// §3.2 demands TLS, and a redirect would only hide that a secret has been sent in the clear.
pub(crate) async fn require(State(https): State<Https>, request: Request, next: Next) -> Response {
    let sender = request.extensions().get::<Sender>();
    let scheme = sender.and_then(|sender| sender.scheme);
    if let (Some(Scheme::Http), Some(refuse)) = (scheme, https.refuse) {
        return refuse(request.uri().path());
    }
    let mut response = next.run(request).await;
    // Never over http: RFC 6797 §7.2.
    if scheme == Some(Scheme::Https) && https.tells_browsers {
        let headers = response.headers_mut();
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
    response
}
