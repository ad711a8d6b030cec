//! What is kept of an object and shown as it was set, because nothing here follows from it.

use serde_json::{Map, Value};

/// Members by name, as they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described(pub Map<String, Value>);

impl Described {
    /// Lays members over these: one that is named takes the place of what was there, null takes it
    /// away.
    pub fn overlay(&mut self, named: Map<String, Value>) {
        for (name, value) in named {
            if value.is_null() {
                self.0.remove(&name);
            } else {
                self.0.insert(name, value);
            }
        }
    }

    /// The members of an object, each of which replaces or takes away one of the object's own.
    pub fn overlay_within(&mut self, name: &str, named: Map<String, Value>) {
        let mut own = match self.0.remove(name) {
            Some(Value::Object(own)) => Self(own),
            _ => Self::default(),
        };
        own.overlay(named);
        self.0.insert(name.to_owned(), Value::Object(own.0));
    }

    /// The texts of a list.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let items = self.0.get(name).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str)
    }

    /// How long it is as JSON.
    #[must_use]
    pub fn bytes(&self) -> usize {
        serde_json::to_string(&self.0).map_or(usize::MAX, |text| text.len())
    }
}
