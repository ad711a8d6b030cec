//! The OpenAPI 3.1 document, made of the same list as the router.

#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON object by name makes the member where it is missing"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::wire::operation::{Access, Answer, Body, Listed, Operation};
use crate::wire::schema::{Field, Kind, of_answer, of_member, of_request};

pub(crate) const GET: Operation = Operation {
    summary: "This document",
    answer: Answer::Json("An OpenAPI 3.1 document"),
    ..Operation::DEFAULT
};

/// `GET /api/v2/openapi.json`
pub(crate) async fn get(State(app): State<Arc<App>>) -> Response {
    let mut response = app.openapi.clone().into_response();
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// The document for a server at `url`, as it is served and as it is checked in.
pub(crate) fn written(listed: &[Listed], url: &str) -> String {
    format!("{:#}\n", document(listed, url))
}

fn document(listed: &[Listed], url: &str) -> Value {
    let mut paths = Map::new();
    for line in listed {
        let path = paths.entry(line.path.clone()).or_insert_with(|| json!({}));
        path[line.method.as_str().to_ascii_lowercase()] = operation(line);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Grantor",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An OAuth 2.0 authorization server that decides how long a token lives, and why. The paths below /api/v2 are the Management API, in the shape of Auth0's.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": url }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "management": { "type": "http", "scheme": "bearer" },
                "application": { "type": "http", "scheme": "basic" },
                "user": { "type": "http", "scheme": "bearer" },
            },
            "schemas": { "Problem": problem(), "Refusal": refusal() },
        },
    })
}

fn operation(line: &Listed) -> Value {
    let operation = line.operation;
    let method = line.method.as_str().to_ascii_lowercase();
    let names = line
        .path
        .replace(['{', '}'], "")
        .replace(['/', '-', '.'], "_");
    let mut described = json!({
        "operationId": format!("{method}{names}"),
        "summary": operation.summary,
        "tags": [if is_management(line) { "Management" } else { "Protocol" }],
        "parameters": parameters(line),
        "responses": responses(line),
        "security": security(operation.access),
    });
    let scopes = match operation.access {
        Access::AnyOf(scopes) => Some(("any", scopes)),
        Access::AllOf(scopes) => Some(("all", scopes)),
        Access::Open | Access::Application | Access::ApplicationOr(_) | Access::User => None,
    };
    if let Some((how_many, scopes)) = scopes {
        let scopes = scopes.join(", ");
        let text = format!("Needs a Management token with {how_many} of: {scopes}.");
        described["description"] = text.into();
    }
    match operation.body {
        Body::None => {}
        Body::Optional(tables) => described["requestBody"] = content(&of_request(tables), false),
        Body::Fields(tables) => described["requestBody"] = content(&of_request(tables), true),
        Body::Upload(file, tables) => {
            let mut schema = of_request(tables);
            schema["properties"][file] = json!({ "type": "string", "format": "binary" });
            schema["required"] = json!([file]);
            described["requestBody"] = json!({
                "required": true,
                "content": { "multipart/form-data": { "schema": schema } },
            });
        }
        Body::Parameters(tables) => {
            let mut schema = of_request(tables);
            // Unknown parameters are ignored (RFC 6749 §3.2).
            schema["additionalProperties"] = true.into();
            described["requestBody"] = content(&schema, true);
        }
    }
    described
}

fn is_management(line: &Listed) -> bool {
    line.path.starts_with("/api/")
}

/// Both encodings.
fn content(schema: &Value, is_required: bool) -> Value {
    json!({
        "required": is_required,
        "content": {
            "application/json": { "schema": schema },
            "application/x-www-form-urlencoded": { "schema": schema },
        },
    })
}

fn parameters(line: &Listed) -> Value {
    let in_path = line.path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": 2000 });
        Some(json!({ "name": name, "in": "path", "required": true, "schema": schema }))
    });
    let in_query = line
        .operation
        .query
        .iter()
        .copied()
        .flatten()
        .map(query_parameter);
    in_path.chain(in_query).collect()
}

/// A list is a parameter that repeats.
fn query_parameter(field: &Field) -> Value {
    let mut described = json!({
        "name": field.name,
        "in": "query",
        "required": field.is_required,
        "schema": of_member(field),
    });
    if matches!(field.kind, Kind::Texts { .. }) {
        described["style"] = "form".into();
        described["explode"] = true.into();
    }
    described
}

fn security(access: Access) -> Value {
    match access {
        Access::Open => json!([]),
        // Credentials in the body are no scheme that OpenAPI knows.
        Access::Application => json!([{ "application": [] }, {}]),
        Access::ApplicationOr(scope) => {
            json!([{ "application": [] }, { "management": [scope] }, {}])
        }
        // A form may hold it too.
        Access::User => json!([{ "user": [] }, {}]),
        Access::AnyOf(scopes) => scopes
            .iter()
            .map(|scope| json!({ "management": [scope] }))
            .collect(),
        Access::AllOf(scopes) => json!([{ "management": scopes }]),
    }
}

fn responses(line: &Listed) -> Value {
    let operation = line.operation;
    let mut responses = Map::new();
    let status = operation.answer.status();
    responses.insert(status.to_string(), success(operation.answer));
    if matches!(operation.answer, Answer::HtmlOrRedirect) {
        responses.insert("303".to_owned(), json!({ "description": "See Other" }));
    }
    for status in refusals(line) {
        let text = axum::http::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Refused");
        let described = json!({ "description": text, "content": refused(line) });
        responses.insert(status.to_string(), described);
    }
    Value::Object(responses)
}

/// How a refusal is told: to people on a page, to programs as JSON.
fn refused(line: &Listed) -> Value {
    if line.operation.answer.is_for_people() {
        return html();
    }
    let schema = if is_management(line) {
        "Problem"
    } else {
        "Refusal"
    };
    let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
    json!({ "application/json": { "schema": schema } })
}

fn html() -> Value {
    json!({ "text/html": { "schema": { "type": "string" } } })
}

/// The statuses of refusals: those that follow from what the operation takes, and its own.
fn refusals(line: &Listed) -> BTreeSet<u16> {
    let operation = line.operation;
    let mut statuses: BTreeSet<u16> = operation.refuses.iter().copied().collect();
    match operation.access {
        Access::Open => {}
        Access::Application | Access::ApplicationOr(_) => statuses.extend([400, 401]),
        Access::AnyOf(_) | Access::AllOf(_) | Access::User => statuses.extend([400, 401, 403]),
    }
    if !matches!(operation.body, Body::None) {
        statuses.extend([400, 408, 413]);
    }
    if !matches!(operation.access, Access::Open) {
        statuses.extend([500, 503]);
    }
    statuses
}

fn success(answer: Answer) -> Value {
    let schema = match answer {
        Answer::Empty(_) => return json!({ "description": "Done" }),
        Answer::One(_, tables) => of_answer(tables),
        Answer::List(tables) => json!({ "type": "array", "items": of_answer(tables) }),
        Answer::Page(collection, tables) => page(collection, &of_answer(tables)),
        Answer::Json(description) => json!({ "description": description }),
        Answer::Html | Answer::HtmlOrRedirect => {
            return json!({ "description": "A page", "content": html() });
        }
        Answer::File => return json!({ "description": "A file", "content": { "*/*": {} } }),
    };
    json!({
        "description": "Success",
        "content": { "application/json": { "schema": schema } },
    })
}

/// A bare array, or with totals or a checkpoint (compatibility.md §1.1).
fn page(collection: &str, item: &Value) -> Value {
    let items = json!({ "type": "array", "items": item });
    json!({ "oneOf": [items, {
        "type": "object",
        "properties": {
            "total": { "type": "integer" },
            "start": { "type": "integer" },
            "limit": { "type": "integer" },
            "next": { "type": "string" },
            collection: items,
        },
        "required": [collection],
    }] })
}

/// Auth0's error body.
fn problem() -> Value {
    json!({
        "type": "object",
        "properties": {
            "statusCode": { "type": "integer" },
            "error": { "type": "string" },
            "message": { "type": "string" },
            "errorCode": { "type": "string" },
        },
        "required": ["statusCode", "error", "message"],
    })
}

/// RFC 6749 §5.2.
fn refusal() -> Value {
    json!({
        "type": "object",
        "properties": {
            "error": { "type": "string" },
            "error_description": { "type": "string" },
        },
        "required": ["error"],
    })
}
