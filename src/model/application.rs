//! An application (Auth0: client): who gets tokens.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::described::Described;
use super::web_origin;
use crate::lifetime::ApplicationLifetimes;

/// Most secrets of an application that live at one time.
pub const LIVE_SECRETS_MAX: usize = 5;

/// The grant type of RFC 6749 §4.4, the one that is built so far.
pub const CLIENT_CREDENTIALS: &str = "client_credentials";

/// How an application authenticates (RFC 7591 §2 `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A public application: it has no secret that it could keep.
    None,
    /// The secret in the body.
    Post,
    /// The secret in the `Authorization` header.
    Basic,
}

impl AuthMethod {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Post, Self::Basic];

    /// The value as RFC 7591 §2 writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Post => "client_secret_post",
            Self::Basic => "client_secret_basic",
        }
    }

    /// Reads the value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

/// How a secret is kept, so that it can be checked and not read.
#[derive(Clone, Debug)]
pub enum Verifier {
    /// A keyed digest, for secrets that cannot be guessed (32 characters and more).
    Digest(String),
    /// argon2id in PHC form, for shorter ones.
    Slow {
        /// The PHC string.
        phc: String,
        /// The keyed digest of the secret that matched last, in memory only: the slow hash is
        /// paid once for each node and reading, not for each token.
        matched: OnceLock<String>,
    },
}

/// A secret of an application.
#[derive(Clone, Debug)]
pub struct ApplicationSecret {
    /// Names the secret in lists and traces.
    pub id: String,
    /// How it is checked.
    pub verifier: Verifier,
    /// Unix seconds; none: it does not expire.
    pub expires_at: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
}

impl ApplicationSecret {
    /// True before the secret's end.
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// An application as stored, with its secrets.
#[derive(Clone, Debug)]
pub struct Application {
    /// 32 alphanumeric characters.
    pub client_id: String,
    /// For people.
    pub name: String,
    /// Auth0's `app_type`.
    pub app_type: Option<String>,
    /// The grant types that it may use.
    pub grant_types: Vec<String>,
    /// The only method accepted; `None`: basic or post.
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// The API that it is, where `app_type` is `resource_server`.
    pub resource_server_identifier: Option<String>,
    /// Its own lifetimes.
    pub lifetimes: ApplicationLifetimes,
    /// Unix seconds; it gets no token from then on.
    pub expires_at: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
    /// The operator's own, rather than somebody else's.
    pub is_first_party: bool,
    /// What is kept and shown.
    pub described: Described,
    /// Its secrets, oldest first.
    pub secrets: Vec<ApplicationSecret>,
}

impl Application {
    /// True where it has no secret to keep.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == Some(AuthMethod::None)
    }

    /// True before its end.
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// How many of its secrets live.
    #[must_use]
    pub fn live_secrets(&self, now: i64) -> usize {
        self.secrets
            .iter()
            .filter(|secret| secret.is_live(now))
            .count()
    }

    /// The origins whose pages may read answers (CORS), each once.
    #[must_use]
    pub fn web_origins(&self) -> BTreeSet<String> {
        ["web_origins", "allowed_origins"]
            .into_iter()
            .flat_map(|name| self.described.texts(name))
            .filter_map(web_origin::of_listed)
            .collect()
    }

    /// The API whose resource server it is, if it is one.
    #[must_use]
    pub fn resource_server(&self) -> Option<&str> {
        let is_one = self.app_type.as_deref() == Some("resource_server");
        self.resource_server_identifier
            .as_deref()
            .filter(|_| is_one)
    }
}
