//! The tenant's settings: what holds for all applications and APIs.

use serde_json::{Map, Value};

/// The settings as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Identifier of the API that a token is for where the request names none; never a system API.
    pub default_audience: Option<String>,
    /// The other fields that were set, as they were checked: session lifetimes in minutes, the rest
    /// as it is shown. Nothing is built yet that reads them.
    pub fields: Map<String, Value>,
}

/// What token requests need of the settings: few bytes, so that each node keeps them in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// [`Settings::default_audience`].
    pub default_audience: Option<String>,
}
