//! ID tokens (OpenID Connect Core §2): what an application is told of a sign-in.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::issue::Mint;
use super::jwt::{self, Claimed};
use crate::model::api::SigningAlgorithm;
use crate::model::authorization::acr_of;
use crate::model::fault::Fault;
use crate::secret::Secret;

/// What an ID token says.
#[derive(Clone, Debug, PartialEq)]
pub struct IdToken {
    /// `aud` and `azp`.
    pub client_id: String,
    /// `sub`.
    pub subject: String,
    /// `auth_time`, unix seconds.
    pub authenticated_at: i64,
    /// `amr` (RFC 8176).
    pub amr: Vec<String>,
    /// The application's own.
    pub nonce: Option<String>,
    /// `sid` (OpenID Connect Back-Channel Logout §2.1).
    pub session_id: Option<String>,
    /// Of the user.
    pub claims: Map<String, Value>,
    /// In seconds (`jwt_configuration.lifetime_in_seconds`).
    pub lifetime: i64,
    /// The application's choice; none: the default algorithm.
    pub algorithm: Option<SigningAlgorithm>,
}

/// What is delivered together with an ID token, and bound to it by a hash.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// For `at_hash`.
    pub access_token: Option<&'a Secret<String>>,
    /// For `c_hash`.
    pub code: Option<&'a Secret<String>>,
    /// For `s_hash` (FAPI 1 §5.2.3).
    pub state: Option<&'a str>,
}

impl Mint {
    /// Signs an ID token that is issued at `now`.
    ///
    /// # Errors
    /// A fault of the key ring.
    pub async fn sign_id_token(
        &self,
        own: &IdToken,
        beside: Beside<'_>,
        now: i64,
    ) -> Result<Secret<String>, Fault> {
        let algorithm = own.algorithm.unwrap_or(self.default_algorithm);
        let hash = |text: &str| half_hash(algorithm, text);
        let mut claims = own.claims.clone();
        let mut put = |name: &str, value: Value| {
            claims.insert(name.to_owned(), value);
        };
        put("iss", self.issuer.as_str().into());
        put("sub", own.subject.as_str().into());
        put("aud", own.client_id.as_str().into());
        put("azp", own.client_id.as_str().into());
        put("iat", now.into());
        put("exp", now.saturating_add(own.lifetime).into());
        put("auth_time", own.authenticated_at.into());
        if let Some(acr) = acr_of(&own.amr) {
            put("acr", acr.into());
        }
        if !own.amr.is_empty() {
            put("amr", json!(own.amr));
        }
        let texts = [
            ("nonce", own.nonce.clone()),
            ("sid", own.session_id.clone()),
            ("at_hash", beside.access_token.map(|own| hash(own.expose()))),
            ("c_hash", beside.code.map(|own| hash(own.expose()))),
            ("s_hash", beside.state.map(hash)),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                put(name, text.into());
            }
        }
        let text = self
            .sign_claims(algorithm, jwt::TYP_JWT, &claims, now)
            .await?;
        Ok(Secret::new(text))
    }
}

/// An ID token that somebody presents as a hint, whether or not it has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The user whom it is about.
    pub subject: String,
    /// The session (`sid`), where there was one.
    pub session_id: Option<String>,
    /// The application to which it was issued.
    pub client_id: String,
}

#[derive(Deserialize)]
struct Hinted {
    iss: String,
    sub: String,
    aud: String,
    azp: String,
    #[serde(rename = "auth_time")]
    _auth_time: i64,
    sid: Option<String>,
    jti: Option<String>,
}

impl Mint {
    /// What an ID token says that comes back as `id_token_hint` (OpenID Connect Core §3.1.2.1,
    /// RP-Initiated Logout §2): signed by a key that is still published, and for one application.
    /// None for anything else, so for access tokens too, which have a `jti`, and logout tokens, which
    /// are of another type. Whether the application still exists is for the caller.
    #[must_use]
    pub fn read_hint(&self, text: &str, now: i64) -> Option<Hint> {
        let Some(Claimed::Key(kid)) = jwt::claimed_as(text, &[jwt::TYP_JWT]) else {
            return None;
        };
        let ring = self.keys.ring();
        let hinted: Hinted = jwt::read_claims(text, ring.get(&kid, now)?)?;
        let is_ours =
            hinted.iss == self.issuer.as_str() && hinted.aud == hinted.azp && hinted.jti.is_none();
        is_ours.then_some(Hint {
            subject: hinted.sub,
            session_id: hinted.sid,
            client_id: hinted.aud,
        })
    }
}

/// The left half of a hash of the length that the signature has (OpenID Connect Core §3.1.3.6). For
/// EdDSA with Ed25519 that is SHA-512.
fn half_hash(algorithm: SigningAlgorithm, text: &str) -> String {
    let hash = match algorithm {
        SigningAlgorithm::Rs512 | SigningAlgorithm::EdDsa => &digest::SHA512,
        SigningAlgorithm::Rs256
        | SigningAlgorithm::Ps256
        | SigningAlgorithm::Es256
        | SigningAlgorithm::Hs256 => &digest::SHA256,
    };
    let digest = digest::digest(hash, text.as_bytes());
    let digest = digest.as_ref();
    URL_SAFE_NO_PAD.encode(digest.get(..digest.len() / 2).unwrap_or(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_of_the_specification() {
        // OpenID Connect Core A.3 and A.4.
        let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        let hash = half_hash(SigningAlgorithm::Rs256, access_token);
        assert_eq!(hash, "77QmUPtjPfzWtF2AnpK9RQ");
        let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
        assert_eq!(
            half_hash(SigningAlgorithm::Rs256, code),
            "LDktKdoQak3Pk0cnXxCltA"
        );
    }
}
