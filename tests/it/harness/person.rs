//! A person at a browser: keeps the session's cookie, follows redirects on this server, fills in the
//! forms, and sees where the browser leaves for in the end.

use std::collections::HashMap;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::{Credentials, Node, both_hands};

/// The password of every person of the tests.
pub(crate) const PASSWORD: &str = "correct horse battery staple of the tests";
/// Where applications of the tests get their answers.
pub(crate) const CALLBACK: &str = "https://app.example/callback";
/// A verifier of PKCE, and its challenge by S256 (RFC 7636, Appendix B).
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A person with an account.
pub(crate) struct Person {
    /// `auth0|…`
    pub(crate) id: String,
    /// What the person signs in with.
    pub(crate) email: String,
    cookie: Mutex<Option<String>>,
    client: Client,
}

/// Where the browser has ended up.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A page of this server.
    Page {
        /// Its path.
        path: String,
        /// Its status.
        status: StatusCode,
        /// Its HTML.
        html: String,
    },
    /// It has left for this URL.
    Left(Url),
}

impl Seen {
    /// The parameters of the answer to the application, of query or fragment.
    #[track_caller]
    pub(crate) fn answer(self) -> HashMap<String, String> {
        let Self::Left(url) = self else {
            panic!("the browser is still here: {self:?}");
        };
        let text = url.fragment().or(url.query()).unwrap_or("");
        let pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned();
        pairs.collect()
    }

    /// A page of this server.
    #[track_caller]
    pub(crate) fn page(self) -> (String, StatusCode, String) {
        match self {
            Self::Page { path, status, html } => (path, status, html),
            Self::Left(url) => panic!("the browser has left for {url}"),
        }
    }
}

impl Person {
    /// Creates an account, whose e-mail address is verified.
    pub(crate) async fn create(node: &Node, email: &str) -> Self {
        let fields = json!({
            "connection": "Username-Password-Authentication",
            "email": email,
            "email_verified": true,
            "password": PASSWORD,
        });
        let made = node.manage(Method::POST, "/users", Some(fields)).await;
        let made = made.expect(StatusCode::CREATED);
        Self::with_id(made.text("user_id"), email)
    }

    /// Another browser of the same person.
    pub(crate) fn at_another_browser(&self) -> Self {
        Self::with_id(self.id.clone(), &self.email)
    }

    fn with_id(id: String, email: &str) -> Self {
        let client = Client::builder().redirect(Policy::none());
        Self {
            id,
            email: email.to_owned(),
            cookie: Mutex::new(None),
            client: client.pool_max_idle_per_host(0).build().unwrap(),
        }
    }

    /// This person at the browser of another one, with what that one has left in it.
    pub(crate) async fn at_the_browser_of(&self, other: &Self) -> Self {
        let here = Self::with_id(self.id.clone(), &self.email);
        *here.cookie.lock().await = other.cookie().await;
        here
    }

    /// The session's cookie as the browser has it.
    pub(crate) async fn cookie(&self) -> Option<String> {
        self.cookie.lock().await.clone()
    }

    /// A browser of somebody who has no account.
    pub(crate) fn stranger() -> Self {
        Self::with_id(String::new(), "nobody@example.com")
    }

    /// The server's one answer to a path; redirects are not followed.
    pub(crate) async fn look(&self, node: &Node, path: &str) -> super::Answer {
        let mut request = self.client.get(format!("{}{path}", node.base));
        if let Some(cookie) = &*self.cookie.lock().await {
            request = request.header(COOKIE, cookie);
        }
        super::Answer::read(request.send().await.unwrap()).await
    }

    /// The server's one answer to a form of one of its pages; redirects are not followed.
    pub(crate) async fn post(
        &self,
        node: &Node,
        path: &str,
        form: &[(&str, &str)],
    ) -> super::Answer {
        let mut request = self.client.post(format!("{}{path}", node.base));
        if let Some(cookie) = &*self.cookie.lock().await {
            request = request.header(COOKIE, cookie);
        }
        let request = request.header("sec-fetch-site", "same-origin").form(form);
        super::Answer::read(request.send().await.unwrap()).await
    }

    /// Signs in by the form of a page; the address that the browser is sent to, which it does not open.
    pub(crate) async fn sign_in(&self, node: &Node, html: &str) -> String {
        let state = hidden(html, "state");
        let form = [
            ("state", state.as_str()),
            ("username", self.email.as_str()),
            ("password", PASSWORD),
            ("action", "default"),
        ];
        let request = self.client.post(format!("{}/u/login", node.base));
        let request = request.header("sec-fetch-site", "same-origin").form(&form);
        let response = request.send().await.unwrap();
        self.keep(&response).await;
        response.headers()[LOCATION].to_str().unwrap().to_owned()
    }

    /// Opens a URL of the server, or a path of it, and follows redirects as long as they stay there.
    pub(crate) async fn open(&self, node: &Node, url: &str) -> Seen {
        self.go(node, Method::GET, url, None).await
    }

    /// Sends a form of one of the server's pages.
    pub(crate) async fn send(&self, node: &Node, url: &str, form: &[(&str, &str)]) -> Seen {
        self.go(node, Method::POST, url, Some(form)).await
    }

    async fn go(
        &self,
        node: &Node,
        method: Method,
        url: &str,
        form: Option<&[(&str, &str)]>,
    ) -> Seen {
        let (mut method, mut form) = (method, form);
        let mut path = below_issuer(node, url).unwrap_or(url).to_owned();
        for _ in 0..10 {
            let slash = if path.starts_with('/') { "" } else { "/" };
            let at = format!("{}{slash}{path}", node.base);
            let mut request = self.client.request(method.clone(), at);
            if let Some(cookie) = &*self.cookie.lock().await {
                request = request.header(COOKIE, cookie);
            }
            if let Some(form) = form {
                request = request.header("sec-fetch-site", "same-origin").form(form);
            }
            let response = request.send().await.unwrap();
            self.keep(&response).await;
            let status = response.status();
            let location = response.headers().get(LOCATION);
            let location = location.map(|value| value.to_str().unwrap().to_owned());
            let Some(location) = location else {
                let path = path.split('?').next().unwrap_or("").to_owned();
                let html = response.text().await.unwrap();
                return Seen::Page { path, status, html };
            };
            assert_eq!(status, StatusCode::SEE_OTHER, "{location}");
            match below_issuer(node, &location) {
                Some(below) => below.clone_into(&mut path),
                None => return Seen::Left(location.parse().unwrap()),
            }
            (method, form) = (Method::GET, None);
        }
        panic!("the browser is sent around in circles");
    }

    async fn keep(&self, response: &reqwest::Response) {
        for value in response.headers().get_all(SET_COOKIE) {
            let text = value.to_str().unwrap();
            let pair = text.split(';').next().unwrap();
            let is_gone = text.contains("Max-Age=0");
            *self.cookie.lock().await = (!is_gone).then(|| pair.to_owned());
        }
    }

    /// Sends an authorization request and does what the pages ask, until the browser leaves.
    pub(crate) async fn authorize(&self, node: &Node, params: &[(&str, &str)]) -> Seen {
        let seen = self.open(node, &authorize_path(params)).await;
        self.go_on(node, seen).await
    }

    /// Does what the pages ask, until the browser leaves.
    pub(crate) async fn go_on(&self, node: &Node, mut seen: Seen) -> Seen {
        for _ in 0..3 {
            let Seen::Page { path, status, html } = &seen else {
                return seen;
            };
            if *status != StatusCode::OK {
                return seen;
            }
            let state = hidden(html, "state");
            seen = match path.as_str() {
                "u/login" => {
                    let typed = [
                        ("username", self.email.as_str()),
                        ("password", PASSWORD),
                        ("action", "default"),
                    ];
                    let form = both_hands(&[("state", state.as_str())], &typed);
                    self.send(node, "/u/login", &form).await
                }
                "u/consent" => {
                    let form = [("state", state.as_str()), ("action", "accept")];
                    self.send(node, "/u/consent", &form).await
                }
                _ => return seen,
            };
        }
        seen
    }

    /// Gets a code for an application by the usual request; the parameters lie over it.
    pub(crate) async fn code(
        &self,
        node: &Node,
        client: &Credentials,
        params: &[(&str, &str)],
    ) -> String {
        let seen = self.authorize(node, &usual(client, params)).await;
        let answer = seen.answer();
        let code = answer.get("code");
        code.unwrap_or_else(|| panic!("no code: {answer:?}"))
            .clone()
    }

    /// Gets tokens for an application by the code flow.
    pub(crate) async fn tokens(
        &self,
        node: &Node,
        client: &Credentials,
        params: &[(&str, &str)],
    ) -> Value {
        let code = self.code(node, client, params).await;
        let answer = exchange(node, client, &code, &[]).await;
        answer.expect(StatusCode::OK).json
    }
}

/// The usual request of an application, and parameters over it.
pub(crate) fn usual<'a>(
    client: &'a Credentials,
    params: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let usual = [
        ("client_id", client.id.as_str()),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("state", "the state"),
        ("nonce", "the nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    both_hands(&usual, params)
}

/// Exchanges a code of the usual request; public applications have no secret.
pub(crate) async fn exchange(
    node: &Node,
    client: &Credentials,
    code: &str,
    params: &[(&str, &str)],
) -> super::Answer {
    let usual = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let form = both_hands(&usual, params);
    if client.secret.is_empty() {
        let form = both_hands(&[("client_id", client.id.as_str())], &form);
        return node.bare_form("/oauth/token", &form).await;
    }
    node.form("/oauth/token", client, &form).await
}

/// `/authorize` with parameters.
pub(crate) fn authorize_path(params: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params)
        .finish();
    format!("/authorize?{query}")
}

fn below_issuer<'u>(node: &Node, url: &'u str) -> Option<&'u str> {
    url.strip_prefix(node.app.issuer.as_str())
}

/// The value of a hidden field.
#[track_caller]
pub(crate) fn hidden(html: &str, name: &str) -> String {
    let field = format!("name=\"{name}\" value=\"");
    let at = html
        .find(&field)
        .unwrap_or_else(|| panic!("no field {name} in {html}"));
    let rest = &html[at + field.len()..];
    rest[..rest.find('"').unwrap()].to_owned()
}
