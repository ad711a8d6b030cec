//! A browser's request to a page, read once: what it brought, and when it came.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use url::Url;

use super::cookies;
use super::views::{ApplicationView, ErrorKind, ErrorPage};
use super::{Destination, Frame, Page};
use crate::app::App;
use crate::audit::Failure;
use crate::directory::Stance;
use crate::grants::authorize::needs_confirmation;
use crate::model::application::Application;
use crate::model::fault::Fault;
use crate::model::refusal::{Code, Refusal};
use crate::model::session::Device;
use crate::model::user::TYPED_BYTES_MAX;
use crate::secret::Secret;
use crate::sessions::SignedIn;
use crate::tokens::ticket::Ticket;
use crate::users::limits::{Limited, Reason};
use crate::users::reset;
use crate::wire::origin::Origin;
use crate::wire::params::Params;

/// A browser's request as it arrives: its parameters stand in the query string, or where it is posted, in
/// the body.
pub(crate) struct PageRequest {
    app: Arc<App>,
    origin: Origin,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
}

impl FromRequest<Arc<App>> for PageRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        Ok(Self {
            app: Arc::clone(app),
            origin: Origin::from_request_parts(&mut parts, app).await?,
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            body,
        })
    }
}

impl PageRequest {
    /// Answers with a page or a redirect; where that cannot be, with the page that says why.
    pub(super) async fn answer<F>(self, answer: F) -> Response
    where
        F: AsyncFnOnce(&Visit<'_>, &Params) -> Result<Response, Trouble>,
    {
        self.answer_or(refuse, answer).await
    }

    /// The same; `refuse` makes the page that says why.
    pub(super) async fn answer_or<F>(
        self,
        refuse: fn(&Visit<'_>, Trouble) -> Response,
        answer: F,
    ) -> Response
    where
        F: AsyncFnOnce(&Visit<'_>, &Params) -> Result<Response, Trouble>,
    {
        let served = self.serve(async |visit, params| {
            let whole = params.and_then(|params| params.check_whole().map(|()| params));
            let answered = match whole {
                Ok(params) => answer(visit, &params).await,
                Err(refusal) => Err(refusal.into()),
            };
            answered.unwrap_or_else(|trouble| refuse(visit, trouble))
        });
        served.await
    }

    /// The refusal of HEAD, where a GET uses something up or ends it, and HEAD must do nothing (RFC 9110
    /// §9.2.1); `allow` names the methods that there are.
    pub(crate) fn refuse_head(&self, allow: &'static str) -> Option<Response> {
        let is_head = self.method == Method::HEAD;
        is_head.then(|| (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, allow)]).into_response())
    }

    /// Reads the parameters, as far as they can be read, and leaves the rest to `answer`.
    pub(crate) async fn serve<F>(self, answer: F) -> Response
    where
        F: AsyncFnOnce(&Visit<'_>, Result<Params, Refusal>) -> Response,
    {
        let (app, headers) = (&self.app, &self.headers);
        let visit = Visit::of(app, self.origin, headers);
        let params = if self.method == Method::POST {
            Params::read_apart(&self.uri, headers, self.body, &app.config.server).await
        } else {
            Params::of_query_apart(&self.uri)
        };
        answer(&visit, params).await
    }
}

/// A browser's request.
pub(crate) struct Visit<'a> {
    pub(crate) app: &'a App,
    pub(crate) origin: Origin,
    pub(crate) headers: &'a HeaderMap,
    /// Unix seconds.
    pub(crate) now: i64,
    /// The feed's position, noted before anything is looked up.
    pub(crate) position: i64,
}

/// Why a page cannot be shown.
pub(crate) enum Trouble {
    /// The ticket is too old, or none of ours.
    Expired,
    /// The request is wrong.
    Refused(Refusal),
    /// We are to blame.
    Fault(Fault),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<'a> Visit<'a> {
    fn of(app: &'a App, origin: Origin, headers: &'a HeaderMap) -> Self {
        Self {
            origin,
            headers,
            now: app.clock.now(),
            position: app.directory.position(),
            app,
        }
    }

    /// What stands around a page, in the first language of `ui_locales` or of the browser that we speak.
    pub(crate) fn frame(&self, ui_locales: &[String]) -> Frame<'a> {
        let wished = ui_locales.join(" ");
        let wished = Some(wished.as_str()).filter(|wished| !wished.is_empty());
        self.app.pages.frame_for(wished, self.headers)
    }

    /// Who is signed in in this browser.
    pub(crate) async fn signed_in(&self) -> Result<Option<SignedIn>, Fault> {
        match cookies::session(&self.app.issuer, self.headers) {
            Some(cookie) => self.app.sessions().find(&cookie, self.now).await,
            None => Ok(None),
        }
    }

    /// The browser, as sessions and refresh tokens remember it.
    pub(crate) fn device(&self) -> Device {
        Device::first_seen(&self.origin.clone().into())
    }

    /// The same, for what users do by a link in a mail.
    pub(super) fn by_link(&self) -> reset::Visit {
        reset::Visit {
            ip: self.origin.ip,
            whence: self.origin.clone().into(),
            now_ms: self.now.saturating_mul(1000),
        }
    }

    /// The shortest password.
    pub(super) fn password_chars_min(&self) -> i64 {
        i64::try_from(self.app.config.passwords.length_min).unwrap_or(i64::MAX)
    }

    /// An attempt too many, for the audit.
    pub(super) fn record_limit(
        &self,
        (application, user_id): (Option<&Application>, Option<&str>),
        limited: Limited,
    ) {
        let kind = limited.reason.kind();
        self.app.audit.refused(&Failure {
            kind,
            whence: &self.origin.clone().into(),
            client_id: application.map(|own| own.client_id.as_str()),
            client_name: application.map(|own| own.name.as_str()),
            user_id,
            code: Code::TooManyAttempts.as_str(),
            description: kind.says(),
            log: "",
            status: 429,
        });
    }

    /// An attempt too many at an account, which is answered like a wrong password.
    pub(super) fn record_withheld(&self, (application, user_id): (&Application, Option<&str>)) {
        let kind = Reason::Account.kind();
        self.app.audit.refused(&Failure {
            kind,
            whence: &self.origin.clone().into(),
            client_id: Some(&application.client_id),
            client_name: Some(&application.name),
            user_id,
            code: Code::AccessDenied.as_str(),
            description: "Wrong email or password.",
            log: kind.says(),
            status: 400,
        });
    }

    /// The ticket, and the application that wants the user to sign in.
    pub(super) async fn open(&self, state: &str) -> Result<(Ticket, Arc<Application>), Trouble> {
        let ticket = self.app.mint.open_ticket(state, self.now);
        let ticket = ticket.ok_or(Trouble::Expired)?;
        let client_id = &ticket.request.client_id;
        let found = self.app.directory.application(client_id, Stance::Strict);
        let live = found.await?.filter(|own| own.is_live(self.now));
        Ok((ticket, live.ok_or(Trouble::Expired)?))
    }
}

impl Visit<'_> {
    /// Whether the page on which a user signs in for a request warns that the application could not be
    /// verified; and the ticket for the form of that page, which remembers the warning.
    pub(super) async fn warning(
        &self,
        ticket: &Ticket,
        application: &Application,
    ) -> Result<(bool, String), Fault> {
        let settings = self.app.directory.settings(Stance::Strict).await?;
        let is_unverified = needs_confirmation(&ticket.request, application, &settings);
        let ticket = Ticket {
            sign_in_warned: is_unverified,
            ..ticket.clone()
        };
        Ok((is_unverified, self.app.mint.seal_ticket(&ticket)?))
    }
}

/// The page that says what is wrong.
pub(super) fn refuse(visit: &Visit<'_>, trouble: Trouble) -> Response {
    let frame = visit.frame(&[]);
    let reference = Some(visit.origin.request_id.as_str());
    let refusal;
    let kind = match trouble {
        Trouble::Fault(fault) => return ErrorPage::apologise(frame, &fault, reference),
        Trouble::Expired => ErrorKind::Expired,
        Trouble::Refused(own) => {
            refusal = own;
            ErrorKind::Request {
                code: refusal.code.as_str(),
                description: &refusal.description,
            }
        }
    };
    let page = ErrorPage {
        frame,
        kind,
        reference,
    };
    page.show()
}

/// The password that somebody has typed, which may be none.
pub(super) fn typed_password(params: &Params) -> Result<Secret<String>, Refusal> {
    let typed = params.secret("password", TYPED_BYTES_MAX)?;
    Ok(typed.unwrap_or_else(|| Secret::new(String::new())))
}

/// Where the answer of a ticket's request goes, as policies and people read it.
pub(super) fn destination(ticket: &Ticket) -> Option<Destination> {
    let url = Url::parse(&ticket.request.redirect_uri).ok()?;
    Some(Destination::of(&url))
}

/// An application as people see it.
pub(super) fn view<'a>(
    application: &'a Application,
    logo: Option<&'a Url>,
    destination: Option<&'a Destination>,
) -> ApplicationView<'a> {
    ApplicationView {
        name: &application.name,
        logo,
        destination,
        is_unverified: false,
    }
}

/// The application's logo.
pub(super) fn logo(application: &Application) -> Option<Url> {
    Url::parse(application.sign_in.logo_uri.as_deref()?).ok()
}
