//! `POST /oauth/token` (RFC 6749 §3.2).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;

use super::authorize::request::URI_BYTES_MAX;
use super::client_auth::{self, CREDENTIALS, Presented};
use super::entry::Entry;
use crate::app::App;
use crate::directory::Stance;
use crate::grants::authorization_code::{self, AUTHORIZATION_CODE};
use crate::grants::password::{self, PASSWORD, PASSWORD_REALM};
use crate::grants::refresh_token::{self, REFRESH_TOKEN};
use crate::grants::{self, Approved, GrantRequest, Outcome, client_credentials};
use crate::model::application::CLIENT_CREDENTIALS;
use crate::model::audience::Named;
use crate::model::fault::Fault;
use crate::model::record::Kind;
use crate::model::refusal::{Code, Refusal, Stop, echo};
use crate::model::text::IDENTIFIER_CHARS_MAX;
use crate::model::user::TYPED_BYTES_MAX;
use crate::secret::Secret;
use crate::tokens::id_token::Beside;
use crate::tokens::issue::Issued;
use crate::wire::no_store;
use crate::wire::operation::{Access, Answer as Shape, Body as Takes, Operation};
use crate::wire::origin::Origin;
use crate::wire::params::Params;
use crate::wire::schema::{Field, Form, integer, text, texts};

pub(crate) const POST: Operation = Operation {
    summary: "Get a token (RFC 6749)",
    access: Access::Application,
    body: Takes::Parameters(&[CREDENTIALS, PARAMETERS]),
    answer: Shape::One(200, &[SHOWN]),
    refuses: &[403, 429],
    ..Operation::DEFAULT
};
const PARAMETERS: &[Field] = &[
    text("grant_type", 1, 200).required(),
    text("audience", 0, IDENTIFIER_CHARS_MAX),
    texts("resource", 200, IDENTIFIER_CHARS_MAX, Form::Any),
    text("scope", 0, 100_000),
    integer("validity_period", i64::MIN, i64::MAX),
    text("username", 1, TYPED_BYTES_MAX),
    text("password", 1, TYPED_BYTES_MAX),
    text("realm", 1, TYPED_BYTES_MAX),
    text("code", 1, CODE_BYTES_MAX),
    text("redirect_uri", 1, URI_BYTES_MAX),
    text("code_verifier", 43, 128),
    text("refresh_token", 1, REFRESH_TOKEN_BYTES_MAX),
];
/// Longest code that is looked at; ours are shorter.
const CODE_BYTES_MAX: usize = 512;
/// Longest refresh token that is looked at; ours are shorter.
const REFRESH_TOKEN_BYTES_MAX: usize = 2048;
const SHOWN: &[Field] = &[
    text("access_token", 1, 16_384),
    text("token_type", 1, 20),
    integer("expires_in", 1, i64::MAX),
    text("scope", 1, 16_384),
    text("id_token", 1, 65_536),
    text("refresh_token", 1, 512),
    integer("refresh_token_timeout", 0, i64::MAX),
    integer("authorization_expires_in", 0, i64::MAX),
];

/// `POST /oauth/token`, and its entry in the audit.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    origin: Origin,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Stop> {
    let mut entry = Entry::open(&app, origin, Kind::RefusedTokenRequest);
    let answered = answer(&app, &mut entry, (&uri, &headers), body).await;
    entry.close(answered)
}

/// The order of a token request, whole.
async fn answer(
    app: &App,
    entry: &mut Entry<'_>,
    (uri, headers): (&Uri, &HeaderMap),
    body: Body,
) -> Result<Response, Stop> {
    let params = Params::read(uri, headers, body, &app.config.server).await?;
    let now = app.clock.now();
    let position = app.directory.position();
    let request = TokenRequest::parse(headers, &params);
    let request = request.inspect_err(|_| entry.claims(headers, &params))?;
    entry.asks(&request.presented, &request.grant);
    let client =
        client_auth::authenticate(app, &request.presented, Stance::MayBeStale, now).await?;
    entry.is_of(&client.application);
    let at_hand = (app.ground(position, now), app.means(entry.whence()));
    match grants::decide(&request.grant, &client, at_hand).await? {
        Outcome::Approved(approved) => {
            let issued = app.mint.issue(&approved.access, now).await?;
            let id_token = sign_id_token(app, &approved, &issued, now).await?;
            let answer = no_store(
                StatusCode::OK,
                &Answer::of(&issued, &approved, id_token.as_ref()),
            );
            entry.issued(&request.grant, &client, (*approved, &issued.token));
            Ok(answer)
        }
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

async fn sign_id_token(
    app: &App,
    approved: &Approved,
    issued: &Issued,
    now: i64,
) -> Result<Option<Secret<String>>, Fault> {
    let Some(id_token) = &approved.id_token else {
        return Ok(None);
    };
    let beside = Beside {
        access_token: Some(&issued.text),
        ..Beside::default()
    };
    let signed = app.mint.sign_id_token(id_token, beside, now).await?;
    Ok(Some(signed))
}

/// A token request, parsed; raw input is not looked at again.
struct TokenRequest {
    presented: Presented,
    grant: GrantRequest,
}

impl TokenRequest {
    /// What cannot be read is said before who asks is looked at (compatibility.md §6).
    fn parse(headers: &HeaderMap, params: &Params) -> Result<Self, Refusal> {
        let grant = match params.required("grant_type", 200)? {
            CLIENT_CREDENTIALS => {
                GrantRequest::ClientCredentials(parse_client_credentials(params)?)
            }
            AUTHORIZATION_CODE => {
                GrantRequest::AuthorizationCode(parse_authorization_code(params)?)
            }
            REFRESH_TOKEN => GrantRequest::RefreshToken(parse_refresh_token(params)?),
            PASSWORD => GrantRequest::Password(parse_password(params, PASSWORD)?),
            PASSWORD_REALM => GrantRequest::Password(parse_password(params, PASSWORD_REALM)?),
            other => {
                let text = format!("Unsupported grant type: {}", echo(other));
                return Err(Refusal::new(Code::UnsupportedGrantType, text));
            }
        };
        Ok(Self {
            presented: Presented::read(headers, params)?,
            grant,
        })
    }
}

fn parse_client_credentials(params: &Params) -> Result<client_credentials::Request, Refusal> {
    Ok(client_credentials::Request {
        named: parse_named(params)?,
        scope: params.scope()?,
        validity_period: params.validity_period()?,
    })
}

fn parse_password(params: &Params, grant_type: &'static str) -> Result<password::Request, Refusal> {
    let realm = match grant_type {
        PASSWORD_REALM => Some(params.required("realm", TYPED_BYTES_MAX)?.to_owned()),
        _ => None,
    };
    let password = params.required("password", TYPED_BYTES_MAX)?;
    Ok(password::Request {
        grant_type,
        username: params.required("username", TYPED_BYTES_MAX)?.to_owned(),
        password: Secret::new(password.to_owned()),
        realm,
        named: parse_named(params)?,
        scope: params.scope()?.unwrap_or_default(),
        validity_period: params.validity_period()?,
    })
}

fn parse_authorization_code(params: &Params) -> Result<authorization_code::Request, Refusal> {
    /// RFC 7636 §4.1: at most 128 characters.
    const CODE_VERIFIER_BYTES_MAX: usize = 128;
    let code = params.required("code", CODE_BYTES_MAX)?;
    Ok(authorization_code::Request {
        code: Secret::new(code.to_owned()),
        redirect_uri: params
            .text("redirect_uri", URI_BYTES_MAX)?
            .map(str::to_owned),
        code_verifier: params.secret("code_verifier", CODE_VERIFIER_BYTES_MAX)?,
        named: parse_named(params)?,
        validity_period: params.validity_period()?,
    })
}

fn parse_refresh_token(params: &Params) -> Result<refresh_token::Request, Refusal> {
    let refresh_token = params.required("refresh_token", REFRESH_TOKEN_BYTES_MAX)?;
    Ok(refresh_token::Request {
        refresh_token: Secret::new(refresh_token.to_owned()),
        named: parse_named(params)?,
        scope: params.scope()?,
        validity_period: params.validity_period()?,
    })
}

/// `audience` is Auth0's word for what RFC 8707 calls `resource`; a request uses one of them.
pub(super) fn parse_named(params: &Params) -> Result<Named, Refusal> {
    /// A character has at most four bytes.
    const IDENTIFIER_BYTES_MAX: usize = IDENTIFIER_CHARS_MAX * 4;
    let audience = params.text("audience", IDENTIFIER_BYTES_MAX)?;
    let resources = params.texts("resource", IDENTIFIER_BYTES_MAX)?;
    match (audience, resources.is_empty()) {
        (Some(_), false) => Err(Refusal::invalid_request(
            "'audience' and 'resource' in one request; they mean the same.",
        )),
        (Some(audience), true) => Ok(Named::Audience(audience.to_owned())),
        (None, false) => Ok(Named::Resources(resources)),
        (None, true) => Ok(Named::None),
    }
}

/// RFC 6749 §5.1.
#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<i64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    // draft-ietf-oauth-refresh-token-expiration-03
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_expires_in: Option<i64>,
}

impl<'a> Answer<'a> {
    fn of(
        issued: &'a Issued,
        approved: &'a Approved,
        id_token: Option<&'a Secret<String>>,
    ) -> Self {
        let refresh_token = approved.refresh_token.as_ref();
        let text = |secret: &'a Secret<String>| secret.expose().as_str();
        Self {
            id_token: id_token.map(text),
            refresh_token: refresh_token.map(|own| text(&own.text)),
            refresh_token_timeout: refresh_token.and_then(|own| own.timeout),
            authorization_expires_in: approved
                .authorization_expires_in
                .filter(|_| refresh_token.is_some()),
            access_token: issued.text.expose(),
            token_type: "Bearer",
            expires_in: issued.token.expires_in(),
            scope: &issued.token.scope,
        }
    }
}
