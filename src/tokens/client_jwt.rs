//! JWTs that applications sign: what client assertions and request objects have in common. The key
//! comes from what is stored, and so does the algorithm.

use jsonwebtoken::{Header, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Number;

use crate::model::client_credential::ClientCredential;

/// How far a client's clock may be off, in seconds.
pub(super) const LEEWAY_SECONDS: i64 = 60;

/// A NumericDate (RFC 7519 §2), which may have a fraction.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "Number")]
pub(super) struct Instant(pub(super) i64);

impl TryFrom<Number> for Instant {
    type Error = &'static str;

    fn try_from(number: Number) -> Result<Self, Self::Error> {
        /// The year 9999, about: sums with it stay within 64 bits.
        const LATEST: i64 = 253_402_300_799;
        let seconds = match number.as_i64() {
            Some(seconds) => seconds,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a cast of floats saturates, and the bound below refuses the ends"
            )]
            None => number.as_f64().ok_or("not a number")?.floor() as i64,
        };
        if (0..=LATEST).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err("not an instant")
        }
    }
}

/// Verifies header and signature by one of these credentials, and reads the claims; what those say is
/// for the caller to judge.
///
/// # Errors
/// Why it is none.
pub(super) fn verify<'a, C: DeserializeOwned>(
    text: &str,
    types: &[&str],
    credentials: impl Iterator<Item = &'a ClientCredential>,
    now: i64,
) -> Result<(&'a ClientCredential, C), &'static str> {
    let header = jsonwebtoken::decode_header(text).map_err(|_| "the header is not readable")?;
    check_header(&header, types)?;
    let mut candidates = candidates(&header, credentials, now)?.into_iter();
    candidates
        .find_map(|own| Some((own, decode(text, own)?)))
        .ok_or("no credential of the application verifies it, or its claims are not complete")
}

/// Nothing in a header may bring a key along, or ask for what is not understood (RFC 7515 §4.1.11).
fn check_header(header: &Header, types: &[&str]) -> Result<(), &'static str> {
    if header.crit.is_some() {
        return Err("it has crit");
    }
    if header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some() {
        return Err("it brings its own key");
    }
    let is_known = |typ: &str| types.iter().any(|own| own.eq_ignore_ascii_case(typ));
    match header.typ.as_deref() {
        Some(typ) if !is_known(typ) => Err("its typ is another"),
        _ => Ok(()),
    }
}

/// The live credentials of exactly the header's algorithm, and of its `kid` where it has one.
fn candidates<'a>(
    header: &Header,
    credentials: impl Iterator<Item = &'a ClientCredential>,
    now: i64,
) -> Result<Vec<&'a ClientCredential>, &'static str> {
    let is_named = |own: &&ClientCredential| header.kid.as_ref().is_none_or(|kid| *kid == own.kid);
    let mut fit: Vec<_> = credentials.filter(is_named).collect();
    if fit.is_empty() {
        return Err("no attached credential has its kid");
    }
    fit.retain(|own| own.algorithm.of_library() == header.alg);
    if fit.is_empty() {
        return Err("its alg is not the credential's");
    }
    fit.retain(|own| own.is_live(now));
    if fit.is_empty() {
        return Err("the credential has expired");
    }
    Ok(fit)
}

/// Signature and algorithm.
fn decode<C: DeserializeOwned>(text: &str, credential: &ClientCredential) -> Option<C> {
    let mut validation = Validation::new(credential.algorithm.of_library());
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let decoded = jsonwebtoken::decode(text, credential.key.verifier(), &validation);
    decoded.ok().map(|decoded| decoded.claims)
}
