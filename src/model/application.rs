//! An application (Auth0: client): who gets tokens.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use super::client_credential::ClientCredential;
use super::described::Described;
use super::settings::InForce;
use super::sign_in::{RefreshTerms, SignIn};
use super::web_origin;
use crate::lifetime::ApplicationLifetimes;

/// Most secrets of an application that live at one time.
pub const LIVE_SECRETS_MAX: usize = 5;

/// The grant type of RFC 6749 §4.4, the one that is built so far.
pub const CLIENT_CREDENTIALS: &str = "client_credentials";

/// The method by which an application signs an assertion (OpenID Connect Core §9).
pub const PRIVATE_KEY_JWT: &str = "private_key_jwt";

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
    /// When this reading's secret was last noted as used.
    pub noted: LastNoted,
}

/// When a use was noted, in memory only, so that a busy secret is noted once in a while and not for
/// each token. A new reading begins anew.
#[derive(Debug, Default)]
pub struct LastNoted(AtomicI64);

impl LastNoted {
    /// True for the first caller in `every_seconds`; that one notes the use.
    pub fn is_due(&self, now: i64, every_seconds: i64) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        now >= last.saturating_add(every_seconds)
            && self
                .0
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

impl Clone for LastNoted {
    fn clone(&self) -> Self {
        Self::default()
    }
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
    /// The ids of the attached credentials, where it authenticates by `private_key_jwt` and by
    /// nothing else; its secrets sleep then.
    pub private_key_jwt: Option<Vec<String>>,
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
    /// What of that signs users in.
    pub sign_in: Arc<SignIn>,
    /// Its secrets, oldest first.
    pub secrets: Vec<ApplicationSecret>,
    /// The attached credentials with their keys, oldest first.
    pub credentials: Vec<ClientCredential>,
    /// Further keys that sign its request objects and prove nothing else, oldest first.
    pub request_credentials: Vec<ClientCredential>,
}

impl Application {
    /// True where it has no secret to keep.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == Some(AuthMethod::None)
    }

    /// True where its requests for a code need PKCE: public applications always (RFC 9700 §2.1.1), others
    /// as they say themselves, or as the tenant does.
    #[must_use]
    pub fn requires_pkce(&self, tenant: &InForce) -> bool {
        let own = self.sign_in.requires_pkce;
        self.is_public() || own.unwrap_or(tenant.requires_pkce)
    }

    /// How its refresh tokens live by today's settings.
    #[must_use]
    pub fn refresh_terms(&self) -> RefreshTerms {
        RefreshTerms {
            application_ends_at: self.expires_at,
            ..RefreshTerms::in_force(self.sign_in.refresh, self.is_public())
        }
    }

    /// True where it may come for tokens by this grant type.
    #[must_use]
    pub fn may_use(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|own| own == grant_type)
    }

    /// True where it proves itself by a secret.
    #[must_use]
    pub fn takes_secrets(&self) -> bool {
        !self.is_public() && self.private_key_jwt.is_none()
    }

    /// True before its end.
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// What it proves itself with: id and end (unix seconds) of each attached credential, or of
    /// each secret.
    #[must_use]
    pub fn proofs(&self) -> Vec<(&str, Option<i64>)> {
        if self.private_key_jwt.is_some() {
            let credentials = self.credentials.iter();
            return credentials
                .map(|own| (own.id.as_str(), own.expires_at))
                .collect();
        }
        let secrets = self.secrets.iter();
        secrets
            .map(|own| (own.id.as_str(), own.expires_at))
            .collect()
    }

    /// True where it gets tokens in a way in which `before` got none: longer, by a further grant
    /// type, or by secrets that slept while it was public. Whoever does that hands out what it is
    /// granted.
    #[must_use]
    pub fn opens_more_than(&self, before: &Self) -> bool {
        let end = |own: &Self| own.expires_at.unwrap_or(i64::MAX);
        let is_further = |own: &String| !before.grant_types.contains(own);
        end(self) > end(before)
            || self.grant_types.iter().any(is_further)
            || before.is_public() && !self.is_public()
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
