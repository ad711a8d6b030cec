//! Slow hashes: argon2id for what people choose, on blocking threads, a few at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::model::fault::Fault;

/// OWASP's parameters for argon2id (Password Storage Cheat Sheet): memory in KiB, passes over it,
/// lanes beside each other.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The processors that slow hashes may take, whatever they are for.
#[derive(Clone)]
pub struct SlowHashes {
    at_once: Arc<Semaphore>,
}

impl SlowHashes {
    /// So many run at one time.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(at_once)),
        }
    }

    /// A queue of its own, in which so many may wait beside those that run. Turns are taken in the
    /// order of their coming, so who crowds one queue makes another one wait a little, and takes no
    /// place in it.
    #[must_use]
    pub fn queue(&self, waiting_max: usize) -> SlowQueue {
        let at_once = self.at_once.available_permits();
        SlowQueue {
            at_once: Arc::clone(&self.at_once),
            places: Arc::new(Semaphore::new(at_once.saturating_add(waiting_max))),
            begun: Arc::default(),
        }
    }
}

/// Where work of one kind waits for its turn.
#[derive(Clone)]
pub struct SlowQueue {
    at_once: Arc<Semaphore>,
    places: Arc<Semaphore>,
    begun: Arc<AtomicU64>,
}

impl SlowQueue {
    /// Runs slow work when its turn comes; refuses where too much waits already. The place in the
    /// queue goes with the work: a request that goes away does not make room before the work ends.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too much waits.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Fault::unavailable(
                "too many slow secrets are being checked (secrets.slow_hash_queue_max)",
            )
        })?;
        let turn = Arc::clone(&self.at_once)
            .acquire_owned()
            .await
            .map_err(Fault::internal)?;
        self.begun.fetch_add(1, Ordering::Relaxed);
        let work = move || {
            let result = work();
            drop((turn, place));
            result
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Fault::internal)
    }

    /// How much work has had its turn since the start.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }
}

fn argon2id() -> Result<Argon2<'static>, Fault> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(Fault::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// How a hash of [`hash`] begins.
#[must_use]
pub fn head() -> String {
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$")
}

/// A new hash, as a PHC string. Slow: for [`SlowQueue::run`].
///
/// # Errors
/// A fault where the library fails.
pub fn hash(secret: &str) -> Result<String, Fault> {
    let hash = argon2id()?
        .hash_password(secret.as_bytes())
        .map_err(Fault::internal)?;
    Ok(hash.to_string())
}

/// Whether the secret is that of a PHC string of argon2, with whatever parameters. Slow: for
/// [`SlowQueue::run`].
///
/// # Errors
/// A fault where the text is no PHC string.
pub fn verify(secret: &str, phc: &str) -> Result<bool, Fault> {
    let hash = PasswordHash::new(phc).map_err(Fault::internal)?;
    Ok(Argon2::default()
        .verify_password(secret.as_bytes(), &hash)
        .is_ok())
}
