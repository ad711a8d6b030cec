//! A user signs in with a password: the whole order, and one answer for whatever is wrong.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Users;
use super::limits::{Address, Limited, Reason, Verdict};
use super::password::needs_upgrade;
use crate::model::fault::Fault;
use crate::model::user::{TYPED_BYTES_MAX, User};
use crate::secret::Secret;
use crate::store;
use crate::store::users::SignIn;

/// The least time that a wrong answer takes. An imported hash takes its own time to verify, which would
/// tell that there is such a user; the wait hides all but the slowest, and costs only those who are wrong.
const WRONG_MIN: Duration = Duration::from_millis(400);

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
    /// The password is right, and the user does not sign in.
    Blocked(User),
    /// There were too many attempts, and the password was not looked at. It says nothing of whether
    /// there is such a user; whose account it was is for the audit alone.
    Limited(Limited, Option<String>),
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
        if matches!(outcome, Outcome::Wrong(_)) {
            sleep_until(began + WRONG_MIN).await;
        }
        Ok(outcome)
    }

    async fn verify(&self, attempt: &Attempt<'_>) -> Result<Outcome, Fault> {
        let found = self.find(attempt.identifier).await?;
        let account = match &found {
            Some(found) => self.limits.account_of(&found.user.user_id),
            None => self.limits.account_named(attempt.identifier),
        };
        let address = Address::of(attempt.ip.and_then(|ip| ip.parse().ok()));
        let now_ms = attempt.now.saturating_mul(1000);
        let counted = match self.limits.sign_in(account, address, now_ms).await? {
            Verdict::Admitted(counted) => counted,
            Verdict::Limited(limited) => {
                // An address is one whomever it tries, and one record.
                let found = found.filter(|_| limited.reason == Reason::Account);
                let user_id = found.map(|found| found.user.user_id);
                return Ok(Outcome::Limited(limited, user_id));
            }
        };
        let hash = found
            .as_ref()
            .and_then(|found| found.password_hash.as_ref());
        let is_right = self.passwords.is_of(attempt.password, hash).await?;
        let found = match (found, is_right) {
            (Some(found), true) => found,
            (found, _) => return Ok(Outcome::Wrong(found.map(|found| found.user.user_id))),
        };
        if found.user.blocked {
            return Ok(Outcome::Blocked(found.user));
        }
        let better = self.better_hash(attempt.password, &found).await?;
        let outcome = self.note(attempt, found, better).await?;
        if matches!(outcome, Outcome::SignedIn(_)) {
            self.limits.signed_in(counted, attempt.now).await?;
        }
        Ok(outcome)
    }

    async fn find(&self, identifier: &str) -> Result<Option<SignIn>, Fault> {
        // A longer one is nobody's, and is looked up like any other that is nobody's.
        let is_bounded = identifier.len() <= TYPED_BYTES_MAX;
        let identifier = if is_bounded { identifier } else { "" };
        let mut conn = self.store.read().await?;
        store::users::find_for_sign_in(&mut conn, identifier).await
    }

    /// With its hash and the old one, where the old one is not what this version makes.
    async fn better_hash(
        &self,
        password: &Secret<String>,
        found: &SignIn,
    ) -> Result<Option<(Secret<String>, Secret<String>)>, Fault> {
        let old = found.password_hash.as_ref();
        let Some(old) = old.filter(|hash| needs_upgrade(hash)) else {
            return Ok(None);
        };
        match self.passwords.hash(password).await {
            Ok(new) => Ok(Some((old.clone(), new))),
            // It can wait for the next sign-in.
            Err(fault) if fault.is_unavailable() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn note(
        &self,
        attempt: &Attempt<'_>,
        found: SignIn,
        better: Option<(Secret<String>, Secret<String>)>,
    ) -> Result<Outcome, Fault> {
        let mut user = found.user;
        let mut tx = self.store.write().await?;
        let login = (attempt.now, attempt.ip);
        let version = found.password_version;
        if !store::users::note_login(&mut tx, &user.user_id, version, login).await? {
            return Ok(Outcome::Wrong(Some(user.user_id)));
        }
        if let Some((old, new)) = better {
            store::users::upgrade_password_hash(&mut tx, &user.user_id, &old, &new).await?;
        }
        tx.commit(attempt.now).await?;
        user.last_login = Some(attempt.now);
        user.last_ip = attempt.ip.map(str::to_owned);
        user.logins_count += 1;
        Ok(Outcome::SignedIn(user))
    }
}
