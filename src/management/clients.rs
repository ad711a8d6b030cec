//! `/api/v2/clients`: applications.

mod authentication;
mod fields;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::access::{Path, require};
use super::answer::{Missing, Problem, gone, json as answer, selected, shown};
use super::call::{Act, Call};
use super::query::{CHECKPOINTS, OFFSETS, Paging, SELECTION, Selection};
use super::secrets;
use crate::app::App;
use crate::lifetime::{ApplicationLifetimes, Lifetime};
use crate::model::application::{Application, AuthMethod};
use crate::model::change::{Change, Covered};
use crate::model::instant;
use crate::secret::{self, Secret};
use crate::store::{self};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{Field, Tables, boolean, text};

/// What is shown of an application beside the fields that can be set.
const READ_ONLY: &[Field] = &[text("client_id", 1, 255), text("client_secret", 1, 256)];
/// An application as it is shown.
pub(super) const SHOWN: Tables = &[READ_ONLY, authentication::UPDATE_TABLE, fields::TABLE];
const READERS: Access = Access::AnyOf(&["read:clients", "read:client_keys"]);

pub(crate) const LIST: Operation = Operation {
    summary: "List applications",
    access: READERS,
    query: &[
        &OFFSETS,
        &CHECKPOINTS,
        &SELECTION,
        &[
            boolean("is_global"),
            boolean("is_first_party"),
            text("app_type", 0, 1000),
        ],
    ],
    answer: Answer::Page("clients", SHOWN),
    ..Operation::DEFAULT
};

/// `GET /clients`
pub(crate) async fn list(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (_, mut query) = call.authorize(&app, &LIST).await?;
    let paging = Paging::either(&mut query)?;
    let selection = Selection::read(&mut query);
    let app_types = query.text("app_type").map(|text| known_app_types(&text));
    // No application is global, and all are first-party.
    let excludes_all = app_types.as_deref() == Some("")
        || query.boolean("is_global") == Some(true)
        || query.boolean("is_first_party") == Some(false);
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

pub(crate) const CREATE: Operation = Operation {
    summary: "Create an application",
    access: Access::AnyOf(&["create:clients"]),
    body: Takes::Fields(&[
        &[fields::SECRET],
        authentication::CREATE_TABLE,
        fields::TABLE,
    ]),
    answer: Answer::One(201, SHOWN),
    refuses: &[404, 409],
    ..Operation::DEFAULT
};

/// `POST /clients`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &CREATE, body).await?;
    let now = admin.now;
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
    let chosen = fields::chosen_secret(&mut fields);
    let methods = authentication::read(&mut fields)?;
    fields::overlay(&app, &mut application, fields, now)?;
    methods.give(&mut application, now)?;
    if !names_grant_types {
        application.grant_types = fields::usual_grant_types(application.app_type.as_deref());
    }
    fields::check_secret(&application, chosen.as_ref())?;
    let secret = match chosen {
        None if !application.takes_secrets() => None,
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
    authentication::insert(&mut tx, &application).await?;
    tx.note(Change::Application(application.client_id.clone()));
    let shown = show(&application);
    let act = Act::new("Create a client").client(&application.client_id);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    let with_secret = show_with_secret(&application, secret.as_ref());
    Ok(selected(StatusCode::CREATED, &shown, &with_secret))
}

pub(crate) const GET: Operation = Operation {
    summary: "Read an application",
    access: READERS,
    query: &[&SELECTION],
    answer: Answer::One(200, SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /clients/{id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (_, mut query) = call.authorize(&app, &GET).await?;
    let selection = Selection::read(&mut query);
    let found = store::applications::get(&mut *app.store.read().await?, &id).await?;
    let shown = show(&found.ok_or_else(not_found)?);
    Ok(selected(
        StatusCode::OK,
        &shown,
        &selection.of(shown.clone()),
    ))
}

pub(crate) const UPDATE: Operation = Operation {
    summary: "Change an application",
    access: Access::AnyOf(&[
        "update:clients",
        "update:client_keys",
        "update:client_credentials",
    ]),
    body: Takes::Fields(&[
        &[fields::SECRET],
        authentication::UPDATE_TABLE,
        fields::TABLE,
    ]),
    answer: Answer::One(200, SHOWN),
    refuses: &[404, 412],
    ..Operation::DEFAULT
};

/// `PATCH /clients/{id}`; a secret that is set takes the place of all others at once.
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &UPDATE, body).await?;
    authentication::require_scopes(&admin.caller, &fields)?;
    let methods = authentication::read(&mut fields)?;
    let chosen = fields::chosen_secret(&mut fields);
    let kept = match &chosen {
        None => None,
        Some(secret) => {
            require(&admin.caller, &["update:client_keys"])?;
            Some(app.secrets.keep(secret, admin.now).await?)
        }
    };
    let mut tx = app.store.write().await?;
    store::applications::lock(&mut tx, &id).await?;
    let mut application = store::applications::get(&mut tx, &id)
        .await?
        .ok_or_else(not_found)?;
    let was = show(&application);
    admin.check_match(&was)?;
    let was_for = fields::resource_server_of(&application);
    fields::overlay(&app, &mut application, fields, admin.now)?;
    methods
        .change(&app, &mut tx, &admin, &mut application)
        .await?;
    fields::check_secret(&application, chosen.as_ref())?;
    if fields::resource_server_of(&application) != was_for {
        fields::check_resource_server(&mut tx, &app, &application).await?;
    }
    store::applications::update(&mut tx, &application).await?;
    let mut act = Act::new("Update a client").client(&id).before(was);
    if let Some(kept) = kept {
        secrets::replace(&app, &mut tx, &admin, (&application, kept)).await?;
        act.what = "Update a client and set its secret";
    }
    tx.note(Change::Application(id));
    let shown = show(&application);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    let with_secret = show_with_secret(&application, chosen.as_ref());
    Ok(selected(StatusCode::OK, &shown, &with_secret))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Delete an application; its tokens are revoked",
    access: Access::AnyOf(&["delete:clients"]),
    answer: Answer::Empty(204),
    refuses: &[412],
    ..Operation::DEFAULT
};

/// `DELETE /clients/{id}`: revokes all its tokens.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &DELETE).await?;
    let mut tx = app.store.write().await?;
    let Some(application) = store::applications::get(&mut tx, &id).await? else {
        return Ok(gone());
    };
    let was = show(&application);
    admin.check_match(&was)?;
    if store::applications::delete(&mut tx, &id).await? {
        tx.note(Change::Application(id.clone()));
        tx.note(Change::ClientGrants(id.clone()));
        tx.note(Change::Revocation(Covered::Application(id.clone())));
        let act = Act::new("Delete a client").client(&id).before(was);
        admin.commit(&app, tx, act).await?;
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
    client_authentication_methods: Option<Value>,
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

/// Without secrets.
pub(super) fn show(application: &Application) -> Value {
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
        client_authentication_methods: authentication::show(application),
        resource_server_identifier: application.resource_server_identifier.as_deref(),
        access_token_lifetimes: ShownLifetimes::of(application.lifetimes),
        expires_at: application.expires_at.map(instant::to_rfc3339),
    })
}
