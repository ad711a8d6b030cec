//! An access token: what it says, whatever its form.

use crate::lifetime::Lifetime;

use super::change::Covered;

/// What an access token says, signed or stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name: the feed's position that its request had noted, and random.
    pub jti: String,
    /// The feed's position that the request had noted before it read anything.
    pub position: i64,
    /// The application.
    pub client_id: String,
    /// The application as `<client_id>@clients`, or a user.
    pub subject: String,
    /// Identifiers of its APIs, the one named first in front.
    pub audiences: Vec<String>,
    /// Space-separated; empty for none.
    pub scope: String,
    /// Unix seconds.
    pub issued_at: i64,
    /// Unix seconds; none: it never expires.
    pub expires_at: Option<i64>,
    /// What it came from, where it is a user's: [`family_name`] revokes all of it.
    pub family: Option<String>,
    /// What it lets userinfo tell beside the claims of its scopes: those that were asked for one by one
    /// (OpenID Connect Core §5.5).
    pub userinfo_claims: Vec<String>,
}

/// When and how a user has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Unix seconds.
    pub at: i64,
    /// RFC 8176.
    pub amr: Vec<String>,
}

/// Under which name everything is revoked that came from one authorization of a user. No `jti` of ours
/// holds a space, and no API's id is this word.
#[must_use]
pub fn family_name(family: &str) -> String {
    format!("{FAMILY}{family}")
}

/// The family in a name of [`family_name`].
#[must_use]
pub fn family_of(name: &str) -> Option<&str> {
    name.strip_prefix(FAMILY)
}

const FAMILY: &str = "family ";

impl Token {
    /// When a token that is issued at `now` and lives for `lifetime` ends.
    #[must_use]
    pub fn end(now: i64, lifetime: Lifetime) -> Option<i64> {
        lifetime
            .seconds()
            .map(|seconds| now.saturating_add(seconds))
    }

    /// `expires_in` of the answer, absent for a token that never expires (RFC 6749 §5.1).
    #[must_use]
    pub fn expires_in(&self) -> Option<i64> {
        self.expires_at.map(|end| end - self.issued_at)
    }

    /// Active while now < `exp`, without leeway (lifetime.md).
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Under which name a signed token is revoked: its `jti`, or for one under an API's own secret
    /// the API's id and the `jti`, so that who knows that secret revokes no other API's tokens. The
    /// two never meet, because a `jti` of ours holds no space.
    #[must_use]
    pub fn revocation_name(&self, secret_of: Option<&str>) -> String {
        match secret_of {
            None => self.jti.clone(),
            Some(api_id) => format!("{api_id} {}", self.jti),
        }
    }

    /// Every object whose wholesale revocation covers this token; any of them is enough.
    pub fn covered_by(&self) -> impl Iterator<Item = Covered> {
        let of_anybody = [
            Covered::All,
            Covered::Application(self.client_id.clone()),
            Covered::User(self.subject.clone()),
        ];
        let of_apis = self.audiences.iter().flat_map(|audience| {
            [
                Covered::Api(audience.clone()),
                Covered::ClientGrant {
                    client_id: self.client_id.clone(),
                    audience: audience.clone(),
                },
            ]
        });
        let of_users = self.family.iter().flat_map(|_| {
            self.audiences.iter().map(|audience| Covered::UserGrant {
                client_id: self.client_id.clone(),
                audience: audience.clone(),
                user_id: self.subject.clone(),
            })
        });
        let of_any_user = self.family.iter();
        let of_any_user = of_any_user.map(|_| Covered::UsersOf(self.client_id.clone()));
        of_anybody
            .into_iter()
            .chain(of_apis)
            .chain(of_any_user)
            .chain(of_users)
    }
}
