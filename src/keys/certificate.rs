//! The self-signed X.509 certificate of a signing key: a wrapping for those who want one. What
//! vouches for a key is the key set under the issuer's https URL.

use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ED25519, PKCS_RSA_SHA256, PKCS_RSA_SHA512, date_time_ymd,
};

use crate::model::api::SigningAlgorithm;
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::secret::Secret;

/// Makes the certificate of a PKCS #8 private key, in PEM; the issuer's host is its subject.
///
/// # Errors
/// A fault where the library refuses, or the algorithm has no key pairs.
pub fn make(
    algorithm: SigningAlgorithm,
    der: &Secret<Vec<u8>>,
    issuer: &Issuer,
    now: i64,
) -> Result<String, Fault> {
    let signed_by = match algorithm {
        // The library writes no PSS; nobody relies on what signs a self-signed certificate.
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => &PKCS_RSA_SHA256,
        SigningAlgorithm::Rs512 => &PKCS_RSA_SHA512,
        SigningAlgorithm::Es256 => &PKCS_ECDSA_P256_SHA256,
        SigningAlgorithm::EdDsa => &PKCS_ED25519,
        SigningAlgorithm::Hs256 => return Err(Fault::internal("HS256 has no certificates")),
    };
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&der.expose().as_slice().into(), signed_by)
        .map_err(Fault::internal)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // X.520 allows a common name 64 characters.
    let host: String = issuer.host().chars().take(64).collect();
    params.distinguished_name.push(DnType::CommonName, host);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(valid_from(now));
    // RFC 5280 §4.1.2.5: no end of its own, a key ends by rotation and revocation.
    params.not_after = date_time_ymd(9999, 12, 31);
    Ok(params.self_signed(&pair).map_err(Fault::internal)?.pem())
}

/// Seconds that a certificate can write, whatever a clock says.
fn valid_from(now: i64) -> u64 {
    const YEAR_9000: u64 = 221_845_392_000;
    u64::try_from(now).unwrap_or(0).min(YEAR_9000)
}

/// The SHA-1 digest of a certificate as Auth0 shows it, in upper case: `CC:FB:…`. It names the
/// certificate and protects nothing.
///
/// # Errors
/// A fault where the text is no PEM.
pub fn fingerprint(pem: &str) -> Result<String, Fault> {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(base64).map_err(Fault::internal)?;
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &der);
    let bytes: Vec<String> = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    Ok(bytes.join(":"))
}
