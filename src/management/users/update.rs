//! `PATCH /api/v2/users/{id}`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{fields, not_found, show};
use crate::app::App;
use crate::logout::Why;
use crate::management::access::{Path, require};
use crate::management::answer::{Problem, selected};
use crate::management::call::{Act, Call};
use crate::model::user::{User, fold};
use crate::secret::Secret;
use crate::store::{self, Locks, Scope};
use crate::users;
use crate::users::queues::Work;
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::Fields;

/// Of these, one is changed at a time (Auth0).
const ONE_AT_A_TIME: [&str; 4] = ["email", "phone_number", "username", "password"];

pub(crate) const UPDATE: Operation = Operation {
    summary: "Change a user; another password, and a block, end sessions and tokens",
    access: Access::AnyOf(&["update:users", "update:users_app_metadata"]),
    body: Takes::Fields(&[fields::UPDATE]),
    answer: Answer::One(200, &[fields::SHOWN]),
    refuses: &[404, 412],
    ..Operation::DEFAULT
};

/// `PATCH /users/{id}`
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &UPDATE, body).await?;
    if fields.names_other_than(&["app_metadata"]) {
        require(&admin.caller, &["update:users"])?;
    }
    fields::check_connection(&mut fields)?;
    check_one_at_a_time(&fields)?;
    let kept = match fields::password(&mut fields) {
        None => None,
        Some(password) => Some(keep(&app, &id, &password).await?),
    };
    let locks = locks(&fields, &id, kept.is_some());
    let mut tx = app.store.write_locked(&locks).await?;
    store::users::lock(&mut tx, &id).await?;
    let found = store::users::get(&mut tx, &id).await?;
    let mut user = found.ok_or_else(not_found)?;
    let before = user.clone();
    let was = show(&before);
    admin.check_match(&fields::state_of(&was))?;
    fields::overlay(&mut user, fields)?;
    unverify(&before, &mut user);
    user.updated_at = admin.now;
    if !store::users::update(&mut tx, &user).await? {
        return Err(taken(&before, &user));
    }
    let mut act = Act::new("Update a User").user(&id).before(was);
    if let Some(kept) = &kept {
        store::users::set_password_hash(&mut tx, &id, kept, admin.now).await?;
        user.last_password_reset = Some(admin.now);
        act.what = "Update a User and set the password";
    }
    let why = if kept.is_some() {
        Some(Why::PasswordChanged)
    } else {
        (user.blocked && !before.blocked).then_some(Why::AccountDeactivated)
    };
    if let Some(why) = why {
        users::end_everything(&mut tx, &id, why, admin.now).await?;
    }
    let shown = show(&user);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    let state = fields::state_of(&shown);
    let readable = admin.readable(super::READERS, &["user_id"], shown);
    Ok(selected(StatusCode::OK, &state, &readable))
}

/// Another name waits for others who want the same one; a block or another password ends sessions and tokens.
fn locks(fields: &Fields, id: &str, sets_password: bool) -> Locks {
    let mut locks = Locks::new();
    if fields.names("email") || fields.names("username") {
        locks = locks.shared(Scope::UserNames);
    }
    if sets_password || fields.names("blocked") {
        locks = locks.and_user(id);
    }
    locks
}

fn check_one_at_a_time(fields: &Fields) -> Result<(), Problem> {
    let mut named = ONE_AT_A_TIME.iter().filter(|name| fields.names(name));
    match (named.next(), named.next()) {
        (Some(one), Some(other)) => Err(Problem::body(format_args!(
            "Cannot update {one} and {other} simultaneously."
        ))),
        _ => Ok(()),
    }
}

/// Slow, so it comes before the transaction. Judged by what is known of the user now.
async fn keep(app: &App, id: &str, password: &Secret<String>) -> Result<Secret<String>, Problem> {
    let found = store::users::get(&mut *app.store.read().await?, id).await?;
    let user = found.ok_or_else(not_found)?;
    let work = Work::administration();
    let kept = app.users.passwords.keep(password, &user, &work).await?;
    kept.map_err(|weak| Problem::identity(weak.to_string()))
}

/// Another address or number is not verified because the old one was; whoever says so in the same
/// breath is believed.
fn unverify(before: &User, user: &mut User) {
    let is_same =
        |a: &Option<String>, b: &Option<String>| a.as_deref().map(fold) == b.as_deref().map(fold);
    if before.email_verified && !is_same(&before.email, &user.email) {
        user.email_verified = false;
    }
    if before.phone_verified && !is_same(&before.phone_number, &user.phone_number) {
        user.phone_verified = false;
    }
}

/// The user's row is locked, so what stands in the way is another user's address or name.
fn taken(before: &User, user: &User) -> Problem {
    let what = if before.email == user.email {
        "username"
    } else {
        "email"
    };
    Problem::identity(format!("The specified new {what} already exists"))
}
