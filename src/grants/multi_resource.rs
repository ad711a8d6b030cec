//! Auth0's multi-resource refresh tokens: the policies of an application (`refresh_token.policies`) name
//! APIs that its refresh tokens are good for beside those that the user has authorized.

use std::borrow::Cow;
use std::sync::Arc;

use super::consent::{self, Wish};
use super::{Ground, Means, authorize, targets};
use crate::model::application::Application;
use crate::model::audience::Named;
use crate::model::authorization::{Authorization, AuthorizedApi};
use crate::model::client_grant::SubjectType;
use crate::model::refusal::{Code, Refusal, Stop};
use crate::model::scope::Scopes;

/// The authorization with those of the named APIs that a policy adds.
///
/// # Errors
/// `invalid_target` where the user would have to be asked, or the API is not to be had; a fault of the
/// store.
pub(super) async fn reach<'a>(
    authorization: &'a Authorization,
    named: &Named,
    application: &Application,
    at_hand: (Ground<'_>, Means<'_>),
) -> Result<Cow<'a, Authorization>, Stop> {
    let further = further(authorization, named, application);
    if further.is_empty() {
        return Ok(Cow::Borrowed(authorization));
    }
    let (ground, _) = at_hand;
    let further = Named::Resources(further);
    let found = targets::find(&further, application, SubjectType::User, ground).await?;
    let policies = &application.sign_in.refresh_policies;
    let apis = found.iter().map(|target| {
        let policy = policies.iter();
        let policy = policy.filter(|own| own.audience == target.api.identifier);
        let allowed = policy.flat_map(|own| own.scopes.iter());
        let scopes = allowed.filter(|value| target.scopes.contains(value));
        (Arc::clone(&target.api), scopes.collect::<Scopes>())
    });
    let wish = Wish {
        openid: authorization.openid.clone(),
        apis: apis.collect(),
    };
    let mut reached = authorization.clone();
    reached
        .apis
        .extend(wish.apis.iter().map(|(api, scopes)| AuthorizedApi {
            api_id: api.id.clone(),
            audience: api.identifier.clone(),
            scopes: scopes.clone(),
        }));
    check_consent(&wish, &reached, application, at_hand).await?;
    Ok(Cow::Owned(reached))
}

/// The named APIs that are not authorized and have a policy, each once.
fn further(authorization: &Authorization, named: &Named, application: &Application) -> Vec<String> {
    let asked = match named {
        Named::None => &[][..],
        Named::Audience(name) => std::slice::from_ref(name),
        Named::Resources(several) => several,
    };
    let policies = &application.sign_in.refresh_policies;
    let is_further = |name: &&String| {
        let is_authorized = authorization.apis.iter().any(|api| api.audience == **name);
        !is_authorized && policies.iter().any(|own| own.audience == **name)
    };
    let mut further: Vec<String> = Vec::new();
    for name in asked.iter().filter(is_further) {
        if !further.contains(name) {
            further.push(name.clone());
        }
    }
    further
}

/// There is nobody to ask: either nobody needs to be asked, or the user has consented before, if to less.
/// Where its tokens were revoked since the user signed in, consent does not come again by itself.
async fn check_consent(
    wish: &Wish,
    reached: &Authorization,
    application: &Application,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Result<(), Stop> {
    let apis = wish.apis.iter().map(|(api, _)| api);
    let callbacks = &application.sign_in.callbacks;
    let may_skip = authorize::may_skip_consent(application, apis, callbacks);
    let needed = if may_skip {
        Cow::Borrowed(wish)
    } else {
        Cow::Owned(wish.least())
    };
    let places = (reached.user_id.as_str(), reached.client_id.as_str());
    let lacking = needed.lacking(places, (ground, means)).await?;
    if lacking.is_empty() || ground.directory.is_ended(reached).await? {
        return Ok(());
    }
    if !may_skip {
        let text = "The user has not consented to that API; name it at the authorization endpoint.";
        return Err(Refusal::new(Code::InvalidTarget, text).into());
    }
    Ok(consent::keep(lacking, (ground, means)).await?)
}
