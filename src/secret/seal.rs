//! Sealing: the master keys wrap the private keys and the digest key, and nothing else; what a token's
//! holder alone may read is sealed under the token.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Secret, random_bytes};
use crate::model::fault::Fault;

/// The master keys: the first seals, all unseal.
pub struct MasterKeys {
    keys: Vec<LessSafeKey>,
}

/// What a seal held.
pub struct Unsealed {
    /// The value.
    pub value: Secret<Vec<u8>>,
    /// False where another than the first key made the seal: it should be sealed anew.
    pub by_first: bool,
}

impl MasterKeys {
    /// From the bytes of `keys.master`, the first in front.
    ///
    /// # Errors
    /// A fault where there is none.
    pub fn new(masters: &[Secret<[u8; 32]>]) -> Result<Self, Fault> {
        let keys = masters
            .iter()
            .map(|master| UnboundKey::new(&AES_256_GCM, master.expose()).map(LessSafeKey::new))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Fault::internal("a master key cannot be used"))?;
        if keys.is_empty() {
            return Err(Fault::internal("there is no master key"));
        }
        Ok(Self { keys })
    }

    /// Seals a value; `name` is bound to it, so that sealed values cannot change places.
    ///
    /// # Errors
    /// A fault where the library refuses.
    pub fn seal(&self, name: &str, value: &[u8]) -> Result<String, Fault> {
        let key = self
            .keys
            .first()
            .ok_or_else(|| Fault::internal("there is no master key"))?;
        seal(key, name, value)
    }

    /// Opens a seal with whichever key made it; `None`: none of them did, or it was tampered with.
    #[must_use]
    pub fn unseal(&self, name: &str, sealed: &str) -> Option<Unsealed> {
        self.keys.iter().enumerate().find_map(|(index, key)| {
            Some(Unsealed {
                value: open(key, name, sealed)?,
                by_first: index == 0,
            })
        })
    }
}

/// Seals a value so that only the holder of a secret of 256 random bits opens it; `name` is bound to it.
///
/// # Errors
/// A fault where the library refuses.
pub fn seal_under(secret: &Secret<String>, name: &str, value: &[u8]) -> Result<String, Fault> {
    let key = key_of(secret).ok_or_else(|| Fault::internal("a secret gives no key"))?;
    seal(&key, name, value)
}

/// Opens what [`seal_under`] made; `None`: it was made under another secret, or was tampered with.
#[must_use]
pub fn unseal_under(secret: &Secret<String>, name: &str, sealed: &str) -> Option<Secret<Vec<u8>>> {
    open(&key_of(secret)?, name, sealed)
}

/// RFC 5869. The digest that is kept of the secret is of another function, and gives no key.
fn key_of(secret: &Secret<String>) -> Option<LessSafeKey> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"grantor: sealed under a secret");
    let derived = salt.extract(secret.expose().as_bytes());
    let key = derived.expand(&[b"AES-256-GCM"], &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

fn seal(key: &LessSafeKey, name: &str, value: &[u8]) -> Result<String, Fault> {
    let nonce: [u8; NONCE_LEN] = random_bytes();
    let mut sealed = value.to_vec();
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(name),
        &mut sealed,
    )
    .map_err(|_| Fault::internal("sealing failed"))?;
    Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
}

fn open(key: &LessSafeKey, name: &str, sealed: &str) -> Option<Secret<Vec<u8>>> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
    let mut value = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = key.open_in_place(nonce, Aad::from(name), &mut value);
    let opened = opened.ok()?.len();
    value.truncate(opened);
    Some(Secret::new(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> MasterKeys {
        let masters: Vec<_> = bytes.iter().map(|byte| Secret::new([*byte; 32])).collect();
        MasterKeys::new(&masters).unwrap()
    }

    #[test]
    fn the_first_key_seals_and_all_unseal() {
        let sealed = keys(&[1]).seal("name", b"value").unwrap();
        let with_new_in_front = keys(&[2, 1]).unseal("name", &sealed).unwrap();
        assert_eq!(with_new_in_front.value.expose(), b"value");
        assert!(!with_new_in_front.by_first);
        assert!(keys(&[1, 2]).unseal("name", &sealed).unwrap().by_first);
        assert!(keys(&[3]).unseal("name", &sealed).is_none());
        assert!(keys(&[1]).unseal("another name", &sealed).is_none());
        assert_ne!(sealed, keys(&[1]).seal("name", b"value").unwrap());
    }

    #[test]
    fn what_is_sealed_under_a_secret_opens_to_its_holder_only() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let sealed = seal_under(&secret("a"), "name", b"value").unwrap();
        let opened = unseal_under(&secret("a"), "name", &sealed).unwrap();
        assert_eq!(opened.expose(), b"value");
        assert!(unseal_under(&secret("b"), "name", &sealed).is_none());
        assert!(unseal_under(&secret("a"), "another name", &sealed).is_none());
    }
}
