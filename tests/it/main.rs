//! Grantor over HTTP, on both stores: each test in a database of its own, files named by behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic, in its helpers too"
)]
#![allow(
    clippy::too_many_lines,
    reason = "a story is told in one piece, a table row by row"
)]

mod away;
mod certificates;
mod desk;
mod harness;
mod held;
mod post_office;
mod program;
mod raw;
mod shop;

mod attacks;
mod audit_bounds;
mod authorize;
mod authorize_apis;
mod authorize_claims;
mod authorize_codes;
mod authorize_confirmation;
mod authorize_consent;
mod authorize_consent_page;
mod authorize_errors;
mod authorize_front_channel;
mod authorize_lengths;
mod authorize_modes;
mod authorize_pkce;
mod authorize_prompts;
mod authorize_redirect_uris;
mod authorize_redirects;
mod authorize_sessions;
mod back_channel_logout;
mod background_tasks;
mod bounds;
mod cli;
mod client_assertion;
mod client_authentication;
mod clock_jumps;
mod cors;
mod crash;
mod curl;
mod default_audience;
mod discovery;
mod explain_agrees;
mod explain_lifetime;
mod fair_turns;
mod first_start;
mod fuzz;
mod host_header;
mod hs256;
mod id_tokens;
mod introspection;
mod keys_signing;
mod limits;
mod limits_of_names;
mod limits_of_pages;
mod lock_order;
mod log_writer;
mod login_pages;
mod logs;
mod logs_search;
mod lost_store;
mod mail;
mod mailed_links;
mod manage_answers;
mod manage_api_fields;
mod manage_api_lifetimes;
mod manage_client_fields;
mod manage_client_grants;
mod manage_client_lifetimes;
mod manage_client_lists;
mod manage_client_secrets;
mod manage_client_tokens;
mod manage_clients;
mod manage_credentials;
mod manage_grant_ends;
mod manage_handing_out;
mod manage_lists;
mod manage_passwords;
mod manage_readable;
mod manage_refresh_tokens;
mod manage_resource_servers;
mod manage_rights;
mod manage_secrets;
mod manage_server_lifetimes;
mod manage_sessions;
mod manage_tenant_settings;
mod manage_tokens;
mod manage_user_grants;
mod manage_user_imports;
mod manage_user_lists;
mod manage_users;
mod memory;
mod openapi;
mod outage;
mod pages;
mod password_reset;
mod pgbouncer;
mod pushed_requests;
mod readme;
mod relying_party;
mod request_objects;
mod revocation;
mod shutdown;
mod sign_out;
mod signed_in;
mod signer;
mod single_headers;
mod slow_readers;
mod statements;
mod stats;
mod store_conformance;
mod stored_tokens;
mod sweep;
mod tables;
mod tls;
mod token_algorithms;
mod token_client_credentials;
mod token_dialects;
mod token_lifetime;
mod token_lifetime_users;
mod token_parameters;
mod token_password;
mod token_refresh;
mod token_refresh_ends;
mod token_refresh_model;
mod token_refresh_policies;
mod token_refresh_rotation;
mod token_several_apis;
mod trusted_proxies;
mod two_nodes;
mod userinfo;
