//! `/api/v2/logs`: what happened, for the operators.

mod query;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::LINK;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::access::Path;
use super::answer::{Missing, Problem, json as answer, shown};
use super::call::Call;
use super::query::{CHECKPOINTS, OFFSETS, Paging, SELECTION, Selection};
use crate::app::App;
use crate::model::instant;
use crate::model::record::{log_id, number_of};
use crate::store;
use crate::store::audit::{Logged, Search};
use crate::wire::operation::{Access, Answer, Operation};
use crate::wire::schema::{Field, Fields, choice, free, instant as instant_of, object, text};

/// Counting stops here: `total` is exact below.
const COUNTED_MAX: i64 = 10_000;
/// Records on a page of those behind a checkpoint, unless asked otherwise.
const TAKE: i64 = 50;

const SHOWN: &[Field] = &[
    text("_id", 1, 100).required(),
    text("log_id", 1, 100).required(),
    instant_of("date").required(),
    text("type", 1, 100).required(),
    text("description", 0, 1000),
    text("client_id", 0, 1000),
    text("client_name", 0, 1000),
    text("user_id", 0, 1000),
    text("ip", 1, 100),
    text("user_agent", 0, 1000),
    text("audience", 0, 100_000),
    text("scope", 0, 4000),
    object("references", &[text("correlation_id", 0, 64)]),
    free("details", 10_000_000),
];

pub(crate) const LIST: Operation = Operation {
    summary: "Search the audit",
    access: Access::AnyOf(&["read:logs", "read:logs_users"]),
    query: &[
        &OFFSETS,
        &CHECKPOINTS,
        &SELECTION,
        &[
            choice("sort", &["date:-1", "date:1"]),
            text("q", 0, query::CHARS_MAX),
            text("search", 0, query::CHARS_MAX),
        ],
    ],
    answer: Answer::Page("logs", &[SHOWN]),
    ..Operation::DEFAULT
};

pub(crate) const GET: Operation = Operation {
    summary: "Read a record of the audit",
    access: Access::AnyOf(&["read:logs", "read:logs_users"]),
    answer: Answer::One(200, &[SHOWN]),
    refuses: &[404],
    ..Operation::DEFAULT
};

pub(crate) const OF_USER: Operation = Operation {
    summary: "What the audit has of a user",
    query: &[
        &OFFSETS,
        &SELECTION,
        &[choice("sort", &["date:-1", "date:1"])],
    ],
    ..LIST
};

/// `GET /users/{id}/logs`
pub(crate) async fn of_user(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (_, mut query) = call.authorize(&app, &OF_USER).await?;
    let selection = Selection::read(&mut query);
    app.audit.settle().await;
    page(&app, query, &query::of_user(&id), &selection).await
}

/// `GET /logs`: a page of what a search finds, or what follows a checkpoint.
pub(crate) async fn list(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (_, mut query) = call.authorize(&app, &LIST).await?;
    let selection = Selection::read(&mut query);
    app.audit.settle().await;
    match Checkpoint::read(&mut query)? {
        Some(checkpoint) => follow(&app, &checkpoint, &selection).await,
        None => search(&app, query, &selection).await,
    }
}

/// `GET /logs/{id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    call.authorize(&app, &GET).await?;
    app.audit.settle().await;
    let found = match number_of(&id) {
        None => None,
        Some(n) => store::audit::get(&mut *app.store.read().await?, n).await?,
    };
    let found = found.ok_or_else(|| Problem::not_found(Missing::Log))?;
    Ok(answer(StatusCode::OK, &show(&found)))
}

async fn search(app: &App, mut query: Fields, selection: &Selection) -> Result<Response, Problem> {
    let mut search = Search::default();
    for name in ["q", "search"] {
        if let Some(text) = query.text(name) {
            query::read(&text, &mut search).map_err(|why| Problem::query(name, why))?;
        }
    }
    page(app, query, &search, selection).await
}

async fn page(
    app: &App,
    mut query: Fields,
    search: &Search,
    selection: &Selection,
) -> Result<Response, Problem> {
    let Paging::Offset {
        offset,
        limit,
        include_totals,
    } = Paging::offset(&mut query)
    else {
        return Err(Problem::query("page", "Expected offset paging"));
    };
    let oldest_first = query.text("sort").as_deref() == Some("date:1");
    let mut conn = app.store.read().await?;
    let page = (offset, limit);
    let found = store::audit::list(&mut conn, search, oldest_first, page).await?;
    let logs: Vec<Value> = found.iter().map(|one| selection.of(show(one))).collect();
    if !include_totals {
        return Ok(answer(StatusCode::OK, &logs));
    }
    let total = store::audit::count(&mut conn, search, COUNTED_MAX).await?;
    let length = logs.len();
    let page = json!({
        "start": offset, "limit": limit, "length": length, "total": total, "logs": logs,
    });
    Ok(answer(StatusCode::OK, &page))
}

/// `from` and `take`: what was written after a record, in the order of writing, so that whoever goes
/// on from the last one read misses nothing. As with Auth0, all else that a list knows is passed over.
struct Checkpoint {
    n: i64,
    take: i64,
    include_totals: bool,
}

impl Checkpoint {
    fn read(query: &mut Fields) -> Result<Option<Self>, Problem> {
        let (from, take) = (query.text("from"), query.integer("take"));
        if from.is_none() && take.is_none() {
            return Ok(None);
        }
        let n = match from {
            None => 0,
            Some(id) => number_of(&id)
                .ok_or_else(|| Problem::query("from", "Expected the log_id of a record"))?,
        };
        Ok(Some(Self {
            n,
            take: take.unwrap_or(TAKE),
            include_totals: query.boolean("include_totals").unwrap_or(false),
        }))
    }
}

async fn follow(
    app: &App,
    checkpoint: &Checkpoint,
    selection: &Selection,
) -> Result<Response, Problem> {
    let Checkpoint {
        n,
        take,
        include_totals,
    } = *checkpoint;
    let mut conn = app.store.read().await?;
    let mut found = store::audit::behind(&mut conn, n, take + 1).await?;
    let has_more = found.len() > usize::try_from(take).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(take).unwrap_or(usize::MAX));
    let last = found.last().map(|one| log_id(one.n));
    let logs: Vec<Value> = found.iter().map(|one| selection.of(show(one))).collect();
    let mut response = if include_totals {
        let mut page = Map::new();
        if let Some(last) = last.as_ref().filter(|_| has_more) {
            page.insert("next".to_owned(), last.as_str().into());
        }
        page.insert("length".to_owned(), logs.len().into());
        page.insert("limit".to_owned(), take.into());
        page.insert("logs".to_owned(), logs.into());
        answer(StatusCode::OK, &page)
    } else {
        answer(StatusCode::OK, &logs)
    };
    if let Some(last) = last {
        // RFC 8288 §3: where Auth0 says how to go on.
        let issuer = app.issuer.as_str();
        let link = format!("<{issuer}api/v2/logs?from={last}&take={take}>; rel=\"next\"");
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(LINK, link);
        }
    }
    Ok(response)
}

/// A record as Auth0 shows one; what is unset is omitted.
#[derive(Serialize)]
struct Shown<'a> {
    _id: &'a str,
    log_id: &'a str,
    date: String,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    references: Option<References<'a>>,
    details: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct References<'a> {
    correlation_id: &'a str,
}

fn show(logged: &Logged) -> Value {
    let (id, record) = (log_id(logged.n), &logged.record);
    shown(&Shown {
        _id: &id,
        log_id: &id,
        date: instant::to_rfc3339_millis(record.date_ms),
        kind: &record.kind,
        description: record.description.as_deref(),
        client_id: record.client_id.as_deref(),
        client_name: record.client_name.as_deref(),
        user_id: record.user_id.as_deref(),
        ip: record.ip.as_deref(),
        user_agent: record.user_agent.as_deref(),
        audience: record.audience.as_deref(),
        scope: record.scope.as_deref(),
        references: record
            .correlation_id
            .as_deref()
            .map(|correlation_id| References { correlation_id }),
        details: &record.details,
    })
}
