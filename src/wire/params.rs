//! The parameters of a request to a protocol endpoint, form or JSON, read once.
//!
//! Only `resource` repeats; any other key twice, known or not, is `invalid_request`, and so is a value
//! that is not UTF-8. An empty value counts as omitted (RFC 6749 §3.2), `validity_period` excepted; so does JSON's null.

use std::collections::HashMap;

use axum::body::Body;
use axum::http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::config::Server;
use crate::lifetime::{self, Lifetime};
use crate::model::json::Unique;
use crate::model::refusal::{Code, Refusal, echo};
use crate::model::scope::Scopes;
use crate::model::text::has_control;
use crate::secret::Secret;
use crate::wire::{self, Cut};

/// Parameters whose presence in a query string would put a secret into logs (RFC 6749 §2.3.1).
const SECRETS: [&str; 7] = [
    "access_token",
    "client_secret",
    "client_assertion",
    "password",
    "refresh_token",
    "code",
    "token",
];
/// Most parameters in one request.
const PARAMS_MAX: usize = 200;

/// A value as it was sent.
#[derive(Clone, Debug, PartialEq)]
enum Sent {
    Text(String),
    Number(i64),
    Texts(Vec<String>),
    Object(Map<String, Value>),
    /// What is wrong with it, behind its name.
    Unreadable(&'static str),
    /// JSON of another kind: an error where the parameter is known.
    Other,
}

/// The parameters of one request.
#[derive(Clone)]
pub(crate) struct Params(Vec<(String, Sent)>);

impl Params {
    /// Reads query string, content type and body.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) async fn read(
        uri: &Uri,
        headers: &HeaderMap,
        body: Body,
        bounds: &Server,
    ) -> Result<Self, Refusal> {
        let params = Self::read_apart(uri, headers, body, bounds).await?;
        params.check_whole()?;
        Ok(params)
    }

    /// The same, where one that cannot be read is no reason not to look at others:
    /// [`Params::check_whole`] is left to the caller.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) async fn read_apart(
        uri: &Uri,
        headers: &HeaderMap,
        body: Body,
        bounds: &Server,
    ) -> Result<Self, Refusal> {
        check_query(uri)?;
        let body = wire::read_body(body, bounds).await.map_err(|cut| {
            let code = match cut {
                Cut::TooLarge(_) => Code::BodyTooLarge,
                Cut::TooSlow(_) => Code::BodyTooSlow,
                Cut::Broken => Code::InvalidRequest,
            };
            Refusal::new(code, cut.to_string())
        })?;
        Self::parse(headers, &body)
    }

    /// Reads the query string of a request that carries its parameters there, as
    /// [`Params::read_apart`].
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) fn of_query_apart(uri: &Uri) -> Result<Self, Refusal> {
        Self::bounded(read_form(uri.query().unwrap_or("").as_bytes())?)
    }

    /// The members of an object that was read otherwise.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) fn of_object(members: Map<String, Value>) -> Result<Self, Refusal> {
        let params = Self::bounded(read_members(members))?;
        params.check_whole()?;
        Ok(params)
    }

    /// Passes where each of them can be read.
    ///
    /// # Errors
    /// `invalid_request`, which names the first that cannot.
    pub(crate) fn check_whole(&self) -> Result<(), Refusal> {
        let unreadable = self.0.iter().find_map(|(name, sent)| match sent {
            Sent::Unreadable(why) => Some(unreadable(name, why)),
            _ => None,
        });
        unreadable.map_or(Ok(()), Err)
    }

    fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let sent = match wire::media_type(headers).as_str() {
            "application/x-www-form-urlencoded" => read_form(body)?,
            "application/json" => read_json(body)?,
            _ => {
                return Err(Refusal::invalid_request(
                    "Content-Type must be application/x-www-form-urlencoded or application/json.",
                ));
            }
        };
        Self::bounded(sent)
    }

    fn bounded(sent: Vec<(String, Sent)>) -> Result<Self, Refusal> {
        if sent.len() > PARAMS_MAX {
            return Err(Refusal::invalid_request(format!(
                "More than {PARAMS_MAX} parameters."
            )));
        }
        Ok(Self(without_repetition(sent)))
    }

    /// A text parameter; absent where omitted or empty.
    ///
    /// # Errors
    /// `invalid_request` for control characters, another JSON type, or more than `bytes_max` bytes.
    pub(crate) fn text(&self, name: &str, bytes_max: usize) -> Result<Option<&str>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Sent::Text(text)) if text.is_empty() => Ok(None),
            Some(Sent::Text(text)) => check_text(name, text, bytes_max).map(Some),
            Some(Sent::Unreadable(why)) => Err(unreadable(name, why)),
            Some(_) => Err(Refusal::invalid_request(format!(
                "Parameter '{name}' must be a string."
            ))),
        }
    }

    /// A text parameter that must be there, in Auth0's words otherwise.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) fn required(&self, name: &str, bytes_max: usize) -> Result<&str, Refusal> {
        let missing = || Refusal::invalid_request(format!("Missing required parameter: {name}"));
        self.text(name, bytes_max)?.ok_or_else(missing)
    }

    /// A text parameter that is never shown.
    ///
    /// # Errors
    /// As [`Params::text`].
    pub(crate) fn secret(
        &self,
        name: &str,
        bytes_max: usize,
    ) -> Result<Option<Secret<String>>, Refusal> {
        Ok(self
            .text(name, bytes_max)?
            .map(|text| Secret::new(text.to_owned())))
    }

    /// A number from 0 on, in digits; in JSON a number as well.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) fn whole_number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        /// Those of the largest number.
        const DIGITS_MAX: usize = 19;
        let number = if let Some(Sent::Number(number)) = self.get(name) {
            Some(*number).filter(|number| *number >= 0)
        } else {
            let Some(text) = self.text(name, DIGITS_MAX)? else {
                return Ok(None);
            };
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits)
        };
        let wrong = || format!("Parameter '{name}' must be a whole number from 0 on.");
        let number = number.ok_or_else(|| Refusal::invalid_request(wrong()))?;
        Ok(Some(number))
    }

    /// A JSON object, as such or as a text of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) fn object(
        &self,
        name: &str,
        bytes_max: usize,
    ) -> Result<Option<Map<String, Value>>, Refusal> {
        if let Some(Sent::Object(members)) = self.get(name) {
            return Ok(Some(members.clone()));
        }
        let Some(text) = self.text(name, bytes_max)? else {
            return Ok(None);
        };
        match serde_json::from_str(text) {
            Ok(Unique(Value::Object(members))) => Ok(Some(members)),
            _ => Err(Refusal::invalid_request(format!(
                "Parameter '{name}' must be a JSON object."
            ))),
        }
    }

    /// A parameter that may repeat (in JSON: an array).
    ///
    /// # Errors
    /// As [`Params::text`], for each value.
    pub(crate) fn texts(&self, name: &str, bytes_max: usize) -> Result<Vec<String>, Refusal> {
        let mut texts = Vec::new();
        for (_, sent) in self.0.iter().filter(|(own, _)| own == name) {
            let values: &[String] = match sent {
                Sent::Text(text) => std::slice::from_ref(text),
                Sent::Texts(values) => values,
                Sent::Unreadable(why) => return Err(unreadable(name, why)),
                _ => {
                    let text =
                        format!("Parameter '{name}' must be a string or an array of strings.");
                    return Err(Refusal::invalid_request(text));
                }
            };
            if values.len() > PARAMS_MAX {
                let text = format!("Parameter '{name}' has more than {PARAMS_MAX} values.");
                return Err(Refusal::invalid_request(text));
            }
            for value in values.iter().filter(|value| !value.is_empty()) {
                texts.push(check_text(name, value, bytes_max)?.to_owned());
            }
        }
        Ok(texts)
    }

    /// `validity_period`: an integer number of seconds, negative for never; empty is an error, so
    /// that a broken client does not silently get the default (lifetime.md, Words).
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) fn validity_period(&self) -> Result<Option<Lifetime>, Refusal> {
        let refuse =
            |why: &str| Refusal::invalid_request(format!("Parameter 'validity_period': {why}"));
        match self.get("validity_period") {
            None => Ok(None),
            Some(Sent::Text(text)) => lifetime::parse_seconds(text)
                .map(Some)
                .map_err(|why| refuse(&why.to_string())),
            Some(Sent::Number(seconds)) => lifetime::parse_seconds(&seconds.to_string())
                .map(Some)
                .map_err(|why| refuse(&why.to_string())),
            Some(Sent::Unreadable(why)) => Err(unreadable("validity_period", why)),
            Some(_) => Err(refuse("it must be an integer number of seconds.")),
        }
    }

    /// `scope`: space-separated, or in JSON an array (Auth0's words for anything else).
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) fn scope(&self) -> Result<Option<Scopes>, Refusal> {
        const SCOPE_BYTES_MAX: usize = 32 * 1024;
        match self.get("scope") {
            Some(Sent::Texts(values)) => {
                for value in values {
                    check_text("scope", value, SCOPE_BYTES_MAX)?;
                }
                let scopes = Scopes::parse(&values.join(" "));
                Ok(Some(scopes).filter(|scopes| !scopes.is_empty()))
            }
            Some(Sent::Number(_) | Sent::Object(_) | Sent::Other) => Err(Refusal::invalid_request(
                "Scope must be an array or a string",
            )),
            _ => Ok(self
                .text("scope", SCOPE_BYTES_MAX)?
                .map(Scopes::parse)
                .filter(|scopes| !scopes.is_empty())),
        }
    }

    fn get(&self, name: &str) -> Option<&Sent> {
        self.0
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, sent)| sent)
    }
}

fn check_text<'t>(name: &str, text: &'t str, bytes_max: usize) -> Result<&'t str, Refusal> {
    if text.len() > bytes_max {
        return Err(Refusal::invalid_request(format!(
            "Parameter '{name}' is longer than {bytes_max} bytes."
        )));
    }
    if has_control(text) {
        return Err(Refusal::invalid_request(format!(
            "Parameter '{name}' holds control characters."
        )));
    }
    Ok(text)
}

/// Passes where no parameter is in the query string that must not be there.
///
/// # Errors
/// `invalid_request`.
pub(crate) fn check_query(uri: &Uri) -> Result<(), Refusal> {
    let query = uri.query().unwrap_or("");
    let names = query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or(""));
    for name in names {
        let name = percent_decode_str(name).decode_utf8_lossy();
        if SECRETS.contains(&name.as_ref()) {
            let text =
                format!("Parameter '{name}' must not be in the query string; send it in the body.");
            return Err(Refusal::invalid_request(text));
        }
    }
    Ok(())
}

fn unreadable(name: &str, why: &str) -> Refusal {
    Refusal::invalid_request(format!("Parameter '{}' {why}", echo(name)))
}

/// One that is there twice stands there once, and cannot be read: nobody knows which is meant.
fn without_repetition(sent: Vec<(String, Sent)>) -> Vec<(String, Sent)> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (name, _) in &sent {
        *counts.entry(name.clone()).or_default() += 1;
    }
    let once = |(name, sent): (String, Sent)| match counts.get_mut(&name) {
        Some(count) if *count > 1 && name != "resource" => {
            *count = 0;
            Some((name, Sent::Unreadable("is repeated.")))
        }
        Some(0) => None,
        _ => Some((name, sent)),
    };
    sent.into_iter().filter_map(once).collect()
}

/// `application/x-www-form-urlencoded`.
fn read_form(form: &[u8]) -> Result<Vec<(String, Sent)>, Refusal> {
    let not_utf8 = || Refusal::invalid_request("The parameters are not valid UTF-8.");
    let text = std::str::from_utf8(form).map_err(|_| not_utf8())?;
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = wire::decode_form(name).ok_or_else(not_utf8)?;
            let value = wire::decode_form(value);
            let value = value.map_or(Sent::Unreadable("is not valid UTF-8."), Sent::Text);
            Ok((name, value))
        })
        .collect()
}

fn read_json(body: &[u8]) -> Result<Vec<(String, Sent)>, Refusal> {
    let parsed = serde_json::from_slice::<Unique>(body).map_err(|error| {
        Refusal::invalid_request(format!(
            "The body is not the JSON of one request: {}",
            echo(&error.to_string())
        ))
    })?;
    let Value::Object(members) = parsed.0 else {
        return Err(Refusal::invalid_request("The body is not a JSON object."));
    };
    Ok(read_members(members))
}

fn read_members(members: Map<String, Value>) -> Vec<(String, Sent)> {
    members
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name, sent(value)))
        .collect()
}

fn sent(value: Value) -> Sent {
    match value {
        Value::String(text) => Sent::Text(text),
        Value::Number(number) => number.as_i64().map_or(Sent::Other, Sent::Number),
        Value::Object(members) => Sent::Object(members),
        Value::Array(items) => items
            .into_iter()
            .map(|item| {
                if let Value::String(text) = item {
                    Some(text)
                } else {
                    None
                }
            })
            .collect::<Option<Vec<_>>>()
            .map_or(Sent::Other, Sent::Texts),
        _ => Sent::Other,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::CONTENT_TYPE;

    use super::*;

    fn form(body: &str) -> Result<Params, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            "application/x-www-form-urlencoded; charset=utf-8"
                .parse()
                .unwrap(),
        );
        Params::parse(&headers, body.as_bytes())
    }

    #[test]
    fn only_resource_repeats_and_an_empty_value_is_an_omitted_one() {
        let params = form("a=1&resource=x&resource=y&resource=&b=&c=a+b%2Bc").unwrap();
        assert_eq!(params.texts("resource", 10).unwrap(), ["x", "y"]);
        assert_eq!(params.text("b", 10).unwrap(), None);
        assert_eq!(params.text("c", 10).unwrap(), Some("a b+c"));
        for body in [
            "a=1&a=1",
            "a=1&%61=2",
            "x&x",
            "validity_period=&validity_period=",
        ] {
            assert!(form(body).unwrap().check_whole().is_err(), "{body}");
        }
        let params = form("a=1&b=2&a=3").unwrap();
        assert!(params.text("a", 10).is_err());
        assert_eq!(params.text("b", 10).unwrap(), Some("2"));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert!(form("%ff=a").is_err());
        let params = form("a=%00&b=xx&c=%ff&validity_period=").unwrap();
        assert!(params.text("c", 10).is_err() && params.check_whole().is_err());
        assert!(params.text("a", 10).is_err());
        assert!(params.text("b", 1).is_err());
        assert!(params.validity_period().is_err());
    }
}
