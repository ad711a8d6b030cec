//! What is left of a request's body when its answer is ready.
//!
//! Many an answer needs no body: a token that opens nothing is refused before. The connection behind
//! it would then be closed in the middle of what the client sends, which loses answers, or just when
//! it sends its next request. So what is left is read and thrown away where it is little and comes
//! soon; otherwise the answer says that the connection ends (RFC 9112 §9.6).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The most that is thrown away.
const BYTES_MAX: usize = 4 << 20;
/// How long an answer waits for it.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Around every request.
pub(crate) async fn discard(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Such a client sends its body only when that is asked for (RFC 9110 §10.1.1).
    let waits = request.headers().contains_key(EXPECT);
    let (give_back, mut returned) = oneshot::channel();
    let lend = |body| {
        Body::new(Lent {
            body,
            give_back: Some(give_back),
        })
    };
    let mut response = next.run(request.map(lend)).await;
    let is_late =
        [StatusCode::REQUEST_TIMEOUT, StatusCode::SERVICE_UNAVAILABLE].contains(&response.status());
    let is_read = match returned.try_recv() {
        Ok(body) if body.is_end_stream() => true,
        Ok(body) if !waits && !is_late => read(body).await,
        _ => false,
    };
    if !is_read {
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads to the end, within the bounds; false where there is more.
async fn read(mut body: Body) -> bool {
    let reading = async {
        let mut limited = Limited::new(&mut body, BYTES_MAX);
        while let Some(frame) = limited.frame().await {
            if frame.is_err() {
                return false;
            }
        }
        true
    };
    timeout(WAIT_MAX, reading).await.unwrap_or(false)
}

/// A body that comes back when whoever read it is done with it.
struct Lent {
    body: Body,
    give_back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(give_back) = self.give_back.take() {
            // Nobody takes it where the request itself was dropped.
            drop(give_back.send(std::mem::take(&mut self.body)));
        }
    }
}
