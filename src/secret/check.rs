//! Checking an application's secret: a keyed digest for long ones, argon2id on a bounded pool for
//! short ones.

use std::sync::Arc;
use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use tokio::sync::Semaphore;

use super::{Digester, LONG_SECRET_CHARS, Secret, equal, random_id};
use crate::model::application::{ApplicationSecret, LastNoted, Verifier};
use crate::model::fault::Fault;

/// Checks and keeps secrets. Slow hashes run on blocking threads, a few at once, and only so many
/// may wait.
#[derive(Clone)]
pub struct SecretChecker {
    digester: Digester,
    at_once: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl SecretChecker {
    /// Under the store's digest key: `at_once` slow hashes run, `queue_max` more may wait.
    #[must_use]
    pub fn new(digester: Digester, at_once: usize, queue_max: usize) -> Self {
        Self {
            digester,
            at_once: Arc::new(Semaphore::new(at_once)),
            queue: Arc::new(Semaphore::new(at_once + queue_max)),
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
            let phc = self.slow(move || hash(secret.expose())).await??;
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
        self.slow(move || verify(&given, &phc)).await?
    }

    /// Runs slow work when its turn comes; refuses where too much waits already. The place in the
    /// queue goes with the work: a request that goes away does not make room before the work ends.
    async fn slow<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let queued = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| {
            Fault::unavailable(
                "too many slow secrets are being checked (secrets.slow_hash_queue_max)",
            )
        })?;
        let turn = Arc::clone(&self.at_once)
            .acquire_owned()
            .await
            .map_err(Fault::internal)?;
        let work = move || {
            let result = work();
            drop((turn, queued));
            result
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Fault::internal)
    }
}

/// True where the digest is the secret's, or is of what matched its slow hash before.
fn is_digest(secret: &ApplicationSecret, digest: &str) -> bool {
    match &secret.verifier {
        Verifier::Digest(own) => equal(own, digest),
        Verifier::Slow { matched, .. } => matched.get().is_some_and(|own| equal(own, digest)),
    }
}

fn hash(secret: &str) -> Result<String, Fault> {
    let hash = Argon2::default()
        .hash_password(secret.as_bytes())
        .map_err(Fault::internal)?;
    Ok(hash.to_string())
}

fn verify(secret: &str, phc: &str) -> Result<bool, Fault> {
    let hash = PasswordHash::new(phc).map_err(Fault::internal)?;
    Ok(Argon2::default()
        .verify_password(secret.as_bytes(), &hash)
        .is_ok())
}
