//! What a user would authorize, and what of it the user has consented to already.

use std::sync::Arc;

use super::refresh_token::REFRESH_TOKEN;
use super::targets::Target;
use super::{Ground, Means};
use crate::model::api::Api;
use crate::model::application::Application;
use crate::model::authorization::{
    Authorization, AuthorizedApi, ClaimsRequest, OFFLINE_ACCESS, OPENID, OPENID_SCOPES,
};
use crate::model::consent_page::ConsentPage;
use crate::model::fault::Fault;
use crate::model::scope::Scopes;
use crate::model::user_grant::UserGrant;
use crate::secret;
use crate::store::{self, Locks};
use crate::tokens::refresh::new_family;

/// What an application wants of a user: what is asked and not to be had is left out, and the answer's
/// `scope` says so (RFC 6749 §3.3, OpenID Connect Core §5.4).
#[derive(Clone, Debug)]
pub struct Wish {
    /// OpenID's scopes.
    pub openid: Scopes,
    /// Claims one by one. The consent to each is kept as the scope that it belongs to, and the token does not
    /// carry that scope.
    pub claims: ClaimsRequest,
    /// The APIs with the scopes at each.
    pub apis: Vec<(Arc<Api>, Scopes)>,
}

impl Wish {
    /// Of the scopes and claims that are asked for; `by_code` where there is an exchange that a refresh
    /// token can come by.
    #[must_use]
    pub fn of(
        application: &Application,
        targets: &[Target],
        asked: &Scopes,
        claims: &ClaimsRequest,
        by_code: bool,
    ) -> Self {
        // lifetime.md, Refresh tokens: otherwise none is issued, and nothing fails.
        let may_be_offline = by_code
            && application.may_use(REFRESH_TOKEN)
            && targets.iter().all(|own| own.api.allow_offline_access);
        let known = asked.iter().filter(|own| OPENID_SCOPES.contains(own));
        let of = |target: &Target| {
            let granted = asked.iter().filter(|value| target.scopes.contains(value));
            (Arc::clone(&target.api), granted.collect())
        };
        Self {
            openid: known
                .filter(|value| *value != OFFLINE_ACCESS || may_be_offline)
                .collect(),
            // Without openid there is nothing that could tell a claim.
            claims: claims.limited_to(|_| asked.contains(OPENID)),
            apis: targets.iter().map(of).collect(),
        }
    }

    /// The scopes that say what the application learns of the user, those of single claims included.
    #[must_use]
    pub fn about_user(&self) -> Scopes {
        let of_claims = self.claims.scopes();
        self.openid.iter().chain(of_claims.iter()).collect()
    }

    /// The same as far as a consent page has shown it; none where the page was about other APIs.
    /// `requested` are the scopes of the page's request.
    #[must_use]
    pub fn limited_to(&self, page: &ConsentPage, requested: &Scopes) -> Option<Self> {
        let limit = |(api, scopes): &(Arc<Api>, Scopes)| {
            let shown = page.scopes_at(&api.id, requested)?;
            let both = scopes.iter().filter(|value| shown.contains(value));
            Some((Arc::clone(api), both.collect()))
        };
        let apis: Option<Vec<_>> = self.apis.iter().map(limit).collect();
        let apis = apis.filter(|apis| apis.len() == page.apis.len())?;
        let is_shown = |value: &str| page.about_user.contains(value);
        let openid = self.openid.iter().filter(|value| is_shown(value));
        Some(Self {
            openid: openid.collect(),
            claims: self.claims.limited_to(is_shown),
            apis,
        })
    }

    /// The user grants that it rests on, as of a consent that is given now.
    #[must_use]
    pub fn grants(&self, (user_id, client_id): (&str, &str), now: i64) -> Vec<UserGrant> {
        let grant = |(api, scopes): (Option<&Arc<Api>>, Scopes)| {
            let seconds = api.and_then(|api| api.user_grant_seconds);
            UserGrant {
                id: secret::random_hex_id(),
                user_id: user_id.to_owned(),
                client_id: client_id.to_owned(),
                api_id: api.map(|api| api.id.clone()),
                audience: api.map(|api| api.identifier.clone()),
                scopes,
                expires_at: seconds.map(|seconds| now.saturating_add(seconds)),
                created_at: now,
                updated_at: now,
            }
        };
        self.places().into_iter().map(grant).collect()
    }

    /// Those of them that are not there; [`keep`] lays them beside what is there.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn lacking(
        &self,
        (user_id, client_id): (&str, &str),
        (ground, means): (Ground<'_>, Means<'_>),
    ) -> Result<Vec<UserGrant>, Fault> {
        let before = {
            let mut conn = means.store.read().await?;
            store::user_grants::of_user_at(&mut conn, user_id, client_id).await?
        };
        let mut lacking = self.grants((user_id, client_id), ground.now);
        lacking.retain(|grant| {
            let is_here = |old: &&UserGrant| old.api_id == grant.api_id && old.is_live(ground.now);
            !before
                .iter()
                .find(is_here)
                .is_some_and(|old| old.covers(&grant.scopes))
        });
        Ok(lacking)
    }

    /// Where consent lies: at each API, or where there is none, at userinfo.
    fn places(&self) -> Vec<(Option<&Arc<Api>>, Scopes)> {
        let about_user = self.about_user();
        if self.apis.is_empty() {
            return vec![(None, about_user)];
        }
        let of = |(api, scopes)| (Some(api), about_user.iter().chain(Scopes::iter(scopes)));
        let places = self.apis.iter().map(|(api, scopes)| of((api, scopes)));
        places.map(|(api, all)| (api, all.collect())).collect()
    }

    /// What is authorized with this.
    #[must_use]
    pub fn authorize(self, by: By<'_>, position: i64) -> Authorization {
        let apis = self.apis.into_iter().map(|(api, scopes)| AuthorizedApi {
            api_id: api.id.clone(),
            audience: api.identifier.clone(),
            scopes,
        });
        Authorization {
            family: new_family(),
            client_id: by.client_id.to_owned(),
            user_id: by.user_id.to_owned(),
            session_id: by.session_id.map(str::to_owned),
            openid: self.openid,
            apis: apis.collect(),
            authenticated_at: by.authenticated_at,
            amr: by.amr.to_vec(),
            nonce: by.nonce,
            claims: self.claims,
            position,
        }
    }
}

/// Who has authorized, and how that was asked.
pub struct By<'a> {
    /// The application.
    pub client_id: &'a str,
    /// The user.
    pub user_id: &'a str,
    /// In which session.
    pub session_id: Option<&'a str>,
    /// When the user signed in, unix seconds.
    pub authenticated_at: i64,
    /// How (RFC 8176).
    pub amr: &'a [String],
    /// The application's own.
    pub nonce: Option<String>,
}

/// How a consent comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The user has said so just now, to what a page said.
    Given,
    /// No page has asked: an end that the old one has does not move.
    Spared,
}

/// Keeps what has been consented to, beside what is there by now: of two consents at one moment neither
/// takes the other's scopes away, and what was taken back meanwhile does not come again.
///
/// # Errors
/// A fault of the store.
pub async fn keep(
    grants: Vec<UserGrant>,
    word: Word,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Result<(), Fault> {
    let mut locks = Locks::new();
    for grant in &grants {
        locks = locks.and_user(&grant.user_id);
    }
    if grants.is_empty() {
        return Ok(());
    }
    let mut tx = means.store.write_locked(&locks).await?;
    for mut grant in grants {
        // What the consent is about may be gone since the page was shown.
        let Some(there) = store::user_grants::hold(&mut tx, &grant).await? else {
            continue;
        };
        if there.is_live(ground.now) {
            grant.scopes = there.scopes.iter().chain(grant.scopes.iter()).collect();
            if word == Word::Spared {
                let ends = [there.expires_at, grant.expires_at];
                grant.expires_at = ends.into_iter().flatten().min();
            }
        }
        store::user_grants::upsert(&mut tx, &grant).await?;
    }
    tx.commit(ground.now).await?;
    Ok(())
}
