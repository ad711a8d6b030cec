//! `/api/v2/user-blocks`: accounts at which there were too many attempts to sign in, and how an
//! operator lets them in again.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::access::Path;
use super::answer::{Problem, gone, json as answer};
use super::call::{Act, Admin, Call};
use super::users::not_found;
use crate::app::App;
use crate::model::user::User;
use crate::store;
use crate::users::limits::Target;
use crate::wire::operation::{Access, Answer, Operation};
use crate::wire::schema::{Field, Tables, boolean, objects, text};

/// Longest e-mail address or username that is looked for, in characters.
const IDENTIFIER_CHARS_MAX: usize = 254;

const IDENTIFIER: &[Field] = &[text("identifier", 1, IDENTIFIER_CHARS_MAX).required()];
/// Auth0's; attempts are always limited here, so it makes no difference.
const CONSIDERED: &[Field] = &[boolean("consider_brute_force_enablement")];
/// `ip` is absent where all addresses are meant from which the user has not signed in before.
const SHOWN: Tables = &[&[objects(
    "blocked_for",
    100,
    &[
        text("identifier", 1, IDENTIFIER_CHARS_MAX),
        text("ip", 1, 50),
    ],
)]];

pub(crate) const BY_IDENTIFIER: Operation = Operation {
    summary: "Read where sign-ins by an e-mail address or username are blocked",
    access: Access::AnyOf(&["read:users"]),
    query: &[IDENTIFIER, CONSIDERED],
    answer: Answer::One(200, SHOWN),
    ..Operation::DEFAULT
};

/// `GET /user-blocks`: also for a name that no user has, because attempts at it are counted too.
pub(crate) async fn by_identifier(
    State(app): State<Arc<App>>,
    call: Call,
) -> Result<Response, Problem> {
    let (_, mut query) = call.authorize(&app, &BY_IDENTIFIER).await?;
    let identifier = query.text("identifier").unwrap_or_default();
    let found = find(&app, &identifier).await?;
    let target = target(&app, found.as_ref(), &identifier);
    show(&app, &target, &identifier).await
}

pub(crate) const UNBLOCK_IDENTIFIER: Operation = Operation {
    summary: "Let sign-ins by an e-mail address or username be tried again",
    access: Access::AnyOf(&["update:users"]),
    query: &[IDENTIFIER],
    answer: Answer::Empty(204),
    ..Operation::DEFAULT
};

/// `DELETE /user-blocks`
pub(crate) async fn unblock_identifier(
    State(app): State<Arc<App>>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &UNBLOCK_IDENTIFIER).await?;
    let identifier = query.text("identifier").unwrap_or_default();
    let found = find(&app, &identifier).await?;
    let target = target(&app, found.as_ref(), &identifier);
    unblock(&app, &admin, &target, found.as_ref()).await
}

pub(crate) const GET: Operation = Operation {
    summary: "Read where sign-ins of a user are blocked",
    access: Access::AnyOf(&["read:users"]),
    query: &[CONSIDERED],
    answer: Answer::One(200, SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /user-blocks/{id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    call.authorize(&app, &GET).await?;
    let found = store::users::get(&mut *app.store.read().await?, &id).await?;
    let user = found.ok_or_else(not_found)?;
    let identifier = user.email.as_deref().or(user.username.as_deref());
    let target = target(&app, Some(&user), "");
    show(&app, &target, identifier.unwrap_or_default()).await
}

pub(crate) const UNBLOCK: Operation = Operation {
    summary: "Let sign-ins of a user be tried again",
    access: Access::AnyOf(&["update:users"]),
    answer: Answer::Empty(204),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `DELETE /user-blocks/{id}`
pub(crate) async fn unblock_user(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &UNBLOCK).await?;
    let found = store::users::get(&mut *app.store.read().await?, &id).await?;
    let user = found.ok_or_else(not_found)?;
    let target = target(&app, Some(&user), "");
    unblock(&app, &admin, &target, Some(&user)).await
}

async fn find(app: &App, identifier: &str) -> Result<Option<User>, Problem> {
    let mut conn = app.store.read().await?;
    let found = store::users::find_for_sign_in(&mut conn, identifier).await?;
    Ok(found.map(|found| found.user))
}

/// The user under all names; where no user has the name, the name.
fn target(app: &App, user: Option<&User>, identifier: &str) -> Target {
    let limits = &app.users.limits;
    user.map_or_else(
        || limits.target_of(identifier, None),
        |user| limits.whole_target_of(user),
    )
}

async fn show(app: &App, target: &Target, identifier: &str) -> Result<Response, Problem> {
    let now_ms = app.clock.now_millis();
    let blocks = app.users.limits.blocks(target, now_ms).await?;
    let everywhere = blocks
        .elsewhere
        .then(|| json!({ "identifier": identifier }));
    let at_addresses = blocks.addresses.iter();
    let at_addresses =
        at_addresses.map(|address| json!({ "identifier": identifier, "ip": address }));
    let blocked_for: Vec<Value> = everywhere.into_iter().chain(at_addresses).collect();
    Ok(answer(
        StatusCode::OK,
        &json!({ "blocked_for": blocked_for }),
    ))
}

async fn unblock(
    app: &App,
    admin: &Admin,
    target: &Target,
    user: Option<&User>,
) -> Result<Response, Problem> {
    let locks = target.locks();
    let mut tx = app.store.write_locked(&locks).await?;
    app.users.limits.unblock(&mut tx, target, admin.now).await?;
    let act = Act::new("Unblock a user");
    let act = match user {
        Some(user) => act.user(&user.user_id),
        None => act,
    };
    admin.commit(app, tx, act).await?;
    Ok(gone())
}
