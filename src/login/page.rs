//! What all pages share: the brand, the language, and the headers that keep other sites out.

use std::iter::once;
use std::sync::Arc;

use askama::Template;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use fluent_bundle::types::FluentNumber;
use url::Url;

use super::assets::Assets;
use super::destination;
use super::texts::Language;
use crate::config::Branding;
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// What every page has in common; made once, as soon as the issuer is known.
#[derive(Debug)]
pub struct Pages {
    brand: Branding,
    assets: Assets,
    /// The issuer's path, below which everything lies.
    path: String,
    /// The issuer's host, for people to compare with the address of the page.
    host: String,
}

impl Pages {
    /// The pages of a server.
    #[must_use]
    pub fn new(brand: &Branding, issuer: &Issuer) -> Arc<Self> {
        Arc::new(Self {
            brand: brand.clone(),
            assets: Assets::new(brand.primary_color, issuer.path()),
            path: issuer.path().to_owned(),
            host: issuer.host().to_owned(),
        })
    }

    /// What stands around a page in this language.
    #[must_use]
    pub const fn frame(&self, language: Language) -> Frame<'_> {
        Frame {
            pages: self,
            language,
        }
    }

    /// The same in the language of a request; see [`Language::choose`].
    #[must_use]
    pub fn frame_for(&self, ui_locales: Option<&str>, headers: &HeaderMap) -> Frame<'_> {
        self.frame(Language::choose(ui_locales, headers))
    }

    /// The answer to `GET /u/assets/{file}`; `None` where there is no such file.
    #[must_use]
    pub fn asset(&self, file: &str) -> Option<Response> {
        self.assets.answer(file)
    }
}

/// What stands around a page or mail: whose it is, and in which language it speaks.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pages: &'a Pages,
    /// The language.
    pub language: Language,
}

impl<'a> Frame<'a> {
    /// A text; see [`Language::say`].
    pub(super) fn say(&self, key: &str) -> String {
        self.language.say(key)
    }

    /// A text with one gap; see [`Language::say_of`].
    pub(super) fn say_of(&self, key: &str, gap: &str, text: impl AsRef<str>) -> String {
        self.language.say_of(key, gap, text)
    }

    /// A text about a number; see [`Language::say_count`].
    pub(super) fn say_count(&self, key: &str, count: impl Into<FluentNumber>) -> String {
        self.language.say_count(key, count)
    }

    /// The address of one of our pages on this server; `path` begins with a slash.
    pub(super) fn to(&self, path: &str) -> String {
        format!("{}{path}", self.pages.path)
    }

    pub(super) const fn assets(&self) -> &'a Assets {
        &self.pages.assets
    }

    pub(super) fn brand(&self) -> &'a str {
        &self.pages.brand.name
    }

    pub(super) fn logo(&self) -> Option<&'a str> {
        self.pages.brand.logo_url.as_ref().map(Url::as_str)
    }

    pub(super) fn brand_color(&self) -> crate::config::Color {
        self.pages.brand.primary_color
    }

    pub(super) fn privacy(&self) -> Option<&'a str> {
        self.pages.brand.privacy_url.as_ref().map(Url::as_str)
    }

    pub(super) fn terms(&self) -> Option<&'a str> {
        self.pages.brand.terms_url.as_ref().map(Url::as_str)
    }

    pub(super) fn host(&self) -> &'a str {
        &self.pages.host
    }
}

/// What a page may load, where its form may lead, and who may show it in a frame: nothing from
/// elsewhere, unless a view says so.
#[derive(Debug, Default)]
pub struct Policy {
    images: Vec<String>,
    form_action: Option<String>,
    framed_by: Option<String>,
    names_us: bool,
}

impl Policy {
    /// A picture from elsewhere.
    #[must_use]
    pub fn with_image(mut self, url: Option<&Url>) -> Self {
        self.images.extend(url.map(destination::source));
        self
    }

    /// Where the post of a form may end. Browsers hold the redirects that answer a post against
    /// `form-action` as well, so a page whose post may end at the application names it.
    #[must_use]
    pub fn with_form_to(mut self, source: Option<&str>) -> Self {
        self.form_action = source.map(str::to_owned);
        self
    }

    /// The one origin that may show the page in a frame.
    #[must_use]
    pub fn framed_by(mut self, origin: &str) -> Self {
        self.framed_by = Some(origin.to_owned());
        self
    }

    /// Tells others, by `Origin`, who sends them the form: whoever guards against forged posts can
    /// trust our origin, and cannot trust "null".
    #[must_use]
    pub fn that_names_us(mut self) -> Self {
        self.names_us = true;
        self
    }

    /// The value of `Content-Security-Policy`.
    fn content(&self) -> String {
        let images = once("'self'")
            .chain(self.images.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ");
        let form_action = self
            .form_action
            .as_ref()
            .map_or(String::new(), |source| format!(" {source}"));
        let framed_by = self.framed_by.as_deref().unwrap_or("'none'");
        format!(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src {images}; \
             form-action 'self'{form_action}; base-uri 'none'; frame-ancestors {framed_by}"
        )
    }

    /// The value of `Referrer-Policy`. `no-referrer` would be the strictest, but under it browsers
    /// send `Origin: null` even with posts to our own origin (Fetch §3.2), and one that sends no
    /// `Sec-Fetch-Site` would be taken for a forger. `same-origin` tells other sites as little: no
    /// `Referer` at all.
    const fn referrer(&self) -> &'static str {
        if self.names_us {
            "strict-origin"
        } else {
            "same-origin"
        }
    }

    /// No `Cross-Origin-Opener-Policy`: a page in a popup has to reach its opener at the end
    /// (`response_mode=web_message`).
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        // What a source may hold is bound by `destination::source`; should a value be none all the
        // same, nothing is allowed.
        let content = HeaderValue::try_from(self.content());
        let strictest = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.insert(CONTENT_SECURITY_POLICY, content.unwrap_or(strictest));
        if self.framed_by.is_none() {
            headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        }
        for (name, value) in [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
            (REFERRER_POLICY, self.referrer()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (
                PERMISSIONS_POLICY,
                "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            ),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers
    }
}

/// A page: a view, its status and its policy.
pub trait Page: Template {
    /// What stands around it.
    fn frame(&self) -> &Frame<'_>;

    /// The status of the answer.
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }

    /// In how many seconds it is worth trying again.
    fn retry_after(&self) -> Option<i64> {
        None
    }

    /// What the page needs of others.
    fn policy(&self) -> Policy {
        Policy::default()
    }

    /// The answer.
    fn show(&self) -> Response {
        let html = match self.render() {
            Ok(html) => html,
            Err(error) => {
                return Fault::internal(format!("a page cannot be rendered: {error}"))
                    .into_response();
            }
        };
        let brand = &self.frame().pages.brand;
        let policy = self.policy().with_image(brand.logo_url.as_ref());
        let mut response = (self.status(), policy.headers(), html).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_LANGUAGE,
            HeaderValue::from_static(self.frame().language.tag()),
        );
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}
