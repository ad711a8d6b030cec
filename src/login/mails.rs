//! Mails: the link to choose a new password, and the one to confirm an address.

use askama::Template;

use super::assets::text_on;
use super::page::Frame;
use super::words;
use crate::model::fault::Fault;

/// A mail, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// What it is about.
    pub subject: String,
    /// For readers of plain text. Like `html`, it holds the link, and so never gets into a log.
    pub text: String,
    /// The same with colours.
    pub html: String,
}

/// What a mail is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Choose a new password.
    ResetPassword,
    /// Confirm an address.
    ConfirmEmail,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    letter: &'a Letter<'a>,
}

#[derive(Template)]
#[template(path = "mail.txt")]
struct Text<'a> {
    letter: &'a Letter<'a>,
}

/// What both forms of a mail say.
struct Letter<'a> {
    frame: Frame<'a>,
    subject: String,
    body: String,
    link: &'a str,
    link_text: String,
    valid: String,
    color: String,
    on_color: &'static str,
}

/// Writes a mail to `email` with a link that works for `valid_seconds`.
///
/// # Errors
/// A fault of ours, where a template cannot be rendered.
pub fn write(
    frame: Frame<'_>,
    purpose: Purpose,
    email: &str,
    link: &str,
    valid_seconds: i64,
) -> Result<Mail, Fault> {
    let brand = frame.brand();
    let (subject, body, link_text) = match purpose {
        Purpose::ResetPassword => (
            frame.say_of("mail-reset-subject", "brand", brand),
            frame.say_of("mail-reset", "email", email),
            frame.say("mail-reset-link"),
        ),
        Purpose::ConfirmEmail => (
            frame.say_of("mail-confirm-subject", "brand", brand),
            frame.say_of("mail-confirm", "email", email),
            frame.say("mail-confirm-link"),
        ),
    };
    let letter = Letter {
        frame,
        subject,
        body,
        link,
        link_text,
        color: frame.brand_color().to_string(),
        on_color: text_on(frame.brand_color()),
        valid: frame.say_of(
            "mail-valid",
            "duration",
            words::duration(frame.language, valid_seconds),
        ),
    };
    let fault = |error| Fault::internal(format!("a mail cannot be rendered: {error}"));
    let html = Html { letter: &letter }.render().map_err(fault)?;
    let text = Text { letter: &letter }.render().map_err(fault)?;
    Ok(Mail {
        subject: letter.subject,
        text,
        html,
    })
}
