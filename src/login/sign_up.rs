//! Making an account: `GET` and `POST /u/signup`, where `sign_up.allowed` says so.

use axum::response::Response;

use super::Page;
use super::links::{LinkTo, mail};
use super::sign_in::{STATE, signed_in};
use super::views::{ApplicationView, SignUp, SignUpProblem};
use super::visit::{PageRequest, Trouble, Visit, destination, logo, typed_password, view};
use crate::app::App;
use crate::model::application::Application;
use crate::model::fault::Fault;
use crate::model::record::{Kind, Record};
use crate::model::refusal::{Code, Refusal};
use crate::model::user::{PROVIDER, TYPED_BYTES_MAX, User, is_email};
use crate::secret::{self, Secret};
use crate::store::{self, Locks, Scope};
use crate::tokens::ticket::{TICKET_BYTES_MAX, Ticket};
use crate::users::limits::{Address, Verdict};
use crate::users::queues::Work;
use crate::wire::operation::{Answer, Body as Takes, Operation};
use crate::wire::params::Params;
use crate::wire::schema::{Field, text};

pub(crate) const GET: Operation = Operation {
    summary: "The page for making an account",
    query: &[STATE],
    answer: Answer::Html,
    refuses: &[400, 403],
    ..Operation::DEFAULT
};
pub(crate) const POST: Operation = Operation {
    summary: "Make an account; a redirect goes on with the authorization request",
    query: &[],
    body: Takes::Parameters(&[STATE, TYPED]),
    answer: Answer::HtmlOrRedirect,
    refuses: &[400, 403, 429],
    ..GET
};
const TYPED: &[Field] = &[
    text("email", 0, TYPED_BYTES_MAX),
    text("password", 0, TYPED_BYTES_MAX),
    text("action", 0, 20),
];

/// `GET /u/signup`
pub(crate) async fn get(request: PageRequest) -> Response {
    request.answer(ask).await
}

async fn ask(visit: &Visit<'_>, params: &Params) -> Result<Response, Trouble> {
    let state = params.required("state", TICKET_BYTES_MAX)?;
    let (ticket, application) = visit.open(state).await?;
    check_allowed(visit.app)?;
    let form = Form {
        ticket: &ticket,
        application: &application,
        email: ticket.request.login_hint.as_deref().unwrap_or_default(),
    };
    form.show(visit, None).await
}

/// `POST /u/signup`
pub(crate) async fn post(request: PageRequest) -> Response {
    request.answer(sign_up).await
}

fn check_allowed(app: &App) -> Result<(), Refusal> {
    if app.config.sign_up_allowed {
        return Ok(());
    }
    let text = "Nobody makes an account here by himself (sign_up.allowed).";
    Err(Refusal::new(Code::AccessDenied, text))
}

/// The order of it, whole.
async fn sign_up(visit: &Visit<'_>, params: &Params) -> Result<Response, Trouble> {
    let state = params.required("state", TICKET_BYTES_MAX)?;
    let (ticket, application) = visit.open(state).await?;
    check_allowed(visit.app)?;
    let email = params.text("email", TYPED_BYTES_MAX)?.unwrap_or("").trim();
    let password = typed_password(params)?;
    let form = Form {
        ticket: &ticket,
        application: &application,
        email,
    };
    match make(visit, &application, (email, &password)).await? {
        Ok(user) => Ok(signed_in(visit, &ticket, &application, &user).await?),
        Err(problem) => form.show(visit, Some(problem)).await,
    }
}

/// Makes the account, and sends a mail that proves the address.
async fn make(
    visit: &Visit<'_>,
    application: &Application,
    (email, password): (&str, &Secret<String>),
) -> Result<Result<User, SignUpProblem>, Fault> {
    let (app, now) = (visit.app, visit.now);
    if !is_email(email) {
        return Ok(Err(SignUpProblem::EmailInvalid));
    }
    let limits = &app.users.limits;
    let account = limits.account_named(email);
    let address = Address::of(visit.origin.ip);
    let now_ms = now.saturating_mul(1000);
    if let Verdict::Limited(limited) = limits.sign_up(&account, &address, now_ms).await? {
        visit.record_limit((Some(application), None), limited);
        return Ok(Err(SignUpProblem::Limited {
            retry_after_seconds: limited.retry_after_seconds(),
        }));
    }
    let own = secret::random_hex_id();
    let mut user = User::new(format!("{PROVIDER}|{own}"), now);
    user.email = Some(email.to_owned());
    let work = Work::sign_up(&address);
    let hash = match app.users.passwords.keep(password, &user, &work).await? {
        Ok(hash) => hash,
        Err(weak) => return Ok(Err(SignUpProblem::Password((&weak).into()))),
    };
    let whence = visit.origin.clone().into();
    let record = Record::new(Kind::SignedUp, app.clock.now_millis(), &whence, Some(303))
        .by(Some(&application.client_id), Some(&application.name))
        .about_user(&user.user_id)
        .says(Kind::SignedUp.says());
    let names = Locks::new().shared(Scope::UserNames);
    let mut tx = app.store.write_locked(&names).await?;
    if !store::users::insert(&mut tx, &user, Some(&hash)).await? {
        return Ok(Err(SignUpProblem::EmailRefused));
    }
    tx.record(record);
    tx.commit(now).await?;
    if app.users.offers_reset() {
        let write = mail(app, visit.headers, LinkTo::ConfirmEmail);
        let by = visit.by_link();
        if let Err(fault) = app.users.send_verification(&user, &by, write).await {
            // The account is there; the address can be proved later.
            tracing::warn!(%fault, "a mail for a new account could not be sent");
        }
    }
    Ok(Ok(user))
}

/// The form and what stands in it.
struct Form<'a> {
    ticket: &'a Ticket,
    application: &'a Application,
    email: &'a str,
}

impl Form<'_> {
    async fn show(
        &self,
        visit: &Visit<'_>,
        problem: Option<SignUpProblem>,
    ) -> Result<Response, Trouble> {
        let warning = visit.warning(self.ticket, self.application);
        let (is_unverified, state) = warning.await?;
        let destination = destination(self.ticket);
        let logo = logo(self.application);
        let page = SignUp {
            frame: visit.frame(&self.ticket.request.ui_locales),
            application: ApplicationView {
                is_unverified,
                ..view(self.application, logo.as_ref(), destination.as_ref())
            },
            state: &state,
            email: self.email,
            password_chars_min: visit.password_chars_min(),
            problem,
        };
        Ok(page.show())
    }
}
