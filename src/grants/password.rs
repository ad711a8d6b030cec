//! RFC 6749 §4.3, for the applications of old that ask users for their passwords themselves; off unless
//! the tenant's `flags.allow_password_grant` says otherwise (RFC 9700 §2.4).

use super::consent::{self, By, Wish, Word};
use super::user_token::{self, Asked};
use super::{Approved, Authenticated, Ground, Means, refresh_token, targets};
use crate::directory::Stance;
use crate::lifetime::{Lifetime, TokenKind};
use crate::model::application::Application;
use crate::model::audience::Named;
use crate::model::authorization::ClaimsRequest;
use crate::model::client_grant::SubjectType;
use crate::model::refusal::{Code, Refusal, Stop, echo};
use crate::model::scope::Scopes;
use crate::model::user::{CONNECTION, User};
use crate::secret::Secret;
use crate::store::group::Operation;
use crate::users::authenticate::{Attempt, Outcome};
use crate::users::limits::Reason;

/// The grant type.
pub const PASSWORD: &str = "password";
/// Auth0's, which names the connection.
pub const PASSWORD_REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";
/// Auth0's `gty`.
const GTY: &str = "password";

/// What the request brings.
#[derive(Clone, Debug)]
pub struct Request {
    /// [`PASSWORD`] or [`PASSWORD_REALM`].
    pub grant_type: &'static str,
    /// E-mail address or username.
    pub username: String,
    /// The password.
    pub password: Secret<String>,
    /// The connection, where it is named.
    pub realm: Option<String>,
    /// The APIs.
    pub named: Named,
    /// OpenID's scopes and the APIs'.
    pub scope: Scopes,
    /// How long the access token is to live.
    pub validity_period: Option<Lifetime>,
}

/// What the application may have is settled before anybody's password is looked at.
pub(super) async fn decide(
    request: &Request,
    client: &Authenticated,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Result<Approved, Stop> {
    let application = &client.application;
    let settings = ground.directory.settings(Stance::Strict).await?;
    if !settings.allows_password_grant {
        let text = "Password grants are off (tenant setting flags.allow_password_grant).";
        return Err(Refusal::new(Code::UnsupportedGrantType, text).into());
    }
    check_application(application, request)?;
    let found = targets::find(&request.named, application, SubjectType::User, ground).await?;
    let no_claims = ClaimsRequest::default();
    let wish = Wish::of(application, &found, &request.scope, &no_claims, true);
    let user = authenticate(request, (ground, means)).await?;
    let by = By {
        client_id: &application.client_id,
        user_id: &user.user_id,
        session_id: None,
        authenticated_at: ground.now,
        amr: &["pwd".to_owned()],
        nonce: None,
    };
    // Whoever hands over the password consents with it.
    let places = (by.user_id, by.client_id);
    let lacking = wish.lacking(places, (ground, means)).await?;
    consent::keep(lacking, Word::Spared, (ground, means)).await?;
    let authorization = wish.authorize(by, ground.position);
    let asked = Asked {
        authorization: &authorization,
        named: &Named::None,
        scope: None,
        kind: TokenKind::User,
        gty: Some(GTY),
        validity_period: request.validity_period,
        is_unpushed: false,
    };
    let approved = user_token::approve(&asked, client, (ground, means)).await?;
    let consent = approved.authorization_expires_in;
    let first = refresh_token::first(&authorization, client, consent, (ground, means)).await?;
    let Some(first) = first else {
        return Ok(approved);
    };
    let operation = Operation::StoreFamily(Box::new(first.row));
    means.mint.door.commit(operation).await?;
    Ok(Approved {
        refresh_token: Some(first.token),
        ..approved
    })
}

/// The operator's own applications only: nobody else gets to see a password.
fn check_application(application: &Application, request: &Request) -> Result<(), Refusal> {
    super::check_grant_type(application, request.grant_type)?;
    if !application.is_first_party {
        return Err(super::not_allowed(request.grant_type));
    }
    match &request.realm {
        Some(realm) if realm != CONNECTION => {
            let text = format!("The connection '{}' does not exist.", echo(realm));
            Err(Refusal::invalid_request(text))
        }
        _ => Ok(()),
    }
}

async fn authenticate(
    request: &Request,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Result<User, Stop> {
    let attempt = Attempt {
        identifier: &request.username,
        password: &request.password,
        ip: means.whence.ip.as_deref(),
        now: ground.now,
    };
    let refused = |text: &str, user_id: Option<String>| {
        let refusal = Refusal::new(Code::InvalidGrant, text).about_user(user_id);
        Err(refusal.into())
    };
    match means.users.authenticate(&attempt).await? {
        Outcome::SignedIn(user) => Ok(user),
        Outcome::Wrong(user_id) => refused("Wrong email or password.", user_id),
        Outcome::Withheld(user_id) => {
            let refusal = Refusal::new(Code::InvalidGrant, "Wrong email or password.")
                .recorded_as(Reason::Account.kind())
                .about_user(user_id);
            Err(refusal.into())
        }
        Outcome::Blocked(user) => refused("user is blocked", Some(user.user_id)),
        Outcome::Limited(limited, user_id) => {
            // Auth0's words for each.
            let text = match limited.reason {
                Reason::Account => {
                    "Your account has been blocked after multiple consecutive login attempts."
                }
                Reason::Address => {
                    "We have detected suspicious login behavior and further attempts will be blocked. Please contact the administrator."
                }
            };
            let refusal = Refusal::new(Code::TooManyAttempts, text)
                .retry_after(limited.retry_after)
                .recorded_as(limited.reason.kind())
                .about_user(user_id);
            Err(refusal.into())
        }
    }
}
