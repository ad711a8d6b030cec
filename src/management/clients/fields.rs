//! The fields of an application in a body: what they may hold, and what is laid over what is stored.

pub(super) mod described;
pub(super) mod refresh_token;
mod sign_in;
mod unbuilt;

use serde_json::Value;

use super::super::answer::Problem;
use super::super::call::future_instant;
use super::super::resource_servers;
use super::{authentication, signed_requests};
use crate::app::App;
use crate::lifetime::{ApplicationLifetimes, NamedApplicationLifetimes};
use crate::model::api::SigningAlgorithm;
use crate::model::application::{Application, AuthMethod, CLIENT_CREDENTIALS};
use crate::model::fault::Fault;
use crate::model::key::Key;
use crate::model::text::IDENTIFIER_CHARS_MAX;
use crate::secret::Secret;
use crate::store::{self, Write};
use crate::wire::schema::{
    Field, Fields, Form, Tables, boolean, choice, forget_nulls_below, formed, instant, integer,
    object, text, texts,
};

/// Longest description of an application, as JSON.
const DESCRIBED_BYTES_MAX: usize = 200_000;

/// What can be set of an application at its creation.
pub(super) const CREATE: Tables = &[
    &[SECRET, NAME.required()],
    TABLE,
    authentication::CREATE_TABLE,
    signed_requests::CREATE_TABLE,
    described::NEW_PAGES,
    described::TABLE,
    sign_in::TABLE,
    refresh_token::TABLE,
    unbuilt::TABLE,
];
/// What can be set of it later.
pub(super) const UPDATE: Tables = &[
    &[SECRET, NAME],
    TABLE,
    authentication::UPDATE_TABLE,
    signed_requests::UPDATE_TABLE,
    described::PAGES,
    described::TABLE,
    sign_in::TABLE,
    refresh_token::TABLE,
    unbuilt::TABLE,
];

/// What is shown of it.
pub(super) const SHOWN: Tables = &[
    READ_ONLY,
    &[SECRET, NAME],
    TABLE,
    authentication::UPDATE_TABLE,
    signed_requests::UPDATE_TABLE,
    described::PAGES,
    described::TABLE,
    sign_in::TABLE,
    refresh_token::TABLE,
    unbuilt::TABLE,
];

const READ_ONLY: &[Field] = &[
    text("client_id", 1, 255),
    text("tenant", 1, 255),
    boolean("global"),
];
const NAME: Field = formed("name", 1, 200, Form::NoAngles);
/// What is more than described.
const TABLE: &[Field] = &[
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
    boolean("is_first_party"),
];
/// The secret as the operator chooses it.
const SECRET: Field = formed("client_secret", 16, 256, Form::Printable);
const LIFETIMES: &[Field] = &[
    integer("application", i64::MIN, i64::MAX).or_null(),
    integer("user", i64::MIN, i64::MAX).or_null(),
];

/// Auth0's application types; those behind `resource_server` are kept and mean nothing here.
pub(super) const APP_TYPES: [&str; 25] = [
    "native",
    "spa",
    "regular_web",
    "non_interactive",
    "resource_server",
    "express_configuration",
    "rms",
    "box",
    "cloudbees",
    "concur",
    "dropbox",
    "mscrm",
    "echosign",
    "egnyte",
    "newrelic",
    "office365",
    "salesforce",
    "sentry",
    "sharepoint",
    "slack",
    "springcm",
    "zendesk",
    "zoom",
    "sso_integration",
    "oag",
];
/// Grant types that an application may be allowed; those that are not built yet are kept.
const GRANT_TYPES: [&str; 20] = [
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
    "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token",
    "urn:openid:params:grant-type:ciba",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "http://auth0.com/oauth/legacy/grant-type/ro",
    "http://auth0.com/oauth/legacy/grant-type/ro/jwt-bearer",
    "http://auth0.com/oauth/legacy/grant-type/delegation/refresh_token",
    "http://auth0.com/oauth/legacy/grant-type/delegation/id_token",
    "http://auth0.com/oauth/legacy/grant-type/access_token",
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
    if let Some(is_first_party) = fields.boolean("is_first_party") {
        application.is_first_party = is_first_party;
    }
    application.lifetimes = lifetimes(app, application.lifetimes, &mut fields)?;
    describe(application, fields)?;
    sign_in::check(app, application)
}

/// The keys of an algorithm for ID tokens that nobody has used before: made before the transaction
/// begins.
pub(super) async fn make_keys(app: &App, fields: &Fields, now: i64) -> Result<Vec<Key>, Fault> {
    let named = fields.peek_within("jwt_configuration", "alg");
    match named.and_then(SigningAlgorithm::parse_with_keys) {
        Some(algorithm) => app.mint.keys.make_first(algorithm, now).await,
        None => Ok(Vec::new()),
    }
}

/// Lays what only describes the application over what is kept. A member is replaced whole, but of
/// `client_metadata` only the names that are there; null takes away.
fn describe(application: &mut Application, mut fields: Fields) -> Result<(), Problem> {
    const METADATA: &str = "client_metadata";
    let refresh_token = refresh_token::read(&mut fields)?;
    let mut named = fields.rest();
    forget_nulls_below(UPDATE, &mut named);
    if let Some(Value::Object(own)) = named.get_mut("jwt_configuration") {
        described::complete_id_token(own);
    }
    if let Some(refresh_token) = refresh_token {
        named.insert("refresh_token".to_owned(), refresh_token);
    }
    let kept = &mut application.described;
    if let Some(Value::Object(metadata)) = named.remove(METADATA) {
        kept.overlay_within(METADATA, metadata);
        let whole = kept.0.get(METADATA).and_then(Value::as_object);
        if whole.is_some_and(|whole| whole.len() > described::METADATA_MAX) {
            let why = format_args!("It would hold more than {} names", described::METADATA_MAX);
            return Err(Problem::property(METADATA, why));
        }
    }
    kept.overlay(named);
    if kept.bytes() > DESCRIBED_BYTES_MAX {
        return Err(Problem::body(format_args!(
            "what describes the application would be longer than {DESCRIBED_BYTES_MAX} bytes."
        )));
    }
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

/// Keeps the API that an application is to be from being deleted meanwhile. Before the application's
/// own lock: the deletion of an API locks it before the applications that it unlinks.
pub(super) async fn lock_resource_server(
    tx: &mut Write,
    identifier: Option<&str>,
) -> Result<(), Problem> {
    if let Some(identifier) = identifier
        && let Some(api) = store::apis::by_identifier(tx, identifier).await?
    {
        store::apis::lock(tx, &api.id).await?;
    }
    Ok(())
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
