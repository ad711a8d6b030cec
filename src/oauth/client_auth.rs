//! Client authentication at the token, revocation and introspection endpoints (RFC 6749 §2.3).

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::app::App;
use crate::directory::Stance;
use crate::grants::Authenticated;
use crate::model::application::{Application, ApplicationSecret, AuthMethod, PRIVATE_KEY_JWT};
use crate::model::refusal::{Refusal, Stop, UNKNOWN_APPLICATION};
use crate::model::text::{CLIENT_ID_BYTES_MAX, has_control};
use crate::secret::Secret;
use crate::tokens::assertion::{self, ASSERTION_BYTES_MAX, Terms};
use crate::wire::decode_form;
use crate::wire::params::Params;
use crate::wire::schema::{Field, choice, text};

/// RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longest secret that is looked at, in bytes.
const SECRET_BYTES_MAX: usize = 1024;

/// How an application says in the body who it is (RFC 6749 §2.3.1).
pub(crate) const CREDENTIALS: &[Field] = &[
    text("client_id", 0, CLIENT_ID_BYTES_MAX),
    text("client_secret", 0, SECRET_BYTES_MAX),
    // RFC 7521 §4.2.
    text("client_assertion", 0, ASSERTION_BYTES_MAX),
    choice("client_assertion_type", &[JWT_BEARER]),
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
    /// A JWT that the application has signed.
    Assertion(Secret<String>),
}

impl Credential {
    /// `None` for an assertion, which is no method that `token_endpoint_auth_method` can hold.
    fn method(&self) -> Option<AuthMethod> {
        match self {
            Self::None => Some(AuthMethod::None),
            Self::Post(_) => Some(AuthMethod::Post),
            Self::Basic(_) => Some(AuthMethod::Basic),
            Self::Assertion(_) => None,
        }
    }
}

impl Presented {
    /// Who the request says that it is.
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Reads header and body. One way only (RFC 6749 §2.3); `client_id` in the body beside Basic is
    /// fine where it is the same.
    ///
    /// # Errors
    /// `invalid_client` where nobody is named, `invalid_request` for two ways in one request.
    pub(crate) fn read(headers: &HeaderMap, params: &Params) -> Result<Self, Refusal> {
        let in_body = params.text("client_id", CLIENT_ID_BYTES_MAX)?;
        let secret = params.secret("client_secret", SECRET_BYTES_MAX)?;
        if let Some(assertion) = read_assertion(params)? {
            if secret.is_some() || headers.contains_key(AUTHORIZATION) {
                return Err(two_ways());
            }
            return Self::of_assertion(assertion, in_body);
        }
        if let Some((client_id, basic)) = read_basic(headers)? {
            if secret.is_some() {
                return Err(two_ways());
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

    /// Whose assertion it claims to be; a `client_id` beside it must say the same (RFC 7521 §4.2).
    fn of_assertion(assertion: Secret<String>, in_body: Option<&str>) -> Result<Self, Refusal> {
        let client_id = assertion::claimed_client(assertion.expose())
            .filter(|id| id.len() <= CLIENT_ID_BYTES_MAX && !has_control(id))
            .ok_or_else(|| Refusal::invalid_client("the assertion is not readable"))?;
        if in_body.is_some_and(|in_body| in_body != client_id) {
            return Err(Refusal::invalid_client(
                "client_id differs from the assertion's sub",
            ));
        }
        Ok(Self {
            client_id,
            credential: Credential::Assertion(assertion),
        })
    }
}

fn two_ways() -> Refusal {
    Refusal::invalid_request("Two ways of client authentication in one request.")
}

/// `client_assertion`, which comes with its type (RFC 7521 §4.2).
fn read_assertion(params: &Params) -> Result<Option<Secret<String>>, Refusal> {
    let assertion = params.secret("client_assertion", ASSERTION_BYTES_MAX)?;
    let kind = params.text("client_assertion_type", SECRET_BYTES_MAX)?;
    match (assertion, kind) {
        (Some(assertion), Some(JWT_BEARER)) => Ok(Some(assertion)),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Refusal::invalid_client("an unknown client_assertion_type")),
        _ => Err(Refusal::invalid_request(
            "'client_assertion' and 'client_assertion_type' come together.",
        )),
    }
}

/// A Bearer token is a way of its own: no second header, secret or assertion stands beside it.
///
/// # Errors
/// `invalid_request`.
pub(crate) fn check_only_bearer(headers: &HeaderMap, params: &Params) -> Result<(), Refusal> {
    let secret = params.secret("client_secret", SECRET_BYTES_MAX)?;
    let assertion = params.secret("client_assertion", ASSERTION_BYTES_MAX)?;
    let is_only = headers.get_all(AUTHORIZATION).iter().nth(1).is_none();
    if secret.is_none() && assertion.is_none() && is_only {
        return Ok(());
    }
    Err(two_ways())
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
            Refusal::invalid_client(format_args!("{UNKNOWN_APPLICATION} {client_id}")).into(),
        );
    };
    check_method(&application, presented.credential.method())?;
    let live = || {
        let gone = || Refusal::invalid_client(format_args!("application {client_id} has expired"));
        application.is_live(now).then_some(()).ok_or_else(gone)
    };
    let credential_expires_at = match &presented.credential {
        Credential::None => {
            live()?;
            None
        }
        Credential::Post(secret) | Credential::Basic(secret) => {
            let secret = find_secret(app, &application, secret, now).await?;
            live()?;
            app.uses.note(client_id, secret, now);
            secret.expires_at
        }
        Credential::Assertion(assertion) => {
            live()?;
            check_assertion(app, &application, assertion, now).await?
        }
    };
    Ok(Authenticated {
        application,
        credential_expires_at,
    })
}

/// Possession first, single use last (RFC 7523 §3). Answers when the credential ends.
async fn check_assertion(
    app: &App,
    application: &Application,
    assertion: &Secret<String>,
    now: i64,
) -> Result<Option<i64>, Stop> {
    let client_id = &application.client_id;
    let terms = Terms {
        audiences: &app.assertion_audiences,
        lifetime_seconds_max: app.config.client_assertion.lifetime_seconds_max,
        now,
    };
    let verified = assertion::verify(assertion.expose(), application, terms).map_err(|why| {
        Refusal::invalid_client(format_args!("assertion of {client_id} refused: {why}"))
    })?;
    if !app.mint.redeem(client_id, &verified).await? {
        let log = format_args!("assertion of {client_id} refused: its jti has been used");
        return Err(Refusal::invalid_client(log).into());
    }
    Ok(verified.credential.expires_at)
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
/// Where `private_key_jwt` is set, only an assertion is.
fn check_method(application: &Application, presented: Option<AuthMethod>) -> Result<(), Refusal> {
    let accepted = match (
        &application.private_key_jwt,
        application.token_endpoint_auth_method,
    ) {
        (Some(_), _) => presented.is_none(),
        (None, Some(only)) => presented == Some(only),
        (None, None) => matches!(presented, Some(AuthMethod::Post | AuthMethod::Basic)),
    };
    if accepted {
        return Ok(());
    }
    let client_id = &application.client_id;
    let presented = presented.map_or(PRIVATE_KEY_JWT, AuthMethod::as_str);
    Err(Refusal::invalid_client(format_args!(
        "application {client_id} may not authenticate by {presented}"
    )))
}
