//! Grantor over HTTP, on both stores: each test in a database of its own, files named by behaviour.

mod desk;
mod harness;

mod bounds;
mod cli;
mod client_authentication;
mod crash;
mod curl;
mod discovery;
mod explain_lifetime;
mod first_start;
mod fuzz;
mod introspection;
mod manage_api_fields;
mod manage_api_lifetimes;
mod manage_client_grants;
mod manage_clients;
mod manage_lists;
mod manage_resource_servers;
mod manage_rights;
mod manage_secrets;
mod outage;
mod readme;
mod revocation;
mod shutdown;
mod statements;
mod store_conformance;
mod stored_tokens;
mod sweep;
mod token_client_credentials;
mod token_lifetime;
mod token_several_apis;
mod two_nodes;
