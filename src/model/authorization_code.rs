//! An authorization code as stored, without its text.

use serde::{Deserialize, Serialize};

use super::authorization::Authorization;
use crate::lifetime::Lifetime;

/// What the token request is held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRequest {
    /// Where the code was sent.
    pub redirect_uri: String,
    /// The token request must name it too (RFC 6749 §4.1.3).
    pub redirect_uri_is_named: bool,
    /// PKCE, S256.
    pub code_challenge: Option<String>,
    /// How long the access token is to live.
    pub validity_period: Option<Lifetime>,
    /// It did not come through the browser.
    pub is_pushed: bool,
}

/// A code.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthorizationCode {
    /// What it is exchanged for.
    pub authorization: Authorization,
    /// What the exchange has to know.
    pub request: CodeRequest,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
}
