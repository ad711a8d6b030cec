//! What a client may know when the protocol says no.

use std::fmt;
use std::time::Duration;

use super::fault::Fault;
use super::record::Kind;

/// How the log's word on an application that does not exist begins.
pub const UNKNOWN_APPLICATION: &str = "unknown application";

/// The error codes of RFC 6749 §5.2, RFC 8707 §2 and Auth0's token endpoint. No HTTP here:
/// `oauth/error.rs` owns the statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// RFC 6749 §5.2.
    InvalidRequest,
    /// `invalid_request` because of the body's length, which has a status of its own.
    BodyTooLarge,
    /// The same because of the time that the body takes.
    BodyTooSlow,
    /// RFC 6749 §5.2.
    InvalidClient,
    /// RFC 6749 §5.2.
    UnauthorizedClient,
    /// RFC 6749 §5.2.
    UnsupportedGrantType,
    /// RFC 6749 §5.2.
    InvalidGrant,
    /// RFC 6749 §5.2.
    InvalidScope,
    /// RFC 8707 §2: an unknown or ungranted `resource`.
    InvalidTarget,
    /// Auth0's code for an unknown or ungranted `audience`.
    AccessDenied,
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType,
    /// OpenID Connect Core §3.1.2.6.
    LoginRequired,
    /// OpenID Connect Core §3.1.2.6.
    ConsentRequired,
    /// OpenID Connect Core Error Code unmet_authentication_requirements.
    UnmetAuthenticationRequirements,
    /// OpenID Connect Core §3.1.2.6, RFC 9101 §6.3.
    InvalidRequestObject,
    /// OpenID Connect Core §3.1.2.6, RFC 9126 §2.3.
    InvalidRequestUri,
    /// OpenID Connect Core §3.1.2.6.
    RequestUriNotSupported,
    /// OpenID Connect Core §3.1.2.6.
    RegistrationNotSupported,
    /// Auth0's code for attempts that are not looked at any more.
    TooManyAttempts,
    /// RFC 6750 §3.1, for a Bearer token that is not good.
    InvalidToken,
    /// RFC 6750 §3.1.
    InsufficientScope,
}

impl Code {
    /// The code as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::BodyTooLarge | Self::BodyTooSlow => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::InvalidRequestObject => "invalid_request_object",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::TooManyAttempts => "too_many_attempts",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }
}

/// A refusal: little for the client, all for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the client may act on.
    pub code: Code,
    /// What the client's developer reads: printable ASCII without `"` and `\` (RFC 6749 §5.2).
    pub description: String,
    /// What only the operator's log says; empty where the description says it all.
    pub log: String,
    /// When trying again may help, where that is known.
    pub retry_after: Option<Duration>,
    /// What it is in the audit, where that is not what was asked for.
    pub kind: Option<Kind>,
    /// Whose account it is about, for the audit alone.
    pub user_id: Option<String>,
}

impl Refusal {
    /// A refusal whose description is all there is to say.
    pub fn new(code: Code, description: impl AsRef<str>) -> Self {
        Self {
            code,
            description: printable(description.as_ref()),
            log: String::new(),
            retry_after: None,
            kind: None,
            user_id: None,
        }
    }

    /// Adds what only the operator may know.
    #[must_use]
    pub fn log(mut self, log: impl fmt::Display) -> Self {
        self.log = log.to_string();
        self
    }

    /// Says when trying again may help.
    #[must_use]
    pub const fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// Says what it is in the audit.
    #[must_use]
    pub const fn recorded_as(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Says in the audit whose account it is about.
    #[must_use]
    pub fn about_user(mut self, user_id: Option<String>) -> Self {
        self.user_id = user_id;
        self
    }

    /// The one refusal for an unknown application, a wrong secret and an expired one, so that
    /// nobody can tell them apart (compatibility.md §6).
    pub fn invalid_client(log: impl fmt::Display) -> Self {
        Self::new(Code::InvalidClient, "Client authentication failed.").log(log)
    }

    /// RFC 6749 §5.2 `invalid_request`.
    pub fn invalid_request(description: impl AsRef<str>) -> Self {
        Self::new(Code::InvalidRequest, description)
    }
}

/// Why a request stops before its end: the client's doing, or ours.
#[derive(Debug)]
pub enum Stop {
    /// The client's doing.
    Refused(Refusal),
    /// Ours.
    Fault(Fault),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What the caller sent, fit to be echoed: printable ASCII, at most 200 characters.
#[must_use]
pub fn echo(sent: &str) -> String {
    const ECHO_CHARS_MAX: usize = 200;
    printable(&sent.chars().take(ECHO_CHARS_MAX).collect::<String>())
}

/// RFC 6749 §5.2: `%x20-21 / %x23-5B / %x5D-7E`; `"` and `\` become `'`, all else outside becomes `?`.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' | '\\' => '\'',
            ' '..='~' => c,
            _ => '?',
        })
        .collect()
}
