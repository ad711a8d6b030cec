//! Random values, their digests, and how secrets are checked. Cryptography is the library's.

mod check;
pub mod fair;
mod seal;
mod sealer;
pub mod slow;

use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use check::SecretChecker;

pub use seal::{MasterKeys, Unsealed, seal_under, unseal_under};
pub use sealer::Sealer;

/// Secrets of this length and more are kept as keyed digests; shorter ones as argon2id.
pub const LONG_SECRET_CHARS: usize = 32;

/// A value that never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself; never into logs, errors or URLs.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Random bytes of the operating system's strength.
///
/// # Panics
/// Where the operating system gives none: nothing may go on without.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "the one source of randomness; without it nothing may go on"
)]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the random number generator works");
    bytes
}

/// `bytes` random bytes (at most 32) in base64url.
#[must_use]
pub fn random_text(bytes: usize) -> String {
    let random: [u8; 32] = random_bytes();
    URL_SAFE_NO_PAD.encode(random.get(..bytes).unwrap_or(&random))
}

/// A short name of public bytes: 128 bits of their SHA-256 in base64url.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    let digest = digest.as_ref();
    URL_SAFE_NO_PAD.encode(digest.get(..16).unwrap_or(digest))
}

/// A number that stands for public bytes: 64 bits of their SHA-256.
#[must_use]
pub fn number_of(bytes: &[u8]) -> i64 {
    let digest = digest::digest(&digest::SHA256, bytes);
    let number = digest.as_ref().first_chunk().copied().unwrap_or_default();
    i64::from_be_bytes(number)
}

/// A new secret: 256 random bits.
#[must_use]
pub fn new_secret() -> Secret<String> {
    Secret::new(random_text(32))
}

/// `length` random alphanumeric characters: `client_id`s (32) and parts of ids.
#[must_use]
pub fn random_alphanumeric(length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // Bytes that would favour the first letters are thrown away.
        let fair = random_bytes::<32>().into_iter().filter(|byte| *byte < 248);
        let letters = fair.filter_map(|byte| ALPHABET.get(usize::from(byte % 62)).copied());
        text.extend(letters.take(length - text.len()).map(char::from));
    }
    text
}

/// An id with a prefix that tells what it names: `cgr_` and 16 random alphanumeric characters.
#[must_use]
pub fn random_id(prefix: &str) -> String {
    format!("{prefix}{}", random_alphanumeric(16))
}

/// 24 random hexadecimal characters: ids of APIs.
#[must_use]
pub fn random_hex_id() -> String {
    let random = u128::from_be_bytes(random_bytes());
    // 96 bits are 24 digits.
    format!("{:024x}", random >> 32)
}

/// The keyed digest under which long secrets and stored tokens lie in the store.
#[derive(Clone)]
pub struct Digester {
    key: hmac::Key,
}

impl Digester {
    /// A digester under the store's digest key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    /// The digest of a secret or token, in base64url.
    #[must_use]
    pub fn digest(&self, secret: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, secret.as_bytes()))
    }

    /// A tag by which bytes are known as ours again. What is digested is text, which holds no zero
    /// byte: no tag is a digest, and none of one domain is one of another.
    #[must_use]
    pub fn tag(&self, domain: &str, bytes: &[u8]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [b"\0", domain.as_bytes(), b"\0", bytes] {
            context.update(part);
        }
        let tag = context.sign();
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// True where the tag is that of the bytes, compared in constant time.
    #[must_use]
    pub fn is_tag(&self, domain: &str, bytes: &[u8], tag: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.tag(domain, bytes), tag).is_ok()
    }
}

/// Compares without telling by the time taken where two texts differ.
#[must_use]
pub fn equal(a: &str, b: &str) -> bool {
    constant_time::verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}
