//! The Management API: Auth0's v2 shape (compatibility.md §1 and §6).

pub mod access;
pub mod answer;
pub mod call;
pub mod client_grants;
pub mod client_secrets;
pub mod client_tokens;
pub mod clients;
pub mod credentials;
pub mod device_credentials;
pub mod grants;
pub mod jobs;
pub mod logs;
pub mod query;
pub mod refresh_tokens;
pub mod refusals;
pub mod resource_servers;
pub mod search;
pub mod secrets;
pub mod sessions;
pub mod signing_keys;
pub mod stats;
pub mod tenant_settings;
pub mod token_lifetime;
pub mod tokens;
pub mod users;
pub mod users_access;
