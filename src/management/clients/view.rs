//! An application as it is shown, and who sees what of it.

use serde::Serialize;
use serde_json::Value;

use super::super::answer::{lay_under, only, shown};
use super::{authentication, fields};
use crate::app::App;
use crate::lifetime::{ApplicationLifetimes, Lifetime};
use crate::model::application::{Application, AuthMethod};
use crate::model::described::Described;
use crate::model::instant;
use crate::secret::Secret;
use crate::wire::bearer::Caller;
use crate::wire::schema::Tables;

/// An application as it is shown.
pub(in super::super) const SHOWN: Tables = fields::SHOWN;

/// An application as Auth0 shows it; what is unset is omitted.
#[derive(Serialize)]
struct Shown<'a> {
    client_id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    tenant: &'a str,
    global: bool,
    is_first_party: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_type: Option<&'a str>,
    grant_types: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_authentication_methods: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_server_identifier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token_lifetimes: Option<ShownLifetimes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct ShownLifetimes {
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<i64>,
}

impl ShownLifetimes {
    /// `None` where the application inherits both.
    fn of(lifetimes: ApplicationLifetimes) -> Option<Self> {
        let application = lifetimes.application.map(Lifetime::as_integer);
        let user = lifetimes.user.map(Lifetime::as_integer);
        (application.is_some() || user.is_some()).then_some(Self { application, user })
    }
}

/// Without secrets.
pub(in super::super) fn show(app: &App, application: &Application) -> Value {
    show_with_secret(app, application, None)
}

/// With a secret that was just made or set: the one time that it is shown.
pub(in super::super) fn show_with_secret(
    app: &App,
    application: &Application,
    secret: Option<&Secret<String>>,
) -> Value {
    let mut whole = shown(&Shown {
        client_id: &application.client_id,
        name: &application.name,
        client_secret: secret.map(|secret| secret.expose().as_str()),
        tenant: app.issuer.host(),
        // Auth0's one global application of old has no counterpart.
        global: false,
        is_first_party: application.is_first_party,
        app_type: application.app_type.as_deref(),
        grant_types: &application.grant_types,
        token_endpoint_auth_method: application
            .token_endpoint_auth_method
            .map(AuthMethod::as_str),
        client_authentication_methods: authentication::show(application),
        resource_server_identifier: application.resource_server_identifier.as_deref(),
        access_token_lifetimes: ShownLifetimes::of(application.lifetimes),
        expires_at: application.expires_at.map(instant::to_rfc3339),
    });
    lay_under(&mut whole, &application.described);
    lay_under(&mut whole, &usual(application.is_public()));
    whole
}

/// What an application shows that has set nothing (compatibility.md §1.4).
fn usual(is_public: bool) -> Described {
    let mut usual = fields::described::usual();
    let refresh_token = fields::refresh_token::usual(is_public);
    usual.0.insert("refresh_token".to_owned(), refresh_token);
    usual
}

/// The secret, which only the call that sets it shows.
const SECRET: &str = "client_secret";
/// What any reader may see.
const SUMMARY: [&str; 4] = ["client_id", "name", "description", "app_type"];
/// What readers of keys and credentials see, and nobody else.
const KEYS: [&str; 2] = ["client_authentication_methods", "encryption_key"];

/// What the answer to a change shows of an application: what the caller may read, and the secret that this very
/// call has set or made. Whoever may read nothing is told which application it was.
pub(in super::super) fn for_changer(caller: &Caller, whole: Value) -> Value {
    let secret = whole.get(SECRET).cloned();
    let may_read = super::READERS
        .scopes()
        .iter()
        .any(|scope| caller.scopes.contains(scope));
    let mut readable = if may_read {
        for_caller(caller, whole)
    } else {
        only(&["client_id"], whole)
    };
    if let (Some(secret), Value::Object(members)) = (secret, &mut readable) {
        members.insert(SECRET.to_owned(), secret);
    }
    readable
}

/// What a caller's scopes let it see of an application, as at Auth0: `read:client_summary` the
/// summary, `read:client_credentials` also keys, `read:clients` all but keys, `read:client_keys` all.
pub(super) fn for_caller(caller: &Caller, mut whole: Value) -> Value {
    let holds = |scope: &str| caller.scopes.contains(scope);
    let sees_keys = holds("read:client_keys") || holds("read:client_credentials");
    let sees_rest = holds("read:client_keys") || holds("read:clients");
    if let Value::Object(members) = &mut whole {
        members.retain(|name, _| match name.as_str() {
            name if SUMMARY.contains(&name) => true,
            name if KEYS.contains(&name) => sees_keys,
            _ => sees_rest,
        });
    }
    whole
}
