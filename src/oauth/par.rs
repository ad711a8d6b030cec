//! `POST /oauth/par` (RFC 9126): an application sends its authorization request itself, and gets a
//! reference that the user's browser brings to the authorization endpoint.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde_json::json;

use super::authorize::PARAMETERS;
use super::authorize::request::{self, Terms};
use super::client_auth::{self, CREDENTIALS, Presented};
use super::entry::Entry;
use crate::app::App;
use crate::directory::Stance;
use crate::grants::authorize;
use crate::model::record::Kind;
use crate::model::refusal::{Code, Refusal, Stop};
use crate::wire::no_store;
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::origin::Origin;
use crate::wire::params::Params;
use crate::wire::schema::{Field, integer, text};

pub(crate) const POST: Operation = Operation {
    summary: "Push an authorization request (RFC 9126)",
    access: Access::Application,
    body: Takes::Parameters(&[CREDENTIALS, PARAMETERS]),
    answer: Answer::One(201, &[SHOWN]),
    refuses: &[403],
    ..Operation::DEFAULT
};
const SHOWN: &[Field] = &[text("request_uri", 1, 200), integer("expires_in", 10, 600)];

/// `POST /oauth/par`, and its entry in the audit.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    origin: Origin,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Stop> {
    let mut entry = Entry::open(&app, origin, Kind::RefusedAuthorization);
    let answered = answer(&app, &mut entry, (&uri, &headers), body).await;
    entry.close(answered)
}

/// The order of it, whole.
async fn answer(
    app: &App,
    entry: &mut Entry<'_>,
    (uri, headers): (&Uri, &HeaderMap),
    body: Body,
) -> Result<Response, Stop> {
    let params = Params::read(uri, headers, body, &app.config.server).await?;
    let now = app.clock.now();
    let position = app.directory.position();
    let presented = Presented::read(headers, &params)?;
    entry.is_asked_by(&presented);
    let client = client_auth::authenticate(app, &presented, Stance::Strict, now).await?;
    entry.is_of(&client.application);
    let settings = app.directory.settings(Stance::Strict).await?;
    if !settings.takes_pushed_requests {
        let text = "Pushed authorization requests are off (tenant setting pushed_authorization_requests_supported).";
        return Err(Refusal::new(Code::AccessDenied, text).into());
    }
    let terms = Terms {
        settings: &settings,
        mint: &app.mint,
        now,
    };
    let request = request::read_pushed(&params, &client.application, terms)?;
    authorize::check(&request, &client.application, app.ground(position, now)).await?;
    let seconds = client.application.sign_in.pushed_seconds;
    let reference = app.mint.push(request, (now, seconds)).await?;
    let answer = json!({ "request_uri": reference, "expires_in": seconds });
    Ok(no_store(StatusCode::CREATED, &answer))
}
