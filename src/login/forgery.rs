//! Posts that another site makes a browser send (cross-site request forgery) are refused by
//! tower-http's layer, which reads `Sec-Fetch-Site` and `Origin`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use tower_http::csrf::{CsrfLayer, ProtectionError};
use url::Url;

use super::page::{Page, Pages};
use super::views::{ErrorKind, ErrorPage};
use crate::model::issuer::Issuer;

/// Puts the guard around routes whose posts come from our own pages, and only those: applications
/// post to `/authorize` from theirs. The issuer's origin is trusted, so that a proxy may change
/// `Host`. What is refused is answered with a page and 403.
pub fn refuse_forged_posts<S>(routes: Router<S>, pages: &Arc<Pages>, issuer: &Issuer) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let origin = Url::parse(issuer.as_str()).map(|url| url.origin().ascii_serialization());
    let trusting = origin
        .ok()
        .and_then(|origin| CsrfLayer::new().add_trusted_origin(origin).ok());
    // An issuer is a URL with an origin; where it were none, `Host` alone would decide.
    routes
        .layer(trusting.unwrap_or_default())
        .layer(middleware::from_fn_with_state(Arc::clone(pages), explain))
}

/// A page in the place of the layer's empty answer.
async fn explain(State(pages): State<Arc<Pages>>, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let response = next.run(request).await;
    if response.extensions().get::<ProtectionError>().is_none() {
        return response;
    }
    tracing::info!("a post from another site was refused");
    let page = ErrorPage {
        frame: pages.frame_for(None, &headers),
        kind: ErrorKind::Forged,
        reference: None,
    };
    page.show()
}
