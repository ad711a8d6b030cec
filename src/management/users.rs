//! `/api/v2/users` and `/api/v2/users-by-email`: people who sign in here.

pub(super) mod fields;
pub(super) mod import;
mod query;
mod update;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::access::Path;
use super::answer::{self, Missing, Problem, gone, selected};
use super::call::{Act, Call};
use super::query::{OFFSETS, Paging, SELECTION, Selection};
use crate::app::App;
use crate::logout::Why;
use crate::model::user::{CONNECTION, User, user_id_of};
use crate::secret;
use crate::store::user_lists::Search;
use crate::store::{self, Locks, Scope};
use crate::users;
use crate::users::queues::Work;
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{Fields, Form, choice, formed, text};

pub(super) use fields::show;
pub(crate) use update::{UPDATE, update};

const READERS: Access = Access::AnyOf(&["read:users"]);

pub(crate) const LIST: Operation = Operation {
    summary: "List or search users",
    access: READERS,
    query: &[
        &OFFSETS,
        &SELECTION,
        &[
            formed("sort", 0, 100, Form::Shape(&query::SORT)),
            text("connection", 0, 128),
            text("q", 0, query::CHARS_MAX),
            choice("search_engine", &["v3"]),
        ],
    ],
    answer: Answer::Page("users", &[fields::SHOWN]),
    ..Operation::DEFAULT
};

/// `GET /users`
pub(crate) async fn list(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (_, mut query) = call.authorize(&app, &LIST).await?;
    let paging = Paging::offset(&mut query);
    let selection = Selection::read(&mut query);
    let sort = query.text("sort").and_then(|text| query::sort(&text));
    let mut search = Search::default();
    if let Some(text) = query.text("q") {
        query::read(&text, &mut search).map_err(|why| Problem::query("q", why))?;
    }
    let (mut users, mut total) = (Vec::new(), 0);
    // Of another connection there are none.
    if query
        .text("connection")
        .is_none_or(|named| named == CONNECTION)
    {
        let mut conn = app.store.read().await?;
        let page = (paging.offset_rows(), paging.rows());
        users = store::user_lists::list(&mut conn, &search, sort, page).await?;
        if paging.wants_total() {
            total = store::user_lists::count(&mut conn, &search).await?;
        }
    }
    let length = users.len();
    let key = |user: &User| (user.created_at, user.user_id.clone());
    let select = |user: &User| selection.of(show(user));
    let mut page = paging.page("users", users, total, (select, key));
    if let Value::Object(members) = &mut page {
        members.insert("length".to_owned(), length.into());
    }
    Ok(answer::json(StatusCode::OK, &page))
}

pub(crate) const BY_EMAIL: Operation = Operation {
    summary: "Find users by e-mail address, whatever its case",
    access: READERS,
    query: &[&SELECTION, &[text("email", 1, 1000).required()]],
    answer: Answer::List(&[fields::SHOWN]),
    ..Operation::DEFAULT
};

/// `GET /users-by-email`
pub(crate) async fn by_email(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (_, mut query) = call.authorize(&app, &BY_EMAIL).await?;
    let selection = Selection::read(&mut query);
    let email = query.text("email").unwrap_or_default();
    let users = store::users::by_email(&mut *app.store.read().await?, &email).await?;
    let shown: Vec<Value> = users.iter().map(|user| selection.of(show(user))).collect();
    Ok(answer::json(StatusCode::OK, &shown))
}

pub(crate) const CREATE: Operation = Operation {
    summary: "Create a user with a password",
    access: Access::AnyOf(&["create:users"]),
    body: Takes::Fields(&[fields::NEW, fields::CREATE]),
    answer: Answer::One(201, &[fields::SHOWN]),
    refuses: &[409],
    ..Operation::DEFAULT
};

/// `POST /users`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &CREATE, body).await?;
    fields::check_connection(&mut fields)?;
    let password = fields::password(&mut fields)
        .ok_or_else(|| Problem::body("'Missing required property: password'."))?;
    let mut user = User::new(user_id_of(&own_id(&mut fields)), admin.now);
    fields::overlay(&mut user, fields)?;
    let work = Work::administration();
    let kept = app.users.passwords.keep(&password, &user, &work).await?;
    let kept = kept.map_err(|weak| Problem::identity(weak.to_string()))?;
    let names = Locks::new().shared(Scope::UserNames);
    let mut tx = app.store.write_locked(&names).await?;
    if !store::users::insert(&mut tx, &user, Some(&kept)).await? {
        return Err(Problem::user_exists());
    }
    let shown = show(&user);
    let act = Act::new("Create a User").user(&user.user_id);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    Ok(selected(
        StatusCode::CREATED,
        &fields::state_of(&shown),
        &shown,
    ))
}

/// The caller's own choice, or 24 random hexadecimal characters.
pub(super) fn own_id(fields: &mut Fields) -> String {
    let chosen = fields.text("user_id").filter(|own| !own.is_empty());
    chosen.unwrap_or_else(secret::random_hex_id)
}

pub(crate) const GET: Operation = Operation {
    summary: "Read a user",
    access: READERS,
    query: &[&SELECTION],
    answer: Answer::One(200, &[fields::SHOWN]),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /users/{id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (_, mut query) = call.authorize(&app, &GET).await?;
    let selection = Selection::read(&mut query);
    let found = store::users::get(&mut *app.store.read().await?, &id).await?;
    let shown = show(&found.ok_or_else(not_found)?);
    let state = fields::state_of(&shown);
    Ok(selected(StatusCode::OK, &state, &selection.of(shown)))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Delete a user; sessions and tokens end",
    access: Access::AnyOf(&["delete:users"]),
    answer: Answer::Empty(204),
    refuses: &[412],
    ..Operation::DEFAULT
};

/// `DELETE /users/{id}`
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &DELETE).await?;
    let mut tx = app.store.write_locked(&Locks::of_user(&id)).await?;
    store::users::lock(&mut tx, &id).await?;
    let Some(user) = store::users::get(&mut tx, &id).await? else {
        return Ok(gone());
    };
    let was = show(&user);
    admin.check_match(&fields::state_of(&was))?;
    users::end_everything(&mut tx, &id, Why::AccountDeleted, admin.now).await?;
    store::users::delete(&mut tx, &id).await?;
    let act = Act::new("Delete a User").user(&id).before(was);
    admin.commit(&app, tx, act).await?;
    Ok(gone())
}

pub(super) fn not_found() -> Problem {
    Problem::not_found(Missing::User)
}
