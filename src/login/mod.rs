//! The pages that a person sees in a browser: signing in, consent, a forgotten password, the way
//! back to the application. All work without JavaScript where the web allows it, and load nothing
//! but what lies in `assets/`, and logos.
//!
//! [`Pages`] is made once; [`Pages::frame`] says in which language a request is answered; each view
//! in [`views`] takes that frame and what it shows, and [`Page::show`] makes the answer of it, with
//! the headers that keep other sites out.

mod assets;
pub(crate) mod consent;
pub mod cookies;
mod destination;
mod forgery;
pub(crate) mod links;
pub mod mails;
mod page;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
pub(crate) mod sign_up;
mod texts;
pub mod views;
pub(crate) mod visit;
mod words;

pub use destination::Destination;
pub use forgery::refuse_forged_posts;
pub use page::{Frame, Page, Pages, Policy};
pub use texts::Language;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{CONTROLS, utf8_percent_encode};

use crate::app::App;
use crate::model::fault::Fault;
use crate::wire::operation::{Answer, Operation};
use views::{ErrorKind, ErrorPage};

/// 303, so that no browser posts on what it has posted (RFC 9700 §4.12). A header field is ASCII
/// (RFC 9110 §5.5), so anything beyond is percent-encoded (RFC 3987 §3.1).
pub(crate) fn redirect(location: &str) -> Response {
    let location = utf8_percent_encode(location, CONTROLS).to_string();
    let Ok(location) = HeaderValue::try_from(location) else {
        return Fault::internal("a redirect is no header value").into_response();
    };
    let headers = [
        (LOCATION, location),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

pub(crate) const ASSET: Operation = Operation {
    summary: "What pages load",
    answer: Answer::File,
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /u/assets/{file}`
pub(crate) async fn asset(
    State(app): State<Arc<App>>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    app.pages.asset(&file).unwrap_or_else(|| {
        let page = ErrorPage {
            frame: app.pages.frame_for(None, &headers),
            kind: ErrorKind::Missing,
            reference: None,
        };
        page.show()
    })
}
