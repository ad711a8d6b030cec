//! Slow hashes: argon2id for what people choose, on blocking threads, a few at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::fair::{FairQueue, FairQueues};
use super::random_bytes;
use crate::model::fault::Fault;

/// OWASP's parameters for argon2id (Password Storage Cheat Sheet): memory in KiB, passes over it,
/// lanes beside each other.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const OUTPUT_BYTES: usize = 32;

/// The least blocks of 1 KiB that are allocated at once. glibc maps what is larger than 32 MiB apart from
/// its arenas, and so gives it back to the system as soon as it is freed. Pages that are not used cost
/// nothing.
const ALLOCATED_BLOCKS_MIN: usize = 33 * 1024;

/// The processors that slow hashes may take, whatever they are for.
#[derive(Clone)]
pub struct SlowHashes {
    queues: FairQueues<HashMemory>,
}

/// The memory of one slow hash at a time. It is used again as long as others wait, and freed when nobody
/// does.
#[derive(Default)]
pub struct HashMemory {
    blocks: Vec<Block>,
}

impl HashMemory {
    /// Runs `work` on so many blocks. More than our own hashes need is for an imported hash, and is freed
    /// at once.
    fn with_blocks<T>(&mut self, count: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let is_usual = count <= MEMORY_KIB as usize;
        let mut large = Vec::new();
        let blocks = if is_usual {
            &mut self.blocks
        } else {
            &mut large
        };
        if blocks.len() < count {
            blocks.reserve_exact(count.max(ALLOCATED_BLOCKS_MIN));
            blocks.resize(count, Block::new());
        }
        work(blocks.get_mut(..count).unwrap_or_default())
    }
}

impl SlowHashes {
    /// So many run at one time.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self {
            queues: FairQueues::new(at_once),
        }
    }

    /// A queue of its own for one kind of work, in which so many may wait beside those that run. The queues
    /// take turns, so whoever crowds one queue makes the others wait a little and takes no place in them.
    #[must_use]
    pub fn queue(&self, waiting_max: usize) -> SlowQueue {
        SlowQueue {
            queue: self.queues.queue(waiting_max),
            begun: Arc::default(),
        }
    }
}

/// Where work of one kind waits for its turn.
#[derive(Clone)]
pub struct SlowQueue {
    queue: FairQueue<HashMemory>,
    begun: Arc<AtomicU64>,
}

impl SlowQueue {
    /// Runs slow work when its turn comes; refuses where too much waits already.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too much waits.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut HashMemory) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        self.run_for(Vec::new(), work).await
    }

    /// The same for somebody, named by the groups to which they belong, the widest first (a network, a part
    /// of it, an address). When the queue is full, the group with the most places loses one to a newcomer.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too much waits.
    pub async fn run_for<T: Send + 'static>(
        &self,
        subjects: Vec<String>,
        work: impl FnOnce(&mut HashMemory) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let begun = Arc::clone(&self.begun);
        let work = move |memory: &mut HashMemory| {
            begun.fetch_add(1, Ordering::Relaxed);
            work(memory)
        };
        let result = self.queue.run(subjects, work).await?;
        result.ok_or_else(|| {
            Fault::unavailable(
                "too many slow secrets are being checked (secrets.slow_hash_queue_max)",
            )
        })
    }

    /// How much work has had its turn since the start.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }
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
pub fn hash(secret: &str, memory: &mut HashMemory) -> Result<String, Fault> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT_BYTES)).map_err(Fault::internal)?;
    let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
    let shown_params = ParamsString::try_from(&params).map_err(Fault::internal)?;
    let salt: [u8; 16] = random_bytes();
    let argon2 = Argon2::new(algorithm, version, params);
    let mut output = [0; OUTPUT_BYTES];
    memory
        .with_blocks(argon2.params().block_count(), |blocks| {
            argon2.hash_password_into_with_memory(secret.as_bytes(), &salt, &mut output, blocks)
        })
        .map_err(Fault::internal)?;
    let hash = PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: shown_params,
        salt: Some(Salt::new(&salt).map_err(Fault::internal)?),
        hash: Some(Output::new(&output).map_err(Fault::internal)?),
    };
    Ok(hash.to_string())
}

/// Whether the secret is that of a PHC string of argon2, with whatever parameters. Slow: for
/// [`SlowQueue::run`].
///
/// # Errors
/// A fault where the text is no PHC string.
pub fn verify(secret: &str, phc: &str, memory: &mut HashMemory) -> Result<bool, Fault> {
    let hash = PasswordHash::new(phc).map_err(Fault::internal)?;
    Ok(computed(secret, &hash, memory).is_some_and(|output| hash.hash == Some(output)))
}

/// The secret's hash under the salt and the parameters of another one; `None` where there is no such hash.
fn computed(secret: &str, hash: &PasswordHash, memory: &mut HashMemory) -> Option<Output> {
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash.version.map(Version::try_from).transpose().ok()?;
    let params = Params::try_from(hash).ok()?;
    let salt = hash.salt.as_ref()?;
    let mut output = [0; Output::MAX_LENGTH];
    let output = output.get_mut(..hash.hash.as_ref()?.len())?;
    let argon2 = Argon2::new(algorithm, version.unwrap_or_default(), params);
    memory
        .with_blocks(argon2.params().block_count(), |blocks| {
            argon2.hash_password_into_with_memory(secret.as_bytes(), salt, output, blocks)
        })
        .ok()?;
    Output::new(output).ok()
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{CustomizedPasswordHasher, PasswordVerifier};

    use super::*;

    #[test]
    fn a_new_hash_is_one_that_the_library_verifies() {
        let mut memory = HashMemory::default();
        let phc = hash("a secret", &mut memory).unwrap();
        assert!(phc.starts_with(&head()), "{phc}");
        let parsed = PasswordHash::new(&phc).unwrap();
        let library = Argon2::default();
        assert!(library.verify_password(b"a secret", &parsed).is_ok());
        assert!(library.verify_password(b"another", &parsed).is_err());
        assert!(verify("a secret", &phc, &mut memory).unwrap());
        assert!(!verify("another", &phc, &mut memory).unwrap());
    }

    #[test]
    fn imported_hashes_of_any_parameters_are_verified_and_leave_no_larger_memory() {
        let mut memory = HashMemory::default();
        let library = Argon2::default();
        for (algorithm, version, memory_kib, lanes, output_bytes) in [
            ("argon2id", 0x13, 4096, 3, 16),
            ("argon2id", 0x13, MEMORY_KIB, LANES, OUTPUT_BYTES),
            ("argon2i", 0x10, 64, 1, 64),
            ("argon2id", 0x13, MEMORY_KIB + 4096, 1, 32),
        ] {
            let params = Params::new(memory_kib, 2, lanes, Some(output_bytes)).unwrap();
            let phc = library
                .hash_password_customized(
                    b"a secret",
                    b"a salt of the test",
                    Some(algorithm),
                    Some(version),
                    params,
                )
                .unwrap()
                .to_string();
            assert!(verify("a secret", &phc, &mut memory).unwrap(), "{phc}");
            assert!(!verify("another", &phc, &mut memory).unwrap(), "{phc}");
            assert!(memory.blocks.len() <= MEMORY_KIB as usize, "{phc}");
        }
    }
}
