//! `/api/v2/clients`: applications.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::access::{Path, authorize, check_id, require};
use super::answer::{Missing, Problem, gone, json as answer, shown};
use super::body::Fields;
use super::query::{Paging, Query, Selection};
use super::{resource_servers, secrets};
use crate::app::App;
use crate::lifetime::{ApplicationLifetimes, Lifetime, NamedApplicationLifetimes};
use crate::model::application::{Application, AuthMethod, CLIENT_CREDENTIALS};
use crate::model::change::{Change, Covered};
use crate::model::instant;
use crate::model::refusal::echo;
use crate::model::text::IDENTIFIER_CHARS_MAX;
use crate::secret::{self, Secret};
use crate::store::{self, Write};

/// Auth0's application types that mean something here.
const APP_TYPES: [&str; 5] = [
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

/// `GET /clients`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    authorize(
        &app,
        &headers,
        &["read:clients", "read:client_keys"],
        app.clock.now(),
    )
    .await?;
    let mut query = Query::read(&uri)?;
    let paging = Paging::either(&mut query)?;
    let selection = Selection::read(&mut query)?;
    let app_types = query.text("app_type")?.map(|text| known_app_types(&text));
    // No application is global, and all are first-party.
    let excludes_all = app_types.as_deref() == Some("")
        || query.boolean("is_global")? == Some(true)
        || query.boolean("is_first_party")? == Some(false);
    query.finish()?;
    let mut conn = app.store.read().await?;
    let (mut applications, mut total) = (Vec::new(), 0);
    if !excludes_all {
        applications = store::applications::list(
            &mut conn,
            app_types.as_deref(),
            &paging.from(),
            paging.rows(),
        )
        .await?;
        if paging.wants_total() {
            total = store::applications::count(&mut conn, app_types.as_deref()).await?;
        }
    }
    let select = |application: &Application| selection.of(show(application));
    let key = |application: &Application| (application.created_at, application.client_id.clone());
    Ok(answer(
        StatusCode::OK,
        &paging.page("clients", applications, total, (select, key)),
    ))
}

/// Those of a list with commas that exist.
fn known_app_types(text: &str) -> String {
    let known: Vec<_> = text
        .split(',')
        .filter(|app_type| APP_TYPES.contains(app_type))
        .collect();
    known.join(",")
}

/// `POST /clients`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let caller = authorize(&app, &headers, &["create:clients"], now).await?;
    let mut fields = Fields::read(&headers, body, app.config.server.body_bytes_max, false).await?;
    if !fields.names("name") {
        return Err(Problem::body("'Missing required property: name'."));
    }
    let mut application = Application {
        client_id: secret::random_alphanumeric(32),
        name: String::new(),
        app_type: None,
        grant_types: Vec::new(),
        token_endpoint_auth_method: None,
        resource_server_identifier: None,
        lifetimes: app.config.lifetimes.new_applications,
        expires_at: None,
        created_at: now,
        secrets: Vec::new(),
    };
    let names_grant_types = fields.names("grant_types");
    overlay(&app, &mut application, &mut fields, now)?;
    if !names_grant_types {
        application.grant_types = usual_grant_types(application.app_type.as_deref());
    }
    let chosen = chosen_secret(&mut fields)?;
    fields.finish()?;
    check_secret(&application, chosen.as_ref())?;
    let secret = match chosen {
        None if application.is_public() => None,
        chosen => Some(chosen.unwrap_or_else(secret::new_secret)),
    };
    if let Some(secret) = &secret {
        application
            .secrets
            .push(app.secrets.keep(secret, now).await?);
    }
    let mut tx = app.store.write().await?;
    check_resource_server(&mut tx, &app, &application).await?;
    if !store::applications::insert(&mut tx, &application).await? {
        return Err(Problem::conflict("The client_id is taken; try again."));
    }
    tx.note(Change::Application(application.client_id.clone()));
    app.directory.commit(tx, now).await?;
    tracing::info!(
        by = caller.client_id,
        client_id = application.client_id,
        "client created"
    );
    Ok(answer(
        StatusCode::CREATED,
        &show_with_secret(&application, secret.as_ref()),
    ))
}

/// `GET /clients/{id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    authorize(
        &app,
        &headers,
        &["read:clients", "read:client_keys"],
        app.clock.now(),
    )
    .await?;
    let mut query = Query::read(&uri)?;
    let selection = Selection::read(&mut query)?;
    query.finish()?;
    check_id(&id)?;
    let found = store::applications::get(&mut *app.store.read().await?, &id).await?;
    let application = found.ok_or_else(not_found)?;
    Ok(answer(StatusCode::OK, &selection.of(show(&application))))
}

/// `PATCH /clients/{id}`; a secret that is set takes the place of all others at once.
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let caller = authorize(
        &app,
        &headers,
        &["update:clients", "update:client_keys"],
        now,
    )
    .await?;
    check_id(&id)?;
    let mut fields = Fields::read(&headers, body, app.config.server.body_bytes_max, false).await?;
    if fields.names_other_than("client_secret") {
        require(&caller, &["update:clients"])?;
    }
    let chosen = chosen_secret(&mut fields)?;
    let kept = match &chosen {
        None => None,
        Some(secret) => {
            require(&caller, &["update:client_keys"])?;
            Some(app.secrets.keep(secret, now).await?)
        }
    };
    let mut tx = app.store.write().await?;
    store::applications::lock(&mut tx, &id).await?;
    let mut application = store::applications::get(&mut tx, &id)
        .await?
        .ok_or_else(not_found)?;
    let was = resource_server_of(&application);
    overlay(&app, &mut application, &mut fields, now)?;
    fields.finish()?;
    check_secret(&application, chosen.as_ref())?;
    if resource_server_of(&application) != was {
        check_resource_server(&mut tx, &app, &application).await?;
    }
    store::applications::update(&mut tx, &application).await?;
    if let Some(kept) = kept {
        secrets::replace(&app, &mut tx, &caller, (&application, kept, now)).await?;
    }
    tx.note(Change::Application(application.client_id.clone()));
    app.directory.commit(tx, now).await?;
    tracing::info!(
        by = caller.client_id,
        client_id = application.client_id,
        "client changed"
    );
    Ok(answer(
        StatusCode::OK,
        &show_with_secret(&application, chosen.as_ref()),
    ))
}

/// `DELETE /clients/{id}`: revokes all its tokens.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let caller = authorize(&app, &headers, &["delete:clients"], now).await?;
    check_id(&id)?;
    let mut tx = app.store.write().await?;
    if store::applications::delete(&mut tx, &id).await? {
        tx.note(Change::Application(id.clone()));
        tx.note(Change::ClientGrants(id.clone()));
        tx.note(Change::Revocation(Covered::Application(id.clone())));
        app.directory.commit(tx, now).await?;
        tracing::info!(
            by = caller.client_id,
            client_id = id,
            "client deleted, its tokens revoked"
        );
    }
    Ok(gone())
}

pub(super) fn not_found() -> Problem {
    Problem::not_found(Missing::Client)
}

/// Lays the fields that are named over the application, secrets excepted.
fn overlay(
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
    Ok(())
}

/// `access_token_lifetimes`: a member that is named wins, null included; one that is not stays.
fn lifetimes(
    app: &App,
    before: ApplicationLifetimes,
    fields: &mut Fields,
) -> Result<ApplicationLifetimes, Problem> {
    const PREFIX: &str = "access_token_lifetimes.";
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
fn chosen_secret(fields: &mut Fields) -> Result<Option<Secret<String>>, Problem> {
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
fn check_secret(application: &Application, chosen: Option<&Secret<String>>) -> Result<(), Problem> {
    if chosen.is_some() && application.is_public() {
        return Err(Problem::property(
            "client_secret",
            "A public application (token_endpoint_auth_method none) has no secret",
        ));
    }
    Ok(())
}

/// What Auth0 gives by `app_type`.
fn usual_grant_types(app_type: Option<&str>) -> Vec<String> {
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
fn resource_server_of(application: &Application) -> (Option<String>, Option<String>) {
    (
        application.app_type.clone(),
        application.resource_server_identifier.clone(),
    )
}

/// `resource_server_identifier` goes with `app_type` `resource_server`, and never names a system API.
async fn check_resource_server(
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

/// An application as Auth0 shows it; what is unset is omitted.
#[derive(Serialize)]
struct Shown<'a> {
    client_id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_type: Option<&'a str>,
    grant_types: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_server_identifier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token_lifetimes: Option<ShownLifetimes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct ShownLifetimes {
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<i64>,
}

impl ShownLifetimes {
    /// `None` where the application inherits both.
    fn of(lifetimes: ApplicationLifetimes) -> Option<Self> {
        let application = lifetimes.application.map(Lifetime::as_integer);
        let user = lifetimes.user.map(Lifetime::as_integer);
        (application.is_some() || user.is_some()).then_some(Self { application, user })
    }
}

fn show(application: &Application) -> Value {
    show_with_secret(application, None)
}

/// With a secret that was just made or set: the one time that it is shown.
pub(super) fn show_with_secret(
    application: &Application,
    secret: Option<&Secret<String>>,
) -> Value {
    shown(&Shown {
        client_id: &application.client_id,
        name: &application.name,
        client_secret: secret.map(|secret| secret.expose().as_str()),
        app_type: application.app_type.as_deref(),
        grant_types: &application.grant_types,
        token_endpoint_auth_method: application
            .token_endpoint_auth_method
            .map(AuthMethod::as_str),
        resource_server_identifier: application.resource_server_identifier.as_deref(),
        access_token_lifetimes: ShownLifetimes::of(application.lifetimes),
        expires_at: application.expires_at.map(instant::to_rfc3339),
    })
}
