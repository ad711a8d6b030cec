//! Auth0's multi-resource refresh tokens: the policies of an application (`refresh_token.policies`) name
//! APIs that its refresh tokens are good for beside those that they were issued for.

use std::borrow::Cow;

use super::targets::{self, Target};
use super::{Ground, Means};
use crate::lifetime::LONGEST_SIGNED_SECONDS;
use crate::model::application::Application;
use crate::model::audience::Named;
use crate::model::authorization::{Authorization, AuthorizedApi, OFFLINE_ACCESS};
use crate::model::client_grant::SubjectType;
use crate::model::fault::Fault;
use crate::model::refresh::Family;
use crate::model::refusal::{Code, Refusal, Stop, echo};
use crate::model::user_grant::UserGrant;
use crate::store;

/// How long after the first refresh token policies open anything, in seconds: a revocation of all that is
/// at an API is remembered for a little longer, and does not know of refresh tokens that only a policy
/// lets in.
const OPEN_SECONDS: i64 = LONGEST_SIGNED_SECONDS;

/// The authorization of a family with those of the named APIs that a policy adds. Nobody is at a browser to
/// be asked, so the user has to have consented to them before.
///
/// # Errors
/// `invalid_target` where an API is not to be had, or not in one token with the others; a fault of the
/// store.
pub(super) async fn reach<'a>(
    family: &'a Family,
    named: &Named,
    application: &Application,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Result<Cow<'a, Authorization>, Stop> {
    let authorization = &family.authorization;
    let asked = match named {
        Named::None => &[][..],
        Named::Audience(name) => std::slice::from_ref(name),
        Named::Resources(several) => several,
    };
    let policies = &application.sign_in.refresh_policies;
    let is_further = |name: &str| {
        let is_authorized = authorization.apis.iter().any(|api| api.audience == name);
        !is_authorized && policies.iter().any(|own| own.audience == name)
    };
    let has_further = asked.iter().any(|name| is_further(name));
    // Where all of it has ended, that is what is said.
    if !has_further || ground.directory.is_ended(authorization).await? {
        return Ok(Cow::Borrowed(authorization));
    }
    let is_young = ground.now < family.created_at.saturating_add(OPEN_SECONDS);
    let all = Named::Resources(asked.to_vec());
    let found = targets::find(&all, application, SubjectType::User, ground).await?;
    let (user_id, client_id) = (&authorization.user_id, &authorization.client_id);
    let grants = {
        let mut conn = means.store.read().await?;
        store::user_grants::of_user_at(&mut conn, user_id, client_id).await?
    };
    let mut reached = authorization.clone();
    for target in found.iter().filter(|own| is_further(&own.api.identifier)) {
        let api = add(target, application);
        let alone = Authorization {
            apis: vec![api.clone()],
            ..authorization.clone()
        };
        if !is_young || !is_open(target, &grants, (&alone, ground)).await? {
            return Err(closed(&api.audience).into());
        }
        reached.apis.push(api);
    }
    Ok(Cow::Owned(reached))
}

/// An API with those of its scopes that the policies have.
fn add(target: &Target, application: &Application) -> AuthorizedApi {
    let policies = application.sign_in.refresh_policies.iter();
    let own = policies.filter(|own| own.audience == target.api.identifier);
    let scopes = own.flat_map(|own| own.scopes.iter());
    AuthorizedApi {
        api_id: target.api.id.clone(),
        audience: target.api.identifier.clone(),
        scopes: scopes
            .filter(|value| target.scopes.contains(value))
            .collect(),
    }
}

/// True where the API lets applications come back, the user has consented to that, and nothing was revoked
/// there since the user signed in.
async fn is_open(
    target: &Target,
    grants: &[UserGrant],
    (alone, ground): (&Authorization, Ground<'_>),
) -> Result<bool, Fault> {
    let is_consent = |grant: &UserGrant| {
        grant.api_id.as_ref() == Some(&target.api.id)
            && grant.is_live(ground.now)
            && grant.scopes.contains(OFFLINE_ACCESS)
    };
    let is_open = target.api.allow_offline_access && grants.iter().any(is_consent);
    Ok(is_open && !ground.directory.is_ended(alone).await?)
}

/// The refresh token is still good for the others, so this must not look like the end of it.
fn closed(audience: &str) -> Refusal {
    let text = format!(
        "'{}' is not open to this refresh token; name it at the authorization endpoint, with offline_access.",
        echo(audience)
    );
    Refusal::new(Code::InvalidTarget, text)
}
