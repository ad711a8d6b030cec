//! A signing key as it is kept: whose turn it is, and for how long it is published.

/// Where a key stands in its algorithm's row of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, so that everybody knows it before it signs.
    Next,
    /// Signs, once it has been published for long enough.
    Current,
    /// Has signed; its tokens are good until they end.
    Previous,
    /// Signs nothing and verifies nothing, for ever. Its private key is gone.
    Revoked,
}

impl KeyState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Next, Self::Current, Self::Previous, Self::Revoked];

    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Revoked => "revoked",
        }
    }

    /// Reads what is stored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A signing key as stored. All times are unix seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in token headers and the key set.
    pub kid: String,
    /// The `alg` of the one algorithm that it is used with; a newer version's may be unknown here.
    pub algorithm: String,
    /// Its place in the row: 1 for an algorithm's first key, one more for each that is made after.
    pub generation: i64,
    /// Where it stands.
    pub state: KeyState,
    /// The PKCS #8 private key under the master key; none once it is revoked.
    pub sealed_private_key: Option<String>,
    /// Self-signed X.509, in PEM; none for a key of the first version until the next start.
    pub certificate: Option<String>,
    /// When it was made, and published.
    pub created_at: i64,
    /// When it became the current one.
    pub current_since: Option<i64>,
    /// From when on it signs: some time after `current_since` where it was still too new then.
    pub signs_from: Option<i64>,
    /// When it ceased to be the current one.
    pub current_until: Option<i64>,
    /// When the last token that it can have signed has ended; it leaves the key set then.
    pub published_until: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}
