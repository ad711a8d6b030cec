//! What users do by a link in a mail: another password, a proved address.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;

use super::mails::{self, Purpose};
use super::views::{
    ConfirmEmail, EmailConfirmed, ErrorKind, ErrorPage, NewPassword, NewPasswordProblem,
    PasswordChanged, PasswordProblem, ResetPassword, ResetProblem, ResetSent,
};
use super::visit::{PageRequest, Trouble, Visit, typed_password};
use super::{Language, Page, redirect};
use crate::app::App;
use crate::mail::Mail;
use crate::model::fault::Fault;
use crate::model::refusal::{Code, Refusal};
use crate::model::user::{TYPED_BYTES_MAX, User, is_email};
use crate::model::user_ticket::TicketKind;
use crate::secret::Secret;
use crate::tokens::ticket::TICKET_BYTES_MAX;
use crate::users::limits::Verdict;
use crate::users::password::Weak;
use crate::users::reset::Changed;
use crate::wire::operation::{Answer, Body as Takes, Operation};
use crate::wire::params::Params;
use crate::wire::schema::{Field, text};

/// Longest ticket of a mail, in bytes; ours are shorter.
const LINK_BYTES_MAX: usize = 200;

const WAY: &[Field] = &[text("state", 0, TICKET_BYTES_MAX)];
const TICKET: &[Field] = &[text("ticket", 1, LINK_BYTES_MAX).required()];

pub(crate) const GET_RESET: Operation = Operation {
    summary: "The page for a forgotten password",
    query: &[WAY],
    answer: Answer::Html,
    refuses: &[400, 403],
    ..Operation::DEFAULT
};
pub(crate) const POST_RESET: Operation = Operation {
    summary: "Ask for a mail with a link to set another password; the same answer for every address",
    query: &[],
    body: Takes::Parameters(&[WAY, &[text("email", 0, TYPED_BYTES_MAX)]]),
    refuses: &[400, 403, 429],
    ..GET_RESET
};
pub(crate) const GET_CHANGE: Operation = Operation {
    summary: "The page for another password, by a link in a mail",
    query: &[TICKET],
    refuses: &[400, 410],
    ..GET_RESET
};
pub(crate) const POST_CHANGE: Operation = Operation {
    summary: "Set another password, by a link in a mail",
    query: &[],
    body: Takes::Parameters(&[TICKET, &[text("password", 0, TYPED_BYTES_MAX)]]),
    answer: Answer::HtmlOrRedirect,
    refuses: &[400, 410, 429],
    ..GET_RESET
};
pub(crate) const GET_VERIFY: Operation = Operation {
    summary: "The page to prove an e-mail address, by a link in a mail",
    ..GET_CHANGE
};
pub(crate) const POST_VERIFY: Operation = Operation {
    summary: "Prove an e-mail address, by a link in a mail",
    query: &[],
    body: Takes::Parameters(&[TICKET]),
    answer: Answer::HtmlOrRedirect,
    refuses: &[400, 410],
    ..GET_RESET
};

impl From<&Weak> for PasswordProblem {
    fn from(weak: &Weak) -> Self {
        match weak {
            Weak::TooShort(_) => Self::TooShort,
            Weak::TooLong => Self::TooLong,
            Weak::Common => Self::Known,
            Weak::Personal => Self::Personal,
            Weak::Guessable => Self::Guessable,
        }
    }
}

/// What a mail's link leads to.
#[derive(Clone, Copy)]
pub(crate) enum LinkTo {
    NewPassword,
    ConfirmEmail,
}

/// Writes the mail of a user and a ticket, in the language of a request with these headers.
pub(crate) fn mail(
    app: &App,
    headers: &HeaderMap,
    to: LinkTo,
) -> impl FnOnce(&User, &Secret<String>) -> Result<Mail, Fault> + Send + 'static {
    let language = Language::choose(None, headers);
    let (pages, issuer) = (Arc::clone(&app.pages), app.issuer.clone());
    let (purpose, path, kind) = match to {
        LinkTo::NewPassword => (
            Purpose::ResetPassword,
            "u/change-password",
            TicketKind::ResetPassword,
        ),
        LinkTo::ConfirmEmail => (
            Purpose::ConfirmEmail,
            "u/verify-email",
            TicketKind::VerifyEmail,
        ),
    };
    let seconds = app.users.tickets.seconds(kind);
    move |user, ticket| {
        let email = user.email.as_deref().unwrap_or_default();
        let link = format!("{}?ticket={}", issuer.join(path), ticket.expose());
        let written = mails::write(pages.frame(language), purpose, email, &link, seconds)?;
        Ok(Mail {
            to: email.to_owned(),
            subject: written.subject,
            text: written.text,
            html: written.html,
        })
    }
}

fn check_offered(app: &App) -> Result<(), Refusal> {
    if app.users.offers_reset() {
        return Ok(());
    }
    let text =
        "No mails are sent here (mail.smtp_url), so an administrator has to set the password.";
    Err(Refusal::new(Code::AccessDenied, text))
}

/// `GET /u/reset-password`
pub(crate) async fn get_reset(request: PageRequest) -> Response {
    request.answer(show_reset).await
}

async fn show_reset(visit: &Visit<'_>, params: &Params) -> Result<Response, Trouble> {
    check_offered(visit.app)?;
    let page = ResetPassword {
        frame: visit.frame(&[]),
        state: params.text("state", TICKET_BYTES_MAX)?,
        email: "",
        problem: None,
    };
    Ok(page.show())
}

/// `POST /u/reset-password`
pub(crate) async fn post_reset(request: PageRequest) -> Response {
    request.answer(ask_for_reset).await
}

async fn ask_for_reset(visit: &Visit<'_>, params: &Params) -> Result<Response, Trouble> {
    check_offered(visit.app)?;
    let state = params.text("state", TICKET_BYTES_MAX)?;
    let email = params.text("email", TYPED_BYTES_MAX)?.unwrap_or("").trim();
    let frame = visit.frame(&[]);
    let again = |problem| {
        let page = ResetPassword {
            frame,
            state,
            email,
            problem: Some(problem),
        };
        page.show()
    };
    if !is_email(email) {
        return Ok(again(ResetProblem::EmailInvalid));
    }
    let users = &visit.app.users;
    let write = mail(visit.app, visit.headers, LinkTo::NewPassword);
    let asked = users.request_reset(email, visit.by_link(), write);
    if let Verdict::Limited(limited) = asked.await? {
        visit.record_limit((None, None), limited);
        return Ok(again(ResetProblem::Limited {
            retry_after_seconds: limited.retry_after_seconds(),
        }));
    }
    let page = ResetSent {
        frame,
        state,
        email,
        valid_seconds: users.tickets.seconds(TicketKind::ResetPassword),
    };
    Ok(page.show())
}

/// `GET /u/change-password`
pub(crate) async fn get_change(request: PageRequest) -> Response {
    let shown = request.answer(async |visit, params| {
        let ticket = params.required("ticket", LINK_BYTES_MAX)?;
        new_password(visit, ticket, None).await
    });
    shown.await
}

/// The form, where the ticket works.
async fn new_password(
    visit: &Visit<'_>,
    ticket: &str,
    problem: Option<NewPasswordProblem>,
) -> Result<Response, Trouble> {
    let kind = TicketKind::ResetPassword;
    let holder = visit.app.users.ticket_holder(kind, ticket, visit.now);
    let Some(user) = holder.await? else {
        return Ok(spent(visit));
    };
    let page = NewPassword {
        frame: visit.frame(&[]),
        ticket,
        email: user.shown_name().unwrap_or_default(),
        password_chars_min: visit.password_chars_min(),
        problem,
    };
    Ok(page.show())
}

/// `POST /u/change-password`
pub(crate) async fn post_change(request: PageRequest) -> Response {
    request.answer(change).await
}

async fn change(visit: &Visit<'_>, params: &Params) -> Result<Response, Trouble> {
    let ticket = params.required("ticket", LINK_BYTES_MAX)?;
    let password = typed_password(params)?;
    let (users, by) = (&visit.app.users, visit.by_link());
    let changed = users.change_password(&visit.app.directory, (ticket, &password), &by);
    match changed.await? {
        Changed::Weak(weak) => {
            let problem = NewPasswordProblem::Password((&weak).into());
            new_password(visit, ticket, Some(problem)).await
        }
        Changed::Limited(limited) => {
            visit.record_limit((None, None), limited);
            let problem = NewPasswordProblem::Limited {
                retry_after_seconds: limited.retry_after_seconds(),
            };
            new_password(visit, ticket, Some(problem)).await
        }
        Changed::NoTicket => Ok(spent(visit)),
        Changed::Done(_, ticket) => Ok(match ticket.result_url {
            Some(url) => redirect(&url),
            None => PasswordChanged {
                frame: visit.frame(&[]),
            }
            .show(),
        }),
    }
}

/// `GET /u/verify-email`: proves nothing yet, because programs that look into mails follow links.
pub(crate) async fn get_verify(request: PageRequest) -> Response {
    request.answer(ask_to_verify).await
}

async fn ask_to_verify(visit: &Visit<'_>, params: &Params) -> Result<Response, Trouble> {
    let ticket = params.required("ticket", LINK_BYTES_MAX)?;
    let kind = TicketKind::VerifyEmail;
    let holder = visit.app.users.ticket_holder(kind, ticket, visit.now);
    let Some(user) = holder.await? else {
        return Ok(spent(visit));
    };
    let page = ConfirmEmail {
        frame: visit.frame(&[]),
        ticket,
        email: user.email.as_deref().unwrap_or_default(),
    };
    Ok(page.show())
}

/// `POST /u/verify-email`
pub(crate) async fn post_verify(request: PageRequest) -> Response {
    request.answer(verify).await
}

async fn verify(visit: &Visit<'_>, params: &Params) -> Result<Response, Trouble> {
    let ticket = params.required("ticket", LINK_BYTES_MAX)?;
    let by = visit.by_link();
    let verified = visit.app.users.verify_email(ticket, &by);
    let Some((_, ticket)) = verified.await? else {
        return Ok(spent(visit));
    };
    if let Some(url) = ticket.result_url {
        return Ok(redirect(&url));
    }
    let page = EmailConfirmed {
        frame: visit.frame(&[]),
    };
    Ok(page.show())
}

/// The link has been used, or is too old.
fn spent(visit: &Visit<'_>) -> Response {
    let page = ErrorPage {
        frame: visit.frame(&[]),
        kind: ErrorKind::Link,
        reference: Some(&visit.origin.request_id),
    };
    page.show()
}
