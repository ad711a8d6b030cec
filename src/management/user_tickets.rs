//! `/api/v2/tickets`: links that an operator hands to a user, to set a new password or to prove an
//! e-mail address. Whoever has one acts for the user, so the answer is the only place that holds it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use url::Url;

use super::answer::{Problem, json as answer};
use super::call::{Act, Admin, Call};
use super::users::not_found;
use crate::app::App;
use crate::model::instant;
use crate::model::user::{CONNECTION_ID, User};
use crate::model::user_ticket::{TicketKind, UserTicket};
use crate::store::{self, Locks};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{
    Field, Fields, Form, Shape, Tables, boolean, formed, integer, is_null, is_off, object, text,
};

/// Longest `user_id`, in characters.
const USER_ID_CHARS_MAX: usize = 255;
/// Longest URL, in characters.
const URL_CHARS_MAX: usize = 2048;
/// Longest life of a ticket, in seconds: 30 days.
const TTL_SECONDS_MAX: i64 = 2_592_000;

const NO_ORGANIZATIONS: &str = "organizations are not built";
const NO_LOGIN_ROUTE: &str = "a ticket leads to its result_url, and to no application";
const NO_EMAIL: &str = "the user's address is not put into URLs";
const ONE_IDENTITY: &str = "a user has one identity, which user_id names";

const RESULT_URL: Form = Form::Shape(&Shape {
    pattern: "^(https?://.+)?$",
    fits: is_web_url,
    why: "Not an absolute URL with https or http",
});

fn is_web_url(text: &str) -> bool {
    text.is_empty() || Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
}

pub(super) const USER_ID: Field = text("user_id", 1, USER_ID_CHARS_MAX);
pub(super) const ORGANIZATION_ID: Field =
    text("organization_id", 0, 255).unbuilt(is_null, NO_ORGANIZATIONS);
pub(super) const IDENTITY: Field = object(
    "identity",
    &[
        text("user_id", 1, USER_ID_CHARS_MAX),
        text("provider", 1, 100),
        text("connection_id", 1, 255),
    ],
)
.unbuilt(is_null, ONE_IDENTITY);
const SHARED: &[Field] = &[
    formed("result_url", 0, URL_CHARS_MAX, RESULT_URL),
    integer("ttl_sec", 0, TTL_SECONDS_MAX),
    text("client_id", 0, 255).unbuilt(is_null, NO_LOGIN_ROUTE),
    ORGANIZATION_ID,
    boolean("includeEmailInRedirect").unbuilt(is_off, NO_EMAIL),
];
const SHOWN: Tables = &[&[text("ticket", 1, URL_CHARS_MAX)]];

pub(crate) const CHANGE_PASSWORD: Operation = Operation {
    summary: "Make a link by which a user sets a new password",
    access: Access::AnyOf(&["create:user_tickets"]),
    body: Takes::Fields(&[
        SHARED,
        &[
            USER_ID,
            text("connection_id", 1, 255),
            text("email", 1, 254),
            boolean("mark_email_as_verified"),
        ],
    ]),
    answer: Answer::One(201, SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `POST /tickets/password-change`
pub(crate) async fn change_password(
    State(app): State<Arc<App>>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &CHANGE_PASSWORD, body).await?;
    let user = named(&app, &mut fields).await?;
    let proves_email = fields.boolean("mark_email_as_verified") == Some(true);
    let ticket = read(&app, fields, (TicketKind::ResetPassword, &user), admin.now);
    let ticket = UserTicket {
        proves_email,
        ..ticket
    };
    let act = Act::new("Create a password change ticket");
    issue(&app, &admin, &ticket, act).await
}

pub(crate) const VERIFY_EMAIL: Operation = Operation {
    summary: "Make a link by which a user proves an e-mail address",
    access: Access::AnyOf(&["create:user_tickets"]),
    body: Takes::Fields(&[SHARED, &[USER_ID.required(), IDENTITY]]),
    answer: Answer::One(201, SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `POST /tickets/email-verification`
pub(crate) async fn verify_email(
    State(app): State<Arc<App>>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &VERIFY_EMAIL, body).await?;
    let user = named(&app, &mut fields).await?;
    check_has_email(&user)?;
    let ticket = read(&app, fields, (TicketKind::VerifyEmail, &user), admin.now);
    let act = Act::new("Create an email verification ticket");
    issue(&app, &admin, &ticket, act).await
}

pub(super) fn check_has_email(user: &User) -> Result<(), Problem> {
    if user.email.is_none() {
        return Err(Problem::body("'The user has no e-mail address'."));
    }
    Ok(())
}

/// The user whom the body names, by `user_id` or by an address at the connection.
async fn named(app: &App, fields: &mut Fields) -> Result<User, Problem> {
    let (id, email) = (fields.text("user_id"), fields.text("email"));
    let connection = fields.text("connection_id");
    let mut conn = app.store.read().await?;
    let found = match (id, email, connection) {
        (Some(id), None, None) => store::users::get(&mut conn, &id).await?,
        (None, Some(email), Some(connection)) => {
            if connection != CONNECTION_ID {
                let why = format!("There is one connection, {CONNECTION_ID}");
                return Err(Problem::property("connection_id", why));
            }
            let found = store::users::by_email(&mut conn, &email).await?;
            found.into_iter().next()
        }
        _ => {
            let why = "'Expected either user_id, or connection_id and email'.";
            return Err(Problem::body(why));
        }
    };
    found.ok_or_else(not_found)
}

fn read(app: &App, mut fields: Fields, (kind, user): (TicketKind, &User), now: i64) -> UserTicket {
    let ticket = app.users.tickets.by_mail(kind, &user.user_id, now);
    // Auth0: 0 is as good as none.
    let seconds = fields.integer("ttl_sec").filter(|seconds| *seconds > 0);
    UserTicket {
        result_url: fields.text("result_url").filter(|url| !url.is_empty()),
        expires_at: seconds.map_or(ticket.expires_at, |seconds| now + seconds),
        ..ticket
    }
}

async fn issue(
    app: &App,
    admin: &Admin,
    ticket: &UserTicket,
    act: Act,
) -> Result<Response, Problem> {
    let locks = Locks::of_user(&ticket.user_id);
    let mut tx = app.store.write_locked(&locks).await?;
    let issued = app.users.tickets.issue(&mut tx, ticket).await?;
    let text = issued.ok_or_else(not_found)?;
    let shown = json!({
        "result_url": ticket.result_url,
        "expires_at": instant::to_rfc3339(ticket.expires_at),
    });
    admin
        .commit(app, tx, act.user(&ticket.user_id).after(shown))
        .await?;
    let page = match ticket.kind {
        TicketKind::ResetPassword => "u/change-password",
        TicketKind::VerifyEmail => "u/verify-email",
    };
    // Auth0's ends so too: what mail programs put behind a link stays out of it.
    let url = format!("{}?ticket={}#", app.issuer.join(page), text.expose());
    Ok(answer(StatusCode::CREATED, &json!({ "ticket": url })))
}
