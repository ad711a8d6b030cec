//! Explaining a lifetime: the same decision as at issuance, with its reasons, and nothing issued.

use std::collections::HashSet;
use std::fmt;

use super::targets;
use crate::lifetime::{
    self, ApiTerms, ApplicationLifetimes, Decision, Lifetime, ServerLifetimes, TokenKind,
};
use crate::model::api::{Api, ClientPolicy, UserPolicy};
use crate::model::application::Application;
use crate::model::client_grant::{ClientGrant, SubjectType};
use crate::model::fault::Fault;
use crate::store::{self, Conn};

/// How a token would be come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 8628.
    DeviceCode,
    /// RFC 6749 §4.3.
    Password,
    /// RFC 6749 §4.2.
    Implicit,
    /// OpenID Connect Core §3.3.
    Hybrid,
    /// After a second factor.
    Mfa,
}

impl Flow {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ClientCredentials,
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::DeviceCode,
        Self::Password,
        Self::Implicit,
        Self::Hybrid,
        Self::Mfa,
    ];

    /// Their names.
    pub const NAMES: [&'static str; 8] = [
        Self::ClientCredentials.as_str(),
        Self::AuthorizationCode.as_str(),
        Self::RefreshToken.as_str(),
        Self::DeviceCode.as_str(),
        Self::Password.as_str(),
        Self::Implicit.as_str(),
        Self::Hybrid.as_str(),
        Self::Mfa.as_str(),
    ];

    /// The name, as `flow` takes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::DeviceCode => "device_code",
            Self::Password => "password",
            Self::Implicit => "implicit",
            Self::Hybrid => "hybrid",
            Self::Mfa => "mfa",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flow| flow.as_str() == text)
    }

    const fn kind(self) -> TokenKind {
        match self {
            Self::ClientCredentials => TokenKind::Application,
            Self::Implicit | Self::Hybrid => TokenKind::FrontChannel,
            Self::AuthorizationCode
            | Self::RefreshToken
            | Self::DeviceCode
            | Self::Password
            | Self::Mfa => TokenKind::User,
        }
    }

    /// True where `validity_period` would come through the browser.
    const fn is_of_the_browser(self) -> bool {
        matches!(
            self,
            Self::AuthorizationCode | Self::Implicit | Self::Hybrid
        )
    }
}

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct Question {
    /// The APIs of the token, the one named first in front.
    pub apis: Vec<Api>,
    /// The application; without one, an application without values of its own.
    pub application: Option<Application>,
    /// Its secret, or its attached credential where it has `private_key_jwt`; without one, the one
    /// that lives longest.
    pub secret_id: Option<String>,
    /// How the token would be come by.
    pub flow: Flow,
    /// What the request would ask for.
    pub validity_period: Option<Lifetime>,
    /// Whether an authorization request would be pushed.
    pub pushed: bool,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswerable {
    /// More APIs than share one token (`tokens.apis_per_token_max`).
    TooManyApis(usize),
    /// A system API beside another.
    SystemApiNotAlone,
    /// A secret or credential that the application does not prove itself by.
    UnknownSecret,
}

impl Unanswerable {
    /// What of the question is at fault.
    #[must_use]
    pub const fn parameter(&self) -> &'static str {
        match self {
            Self::TooManyApis(_) | Self::SystemApiNotAlone => "audience",
            Self::UnknownSecret => "secret_id",
        }
    }
}

impl fmt::Display for Unanswerable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyApis(max) => {
                write!(
                    f,
                    "At most {max} APIs share one token (tokens.apis_per_token_max)"
                )
            }
            Self::SystemApiNotAlone => {
                f.write_str("A system API never shares a token with another")
            }
            Self::UnknownSecret => {
                f.write_str("Not a secret of the client, nor a credential that it authenticates by")
            }
        }
    }
}

impl Question {
    /// The question, where it can be answered. An API that is named twice counts once.
    ///
    /// # Errors
    /// [`Unanswerable`].
    pub fn checked(mut self, apis_per_token_max: usize) -> Result<Self, Unanswerable> {
        let mut seen = HashSet::new();
        self.apis.retain(|api| seen.insert(api.id.clone()));
        if self.apis.len() > apis_per_token_max {
            return Err(Unanswerable::TooManyApis(apis_per_token_max));
        }
        if self.apis.len() > 1 && self.apis.iter().any(|api| api.system.is_some()) {
            return Err(Unanswerable::SystemApiNotAlone);
        }
        let proofs = self.application.iter().flat_map(Application::proofs);
        let proofs: Vec<_> = proofs.collect();
        let is_known = |id: &String| proofs.iter().any(|(own, _)| own == id);
        if self.secret_id.as_ref().is_some_and(|id| !is_known(id)) {
            return Err(Unanswerable::UnknownSecret);
        }
        Ok(self)
    }
}

/// What stands in where a client-credentials request names no API.
#[derive(Clone, Debug)]
pub enum Unnamed {
    /// The tenant's `default_audience`.
    Default(Box<Api>),
    /// Every API that the application is granted, system APIs excepted, oldest grant first; none: such
    /// a request is refused.
    Granted(Vec<Api>),
}

/// Finds what a request of the application that names no API is for, as the token endpoint does.
///
/// # Errors
/// A fault of the store.
pub async fn unnamed(
    application: &Application,
    conn: &mut Conn,
    now: i64,
) -> Result<Unnamed, Fault> {
    let settings = store::settings::in_force(conn).await?;
    if let Some(audience) = &settings.default_audience
        && let Some(api) = store::apis::by_identifier(conn, audience).await?
    {
        return Ok(Unnamed::Default(Box::new(api)));
    }
    let grants = store::client_grants::of_application(conn, &application.client_id).await?;
    let mut apis = Vec::new();
    for grant in &grants {
        let api = store::apis::by_id(conn, &grant.api_id).await?;
        let counts =
            |api: &Api| targets::is_open(api, grant) && grant.is_for(api, SubjectType::Client, now);
        apis.extend(api.filter(counts));
    }
    Ok(Unnamed::Granted(apis))
}

/// The answer: the decision, its reasons, and whether the token would be refused.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// How long, and why.
    pub decision: Decision,
    /// Each step in words.
    pub texts: Vec<String>,
    /// The error that a token request would get, whatever the lifetime.
    pub refused: Option<&'static str>,
}

/// Explains a lifetime.
///
/// # Errors
/// A fault of the store.
pub async fn explain(
    question: &Question,
    server: &ServerLifetimes,
    conn: &mut Conn,
    now: i64,
) -> Result<Explanation, Fault> {
    let grants = match &question.application {
        Some(application) => {
            store::client_grants::of_application(conn, &application.client_id).await?
        }
        None => Vec::new(),
    };
    let credential = Credential::of(question, now);
    let terms: Vec<ApiTerms<'_>> = question
        .apis
        .iter()
        .map(|api| terms(api, question, &grants, now))
        .collect();
    let request = lifetime::Request {
        kind: question.flow.kind(),
        validity_period: question.validity_period,
        unpushed_authorization: question.flow.is_of_the_browser() && !question.pushed,
        application: question
            .application
            .as_ref()
            .map_or(ApplicationLifetimes::default(), |own| own.lifetimes),
        credential_expires_in: credential.expires_in,
        subject_token_expires_in: None,
    };
    let decision = lifetime::decide(server, &terms, &request);
    let texts = decision
        .trace
        .iter()
        .map(|step| step.text(&terms))
        .collect();
    Ok(Explanation {
        decision,
        texts,
        refused: refused(question, &grants, &credential, now),
    })
}

/// An ended grant counts as none, so it does not shorten either; nor does one that is not needed. What
/// users have consented to is not looked at: the question names none.
fn terms<'a>(api: &'a Api, question: &Question, grants: &[ClientGrant], now: i64) -> ApiTerms<'a> {
    let subject = subject(question.flow);
    let counts = subject == SubjectType::Client || api.user_policy != UserPolicy::AllowAll;
    let grant = grants.iter().find(|grant| grant.is_for(api, subject, now));
    let grant = grant.filter(|_| counts);
    ApiTerms {
        identifier: &api.identifier,
        system: api.system,
        lifetimes: api.lifetimes,
        grant_expires_in: grant.and_then(|grant| grant.expires_in(now)),
    }
}

const fn subject(flow: Flow) -> SubjectType {
    match flow {
        Flow::ClientCredentials => SubjectType::Client,
        _ => SubjectType::User,
    }
}

fn refused(
    question: &Question,
    grants: &[ClientGrant],
    credential: &Credential,
    now: i64,
) -> Option<&'static str> {
    if credential.has_ended {
        return Some("invalid_client");
    }
    let subject = subject(question.flow);
    let is_granted = |api: &Api| grants.iter().any(|grant| grant.is_for(api, subject, now));
    let is_open = |api: &Api| match subject {
        SubjectType::Client => {
            api.client_policy == ClientPolicy::RequireClientGrant && is_granted(api)
        }
        SubjectType::User => match api.user_policy {
            UserPolicy::AllowAll => true,
            UserPolicy::RequireClientGrant => is_granted(api),
            UserPolicy::DenyAll => false,
        },
    };
    let is_of_somebody = question.application.is_some();
    (is_of_somebody && !question.apis.iter().all(is_open)).then_some("access_denied")
}

/// The credential that the token would be issued under.
struct Credential {
    expires_in: Option<i64>,
    has_ended: bool,
}

impl Credential {
    fn of(question: &Question, now: i64) -> Self {
        let Some(application) = &question.application else {
            return Self {
                expires_in: None,
                has_ended: false,
            };
        };
        let proofs = application.proofs();
        let proof_end = end_of(&proofs, question.secret_id.as_deref());
        let end = [application.expires_at, proof_end]
            .into_iter()
            .flatten()
            .min();
        let has_no_proof = proofs.is_empty() && !application.is_public();
        Self {
            expires_in: end.map(|end| end - now),
            has_ended: has_no_proof || end.is_some_and(|end| end <= now),
        }
    }
}

/// When the proof that is named ends, or the one that lives longest.
fn end_of(proofs: &[(&str, Option<i64>)], id: Option<&str>) -> Option<i64> {
    let mut proofs = proofs.iter();
    let proof = match id {
        Some(id) => proofs.find(|(own, _)| *own == id),
        None => proofs.max_by_key(|(_, end)| end.unwrap_or(i64::MAX)),
    };
    proof.and_then(|(_, end)| *end)
}
