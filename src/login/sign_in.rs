//! Signing in with a password: `GET` and `POST /u/login`.

use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::Response;

use super::views::{ApplicationView, SignIn, SignInProblem};
use super::visit::{PageRequest, Trouble, Visit, destination, logo, typed_password, view};
use super::{Page, cookies, redirect};
use crate::audit::Failure;
use crate::directory::Stance;
use crate::model::application::Application;
use crate::model::fault::Fault;
use crate::model::record::{Kind, Record, Whence};
use crate::model::user::{TYPED_BYTES_MAX, User};
use crate::sessions::{self, Proven};
use crate::tokens::ticket::{TICKET_BYTES_MAX, Ticket};
use crate::users::authenticate::{Attempt, Outcome};
use crate::wire::operation::{Answer, Body as Takes, Operation};
use crate::wire::params::Params;
use crate::wire::schema::{Field, text};

pub(crate) const GET: Operation = Operation {
    summary: "The page for signing in",
    query: &[STATE],
    answer: Answer::Html,
    refuses: &[400],
    ..Operation::DEFAULT
};
pub(crate) const POST: Operation = Operation {
    summary: "Sign in with a password; a redirect goes on with the authorization request",
    query: &[],
    body: Takes::Parameters(&[STATE, TYPED]),
    answer: Answer::HtmlOrRedirect,
    refuses: &[400, 403, 429],
    ..GET
};
/// The ticket of an authorization request.
pub(super) const STATE: &[Field] = &[text("state", 1, TICKET_BYTES_MAX).required()];
const TYPED: &[Field] = &[
    text("username", 0, TYPED_BYTES_MAX),
    text("password", 0, TYPED_BYTES_MAX),
    text("action", 0, 20),
];

/// `GET /u/login`
pub(crate) async fn get(request: PageRequest) -> Response {
    request.answer(ask).await
}

async fn ask(visit: &Visit<'_>, params: &Params) -> Result<Response, Trouble> {
    let state = params.required("state", TICKET_BYTES_MAX)?;
    let (ticket, application) = visit.open(state).await?;
    let form = Form {
        ticket: &ticket,
        application: &application,
        username: ticket.request.login_hint.as_deref().unwrap_or_default(),
    };
    form.show(visit, None).await
}

/// `POST /u/login`
pub(crate) async fn post(request: PageRequest) -> Response {
    request.answer(sign_in).await
}

/// The order of it, whole.
async fn sign_in(visit: &Visit<'_>, params: &Params) -> Result<Response, Trouble> {
    let state = params.required("state", TICKET_BYTES_MAX)?;
    let (ticket, application) = visit.open(state).await?;
    let username = params.text("username", TYPED_BYTES_MAX)?.unwrap_or("");
    let password = typed_password(params)?;
    let form = Form {
        ticket: &ticket,
        application: &application,
        username,
    };
    let ip = visit.origin.ip.map(|ip| ip.to_string());
    let attempt = Attempt {
        identifier: username.trim(),
        password: &password,
        ip: ip.as_deref(),
        now: visit.now,
    };
    match visit.app.users.authenticate(&attempt).await? {
        Outcome::SignedIn(user) => Ok(signed_in(visit, &ticket, &application, &user).await?),
        Outcome::Wrong(user_id) => {
            let whose = (&*application, user_id.as_deref());
            record_failure(
                visit,
                whose,
                ("Wrong email or password.", StatusCode::BAD_REQUEST),
            );
            form.show(visit, Some(SignInProblem::WrongCredentials))
                .await
        }
        Outcome::Withheld(user_id) => {
            visit.record_withheld((&application, user_id.as_deref()));
            form.show(visit, Some(SignInProblem::WrongCredentials))
                .await
        }
        Outcome::Limited(limited, user_id) => {
            visit.record_limit((Some(&application), user_id.as_deref()), limited);
            let problem = SignInProblem::Limited {
                retry_after_seconds: limited.retry_after_seconds(),
            };
            form.show(visit, Some(problem)).await
        }
        Outcome::Blocked(user) => {
            let whose = (&*application, Some(user.user_id.as_str()));
            record_failure(visit, whose, ("user is blocked", StatusCode::FORBIDDEN));
            form.show(visit, Some(SignInProblem::Blocked)).await
        }
    }
}

/// A session begins, and the authorization request goes on.
pub(super) async fn signed_in(
    visit: &Visit<'_>,
    ticket: &Ticket,
    application: &Application,
    user: &User,
) -> Result<Response, Fault> {
    let app = visit.app;
    let settings = app.directory.settings(Stance::Strict).await?;
    let before = visit.signed_in().await?.map(|own| own.session);
    let proven = Proven {
        user_id: &user.user_id,
        amr: &["pwd"],
        device: visit.device(),
        position: visit.position,
    };
    let whence: Whence = visit.origin.clone().into();
    let record = Record::new(Kind::SignedIn, app.clock.now_millis(), &whence, Some(303))
        .by(Some(&application.client_id), Some(&application.name))
        .about_user(&user.user_id)
        .says("Successful login");
    let locks = sessions::locks_to_open(&user.user_id, before.as_ref());
    let mut tx = app.store.write_locked(&locks).await?;
    let digester = &app.mint.digester;
    let opened = sessions::open(&mut tx, proven, (before, &settings), digester, visit.now).await?;
    tx.record(record);
    tx.commit(visit.now).await?;
    let ticket = Ticket {
        signed_in: Some(opened.session.id.clone()),
        ..ticket.clone()
    };
    let state = app.mint.seal_ticket(&ticket)?;
    let location = format!("{}?state={state}", app.issuer.join("authorize/resume"));
    let mut response = redirect(&location);
    let cookie = cookies::set(&app.issuer, &opened, visit.now)?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

fn record_failure(
    visit: &Visit<'_>,
    (application, user_id): (&Application, Option<&str>),
    (description, status): (&str, StatusCode),
) {
    visit.app.audit.refused(&Failure {
        kind: Kind::WrongPassword,
        whence: &visit.origin.clone().into(),
        client_id: Some(&application.client_id),
        client_name: Some(&application.name),
        user_id,
        code: "access_denied",
        description,
        log: "",
        status: status.as_u16(),
    });
}

/// The form and what stands in it.
struct Form<'a> {
    ticket: &'a Ticket,
    application: &'a Application,
    username: &'a str,
}

impl Form<'_> {
    async fn show(
        &self,
        visit: &Visit<'_>,
        problem: Option<SignInProblem>,
    ) -> Result<Response, Trouble> {
        let warning = visit.warning(self.ticket, self.application);
        let (is_unverified, state) = warning.await?;
        let destination = destination(self.ticket);
        let logo = logo(self.application);
        let page = SignIn {
            frame: visit.frame(&self.ticket.request.ui_locales),
            application: ApplicationView {
                is_unverified,
                ..view(self.application, logo.as_ref(), destination.as_ref())
            },
            state: &state,
            username: self.username,
            can_sign_up: visit.app.config.sign_up_allowed,
            can_reset: visit.app.users.offers_reset(),
            problem,
        };
        Ok(page.show())
    }
}
