//! A browser's request to a page, read once: what it brought, and when it came.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use url::Url;

use super::cookies;
use super::views::{ApplicationView, ErrorKind, ErrorPage};
use super::{Destination, Frame, Page};
use crate::app::App;
use crate::directory::Stance;
use crate::model::application::Application;
use crate::model::fault::Fault;
use crate::model::refusal::Refusal;
use crate::model::session::Device;
use crate::sessions::SignedIn;
use crate::tokens::ticket::Ticket;
use crate::users::reset;
use crate::wire::origin::Origin;

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
    pub(crate) fn of(app: &'a App, origin: Origin, headers: &'a HeaderMap) -> Self {
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
        let ip = self.origin.ip.map(|ip| ip.to_string());
        Device {
            initial_ip: ip.clone(),
            initial_user_agent: self.origin.user_agent.clone(),
            last_ip: ip,
            last_user_agent: self.origin.user_agent.clone(),
        }
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

    /// The ticket, and the application that wants the user to sign in.
    pub(super) async fn open(&self, state: &str) -> Result<(Ticket, Arc<Application>), Trouble> {
        let ticket = self.app.mint.open_ticket(state, self.now);
        let ticket = ticket.ok_or(Trouble::Expired)?;
        let client_id = &ticket.request.client_id;
        let found = self.app.directory.application(client_id, Stance::Strict);
        let live = found.await?.filter(|own| own.is_live(self.now));
        Ok((ticket, live.ok_or(Trouble::Expired)?))
    }

    /// The page that says what is wrong.
    pub(super) fn show(&self, trouble: Trouble) -> Response {
        let frame = self.frame(&[]);
        let reference = Some(self.origin.request_id.as_str());
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
    }
}

/// The application's logo.
pub(super) fn logo(application: &Application) -> Option<Url> {
    Url::parse(application.sign_in.logo_uri.as_deref()?).ok()
}
