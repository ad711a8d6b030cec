//! Answers that travel by a page: a form that sends itself, and a message to another window.

use askama::Template;
use url::Url;

use super::ApplicationView;
use crate::login::destination::source;
use crate::login::page::{Frame, Page, Policy};

/// OAuth 2.0 Form Post Response Mode §2: posts the answer to the application, by a script, or by
/// the person's press of a button.
#[derive(Debug, Template)]
#[template(path = "form_post.html")]
pub struct FormPost<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
    /// Who gets the answer.
    pub application: ApplicationView<'a>,
    /// The redirect URI.
    pub redirect_uri: &'a Url,
    /// The parameters of the answer.
    pub parameters: &'a [(&'a str, &'a str)],
}

impl Page for FormPost<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }

    fn policy(&self) -> Policy {
        Policy::default()
            .with_form_to(Some(&source(self.redirect_uri)))
            .that_names_us()
    }
}

/// `response_mode=web_message`: hands the answer to the window that opened this one, or that holds
/// it in a frame, and only to that origin. Needs JavaScript, as does whoever asks for it.
#[derive(Debug, Template)]
#[template(path = "web_message.html")]
pub struct WebMessage<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
    /// Who gets the answer.
    pub application: ApplicationView<'a>,
    /// The origin that gets it, as browsers write origins. It must have been registered.
    pub origin: &'a str,
    /// The parameters of the answer.
    pub response: &'a serde_json::Value,
}

impl Page for WebMessage<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }

    fn policy(&self) -> Policy {
        // Where the origin has no name in a policy, nobody may frame the page; a popup still works.
        let framed_by = Url::parse(self.origin).map(|url| source(&url));
        match framed_by {
            Ok(source) if source == self.origin => Policy::default().framed_by(&source),
            _ => Policy::default(),
        }
    }
}
