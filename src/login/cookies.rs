//! The cookie of a session: for this server alone, out of reach of scripts, and not sent along with
//! what other sites post (RFC 6265bis; OWASP ASVS 5, V3.3).

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};

use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::secret::Secret;
use crate::sessions::Opened;

/// With the prefix, a browser takes it only by https, from this host, for all of its paths.
const SECURE_NAME: &str = "__Host-grantor_session";
/// Where the issuer is http on loopback, for a try.
const NAME: &str = "grantor_session";

fn name(issuer: &Issuer) -> &'static str {
    if issuer.is_https() { SECURE_NAME } else { NAME }
}

/// The text of a request's session cookie. Two of one name are none: somebody has planted one.
#[must_use]
pub fn session(issuer: &Issuer, headers: &HeaderMap) -> Option<Secret<String>> {
    let texts = headers.get_all(COOKIE).iter();
    let texts = texts.filter_map(|value| value.to_str().ok());
    let all = texts.flat_map(|text| Cookie::split_parse(text.to_owned()).filter_map(Result::ok));
    let mut own = all.filter(|cookie| cookie.name() == name(issuer));
    match (own.next(), own.next()) {
        (Some(only), None) => Some(Secret::new(only.value().to_owned())),
        _ => None,
    }
}

/// `Set-Cookie` of a session that begins; one that is not persistent ends with the browser's window.
///
/// # Errors
/// A fault where it is no header value.
pub fn set(issuer: &Issuer, opened: &Opened, now: i64) -> Result<HeaderValue, Fault> {
    let seconds = opened.session.expires_at.saturating_sub(now);
    let mut cookie = bare(issuer, opened.cookie.expose().clone());
    if opened.session.is_persistent {
        cookie.set_max_age(Duration::seconds(seconds));
    }
    value(&cookie)
}

/// `Set-Cookie` that takes the session's cookie away.
///
/// # Errors
/// A fault where it is no header value.
pub fn clear(issuer: &Issuer) -> Result<HeaderValue, Fault> {
    let mut cookie = bare(issuer, String::new());
    cookie.set_max_age(Duration::ZERO);
    value(&cookie)
}

fn bare(issuer: &Issuer, text: String) -> Cookie<'static> {
    Cookie::build((name(issuer), text))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(issuer.is_https())
        .build()
}

fn value(cookie: &Cookie<'_>) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::try_from(cookie.to_string()).map_err(Fault::internal)?;
    value.set_sensitive(true);
    Ok(value)
}
