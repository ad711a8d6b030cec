//! What all endpoints share of HTTP: reading a body that is bounded.

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is longer than it may be.
    TooLarge,
    /// The client went away, or broke the framing.
    Broken,
}

/// Reads a body of at most `bytes_max` bytes.
///
/// # Errors
/// [`Cut`].
pub async fn read_body(body: Body, bytes_max: usize) -> Result<Bytes, Cut> {
    // One that says its length is refused before it is sent (RFC 9110 §10.1.1).
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(Cut::TooLarge);
    }
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Cut::TooLarge),
        Err(_) => Err(Cut::Broken),
    }
}
