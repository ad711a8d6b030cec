//! A client credential (Auth0's word): a public key by which an application proves who it is
//! (`private_key_jwt`, RFC 7523).

use super::public_key::{AssertionAlgorithm, PublicKey};

/// Most credentials of an application, attached or not: enough for a rotation with an overlap on
/// several hosts (Auth0 has two).
pub const CREDENTIALS_MAX: usize = 5;

/// In what form the key came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialType {
    /// A key, or a certificate of which only the key matters.
    PublicKey,
    /// A certificate, whose end is the credential's.
    X509Cert,
}

impl CredentialType {
    /// Auth0's `credential_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PublicKey => "public_key",
            Self::X509Cert => "x509_cert",
        }
    }

    /// Reads Auth0's value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::PublicKey, Self::X509Cert]
            .into_iter()
            .find(|own| own.as_str() == text)
    }
}

/// A public key of an application, as stored.
#[derive(Clone, Debug)]
pub struct ClientCredential {
    /// `cred_` and 22 alphanumeric characters.
    pub id: String,
    /// In what form it came.
    pub credential_type: CredentialType,
    /// For people.
    pub name: Option<String>,
    /// How an assertion's header names it; no two of an application have the same.
    pub kid: String,
    /// The one algorithm that it is used with.
    pub algorithm: AssertionAlgorithm,
    /// The key.
    pub key: PublicKey,
    /// SHA-256 of the certificate that it came in.
    pub thumbprint_sha256: Option<String>,
    /// Unix seconds; none: it does not expire.
    pub expires_at: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

impl ClientCredential {
    /// True before its end.
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}
