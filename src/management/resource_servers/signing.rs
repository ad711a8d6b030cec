//! What signs an API's tokens: its algorithm, and for HS256 a secret of its own.
//!
//! The secret is shown by the answer that generates or sets it, and never again.

use super::super::answer::Problem;
use crate::app::App;
use crate::keys::SIGNING_SECRET_BYTES_MIN;
use crate::model::api::{Api, SigningAlgorithm, SigningSecret, SystemApi};
use crate::model::fault::Fault;
use crate::model::key::Key;
use crate::secret::{self, Secret};

/// What a body names of it.
pub(super) struct Named {
    /// `signing_alg`
    pub(super) algorithm: Option<SigningAlgorithm>,
    /// `signing_secret`; null lets go of one that still verifies.
    pub(super) secret: Option<Option<String>>,
}

impl Named {
    /// The keys of an algorithm that nobody has used before: made before the transaction begins.
    pub(super) async fn make_keys(
        &self,
        app: &App,
        otherwise: Option<SigningAlgorithm>,
        now: i64,
    ) -> Result<Vec<Key>, Fault> {
        match self.algorithm.or(otherwise) {
            Some(algorithm) => app.mint.keys.make_first(algorithm, now).await,
            None => Ok(Vec::new()),
        }
    }

    /// Lays it over the API, which has had another algorithm before unless it is new. Answers the
    /// secret that has to be shown.
    pub(super) fn overlay(
        self,
        app: &App,
        api: &mut Api,
        had: Option<SigningAlgorithm>,
        now: i64,
    ) -> Result<Option<Secret<String>>, Problem> {
        if let Some(algorithm) = self.algorithm {
            api.signing_alg = algorithm;
        }
        if api.signing_alg.has_keys() {
            return without_secret(app, api, (had, self.secret), now);
        }
        let given = match self.secret {
            Some(None) => return Err(refuse("an API with HS256 keeps a secret: name another")),
            Some(Some(text)) => Some(checked(text)?),
            None => None,
        };
        let is_new = had.is_none_or(SigningAlgorithm::has_keys);
        let shown = given.or_else(|| is_new.then(secret::new_secret));
        if let Some(secret) = &shown {
            api.signing_secret = Some(app.mint.keys.seal_secret(&api.id, secret)?);
        }
        Ok(shown)
    }
}

/// An API that goes over from HS256 does not kill its living tokens: the secret verifies until they
/// have ended, unless it is let go of.
fn without_secret(
    app: &App,
    api: &mut Api,
    (had, named): (Option<SigningAlgorithm>, Option<Option<String>>),
    now: i64,
) -> Result<Option<Secret<String>>, Problem> {
    match named {
        Some(Some(_)) => return Err(refuse("only an API with signing_alg HS256 has one")),
        Some(None) => api.signing_secret = None,
        None if had == Some(SigningAlgorithm::Hs256) => {
            let ends_at = app.key_terms().verifies_until(now);
            api.signing_secret = api.signing_secret.take().map(|secret| SigningSecret {
                ends_at: Some(ends_at),
                ..secret
            });
        }
        None => {}
    }
    Ok(None)
}

fn checked(text: String) -> Result<Secret<String>, Problem> {
    if text.len() < SIGNING_SECRET_BYTES_MIN {
        return Err(refuse(&format!(
            "String is too short, minimum {SIGNING_SECRET_BYTES_MIN} bytes (RFC 7518 §3.2)"
        )));
    }
    Ok(Secret::new(text))
}

/// A system API keeps its algorithm, and is never under a secret (compatibility.md §6).
pub(super) fn check_system(
    system: Option<SystemApi>,
    had: Option<SigningAlgorithm>,
    after: &Api,
) -> Result<(), Problem> {
    let is_unchanged = had == Some(after.signing_alg) && after.signing_secret.is_none();
    if system.is_none() || is_unchanged {
        return Ok(());
    }
    Err(Problem::not_supported(
        "signing_alg",
        "a system API keeps it.",
    ))
}

fn refuse(why: &str) -> Problem {
    Problem::property("signing_secret", why)
}
