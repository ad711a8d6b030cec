//! What the authorization endpoint decides: whether the user has to sign in or to consent first, and
//! what he has then authorized.

use std::sync::Arc;

use super::targets::{self, Target};
use super::{Ground, Means};
use crate::lifetime::{self, ApiTerms, Lifetime, TokenKind};
use crate::model::api::Api;
use crate::model::application::Application;
use crate::model::authorization::{
    Authorization, AuthorizationRequest, AuthorizedApi, OFFLINE_ACCESS, OPENID_SCOPES, acr_of,
};
use crate::model::client_grant::SubjectType;
use crate::model::fault::Fault;
use crate::model::issuer::is_loopback;
use crate::model::refusal::{Code, Refusal, Stop};
use crate::model::scope::Scopes;
use crate::model::session::Session;
use crate::model::user_grant::UserGrant;
use crate::secret;
use crate::store;
use crate::tokens::ticket::{Said, Ticket};

use url::Url;

/// The grant type that an application needs for a refresh token.
pub const REFRESH_TOKEN: &str = "refresh_token";

/// What is to happen.
pub enum Ruling {
    /// The user has to sign in, or to sign in again.
    SignIn,
    /// The user has to consent.
    Consent(Box<Terms>),
    /// The user has authorized this.
    Authorized(Box<Authorization>),
}

/// What a user consents to.
pub struct Terms {
    /// The APIs with the scopes at each.
    pub apis: Vec<(Arc<Api>, Scopes)>,
    /// OpenID's scopes.
    pub openid: Scopes,
    /// How long each access token lives.
    pub lifetime: Lifetime,
    /// How long the consent holds, in seconds; none: until it is taken back.
    pub consent_seconds: Option<i64>,
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
    let asked = Asked {
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

struct Asked<'a> {
    ticket: &'a Ticket,
    application: &'a Application,
    targets: Vec<Target>,
    ground: Ground<'a>,
}

impl Asked<'_> {
    /// OpenID Connect Core §3.1.2.3: the session is of the user who is meant, and the sign-in is new
    /// enough. One that came after the request is always new enough.
    fn is_good_enough(&self, session: &Session) -> bool {
        let request = &self.ticket.request;
        let is_meant = request
            .hinted_user
            .as_ref()
            .is_none_or(|hinted| *hinted == session.user_id);
        let age = self.ground.now - session.authenticated_at;
        let is_young = request.max_age.is_none_or(|max| age <= max);
        let prompt = request.prompt;
        let is_asked_for = prompt.login || prompt.select_account || prompt.create;
        let is_after = session.authenticated_at >= self.ticket.made_at;
        is_meant && (is_after || is_young && !is_asked_for)
    }

    /// OpenID's scopes, and those of each API: what is asked and not to be had is left out, and the
    /// answer's `scope` says so (RFC 6749 §3.3, OpenID Connect Core §5.4).
    fn openid(&self) -> Scopes {
        let asked = self.ticket.request.scope.iter();
        let known = asked.filter(|value| OPENID_SCOPES.contains(value));
        known
            .filter(|value| *value != OFFLINE_ACCESS || self.may_be_offline())
            .collect()
    }

    /// lifetime.md, Refresh tokens: otherwise none is issued, and nothing fails.
    fn may_be_offline(&self) -> bool {
        let grant_types = &self.application.grant_types;
        self.ticket.request.response_type.code
            && grant_types.iter().any(|own| own == REFRESH_TOKEN)
            && self.targets.iter().all(|own| own.api.allow_offline_access)
    }

    fn apis(&self) -> Vec<(Arc<Api>, Scopes)> {
        let asked = &self.ticket.request.scope;
        let of = |target: &Target| {
            let granted = asked.iter().filter(|value| target.scopes.contains(value));
            (Arc::clone(&target.api), granted.collect())
        };
        self.targets.iter().map(of).collect()
    }

    /// Consent, where it is needed; and what is authorized.
    async fn settle(&self, session: &Session, means: Means<'_>) -> Result<Ruling, Stop> {
        let request = &self.ticket.request;
        let (apis, openid) = (self.apis(), self.openid());
        let before = {
            let mut conn = means.store.read().await?;
            let (user_id, client_id) = (&session.user_id, &self.application.client_id);
            store::user_grants::of_user_at(&mut conn, user_id, client_id).await?
        };
        let wanted = self.wanted(session, (&apis, &openid), &before);
        let has_consented = self.ticket.said == Said::Yes(session.user_id.clone());
        let is_asked_for = request.prompt.consent || !wanted.is_empty() && !self.may_skip_consent();
        if is_asked_for && !has_consented {
            if request.prompt.none {
                return Err(Refusal::new(Code::ConsentRequired, "Consent required").into());
            }
            return Ok(Ruling::Consent(Box::new(self.terms(apis, openid))));
        }
        keep(&wanted, (self.ground, means)).await?;
        let authorized = apis.into_iter().map(|(api, scopes)| AuthorizedApi {
            api_id: api.id.clone(),
            audience: api.identifier.clone(),
            scopes,
        });
        Ok(Ruling::Authorized(Box::new(Authorization {
            family: secret::random_text(16),
            client_id: self.application.client_id.clone(),
            user_id: session.user_id.clone(),
            session_id: Some(session.id.clone()),
            openid,
            apis: authorized.collect(),
            authenticated_at: session.authenticated_at,
            amr: session.amr.clone(),
            nonce: request.nonce.clone(),
            claims: request.claims.clone(),
            position: self.ground.position,
        })))
    }

    /// The user grants that have to be there and are not, whole: what was consented to before stays.
    fn wanted(
        &self,
        session: &Session,
        (apis, openid): (&[(Arc<Api>, Scopes)], &Scopes),
        before: &[UserGrant],
    ) -> Vec<UserGrant> {
        let now = self.ground.now;
        let places: Vec<(Option<&Arc<Api>>, Scopes)> = if apis.is_empty() {
            vec![(None, openid.clone())]
        } else {
            let of = |(_, scopes): &(Arc<Api>, Scopes)| {
                openid.iter().chain(scopes.iter()).collect::<Scopes>()
            };
            apis.iter().map(|own| (Some(&own.0), of(own))).collect()
        };
        let mut wanted = Vec::new();
        for (api, scopes) in places {
            let is_here = |grant: &&UserGrant| grant.api_id.as_ref() == api.map(|api| &api.id);
            let old = before.iter().find(is_here).filter(|old| old.is_live(now));
            if old.is_some_and(|old| old.covers(&scopes)) {
                continue;
            }
            let kept = old.into_iter().flat_map(|old| old.scopes.iter());
            let seconds = api.and_then(|api| api.user_grant_seconds);
            wanted.push(UserGrant {
                id: secret::random_hex_id(),
                user_id: session.user_id.clone(),
                client_id: self.application.client_id.clone(),
                api_id: api.map(|api| api.id.clone()),
                audience: api.map(|api| api.identifier.clone()),
                scopes: kept.chain(scopes.iter()).collect(),
                expires_at: seconds.map(|seconds| now.saturating_add(seconds)),
                created_at: now,
                updated_at: now,
            });
        }
        wanted
    }

    /// First-party applications skip consent where each API allows it and nobody else can be behind the
    /// redirect URI (RFC 8252 §8.6).
    fn may_skip_consent(&self) -> bool {
        let allows = |target: &Target| target.api.skip_consent_for_verifiable_first_party_clients;
        self.application.is_first_party
            && self.targets.iter().all(allows)
            && (self.targets.is_empty() || is_verifiable(&self.ticket.request.redirect_uri))
    }

    fn terms(&self, apis: Vec<(Arc<Api>, Scopes)>, openid: Scopes) -> Terms {
        let request = &self.ticket.request;
        let now = self.ground.now;
        let terms: Vec<ApiTerms<'_>> = self
            .targets
            .iter()
            .map(|target| ApiTerms {
                identifier: &target.api.identifier,
                system: target.api.system,
                lifetimes: target.api.lifetimes,
                grant_expires_in: target.grant_ends_at.map(|end| end - now),
            })
            .collect();
        let asked = lifetime::Request {
            kind: if request.response_type.token {
                TokenKind::FrontChannel
            } else {
                TokenKind::User
            },
            validity_period: request.validity_period,
            unpushed_authorization: !request.is_pushed,
            application: self.application.lifetimes,
            credential_expires_in: self.application.expires_at.map(|end| end - now),
            subject_token_expires_in: None,
        };
        let seconds = apis.iter().filter_map(|(api, _)| api.user_grant_seconds);
        Terms {
            consent_seconds: seconds.min(),
            lifetime: lifetime::decide(self.ground.lifetimes, &terms, &asked).lifetime,
            apis,
            openid,
        }
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

/// Nobody but the application's own server is at this address.
fn is_verifiable(redirect_uri: &str) -> bool {
    Url::parse(redirect_uri).is_ok_and(|url| url.scheme() == "https" && !is_loopback(&url))
}

/// Keeps what has been consented to. A grant that the user had is the caller's reading with more in it,
/// and two consents at one moment leave the later one's.
async fn keep(wanted: &[UserGrant], (ground, means): (Ground<'_>, Means<'_>)) -> Result<(), Fault> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut tx = means.store.write().await?;
    for grant in wanted {
        store::user_grants::upsert(&mut tx, grant).await?;
    }
    tx.commit(ground.now).await?;
    Ok(())
}
