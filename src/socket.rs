//! A TCP connection whose client must read its answers within a bounded time (`server.write_seconds_max`).
//!
//! The time runs from the moment when the system takes no more bytes until everything that was to be written
//! has been taken. So a client that reads a byte now and then wins no time. `tokio-io-timeout` bounds each
//! single write only, which such a client satisfies.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

/// A TCP connection with a bound on the time in which its answers must be read.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    write_max: Duration,
    /// Runs while the client leaves something unread.
    deadline: Option<Pin<Box<Sleep>>>,
    is_blocked: Arc<watch::Sender<bool>>,
}

/// Tells whether a connection's client leaves answers unread.
#[derive(Clone, Debug)]
pub struct Backlog(watch::Receiver<bool>);

impl Backlog {
    /// Resolves when the client has been sent everything that was to be written so far.
    pub async fn cleared(&mut self) {
        // An error means that the connection is gone, and with it whoever waits here.
        drop(self.0.wait_for(|is_blocked| !is_blocked).await);
    }
}

impl Socket {
    /// Wraps a connection.
    #[must_use]
    pub fn new(stream: TcpStream, write_max: Duration) -> Self {
        Self {
            stream,
            write_max,
            deadline: None,
            is_blocked: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Whether this connection's client leaves answers unread.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        Backlog(self.is_blocked.subscribe())
    }

    /// The connection itself.
    #[must_use]
    pub const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Starts the deadline where a write waits. Fails where the deadline has passed.
    fn check<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            return written;
        }
        let write_max = self.write_max;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(write_max)));
        self.is_blocked.send_replace(true);
        ready!(deadline.as_mut().poll(context));
        // What the system still holds for this client is of no use: free it at once.
        self.stream.set_zero_linger()?;
        let text = "the client does not read its answer (server.write_seconds_max)";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.check(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.check(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called when everything that was to be written has been taken by the system.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        if self.deadline.take().is_some() {
            self.is_blocked.send_replace(false);
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
