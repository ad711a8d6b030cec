//! `POST /api/v2/clients/{id}/tokens`: a token for an application, got by an administrator, as WSO2's
//! portal generates one and Auth0's explorer page does. The decision and the issuing are the token
//! endpoint's own; what the administrator adds is that the application need not be there.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::access::Path;
use super::answer::{Problem, json as answer, shown};
use super::call::{Act, Admin, Call};
use super::clients;
use crate::app::App;
use crate::audit::Issuance;
use crate::directory::Stance;
use crate::grants::client_credentials::Request;
use crate::grants::{self, Authenticated, GrantRequest, Outcome};
use crate::lifetime::{Lifetime, NotALifetime};
use crate::model::api::SystemApi;
use crate::model::audience::Named;
use crate::model::change::{Change, Covered};
use crate::model::instant;
use crate::model::record::Kind;
use crate::model::scope::Scopes;
use crate::model::text::{IDENTIFIER_CHARS_MAX, SCOPE_CHARS_MAX};
use crate::tokens::issue::{Approval, Issued};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{Field, Fields, Form, boolean, integer, object, scopes, text, texts};

/// Most scopes that a request may name.
const SCOPES_MAX: usize = 1000;
/// Most APIs that a request may name; fewer share one token (`tokens.apis_per_token_max`).
const AUDIENCES_MAX: usize = 200;

const ASKED: &[Field] = &[
    text("audience", 1, IDENTIFIER_CHARS_MAX),
    texts("audiences", AUDIENCES_MAX, IDENTIFIER_CHARS_MAX, Form::Any),
    scopes("scope", SCOPES_MAX, SCOPE_CHARS_MAX),
    integer("validity_period", i64::MIN, i64::MAX),
    boolean("revoke_previous"),
];
const ISSUED: &[Field] = &[
    text("access_token", 1, 20_000),
    text("token_type", 1, 20),
    integer("expires_in", 1, i64::MAX),
    text("scope", 0, 1_000_000),
    text("id", 1, 100),
    texts("audiences", AUDIENCES_MAX, IDENTIFIER_CHARS_MAX, Form::Any),
    text("expires_at", 1, 100),
    object("lifetime", LIFETIME),
];
const LIFETIME: &[Field] = &[
    integer("requested", i64::MIN, i64::MAX),
    integer("granted", i64::MIN, i64::MAX),
    text("rule", 1, 200),
];

pub(crate) const CREATE: Operation = Operation {
    summary: "Issue a token for an application; on demand its earlier ones for the API are revoked",
    access: Access::AnyOf(&["create:client_tokens"]),
    body: Takes::Optional(&[ASKED]),
    answer: Answer::One(201, &[ISSUED]),
    refuses: &[400, 404],
    ..Operation::DEFAULT
};

/// The order of it, whole. What would be refused revokes nothing; the revocation is a commit of its
/// own, so where the store fails after it, the earlier tokens have ended and asking again helps.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &CREATE, body).await?;
    let revokes_previous = fields.boolean("revoke_previous").unwrap_or(false);
    let request = read(fields)?;
    let mut approval = decide(&app, &admin, &id, &request).await?;
    if revokes_previous {
        revoke_previous(&app, &admin, &approval).await?;
        // The new token knows of the revocation, so it lives.
        approval = decide(&app, &admin, &id, &request).await?;
    }
    let issued = app.mint.issue(&approval, admin.now).await?;
    let lifetime = ShownLifetime::of(&request, &approval);
    record(&app, &admin, (approval, &issued), lifetime).await?;
    Ok(answer(StatusCode::CREATED, &Shown::of(&issued, lifetime)))
}

/// Who had it issued is never lost; the token itself counts as any other.
async fn record(
    app: &App,
    admin: &Admin,
    (approval, issued): (Approval, &Issued),
    lifetime: ShownLifetime,
) -> Result<(), Problem> {
    let made = json!({
        "id": issued.token.jti,
        "audiences": issued.token.audiences,
        "scope": issued.token.scope,
        "lifetime": shown(&lifetime),
    });
    let mut act = Act::new("Issue a token for a client").client(&approval.client_id);
    act.audience = issued.token.audiences.first().cloned();
    let tx = app.store.write().await?;
    admin.commit(app, tx, act.after(made)).await?;
    app.audit.issued(Issuance {
        kind: Kind::IssuedForClientCredentials,
        whence: admin.origin.clone().into(),
        client_id: approval.client_id,
        client_name: None,
        user: None,
        by: Some(admin.caller.client_id.clone()),
        apis: approval.apis,
        scope: approval.scope,
        jti: issued.token.jti.clone(),
        issued_at: issued.token.issued_at,
        requested: lifetime.requested,
        granted: lifetime.granted,
        rule: lifetime.rule,
    });
    Ok(())
}

fn read(mut fields: Fields) -> Result<Request, Problem> {
    let named = match (fields.text("audience"), fields.texts("audiences")) {
        (None, None) => Named::None,
        (Some(audience), None) => Named::Audience(audience),
        (None, Some(audiences)) if audiences.is_empty() => {
            return Err(Problem::property("audiences", "At least one is needed"));
        }
        (None, Some(audiences)) => Named::Resources(audiences),
        (Some(_), Some(_)) => {
            return Err(Problem::property("audiences", "It cannot go with audience"));
        }
    };
    let validity_period = match fields.integer("validity_period") {
        None => None,
        Some(seconds) => {
            let lifetime = Lifetime::from_seconds(seconds);
            let zero = || Problem::property("validity_period", NotALifetime::Zero);
            Some(lifetime.ok_or_else(zero)?)
        }
    };
    let scope = fields.texts("scope");
    Ok(Request {
        named,
        scope: scope
            .map(|values| values.iter().map(String::as_str).collect::<Scopes>())
            .filter(|scopes| !scopes.is_empty()),
        validity_period,
    })
}

/// The token endpoint's decision, for the application as it would come by itself. At the Management
/// API a token gives no more than the caller holds: neither scopes nor, so that a stolen token cannot
/// prolong itself, time.
async fn decide(
    app: &App,
    admin: &Admin,
    client_id: &str,
    request: &Request,
) -> Result<Approval, Problem> {
    let position = app.directory.position();
    let application = app.directory.application(client_id, Stance::Strict).await?;
    let application = application.ok_or_else(clients::not_found)?;
    let mut client = Authenticated::by_administrator(application, admin.now)?;
    if names_management(app, &request.named) {
        client = client.until(admin.caller.token_expires_at);
    }
    let grant = GrantRequest::ClientCredentials(request.clone());
    let whence = admin.origin.clone().into();
    let at_hand = (app.ground(position, admin.now), app.means(&whence));
    let approval = match grants::decide(&grant, &client, at_hand).await? {
        Outcome::Approved(approved) => approved.access,
        Outcome::Refused(refusal) => return Err(refusal.into()),
    };
    check_rights(admin, &approval)?;
    Ok(approval)
}

/// The Management API is always named, and alone.
fn names_management(app: &App, named: &Named) -> bool {
    let is_management =
        |audience: &String| app.issuer.system_api(audience) == Some(SystemApi::Management);
    match named {
        Named::None => false,
        Named::Audience(audience) => is_management(audience),
        Named::Resources(audiences) => audiences.iter().any(is_management),
    }
}

fn check_rights(admin: &Admin, approval: &Approval) -> Result<(), Problem> {
    let is_management =
        |api: &Arc<crate::model::api::Api>| api.system == Some(SystemApi::Management);
    if !approval.apis.iter().any(is_management) {
        return Ok(());
    }
    let scopes = Scopes::parse(&approval.scope);
    let missing = scopes
        .iter()
        .filter(|value| !admin.caller.scopes.contains(value));
    let missing: Vec<String> = missing.map(str::to_owned).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Problem::more_than_held(&missing))
}

/// The application's earlier tokens for the same APIs, in force before the new one is made: a token
/// carries the number of what its request knew, and lives where the revocation is part of that.
async fn revoke_previous(app: &App, admin: &Admin, approval: &Approval) -> Result<(), Problem> {
    let mut tx = app.store.write().await?;
    for api in &approval.apis {
        tx.note(Change::Revocation(Covered::ClientGrant {
            client_id: approval.client_id.clone(),
            audience: api.identifier.clone(),
        }));
    }
    let mut act = Act::new("Revoke a client's earlier tokens").client(&approval.client_id);
    act.audience = approval.apis.first().map(|api| api.identifier.clone());
    admin.commit(app, tx, act).await
}

/// The token endpoint's answer, and what a person wants to know besides.
#[derive(Serialize)]
struct Shown<'a> {
    access_token: &'a str,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<i64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    /// For `DELETE /tokens/{id}`.
    id: &'a str,
    audiences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    lifetime: ShownLifetime,
}

#[derive(Clone, Copy, Serialize)]
struct ShownLifetime {
    #[serde(skip_serializing_if = "Option::is_none")]
    requested: Option<i64>,
    granted: i64,
    rule: &'static str,
}

impl ShownLifetime {
    fn of(request: &Request, approval: &Approval) -> Self {
        Self {
            requested: request.validity_period.map(Lifetime::as_integer),
            granted: approval.decision.lifetime.as_integer(),
            rule: approval.decision.rule.as_str(),
        }
    }
}

impl<'a> Shown<'a> {
    fn of(issued: &'a Issued, lifetime: ShownLifetime) -> Self {
        let token = &issued.token;
        Self {
            access_token: issued.text.expose(),
            token_type: "Bearer",
            expires_in: token.expires_in(),
            scope: &token.scope,
            id: &token.jti,
            audiences: &token.audiences,
            expires_at: token.expires_at.map(instant::to_rfc3339),
            lifetime,
        }
    }
}
