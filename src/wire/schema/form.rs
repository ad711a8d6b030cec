//! Forms and query strings: names with brackets nest, a name that is repeated makes a list, and
//! every value is a text until a table says otherwise.

use std::collections::HashSet;

use serde_json::{Map, Value};
use serde_qs::DuplicateKeyBehavior;

use super::{Field, Kind};

/// Deepest nesting of names: `scopes[0][value]`.
const DEPTH_MAX: usize = 8;

/// The members of a form; `None` where it is not UTF-8, or its names do not fit together.
pub(super) fn parse(bytes: &[u8]) -> Option<Map<String, Value>> {
    let form = serde_qs::Config::new()
        .max_depth(DEPTH_MAX)
        .use_form_encoding(true)
        .duplicate_key_behavior(DuplicateKeyBehavior::Error);
    match form.deserialize_bytes(bytes).ok()? {
        Value::Object(members) => Some(members),
        Value::Null => Some(Map::new()),
        _ => None,
    }
}

/// Makes of texts what the tables ask for, where they are that.
pub(super) fn coerce(tables: &[&[Field]], members: &mut Map<String, Value>) {
    for field in tables.iter().copied().flatten() {
        if let Some(value) = members.get_mut(field.name) {
            coerce_value(field.kind, value);
        }
    }
}

fn coerce_value(kind: Kind, value: &mut Value) {
    match (kind, &mut *value) {
        (Kind::Boolean, Value::String(text)) if text == "true" => *value = true.into(),
        (Kind::Boolean, Value::String(text)) if text == "false" => *value = false.into(),
        // A list of one, and one that names an item twice.
        (Kind::Texts { .. }, Value::String(text)) => *value = vec![std::mem::take(text)].into(),
        (Kind::Texts { .. }, Value::Array(items)) => {
            let mut seen = HashSet::new();
            items.retain(|item| {
                item.as_str()
                    .is_none_or(|text| seen.insert(text.to_owned()))
            });
        }
        (Kind::Object(fields), Value::Object(own)) => coerce(&[fields], own),
        (Kind::Objects { fields, .. }, Value::Array(items)) => {
            for item in items.iter_mut().filter_map(Value::as_object_mut) {
                coerce(&[fields], item);
            }
        }
        _ => {}
    }
}
