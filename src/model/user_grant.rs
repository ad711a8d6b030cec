//! A user grant: what a user has consented to, for one application at one API.

use super::scope::Scopes;

/// A user grant as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserGrant {
    /// 24 hexadecimal characters.
    pub id: String,
    /// Who consented.
    pub user_id: String,
    /// To which application.
    pub client_id: String,
    /// At which API; none: to OpenID's scopes alone.
    pub api_id: Option<String>,
    /// The API's identifier.
    pub audience: Option<String>,
    /// To what.
    pub scopes: Scopes,
    /// Unix seconds; an expired grant counts as none.
    pub expires_at: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

impl UserGrant {
    /// True before its end.
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Seconds until its end.
    #[must_use]
    pub fn expires_in(&self, now: i64) -> Option<i64> {
        self.expires_at.map(|end| end - now)
    }

    /// True where all of these scopes are in it.
    #[must_use]
    pub fn covers(&self, scopes: &Scopes) -> bool {
        scopes.iter().all(|value| self.scopes.contains(value))
    }
}
