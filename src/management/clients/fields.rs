//! The fields of an application in a body: what they may hold, and what is laid over what is stored.

use serde_json::Value;

use super::super::answer::Problem;
use super::super::call::future_instant;
use super::super::resource_servers;
use crate::app::App;
use crate::lifetime::{ApplicationLifetimes, NamedApplicationLifetimes};
use crate::model::application::{Application, AuthMethod, CLIENT_CREDENTIALS};
use crate::model::text::IDENTIFIER_CHARS_MAX;
use crate::secret::Secret;
use crate::store::{self, Write};
use crate::wire::schema::{
    Field, Fields, Form, boolean, choice, formed, free, instant, integer, is_denied, is_null,
    is_off, object, text, texts,
};

/// Longest object that describes something which is not built.
const UNBUILT_BYTES_MAX: usize = 10_000;

/// What can be set of an application, at its creation and later; its secret excepted.
pub(super) const TABLE: &[Field] = &[
    formed("name", 1, 200, Form::NoAngles),
    choice("app_type", &APP_TYPES),
    texts(
        "grant_types",
        GRANT_TYPES.len(),
        200,
        Form::OneOf(&GRANT_TYPES),
    ),
    choice(
        "token_endpoint_auth_method",
        &["none", "client_secret_post", "client_secret_basic"],
    )
    .or_null(),
    text("resource_server_identifier", 1, IDENTIFIER_CHARS_MAX).or_null(),
    object("access_token_lifetimes", LIFETIMES).or_null(),
    instant("expires_at").or_null(),
    boolean("require_pushed_authorization_requests")
        .or_null()
        .unbuilt(is_off, LATER),
    boolean("require_proof_of_possession")
        .or_null()
        .unbuilt(is_off, LATER),
    text("compliance_level", 0, 200)
        .or_null()
        .unbuilt(is_none, LATER),
    free("signed_request_object", UNBUILT_BYTES_MAX)
        .or_null()
        .unbuilt(is_not_required, LATER),
    free("token_quota", UNBUILT_BYTES_MAX)
        .or_null()
        .unbuilt(is_not_enforced, LATER),
    choice("organization_usage", &["deny", "allow", "require"])
        .or_null()
        .unbuilt(is_denied, "organizations are not built."),
    free("default_organization", UNBUILT_BYTES_MAX)
        .or_null()
        .unbuilt(is_null, "organizations are not built."),
    free("token_exchange", UNBUILT_BYTES_MAX)
        .or_null()
        .unbuilt(is_null, LATER),
];
/// The secret as the operator chooses it.
pub(super) const SECRET: Field = formed("client_secret", 16, 256, Form::Printable);
const LIFETIMES: &[Field] = &[
    integer("application", i64::MIN, i64::MAX).or_null(),
    integer("user", i64::MIN, i64::MAX).or_null(),
];
const LATER: &str = "it is not built yet.";

fn is_none(value: &Value) -> bool {
    value.is_null() || value == "none"
}

fn is_not_required(value: &Value) -> bool {
    value.get("required").is_none_or(is_off)
}

fn is_not_enforced(value: &Value) -> bool {
    value
        .pointer("/client_credentials/enforce")
        .is_none_or(is_off)
}

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
    mut fields: Fields,
    now: i64,
) -> Result<(), Problem> {
    if let Some(name) = fields.text("name") {
        application.name = name;
    }
    if let Some(app_type) = fields.text("app_type") {
        application.app_type = Some(app_type);
    }
    if let Some(grant_types) = fields.texts("grant_types") {
        application.grant_types = grant_types;
    }
    // Null goes back to unset: basic or post.
    let method = fields.choice_or_null("token_endpoint_auth_method", AuthMethod::parse);
    if let Some(method) = method {
        application.token_endpoint_auth_method = method;
    }
    if let Some(identifier) = fields.text_or_null("resource_server_identifier") {
        application.resource_server_identifier = identifier;
    }
    if let Some(expires_at) = future_instant(&mut fields, "expires_at", now)? {
        application.expires_at = expires_at;
    }
    application.lifetimes = lifetimes(app, application.lifetimes, &mut fields)?;
    Ok(())
}

/// `access_token_lifetimes`: a member that is named wins, null included; one that is not stays. Null
/// for the whole inherits both.
fn lifetimes(
    app: &App,
    before: ApplicationLifetimes,
    fields: &mut Fields,
) -> Result<ApplicationLifetimes, Problem> {
    let mut members = match fields.object_or_null("access_token_lifetimes") {
        None => return Ok(before),
        Some(None) => return Ok(ApplicationLifetimes::default()),
        Some(Some(members)) => members,
    };
    let named = NamedApplicationLifetimes {
        application: members.integer_or_null("application"),
        user: members.integer_or_null("user"),
    };
    Ok(before.change(&named, &app.config.lifetimes)?)
}

/// `client_secret` as the operator chooses it.
pub(super) fn chosen_secret(fields: &mut Fields) -> Option<Secret<String>> {
    fields.text("client_secret").map(Secret::new)
}

/// A public application has no secret that it could keep, and one with keys needs none.
pub(super) fn check_secret(
    application: &Application,
    chosen: Option<&Secret<String>>,
) -> Result<(), Problem> {
    if chosen.is_some() && !application.takes_secrets() {
        return Err(Problem::property(
            "client_secret",
            "A public application (token_endpoint_auth_method none) has no secret, nor has one with private_key_jwt",
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
