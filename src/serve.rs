//! Listening: connections, their bounds, and the graceful end.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::background::Background;
use crate::config::Server;
use crate::model::fault::Fault;
use crate::router::router;
use crate::socket::{Backlog, Socket};
use crate::tls::Door;
use crate::wire::proxy::{Peer, Scheme};

/// Pause after an accept that failed, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// What the background tasks may take to end after the last request.
const BACKGROUND_MAX: Duration = Duration::from_secs(10);

/// Serves until `stop`, then lets running requests end within `server.shutdown_seconds_max`. Stops in the same
/// way when a vital background task has ended, because a node without it would serve half of what it promises.
///
/// # Errors
/// A fault that names the background task.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    background: Background,
    stop: CancellationToken,
) -> Result<(), Fault> {
    let graceful = GracefulShutdown::new();
    let cut_off = CancellationToken::new();
    let failure = tokio::select! {
        () = accept(&app, &listener, (&graceful, &cut_off), &stop) => None,
        failure = background.failed() => Some(failure),
    };
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
    failure.map_or(Ok(()), |text| Err(Fault::internal(text)))
}

async fn accept(
    app: &Arc<App>,
    listener: &TcpListener,
    (graceful, cut_off): (&GracefulShutdown, &CancellationToken),
    stop: &CancellationToken,
) {
    let entry = Arc::new(Entry {
        service: router(app),
        http: builder(&app.config.server),
        tls: app.tls.clone(),
        write_max: app.config.server.write_max,
        stop: stop.clone(),
    });
    let slots = Arc::new(Semaphore::new(app.config.server.connections_max));
    loop {
        let accepted = stop.run_until_cancelled(next(listener, &slots)).await;
        let Some(accepted) = accepted else { return };
        match accepted {
            Ok((stream, address, slot)) => {
                let connection = Arc::clone(&entry).enter(stream, address, graceful.watcher());
                let connection = cut_off.clone().run_until_cancelled_owned(connection);
                tokio::spawn(async move {
                    if let Some(Err(error)) = connection.await {
                        tracing::debug!(%error, %address, "a connection broke");
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

/// What a connection enters by.
struct Entry {
    service: Router,
    http: http1::Builder,
    tls: Option<Door>,
    write_max: Duration,
    stop: CancellationToken,
}

/// Who is at the other end of a connection.
struct Client {
    peer: Peer,
    backlog: Backlog,
}

type Broken = Box<dyn Error + Send + Sync>;

impl Entry {
    /// Shakes hands where there is TLS, and serves the connection to its end.
    async fn enter(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        watcher: Watcher,
    ) -> Result<(), Broken> {
        let socket = Socket::new(stream, self.write_max);
        let backlog = socket.backlog();
        let peer = |scheme| Peer {
            address: address.ip(),
            scheme,
        };
        let Some(door) = &self.tls else {
            let client = Client {
                peer: peer(Scheme::Http),
                backlog,
            };
            return self.serve(socket, client, watcher).await;
        };
        // Whoever has not finished shaking hands has asked for nothing yet.
        let handshake = self.stop.run_until_cancelled(door.handshake(socket));
        let Some(stream) = handshake.await else {
            return Ok(());
        };
        let stream = stream.map_err(|error| format!("the TLS handshake failed: {error}"))?;
        let client = Client {
            peer: peer(Scheme::Https),
            backlog,
        };
        self.serve(stream, client, watcher).await
    }

    async fn serve<I>(
        &self,
        stream: I,
        Client { peer, backlog }: Client,
        watcher: Watcher,
    ) -> Result<(), Broken>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = TowerToHyperService::new(self.service.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let (service, mut backlog) = (service.clone(), backlog.clone());
            async move {
                // A client may send further requests before it has read the answers to the first ones
                // (RFC 9112 §9.3.2). They wait here, so that unread answers do not pile up in memory.
                backlog.cleared().await;
                service.call(request).await
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        Ok(watcher.watch(connection).await?)
    }
}

/// Waits for room among `server.connections_max`, then for a connection.
async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, address, slot))
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
