//! What the feed carries: which thing changed, and what a wholesale revocation covers.

/// A change that every node has to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An API, by identifier.
    Api(String),
    /// An application or its secrets, by `client_id`.
    Application(String),
    /// The client grants of an application, by `client_id`.
    ClientGrants(String),
    /// Every token of an object up to this change's number.
    Revocation(Covered),
    /// One signed token, by the name of [`super::token::Token::revocation_name`].
    RevokedToken(String),
    /// The signing keys of an algorithm.
    SigningKeys(String),
    /// The tenant's settings.
    Settings,
    /// Anything else: history was lost, or a newer version wrote it. Drop what is known.
    Everything,
}

impl Change {
    /// As it is written in the feed: kind and key.
    #[must_use]
    pub fn to_row(&self) -> (&'static str, String) {
        match self {
            Self::Api(identifier) => ("api", identifier.clone()),
            Self::Application(client_id) => ("application", client_id.clone()),
            Self::ClientGrants(client_id) => ("client_grants", client_id.clone()),
            Self::Revocation(covered) => ("revocation", covered.to_key()),
            Self::RevokedToken(name) => ("revoked_token", name.clone()),
            Self::SigningKeys(algorithm) => ("signing_keys", algorithm.clone()),
            Self::Settings => ("settings", String::new()),
            Self::Everything => ("everything", String::new()),
        }
    }

    /// Reads a row of the feed. A kind that this version does not know may concern anything.
    #[must_use]
    pub fn from_row(kind: &str, key: String) -> Self {
        match kind {
            "api" => Self::Api(key),
            "application" => Self::Application(key),
            "client_grants" => Self::ClientGrants(key),
            "revocation" => Covered::from_key(&key).map_or(Self::Everything, Self::Revocation),
            "revoked_token" => Self::RevokedToken(key),
            "signing_keys" => Self::SigningKeys(key),
            "settings" => Self::Settings,
            _ => Self::Everything,
        }
    }
}

/// What a wholesale revocation covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Covered {
    /// Every token of an application.
    Application(String),
    /// Every token for an API, by identifier.
    Api(String),
    /// Every token of an application for an API: what a client grant gave.
    ClientGrant {
        /// The application.
        client_id: String,
        /// The API's identifier.
        audience: String,
    },
    /// Every token of a user, by subject.
    User(String),
    /// Every token of an application on behalf of users, and what its refresh tokens would give.
    UsersOf(String),
    /// Every token of an application for an API on behalf of a user: what a user grant gave.
    UserGrant {
        /// The application.
        client_id: String,
        /// The API's identifier, or that of userinfo.
        audience: String,
        /// The user.
        user_id: String,
    },
    /// Every token.
    All,
}

impl Covered {
    /// One text for the store and the feed. Neither `client_id`s nor identifiers hold spaces; what a
    /// user is called may.
    #[must_use]
    pub fn to_key(&self) -> String {
        match self {
            Self::Application(client_id) => format!("application {client_id}"),
            Self::Api(audience) => format!("api {audience}"),
            Self::ClientGrant {
                client_id,
                audience,
            } => format!("client_grant {client_id} {audience}"),
            Self::User(subject) => format!("user {subject}"),
            Self::UsersOf(client_id) => format!("users_of {client_id}"),
            Self::UserGrant {
                client_id,
                audience,
                user_id,
            } => format!("user_grant {client_id} {audience} {user_id}"),
            Self::All => "all".to_owned(),
        }
    }

    /// Reads [`Covered::to_key`].
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        let (kind, rest) = key.split_once(' ').unwrap_or((key, ""));
        let is_one_word = !rest.is_empty() && !rest.contains(' ');
        match kind {
            "application" if is_one_word => Some(Self::Application(rest.to_owned())),
            "api" if is_one_word => Some(Self::Api(rest.to_owned())),
            "client_grant" => {
                let (client_id, audience) = rest.split_once(' ')?;
                Some(Self::ClientGrant {
                    client_id: client_id.to_owned(),
                    audience: audience.to_owned(),
                })
            }
            "user" if !rest.is_empty() => Some(Self::User(rest.to_owned())),
            "users_of" if is_one_word => Some(Self::UsersOf(rest.to_owned())),
            "user_grant" => {
                let (client_id, rest) = rest.split_once(' ')?;
                let (audience, user_id) = rest.split_once(' ')?;
                Some(Self::UserGrant {
                    client_id: client_id.to_owned(),
                    audience: audience.to_owned(),
                    user_id: user_id.to_owned(),
                })
            }
            "all" if key == "all" => Some(Self::All),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_feed_carries_survives_the_round_trip() {
        let covered = Covered::ClientGrant {
            client_id: "c".into(),
            audience: "https://a/".into(),
        };
        for change in [
            Change::Api("https://a/".into()),
            Change::Application("c".into()),
            Change::ClientGrants("c".into()),
            Change::Revocation(Covered::Application("c".into())),
            Change::Revocation(Covered::Api("https://a/".into())),
            Change::Revocation(covered),
            Change::Revocation(Covered::UserGrant {
                client_id: "c".into(),
                audience: "https://a/".into(),
                user_id: "auth0|a name with spaces".into(),
            }),
            Change::Revocation(Covered::User("auth0|a name with spaces".into())),
            Change::Revocation(Covered::UsersOf("c".into())),
            Change::Revocation(Covered::All),
            Change::RevokedToken("jti".into()),
            Change::SigningKeys("ES256".into()),
            Change::Settings,
            Change::Everything,
        ] {
            let (kind, key) = change.to_row();
            assert_eq!(Change::from_row(kind, key), change);
        }
        assert_eq!(
            Change::from_row("from a newer version", "x".into()),
            Change::Everything
        );
        for key in [
            "",
            "all of it",
            "user ",
            "user",
            "application a b",
            "client_grant a",
            "user_grant a b",
            "users_of",
            "users_of a b",
            "api",
        ] {
            assert_eq!(Covered::from_key(key), None, "{key}");
        }
    }
}
