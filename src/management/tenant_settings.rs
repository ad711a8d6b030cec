//! `/api/v2/tenants/settings`: what holds for all applications and APIs.

mod fields;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::answer::{Problem, selected};
use super::call::{Act, Call};
use super::query::{SELECTION, Selection};
use crate::app::App;
use crate::model::api::Api;
use crate::model::change::Change;
use crate::store::{self, Write};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::Tables;

const SHOWN: Tables = &[fields::TABLE];

pub(crate) const GET: Operation = Operation {
    summary: "Read the tenant's settings",
    access: Access::AnyOf(&["read:tenant_settings"]),
    query: &[&SELECTION],
    answer: Answer::One(200, SHOWN),
    ..Operation::DEFAULT
};

/// `GET /tenants/settings`
pub(crate) async fn get(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let (_, mut query) = call.authorize(&app, &GET).await?;
    let selection = Selection::read(&mut query);
    let settings = store::settings::get(&mut *app.store.read().await?).await?;
    let shown = fields::show(&settings);
    Ok(selected(
        StatusCode::OK,
        &shown,
        &selection.of(shown.clone()),
    ))
}

pub(crate) const UPDATE: Operation = Operation {
    summary: "Change the tenant's settings",
    access: Access::AnyOf(&["update:tenant_settings"]),
    body: Takes::Fields(&[fields::TABLE, fields::IN_MINUTES]),
    answer: Answer::One(200, SHOWN),
    refuses: &[412],
    ..Operation::DEFAULT
};

/// `PATCH /tenants/settings`
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut named) = call.authorize_body(&app, &UPDATE, body).await?;
    let audience = named.text_or_null(fields::DEFAULT_AUDIENCE);
    let mut tx = app.store.write().await?;
    // APIs are locked before settings, as in the deletion of one.
    let chosen = match audience.as_ref().map(Option::as_deref) {
        None => None,
        Some(None | Some("")) => Some(None),
        Some(Some(audience)) => Some(Some(default_api(&mut tx, audience).await?)),
    };
    store::settings::lock(&mut tx).await?;
    let before = store::settings::get(&mut tx).await?;
    let was = fields::show(&before);
    admin.check_match(&was)?;
    let mut settings = before;
    fields::overlay(&mut settings.fields, named)?;
    let default_api = match chosen {
        Some(chosen) => chosen,
        None => stored_default(&mut tx, settings.default_audience.as_deref()).await?,
    };
    settings.default_audience = default_api.as_ref().map(|api| api.identifier.clone());
    let default_api_id = default_api.as_ref().map(|api| api.id.as_str());
    store::settings::update(&mut tx, &settings, default_api_id).await?;
    tx.note(Change::Settings);
    let shown = fields::show(&settings);
    let act = Act::new("Update tenant settings").before(was);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    let readable = admin.readable(GET.access, &[], shown.clone());
    Ok(selected(StatusCode::OK, &shown, &readable))
}

/// The API that may stand in where a request names none: never a system API, so that nobody gets
/// Management tokens without a word (compatibility.md §6).
async fn default_api(tx: &mut Write, audience: &str) -> Result<Api, Problem> {
    let wrong = |why| Problem::property(fields::DEFAULT_AUDIENCE, why);
    let unknown = || wrong("There is no resource server with this identifier");
    let api = store::apis::by_identifier(tx, audience).await?;
    let api = api.ok_or_else(unknown)?;
    if api.system.is_some() {
        return Err(wrong("A system API is never meant where none is named"));
    }
    if !store::apis::lock(tx, &api.id).await? {
        return Err(unknown());
    }
    Ok(api)
}

async fn stored_default(tx: &mut Write, audience: Option<&str>) -> Result<Option<Api>, Problem> {
    match audience {
        None => Ok(None),
        Some(audience) => Ok(store::apis::by_identifier(tx, audience).await?),
    }
}
