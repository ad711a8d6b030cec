//! Secrets of applications: setting and rotating them. Whoever sets a secret can become the
//! application, so nobody sets one of an application that holds more than they do.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::access::{Path, authorize_body, check_id, may_become};
use super::answer::{Problem, json as answer};
use super::body::Fields;
use super::clients::{not_found, show_with_secret};
use crate::app::App;
use crate::model::application::{Application, ApplicationSecret, LIVE_SECRETS_MAX};
use crate::model::change::{Change, Covered};
use crate::secret;
use crate::store::{self, Write};
use crate::wire::bearer::Caller;

/// The longest overlap of an old secret with the new one.
const GRACE_SECONDS_MAX: i64 = 2_592_000;

/// `POST /clients/{id}/rotate-secret`: a new secret; the old ones end at once, or after
/// `grace_seconds`.
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    check_id(&id)?;
    let (caller, fields, now) =
        authorize_body(&app, &headers, body, &["update:client_keys"]).await?;
    let rotation = Rotation::read(fields)?;
    let secret = secret::new_secret();
    let kept = app.secrets.keep(&secret, now).await?;
    let mut tx = app.store.write().await?;
    store::applications::lock(&mut tx, &id).await?;
    let application = store::applications::get(&mut tx, &id)
        .await?
        .ok_or_else(not_found)?;
    if application.is_public() {
        return Err(Problem::not_supported(
            "token_endpoint_auth_method",
            "a public application (none) has no secret.",
        ));
    }
    may_become(&app, &mut tx, &caller, &id).await?;
    rotation.check_room(&application, now)?;
    store::applications::end_secrets(&mut tx, &id, now + rotation.grace_seconds, now).await?;
    store::applications::insert_secret(&mut tx, &id, &kept).await?;
    tx.note(Change::Application(id.clone()));
    if rotation.revoke_tokens {
        tx.note(Change::Revocation(Covered::Application(id.clone())));
    }
    app.directory.commit(tx, now).await?;
    let (grace_seconds, revoke_tokens) = (rotation.grace_seconds, rotation.revoke_tokens);
    tracing::info!(
        by = caller.client_id,
        client_id = id,
        grace_seconds,
        revoke_tokens,
        "secret rotated"
    );
    Ok(answer(
        StatusCode::OK,
        &show_with_secret(&application, Some(&secret)),
    ))
}

struct Rotation {
    grace_seconds: i64,
    revoke_tokens: bool,
}

impl Rotation {
    fn read(mut fields: Fields) -> Result<Self, Problem> {
        let grace_seconds = fields.integer("grace_seconds")?.unwrap_or(0);
        if !(0..=GRACE_SECONDS_MAX).contains(&grace_seconds) {
            return Err(fields.wrong(
                "grace_seconds",
                format_args!("Expected 0 to {GRACE_SECONDS_MAX}"),
            ));
        }
        let revoke_tokens = fields.boolean("revoke_tokens")?.unwrap_or(false);
        fields.finish()?;
        Ok(Self {
            grace_seconds,
            revoke_tokens,
        })
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
    caller: &Caller,
    (application, kept, now): (&Application, ApplicationSecret, i64),
) -> Result<(), Problem> {
    let client_id = &application.client_id;
    may_become(app, tx, caller, client_id).await?;
    store::applications::end_secrets(tx, client_id, now, now).await?;
    store::applications::insert_secret(tx, client_id, &kept).await?;
    Ok(())
}
