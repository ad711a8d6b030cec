//! An import: users with the hashes that another system made of their passwords, taken in batches.
//!
//! Each batch is one transaction together with the job's counts and a record of the audit, so what the
//! job says is what was done. Where the node ends in between, later batches are missing and the job
//! says so after a while; the same file can be sent again with `upsert`.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::fields::{IMPORT, NEW, overlay};
use super::own_id;
use crate::app::App;
use crate::logout::Why;
use crate::management::answer::Problem;
use crate::management::call::{Act, Admin};
use crate::model::fault::Fault;
use crate::model::job::Job;
use crate::model::user::{User, user_id_of};
use crate::secret::Secret;
use crate::store::users::SignIn;
use crate::store::{self, Locks, Scope, Write};
use crate::users::{self, password};
use crate::wire::schema::{Fields, Violation};

/// Users that one transaction takes.
const BATCH_USERS: usize = 100;
/// Most errors that a job keeps; all are counted.
const ERRORS_MAX: usize = 1000;
/// Most of them that are remarks on users who were taken.
const REMARKS_MAX: usize = 500;
/// The code of such a remark.
const PASSWORD_KEPT: &str = "PASSWORD_KEPT";
/// Where a hash stands.
const HASHES: [&str; 2] = ["password_hash", "custom_password_hash"];
/// What is shown in the place of a secret.
const HIDDEN: &str = "*****";

/// Why a user of the file was not taken, in Auth0's shape.
struct Rejected {
    code: &'static str,
    message: String,
    path: Option<String>,
}

impl Rejected {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            path: None,
        }
    }
}

impl From<Violation> for Rejected {
    fn from(violation: Violation) -> Self {
        let (code, message, path) = match violation {
            Violation::Unreadable => ("INVALID_FORMAT", "Not readable".to_owned(), None),
            Violation::Property { path, why } => ("INVALID_FORMAT", why, Some(path)),
            Violation::Missing(path) => ("OBJECT_REQUIRED", "It is missing".to_owned(), Some(path)),
            Violation::Unknown(path) => (
                "OBJECT_ADDITIONAL_PROPERTIES",
                "There is no such property".to_owned(),
                Some(path),
            ),
            Violation::NotSupported { path, why } => ("NOT_SUPPORTED", why.to_owned(), Some(path)),
        };
        Self {
            code,
            message,
            path,
        }
    }
}

enum Taken {
    Inserted(String),
    Updated(String),
    /// The same, and a hash was named beside the password that stays.
    UpdatedButPassword(String),
}

/// Takes all users of a file, and completes the job.
pub(in crate::management) async fn run(
    app: Arc<App>,
    admin: Admin,
    mut job: Job,
    users: Vec<Value>,
) -> Result<Job, Problem> {
    let mut batches = users.chunks(BATCH_USERS).peekable();
    while let Some(batch) = batches.next() {
        let held = Held::find(&app, batch, job.upsert).await?;
        let mut tx = app.store.write_locked(&held.locks).await?;
        let (mut inserted, mut updated) = (Vec::new(), Vec::new());
        for user in batch {
            match take(&mut tx, (user, &held), job.upsert, admin.now).await? {
                Ok(Taken::Inserted(user_id)) => inserted.push(user_id),
                Ok(Taken::Updated(user_id)) => updated.push(user_id),
                Ok(Taken::UpdatedButPassword(user_id)) => {
                    updated.push(user_id);
                    let why = "The user was updated, and has a password already, which stays.";
                    note(&mut job, user, &Rejected::new(PASSWORD_KEPT, why));
                }
                Err(rejected) => {
                    job.failed += 1;
                    note(&mut job, user, &rejected);
                }
            }
        }
        job.inserted += count(&inserted);
        job.updated += count(&updated);
        job.is_complete = batches.peek().is_none();
        job.updated_at = app.clock.now();
        store::jobs::update(&mut tx, &job).await?;
        let done = json!({ "job": job.id, "inserted": inserted, "updated": updated });
        admin
            .commit(&app, tx, Act::new("Import users").after(done))
            .await?;
    }
    Ok(job)
}

/// What one batch locks before it begins. Batches change many users in the order of their file, so only one
/// runs at a time.
struct Held {
    locks: Locks,
    /// The users whom the batch may block.
    user_ids: HashSet<String>,
}

impl Held {
    async fn find(app: &App, batch: &[Value], upsert: bool) -> Result<Self, Fault> {
        let mut locks = Locks::new().exclusive(Scope::UserNames);
        let mut user_ids = HashSet::new();
        let blocked = |user: &&Value| upsert && user["blocked"] == true;
        for user in batch.iter().filter(blocked) {
            let identifier = user["email"].as_str().or(user["username"].as_str());
            let mut conn = app.store.read().await?;
            let found = store::users::find_for_sign_in(&mut conn, identifier.unwrap_or_default());
            if let Some(found) = found.await? {
                locks = locks.and_user(&found.user.user_id);
                user_ids.insert(found.user.user_id);
            }
        }
        Ok(Self { locks, user_ids })
    }
}

fn count(users: &[String]) -> i64 {
    i64::try_from(users.len()).unwrap_or(i64::MAX)
}

async fn take(
    tx: &mut Write,
    (entry, held): (&Value, &Held),
    upsert: bool,
    now: i64,
) -> Result<Result<Taken, Rejected>, Problem> {
    let (fields, hash) = match read(entry) {
        Ok(read) => read,
        Err(rejected) => return Ok(Err(rejected)),
    };
    let mut named = fields;
    let mut user = User::new(user_id_of(&own_id(&mut named)), now);
    let rest = named.rest();
    if let Err(why) = lay_over(&mut user, rest.clone()) {
        return Ok(Err(why));
    }
    if store::users::insert(tx, &user, hash.as_ref()).await? {
        return Ok(Ok(Taken::Inserted(user.user_id)));
    }
    if !upsert {
        return Ok(Err(Rejected::new("CONFLICT", "The user already exists.")));
    }
    update(tx, (&user, held), (rest, hash), now).await
}

/// Changes the user who has the address or username. A password that is there stays.
async fn update(
    tx: &mut Write,
    (wanted, held): (&User, &Held),
    (rest, hash): (Map<String, Value>, Option<Secret<String>>),
    now: i64,
) -> Result<Result<Taken, Rejected>, Problem> {
    let identifier = wanted.email.as_deref().or(wanted.username.as_deref());
    let Some(found) = hold(tx, identifier.unwrap_or_default()).await? else {
        let why = "Another user has this user_id or username.";
        return Ok(Err(Rejected::new("CONFLICT", why)));
    };
    let mut user = found.user;
    let user_id = user.user_id.clone();
    let was_blocked = user.blocked;
    if let Err(why) = lay_over(&mut user, rest) {
        return Ok(Err(why));
    }
    let is_blocked_now = user.blocked && !was_blocked;
    if is_blocked_now && !held.user_ids.contains(&user_id) {
        let why = "The user was changed at the same time. Import the user again.";
        return Ok(Err(Rejected::new("CONFLICT", why)));
    }
    user.updated_at = now;
    if !store::users::update(tx, &user).await? {
        let why = "Another user has this username.";
        return Ok(Err(Rejected::new("CONFLICT_USERNAME", why)));
    }
    let mut keeps_password = false;
    match (&hash, &found.password_hash) {
        (Some(hash), None) => {
            store::users::set_password_hash(tx, &user_id, hash, now).await?;
        }
        // The same file sent again says nothing new.
        (Some(hash), Some(own)) => keeps_password = hash.expose() != own.expose(),
        (None, _) => {}
    }
    if is_blocked_now {
        users::end_everything(tx, &user_id, Why::AccountDeactivated, now).await?;
    }
    Ok(Ok(if keeps_password {
        Taken::UpdatedButPassword(user_id)
    } else {
        Taken::Updated(user_id)
    }))
}

/// The user of that address or username, locked: what others have changed while the lock was waited for
/// counts.
async fn hold(tx: &mut Write, identifier: &str) -> Result<Option<SignIn>, Fault> {
    let Some(found) = store::users::find_for_sign_in(tx, identifier).await? else {
        return Ok(None);
    };
    if !store::users::lock(tx, &found.user.user_id).await? {
        return Ok(None);
    }
    let again = store::users::find_for_sign_in(tx, identifier).await?;
    Ok(again.filter(|again| again.user.user_id == found.user.user_id))
}

/// What a user of the file says, and the hash of the password.
fn read(entry: &Value) -> Result<(Fields, Option<Secret<String>>), Rejected> {
    let Value::Object(members) = entry else {
        return Err(Rejected::new("INVALID_TYPE", "A user is an object"));
    };
    let mut fields = Fields::check(&[NEW, IMPORT], members.clone())?;
    let custom = fields.object("custom_password_hash");
    let custom = custom.and_then(|mut own| own.object("hash")?.text("value"));
    let hash = match fields.text("password_hash").or(custom) {
        None => None,
        Some(text) => Some(
            password::read_imported(&text).map_err(|why| Rejected::new("INVALID_FORMAT", why))?,
        ),
    };
    Ok((fields, hash))
}

fn lay_over(user: &mut User, members: Map<String, Value>) -> Result<(), Rejected> {
    let fields = Fields::check(&[NEW, IMPORT], members)?;
    overlay(user, fields).map_err(|problem| match problem {
        Problem::Refused { message, .. } => Rejected::new("INVALID_FORMAT", message),
        Problem::Fault(fault) => Rejected::new("INVALID_FORMAT", fault.to_string()),
    })
}

/// Keeps why a user was not taken, or not the whole, without hashes and without what is not known here:
/// another system's secrets may be in it.
fn note(job: &mut Job, entry: &Value, rejected: &Rejected) {
    let is_remark = rejected.code == PASSWORD_KEPT;
    if job.errors.len() >= if is_remark { REMARKS_MAX } else { ERRORS_MAX } {
        return;
    }
    let mut user = entry.clone();
    if let Value::Object(members) = &mut user {
        for (name, own) in members {
            let is_known = NEW.iter().chain(IMPORT).any(|field| field.name == name);
            if !is_known || HASHES.contains(&name.as_str()) {
                *own = HIDDEN.into();
            }
        }
    }
    let mut error = json!({ "code": rejected.code, "message": rejected.message });
    if let (Some(path), Value::Object(members)) = (&rejected.path, &mut error) {
        members.insert("path".to_owned(), path.as_str().into());
    }
    job.errors.push(json!({ "user": user, "errors": [error] }));
}
