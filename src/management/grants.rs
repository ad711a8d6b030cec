//! `/api/v2/grants`: what users have consented to.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::access::Path;
use super::answer::{Missing, Problem, gone, json as answer, selected, shown};
use super::call::{Act, Call, future_instant};
use super::query::{OFFSETS, Paging};
use crate::app::App;
use crate::model::change::{Change, Covered};
use crate::model::fault::Fault;
use crate::model::instant;
use crate::model::issuer::Issuer;
use crate::model::text::{
    CLIENT_ID_BYTES_MAX, IDENTIFIER_CHARS_MAX, SCOPE_CHARS_MAX, USER_ID_CHARS_MAX,
};
use crate::model::user_grant::UserGrant;
use crate::store::user_grants::Filter;
use crate::store::{self, Conn, Locks, PageStart, Write};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{
    Field, Fields, Form, Tables, boolean, instant as instant_of, text, texts,
};

/// Most scopes in a grant.
const SCOPES_MAX: usize = 1000;
/// Grants of a user that are taken back at one time.
const AT_A_TIME: i64 = 100;

/// What can be set of a grant; ours.
const TABLE: &[Field] = &[instant_of("expires_at").or_null()];
const SHOWN: Tables = &[
    &[
        text("id", 1, 24),
        text("clientID", 1, CLIENT_ID_BYTES_MAX),
        text("user_id", 1, USER_ID_CHARS_MAX),
        text("audience", 1, IDENTIFIER_CHARS_MAX),
        texts("scope", SCOPES_MAX, SCOPE_CHARS_MAX, Form::Any),
        instant_of("created_at"),
    ],
    TABLE,
];

pub(crate) const LIST: Operation = Operation {
    summary: "List what users have consented to",
    access: Access::AnyOf(&["read:grants"]),
    query: &[
        &OFFSETS,
        &[
            text("user_id", 0, USER_ID_CHARS_MAX),
            text("client_id", 0, CLIENT_ID_BYTES_MAX),
            text("audience", 0, IDENTIFIER_CHARS_MAX),
        ],
    ],
    answer: Answer::Page("grants", SHOWN),
    ..Operation::DEFAULT
};

/// `GET /grants`
pub(crate) async fn list(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (_, mut query) = call.authorize(&app, &LIST).await?;
    let paging = Paging::offset(&mut query);
    let mut conn = app.store.read().await?;
    let filter = read_filter(&app, &mut query, &mut conn).await?;
    let (mut grants, mut total) = (Vec::new(), 0);
    if let Some(filter) = filter {
        grants =
            store::user_grants::list(&mut conn, &filter, &paging.from(), paging.rows()).await?;
        if paging.wants_total() {
            total = store::user_grants::count(&mut conn, &filter).await?;
        }
    }
    let show = |grant: &UserGrant| show(grant, &app.issuer);
    let key = |grant: &UserGrant| (grant.created_at, grant.id.clone());
    let page = paging.page("grants", grants, total, (show, key));
    Ok(answer(StatusCode::OK, &page))
}

/// `None` where nothing can match: an unknown audience.
async fn read_filter(
    app: &App,
    query: &mut Fields,
    conn: &mut Conn,
) -> Result<Option<Filter>, Problem> {
    let place = match query.text("audience") {
        None => None,
        Some(audience) if audience == app.issuer.userinfo() => Some(String::new()),
        Some(audience) => match store::apis::by_identifier(conn, &audience).await? {
            None => return Ok(None),
            Some(api) => Some(api.id),
        },
    };
    Ok(Some(Filter {
        user_id: query.text("user_id"),
        client_id: query.text("client_id"),
        place,
    }))
}

pub(crate) const UPDATE: Operation = Operation {
    summary: "Set when a user's consent ends",
    access: Access::AnyOf(&["update:grants"]),
    body: Takes::Fields(&[TABLE]),
    answer: Answer::One(200, SHOWN),
    refuses: &[404, 412],
    ..Operation::DEFAULT
};

/// `PATCH /grants/{id}`: tokens that are issued from now on end with it at the latest.
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &UPDATE, body).await?;
    let expires_at = future_instant(&mut fields, "expires_at", admin.now)?;
    let locks = locks(&app, &id).await?;
    let locks = locks.ok_or_else(|| Problem::not_found(Missing::UserGrant))?;
    let mut tx = app.store.write_locked(&locks).await?;
    store::user_grants::lock(&mut tx, &id).await?;
    let found = store::user_grants::get(&mut tx, &id).await?;
    let mut grant = found.ok_or_else(|| Problem::not_found(Missing::UserGrant))?;
    let was = show(&grant, &app.issuer);
    admin.check_match(&was)?;
    if let Some(expires_at) = expires_at {
        grant.expires_at = expires_at;
        store::user_grants::set_end(&mut tx, &id, expires_at, admin.now).await?;
    }
    let shown = show(&grant, &app.issuer);
    let act = act("Update a grant", &grant, &app.issuer).before(was);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    let readable = admin.readable(LIST.access, &["id"], shown.clone());
    Ok(selected(StatusCode::OK, &shown, &readable))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Take back a user's consent and its refresh tokens; on demand its access tokens",
    access: Access::AnyOf(&["delete:grants"]),
    query: &[&[boolean("revoke_tokens")]],
    answer: Answer::Empty(204),
    refuses: &[412],
    ..Operation::DEFAULT
};

/// `DELETE /grants/{id}`: no new tokens; with `revoke_tokens=true` also none of the old ones.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &DELETE).await?;
    let revoke_tokens = query.boolean("revoke_tokens").unwrap_or(false);
    let Some(locks) = locks(&app, &id).await? else {
        return Ok(gone());
    };
    let mut tx = app.store.write_locked(&locks).await?;
    store::user_grants::lock(&mut tx, &id).await?;
    let Some(grant) = store::user_grants::get(&mut tx, &id).await? else {
        return Ok(gone());
    };
    let was = show(&grant, &app.issuer);
    admin.check_match(&was)?;
    take_back(&app, &mut tx, &grant, revoke_tokens).await?;
    let what = if revoke_tokens {
        "Delete a grant and revoke its tokens"
    } else {
        "Delete a grant"
    };
    let act = act(what, &grant, &app.issuer).before(was);
    admin.commit(&app, tx, act).await?;
    Ok(gone())
}

pub(crate) const DELETE_OF_USER: Operation = Operation {
    summary: "Take back all that a user has consented to, as one by one",
    query: &[&[
        text("user_id", 1, USER_ID_CHARS_MAX).required(),
        boolean("revoke_tokens"),
    ]],
    refuses: &[],
    ..DELETE
};

/// `DELETE /grants?user_id=`
pub(crate) async fn delete_of_user(
    State(app): State<Arc<App>>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &DELETE_OF_USER).await?;
    let revoke_tokens = query.boolean("revoke_tokens").unwrap_or(false);
    let filter = Filter {
        user_id: query.text("user_id"),
        ..Filter::default()
    };
    let user_id = filter.user_id.as_deref().unwrap_or_default();
    let mut tx = app.store.write_locked(&Locks::of_user(user_id)).await?;
    let mut taken_back = Vec::new();
    loop {
        let first = PageStart::Offset(0);
        let grants = store::user_grants::list(&mut tx, &filter, &first, AT_A_TIME).await?;
        if grants.is_empty() {
            break;
        }
        for grant in &grants {
            take_back(&app, &mut tx, grant, revoke_tokens).await?;
            taken_back.push(show(grant, &app.issuer));
        }
    }
    if !taken_back.is_empty() {
        let what = if revoke_tokens {
            "Delete a user's grants and revoke their tokens"
        } else {
            "Delete a user's grants"
        };
        let was = serde_json::json!({ "grants": taken_back });
        let act = Act::new(what).user(filter.user_id.as_deref().unwrap_or_default());
        admin.commit(&app, tx, act.before(was)).await?;
    }
    Ok(gone())
}

/// What a change of a grant locks; none where it is gone.
async fn locks(app: &App, id: &str) -> Result<Option<Locks>, Fault> {
    let grant = store::user_grants::get(&mut *app.store.read().await?, id).await?;
    Ok(grant.map(|grant| Locks::of_user(&grant.user_id)))
}

/// Removes a grant with the refresh tokens that it carries. A code that is out needs the grant, and
/// is worth nothing without it.
async fn take_back(
    app: &App,
    tx: &mut Write,
    grant: &UserGrant,
    revoke_tokens: bool,
) -> Result<(), Fault> {
    let whose = (grant.user_id.as_str(), grant.client_id.as_str());
    store::families::end_grant(tx, whose, grant.api_id.as_deref()).await?;
    if revoke_tokens {
        tx.note(Change::Revocation(Covered::UserGrant {
            client_id: grant.client_id.clone(),
            audience: audience(grant, &app.issuer),
            user_id: grant.user_id.clone(),
        }));
    }
    Ok(())
}

/// The API's identifier, or where no API is meant, userinfo's.
fn audience(grant: &UserGrant, issuer: &Issuer) -> String {
    grant.audience.clone().unwrap_or_else(|| issuer.userinfo())
}

fn act(what: &'static str, grant: &UserGrant, issuer: &Issuer) -> Act {
    Act::new(what)
        .client(&grant.client_id)
        .user(&grant.user_id)
        .audience(&audience(grant, issuer))
}

/// A grant in Auth0's shape, its spelling of `clientID` included.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    #[serde(rename = "clientID")]
    client_id: &'a str,
    user_id: &'a str,
    audience: String,
    scope: Vec<&'a str>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

fn show(grant: &UserGrant, issuer: &Issuer) -> Value {
    shown(&Shown {
        id: &grant.id,
        client_id: &grant.client_id,
        user_id: &grant.user_id,
        audience: audience(grant, issuer),
        scope: grant.scopes.iter().collect(),
        created_at: instant::to_rfc3339(grant.created_at),
        expires_at: grant.expires_at.map(instant::to_rfc3339),
    })
}
