//! Logs, request ids, and the time that a request may take.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use tokio::time::{Instant, timeout};
use tracing::Instrument;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

use crate::config::{Log, LogFormat};
use crate::model::fault::Fault;
use crate::secret;
use crate::wire::origin::Origin;
use crate::wire::proxy;

/// Names the request in answers and in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Starts logging to standard error: text for people, JSON for machines. What `quieter` says holds
/// where `log.level` does not say more.
///
/// # Errors
/// A sentence where `log.level` cannot be read or logging was started already.
pub fn start(log: &Log, quieter: &str) -> Result<(), String> {
    let directives = format!("{quieter},{}", log.level);
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| format!("log.level = '{}': {error}", log.level))?;
    let is_text = match log.format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let subscriber = Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if is_text {
        subscriber
            .with_ansi(std::io::stderr().is_terminal())
            .try_init()
    } else {
        subscriber
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init()
    }
    .map_err(|error| error.to_string())
}

/// The bound on a request's time, what is answered where it is broken, and whose word about the
/// client counts.
#[derive(Clone)]
pub(crate) struct Bound {
    pub(crate) request_max: Duration,
    pub(crate) trusted_proxies: Arc<[IpNet]>,
    pub(crate) on_fault: fn(&str, Fault) -> Response,
}

/// Around every request: an id of our own making, the bound on its time, and a line at debug.
pub(crate) async fn observe(
    State(bound): State<Bound>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = secret::random_text(12);
    let began = Instant::now();
    let sender = proxy::sender(&request, &bound.trusted_proxies);
    let origin = Origin::of(&request, id.clone(), sender);
    let path = origin.path.clone();
    let span = tracing::info_span!("request", id, method = %request.method(), path);
    request.extensions_mut().insert(origin);
    if let Some(sender) = sender {
        request.extensions_mut().insert(sender);
    }
    let answering = async {
        let answered = timeout(bound.request_max, next.run(request)).await;
        let mut response = answered.unwrap_or_else(|_| {
            let text = "the request took too long (server.request_seconds_max)";
            (bound.on_fault)(&path, Fault::unavailable(text))
        });
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let (status, took) = (response.status().as_u16(), began.elapsed().as_micros());
        tracing::debug!(status, microseconds = took, "answered");
        response
    };
    answering.instrument(span).await
}
