//! `/.well-known/oauth-authorization-server` (RFC 8414) and `/.well-known/jwks.json` (RFC 7517 §5).
//! Only what works is advertised.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;
use crate::grants::GrantRequest;
use crate::model::application::PRIVATE_KEY_JWT;
use crate::model::issuer::Issuer;
use crate::model::public_key::AssertionAlgorithm;
use crate::wire::operation::{Answer, Operation};

/// How long clients may keep the metadata.
const METADATA_MAX_AGE: Duration = Duration::from_mins(5);
/// The ways to prove who one is. `client_secret_jwt` is none of them: it needs secrets that the
/// server can read back, and ours are kept as digests.
const WITH_PROOF: [&str; 3] = ["client_secret_basic", "client_secret_post", PRIVATE_KEY_JWT];
/// How an assertion may be signed (RFC 8414 §2 wants it said for each endpoint).
const SIGNED_BY: [&str; 5] = AssertionAlgorithm::NAMES;

/// The metadata document, made once.
pub(crate) fn metadata(issuer: &Issuer) -> String {
    json!({
        "issuer": issuer.as_str(),
        "token_endpoint": issuer.join("oauth/token"),
        "revocation_endpoint": issuer.join("oauth/revoke"),
        "introspection_endpoint": issuer.join("oauth/introspect"),
        "jwks_uri": issuer.join(".well-known/jwks.json"),
        "grant_types_supported": GrantRequest::TYPES,
        // draft-ietf-oauth-refresh-token-expiration-03
        "refresh_token_expiration_types_supported": ["authorization", "token_timeout"],
        // Required (RFC 8414 §2); empty until there is an authorization endpoint.
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": WITH_PROOF,
        "token_endpoint_auth_signing_alg_values_supported": SIGNED_BY,
        "revocation_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", PRIVATE_KEY_JWT, "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": SIGNED_BY,
        "introspection_endpoint_auth_methods_supported": WITH_PROOF,
        "introspection_endpoint_auth_signing_alg_values_supported": SIGNED_BY,
    })
    .to_string()
}

pub(crate) const METADATA: Operation = Operation {
    summary: "Authorization server metadata (RFC 8414)",
    answer: Answer::Json("Authorization server metadata"),
    ..Operation::DEFAULT
};

/// RFC 8414 §3.
pub(crate) async fn get_metadata(State(app): State<Arc<App>>) -> Response {
    document(app.metadata.clone(), METADATA_MAX_AGE)
}

pub(crate) const KEY_SET: Operation = Operation {
    summary: "The public keys that verify signed tokens (RFC 7517)",
    answer: Answer::Json("A JWK set"),
    ..Operation::DEFAULT
};

/// RFC 7517 §5.
pub(crate) async fn get_key_set(State(app): State<Arc<App>>) -> Response {
    let key_set = app.mint.keys.ring().key_set(app.clock.now());
    document(key_set, app.config.keys.jwks_max_age)
}

fn document(json: String, max_age: Duration) -> Response {
    let mut response = json.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let caching = format!("public, max-age={}", max_age.as_secs());
    if let Ok(caching) = HeaderValue::try_from(caching) {
        headers.insert(CACHE_CONTROL, caching);
    }
    response
}
