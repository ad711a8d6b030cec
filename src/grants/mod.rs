//! Grants: one file per grant type, one match over them. Each is an ordered list of checks, and its
//! result is an approval or a refusal; a refusal is a result, not an error.

pub mod authorization_code;
pub mod authorize;
pub mod client_credentials;
pub mod consent;
pub mod explain;
mod multi_resource;
pub mod password;
pub mod refresh_token;
pub mod targets;
pub mod user_token;
pub mod userinfo;

use std::sync::Arc;

use crate::directory::Directory;
use crate::lifetime::{Lifetime, ServerLifetimes};
use crate::model::application::{Application, CLIENT_CREDENTIALS};
use crate::model::fault::Fault;
use crate::model::record::Whence;
use crate::model::refresh::Rules;
use crate::model::refusal::{Code, Refusal, Stop};
use crate::secret::Secret;
use crate::store::Store;
use crate::tokens::id_token::IdToken;
use crate::tokens::issue::{Approval, Mint};
use crate::users::Users;

use self::authorization_code::AUTHORIZATION_CODE;
use self::password::{PASSWORD, PASSWORD_REALM};
use self::refresh_token::REFRESH_TOKEN;

/// A token request by grant type, parsed.
#[derive(Clone, Debug)]
pub enum GrantRequest {
    /// RFC 6749 §4.4.
    ClientCredentials(client_credentials::Request),
    /// RFC 6749 §4.1.3.
    AuthorizationCode(authorization_code::Request),
    /// RFC 6749 §6.
    RefreshToken(refresh_token::Request),
    /// RFC 6749 §4.3.
    Password(password::Request),
}

impl GrantRequest {
    /// The grant types that always exist, as they are advertised.
    pub const TYPES: [&str; 3] = [AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS];
    /// Those that the tenant's `flags.allow_password_grant` opens.
    pub const OF_PASSWORDS: [&str; 2] = [PASSWORD, PASSWORD_REALM];

    /// The lifetime that it asks for.
    #[must_use]
    pub const fn validity_period(&self) -> Option<Lifetime> {
        match self {
            Self::ClientCredentials(request) => request.validity_period,
            Self::AuthorizationCode(request) => request.validity_period,
            Self::RefreshToken(request) => request.validity_period,
            Self::Password(request) => request.validity_period,
        }
    }
}

/// An application that has proven who it is.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The application.
    pub application: Arc<Application>,
    /// When the secret or key that it used ends, unix seconds; none: it does not, or there was none.
    pub credential_expires_at: Option<i64>,
}

impl Authenticated {
    /// Seconds until the first of application and secret or key ends.
    #[must_use]
    pub fn expires_in(&self, now: i64) -> Option<i64> {
        let ends = [self.application.expires_at, self.credential_expires_at];
        ends.into_iter().flatten().min().map(|end| end - now)
    }

    /// The application as if it had come with the secret that lives longest: what an administrator
    /// issues for it is worth no more than what it can get by itself.
    ///
    /// # Errors
    /// `invalid_client` where it could not come at all.
    pub fn by_administrator(application: Arc<Application>, now: i64) -> Result<Self, Refusal> {
        let refused = |text: &str| Err(Refusal::new(Code::InvalidClient, text));
        if !application.is_live(now) {
            return refused("The client has expired.");
        }
        let ends = application.proofs().into_iter().map(|(_, end)| end);
        let live = ends.filter(|end| end.is_none_or(|end| now < end));
        let longest = live.max_by_key(|end| end.unwrap_or(i64::MAX));
        if longest.is_none() && !application.is_public() {
            return refused("The client has no live secret or credential, so it gets no tokens.");
        }
        Ok(Self {
            application,
            credential_expires_at: longest.flatten(),
        })
    }

    /// The same, under a credential that ends no later than `end`, unix seconds.
    #[must_use]
    pub fn until(mut self, end: Option<i64>) -> Self {
        self.credential_expires_at = [self.credential_expires_at, end]
            .into_iter()
            .flatten()
            .min();
        self
    }
}

/// What deciding needs of the server.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// APIs and client grants.
    pub directory: &'a Directory,
    /// `[lifetimes]`.
    pub lifetimes: &'a ServerLifetimes,
    /// `tokens.apis_per_token_max`.
    pub apis_per_token_max: usize,
    /// The feed's position, noted before the first reading.
    pub position: i64,
    /// Unix seconds, read once.
    pub now: i64,
}

/// What grants on behalf of users need beside the ground.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Digests, and takes what counts once.
    pub mint: &'a Mint,
    /// Users prove who they are.
    pub users: &'a Users,
    /// Users, their consent, codes and refresh tokens.
    pub store: &'a Store,
    /// Which request it is, for the audit's records and the devices of users.
    pub whence: &'a Whence,
    /// `[refresh]`.
    pub refresh: Rules,
}

/// What a request may have.
pub struct Approved {
    /// The access token.
    pub access: Approval,
    /// The ID token beside it.
    pub id_token: Option<IdToken>,
    /// The refresh token beside it; it is durable already.
    pub refresh_token: Option<RefreshToken>,
    /// Seconds until the user's consent ends.
    pub authorization_expires_in: Option<i64>,
    /// The user's id and name, for the audit.
    pub user: Option<(String, Option<String>)>,
}

/// A refresh token as the client gets it.
pub struct RefreshToken {
    /// What the client carries.
    pub text: Secret<String>,
    /// Seconds until it ends if it is not used; none: it does not.
    pub timeout: Option<i64>,
}

/// What became of a request.
pub enum Outcome {
    /// The tokens may be issued.
    Approved(Box<Approved>),
    /// The client may know this much.
    Refused(Refusal),
}

/// Decides a token request of an authenticated application.
///
/// # Errors
/// Our own faults only.
pub async fn decide(
    request: &GrantRequest,
    client: &Authenticated,
    (ground, means): (Ground<'_>, Means<'_>),
) -> Result<Outcome, Fault> {
    let decided = match request {
        GrantRequest::ClientCredentials(request) => {
            let decided = client_credentials::decide(request, client, ground).await;
            decided.map(Approved::from)
        }
        GrantRequest::AuthorizationCode(request) => {
            authorization_code::decide(request, client, (ground, means)).await
        }
        GrantRequest::Password(request) => password::decide(request, client, (ground, means)).await,
        GrantRequest::RefreshToken(request) => {
            refresh_token::decide(request, client, (ground, means)).await
        }
    };
    match decided {
        Ok(approved) => Ok(Outcome::Approved(Box::new(approved))),
        Err(Stop::Refused(refusal)) => Ok(Outcome::Refused(refusal)),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

impl From<Approval> for Approved {
    /// An application's own token has nothing beside it.
    fn from(access: Approval) -> Self {
        Self {
            access,
            id_token: None,
            refresh_token: None,
            authorization_expires_in: None,
            user: None,
        }
    }
}

/// Passes where the application may use a grant type.
fn check_grant_type(application: &Application, grant_type: &str) -> Result<(), Refusal> {
    if application.may_use(grant_type) {
        return Ok(());
    }
    Err(not_allowed(grant_type))
}

/// `unauthorized_client`, in Auth0's words.
fn not_allowed(grant_type: &str) -> Refusal {
    Refusal::new(
        Code::UnauthorizedClient,
        format!("Grant type '{grant_type}' not allowed for the client."),
    )
}
