//! `/api/v2/device-credentials`: refresh tokens once more, as Auth0 showed them before 2023. An id is
//! that of the refresh token. Public keys of devices are not offered.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::access::Path;
use super::answer::{Problem, gone, json as answer};
use super::call::Call;
use super::query::{OFFSETS, Paging, SELECTION, Selection};
use super::refresh_tokens::{Living, end_one};
use crate::app::App;
use crate::model::refresh::Family;
use crate::model::sign_in::RefreshTerms;
use crate::model::text::{CLIENT_ID_BYTES_MAX, USER_ID_CHARS_MAX};
use crate::store::refresh_families::Filter;
use crate::store::{self, PageStart};
use crate::wire::operation::{Access, Answer, Operation};
use crate::wire::schema::{Tables, choice, text};

/// Most that a list looks at, as at Auth0: it is of the oldest, and narrowed by user or application.
const LOOKED_AT_MAX: i64 = 1000;

const PUBLIC_KEY: &str = "public_key";
const ROTATING: &str = "rotating_refresh_token";
const NOT_ROTATING: &str = "refresh_token";
const TYPES: &[&str] = &[PUBLIC_KEY, NOT_ROTATING, ROTATING];

const SHOWN: Tables = &[&[
    text("id", 1, 30),
    text("device_name", 1, 1000),
    choice("type", TYPES),
    text("user_id", 1, USER_ID_CHARS_MAX),
    text("client_id", 1, CLIENT_ID_BYTES_MAX),
]];

pub(crate) const LIST: Operation = Operation {
    summary: "List refresh tokens by the devices that they were issued to",
    access: Access::AnyOf(&["read:device_credentials"]),
    query: &[
        &OFFSETS,
        &SELECTION,
        &[
            text("user_id", 0, USER_ID_CHARS_MAX),
            text("client_id", 0, CLIENT_ID_BYTES_MAX),
            choice("type", TYPES),
        ],
    ],
    answer: Answer::Page("device_credentials", SHOWN),
    ..Operation::DEFAULT
};

/// `GET /device-credentials`
pub(crate) async fn list(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (admin, mut query) = call.authorize(&app, &LIST).await?;
    let paging = Paging::offset(&mut query);
    let selection = Selection::read(&mut query);
    let wanted = query.text("type");
    let filter = Filter {
        user_id: query.text("user_id"),
        client_id: query.text("client_id"),
        session_id: None,
    };
    let families = {
        let mut conn = app.store.read().await?;
        let first = PageStart::Offset(0);
        store::refresh_families::list(&mut conn, &filter, &first, LOOKED_AT_MAX).await?
    };
    let live = Living::default().among(&app, families, admin.now).await?;
    let is_wanted = |(_, terms): &&(Family, RefreshTerms)| {
        wanted
            .as_deref()
            .is_none_or(|wanted| wanted == kind(*terms))
    };
    let found: Vec<_> = live.iter().filter(is_wanted).collect();
    let total = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let (offset, rows) = match paging.from() {
        PageStart::Offset(offset) => (offset, paging.rows()),
        PageStart::Behind { .. } => (0, 0),
    };
    let as_count = |rows: i64| usize::try_from(rows).unwrap_or(usize::MAX);
    let page = found.iter().skip(as_count(offset)).take(as_count(rows));
    let shown = page.map(|(family, terms)| selection.of(show(family, *terms)));
    let page = paging.written("device_credentials", shown.collect(), total, None);
    Ok(answer(StatusCode::OK, &page))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Revoke a refresh token with the access tokens that came with it",
    access: Access::AnyOf(&["delete:device_credentials"]),
    answer: Answer::Empty(204),
    ..Operation::DEFAULT
};

/// `DELETE /device-credentials/{id}`
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &DELETE).await?;
    end_one(&app, &admin, &id).await?;
    Ok(gone())
}

/// By today's settings of the application.
const fn kind(terms: RefreshTerms) -> &'static str {
    if terms.is_rotating {
        ROTATING
    } else {
        NOT_ROTATING
    }
}

fn show(family: &Family, terms: RefreshTerms) -> Value {
    let authorization = &family.authorization;
    let mut shown = Map::new();
    shown.insert("id".to_owned(), json!(family.id()));
    if let Some(name) = &family.device.initial_user_agent {
        shown.insert("device_name".to_owned(), json!(name));
    }
    shown.insert("type".to_owned(), json!(kind(terms)));
    shown.insert("user_id".to_owned(), json!(authorization.user_id));
    shown.insert("client_id".to_owned(), json!(authorization.client_id));
    Value::Object(shown)
}
