//! `/.well-known/oauth-authorization-server` (RFC 8414), `/.well-known/openid-configuration` (OpenID
//! Connect Discovery) and `/.well-known/jwks.json` (RFC 7517 §5). Only what works is advertised.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::directory::Stance;
use crate::grants::GrantRequest;
use crate::login::Language;
use crate::model::api::SigningAlgorithm;
use crate::model::application::PRIVATE_KEY_JWT;
use crate::model::authorization::{ACR_PASSWORD, OPENID_SCOPES, ResponseMode, ResponseType};
use crate::model::claims;
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::model::public_key::AssertionAlgorithm;
use crate::model::settings::InForce;
use crate::wire::operation::{Answer, Operation};

/// How long clients may keep the metadata.
const METADATA_MAX_AGE: Duration = Duration::from_mins(5);
/// The ways to prove who one is. `client_secret_jwt` is none of them: it needs secrets that the
/// server can read back, and ours are kept as digests.
const WITH_PROOF: [&str; 3] = ["client_secret_basic", "client_secret_post", PRIVATE_KEY_JWT];
/// The same, and public applications, which say who they are and prove nothing.
const OR_PUBLIC: [&str; 4] = [
    "client_secret_basic",
    "client_secret_post",
    PRIVATE_KEY_JWT,
    "none",
];
/// The name under which the front-channel flows are grant types (RFC 7591 §2).
const IMPLICIT: &str = "implicit";
/// How an assertion may be signed (RFC 8414 §2 wants it said for each endpoint).
const SIGNED_BY: [&str; 5] = AssertionAlgorithm::NAMES;

/// What there is of an authorization server, by the settings in force (RFC 8414 §2, OpenID Connect
/// Discovery §3). One document under both names, so that they always agree.
fn metadata(app: &App, settings: &InForce) -> Value {
    let issuer = &app.issuer;
    let mut metadata = endpoints(issuer);
    let members = [
        of_authorization(settings, app.config.sign_up_allowed),
        of_pushed(issuer, settings),
        of_openid(issuer, settings),
    ];
    metadata.extend(members.into_iter().flatten());
    metadata.into()
}

/// The endpoints that applications call, and how they prove who they are.
fn endpoints(issuer: &Issuer) -> Map<String, Value> {
    members(json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.join("authorize"),
        "token_endpoint": issuer.join("oauth/token"),
        "revocation_endpoint": issuer.join("oauth/revoke"),
        "introspection_endpoint": issuer.join("oauth/introspect"),
        "userinfo_endpoint": issuer.userinfo(),
        "jwks_uri": issuer.join(".well-known/jwks.json"),
        "token_endpoint_auth_methods_supported": OR_PUBLIC,
        "token_endpoint_auth_signing_alg_values_supported": SIGNED_BY,
        "revocation_endpoint_auth_methods_supported": OR_PUBLIC,
        "revocation_endpoint_auth_signing_alg_values_supported": SIGNED_BY,
        "introspection_endpoint_auth_methods_supported": WITH_PROOF,
        "introspection_endpoint_auth_signing_alg_values_supported": SIGNED_BY,
    }))
}

/// What the authorization endpoint takes. Tokens in its answers are behind a flag of the tenant.
fn of_authorization(settings: &InForce, can_sign_up: bool) -> Map<String, Value> {
    let is_open = |name: &&str| {
        let response_type = ResponseType::parse(name);
        response_type
            .is_some_and(|own| settings.allows_front_channel_tokens || !own.is_front_channel())
    };
    let implicit = settings.allows_front_channel_tokens.then_some(IMPLICIT);
    let passwords = GrantRequest::OF_PASSWORDS.into_iter();
    let passwords = passwords.filter(|_| settings.allows_password_grant);
    let grant_types = GrantRequest::TYPES.into_iter();
    let grant_types = grant_types.chain(implicit).chain(passwords);
    let prompts = ["none", "login", "consent", "select_account"].into_iter();
    let prompts = prompts.chain(can_sign_up.then_some("create"));
    members(json!({
        "grant_types_supported": grant_types.collect::<Vec<_>>(),
        // draft-ietf-oauth-refresh-token-expiration-03
        "refresh_token_expiration_types_supported": ["authorization", "token_timeout"],
        "response_types_supported": ResponseType::NAMES.into_iter().filter(is_open).collect::<Vec<_>>(),
        "response_modes_supported": ResponseMode::NAMES,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": prompts.collect::<Vec<_>>(),
        "claims_parameter_supported": true,
        // RFC 9207 §3.
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": true,
        "request_object_signing_alg_values_supported": SIGNED_BY,
        "require_signed_request_object": false,
        // Where it is left out, it counts as true (OpenID Connect Discovery §3).
        "request_uri_parameter_supported": false,
        "ui_locales_supported": Language::ALL.map(Language::tag),
    }))
}

/// RFC 9126 §5, unless the tenant does not want it.
fn of_pushed(issuer: &Issuer, settings: &InForce) -> Map<String, Value> {
    if !settings.takes_pushed_requests {
        return Map::new();
    }
    members(json!({
        "pushed_authorization_request_endpoint": issuer.join("oauth/par"),
        "require_pushed_authorization_requests": false,
    }))
}

/// What is said of users and their sessions. RP-Initiated Logout is announced unless the tenant does
/// not want it (Auth0's switch).
fn of_openid(issuer: &Issuer, settings: &InForce) -> Map<String, Value> {
    let of_users = claims::names();
    let of_sign_ins = [
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "sid",
    ];
    let mut openid = members(json!({
        "scopes_supported": OPENID_SCOPES,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": SigningAlgorithm::WITH_KEYS.map(SigningAlgorithm::as_str),
        "acr_values_supported": [ACR_PASSWORD],
        "claim_types_supported": ["normal"],
        "claims_supported": of_users.chain(of_sign_ins).collect::<Vec<_>>(),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    }));
    if settings.announces_sign_out {
        let url = issuer.join("oidc/logout");
        openid.insert("end_session_endpoint".to_owned(), url.into());
    }
    openid
}

fn members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

pub(crate) const METADATA: Operation = Operation {
    summary: "Authorization server metadata (RFC 8414)",
    answer: Answer::Json("Authorization server metadata"),
    refuses: &[503],
    ..Operation::DEFAULT
};
pub(crate) const OPENID: Operation = Operation {
    summary: "The same by its other name (OpenID Connect Discovery)",
    ..METADATA
};

/// RFC 8414 §3, OpenID Connect Discovery §4.
pub(crate) async fn get_metadata(State(app): State<Arc<App>>) -> Result<Response, Fault> {
    let settings = app.directory.settings(Stance::MayBeStale).await?;
    let metadata = metadata(&app, &settings).to_string();
    Ok(document(metadata, METADATA_MAX_AGE))
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
