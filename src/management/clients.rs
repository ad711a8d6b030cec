//! `/api/v2/clients`: applications.

mod authentication;
mod fields;
mod filter;
mod signed_requests;
mod view;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::access::{Path, may_become, require};
use super::answer::{self, Missing, Problem, gone, selected};
use super::call::{Act, Call};
use super::query::{CHECKPOINTS, OFFSETS, Paging, SELECTION, Selection};
use super::{secrets, signing_keys};
use crate::app::App;
use crate::model::application::Application;
use crate::model::change::{Change, Covered};
use crate::model::described::Described;
use crate::secret;
use crate::store::{self, Locks};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{Form, objects, texts};

pub(super) use view::{SHOWN, for_changer, show, show_with_secret};

pub(super) const READERS: Access = Access::AnyOf(&[
    "read:clients",
    "read:client_keys",
    "read:client_credentials",
    "read:client_summary",
]);

pub(crate) const LIST: Operation = Operation {
    summary: "List applications",
    access: READERS,
    query: &[&OFFSETS, &CHECKPOINTS, &SELECTION, filter::QUERY],
    answer: Answer::Page("clients", SHOWN),
    ..Operation::DEFAULT
};

/// `GET /clients`
pub(crate) async fn list(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &LIST).await?;
    let paging = Paging::either(&mut query)?;
    let selection = Selection::read(&mut query);
    let filter = filter::read(&mut query)?;
    let mut conn = app.store.read().await?;
    let (mut applications, mut total) = (Vec::new(), 0);
    if let Some(filter) = filter {
        let (from, rows) = (paging.from(), paging.rows());
        applications = store::applications::list(&mut conn, &filter, &from, rows).await?;
        if paging.wants_total() {
            total = store::applications::count(&mut conn, &filter).await?;
        }
    }
    let select = |application: &Application| {
        let whole = show(&app, application);
        selection.of(view::for_caller(&admin.caller, whole))
    };
    let key = |application: &Application| (application.created_at, application.client_id.clone());
    Ok(answer::json(
        StatusCode::OK,
        &paging.page("clients", applications, total, (select, key)),
    ))
}

pub(crate) const CREATE: Operation = Operation {
    summary: "Create an application",
    access: Access::AnyOf(&["create:clients"]),
    body: Takes::Fields(fields::CREATE),
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
    let mut application = empty_application(&app, now);
    let names_grant_types = fields.names("grant_types");
    let chosen = fields::chosen_secret(&mut fields);
    let methods = authentication::read(&mut fields)?;
    let signed = signed_requests::read(&mut fields);
    let made = fields::make_keys(&app, &fields, now).await?;
    fields::overlay(&app, &mut application, fields, now)?;
    methods.give(&mut application, now)?;
    signed.give(&mut application, now)?;
    if !names_grant_types {
        application.grant_types = fields::usual_grant_types(application.app_type.as_deref());
    }
    fields::check_secret(&application, chosen.as_ref())?;
    fields::refresh_token::check(&application)?;
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
    let identifier = application.resource_server_identifier.as_deref();
    fields::lock_resource_server(&mut tx, identifier).await?;
    fields::check_resource_server(&mut tx, &app, &application).await?;
    if !store::applications::insert(&mut tx, &application).await? {
        return Err(Problem::conflict("The client_id is taken; try again."));
    }
    authentication::insert(&mut tx, &application).await?;
    signing_keys::store_first(&mut tx, &made).await?;
    tx.note(Change::Application(application.client_id.clone()));
    let shown = show(&app, &application);
    let act = Act::new("Create a client").client(&application.client_id);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    fields::refresh_token::warn_if_endless(&application);
    let with_secret = show_with_secret(&app, &application, secret.as_ref());
    let state = state_of(&shown, &application);
    Ok(selected(StatusCode::CREATED, &state, &with_secret))
}

/// An application of which nothing has been set yet.
fn empty_application(app: &App, now: i64) -> Application {
    Application {
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
        is_first_party: true,
        described: Described::default(),
        sign_in: Arc::default(),
        secrets: Vec::new(),
        credentials: Vec::new(),
        request_credentials: Vec::new(),
    }
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
    let (admin, mut query) = call.authorize(&app, &GET).await?;
    let selection = Selection::read(&mut query);
    let found = store::applications::get(&mut *app.store.read().await?, &id).await?;
    let application = found.ok_or_else(not_found)?;
    let whole = show(&app, &application);
    let state = state_of(&whole, &application);
    let wanted = selection.of(view::for_caller(&admin.caller, whole.clone()));
    Ok(selected(StatusCode::OK, &state, &wanted))
}

pub(crate) const CONNECTIONS: Operation = Operation {
    summary: "List the connections of an application; there are none",
    access: Access::AnyOf(&["read:connections", "read:clients", "read:client_summary"]),
    query: &[
        &CHECKPOINTS,
        &SELECTION,
        &[texts("strategy", 100, 100, Form::Any)],
    ],
    answer: Answer::One(200, &[&[objects("connections", 0, &[])]]),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /clients/{id}/connections`: Auth0's tools ask for them.
pub(crate) async fn connections(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    call.authorize(&app, &CONNECTIONS).await?;
    let found = store::applications::get(&mut *app.store.read().await?, &id).await?;
    found.ok_or_else(not_found)?;
    Ok(answer::json(StatusCode::OK, &json!({ "connections": [] })))
}

pub(crate) const UPDATE: Operation = Operation {
    summary: "Change an application",
    access: Access::AnyOf(&[
        "update:clients",
        "update:client_keys",
        "update:client_credentials",
    ]),
    body: Takes::Fields(fields::UPDATE),
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
    let names_refresh_tokens = fields.names("refresh_token");
    let methods = authentication::read(&mut fields)?;
    let signed = signed_requests::read(&mut fields);
    let chosen = fields::chosen_secret(&mut fields);
    let kept = match &chosen {
        None => None,
        Some(secret) => {
            require(&admin.caller, &["update:client_keys"])?;
            Some(app.secrets.keep(secret, admin.now).await?)
        }
    };
    let made = fields::make_keys(&app, &fields, admin.now).await?;
    let mut tx = app.store.write().await?;
    let named = fields.peek("resource_server_identifier");
    fields::lock_resource_server(&mut tx, named).await?;
    store::applications::lock(&mut tx, &id).await?;
    let mut application = store::applications::get(&mut tx, &id)
        .await?
        .ok_or_else(not_found)?;
    let was = show(&app, &application);
    admin.check_match(&state_of(&was, &application))?;
    let before = application.clone();
    let was_for = fields::resource_server_of(&application);
    fields::overlay(&app, &mut application, fields, admin.now)?;
    methods
        .change(&app, &mut tx, &admin, &mut application)
        .await?;
    signed.change(&mut tx, &mut application).await?;
    if application.opens_more_than(&before) {
        may_become(&app, &mut tx, &admin.caller, &id).await?;
    }
    fields::check_secret(&application, chosen.as_ref())?;
    fields::refresh_token::check(&application)?;
    if fields::resource_server_of(&application) != was_for {
        fields::check_resource_server(&mut tx, &app, &application).await?;
    }
    store::applications::update(&mut tx, &application).await?;
    let mut act = Act::new("Update a client").client(&id).before(was);
    if let Some(kept) = kept {
        secrets::replace(&app, &mut tx, &admin, (&application, &kept)).await?;
        application.secrets = vec![kept];
        act.what = "Update a client and set its secret";
    }
    signing_keys::store_first(&mut tx, &made).await?;
    tx.note(Change::Application(id));
    let shown = show(&app, &application);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    if names_refresh_tokens {
        fields::refresh_token::warn_if_endless(&application);
    }
    let with_secret = show_with_secret(&app, &application, chosen.as_ref());
    let state = state_of(&shown, &application);
    let readable = view::for_changer(&admin.caller, with_secret);
    Ok(selected(StatusCode::OK, &state, &readable))
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
    let locks = Locks::of_application_deletion(&id);
    let mut tx = app.store.write_locked(&locks).await?;
    store::applications::lock(&mut tx, &id).await?;
    let Some(application) = store::applications::get(&mut tx, &id).await? else {
        return Ok(gone());
    };
    let was = show(&app, &application);
    admin.check_match(&state_of(&was, &application))?;
    if store::applications::delete(&mut tx, &id).await? {
        tx.note(Change::Application(id.clone()));
        tx.note(Change::ClientGrants(id.clone()));
        tx.note(Change::Revocation(Covered::Application(id.clone())));
        let act = Act::new("Delete a client").client(&id).before(was);
        admin.commit(&app, tx, act).await?;
    }
    Ok(gone())
}

/// What `If-Match` compares: its newest secret is part of it.
pub(super) fn state_of(shown: &Value, application: &Application) -> Value {
    let newest = application.secrets.last();
    answer::state(shown, newest.map(|secret| secret.id.as_str()))
}

pub(super) fn not_found() -> Problem {
    Problem::not_found(Missing::Client)
}
