//! Secrets of applications: setting and rotating them. Whoever sets a secret can become the
//! application, so nobody sets one of an application that holds more than they do.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::access::{Path, may_become};
use super::answer::{Problem, selected};
use super::call::{Act, Admin, Call};
use super::clients::{SHOWN, for_changer, not_found, show, show_with_secret, state_of};
use crate::app::App;
use crate::model::application::{Application, ApplicationSecret, LIVE_SECRETS_MAX};
use crate::model::change::{Change, Covered};
use crate::secret;
use crate::store::{self, Write};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{Fields, boolean, integer};

/// The longest overlap of an old secret with the new one.
const GRACE_SECONDS_MAX: i64 = 2_592_000;

pub(crate) const ROTATE: Operation = Operation {
    summary: "Give an application a new secret",
    access: Access::AnyOf(&["update:client_keys"]),
    body: Takes::Optional(&[&[
        integer("grace_seconds", 0, GRACE_SECONDS_MAX),
        boolean("revoke_tokens"),
    ]]),
    answer: Answer::One(200, SHOWN),
    refuses: &[404, 409, 412],
    ..Operation::DEFAULT
};

/// `POST /clients/{id}/rotate-secret`: a new secret; the old ones end at once, or after
/// `grace_seconds`.
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, fields) = call.authorize_body(&app, &ROTATE, body).await?;
    let now = admin.now;
    let rotation = Rotation::read(fields);
    let secret = secret::new_secret();
    let kept = app.secrets.keep(&secret, now).await?;
    let mut tx = app.store.write().await?;
    store::applications::lock(&mut tx, &id).await?;
    let mut application = store::applications::get(&mut tx, &id)
        .await?
        .ok_or_else(not_found)?;
    let shown = show(&app, &application);
    admin.check_match(&state_of(&shown, &application))?;
    check_takes_secrets(&application)?;
    may_become(&app, &mut tx, &admin.caller, &id).await?;
    rotation.check_room(&application, now)?;
    // Those that end now go at once; others by a clock that may be relied on.
    let removed_by = match rotation.grace_seconds {
        0 => now,
        _ => app
            .clock
            .settled_now()
            .map_or(i64::MIN, |settled| settled.min(now)),
    };
    let end = now + rotation.grace_seconds;
    store::applications::end_secrets(&mut tx, &id, end, removed_by).await?;
    store::applications::insert_secret(&mut tx, &id, &kept).await?;
    tx.note(Change::Application(id.clone()));
    let mut act = Act::new("Rotate a client secret").client(&id);
    if rotation.revoke_tokens {
        tx.note(Change::Revocation(Covered::Application(id)));
        act.what = "Rotate a client secret and revoke its tokens";
    }
    admin.commit(&app, tx, act).await?;
    application.secrets.push(kept);
    let with_secret = show_with_secret(&app, &application, Some(&secret));
    Ok(selected(
        StatusCode::OK,
        &state_of(&shown, &application),
        &for_changer(&admin.caller, with_secret),
    ))
}

/// Passes where the application proves itself by a secret.
pub(super) fn check_takes_secrets(application: &Application) -> Result<(), Problem> {
    if application.is_public() {
        return Err(Problem::not_supported(
            "token_endpoint_auth_method",
            "a public application (none) has no secret.",
        ));
    }
    if application.private_key_jwt.is_some() {
        return Err(Problem::not_supported(
            "client_authentication_methods",
            "an application with private_key_jwt authenticates by its keys; no secret of it counts (client_secret_jwt is not offered).",
        ));
    }
    Ok(())
}

struct Rotation {
    grace_seconds: i64,
    revoke_tokens: bool,
}

impl Rotation {
    fn read(mut fields: Fields) -> Self {
        Self {
            grace_seconds: fields.integer("grace_seconds").unwrap_or(0),
            revoke_tokens: fields.boolean("revoke_tokens").unwrap_or(false),
        }
    }

    /// With an overlap the old secrets live on beside the new one.
    fn check_room(&self, application: &Application, now: i64) -> Result<(), Problem> {
        let live = application.live_secrets(now);
        if self.grace_seconds == 0 || live < LIVE_SECRETS_MAX {
            return Ok(());
        }
        Err(Problem::conflict(format!(
            "The client has {live} live secrets, the most that it can have. Wait until one has ended, or rotate without grace_seconds."
        )))
    }
}

/// Puts a secret in the place of all others, at once.
pub(super) async fn replace(
    app: &App,
    tx: &mut Write,
    admin: &Admin,
    (application, kept): (&Application, &ApplicationSecret),
) -> Result<(), Problem> {
    let client_id = &application.client_id;
    may_become(app, tx, &admin.caller, client_id).await?;
    store::applications::end_secrets(tx, client_id, admin.now, admin.now).await?;
    store::applications::insert_secret(tx, client_id, kept).await?;
    Ok(())
}
