//! Opaque tokens: 256 random bits behind a prefix that secret scanners can look for.

use crate::secret;

/// What every opaque token begins with.
pub const PREFIX: &str = "grantor_at_";

/// A new token's text.
#[must_use]
pub fn new_text() -> String {
    format!("{PREFIX}{}", secret::random_text(32))
}

/// True where a text may be one of ours, so that nothing else is looked up.
#[must_use]
pub fn is_one(text: &str) -> bool {
    text.len() == PREFIX.len() + 43 && text.starts_with(PREFIX)
}
