//! RFC 6749 §4.1.3: an application exchanges a code for tokens on behalf of a user.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::user_token::{self, Asked};
use super::{Approved, Authenticated, Ground, Means, refresh_token};
use crate::lifetime::{Lifetime, TokenKind};
use crate::model::application::Application;
use crate::model::audience::Named;
use crate::model::authorization_code::{AuthorizationCode, CodeRequest};
use crate::model::fault::Fault;
use crate::model::refusal::{Code, Refusal, Stop};
use crate::secret::{self, Secret};
use crate::store;
use crate::store::group::{CodeRedemption, Parties};
use crate::tokens::code;

/// The grant type.
pub const AUTHORIZATION_CODE: &str = "authorization_code";

/// What the request brings.
#[derive(Clone, Debug)]
pub struct Request {
    /// The code.
    pub code: Secret<String>,
    /// The redirect URI of the authorization request, where that named it.
    pub redirect_uri: Option<String>,
    /// PKCE (RFC 7636 §4.5).
    pub code_verifier: Option<Secret<String>>,
    /// Those of the authorized APIs that the access token is for (RFC 8707 §2.2).
    pub named: Named,
    /// How long the access token is to live; wins over what the authorization request says.
    pub validity_period: Option<Lifetime>,
}

/// Possession first, single use last.
pub(super) async fn decide(
    request: &Request,
    client: &Authenticated,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Result<Approved, Stop> {
    let application = &client.application;
    super::check_grant_type(application, AUTHORIZATION_CODE)?;
    if !code::is_one(request.code.expose()) {
        return Err(invalid("no code of ours").into());
    }
    let digest = means.mint.digester.digest(request.code.expose());
    let found = {
        let mut conn = means.store.read().await?;
        store::authorization_codes::get(&mut conn, &digest).await?
    };
    let code = found.ok_or_else(|| invalid("unknown"))?;
    check(&code, request, application)?;
    let redemption = CodeRedemption {
        digest,
        family: code.authorization.family.clone(),
        parties: Parties::of(&code.authorization),
        mark: secret::random_text(16),
        refresh: None,
    };
    let is_late = ground.now >= code.expires_at;
    if is_late || !has_session(&code, means).await? {
        // Whoever brings one that was used ends what it got, however late.
        redeem(redemption, (ground, means)).await?;
        let why = if is_late {
            "expired"
        } else {
            "its session has ended"
        };
        return Err(invalid(why).into());
    }
    let asked = Asked {
        authorization: &code.authorization,
        named: &request.named,
        scope: None,
        kind: TokenKind::User,
        gty: None,
        validity_period: request.validity_period.or(code.request.validity_period),
        is_unpushed: request.validity_period.is_none() && !code.request.is_pushed,
    };
    let approved = user_token::approve(&asked, client, (ground, means)).await?;
    let consent = approved.authorization_expires_in;
    let first = refresh_token::first(&code.authorization, client, consent, (ground, means));
    let (token, row) = first.await?.map(|own| (own.token, own.row)).unzip();
    let redemption = CodeRedemption {
        refresh: row.map(Box::new),
        ..redemption
    };
    redeem(redemption, (ground, means)).await?;
    Ok(Approved {
        refresh_token: token,
        ..approved
    })
}

/// False where the user has signed out since: the application was told of that, and would never hear of
/// the end of what it got now.
async fn has_session(code: &AuthorizationCode, means: Means<'_>) -> Result<bool, Fault> {
    let Some(id) = &code.authorization.session_id else {
        return Ok(true);
    };
    let mut conn = means.store.read().await?;
    Ok(store::sessions::get(&mut conn, id).await?.is_some())
}

/// Takes the code. A second use ends what the first one got (RFC 6749 §4.1.2), here and now.
async fn redeem(
    redemption: CodeRedemption,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Result<(), Stop> {
    match means.mint.door.redeem_code(redemption).await? {
        Ok(()) => Ok(()),
        Err(number) => {
            ground.directory.catch_up(number).await?;
            Err(invalid("used for the second time; what the first use got has ended").into())
        }
    }
}

/// One answer for all that may be wrong with a code: whoever has found one learns nothing of it.
fn invalid(log: &str) -> Refusal {
    Refusal::new(Code::InvalidGrant, "Invalid authorization code").log(log)
}

/// Possession, of the code and of what it was asked with.
fn check(
    code: &AuthorizationCode,
    request: &Request,
    application: &Application,
) -> Result<(), Refusal> {
    if code.authorization.client_id != application.client_id {
        return Err(invalid("another application's"));
    }
    check_verifier(&code.request, request.code_verifier.as_ref())?;
    check_redirect_uri(&code.request, request.redirect_uri.as_deref())
}

/// RFC 7636 §4.6, and RFC 9700 §2.1.1 against downgrades: a verifier comes if and only if the
/// authorization request had a challenge.
fn check_verifier(code: &CodeRequest, verifier: Option<&Secret<String>>) -> Result<(), Refusal> {
    let (challenge, verifier) = match (&code.code_challenge, verifier) {
        (None, None) => return Ok(()),
        (None, Some(_)) => return Err(invalid("a code_verifier without a code_challenge")),
        (Some(_), None) => {
            return Err(Refusal::new(
                Code::InvalidGrant,
                "Parameter 'code_verifier' is required.",
            ));
        }
        (Some(challenge), Some(verifier)) => (challenge, verifier),
    };
    let hash = digest::digest(&digest::SHA256, verifier.expose().as_bytes());
    let of_verifier = URL_SAFE_NO_PAD.encode(hash);
    if secret::equal(&of_verifier, challenge) {
        return Ok(());
    }
    Err(Refusal::new(
        Code::InvalidGrant,
        "Failed to verify code verifier",
    ))
}

/// Exactly the one of the authorization request, where that named it (RFC 6749 §4.1.3).
fn check_redirect_uri(code: &CodeRequest, named: Option<&str>) -> Result<(), Refusal> {
    let is_fine = match named {
        Some(named) => named == code.redirect_uri,
        None => !code.redirect_uri_is_named,
    };
    if is_fine {
        return Ok(());
    }
    Err(Refusal::new(
        Code::InvalidGrant,
        "The redirect URI is not the one of the authorization request.",
    ))
}
