//! What went wrong, for people: what they can do in large letters, what engineers need in small ones.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::login::page::{Frame, Page};
use crate::model::fault::Fault;
use crate::wire::apologise;

/// Something went wrong, and there is no way back to an application, or none that may be trusted.
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
    /// What went wrong.
    pub kind: ErrorKind<'a>,
    /// Under which name the log has the request (`X-Request-Id`).
    pub reference: Option<&'a str>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind<'a> {
    /// The application's request is wrong.
    Request {
        /// The error code.
        code: &'a str,
        /// What its developers need to know.
        description: &'a str,
    },
    /// The ticket of a sign-in is too old.
    Expired,
    /// The link of a mail has been used or is too old.
    Link,
    /// The post was not sent from a page of ours.
    Forged,
    /// There is no such page.
    Missing,
    /// A fault of ours.
    Server {
        /// 500 or 503.
        status: StatusCode,
        /// When it is worth trying again.
        retry_after_seconds: Option<i64>,
    },
}

impl<'a> ErrorPage<'a> {
    /// Logs a fault of ours, and tells nothing of it.
    #[must_use]
    pub fn apologise(frame: Frame<'a>, fault: &Fault, reference: Option<&'a str>) -> Response {
        let apology = apologise(fault);
        let seconds = apology
            .retry_after
            .as_ref()
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let kind = ErrorKind::Server {
            status: apology.status,
            retry_after_seconds: seconds,
        };
        Self {
            frame,
            kind,
            reference,
        }
        .show()
    }

    fn title(&self) -> String {
        match self.kind {
            ErrorKind::Request { .. } => self.frame.say("error-request-title"),
            ErrorKind::Expired => self.frame.say("error-expired-title"),
            ErrorKind::Link => self.frame.say("error-link-title"),
            ErrorKind::Forged => self.frame.say("error-forged-title"),
            ErrorKind::Missing => self.frame.say("error-missing-title"),
            ErrorKind::Server { .. } => self.frame.say("error-server-title"),
        }
    }

    fn text(&self) -> String {
        match self.kind {
            ErrorKind::Request { .. } => self.frame.say("error-request"),
            ErrorKind::Expired => self.frame.say("error-expired"),
            ErrorKind::Link => self.frame.say("error-link"),
            ErrorKind::Forged => self.frame.say("error-forged"),
            ErrorKind::Missing => self.frame.say("error-missing"),
            ErrorKind::Server { .. } => self.frame.say("error-server"),
        }
    }

    fn asks_for_a_new_link(&self) -> bool {
        self.kind == ErrorKind::Link
    }

    /// Code and description of a request that is the application's doing.
    fn details(&self) -> Option<(&'a str, &'a str)> {
        match self.kind {
            ErrorKind::Request { code, description } => Some((code, description)),
            _ => None,
        }
    }
}

impl Page for ErrorPage<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }

    fn status(&self) -> StatusCode {
        match self.kind {
            ErrorKind::Request { .. } | ErrorKind::Expired => StatusCode::BAD_REQUEST,
            ErrorKind::Link => StatusCode::GONE,
            ErrorKind::Forged => StatusCode::FORBIDDEN,
            ErrorKind::Missing => StatusCode::NOT_FOUND,
            ErrorKind::Server { status, .. } => status,
        }
    }

    fn retry_after(&self) -> Option<i64> {
        match self.kind {
            ErrorKind::Server {
                retry_after_seconds,
                ..
            } => retry_after_seconds,
            _ => None,
        }
    }
}
