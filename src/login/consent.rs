//! Consent: `GET` and `POST /u/consent`. What the user has said goes on in the ticket; the
//! authorization endpoint keeps it.

use std::sync::Arc;

use axum::response::Response;

use super::sign_in::STATE;
use super::views::{Access, ApiView, ApplicationView, Consent, Renewal, ScopeView};
use super::visit::{PageRequest, Trouble, Visit, destination, logo, view};
use super::{Page, redirect};
use crate::grants::authorize::{self, Ruling, Terms};
use crate::model::api::Api;
use crate::model::application::Application;
use crate::model::authorization::OFFLINE_ACCESS;
use crate::model::refusal::{Refusal, Stop};
use crate::model::scope::Scopes;
use crate::sessions::SignedIn;
use crate::tokens::ticket::{Said, TICKET_BYTES_MAX, Ticket};
use crate::wire::operation::{Answer, Body as Takes, Operation};
use crate::wire::params::Params;
use crate::wire::schema::choice;

pub(crate) const GET: Operation = Operation {
    summary: "The page for consent",
    query: &[STATE],
    answer: Answer::HtmlOrRedirect,
    refuses: &[400],
    ..Operation::DEFAULT
};
pub(crate) const POST: Operation = Operation {
    summary: "Consent, or decline; a redirect goes on with the authorization request",
    query: &[],
    body: Takes::Parameters(&[STATE, &[choice("action", &["accept", "deny"]).required()]]),
    ..GET
};

/// `GET /u/consent`
pub(crate) async fn get(request: PageRequest) -> Response {
    request.answer(ask).await
}

/// Asks, where there is still something to be asked; the authorization endpoint knows what else to do.
async fn ask(visit: &Visit<'_>, params: &Params) -> Result<Response, Trouble> {
    let state = params.required("state", TICKET_BYTES_MAX)?;
    let (ticket, application) = visit.open(state).await?;
    let signed_in = visit.signed_in().await?;
    let Some(SignedIn { session, user }) = &signed_in else {
        return Ok(go_on(visit, &ticket)?);
    };
    let whence = visit.origin.clone().into();
    let at_hand = (
        visit.app.ground(visit.position, visit.now),
        visit.app.means(&whence),
    );
    match authorize::decide(&ticket, &application, Some(session), at_hand).await {
        Ok(Ruling::Consent(terms)) => {
            let name = user.shown_name().unwrap_or(&user.user_id);
            // What was said of another page is said of this one no more.
            let shown = Ticket {
                consent_page: Some(terms.page(&session.id, &ticket.request.scope)),
                said: Said::Nothing,
                ..ticket.clone()
            };
            let state = visit.app.mint.seal_ticket(&shown)?;
            Ok(show(visit, (&state, &ticket), &application, (name, &terms)))
        }
        Ok(Ruling::SignIn | Ruling::Authorized(_)) | Err(Stop::Refused(_)) => {
            Ok(go_on(visit, &ticket)?)
        }
        Err(Stop::Fault(fault)) => Err(fault.into()),
    }
}

/// `POST /u/consent`
pub(crate) async fn post(request: PageRequest) -> Response {
    request.answer(decide).await
}

async fn decide(visit: &Visit<'_>, params: &Params) -> Result<Response, Trouble> {
    let state = params.required("state", TICKET_BYTES_MAX)?;
    let (mut ticket, _) = visit.open(state).await?;
    let Some(SignedIn { session, .. }) = visit.signed_in().await? else {
        return Ok(go_on(visit, &ticket)?);
    };
    // Somebody else may have signed in in another tab meanwhile.
    let page = ticket.consent_page.as_ref();
    if page.is_none_or(|page| page.session_id != session.id) {
        return Ok(go_on(visit, &ticket)?);
    }
    ticket.said = match params.required("action", 20)? {
        "accept" => Said::Yes {
            session_id: session.id,
            at: visit.now,
        },
        "deny" => Said::No,
        _ => {
            let text = "Parameter 'action' must be accept or deny.";
            return Err(Refusal::invalid_request(text).into());
        }
    };
    Ok(go_on(visit, &ticket)?)
}

/// Back to the authorization endpoint.
fn go_on(visit: &Visit<'_>, ticket: &Ticket) -> Result<Response, crate::model::fault::Fault> {
    let state = visit.app.mint.seal_ticket(ticket)?;
    let resume = visit.app.issuer.join("authorize/resume");
    Ok(redirect(&format!("{resume}?state={state}")))
}

fn show(
    visit: &Visit<'_>,
    (state, ticket): (&str, &Ticket),
    application: &Application,
    (user, terms): (&str, &Terms),
) -> Response {
    let destination = destination(ticket);
    let logo = logo(application);
    let about_user = terms.wish.about_user();
    let about_user: Vec<&str> = about_user.iter().collect();
    let apis: Vec<ApiView<'_>> = terms.wish.apis.iter().map(api).collect();
    let is_offline = terms.wish.openid.contains(OFFLINE_ACCESS);
    let duration = terms.duration;
    let ends = [duration.refresh_lifetime, duration.ends_in];
    let ends_in = ends.into_iter().flatten().min();
    // Where all of it ends no later than an access token, to renew one would bring nothing.
    let token = duration.lifetime.seconds().unwrap_or(i64::MAX);
    let brings_nothing = duration.ends_in.is_some_and(|end| end <= token);
    let renewal = match ends_in {
        _ if !is_offline || brings_nothing => None,
        None => Some(Renewal::UntilTakenBack),
        Some(seconds) => Some(Renewal::Until {
            seconds,
            at: visit.now.saturating_add(seconds),
        }),
    };
    let page = Consent {
        frame: visit.frame(&ticket.request.ui_locales),
        application: ApplicationView {
            is_unverified: terms.needs_confirmation,
            ..view(application, logo.as_ref(), destination.as_ref())
        },
        state,
        user,
        about_user: &about_user,
        apis: &apis,
        access: Access {
            token: duration.lifetime,
            longest: duration.longest,
            renewal,
        },
    };
    page.show()
}

fn api((api, scopes): &(Arc<Api>, Scopes)) -> ApiView<'_> {
    let scope = |value| {
        let own = api.scopes.iter().find(|own| own.value == value);
        ScopeView {
            value,
            description: own.and_then(|own| own.description.as_deref()),
        }
    };
    ApiView {
        name: api.name.as_deref().unwrap_or(&api.identifier),
        identifier: &api.identifier,
        scopes: scopes.iter().map(scope).collect(),
    }
}
