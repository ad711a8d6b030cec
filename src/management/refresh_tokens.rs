//! `/api/v2/refresh-tokens` and `/api/v2/users/{id}/refresh-tokens`: the families of refresh tokens,
//! each under one id however often it rotates.

mod ending;

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::access::Path;
use super::answer::{Missing, Problem, accepted, json as answer, resource, selected, shown};
use super::call::{Act, Admin, Call};
use super::query::{CHECKPOINTS, Paging, SELECTION, Selection, TOTALS};
use super::sessions::{DEVICE, ShownDevice, metadata, read_metadata};
use super::{clients, users};
use crate::app::App;
use crate::directory::Stance;
use crate::model::authorization::{Authorization, AuthorizedApi};
use crate::model::change::{Change, Covered};
use crate::model::fault::Fault;
use crate::model::instant;
use crate::model::refresh::Family;
use crate::model::sign_in::RefreshTerms;
use crate::model::text::{CLIENT_ID_BYTES_MAX, IDENTIFIER_CHARS_MAX, USER_ID_CHARS_MAX};
use crate::store::refresh_families::Filter;
use crate::store::{self, Conn, Locks};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{
    Field, Fields, Form, Tables, boolean, instant as instant_of, objects, text, texts,
};

pub(super) use ending::Ending;

/// Most ids of one revocation, and the longest (compatibility.md §1.5).
const IDS_MAX: usize = 100;
const ID_CHARS_MAX: usize = 30;

const METADATA: &str = "refresh_token_metadata";
const TABLE: &[Field] = &[metadata(METADATA)];
const API: &[Field] = &[
    text("audience", 1, IDENTIFIER_CHARS_MAX),
    text("scopes", 0, 1_000_000),
];
const SHOWN: Tables = &[
    &[
        text("id", 1, ID_CHARS_MAX),
        text("user_id", 1, USER_ID_CHARS_MAX),
        text("client_id", 1, CLIENT_ID_BYTES_MAX),
        text("session_id", 1, 100),
        instant_of("created_at"),
        instant_of("idle_expires_at"),
        instant_of("expires_at"),
        instant_of("last_exchanged_at"),
        boolean("rotating"),
        DEVICE,
        objects("resource_servers", 100, API),
    ],
    TABLE,
];

pub(crate) const LIST: Operation = Operation {
    summary: "List the refresh tokens of a user",
    access: Access::AnyOf(&["read:refresh_tokens"]),
    query: &[
        &[
            text("user_id", 1, USER_ID_CHARS_MAX).required(),
            text("client_id", 0, CLIENT_ID_BYTES_MAX),
        ],
        &CHECKPOINTS,
        &SELECTION,
    ],
    answer: Answer::Page("refresh_tokens", SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /refresh-tokens`
pub(crate) async fn list(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &LIST).await?;
    let paging = Paging::checkpoint(&mut query)?;
    let selection = Selection::read(&mut query);
    let filter = Filter {
        user_id: query.text("user_id"),
        client_id: query.text("client_id"),
        session_id: None,
    };
    let page = page(&app, (&filter, admin.now), &paging, |shown, next, total| {
        let selected = shown.into_iter().map(|one| selection.of(one)).collect();
        paging.written("refresh_tokens", selected, total, next)
    });
    Ok(answer(StatusCode::OK, &page.await?))
}

pub(crate) const LIST_OF_USER: Operation = Operation {
    query: &[&CHECKPOINTS, &TOTALS],
    answer: Answer::Page("tokens", SHOWN),
    ..LIST
};

/// `GET /users/{id}/refresh-tokens`
pub(crate) async fn list_of_user(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &LIST_OF_USER).await?;
    let paging = Paging::checkpoint(&mut query)?;
    let filter = of_user(user_id);
    let page = page(&app, (&filter, admin.now), &paging, |shown, next, total| {
        paging.written("tokens", shown, total, next)
    });
    Ok(answer(StatusCode::OK, &page.await?))
}

fn of_user(user_id: String) -> Filter {
    Filter {
        user_id: Some(user_id),
        ..Filter::default()
    }
}

/// A page of a user's refresh tokens, written by the list that it is of.
async fn page(
    app: &App,
    (filter, now): (&Filter, i64),
    paging: &Paging,
    write: impl FnOnce(Vec<Value>, Option<String>, i64) -> Value,
) -> Result<Value, Problem> {
    let (mut families, total) = {
        let mut conn = app.store.read().await?;
        check_user(&mut conn, filter.user_id.as_deref().unwrap_or_default()).await?;
        let from = paging.from();
        let rows_max = paging.rows();
        let families = store::refresh_families::list(&mut conn, filter, &from, rows_max).await?;
        let total = if paging.wants_total() {
            store::refresh_families::count(&mut conn, filter).await?
        } else {
            0
        };
        (families, total)
    };
    let key = |family: &Family| (family.created_at, family.id().to_owned());
    let next = paging.cut(&mut families, key);
    let live = Living::default().among(app, families, now).await?;
    let shown = live.iter().map(|(family, terms)| show(family, *terms));
    Ok(write(shown.collect(), next, total))
}

/// Passes where there is such a user.
pub(super) async fn check_user(conn: &mut Conn, user_id: &str) -> Result<(), Problem> {
    let found = store::users::get(conn, user_id).await?;
    found.map(drop).ok_or_else(users::not_found)
}

/// Which families live: by today's settings of their applications, which are looked up once.
#[derive(Default)]
pub(super) struct Living {
    terms: HashMap<String, Option<RefreshTerms>>,
}

impl Living {
    /// Those that live, each with the settings of its application.
    pub(super) async fn among(
        mut self,
        app: &App,
        families: Vec<Family>,
        now: i64,
    ) -> Result<Vec<(Family, RefreshTerms)>, Fault> {
        let mut live = Vec::with_capacity(families.len());
        for family in families {
            let terms = self.terms(app, &family.authorization.client_id).await?;
            let Some(terms) = terms.filter(|terms| family.is_live(*terms, now)) else {
                continue;
            };
            if !app.directory.is_ended(&family.authorization).await? {
                live.push((family, terms));
            }
        }
        Ok(live)
    }

    async fn terms(&mut self, app: &App, client_id: &str) -> Result<Option<RefreshTerms>, Fault> {
        if let Some(known) = self.terms.get(client_id) {
            return Ok(*known);
        }
        let application = app.directory.application(client_id, Stance::Strict).await?;
        let terms = application.map(|application| application.refresh_terms());
        self.terms.insert(client_id.to_owned(), terms);
        Ok(terms)
    }
}

pub(crate) const GET: Operation = Operation {
    summary: "Read a refresh token",
    access: Access::AnyOf(&["read:refresh_tokens"]),
    answer: Answer::One(200, SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /refresh-tokens/{id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &GET).await?;
    let found = store::refresh_families::get(&mut *app.store.read().await?, &id).await?;
    let (family, terms) = living(&app, found, admin.now).await?;
    Ok(resource(StatusCode::OK, &show(&family, terms)))
}

/// The family, where it is there and lives.
async fn living(
    app: &App,
    found: Option<Family>,
    now: i64,
) -> Result<(Family, RefreshTerms), Problem> {
    let found = found.into_iter().collect();
    let mut live = Living::default().among(app, found, now).await?;
    live.pop()
        .ok_or_else(|| Problem::not_found(Missing::RefreshToken))
}

pub(crate) const UPDATE: Operation = Operation {
    summary: "Set what is kept of a refresh token",
    access: Access::AnyOf(&["update:refresh_tokens"]),
    body: Takes::Fields(&[TABLE]),
    answer: Answer::One(200, SHOWN),
    refuses: &[404, 412],
    ..Operation::DEFAULT
};

/// `PATCH /refresh-tokens/{id}`: what is named takes the place of what was there.
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &UPDATE, body).await?;
    let found = store::refresh_families::get(&mut *app.store.read().await?, &id).await?;
    let (family, terms) = living(&app, found, admin.now).await?;
    let Authorization {
        user_id, client_id, ..
    } = &family.authorization;
    let locks = Locks::below(user_id, client_id);
    let mut tx = app.store.write_locked(&locks).await?;
    store::refresh_families::lock(&mut tx, &id).await?;
    let found = store::refresh_families::get(&mut tx, &id).await?;
    let mut family = found.ok_or_else(|| Problem::not_found(Missing::RefreshToken))?;
    let was = show(&family, terms);
    admin.check_match(&was)?;
    if let Some(metadata) = read_metadata(&mut fields, METADATA) {
        store::refresh_families::set_metadata(&mut tx, &id, &metadata).await?;
        family.metadata = metadata;
    }
    let shown = show(&family, terms);
    let act = act("Update a refresh token", &family).before(was);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    let readable = admin.readable(GET.access, &["id"], shown.clone());
    Ok(selected(StatusCode::OK, &shown, &readable))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Revoke a refresh token with the access tokens that came with it",
    access: Access::AnyOf(&["delete:refresh_tokens"]),
    answer: Answer::Empty(202),
    ..Operation::DEFAULT
};

/// `DELETE /refresh-tokens/{id}`
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &DELETE).await?;
    end_one(&app, &admin, &id).await?;
    Ok(accepted())
}

/// What ending these families locks.
async fn locks(app: &App, ids: &[impl AsRef<str>]) -> Result<Locks, Fault> {
    let mut conn = app.store.read().await?;
    let mut locks = Locks::new();
    for id in ids {
        if let Some(family) = store::refresh_families::get(&mut conn, id.as_ref()).await? {
            locks = locks.and_user(&family.authorization.user_id);
        }
    }
    Ok(locks)
}

/// Ends the family of an id, where it is there.
pub(super) async fn end_one(app: &App, admin: &Admin, id: &str) -> Result<(), Problem> {
    let locks = locks(app, &[id]).await?;
    let mut tx = app.store.write_locked(&locks).await?;
    if let Some(family) = store::refresh_families::get(&mut tx, id).await? {
        Ending::of(app, admin).one(&mut tx, &family).await?;
        let act = act("Revoke a refresh token", &family);
        admin.commit(app, tx, act).await?;
    }
    Ok(())
}

pub(crate) const DELETE_OF_USER: Operation = Operation {
    summary: "Revoke every refresh token of a user",
    refuses: &[404],
    ..DELETE
};

/// `DELETE /users/{id}/refresh-tokens`
pub(crate) async fn delete_of_user(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &DELETE_OF_USER).await?;
    let mut tx = app.store.write_locked(&Locks::of_user(&user_id)).await?;
    check_user(&mut tx, &user_id).await?;
    let act = Act::new("Revoke a user's refresh tokens").user(&user_id);
    let ending = Ending::of(&app, &admin);
    let ended = ending.all(&mut tx, &of_user(user_id)).await?;
    let act = act.before(json!({ "refresh_tokens": ended }));
    admin.commit(&app, tx, act).await?;
    Ok(accepted())
}

pub(crate) const REVOKE: Operation = Operation {
    summary: "Revoke refresh tokens by their ids, or those of a user, of a user at an application, or of an application",
    access: Access::AnyOf(&["delete:refresh_tokens"]),
    body: Takes::Fields(&[&[
        texts("ids", IDS_MAX, ID_CHARS_MAX, Form::Any).filled(),
        text("user_id", 1, USER_ID_CHARS_MAX),
        text("client_id", 1, 64),
    ]]),
    answer: Answer::Empty(202),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `POST /refresh-tokens/revoke`
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, fields) = call.authorize_body(&app, &REVOKE, body).await?;
    let ending = Ending::of(&app, &admin);
    let object = Object::read(fields)?;
    let mut tx = app.store.write_locked(&object.locks(&app).await?).await?;
    let act = Act::new("Revoke refresh tokens");
    let act = match object {
        Object::Ids(ids) => {
            let mut ended = Vec::new();
            for id in ids {
                if let Some(family) = store::refresh_families::get(&mut tx, &id).await? {
                    ending.one(&mut tx, &family).await?;
                    ended.push(id);
                }
            }
            act.before(json!({ "ids": ended }))
        }
        Object::User(filter) => {
            let user_id = filter.user_id.clone().unwrap_or_default();
            check_user(&mut tx, &user_id).await?;
            let ended = ending.all(&mut tx, &filter).await?;
            let act = act.user(&user_id);
            let act = Act {
                client_id: filter.client_id,
                ..act
            };
            act.before(json!({ "refresh_tokens": ended }))
        }
        Object::Application(client_id) => {
            let found = store::applications::get(&mut tx, &client_id).await?;
            found.ok_or_else(clients::not_found)?;
            tx.note(Change::Revocation(Covered::UsersOf(client_id.clone())));
            act.client(&client_id)
        }
    };
    admin.commit(&app, tx, act).await?;
    Ok(accepted())
}

/// What is to be revoked.
enum Object {
    Ids(Vec<String>),
    /// All of a user, or those at one application.
    User(Filter),
    /// All of an application: many, so by a number instead of one by one, and with all that it has
    /// of users.
    Application(String),
}

impl Object {
    async fn locks(&self, app: &App) -> Result<Locks, Fault> {
        match self {
            Self::Ids(ids) => locks(app, ids).await,
            Self::User(filter) => {
                let user_id = filter.user_id.as_deref().unwrap_or_default();
                Ok(Locks::of_user(user_id))
            }
            Self::Application(_) => Ok(Locks::new()),
        }
    }

    fn read(mut fields: Fields) -> Result<Self, Problem> {
        let named = (
            fields.texts("ids"),
            fields.text("user_id"),
            fields.text("client_id"),
        );
        match named {
            (Some(ids), None, None) => Ok(Self::Ids(ids)),
            (None, Some(user_id), client_id) => Ok(Self::User(Filter {
                client_id,
                ..of_user(user_id)
            })),
            (None, None, Some(client_id)) => Ok(Self::Application(client_id)),
            _ => Err(Problem::body(
                "'Expected ids, or user_id, or user_id and client_id, or client_id'.",
            )),
        }
    }
}

fn audiences(apis: &[AuthorizedApi]) -> impl Iterator<Item = &str> {
    apis.iter().map(|api| api.audience.as_str())
}

fn act(what: &'static str, family: &Family) -> Act {
    let authorization = &family.authorization;
    let mut act = Act::new(what)
        .client(&authorization.client_id)
        .user(&authorization.user_id);
    act.audience = audiences(&authorization.apis).next().map(str::to_owned);
    act
}

/// A refresh token in Auth0's shape, and never its text.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    user_id: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_exchanged_at: Option<String>,
    rotating: bool,
    device: ShownDevice<'a>,
    resource_servers: Vec<Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    refresh_token_metadata: &'a Map<String, Value>,
}

fn show(family: &Family, terms: RefreshTerms) -> Value {
    let authorization = &family.authorization;
    let apis = authorization.apis.iter();
    let apis = apis
        .map(|api| json!({ "audience": api.audience, "scopes": api.scopes.to_text() }))
        .collect();
    shown(&Shown {
        id: family.id(),
        user_id: &authorization.user_id,
        client_id: &authorization.client_id,
        session_id: authorization.session_id.as_deref(),
        created_at: instant::to_rfc3339(family.created_at),
        idle_expires_at: family
            .end(terms)
            .filter(|_| terms.idle.is_some())
            .map(instant::to_rfc3339),
        expires_at: family.absolute_end(terms).map(instant::to_rfc3339),
        last_exchanged_at: family.last_exchanged_at.map(instant::to_rfc3339),
        rotating: terms.is_rotating,
        device: ShownDevice::of(&family.device),
        resource_servers: apis,
        refresh_token_metadata: &family.metadata,
    })
}
