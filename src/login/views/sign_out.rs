//! Signing out: the question, where a request to do so could be anybody's, and the end.

use askama::Template;

use crate::login::destination::Destination;
use crate::login::page::{Frame, Page, Policy};
use crate::login::texts::plain;

/// Asks whether the person wants to sign out (OpenID Connect RP-Initiated Logout §2). Posts `state`
/// and `action=accept` or `action=deny` to `/u/logout`.
#[derive(Debug, Template)]
#[template(path = "sign_out.html")]
pub struct SignOut<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
    /// The ticket.
    pub state: &'a str,
    /// Who is signed in.
    pub user: &'a str,
    /// Where the answer leads (`post_logout_redirect_uri`).
    pub destination: Option<&'a Destination>,
}

impl SignOut<'_> {
    fn user(&self) -> String {
        plain(self.user)
    }
}

impl Page for SignOut<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }

    fn policy(&self) -> Policy {
        Policy::default().with_form_to(self.destination.map(Destination::source))
    }
}

/// Says that the person is signed out.
#[derive(Debug, Template)]
#[template(path = "signed_out.html")]
pub struct SignedOut<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
}

impl Page for SignedOut<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }
}

/// Says that the person has stayed signed in.
#[derive(Debug, Template)]
#[template(path = "still_signed_in.html")]
pub struct StillSignedIn<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
}

impl Page for StillSignedIn<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }
}
