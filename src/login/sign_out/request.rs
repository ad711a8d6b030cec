//! A request to sign out, checked: who asks, for whom, and where the browser goes afterwards. Sealed, it
//! travels through the question.

use std::sync::Arc;

use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::super::visit::{Trouble, Visit};
use crate::app::App;
use crate::directory::Stance;
use crate::model::application::Application;
use crate::model::fault::Fault;
use crate::model::redirect_uri::is_registered;
use crate::model::refusal::Refusal;
use crate::model::session::Session;
use crate::secret;
use crate::tokens::id_token::Hint;
use crate::tokens::jwt::TOKEN_BYTES_MAX;
use crate::tokens::ticket::TICKET_BYTES_MAX;
use crate::wire::params::Params;

/// Longest parameter that is looked at, the hint excepted.
pub(super) const TEXT_BYTES_MAX: usize = 5000;
/// Longest hint.
pub(super) const HINT_BYTES_MAX: usize = TOKEN_BYTES_MAX;
/// Longest sealed request: it travels as a ticket does.
pub(super) const STATE_BYTES_MAX: usize = TICKET_BYTES_MAX;
/// What it is sealed as.
const WHAT: &str = "sign-out";
/// How long the user may think about the question, in seconds.
const SECONDS_MAX: i64 = 3600;

/// A checked request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SignOutRequest {
    /// The application that asks, by its own word or its hint.
    pub(super) client_id: Option<String>,
    /// Where the browser goes: one of the addresses of the application or the tenant, with `state`.
    pub(super) back: Option<String>,
    /// The languages of the pages, the best first.
    pub(super) ui_locales: Vec<String>,
    /// User and session of `id_token_hint`.
    hint: Option<(String, Option<String>)>,
    /// `logout_hint`: the session, as the application knows it (`sid`).
    session_id: Option<String>,
    /// It came the way in which Auth0 never asks.
    is_auth0: bool,
    made_at: i64,
    /// The session that the question was about: the answer counts for no other one.
    #[serde(default)]
    pub(super) asked_session: Option<String>,
}

impl SignOutRequest {
    /// RP-Initiated Logout §2 and §4. A hint that does not hold is no hint: the user is asked then.
    pub(super) async fn parse(visit: &Visit<'_>, params: &Params) -> Result<Self, Trouble> {
        let text = |name| params.text(name, TEXT_BYTES_MAX);
        let hint = params.text("id_token_hint", HINT_BYTES_MAX)?;
        let hint = hint.and_then(|text| visit.app.mint.read_hint(text, visit.now));
        let named = text("client_id")?;
        let application = application(visit, named, hint.as_ref()).await?;
        let back = match text("post_logout_redirect_uri")? {
            Some(uri) => Some(check(visit, uri, application.as_deref()).await?),
            None => None,
        };
        let with_state = |uri: &str| {
            Ok::<_, Refusal>(match text("state")? {
                Some(state) => append(uri, state),
                None => uri.to_owned(),
            })
        };
        let locales = text("ui_locales")?.unwrap_or("");
        Ok(Self {
            back: back.map(with_state).transpose()?,
            ui_locales: locales
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect(),
            session_id: text("logout_hint")?.map(str::to_owned),
            ..Self::of(visit, application.as_deref(), hint)
        })
    }

    /// Auth0's form of it.
    pub(super) async fn parse_auth0(visit: &Visit<'_>, params: &Params) -> Result<Self, Trouble> {
        let named = params.text("client_id", TEXT_BYTES_MAX)?;
        let application = application(visit, named, None).await?;
        let back = match params.text("returnTo", TEXT_BYTES_MAX)? {
            Some(uri) => Some(check(visit, uri, application.as_deref()).await?.to_owned()),
            None => None,
        };
        Ok(Self {
            back,
            is_auth0: true,
            ..Self::of(visit, application.as_deref(), None)
        })
    }

    fn of(visit: &Visit<'_>, application: Option<&Application>, hint: Option<Hint>) -> Self {
        // The hint of an application that is gone holds no more.
        let hint = hint.filter(|_| application.is_some());
        Self {
            client_id: application.map(|own| own.client_id.clone()),
            back: None,
            ui_locales: Vec::new(),
            hint: hint.map(|hint| (hint.subject, hint.session_id)),
            session_id: None,
            is_auth0: false,
            made_at: visit.now,
            asked_session: None,
        }
    }

    /// True where the application has shown that it means this session: the browser was not just led
    /// here by somebody.
    pub(super) fn is_of(&self, session: &Session) -> bool {
        let is_hinted = self.hint.as_ref().is_some_and(|(user_id, session_id)| {
            let is_this = |own: &String| *own == session.id;
            *user_id == session.user_id && session_id.as_ref().is_none_or(is_this)
        });
        let named = self.session_id.as_deref();
        is_hinted || named.is_some_and(|own| secret::equal(own, &session.id))
    }

    /// Whether the user is asked, where it might be anybody's request. Auth0 never asks at `/v2/logout`,
    /// and elsewhere unless the tenant does not want it; but what no browser shows to its user, such as
    /// a picture on somebody's page, signs nobody out.
    pub(super) async fn asks(&self, visit: &Visit<'_>) -> Result<bool, Fault> {
        if !is_navigation(visit.headers) {
            return Ok(true);
        }
        let settings = visit.app.directory.settings(Stance::Strict).await?;
        Ok(!self.is_auth0 && settings.asks_before_sign_out)
    }

    /// As the question carries it.
    pub(super) fn seal(&self, app: &App) -> Result<String, Trouble> {
        let json = serde_json::to_vec(self).map_err(Fault::internal)?;
        let sealed = app.mint.tickets.seal(WHAT, &json)?;
        if sealed.len() > STATE_BYTES_MAX {
            let text =
                "The request is too long: its parameters do not fit into the address of a page.";
            return Err(Refusal::invalid_request(text).into());
        }
        Ok(sealed)
    }

    /// Reads what the question has carried.
    pub(super) fn unseal(visit: &Visit<'_>, params: &Params) -> Result<Self, Trouble> {
        let sealed = params.required("state", STATE_BYTES_MAX)?;
        let json = visit.app.mint.tickets.unseal(WHAT, sealed);
        let request: Option<Self> = json.and_then(|json| serde_json::from_slice(&json).ok());
        let is_new = |request: &Self| visit.now < request.made_at.saturating_add(SECONDS_MAX);
        request.filter(is_new).ok_or(Trouble::Expired)
    }
}

/// The application of `client_id` and the hint, which must be the same (§2).
async fn application(
    visit: &Visit<'_>,
    named: Option<&str>,
    hint: Option<&Hint>,
) -> Result<Option<Arc<Application>>, Trouble> {
    let hinted = hint.map(|hint| hint.client_id.as_str());
    if let (Some(named), Some(hinted)) = (named, hinted)
        && named != hinted
    {
        let text = "client_id is not the application to which id_token_hint was issued.";
        return Err(Refusal::invalid_request(text).into());
    }
    let Some(client_id) = named.or(hinted) else {
        return Ok(None);
    };
    let found = visit
        .app
        .directory
        .application(client_id, Stance::Strict)
        .await?;
    if found.is_none() && named.is_some() {
        let text = "client_id is no application of this server.";
        return Err(Refusal::invalid_request(text).into());
    }
    Ok(found)
}

/// Exactly one of the addresses that the application has registered, or else the tenant (§3).
async fn check<'u>(
    visit: &Visit<'_>,
    uri: &'u str,
    application: Option<&Application>,
) -> Result<&'u str, Trouble> {
    let settings = visit.app.directory.settings(Stance::Strict).await?;
    let own = application.map_or(&[][..], |own| own.sign_in.logout_urls.as_slice());
    if is_registered(own, uri) || is_registered(&settings.logout_urls, uri) {
        return Ok(uri);
    }
    let text = match application {
        Some(_) => "The address to go back to is not in the list of allowed logout URLs.",
        None => {
            "The address to go back to is not in the tenant's list of allowed logout URLs, and no client_id or valid id_token_hint names an application."
        }
    };
    Err(Refusal::invalid_request(text).into())
}

/// With `state`, before a fragment.
fn append(uri: &str, state: &str) -> String {
    let (address, fragment) = match uri.split_once('#') {
        Some((address, fragment)) => (address, format!("#{fragment}")),
        None => (uri, String::new()),
    };
    let joint = if address.contains('?') { '&' } else { '?' };
    let state: String = url::form_urlencoded::byte_serialize(state.as_bytes()).collect();
    format!("{address}{joint}state={state}{fragment}")
}

/// True unless the browser says that it fetches something for a page (Fetch Metadata).
fn is_navigation(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-dest")
        .is_none_or(|dest| dest == "document")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_stands_in_the_query() {
        for (uri, with_state) in [
            ("https://app.example/", "https://app.example/?state=a+b%26c"),
            (
                "https://app.example/?x=1",
                "https://app.example/?x=1&state=a+b%26c",
            ),
            (
                "https://app.example/#/bye",
                "https://app.example/?state=a+b%26c#/bye",
            ),
            ("com.example.app:/bye", "com.example.app:/bye?state=a+b%26c"),
        ] {
            assert_eq!(append(uri, "a b&c"), with_state);
        }
    }
}
