//! Request objects by value (RFC 9101, OpenID Connect Core §6.1): an authorization request that the
//! application has signed, so that nobody on its way has changed it.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::client_jwt::{self, Instant, LEEWAY_SECONDS};
use crate::model::application::Application;
use crate::model::issuer::Issuer;
use crate::model::json::Unique;

/// Longest request object that is looked at, in bytes.
pub const REQUEST_OBJECT_BYTES_MAX: usize = 16 * 1024;
/// The longest time to its `exp`, in seconds.
const LIFETIME_SECONDS_MAX: i64 = 600;
/// The header's `typ` where there is one (RFC 9101 §10.8).
const TYPES: [&str; 2] = ["JWT", "oauth-authz-req+jwt"];

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: Option<String>,
    aud: Audience,
    exp: Instant,
    nbf: Option<Instant>,
    client_id: Option<String>,
    request: Option<IgnoredAny>,
    request_uri: Option<IgnoredAny>,
}

/// One, or several of which this server is one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn contains(&self, issuer: &str) -> bool {
        match self {
            Self::One(own) => own == issuer,
            Self::Several(own) => own.iter().any(|own| own == issuer),
        }
    }
}

/// The parameters in a request object of an application, once it is proven to be one.
///
/// # Errors
/// Why it is none, for the application's developer.
pub fn open(
    text: &str,
    application: &Application,
    issuer: &Issuer,
    now: i64,
) -> Result<Map<String, Value>, &'static str> {
    let attached = application.credentials.iter();
    let credentials = attached.chain(&application.request_credentials);
    let (_, Unique(claims)) = client_jwt::verify(text, &TYPES, credentials, now)?;
    let incomplete = "its claims are not complete: iss, aud and exp are needed";
    let own = Claims::deserialize(&claims).map_err(|_| incomplete)?;
    check(&own, &application.client_id, (issuer, now))?;
    match claims {
        Value::Object(parameters) => Ok(parameters),
        _ => Err(incomplete),
    }
}

fn check(
    claims: &Claims,
    client_id: &str,
    (issuer, now): (&Issuer, i64),
) -> Result<(), &'static str> {
    let differs = |own: &Option<String>| own.as_ref().is_some_and(|own| own != client_id);
    if claims.iss != client_id || differs(&claims.client_id) {
        return Err("its iss or client_id is another than the application");
    }
    // RFC 9101 §10.8: that would make it a client assertion.
    if claims.sub.as_deref() == Some(client_id) {
        return Err("its sub is the application");
    }
    if !claims.aud.contains(issuer.as_str()) {
        return Err("its aud is not this issuer");
    }
    if claims.exp.0 + LEEWAY_SECONDS <= now {
        return Err("it has expired");
    }
    if claims.exp.0 > now + LIFETIME_SECONDS_MAX + LEEWAY_SECONDS {
        return Err("its exp is more than 600 seconds away");
    }
    if claims.nbf.is_some_and(|at| at.0 > now + LEEWAY_SECONDS) {
        return Err("its nbf is in the future");
    }
    // RFC 9101 §4.
    if claims.request.is_some() || claims.request_uri.is_some() {
        return Err("it holds request or request_uri");
    }
    Ok(())
}
