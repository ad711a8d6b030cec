//! A shop: an application that signs users in, and two APIs, for the stories of the authorization
//! endpoint.

use std::collections::HashMap;

use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::overlay;
use crate::harness::{
    CALLBACK, Credentials, ISSUER, Node, Person, authorize_path, both_hands, usual,
};

pub(crate) const ORDERS: &str = "https://orders.example/";
pub(crate) const STOCK: &str = "https://stock.example/";

/// The APIs and the shop; the fields lie over the application's.
pub(crate) async fn open(node: &Node, fields: Value) -> Credentials {
    let scopes = json!([{ "value": "read" }, { "value": "write" }]);
    for api in [ORDERS, STOCK] {
        let fields = json!({ "scopes": scopes, "allow_offline_access": true });
        node.create_api(api, fields).await;
    }
    application(node, fields).await
}

/// An application of somebody else's that signs users in; the fields lie over it.
pub(crate) async fn application(node: &Node, fields: Value) -> Credentials {
    let mut usual = json!({
        "name": "Shop",
        "app_type": "regular_web",
        "is_first_party": false,
        "callbacks": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token", "implicit"],
    });
    overlay(&mut usual, fields);
    node.create_application(usual).await
}

/// Changes an application.
pub(crate) async fn change(node: &Node, client: &Credentials, fields: Value) {
    let path = format!("/clients/{}", client.id);
    let changed = node.manage(Method::PATCH, &path, Some(fields)).await;
    changed.expect(StatusCode::OK);
}

/// Changes the tenant's settings.
pub(crate) async fn set(node: &Node, settings: Value) {
    let path = "/tenants/settings";
    let changed = node.manage(Method::PATCH, path, Some(settings)).await;
    changed.expect(StatusCode::OK);
}

/// Lets the authorization endpoint answer with tokens.
pub(crate) async fn allow_front_channel(node: &Node) {
    set(
        node,
        json!({ "flags": { "allow_front_channel_tokens": true } }),
    )
    .await;
}

/// The answer to the usual request with parameters over it, where no page comes between.
pub(crate) async fn answered(
    person: &Person,
    node: &Node,
    client: &Credentials,
    params: &[(&str, &str)],
) -> HashMap<String, String> {
    let path = authorize_path(&usual(client, params));
    person.open(node, &path).await.answer()
}

/// The error that the application is told; `state` and `iss` are beside it (RFC 6749 §4.1.2.1, RFC 9207
/// §2), and nothing else is.
pub(crate) async fn refused(
    person: &Person,
    node: &Node,
    client: &Credentials,
    params: &[(&str, &str)],
) -> String {
    let answer = answered(person, node, client, params).await;
    let mut names: Vec<_> = answer.keys().map(String::as_str).collect();
    names.sort_unstable();
    let all = ["error", "error_description", "iss", "state"];
    assert_eq!(names, all, "{params:?}: {answer:?}");
    assert_eq!(answer["iss"], ISSUER);
    assert_eq!(answer["state"], "the state");
    answer["error"].clone()
}

/// Fails where the browser is sent anywhere, or sees anything but a page that says what is wrong; the
/// page.
pub(crate) async fn stays_here(person: &Person, node: &Node, path: &str) -> String {
    let answer = person.look(node, path).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {answer:?}");
    assert!(answer.headers.get(LOCATION).is_none(), "{path}: {answer:?}");
    assert!(answer.body.contains("<html"), "{path}: {answer:?}");
    answer.body
}

/// Pushes the usual request with parameters over it.
pub(crate) async fn push(
    node: &Node,
    client: &Credentials,
    params: &[(&str, &str)],
) -> crate::harness::Answer {
    let form = usual(client, params);
    if client.secret.is_empty() {
        return node.bare_form("/oauth/par", &form).await;
    }
    node.form("/oauth/par", client, &form).await
}

/// The path of an authorization request by reference.
pub(crate) fn by_reference(client: &Credentials, reference: &str, more: &[(&str, &str)]) -> String {
    let own = [
        ("client_id", client.id.as_str()),
        ("request_uri", reference),
    ];
    authorize_path(&both_hands(&own, more))
}
