//! A call of the Management API: who asks, from where, with what; and how a change is committed
//! together with the record of it.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Multipart, Request};
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use serde_json::{Map, Value};

use super::answer::{Problem, etag, only};
use super::refusals::Asker;
use crate::app::App;
use crate::model::instant;
use crate::model::json::Unique;
use crate::model::record::{Kind, Record};
use crate::model::refusal::echo;
use crate::store::{self, Write};
use crate::wire;
use crate::wire::bearer::{self, Bad, Caller};
use crate::wire::operation::{Access, Operation};
use crate::wire::origin::Origin;
use crate::wire::schema::{Fields, Tables};

/// The head of a call.
pub(crate) struct Call {
    uri: Uri,
    headers: HeaderMap,
    origin: Origin,
    asker: Asker,
}

impl FromRequestParts<Arc<App>> for Call {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<App>,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self {
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            asker: parts.extensions.get().cloned().unwrap_or_default(),
            origin: Origin::from_request_parts(parts, app).await?,
        })
    }
}

impl Call {
    /// The caller, if its token carries one of the operation's scopes; and the query string.
    pub(crate) async fn authorize(
        self,
        app: &App,
        operation: &Operation,
    ) -> Result<(Admin, Fields), Problem> {
        let now = app.clock.now();
        let caller = self.caller(app, operation, now).await?;
        let query = self.query(operation)?;
        Ok((self.admin(caller, now), query))
    }

    /// Reads the body and then, by a fresh reading of the clock, who asks: a token that is revoked
    /// while a body is on its way opens nothing. Nobody who may not ask gets a body read.
    pub(crate) async fn authorize_body(
        self,
        app: &App,
        operation: &Operation,
        body: Body,
    ) -> Result<(Admin, Fields), Problem> {
        let bytes = self.read(app, operation, body).await?;
        let fields = self.fields(operation.body.tables(), &bytes)?;
        let now = app.clock.now();
        let caller = self.caller(app, operation, now).await?;
        Ok((self.admin(caller, now), fields))
    }

    /// The same of a form with a file in it (RFC 7578).
    pub(crate) async fn authorize_upload(
        self,
        app: &App,
        operation: &Operation,
        body: Body,
    ) -> Result<(Admin, Multipart), Problem> {
        let bytes = self.read(app, operation, body).await?;
        let mut request = Request::new(Body::from(bytes));
        request.headers_mut().clone_from(&self.headers);
        let parts = Multipart::from_request(request, app).await;
        let parts =
            parts.map_err(|_| Problem::body("Content-Type must be multipart/form-data."))?;
        let now = app.clock.now();
        let caller = self.caller(app, operation, now).await?;
        Ok((self.admin(caller, now), parts))
    }

    async fn read(&self, app: &App, operation: &Operation, body: Body) -> Result<Bytes, Problem> {
        self.caller(app, operation, app.clock.now()).await?;
        self.query(operation)?;
        let bytes = wire::read_body(body, &app.config.server).await;
        bytes.map_err(Problem::cut)
    }

    async fn caller(&self, app: &App, operation: &Operation, now: i64) -> Result<Caller, Problem> {
        let caller = bearer::management_caller(app, &self.headers, now).await;
        let caller = caller.map_err(|bad| match bad {
            Bad::Missing => Problem::missing_token(),
            Bad::Repeated => Problem::header(bearer::REPEATED),
            Bad::Invalid => Problem::invalid_token(),
            Bad::Fault(fault) => Problem::Fault(fault),
        })?;
        self.asker.is(&caller.client_id);
        super::access::admit(&caller, operation.access)?;
        Ok(caller)
    }

    fn admin(self, caller: Caller, now: i64) -> Admin {
        Admin {
            caller,
            now,
            origin: self.origin,
            headers: self.headers,
        }
    }

    /// The query string by the operation's tables.
    fn query(&self, operation: &Operation) -> Result<Fields, Problem> {
        let text = self.uri.query().unwrap_or("");
        Fields::check_form(operation.query, text.as_bytes()).map_err(Problem::in_query)
    }

    /// The body by the operation's tables, JSON or form; none at all counts as `{}`.
    fn fields(&self, tables: Tables, bytes: &Bytes) -> Result<Fields, Problem> {
        const FORM: &str = "application/x-www-form-urlencoded";
        let checked = match wire::media_type(&self.headers).as_str() {
            _ if bytes.is_empty() => Fields::check(tables, Map::new()),
            "application/json" => Fields::check(tables, read_json(bytes)?),
            FORM => Fields::check_form(tables, bytes),
            _ => {
                let why = format_args!("Content-Type must be application/json or {FORM}.");
                return Err(Problem::body(why));
            }
        };
        checked.map_err(Problem::in_body)
    }
}

fn read_json(bytes: &Bytes) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice::<Unique>(bytes) {
        Ok(Unique(Value::Object(members))) => Ok(members),
        Ok(_) => Err(Problem::body("the body must be a JSON object.")),
        Err(error) => Err(Problem::body(echo(&error.to_string()))),
    }
}

/// An instant in the future, or null, which clears it (compatibility.md §6).
pub(crate) fn future_instant(
    fields: &mut Fields,
    name: &str,
    now: i64,
) -> Result<Option<Option<i64>>, Problem> {
    let Some(named) = fields.text_or_null(name) else {
        return Ok(None);
    };
    let at = named.and_then(|text| instant::from_rfc3339(&text));
    if at.is_some_and(|at| at <= now) {
        let path = fields.path(name);
        return Err(Problem::property(&path, "The instant is in the past"));
    }
    Ok(Some(at))
}

/// Who administers, when, and from where.
pub(crate) struct Admin {
    pub(crate) caller: Caller,
    /// Unix seconds: the one reading of the clock for this request.
    pub(crate) now: i64,
    pub(crate) origin: Origin,
    headers: HeaderMap,
}

impl Admin {
    /// Passes where `If-Match` is absent or names the state that is stored (RFC 9110 §13.1.1): of
    /// two administrators who read the same, the second one's change is not laid over the first's.
    pub(crate) fn check_match(&self, stored: &Value) -> Result<(), Problem> {
        let mut named = self.headers.get_all(IF_MATCH).iter().peekable();
        if named.peek().is_none() {
            return Ok(());
        }
        let current = etag(stored);
        let is_current = |tag: &str| tag.trim() == "*" || tag.trim() == current;
        let fits = named.any(|value| {
            let text = value.to_str().unwrap_or_default();
            text.split(',').any(is_current)
        });
        if fits {
            Ok(())
        } else {
            Err(Problem::changed_meanwhile())
        }
    }

    /// What the answer to a change shows of a resource: all of it to a caller who may read it by GET, and only
    /// the members that name it to anybody else.
    pub(crate) fn readable(&self, readers: Access, names: &[&str], shown: Value) -> Value {
        if super::access::admit(&self.caller, readers).is_ok() {
            shown
        } else {
            only(names, shown)
        }
    }

    /// Commits a change together with its record; it is in force on this node when this returns.
    pub(crate) async fn commit(&self, app: &App, mut tx: Write, act: Act) -> Result<(), Problem> {
        let caller = store::applications::get(&mut tx, &self.caller.client_id).await?;
        let name = caller.map(|application| application.name);
        let whence = self.origin.clone().into();
        let record = Record::new(Kind::Changed, app.clock.now_millis(), &whence, None)
            .by(Some(&self.caller.client_id), name.as_deref());
        let what = act.what;
        tx.record(act.told_in(record));
        app.directory.commit(tx, self.now).await?;
        tracing::info!(
            by = self.caller.client_id,
            correlation_id = self.origin.correlation_id,
            "{what}"
        );
        Ok(())
    }
}

/// An administrative change, as the log tells it.
#[derive(Default)]
pub(crate) struct Act {
    /// In Auth0's words: `Update a client`.
    pub(crate) what: &'static str,
    /// The application that it concerns.
    pub(crate) client_id: Option<String>,
    /// The user whom it concerns.
    pub(crate) user_id: Option<String>,
    /// The API that it concerns, by identifier.
    pub(crate) audience: Option<String>,
    /// What was there before, as it is shown: without secrets.
    pub(crate) before: Option<Value>,
    /// What is there now, as it is shown: without secrets.
    pub(crate) after: Option<Value>,
}

impl Act {
    /// A change with a name.
    pub(crate) fn new(what: &'static str) -> Self {
        Self {
            what,
            ..Self::default()
        }
    }

    /// Who is known to the record; what, to whom and what differs comes from here.
    fn told_in(self, record: Record) -> Record {
        let audiences: Vec<String> = self.audience.into_iter().collect();
        let record = record
            .says(self.what)
            .of_token(&audiences, "")
            .with_change(self.before.as_ref(), self.after.as_ref());
        let object = [("client_id", &self.client_id), ("user_id", &self.user_id)];
        let object: Map<String, Value> = object
            .into_iter()
            .filter_map(|(name, id)| Some((name.to_owned(), id.as_deref()?.into())))
            .collect();
        let record = match &self.user_id {
            Some(user_id) => record.about_user(user_id),
            None => record,
        };
        if object.is_empty() {
            return record;
        }
        record.with("object", object.into())
    }

    pub(crate) fn client(mut self, client_id: &str) -> Self {
        self.client_id = Some(client_id.to_owned());
        self
    }

    pub(crate) fn user(mut self, user_id: &str) -> Self {
        self.user_id = Some(user_id.to_owned());
        self
    }

    pub(crate) fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.to_owned());
        self
    }

    pub(crate) fn before(mut self, shown: Value) -> Self {
        self.before = Some(shown);
        self
    }

    pub(crate) fn after(mut self, shown: Value) -> Self {
        self.after = Some(shown);
        self
    }
}
