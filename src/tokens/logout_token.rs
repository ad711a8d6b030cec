//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4): an application is told that a session
//! has ended. Never with a `nonce`, and of a type of its own, so that none is taken for an ID token.

use serde::Serialize;
use serde_json::{Value, json};

use super::issue::Mint;
use crate::model::api::SigningAlgorithm;
use crate::model::fault::Fault;
use crate::secret::{self, Secret};

/// §2.4: explicitly typed.
const TYP: &str = "logout+jwt";
/// §2.4: at most two minutes.
const LIFETIME_SECONDS: i64 = 120;

/// What a logout token says.
#[derive(Clone, Copy, Debug)]
pub struct LogoutToken<'a> {
    /// `aud`.
    pub client_id: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// `sid`.
    pub session_id: &'a str,
    /// As of the application's ID tokens (§2.6); none: the default algorithm.
    pub algorithm: Option<SigningAlgorithm>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
    sid: &'a str,
    events: Value,
}

impl Mint {
    /// Signs a logout token that is issued at `now`.
    ///
    /// # Errors
    /// A fault of the key ring.
    pub async fn sign_logout_token(
        &self,
        own: LogoutToken<'_>,
        now: i64,
    ) -> Result<Secret<String>, Fault> {
        let claims = Claims {
            iss: self.issuer.as_str(),
            sub: own.subject,
            aud: own.client_id,
            iat: now,
            exp: now.saturating_add(LIFETIME_SECONDS),
            jti: secret::random_text(16),
            sid: own.session_id,
            events: json!({ "http://schemas.openid.net/event/backchannel-logout": {} }),
        };
        let algorithm = own.algorithm.unwrap_or(self.default_algorithm);
        let text = self.sign_claims(algorithm, TYP, &claims, now).await?;
        Ok(Secret::new(text))
    }
}
