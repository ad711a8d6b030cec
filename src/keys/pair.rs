//! A key pair that signs, parsed once: parsing at every signature costs half of the RS256 rate.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use serde_json::{Value, json};

use crate::model::api::SigningAlgorithm;
use crate::model::fault::Fault;
use crate::secret::Secret;

/// Bytes of a coordinate on P-256 (RFC 7518 §6.2.1.2).
const P256_BYTES: usize = 32;

enum ParsedPair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A key pair and what is published of it.
pub struct SigningKey {
    kid: String,
    algorithm: SigningAlgorithm,
    pair: ParsedPair,
    verifier: DecodingKey,
    public: Value,
}

impl SigningKey {
    /// Parses a PKCS #8 private key.
    ///
    /// # Errors
    /// A fault where it is not one of the algorithm, or the algorithm has no key pairs.
    pub fn parse(algorithm: SigningAlgorithm, der: &Secret<Vec<u8>>) -> Result<Self, Fault> {
        let pair = ParsedPair::parse(algorithm, der.expose())?;
        let mut public = pair.public();
        let jwk: Jwk = serde_json::from_value(public.clone()).map_err(Fault::internal)?;
        let kid = jwk
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(Fault::internal)?;
        let verifier = DecodingKey::from_jwk(&jwk).map_err(Fault::internal)?;
        if let Some(members) = public.as_object_mut() {
            members.insert("kid".to_owned(), json!(kid));
            members.insert("use".to_owned(), json!("sig"));
            members.insert("alg".to_owned(), json!(algorithm.as_str()));
        }
        Ok(Self {
            kid,
            algorithm,
            pair,
            verifier,
            public,
        })
    }

    /// The key's name: its RFC 7638 thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm that it is used with.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// What checks its signatures.
    #[must_use]
    pub fn verifier(&self) -> &DecodingKey {
        &self.verifier
    }

    /// Its entry in the key set (RFC 7517 §4).
    #[must_use]
    pub fn public(&self) -> &Value {
        &self.public
    }

    /// Signs a message (RFC 7515 §5.1).
    ///
    /// # Errors
    /// A fault where the library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        match &self.pair {
            ParsedPair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), message, &mut signature)
                    .map_err(Fault::internal)?;
                Ok(signature)
            }
            // RFC 7518 §3.4: `r` and `s` one after the other, not DER.
            ParsedPair::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                Ok(signature.map_err(Fault::internal)?.as_ref().to_vec())
            }
            ParsedPair::Ed25519(pair) => {
                let signature = pair.try_sign(message).map_err(Fault::internal)?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }
}

impl ParsedPair {
    fn parse(algorithm: SigningAlgorithm, der: &[u8]) -> Result<Self, Fault> {
        let rsa = |encoding| {
            let pair = RsaKeyPair::from_pkcs8(der).map_err(Fault::internal)?;
            Ok(Self::Rsa(pair, encoding))
        };
        match algorithm {
            SigningAlgorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
            SigningAlgorithm::Ps256 => rsa(&RSA_PSS_SHA256),
            SigningAlgorithm::Rs512 => rsa(&RSA_PKCS1_SHA512),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                    .map(Self::P256)
                    .map_err(Fault::internal)
            }
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der)
                .map(Self::Ed25519)
                .map_err(Fault::internal),
            SigningAlgorithm::Hs256 => Err(without_keys(algorithm)),
        }
    }

    /// The members that a thumbprint is made of (RFC 7638 §3.2, RFC 8037 §2).
    fn public(&self) -> Value {
        match self {
            Self::Rsa(pair, _) => {
                let RsaPublicKeyComponents { n, e } =
                    RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "n": base64url(n), "e": base64url(e) })
            }
            Self::P256(pair) => {
                // Uncompressed (SEC 1 §2.3.3): 4, x, y.
                let point = pair.public_key().as_ref();
                let (x, y) = point
                    .split_at_checked(1)
                    .and_then(|(_, rest)| rest.split_at_checked(P256_BYTES))
                    .unwrap_or_default();
                json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y) })
            }
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key()) })
            }
        }
    }
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn without_keys(algorithm: SigningAlgorithm) -> Fault {
    Fault::internal(format_args!("{} has no key pairs", algorithm.as_str()))
}

/// A new private key, as PKCS #8. Slow for RSA, so neither within a transaction nor on a thread that
/// serves requests.
///
/// # Errors
/// A fault where the library refuses, or the algorithm has no key pairs.
pub fn generate(algorithm: SigningAlgorithm) -> Result<Secret<Vec<u8>>, Fault> {
    let der = match algorithm {
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 | SigningAlgorithm::Rs512 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(Fault::internal)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(Fault::internal)?;
            der.as_ref().to_vec()
        }
        SigningAlgorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .map_err(Fault::internal)?;
            let der = pair.to_pkcs8v1().map_err(Fault::internal)?;
            der.as_ref().to_vec()
        }
        SigningAlgorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().map_err(Fault::internal)?;
            let der = pair.to_pkcs8().map_err(Fault::internal)?;
            der.as_ref().to_vec()
        }
        SigningAlgorithm::Hs256 => return Err(without_keys(algorithm)),
    };
    Ok(Secret::new(der))
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, Validation};

    use super::*;

    #[test]
    fn what_each_algorithm_signs_the_library_verifies_and_by_no_other_algorithm() {
        const LIBRARYS: [Algorithm; 5] = [
            Algorithm::RS256,
            Algorithm::PS256,
            Algorithm::ES256,
            Algorithm::EdDSA,
            Algorithm::RS512,
        ];
        for (algorithm, own) in SigningAlgorithm::WITH_KEYS.into_iter().zip(LIBRARYS) {
            let key = SigningKey::parse(algorithm, &generate(algorithm).unwrap()).unwrap();
            let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
            for (other, name) in LIBRARYS.into_iter().zip(SigningAlgorithm::WITH_KEYS) {
                let header = json!({ "alg": name.as_str() });
                let mut token = format!("{}.{}", part(header), part(json!({ "sub": "s" })));
                let signature = key.sign(token.as_bytes()).unwrap();
                token = format!("{token}.{}", URL_SAFE_NO_PAD.encode(signature));
                let mut validation = Validation::new(other);
                validation.required_spec_claims.clear();
                let read = jsonwebtoken::decode::<Value>(&token, key.verifier(), &validation);
                assert_eq!(
                    read.is_ok(),
                    other == own,
                    "{algorithm:?} read as {other:?}"
                );
            }
        }
    }

    #[test]
    fn an_algorithm_takes_no_key_of_another_kind() {
        let p256 = generate(SigningAlgorithm::Es256).unwrap();
        for other in [SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa] {
            assert!(SigningKey::parse(other, &p256).is_err());
        }
        assert!(generate(SigningAlgorithm::Hs256).is_err());
    }
}
