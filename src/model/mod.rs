//! The nouns of Grantor, without IO: what an operator or an RFC gives a name to.

pub mod api;
pub mod application;
pub mod change;
pub mod client_credential;
pub mod client_grant;
pub mod described;
pub mod fault;
pub mod instant;
pub mod issuer;
pub mod job;
pub mod json;
pub mod key;
pub mod public_key;
pub mod record;
pub mod refusal;
pub mod scope;
pub mod settings;
pub mod text;
pub mod token;
pub mod user;
pub mod web_origin;
