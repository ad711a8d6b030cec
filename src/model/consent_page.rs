//! What a consent page showed. It travels sealed with the authorization request, and the user's consent
//! counts for what is in it and for nothing else (OpenID Connect Core §3.1.2.4).

use serde::{Deserialize, Serialize};

use super::scope::Scopes;
use crate::lifetime::Lifetime;

/// A consent page as one user saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentPage {
    /// The session of that user.
    pub session_id: String,
    /// OpenID's scopes, those that single claims belong to included.
    pub about_user: Scopes,
    /// The APIs.
    pub apis: Vec<ConsentPageApi>,
    /// For how long the application would have access.
    pub duration: AccessDuration,
    /// The page warned that the application could not be verified.
    pub has_warned: bool,
}

impl ConsentPage {
    /// The scopes that the page showed at an API; none where it did not show the API. `requested` are the
    /// scopes of the request that the page is about.
    #[must_use]
    pub fn scopes_at(&self, api_id: &str, requested: &Scopes) -> Option<Scopes> {
        let api = self.apis.iter().find(|api| api.0 == api_id)?;
        Some(api.scopes(requested))
    }
}

/// Scopes in one word of a [`ConsentPageApi`].
const SCOPES_PER_WORD: usize = 64;

/// An API by its id, and one bit for each requested scope, which is set where the page showed the scope
/// at this API: the request has the names already, and the address of a page has little room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentPageApi(String, Vec<u64>);

impl ConsentPageApi {
    /// Notes which of the requested scopes are shown.
    #[must_use]
    pub fn new(api_id: &str, shown: &Scopes, requested: &Scopes) -> Self {
        let is_shown: Vec<bool> = requested.iter().map(|own| shown.contains(own)).collect();
        let to_word = |flags: &[bool]| {
            let bits = flags.iter().enumerate();
            bits.fold(0, |word, (n, flag)| word | u64::from(*flag) << n)
        };
        let words = is_shown.chunks(SCOPES_PER_WORD).map(to_word);
        Self(api_id.to_owned(), words.collect())
    }

    fn scopes(&self, requested: &Scopes) -> Scopes {
        let is_shown = |n: usize| {
            let word = self.1.get(n / SCOPES_PER_WORD);
            word.is_some_and(|word| word >> (n % SCOPES_PER_WORD) & 1 == 1)
        };
        let all = requested.iter().enumerate();
        all.filter(|(n, _)| is_shown(*n))
            .map(|(_, scope)| scope)
            .collect()
    }

    /// How many bytes of JSON an API needs at the most for so many requested scopes.
    #[must_use]
    pub const fn bytes_max(requested: usize) -> usize {
        /// The id with what is around it: `["0123456789abcdef01234567",[]],`.
        const ID_BYTES: usize = 32;
        /// 2^64 has 20 digits.
        const WORD_BYTES: usize = 21;
        ID_BYTES + requested.div_ceil(SCOPES_PER_WORD) * WORD_BYTES
    }
}

/// For how long an application has access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessDuration {
    /// How long an access token lives, unless the application requests another lifetime.
    pub lifetime: Lifetime,
    /// How long an access token lives at the most.
    pub longest: Lifetime,
    /// When the last access ends, with the consent, the application or a grant of it, in seconds; none:
    /// when it is taken back.
    pub ends_in: Option<i64>,
    /// How long the application's refresh tokens live, in seconds; none: without end.
    pub refresh_lifetime: Option<i64>,
}

impl AccessDuration {
    /// True where nothing lasts longer than in the other one.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let is_sooner = |own: Option<i64>, other: Option<i64>| {
            own.unwrap_or(i64::MAX) <= other.unwrap_or(i64::MAX)
        };
        self.lifetime <= other.lifetime
            && self.longest <= other.longest
            && is_sooner(self.ends_in, other.ends_in)
            && is_sooner(self.refresh_lifetime, other.refresh_lifetime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_remembers_which_of_many_requested_scopes_were_shown() {
        let names: Vec<String> = (0..200).map(|n| format!("scope:{n}")).collect();
        let requested: Scopes = names.iter().map(String::as_str).collect();
        for every in [1, 2, 63, 64, 65, 199, 300] {
            let shown: Scopes = requested.iter().step_by(every).skip(1).collect();
            let api = ConsentPageApi::new("0123456789abcdef01234567", &shown, &requested);
            assert_eq!(api.scopes(&requested), shown, "every {every}");
            let json = serde_json::to_string(&api).unwrap();
            assert!(json.len() < ConsentPageApi::bytes_max(200), "{json}");
        }
    }

    #[test]
    fn access_that_lasts_longer_in_any_way_is_not_within() {
        let shown = AccessDuration {
            lifetime: Lifetime::Finite(60),
            longest: Lifetime::Finite(600),
            ends_in: Some(1000),
            refresh_lifetime: Some(1000),
        };
        assert!(shown.is_within(&shown));
        let never = Lifetime::Never;
        for (longer, is_within) in [
            (
                AccessDuration {
                    lifetime: never,
                    ..shown
                },
                false,
            ),
            (
                AccessDuration {
                    longest: never,
                    ..shown
                },
                false,
            ),
            (
                AccessDuration {
                    ends_in: None,
                    ..shown
                },
                false,
            ),
            (
                AccessDuration {
                    ends_in: Some(999),
                    ..shown
                },
                true,
            ),
            (
                AccessDuration {
                    refresh_lifetime: None,
                    ..shown
                },
                false,
            ),
        ] {
            assert_eq!(longer.is_within(&shown), is_within, "{longer:?}");
            assert!(!is_within || !shown.is_within(&longer), "{longer:?}");
        }
    }
}
