//! The lifetime policy: how long an access token lives, and why.
//!
//! This module is the design page `lifetime.md` in code. It is pure: no IO, no clock, no SQL, and
//! what it answers depends on nothing but its arguments. Here are the words of the page and the
//! levels at which lifetimes are set; `setting` checks what the Management API changes, and
//! [`decide`] makes the decision. Every duration is in whole seconds.

mod decision;
mod setting;
#[cfg(test)]
mod tests;

pub use decision::{ApiTerms, Decision, Request, Rule, Step, TokenKind, decide};
pub use setting::{LifetimeProblem, NamedApplicationLifetimes, NamedLifetimes};

use std::fmt;

use serde::{Deserialize, Serialize};

/// The lifetime of every token for the MFA audience, in seconds. Nothing lengthens or replaces it
/// (lifetime.md, What is set where).
pub const MFA_SECONDS: i64 = 600;

/// 100 years in seconds. No finite lifetime is longer, so nothing overflows (lifetime.md, Words).
pub const LONGEST_FINITE_SECONDS: i64 = 3_153_600_000;

/// 30 days in seconds. A token that lives longer, or never expires, is opaque and stored
/// (lifetime.md, What a token then carries). It is also the bound on the finite values of APIs
/// where the file's `lifetimes.api_maximum` is negative, and the longest maximum of the
/// Management API.
pub const LONGEST_SIGNED_SECONDS: i64 = 2_592_000;

/// Two hours in seconds: `token_lifetime_for_web` of an API created without one, unless its
/// `token_lifetime` is shorter (lifetime.md, What is set where).
pub const WEB_DEFAULT_SECONDS: i64 = 7_200;

/// How long a token lives (lifetime.md, Words). Never is longer than every finite lifetime, so
/// the shorter of two is [`Ord::min`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Lifetime {
    /// So many seconds, at least 1.
    Finite(i64),
    /// The token never expires.
    Never,
}

impl Lifetime {
    /// Reads an integer as every level writes it: seconds, or any negative number for Never.
    /// `None` for 0, which is refused by name at every level.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Option<Lifetime> {
        match seconds {
            0 => None,
            1.. => Some(Lifetime::Finite(seconds)),
            _ => Some(Lifetime::Never),
        }
    }

    /// The number of seconds; `None` for Never.
    #[must_use]
    pub const fn seconds(self) -> Option<i64> {
        match self {
            Lifetime::Finite(seconds) => Some(seconds),
            Lifetime::Never => None,
        }
    }

    /// Seconds, and Never as `-1`: how JSON and the store write it.
    #[must_use]
    pub const fn as_integer(self) -> i64 {
        match self {
            Lifetime::Finite(seconds) => seconds,
            Lifetime::Never => -1,
        }
    }

    /// Whether a token of this lifetime is opaque and stored, whatever format its API uses: a
    /// signed one could be stopped only by those who ask, and would pin its key for years
    /// (lifetime.md, What a token then carries).
    #[must_use]
    pub const fn must_be_stored(self) -> bool {
        match self {
            Lifetime::Finite(seconds) => seconds > LONGEST_SIGNED_SECONDS,
            Lifetime::Never => true,
        }
    }

    /// The lifetime of a front-channel token whose API, or file, says this much and no more.
    fn for_web(self) -> i64 {
        self.at_most(WEB_DEFAULT_SECONDS)
    }

    /// `seconds`, or this lifetime where it is shorter; in seconds.
    fn at_most(self, seconds: i64) -> i64 {
        self.seconds().map_or(seconds, |own| own.min(seconds))
    }
}

/// `3600 seconds`, `1 second` or `never expires`, for traces and problems.
impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lifetime::Finite(1) => f.write_str("1 second"),
            Lifetime::Finite(seconds) => write!(f, "{seconds} seconds"),
            Lifetime::Never => f.write_str("never expires"),
        }
    }
}

/// Reads a lifetime as a form, or a string in JSON, carries it: `-?[0-9]+` in ASCII, within 64
/// bits (lifetime.md, Words).
///
/// # Errors
///
/// [`NotALifetime`] for anything else. The empty string is one as well, so that a broken client
/// does not silently get the default.
pub fn parse_seconds(text: &str) -> Result<Lifetime, NotALifetime> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if text.is_empty() {
        return Err(NotALifetime::Empty);
    }
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotALifetime::NotAnInteger);
    }
    let seconds = text.parse().map_err(|_| NotALifetime::OutOfRange)?;
    Lifetime::from_seconds(seconds).ok_or(NotALifetime::Zero)
}

/// Why a text is no lifetime. Its `Display` is a sentence for the client: printable ASCII without
/// `"` and `\` (RFC 6749 §5.2), and without an echo of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotALifetime {
    /// The empty string.
    Empty,
    /// Not `-?[0-9]+`.
    NotAnInteger,
    /// Not within a signed 64-bit integer.
    OutOfRange,
    /// 0 seconds.
    Zero,
}

impl fmt::Display for NotALifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotALifetime::Empty => {
                "a lifetime must not be empty: leave the parameter out for the default"
            }
            NotALifetime::NotAnInteger => {
                "a lifetime is a whole number of seconds such as '3600', or a negative one for a token that never expires"
            }
            NotALifetime::OutOfRange => {
                "a lifetime is a number of seconds between -9223372036854775808 and 9223372036854775807"
            }
            NotALifetime::Zero => {
                "a lifetime must not be 0: it is at least 1 second, or negative for a token that never expires"
            }
        })
    }
}

impl std::error::Error for NotALifetime {}

/// `[lifetimes]` of the configuration file (lifetime.md, What is set where).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLifetimes {
    /// `token_lifetime` of an API that is created without one.
    pub api_default: Lifetime,
    /// `max_token_lifetime` of an API that has none of its own, read live; the bound on every
    /// finite value that an API may set.
    pub api_maximum: Lifetime,
    /// False: no API, application or request can get Never, and `api_maximum` is a ceiling for
    /// every token.
    pub allow_never_expiring: bool,
    /// `lifetimes.new_applications`, copied into an application when it is created.
    pub new_applications: ApplicationLifetimes,
}

/// 86400 and 2592000 seconds, never-expiring tokens allowed, nothing copied into applications.
impl Default for ServerLifetimes {
    fn default() -> ServerLifetimes {
        ServerLifetimes {
            api_default: Lifetime::Finite(86_400),
            api_maximum: Lifetime::Finite(2_592_000),
            allow_never_expiring: true,
            new_applications: ApplicationLifetimes::default(),
        }
    }
}

impl ServerLifetimes {
    /// The values of the file that contradict each other, a sentence for each, with keys, values
    /// and rule. Where there is one, the server does not start (lifetime.md, What is set where).
    #[must_use]
    pub fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.allow_never_expiring {
            found.extend(self.never_expiring_keys().map(|key| {
                format!(
                    "{key} is negative (never expires), but lifetimes.allow_never_expiring is false"
                )
            }));
        }
        if self.api_default > self.api_maximum {
            found.push(format!(
                "lifetimes.api_default ({}) is above lifetimes.api_maximum ({}): a default is never above the maximum",
                self.api_default, self.api_maximum
            ));
        } else if self.api_default.seconds() > Some(self.finite_bound()) {
            found.push(format!(
                "lifetimes.api_default ({}) is above the bound on finite values: {} where lifetimes.api_maximum is negative, and never more than 100 years",
                self.api_default, Lifetime::Finite(LONGEST_SIGNED_SECONDS)
            ));
        }
        found
    }

    /// What is allowed in the file but worth a warning at the start, a sentence for each: a
    /// negative value for new applications that the APIs' finite maximum will clamp.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        if self.api_maximum == Lifetime::Never || !self.allow_never_expiring {
            return Vec::new();
        }
        let keys = self
            .never_expiring_keys()
            .filter(|key| key.contains("new_applications"));
        keys.map(|key| {
            format!(
                "{key} is negative (never expires), but lifetimes.api_maximum is {}: tokens are clamped to the maximum of their API; lifetimes.api_maximum = -1 lets them never expire",
                self.api_maximum
            )
        })
        .collect()
    }

    /// The bound on finite values that an API may set, in seconds: `api_maximum`, or 2592000
    /// where that is negative.
    #[must_use]
    pub fn finite_bound(&self) -> i64 {
        let bound = self.api_maximum.seconds().unwrap_or(LONGEST_SIGNED_SECONDS);
        bound.min(LONGEST_FINITE_SECONDS)
    }

    /// The keys of the file whose value is negative.
    fn never_expiring_keys(&self) -> impl Iterator<Item = &'static str> {
        let new = self.new_applications;
        let values = [
            ("lifetimes.api_default", Some(self.api_default)),
            ("lifetimes.api_maximum", Some(self.api_maximum)),
            (
                "lifetimes.new_applications.application_token",
                new.application,
            ),
            ("lifetimes.new_applications.user_token", new.user),
        ];
        values
            .into_iter()
            .filter(|(_, value)| *value == Some(Lifetime::Never))
            .map(|(key, _)| key)
    }
}

/// `access_token_lifetimes` of an application: what replaces the API's default for its tokens.
/// `None` inherits from the API, live (lifetime.md, What is set where).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApplicationLifetimes {
    /// For application tokens: those that the application gets for itself.
    pub application: Option<Lifetime>,
    /// For user tokens: those issued on behalf of a user, the front-channel ones included.
    pub user: Option<Lifetime>,
}

/// `max_token_lifetime` of an API as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maximum {
    /// None of its own: the file's `lifetimes.api_maximum`, read live.
    Unset,
    /// Never, by implication of a never-expiring `token_lifetime`; unset again when that becomes
    /// finite.
    ImpliedNever,
    /// Set by name.
    Set(Lifetime),
}

/// The APIs that exist from the start (lifetime.md, What is set where).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemApi {
    /// `{issuer}api/v2/`, the Management API.
    Management,
    /// `{issuer}mfa/`, the MFA audience.
    Mfa,
}

/// The lifetime fields of an API as they are stored (lifetime.md, What is set where).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiLifetimes {
    /// The lifetime of its tokens when nobody asks for another.
    pub token_lifetime: Lifetime,
    /// The same for front-channel tokens, in seconds: at least 1, at most `token_lifetime`, and
    /// finite, for no never-expiring token travels in a URL.
    pub token_lifetime_for_web: i64,
    /// What the value of a request or an application is clamped to.
    pub max_token_lifetime: Maximum,
}

impl ApiLifetimes {
    /// The lifetime fields that a system API has from the start.
    #[must_use]
    pub const fn of_system_api(system: SystemApi) -> ApiLifetimes {
        match system {
            SystemApi::Management => ApiLifetimes {
                token_lifetime: Lifetime::Finite(86_400),
                token_lifetime_for_web: WEB_DEFAULT_SECONDS,
                max_token_lifetime: Maximum::Unset,
            },
            SystemApi::Mfa => ApiLifetimes {
                token_lifetime: Lifetime::Finite(MFA_SECONDS),
                token_lifetime_for_web: MFA_SECONDS,
                max_token_lifetime: Maximum::Set(Lifetime::Finite(MFA_SECONDS)),
            },
        }
    }

    /// The maximum in force, which answers always show: the API's own, Never by implication, or
    /// the file's, read live. For the Management API it is never above 2592000 seconds, whatever
    /// the file says.
    #[must_use]
    pub fn maximum_in_force(
        &self,
        server: &ServerLifetimes,
        system: Option<SystemApi>,
    ) -> Lifetime {
        let maximum = match self.max_token_lifetime {
            Maximum::Unset => server.api_maximum,
            Maximum::ImpliedNever => Lifetime::Never,
            Maximum::Set(maximum) => maximum,
        };
        match system {
            None => maximum,
            Some(SystemApi::Management) => maximum.min(Lifetime::Finite(LONGEST_SIGNED_SECONDS)),
            Some(SystemApi::Mfa) => Lifetime::Finite(MFA_SECONDS),
        }
    }
}
