//! `GET` and `POST /userinfo` (OpenID Connect Core §5.3): what the holder of an access token is told
//! of the user.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::entry::Entry;
use crate::app::App;
use crate::grants::userinfo;
use crate::model::authorization::OPENID;
use crate::model::record::Kind;
use crate::model::refusal::{Code, Refusal, Stop};
use crate::model::scope::Scopes;
use crate::secret::Secret;
use crate::tokens::jwt::{self, Claimed, TOKEN_BYTES_MAX};
use crate::tokens::recognise::Recognised;
use crate::wire::operation::{Access, Answer as Shape, Body as Takes, Operation};
use crate::wire::origin::Origin;
use crate::wire::params::{self, Params};
use crate::wire::schema::{Field, text};
use crate::wire::{self, bearer, no_store};

pub(crate) const GET: Operation = Operation {
    summary: "What an access token tells of its user (OpenID Connect Core)",
    access: Access::User,
    answer: Shape::Json("Claims of the user, as far as the token opens them; always `sub`"),
    ..Operation::DEFAULT
};
pub(crate) const POST: Operation = Operation {
    body: Takes::Parameters(&[PRESENTED]),
    ..GET
};
/// RFC 6750 §2.2: in a form, where the header has no token.
const PRESENTED: &[Field] = &[text(ACCESS_TOKEN, 1, TOKEN_BYTES_MAX)];
const ACCESS_TOKEN: &str = "access_token";

/// `GET` and `POST /userinfo`, and the entry in the audit of what is refused.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    origin: Origin,
    (method, uri): (Method, Uri),
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Stop> {
    let mut entry = Entry::open(&app, origin, Kind::RefusedUserinfo);
    let body = (method == Method::POST).then_some(body);
    let answered = tell(&app, &mut entry, (&uri, &headers), body).await;
    entry.close(answered)
}

async fn tell(
    app: &App,
    entry: &mut Entry<'_>,
    (uri, headers): (&Uri, &HeaderMap),
    body: Option<Body>,
) -> Result<Response, Stop> {
    let Some(text) = presented(app, (uri, headers), body).await? else {
        let headers = [
            (WWW_AUTHENTICATE, bearer::WANTS_TOKEN),
            (CACHE_CONTROL, "no-store"),
        ];
        return Ok((StatusCode::UNAUTHORIZED, headers).into_response());
    };
    let now = app.clock.now();
    let found = recognise(app, &text, now).await?;
    entry.is_held_by(&found.token);
    if !Scopes::parse(&found.token.scope).contains(OPENID) {
        let text = "Insufficient scope, expected: openid";
        return Err(Refusal::new(Code::InsufficientScope, text).into());
    }
    let means = app.means(entry.whence());
    let own_audience = app.issuer.userinfo();
    let told = userinfo::tell(&found.token, means.store, &own_audience, now).await?;
    let told = told.ok_or_else(|| invalid("the user is gone or blocked"))?;
    app.recogniser().record_use(&found, now);
    Ok(no_store(StatusCode::OK, &told))
}

/// The token, in one place and never in the query string (RFC 6750 §2); none is no error yet.
async fn presented(
    app: &App,
    (uri, headers): (&Uri, &HeaderMap),
    body: Option<Body>,
) -> Result<Option<Secret<String>>, Refusal> {
    params::check_query(uri)?;
    bearer::check_single(headers).map_err(|_| Refusal::invalid_request(bearer::REPEATED))?;
    let in_header = bearer::presented(headers).map(|text| Secret::new(text.to_owned()));
    let is_form = wire::media_type(headers) == "application/x-www-form-urlencoded";
    let Some(body) = body.filter(|_| is_form) else {
        return Ok(in_header);
    };
    let params = Params::read(uri, headers, body, &app.config.server).await?;
    // As at revocation, one that is too long is no token of ours, and no other error.
    let in_body = params.secret(ACCESS_TOKEN, usize::MAX)?;
    if in_header.is_some() && in_body.is_some() {
        let text = "The access token is both in the header and in the body.";
        return Err(Refusal::invalid_request(text));
    }
    Ok(in_header.or(in_body))
}

/// An active token of a user that is for userinfo. No API's own secret opens this, so nobody looks for
/// one (architecture.md, Verification).
async fn recognise(app: &App, text: &Secret<String>, now: i64) -> Result<Recognised, Stop> {
    if text.expose().len() > TOKEN_BYTES_MAX
        || matches!(jwt::claimed(text.expose()), Some(Claimed::SecretOf(_)))
    {
        return Err(invalid("no token for userinfo").into());
    }
    let found = app.recogniser().recognise(text, now).await?;
    let found = found.ok_or_else(|| invalid("unknown, expired or revoked"))?;
    if !found.token.audiences.contains(&app.issuer.userinfo()) {
        return Err(invalid("not for userinfo").into());
    }
    Ok(found)
}

/// Whoever presents a token learns nothing more of it.
fn invalid(log: &str) -> Refusal {
    Refusal::new(Code::InvalidToken, "Invalid token").log(log)
}
