//! Logs, request ids, and the time that a request may take.

mod log_writer;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{IsTerminal, Write};
use std::mem;
use std::panic;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use tokio::time::{Instant, timeout};
use tracing::Instrument;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

use self::log_writer::LogQueue;
use crate::background::Background;
use crate::config::{Log, LogFormat};
use crate::model::fault::Fault;
use crate::secret;
use crate::wire::origin::Origin;
use crate::wire::proxy;

/// Names the request in answers and in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest path in a line of the log, in characters: a path may be as long as a whole head.
const LOGGED_PATH_CHARS_MAX: usize = 200;
/// How long the last words of the process wait for whoever reads standard error.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// The running log. Dropped at the end of the process, it writes what is queued.
pub struct Logging {
    queue: LogQueue,
    guard: Option<WorkerGuard>,
}

impl Logging {
    /// Reports lost lines from now on, as long as the node runs.
    pub fn report_lost_lines(&self, background: &Background) {
        let (queue, stop) = (self.queue.clone(), background.stop.clone());
        background.spawn_vital("log report", async move {
            stop.run_until_cancelled(queue.report_lost_lines()).await;
        });
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let is_flushed = self.queue.flush();
        let guard = self.guard.take();
        if !is_flushed {
            // Nobody reads standard error. The guard would wait for the thread, and complain on standard
            // output; the thread ends with the process.
            mem::forget(guard);
        }
    }
}

/// Writes a line to standard error as the last words of a process, and waits for that a bounded time.
pub fn write_last_words(text: &str) {
    let line = format!("grantor: {text}\n");
    let (written, is_written) = mpsc::channel();
    thread::spawn(move || {
        // Where standard error is gone, the exit code has to say it.
        let _ = std::io::stderr().write_all(line.as_bytes());
        let _ = written.send(());
    });
    let _ = is_written.recv_timeout(LAST_WORDS_MAX);
}

/// Starts logging to standard error: text for people, JSON for machines. The directives in `quieter` apply
/// where `log.level` has no more specific ones. A panic is logged as well, instead of being written to
/// standard error by the thread that panicked.
///
/// # Errors
/// A sentence where `log.level` cannot be read or logging was started already.
pub fn start(log: &Log, quieter: &str) -> Result<Logging, String> {
    let directives = format!("{quieter},{}", log.level);
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| format!("log.level = '{}': {error}", log.level))?;
    let is_text = match log.format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let (queue, guard) = LogQueue::start(log.queue_lines_max);
    let subscriber = Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(queue.clone())
        // The library would write them to standard error itself, and panic where that fails.
        .log_internal_errors(false);
    let started = if is_text {
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
    };
    started.map_err(|error| error.to_string())?;
    panic::set_hook(Box::new(log_panic));
    Ok(Logging {
        queue,
        guard: Some(guard),
    })
}

fn log_panic(panicked: &panic::PanicHookInfo<'_>) {
    let payload = panicked.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let location = panicked.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        text,
        location,
        backtrace = backtrace.map(|trace| trace.to_string()),
        "the program panicked"
    );
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
    let logged_path: String = path.chars().take(LOGGED_PATH_CHARS_MAX).collect();
    let span = tracing::info_span!("request", id, method = %request.method(), path = logged_path);
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
