//! Consent: which application wants what, on which API, and for how long, in plain words.

use askama::Template;

use super::ApplicationView;
use crate::lifetime::Lifetime;
use crate::login::page::{Frame, Page, Policy};
use crate::login::texts::{gaps, plain};
use crate::login::words;

/// Asks whether the application may have what it wants. Posts `state` and `action=accept` or
/// `action=deny` to `/u/consent`.
#[derive(Debug, Template)]
#[template(path = "consent.html")]
pub struct Consent<'a> {
    /// What stands around it.
    pub frame: Frame<'a>,
    /// Who wants it; with the destination of its answer.
    pub application: ApplicationView<'a>,
    /// The ticket.
    pub state: &'a str,
    /// Who is signed in: an e-mail address or user name.
    pub user: &'a str,
    /// The scopes of OpenID Connect that are wanted: `openid`, `profile`, `email`, `address`, `phone`.
    /// Others are passed over.
    pub about_user: &'a [&'a str],
    /// What is wanted of APIs.
    pub apis: &'a [ApiView<'a>],
    /// For how long.
    pub access: Access,
}

/// An API, as people see it.
#[derive(Clone, Debug)]
pub struct ApiView<'a> {
    /// Its name, or its identifier where it has none.
    pub name: &'a str,
    /// Its identifier.
    pub identifier: &'a str,
    /// What is wanted of it.
    pub scopes: Vec<ScopeView<'a>>,
}

/// A scope of an API.
#[derive(Clone, Copy, Debug)]
pub struct ScopeView<'a> {
    /// The value that requests carry.
    pub value: &'a str,
    /// What the API's owner says of it.
    pub description: Option<&'a str>,
}

/// For how long an application has what it gets.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// An access token's lifetime, unless the application asks for another one.
    pub token: Lifetime,
    /// The longest that it may ask for.
    pub longest: Lifetime,
    /// Whether it may get further ones without the person (`offline_access`), and until when.
    pub renewal: Option<Renewal>,
}

/// From when on the day of an end is worth saying, in seconds.
const DAY_SAID_FROM_SECONDS: i64 = 2 * 86_400;

/// Until when an application may renew its access.
#[derive(Clone, Copy, Debug)]
pub enum Renewal {
    /// Until the person takes it back.
    UntilTakenBack,
    /// Until a day.
    Until {
        /// From now.
        seconds: i64,
        /// The end, in unix seconds.
        at: i64,
    },
}

impl Consent<'_> {
    /// The scopes of OpenID Connect in plain words (OpenID Connect Core §5.4).
    fn about_user_texts(&self) -> Vec<String> {
        let text = |scope: &&str| match *scope {
            "openid" => Some(self.frame.say("consent-openid")),
            "profile" => Some(self.frame.say("consent-profile")),
            "email" => Some(self.frame.say("consent-email")),
            "phone" => Some(self.frame.say("consent-phone")),
            "address" => Some(self.frame.say("consent-address")),
            _ => None,
        };
        self.about_user.iter().filter_map(text).collect()
    }

    fn recipient(&self) -> Option<String> {
        let name = self.application.name();
        let destination = self.application.destination?;
        Some(match destination.host() {
            Some(host) => {
                let texts = gaps([("application", &name), ("host", host)]);
                self.frame.language.say_all("consent-host", Some(&texts))
            }
            None => self
                .frame
                .say_of("consent-this-device", "application", &name),
        })
    }

    /// For how long, in one or two sentences.
    fn how_long(&self) -> String {
        let Some(seconds) = self.access.token.seconds() else {
            return self.frame.say("consent-access-never");
        };
        format!("{} {}", self.lasts(seconds), self.afterwards())
    }

    /// How long an access token lives, and how long it may.
    fn lasts(&self, seconds: i64) -> String {
        let language = self.frame.language;
        let name = self.application.name();
        let duration = words::duration(language, seconds);
        match self.access.longest.seconds() {
            Some(longest) if longest <= seconds => {
                let frame = self.frame;
                frame.say_of("consent-access-for", "duration", duration)
            }
            Some(longest) => {
                let longest = words::duration(language, longest);
                let texts = gaps([
                    ("duration", &duration),
                    ("longest", &longest),
                    ("application", &name),
                ]);
                language.say_all("consent-access-up-to", Some(&texts))
            }
            None => {
                let texts = gaps([("duration", &duration), ("application", &name)]);
                language.say_all("consent-access-or-never", Some(&texts))
            }
        }
    }

    /// What comes after it.
    fn afterwards(&self) -> String {
        let language = self.frame.language;
        let name = self.application.name();
        let (seconds, at) = match self.access.renewal {
            None => return self.frame.say_of("consent-then-asks", "application", &name),
            Some(Renewal::UntilTakenBack) => {
                return self.frame.say_of("consent-renews", "application", &name);
            }
            Some(Renewal::Until { seconds, at }) => (seconds, at),
        };
        let duration = words::duration(language, seconds);
        if seconds < DAY_SAID_FROM_SECONDS {
            let texts = gaps([("application", &name), ("duration", &duration)]);
            return language.say_all("consent-renews-for", Some(&texts));
        }
        let date = words::date(language, at);
        let texts = gaps([
            ("application", &name),
            ("duration", &duration),
            ("date", &date),
        ]);
        language.say_all("consent-renews-until", Some(&texts))
    }
}

impl ApiView<'_> {
    fn name(&self) -> String {
        plain(self.name)
    }
}

impl ScopeView<'_> {
    fn text(&self) -> String {
        plain(
            self.description
                .filter(|text| !text.is_empty())
                .unwrap_or(self.value),
        )
    }
}

impl Page for Consent<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.frame
    }

    fn policy(&self) -> Policy {
        Policy::default()
            .with_image(self.application.logo())
            .with_form_to(self.application.source())
    }
}
