//! Where the answer to an authorization request goes. A [`Reply`] exists only for a redirect URI that is
//! the application's own, so nothing can be sent anywhere else; and what is wrong before there is one
//! can only become a page.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use crate::login::views::{ApplicationView, ErrorKind, ErrorPage, FormPost, WebMessage};
use crate::login::{Frame, Page, redirect};
use crate::model::application::Application;
use crate::model::authorization::{AuthorizationRequest, ResponseMode};
use crate::model::redirect_uri::is_registered;
use crate::model::refusal::{Code, Refusal};

/// The parameters of an answer, in their order.
pub(super) type Parameters = Vec<(&'static str, String)>;

/// An application at a redirect URI of its own.
pub(super) struct Reply {
    pub(super) application: Arc<Application>,
    redirect_uri: String,
    url: Url,
    mode: ResponseMode,
    state: Option<String>,
}

impl Reply {
    /// Proves the redirect URI.
    ///
    /// # Errors
    /// What a page says: nobody is sent to an address that is not the application's.
    pub(super) fn prove(
        application: Arc<Application>,
        redirect_uri: &str,
    ) -> Result<Self, Unproven> {
        let sign_in = &application.sign_in;
        let unknown = || {
            let text = "Callback URL mismatch. The provided redirect_uri is not in the list of allowed callback URLs.";
            Unproven(Refusal::invalid_request(text))
        };
        if !is_registered(&sign_in.callbacks, redirect_uri) {
            return Err(unknown());
        }
        let url = Url::parse(redirect_uri).map_err(|_| unknown())?;
        Ok(Self {
            redirect_uri: redirect_uri.to_owned(),
            url,
            mode: ResponseMode::Query,
            state: None,
            application,
        })
    }

    /// The way back of a request that was read before.
    ///
    /// # Errors
    /// What a page says, where the application has changed meanwhile.
    pub(super) fn of(
        application: Arc<Application>,
        request: &AuthorizationRequest,
    ) -> Result<Self, Unproven> {
        let reply = Self::prove(application, &request.redirect_uri)?;
        let reply = reply.by(request.response_mode, request.state.clone());
        reply.check_receiver()?;
        Ok(reply)
    }

    /// How the answer travels, and what it brings back. An error that refuses a mode which the
    /// application does not allow travels by one that it does.
    pub(super) fn by(mut self, mode: ResponseMode, state: Option<String>) -> Self {
        const OTHERS: [ResponseMode; 4] = [
            ResponseMode::Query,
            ResponseMode::FormPost,
            ResponseMode::Fragment,
            ResponseMode::WebMessage,
        ];
        let is_allowed = |mode: &ResponseMode| self.application.sign_in.allows_response_mode(*mode);
        let mut modes = std::iter::once(mode).chain(OTHERS);
        self.mode = modes.find(is_allowed).unwrap_or(mode);
        self.state = state;
        self
    }

    /// A message goes to a page of the application's own; its origin has to be listed.
    pub(super) fn check_receiver(&self) -> Result<(), Unproven> {
        let origin = self.url.origin().ascii_serialization();
        let is_listed = self.application.sign_in.web_origins.contains(&origin);
        if self.mode != ResponseMode::WebMessage || is_listed {
            return Ok(());
        }
        let text = "response_mode web_message: the origin of redirect_uri is not in the list of allowed web origins.";
        Err(Unproven(Refusal::invalid_request(text)))
    }

    /// As it was registered, or asked for.
    pub(super) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Tells the application no (RFC 6749 §4.1.2.1).
    pub(super) fn refuse(&self, refusal: &Refusal, frame: Frame<'_>, issuer: &str) -> Response {
        let parameters = vec![
            ("error", refusal.code.as_str().to_owned()),
            ("error_description", refusal.description.clone()),
        ];
        self.send(parameters, frame, issuer)
    }

    /// Tells the application what it asked for. `iss` is in every answer (RFC 9207 §2).
    pub(super) fn send(
        &self,
        mut parameters: Parameters,
        frame: Frame<'_>,
        issuer: &str,
    ) -> Response {
        parameters.extend(self.state.clone().map(|state| ("state", state)));
        parameters.push(("iss", issuer.to_owned()));
        match self.mode {
            ResponseMode::Query => {
                let joint = if self.redirect_uri.contains('?') {
                    '&'
                } else {
                    '?'
                };
                redirect(&format!(
                    "{}{joint}{}",
                    self.redirect_uri,
                    encode(&parameters)
                ))
            }
            ResponseMode::Fragment => {
                redirect(&format!("{}#{}", self.redirect_uri, encode(&parameters)))
            }
            ResponseMode::FormPost => {
                let texts: Vec<(&str, &str)> = parameters
                    .iter()
                    .map(|(name, text)| (*name, text.as_str()))
                    .collect();
                let page = FormPost {
                    frame,
                    application: self.view(),
                    redirect_uri: &self.url,
                    parameters: &texts,
                };
                page.show()
            }
            ResponseMode::WebMessage => {
                let members = parameters
                    .into_iter()
                    .map(|(name, text)| (name.to_owned(), typed(name, text)));
                let response = Value::Object(members.collect::<Map<_, _>>());
                let page = WebMessage {
                    frame,
                    application: self.view(),
                    origin: &self.url.origin().ascii_serialization(),
                    response: &response,
                };
                page.show()
            }
        }
    }

    fn view(&self) -> ApplicationView<'_> {
        ApplicationView {
            name: &self.application.name,
            logo: None,
            destination: None,
            is_unverified: false,
        }
    }
}

/// A message is JSON, where the number of seconds is a number.
fn typed(name: &str, text: String) -> Value {
    match (name, text.parse::<i64>()) {
        ("expires_in", Ok(seconds)) => seconds.into(),
        _ => text.into(),
    }
}

fn encode(parameters: &Parameters) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish()
}

/// What is wrong before anybody knows where an answer could go.
#[derive(Debug)]
pub(super) struct Unproven(pub(super) Refusal);

impl From<Refusal> for Unproven {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl Unproven {
    /// The ticket is too old, or none of ours.
    pub(super) fn expired() -> Self {
        Self(Refusal::new(Code::LoginRequired, "The ticket has expired."))
    }

    /// The page that says so.
    pub(super) fn show(&self, frame: Frame<'_>, reference: &str) -> Response {
        let refusal = &self.0;
        tracing::info!(
            error = refusal.code.as_str(),
            description = refusal.description,
            log = refusal.log,
            "an authorization request was refused"
        );
        let kind = if refusal.code == Code::LoginRequired {
            ErrorKind::Expired
        } else {
            ErrorKind::Request {
                code: refusal.code.as_str(),
                description: &refusal.description,
            }
        };
        let page = ErrorPage {
            frame,
            kind,
            reference: Some(reference),
        };
        page.show()
    }
}
