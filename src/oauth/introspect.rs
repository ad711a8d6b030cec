//! `POST /oauth/introspect` (RFC 7662).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::client_auth::{self, CREDENTIALS, Presented};
use super::entry::Entry;
use super::revoke::{TOKEN, token_of};
use crate::app::App;
use crate::directory::Stance;
use crate::model::api::Api;
use crate::model::application::Application;
use crate::model::fault::Fault;
use crate::model::record::Kind;
use crate::model::refusal::{Code, Refusal, Stop};
use crate::model::scope::Scopes;
use crate::model::token::Token;
use crate::tokens::refresh::FoundRefresh;
use crate::wire::bearer::{self, Bad};
use crate::wire::no_store;
use crate::wire::operation::{Access, Answer as Shape, Body as Takes, Operation};
use crate::wire::origin::Origin;
use crate::wire::params::Params;
use crate::wire::schema::{Field, boolean, integer, text};

pub(crate) const POST: Operation = Operation {
    summary: "Introspect a token (RFC 7662)",
    access: Access::ApplicationOr("introspect:tokens"),
    body: Takes::Parameters(&[CREDENTIALS, TOKEN]),
    answer: Shape::One(200, &[SHOWN]),
    refuses: &[403],
    ..Operation::DEFAULT
};
const SHOWN: &[Field] = &[
    boolean("active"),
    text("client_id", 1, 255),
    text("sub", 1, 255),
    text("scope", 1, 16_384),
    text("iss", 1, 2000),
    text("token_type", 1, 20),
    text("jti", 1, 100),
    integer("iat", 0, i64::MAX),
    integer("exp", 0, i64::MAX),
    integer("refresh_token_timeout", 0, i64::MAX),
    integer("authorization_expires_in", 0, i64::MAX),
];

/// `POST /oauth/introspect`, and its entry in the audit where it is refused.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    origin: Origin,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Stop> {
    let mut entry = Entry::open(&app, origin, Kind::RefusedIntrospection);
    let answered = answer(&app, &mut entry, (&uri, &headers), body).await;
    entry.close(answered)
}

/// Tells an active token to those who may see it; everything else is `{"active":false}`.
async fn answer(
    app: &App,
    entry: &mut Entry<'_>,
    (uri, headers): (&Uri, &HeaderMap),
    body: Body,
) -> Result<Response, Stop> {
    let params = Params::read(uri, headers, body, &app.config.server).await?;
    let now = app.clock.now();
    let text = token_of(&params)?;
    let viewer = Viewer::authenticate(app, entry, (headers, &params), now).await?;
    let recogniser = app.recogniser();
    if let Some(found) = recogniser.find_refresh(&text).await? {
        return viewer.shows_refresh(app, &found, now).await;
    }
    if let Some(found) = recogniser.recognise(&text, now).await?
        && let Some(seen) = viewer.sees(app, &found.token).await?
    {
        recogniser.record_use(&found, now);
        return Ok(no_store(
            StatusCode::OK,
            &Answer::of(&seen, app.issuer.as_str()),
        ));
    }
    Ok(no_store(StatusCode::OK, &json!({ "active": false })))
}

/// Who asks (compatibility.md §6).
enum Viewer {
    /// A Management token with `introspect:tokens` sees all.
    Administrator,
    /// An application sees its own tokens; a resource server also those for its API.
    Application(Arc<Application>),
}

impl Viewer {
    async fn authenticate(
        app: &App,
        entry: &mut Entry<'_>,
        (headers, params): (&HeaderMap, &Params),
        now: i64,
    ) -> Result<Self, Stop> {
        if bearer::is_bearer(headers) {
            client_auth::check_only_bearer(headers, params)?;
            return Self::administrator(app, headers, now).await;
        }
        let presented = Presented::read(headers, params)?;
        entry.is_asked_by(&presented);
        let client = client_auth::authenticate(app, &presented, Stance::Strict, now).await?;
        if client.application.is_public() {
            let client_id = &client.application.client_id;
            return Err(Refusal::invalid_client(format_args!(
                "public application {client_id} introspects"
            ))
            .into());
        }
        Ok(Self::Application(client.application))
    }

    async fn administrator(app: &App, headers: &HeaderMap, now: i64) -> Result<Self, Stop> {
        match bearer::management_caller(app, headers, now).await {
            Ok(caller) if caller.scopes.contains("introspect:tokens") => Ok(Self::Administrator),
            Ok(_) => {
                let text = "Insufficient scope, expected any of: introspect:tokens";
                Err(Refusal::new(Code::InsufficientScope, text).into())
            }
            Err(Bad::Fault(fault)) => Err(fault.into()),
            Err(_) => Err(Refusal::new(Code::InvalidToken, "Invalid token").into()),
        }
    }

    /// A refresh token is shown to its own application and to administrators, and that is no use of it.
    async fn shows_refresh(
        &self,
        app: &App,
        found: &FoundRefresh,
        now: i64,
    ) -> Result<Response, Stop> {
        let inactive = || no_store(StatusCode::OK, &json!({ "active": false }));
        let authorization = &found.family.authorization;
        let client_id = &authorization.client_id;
        let application = match self {
            Self::Application(own) if own.client_id != *client_id => return Ok(inactive()),
            Self::Application(own) => Some(Arc::clone(own)),
            Self::Administrator => app.directory.application(client_id, Stance::Strict).await?,
        };
        let Some(application) = application.filter(|own| own.is_live(now)) else {
            return Ok(inactive());
        };
        let terms = application.refresh_terms();
        let Some(ends) = app.recogniser().ends_of(found, terms, now).await? else {
            return Ok(inactive());
        };
        let left = |end: Option<i64>| end.map(|end| (end - now).max(0));
        let answer = RefreshAnswer {
            active: true,
            client_id,
            sub: &authorization.user_id,
            scope: &authorization.scope().to_text(),
            iss: app.issuer.as_str(),
            exp: ends.token,
            token_type: "N_A",
            refresh_token_timeout: left(ends.token),
            authorization_expires_in: left(ends.consent),
        };
        Ok(no_store(StatusCode::OK, &answer))
    }

    /// What this viewer sees of an active token.
    async fn sees(&self, app: &App, token: &Token) -> Result<Option<Token>, Fault> {
        let Self::Application(application) = self else {
            return Ok(Some(token.clone()));
        };
        if token.client_id == application.client_id {
            return Ok(Some(token.clone()));
        }
        let Some(identifier) = application.resource_server() else {
            return Ok(None);
        };
        if app.issuer.system_api(identifier).is_some()
            || !token.audiences.iter().any(|own| own == identifier)
        {
            return Ok(None);
        }
        let api = app.directory.api(identifier, Stance::Strict).await?;
        Ok(api.map(|api| only_of(&api, token)))
    }
}

/// RFC 7662 §2.2 of a refresh token. It is no access token (RFC 8693 §2.2.1 calls that type `N_A`), so
/// there is no `aud`: no API takes it.
#[derive(Serialize)]
struct RefreshAnswer<'a> {
    active: bool,
    client_id: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    token_type: &'static str,
    // draft-ietf-oauth-refresh-token-expiration-03
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_expires_in: Option<i64>,
}

/// The part of a token that is for one API: its own `aud`, and the scopes that it defines.
fn only_of(api: &Api, token: &Token) -> Token {
    let scope: Scopes = Scopes::parse(&token.scope)
        .iter()
        .filter(|value| api.defines(value))
        .collect();
    Token {
        audiences: vec![api.identifier.clone()],
        scope: scope.to_text(),
        ..token.clone()
    }
}

/// RFC 7662 §2.2.
#[derive(Serialize)]
struct Answer<'a> {
    active: bool,
    client_id: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    iss: &'a str,
    aud: Audience<'a>,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    jti: &'a str,
    token_type: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Audience<'a> {
    One(&'a str),
    Several(&'a [String]),
}

impl<'a> Answer<'a> {
    fn of(token: &'a Token, issuer: &'a str) -> Self {
        Self {
            active: true,
            client_id: &token.client_id,
            sub: &token.subject,
            scope: &token.scope,
            iss: issuer,
            aud: match token.audiences.as_slice() {
                [one] => Audience::One(one),
                several => Audience::Several(several),
            },
            iat: token.issued_at,
            exp: token.expires_at,
            jti: &token.jti,
            token_type: "Bearer",
        }
    }
}
