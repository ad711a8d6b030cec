//! Whatever changes something: each operation of the Management API, and what users, applications and the server
//! itself do.

use std::future::Future;
use std::pin::Pin;

use grantor::{logout, sweep};
use reqwest::header::{COOKIE, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use super::objects::Objects;
use crate::harness::{CALLBACK, PASSWORD, VERIFIER, World, authorize_path, usual};

/// A change, ready to run; the status of its answer.
pub(super) type Ready = Pin<Box<dyn Future<Output = u16> + Send>>;

/// One change.
pub(super) struct Change {
    /// A Management operation as the document names it, or a sentence.
    pub(super) name: &'static str,
    does: Does,
}

enum Does {
    /// A request to the Management API: a path, and a body where there is one. Names in brackets stand for the
    /// round's objects.
    Manage(&'static str, Option<&'static str>),
    /// An import of users, in this order.
    Import(&'static [&'static str]),
    /// A form to a protocol endpoint by the first application.
    Form(&'static str, &'static [(&'static str, &'static str)]),
    /// An authorization request by a signed-in user; the rest follows from `scope` and `audience`.
    Authorize,
    /// The answer to the page for consent.
    Consent,
    /// The answer to the page for signing in.
    SignIn,
    SignOut,
    /// The form behind a link in a mail.
    Link(&'static str, &'static [(&'static str, &'static str)]),
    Sweep,
    EndExpired,
}

const fn manage(name: &'static str, path: &'static str, body: Option<&'static str>) -> Change {
    Change {
        name,
        does: Does::Manage(path, body),
    }
}

const fn other(name: &'static str, does: Does) -> Change {
    Change { name, does }
}

/// All of them.
#[rustfmt::skip]
pub(super) const CHANGES: &[Change] = &[
    manage("POST /resource-servers", "/resource-servers", Some(r#"{"identifier":"https://new-{n}.example/","signing_alg":"ES256"}"#)),
    manage("PATCH /resource-servers/{id}", "/resource-servers/{api}", Some(r#"{"token_lifetime":700}"#)),
    manage("DELETE /resource-servers/{id}", "/resource-servers/{api}", None),
    manage("POST /clients", "/clients", Some(r#"{"name":"New","app_type":"resource_server","resource_server_identifier":"{identifier}"}"#)),
    manage("PATCH /clients/{id}", "/clients/{client}", Some(r#"{"client_secret":"{new_secret}","description":"New"}"#)),
    manage("DELETE /clients/{id}", "/clients/{client}", None),
    manage("POST /clients/{id}/rotate-secret", "/clients/{client}/rotate-secret", Some(r#"{"revoke_tokens":true}"#)),
    manage("POST /clients/{id}/secrets", "/clients/{client}/secrets", Some("{}")),
    manage("DELETE /clients/{id}/secrets/{secret_id}", "/clients/{client}/secrets/{secret}", None),
    manage("POST /clients/{id}/credentials", "/clients/{client}/credentials", Some(r#"{"credential_type":"public_key","pem":"{pem}","alg":"EdDSA"}"#)),
    manage("PATCH /clients/{id}/credentials/{credential_id}", "/clients/{client}/credentials/{credential}", Some(r#"{"expires_at":null}"#)),
    manage("DELETE /clients/{id}/credentials/{credential_id}", "/clients/{client}/credentials/{credential}", None),
    manage("POST /clients/{id}/tokens", "/clients/{client}/tokens", Some(r#"{"audience":"{identifier}","revoke_previous":true}"#)),
    manage("DELETE /tokens/{id}", "/tokens/{token}", None),
    manage("POST /tokens/revoke", "/tokens/revoke", Some(r#"{"client_id":"{client}"}"#)),
    manage("PATCH /tenants/settings", "/tenants/settings", Some(r#"{"default_audience":"{identifier}"}"#)),
    manage("POST /client-grants", "/client-grants", Some(r#"{"client_id":"{client}","audience":"{other_identifier}"}"#)),
    manage("PATCH /client-grants/{id}", "/client-grants/{client_grant}", Some(r#"{"allow_all_scopes":false,"scope":["read"]}"#)),
    manage("DELETE /client-grants/{id}", "/client-grants/{client_grant}?revoke_tokens=true", None),
    manage("POST /keys/signing/rotate", "/keys/signing/rotate", Some(r#"{"alg":"ES256"}"#)),
    manage("PUT /keys/signing/{kid}/revoke", "/keys/signing/{kid}/revoke", None),
    manage("POST /users", "/users", Some(r#"{"connection":"Username-Password-Authentication","email":"new-{n}@a.example","password":"{password}"}"#)),
    manage("PATCH /users/{id}", "/users/{user}", Some(r#"{"blocked":true,"username":"new_{n}"}"#)),
    manage("DELETE /users/{id}", "/users/{user}", None),
    other("POST /jobs/users-imports", Does::Import(&["email", "other_email", "new"])),
    other("an import in one order", Does::Import(&["email", "new", "other_email"])),
    other("an import in another order", Does::Import(&["other_email", "new", "email"])),
    manage("POST /jobs/verification-email", "/jobs/verification-email", Some(r#"{"user_id":"{user}"}"#)),
    manage("DELETE /user-blocks", "/user-blocks?identifier={email}", None),
    manage("DELETE /user-blocks/{id}", "/user-blocks/{user}", None),
    manage("POST /tickets/password-change", "/tickets/password-change", Some(r#"{"user_id":"{user}"}"#)),
    manage("POST /tickets/email-verification", "/tickets/email-verification", Some(r#"{"user_id":"{user}"}"#)),
    manage("DELETE /grants", "/grants?user_id={user}&revoke_tokens=true", None),
    manage("PATCH /grants/{id}", "/grants/{grant}", Some(r#"{"expires_at":null}"#)),
    manage("DELETE /grants/{id}", "/grants/{grant}?revoke_tokens=true", None),
    manage("PATCH /sessions/{id}", "/sessions/{session}", Some(r#"{"session_metadata":{"a":"b"}}"#)),
    manage("DELETE /sessions/{id}", "/sessions/{session}", None),
    manage("POST /sessions/{id}/revoke", "/sessions/{session}/revoke", None),
    manage("DELETE /users/{id}/sessions", "/users/{user}/sessions", None),
    manage("POST /refresh-tokens/revoke", "/refresh-tokens/revoke", Some(r#"{"ids":["{family}","{other_family}","{spent_family}"]}"#)),
    manage("PATCH /refresh-tokens/{id}", "/refresh-tokens/{family}", Some(r#"{"refresh_token_metadata":{"a":"b"}}"#)),
    manage("DELETE /refresh-tokens/{id}", "/refresh-tokens/{family}", None),
    manage("DELETE /users/{id}/refresh-tokens", "/users/{user}/refresh-tokens", None),
    manage("POST /users/{id}/revoke-access", "/users/{user}/revoke-access", Some("{}")),
    manage("DELETE /device-credentials/{id}", "/device-credentials/{spent_family}", None),
    other("a code is exchanged", Does::Form("/oauth/token", &[("grant_type", "authorization_code"), ("code", "{code}"), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)])),
    other("a refresh token is exchanged", Does::Form("/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", "{refresh_token}")])),
    other("a spent refresh token is used", Does::Form("/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", "{spent_refresh_token}")])),
    other("a refresh token is given back", Does::Form("/oauth/revoke", &[("token", "{refresh_token}")])),
    other("a stored token is looked at", Does::Form("/oauth/introspect", &[("token", "{stored_token}")])),
    other("a stored token is revoked", Does::Form("/oauth/revoke", &[("token", "{stored_token}")])),
    other("an application asks for a token", Does::Form("/oauth/token", &[("grant_type", "client_credentials"), ("audience", "{identifier}")])),
    other("a user authorizes", Does::Authorize),
    other("a user consents", Does::Consent),
    other("a user signs in", Does::SignIn),
    other("a user signs out", Does::SignOut),
    other("a user sets a password by a link", Does::Link("/u/change-password", &[("ticket", "{reset}"), ("password", "{password} anew"), ("password_again", "{password} anew")])),
    other("a user proves an address by a link", Does::Link("/u/verify-email", &[("ticket", "{verification}")])),
    other("the sweep", Does::Sweep),
    other("sessions come to their end", Does::EndExpired),
];

/// Makes a change ready to run.
pub(super) async fn prepare(world: &World, objects: &Objects, change: &Change) -> Ready {
    let node = &world.node;
    match &change.does {
        Does::Manage(path, body) => {
            let method: Method = change.name.split(' ').next().unwrap().parse().unwrap();
            let path = format!("/api/v2{}", objects.fill_path(path));
            let mut request = node.request(method, &path).bearer_auth(&objects.token);
            if let Some(body) = body {
                let body: Value = serde_json::from_str(&objects.fill(body)).unwrap();
                request = request.json(&body);
            }
            send(request)
        }
        Does::Import(order) => {
            let users = order
                .iter()
                .map(|name| serde_json::json!({ "email": objects.named(name), "blocked": true }));
            let users = users.collect::<Value>().to_string();
            let form = format!(
                "--b\r\ncontent-disposition: form-data; name=\"users\"; filename=\"u.json\"\r\n\r\n{users}\r\n\
                 --b\r\ncontent-disposition: form-data; name=\"upsert\"\r\n\r\ntrue\r\n--b--\r\n"
            );
            let request = node.request(Method::POST, "/api/v2/jobs/users-imports");
            let request = request.bearer_auth(&objects.token);
            send(
                request
                    .header("content-type", "multipart/form-data; boundary=b")
                    .body(form),
            )
        }
        Does::Form(path, form) => {
            let form: Vec<_> = form
                .iter()
                .map(|(name, value)| (*name, objects.fill(value)))
                .collect();
            let request = node.request(Method::POST, path);
            let client = &objects.client;
            send(
                request
                    .basic_auth(&client.id, Some(&client.secret))
                    .form(&form),
            )
        }
        Does::Authorize => send(browse(
            world,
            objects,
            Method::GET,
            &authorize(objects, &[]),
        )),
        Does::Consent => {
            let params = [
                ("audience", objects.named("other_identifier")),
                ("scope", "openid read"),
            ];
            let state = state_of(browse(
                world,
                objects,
                Method::GET,
                &authorize(objects, &params),
            ))
            .await;
            let form = [("state", state.as_str()), ("action", "accept")];
            send(browse(world, objects, Method::POST, "/u/consent").form(&form))
        }
        Does::SignIn => {
            let request = browse(
                world,
                objects,
                Method::GET,
                &authorize(objects, &[("prompt", "login")]),
            );
            let state = state_of(request).await;
            let form = [
                ("state", state.as_str()),
                ("username", objects.named("email")),
                ("password", PASSWORD),
                ("action", "default"),
            ];
            send(browse(world, objects, Method::POST, "/u/login").form(&form))
        }
        Does::SignOut => {
            let path = format!("/oidc/logout?logout_hint={}", objects.named("session"));
            send(browse(world, objects, Method::GET, &path))
        }
        Does::Link(path, form) => {
            let form: Vec<_> = form
                .iter()
                .map(|(name, value)| (*name, objects.fill(value)))
                .collect();
            send(browse(world, objects, Method::POST, path).form(&form))
        }
        Does::Sweep => {
            let (store, now) = (node.app.store.clone(), world.clock.now());
            Box::pin(async move { status(&sweep::once(&store, now, 100).await) })
        }
        Does::EndExpired => {
            let (store, now) = (node.app.store.clone(), world.clock.now());
            Box::pin(async move { status(&logout::end_expired(&store, now).await) })
        }
    }
}

fn status<T, E>(result: &Result<T, E>) -> u16 {
    if result.is_ok() { 200 } else { 500 }
}

fn send(request: RequestBuilder) -> Ready {
    Box::pin(async move { request.send().await.unwrap().status().as_u16() })
}

/// A request of the user's browser.
fn browse(world: &World, objects: &Objects, method: Method, path: &str) -> RequestBuilder {
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let request = client.request(method, format!("{}{path}", world.node.base));
    let request = request.header(COOKIE, &objects.cookie);
    request
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "navigate")
}

fn authorize(objects: &Objects, params: &[(&str, &str)]) -> String {
    authorize_path(&usual(&objects.client, params))
}

/// The `state` of the page to which the browser is sent.
async fn state_of(request: RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    let location = answer
        .headers()
        .get(LOCATION)
        .map(|value| value.to_str().unwrap().to_owned());
    let location = location.unwrap_or_else(|| panic!("no page: {answer:?}"));
    let (_, state) = location
        .split_once("state=")
        .unwrap_or_else(|| panic!("no state: {location}"));
    state.split('&').next().unwrap().to_owned()
}
