//! Signed access tokens: Auth0's dialect and RFC 9068's.
//!
//! The compact form is put together here around a key pair that was parsed once: the library's
//! signer interface takes a key's bytes and parses them at every call.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::jti;
use crate::keys::pair::SigningKey;
use crate::model::api::{Dialect, SigningAlgorithm};
use crate::model::authorization::acr_of;
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::model::token::{SignedIn, Token};
use crate::secret::Secret;

/// Longest text that is looked at as a signed token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// The header's `typ`: RFC 9068 §2.1, or Auth0's `JWT`.
const TYP_RFC9068: &str = "at+jwt";
pub(super) const TYP_JWT: &str = "JWT";

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

/// What signs a token.
pub enum Signer<'a> {
    /// A key pair of the server's.
    Pair(&'a SigningKey),
    /// The API's own secret, by HS256: it has no `kid`, the audience says whose it is.
    Secret(&'a Secret<Vec<u8>>),
}

impl Signer<'_> {
    fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Pair(key) => key.algorithm(),
            Self::Secret(_) => SigningAlgorithm::Hs256,
        }
    }

    fn kid(&self) -> Option<&str> {
        match self {
            Self::Pair(key) => Some(key.kid()),
            Self::Secret(_) => None,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Pair(key) => key.sign(message),
            Self::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
        }
    }
}

/// RFC 7519 §4.1.3: one audience as a string, several as an array.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a Audience,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gty: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    azp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<&'a str>,
    #[serde(
        rename = "userinfo_claims",
        skip_serializing_if = "<[String]>::is_empty"
    )]
    userinfo: &'a [String],
    // RFC 9068 §2.2.1
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amr: Option<&'a [String]>,
}

/// What a token says beside its own words, in its dialect.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    /// Auth0's dialect or RFC 9068's.
    pub dialect: Dialect,
    /// Auth0's `gty`: how it was come by, where Auth0 says it.
    pub gty: Option<&'a str>,
    /// When and how the user signed in, for RFC 9068.
    pub signed_in: Option<&'a SignedIn>,
}

/// Signs a token.
///
/// # Errors
/// A fault where the token never expires or the library refuses.
pub fn sign(
    token: &Token,
    words: Words<'_>,
    issuer: &Issuer,
    signer: &Signer<'_>,
) -> Result<String, Fault> {
    let exp = token
        .expires_at
        .ok_or_else(|| Fault::internal("a never-expiring token is never signed"))?;
    let is_rfc9068 = matches!(words.dialect, Dialect::Rfc9068 | Dialect::Rfc9068Authz);
    let aud = match token.audiences.as_slice() {
        [one] => Audience::One(one.clone()),
        several => Audience::Several(several.to_vec()),
    };
    let signed_in = words.signed_in.filter(|_| is_rfc9068);
    let claims = Claims {
        iss: issuer.as_str(),
        sub: &token.subject,
        aud: &aud,
        iat: token.issued_at,
        exp,
        scope: &token.scope,
        gty: words.gty.filter(|_| !is_rfc9068),
        azp: Some(token.client_id.as_str()).filter(|_| !is_rfc9068),
        client_id: Some(token.client_id.as_str()).filter(|_| is_rfc9068),
        jti: &token.jti,
        family: token.family.as_deref(),
        userinfo: &token.userinfo_claims,
        auth_time: signed_in.map(|own| own.at),
        acr: signed_in.and_then(|own| acr_of(&own.amr)),
        amr: signed_in.map(|own| own.amr.as_slice()),
    };
    let typ = if is_rfc9068 { TYP_RFC9068 } else { TYP_JWT };
    compact(typ, &claims, signer)
}

/// The compact form (RFC 7515 §7.1) of any claims.
pub(super) fn compact(
    typ: &str,
    claims: &impl Serialize,
    signer: &Signer<'_>,
) -> Result<String, Fault> {
    let header = Header {
        alg: signer.algorithm().as_str(),
        typ,
        kid: signer.kid(),
    };
    let mut compact = encode(&header)?;
    compact.push('.');
    compact.push_str(&encode(claims)?);
    let signature = signer.sign(compact.as_bytes())?;
    compact.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut compact);
    Ok(compact)
}

fn encode(part: &impl Serialize) -> Result<String, Fault> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).map_err(Fault::internal)?))
}

#[derive(Deserialize)]
struct ReadClaims {
    iss: String,
    sub: String,
    aud: Audience,
    iat: i64,
    exp: i64,
    #[serde(default)]
    scope: String,
    azp: Option<String>,
    client_id: Option<String>,
    jti: String,
    family: Option<String>,
    #[serde(default)]
    userinfo_claims: Vec<String>,
}

/// Who has signed a presented token, by its own word: nothing of it is checked.
#[derive(Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The key of a `kid`.
    Key(String),
    /// The secret of the API that is its only audience, by HS256.
    SecretOf(String),
}

/// Reads who has signed a token, by its own word; `None` where it can be none of ours.
#[must_use]
pub fn claimed(text: &str) -> Option<Claimed> {
    claimed_as(text, &[TYP_JWT, TYP_RFC9068])
}

/// The same of a token of one of these types.
pub(super) fn claimed_as(text: &str, types: &[&str]) -> Option<Claimed> {
    if text.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let header = jsonwebtoken::decode_header(text).ok()?;
    let is_of_type = header
        .typ
        .as_deref()
        .is_some_and(|typ| types.contains(&typ));
    // A header parameter that must be understood is one that we do not know (RFC 7515 §4.1.11).
    if !is_of_type || header.crit.is_some() {
        return None;
    }
    match (header.alg, header.kid) {
        (Algorithm::HS256, None) => match insecure_decode_claims::<OnlyAudience>(text).ok()?.aud {
            Audience::One(audience) => Some(Claimed::SecretOf(audience)),
            Audience::Several(_) => None,
        },
        (Algorithm::HS256, Some(_)) | (_, None) => None,
        (_, Some(kid)) => Some(Claimed::Key(kid)),
    }
}

#[derive(Deserialize)]
struct OnlyAudience {
    aud: Audience,
}

/// Reads a token that a key of this server has signed: issuer, type, and exactly the key's own
/// algorithm are checked. Whether it still lives is for the caller, by its own clock.
#[must_use]
pub fn verify(text: &str, issuer: &Issuer, key: &SigningKey) -> Option<Token> {
    read(text, issuer, (key.algorithm(), key.verifier()))
}

/// The claims of anything that a key of this server has signed, by exactly the key's own algorithm.
pub(super) fn read_claims<T: DeserializeOwned>(text: &str, key: &SigningKey) -> Option<T> {
    let validation = validation(key.algorithm());
    let decoded = jsonwebtoken::decode::<T>(text, key.verifier(), &validation);
    Some(decoded.ok()?.claims)
}

/// Reads a token under an API's own secret: the same, and that the API is its only audience.
#[must_use]
pub fn verify_by_secret(
    text: &str,
    issuer: &Issuer,
    secret: &Secret<Vec<u8>>,
    audience: &str,
) -> Option<Token> {
    let verifier = DecodingKey::from_secret(secret.expose());
    let token = read(text, issuer, (SigningAlgorithm::Hs256, &verifier))?;
    (token.audiences == [audience]).then_some(token)
}

fn read(
    text: &str,
    issuer: &Issuer,
    (algorithm, verifier): (SigningAlgorithm, &DecodingKey),
) -> Option<Token> {
    let claims = jsonwebtoken::decode::<ReadClaims>(text, verifier, &validation(algorithm))
        .ok()?
        .claims;
    if claims.iss != issuer.as_str() {
        return None;
    }
    Some(Token {
        position: jti::position(&claims.jti)?,
        jti: claims.jti,
        client_id: claims.azp.or(claims.client_id)?,
        subject: claims.sub,
        audiences: match claims.aud {
            Audience::One(one) => vec![one],
            Audience::Several(several) => several,
        },
        scope: claims.scope,
        issued_at: claims.iat,
        expires_at: Some(claims.exp),
        family: claims.family,
        userinfo_claims: claims.userinfo_claims,
    })
}

/// Signature and algorithm only: the clock and the claims are checked by us, without leeway.
fn validation(algorithm: SigningAlgorithm) -> Validation {
    let mut validation = Validation::new(match algorithm {
        SigningAlgorithm::Rs256 => Algorithm::RS256,
        SigningAlgorithm::Ps256 => Algorithm::PS256,
        SigningAlgorithm::Es256 => Algorithm::ES256,
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        SigningAlgorithm::Rs512 => Algorithm::RS512,
        SigningAlgorithm::Hs256 => Algorithm::HS256,
    });
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.leeway = 0;
    validation
}
