//! `GET /api/v2/resource-servers/{id}/token-lifetime`: how long a token would live, and why
//! (lifetime.md, The decision). Issues nothing.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::access::Path;
use super::answer::{Problem, json as answer};
use super::call::Call;
use super::{clients, resource_servers};
use crate::app::App;
use crate::grants::explain::{Explanation, Flow, Question, explain};
use crate::lifetime::{self, Lifetime, Step};
use crate::model::text::{CLIENT_ID_BYTES_MAX, IDENTIFIER_CHARS_MAX};
use crate::store::{self, Conn};
use crate::wire::operation::{Access, Answer, Operation};
use crate::wire::schema::{Field, Fields, Form, boolean, choice, integer, objects, text, texts};

/// Most audiences that one question may name.
const AUDIENCES_MAX: usize = 200;

const SHOWN: &[Field] = &[
    integer("lifetime", i64::MIN, i64::MAX),
    text("rule", 1, 200),
    integer("requested", i64::MIN, i64::MAX),
    objects("trace", 100, STEP),
    text("refused", 1, 200),
];
const STEP: &[Field] = &[
    text("rule", 1, 200),
    integer("value", i64::MIN, i64::MAX),
    text("text", 1, 2000),
];

pub(crate) const GET: Operation = Operation {
    summary: "How long a token would live, and why",
    access: Access::AnyOf(&["read:resource_servers"]),
    query: &[&[
        texts("audience", AUDIENCES_MAX, IDENTIFIER_CHARS_MAX, Form::Any),
        text("client_id", 0, CLIENT_ID_BYTES_MAX),
        text("secret_id", 0, 255),
        choice("flow", &Flow::NAMES),
        text("validity_period", 0, 100),
        boolean("pushed"),
    ]],
    answer: Answer::One(200, &[SHOWN]),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// See the module.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &GET).await?;
    let mut conn = app.store.read().await?;
    let question = read_question(&app, &id, &mut query, &mut conn).await?;
    let explanation = explain(&question, &app.config.lifetimes, &mut conn, admin.now).await?;
    Ok(answer(
        StatusCode::OK,
        &Shown::of(&explanation, question.validity_period),
    ))
}

async fn read_question(
    app: &App,
    id: &str,
    query: &mut Fields,
    conn: &mut Conn,
) -> Result<Question, Problem> {
    let api = resource_servers::find(conn, id).await?;
    let mut apis = vec![api.ok_or_else(resource_servers::not_found)?];
    for audience in query.texts("audience").unwrap_or_default() {
        let api = store::apis::by_identifier(conn, &audience).await?;
        apis.push(api.ok_or_else(resource_servers::not_found)?);
    }
    let application = match query.text("client_id") {
        None => None,
        Some(client_id) => {
            let found = store::applications::get(conn, &client_id).await?;
            Some(found.ok_or_else(clients::not_found)?)
        }
    };
    let question = Question {
        apis,
        application,
        secret_id: query.text("secret_id"),
        flow: query
            .choice("flow", Flow::parse)
            .unwrap_or(Flow::ClientCredentials),
        validity_period: read_validity_period(query)?,
        pushed: query.boolean("pushed").unwrap_or(false),
    };
    question
        .checked(app.config.tokens.apis_per_token_max)
        .map_err(|why| Problem::query(why.parameter(), why))
}

fn read_validity_period(query: &mut Fields) -> Result<Option<Lifetime>, Problem> {
    let Some(text) = query.text("validity_period") else {
        return Ok(None);
    };
    lifetime::parse_seconds(&text)
        .map(Some)
        .map_err(|why| Problem::query("validity_period", why))
}

#[derive(Serialize)]
struct Shown<'a> {
    lifetime: i64,
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested: Option<i64>,
    trace: Vec<ShownStep<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'static str>,
}

#[derive(Serialize)]
struct ShownStep<'a> {
    rule: &'static str,
    value: i64,
    text: &'a str,
}

impl<'a> Shown<'a> {
    fn of(explanation: &'a Explanation, requested: Option<Lifetime>) -> Self {
        let decision = &explanation.decision;
        let steps = decision.trace.iter().zip(&explanation.texts);
        let show = |(step, text): (&Step, &'a String)| ShownStep {
            rule: step.rule.as_str(),
            value: step.value.as_integer(),
            text,
        };
        Self {
            lifetime: decision.lifetime.as_integer(),
            rule: decision.rule.as_str(),
            requested: requested.map(Lifetime::as_integer),
            trace: steps.map(show).collect(),
            refused: explanation.refused,
        }
    }
}
