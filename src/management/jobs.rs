//! `/api/v2/jobs`: imports of users, and mails by which they prove an address.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Multipart, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::access::{Path, require};
use super::answer::{Missing, Problem, json as answer};
use super::call::{Act, Call};
use super::user_tickets::{self, IDENTITY, ORGANIZATION_ID, USER_ID};
use super::users::{self, import};
use crate::app::App;
use crate::login::links::{LinkTo, mail};
use crate::model::fault::Fault;
use crate::model::instant;
use crate::model::job::{Job, JobKind};
use crate::model::json::Unique;
use crate::model::user::{CONNECTION, CONNECTION_ID};
use crate::secret;
use crate::store::{self, Locks};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{
    Field, Fields, boolean, free, instant as instant_of, integer, is_off, object, objects, text,
};

/// Largest file, in bytes (Auth0's limit).
const FILE_BYTES_MAX: usize = 512_000;
/// Most users of a file.
const USERS_MAX: usize = 10_000;
/// Most parts of a form.
const PARTS_MAX: usize = 10;
/// The part that is the file.
const FILE: &str = "users";

const READERS: Access = Access::AnyOf(&["create:users", "read:users"]);

const BESIDE: &[Field] = &[
    text("connection_id", 1, 128),
    boolean("upsert"),
    text("external_id", 0, 200),
    boolean("send_completion_email").unbuilt(is_off, "Grantor sends no mail about jobs"),
];

const SHOWN: &[Field] = &[
    text("id", 1, 100).required(),
    text("type", 1, 100).required(),
    text("status", 1, 100).required(),
    text("connection", 1, 128),
    text("connection_id", 1, 128),
    boolean("upsert"),
    text("external_id", 0, 200),
    instant_of("created_at"),
    integer("percentage_done", 0, 100),
    object(
        "summary",
        &[
            integer("total", 0, i64::MAX),
            integer("inserted", 0, i64::MAX),
            integer("updated", 0, i64::MAX),
            integer("failed", 0, i64::MAX),
        ],
    ),
];

pub(crate) const IMPORT: Operation = Operation {
    summary: "Import users from a JSON array, with hashes of their passwords by bcrypt or argon2; `upsert` needs update:users as well",
    access: Access::AnyOf(&["create:users"]),
    body: Takes::Upload(FILE, &[BESIDE]),
    answer: Answer::One(202, &[SHOWN]),
    ..Operation::DEFAULT
};

/// `POST /jobs/users-imports`: the job is done when this answers, or goes on where the caller leaves.
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, parts) = call.authorize_upload(&app, &IMPORT, body).await?;
    let (file, mut beside) = read_parts(parts).await?;
    let upsert = beside.boolean("upsert").unwrap_or(false);
    if upsert {
        // It does what a PATCH of each user does.
        require(&admin.caller, &["update:users"])?;
    }
    let connection = beside.text("connection_id");
    if connection.is_some_and(|named| named != CONNECTION_ID && named != CONNECTION) {
        return Err(Problem::no_connection());
    }
    let users = read_users(&file)?;
    let job = Job {
        external_id: beside.text("external_id"),
        upsert,
        total: i64::try_from(users.len()).unwrap_or(i64::MAX),
        is_complete: users.is_empty(),
        ..new_job(JobKind::UsersImport, admin.now)
    };
    let mut tx = app.store.write().await?;
    store::jobs::insert(&mut tx, &job).await?;
    let begun = json!({ "job": job.id, "total": job.total, "upsert": job.upsert });
    let act = Act::new("Create a job to import users").after(begun);
    admin.commit(&app, tx, act).await?;
    // In a task of its own: a caller who leaves does not stop it between two batches.
    let running = tokio::spawn(import::run(Arc::clone(&app), admin, job, users));
    let job = running.await.map_err(Fault::internal)??;
    Ok(answer(StatusCode::ACCEPTED, &show(&job, app.clock.now())))
}

fn new_job(kind: JobKind, now: i64) -> Job {
    Job::new(secret::random_id("job_"), kind, now)
}

/// The file, and what stands beside it.
async fn read_parts(mut parts: Multipart) -> Result<(Bytes, Fields), Problem> {
    let broken = |_| Problem::body("the parts of the form cannot be read.");
    let (mut file, mut beside) = (None, Map::new());
    let mut count = 0;
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        count += 1;
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(broken)?;
        let is_double = if name == FILE {
            file.replace(bytes).is_some()
        } else {
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| Problem::property(&name, "String is not UTF-8"))?;
            beside.insert(name, as_written(text)).is_some()
        };
        if is_double || count > PARTS_MAX {
            return Err(Problem::body(
                "a part of the form comes twice, or there are too many.",
            ));
        }
    }
    let file = file.ok_or_else(|| Problem::body("'Missing required property: users'."))?;
    if file.len() > FILE_BYTES_MAX {
        return Err(Problem::too_large(format!(
            "The users file is longer than {FILE_BYTES_MAX} bytes; send it in parts."
        )));
    }
    let beside = Fields::check(&[BESIDE], beside).map_err(Problem::in_body)?;
    Ok((file, beside))
}

/// The switches of a form are words.
fn as_written(text: &str) -> Value {
    match text {
        "true" => true.into(),
        "false" => false.into(),
        text => text.into(),
    }
}

fn read_users(file: &[u8]) -> Result<Vec<Value>, Problem> {
    let unreadable = || {
        Problem::body(
            "Failed to parse users file JSON when importing users. Make sure it is valid JSON, an array of users.",
        )
    };
    let Ok(Unique(Value::Array(users))) = serde_json::from_slice::<Unique>(file) else {
        return Err(unreadable());
    };
    if users.len() > USERS_MAX {
        return Err(Problem::body(format_args!(
            "the file has more than {USERS_MAX} users; send it in parts."
        )));
    }
    Ok(users)
}

pub(crate) const SEND_VERIFICATION: Operation = Operation {
    summary: "Send a user a mail with a link that proves the e-mail address",
    access: Access::AnyOf(&["update:users"]),
    body: Takes::Fields(&[&[
        USER_ID.required(),
        text("client_id", 0, 255).or_null(),
        IDENTITY,
        ORGANIZATION_ID,
    ]]),
    answer: Answer::One(201, &[SHOWN]),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `POST /jobs/verification-email`: the job is done when the mail waits to be sent. Which application it is
/// for is recorded; the mail says the same for all.
pub(crate) async fn send_verification(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &SEND_VERIFICATION, body).await?;
    if !app.users.offers_reset() {
        return Err(Problem::unsent());
    }
    let user_id = fields.text("user_id").unwrap_or_default();
    let mut tx = app.store.write_locked(&Locks::of_user(&user_id)).await?;
    // Nobody's address changes between the mail to it and the link.
    store::users::lock(&mut tx, &user_id).await?;
    let found = store::users::get(&mut tx, &user_id).await?;
    let user = found.ok_or_else(users::not_found)?;
    user_tickets::check_has_email(&user)?;
    let mut act = Act::new("Create a job to send a verification email").user(&user_id);
    if let Some(client_id) = fields.text("client_id") {
        if store::applications::get(&mut tx, &client_id)
            .await?
            .is_none()
        {
            return Err(Problem::property(
                "client_id",
                "There is no such application",
            ));
        }
        act = act.client(&client_id);
    }
    let write = mail(&app, &headers, LinkTo::ConfirmEmail);
    let written = app
        .users
        .write_verification(&mut tx, &user, admin.now, write);
    let (place, mail) = written.await?.ok_or_else(users::not_found)?;
    let job = Job {
        is_complete: true,
        ..new_job(JobKind::VerificationEmail, admin.now)
    };
    store::jobs::insert(&mut tx, &job).await?;
    let shown = show(&job, admin.now);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    place.send(&mail)?;
    Ok(answer(StatusCode::CREATED, &shown))
}

pub(crate) const GET: Operation = Operation {
    summary: "Read a job",
    access: READERS,
    answer: Answer::One(200, &[SHOWN]),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /jobs/{id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &GET).await?;
    let job = find(&app, &id).await?;
    Ok(answer(StatusCode::OK, &show(&job, admin.now)))
}

pub(crate) const ERRORS: Operation = Operation {
    summary: "Read why users of an import were not taken, or not with their password",
    access: READERS,
    answer: Answer::List(&[&[
        free("user", FILE_BYTES_MAX),
        objects(
            "errors",
            100,
            &[
                text("code", 1, 100),
                text("message", 1, 1000),
                text("path", 0, 1000),
            ],
        ),
    ]]),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /jobs/{id}/errors`
pub(crate) async fn errors(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    call.authorize(&app, &ERRORS).await?;
    let job = find(&app, &id).await?;
    Ok(answer(StatusCode::OK, &job.errors))
}

async fn find(app: &App, id: &str) -> Result<Job, Problem> {
    let found = store::jobs::get(&mut *app.store.read().await?, id).await?;
    found.ok_or_else(|| Problem::not_found(Missing::Job))
}

fn show(job: &Job, now: i64) -> Value {
    if job.kind == JobKind::VerificationEmail {
        return json!({
            "id": job.id,
            "type": job.kind.as_str(),
            "status": job.status(now),
            "created_at": instant::to_rfc3339(job.created_at),
        });
    }
    let done = job.inserted + job.updated + job.failed;
    let percentage = if job.is_complete {
        100
    } else {
        done.saturating_mul(100) / job.total.max(1)
    };
    let mut shown = json!({
        "id": job.id,
        "type": job.kind.as_str(),
        "status": job.status(now),
        "connection": CONNECTION,
        "connection_id": CONNECTION_ID,
        "upsert": job.upsert,
        "created_at": instant::to_rfc3339(job.created_at),
        "percentage_done": percentage,
        "summary": {
            "total": job.total,
            "inserted": job.inserted,
            "updated": job.updated,
            "failed": job.failed,
        },
    });
    if let (Some(external_id), Value::Object(members)) = (&job.external_id, &mut shown) {
        members.insert("external_id".to_owned(), external_id.as_str().into());
    }
    shown
}
