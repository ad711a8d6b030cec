//! `POST /oauth/revoke` (RFC 7009).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::client_auth::{self, CREDENTIALS, Presented};
use super::entry::Entry;
use crate::app::App;
use crate::directory::Stance;
use crate::model::record::Kind;
use crate::model::refusal::{Refusal, Stop};
use crate::secret::Secret;
use crate::wire::operation::{Access, Body as Takes, Operation};
use crate::wire::origin::Origin;
use crate::wire::params::Params;
use crate::wire::schema::{Field, text};

pub(crate) const POST: Operation = Operation {
    summary: "Revoke a token (RFC 7009)",
    access: Access::Application,
    body: Takes::Parameters(&[CREDENTIALS, TOKEN]),
    ..Operation::DEFAULT
};
/// What is revoked or introspected; the hint is not needed to find it (RFC 7009 §2.1).
pub(super) const TOKEN: &[Field] = &[
    text("token", 1, 1_000_000).required(),
    text("token_type_hint", 0, 200),
];

/// `POST /oauth/revoke`, and its entry in the audit.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    origin: Origin,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Stop> {
    let mut entry = Entry::open(&app, origin, Kind::RefusedRevocation);
    let answered = answer(&app, &mut entry, (&uri, &headers), body).await;
    entry.close(answered)
}

/// An application revokes a token of its own. An unknown, ended or foreign one is 200 without
/// effect: the client is told nothing of tokens that are not its own (RFC 7009 §2.2).
async fn answer(
    app: &App,
    entry: &mut Entry<'_>,
    (uri, headers): (&Uri, &HeaderMap),
    body: Body,
) -> Result<Response, Stop> {
    let params = Params::read(uri, headers, body, &app.config.server).await?;
    let now = app.clock.now();
    let text = token_of(&params)?;
    let presented = Presented::read(headers, &params)?;
    entry.is_asked_by(&presented);
    let client = client_auth::authenticate(app, &presented, Stance::Strict, now).await?;
    entry.is_of(&client.application);
    let recogniser = app.recogniser();
    if let Some(found) = recogniser.find_refresh(&text).await? {
        let authorization = &found.family.authorization;
        if authorization.client_id == client.application.client_id {
            let settings = app.directory.settings(Stance::Strict).await?;
            let record = entry.gave_back(authorization);
            let takes_grants = settings.revokes_user_grants;
            recogniser
                .revoke_refresh(&found, takes_grants, record)
                .await?;
            let (client_id, family) = (&authorization.client_id, &authorization.family);
            tracing::info!(client_id, family, "refresh token revoked");
        }
    } else if let Some(found) = recogniser.recognise(&text, now).await?
        && found.token.client_id == client.application.client_id
    {
        let record = entry.revoked(&found.token);
        let (jti, client_id) = (found.token.jti.clone(), found.token.client_id.clone());
        recogniser.revoke(found, record).await?;
        tracing::info!(client_id, jti, "token revoked");
    }
    Ok((StatusCode::OK, [(CACHE_CONTROL, "no-store")]).into_response())
}

/// The `token` parameter. Its length is bounded by the body's: one that is longer than any of ours
/// is no token of ours, and that is no error (RFC 7009 §2.2).
pub(super) fn token_of(params: &Params) -> Result<Secret<String>, Refusal> {
    Ok(Secret::new(
        params.required("token", usize::MAX)?.to_owned(),
    ))
}
