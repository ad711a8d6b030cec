//! `/api/v2/sessions` and `/api/v2/users/{id}/sessions`: where users are signed in.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::access::Path;
use super::answer::{Missing, Problem, accepted, json as answer, resource, selected, shown};
use super::call::{Act, Call};
use super::query::{CHECKPOINTS, Paging, TOTALS};
use super::refresh_tokens::{self, Ending};
use crate::app::App;
use crate::directory::Stance;
use crate::logout::{self, Why};
use crate::model::fault::Fault;
use crate::model::instant;
use crate::model::session::{Device, Session, SessionLifetimes};
use crate::model::text::{CLIENT_ID_BYTES_MAX, USER_ID_CHARS_MAX};
use crate::store::session_lists::Live;
use crate::store::{self, Locks, refresh_families};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{
    Field, Fields, Tables, choice, instant as instant_of, map, object, objects, text,
};

/// Most members of an administrator's own, and the longest value in characters (compatibility.md §1.5).
const METADATA_MEMBERS_MAX: usize = 25;
const METADATA_CHARS_MAX: usize = 255;

/// What an administrator keeps of a session or a refresh token; null clears it.
pub(super) const fn metadata(name: &'static str) -> Field {
    map(name, METADATA_MEMBERS_MAX, METADATA_CHARS_MAX).or_null()
}

/// Where a browser or program was seen.
pub(super) const DEVICE: Field = object(
    "device",
    &[
        text("initial_ip", 1, 100),
        text("initial_user_agent", 1, 1000),
        text("last_ip", 1, 100),
        text("last_user_agent", 1, 1000),
    ],
);

const METADATA: &str = "session_metadata";
const TABLE: &[Field] = &[metadata(METADATA)];
const METHOD: &[Field] = &[text("name", 1, 100), instant_of("timestamp")];
const SHOWN: Tables = &[
    &[
        text("id", 1, 100),
        text("user_id", 1, USER_ID_CHARS_MAX),
        instant_of("created_at"),
        instant_of("updated_at"),
        instant_of("authenticated_at"),
        instant_of("idle_expires_at"),
        instant_of("expires_at"),
        instant_of("last_interacted_at"),
        DEVICE,
        objects(
            "clients",
            1000,
            &[text("client_id", 1, CLIENT_ID_BYTES_MAX)],
        ),
        object("authentication", &[objects("methods", 10, METHOD)]),
        object(
            "cookie",
            &[choice("mode", &["persistent", "non-persistent"])],
        ),
    ],
    TABLE,
];

pub(crate) const GET: Operation = Operation {
    summary: "Read a session",
    access: Access::AnyOf(&["read:sessions"]),
    answer: Answer::One(200, SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /sessions/{id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &GET).await?;
    let live = live(&app, admin.now).await?;
    let found = store::session_lists::get(&mut *app.store.read().await?, &id, live).await?;
    let (session, clients) = found.ok_or_else(not_found)?;
    Ok(resource(StatusCode::OK, &show(&session, &clients, live)))
}

pub(crate) const UPDATE: Operation = Operation {
    summary: "Set what is kept of a session",
    access: Access::AnyOf(&["update:sessions"]),
    body: Takes::Fields(&[TABLE]),
    answer: Answer::One(200, SHOWN),
    refuses: &[404, 412],
    ..Operation::DEFAULT
};

/// `PATCH /sessions/{id}`: what is named takes the place of what was there.
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &UPDATE, body).await?;
    let live = live(&app, admin.now).await?;
    let mut tx = app.store.write().await?;
    let found = store::session_lists::get(&mut tx, &id, live).await?;
    let (mut session, clients) = found.ok_or_else(not_found)?;
    let was = show(&session, &clients, live);
    admin.check_match(&was)?;
    if let Some(metadata) = read_metadata(&mut fields, METADATA) {
        store::session_lists::set_metadata(&mut tx, &id, &metadata, admin.now).await?;
        session.metadata = metadata;
        session.updated_at = admin.now;
    }
    let shown = show(&session, &clients, live);
    let act = act("Update a session", &session).before(was);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    let readable = admin.readable(GET.access, &["id"], shown.clone());
    Ok(selected(StatusCode::OK, &shown, &readable))
}

/// The members that are named; null and `{}` empty them.
pub(super) fn read_metadata(fields: &mut Fields, name: &str) -> Option<Map<String, Value>> {
    let named = fields.object_or_null(name)?;
    let mut members = named.map(Fields::rest).unwrap_or_default();
    members.retain(|_, value| !value.is_null());
    Some(members)
}

pub(crate) const DELETE: Operation = Operation {
    summary: "End a session",
    access: Access::AnyOf(&["delete:sessions"]),
    answer: Answer::Empty(202),
    refuses: &[412],
    ..Operation::DEFAULT
};

/// `DELETE /sessions/{id}`: refresh tokens and access tokens live on.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &DELETE).await?;
    let live = live(&app, admin.now).await?;
    let Some(locks) = locks(&app, &id).await? else {
        return Ok(accepted());
    };
    let mut tx = app.store.write_locked(&locks).await?;
    if let Some((session, clients)) = store::session_lists::get(&mut tx, &id, live).await? {
        let was = show(&session, &clients, live);
        admin.check_match(&was)?;
        logout::end_session(&mut tx, &id, Why::Revoked, admin.now).await?;
        let act = act("Delete a session", &session).before(was);
        admin.commit(&app, tx, act).await?;
    }
    Ok(accepted())
}

pub(crate) const REVOKE: Operation = Operation {
    summary: "End a session with its refresh tokens",
    access: Access::AllOf(&["delete:sessions", "delete:refresh_tokens"]),
    answer: Answer::Empty(202),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `POST /sessions/{id}/revoke`
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &REVOKE).await?;
    let live = live(&app, admin.now).await?;
    let locks = locks(&app, &id).await?.ok_or_else(not_found)?;
    let mut tx = app.store.write_locked(&locks).await?;
    let found = store::session_lists::get(&mut tx, &id, live).await?;
    let (session, clients) = found.ok_or_else(not_found)?;
    logout::end_session(&mut tx, &id, Why::Revoked, admin.now).await?;
    let own = refresh_families::Filter {
        session_id: Some(id),
        ..refresh_families::Filter::default()
    };
    Ending::of(&app, &admin).all(&mut tx, &own).await?;
    let act = act("Revoke a session", &session).before(show(&session, &clients, live));
    admin.commit(&app, tx, act).await?;
    Ok(accepted())
}

pub(crate) const LIST_OF_USER: Operation = Operation {
    summary: "List the sessions of a user",
    access: Access::AnyOf(&["read:sessions"]),
    query: &[&CHECKPOINTS, &TOTALS],
    answer: Answer::Page("sessions", SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /users/{id}/sessions`
pub(crate) async fn list_of_user(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &LIST_OF_USER).await?;
    let paging = Paging::checkpoint(&mut query)?;
    let live = live(&app, admin.now).await?;
    let mut conn = app.store.read().await?;
    refresh_tokens::check_user(&mut conn, &user_id).await?;
    let of_user = (user_id.as_str(), live);
    let sessions =
        store::session_lists::list(&mut conn, of_user, &paging.from(), paging.rows()).await?;
    let total = if paging.wants_total() {
        store::session_lists::count(&mut conn, &user_id, live).await?
    } else {
        0
    };
    let show = |(session, clients): &(Session, Vec<String>)| show(session, clients, live);
    let key = |(session, _): &(Session, Vec<String>)| (session.created_at, session.id.clone());
    let page = paging.page("sessions", sessions, total, (show, key));
    Ok(answer(StatusCode::OK, &page))
}

pub(crate) const DELETE_OF_USER: Operation = Operation {
    summary: "End every session of a user",
    refuses: &[404],
    ..DELETE
};

/// `DELETE /users/{id}/sessions`: refresh tokens and access tokens live on.
pub(crate) async fn delete_of_user(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &DELETE_OF_USER).await?;
    let mut tx = app.store.write_locked(&Locks::of_user(&user_id)).await?;
    refresh_tokens::check_user(&mut tx, &user_id).await?;
    let ended = logout::end_sessions(&mut tx, &user_id, Why::Revoked, admin.now).await?;
    let act = Act::new("Delete a user's sessions").user(&user_id);
    let act = act.before(json!({ "sessions": ended }));
    admin.commit(&app, tx, act).await?;
    Ok(accepted())
}

/// What ending a session locks; none where it is gone.
async fn locks(app: &App, id: &str) -> Result<Option<Locks>, Fault> {
    let session = store::sessions::get(&mut *app.store.read().await?, id).await?;
    Ok(session.map(|session| Locks::of_user(&session.user_id)))
}

/// Which sessions live by today's settings.
pub(super) async fn live(app: &App, now: i64) -> Result<Live, Fault> {
    let settings = app.directory.settings(Stance::Strict).await?;
    Ok(Live {
        persistent: settings.of_session(true),
        ephemeral: settings.of_session(false),
        now,
    })
}

pub(super) fn not_found() -> Problem {
    Problem::not_found(Missing::Session)
}

fn act(what: &'static str, session: &Session) -> Act {
    Act::new(what).user(&session.user_id)
}

/// A session in Auth0's shape.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    user_id: &'a str,
    created_at: String,
    updated_at: String,
    authenticated_at: String,
    idle_expires_at: String,
    expires_at: String,
    last_interacted_at: String,
    device: ShownDevice<'a>,
    clients: Vec<Value>,
    authentication: Value,
    cookie: Value,
    #[serde(skip_serializing_if = "Map::is_empty")]
    session_metadata: &'a Map<String, Value>,
}

/// A device in Auth0's shape; networks (`initial_asn`, `last_asn`) are not looked up.
#[derive(Serialize)]
pub(super) struct ShownDevice<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_ip: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_ip: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_user_agent: Option<&'a str>,
}

impl<'a> ShownDevice<'a> {
    pub(super) fn of(device: &'a Device) -> Self {
        Self {
            initial_ip: device.initial_ip.as_deref(),
            initial_user_agent: device.initial_user_agent.as_deref(),
            last_ip: device.last_ip.as_deref(),
            last_user_agent: device.last_user_agent.as_deref(),
        }
    }
}

fn show(session: &Session, clients: &[String], live: Live) -> Value {
    let (today, mode): (SessionLifetimes, _) = if session.is_persistent {
        (live.persistent, "persistent")
    } else {
        (live.ephemeral, "non-persistent")
    };
    let timestamp = instant::to_rfc3339(session.authenticated_at);
    let methods = session.amr.iter();
    let methods: Vec<Value> = methods
        .map(|name| json!({ "name": name, "timestamp": timestamp }))
        .collect();
    let clients = clients.iter();
    shown(&Shown {
        id: &session.id,
        user_id: &session.user_id,
        created_at: instant::to_rfc3339(session.created_at),
        updated_at: instant::to_rfc3339(session.updated_at),
        authenticated_at: timestamp.clone(),
        idle_expires_at: instant::to_rfc3339(session.idle_end(today)),
        expires_at: instant::to_rfc3339(session.absolute_end(today)),
        last_interacted_at: instant::to_rfc3339(session.last_interacted_at),
        device: ShownDevice::of(&session.device),
        clients: clients.map(|id| json!({ "client_id": id })).collect(),
        authentication: json!({ "methods": methods }),
        cookie: json!({ "mode": mode }),
        session_metadata: &session.metadata,
    })
}
