//! Signing in: `GET /u/login`, and its `POST` where it did not succeed.

use askama::Template;
use axum::http::StatusCode;

use super::{ApplicationView, limited};
use crate::login::page::{Frame, Page, Policy};

/// Asks who is there. Posts `state`, `username`, `password` and `action=default` to `/u/login`.
#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignIn<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
    /// Who wants to know.
    pub application: ApplicationView<'a>,
    /// The ticket.
    pub state: &'a str,
    /// What stands in the field: `login_hint`, or what was typed.
    pub username: &'a str,
    /// Whether people may create accounts.
    pub can_sign_up: bool,
    /// Whether mails can be sent.
    pub can_reset: bool,
    /// Why the last attempt failed.
    pub problem: Option<SignInProblem>,
}

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInProblem {
    /// No such user, or not that password: the same words for both.
    WrongCredentials,
    /// Too many attempts.
    Limited {
        /// When it is worth trying again.
        retry_after_seconds: i64,
    },
    /// The password is right, and the user is blocked.
    Blocked,
}

impl SignIn<'_> {
    fn problem_text(&self) -> Option<String> {
        let text = match self.problem? {
            SignInProblem::WrongCredentials => self.frame.say("sign-in-wrong"),
            SignInProblem::Limited {
                retry_after_seconds,
            } => limited(&self.frame, retry_after_seconds),
            SignInProblem::Blocked => {
                self.frame
                    .say_of("sign-in-blocked", "brand", self.frame.brand())
            }
        };
        Some(text)
    }

    fn is_wrong(&self) -> bool {
        self.problem == Some(SignInProblem::WrongCredentials)
    }
}

impl Page for SignIn<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }

    fn status(&self) -> StatusCode {
        match self.problem {
            None => StatusCode::OK,
            // Not 401, which would want a challenge (RFC 9110 §15.5.2). Password managers take it
            // that these words are not worth keeping.
            Some(SignInProblem::WrongCredentials) => StatusCode::BAD_REQUEST,
            Some(SignInProblem::Limited { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Some(SignInProblem::Blocked) => StatusCode::FORBIDDEN,
        }
    }

    fn retry_after(&self) -> Option<i64> {
        match self.problem {
            Some(SignInProblem::Limited {
                retry_after_seconds,
            }) => Some(retry_after_seconds),
            _ => None,
        }
    }

    fn policy(&self) -> Policy {
        Policy::default().with_form_to(self.application.source())
    }
}
