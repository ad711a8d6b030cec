//! Creating an account: `GET /u/signup`, and its `POST` where it did not succeed.

use askama::Template;
use axum::http::StatusCode;

use super::{ApplicationView, PasswordProblem, limited};
use crate::login::page::{Frame, Page, Policy};

/// Asks for an e-mail address and a password. Posts `state`, `email`, `password` and
/// `action=default` to `/u/signup`.
#[derive(Debug, Template)]
#[template(path = "sign_up.html")]
pub struct SignUp<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
    /// Who sent the person here.
    pub application: ApplicationView<'a>,
    /// The ticket.
    pub state: &'a str,
    /// What stands in the field.
    pub email: &'a str,
    /// The shortest password.
    pub password_chars_min: i64,
    /// Why the last attempt failed.
    pub problem: Option<SignUpProblem>,
}

/// Why there is no new account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUpProblem {
    /// It is no address.
    EmailInvalid,
    /// It is taken, or may have no account.
    EmailRefused,
    /// It is about the password.
    Password(PasswordProblem),
    /// Too many attempts.
    Limited {
        /// When it is worth trying again.
        retry_after_seconds: i64,
    },
}

impl SignUp<'_> {
    fn problem_text(&self) -> Option<String> {
        let text = match self.problem? {
            SignUpProblem::EmailInvalid => self.frame.say("sign-up-email-invalid"),
            SignUpProblem::EmailRefused => self.frame.say("sign-up-email-refused"),
            SignUpProblem::Password(problem) => problem.text(&self.frame, self.password_chars_min),
            SignUpProblem::Limited {
                retry_after_seconds,
            } => limited(&self.frame, retry_after_seconds),
        };
        Some(text)
    }

    fn is_about_email(&self) -> bool {
        matches!(
            self.problem,
            Some(SignUpProblem::EmailInvalid | SignUpProblem::EmailRefused)
        )
    }

    fn is_about_password(&self) -> bool {
        matches!(self.problem, Some(SignUpProblem::Password(_)))
    }
}

impl Page for SignUp<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }

    fn status(&self) -> StatusCode {
        match self.problem {
            None => StatusCode::OK,
            Some(SignUpProblem::Limited { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Some(_) => StatusCode::BAD_REQUEST,
        }
    }

    fn retry_after(&self) -> Option<i64> {
        match self.problem {
            Some(SignUpProblem::Limited {
                retry_after_seconds,
            }) => Some(retry_after_seconds),
            _ => None,
        }
    }

    fn policy(&self) -> Policy {
        Policy::default().with_form_to(self.application.source())
    }
}
