//! A user signs in with a password: the whole order, and one answer for whatever is wrong.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Users;
use super::limits::{Address, Limited, Reason, SignIn};
use super::password::needs_upgrade;
use super::queues::Work;
use crate::model::fault::Fault;
use crate::model::user::{TYPED_BYTES_MAX, User};
use crate::secret::Secret;
use crate::store;
use crate::store::users::SignIn as FoundUser;

/// The least time that a wrong answer takes. An imported hash takes its own time to verify, which would
/// tell that there is such a user; the wait hides all but the slowest, and costs only those who are wrong.
const WRONG_MIN: Duration = Duration::from_millis(400);

/// How long an attempt waits that finds no place in the queue of slow hashes. Meanwhile the password is
/// looked at where the account has a good history, and only a right one gets another answer.
const BUSY_MIN: Duration = Duration::from_secs(1);

/// Somebody who wants to sign in.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The e-mail address or username.
    pub identifier: &'a str,
    /// The password.
    pub password: &'a Secret<String>,
    /// From where.
    pub ip: Option<&'a str>,
    /// Unix seconds.
    pub now: i64,
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome {
    /// It is this user, and the sign-in is noted.
    SignedIn(User),
    /// No such user, another password, or none: nobody is told which. Whose account it was is for the
    /// audit alone.
    Wrong(Option<String>),
    /// The password was not looked at, because there were too many attempts at the account by its other
    /// names or from elsewhere. It is told as a wrong password is: which names belong together is nobody's
    /// business. Whose account it was is for the audit alone.
    Withheld(Option<String>),
    /// The password is right, and the user does not sign in.
    Blocked(User),
    /// There were too many attempts by this name or from this address. It says nothing of whether there is
    /// such a user; whose account it was is for the audit alone.
    Limited(Limited, Option<String>),
}

/// A hash that takes the place of another one of the same password.
struct BetterHash {
    old: Secret<String>,
    new: Secret<String>,
}

impl Users {
    /// Counts the attempt, verifies the password and notes the sign-in. A hash that is not this
    /// version's own gives way to a better one.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too many slow hashes wait; otherwise a fault of the store.
    pub async fn authenticate(&self, attempt: &Attempt<'_>) -> Result<Outcome, Fault> {
        let began = Instant::now();
        let outcome = self.verify(attempt).await?;
        // Where there is a limit, the password is looked at all the same if the account is known by the
        // address; so that answer takes its time too.
        if !matches!(outcome, Outcome::SignedIn(_) | Outcome::Blocked(_)) {
            sleep_until(began + WRONG_MIN).await;
        }
        Ok(outcome)
    }

    async fn verify(&self, attempt: &Attempt<'_>) -> Result<Outcome, Fault> {
        let found = self.find(attempt.identifier).await?;
        let user = found.as_ref().map(|found| &found.user);
        let target = self.limits.target_of(attempt.identifier, user);
        let address = Address::of(attempt.ip.and_then(|ip| ip.parse().ok()));
        let now_ms = attempt.now.saturating_mul(1000);
        let counted = self.limits.sign_in(target, address, now_ms).await?;
        let hash = found
            .as_ref()
            .and_then(|found| found.password_hash.as_ref());
        let is_right = self.is_right(attempt.password, hash, &counted).await?;
        let found = match (found, is_right) {
            (Some(found), true) => found,
            (found, _) => {
                let user_id = found.map(|found| found.user.user_id);
                return Ok(refusal(&counted, user_id));
            }
        };
        if found.user.blocked {
            return Ok(Outcome::Blocked(found.user));
        }
        let better = self.better_hash(attempt.password, &found, &counted).await?;
        self.note(attempt, found, better, &counted).await
    }

    /// Whether the password is right and may be looked at. Where it may not be, and the answer is that of a
    /// wrong password, the work is the same.
    async fn is_right(
        &self,
        password: &Secret<String>,
        hash: Option<&Secret<String>>,
        counted: &SignIn,
    ) -> Result<bool, Fault> {
        let is_limited = counted.limited().is_some();
        if is_limited && !counted.verifies() {
            return Ok(false);
        }
        let hash = hash.filter(|_| counted.verifies());
        let work = Work::sign_in(counted);
        let fault = match self.passwords.is_of(password, hash, &work).await {
            Err(fault) if fault.is_unavailable() => fault,
            verified => return verified,
        };
        if is_limited {
            return Ok(false);
        }
        let until = Instant::now() + BUSY_MIN;
        if !counted.is_from_known_address() && counted.has_good_history() {
            let work = Work::trusted_sign_in(counted);
            let is_right = self.passwords.is_of(password, hash, &work).await;
            if matches!(is_right, Ok(true)) {
                return Ok(true);
            }
        }
        // A wrong password at an account with a good history gets the answer of all others.
        sleep_until(until).await;
        Err(fault)
    }

    async fn find(&self, identifier: &str) -> Result<Option<FoundUser>, Fault> {
        // A longer one is nobody's, and is looked up like any other that is nobody's.
        let is_bounded = identifier.len() <= TYPED_BYTES_MAX;
        let identifier = if is_bounded { identifier } else { "" };
        let mut conn = self.store.read().await?;
        store::users::find_for_sign_in(&mut conn, identifier).await
    }

    /// A hash in the place of one that this version does not make.
    async fn better_hash(
        &self,
        password: &Secret<String>,
        found: &FoundUser,
        counted: &SignIn,
    ) -> Result<Option<BetterHash>, Fault> {
        let old = found.password_hash.as_ref();
        let Some(old) = old.filter(|hash| needs_upgrade(hash)) else {
            return Ok(None);
        };
        match self.passwords.hash(password, &Work::sign_in(counted)).await {
            Ok(new) => Ok(Some(BetterHash {
                old: old.clone(),
                new,
            })),
            // It can wait for the next sign-in.
            Err(fault) if fault.is_unavailable() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn note(
        &self,
        attempt: &Attempt<'_>,
        found: FoundUser,
        better: Option<BetterHash>,
        counted: &SignIn,
    ) -> Result<Outcome, Fault> {
        let mut user = found.user;
        let mut tx = self.store.write_locked(&counted.locks()).await?;
        let login = (attempt.now, attempt.ip);
        let version = found.password_version;
        if !store::users::note_login(&mut tx, &user.user_id, version, login).await? {
            return Ok(refusal(counted, Some(user.user_id)));
        }
        if let Some(BetterHash { old, new }) = better {
            store::users::upgrade_password_hash(&mut tx, &user.user_id, &old, &new).await?;
        }
        let now_ms = attempt.now.saturating_mul(1000);
        if let Some(limited) = self.limits.signed_in(&mut tx, counted, now_ms).await? {
            return Ok(Outcome::Limited(limited, Some(user.user_id)));
        }
        tx.commit(attempt.now).await?;
        user.last_login = Some(attempt.now);
        user.last_ip = attempt.ip.map(str::to_owned);
        user.logins_count += 1;
        Ok(Outcome::SignedIn(user))
    }
}

/// What is answered where the password is not right, or was not looked at.
fn refusal(counted: &SignIn, user_id: Option<String>) -> Outcome {
    match counted.limited() {
        Some(limited) => {
            // An address is one whomever it tries, and one record.
            let user_id = user_id.filter(|_| limited.reason == Reason::Account);
            Outcome::Limited(limited, user_id)
        }
        None if counted.verifies() => Outcome::Wrong(user_id),
        None => Outcome::Withheld(user_id),
    }
}
