//! Listening: connections, their bounds, and the graceful end.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::app::{App, router};
use crate::background::Background;
use crate::config::Server;
use crate::wire::origin::Peer;

/// Pause after an accept that failed, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// What the background tasks may take to end after the last request.
const BACKGROUND_MAX: Duration = Duration::from_secs(10);

/// Serves until `stop`, then lets running requests end within `server.shutdown_seconds_max`.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    background: Background,
    stop: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let cut_off = CancellationToken::new();
    accept(&app, &listener, (&graceful, &cut_off), &stop).await;
    drop(listener);
    tracing::info!("stopping: running requests may end");
    if timeout(app.config.server.shutdown_max, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were cut off (server.shutdown_seconds_max)");
        cut_off.cancel();
    }
    background.stop.cancel();
    let store = app.store.clone();
    // The group-commit task ends when the last door is dropped, after what is queued.
    drop(app);
    background.tasks.close();
    if timeout(BACKGROUND_MAX, background.tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!("background tasks did not end in time");
    }
    store.close().await;
    tracing::info!("stopped");
}

async fn accept(
    app: &Arc<App>,
    listener: &TcpListener,
    (graceful, cut_off): (&GracefulShutdown, &CancellationToken),
    stop: &CancellationToken,
) {
    let service = router(app);
    let slots = Arc::new(Semaphore::new(app.config.server.connections_max));
    loop {
        let accepted = stop.run_until_cancelled(next(listener, &slots)).await;
        let Some(accepted) = accepted else { return };
        match accepted {
            Ok((stream, peer, slot)) => {
                let service = TowerToHyperService::new(service.clone());
                // The other end's address goes along with each of its requests.
                let service = service_fn(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(peer);
                    service.call(request)
                });
                let connection =
                    builder(&app.config.server).serve_connection(TokioIo::new(stream), service);
                let connection = cut_off
                    .clone()
                    .run_until_cancelled_owned(graceful.watch(connection));
                tokio::spawn(async move {
                    if let Some(Err(error)) = connection.await {
                        tracing::debug!(%error, "a connection broke");
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Waits for room among `server.connections_max`, then for a connection.
async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, Peer(peer.ip().to_canonical()), slot))
}

fn builder(server: &Server) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(server.header_max)
        .max_buf_size(server.header_bytes_max)
        // The buffer may take in more at one time; the bound on a head is exact.
        .max_header_size(server.header_bytes_max);
    builder
}
