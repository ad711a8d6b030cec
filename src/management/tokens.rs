//! `/api/v2/tokens`: the stored tokens that are out, and ending tokens, one or many.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::access::Path;
use super::answer::{Missing, Problem, gone, json as answer, shown};
use super::call::{Act, Call};
use super::query::{CHECKPOINTS, OFFSETS, Paging};
use super::{clients, resource_servers};
use crate::app::App;
use crate::lifetime::LONGEST_SIGNED_SECONDS;
use crate::model::change::{Change, Covered};
use crate::model::instant;
use crate::model::text::{CLIENT_ID_BYTES_MAX, IDENTIFIER_CHARS_MAX, USER_ID_CHARS_MAX};
use crate::store::tokens::{Filter, StoredToken};
use crate::store::{self, Conn};
use crate::tokens::jti;
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{
    Field, Fields, Form, Tables, boolean, instant as instant_of, text, texts,
};

const SHOWN: Tables = &[&[
    text("id", 1, 100),
    text("client_id", 1, CLIENT_ID_BYTES_MAX),
    text("subject", 1, CLIENT_ID_BYTES_MAX + 8),
    texts("audiences", 100, IDENTIFIER_CHARS_MAX, Form::Any),
    text("scope", 0, 1_000_000),
    instant_of("issued_at"),
    instant_of("expires_at"),
    instant_of("last_used_at"),
    boolean("never_expiring"),
]];

pub(crate) const LIST: Operation = Operation {
    summary: "List the active tokens that are stored: opaque, long-lived and never-expiring ones",
    access: Access::AnyOf(&["read:tokens"]),
    query: &[
        &OFFSETS,
        &CHECKPOINTS,
        &[
            text("client_id", 0, CLIENT_ID_BYTES_MAX),
            text("audience", 0, IDENTIFIER_CHARS_MAX),
            boolean("never_expiring"),
        ],
    ],
    answer: Answer::Page("tokens", SHOWN),
    ..Operation::DEFAULT
};

/// `GET /tokens`
pub(crate) async fn list(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &LIST).await?;
    let paging = Paging::either(&mut query)?;
    let filter = Filter {
        client_id: query.text("client_id"),
        audience: query.text("audience").map(|named| canonical(&app, named)),
        never_expiring: query.boolean("never_expiring"),
    };
    let mut conn = app.store.read().await?;
    let narrowed = (&filter, admin.now);
    let tokens = store::tokens::list(&mut conn, narrowed, &paging.from(), paging.rows()).await?;
    let total = if paging.wants_total() {
        store::tokens::count(&mut conn, &filter, admin.now).await?
    } else {
        0
    };
    let key = |stored: &StoredToken| (stored.token.issued_at, stored.token.jti.clone());
    let page = paging.page("tokens", tokens, total, (show, key));
    Ok(answer(StatusCode::OK, &page))
}

/// A system API is named in more than one way.
fn canonical(app: &App, audience: String) -> String {
    match app.issuer.system_api(&audience) {
        Some(system) => app.issuer.identifier_of(system),
        None => audience,
    }
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Revoke a token by its id, which is its jti",
    access: Access::AnyOf(&["delete:tokens"]),
    answer: Answer::Empty(204),
    ..Operation::DEFAULT
};

/// `DELETE /tokens/{id}`: in force on every node at once, because a stored token is read whenever it
/// is presented. A signed one has no row; its name is enough to revoke it for as long as any signed
/// token lives, so that 204 is never said of a token that goes on.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &DELETE).await?;
    if !may_be_signed(&app, &id) {
        // Another node may have signed it by what this one has not heard yet.
        app.directory.read_anew().await?;
    }
    let mut tx = app.store.write().await?;
    let stored = store::tokens::by_id(&mut tx, &id).await?;
    let act = match &stored {
        Some(stored) => {
            store::tokens::delete_by_id(&mut tx, &id).await?;
            let mut act = Act::new("Revoke a token").client(&stored.token.client_id);
            act.audience = stored.token.audiences.first().cloned();
            act.before(show(stored))
        }
        None if may_be_signed(&app, &id) => {
            let ends = admin.now + LONGEST_SIGNED_SECONDS;
            store::revocations::revoke_token(&mut tx, &id, ends).await?;
            Act::new("Revoke a token").before(json!({ "id": id }))
        }
        None => return Ok(gone()),
    };
    admin.commit(&app, tx, act).await?;
    Ok(gone())
}

/// A name of ours whose number this node has reached.
fn may_be_signed(app: &App, id: &str) -> bool {
    jti::position(id).is_some_and(|position| position <= app.directory.position())
}

const OBJECTS: &[Field] = &[
    text("client_id", 1, CLIENT_ID_BYTES_MAX),
    text("audience", 1, IDENTIFIER_CHARS_MAX),
    text("client_grant_id", 1, 255),
    text("user_id", 1, USER_ID_CHARS_MAX),
    boolean("all"),
];

pub(crate) const REVOKE: Operation = Operation {
    summary: "Revoke every token of an application, an API, a client grant or a user, or all there are",
    access: Access::AnyOf(&["delete:tokens"]),
    body: Takes::Fields(&[OBJECTS]),
    answer: Answer::One(200, &[OBJECTS]),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `POST /tokens/revoke`: signed tokens and stored ones, Management tokens and the caller's own
/// included. Answers what was revoked. It gives nobody anything, so its scope is all that it takes.
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, fields) = call.authorize_body(&app, &REVOKE, body).await?;
    let object = Object::read(fields)?;
    let mut tx = app.store.write().await?;
    let covered = object.covered(&mut tx).await?;
    let said = object.said(&covered);
    let mut act = Act::new("Revoke tokens").after(said.clone());
    (act.client_id, act.audience) = parties(&covered);
    tx.note(Change::Revocation(covered));
    admin.commit(&app, tx, act).await?;
    Ok(answer(StatusCode::OK, &said))
}

/// Whose tokens are to be revoked.
enum Object {
    Application(String),
    Api(String),
    ClientGrant(String),
    User(String),
    All,
}

impl Object {
    fn read(mut fields: Fields) -> Result<Self, Problem> {
        let all = fields.boolean("all");
        if all == Some(false) {
            return Err(Problem::property("all", "Only true means something"));
        }
        let mut named = [
            fields.text("client_id").map(Self::Application),
            fields.text("audience").map(Self::Api),
            fields.text("client_grant_id").map(Self::ClientGrant),
            fields.text("user_id").map(Self::User),
            all.map(|_| Self::All),
        ]
        .into_iter()
        .flatten();
        let (Some(one), None) = (named.next(), named.next()) else {
            return Err(Problem::body(
                "'Expected exactly one of client_id, audience, client_grant_id, user_id and all'.",
            ));
        };
        match one {
            Self::User(id) if id.ends_with("@clients") => Err(Problem::property(
                "user_id",
                "It names an application; use client_id",
            )),
            one => Ok(one),
        }
    }

    /// What is not there is an error, unless it was: whoever deletes and revokes in any order is told
    /// that the tokens are revoked, because they are.
    async fn covered(&self, conn: &mut Conn) -> Result<Covered, Problem> {
        match self {
            Self::Application(client_id) => {
                let covered = Covered::Application(client_id.clone());
                let found = store::applications::get(conn, client_id).await?;
                if found.is_none() && !store::revocations::is_kept(conn, &covered).await? {
                    return Err(clients::not_found());
                }
                Ok(covered)
            }
            Self::Api(audience) => {
                if let Some(api) = store::apis::by_identifier(conn, audience).await? {
                    return Ok(Covered::Api(api.identifier));
                }
                let covered = Covered::Api(audience.clone());
                if !store::revocations::is_kept(conn, &covered).await? {
                    return Err(resource_servers::not_found());
                }
                Ok(covered)
            }
            Self::ClientGrant(id) => {
                let grant = store::client_grants::get(conn, id).await?;
                let grant = grant.ok_or_else(|| Problem::not_found(Missing::ClientGrant))?;
                Ok(Covered::ClientGrant {
                    client_id: grant.client_id,
                    audience: grant.audience,
                })
            }
            // Users may be gone as well; what is revoked is what they are called.
            Self::User(id) => Ok(Covered::User(id.clone())),
            Self::All => Ok(Covered::All),
        }
    }

    /// What was revoked, as the answer and the log tell it.
    fn said(&self, covered: &Covered) -> Value {
        let mut said = Map::new();
        if let Self::ClientGrant(id) = self {
            said.insert("client_grant_id".to_owned(), id.as_str().into());
        }
        match covered {
            Covered::User(id) => drop(said.insert("user_id".to_owned(), id.as_str().into())),
            Covered::All => drop(said.insert("all".to_owned(), true.into())),
            Covered::Application(_)
            | Covered::UsersOf(_)
            | Covered::Api(_)
            | Covered::ClientGrant { .. }
            | Covered::UserGrant { .. } => {}
        }
        let (client_id, audience) = parties(covered);
        said.extend(client_id.map(|id| ("client_id".to_owned(), id.into())));
        said.extend(audience.map(|audience| ("audience".to_owned(), audience.into())));
        Value::Object(said)
    }
}

/// The application and the API that a revocation is about.
fn parties(covered: &Covered) -> (Option<String>, Option<String>) {
    match covered {
        Covered::Application(client_id) | Covered::UsersOf(client_id) => {
            (Some(client_id.clone()), None)
        }
        Covered::Api(audience) => (None, Some(audience.clone())),
        Covered::ClientGrant {
            client_id,
            audience,
        }
        | Covered::UserGrant {
            client_id,
            audience,
            ..
        } => (Some(client_id.clone()), Some(audience.clone())),
        Covered::User(_) | Covered::All => (None, None),
    }
}

/// A stored token, and never its text.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    client_id: &'a str,
    subject: &'a str,
    audiences: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    issued_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
    never_expiring: bool,
}

fn show(stored: &StoredToken) -> Value {
    let token = &stored.token;
    shown(&Shown {
        id: &token.jti,
        client_id: &token.client_id,
        subject: &token.subject,
        audiences: &token.audiences,
        scope: &token.scope,
        issued_at: instant::to_rfc3339(token.issued_at),
        expires_at: token.expires_at.map(instant::to_rfc3339),
        last_used_at: stored.last_used_at.map(instant::to_rfc3339),
        never_expiring: token.expires_at.is_none(),
    })
}
