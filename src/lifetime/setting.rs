//! Setting lifetimes (lifetime.md, Setting an API's lifetimes): what a creation or PATCH of an API
//! or an application may change, and what follows from it.

use std::fmt;

use super::{
    ApiLifetimes, ApplicationLifetimes, LONGEST_SIGNED_SECONDS, Lifetime, MFA_SECONDS, Maximum,
    ServerLifetimes, SystemApi,
};

/// The longest `token_lifetime` of the Management API, in seconds.
const MANAGEMENT_DEFAULT_SECONDS_MAX: i64 = 86_400;

const TOKEN_LIFETIME: &str = "token_lifetime";
const FOR_WEB: &str = "token_lifetime_for_web";
const MAXIMUM: &str = "max_token_lifetime";

/// The lifetime fields of an API that a creation or PATCH names, as the integers that it sent:
/// seconds, or any negative number for Never. `None` is not named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamedLifetimes {
    /// `token_lifetime`.
    pub token_lifetime: Option<i64>,
    /// `token_lifetime_for_web`; never negative.
    pub token_lifetime_for_web: Option<i64>,
    /// `max_token_lifetime`; `Some(None)` is null, which unsets it.
    pub max_token_lifetime: Option<Option<i64>>,
}

/// The members of `access_token_lifetimes` that a creation or PATCH of an application names, in
/// seconds, negative for Never. `None` is not named, `Some(None)` is null: inherit from the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamedApplicationLifetimes {
    /// `access_token_lifetimes.application`.
    pub application: Option<Option<i64>>,
    /// `access_token_lifetimes.user`.
    pub user: Option<Option<i64>>,
}

/// Why a lifetime cannot be set: 400 at the Management API, and nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifetimeProblem {
    /// The JSON property at fault.
    pub property: &'static str,
    /// A sentence for the caller, with the value and the bound.
    pub text: String,
}

impl fmt::Display for LifetimeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for LifetimeProblem {}

impl ApiLifetimes {
    /// The lifetimes of a new API. What is not named comes from the file; a creation that names
    /// only `max_token_lifetime` gets the file's default or that maximum, whichever is shorter.
    ///
    /// # Errors
    ///
    /// [`LifetimeProblem`] where a value is 0, out of bounds or contradicts another (lifetime.md,
    /// Setting an API's lifetimes).
    pub fn create(
        named: &NamedLifetimes,
        server: &ServerLifetimes,
    ) -> Result<ApiLifetimes, LifetimeProblem> {
        let asked = Asked::of(named)?;
        let token_lifetime = asked.token_lifetime.unwrap_or(match asked.maximum {
            Some(Maximum::Set(maximum)) => server.api_default.min(maximum),
            _ => server.api_default,
        });
        let implied = match token_lifetime {
            Lifetime::Never => Maximum::ImpliedNever,
            Lifetime::Finite(_) => Maximum::Unset,
        };
        let created = ApiLifetimes {
            token_lifetime,
            token_lifetime_for_web: asked.for_web.unwrap_or(token_lifetime.for_web()),
            max_token_lifetime: asked.maximum.unwrap_or(implied),
        };
        Check {
            before: None,
            after: &created,
            server,
            system: None,
        }
        .all()?;
        Ok(created)
    }

    /// These lifetimes after a PATCH. What is not named stays, except that a never-expiring
    /// default implies a never-expiring maximum, one that is finite again takes that back, and a
    /// lowered default lowers the web lifetime. Only what changes is checked, and repeating the
    /// maximum in force changes nothing.
    ///
    /// # Errors
    ///
    /// [`LifetimeProblem`] where a changed value is 0, out of bounds or contradicts another, or
    /// the system API does not allow it (lifetime.md, Setting an API's lifetimes).
    pub fn change(
        &self,
        named: &NamedLifetimes,
        server: &ServerLifetimes,
        system: Option<SystemApi>,
    ) -> Result<ApiLifetimes, LifetimeProblem> {
        let asked = Asked::of(named)?;
        let token_lifetime = asked.token_lifetime.unwrap_or(self.token_lifetime);
        let lowered_for_web = token_lifetime.at_most(self.token_lifetime_for_web);
        let in_force = self.maximum_in_force(server, system);
        let changed = ApiLifetimes {
            token_lifetime,
            token_lifetime_for_web: asked.for_web.unwrap_or(lowered_for_web),
            max_token_lifetime: self.maximum_after(asked.maximum, token_lifetime, in_force),
        };
        Check {
            before: Some(self),
            after: &changed,
            server,
            system,
        }
        .all()?;
        Ok(changed)
    }

    /// The maximum to store when `asked` is named and the default becomes `token_lifetime`.
    fn maximum_after(
        &self,
        asked: Option<Maximum>,
        token_lifetime: Lifetime,
        in_force: Lifetime,
    ) -> Maximum {
        let becomes_never =
            token_lifetime == Lifetime::Never && self.token_lifetime != Lifetime::Never;
        let kept = match asked {
            // A tool that reads, changes and writes back pins nothing.
            Some(Maximum::Set(maximum)) if maximum == in_force => self.max_token_lifetime,
            Some(named) => named,
            None if becomes_never && self.max_token_lifetime != Maximum::Set(Lifetime::Never) => {
                Maximum::ImpliedNever
            }
            None => self.max_token_lifetime,
        };
        match (kept, token_lifetime) {
            (Maximum::ImpliedNever, Lifetime::Finite(_)) => Maximum::Unset,
            _ => kept,
        }
    }
}

impl ApplicationLifetimes {
    /// These lifetimes after a PATCH. A new application's are those of the file's
    /// `new_applications` after its creation: a member that is named wins, null included
    /// (lifetime.md, What is set where). There is no upper bound: they are clamped by the API.
    ///
    /// # Errors
    ///
    /// [`LifetimeProblem`] for 0, and for a change to a negative value where the file does not
    /// allow never-expiring tokens.
    pub fn change(
        &self,
        named: &NamedApplicationLifetimes,
        server: &ServerLifetimes,
    ) -> Result<ApplicationLifetimes, LifetimeProblem> {
        let member = |property, named: Option<Option<i64>>, before: Option<Lifetime>| {
            let after = match named {
                None => before,
                Some(None) => None,
                Some(Some(seconds)) => Some(nonzero(property, seconds)?),
            };
            if let Some(lifetime) = after.filter(|_| after != before) {
                never_is_allowed(property, lifetime, server)?;
            }
            Ok(after)
        };
        Ok(ApplicationLifetimes {
            application: member(
                "access_token_lifetimes.application",
                named.application,
                self.application,
            )?,
            user: member("access_token_lifetimes.user", named.user, self.user)?,
        })
    }
}

/// What is named, read into lifetimes.
struct Asked {
    token_lifetime: Option<Lifetime>,
    for_web: Option<i64>,
    maximum: Option<Maximum>,
}

impl Asked {
    fn of(named: &NamedLifetimes) -> Result<Asked, LifetimeProblem> {
        let maximum = match named.max_token_lifetime {
            None => None,
            Some(None) => Some(Maximum::Unset),
            Some(Some(seconds)) => Some(Maximum::Set(nonzero(MAXIMUM, seconds)?)),
        };
        let token_lifetime = named
            .token_lifetime
            .map(|seconds| nonzero(TOKEN_LIFETIME, seconds))
            .transpose()?;
        if let Some(seconds) = named.token_lifetime_for_web.filter(|seconds| *seconds < 1) {
            return problem(
                FOR_WEB,
                format!(
                    "{FOR_WEB} is {seconds}, but is at least 1 second and never negative: no never-expiring token travels in a URL"
                ),
            );
        }
        Ok(Asked {
            token_lifetime,
            for_web: named.token_lifetime_for_web,
            maximum,
        })
    }
}

/// The rules for what a creation (nothing before) or a PATCH changes.
struct Check<'a> {
    before: Option<&'a ApiLifetimes>,
    after: &'a ApiLifetimes,
    server: &'a ServerLifetimes,
    system: Option<SystemApi>,
}

impl Check<'_> {
    fn all(&self) -> Result<(), LifetimeProblem> {
        self.mfa_is_fixed()?;
        self.token_lifetime()?;
        self.own_maximum()?;
        self.default_within_maximum()?;
        self.for_web()
    }

    fn changes<T: PartialEq>(&self, field: fn(&ApiLifetimes) -> T) -> bool {
        self.before
            .is_none_or(|before| field(before) != field(self.after))
    }

    fn token_lifetime_changes(&self) -> bool {
        self.changes(|api| api.token_lifetime)
    }

    fn maximum_changes(&self) -> bool {
        self.changes(|api| api.max_token_lifetime)
    }

    fn for_web_changes(&self) -> bool {
        self.changes(|api| api.token_lifetime_for_web)
    }

    fn mfa_is_fixed(&self) -> Result<(), LifetimeProblem> {
        if self.system != Some(SystemApi::Mfa) {
            return Ok(());
        }
        let fields = [
            (TOKEN_LIFETIME, self.token_lifetime_changes()),
            (FOR_WEB, self.for_web_changes()),
            (MAXIMUM, self.maximum_changes()),
        ];
        match fields.into_iter().find(|(_, changes)| *changes) {
            None => Ok(()),
            Some((property, _)) => problem(
                property,
                format!(
                    "{property} cannot be changed: tokens of the MFA API live {MFA_SECONDS} seconds"
                ),
            ),
        }
    }

    fn token_lifetime(&self) -> Result<(), LifetimeProblem> {
        if !self.token_lifetime_changes() {
            return Ok(());
        }
        self.within_bound(TOKEN_LIFETIME, self.after.token_lifetime)
    }

    fn own_maximum(&self) -> Result<(), LifetimeProblem> {
        match self.after.max_token_lifetime {
            Maximum::Set(maximum) if self.maximum_changes() => self.within_bound(MAXIMUM, maximum),
            _ => Ok(()),
        }
    }

    fn within_bound(
        &self,
        property: &'static str,
        lifetime: Lifetime,
    ) -> Result<(), LifetimeProblem> {
        never_is_allowed(property, lifetime, self.server)?;
        let bound = self.bound(property);
        let text = match lifetime {
            Lifetime::Finite(seconds) if seconds > bound => {
                format!(
                    "{property} is {seconds} seconds, but a finite value is at most {bound} seconds"
                )
            }
            Lifetime::Never if self.system == Some(SystemApi::Management) => {
                format!(
                    "{property} is negative (never expires), but for the Management API it is at most {bound} seconds"
                )
            }
            _ => return Ok(()),
        };
        problem(property, text)
    }

    /// The bound on finite values, in seconds.
    fn bound(&self, property: &'static str) -> i64 {
        let bound = self.server.finite_bound();
        match (self.system, property) {
            (Some(SystemApi::Management), TOKEN_LIFETIME) => {
                bound.min(MANAGEMENT_DEFAULT_SECONDS_MAX)
            }
            (Some(SystemApi::Management), _) => bound.min(LONGEST_SIGNED_SECONDS),
            _ => bound,
        }
    }

    fn default_within_maximum(&self) -> Result<(), LifetimeProblem> {
        let default = self.after.token_lifetime;
        let maximum = self.after.maximum_in_force(self.server, self.system);
        if default <= maximum || !(self.token_lifetime_changes() || self.maximum_changes()) {
            return Ok(());
        }
        let property = if self.token_lifetime_changes() {
            TOKEN_LIFETIME
        } else {
            MAXIMUM
        };
        problem(
            property,
            format!(
                "{TOKEN_LIFETIME} ({default}) is above {MAXIMUM} ({maximum}): a default is never above the maximum"
            ),
        )
    }

    fn for_web(&self) -> Result<(), LifetimeProblem> {
        let for_web = Lifetime::Finite(self.after.token_lifetime_for_web);
        let default = self.after.token_lifetime;
        if self.for_web_changes() {
            self.within_bound(FOR_WEB, for_web)?;
        }
        if for_web > default && (self.for_web_changes() || self.token_lifetime_changes()) {
            return problem(
                FOR_WEB,
                format!("{FOR_WEB} ({for_web}) is above {TOKEN_LIFETIME} ({default})"),
            );
        }
        Ok(())
    }
}

fn nonzero(property: &'static str, seconds: i64) -> Result<Lifetime, LifetimeProblem> {
    match Lifetime::from_seconds(seconds) {
        Some(lifetime) => Ok(lifetime),
        None => problem(
            property,
            format!(
                "{property} is 0, but is at least 1 second, or negative for tokens that never expire"
            ),
        ),
    }
}

fn never_is_allowed(
    property: &'static str,
    lifetime: Lifetime,
    server: &ServerLifetimes,
) -> Result<(), LifetimeProblem> {
    if lifetime == Lifetime::Never && !server.allow_never_expiring {
        return problem(
            property,
            format!(
                "{property} is negative (never expires), but lifetimes.allow_never_expiring is false"
            ),
        );
    }
    Ok(())
}

fn problem<T>(property: &'static str, text: String) -> Result<T, LifetimeProblem> {
    Err(LifetimeProblem { property, text })
}
