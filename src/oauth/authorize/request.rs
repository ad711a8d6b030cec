//! Reading an authorization request: first who asks and where the answer goes, then the rest. The same
//! for those that a browser brings and those that are pushed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::arrival;
use super::reply::{Reply, Unproven};
use crate::app::App;
use crate::directory::Stance;
use crate::grants::authorization_code::AUTHORIZATION_CODE;
use crate::model::application::Application;
use crate::model::audience::Named;
use crate::model::authorization::{
    AuthorizationRequest, ClaimRequest, ClaimsRequest, OPENID, Prompt, ResponseMode, ResponseType,
};
use crate::model::fault::Fault;
use crate::model::refusal::{Code, Refusal, echo};
use crate::model::scope::Scopes;
use crate::model::settings::InForce;
use crate::oauth::token::parse_named;
use crate::tokens::issue::Mint;
use crate::tokens::ticket::{REQUEST_BYTES_MAX, consent_page_bytes};
use crate::wire::params::Params;

/// Longest redirect URI, in bytes.
pub(in crate::oauth) const URI_BYTES_MAX: usize = 8000;
/// Longest value that is only handed back, in bytes.
const STATE_BYTES_MAX: usize = 8000;
/// Longest `claims` parameter, in bytes.
const CLAIMS_BYTES_MAX: usize = 16_384;
/// Most claims that it asks for.
const CLAIMS_MAX: usize = 100;
/// Longest ID token that is looked at, in bytes.
const HINT_BYTES_MAX: usize = 16_384;
/// Most APIs that one request names: their longest names still fit into a browser's request.
pub(super) const RESOURCES_MAX: usize = 20;
/// Longest of the other parameters, in bytes.
const TEXT_BYTES_MAX: usize = 2000;
/// The grant type that an application needs for tokens from the authorization endpoint.
const IMPLICIT: &str = "implicit";

/// What a request is read with.
#[derive(Clone, Copy)]
pub(in crate::oauth) struct Terms<'a> {
    /// The tenant's settings.
    pub(in crate::oauth) settings: &'a InForce,
    /// Knows ID tokens of ours, and who we are.
    pub(in crate::oauth) mint: &'a Mint,
    /// Unix seconds.
    pub(in crate::oauth) now: i64,
}

/// A page says what is wrong, or we are to blame.
pub(super) enum Early {
    Unproven(Unproven),
    Fault(Fault),
}

impl From<Unproven> for Early {
    fn from(unproven: Unproven) -> Self {
        Self::Unproven(unproven)
    }
}

impl From<Refusal> for Early {
    fn from(refusal: Refusal) -> Self {
        Self::Unproven(refusal.into())
    }
}

impl From<Fault> for Early {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The application of a `client_id`, where it may get anything.
pub(super) async fn application(
    app: &App,
    client_id: &str,
    now: i64,
) -> Result<Arc<Application>, Early> {
    let found = app.directory.application(client_id, Stance::Strict).await?;
    let live = found.filter(|application| application.is_live(now));
    let unknown = || {
        let text = format!("Unknown client: {}", echo(client_id));
        Unproven(Refusal::invalid_request(text))
    };
    Ok(live.ok_or_else(unknown)?)
}

/// Who asks.
pub(super) async fn applicant(
    app: &App,
    params: &Params,
    now: i64,
) -> Result<Arc<Application>, Early> {
    let client_id = params.required("client_id", TEXT_BYTES_MAX)?;
    application(app, client_id, now).await
}

/// A request that the application itself has sent, whole (RFC 9126 §2.1): checked as the browser's.
///
/// # Errors
/// What the application is told.
pub(in crate::oauth) fn read_pushed(
    params: &Params,
    application: &Arc<Application>,
    terms: Terms<'_>,
) -> Result<AuthorizationRequest, Refusal> {
    let counted = arrival::counted(params, application, terms)?;
    let reply = identify(Arc::clone(application), &counted).map_err(|Unproven(why)| why)?;
    let request = parse(&counted, &reply, terms)?;
    Ok(AuthorizationRequest {
        is_pushed: true,
        ..request
    })
}

/// Where the answer goes: what is wrong until that is known is a page.
pub(super) fn identify(application: Arc<Application>, params: &Params) -> Result<Reply, Unproven> {
    let named = params.text("redirect_uri", URI_BYTES_MAX)?;
    // What cannot be read of the rest is said later, and to the application.
    let scope = params.scope().ok().flatten().unwrap_or_default();
    let text = |name, bytes_max| params.text(name, bytes_max).ok().flatten();
    let redirect_uri = match (named, application.sign_in.callbacks.as_slice()) {
        (Some(named), _) => named.to_owned(),
        // RFC 6749 §3.1.2.3; OpenID Connect Core §3.1.2.1 wants it named.
        (None, [only]) if !scope.contains(OPENID) => only.clone(),
        (None, _) => {
            let text = "Missing required parameter: redirect_uri";
            return Err(Refusal::invalid_request(text).into());
        }
    };
    let reply = Reply::prove(application, &redirect_uri)?;
    let state = text("state", STATE_BYTES_MAX).map(str::to_owned);
    // So that what is wrong comes back the way that was asked for, as far as that can be read.
    let response_type = text("response_type", TEXT_BYTES_MAX);
    let response_type = response_type.and_then(ResponseType::parse);
    let usual = response_type.map_or(ResponseMode::Query, ResponseType::usual_mode);
    let mode = text("response_mode", TEXT_BYTES_MAX);
    let mode = mode.and_then(ResponseMode::parse).unwrap_or(usual);
    let tokens_in_query = mode == ResponseMode::Query && usual == ResponseMode::Fragment;
    let mode = if tokens_in_query { usual } else { mode };
    let reply = reply.by(mode, state);
    reply.check_receiver()?;
    Ok(reply)
}

/// The rest of the request.
///
/// # Errors
/// What goes back to the application.
pub(super) fn parse(
    params: &Params,
    reply: &Reply,
    terms: Terms<'_>,
) -> Result<AuthorizationRequest, Refusal> {
    let application = &reply.application;
    let response_type = parse_response_type(params, application, terms.settings)?;
    let response_mode = parse_response_mode(params, response_type)?;
    let text = |name: &str, bytes_max: usize| -> Result<Option<String>, Refusal> {
        Ok(params.text(name, bytes_max)?.map(str::to_owned))
    };
    let words = |name: &str| -> Result<Vec<String>, Refusal> {
        let text = params.text(name, TEXT_BYTES_MAX)?.unwrap_or_default();
        Ok(text.split_whitespace().map(str::to_owned).collect())
    };
    let nonce = text("nonce", TEXT_BYTES_MAX)?;
    if response_type.id_token && nonce.is_none() {
        // OpenID Connect Core §3.2.2.1.
        return Err(Refusal::invalid_request(
            "Missing required parameter: nonce",
        ));
    }
    let claims = parse_claims(params)?;
    let request = AuthorizationRequest {
        client_id: application.client_id.clone(),
        redirect_uri: reply.redirect_uri().to_owned(),
        redirect_uri_is_named: params.text("redirect_uri", URI_BYTES_MAX)?.is_some(),
        response_type,
        response_mode,
        state: text("state", STATE_BYTES_MAX)?,
        nonce,
        named: parse_apis(params)?,
        scope: check_scope(params, response_type)?,
        code_challenge: parse_challenge(params)?,
        prompt: parse_prompt(params)?,
        max_age: params.whole_number("max_age")?,
        login_hint: text("login_hint", TEXT_BYTES_MAX)?,
        hinted_user: parse_hint(params, application, (&claims, terms))?,
        acr_values: words("acr_values")?,
        ui_locales: words("ui_locales")?,
        validity_period: params.validity_period()?,
        is_pushed: false,
        claims,
    };
    check_allowed(&request, application, terms.settings)?;
    check_length(&request)?;
    Ok(request)
}

/// The way through the pages has room for so much.
fn check_length(request: &AuthorizationRequest) -> Result<(), Refusal> {
    let json = serde_json::to_vec(request).map_or(usize::MAX, |json| json.len());
    let length = json.saturating_add(consent_page_bytes(request));
    if length <= REQUEST_BYTES_MAX {
        return Ok(());
    }
    let text = format!(
        "The request is too long: its parameters have {length} bytes, and {REQUEST_BYTES_MAX} are possible."
    );
    Err(Refusal::invalid_request(text))
}

fn parse_apis(params: &Params) -> Result<Named, Refusal> {
    let named = parse_named(params)?;
    match &named {
        Named::Resources(apis) if apis.len() > RESOURCES_MAX => {
            let text = format!(
                "Parameter 'resource' has {} values, and {RESOURCES_MAX} are possible here.",
                apis.len()
            );
            Err(Refusal::invalid_request(text))
        }
        _ => Ok(named),
    }
}

fn parse_response_type(
    params: &Params,
    application: &Application,
    settings: &InForce,
) -> Result<ResponseType, Refusal> {
    let text = params.required("response_type", TEXT_BYTES_MAX)?;
    let unsupported = |text: String| Refusal::new(Code::UnsupportedResponseType, text);
    let response_type = ResponseType::parse(text)
        .ok_or_else(|| unsupported(format!("Unsupported response type: {}", echo(text))))?;
    check_response_type(response_type, application, settings)?;
    Ok(response_type)
}

/// What the tenant and the application allow: checked when a request arrives, and again before it is
/// answered, because an administrator may have changed it meanwhile.
pub(super) fn check_allowed(
    request: &AuthorizationRequest,
    application: &Application,
    settings: &InForce,
) -> Result<(), Refusal> {
    check_response_type(request.response_type, application, settings)?;
    if !application
        .sign_in
        .allows_response_mode(request.response_mode)
    {
        let mode = request.response_mode.as_str();
        let text = format!("response_mode '{mode}' is not allowed for the client.");
        return Err(Refusal::new(Code::UnauthorizedClient, text));
    }
    if request.response_type.code
        && request.code_challenge.is_none()
        && application.requires_pkce(settings)
    {
        // RFC 7636 §4.4.1.
        let text = "Missing required parameter: code_challenge";
        return Err(Refusal::invalid_request(text));
    }
    Ok(())
}

fn check_response_type(
    response_type: ResponseType,
    application: &Application,
    settings: &InForce,
) -> Result<(), Refusal> {
    if response_type.is_front_channel() && !settings.allows_front_channel_tokens {
        let text = "Tokens from the authorization endpoint are off (tenant setting flags.allow_front_channel_tokens); use response_type code.";
        return Err(Refusal::new(Code::UnsupportedResponseType, text));
    }
    let needed = [
        (response_type.code, AUTHORIZATION_CODE),
        (response_type.is_front_channel(), IMPLICIT),
    ];
    for (is_needed, grant_type) in needed {
        if is_needed && !application.may_use(grant_type) {
            let text = format!("Grant type '{grant_type}' not allowed for the client.");
            return Err(Refusal::new(Code::UnauthorizedClient, text));
        }
    }
    Ok(())
}

/// Tokens never travel in a query string (OAuth 2.0 Multiple Response Type Encoding Practices §3).
fn parse_response_mode(
    params: &Params,
    response_type: ResponseType,
) -> Result<ResponseMode, Refusal> {
    let Some(text) = params.text("response_mode", TEXT_BYTES_MAX)? else {
        return Ok(response_type.usual_mode());
    };
    let unknown = || {
        let text = format!("Unsupported response mode: {}", echo(text));
        Refusal::invalid_request(text)
    };
    let mode = ResponseMode::parse(text).ok_or_else(unknown)?;
    if mode == ResponseMode::Query && response_type.is_front_channel() {
        let text = "response_mode query is not for tokens; use fragment or form_post.";
        return Err(Refusal::invalid_request(text));
    }
    Ok(mode)
}

/// OpenID Connect Core §3.1.2.1: without `openid` there is no ID token to answer with.
fn check_scope(params: &Params, response_type: ResponseType) -> Result<Scopes, Refusal> {
    let scope = params.scope()?.unwrap_or_default();
    if response_type.id_token && !scope.contains(OPENID) {
        let text = "An ID token needs the scope openid.";
        return Err(Refusal::new(Code::InvalidScope, text));
    }
    Ok(scope)
}

/// PKCE (RFC 7636), where `plain` is not accepted (RFC 9700 §2.1.1).
fn parse_challenge(params: &Params) -> Result<Option<String>, Refusal> {
    /// A SHA-256 in base64url.
    const S256_CHARS: usize = 43;
    let challenge = params.text("code_challenge", TEXT_BYTES_MAX)?;
    let method = params.text("code_challenge_method", TEXT_BYTES_MAX)?;
    let Some(challenge) = challenge else {
        if method.is_some() {
            let text = "Missing required parameter: code_challenge";
            return Err(Refusal::invalid_request(text));
        }
        return Ok(None);
    };
    if method != Some("S256") {
        let text = "Parameter 'code_challenge_method' must be S256.";
        return Err(Refusal::invalid_request(text));
    }
    let is_of_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if challenge.len() != S256_CHARS || !challenge.bytes().all(is_of_base64url) {
        let text = "Parameter 'code_challenge' must be a SHA-256 in base64url, 43 characters.";
        return Err(Refusal::invalid_request(text));
    }
    Ok(Some(challenge.to_owned()))
}

/// `prompt`, and Auth0's `screen_hint=signup`, which asks nothing of who is signed in.
fn parse_prompt(params: &Params) -> Result<Prompt, Refusal> {
    let mut prompt = Prompt::default();
    let text = params.text("prompt", TEXT_BYTES_MAX)?.unwrap_or_default();
    let mut count = 0;
    for word in text.split_whitespace() {
        count += 1;
        match word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            "select_account" => prompt.select_account = true,
            "create" => prompt.create = true,
            other => {
                let text = format!("Unsupported prompt: {}", echo(other));
                return Err(Refusal::invalid_request(text));
            }
        }
    }
    if prompt.none && count > 1 {
        // OpenID Connect Core §3.1.2.1.
        return Err(Refusal::invalid_request("prompt none stands alone."));
    }
    let hint = params.text("screen_hint", TEXT_BYTES_MAX)?;
    prompt.sign_up_first = prompt.create || hint == Some("signup");
    Ok(prompt)
}

/// `claims` (OpenID Connect Core §5.5): of each claim, whether it is essential and which values it may
/// have; members that are not understood are passed over.
fn parse_claims(params: &Params) -> Result<ClaimsRequest, Refusal> {
    let Some(mut members) = params.object("claims", CLAIMS_BYTES_MAX)? else {
        return Ok(ClaimsRequest::default());
    };
    let wrong = || Refusal::invalid_request("Parameter 'claims' must be a JSON object of objects.");
    let mut of = |name: &str| match members.remove(name) {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(claims)) => read_claims(claims),
        Some(_) => Err(wrong()),
    };
    Ok(ClaimsRequest {
        id_token: of("id_token")?,
        userinfo: of("userinfo")?,
    })
}

fn read_claims(claims: Map<String, Value>) -> Result<BTreeMap<String, ClaimRequest>, Refusal> {
    if claims.len() > CLAIMS_MAX {
        let text = format!("Parameter 'claims' asks for more than {CLAIMS_MAX} claims.");
        return Err(Refusal::invalid_request(text));
    }
    let read = |value: Value| {
        let value_of = |name: &str| value.get(name);
        let values = value_of("values").and_then(Value::as_array);
        ClaimRequest {
            is_essential: value_of("essential") == Some(&Value::Bool(true)),
            values: value_of("value")
                .into_iter()
                .chain(values.into_iter().flatten())
                .cloned()
                .collect(),
        }
    };
    let claims = claims.into_iter().map(|(name, value)| (name, read(value)));
    Ok(claims.collect())
}

/// The user who must be signed in: the one of `id_token_hint` (OpenID Connect Core §3.1.2.1), whose ID
/// token this application has got from us, or of `claims`. An old one is as good as a new one.
fn parse_hint(
    params: &Params,
    application: &Application,
    (claims, terms): (&ClaimsRequest, Terms<'_>),
) -> Result<Option<String>, Refusal> {
    let wrong = |why: &str| Refusal::invalid_request(format!("Parameter 'id_token_hint': {why}"));
    let of_claims = subject_of(claims);
    let Some(text) = params.text("id_token_hint", HINT_BYTES_MAX)? else {
        return Ok(of_claims);
    };
    let hint = terms.mint.read_hint(text, terms.now);
    let hint = hint.filter(|own| own.client_id == application.client_id);
    let hint = hint.ok_or_else(|| wrong("not an ID token that this client has got."))?;
    if of_claims.is_some_and(|subject| subject != hint.subject) {
        return Err(wrong("it is another user's than the one of 'claims'."));
    }
    Ok(Some(hint.subject))
}

/// The user whom `claims` names (OpenID Connect Core §5.5.1).
fn subject_of(claims: &ClaimsRequest) -> Option<String> {
    let asked = claims.id_token.get("sub")?;
    asked.values.first()?.as_str().map(str::to_owned)
}
