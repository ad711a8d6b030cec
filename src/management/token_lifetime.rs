//! `GET /api/v2/resource-servers/{id}/token-lifetime`: how long a token would live, and why
//! (lifetime.md, The decision). Issues nothing.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;

use super::access::{Path, authorize};
use super::answer::{Problem, json as answer};
use super::query::Query;
use super::{clients, resource_servers};
use crate::app::App;
use crate::grants::explain::{Explanation, Flow, Question, explain};
use crate::lifetime::{self, Lifetime, Step};
use crate::store::{self, Conn};

/// Most audiences that one question may name, repeated ones included.
const AUDIENCES_MAX: usize = 200;

/// See the module.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    authorize(&app, &headers, &["read:resource_servers"], now).await?;
    let mut query = Query::read(&uri)?;
    let mut conn = app.store.read().await?;
    let question = read_question(&app, &id, &mut query, &mut conn).await?;
    query.finish()?;
    let explanation = explain(&question, &app.config.lifetimes, &mut conn, now).await?;
    Ok(answer(
        StatusCode::OK,
        &Shown::of(&explanation, question.validity_period),
    ))
}

async fn read_question(
    app: &App,
    id: &str,
    query: &mut Query,
    conn: &mut Conn,
) -> Result<Question, Problem> {
    let api = resource_servers::find(conn, id).await?;
    let mut apis = vec![api.ok_or_else(resource_servers::not_found)?];
    let further = query.texts("audience");
    if further.len() > AUDIENCES_MAX {
        return Err(Problem::query(
            "audience",
            format_args!("More than {AUDIENCES_MAX} audiences"),
        ));
    }
    for audience in further {
        let api = store::apis::by_identifier(conn, &audience).await?;
        apis.push(api.ok_or_else(resource_servers::not_found)?);
    }
    let application = match query.text("client_id")? {
        None => None,
        Some(client_id) => {
            let found = store::applications::get(conn, &client_id).await?;
            Some(found.ok_or_else(clients::not_found)?)
        }
    };
    let question = Question {
        apis,
        application,
        secret_id: query.text("secret_id")?,
        flow: read_flow(query)?,
        validity_period: read_validity_period(query)?,
        pushed: query.boolean("pushed")?.unwrap_or(false),
    };
    question
        .checked(app.config.tokens.apis_per_token_max)
        .map_err(|why| Problem::query(why.parameter(), why))
}

fn read_flow(query: &mut Query) -> Result<Flow, Problem> {
    let Some(text) = query.text("flow")? else {
        return Ok(Flow::ClientCredentials);
    };
    let names = Flow::ALL.map(Flow::as_str).join(", ");
    Flow::parse(&text).ok_or_else(|| Problem::query("flow", format_args!("Not one of {names}")))
}

fn read_validity_period(query: &mut Query) -> Result<Option<Lifetime>, Problem> {
    let Some(text) = query.text("validity_period")? else {
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
