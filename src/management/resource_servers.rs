//! `/api/v2/resource-servers`: APIs, the home of the lifetime policy.

mod fields;
mod signing;

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::Value;

use super::access::{Path, check_id};
use super::answer::{Missing, Problem, gone, json as answer, lay_under, selected, shown, state};
use super::call::{Act, Call};
use super::query::{OFFSETS, Paging};
use super::signing_keys;
use crate::app::App;
use crate::lifetime::{ApiLifetimes, ServerLifetimes};
use crate::model::api::{Api, ClientPolicy, Dialect, UserPolicy};
use crate::model::change::{Change, Covered};
use crate::model::described::Described;
use crate::model::scope::Scope;
use crate::model::text::IDENTIFIER_CHARS_MAX;
use crate::secret::{self, Secret};
use crate::store::{self, Conn, Locks};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{Field, Fields, Form, Tables, boolean, text, texts};

/// Most identifiers that one list may ask for.
const IDENTIFIERS_MAX: usize = 100;

/// What is shown of an API beside the fields that can be set.
const READ_ONLY: &[Field] = &[
    text("id", 1, 24),
    text("identifier", 1, IDENTIFIER_CHARS_MAX),
    boolean("is_system"),
    text("client_id", 1, 255),
];
const SHOWN: Tables = &[READ_ONLY, fields::TABLE];
const INCLUDE_FIELDS: &[Field] = &[boolean("include_fields")];

pub(crate) const LIST: Operation = Operation {
    summary: "List APIs",
    access: Access::AnyOf(&["read:resource_servers"]),
    query: &[
        &OFFSETS,
        INCLUDE_FIELDS,
        &[texts(
            "identifiers",
            IDENTIFIERS_MAX,
            IDENTIFIER_CHARS_MAX,
            Form::Any,
        )],
    ],
    answer: Answer::Page("resource_servers", SHOWN),
    ..Operation::DEFAULT
};

/// `GET /resource-servers`
pub(crate) async fn list(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (_, mut query) = call.authorize(&app, &LIST).await?;
    let paging = Paging::offset(&mut query);
    let identifiers = query.texts("identifiers").unwrap_or_default();
    let mut conn = app.store.read().await?;
    let store::PageStart::Offset(offset) = paging.from() else {
        return Err(Problem::query("from", "Not for this list"));
    };
    let (apis, total) = if identifiers.is_empty() {
        store::apis::list(&mut conn, offset, paging.rows()).await?
    } else {
        named(&mut conn, &identifiers, (offset, paging.rows())).await?
    };
    let linked = links(&mut conn, &apis).await?;
    let key = |api: &Api| (api.created_at, api.id.clone());
    let page = paging.page(
        "resource_servers",
        apis,
        total,
        (|api: &Api| show(api, &app.config.lifetimes, &linked), key),
    );
    Ok(answer(StatusCode::OK, &page))
}

/// A page of those among the identifiers that exist, and how many exist.
async fn named(
    conn: &mut Conn,
    identifiers: &[String],
    (offset, rows_max): (i64, i64),
) -> Result<(Vec<Api>, i64), Problem> {
    let mut apis: Vec<Api> = Vec::new();
    for identifier in identifiers {
        let found = store::apis::by_identifier(conn, identifier).await?;
        apis.extend(found.filter(|api| !apis.iter().any(|other| other.id == api.id)));
    }
    let total = i64::try_from(apis.len()).unwrap_or(i64::MAX);
    let count = |rows: i64| usize::try_from(rows).unwrap_or(usize::MAX);
    let page = apis.into_iter().skip(count(offset)).take(count(rows_max));
    Ok((page.collect(), total))
}

pub(crate) const CREATE: Operation = Operation {
    summary: "Create an API",
    access: Access::AnyOf(&["create:resource_servers"]),
    body: Takes::Fields(&[
        &[text("identifier", 1, IDENTIFIER_CHARS_MAX).required()],
        fields::TABLE,
    ]),
    answer: Answer::One(201, SHOWN),
    refuses: &[409],
    ..Operation::DEFAULT
};

/// `POST /resource-servers`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &CREATE, body).await?;
    let identifier = fields.text("identifier").unwrap_or_default();
    fields::check_identifier(&app, &identifier)?;
    let lifetimes = fields::lifetimes(&mut fields);
    let mut api = Api {
        id: secret::random_hex_id(),
        identifier,
        system: None,
        name: None,
        scopes: Vec::new(),
        signing_alg: app.config.tokens.default_signing_alg,
        signing_secret: None,
        token_dialect: None,
        allow_offline_access: false,
        skip_consent_for_verifiable_first_party_clients: false,
        client_policy: ClientPolicy::RequireClientGrant,
        user_policy: UserPolicy::AllowAll,
        user_grant_seconds: None,
        lifetimes: ApiLifetimes::create(&lifetimes, &app.config.lifetimes)?,
        described: Described::default(),
        created_at: admin.now,
    };
    // Taken first: what nobody has taken is kept as it is.
    let named = fields::signing(&mut fields);
    fields::overlay(&mut api, fields)?;
    let otherwise = Some(api.signing_alg);
    let made = named.make_keys(&app, otherwise, admin.now).await?;
    let secret = named.overlay(&app, &mut api, None, admin.now)?;
    let mut tx = app.store.write().await?;
    if !store::apis::insert(&mut tx, &api).await? {
        return Err(fields::taken());
    }
    signing_keys::store_first(&mut tx, &made).await?;
    tx.note(Change::Api(api.identifier.clone()));
    // An application is linked to an API that is there already.
    let shown = show(&api, &app.config.lifetimes, &Links::default());
    let act = Act::new("Create a resource server").audience(&api.identifier);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    let state = state_of(&shown, &api);
    Ok(with_secret(
        StatusCode::CREATED,
        &shown,
        &state,
        secret.as_ref(),
    ))
}

pub(crate) const GET: Operation = Operation {
    summary: "Read an API",
    access: Access::AnyOf(&["read:resource_servers"]),
    query: &[INCLUDE_FIELDS],
    answer: Answer::One(200, SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /resource-servers/{id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    call.authorize(&app, &GET).await?;
    let mut conn = app.store.read().await?;
    let api = find(&mut conn, &id).await?.ok_or_else(not_found)?;
    let linked = links(&mut conn, std::slice::from_ref(&api)).await?;
    let shown = show(&api, &app.config.lifetimes, &linked);
    Ok(selected(StatusCode::OK, &state_of(&shown, &api), &shown))
}

pub(crate) const UPDATE: Operation = Operation {
    summary: "Change an API",
    access: Access::AnyOf(&["update:resource_servers"]),
    body: Takes::Fields(&[fields::TABLE]),
    answer: Answer::One(200, SHOWN),
    refuses: &[404, 409, 412],
    ..Operation::DEFAULT
};

/// `PATCH /resource-servers/{id}`
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &UPDATE, body).await?;
    let named = fields::signing(&mut fields);
    let made = named.make_keys(&app, None, admin.now).await?;
    let mut tx = app.store.write().await?;
    let found = find(&mut tx, &id).await?.ok_or_else(not_found)?;
    if !store::apis::lock(&mut tx, &found.id).await? {
        return Err(not_found());
    }
    let before = store::apis::by_id(&mut tx, &found.id)
        .await?
        .ok_or_else(not_found)?;
    let linked = links(&mut tx, std::slice::from_ref(&before)).await?;
    let was = show(&before, &app.config.lifetimes, &linked);
    admin.check_match(&state_of(&was, &before))?;
    let (had, system) = (Some(before.signing_alg), before.system);
    let mut api = changed(&app, &before, fields)?;
    let secret = named.overlay(&app, &mut api, had, admin.now)?;
    signing::check_system(system, had, &api)?;
    store::apis::update(&mut tx, &api).await?;
    signing_keys::store_first(&mut tx, &made).await?;
    tx.note(Change::Api(api.identifier.clone()));
    let shown = show(&api, &app.config.lifetimes, &linked);
    // The images are without secrets, so the words have to tell.
    let what = match &secret {
        None => "Update a resource server",
        Some(_) => "Update a resource server and its signing secret",
    };
    let act = Act::new(what).audience(&api.identifier);
    admin
        .commit(&app, tx, act.before(was).after(shown.clone()))
        .await?;
    let state = state_of(&shown, &api);
    let readable = admin.readable(GET.access, &["id", "identifier"], shown);
    Ok(with_secret(
        StatusCode::OK,
        &readable,
        &state,
        secret.as_ref(),
    ))
}

/// The API with what the body names laid over it.
fn changed(app: &App, before: &Api, mut fields: Fields) -> Result<Api, Problem> {
    let mut api = before.clone();
    let named = fields::lifetimes(&mut fields);
    fields::overlay(&mut api, fields)?;
    api.lifetimes = before
        .lifetimes
        .change(&named, &app.config.lifetimes, before.system)?;
    fields::check_system(before, &api)?;
    Ok(api)
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Delete an API; its tokens are revoked",
    access: Access::AnyOf(&["delete:resource_servers"]),
    answer: Answer::Empty(204),
    refuses: &[400, 412],
    ..Operation::DEFAULT
};

/// `DELETE /resource-servers/{id}`: revokes all its tokens.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &DELETE).await?;
    let mut tx = app.store.write_locked(&Locks::of_api_deletion()).await?;
    let Some(found) = find(&mut tx, &id).await? else {
        return Ok(gone());
    };
    store::apis::lock(&mut tx, &found.id).await?;
    let Some(api) = store::apis::by_id(&mut tx, &found.id).await? else {
        return Ok(gone());
    };
    if api.system.is_some() {
        return Err(Problem::not_supported(
            "id",
            "a system API cannot be deleted.",
        ));
    }
    let linked = links(&mut tx, std::slice::from_ref(&api)).await?;
    let was = show(&api, &app.config.lifetimes, &linked);
    admin.check_match(&state_of(&was, &api))?;
    let linked = store::resource_servers::lock(&mut tx, &api.identifier).await?;
    let was_default = store::settings::clear_default(&mut tx, &api.id).await?;
    if store::apis::delete(&mut tx, &api.id).await? {
        tx.note(Change::Api(api.identifier.clone()));
        for client_id in linked {
            let identifier = &api.identifier;
            if store::resource_servers::unlink(&mut tx, &client_id, identifier).await? {
                tx.note(Change::Application(client_id));
            }
        }
        tx.note(Change::Revocation(Covered::Api(api.identifier.clone())));
        let mut act = Act::new("Delete a resource server").audience(&api.identifier);
        if was_default {
            tx.note(Change::Settings);
            act.what = "Delete a resource server, which was the default_audience";
        }
        admin.commit(&app, tx, act.before(was)).await?;
    }
    Ok(gone())
}

pub(super) fn not_found() -> Problem {
    Problem::not_found(Missing::ResourceServer)
}

/// By id or by identifier, which some tools encode twice.
pub(super) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Api>, Problem> {
    check_id(id)?;
    if let Some(api) = store::apis::by_id(conn, id).await? {
        return Ok(Some(api));
    }
    if let Some(api) = store::apis::by_identifier(conn, id).await? {
        return Ok(Some(api));
    }
    let Ok(decoded) = percent_decode_str(id).decode_utf8() else {
        return Ok(None);
    };
    if decoded == id || check_id(&decoded).is_err() {
        return Ok(None);
    }
    Ok(store::apis::by_identifier(conn, &decoded).await?)
}

/// The `client_id` of the application that is an API's resource server, by identifier.
type Links = HashMap<String, String>;

/// The oldest application that is the resource server, of each of the APIs that have one.
async fn links(conn: &mut Conn, apis: &[Api]) -> Result<Links, Problem> {
    let identifiers: Vec<_> = apis.iter().map(|api| api.identifier.as_str()).collect();
    let all = store::resource_servers::of_apis(conn, &identifiers).await?;
    // Of two pairs of one key, the last stays.
    Ok(all.into_iter().rev().collect())
}

/// An API as Auth0 shows it; what is unset is omitted.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    identifier: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_system: Option<bool>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    scopes: &'a [Scope],
    signing_alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_dialect: Option<&'static str>,
    allow_offline_access: bool,
    skip_consent_for_verifiable_first_party_clients: bool,
    subject_type_authorization: Policies,
    token_lifetime: i64,
    token_lifetime_for_web: i64,
    max_token_lifetime: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_grant_lifetime: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Policies {
    user: Policy,
    client: Policy,
}

#[derive(Serialize)]
struct Policy {
    policy: &'static str,
}

/// The answer that generates or sets a signing secret shows it; no other does.
fn with_secret(
    status: StatusCode,
    shown: &Value,
    state: &Value,
    secret: Option<&Secret<String>>,
) -> Response {
    let mut once = shown.clone();
    if let (Some(members), Some(secret)) = (once.as_object_mut(), secret) {
        let value = Value::from(secret.expose().as_str());
        members.insert("signing_secret".to_owned(), value);
    }
    selected(status, state, &once)
}

/// What `If-Match` compares: its signing secret is part of it.
fn state_of(shown: &Value, api: &Api) -> Value {
    let sealed = api.signing_secret.as_ref();
    let name = sealed.map(|secret| secret::fingerprint(secret.sealed.as_bytes()));
    state(shown, name.as_deref())
}

fn show(api: &Api, server: &ServerLifetimes, linked: &Links) -> Value {
    let lifetimes = &api.lifetimes;
    let mut whole = shown(&Shown {
        id: &api.id,
        name: api.name.as_deref(),
        identifier: &api.identifier,
        is_system: api.system.map(|_| true),
        scopes: &api.scopes,
        signing_alg: api.signing_alg.as_str(),
        token_dialect: api.token_dialect.map(Dialect::as_str),
        allow_offline_access: api.allow_offline_access,
        skip_consent_for_verifiable_first_party_clients: api
            .skip_consent_for_verifiable_first_party_clients,
        subject_type_authorization: Policies {
            user: Policy {
                policy: api.user_policy.as_str(),
            },
            client: Policy {
                policy: api.client_policy.as_str(),
            },
        },
        token_lifetime: lifetimes.token_lifetime.as_integer(),
        token_lifetime_for_web: lifetimes.token_lifetime_for_web,
        max_token_lifetime: lifetimes.maximum_in_force(server, api.system).as_integer(),
        user_grant_lifetime: api.user_grant_seconds,
        client_id: linked.get(&api.identifier).map(String::as_str),
    });
    lay_under(&mut whole, &api.described);
    whole
}
