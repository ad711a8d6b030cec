//! A client grant: which application may get tokens for which API, with which scopes, until when.

use std::collections::HashSet;

use super::api::Api;
use super::described::Described;
use super::scope::Scopes;

/// For whom the tokens under a grant are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectType {
    /// The application itself.
    Client,
    /// A user.
    User,
}

impl SubjectType {
    /// The value as Auth0 writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::User => "user",
        }
    }

    /// Reads Auth0's value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Client, Self::User]
            .into_iter()
            .find(|subject| subject.as_str() == text)
    }
}

/// A client grant as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientGrant {
    /// `cgr_` and 16 alphanumeric characters.
    pub id: String,
    /// The application.
    pub client_id: String,
    /// The API's id: a grant dies with its API, and an API that is made anew under the same
    /// identifier does not inherit it.
    pub api_id: String,
    /// The API's identifier.
    pub audience: String,
    /// Application or user tokens.
    pub subject_type: SubjectType,
    /// The scope values granted.
    pub scopes: Vec<String>,
    /// Every scope of the API, also those that it will define later.
    pub allow_all_scopes: bool,
    /// Unix seconds; an expired grant counts as none.
    pub expires_at: Option<i64>,
    /// What is kept and shown.
    pub described: Described,
    /// Unix seconds.
    pub created_at: i64,
}

impl ClientGrant {
    /// True where it grants `api` now.
    #[must_use]
    pub fn is_for(&self, api: &Api, subject: SubjectType, now: i64) -> bool {
        self.api_id == api.id && self.subject_type == subject && self.is_live(now)
    }

    /// True before its end.
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// The scopes that it carries at `api`: those granted that the API still defines.
    #[must_use]
    pub fn scopes_at(&self, api: &Api) -> Scopes {
        let granted: HashSet<&str> = self.scopes.iter().map(String::as_str).collect();
        let defined = api.scopes.iter().map(|scope| scope.value.as_str());
        defined
            .filter(|value| self.allow_all_scopes || granted.contains(value))
            .collect()
    }

    /// Seconds until its end.
    #[must_use]
    pub fn expires_in(&self, now: i64) -> Option<i64> {
        self.expires_at.map(|end| end - now)
    }

    /// True where the scope value is granted.
    #[must_use]
    pub fn grants(&self, value: &str) -> bool {
        self.allow_all_scopes || self.scopes.iter().any(|own| own == value)
    }
}
