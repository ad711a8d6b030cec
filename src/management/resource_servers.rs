//! `/api/v2/resource-servers`: APIs, the home of the lifetime policy.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::access::{authorize, check_id};
use super::answer::{Problem, gone, json as answer};
use super::body::Fields;
use super::query::{Paging, Query};
use crate::app::App;
use crate::lifetime::{ApiLifetimes, NamedLifetimes, ServerLifetimes};
use crate::model::api::{Api, ClientPolicy, Dialect, SigningAlgorithm};
use crate::model::change::{Change, Covered};
use crate::model::refusal::echo;
use crate::model::scope::Scope;
use crate::model::text::{IDENTIFIER_CHARS_MAX, SCOPE_CHARS_MAX, looks_like_an_id};
use crate::secret;
use crate::store::{self, Conn};

/// Most scopes that an API defines.
const SCOPES_MAX: usize = 1000;
/// Most identifiers that one list may ask for.
const IDENTIFIERS_MAX: usize = 100;

/// `GET /resource-servers`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    authorize(&app, &headers, &["read:resource_servers"], app.clock.now()).await?;
    let mut query = Query::read(&uri)?;
    let paging = Paging::offset(&mut query)?;
    let identifiers = [query.texts("identifiers"), query.texts("identifiers[]")].concat();
    query.boolean("include_fields")?;
    query.finish()?;
    let mut conn = app.store.read().await?;
    let store::applications::From::Offset(offset) = paging.from() else {
        return Err(Problem::query("from", "Not for this list"));
    };
    let (apis, total) = if identifiers.is_empty() {
        store::apis::list(&mut conn, offset, paging.rows()).await?
    } else {
        named(&mut conn, &identifiers, (offset, paging.rows())).await?
    };
    let key = |api: &Api| (api.created_at, api.id.clone());
    let page = paging.page(
        "resource_servers",
        apis,
        total,
        (|api: &Api| show(api, &app.config.lifetimes), key),
    );
    Ok(answer(StatusCode::OK, &page))
}

/// A page of those among the identifiers that exist, and how many exist.
async fn named(
    conn: &mut Conn,
    identifiers: &[String],
    (offset, rows_max): (i64, i64),
) -> Result<(Vec<Api>, i64), Problem> {
    if identifiers.len() > IDENTIFIERS_MAX {
        return Err(Problem::query(
            "identifiers",
            format_args!("More than {IDENTIFIERS_MAX} identifiers"),
        ));
    }
    let mut apis: Vec<Api> = Vec::new();
    for identifier in identifiers {
        let found = store::apis::by_identifier(conn, identifier).await?;
        apis.extend(found.filter(|api| !apis.iter().any(|other| other.id == api.id)));
    }
    let total = i64::try_from(apis.len()).unwrap_or(i64::MAX);
    let count = |rows: i64| usize::try_from(rows).unwrap_or(usize::MAX);
    let page = apis.into_iter().skip(count(offset)).take(count(rows_max));
    Ok((page.collect(), total))
}

/// `POST /resource-servers`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let caller = authorize(&app, &headers, &["create:resource_servers"], now).await?;
    let mut fields = Fields::read(&headers, body, app.config.server.body_bytes_max, false).await?;
    let identifier = fields.text("identifier", 1..=IDENTIFIER_CHARS_MAX)?;
    let identifier =
        identifier.ok_or_else(|| Problem::body("'Missing required property: identifier'."))?;
    check_identifier(&app, &identifier)?;
    let mut api = Api {
        id: secret::random_hex_id(),
        identifier,
        system: None,
        name: None,
        scopes: Vec::new(),
        signing_alg: app.default_signing_alg,
        token_dialect: None,
        allow_offline_access: false,
        skip_consent_for_verifiable_first_party_clients: false,
        client_policy: ClientPolicy::RequireClientGrant,
        lifetimes: ApiLifetimes::create(&lifetimes(&mut fields)?, &app.config.lifetimes)?,
        created_at: now,
    };
    overlay(&mut api, &mut fields)?;
    fields.finish()?;
    let mut tx = app.store.write().await?;
    if !store::apis::insert(&mut tx, &api).await? {
        return Err(Problem::conflict(
            "A resource server with the same identifier already exists.",
        ));
    }
    tx.note(Change::Api(api.identifier.clone()));
    app.directory.commit(tx, now).await?;
    tracing::info!(
        by = caller.client_id,
        identifier = api.identifier,
        "resource server created"
    );
    Ok(answer(
        StatusCode::CREATED,
        &show(&api, &app.config.lifetimes),
    ))
}

/// `GET /resource-servers/{id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    authorize(&app, &headers, &["read:resource_servers"], app.clock.now()).await?;
    let mut query = Query::read(&uri)?;
    query.boolean("include_fields")?;
    query.finish()?;
    let api = find(&mut *app.store.read().await?, &id)
        .await?
        .ok_or_else(not_found)?;
    Ok(answer(StatusCode::OK, &show(&api, &app.config.lifetimes)))
}

/// `PATCH /resource-servers/{id}`
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let caller = authorize(&app, &headers, &["update:resource_servers"], now).await?;
    let mut fields = Fields::read(&headers, body, app.config.server.body_bytes_max, false).await?;
    let mut tx = app.store.write().await?;
    let found = find(&mut tx, &id).await?.ok_or_else(not_found)?;
    if !store::apis::lock(&mut tx, &found.id).await? {
        return Err(not_found());
    }
    let before = store::apis::by_id(&mut tx, &found.id)
        .await?
        .ok_or_else(not_found)?;
    let mut api = before.clone();
    overlay(&mut api, &mut fields)?;
    api.lifetimes = before.lifetimes.change(
        &lifetimes(&mut fields)?,
        &app.config.lifetimes,
        before.system,
    )?;
    fields.finish()?;
    check_system(&before, &api)?;
    store::apis::update(&mut tx, &api).await?;
    tx.note(Change::Api(api.identifier.clone()));
    app.directory.commit(tx, now).await?;
    tracing::info!(
        by = caller.client_id,
        identifier = api.identifier,
        "resource server changed"
    );
    Ok(answer(StatusCode::OK, &show(&api, &app.config.lifetimes)))
}

/// `DELETE /resource-servers/{id}`: revokes all its tokens.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let caller = authorize(&app, &headers, &["delete:resource_servers"], now).await?;
    let mut tx = app.store.write().await?;
    let Some(api) = find(&mut tx, &id).await? else {
        return Ok(gone());
    };
    if api.system.is_some() {
        return Err(Problem::not_supported(
            "id",
            "a system API cannot be deleted.",
        ));
    }
    if store::apis::delete(&mut tx, &api.id).await? {
        tx.note(Change::Api(api.identifier.clone()));
        tx.note(Change::Revocation(Covered::Api(api.identifier.clone())));
        app.directory.commit(tx, now).await?;
        tracing::info!(
            by = caller.client_id,
            identifier = api.identifier,
            "resource server deleted, its tokens revoked"
        );
    }
    Ok(gone())
}

pub(super) fn not_found() -> Problem {
    Problem::not_found("resource server")
}

/// By id or by identifier, which some tools encode twice.
pub(super) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Api>, Problem> {
    check_id(id)?;
    if let Some(api) = store::apis::by_id(conn, id).await? {
        return Ok(Some(api));
    }
    if let Some(api) = store::apis::by_identifier(conn, id).await? {
        return Ok(Some(api));
    }
    let Ok(decoded) = percent_decode_str(id).decode_utf8() else {
        return Ok(None);
    };
    if decoded == id || check_id(&decoded).is_err() {
        return Ok(None);
    }
    Ok(store::apis::by_identifier(conn, &decoded).await?)
}

/// compatibility.md §6, "identifiers of APIs".
fn check_identifier(app: &App, identifier: &str) -> Result<(), Problem> {
    let refuse = |why: &str| Err(Problem::property("identifier", why));
    if app.issuer.is_system_identifier(identifier) {
        return Err(Problem::conflict(
            "A resource server with the same identifier already exists.",
        ));
    }
    if identifier.starts_with(app.issuer.as_str()) {
        return refuse("An identifier cannot begin with the issuer");
    }
    if looks_like_an_id(identifier) {
        return refuse("24 hexadecimal or 32 alphanumeric characters would be taken for an id");
    }
    if identifier.contains(char::is_whitespace) {
        return refuse("An identifier holds no spaces");
    }
    Ok(())
}

fn lifetimes(fields: &mut Fields) -> Result<NamedLifetimes, Problem> {
    Ok(NamedLifetimes {
        token_lifetime: fields.integer("token_lifetime")?,
        token_lifetime_for_web: fields.integer("token_lifetime_for_web")?,
        max_token_lifetime: fields.integer_or_null("max_token_lifetime")?,
    })
}

/// Lays the fields that are named over the API, lifetimes excepted.
fn overlay(api: &mut Api, fields: &mut Fields) -> Result<(), Problem> {
    if let Some(name) = fields.text("name", 1..=200)? {
        if name.contains(['<', '>']) {
            return Err(fields.wrong("name", "String holds < or >"));
        }
        api.name = Some(name);
    }
    if let Some(scopes) = scopes(fields)? {
        api.scopes = scopes;
    }
    if let Some(alg) = signing_alg(fields)? {
        api.signing_alg = alg;
    }
    let dialects = Dialect::ALL.map(Dialect::as_str).join(", ");
    if let Some(dialect) = fields.choice("token_dialect", Dialect::parse, &dialects)? {
        api.token_dialect = Some(dialect);
    }
    if let Some(allow) = fields.boolean("allow_offline_access")? {
        api.allow_offline_access = allow;
    }
    if let Some(skip) = fields.boolean("skip_consent_for_verifiable_first_party_clients")? {
        api.skip_consent_for_verifiable_first_party_clients = skip;
    }
    if let Some(policy) = client_policy(fields)? {
        api.client_policy = policy;
    }
    unbuilt(fields)
}

/// RFC 6749 §3.3: a scope value is printable ASCII without space, `"` and `\`.
fn is_scope_value(value: &str) -> bool {
    value
        .bytes()
        .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn scopes(fields: &mut Fields) -> Result<Option<Vec<Scope>>, Problem> {
    let Some(items) = fields.objects("scopes", "scopes[].")? else {
        return Ok(None);
    };
    if items.len() > SCOPES_MAX {
        return Err(fields.wrong(
            "scopes",
            format_args!("Array has more than {SCOPES_MAX} items"),
        ));
    }
    let mut seen = HashSet::new();
    let mut scopes = Vec::with_capacity(items.len());
    for mut item in items {
        let value = item.text("value", 1..=SCOPE_CHARS_MAX)?;
        let value =
            value.ok_or_else(|| fields.wrong("scopes", "Missing required property: value"))?;
        if !is_scope_value(&value) {
            return Err(item.wrong(
                "value",
                "A scope is printable ASCII without spaces, quotes and backslashes",
            ));
        }
        if !seen.insert(value.clone()) {
            return Err(item.wrong("value", format_args!("'{}' is named twice", echo(&value))));
        }
        let description = item
            .text("description", 0..=500)?
            .filter(|text| !text.is_empty());
        item.finish()?;
        scopes.push(Scope { value, description });
    }
    Ok(Some(scopes))
}

fn signing_alg(fields: &mut Fields) -> Result<Option<SigningAlgorithm>, Problem> {
    const LATER: [&str; 5] = ["PS256", "ES256", "EdDSA", "RS512", "HS256"];
    let Some(text) = fields.text("signing_alg", 0..=20)? else {
        return Ok(None);
    };
    match SigningAlgorithm::parse(&text) {
        Some(alg) => Ok(Some(alg)),
        None if LATER.contains(&text.as_str()) => Err(Problem::not_supported(
            "signing_alg",
            format_args!("{text} is not built yet; RS256 is."),
        )),
        None => Err(fields.wrong(
            "signing_alg",
            format_args!("'{}' is not one of RS256", echo(&text)),
        )),
    }
}

/// Auth0's `subject_type_authorization`; the user's part has no effect until there are users.
fn client_policy(fields: &mut Fields) -> Result<Option<ClientPolicy>, Problem> {
    let Some(mut types) =
        fields.object("subject_type_authorization", "subject_type_authorization.")?
    else {
        return Ok(None);
    };
    let mut policy = None;
    if let Some(mut client) = types.object("client", "subject_type_authorization.client.")? {
        policy = client.choice(
            "policy",
            ClientPolicy::parse,
            "require_client_grant, deny_all",
        )?;
        client.finish()?;
    }
    if let Some(mut user) = types.object("user", "subject_type_authorization.user.")? {
        let why = "policies on user tokens are not built yet; allow_all is what holds.";
        user.unbuilt("policy", |value| value == "allow_all", why)?;
        user.finish()?;
    }
    types.finish()?;
    Ok(policy)
}

/// Fields that promise protection or behaviour which is not built (shared by creation and PATCH).
fn unbuilt(fields: &mut Fields) -> Result<(), Problem> {
    let is_false = |value: &Value| value == &Value::Bool(false);
    let is_null = Value::is_null;
    fields.unbuilt(
        "enforce_policies",
        is_false,
        "role-based policies are not built.",
    )?;
    fields.unbuilt(
        "allow_online_access",
        is_false,
        "online refresh tokens are not built.",
    )?;
    fields.unbuilt(
        "allow_online_access_with_ephemeral_sessions",
        is_false,
        "online refresh tokens are not built.",
    )?;
    let is_not_required =
        |value: &Value| value.is_null() || value["required"] == Value::Bool(false);
    fields.unbuilt(
        "proof_of_possession",
        is_not_required,
        "bound tokens are not built yet.",
    )?;
    fields.unbuilt(
        "token_encryption",
        is_null,
        "encrypted tokens are not built.",
    )?;
    fields.unbuilt(
        "consent_policy",
        is_null,
        "transactional authorization is not built.",
    )?;
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    fields.unbuilt(
        "authorization_details",
        is_empty,
        "rich authorization requests are not built.",
    )?;
    fields.unbuilt(
        "authorization_policy",
        is_null,
        "authorization policies are not built.",
    )?;
    fields.unbuilt(
        "token_lifetime_for_anonymous_access_tokens",
        is_null,
        "anonymous sessions are not built.",
    )?;
    fields.unbuilt(
        "signing_secret",
        is_null,
        "it belongs to HS256, which is not built yet.",
    )
}

/// A system API keeps its name, scopes and form (compatibility.md §1.2, note 3). Denying it to
/// applications would lock every administrator out.
fn check_system(before: &Api, after: &Api) -> Result<(), Problem> {
    if before.system.is_none() {
        return Ok(());
    }
    let unchanged = [
        ("name", before.name == after.name),
        ("scopes", before.scopes == after.scopes),
        ("signing_alg", before.signing_alg == after.signing_alg),
        ("token_dialect", before.token_dialect == after.token_dialect),
        (
            "allow_offline_access",
            before.allow_offline_access == after.allow_offline_access,
        ),
        (
            "subject_type_authorization",
            before.client_policy == after.client_policy,
        ),
    ];
    match unchanged.iter().find(|(_, is_unchanged)| !is_unchanged) {
        None => Ok(()),
        Some((name, _)) => Err(Problem::not_supported(name, "a system API keeps it.")),
    }
}

/// An API as Auth0 shows it; what is unset is omitted.
pub(super) fn show(api: &Api, server: &ServerLifetimes) -> Value {
    let lifetimes = &api.lifetimes;
    let mut shown = json!({
        "id": api.id,
        "identifier": api.identifier,
        "allow_offline_access": api.allow_offline_access,
        "skip_consent_for_verifiable_first_party_clients": api.skip_consent_for_verifiable_first_party_clients,
        "subject_type_authorization": {
            "client": { "policy": api.client_policy.as_str() },
            "user": { "policy": "allow_all" },
        },
        "token_lifetime": lifetimes.token_lifetime.as_integer(),
        "token_lifetime_for_web": lifetimes.token_lifetime_for_web,
        "max_token_lifetime": lifetimes.maximum_in_force(server, api.system).as_integer(),
        "signing_alg": api.signing_alg.as_str(),
    });
    if let Some(name) = &api.name {
        shown["name"] = name.as_str().into();
    }
    if api.system.is_some() {
        shown["is_system"] = true.into();
    }
    if !api.scopes.is_empty() {
        shown["scopes"] = json!(api.scopes);
    }
    if let Some(dialect) = api.token_dialect {
        shown["token_dialect"] = dialect.as_str().into();
    }
    shown
}
