//! Where work on passwords waits: a queue for each kind of request, so that no kind takes the places of
//! another, and places in it that go to many rather than to few.

use super::limits::{Address, SignIn};
use crate::config::Secrets;
use crate::model::fault::Fault;
use crate::secret::fair::{FairQueue, FairQueues};
use crate::secret::slow::{HashMemory, SlowHashes, SlowQueue};

/// Work on a password: what it is for, and whose places it takes.
#[derive(Clone, Debug)]
pub struct Work {
    purpose: Purpose,
    /// The widest group first.
    groups: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Purpose {
    KnownSignIn,
    TrustedSignIn,
    UnknownSignIn,
    Link,
    SignUp,
    Administration,
}

impl Work {
    /// A sign-in: from an address by which the account is known, or from another.
    #[must_use]
    pub fn sign_in(attempt: &SignIn) -> Self {
        if attempt.is_from_known_address() {
            return Self {
                purpose: Purpose::KnownSignIn,
                groups: attempt.groups(),
            };
        }
        Self {
            purpose: Purpose::UnknownSignIn,
            groups: attempt.groups(),
        }
    }

    /// The places that are reserved for accounts with a good history at addresses by which they are not
    /// known. Each such account has as many as another.
    #[must_use]
    pub fn trusted_sign_in(attempt: &SignIn) -> Self {
        Self {
            purpose: Purpose::TrustedSignIn,
            groups: attempt.account_group(),
        }
    }

    /// A new password by a link.
    #[must_use]
    pub fn link(address: &Address) -> Self {
        Self {
            purpose: Purpose::Link,
            groups: address.groups(),
        }
    }

    /// A new account.
    #[must_use]
    pub fn sign_up(address: &Address) -> Self {
        Self {
            purpose: Purpose::SignUp,
            groups: address.groups(),
        }
    }

    /// A password that the Management API sets.
    #[must_use]
    pub fn administration() -> Self {
        Self {
            purpose: Purpose::Administration,
            groups: Vec::new(),
        }
    }
}

/// The queues of slow hashes, and those of judging how soon a password is guessed, which takes less time and
/// no memory.
pub(super) struct Queues {
    known_sign_ins: SlowQueue,
    trusted_sign_ins: SlowQueue,
    unknown_sign_ins: SlowQueue,
    links: Both,
    sign_ups: Both,
    administration: Both,
}

/// The queues of a purpose that sets passwords.
struct Both {
    slow: SlowQueue,
    judging: FairQueue<()>,
}

impl Queues {
    pub(super) fn new(slow: &SlowHashes, config: &Secrets) -> Self {
        let judging = FairQueues::new(config.slow_hashes_at_once_max);
        let waiting_max = config.slow_hash_queue_max;
        let both = || Both {
            slow: slow.queue(waiting_max),
            judging: judging.queue(waiting_max),
        };
        Self {
            known_sign_ins: slow.queue(waiting_max),
            trusted_sign_ins: slow.queue(waiting_max),
            unknown_sign_ins: slow.queue(waiting_max),
            links: both(),
            sign_ups: both(),
            administration: both(),
        }
    }

    fn slow(&self, purpose: Purpose) -> &SlowQueue {
        match purpose {
            Purpose::KnownSignIn => &self.known_sign_ins,
            Purpose::TrustedSignIn => &self.trusted_sign_ins,
            Purpose::UnknownSignIn => &self.unknown_sign_ins,
            Purpose::Link => &self.links.slow,
            Purpose::SignUp => &self.sign_ups.slow,
            Purpose::Administration => &self.administration.slow,
        }
    }

    /// Runs a slow hash.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too much waits.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: &Work,
        hash: impl FnOnce(&mut HashMemory) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let groups = work.groups.clone();
        self.slow(work.purpose).run_for(groups, hash).await
    }

    /// Judges a password.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too much waits.
    pub(super) async fn judge<T: Send + 'static>(
        &self,
        work: &Work,
        judge: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let both = match work.purpose {
            Purpose::Link => &self.links,
            Purpose::SignUp => &self.sign_ups,
            _ => &self.administration,
        };
        let judged = both.judging.run(work.groups.clone(), move |()| judge());
        judged.await?.ok_or_else(|| {
            Fault::unavailable("too many passwords are being judged (secrets.slow_hash_queue_max)")
        })
    }

    /// How many slow hashes have had their turn since the start.
    pub(super) fn begun(&self) -> u64 {
        let queues = [
            &self.known_sign_ins,
            &self.trusted_sign_ins,
            &self.unknown_sign_ins,
            &self.links.slow,
            &self.sign_ups.slow,
            &self.administration.slow,
        ];
        queues.into_iter().map(SlowQueue::begun).sum()
    }
}
