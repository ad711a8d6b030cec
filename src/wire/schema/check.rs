//! An object against its table. Every message names the property.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Field, Form, Kind, Text, uri};
use crate::model::instant;
use crate::model::refusal::echo;
use crate::model::scope::Scopes;
use crate::model::text::has_control;

/// What is wrong with an object.
#[derive(Debug)]
pub(crate) enum Violation {
    /// A form or query string cannot be read at all.
    Unreadable,
    /// A property is not as it should be.
    Property { path: String, why: String },
    /// A property that is needed is not there.
    Missing(String),
    /// A property is in no table.
    Unknown(String),
    /// A property's effect is not built.
    NotSupported { path: String, why: &'static str },
}

/// Checks every member; `prefix` stands in front of names in messages.
pub(super) fn members(
    tables: &[&[Field]],
    prefix: &str,
    members: &mut Map<String, Value>,
) -> Result<(), Violation> {
    let mut fields = tables.iter().copied().flatten();
    let is_known = |name: &&String| fields.clone().any(|field| field.name == *name);
    if let Some(name) = members.keys().find(|name| !is_known(name)) {
        return Err(Violation::Unknown(format!("{prefix}{}", echo(name))));
    }
    for field in fields.by_ref() {
        match members.get_mut(field.name) {
            Some(value) => check_field(field, prefix, value)?,
            None if field.is_required => {
                return Err(Violation::Missing(format!("{prefix}{}", field.name)));
            }
            None => {}
        }
    }
    Ok(())
}

fn check_field(field: &Field, prefix: &str, value: &mut Value) -> Result<(), Violation> {
    let at = At {
        path: format!("{prefix}{}", field.name),
    };
    if !(value.is_null() && field.is_nullable) {
        at.check(field.kind, value)?;
        if field.is_filled && is_empty(value) {
            return Err(at.wrong("It holds nothing"));
        }
    }
    match field.unbuilt {
        Some(unbuilt) if !(unbuilt.has_no_effect)(value) => Err(Violation::NotSupported {
            path: at.path,
            why: unbuilt.why,
        }),
        _ => Ok(()),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Where a value stands.
struct At {
    path: String,
}

impl At {
    fn check(&self, kind: Kind, value: &mut Value) -> Result<(), Violation> {
        match kind {
            Kind::Boolean if value.is_boolean() => Ok(()),
            Kind::Boolean => Err(self.expected("boolean", value)),
            Kind::Integer { min, max } => self.integer(value, min, max),
            Kind::Number { max } => self.number(value, max),
            Kind::Text(text) => self.text(value, text),
            Kind::Texts { items_max, item } => self.texts(value, items_max, item),
            Kind::Scopes {
                items_max,
                chars_max,
            } => self.scopes(value, items_max, chars_max),
            Kind::Object(fields) => {
                let Value::Object(own) = value else {
                    return Err(self.expected("object", value));
                };
                members(&[fields], &format!("{}.", self.path), own)
            }
            Kind::Objects { items_max, fields } => self.objects(value, items_max, fields),
            Kind::Map {
                members_max,
                value: text,
            } => self.map(value, members_max, text),
            Kind::Free { bytes_max } => self.free(value, bytes_max),
        }
    }

    /// Also as a decimal string: old examples write it so.
    fn integer(&self, value: &mut Value, min: i64, max: i64) -> Result<(), Violation> {
        let integer = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => decimal(text),
            _ => return Err(self.expected("integer", value)),
        };
        let Some(integer) = integer else {
            return Err(self.wrong("Expected an integer within 64 bits"));
        };
        if !(min..=max).contains(&integer) {
            return Err(self.wrong(format_args!("Expected an integer {}", range(min, max))));
        }
        *value = integer.into();
        Ok(())
    }

    fn number(&self, value: &mut Value, max: i32) -> Result<(), Violation> {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => return Err(self.expected("number", value)),
        };
        match number.filter(|number| *number > 0.0 && *number <= f64::from(max)) {
            Some(number) => *value = number.into(),
            None => {
                return Err(self.wrong(format_args!("Expected a number above 0, at most {max}")));
            }
        }
        Ok(())
    }

    fn text(&self, value: &Value, expected: Text) -> Result<(), Violation> {
        let Value::String(text) = value else {
            return Err(self.expected("string", value));
        };
        let (count, min, max) = (text.chars().count(), expected.chars_min, expected.chars_max);
        if count < min {
            return Err(self.wrong(format_args!(
                "String is too short ({count} chars), minimum {min}"
            )));
        }
        if count > max {
            return Err(self.wrong(format_args!(
                "String is too long ({count} chars), maximum {max}"
            )));
        }
        let is_line = !matches!(expected.form, Form::Lines);
        let is_forbidden =
            |c: char| c.is_control() && (is_line || !matches!(c, '\n' | '\r' | '\t'));
        if text.contains(is_forbidden) {
            return Err(self.wrong("String holds control characters"));
        }
        match misfit(text, expected.form) {
            None => Ok(()),
            Some(why) => Err(self.wrong(why)),
        }
    }

    fn texts(&self, value: &mut Value, items_max: usize, item: Text) -> Result<(), Violation> {
        let items = self.items(value, items_max)?;
        let mut seen = HashSet::new();
        for own in items.iter() {
            self.text(own, item)?;
            let text = own.as_str().unwrap_or_default();
            if !seen.insert(text) {
                return Err(self.wrong(format_args!("'{}' is named twice", echo(text))));
            }
        }
        Ok(())
    }

    fn scopes(
        &self,
        value: &mut Value,
        items_max: usize,
        chars_max: usize,
    ) -> Result<(), Violation> {
        if let Value::String(text) = value {
            let named = Scopes::parse(text);
            *value = named.iter().collect::<Vec<_>>().into();
        }
        let item = Text {
            chars_min: 1,
            chars_max,
            form: Form::Scope,
        };
        self.texts(value, items_max, item)
    }

    fn objects(
        &self,
        value: &mut Value,
        items_max: usize,
        fields: &[Field],
    ) -> Result<(), Violation> {
        let prefix = format!("{}[].", self.path);
        for item in self.items(value, items_max)? {
            let Value::Object(own) = item else {
                return Err(self.expected("object", item));
            };
            members(&[fields], &prefix, own)?;
        }
        Ok(())
    }

    fn items<'v>(
        &self,
        value: &'v mut Value,
        items_max: usize,
    ) -> Result<&'v mut Vec<Value>, Violation> {
        if !value.is_array() {
            return Err(self.expected("array", value));
        }
        match value {
            Value::Array(items) if items.len() <= items_max => Ok(items),
            _ => Err(self.wrong(format_args!("Array has more than {items_max} items"))),
        }
    }

    fn map(&self, value: &Value, members_max: usize, expected: Text) -> Result<(), Violation> {
        let Value::Object(own) = value else {
            return Err(self.expected("object", value));
        };
        if own.len() > members_max {
            let why = format_args!("Object has more than {members_max} properties");
            return Err(self.wrong(why));
        }
        for (name, member) in own {
            if name.is_empty() || name.chars().count() > expected.chars_max || has_control(name) {
                return Err(self.wrong("A property's name is empty, too long or not printable"));
            }
            if !member.is_null() {
                let below = Self {
                    path: format!("{}.{}", self.path, echo(name)),
                };
                below.text(member, expected)?;
            }
        }
        Ok(())
    }

    fn free(&self, value: &Value, bytes_max: usize) -> Result<(), Violation> {
        if !value.is_object() {
            return Err(self.expected("object", value));
        }
        let written = value.to_string();
        if written.len() > bytes_max {
            return Err(self.wrong(format_args!("Object is longer than {bytes_max} bytes")));
        }
        // U+0000 is an error in Postgres, however deep it lies.
        if written.contains("\\u0000") {
            return Err(self.wrong("Object holds U+0000"));
        }
        Ok(())
    }

    fn wrong(&self, why: impl std::fmt::Display) -> Violation {
        Violation::Property {
            path: self.path.clone(),
            why: why.to_string(),
        }
    }

    fn expected(&self, expected: &str, found: &Value) -> Violation {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        self.wrong(format_args!(
            "Expected type {expected} but found type {found}"
        ))
    }
}

/// Why a text is not of a form.
fn misfit(text: &str, form: Form) -> Option<String> {
    let is = |fits: bool, why: &str| (!fits).then(|| why.to_owned());
    match form {
        Form::Any | Form::Lines => None,
        Form::NoAngles => is(!text.contains(['<', '>']), "String holds < or >"),
        Form::OneOf(choices) => (!choices.contains(&text))
            .then(|| format!("'{}' is not one of {}", echo(text), choices.join(", "))),
        Form::Instant => is(
            instant::from_rfc3339(text).is_some(),
            "Expected an instant as RFC 3339 writes it, such as 2030-01-31T00:00:00.000Z",
        ),
        Form::Printable => is(
            text.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "A secret is printable ASCII (RFC 6749 appendix A.2)",
        ),
        Form::Scope => is(
            text.bytes()
                .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
            "A scope is printable ASCII without spaces, quotes and backslashes",
        ),
        Form::Names => is(
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.,".contains(&byte)),
            "Expected names separated by commas",
        ),
        Form::Uri => uri::misfit(text).map(str::to_owned),
        Form::HttpsUri => uri::https_misfit(text).map(str::to_owned),
        Form::UriPattern => uri::pattern_misfit(text).map(str::to_owned),
        Form::Callback => uri::callback_misfit(text).map(str::to_owned),
        Form::Shape(shape) => is((shape.fits)(text), shape.why),
        Form::Word => is(
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)),
            "Expected letters, digits, _ and - only",
        ),
    }
}

/// `from 1 to 100`, without a bound that is only that of 64 bits.
fn range(min: i64, max: i64) -> String {
    match (min, max) {
        (i64::MIN, max) => format!("of at most {max}"),
        (min, i64::MAX) => format!("of at least {min}"),
        (min, max) => format!("from {min} to {max}"),
    }
}

/// `-?[0-9]+` within 64 bits.
fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal.then(|| text.parse().ok()).flatten()
}
