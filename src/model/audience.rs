//! What a request says of the APIs that it wants a token for.

use serde::{Deserialize, Serialize};

/// The APIs by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Named {
    /// Nothing.
    #[default]
    None,
    /// Auth0's `audience`.
    Audience(String),
    /// RFC 8707 §2 `resource`, one or several.
    Resources(Vec<String>),
}
