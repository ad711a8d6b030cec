//! A token's name: the feed's position that its request had noted (8 bytes), then 16 random ones.
//!
//! The position makes wholesale revocation a comparison of two numbers, without any clock.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::secret;

/// Bytes of the position.
const POSITION_BYTES: usize = 8;
/// Random bytes.
const RANDOM_BYTES: usize = 16;

/// A new name that carries `position`.
#[must_use]
pub fn new(position: i64) -> String {
    let random: [u8; RANDOM_BYTES] = secret::random_bytes();
    URL_SAFE_NO_PAD.encode([position.to_be_bytes().as_slice(), &random].concat())
}

/// The position that a name carries; `None` where it is not a name of ours.
#[must_use]
pub fn position(jti: &str) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(jti).ok()?;
    let (position, random) = bytes.split_first_chunk::<POSITION_BYTES>()?;
    (random.len() == RANDOM_BYTES).then(|| i64::from_be_bytes(*position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_carries_its_position_and_is_never_the_same_twice() {
        for at in [0, 1, 1_795_190_138_000, i64::MAX] {
            assert_eq!(position(&new(at)), Some(at));
            assert_ne!(new(at), new(at));
        }
        for other in ["", "abc", "AAAAAAAAAAA", "not base64!"] {
            assert_eq!(position(other), None, "{other}");
        }
    }
}
