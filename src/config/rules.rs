//! What each kind of value must look like. Every rule says in words what it wants, and never repeats
//! the value, which may be a secret.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use figment::value::Value;
use ipnet::IpNet;
use url::Url;

use super::problem::Source;
use super::sources::Entry;
use super::{LogFormat, StoreUrl};
use crate::lifetime::Lifetime;
use crate::model::api::SigningAlgorithm;
use crate::model::issuer::is_loopback;
use crate::secret::Secret;

/// From text to a type, or the rule that the text breaks.
pub(super) type Rule<T> = fn(&str) -> Result<T, String>;

/// What is shown in place of a secret.
pub(super) const HIDDEN: &str = "[hidden]";

const LIST_MEMBERS_MAX: usize = 100;

const LEVEL_CHARS_MAX: usize = 1000;

const ZERO_LIFETIME: &str = "a lifetime is never 0; use a number of seconds from 1 up, \
                             or a negative number for tokens that never expire";

const LIFETIME: &str = "this must be a whole number of seconds (negative: never expires), or text \
                        with one number and one unit, such as \"90s\", \"5m\", \"1h\" or \"30d\"";

/// Text as it may stand in a message: in quotes, control characters escaped.
pub(super) fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// A value as it was written, near enough to recognise it.
pub(super) fn shown(entry: &Entry) -> String {
    match (any_integer(entry), &entry.value) {
        (Some(integer), _) => integer.to_string(),
        (_, Value::String(_, text)) => quoted(text),
        (_, Value::Bool(_, value)) => value.to_string(),
        (_, Value::Num(..)) => "a number that is not whole".to_owned(),
        (_, Value::Array(..)) => "a list".to_owned(),
        _ => "a table or date".to_owned(),
    }
}

/// Text, taken literally.
pub(super) fn text(entry: &Entry) -> Result<&str, String> {
    entry
        .value
        .as_str()
        .ok_or_else(|| "this must be text, in quotes".to_owned())
}

/// The texts of a list, or of text with commas between them.
pub(super) fn members(entry: &Entry) -> Result<Vec<&str>, String> {
    let members: Option<Vec<&str>> = match &entry.value {
        Value::Array(_, values) => values.iter().map(Value::as_str).collect(),
        Value::String(_, text) if text.trim().is_empty() => Some(Vec::new()),
        Value::String(_, text) => Some(text.split(',').map(str::trim).collect()),
        _ => None,
    };
    members
        .filter(|members| members.len() <= LIST_MEMBERS_MAX)
        .ok_or_else(|| format!("this must be a list of at most {LIST_MEMBERS_MAX} texts"))
}

/// `true` or `false`; in the environment those words.
pub(super) fn boolean(entry: &Entry) -> Result<bool, String> {
    let word = match from_environment(entry) {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => entry.value.to_bool(),
    };
    word.ok_or_else(|| "this must be true or false".to_owned())
}

/// A whole number within bounds; in the environment its digits.
pub(super) fn integer(entry: &Entry, bounds: &RangeInclusive<i64>) -> Result<i64, String> {
    any_integer(entry)
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| outside(bounds))
}

/// The rule of [`integer`] in words.
pub(super) fn outside(bounds: &RangeInclusive<i64>) -> String {
    format!(
        "this must be a whole number from {} to {}",
        bounds.start(),
        bounds.end()
    )
}

/// A lifetime (lifetime.md, Words): a number of seconds or text with a unit.
pub(super) fn lifetime(entry: &Entry) -> Result<Lifetime, String> {
    let with_unit = || entry.value.as_str().and_then(seconds_with_unit);
    let seconds = any_integer(entry).or_else(with_unit).ok_or(LIFETIME)?;
    Lifetime::from_seconds(seconds).ok_or_else(|| ZERO_LIFETIME.to_owned())
}

fn from_environment(entry: &Entry) -> Option<&str> {
    matches!(entry.source, Source::Variable(_))
        .then(|| entry.value.as_str())
        .flatten()
}

fn any_integer(entry: &Entry) -> Option<i64> {
    match from_environment(entry) {
        Some(text) if text.starts_with('+') => None,
        Some(text) => text.parse().ok(),
        None => entry
            .value
            .to_i128()
            .and_then(|number| number.try_into().ok()),
    }
}

fn seconds_with_unit(text: &str) -> Option<i64> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let split = |(unit, seconds)| Some((text.strip_suffix(unit)?, seconds));
    let (digits, seconds): (&str, i64) = units.into_iter().find_map(split)?;
    let number: i64 = digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())??;
    number.checked_mul(seconds)
}

/// An IP address and a port.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let rule = "this must be an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080";
    text.parse().map_err(|_| rule.to_owned())
}

/// An IP address, or a network (RFC 4632, RFC 4291 §2.3). An IPv4 address that is written as IPv6
/// would never be met: a peer's address is compared in its IPv4 form.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let address: Result<IpNet, _> = text.parse::<IpAddr>().map(IpNet::from);
    let network = address.or_else(|_| text.parse::<IpNet>()).map_err(
        |_| "each must be an IP address or a network, such as 10.0.0.7, 10.0.0.0/8 or fd00::/8",
    )?;
    if network.addr().to_canonical() != network.addr() {
        return Err("write IPv4 addresses and networks as such, without ::ffff:".to_owned());
    }
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(format!("write the network as {}", network.trunc()))
    }
}

/// The issuer with its last slash (compatibility.md §6). Clients compare it character by character,
/// so a URL in another than its normal form is refused instead of changed in silence.
pub(super) fn issuer(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| "this must be an https URL")?;
    let is_secure = match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url),
        _ => false,
    };
    if !is_secure {
        return Err("this must be an https URL, or http on loopback \
                    (127.0.0.0/8, ::1 or localhost)"
            .to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not hold a user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL must not have a query or a fragment".to_owned());
    }
    if url.port() == Some(0) {
        return Err("port 0 is no port that anybody could reach".to_owned());
    }
    // Endpoints lie below the issuer's path and at the root; these would be taken for both.
    let mut segments = url.path().split('/');
    if url.path().trim_end_matches('/') == "/oauth"
        || segments.any(|part| part.starts_with([':', '*']))
    {
        return Err(
            "the path must not be /oauth, and no part of it may begin with : or *".to_owned(),
        );
    }
    let with_slash = |url: &str| format!("{}/", url.strip_suffix('/').unwrap_or(url));
    let normal = with_slash(url.as_str());
    if with_slash(text) == normal {
        Ok(normal)
    } else {
        Err(format!("write this URL as {normal}"))
    }
}

/// True for the URL of a listener that takes any free port.
pub(super) fn has_port_0(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.port() == Some(0))
}

/// The URL of a listener as this machine reaches it: an address that means "all" becomes 127.0.0.1.
/// With TLS the usual loopback address is called localhost, as certificates call it.
pub(super) fn local_url(mut listen: SocketAddr, has_tls: bool) -> String {
    if listen.ip().is_unspecified() {
        listen.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let is_localhost = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ]
    .contains(&listen.ip());
    let url = match (has_tls, is_localhost) {
        (true, true) => format!("https://localhost:{}/", listen.port()),
        (true, false) => format!("https://{listen}/"),
        (false, _) => format!("http://{listen}/"),
    };
    // The normal form leaves out the scheme's own port.
    Url::parse(&url).map_or(url, String::from)
}

/// The database that a URL names.
pub(super) fn store_url(text: &str) -> Result<StoreUrl, String> {
    if let Some(path) = text.strip_prefix("sqlite://") {
        return sqlite_path(path).map(|path| StoreUrl::Sqlite { path: path.into() });
    }
    match Url::parse(text) {
        Ok(url) if ["postgres", "postgresql"].contains(&url.scheme()) && url.has_authority() => {
            Ok(StoreUrl::Postgres {
                url: Secret::new(text.to_owned()),
            })
        }
        Err(error) if text.starts_with("postgres") => Err(format!(
            "this is not a URL ({error}); in a password, : / ? # @ % must be escaped"
        )),
        _ => Err("this must begin with sqlite:// or postgres://".to_owned()),
    }
}

fn sqlite_path(path: &str) -> Result<&str, String> {
    if path.is_empty() || path.ends_with('/') {
        return Err("sqlite:// must be followed by the path of a file".to_owned());
    }
    if path.contains(['?', '#']) || path.starts_with(':') {
        return Err("sqlite:// takes the path of a file, and no parameters".to_owned());
    }
    Ok(path)
}

/// A store's URL with `***` for its password; hidden altogether where the password may be elsewhere.
pub(super) fn without_password(text: &str) -> String {
    if text.starts_with("sqlite://") {
        return quoted(text);
    }
    let Ok(mut url) = Url::parse(text) else {
        return HIDDEN.to_owned();
    };
    // An unescaped `/`, `?` or `#` in a password moves the rest of it, and the `@`, behind the host.
    let behind_host = text.rsplit_once('@').is_some_and(|(before, _)| {
        before
            .split_once("://")
            .is_none_or(|(_, user)| user.contains(['/', '?', '#']))
    });
    if behind_host || !url.has_authority() {
        return HIDDEN.to_owned();
    }
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return HIDDEN.to_owned();
    }
    hide_password_parameter(&mut url);
    quoted(url.as_str())
}

/// Postgres also takes a password as a parameter: `?password=…`.
fn hide_password_parameter(url: &mut Url) {
    let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let is_password = |name: &str| name.to_ascii_lowercase().contains("password");
    if parameters.iter().any(|(name, _)| is_password(name)) {
        url.query_pairs_mut()
            .clear()
            .extend_pairs(parameters.into_iter().map(|(name, value)| {
                let value = if is_password(&name) {
                    "***".to_owned()
                } else {
                    value
                };
                (name, value)
            }));
    }
}

/// One of the algorithms with key pairs: HS256 is an API's own affair, because it has a secret.
pub(super) fn signing_alg(text: &str) -> Result<SigningAlgorithm, String> {
    let names = SigningAlgorithm::WITH_KEYS.map(SigningAlgorithm::as_str);
    SigningAlgorithm::parse_with_keys(text)
        .ok_or_else(|| format!("this must be one of \"{}\"", names.join("\", \"")))
}

/// One or several keys of 32 bytes in base64, separated by commas or line breaks.
pub(super) fn master_keys(text: &str) -> Result<Vec<Secret<[u8; 32]>>, String> {
    let separate = text.split([',', '\n']).map(str::trim);
    separate
        .enumerate()
        .map(|(position, key)| master_key(position + 1, key))
        .collect()
}

fn master_key(number: usize, text: &str) -> Result<Secret<[u8; 32]>, String> {
    let bytes = BASE64
        .decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    bytes.map(Secret::new).ok_or_else(|| {
        format!("key {number} is not 32 bytes in base64 (make one: openssl rand -base64 32)")
    })
}

/// The shape of ids that Grantor makes itself (compatibility.md §6, identifiers of APIs).
pub(super) fn client_id(text: &str) -> Result<String, String> {
    let is_id = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id
        .then(|| text.to_owned())
        .ok_or_else(|| "this must be exactly 32 letters and digits".into())
}

/// Long enough to need no slow hash; printable ASCII (RFC 6749 appendix A.2).
pub(super) fn client_secret(text: &str) -> Result<Secret<String>, String> {
    let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let is_fit = is_printable && (32..=256).contains(&text.len());
    is_fit
        .then(|| Secret::new(text.to_owned()))
        .ok_or_else(|| "this must be 32 to 256 printable ASCII characters".to_owned())
}

/// A filter of the log: levels, or `target=level`. A word that is no level would name a target, and
/// silence everything else.
pub(super) fn log_level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |directive: &str| {
        let level = directive.rsplit('=').next().unwrap_or("").trim();
        LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level))
    };
    let is_fit = (1..=LEVEL_CHARS_MAX).contains(&text.chars().count());
    if is_fit && text.split(',').all(is_level) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "this must be one of {}, or target=level, several separated by commas, \
         at most {LEVEL_CHARS_MAX} characters",
        LEVELS.join(", ")
    ))
}

/// How a line of the log looks.
pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("this must be \"auto\", \"text\" or \"json\"".to_owned()),
    }
}

/// `audit.issuances`
pub(super) fn every_or_off(text: &str) -> Result<bool, String> {
    match text {
        "every" => Ok(true),
        "off" => Ok(false),
        _ => Err("this must be \"every\" or \"off\"".to_owned()),
    }
}
