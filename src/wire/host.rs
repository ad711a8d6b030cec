//! The `Host` header: HTTP/1.1 requires exactly one, and a readable one (RFC 9112 §3.2).

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Version};
use axum::middleware::Next;
use axum::response::Response;

/// Makes the refusal, of the request's path and a sentence.
pub(crate) type Refuse = fn(&str, &str) -> Response;

/// Around every request: refuses one that does not name its host as the protocol requires.
pub(crate) async fn require(
    State(refuse): State<Refuse>,
    request: Request,
    next: Next,
) -> Response {
    match check(request.version(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(text) => refuse(request.uri().path(), text),
    }
}

fn check(version: Version, headers: &HeaderMap) -> Result<(), &'static str> {
    let mut values = headers.get_all(HOST).iter();
    match (values.next(), values.next()) {
        (None, _) if version < Version::HTTP_11 => Ok(()),
        (None, _) => Err("The request has no Host header (RFC 9112, section 3.2)."),
        (Some(_), Some(_)) => Err("The request has two Host headers (RFC 9112, section 3.2)."),
        (Some(value), None) if is_host(value) => Ok(()),
        (Some(_), None) => Err("The Host header is not readable (RFC 9112, section 3.2)."),
    }
}

/// `Host` may be empty (RFC 9112 §3.2). Otherwise it is a host and perhaps a port, without a user name.
fn is_host(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else {
        return false;
    };
    text.is_empty() || (!text.contains('@') && text.parse::<Authority>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_readable_host_is_required_since_http_1_1() {
        let check = |version, values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HOST, HeaderValue::from_static(value));
            }
            super::check(version, &headers).is_ok()
        };
        for fine in [
            "id.example.com",
            "127.0.0.1:8080",
            "[::1]:443",
            "localhost",
            "",
        ] {
            assert!(check(Version::HTTP_11, &[fine]), "{fine}");
        }
        for bad in [
            "a b",
            "user@id.example.com",
            "id.example.com/path",
            "a,b c",
            "id.example.com:80:80",
        ] {
            assert!(!check(Version::HTTP_11, &[bad]), "{bad}");
        }
        assert!(!check(Version::HTTP_11, &[]));
        assert!(check(Version::HTTP_10, &[]));
        assert!(!check(Version::HTTP_10, &["a", "a"]));
        assert!(!check(Version::HTTP_11, &["a", "a"]));
    }
}
