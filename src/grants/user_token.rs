//! A token on behalf of a user, whatever grant it comes by: what still holds of the authorization, for
//! which of its APIs and scopes, for how long, and the ID token beside it.

use super::refresh_token::REFRESH_TOKEN;
use super::targets::{self, Target};
use super::{Approved, Authenticated, Ground, Means};
use crate::lifetime::{self, Lifetime, TokenKind};
use crate::model::audience::Named;
use crate::model::authorization::{Authorization, ClaimsRequest, OFFLINE_ACCESS, OPENID};
use crate::model::claims;
use crate::model::client_grant::SubjectType;
use crate::model::refusal::{Code, Refusal, Stop, echo};
use crate::model::scope::Scopes;
use crate::model::token::SignedIn;
use crate::model::user::User;
use crate::model::user_grant::UserGrant;
use crate::store;
use crate::tokens::id_token::IdToken;
use crate::tokens::issue::Approval;

/// What is asked of an authorization.
pub struct Asked<'a> {
    /// What the user has authorized.
    pub authorization: &'a Authorization,
    /// Those of its APIs that the token is for; none named: all.
    pub named: &'a Named,
    /// Those of its scopes that the token carries; none: all.
    pub scope: Option<&'a Scopes>,
    /// How the token is delivered.
    pub kind: TokenKind,
    /// Auth0's `gty`.
    pub gty: Option<&'static str>,
    /// How long it is to live.
    pub validity_period: Option<Lifetime>,
    /// `validity_period` has come through the browser.
    pub is_unpushed: bool,
}

/// Approves a token, where the authorization still holds.
///
/// # Errors
/// `invalid_grant` where it does not, `invalid_target` and `invalid_scope` for more than it has.
pub async fn approve(
    asked: &Asked<'_>,
    client: &Authenticated,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Result<Approved, Stop> {
    let authorization = asked.authorization;
    if ground.directory.is_ended(authorization).await? {
        return Err(ended("the authorization has been revoked").into());
    }
    let (user, grants) = {
        let mut conn = means.store.read().await?;
        let user = store::users::get(&mut conn, &authorization.user_id).await?;
        let grants = store::user_grants::of_user_at(
            &mut conn,
            &authorization.user_id,
            &authorization.client_id,
        );
        (user, grants.await?)
    };
    let user = user.filter(|user| !user.blocked);
    let user = user.ok_or_else(|| ended("the user is gone or blocked"))?;
    let apis = named_apis(asked)?;
    let held = Held {
        asked,
        client,
        grants: &grants,
        ground,
    };
    let mut targets = Vec::with_capacity(apis.len());
    for api in apis {
        targets.push(held.target(api).await?);
    }
    held.approve(targets, &user)
}

/// The authorization does not hold any more: whoever asks has to begin anew.
fn ended(log: &str) -> Refusal {
    Refusal::new(
        Code::InvalidGrant,
        "The grant has ended or was revoked; authorize again.",
    )
    .log(log)
}

/// The identifiers of the APIs that the token is for.
fn named_apis<'a>(asked: &'a Asked<'_>) -> Result<Vec<&'a str>, Refusal> {
    let authorized = || asked.authorization.apis.iter();
    let known = |name: &'a String| {
        let is_known = authorized().any(|api| api.audience == *name);
        let unknown = || {
            let text = format!("'{}' is not part of the grant.", echo(name));
            Refusal::new(Code::InvalidTarget, text)
        };
        is_known.then_some(name.as_str()).ok_or_else(unknown)
    };
    match asked.named {
        Named::None => Ok(authorized().map(|api| api.audience.as_str()).collect()),
        Named::Audience(name) => Ok(vec![known(name)?]),
        Named::Resources(names) => {
            let mut different: Vec<&str> = Vec::with_capacity(names.len());
            for name in names {
                let name = known(name)?;
                if !different.contains(&name) {
                    different.push(name);
                }
            }
            Ok(different)
        }
    }
}

/// What is held at the moment of asking.
struct Held<'a> {
    asked: &'a Asked<'a>,
    client: &'a Authenticated,
    grants: &'a [UserGrant],
    ground: Ground<'a>,
}

impl Held<'_> {
    /// An API as it is now, with those of the authorized scopes that may still be had.
    async fn target(&self, audience: &str) -> Result<Target, Stop> {
        let authorization = self.asked.authorization;
        let application = &self.client.application;
        let named = Named::Resources(vec![audience.to_owned()]);
        let found = targets::find(&named, application, SubjectType::User, self.ground).await;
        let target = match found {
            Ok(targets) => targets.into_iter().next(),
            Err(Stop::Refused(refusal)) => return Err(ended(&refusal.description).into()),
            Err(fault) => return Err(fault),
        };
        let gone = || ended("an API of it is gone");
        let mut target = target.ok_or_else(gone)?;
        let authorized = authorization.apis.iter();
        let authorized = authorized.filter(|own| own.api_id == target.api.id);
        let authorized = authorized.map(|own| &own.scopes).next().ok_or_else(gone)?;
        let grant = self.grant(Some(&target.api.id))?;
        let still = |value: &&str| target.scopes.contains(value) && grant.scopes.contains(value);
        let scopes: Scopes = authorized.iter().filter(still).collect();
        let ends = [target.grant_ends_at, grant.expires_at];
        target.grant_ends_at = ends.into_iter().flatten().min();
        target.scopes = scopes;
        Ok(target)
    }

    /// The user's consent at an API, or to OpenID's scopes alone.
    fn grant(&self, api_id: Option<&str>) -> Result<&UserGrant, Refusal> {
        let now = self.ground.now;
        let mut grants = self.grants.iter();
        grants
            .find(|grant| grant.api_id.as_deref() == api_id && grant.is_live(now))
            .ok_or_else(|| ended("the user's consent has ended or was taken back"))
    }

    fn approve(&self, targets: Vec<Target>, user: &User) -> Result<Approved, Stop> {
        let authorization = self.asked.authorization;
        let now = self.ground.now;
        let without_api = if targets.is_empty() {
            self.grant(None)?.expires_at
        } else {
            None
        };
        let scope = self.scope(&targets)?;
        let claims = self.claims(&targets)?;
        let decision = self.lifetime(&targets, without_api);
        let ends = targets.iter().filter_map(|target| target.grant_ends_at);
        let ends_at = ends.chain(without_api).min();
        let openid = scope.contains(OPENID);
        Ok(Approved {
            id_token: openid.then(|| self.id_token(user, &scope, &claims)),
            authorization_expires_in: ends_at.map(|end| (end - now).max(0)),
            refresh_token: None,
            user: Some((user.user_id.clone(), user.shown_name().map(str::to_owned))),
            access: Approval {
                client_id: authorization.client_id.clone(),
                subject: authorization.user_id.clone(),
                scope: scope.to_text(),
                opens_userinfo: openid || targets.is_empty(),
                userinfo_claims: claims::asked_for(user, &claims.userinfo),
                apis: targets.into_iter().map(|target| target.api).collect(),
                decision,
                gty: self.asked.gty,
                family: Some(authorization.family.clone()),
                signed_in: Some(SignedIn {
                    at: authorization.authenticated_at,
                    amr: authorization.amr.clone(),
                }),
                position: self.ground.position,
            },
        })
    }

    /// The user's consent at every place that the token is for.
    fn grants(&self, targets: &[Target]) -> Result<Vec<&UserGrant>, Refusal> {
        let mut places: Vec<Option<&str>> = targets
            .iter()
            .map(|target| Some(target.api.id.as_str()))
            .collect();
        if places.is_empty() {
            places.push(None);
        }
        places.into_iter().map(|place| self.grant(place)).collect()
    }

    /// The claims one by one to whose scope the user's consent still holds at every place (OpenID Connect
    /// Core §5.4).
    fn claims(&self, targets: &[Target]) -> Result<ClaimsRequest, Refusal> {
        let grants = self.grants(targets)?;
        let holds = |value: &str| grants.iter().all(|grant| grant.scopes.contains(value));
        Ok(self.asked.authorization.claims.limited_to(holds))
    }

    /// OpenID's scopes that the user's consent still holds at every place. A consent that has ended and
    /// was given anew for less does not wake a refresh token.
    fn openid(&self, targets: &[Target]) -> Result<Scopes, Refusal> {
        let grants = self.grants(targets)?;
        let holds = |value: &&str| grants.iter().all(|grant| grant.scopes.contains(value));
        let openid: Scopes = self
            .asked
            .authorization
            .openid
            .iter()
            .filter(holds)
            .collect();
        if self.asked.authorization.is_offline() && !openid.contains(OFFLINE_ACCESS) {
            return Err(ended(
                "the user's consent does not hold offline_access any more",
            ));
        }
        Ok(openid)
    }

    /// Every scope that is still to be had, or those of them that are asked for.
    fn scope(&self, targets: &[Target]) -> Result<Scopes, Refusal> {
        let of_apis = targets::shared_scopes(targets);
        let openid = self.openid(targets)?;
        let all: Scopes = openid.iter().chain(of_apis.iter()).collect();
        let asked = self.asked.scope.unwrap_or(&all);
        match asked.iter().find(|value| !all.contains(value)) {
            // RFC 6749 §6: it must not include what the resource owner has not granted.
            Some(value) => Err(Refusal::new(
                Code::InvalidScope,
                format!("The scope '{}' is not part of the grant.", echo(value)),
            )),
            // The answer says what there is, and without a refresh token that is no offline access.
            None => Ok(asked
                .iter()
                .filter(|own| self.is_there(own, targets))
                .collect()),
        }
    }

    fn is_there(&self, scope: &str, targets: &[Target]) -> bool {
        scope != OFFLINE_ACCESS
            || self.client.application.may_use(REFRESH_TOKEN)
                && targets.iter().all(|own| own.api.allow_offline_access)
    }

    fn lifetime(&self, targets: &[Target], without_api: Option<i64>) -> lifetime::Decision {
        let now = self.ground.now;
        let terms: Vec<_> = targets.iter().map(|target| target.terms(now)).collect();
        let own = [
            self.client.expires_in(now),
            without_api.map(|end| end - now),
        ];
        let request = lifetime::Request {
            kind: self.asked.kind,
            validity_period: self.asked.validity_period,
            unpushed_authorization: self.asked.is_unpushed,
            application: self.client.application.lifetimes,
            credential_expires_in: own.into_iter().flatten().min(),
            subject_token_expires_in: None,
        };
        lifetime::decide(self.ground.lifetimes, &terms, &request)
    }

    fn id_token(&self, user: &User, scope: &Scopes, claims: &ClaimsRequest) -> IdToken {
        let authorization = self.asked.authorization;
        let application = &self.client.application;
        IdToken {
            client_id: authorization.client_id.clone(),
            subject: authorization.user_id.clone(),
            authenticated_at: authorization.authenticated_at,
            amr: authorization.amr.clone(),
            nonce: authorization.nonce.clone(),
            session_id: authorization.session_id.clone(),
            claims: claims::of_user(user, scope, &claims.id_token),
            lifetime: application.sign_in.id_token_seconds,
            algorithm: application.sign_in.id_token_alg,
        }
    }
}
