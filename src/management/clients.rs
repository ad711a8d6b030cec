//! `/api/v2/clients`: applications.

mod fields;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::access::{Path, authorize, authorize_body, check_id, require};
use super::answer::{Missing, Problem, gone, json as answer, shown};
use super::query::{Paging, Query, Selection};
use super::secrets;
use crate::app::App;
use crate::lifetime::{ApplicationLifetimes, Lifetime};
use crate::model::application::{Application, AuthMethod};
use crate::model::change::{Change, Covered};
use crate::model::instant;
use crate::secret::{self, Secret};
use crate::store::{self};

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
    let (is_global, is_first_party) = (
        query.boolean("is_global")?,
        query.boolean("is_first_party")?,
    );
    let excludes_all = app_types.as_deref() == Some("")
        || is_global == Some(true)
        || is_first_party == Some(false);
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
        .filter(|app_type| fields::APP_TYPES.contains(app_type))
        .collect();
    known.join(",")
}

/// `POST /clients`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (caller, mut fields, now) =
        authorize_body(&app, &headers, body, &["create:clients"]).await?;
    if !fields.names("name") {
        return Err(Problem::body("'Missing required property: name'."));
    }
    let mut application = Application {
        client_id: secret::random_alphanumeric(32),
        name: String::new(),
        app_type: None,
        grant_types: Vec::new(),
        token_endpoint_auth_method: None,
        private_key_jwt: None,
        resource_server_identifier: None,
        lifetimes: app.config.lifetimes.new_applications,
        expires_at: None,
        created_at: now,
        secrets: Vec::new(),
        credentials: Vec::new(),
    };
    let names_grant_types = fields.names("grant_types");
    fields::overlay(&app, &mut application, &mut fields, now)?;
    if !names_grant_types {
        application.grant_types = fields::usual_grant_types(application.app_type.as_deref());
    }
    let chosen = fields::chosen_secret(&mut fields)?;
    fields.finish()?;
    fields::check_secret(&application, chosen.as_ref())?;
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
    fields::check_resource_server(&mut tx, &app, &application).await?;
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
    check_id(&id)?;
    let any_of = &["update:clients", "update:client_keys"];
    let (caller, mut fields, now) = authorize_body(&app, &headers, body, any_of).await?;
    if fields.names_other_than("client_secret") {
        require(&caller, &["update:clients"])?;
    }
    let chosen = fields::chosen_secret(&mut fields)?;
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
    let was = fields::resource_server_of(&application);
    fields::overlay(&app, &mut application, &mut fields, now)?;
    fields.finish()?;
    fields::check_secret(&application, chosen.as_ref())?;
    if fields::resource_server_of(&application) != was {
        fields::check_resource_server(&mut tx, &app, &application).await?;
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
