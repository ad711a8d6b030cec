//! What the authorization endpoint decides: whether the user has to sign in or to consent first, and
//! what he has then authorized.

use std::sync::Arc;

use url::Url;

use super::consent::{self, By, Wish, Word};
use super::targets::{self, Target};
use super::{Ground, Means};
use crate::directory::Stance;
use crate::lifetime::{self, ApiTerms, Lifetime, TokenKind};
use crate::model::api::Api;
use crate::model::application::Application;
use crate::model::authorization::{Authorization, AuthorizationRequest, OFFLINE_ACCESS, acr_of};
use crate::model::client_grant::SubjectType;
use crate::model::consent_page::{AccessDuration, ConsentPage, ConsentPageApi};
use crate::model::issuer::is_loopback;
use crate::model::refusal::{Code, Refusal, Stop};
use crate::model::scope::Scopes;
use crate::model::session::Session;
use crate::model::settings::InForce;
use crate::tokens::ticket::{CONSENT_SECONDS_MAX, Said, Ticket};

/// What is to happen.
pub enum Ruling {
    /// The user has to sign in, or to sign in again.
    SignIn,
    /// The user has to consent.
    Consent(Box<Terms>),
    /// The user has authorized this.
    Authorized(Box<Authorization>),
}

/// How long a sign-in that was made for a request counts for that, in seconds: there is a consent page to
/// read. Later, an address out of the browser's history brings nobody in.
const SIGN_IN_SECONDS_MAX: i64 = 600;

/// What a user consents to.
pub struct Terms {
    /// What the application wants.
    pub wish: Wish,
    /// For how long.
    pub duration: AccessDuration,
    /// The user has to confirm the request as well, because anybody may have sent it.
    pub needs_confirmation: bool,
}

impl Terms {
    /// The page that shows all of this to the user of a session; `requested` are the scopes of the request.
    #[must_use]
    pub fn page(&self, session_id: &str, requested: &Scopes) -> ConsentPage {
        let api =
            |(api, shown): &(Arc<Api>, Scopes)| ConsentPageApi::new(&api.id, shown, requested);
        ConsentPage {
            session_id: session_id.to_owned(),
            about_user: self.wish.about_user(),
            apis: self.wish.apis.iter().map(api).collect(),
            duration: self.duration,
            has_warned: self.needs_confirmation,
        }
    }
}

/// Decides; everything that the application may have is looked at before the user is asked anything.
///
/// # Errors
/// A refusal that goes back to the application.
pub async fn decide(
    ticket: &Ticket,
    application: &Application,
    session: Option<&Session>,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Result<Ruling, Stop> {
    let request = &ticket.request;
    let found = targets::find(&request.named, application, SubjectType::User, ground).await?;
    let settings = ground.directory.settings(Stance::Strict).await?;
    let asked = Asked {
        needs_confirmation: needs_confirmation(request, application, &settings),
        ticket,
        application,
        targets: found,
        ground,
    };
    let Some(session) = session.filter(|session| asked.is_good_enough(session)) else {
        if request.prompt.none {
            return Err(Refusal::new(Code::LoginRequired, "Login required").into());
        }
        return Ok(Ruling::SignIn);
    };
    check_acr(request, session)?;
    if ticket.said == Said::No {
        let text = "User did not authorize the request";
        return Err(Refusal::new(Code::AccessDenied, text).into());
    }
    asked.settle(session, means).await
}

/// Looks at what the application may have, before there is a user (RFC 9126 §2.1).
///
/// # Errors
/// As [`decide`].
pub async fn check(
    request: &AuthorizationRequest,
    application: &Application,
    ground: Ground<'_>,
) -> Result<(), Stop> {
    targets::find(&request.named, application, SubjectType::User, ground).await?;
    Ok(())
}

struct Asked<'a> {
    ticket: &'a Ticket,
    application: &'a Application,
    targets: Vec<Target>,
    ground: Ground<'a>,
    needs_confirmation: bool,
}

impl Asked<'_> {
    /// OpenID Connect Core §3.1.2.3: the session is of the user who is meant, and the sign-in is new
    /// enough. One that was made for this request a moment ago is always new enough.
    fn is_good_enough(&self, session: &Session) -> bool {
        let request = &self.ticket.request;
        let is_meant = request
            .hinted_user
            .as_ref()
            .is_none_or(|hinted| *hinted == session.user_id);
        let age = self.ground.now - session.authenticated_at;
        let is_young = request.max_age.is_none_or(|max| age <= max);
        let prompt = request.prompt;
        // OpenID Connect Core §3.1.2.1: max_age=0 is prompt=login.
        let is_asked_for =
            prompt.login || prompt.select_account || prompt.create || request.max_age == Some(0);
        let is_after =
            self.ticket.signed_in.as_ref() == Some(&session.id) && age <= SIGN_IN_SECONDS_MAX;
        is_meant && (is_after || is_young && !is_asked_for)
    }

    /// Consent, where it is needed; and what is authorized.
    async fn settle(&self, session: &Session, means: Means<'_>) -> Result<Ruling, Stop> {
        let request = &self.ticket.request;
        let wish = Wish::of(
            self.application,
            &self.targets,
            &request.scope,
            &request.claims,
            request.response_type.code,
        );
        let (user_id, client_id) = (&session.user_id, &self.application.client_id);
        let at_hand = (self.ground, means);
        let places = (user_id.as_str(), client_id.as_str());
        let wish = if let Some(consented) = self.consented(&wish, session) {
            let grants = consented.grants(places, self.ground.now);
            consent::keep(grants, Word::Given, at_hand).await?;
            consented
        } else {
            let lacking = wish.lacking(places, at_hand).await?;
            let is_consent_lacking = !lacking.is_empty() && !self.may_skip_consent(&wish);
            if request.prompt.consent || is_consent_lacking || self.is_unconfirmed(session) {
                if request.prompt.none {
                    return Err(Refusal::new(Code::ConsentRequired, "Consent required").into());
                }
                return Ok(Ruling::Consent(Box::new(self.terms(wish))));
            }
            consent::keep(lacking, Word::Spared, at_hand).await?;
            wish
        };
        let by = By {
            client_id,
            user_id,
            session_id: Some(&session.id),
            authenticated_at: session.authenticated_at,
            amr: &session.amr,
            nonce: request.nonce.clone(),
        };
        let authorization = wish.authorize(by, self.ground.position);
        Ok(Ruling::Authorized(Box::new(authorization)))
    }

    /// What the user has consented to just now: what the page showed to this session's user, as far as it
    /// may be had now. Where the page showed other APIs, a shorter time or no warning, it counts for
    /// nothing, and the user is asked again.
    fn consented(&self, wish: &Wish, session: &Session) -> Option<Wish> {
        let Said::Yes { session_id, at } = &self.ticket.said else {
            return None;
        };
        let page = self.ticket.consent_page.as_ref()?;
        let is_of_session = *session_id == session.id && page.session_id == session.id;
        let is_new = self.ground.now - at <= CONSENT_SECONDS_MAX;
        let is_confirmed = page.has_warned || !self.needs_confirmation;
        let consented = wish.limited_to(page, &self.ticket.request.scope)?;
        let is_within = self.duration(&consented).is_within(&page.duration);
        (is_of_session && is_new && is_confirmed && is_within).then_some(consented)
    }

    /// True where the user still has to confirm this very request. A sign-in for it a moment ago, on a page
    /// with the warning, is a confirmation as well.
    fn is_unconfirmed(&self, session: &Session) -> bool {
        let age = self.ground.now - session.authenticated_at;
        let is_by_sign_in = self.ticket.sign_in_warned
            && self.ticket.signed_in.as_ref() == Some(&session.id)
            && age <= CONSENT_SECONDS_MAX;
        self.needs_confirmation && !is_by_sign_in
    }

    /// First-party applications skip consent where each API allows it and nobody else can be behind the
    /// redirect URI (RFC 8252 §8.6).
    fn may_skip_consent(&self, wish: &Wish) -> bool {
        let allows = |target: &Target| target.api.skip_consent_for_verifiable_first_party_clients;
        self.application.is_first_party
            && self.targets.iter().all(allows)
            && (is_verifiable(&self.ticket.request.redirect_uri)
                || self.targets.is_empty() && !wish.openid.contains(OFFLINE_ACCESS))
    }

    fn terms(&self, wish: Wish) -> Terms {
        Terms {
            duration: self.duration(&wish),
            needs_confirmation: self.needs_confirmation,
            wish,
        }
    }

    fn duration(&self, wish: &Wish) -> AccessDuration {
        let now = self.ground.now;
        let of_application = self.application.expires_at.map(|end| end - now);
        let end_at = |target: &Target| {
            let of_grant = target.grant_ends_at.map(|end| end - now);
            let ends = [of_grant, target.api.user_grant_seconds, of_application];
            ends.into_iter().flatten().min()
        };
        let places: Vec<_> = self
            .targets
            .iter()
            .map(|own| (own.terms(now), end_at(own)))
            .collect();
        let (lifetime, longest) = self.lifetimes(wish, &places, of_application);
        // For one of several APIs it may go on when the others have ended.
        let ends: Option<Vec<i64>> = places.iter().map(|(_, end)| *end).collect();
        let ends_in = match ends {
            Some(ends) => ends.into_iter().max().or(of_application),
            None => None,
        };
        AccessDuration {
            lifetime,
            longest,
            ends_in,
            refresh_lifetime: self.application.refresh_terms().lifetime,
        }
    }

    /// Of the access tokens that come of this: how long they live by what was asked, and how long one
    /// lives at the most.
    fn lifetimes(
        &self,
        wish: &Wish,
        places: &[(ApiTerms<'_>, Option<i64>)],
        of_application: Option<i64>,
    ) -> (Lifetime, Lifetime) {
        let request = &self.ticket.request;
        let decide =
            |apis: &[ApiTerms<'_>], end, (kind, validity_period, unpushed_authorization)| {
                let asked = lifetime::Request {
                    kind,
                    validity_period,
                    unpushed_authorization,
                    application: self.application.lifetimes,
                    credential_expires_in: end,
                    subject_token_expires_in: None,
                };
                lifetime::decide(self.ground.lifetimes, apis, &asked).lifetime
            };
        let all: Vec<_> = places.iter().map(|(terms, _)| *terms).collect();
        let ends = places.iter().filter_map(|(_, end)| *end);
        let end = ends.chain(of_application).min();
        let by_request = |kind| {
            let asked = (kind, request.validity_period, !request.is_pushed);
            decide(&all, end, asked)
        };
        let response_type = request.response_type;
        let is_offline = wish.openid.contains(OFFLINE_ACCESS);
        let ways = [
            response_type
                .token
                .then(|| by_request(TokenKind::FrontChannel)),
            response_type.code.then(|| by_request(TokenKind::User)),
            // What the request asks for is not kept for those that a refresh token gives.
            is_offline.then(|| decide(&all, end, (TokenKind::User, None, false))),
        ];
        let usual = ways.into_iter().flatten().max();
        let usual = usual.unwrap_or_else(|| by_request(TokenKind::User));
        if !response_type.code && !is_offline {
            return (usual, usual);
        }
        // Whoever brings the code or the refresh token may name one of the APIs and another lifetime.
        let most = (TokenKind::User, Some(Lifetime::Never), false);
        let alone = places
            .iter()
            .map(|(terms, end)| decide(&[*terms], *end, most));
        let longest = alone.chain([decide(&all, end, most), usual]).max();
        (usual, longest.unwrap_or(usual))
    }
}

/// An essential `acr` that cannot be had fails (OpenID Connect Core §5.5.1.1); `acr_values` are wishes.
fn check_acr(request: &AuthorizationRequest, session: &Session) -> Result<(), Refusal> {
    let Some(acr) = request.claims.id_token.get("acr") else {
        return Ok(());
    };
    let own = acr_of(&session.amr).unwrap_or_default();
    if !acr.is_essential || acr.values.is_empty() || acr.values.iter().any(|value| value == own) {
        return Ok(());
    }
    Err(Refusal::new(
        Code::UnmetAuthenticationRequirements,
        "None of the requested acr values can be had.",
    ))
}

/// True where the user has to confirm the request, whatever is known already: it comes from nobody who could
/// be verified, and what comes back at its redirect URI is worth something to whoever receives it (RFC 8252
/// §8.6, RFC 6749 §10.2). A code alone is worth nothing without the secret of a confidential application.
#[must_use]
pub fn needs_confirmation(
    request: &AuthorizationRequest,
    application: &Application,
    settings: &InForce,
) -> bool {
    let own = application.sign_in.skips_callback_confirmation;
    let is_skipped = own.unwrap_or(settings.skips_callback_confirmation);
    let is_worth_something = application.is_public() || request.response_type.is_front_channel();
    !is_skipped && is_worth_something && !is_verifiable(&request.redirect_uri)
}

/// Nobody but the application's own server is at this address.
fn is_verifiable(redirect_uri: &str) -> bool {
    Url::parse(redirect_uri).is_ok_and(|url| url.scheme() == "https" && !is_loopback(&url))
}
