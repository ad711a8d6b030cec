//! A table as JSON Schema (2020-12), the language of OpenAPI 3.1.

#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON object by name makes the member where it is missing"
)]

use serde_json::{Map, Value, json};

use super::{Field, Form, Kind, Text};

/// What a request may hold.
pub(crate) fn of_request(tables: &[&[Field]]) -> Value {
    let fields = || tables.iter().copied().flatten();
    let required: Vec<_> = fields().filter(|field| field.is_required).collect();
    let mut schema = json!({
        "type": "object",
        "properties": fields()
            .map(|field| (field.name.to_owned(), of_member(field)))
            .collect::<Map<_, _>>(),
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = required.iter().map(|field| field.name).collect();
    }
    schema
}

/// What an answer holds: the tables' members, each of which may be missing.
pub(crate) fn of_answer(tables: &[&[Field]]) -> Value {
    let members = tables.iter().flat_map(|table| table.iter());
    json!({
        "type": "object",
        "properties": members
            .map(|field| (field.name.to_owned(), shown(field)))
            .collect::<Map<_, _>>(),
    })
}

/// A member of a request.
pub(crate) fn of_member(field: &Field) -> Value {
    let mut schema = match field.kind {
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Integer { min, max } => integer(min, max),
        Kind::Number { max } => {
            json!({ "type": "number", "exclusiveMinimum": 0, "maximum": max })
        }
        Kind::Text(text) => of_text(text),
        Kind::Texts { items_max, item } => json!({
            "type": "array",
            "items": of_text(item),
            "maxItems": items_max,
            "uniqueItems": true,
        }),
        Kind::Scopes {
            items_max,
            chars_max,
        } => scopes(items_max, chars_max),
        Kind::Object(fields) => of_request(&[fields]),
        Kind::Objects { items_max, fields } => json!({
            "type": "array",
            "items": of_request(&[fields]),
            "maxItems": items_max,
        }),
        Kind::Map { members_max, value } => json!({
            "type": "object",
            "additionalProperties": nullable(of_text(value)),
            "maxProperties": members_max,
        }),
        Kind::Free { .. } => json!({ "type": "object" }),
    };
    if field.is_filled {
        let least = if schema["type"] == "array" {
            "minItems"
        } else {
            "minProperties"
        };
        schema[least] = 1.into();
    }
    if let Some(unbuilt) = field.unbuilt {
        let note = format!("Only a value without effect is accepted: {}", unbuilt.why);
        schema["description"] = note.into();
    }
    if field.is_nullable {
        nullable(schema)
    } else {
        schema
    }
}

/// A member of an answer: its type, without the limits of a request.
fn shown(field: &Field) -> Value {
    let schema = match field.kind {
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Integer { .. } => json!({ "type": "integer" }),
        Kind::Number { .. } => json!({ "type": "number" }),
        Kind::Text(_) | Kind::Scopes { .. } => json!({ "type": "string" }),
        Kind::Texts { .. } => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Object(fields) => of_answer(&[fields]),
        Kind::Objects { fields, .. } => json!({ "type": "array", "items": of_answer(&[fields]) }),
        Kind::Map { .. } | Kind::Free { .. } => json!({ "type": "object" }),
    };
    if field.is_nullable {
        nullable(schema)
    } else {
        schema
    }
}

fn scopes(items_max: usize, chars_max: usize) -> Value {
    let form = Form::Scope;
    let item = Text {
        chars_min: 1,
        chars_max,
        form,
    };
    let array = json!({
        "type": "array",
        "items": of_text(item),
        "maxItems": items_max,
        "uniqueItems": true,
    });
    json!({ "anyOf": [{ "type": "string", "pattern": "^[!#-\\[\\]-~ ]*$" }, array] })
}

fn integer(min: i64, max: i64) -> Value {
    let mut schema = json!({ "type": "integer", "format": "int64" });
    if min != i64::MIN {
        schema["minimum"] = min.into();
    }
    if max != i64::MAX {
        schema["maximum"] = max.into();
    }
    schema
}

fn of_text(text: Text) -> Value {
    if let Form::OneOf(choices) = text.form {
        return json!({ "type": "string", "enum": choices });
    }
    let mut schema = json!({ "type": "string", "maxLength": text.chars_max });
    if text.chars_min > 0 {
        schema["minLength"] = text.chars_min.into();
    }
    let (keyword, value) = match text.form {
        Form::OneOf(_) => return schema,
        Form::Any => ("pattern", r"^[^\u0000-\u001f\u007f-\u009f]*$"),
        Form::Lines => (
            "pattern",
            r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$",
        ),
        Form::NoAngles => ("pattern", r"^[^<>\u0000-\u001f\u007f-\u009f]*$"),
        Form::Instant => ("format", "date-time"),
        Form::Printable => ("pattern", "^[ -~]*$"),
        Form::Scope => ("pattern", r"^[!#-\[\]-~]+$"),
        Form::Names => ("pattern", "^[A-Za-z0-9_.,]*$"),
        Form::Uri => ("format", "uri"),
        Form::HttpsUri => ("pattern", r"^(https://[^\s\u0000-\u001f\u007f-\u009f]*)?$"),
        Form::UriPattern => (
            "pattern",
            r"^[A-Za-z][0-9A-Za-z+.-]*:[^\s\u0000-\u001f\u007f-\u009f]+$",
        ),
        Form::Callback => (
            "pattern",
            r"^[A-Za-z][0-9A-Za-z+.-]*:[^\s#\u0000-\u001f\u007f-\u009f]+$",
        ),
        Form::Shape(shape) => ("pattern", shape.pattern),
        Form::Word => ("pattern", "^[0-9A-Za-z_-]*$"),
    };
    schema[keyword] = value.into();
    schema
}

fn nullable(mut schema: Value) -> Value {
    if let Some(Value::Array(choices)) = schema.get_mut("enum") {
        choices.push(Value::Null);
    }
    if let Some(kind) = schema.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    }
    schema
}
