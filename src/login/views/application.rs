//! The application on whose behalf a person is here.

use url::Url;

use crate::login::destination::Destination;
use crate::login::page::Frame;
use crate::login::texts::{gaps, plain};
use crate::model::issuer::is_loopback;

/// An application, as people see it.
#[derive(Clone, Copy, Debug)]
pub struct ApplicationView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its `logo_uri`. Shown where it is an https URL, or http on loopback.
    pub logo: Option<&'a Url>,
    /// Where the answer goes; `None` where the page leads to no answer to it.
    pub destination: Option<&'a Destination>,
    /// Anybody may have sent the request in its name: pages on which the user could confirm it say so.
    pub is_unverified: bool,
}

impl<'a> ApplicationView<'a> {
    pub(super) fn name(&self) -> String {
        plain(self.name)
    }

    /// The warning where [`Self::is_unverified`].
    pub(super) fn unverified_text(&self, frame: &Frame<'_>) -> String {
        let name = self.name();
        let texts = gaps([("application", name.as_str()), ("brand", frame.brand())]);
        frame.language.say_all("unverified", Some(&texts))
    }

    /// What stands in the place of a logo.
    pub(super) fn initial(&self) -> String {
        let first = self.name.chars().find(|c| c.is_alphanumeric());
        first.map_or_else(|| "?".to_owned(), |c| c.to_uppercase().to_string())
    }

    pub(super) fn logo(&self) -> Option<&'a Url> {
        let is_safe =
            |url: &&Url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
        self.logo.filter(is_safe)
    }

    /// What a policy calls the place where the answer goes.
    pub(super) fn source(&self) -> Option<&'a str> {
        self.destination.map(Destination::source)
    }
}
