//! `/api/v2/client-grants`: which application may get tokens for which API.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::access::{Path, may_hand_out};
use super::answer::{Missing, Problem, gone, json as answer, lay_under, resource, selected, shown};
use super::call::{Act, Call, future_instant};
use super::query::{CHECKPOINTS, OFFSETS, Paging};
use super::{clients, resource_servers};
use crate::app::App;
use crate::model::api::{Api, SystemApi};
use crate::model::change::{Change, Covered};
use crate::model::client_grant::{ClientGrant, SubjectType};
use crate::model::described::Described;
use crate::model::fault::Fault;
use crate::model::instant;
use crate::model::refusal::echo;
use crate::model::text::{CLIENT_ID_BYTES_MAX, IDENTIFIER_CHARS_MAX, SCOPE_CHARS_MAX};
use crate::secret;
use crate::store::client_grants::Filter;
use crate::store::{self, Conn, Write};
use crate::wire::bearer::Caller;
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{
    Field, Fields, Form, Tables, boolean, choice, instant as instant_of, is_denied, is_empty,
    is_null, is_off, text, texts,
};

/// Most scopes in a grant.
const SCOPES_MAX: usize = 1000;

const SUBJECT_TYPES: &[&str] = &["client", "user"];

/// What can be set of a client grant, at its creation and later.
const TABLE: &[Field] = &[
    texts("scope", SCOPES_MAX, SCOPE_CHARS_MAX, Form::Any).or_null(),
    boolean("allow_all_scopes").or_null(),
    instant_of("expires_at").or_null(),
    boolean("allow_any_organization")
        .or_null()
        .unbuilt(is_off, "organizations are not built."),
    choice("organization_usage", &["deny", "allow", "require"])
        .or_null()
        .unbuilt(is_denied, "organizations are not built."),
    texts("authorization_details_types", 100, 255, Form::Any)
        .or_null()
        .unbuilt(is_empty, "rich authorization requests are not built."),
];
/// What stays as it was at the creation.
const PARTIES: &[Field] = &[
    text("client_id", 1, CLIENT_ID_BYTES_MAX).required(),
    text("audience", 1, IDENTIFIER_CHARS_MAX).required(),
    choice("subject_type", SUBJECT_TYPES),
    text("default_for", 0, 200)
        .or_null()
        .unbuilt(is_null, "grants by default are not built."),
];
const SHOWN: Tables = &[&[text("id", 1, 20)], PARTIES, TABLE];

pub(crate) const LIST: Operation = Operation {
    summary: "List client grants",
    access: Access::AnyOf(&["read:client_grants"]),
    query: &[
        &OFFSETS,
        &CHECKPOINTS,
        &[
            text("client_id", 0, CLIENT_ID_BYTES_MAX),
            text("audience", 0, IDENTIFIER_CHARS_MAX),
            choice("subject_type", SUBJECT_TYPES),
            boolean("allow_any_organization"),
            text("default_for", 0, 200),
        ],
    ],
    answer: Answer::Page("client_grants", SHOWN),
    ..Operation::DEFAULT
};

/// `GET /client-grants`
pub(crate) async fn list(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (_, mut query) = call.authorize(&app, &LIST).await?;
    let paging = Paging::either(&mut query)?;
    let mut conn = app.store.read().await?;
    let filter = read_filter(&mut query, &mut conn).await?;
    let (mut grants, mut total) = (Vec::new(), 0);
    if let Some(filter) = filter {
        grants =
            store::client_grants::list(&mut conn, &filter, &paging.from(), paging.rows()).await?;
        if paging.wants_total() {
            total = store::client_grants::count(&mut conn, &filter).await?;
        }
    }
    let key = |grant: &ClientGrant| (grant.created_at, grant.id.clone());
    Ok(answer(
        StatusCode::OK,
        &paging.page("client_grants", grants, total, (show, key)),
    ))
}

/// `None` where nothing can match: an unknown audience, organizations, or grants by default.
async fn read_filter(query: &mut Fields, conn: &mut Conn) -> Result<Option<Filter>, Problem> {
    let api_id = match query.text("audience") {
        None => None,
        Some(audience) => match store::apis::by_identifier(conn, &audience).await? {
            None => return Ok(None),
            Some(api) => Some(api.id),
        },
    };
    let filter = Filter {
        client_id: query.text("client_id"),
        api_id,
        subject_type: query.choice("subject_type", SubjectType::parse),
    };
    let of_organizations = query.boolean("allow_any_organization") == Some(true);
    let by_default = query.text("default_for").is_some();
    Ok(Some(filter).filter(|_| !of_organizations && !by_default))
}

pub(crate) const CREATE: Operation = Operation {
    summary: "Grant an application tokens for an API",
    access: Access::AnyOf(&["create:client_grants"]),
    body: Takes::Fields(&[PARTIES, TABLE]),
    answer: Answer::One(201, SHOWN),
    refuses: &[404, 409],
    ..Operation::DEFAULT
};

/// `POST /client-grants`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &CREATE, body).await?;
    let client_id = fields.text("client_id").unwrap_or_default();
    let audience = fields.text("audience").unwrap_or_default();
    let subject_type = fields.choice("subject_type", SubjectType::parse);
    let mut tx = app.store.write().await?;
    let api = store::apis::by_identifier(&mut tx, &audience)
        .await?
        .ok_or_else(resource_servers::not_found)?;
    // An API before its applications, as its deletion locks them.
    if !store::apis::lock(&mut tx, &api.id).await? {
        return Err(resource_servers::not_found());
    }
    if !store::applications::lock(&mut tx, &client_id).await? {
        return Err(clients::not_found());
    }
    let mut grant = ClientGrant {
        id: secret::random_id("cgr_"),
        client_id,
        api_id: api.id.clone(),
        audience: api.identifier.clone(),
        subject_type: subject_type.unwrap_or(SubjectType::Client),
        scopes: Vec::new(),
        allow_all_scopes: false,
        expires_at: None,
        described: Described::default(),
        created_at: admin.now,
    };
    overlay(&mut grant, &api, fields, admin.now)?;
    check_rights(&admin.caller, &api, &grant)?;
    if !store::client_grants::insert(&mut tx, &grant).await? {
        return Err(Problem::conflict(
            "A client grant of this client for this audience already exists.",
        ));
    }
    tx.note(Change::ClientGrants(grant.client_id.clone()));
    let shown = show(&grant);
    let act = act("Create a client grant", &grant).after(shown.clone());
    admin.commit(&app, tx, act).await?;
    Ok(resource(StatusCode::CREATED, &shown))
}

pub(crate) const GET: Operation = Operation {
    summary: "Read a client grant",
    access: Access::AnyOf(&["read:client_grants"]),
    answer: Answer::One(200, SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /client-grants/{id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    call.authorize(&app, &GET).await?;
    let found = store::client_grants::get(&mut *app.store.read().await?, &id).await?;
    Ok(resource(
        StatusCode::OK,
        &show(&found.ok_or_else(not_found)?),
    ))
}

pub(crate) const UPDATE: Operation = Operation {
    summary: "Change a client grant",
    access: Access::AnyOf(&["update:client_grants"]),
    body: Takes::Fields(&[TABLE]),
    answer: Answer::One(200, SHOWN),
    refuses: &[404, 412],
    ..Operation::DEFAULT
};

/// `PATCH /client-grants/{id}`
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, fields) = call.authorize_body(&app, &UPDATE, body).await?;
    let mut tx = app.store.write().await?;
    lock(&mut tx, &id).await?;
    let mut grant = store::client_grants::get(&mut tx, &id)
        .await?
        .ok_or_else(not_found)?;
    let api = store::apis::by_id(&mut tx, &grant.api_id)
        .await?
        .ok_or_else(not_found)?;
    let was = show(&grant);
    admin.check_match(&was)?;
    overlay(&mut grant, &api, fields, admin.now)?;
    check_rights(&admin.caller, &api, &grant)?;
    store::client_grants::update(&mut tx, &grant).await?;
    tx.note(Change::ClientGrants(grant.client_id.clone()));
    let shown = show(&grant);
    let act = act("Update a client grant", &grant).before(was);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    let readable = admin.readable(GET.access, &["id"], shown.clone());
    Ok(selected(StatusCode::OK, &shown, &readable))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Delete a client grant; on demand its tokens are revoked",
    access: Access::AnyOf(&["delete:client_grants"]),
    query: &[&[boolean("revoke_tokens")]],
    answer: Answer::Empty(204),
    refuses: &[412],
    ..Operation::DEFAULT
};

/// `DELETE /client-grants/{id}`: no new tokens; with `revoke_tokens=true` also none of the old ones.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &DELETE).await?;
    let revoke_tokens = query.boolean("revoke_tokens").unwrap_or(false);
    let mut tx = app.store.write().await?;
    lock(&mut tx, &id).await?;
    let Some(grant) = store::client_grants::get(&mut tx, &id).await? else {
        return Ok(gone());
    };
    let was = show(&grant);
    admin.check_match(&was)?;
    if store::client_grants::delete(&mut tx, &id).await? {
        tx.note(Change::ClientGrants(grant.client_id.clone()));
        let what = if revoke_tokens {
            tx.note(Change::Revocation(Covered::ClientGrant {
                client_id: grant.client_id.clone(),
                audience: grant.audience.clone(),
            }));
            "Delete a client grant and revoke its tokens"
        } else {
            "Delete a client grant"
        };
        admin
            .commit(&app, tx, act(what, &grant).before(was))
            .await?;
    }
    Ok(gone())
}

/// Takes the row locks of a grant's API and application before that of the grant: whoever deletes one of them
/// takes it first, and then its grants.
async fn lock(tx: &mut Write, id: &str) -> Result<(), Fault> {
    if let Some(grant) = store::client_grants::get(tx, id).await? {
        store::apis::lock(tx, &grant.api_id).await?;
        store::applications::lock(tx, &grant.client_id).await?;
        store::client_grants::lock(tx, id).await?;
    }
    Ok(())
}

fn act(what: &'static str, grant: &ClientGrant) -> Act {
    Act::new(what)
        .client(&grant.client_id)
        .audience(&grant.audience)
}

fn not_found() -> Problem {
    Problem::not_found(Missing::ClientGrant)
}

/// Lays the fields that are named over the grant.
fn overlay(
    grant: &mut ClientGrant,
    api: &Api,
    mut fields: Fields,
    now: i64,
) -> Result<(), Problem> {
    if let Some(expires_at) = future_instant(&mut fields, "expires_at", now)? {
        grant.expires_at = expires_at;
    }
    let named = fields.texts("scope");
    if let Some(all) = fields.boolean_or_null("allow_all_scopes") {
        grant.allow_all_scopes = all.unwrap_or(false);
    }
    if grant.allow_all_scopes && named.as_ref().is_some_and(|scopes| !scopes.is_empty()) {
        return Err(Problem::property(
            "scope",
            "It cannot go with allow_all_scopes",
        ));
    }
    grant.described.overlay(fields.rest());
    let Some(scopes) = named else {
        return Ok(());
    };
    let is_unknown = |value: &&String| !api.defines(value) && !grant.scopes.contains(value);
    if let Some(unknown) = scopes.iter().find(is_unknown) {
        let unknown = echo(unknown);
        let why = format!("The resource server does not define the scope '{unknown}'");
        return Err(Problem::property("scope", why));
    }
    grant.scopes = scopes;
    Ok(())
}

/// A token hands out at the Management API only what it holds; other APIs are granted freely.
fn check_rights(caller: &Caller, api: &Api, grant: &ClientGrant) -> Result<(), Problem> {
    match api.system {
        Some(SystemApi::Management) => may_hand_out(caller, grant),
        _ => Ok(()),
    }
}

/// A client grant as Auth0 shows it; `allow_all_scopes` takes the place of `scope`.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    client_id: &'a str,
    audience: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_all_scopes: Option<bool>,
    subject_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

fn show(grant: &ClientGrant) -> Value {
    let mut whole = shown(&Shown {
        id: &grant.id,
        client_id: &grant.client_id,
        audience: &grant.audience,
        scope: Some(grant.scopes.as_slice()).filter(|_| !grant.allow_all_scopes),
        allow_all_scopes: Some(true).filter(|_| grant.allow_all_scopes),
        subject_type: grant.subject_type.as_str(),
        expires_at: grant.expires_at.map(instant::to_rfc3339),
    });
    lay_under(&mut whole, &grant.described);
    whole
}
