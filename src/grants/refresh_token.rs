//! RFC 6749 §6: an application exchanges a refresh token; and how the first one of a family is issued.

use super::user_token::{self, Asked};
use super::{Approved, Authenticated, Ground, Means, RefreshToken, multi_resource};
use crate::directory::Stance;
use crate::lifetime::{Lifetime, TokenKind};
use crate::model::api::Api;
use crate::model::audience::Named;
use crate::model::authorization::Authorization;
use crate::model::fault::Fault;
use crate::model::record::{Kind, Record};
use crate::model::refresh::Family;
use crate::model::refusal::{Code, Refusal, Stop};
use crate::model::scope::Scopes;
use crate::model::session::Device;
use crate::model::sign_in::RefreshTerms;
use crate::secret::{self, Secret};
use crate::store;
use crate::store::group::Parties;
use crate::store::refresh_exchange::{Exchange, Exchanged};
use crate::store::refresh_families::NewFamily;
use crate::tokens::refresh::Presented;

/// The grant type.
pub const REFRESH_TOKEN: &str = "refresh_token";

/// What the request brings.
#[derive(Clone, Debug)]
pub struct Request {
    /// The refresh token.
    pub refresh_token: Secret<String>,
    /// Those of the authorized APIs that the access token is for (RFC 8707 §2.2), and of those that the
    /// application's policies add.
    pub named: Named,
    /// Those of the authorized scopes that it carries; none: all.
    pub scope: Option<Scopes>,
    /// How long it is to live.
    pub validity_period: Option<Lifetime>,
}

/// Possession first, single use last.
pub(super) async fn decide(
    request: &Request,
    client: &Authenticated,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Result<Approved, Stop> {
    let application = &client.application;
    super::check_grant_type(application, REFRESH_TOKEN)?;
    let presented = means.mint.recognise_refresh(&request.refresh_token);
    let presented = presented.ok_or_else(|| invalid("no refresh token of ours"))?;
    let found = {
        let mut conn = means.store.read().await?;
        store::refresh_families::get(&mut conn, &presented.family).await?
    };
    let family = found.ok_or_else(|| invalid("its family has ended"))?;
    if family.authorization.client_id != application.client_id {
        return Err(invalid("another application's").into());
    }
    let terms = application.refresh_terms();
    if !family.is_live(terms, ground.now) {
        return Err(invalid("expired").into());
    }
    let named = &request.named;
    let reached = multi_resource::reach(&family, named, application, (ground, means)).await?;
    let asked = Asked {
        authorization: &reached,
        named: &request.named,
        scope: request.scope.as_ref(),
        kind: TokenKind::User,
        gty: Some(REFRESH_TOKEN),
        validity_period: request.validity_period,
        is_unpushed: false,
    };
    let approved = user_token::approve(&asked, client, (ground, means)).await;
    let mut approved = approved.map_err(in_one_voice)?;
    let mut apis = approved.access.apis.iter();
    if !apis.all(|api| api.allow_offline_access) {
        return Err(invalid("an API of it allows no offline access any more").into());
    }
    let held = Held {
        presented,
        family,
        terms,
    };
    let (text, used_at) = held.exchange((ground, means)).await?;
    let end = held.end(used_at, ground.now, approved.authorization_expires_in);
    approved.refresh_token = Some(RefreshToken {
        text,
        timeout: end.map(|end| (end - ground.now).max(0)),
    });
    Ok(approved)
}

/// One answer, Auth0's, for all that may be wrong with a refresh token: it will never be good again, and
/// whoever has found one learns nothing of it.
fn invalid(log: &str) -> Refusal {
    Refusal::new(Code::InvalidGrant, "Unknown or invalid refresh token.").log(log)
}

/// What ended with the authorization is said in the same words.
fn in_one_voice(stop: Stop) -> Stop {
    match stop {
        Stop::Refused(refusal) if refusal.code == Code::InvalidGrant => {
            invalid(&refusal.log).into()
        }
        other => other,
    }
}

/// A token that may be exchanged as far as everything around it is concerned.
struct Held {
    presented: Presented,
    family: Family,
    terms: RefreshTerms,
}

impl Held {
    /// The token that the client goes on with, and from when on its idle lifetime counts.
    async fn exchange(
        &self,
        (ground, means): (Ground<'_>, Means<'_>),
    ) -> Result<(Secret<String>, i64), Stop> {
        let Self {
            presented,
            family,
            terms,
        } = self;
        let stays = !terms.is_rotating && presented.digest == family.current_digest;
        if stays && !family.is_use_due(*terms, ground.now) {
            return Ok((presented.text().clone(), family.used_at));
        }
        let (successor, kept) = if terms.is_rotating {
            let (text, kept) = means.mint.successor(presented)?;
            (Some(text), Some(kept))
        } else {
            (None, None)
        };
        let exchange = Exchange {
            family: presented.family.clone(),
            parties: Parties::of(&family.authorization),
            presented: presented.digest.clone(),
            successor: kept,
            mark: secret::random_text(16),
            window: terms.leeway.max(means.refresh.replay_seconds),
            replays_max: means.refresh.replays_max,
            seen: (means.whence.ip.clone(), means.whence.user_agent.clone()),
            reuse: self.reuse((ground, means)),
        };
        match means.mint.door.exchange_refresh(exchange).await? {
            (Exchanged::Rotated | Exchanged::Stays, _) => {
                let text = successor.unwrap_or_else(|| presented.text().clone());
                Ok((text, ground.now))
            }
            (Exchanged::Replayed { sealed, rotated_at }, _) => {
                Ok((presented.open(&sealed)?, rotated_at))
            }
            (Exchanged::Reused, number) => {
                ground.directory.catch_up(number).await?;
                Err(invalid("used by two; all that came from its authorization has ended").into())
            }
            (Exchanged::Gone, _) => {
                // It may have ended by this request, in a run whose outcome was unknown.
                ground.directory.read_anew().await?;
                Err(invalid("its family ended a moment ago").into())
            }
        }
    }

    /// When the token ends if nobody uses it, never later than the user's consent
    /// (draft-ietf-oauth-refresh-token-expiration-03), unix seconds.
    fn end(&self, used_at: i64, now: i64, consent_expires_in: Option<i64>) -> Option<i64> {
        let family = Family {
            used_at,
            ..self.family.clone()
        };
        let consent = consent_expires_in.map(|seconds| now.saturating_add(seconds));
        [family.end(self.terms), consent]
            .into_iter()
            .flatten()
            .min()
    }

    /// What the audit says where two have used the token.
    fn reuse(&self, (ground, means): (Ground<'_>, Means<'_>)) -> Record {
        let authorization = &self.family.authorization;
        let apis = authorization.apis.iter();
        let audiences: Vec<String> = apis.map(|api| api.audience.clone()).collect();
        record(Kind::ReusedRefreshToken, authorization, (ground, means))
            .of_token(&audiences, &authorization.scope().to_text())
            .says("A refresh token was used again: all that came from its authorization has ended")
            .with("refresh_token_id", authorization.family.as_str().into())
            .with("generation", self.presented.generation.into())
    }
}

fn record(
    kind: Kind,
    authorization: &Authorization,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Record {
    let date_ms = ground.now.saturating_mul(1000);
    Record::new(kind, date_ms, means.whence, None)
        .by(Some(&authorization.client_id), None)
        .about_user(&authorization.user_id)
}

/// The first refresh token of a family, to be stored with what it comes by.
pub(super) struct First {
    /// For the client.
    pub(super) token: RefreshToken,
    /// For the store.
    pub(super) row: NewFamily,
}

/// The first refresh token of an authorization, where offline access was asked for and granted, every
/// API allows it, and the application may use the grant type. Otherwise there is none, and nothing
/// fails (lifetime.md, Refresh tokens). Without an API the token renews access to userinfo.
pub(super) async fn first(
    authorization: &Authorization,
    client: &Authenticated,
    consent_expires_in: Option<i64>,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Result<Option<First>, Fault> {
    let application = &client.application;
    if !authorization.is_offline()
        || !application.may_use(REFRESH_TOKEN)
        || !is_offline_allowed(authorization, ground).await?
    {
        return Ok(None);
    }
    let (text, digest) = means.mint.first_refresh_token(&authorization.family)?;
    let terms = application.refresh_terms();
    // An ID token of a refresh has no nonce (OpenID Connect Core §12.2).
    let authorization = Authorization {
        nonce: None,
        ..authorization.clone()
    };
    let evicted = record(Kind::RevokedRefreshToken, &authorization, (ground, means))
        .says("The oldest refresh token of the user at the application gave way to a new one");
    let device = Device::first_seen(means.whence);
    let family = Family::begin(authorization, digest, (terms, device), ground.now);
    let consent = consent_expires_in.map(|seconds| ground.now.saturating_add(seconds));
    let end = [family.end(terms), consent].into_iter().flatten().min();
    Ok(Some(First {
        token: RefreshToken {
            text,
            timeout: end.map(|end| (end - ground.now).max(0)),
        },
        row: NewFamily {
            family,
            families_max: means.refresh.families_max,
            evicted,
        },
    }))
}

async fn is_offline_allowed(
    authorization: &Authorization,
    ground: Ground<'_>,
) -> Result<bool, Fault> {
    for own in &authorization.apis {
        let api = ground
            .directory
            .api(&own.audience, Stance::MayBeStale)
            .await?;
        let allows = |api: &Api| api.id == own.api_id && api.allow_offline_access;
        if !api.is_some_and(|api| allows(&api)) {
            return Ok(false);
        }
    }
    Ok(true)
}
