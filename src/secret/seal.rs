//! Sealing: the master keys wrap the private keys and the digest key, and nothing else.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
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

    /// Opens a seal with whichever key made it; `None`: none of them did, or it was tampered with.
    #[must_use]
    pub fn unseal(&self, name: &str, sealed: &str) -> Option<Unsealed> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        self.keys.iter().enumerate().find_map(|(index, key)| {
            let mut value = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let opened = key
                .open_in_place(nonce, Aad::from(name), &mut value)
                .ok()?
                .len();
            value.truncate(opened);
            Some(Unsealed {
                value: Secret::new(value),
                by_first: index == 0,
            })
        })
    }
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
}
