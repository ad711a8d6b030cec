//! Checking an application's secret: a keyed digest for long ones, argon2id on a bounded pool for
//! short ones.

use std::sync::OnceLock;

use super::slow::{SlowHashes, SlowQueue, hash, verify};
use super::{Digester, LONG_SECRET_CHARS, Secret, equal, random_id};
use crate::model::application::{ApplicationSecret, LastNoted, Verifier};
use crate::model::fault::Fault;

/// Checks and keeps secrets.
#[derive(Clone)]
pub struct SecretChecker {
    digester: Digester,
    slow: SlowQueue,
    /// For secrets that an administrator sets: whoever guesses takes no place in it.
    slow_of_new: SlowQueue,
}

impl SecretChecker {
    /// Under the store's digest key; slow hashes go through queues of these.
    #[must_use]
    pub fn new(digester: Digester, slow: &SlowHashes, waiting_max: usize) -> Self {
        Self {
            digester,
            slow: slow.queue(waiting_max),
            slow_of_new: slow.queue(waiting_max),
        }
    }

    /// A new secret as it is kept. Slow for a short one, so never within a transaction.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too many slow hashes wait.
    pub async fn keep(
        &self,
        secret: &Secret<String>,
        now: i64,
    ) -> Result<ApplicationSecret, Fault> {
        let is_long = secret.expose().chars().count() >= LONG_SECRET_CHARS;
        let verifier = if is_long {
            Verifier::Digest(self.digester.digest(secret.expose()))
        } else {
            let secret = secret.clone();
            let phc = self
                .slow_of_new
                .run(move |memory| hash(secret.expose(), memory))
                .await??;
            Verifier::Slow {
                phc,
                matched: OnceLock::new(),
            }
        };
        let id = random_id("sec_");
        Ok(ApplicationSecret {
            id,
            verifier,
            expires_at: None,
            created_at: now,
            noted: LastNoted::default(),
        })
    }

    /// The first of the live secrets that `given` is. Digests first: they cost nothing.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too many slow hashes wait.
    pub async fn find<'s>(
        &self,
        given: &str,
        secrets: &'s [ApplicationSecret],
        now: i64,
    ) -> Result<Option<&'s ApplicationSecret>, Fault> {
        let digest = self.digester.digest(given);
        let mut live = secrets.iter().filter(|secret| secret.is_live(now));
        if let Some(found) = live.find(|secret| is_digest(secret, &digest)) {
            return Ok(Some(found));
        }
        if given.chars().count() >= LONG_SECRET_CHARS {
            return Ok(None);
        }
        for secret in secrets.iter().filter(|secret| secret.is_live(now)) {
            if let Verifier::Slow { phc, matched } = &secret.verifier
                && self.is_slow_match(given, phc).await?
            {
                matched.get_or_init(|| digest.clone());
                return Ok(Some(secret));
            }
        }
        Ok(None)
    }

    async fn is_slow_match(&self, given: &str, phc: &str) -> Result<bool, Fault> {
        let (given, phc) = (given.to_owned(), phc.to_owned());
        self.slow
            .run(move |memory| verify(&given, &phc, memory))
            .await?
    }
}

/// True where the digest is the secret's, or is of what matched its slow hash before.
fn is_digest(secret: &ApplicationSecret, digest: &str) -> bool {
    match &secret.verifier {
        Verifier::Digest(own) => equal(own, digest),
        Verifier::Slow { matched, .. } => matched.get().is_some_and(|own| equal(own, digest)),
    }
}
