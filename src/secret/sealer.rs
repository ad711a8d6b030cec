//! Sealing what others carry for us: authorization requests on their way through the pages, and requests
//! to sign out.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::random_bytes;
use crate::model::fault::Fault;

/// Seals and unseals under a key that follows from a secret (RFC 5869). What is sealed as one thing opens
/// as no other.
#[derive(Clone)]
pub struct Sealer {
    key: Arc<LessSafeKey>,
}

impl Sealer {
    /// `secret` has 256 random bits.
    ///
    /// # Errors
    /// A fault where the library refuses.
    pub fn new(secret: &[u8]) -> Result<Self, Fault> {
        let refused = |_| Fault::internal("a sealing key cannot be made");
        let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
        let info = [b"tickets".as_slice()];
        let key = pseudorandom.expand(&info, &AES_256_GCM).map_err(refused)?;
        let key = LessSafeKey::new(UnboundKey::from(key));
        Ok(Self { key: Arc::new(key) })
    }

    /// The value sealed as what it is, as base64url.
    ///
    /// # Errors
    /// A fault where the library refuses.
    pub fn seal(&self, what: &str, value: &[u8]) -> Result<String, Fault> {
        let nonce: [u8; NONCE_LEN] = random_bytes();
        let mut sealed = value.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(what),
                &mut sealed,
            )
            .map_err(|_| Fault::internal("sealing failed"))?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// The value of a seal of ours; `None` where it is none.
    #[must_use]
    pub fn unseal(&self, what: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut value = sealed.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(what), &mut value);
        let length = opened.ok()?.len();
        value.truncate(length);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_under_its_secret_and_as_what_it_is_alone() {
        let under = |byte: u8| Sealer::new(&[byte; 32]).unwrap();
        let sealed = under(1).seal("ticket", b"value").unwrap();
        let opened = under(1).unseal("ticket", &sealed);
        assert_eq!(opened.as_deref(), Some(b"value".as_slice()));
        assert_eq!(under(2).unseal("ticket", &sealed), None);
        assert_eq!(under(1).unseal("other", &sealed), None);
        for wrong in ["", "AAAA", "?", &sealed[1..]] {
            assert_eq!(under(1).unseal("ticket", wrong), None, "{wrong}");
        }
    }
}
