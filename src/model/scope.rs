//! Scopes: values without order or repetition, written space-separated on the wire (RFC 6749 §3.3).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A scope that an API defines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The value that requests and tokens carry.
    pub value: String,
    /// What the consent page and the dashboard say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A set of scope values in the order in which they were first named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Reads the space-separated form.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.split(' ').filter(|value| !value.is_empty()).collect()
    }

    /// True where the value is in the set.
    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        self.0.iter().any(|own| own == value)
    }

    /// The values, first named first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The space-separated form.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.join(" ")
    }
}

impl<'a> FromIterator<&'a str> for Scopes {
    fn from_iter<I: IntoIterator<Item = &'a str>>(values: I) -> Self {
        let mut seen = BTreeSet::new();
        Self(
            values
                .into_iter()
                .filter(|value| seen.insert(*value))
                .map(str::to_owned)
                .collect(),
        )
    }
}
