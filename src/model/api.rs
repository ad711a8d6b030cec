//! An API (Auth0: resource server): what tokens are for, and the home of the lifetime policy.

use crate::lifetime::ApiLifetimes;

use super::described::Described;
pub use super::issuer::SystemApi;
use super::scope::Scope;

/// Signature algorithms for access tokens (RFC 7518 §3.1, RFC 8037 §3.1). A key is used with one
/// algorithm only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// HMAC with SHA-256, under a secret of the API's own.
    Hs256,
}

impl SigningAlgorithm {
    /// All of them: what the Management API accepts for an API.
    pub const ALL: [Self; 6] = [
        Self::Rs256,
        Self::Ps256,
        Self::Es256,
        Self::EdDsa,
        Self::Rs512,
        Self::Hs256,
    ];
    /// Those with key pairs, whose public keys are published.
    pub const WITH_KEYS: [Self; 5] = [
        Self::Rs256,
        Self::Ps256,
        Self::Es256,
        Self::EdDsa,
        Self::Rs512,
    ];

    /// The `alg` value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs512 => "RS512",
            Self::Hs256 => "HS256",
        }
    }

    /// Reads an `alg` value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
    }

    /// Reads the `alg` value of an algorithm with key pairs.
    #[must_use]
    pub fn parse_with_keys(text: &str) -> Option<Self> {
        Self::WITH_KEYS
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
    }

    /// True where key pairs of the server sign, and not a secret of the API.
    #[must_use]
    pub fn has_keys(self) -> bool {
        self != Self::Hs256
    }
}

/// An API's secret for HS256. Whoever knows it can make tokens for this API, and for no other.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret {
    /// Under the master key.
    pub sealed: String,
    /// Where the API has gone over to another algorithm: until when the secret still verifies, unix
    /// seconds.
    pub ends_at: Option<i64>,
}

impl SigningSecret {
    /// True as long as it verifies.
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[sealed], ends at {:?}", self.ends_at)
    }
}

/// How an API's access tokens are written (compatibility.md §2.4 and §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Auth0's JWT, `typ` `JWT`, `azp`, `gty`.
    AccessToken,
    /// The same; permissions follow once policies are built.
    AccessTokenAuthz,
    /// RFC 9068, `typ` `at+jwt`, `client_id`.
    Rfc9068,
    /// The same; permissions follow once policies are built.
    Rfc9068Authz,
    /// Random and stored.
    Opaque,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AccessToken,
        Self::AccessTokenAuthz,
        Self::Rfc9068,
        Self::Rfc9068Authz,
        Self::Opaque,
    ];

    /// The `token_dialect` value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::AccessTokenAuthz => "access_token_authz",
            Self::Rfc9068 => "rfc9068_profile",
            Self::Rfc9068Authz => "rfc9068_profile_authz",
            Self::Opaque => "opaque",
        }
    }

    /// Reads a `token_dialect` value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.as_str() == text)
    }
}

/// Whether applications may get tokens for themselves (`subject_type_authorization.client.policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientPolicy {
    /// With a client grant.
    RequireClientGrant,
    /// Never, whatever is granted.
    DenyAll,
}

impl ClientPolicy {
    /// The value as Auth0 writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequireClientGrant => "require_client_grant",
            Self::DenyAll => "deny_all",
        }
    }

    /// Reads Auth0's value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::RequireClientGrant, Self::DenyAll]
            .into_iter()
            .find(|policy| policy.as_str() == text)
    }
}

/// Whether applications may get tokens for users (`subject_type_authorization.user.policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserPolicy {
    /// Whatever the user consents to.
    AllowAll,
    /// Never.
    DenyAll,
    /// With a client grant of the subject type `user`, and within its scopes.
    RequireClientGrant,
}

impl UserPolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AllowAll, Self::DenyAll, Self::RequireClientGrant];

    /// The value as Auth0 writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllowAll => "allow_all",
            Self::DenyAll => "deny_all",
            Self::RequireClientGrant => "require_client_grant",
        }
    }

    /// Reads Auth0's value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text)
    }
}

/// An API as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// 24 hexadecimal characters.
    pub id: String,
    /// What tokens carry in `aud`; a system API's follows from the issuer.
    pub identifier: String,
    /// Set for the two that exist from the start.
    pub system: Option<SystemApi>,
    /// For people.
    pub name: Option<String>,
    /// The scopes that it defines; a system API's come with the program.
    pub scopes: Vec<Scope>,
    /// Who signs, where the token is signed.
    pub signing_alg: SigningAlgorithm,
    /// What signs HS256 tokens; never a system API's.
    pub signing_secret: Option<SigningSecret>,
    /// `None`: Auth0's, and not shown in answers.
    pub token_dialect: Option<Dialect>,
    /// Refresh tokens may be issued.
    pub allow_offline_access: bool,
    /// First-party applications need no consent.
    pub skip_consent_for_verifiable_first_party_clients: bool,
    /// Whether applications get tokens for themselves.
    pub client_policy: ClientPolicy,
    /// Whether applications get tokens for users.
    pub user_policy: UserPolicy,
    /// How long a user's consent holds, in seconds; none: until it is taken back.
    pub user_grant_seconds: Option<i64>,
    /// How long its tokens live.
    pub lifetimes: ApiLifetimes,
    /// What is kept and shown.
    pub described: Described,
    /// Unix seconds.
    pub created_at: i64,
}

impl Api {
    /// The dialect in force.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.token_dialect.unwrap_or(Dialect::AccessToken)
    }

    /// True where the API defines the scope value.
    #[must_use]
    pub fn defines(&self, value: &str) -> bool {
        self.scopes.iter().any(|scope| scope.value == value)
    }
}

/// The scopes of the Management API: those of the operations that exist, plus ours.
pub const MANAGEMENT_SCOPES: &[(&str, &str)] = &[
    ("create:client_credentials", "Give applications public keys"),
    ("create:client_grants", "Create client grants"),
    ("create:client_tokens", "Issue tokens for applications"),
    ("create:clients", "Create applications"),
    ("create:resource_servers", "Create APIs"),
    ("create:signing_keys", "Rotate signing keys"),
    (
        "create:user_tickets",
        "Make links by which users set passwords and prove addresses",
    ),
    ("create:users", "Create and import users"),
    (
        "delete:client_credentials",
        "Delete applications' public keys",
    ),
    ("delete:client_grants", "Delete client grants"),
    ("delete:clients", "Delete applications"),
    ("delete:device_credentials", "Revoke refresh tokens"),
    ("delete:grants", "Take back what users have consented to"),
    ("delete:refresh_tokens", "Revoke refresh tokens"),
    ("delete:resource_servers", "Delete APIs"),
    ("delete:sessions", "End users' sessions"),
    ("delete:tokens", "Revoke tokens"),
    ("delete:users", "Delete users"),
    ("introspect:tokens", "Introspect any token"),
    (
        "read:client_credentials",
        "Read about applications' public keys",
    ),
    ("read:client_grants", "Read client grants"),
    ("read:client_keys", "Read about applications' secrets"),
    (
        "read:client_summary",
        "Read the names and kinds of applications",
    ),
    ("read:clients", "Read applications"),
    ("read:connections", "Read which connections there are"),
    (
        "read:device_credentials",
        "List refresh tokens by their devices",
    ),
    ("read:grants", "Read what users have consented to"),
    ("read:logs", "Read and search the audit"),
    ("read:logs_users", "Read and search the audit"),
    ("read:refresh_tokens", "Read about refresh tokens"),
    ("read:resource_servers", "Read APIs and explain lifetimes"),
    ("read:sessions", "Read about users' sessions"),
    ("read:signing_keys", "Read signing keys"),
    ("read:stats", "Read how many tokens are issued"),
    ("read:tenant_settings", "Read the tenant's settings"),
    ("read:tokens", "List stored tokens"),
    ("read:users", "Read and search users"),
    (
        "update:client_credentials",
        "Attach, detach and change applications' public keys",
    ),
    ("update:client_grants", "Change client grants"),
    ("update:client_keys", "Set and rotate applications' secrets"),
    ("update:clients", "Change applications"),
    ("update:grants", "Set when users' consent ends"),
    (
        "update:refresh_tokens",
        "Change what is kept of refresh tokens",
    ),
    ("update:resource_servers", "Change APIs"),
    ("update:sessions", "Change what is kept of sessions"),
    ("update:signing_keys", "Rotate and revoke signing keys"),
    ("update:tenant_settings", "Change the tenant's settings"),
    ("update:users", "Change users and their passwords"),
    (
        "update:users_app_metadata",
        "Change what applications keep of users",
    ),
];

/// The scopes of the MFA API (Auth0's names).
pub const MFA_SCOPES: [(&str, &str); 3] = [
    ("enroll", "Enroll an authenticator"),
    ("read:authenticators", "List authenticators"),
    ("remove:authenticators", "Remove authenticators"),
];

/// The scopes that a system API defines.
#[must_use]
pub fn system_scopes(system: SystemApi) -> Vec<Scope> {
    let scopes: &[(&str, &str)] = match system {
        SystemApi::Management => MANAGEMENT_SCOPES,
        SystemApi::Mfa => &MFA_SCOPES,
    };
    scopes
        .iter()
        .map(|(value, text)| Scope {
            value: (*value).to_owned(),
            description: Some((*text).to_owned()),
        })
        .collect()
}
