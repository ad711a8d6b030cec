//! Client authentication at the token, revocation and introspection endpoints (RFC 6749 §2.3).

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::params::Params;
use crate::app::App;
use crate::directory::Stance;
use crate::grants::Authenticated;
use crate::model::application::{Application, ApplicationSecret, AuthMethod};
use crate::model::refusal::{Refusal, Stop};
use crate::model::text::{CLIENT_ID_BYTES_MAX, has_control};
use crate::secret::Secret;
use crate::wire::decode_form;
use crate::wire::schema::{Field, text};

/// Longest secret that is looked at, in bytes.
const SECRET_BYTES_MAX: usize = 1024;

/// How an application says in the body who it is (RFC 6749 §2.3.1).
pub(crate) const CREDENTIALS: &[Field] = &[
    text("client_id", 0, CLIENT_ID_BYTES_MAX),
    text("client_secret", 0, SECRET_BYTES_MAX),
];

/// What a request presents.
pub(crate) struct Presented {
    client_id: String,
    credential: Credential,
}

enum Credential {
    None,
    Post(Secret<String>),
    Basic(Secret<String>),
}

impl Credential {
    fn method(&self) -> AuthMethod {
        match self {
            Self::None => AuthMethod::None,
            Self::Post(_) => AuthMethod::Post,
            Self::Basic(_) => AuthMethod::Basic,
        }
    }
}

impl Presented {
    /// Reads header and body. One way only (RFC 6749 §2.3); `client_id` in the body beside Basic is
    /// fine where it is the same.
    ///
    /// # Errors
    /// `invalid_client` where nobody is named, `invalid_request` for two ways in one request.
    pub(crate) fn read(headers: &HeaderMap, params: &Params) -> Result<Self, Refusal> {
        let in_body = params.text("client_id", CLIENT_ID_BYTES_MAX)?;
        let secret = params.secret("client_secret", SECRET_BYTES_MAX)?;
        if let Some((client_id, basic)) = read_basic(headers)? {
            if secret.is_some() {
                return Err(Refusal::invalid_request(
                    "Two ways of client authentication in one request.",
                ));
            }
            if in_body.is_some_and(|in_body| in_body != client_id) {
                return Err(Refusal::invalid_request(
                    "client_id differs from the Authorization header's.",
                ));
            }
            return Ok(Self {
                client_id,
                credential: Credential::Basic(basic),
            });
        }
        let client_id = in_body
            .ok_or_else(|| Refusal::invalid_client("no client_id"))?
            .to_owned();
        Ok(Self {
            client_id,
            credential: secret.map_or(Credential::None, Credential::Post),
        })
    }
}

/// A Bearer token is a way of its own: no second header and no secret stands beside it.
///
/// # Errors
/// `invalid_request`.
pub(crate) fn check_only_bearer(headers: &HeaderMap, params: &Params) -> Result<(), Refusal> {
    let secret = params.secret("client_secret", SECRET_BYTES_MAX)?;
    if secret.is_none() && headers.get_all(AUTHORIZATION).iter().nth(1).is_none() {
        return Ok(());
    }
    Err(Refusal::invalid_request(
        "Two ways of client authentication in one request.",
    ))
}

/// `Authorization: Basic` with both parts form-encoded (RFC 6749 §2.3.1); `None` without the header.
fn read_basic(headers: &HeaderMap) -> Result<Option<(String, Secret<String>)>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Refusal::invalid_request(
            "Two Authorization headers in one request.",
        ));
    }
    let unreadable =
        || Refusal::invalid_client("the Authorization header is not readable as Basic");
    let (scheme, encoded) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(unreadable)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Refusal::invalid_client(
            "an Authorization scheme other than Basic",
        ));
    }
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| unreadable())?;
    let text = String::from_utf8(decoded).map_err(|_| unreadable())?;
    let (client_id, secret) = text.split_once(':').ok_or_else(unreadable)?;
    let is_fine = |text: &String| !has_control(text) && text.len() <= SECRET_BYTES_MAX;
    let decode = |part: &str| decode_form(part).filter(is_fine);
    let client_id = decode(client_id)
        .filter(|id| id.len() <= CLIENT_ID_BYTES_MAX)
        .ok_or_else(unreadable)?;
    Ok(Some((
        client_id,
        Secret::new(decode(secret).ok_or_else(unreadable)?),
    )))
}

/// Proves who asks. A public application is whoever says so; where that is not enough, the caller
/// refuses.
///
/// # Errors
/// `invalid_client`, the same for an unknown application and for a wrong or expired secret.
pub(crate) async fn authenticate(
    app: &App,
    presented: &Presented,
    stance: Stance,
    now: i64,
) -> Result<Authenticated, Stop> {
    let client_id = &presented.client_id;
    let Some(application) = app.directory.application(client_id, stance).await? else {
        return Err(
            Refusal::invalid_client(format_args!("unknown application {client_id}")).into(),
        );
    };
    check_method(&application, presented.credential.method())?;
    let secret = match &presented.credential {
        Credential::None => None,
        Credential::Post(secret) | Credential::Basic(secret) => {
            Some(find_secret(app, &application, secret, now).await?)
        }
    };
    if !application.is_live(now) {
        return Err(
            Refusal::invalid_client(format_args!("application {client_id} has expired")).into(),
        );
    }
    let secret_expires_at = secret.and_then(|secret| secret.expires_at);
    Ok(Authenticated {
        application,
        secret_expires_at,
    })
}

async fn find_secret<'s>(
    app: &App,
    application: &'s Application,
    given: &Secret<String>,
    now: i64,
) -> Result<&'s ApplicationSecret, Stop> {
    let found = app
        .secrets
        .find(given.expose(), &application.secrets, now)
        .await?;
    let wrong = || {
        Refusal::invalid_client(format_args!(
            "wrong or expired secret of {}",
            application.client_id
        ))
    };
    Ok(found.ok_or_else(wrong)?)
}

/// A method that is set is the only one accepted; unset, basic and post are (compatibility.md §6).
fn check_method(application: &Application, presented: AuthMethod) -> Result<(), Refusal> {
    let accepted = match application.token_endpoint_auth_method {
        Some(only) => only == presented,
        None => presented != AuthMethod::None,
    };
    if accepted {
        return Ok(());
    }
    let (client_id, presented) = (&application.client_id, presented.as_str());
    Err(Refusal::invalid_client(format_args!(
        "application {client_id} may not authenticate by {presented}"
    )))
}
