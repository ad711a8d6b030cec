//! `/api/v2/clients/{id}/secrets`: an application's secrets one by one (ours; Auth0 has one), for a
//! rotation at the operator's own pace: add one, see the old one unused, delete it. No secret is
//! ever shown again.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::access::{Path, may_become};
use super::answer::{Problem, gone, json as answer, shown};
use super::call::{Act, Call, future_instant};
use super::{clients, secrets};
use crate::app::App;
use crate::model::application::{ApplicationSecret, LIVE_SECRETS_MAX};
use crate::model::change::Change;
use crate::model::instant;
use crate::secret::{self, Secret};
use crate::store;
use crate::store::secrets::SecretFacts;
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{Tables, instant as at, text};

/// A secret as it is shown; itself only in the answer that makes it.
const SHOWN: Tables = &[&[
    text("id", 1, 255),
    text("client_secret", 1, 256),
    at("created_at"),
    at("expires_at"),
    at("last_used_at"),
]];

pub(crate) const LIST: Operation = Operation {
    summary: "List an application's secrets: how old, until when, when last used",
    access: Access::AnyOf(&["read:client_keys"]),
    answer: Answer::List(SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /clients/{id}/secrets`: those that live, oldest first.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Path(client_id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &LIST).await?;
    let mut conn = app.store.read().await?;
    let application = store::applications::get(&mut conn, &client_id).await?;
    application.ok_or_else(clients::not_found)?;
    let all = store::secrets::of_application(&mut conn, &client_id).await?;
    let live = all
        .into_iter()
        .filter(|own| own.expires_at.is_none_or(|end| admin.now < end));
    // This node's own last uses need not wait until they are written.
    let with_own = live.map(|own| SecretFacts {
        last_used_at: own.last_used_at.max(app.uses.of(&own.id)),
        ..own
    });
    let all: Vec<_> = with_own.map(|own| show(&own)).collect();
    Ok(answer(StatusCode::OK, &all))
}

pub(crate) const CREATE: Operation = Operation {
    summary: "Give an application one more secret, shown this once",
    access: Access::AnyOf(&["update:client_keys"]),
    body: Takes::Optional(&[&[at("expires_at").or_null()]]),
    answer: Answer::One(201, SHOWN),
    refuses: &[404, 409],
    ..Operation::DEFAULT
};

/// `POST /clients/{id}/secrets`: the others live on.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Path(client_id): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &CREATE, body).await?;
    let expires_at = future_instant(&mut fields, "expires_at", admin.now)?.flatten();
    let secret = secret::new_secret();
    let kept = ApplicationSecret {
        expires_at,
        ..app.secrets.keep(&secret, admin.now).await?
    };
    let mut tx = app.store.write().await?;
    store::applications::lock(&mut tx, &client_id).await?;
    let application = store::applications::get(&mut tx, &client_id)
        .await?
        .ok_or_else(clients::not_found)?;
    secrets::check_takes_secrets(&application)?;
    may_become(&app, &mut tx, &admin.caller, &client_id).await?;
    if application.live_secrets(admin.now) >= LIVE_SECRETS_MAX {
        return Err(Problem::conflict(format!(
            "The client has {LIVE_SECRETS_MAX} live secrets, the most that it can have. Delete one first."
        )));
    }
    if let Some(now) = app.clock.settled_now() {
        store::secrets::delete_ended(&mut tx, &client_id, now).await?;
    }
    store::applications::insert_secret(&mut tx, &client_id, &kept).await?;
    tx.note(Change::Application(client_id.clone()));
    let facts = SecretFacts {
        id: kept.id,
        created_at: kept.created_at,
        expires_at,
        last_used_at: None,
    };
    let act = Act::new("Add a client secret").client(&client_id);
    admin.commit(&app, tx, act.after(show(&facts))).await?;
    Ok(answer(
        StatusCode::CREATED,
        &show_with_secret(&facts, Some(&secret)),
    ))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Delete one secret of an application; it opens nothing from then on",
    access: Access::AnyOf(&["update:client_keys"]),
    answer: Answer::Empty(204),
    ..Operation::DEFAULT
};

/// `DELETE /clients/{id}/secrets/{secret_id}`
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path((client_id, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &DELETE).await?;
    let mut tx = app.store.write().await?;
    store::applications::lock(&mut tx, &client_id).await?;
    let all = store::secrets::of_application(&mut tx, &client_id).await?;
    let Some(facts) = all.into_iter().find(|own| own.id == id) else {
        return Ok(gone());
    };
    store::secrets::delete(&mut tx, &client_id, &id).await?;
    tx.note(Change::Application(client_id.clone()));
    let act = Act::new("Delete a client secret").client(&client_id);
    admin.commit(&app, tx, act.before(show(&facts))).await?;
    Ok(gone())
}

/// What is unset is omitted.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
}

fn show(facts: &SecretFacts) -> Value {
    show_with_secret(facts, None)
}

fn show_with_secret(facts: &SecretFacts, secret: Option<&Secret<String>>) -> Value {
    shown(&Shown {
        id: &facts.id,
        client_secret: secret.map(|secret| secret.expose().as_str()),
        created_at: instant::to_rfc3339(facts.created_at),
        expires_at: facts.expires_at.map(instant::to_rfc3339),
        last_used_at: facts.last_used_at.map(instant::to_rfc3339),
    })
}
