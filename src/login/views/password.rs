//! A forgotten password: asking for the mail, choosing a new one; and a confirmed address.

use askama::Template;
use axum::http::StatusCode;

use super::limited;
use crate::login::page::{Frame, Page};
use crate::login::texts::plain;
use crate::login::words;

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordProblem {
    /// It has less than the least characters.
    TooShort,
    /// It is longer than anybody types.
    TooLong,
    /// It is in the list of common and stolen ones.
    Known,
    /// It is hardly more than the person's own address and names.
    Personal,
    /// It is soon found.
    Guessable,
}

impl PasswordProblem {
    pub(super) fn text(self, frame: &Frame<'_>, chars_min: i64) -> String {
        match self {
            Self::TooShort => frame.say_count("password-too-short", chars_min),
            Self::TooLong => frame.say("password-too-long"),
            Self::Known => frame.say("password-known"),
            Self::Personal => frame.say("password-personal"),
            Self::Guessable => frame.say("password-guessable"),
        }
    }
}

/// Asks for the address of a mail. Posts `email`, and `state` where there is one, to
/// `/u/reset-password`.
#[derive(Debug, Template)]
#[template(path = "reset_password.html")]
pub struct ResetPassword<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
    /// The ticket, where somebody was on the way to an application.
    pub state: Option<&'a str>,
    /// What stands in the field.
    pub email: &'a str,
    /// Why no mail was sent.
    pub problem: Option<ResetProblem>,
}

/// Why no mail was sent. Not among them: that there is no such account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetProblem {
    /// It is no address.
    EmailInvalid,
    /// Too many mails.
    Limited {
        /// When it is worth trying again.
        retry_after_seconds: i64,
    },
}

impl ResetPassword<'_> {
    fn problem_text(&self) -> Option<String> {
        let text = match self.problem? {
            ResetProblem::EmailInvalid => self.frame.say("sign-up-email-invalid"),
            ResetProblem::Limited {
                retry_after_seconds,
            } => limited(&self.frame, retry_after_seconds),
        };
        Some(text)
    }
}

impl Page for ResetPassword<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }

    fn status(&self) -> StatusCode {
        match self.problem {
            None => StatusCode::OK,
            Some(ResetProblem::EmailInvalid) => StatusCode::BAD_REQUEST,
            Some(ResetProblem::Limited { .. }) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn retry_after(&self) -> Option<i64> {
        match self.problem {
            Some(ResetProblem::Limited {
                retry_after_seconds,
            }) => Some(retry_after_seconds),
            _ => None,
        }
    }
}

/// Says that a mail is on its way, if there is an account.
#[derive(Debug, Template)]
#[template(path = "reset_sent.html")]
pub struct ResetSent<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
    /// The ticket, where somebody was on the way to an application.
    pub state: Option<&'a str>,
    /// The address.
    pub email: &'a str,
    /// How long the link works.
    pub valid_seconds: i64,
}

impl ResetSent<'_> {
    fn valid(&self) -> String {
        words::duration(self.frame.language, self.valid_seconds)
    }
}

impl Page for ResetSent<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }
}

/// Asks for a new password. Posts `ticket` and `password` to `/u/change-password`.
#[derive(Debug, Template)]
#[template(path = "new_password.html")]
pub struct NewPassword<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
    /// What the mail's link carries.
    pub ticket: &'a str,
    /// Whose password it is, for password managers.
    pub email: &'a str,
    /// The shortest password.
    pub password_chars_min: i64,
    /// Why the last one was not taken.
    pub problem: Option<NewPasswordProblem>,
}

/// Why there is no new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewPasswordProblem {
    /// It is about the password.
    Password(PasswordProblem),
    /// Too many attempts.
    Limited {
        /// When it is worth trying again.
        retry_after_seconds: i64,
    },
}

impl NewPassword<'_> {
    fn problem_text(&self) -> Option<String> {
        let text = match self.problem? {
            NewPasswordProblem::Password(problem) => {
                problem.text(&self.frame, self.password_chars_min)
            }
            NewPasswordProblem::Limited {
                retry_after_seconds,
            } => limited(&self.frame, retry_after_seconds),
        };
        Some(text)
    }
}

impl Page for NewPassword<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }

    fn status(&self) -> StatusCode {
        match self.problem {
            None => StatusCode::OK,
            Some(NewPasswordProblem::Password(_)) => StatusCode::BAD_REQUEST,
            Some(NewPasswordProblem::Limited { .. }) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn retry_after(&self) -> Option<i64> {
        match self.problem {
            Some(NewPasswordProblem::Limited {
                retry_after_seconds,
            }) => Some(retry_after_seconds),
            _ => None,
        }
    }
}

/// Says that the new password counts.
#[derive(Debug, Template)]
#[template(path = "password_changed.html")]
pub struct PasswordChanged<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
}

impl Page for PasswordChanged<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }
}

/// Asks whether an address is to be confirmed: programs that look into mails follow links, and press no
/// button. Posts `ticket` and `action=accept` to `/u/verify-email`.
#[derive(Debug, Template)]
#[template(path = "confirm_email.html")]
pub struct ConfirmEmail<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
    /// The one-time text of the link.
    pub ticket: &'a str,
    /// The address.
    pub email: &'a str,
}

impl ConfirmEmail<'_> {
    fn email(&self) -> String {
        plain(self.email)
    }
}

impl Page for ConfirmEmail<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }
}

/// Says that an address is confirmed.
#[derive(Debug, Template)]
#[template(path = "email_confirmed.html")]
pub struct EmailConfirmed<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
}

impl Page for EmailConfirmed<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }
}
