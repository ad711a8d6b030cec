//! Which pages may read answers in a browser (Fetch standard, CORS): those of an origin that an
//! application lists, at the endpoints that applications in browsers call; all of them at public
//! documents (compatibility.md §6).

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::app::App;

/// How long a browser remembers that it may ask.
const REMEMBERED: Duration = Duration::from_mins(10);

/// For pages of origins that an application lists. Which application asks stands in the body, so
/// any application's origin does.
pub(crate) fn of_applications(app: &Arc<App>, methods: &[Method]) -> CorsLayer {
    let app = Arc::clone(app);
    let is_listed = move |origin: HeaderValue, _: &Parts| async move {
        match origin.to_str() {
            Ok(origin) => app.directory.allows_origin(origin).await,
            Err(_) => false,
        }
    };
    let exposed = [
        HeaderName::from_static("x-request-id"),
        RETRY_AFTER,
        WWW_AUTHENTICATE,
    ];
    CorsLayer::new()
        .allow_origin(AllowOrigin::async_predicate(is_listed))
        .allow_methods(methods.to_vec())
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed)
        .max_age(REMEMBERED)
}

/// For every page.
pub(crate) fn of_everybody() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::any())
        .allow_methods([Method::GET])
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(REMEMBERED)
}
