//! Logs, request ids, and the time that a request may take.

use std::io::IsTerminal;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::{Instant, timeout};
use tracing::Instrument;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

use crate::app;
use crate::config::{Log, LogFormat};
use crate::model::fault::Fault;
use crate::secret;

/// Names the request in answers and in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Starts logging to standard error: text for people, JSON for machines.
///
/// # Errors
/// A sentence where `log.level` cannot be read or logging was started already.
pub fn start(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level)
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

/// Around every request: an id of our own making, the bound on its time, and a line at debug.
pub(crate) async fn observe(
    State(request_max): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    let id = secret::random_text(12);
    let began = Instant::now();
    // The path only: a query string may hold what nobody should log.
    let uri = request.uri().clone();
    let span = tracing::info_span!("request", id, method = %request.method(), path = uri.path());
    let answering = async {
        let mut response = timeout(request_max, next.run(request))
            .await
            .unwrap_or_else(|_| {
                let why = "the request took too long (server.request_seconds_max)";
                app::fault_at(uri.path(), Fault::unavailable(why))
            });
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let took = began.elapsed().as_micros();
        tracing::debug!(
            status = response.status().as_u16(),
            microseconds = took,
            "answered"
        );
        response
    };
    answering.instrument(span).await
}
