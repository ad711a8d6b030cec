//! The fields of an API in a body: what they may hold, and what is laid over what is stored.

use std::collections::HashSet;

use serde_json::Value;

use super::super::answer::Problem;
use super::super::body::{Fields, is_empty};
use super::signing::Named;
use crate::app::App;
use crate::keys::SIGNING_SECRET_CHARS_MAX;
use crate::lifetime::NamedLifetimes;
use crate::model::api::{Api, ClientPolicy, Dialect, SigningAlgorithm};
use crate::model::refusal::echo;
use crate::model::scope::Scope;
use crate::model::text::{SCOPE_CHARS_MAX, looks_like_an_id};

/// Most scopes that an API defines.
const SCOPES_MAX: usize = 1000;
/// compatibility.md §6, "identifiers of APIs".
pub(super) fn check_identifier(app: &App, identifier: &str) -> Result<(), Problem> {
    let refuse = |why: &str| Err(Problem::property("identifier", why));
    if app.issuer.is_system_identifier(identifier) {
        return Err(Problem::conflict(
            "A resource server with the same identifier already exists.",
        ));
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

pub(super) fn lifetimes(fields: &mut Fields) -> Result<NamedLifetimes, Problem> {
    Ok(NamedLifetimes {
        token_lifetime: fields.integer("token_lifetime")?,
        token_lifetime_for_web: fields.integer("token_lifetime_for_web")?,
        max_token_lifetime: fields.integer_or_null("max_token_lifetime")?,
    })
}

/// Lays the fields that are named over the API, lifetimes excepted.
pub(super) fn overlay(api: &mut Api, fields: &mut Fields) -> Result<(), Problem> {
    if let Some(name) = fields.text("name", 1..=200)? {
        if name.contains(['<', '>']) {
            return Err(fields.wrong("name", "String holds < or >"));
        }
        api.name = Some(name);
    }
    if let Some(scopes) = scopes(fields)? {
        api.scopes = scopes;
    }
    let dialects = Dialect::ALL.map(Dialect::as_str).join(", ");
    if let Some(dialect) = fields.choice("token_dialect", Dialect::parse, &dialects)? {
        api.token_dialect = Some(dialect);
    }
    if let Some(allow) = fields.boolean("allow_offline_access")? {
        api.allow_offline_access = allow;
    }
    if let Some(skip) = fields.boolean("skip_consent_for_verifiable_first_party_clients")? {
        api.skip_consent_for_verifiable_first_party_clients = skip;
    }
    if let Some(policy) = client_policy(fields)? {
        api.client_policy = policy;
    }
    unbuilt(fields)
}

/// RFC 6749 §3.3: a scope value is printable ASCII without space, `"` and `\`.
fn is_scope_value(value: &str) -> bool {
    value
        .bytes()
        .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn scopes(fields: &mut Fields) -> Result<Option<Vec<Scope>>, Problem> {
    let Some(items) = fields.objects("scopes", "scopes[].")? else {
        return Ok(None);
    };
    if items.len() > SCOPES_MAX {
        return Err(fields.wrong(
            "scopes",
            format_args!("Array has more than {SCOPES_MAX} items"),
        ));
    }
    let mut seen = HashSet::new();
    let mut scopes = Vec::with_capacity(items.len());
    for mut item in items {
        let value = item.text("value", 1..=SCOPE_CHARS_MAX)?;
        let value =
            value.ok_or_else(|| fields.wrong("scopes", "Missing required property: value"))?;
        if !is_scope_value(&value) {
            return Err(item.wrong(
                "value",
                "A scope is printable ASCII without spaces, quotes and backslashes",
            ));
        }
        if !seen.insert(value.clone()) {
            return Err(item.wrong("value", format_args!("'{}' is named twice", echo(&value))));
        }
        let description = item
            .text("description", 0..=500)?
            .filter(|text| !text.is_empty());
        item.finish()?;
        scopes.push(Scope { value, description });
    }
    Ok(Some(scopes))
}

/// `signing_alg` and `signing_secret`.
pub(super) fn signing(fields: &mut Fields) -> Result<Named, Problem> {
    let algorithms = SigningAlgorithm::ALL
        .map(SigningAlgorithm::as_str)
        .join(", ");
    Ok(Named {
        algorithm: fields.choice("signing_alg", SigningAlgorithm::parse, &algorithms)?,
        secret: fields.text_or_null("signing_secret", 0..=SIGNING_SECRET_CHARS_MAX)?,
    })
}

/// Auth0's `subject_type_authorization`; the user's part has no effect until there are users.
fn client_policy(fields: &mut Fields) -> Result<Option<ClientPolicy>, Problem> {
    let Some(mut types) =
        fields.object("subject_type_authorization", "subject_type_authorization.")?
    else {
        return Ok(None);
    };
    let mut policy = None;
    if let Some(mut client) = types.object("client", "subject_type_authorization.client.")? {
        policy = client.choice(
            "policy",
            ClientPolicy::parse,
            "require_client_grant, deny_all",
        )?;
        client.finish()?;
    }
    if let Some(mut user) = types.object("user", "subject_type_authorization.user.")? {
        let why = "policies on user tokens are not built yet; allow_all is what holds.";
        user.unbuilt("policy", |value| value == "allow_all", why)?;
        user.finish()?;
    }
    types.finish()?;
    Ok(policy)
}

/// Fields that promise protection or behaviour which is not built (shared by creation and PATCH).
fn unbuilt(fields: &mut Fields) -> Result<(), Problem> {
    let is_false = |value: &Value| value == &Value::Bool(false);
    let is_null = Value::is_null;
    fields.unbuilt(
        "enforce_policies",
        is_false,
        "role-based policies are not built.",
    )?;
    fields.unbuilt(
        "allow_online_access",
        is_false,
        "online refresh tokens are not built.",
    )?;
    fields.unbuilt(
        "allow_online_access_with_ephemeral_sessions",
        is_false,
        "online refresh tokens are not built.",
    )?;
    let is_not_required =
        |value: &Value| value.is_null() || value["required"] == Value::Bool(false);
    fields.unbuilt(
        "proof_of_possession",
        is_not_required,
        "bound tokens are not built yet.",
    )?;
    fields.unbuilt(
        "token_encryption",
        is_null,
        "encrypted tokens are not built.",
    )?;
    fields.unbuilt(
        "consent_policy",
        is_null,
        "transactional authorization is not built.",
    )?;
    fields.unbuilt(
        "authorization_details",
        is_empty,
        "rich authorization requests are not built.",
    )?;
    fields.unbuilt(
        "authorization_policy",
        is_null,
        "authorization policies are not built.",
    )?;
    fields.unbuilt(
        "token_lifetime_for_anonymous_access_tokens",
        is_null,
        "anonymous sessions are not built.",
    )
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
        ("signing_alg", before.signing_alg == after.signing_alg),
        ("token_dialect", before.token_dialect == after.token_dialect),
        (
            "allow_offline_access",
            before.allow_offline_access == after.allow_offline_access,
        ),
        (
            "subject_type_authorization",
            before.client_policy == after.client_policy,
        ),
    ];
    match unchanged.iter().find(|(_, is_unchanged)| !is_unchanged) {
        None => Ok(()),
        Some((name, _)) => Err(Problem::not_supported(name, "a system API keeps it.")),
    }
}
