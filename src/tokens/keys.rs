//! The key ring: signing keys, parsed once, one algorithm each.

use std::collections::HashMap;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use serde_json::{Value, json};

use crate::model::api::SigningAlgorithm;
use crate::model::fault::Fault;
use crate::secret::{MasterKeys, Secret};
use crate::store::keys::KeyRow;

/// A key pair that has been parsed: parsing at every signature costs half of the RS256 rate.
enum ParsedPair {
    Rsa(RsaKeyPair),
}

/// A key of the ring.
pub struct SigningKey {
    kid: String,
    algorithm: SigningAlgorithm,
    pair: ParsedPair,
    verifier: DecodingKey,
    public: Value,
}

/// All keys of this server: those that sign, and those that are only published.
pub struct KeyRing {
    keys: HashMap<String, SigningKey>,
    current: HashMap<SigningAlgorithm, String>,
    key_set: String,
}

impl KeyRing {
    /// Unseals and parses the store's keys.
    ///
    /// # Errors
    /// A fault where a key cannot be unsealed or parsed.
    pub fn load(rows: &[KeyRow], masters: &MasterKeys) -> Result<Self, Fault> {
        let mut ring = Self {
            keys: HashMap::new(),
            current: HashMap::new(),
            key_set: String::new(),
        };
        let mut published = Vec::new();
        for row in rows {
            let key = SigningKey::unseal(row, masters)?;
            if row.state == "current" {
                ring.current.insert(key.algorithm, key.kid.clone());
            }
            published.push(key.public.clone());
            ring.keys.insert(key.kid.clone(), key);
        }
        ring.key_set = json!({ "keys": published }).to_string();
        Ok(ring)
    }

    /// The key that signs with `algorithm` now.
    ///
    /// # Errors
    /// A fault where there is none.
    pub fn current(&self, algorithm: SigningAlgorithm) -> Result<&SigningKey, Fault> {
        let key = self
            .current
            .get(&algorithm)
            .and_then(|kid| self.keys.get(kid));
        key.ok_or_else(|| Fault::internal(format_args!("no current {} key", algorithm.as_str())))
    }

    /// The key of a `kid`.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&SigningKey> {
        self.keys.get(kid)
    }

    /// The JWK set (RFC 7517 §5) as JSON text.
    #[must_use]
    pub fn key_set(&self) -> &str {
        &self.key_set
    }
}

impl SigningKey {
    fn unseal(row: &KeyRow, masters: &MasterKeys) -> Result<Self, Fault> {
        let algorithm = SigningAlgorithm::parse(&row.algorithm).ok_or_else(|| {
            Fault::internal(format_args!(
                "key {}: unknown algorithm {}",
                row.kid, row.algorithm
            ))
        })?;
        let der = masters
            .unseal(&row.kid, &row.sealed_private_key)
            .ok_or_else(|| Fault::internal(format_args!("key {} cannot be unsealed", row.kid)))?;
        Self::parse(algorithm, &der.value)
    }

    fn parse(algorithm: SigningAlgorithm, der: &Secret<Vec<u8>>) -> Result<Self, Fault> {
        match algorithm {
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(der.expose()).map_err(Fault::internal)?;
                Self::of_rsa(algorithm, pair)
            }
        }
    }

    fn of_rsa(algorithm: SigningAlgorithm, pair: RsaKeyPair) -> Result<Self, Fault> {
        let RsaPublicKeyComponents { n, e } =
            RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let (n_text, e_text) = (URL_SAFE_NO_PAD.encode(&n), URL_SAFE_NO_PAD.encode(&e));
        let jwk: Jwk = serde_json::from_value(json!({ "kty": "RSA", "n": n_text, "e": e_text }))
            .map_err(Fault::internal)?;
        let kid = jwk
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(Fault::internal)?;
        let alg = algorithm.as_str();
        let public =
            json!({ "kty": "RSA", "kid": kid, "use": "sig", "alg": alg, "n": n_text, "e": e_text });
        let verifier = DecodingKey::from_rsa_raw_components(&n, &e);
        Ok(Self {
            kid,
            algorithm,
            pair: ParsedPair::Rsa(pair),
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

    /// Signs a message (RFC 7515 §5.1).
    ///
    /// # Errors
    /// A fault where the library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        match &self.pair {
            ParsedPair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .map_err(Fault::internal)?;
                Ok(signature)
            }
        }
    }
}

/// Makes a key and seals it for the store; slow, so not within a transaction.
///
/// # Errors
/// A fault where the library refuses.
pub fn generate(
    algorithm: SigningAlgorithm,
    state: &str,
    masters: &MasterKeys,
    now: i64,
) -> Result<KeyRow, Fault> {
    let der = match algorithm {
        SigningAlgorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(Fault::internal)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(Fault::internal)?;
            Secret::new(der.as_ref().to_vec())
        }
    };
    let key = SigningKey::parse(algorithm, &der)?;
    Ok(KeyRow {
        sealed_private_key: masters.seal(&key.kid, der.expose())?,
        kid: key.kid,
        algorithm: algorithm.as_str().to_owned(),
        state: state.to_owned(),
        created_at: now,
    })
}
