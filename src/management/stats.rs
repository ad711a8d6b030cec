//! `/api/v2/stats`: how many tokens were issued, by day, application, API and rule. The counts are
//! kept apart from the audit's records, and are right whether or not those are kept; sign-ins are counted
//! in the records themselves.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answer::{Problem, json as answer};
use super::call::Call;
use crate::app::App;
use crate::model::instant;
use crate::model::refusal::echo;
use crate::model::text::{CLIENT_ID_BYTES_MAX, IDENTIFIER_CHARS_MAX};
use crate::store;
use crate::store::audit::SignInSum;
use crate::store::issuances::{Question, Sum};
use crate::wire::operation::{Access, Answer, Operation};
use crate::wire::schema::{Field, Fields, Form, formed, instant as instant_of, integer, text};

/// Days that are shown unless asked otherwise, the last one today; and at most.
const DAYS: i64 = 30;
const DAYS_MAX: i64 = 400;
/// Most sums in one answer.
const SUMS_MAX: i64 = 50_000;
const DAY_SECONDS: i64 = 86_400;

const RANGE: &[Field] = &[text("from", 8, 8), text("to", 8, 8)];

pub(crate) const DAILY: Operation = Operation {
    summary: "Tokens and logins a day",
    access: Access::AnyOf(&["read:stats"]),
    query: &[RANGE],
    answer: Answer::List(&[&[
        instant_of("date").required(),
        integer("logins", 0, i64::MAX).required(),
        integer("signups", 0, i64::MAX).required(),
        integer("leaked_passwords", 0, i64::MAX).required(),
        integer("tokens_issued", 0, i64::MAX).required(),
        instant_of("created_at").required(),
        instant_of("updated_at").required(),
    ]]),
    ..Operation::DEFAULT
};

pub(crate) const ACTIVE_USERS: Operation = Operation {
    summary: "Users that logged in within 30 days",
    access: Access::AnyOf(&["read:stats"]),
    answer: Answer::Json("A number"),
    ..Operation::DEFAULT
};

pub(crate) const ISSUANCE: Operation = Operation {
    summary: "Tokens a day as lines of a plot",
    access: Access::AnyOf(&["read:stats"]),
    query: &[
        RANGE,
        &[
            text("client_id", 0, CLIENT_ID_BYTES_MAX),
            text("audience", 0, IDENTIFIER_CHARS_MAX),
            text("rule", 0, 100),
            formed("by", 0, 100, Form::Names),
        ],
    ],
    answer: Answer::Json(
        "dates, and series of tokens, one number for each date, with the client_id, audience and rule that `by` names",
    ),
    ..Operation::DEFAULT
};

/// `GET /stats/daily`: Auth0's, with `tokens_issued`. Logins and sign-ups are those of the audit's records.
pub(crate) async fn daily(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &DAILY).await?;
    let days = Days::read(&mut query, admin.now)?;
    app.audit.settle().await;
    let mut conn = app.store.read().await?;
    let sums = store::issuances::sums(&mut conn, &days.question(), SUMS_MAX).await?;
    let (from_ms, before_ms) = (days.first * 1000, (days.last + DAY_SECONDS) * 1000);
    let sign_ins = store::audit::sign_ins(&mut conn, from_ms, before_ms).await?;
    let count = |begins: i64, are_sign_ups: bool| {
        let mut found = sign_ins.iter();
        let is_asked = |sum: &&SignInSum| (sum.0, sum.1) == (begins / DAY_SECONDS, are_sign_ups);
        found.find(is_asked).map_or(0, |sum| sum.2)
    };
    let shown: Vec<Value> = days
        .all()
        .map(|begins| {
            let day = instant::to_day(begins);
            let tokens = sums.iter().find(|sum| sum.3 == day).map_or(0, |sum| sum.4);
            let date = instant::to_rfc3339(begins);
            let updated_at = instant::to_rfc3339(admin.now.min(begins + DAY_SECONDS - 1));
            json!({
                "date": date, "logins": count(begins, false), "signups": count(begins, true),
                "leaked_passwords": 0, "tokens_issued": tokens, "created_at": date, "updated_at": updated_at,
            })
        })
        .collect();
    Ok(answer(StatusCode::OK, &shown))
}

/// `GET /stats/active-users`: users that logged in within 30 days.
pub(crate) async fn active_users(
    State(app): State<Arc<App>>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &ACTIVE_USERS).await?;
    let mut conn = app.store.read().await?;
    let since = admin.now - DAYS * DAY_SECONDS;
    let count = store::users::count_active(&mut conn, since).await?;
    Ok(answer(StatusCode::OK, &count))
}

/// `GET /stats/issuance`: tokens a day as lines of a plot, one for each combination of what `by`
/// names: `client_id`, `audience`, `rule`, or several of them.
pub(crate) async fn issuance(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &ISSUANCE).await?;
    let days = Days::read(&mut query, admin.now)?;
    let mut question = Question {
        client_id: query.text("client_id"),
        audience: query.text("audience"),
        rule: query.text("rule"),
        ..days.question()
    };
    read_by(&mut query, &mut question)?;
    app.audit.settle().await;
    let mut conn = app.store.read().await?;
    let sums = store::issuances::sums(&mut conn, &question, SUMS_MAX + 1).await?;
    if sums.len() > usize::try_from(SUMS_MAX).unwrap_or(usize::MAX) {
        let why =
            format!("More than {SUMS_MAX} numbers; name fewer days, a client_id or an audience");
        return Err(Problem::query("by", why));
    }
    let dates: Vec<String> = days.all().map(date).collect();
    let lines = lines(&sums, &question, &days);
    let total: i64 = sums.iter().map(|sum| sum.4).sum();
    let plot = json!({ "dates": dates, "series": lines, "total": total });
    Ok(answer(StatusCode::OK, &plot))
}

fn read_by(query: &mut Fields, question: &mut Question) -> Result<(), Problem> {
    let by = query.text("by").unwrap_or_default();
    for name in by.split(',').filter(|name| !name.is_empty()) {
        match name {
            "client_id" => question.by_client = true,
            "audience" => question.by_api = true,
            "rule" => question.by_rule = true,
            other => {
                let why = format!("'{}' is none of client_id, audience, rule", echo(other));
                return Err(Problem::query("by", why));
            }
        }
    }
    Ok(())
}

/// One line for each combination; sums come in the order of the lines.
fn lines(sums: &[Sum], question: &Question, days: &Days) -> Vec<Value> {
    let is_of_one_line = |a: &Sum, b: &Sum| (&a.0, &a.1, &a.2) == (&b.0, &b.1, &b.2);
    let line = |sums: &[Sum]| {
        let mut line = Map::new();
        if let Some((client_id, audience, rule, ..)) = sums.first() {
            for (is_told, name, value) in [
                (question.by_client, "client_id", client_id),
                (question.by_api, "audience", audience),
                (question.by_rule, "rule", rule),
            ] {
                if is_told {
                    line.insert(name.to_owned(), value.as_str().into());
                }
            }
        }
        let total: i64 = sums.iter().map(|sum| sum.4).sum();
        let mut rest = sums.iter().peekable();
        let tokens: Vec<i64> = days
            .all()
            .map(|begins| {
                let day = instant::to_day(begins);
                rest.next_if(|sum| sum.3 == day).map_or(0, |sum| sum.4)
            })
            .collect();
        line.insert("total".to_owned(), total.into());
        line.insert("tokens".to_owned(), tokens.into());
        Value::Object(line)
    };
    sums.chunk_by(is_of_one_line).map(line).collect()
}

/// `2026-11-20`
fn date(begins: i64) -> String {
    let instant = instant::to_rfc3339(begins);
    instant.split('T').next().unwrap_or_default().to_owned()
}

/// The days that are asked for, by their first seconds.
struct Days {
    first: i64,
    last: i64,
}

impl Days {
    /// `from` and `to`, YYYYMMDD, both included.
    fn read(query: &mut Fields, now: i64) -> Result<Self, Problem> {
        let today = now - now.rem_euclid(DAY_SECONDS);
        let last = read_day(query, "to")?;
        let first = read_day(query, "from")?;
        let last = last.unwrap_or_else(|| first.map_or(today, |first| first.max(today)));
        let first = first.unwrap_or(last - (DAYS - 1) * DAY_SECONDS);
        if first > last {
            return Err(Problem::query("from", "It is after 'to'"));
        }
        if last - first >= DAYS_MAX * DAY_SECONDS {
            return Err(Problem::query(
                "from",
                format!("At most {DAYS_MAX} days at one time"),
            ));
        }
        Ok(Self { first, last })
    }

    fn question(&self) -> Question {
        Question {
            from_day: instant::to_day(self.first),
            to_day: instant::to_day(self.last),
            ..Question::default()
        }
    }

    fn all(&self) -> impl Iterator<Item = i64> + use<> {
        let step = usize::try_from(DAY_SECONDS).unwrap_or(usize::MAX);
        (self.first..=self.last).step_by(step)
    }
}

fn read_day(query: &mut Fields, name: &str) -> Result<Option<i64>, Problem> {
    let Some(text) = query.text(name) else {
        return Ok(None);
    };
    let day =
        Some(&text).filter(|text| text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()));
    let begins = day
        .and_then(|day| day.parse().ok())
        .and_then(instant::from_day);
    begins
        .map(Some)
        .ok_or_else(|| Problem::query(name, "Expected a day as YYYYMMDD"))
}
