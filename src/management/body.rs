//! The body of a request: a JSON object whose members are taken one by one. What nobody has taken
//! is an unknown property, and every error names the property.

use std::ops::RangeInclusive;

use axum::body::Body;
use axum::http::HeaderMap;
use serde_json::{Map, Value};

use super::answer::Problem;
use crate::config::Server;
use crate::model::instant;
use crate::model::json::Unique;
use crate::model::refusal::echo;
use crate::model::text::has_control;
use crate::wire;

/// The members of a JSON object that have not been taken yet.
pub(crate) struct Fields {
    members: Map<String, Value>,
    /// What stands in front of a member's name in messages: `access_token_lifetimes.`.
    prefix: &'static str,
}

impl Fields {
    /// Reads a body of JSON; none at all counts as `{}`.
    pub(crate) async fn read(
        headers: &HeaderMap,
        body: Body,
        bounds: &Server,
    ) -> Result<Self, Problem> {
        let bytes = wire::read_body(body, bounds).await.map_err(Problem::cut)?;
        if bytes.is_empty() {
            return Ok(Self {
                members: Map::new(),
                prefix: "",
            });
        }
        if wire::media_type(headers) != "application/json" {
            return Err(Problem::body("Content-Type must be application/json."));
        }
        match serde_json::from_slice::<Unique>(&bytes) {
            Ok(Unique(Value::Object(members))) => Ok(Self {
                members,
                prefix: "",
            }),
            Ok(_) => Err(Problem::body("the body must be a JSON object.")),
            Err(error) => Err(Problem::body(echo(&error.to_string()))),
        }
    }

    /// True where the member is there, null included.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// True where anything but `name` is there.
    pub(crate) fn names_other_than(&self, name: &str) -> bool {
        self.members.keys().any(|own| own != name)
    }

    /// A string within a number of characters.
    pub(crate) fn text(
        &mut self,
        name: &'static str,
        chars: RangeInclusive<usize>,
    ) -> Result<Option<String>, Problem> {
        match self.members.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => self.check_text(name, text, &chars).map(Some),
            Some(other) => Err(self.expected(name, "string", &other)),
        }
    }

    /// A string within a number of characters, or null.
    pub(crate) fn text_or_null(
        &mut self,
        name: &'static str,
        chars: RangeInclusive<usize>,
    ) -> Result<Option<Option<String>>, Problem> {
        if self.take_null(name) {
            return Ok(Some(None));
        }
        Ok(self.text(name, chars)?.map(Some))
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.members.remove(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(self.expected(name, "boolean", &other)),
        }
    }

    /// A boolean, or null.
    pub(crate) fn boolean_or_null(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Option<bool>>, Problem> {
        if self.take_null(name) {
            return Ok(Some(None));
        }
        Ok(self.boolean(name)?.map(Some))
    }

    /// True where the member was there and null; it is taken then.
    pub(crate) fn take_null(&mut self, name: &str) -> bool {
        let is_null = self.members.get(name).is_some_and(Value::is_null);
        if is_null {
            self.members.remove(name);
        }
        is_null
    }

    /// An integer, also as a decimal string (old examples write it so), or null.
    pub(crate) fn integer_or_null(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Option<i64>>, Problem> {
        let integer = match self.members.remove(name) {
            None => return Ok(None),
            Some(Value::Null) => return Ok(Some(None)),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => decimal(&text),
            Some(other) => return Err(self.expected(name, "integer", &other)),
        };
        let Some(integer) = integer else {
            return Err(self.wrong(name, "Expected an integer within 64 bits"));
        };
        Ok(Some(Some(integer)))
    }

    /// An integer.
    pub(crate) fn integer(&mut self, name: &'static str) -> Result<Option<i64>, Problem> {
        match self.integer_or_null(name)? {
            Some(None) => Err(self.expected(name, "integer", &Value::Null)),
            Some(integer) => Ok(integer),
            None => Ok(None),
        }
    }

    /// One of a few strings.
    pub(crate) fn choice<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        choices: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name, 0..=200)? else {
            return Ok(None);
        };
        let parsed = parse(&text);
        parsed.map(Some).ok_or_else(|| {
            self.wrong(
                name,
                format_args!("'{}' is not one of {choices}", echo(&text)),
            )
        })
    }

    /// One of a few strings, or null.
    pub(crate) fn choice_or_null<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        choices: &str,
    ) -> Result<Option<Option<T>>, Problem> {
        if self.take_null(name) {
            return Ok(Some(None));
        }
        Ok(self.choice(name, parse, choices)?.map(Some))
    }

    /// An array of different strings, each within a number of characters.
    pub(crate) fn texts(
        &mut self,
        name: &'static str,
        items_max: usize,
        chars: RangeInclusive<usize>,
    ) -> Result<Option<Vec<String>>, Problem> {
        let items = match self.members.remove(name) {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(self.expected(name, "array", &other)),
        };
        if items.len() > items_max {
            return Err(self.wrong(name, format_args!("Array has more than {items_max} items")));
        }
        let mut texts: Vec<String> = Vec::with_capacity(items.len());
        for item in items {
            let Value::String(text) = item else {
                return Err(self.expected(name, "string", &item));
            };
            let text = self.check_text(name, text, &chars)?;
            if texts.contains(&text) {
                return Err(self.wrong(name, format_args!("'{}' is named twice", echo(&text))));
            }
            texts.push(text);
        }
        Ok(Some(texts))
    }

    /// An array of different strings, or null, which empties it.
    pub(crate) fn texts_or_null(
        &mut self,
        name: &'static str,
        items_max: usize,
        chars: RangeInclusive<usize>,
    ) -> Result<Option<Vec<String>>, Problem> {
        if self.take_null(name) {
            return Ok(Some(Vec::new()));
        }
        self.texts(name, items_max, chars)
    }

    /// An object.
    pub(crate) fn object(
        &mut self,
        name: &'static str,
        prefix: &'static str,
    ) -> Result<Option<Self>, Problem> {
        match self.members.remove(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Self { members, prefix })),
            Some(other) => Err(self.expected(name, "object", &other)),
        }
    }

    /// An array of objects.
    pub(crate) fn objects(
        &mut self,
        name: &'static str,
        prefix: &'static str,
    ) -> Result<Option<Vec<Self>>, Problem> {
        let items = match self.members.remove(name) {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(self.expected(name, "array", &other)),
        };
        let objects = items.into_iter().map(|item| match item {
            Value::Object(members) => Ok(Self { members, prefix }),
            other => Err(self.expected(name, "object", &other)),
        });
        objects.collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// An instant in the future, or null, which clears it (compatibility.md §6).
    pub(crate) fn future_instant(
        &mut self,
        name: &'static str,
        now: i64,
    ) -> Result<Option<Option<i64>>, Problem> {
        match self.text_or_null(name, 0..=100)? {
            None => Ok(None),
            Some(None) => Ok(Some(None)),
            Some(Some(text)) => match instant::from_rfc3339(&text) {
                None => Err(self.wrong(
                    name,
                    "Expected an instant as RFC 3339 writes it, such as 2030-01-31T00:00:00.000Z",
                )),
                Some(at) if at <= now => Err(self.wrong(name, "The instant is in the past")),
                Some(at) => Ok(Some(Some(at))),
            },
        }
    }

    /// A field whose effect is not built: a value without effect is accepted, another refused.
    pub(crate) fn unbuilt(
        &mut self,
        name: &'static str,
        has_no_effect: impl Fn(&Value) -> bool,
        why: &str,
    ) -> Result<(), Problem> {
        match self.members.remove(name) {
            Some(value) if !has_no_effect(&value) => Err(Problem::not_supported(
                &format!("{}{name}", self.prefix),
                why,
            )),
            _ => Ok(()),
        }
    }

    /// What is left is unknown.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => Err(Problem::body(format_args!(
                "'Additional properties not allowed: {}{}'.",
                self.prefix,
                echo(name)
            ))),
        }
    }

    /// A problem with a member.
    pub(crate) fn wrong(&self, name: &str, why: impl std::fmt::Display) -> Problem {
        Problem::property(&format!("{}{name}", self.prefix), why)
    }

    fn expected(&self, name: &str, expected: &str, found: &Value) -> Problem {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        self.wrong(
            name,
            format_args!("Expected type {expected} but found type {found}"),
        )
    }

    fn check_text(
        &self,
        name: &str,
        text: String,
        chars: &RangeInclusive<usize>,
    ) -> Result<String, Problem> {
        let count = text.chars().count();
        if count < *chars.start() {
            return Err(self.wrong(
                name,
                format_args!(
                    "String is too short ({count} chars), minimum {}",
                    chars.start()
                ),
            ));
        }
        if count > *chars.end() {
            return Err(self.wrong(
                name,
                format_args!(
                    "String is too long ({count} chars), maximum {}",
                    chars.end()
                ),
            ));
        }
        if has_control(&text) {
            return Err(self.wrong(name, "String holds control characters"));
        }
        Ok(text)
    }
}

/// `-?[0-9]+` within 64 bits.
fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal.then(|| text.parse().ok()).flatten()
}

/// A switch without effect, for [`Fields::unbuilt`].
pub(crate) fn is_off(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
}

/// Auth0's word for organizations that play no part.
pub(crate) fn is_denied(value: &Value) -> bool {
    value.is_null() || value == "deny"
}

/// A list that asks for nothing.
pub(crate) fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}
