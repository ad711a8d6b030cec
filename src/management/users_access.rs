//! `POST /api/v2/users/{id}/revoke-access`: an administrator signs a user out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::access::Path;
use super::answer::{Problem, accepted};
use super::call::{Act, Call};
use super::refresh_tokens::{Ending, check_user};
use super::sessions;
use crate::app::App;
use crate::logout::{self, Why};
use crate::store::refresh_families::Filter;
use crate::store::{self, Locks};
use crate::users;
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{boolean, text};

pub(crate) const REVOKE: Operation = Operation {
    summary: "Sign a user out, everywhere or out of one session; the refresh tokens go along unless they are kept",
    access: Access::AllOf(&["delete:sessions", "delete:refresh_tokens"]),
    body: Takes::Optional(&[&[
        text("session_id", 1, 100),
        boolean("preserve_refresh_tokens"),
    ]]),
    answer: Answer::Empty(202),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// See the module. Where all of it goes, access tokens go as well.
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &REVOKE, body).await?;
    let session_id = fields.text("session_id");
    let keeps_refresh_tokens = fields.boolean("preserve_refresh_tokens").unwrap_or(false);
    let mut tx = app.store.write_locked(&Locks::of_user(&user_id)).await?;
    check_user(&mut tx, &user_id).await?;
    match &session_id {
        Some(id) => {
            let session = store::sessions::get(&mut tx, id).await?;
            let own = session.filter(|session| session.user_id == user_id);
            own.ok_or_else(sessions::not_found)?;
            logout::end_session(&mut tx, id, Why::Revoked, admin.now).await?;
            if !keeps_refresh_tokens {
                let of_session = Filter {
                    session_id: session_id.clone(),
                    ..Filter::default()
                };
                Ending::of(&app, &admin).all(&mut tx, &of_session).await?;
            }
        }
        None if keeps_refresh_tokens => {
            logout::end_sessions(&mut tx, &user_id, Why::Revoked, admin.now).await?;
        }
        None => users::end_everything(&mut tx, &user_id, Why::Revoked, admin.now).await?,
    }
    let asked =
        json!({ "session_id": session_id, "preserve_refresh_tokens": keeps_refresh_tokens });
    let act = Act::new("Revoke a user's access").user(&user_id);
    admin.commit(&app, tx, act.after(asked)).await?;
    Ok(accepted())
}
