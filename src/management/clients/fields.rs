//! The fields of an application in a body: what they may hold, and what is laid over what is stored.

use serde_json::Value;

use super::super::answer::Problem;
use super::super::body::{Fields, is_denied, is_off};
use super::super::resource_servers;
use crate::app::App;
use crate::lifetime::{ApplicationLifetimes, NamedApplicationLifetimes};
use crate::model::application::{Application, AuthMethod, CLIENT_CREDENTIALS};
use crate::model::refusal::echo;
use crate::model::text::IDENTIFIER_CHARS_MAX;
use crate::secret::Secret;
use crate::store::{self, Write};

/// Auth0's application types that mean something here.
pub(super) const APP_TYPES: [&str; 5] = [
    "native",
    "spa",
    "regular_web",
    "non_interactive",
    "resource_server",
];
/// Grant types that an application may be allowed; those that are not built yet are kept.
const GRANT_TYPES: [&str; 13] = [
    "authorization_code",
    "implicit",
    "refresh_token",
    CLIENT_CREDENTIALS,
    "password",
    "http://auth0.com/oauth/grant-type/password-realm",
    "http://auth0.com/oauth/grant-type/mfa-oob",
    "http://auth0.com/oauth/grant-type/mfa-otp",
    "http://auth0.com/oauth/grant-type/mfa-recovery-code",
    "http://auth0.com/oauth/grant-type/passwordless/otp",
    "urn:openid:params:grant-type:ciba",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];

/// Lays the fields that are named over the application, secrets excepted.
pub(super) fn overlay(
    app: &App,
    application: &mut Application,
    fields: &mut Fields,
    now: i64,
) -> Result<(), Problem> {
    if let Some(name) = fields.text("name", 1..=200)? {
        if name.contains(['<', '>']) {
            return Err(fields.wrong("name", "String holds < or >"));
        }
        application.name = name;
    }
    let parse_app_type = |text: &str| APP_TYPES.contains(&text).then(|| text.to_owned());
    if let Some(app_type) = fields.choice("app_type", parse_app_type, &APP_TYPES.join(", "))? {
        application.app_type = Some(app_type);
    }
    if let Some(grant_types) = fields.texts("grant_types", GRANT_TYPES.len(), 1..=200)? {
        if let Some(unknown) = grant_types
            .iter()
            .find(|own| !GRANT_TYPES.contains(&own.as_str()))
        {
            let why = format!(
                "'{}' is not one of {}",
                echo(unknown),
                GRANT_TYPES.join(", ")
            );
            return Err(fields.wrong("grant_types", why));
        }
        application.grant_types = grant_types;
    }
    let methods = AuthMethod::ALL.map(AuthMethod::as_str).join(", ");
    // Null goes back to unset: basic or post.
    let method =
        fields.choice_or_null("token_endpoint_auth_method", AuthMethod::parse, &methods)?;
    if let Some(method) = method {
        application.token_endpoint_auth_method = method;
    }
    let identifier = fields.text_or_null("resource_server_identifier", 1..=IDENTIFIER_CHARS_MAX)?;
    if let Some(identifier) = identifier {
        application.resource_server_identifier = identifier;
    }
    if let Some(expires_at) = fields.future_instant("expires_at", now)? {
        application.expires_at = expires_at;
    }
    application.lifetimes = lifetimes(app, application.lifetimes, fields)?;
    unbuilt(fields)
}

/// Fields that promise protection which is not built.
fn unbuilt(fields: &mut Fields) -> Result<(), Problem> {
    let is_none = |value: &Value| value.is_null() || value == "none";
    let is_not_required =
        |value: &Value| value.is_null() || value.get("required").is_none_or(is_off);
    let is_not_enforced = |value: &Value| {
        value.is_null()
            || value
                .pointer("/client_credentials/enforce")
                .is_none_or(is_off)
    };
    let later = "it is not built yet.";
    fields.unbuilt("require_pushed_authorization_requests", is_off, later)?;
    fields.unbuilt("require_proof_of_possession", is_off, later)?;
    fields.unbuilt("compliance_level", is_none, later)?;
    fields.unbuilt("signed_request_object", is_not_required, later)?;
    fields.unbuilt("token_quota", is_not_enforced, later)?;
    fields.unbuilt(
        "organization_usage",
        is_denied,
        "organizations are not built.",
    )?;
    fields.unbuilt(
        "default_organization",
        Value::is_null,
        "organizations are not built.",
    )?;
    fields.unbuilt("token_exchange", Value::is_null, later)?;
    fields.unbuilt("client_authentication_methods", Value::is_null, later)
}

/// `access_token_lifetimes`: a member that is named wins, null included; one that is not stays. Null
/// for the whole inherits both.
fn lifetimes(
    app: &App,
    before: ApplicationLifetimes,
    fields: &mut Fields,
) -> Result<ApplicationLifetimes, Problem> {
    const PREFIX: &str = "access_token_lifetimes.";
    if fields.take_null("access_token_lifetimes") {
        return Ok(ApplicationLifetimes::default());
    }
    let Some(mut members) = fields.object("access_token_lifetimes", PREFIX)? else {
        return Ok(before);
    };
    let named = NamedApplicationLifetimes {
        application: members.integer_or_null("application")?,
        user: members.integer_or_null("user")?,
    };
    members.finish()?;
    Ok(before.change(&named, &app.config.lifetimes)?)
}

/// `client_secret` as the operator chooses it: 16 to 256 characters.
pub(super) fn chosen_secret(fields: &mut Fields) -> Result<Option<Secret<String>>, Problem> {
    let Some(secret) = fields.text("client_secret", 16..=256)? else {
        return Ok(None);
    };
    if !secret.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(fields.wrong(
            "client_secret",
            "A secret is printable ASCII (RFC 6749 appendix A.2)",
        ));
    }
    Ok(Some(Secret::new(secret)))
}

/// A public application has no secret that it could keep.
pub(super) fn check_secret(
    application: &Application,
    chosen: Option<&Secret<String>>,
) -> Result<(), Problem> {
    if chosen.is_some() && application.is_public() {
        return Err(Problem::property(
            "client_secret",
            "A public application (token_endpoint_auth_method none) has no secret",
        ));
    }
    Ok(())
}

/// What Auth0 gives by `app_type`.
pub(super) fn usual_grant_types(app_type: Option<&str>) -> Vec<String> {
    let usual: &[&str] = match app_type {
        Some("non_interactive") => &[CLIENT_CREDENTIALS],
        Some("native" | "spa") => &["authorization_code", "implicit", "refresh_token"],
        Some("resource_server") => &[],
        _ => &[
            "authorization_code",
            "implicit",
            "refresh_token",
            CLIENT_CREDENTIALS,
        ],
    };
    usual
        .iter()
        .map(|grant_type| (*grant_type).to_owned())
        .collect()
}

/// What [`check_resource_server`] looks at: one whose API was deleted may be changed otherwise.
pub(super) fn resource_server_of(application: &Application) -> (Option<String>, Option<String>) {
    (
        application.app_type.clone(),
        application.resource_server_identifier.clone(),
    )
}

/// `resource_server_identifier` goes with `app_type` `resource_server`, and never names a system API.
pub(super) async fn check_resource_server(
    tx: &mut Write,
    app: &App,
    application: &Application,
) -> Result<(), Problem> {
    const NAME: &str = "resource_server_identifier";
    let is_one = application.app_type.as_deref() == Some("resource_server");
    let Some(identifier) = &application.resource_server_identifier else {
        return if is_one {
            Err(Problem::property(NAME, "app_type resource_server needs it"))
        } else {
            Ok(())
        };
    };
    if !is_one {
        return Err(Problem::property(
            NAME,
            "It goes with app_type resource_server",
        ));
    }
    if app.issuer.system_api(identifier).is_some() {
        return Err(Problem::property(
            NAME,
            "A system API has no resource server but this one",
        ));
    }
    match store::apis::by_identifier(tx, identifier).await? {
        Some(_) => Ok(()),
        None => Err(resource_servers::not_found()),
    }
}
