//! The fields of an API in a body: what they may hold, and what is laid over what is stored.

use std::collections::HashSet;

use serde_json::Value;

use super::super::answer::Problem;
use super::signing::Named;
use crate::app::App;
use crate::keys::SIGNING_SECRET_CHARS_MAX;
use crate::lifetime::NamedLifetimes;
use crate::model::api::{Api, ClientPolicy, Dialect, SigningAlgorithm, UserPolicy};
use crate::model::refusal::echo;
use crate::model::scope::Scope;
use crate::model::text::{SCOPE_CHARS_MAX, looks_like_an_id};
use crate::wire::schema::{
    Field, Fields, Form, boolean, choice, forget_nulls_below, formed, integer, is_empty, is_null,
    object, objects, text,
};

/// Longest consent that has an end, in seconds: a hundred years.
const USER_GRANT_SECONDS_MAX: i64 = 3_153_600_000;
/// Most scopes that an API defines.
const SCOPES_MAX: usize = 1000;

/// What can be set of an API, at its creation and later.
pub(super) const TABLE: &[Field] = &[
    formed("name", 1, 200, Form::NoAngles),
    objects("scopes", SCOPES_MAX, SCOPE),
    choice(
        "signing_alg",
        &["RS256", "PS256", "ES256", "EdDSA", "RS512", "HS256"],
    ),
    text("signing_secret", 0, SIGNING_SECRET_CHARS_MAX).or_null(),
    choice(
        "token_dialect",
        &[
            "access_token",
            "access_token_authz",
            "rfc9068_profile",
            "rfc9068_profile_authz",
            "opaque",
        ],
    ),
    boolean("allow_offline_access"),
    boolean("skip_consent_for_verifiable_first_party_clients"),
    object("subject_type_authorization", POLICIES),
    integer("token_lifetime", i64::MIN, i64::MAX),
    integer("token_lifetime_for_web", i64::MIN, i64::MAX),
    integer("max_token_lifetime", i64::MIN, i64::MAX).or_null(),
    integer("user_grant_lifetime", 1, USER_GRANT_SECONDS_MAX).or_null(),
    boolean("enforce_policies").unbuilt(is_false, "role-based policies are not built."),
    boolean("allow_online_access").unbuilt(is_false, ONLINE),
    boolean("allow_online_access_with_ephemeral_sessions").unbuilt(is_false, ONLINE),
    object("proof_of_possession", PROOF_OF_POSSESSION)
        .or_null()
        .unbuilt(is_not_required, "bound tokens are not built yet."),
    object("token_encryption", TOKEN_ENCRYPTION)
        .or_null()
        .unbuilt(is_null, "encrypted tokens are not built."),
    choice("consent_policy", &["transactional-authorization-with-mfa"])
        .or_null()
        .unbuilt(is_null, "transactional authorization is not built."),
    objects("authorization_details", 100, &[text("type", 1, 255)])
        .or_null()
        .unbuilt(is_empty, "rich authorization requests are not built."),
    object(
        "authorization_policy",
        &[text("policy_id", 1, 1024).required()],
    )
    .or_null()
    .unbuilt(is_null, "authorization policies are not built."),
    integer(
        "token_lifetime_for_anonymous_access_tokens",
        i64::MIN,
        i64::MAX,
    )
    .or_null()
    .unbuilt(is_null, "anonymous sessions are not built."),
];
const PROOF_OF_POSSESSION: &[Field] = &[
    choice("mechanism", &["mtls", "dpop"]).required(),
    boolean("required").required(),
    choice("required_for", &["public_clients", "all_clients"]),
];
const TOKEN_ENCRYPTION: &[Field] = &[
    choice("format", &["compact-nested-jwe"]).required(),
    object(
        "encryption_key",
        &[
            text("name", 1, 128),
            choice("alg", &["RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"]).required(),
            text("kid", 1, 128),
            formed("pem", 1, 4096, Form::Lines).required(),
        ],
    )
    .required(),
];
const ONLINE: &str = "online refresh tokens are not built.";
const SCOPE: &[Field] = &[
    formed("value", 1, SCOPE_CHARS_MAX, Form::Scope).required(),
    text("description", 0, 500),
];
const POLICIES: &[Field] = &[
    object(
        "client",
        &[choice("policy", &["require_client_grant", "deny_all"])],
    ),
    object(
        "user",
        &[choice(
            "policy",
            &["allow_all", "deny_all", "require_client_grant"],
        )],
    ),
];

fn is_false(value: &Value) -> bool {
    value == false
}

fn is_not_required(value: &Value) -> bool {
    value.is_null() || value["required"] == false
}

/// compatibility.md §6, "identifiers of APIs".
pub(super) fn check_identifier(app: &App, identifier: &str) -> Result<(), Problem> {
    let refuse = |why: &str| Err(Problem::property("identifier", why));
    if app.issuer.is_system_identifier(identifier) {
        return Err(taken());
    }
    if identifier.starts_with(app.issuer.as_str()) {
        return refuse("An identifier cannot begin with the issuer");
    }
    if looks_like_an_id(identifier) {
        return refuse("24 hexadecimal or 32 alphanumeric characters would be taken for an id");
    }
    if identifier.contains(char::is_whitespace) {
        return refuse("An identifier holds no spaces");
    }
    Ok(())
}

/// The identifier is another API's.
pub(super) fn taken() -> Problem {
    Problem::conflict("A resource server with the same identifier already exists.")
}

pub(super) fn lifetimes(fields: &mut Fields) -> NamedLifetimes {
    NamedLifetimes {
        token_lifetime: fields.integer("token_lifetime"),
        token_lifetime_for_web: fields.integer("token_lifetime_for_web"),
        max_token_lifetime: fields.integer_or_null("max_token_lifetime"),
    }
}

/// Lays the fields that are named over the API, lifetimes excepted.
pub(super) fn overlay(api: &mut Api, mut fields: Fields) -> Result<(), Problem> {
    if let Some(name) = fields.text("name") {
        api.name = Some(name);
    }
    if let Some(scopes) = fields.objects("scopes") {
        api.scopes = read_scopes(scopes)?;
    }
    if let Some(dialect) = fields.choice("token_dialect", Dialect::parse) {
        api.token_dialect = Some(dialect);
    }
    if let Some(allow) = fields.boolean("allow_offline_access") {
        api.allow_offline_access = allow;
    }
    if let Some(skip) = fields.boolean("skip_consent_for_verifiable_first_party_clients") {
        api.skip_consent_for_verifiable_first_party_clients = skip;
    }
    if let Some(policies) = fields.object("subject_type_authorization") {
        overlay_policies(api, policies);
    }
    if let Some(seconds) = fields.integer_or_null("user_grant_lifetime") {
        api.user_grant_seconds = seconds;
    }
    let mut described = fields.rest();
    forget_nulls_below(&[TABLE], &mut described);
    api.described.overlay(described);
    Ok(())
}

/// `signing_alg` and `signing_secret`.
pub(super) fn signing(fields: &mut Fields) -> Named {
    Named {
        algorithm: fields.choice("signing_alg", SigningAlgorithm::parse),
        secret: fields.text_or_null("signing_secret"),
    }
}

fn read_scopes(items: Vec<Fields>) -> Result<Vec<Scope>, Problem> {
    let mut seen = HashSet::new();
    let mut scopes = Vec::with_capacity(items.len());
    for mut item in items {
        let value = item.text("value").unwrap_or_default();
        if !seen.insert(value.clone()) {
            let why = format_args!("'{}' is named twice", echo(&value));
            return Err(Problem::property(&item.path("value"), why));
        }
        let description = item.text("description").filter(|text| !text.is_empty());
        scopes.push(Scope { value, description });
    }
    Ok(scopes)
}

/// Auth0's `subject_type_authorization`.
fn overlay_policies(api: &mut Api, mut types: Fields) {
    let client = types.object("client");
    if let Some(policy) = client.and_then(|mut own| own.choice("policy", ClientPolicy::parse)) {
        api.client_policy = policy;
    }
    let user = types.object("user");
    if let Some(policy) = user.and_then(|mut own| own.choice("policy", UserPolicy::parse)) {
        api.user_policy = policy;
    }
}

/// A system API keeps its name, scopes and form (compatibility.md §1.2, note 3). Denying it to
/// applications would lock every administrator out.
pub(super) fn check_system(before: &Api, after: &Api) -> Result<(), Problem> {
    if before.system.is_none() {
        return Ok(());
    }
    let unchanged = [
        ("name", before.name == after.name),
        ("scopes", before.scopes == after.scopes),
        ("token_dialect", before.token_dialect == after.token_dialect),
        (
            "allow_offline_access",
            before.allow_offline_access == after.allow_offline_access,
        ),
        (
            "subject_type_authorization",
            (before.client_policy, before.user_policy) == (after.client_policy, after.user_policy),
        ),
    ];
    match unchanged.iter().find(|(_, is_unchanged)| !is_unchanged) {
        None => Ok(()),
        Some((name, _)) => Err(Problem::not_supported(name, "a system API keeps it.")),
    }
}
