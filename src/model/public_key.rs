//! A public key of an application: read from PEM once, kept as a JWK, parsed once per reading.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::pem::Decoder;
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// Longest PEM that is looked at, in characters: a certificate of a large key, with room.
pub const PEM_CHARS_MAX: usize = 16 * 1024;

/// Fewest bits of an RSA key (RFC 7518 §3.3).
const RSA_BITS_MIN: usize = 2048;
/// Most bits of an RSA key: what a signature may cost to check.
const RSA_BITS_MAX: usize = 8192;

/// rsaEncryption (RFC 8017 appendix C).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-ecPublicKey, and P-256 as its parameter (RFC 5480 §2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// id-Ed25519 (RFC 8410 §3).
const ED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Algorithms of signatures that applications make (RFC 7518 §3.1, RFC 8037 §3.1). A key is used
/// with one of them only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl AssertionAlgorithm {
    /// All of them; the first is Auth0's default.
    pub const ALL: [Self; 5] = [
        Self::Rs256,
        Self::Rs384,
        Self::Ps256,
        Self::Es256,
        Self::EdDsa,
    ];
    /// The same as `alg` values: what is advertised and what the Management API accepts.
    pub const NAMES: [&'static str; 5] = [
        Self::Rs256.as_str(),
        Self::Rs384.as_str(),
        Self::Ps256.as_str(),
        Self::Es256.as_str(),
        Self::EdDsa.as_str(),
    ];

    /// The `alg` value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads an `alg` value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.as_str() == text)
    }

    /// The library's word for it.
    #[must_use]
    pub const fn of_library(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Rs384 => Algorithm::RS384,
            Self::Ps256 => Algorithm::PS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }

    fn family(self) -> Family {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Ps256 => Family::Rsa,
            Self::Es256 => Family::P256,
            Self::EdDsa => Family::Ed25519,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    Ed25519,
}

/// What checks an application's signatures.
#[derive(Clone)]
pub struct PublicKey {
    jwk: String,
    thumbprint: String,
    verifier: DecodingKey,
}

/// A public key is no secret, but the parsed form says nothing to a reader.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.jwk)
    }
}

impl PublicKey {
    /// Reads what [`PublicKey::as_jwk`] wrote; `None` where it is not that.
    #[must_use]
    pub fn from_jwk(text: &str) -> Option<Self> {
        let jwk: Jwk = serde_json::from_str(text).ok()?;
        Some(Self {
            jwk: text.to_owned(),
            thumbprint: jwk.thumbprint(ThumbprintHash::SHA256).ok()?,
            verifier: DecodingKey::from_jwk(&jwk).ok()?,
        })
    }

    /// The key as a JWK (RFC 7517).
    #[must_use]
    pub fn as_jwk(&self) -> &str {
        &self.jwk
    }

    /// RFC 7638, SHA-256, base64url: a `kid` for a key that has been given none.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// What checks its signatures.
    #[must_use]
    pub fn verifier(&self) -> &DecodingKey {
        &self.verifier
    }
}

/// What a PEM held.
#[derive(Clone, Debug)]
pub struct FromPem {
    /// The key, which fits the algorithm that it was read for.
    pub key: PublicKey,
    /// What else a certificate says; none for a bare key.
    pub certificate: Option<CertificateFacts>,
}

/// What a certificate says beside its key. Nobody vouches for it here: the operator who stores it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its `notAfter`, unix seconds.
    pub ends_at: i64,
    /// SHA-256 over its DER, base64url as `x5t#S256` (RFC 7515 §4.1.8).
    pub thumbprint_sha256: String,
}

/// Reads a public key (SPKI or PKCS #1) or an X.509 certificate from PEM, for use with an algorithm.
///
/// # Errors
/// What is wrong with it, in words for whoever sent it.
pub fn from_pem(pem: &str, algorithm: AssertionAlgorithm) -> Result<FromPem, &'static str> {
    const NO_PEM: &str = "Not readable as PEM: one '-----BEGIN PUBLIC KEY-----' or \
                          '-----BEGIN CERTIFICATE-----' with its lines and its end is expected";
    let mut decoder = Decoder::new_detect_wrap(pem.trim().as_bytes()).map_err(|_| NO_PEM)?;
    let label = decoder.type_label();
    if label.contains("PRIVATE KEY") {
        return Err(
            "This is a private key. Send the public key that belongs to a new pair: \
                    this one has now been seen by others",
        );
    }
    let mut der = Vec::new();
    decoder.decode_to_end(&mut der).map_err(|_| NO_PEM)?;
    match label {
        "PUBLIC KEY" => Ok(FromPem {
            key: of_info(&info_of(&der)?, algorithm)?,
            certificate: None,
        }),
        "RSA PUBLIC KEY" => Ok(FromPem {
            key: checked(&der, Family::Rsa, algorithm)?,
            certificate: None,
        }),
        "CERTIFICATE" => of_certificate(&der, algorithm),
        _ => Err(NO_PEM),
    }
}

fn info_of(der: &[u8]) -> Result<SubjectPublicKeyInfoOwned, &'static str> {
    SubjectPublicKeyInfoOwned::from_der(der).map_err(|_| "Not a public key (RFC 5280 §4.1)")
}

fn of_certificate(der: &[u8], algorithm: AssertionAlgorithm) -> Result<FromPem, &'static str> {
    const NO_CERTIFICATE: &str = "Not an X.509 certificate (RFC 5280)";
    let certificate = Certificate::from_der(der).map_err(|_| NO_CERTIFICATE)?;
    let facts = certificate.tbs_certificate();
    let ends = facts.validity().not_after.to_unix_duration().as_secs();
    let info = facts.subject_public_key_info().to_der();
    let info = info_of(&info.map_err(|_| NO_CERTIFICATE)?)?;
    Ok(FromPem {
        key: of_info(&info, algorithm)?,
        certificate: Some(CertificateFacts {
            ends_at: i64::try_from(ends).map_err(|_| NO_CERTIFICATE)?,
            thumbprint_sha256: URL_SAFE_NO_PAD.encode(digest(&SHA256, der)),
        }),
    })
}

fn of_info(
    info: &SubjectPublicKeyInfoOwned,
    algorithm: AssertionAlgorithm,
) -> Result<PublicKey, &'static str> {
    let curve = info.algorithm.parameters.as_ref();
    let is_p256 = || curve.and_then(|any| any.decode_as().ok()) == Some(P256);
    let family = match info.algorithm.oid {
        RSA => Family::Rsa,
        EC if is_p256() => Family::P256,
        ED => Family::Ed25519,
        _ => return Err("The key is neither RSA nor of the curves P-256 or Ed25519"),
    };
    let bits = info.subject_public_key.as_bytes();
    checked(
        bits.ok_or("Not a public key (RFC 5280 §4.1)")?,
        family,
        algorithm,
    )
}

/// The library judges the key; how large an RSA key is, and whether it fits, is our rule.
fn checked(
    bits: &[u8],
    family: Family,
    algorithm: AssertionAlgorithm,
) -> Result<PublicKey, &'static str> {
    const BAD: &str = "Not a usable public key (a point of a curve is written uncompressed)";
    if family != algorithm.family() {
        return Err(match algorithm.family() {
            Family::Rsa => "The key does not fit the alg, which needs an RSA key",
            Family::P256 => "The key does not fit the alg ES256, which needs a P-256 key",
            Family::Ed25519 => "The key does not fit the alg EdDSA, which needs an Ed25519 key",
        });
    }
    let (by, key): (&'static dyn VerificationAlgorithm, _) = match family {
        Family::Rsa => (&RSA_PKCS1_2048_8192_SHA256, DecodingKey::from_rsa_der(bits)),
        Family::P256 => (&ECDSA_P256_SHA256_FIXED, DecodingKey::from_ec_der(bits)),
        Family::Ed25519 => (&ED25519, DecodingKey::from_ed_der(bits)),
    };
    ParsedPublicKey::new(by, bits).map_err(|_| BAD)?;
    let jwk = Jwk::from_decoding_key(&key, None).map_err(|_| BAD)?;
    if let AlgorithmParameters::RSA(rsa) = &jwk.algorithm {
        check_rsa(&rsa.n, &rsa.e)?;
    }
    let text = serde_json::to_string(&jwk).map_err(|_| BAD)?;
    PublicKey::from_jwk(&text).ok_or(BAD)
}

fn check_rsa(n: &str, e: &str) -> Result<(), &'static str> {
    let bits = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let first = bytes
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(bytes.len());
        let rest = bytes.get(first..).unwrap_or_default();
        let unused = rest.first().map_or(0, |byte| byte.leading_zeros() as usize);
        (
            rest.len() * 8 - unused,
            rest.last().is_some_and(|byte| byte % 2 == 1),
        )
    };
    match (bits(n), bits(e)) {
        ((bits, _), _) if bits < RSA_BITS_MIN => {
            Err("An RSA key has at least 2048 bits (RFC 7518 §3.3)")
        }
        ((bits, _), _) if bits > RSA_BITS_MAX => Err("An RSA key has at most 8192 bits"),
        // With an exponent of 1 anybody signs.
        (_, (2..=33, true)) => Ok(()),
        _ => Err("The exponent of the RSA key is not an odd number from 3 to 33 bits"),
    }
}

#[cfg(test)]
mod tests;
