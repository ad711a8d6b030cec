//! `/api/v2/client-grants`: which application may get tokens for which API.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::access::{Path, authorize, authorize_body, check_id, may_hand_out};
use super::answer::{Missing, Problem, gone, json as answer, shown};
use super::body::{Fields, is_denied, is_empty, is_off};
use super::query::{Paging, Query};
use super::{clients, resource_servers};
use crate::app::App;
use crate::model::api::{Api, SystemApi};
use crate::model::change::{Change, Covered};
use crate::model::client_grant::{ClientGrant, SubjectType};
use crate::model::instant;
use crate::model::refusal::echo;
use crate::model::text::{CLIENT_ID_BYTES_MAX, IDENTIFIER_CHARS_MAX, SCOPE_CHARS_MAX};
use crate::secret;
use crate::store::client_grants::Filter;
use crate::store::{self, Conn};
use crate::wire::bearer::Caller;

/// Most scopes in a grant.
const SCOPES_MAX: usize = 1000;

/// `GET /client-grants`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    authorize(&app, &headers, &["read:client_grants"], app.clock.now()).await?;
    let mut query = Query::read(&uri)?;
    let paging = Paging::either(&mut query)?;
    let mut conn = app.store.read().await?;
    let filter = read_filter(&mut query, &mut conn).await?;
    query.finish()?;
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
async fn read_filter(query: &mut Query, conn: &mut Conn) -> Result<Option<Filter>, Problem> {
    let client_id = query.text("client_id")?;
    let subject_type = match query.text("subject_type")? {
        None => None,
        Some(text) => {
            let parsed = SubjectType::parse(&text);
            Some(parsed.ok_or_else(|| Problem::query("subject_type", "Expected client or user"))?)
        }
    };
    let of_organizations = query.boolean("allow_any_organization")? == Some(true);
    let by_default = query.text("default_for")?.is_some();
    let audience = query.text("audience")?;
    let api_id = match audience {
        None => None,
        Some(audience) => match store::apis::by_identifier(conn, &audience).await? {
            None => return Ok(None),
            Some(api) => Some(api.id),
        },
    };
    let filter = Filter {
        client_id,
        api_id,
        subject_type,
    };
    Ok(Some(filter).filter(|_| !of_organizations && !by_default))
}

/// `POST /client-grants`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (caller, mut fields, now) =
        authorize_body(&app, &headers, body, &["create:client_grants"]).await?;
    let missing = |name: &str| Problem::body(format_args!("'Missing required property: {name}'."));
    fields.unbuilt(
        "default_for",
        Value::is_null,
        "grants by default are not built.",
    )?;
    let client_id = fields
        .text("client_id", 1..=CLIENT_ID_BYTES_MAX)?
        .ok_or_else(|| missing("client_id"))?;
    let audience = fields
        .text("audience", 1..=IDENTIFIER_CHARS_MAX)?
        .ok_or_else(|| missing("audience"))?;
    let subject_type = fields.choice("subject_type", SubjectType::parse, "client, user")?;
    let mut tx = app.store.write().await?;
    if !store::applications::lock(&mut tx, &client_id).await? {
        return Err(clients::not_found());
    }
    let api = store::apis::by_identifier(&mut tx, &audience)
        .await?
        .ok_or_else(resource_servers::not_found)?;
    let mut grant = ClientGrant {
        id: secret::random_id("cgr_"),
        client_id,
        api_id: api.id.clone(),
        audience: api.identifier.clone(),
        subject_type: subject_type.unwrap_or(SubjectType::Client),
        scopes: Vec::new(),
        allow_all_scopes: false,
        expires_at: None,
        created_at: now,
    };
    overlay(&mut grant, &api, &mut fields, now)?;
    fields.finish()?;
    check_rights(&caller, &api, &grant)?;
    if !store::client_grants::insert(&mut tx, &grant).await? {
        return Err(Problem::conflict(
            "A client grant of this client for this audience already exists.",
        ));
    }
    tx.note(Change::ClientGrants(grant.client_id.clone()));
    app.directory.commit(tx, now).await?;
    tracing::info!(
        by = caller.client_id,
        client_id = grant.client_id,
        audience = grant.audience,
        "client grant created"
    );
    Ok(answer(StatusCode::CREATED, &show(&grant)))
}

/// `GET /client-grants/{id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    authorize(&app, &headers, &["read:client_grants"], app.clock.now()).await?;
    check_id(&id)?;
    Query::read(&uri)?.finish()?;
    let found = store::client_grants::get(&mut *app.store.read().await?, &id).await?;
    Ok(answer(StatusCode::OK, &show(&found.ok_or_else(not_found)?)))
}

/// `PATCH /client-grants/{id}`
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    check_id(&id)?;
    let (caller, mut fields, now) =
        authorize_body(&app, &headers, body, &["update:client_grants"]).await?;
    let mut tx = app.store.write().await?;
    store::client_grants::lock(&mut tx, &id).await?;
    let mut grant = store::client_grants::get(&mut tx, &id)
        .await?
        .ok_or_else(not_found)?;
    let api = store::apis::by_id(&mut tx, &grant.api_id)
        .await?
        .ok_or_else(not_found)?;
    overlay(&mut grant, &api, &mut fields, now)?;
    fields.finish()?;
    check_rights(&caller, &api, &grant)?;
    store::client_grants::update(&mut tx, &grant).await?;
    tx.note(Change::ClientGrants(grant.client_id.clone()));
    app.directory.commit(tx, now).await?;
    tracing::info!(
        by = caller.client_id,
        client_id = grant.client_id,
        audience = grant.audience,
        "client grant changed"
    );
    Ok(answer(StatusCode::OK, &show(&grant)))
}

/// `DELETE /client-grants/{id}`: no new tokens; with `revoke_tokens=true` also none of the old ones.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let caller = authorize(&app, &headers, &["delete:client_grants"], now).await?;
    check_id(&id)?;
    let mut query = Query::read(&uri)?;
    let revoke_tokens = query.boolean("revoke_tokens")?.unwrap_or(false);
    query.finish()?;
    let mut tx = app.store.write().await?;
    let Some(grant) = store::client_grants::get(&mut tx, &id).await? else {
        return Ok(gone());
    };
    if store::client_grants::delete(&mut tx, &id).await? {
        let (client_id, audience) = (grant.client_id.clone(), grant.audience.clone());
        tx.note(Change::ClientGrants(grant.client_id));
        if revoke_tokens {
            tx.note(Change::Revocation(Covered::ClientGrant {
                client_id: client_id.clone(),
                audience: audience.clone(),
            }));
        }
        app.directory.commit(tx, now).await?;
        tracing::info!(
            by = caller.client_id,
            client_id,
            audience,
            revoke_tokens,
            "client grant deleted"
        );
    }
    Ok(gone())
}

fn not_found() -> Problem {
    Problem::not_found(Missing::ClientGrant)
}

/// Lays the fields that are named over the grant.
fn overlay(
    grant: &mut ClientGrant,
    api: &Api,
    fields: &mut Fields,
    now: i64,
) -> Result<(), Problem> {
    if let Some(expires_at) = fields.future_instant("expires_at", now)? {
        grant.expires_at = expires_at;
    }
    let all = fields.boolean_or_null("allow_all_scopes")?;
    let named = fields.texts_or_null("scope", SCOPES_MAX, 1..=SCOPE_CHARS_MAX)?;
    if let Some(all) = all {
        grant.allow_all_scopes = all.unwrap_or(false);
    }
    if grant.allow_all_scopes && named.as_ref().is_some_and(|scopes| !scopes.is_empty()) {
        return Err(fields.wrong("scope", "It cannot go with allow_all_scopes"));
    }
    if let Some(scopes) = named {
        if let Some(unknown) = scopes
            .iter()
            .find(|value| !api.defines(value) && !grant.scopes.contains(value))
        {
            let why = format!(
                "The resource server does not define the scope '{}'",
                echo(unknown)
            );
            return Err(fields.wrong("scope", why));
        }
        grant.scopes = scopes;
    }
    fields.unbuilt(
        "allow_any_organization",
        is_off,
        "organizations are not built.",
    )?;
    fields.unbuilt(
        "organization_usage",
        is_denied,
        "organizations are not built.",
    )?;
    fields.unbuilt(
        "authorization_details_types",
        is_empty,
        "rich authorization requests are not built.",
    )
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
    shown(&Shown {
        id: &grant.id,
        client_id: &grant.client_id,
        audience: &grant.audience,
        scope: Some(grant.scopes.as_slice()).filter(|_| !grant.allow_all_scopes),
        allow_all_scopes: Some(true).filter(|_| grant.allow_all_scopes),
        subject_type: grant.subject_type.as_str(),
        expires_at: grant.expires_at.map(instant::to_rfc3339),
    })
}
