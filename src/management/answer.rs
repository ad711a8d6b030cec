//! What the Management API answers: resources, pages and problems, each in Auth0's shape.

use axum::http::header::{CONTENT_TYPE, ETAG, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use super::refusals::Refused;
use crate::lifetime::LifetimeProblem;
use crate::model::described::Described;
use crate::model::fault::Fault;
use crate::model::refusal::Refusal;
use crate::secret;
use crate::wire::bearer::{INSUFFICIENT_SCOPE, INVALID_TOKEN};
use crate::wire::schema::Violation;
use crate::wire::{Apology, Cut, apologise, no_store};

/// A JSON answer, with the charset that Auth0 names.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = no_store(status, body);
    let with_charset = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, with_charset);
    response
}

/// A resource in the form in which it is shown; the shapes are plain structs, which always are JSON.
pub(crate) fn shown(resource: &impl Serialize) -> Value {
    serde_json::to_value(resource).unwrap_or_default()
}

/// Adds what is kept of a resource to its form; the resource's own members win.
pub(crate) fn lay_under(shown: &mut Value, described: &Described) {
    if let Value::Object(members) = shown {
        for (name, value) in &described.0 {
            members.entry(name).or_insert_with(|| value.clone());
        }
    }
}

/// The named members of a resource and no others.
pub(crate) fn only(names: &[&str], mut whole: Value) -> Value {
    if let Value::Object(members) = &mut whole {
        members.retain(|name, _| names.contains(&name.as_str()));
    }
    whole
}

/// A single resource, with the tag that `If-Match` may name.
pub(crate) fn resource(status: StatusCode, shown: &Value) -> Response {
    selected(status, shown, shown)
}

/// The members that were asked for of a resource, with the tag of the whole.
pub(crate) fn selected(status: StatusCode, whole: &Value, selected: &Value) -> Response {
    let mut response = json(status, selected);
    if let Ok(tag) = HeaderValue::from_str(&etag(whole)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// A resource as its tag sees it: what is shown, and which secret it has, by a name of the secret
/// that tells nothing of it. Who sets a secret changes the resource, though nothing shown changes.
pub(crate) fn state(shown: &Value, secret: Option<&str>) -> Value {
    serde_json::json!([shown, secret])
}

/// The strong entity tag of a resource as it is shown, secrets left out (RFC 9110 §8.8.3).
pub(crate) fn etag(shown: &Value) -> String {
    format!("\"{}\"", secret::fingerprint(shown.to_string().as_bytes()))
}

/// 204: it is gone, or was never there.
pub(crate) fn gone() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// 202: it is done, or was so already; Auth0 is still at it when it says so.
pub(crate) fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}

/// What is not there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Missing {
    ResourceServer,
    Client,
    ClientGrant,
    Credential,
    SigningKey,
    Log,
    User,
    UserGrant,
    Session,
    RefreshToken,
    Job,
}

/// Auth0's `errorCode` of whatever the users' own store refuses.
const IDENTITY: &str = "auth0_idp_error";

/// Why a request to the Management API was not carried out.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The caller's doing.
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// Auth0's `errorCode`.
        code: Option<&'static str>,
        /// What to do about it.
        message: String,
    },
    /// Ours.
    Fault(Fault),
}

impl Problem {
    fn refused(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::Refused {
            status,
            code: Some(code),
            message: message.into(),
        }
    }

    /// 400: the body as a whole, or a property of it, is not as it should be.
    pub(crate) fn body(why: impl std::fmt::Display) -> Self {
        Self::refused(
            StatusCode::BAD_REQUEST,
            "invalid_body",
            format!("Payload validation error: {why}"),
        )
    }

    /// 400: a property is not as it should be.
    pub(crate) fn property(name: &str, why: impl std::fmt::Display) -> Self {
        Self::body(format_args!("'{why}' on property {name}."))
    }

    /// 400: what the table of the body does not let pass.
    pub(crate) fn in_body(violation: Violation) -> Self {
        match violation {
            Violation::Unreadable => {
                Self::body("the form is not UTF-8, or its names do not fit together.")
            }
            Violation::Property { path, why } => Self::property(&path, why),
            Violation::Missing(path) => {
                Self::body(format_args!("'Missing required property: {path}'."))
            }
            Violation::Unknown(path) => {
                Self::body(format_args!("'Additional properties not allowed: {path}'."))
            }
            Violation::NotSupported { path, why } => Self::not_supported(&path, why),
        }
    }

    /// 400: what the table of the query string does not let pass.
    pub(crate) fn in_query(violation: Violation) -> Self {
        match violation {
            Violation::Unreadable => Self::query("(any)", "Not UTF-8, or names that do not fit"),
            Violation::Property { path, why } => Self::query(&path, why),
            Violation::Missing(path) => Self::query(&path, "The parameter is missing"),
            Violation::Unknown(path) => Self::query(&path, "Unknown parameter"),
            Violation::NotSupported { path, why } => Self::not_supported(&path, why),
        }
    }

    /// 412: `If-Match` names another state (RFC 9110 §15.5.13).
    pub(crate) fn changed_meanwhile() -> Self {
        Self::refused(
            StatusCode::PRECONDITION_FAILED,
            "precondition_failed",
            "It was changed since you read it (If-Match): read it again, and repeat your change.",
        )
    }

    /// 400: a field whose effect is not built.
    pub(crate) fn not_supported(name: &str, why: impl std::fmt::Display) -> Self {
        Self::refused(
            StatusCode::BAD_REQUEST,
            "operation_not_supported",
            format!("'{name}' cannot have this value: {why}"),
        )
    }

    /// 400: there is no server to hand mails to.
    pub(crate) fn unsent() -> Self {
        Self::refused(
            StatusCode::BAD_REQUEST,
            "operation_not_supported",
            "No mails are sent here: mail.smtp_url is not set. POST /tickets/email-verification makes the link.",
        )
    }

    /// 400: a path segment.
    pub(crate) fn path(name: &str, why: &str) -> Self {
        Self::refused(
            StatusCode::BAD_REQUEST,
            "invalid_uri",
            format!("Path validation error: '{why}' on property {name}."),
        )
    }

    /// 400: a query parameter.
    pub(crate) fn query(name: &str, why: impl std::fmt::Display) -> Self {
        Self::refused(
            StatusCode::BAD_REQUEST,
            "invalid_query_string",
            format!("Query validation error: '{why}' on property {name}."),
        )
    }

    /// 400: a header that is not as it should be.
    pub(crate) fn header(why: &str) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, "invalid_request", why)
    }

    /// 401: no token.
    pub(crate) fn missing_token() -> Self {
        Self::Refused {
            status: StatusCode::UNAUTHORIZED,
            code: None,
            message: "Missing authentication".to_owned(),
        }
    }

    /// 401: a token that is not good, whatever the reason.
    pub(crate) fn invalid_token() -> Self {
        Self::refused(StatusCode::UNAUTHORIZED, "invalid_token", "Invalid token")
    }

    /// 403, naming the scopes.
    pub(crate) fn insufficient_scope(how_many: &str, of: &[&str]) -> Self {
        let scopes = of.join(",");
        Self::refused(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            format!("Insufficient scope, expected {how_many} of: {scopes}"),
        )
    }

    /// 403: the caller would hand out more than it holds (compatibility.md §6).
    pub(crate) fn more_than_held(missing: &[String]) -> Self {
        Self::refused(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            format!(
                "Insufficient scope: a token can hand out only what it holds, and yours lacks {}",
                missing.join(",")
            ),
        )
    }

    /// 404.
    pub(crate) fn not_found(missing: Missing) -> Self {
        let (code, message) = match missing {
            Missing::ResourceServer => (
                "inexistent_resource_server",
                "The resource server does not exist",
            ),
            Missing::Client => ("inexistent_client", "The client does not exist"),
            Missing::SigningKey => ("inexistent_signing_key", "The signing key does not exist"),
            Missing::Job => ("inexistent_job", "The job does not exist."),
            Missing::Log => ("inexistent_log", "The log does not exist"),
            Missing::ClientGrant => ("inexistent_client_grant", "The client grant does not exist"),
            Missing::Credential => ("inexistent_credential", "The credential does not exist"),
            Missing::User => ("inexistent_user", "The user does not exist."),
            Missing::UserGrant => ("inexistent_grant", "The grant does not exist"),
            Missing::Session => ("inexistent_session", "The session does not exist"),
            Missing::RefreshToken => (
                "inexistent_refresh_token",
                "The refresh token does not exist",
            ),
        };
        Self::refused(StatusCode::NOT_FOUND, code, message)
    }

    /// 409.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::CONFLICT, "resource_conflict", message)
    }

    /// 409: somebody has the id, the e-mail address or the username.
    pub(crate) fn user_exists() -> Self {
        let message = "The user already exists.";
        Self::refused(StatusCode::CONFLICT, IDENTITY, message)
    }

    /// 400: what a user's connection refuses, in Auth0's words.
    pub(crate) fn identity(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, IDENTITY, message)
    }

    /// 400: the connection that is named.
    pub(crate) fn no_connection() -> Self {
        Self::refused(
            StatusCode::BAD_REQUEST,
            "inexistent_connection",
            "The connection does not exist.",
        )
    }

    /// 413: part of the body is longer than it may be.
    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::PAYLOAD_TOO_LARGE, "invalid_body", message)
    }

    /// 413, 408 or 400: the body did not come to its end.
    pub(crate) fn cut(cut: Cut) -> Self {
        Self::refused(cut.status(), "invalid_body", cut.to_string())
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A token request that somebody made for an application: the protocol's code and words, 400
/// throughout, because a 403 here would be about the caller's own token.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let Refusal {
            code, description, ..
        } = refusal;
        Self::refused(StatusCode::BAD_REQUEST, code.as_str(), description)
    }
}

impl From<LifetimeProblem> for Problem {
    fn from(problem: LifetimeProblem) -> Self {
        Self::property(problem.property, problem.text)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::Refused {
                status,
                code,
                message,
            } => {
                tracing::info!(status = status.as_u16(), message, "refused");
                let mut response = render(status, None, code, &message);
                let code = code.unwrap_or_default();
                response.extensions_mut().insert(Refused { code, message });
                response
            }
            Self::Fault(fault) => {
                let Apology {
                    status,
                    retry_after,
                    code,
                    text,
                } = apologise(&fault);
                render(status, retry_after, Some(code), text)
            }
        }
    }
}

/// Auth0's error body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProblemBody<'a> {
    status_code: u16,
    error: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
}

fn render(
    status: StatusCode,
    retry_after: Option<HeaderValue>,
    code: Option<&str>,
    message: &str,
) -> Response {
    let body = ProblemBody {
        status_code: status.as_u16(),
        error: status.canonical_reason().unwrap_or("Error"),
        message,
        error_code: code,
    };
    let mut response = json(status, &body);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    // RFC 6750 §3; a request without a token is told no error code.
    let challenge = match (status, code) {
        (StatusCode::UNAUTHORIZED, None) => Some(r#"Bearer realm="grantor""#),
        (StatusCode::UNAUTHORIZED, Some(_)) => Some(INVALID_TOKEN),
        (StatusCode::FORBIDDEN, Some("insufficient_scope")) => Some(INSUFFICIENT_SCOPE),
        _ => None,
    };
    if let Some(challenge) = challenge {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}
