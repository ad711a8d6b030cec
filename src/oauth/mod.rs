//! The wire of the protocol endpoints: requests become types here, results become HTTP.

pub mod authorize;
pub mod client_auth;
pub mod discovery;
mod entry;
pub mod error;
pub mod introspect;
pub mod par;
pub mod revoke;
pub mod token;
pub mod userinfo;
