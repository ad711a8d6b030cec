//! An administrator's desk: many requests to the Management API with one token.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Credentials, MANAGEMENT, Node};

/// A node and a Management token.
pub(crate) struct Desk<'a> {
    node: &'a Node,
    token: String,
}

impl<'a> Desk<'a> {
    /// The first application's, which holds every scope.
    pub(crate) async fn open(node: &'a Node) -> Self {
        let token = node.admin_token().await;
        Self { node, token }
    }

    /// One whose token carries these scopes only.
    pub(crate) async fn with_scopes(node: &'a Node, scopes: &[&str]) -> Self {
        let scope = scopes.join(" ");
        let params = [("audience", MANAGEMENT), ("scope", scope.as_str())];
        let answer = node.ask(&Credentials::admin(), &params).await;
        let token = answer.expect(StatusCode::OK).text("access_token");
        Self { node, token }
    }

    /// Whoever holds this token.
    pub(crate) fn with_token(node: &'a Node, token: String) -> Self {
        Self { node, token }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.node.manage_as(&self.token, method, path, body).await
    }

    /// What a path shows.
    pub(crate) async fn shown(&self, path: &str) -> Value {
        self.get(path).await.expect(StatusCode::OK).json
    }

    /// An application of this name that may use client credentials; the fields lie over that.
    pub(crate) async fn application(&self, fields: Value) -> Credentials {
        let mut body = json!({ "name": "An application", "app_type": "non_interactive" });
        overlay(&mut body, fields);
        let created = self
            .post("/clients", body)
            .await
            .expect(StatusCode::CREATED);
        Credentials {
            id: created.text("client_id"),
            secret: created.json["client_secret"].as_str().unwrap_or("").into(),
        }
    }

    /// An API; the fields lie over `{identifier}`.
    pub(crate) async fn api(&self, identifier: &str, fields: Value) -> Value {
        let mut body = json!({ "identifier": identifier });
        overlay(&mut body, fields);
        let created = self.post("/resource-servers", body).await;
        created.expect(StatusCode::CREATED).json
    }

    /// A client grant; its id.
    pub(crate) async fn grant(&self, to: &Credentials, audience: &str, fields: Value) -> String {
        let mut body = json!({ "client_id": to.id, "audience": audience });
        overlay(&mut body, fields);
        let created = self.post("/client-grants", body).await;
        created.expect(StatusCode::CREATED).text("id")
    }
}

/// Lays the members of `over` over those of `under`.
pub(crate) fn overlay(under: &mut Value, over: Value) {
    let Value::Object(over) = over else {
        panic!("fields are an object")
    };
    under.as_object_mut().unwrap().extend(over);
}

/// Fails where this is not 400 `invalid_body` that names the property.
#[track_caller]
pub(crate) fn refused(answer: Answer, property: &str) -> Answer {
    let answer = answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
    let message = answer.text("message");
    assert!(names(&message, property), "names {property}: {message}");
    answer
}

/// Fails where this is not 400 `operation_not_supported` that names the field and says why.
#[track_caller]
pub(crate) fn not_supported(answer: Answer, field: &str) -> Answer {
    let answer = answer.expect_problem(StatusCode::BAD_REQUEST, "operation_not_supported");
    let message = answer.text("message");
    assert!(names(&message, field), "names {field}: {message}");
    let why = message.split_once(": ").map_or("", |(_, why)| why);
    assert!(why.len() > 10, "says why: {message}");
    answer
}

/// Whether the message holds the name as a whole word.
fn names(message: &str, name: &str) -> bool {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
    let trimmed = |word: &'_ str| word.trim_end_matches('.').to_owned();
    message
        .split(|c| !is_of_a_name(c))
        .any(|word| trimmed(word) == name)
}

/// Fails where any member of the value is null, at any depth.
#[track_caller]
pub(crate) fn no_nulls(value: &Value) {
    fn is_without(value: &Value) -> bool {
        match value {
            Value::Null => false,
            Value::Array(items) => items.iter().all(is_without),
            Value::Object(members) => members.values().all(is_without),
            _ => true,
        }
    }
    assert!(is_without(value), "unset is omitted, never null: {value}");
}

/// The names of an object's members, sorted.
pub(crate) fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value
        .as_object()
        .unwrap_or_else(|| panic!("an object: {value}"))
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}
