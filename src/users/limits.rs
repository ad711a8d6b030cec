//! How often somebody may try to sign in, ask for a mail or make an account. The counts lie in the
//! store, so they hold on all nodes and across restarts; docs/decisions/0011 argues for them.
//!
//! An attempt is counted before a password is looked at, so that no flood reaches the slow hash. An
//! account that does not exist is counted like one that does.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::config::{self, Rate};
use crate::model::fault::Fault;
use crate::model::record::Kind;
use crate::model::user::fold;
use crate::secret::Digester;
use crate::store::attempts::{self, Bucket, Room};
use crate::store::{Conn, Store, Write, known_addresses};

/// Most addresses that an account is known by.
const ADDRESSES_PER_ACCOUNT_MAX: i64 = 50;
/// How often an address that is known already is noted anew.
const SEEN_EVERY_SECONDS: i64 = 86_400;

/// Counts attempts, and says which are too many.
#[derive(Clone)]
pub struct Limits {
    store: Store,
    digester: Digester,
    config: config::Limits,
}

/// Whether an attempt may go on.
#[derive(Debug)]
pub enum Verdict<T> {
    /// It may.
    Admitted(T),
    /// It may not, now.
    Limited(Limited),
}

/// An attempt too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// What there were too many of.
    pub reason: Reason,
    /// When there will be room: whole seconds, for `Retry-After`.
    pub retry_after: Duration,
}

impl Limited {
    /// The same, as pages say it.
    #[must_use]
    pub fn retry_after_seconds(&self) -> i64 {
        i64::try_from(self.retry_after.as_secs()).unwrap_or(i64::MAX)
    }
}

/// What there were too many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Attempts at one account.
    Account,
    /// Attempts from one address.
    Address,
}

impl Reason {
    /// How the audit calls it.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Account => Kind::LimitedAccount,
            Self::Address => Kind::LimitedAddress,
        }
    }
}

/// An account as attempts are counted by: a digest, because people type passwords where their name
/// belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(String);

/// Where an attempt comes from: an IPv4 address, or the network of an IPv6 one, because a customer of
/// any provider has 2^64 of those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The address of a request; all whose address is not known count as one.
    #[must_use]
    pub fn of(ip: Option<IpAddr>) -> Self {
        Self(match ip.map(|ip| ip.to_canonical()) {
            None => "unknown".to_owned(),
            Some(IpAddr::V4(address)) => address.to_string(),
            Some(IpAddr::V6(address)) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                format!("{}/64", Ipv6Addr::from(network))
            }
        })
    }
}

/// An attempt to sign in that may go on; where it succeeds, [`Limits::signed_in`] takes it.
#[derive(Debug)]
pub struct SignIn {
    account: Account,
    address: Address,
    /// Where the account is known by the address.
    seen_at: Option<i64>,
}

/// A bucket that an attempt must find room in.
struct Gate {
    kind: &'static str,
    subject: String,
    room: Room,
    reason: Reason,
}

impl Gate {
    fn new(kind: &'static str, subject: &str, rate: Rate, reason: Reason) -> Self {
        Self {
            kind,
            subject: subject.to_owned(),
            room: room(rate),
            reason,
        }
    }

    fn bucket(&self) -> Bucket<'_> {
        Bucket {
            kind: self.kind,
            subject: &self.subject,
        }
    }

    /// The limit that stands in the way now, if any.
    async fn look(&self, conn: &mut Conn, now_ms: i64) -> Result<Option<Limited>, Fault> {
        let until = attempts::spent_until(conn, self.bucket()).await?;
        let room_at = until.unwrap_or(0) + self.room.step_ms - self.room.full_ms;
        let wait = u64::try_from(room_at - now_ms).unwrap_or(0);
        Ok((wait > 0).then(|| Limited {
            reason: self.reason,
            retry_after: Duration::from_secs(wait.div_ceil(1000)),
        }))
    }
}

/// The room that makes a rate: what it admits at once fits, and empties evenly in its window.
fn room(rate: Rate) -> Room {
    let window_ms = rate.window_seconds * 1000;
    let step_ms = (window_ms + rate.attempts_max - 1) / rate.attempts_max;
    Room {
        step_ms,
        full_ms: step_ms * rate.attempts_max,
    }
}

impl Limits {
    /// Limits on a store, under its digest key.
    #[must_use]
    pub fn new(store: Store, digester: Digester, config: config::Limits) -> Self {
        Self {
            store,
            digester,
            config,
        }
    }

    /// The account of a user who exists, however he is called.
    #[must_use]
    pub fn account_of(&self, user_id: &str) -> Account {
        Account(self.digester.digest(&format!("account of {user_id}")))
    }

    /// The account that a name stands for which no user has. Written in capitals it is the same.
    #[must_use]
    pub fn account_named(&self, name: &str) -> Account {
        let folded = fold(name.trim());
        Account(self.digester.digest(&format!("account named {folded}")))
    }

    /// Counts an attempt to sign in; to be asked before the password is looked at.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn sign_in(
        &self,
        account: Account,
        address: Address,
        now_ms: i64,
    ) -> Result<Verdict<SignIn>, Fault> {
        let pair = (account.0.as_str(), address.0.as_str());
        let mut conn = self.store.read().await?;
        let now = now_ms.div_euclid(1000);
        let seen_at = known_addresses::seen_at(&mut conn, pair, now).await?;
        drop(conn);
        let gates = match seen_at {
            Some(_) => vec![self.known(pair)],
            None => vec![self.address(&address), self.account(&account)],
        };
        let limited = self.pass(&gates, now_ms).await?;
        Ok(limited.map_or_else(
            || {
                Verdict::Admitted(SignIn {
                    account,
                    address,
                    seen_at,
                })
            },
            Verdict::Limited,
        ))
    }

    /// The attempt has succeeded: the account's count starts anew, and it is known by the address.
    /// Counts of addresses stay, so that no account of one's own buys attempts at others; and so does
    /// that of a known address, so that none buys a flood of slow hashes.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn signed_in(&self, attempt: SignIn, now: i64) -> Result<(), Fault> {
        let is_fresh = |seen_at: i64| now - seen_at < SEEN_EVERY_SECONDS;
        if attempt.seen_at.is_some_and(is_fresh) {
            return Ok(());
        }
        let mut tx = self.store.write().await?;
        if attempt.seen_at.is_none() {
            attempts::clear(&mut tx, self.account(&attempt.account).bucket()).await?;
        }
        self.welcome(&mut tx, &attempt.account, &attempt.address, now)
            .await?;
        tx.commit(now).await.map(drop)
    }

    /// Counts a mail that somebody asks for, to an account that exists or not.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn mail(
        &self,
        account: &Account,
        address: &Address,
        now_ms: i64,
    ) -> Result<Verdict<()>, Fault> {
        let rates = (self.config.mails_per_address, self.config.mails_per_account);
        let gates = [
            Gate::new("mail address", &address.0, rates.0, Reason::Address),
            Gate::new("mail account", &account.0, rates.1, Reason::Account),
        ];
        let limited = self.pass(&gates, now_ms).await?;
        Ok(limited.map_or(Verdict::Admitted(()), Verdict::Limited))
    }

    /// Counts an account that somebody wants to make, and the mail to it.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn sign_up(
        &self,
        account: &Account,
        address: &Address,
        now_ms: i64,
    ) -> Result<Verdict<()>, Fault> {
        let rates = (
            self.config.sign_ups_per_address,
            self.config.mails_per_account,
        );
        let gates = [
            Gate::new("sign-up address", &address.0, rates.0, Reason::Address),
            Gate::new("mail account", &account.0, rates.1, Reason::Account),
        ];
        let limited = self.pass(&gates, now_ms).await?;
        Ok(limited.map_or(Verdict::Admitted(()), Verdict::Limited))
    }

    /// Where sign-ins to the account are limited now.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn blocks(&self, account: &Account, now_ms: i64) -> Result<Blocks, Fault> {
        let mut conn = self.store.read().await?;
        let elsewhere = self.account(account).look(&mut conn, now_ms).await?;
        let now = now_ms.div_euclid(1000);
        let mut addresses = known_addresses::of_account(&mut conn, &account.0, now).await?;
        let mut blocked = Vec::new();
        for address in addresses.drain(..) {
            let gate = self.known((&account.0, &address));
            if gate.look(&mut conn, now_ms).await?.is_some() {
                blocked.push(address);
            }
        }
        Ok(Blocks {
            elsewhere: elsewhere.is_some(),
            addresses: blocked,
        })
    }

    /// Starts all counts of the account anew, with whatever else the transaction does: its password
    /// was changed, or an operator says so.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn forgive(&self, tx: &mut Write, account: &Account, now: i64) -> Result<(), Fault> {
        attempts::clear(tx, self.account(account).bucket()).await?;
        for address in known_addresses::of_account(tx, &account.0, now).await? {
            attempts::clear(tx, self.known((&account.0, &address)).bucket()).await?;
        }
        Ok(())
    }

    /// The account is known by the address from now on: its user was there.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn welcome(
        &self,
        tx: &mut Write,
        account: &Account,
        address: &Address,
        now: i64,
    ) -> Result<(), Fault> {
        let pair = (account.0.as_str(), address.0.as_str());
        known_addresses::see(tx, pair, now, ADDRESSES_PER_ACCOUNT_MAX).await
    }

    /// Takes room at every gate, in their order; the first that has none stands in the way. What was
    /// taken before it stays taken. Looks first, so that a flood which is limited writes nothing.
    async fn pass(&self, gates: &[Gate], now_ms: i64) -> Result<Option<Limited>, Fault> {
        let mut conn = self.store.read().await?;
        for gate in gates {
            if let Some(limited) = gate.look(&mut conn, now_ms).await? {
                return Ok(Some(limited));
            }
        }
        drop(conn);
        let mut tx = self.store.write().await?;
        let mut in_the_way = None;
        for gate in gates {
            if !attempts::take(&mut tx, gate.bucket(), gate.room, now_ms).await? {
                let limited = gate.look(&mut tx, now_ms).await?;
                in_the_way = Some(limited.unwrap_or(Limited {
                    reason: gate.reason,
                    retry_after: Duration::from_secs(1),
                }));
                break;
            }
        }
        tx.commit(now_ms.div_euclid(1000)).await?;
        Ok(in_the_way)
    }

    fn address(&self, address: &Address) -> Gate {
        let rate = self.config.sign_ins_per_address;
        Gate::new("sign-in address", &address.0, rate, Reason::Address)
    }

    fn account(&self, account: &Account) -> Gate {
        let rate = self.config.sign_ins_per_account;
        Gate::new("sign-in account", &account.0, rate, Reason::Account)
    }

    fn known(&self, (account, address): (&str, &str)) -> Gate {
        let rate = self.config.sign_ins_per_known_address;
        let subject = format!("{account} {address}");
        Gate::new("sign-in known", &subject, rate, Reason::Account)
    }
}

/// Where sign-ins to an account are limited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// From all addresses that it is not known by.
    pub elsewhere: bool,
    /// From these, that it is known by.
    pub addresses: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_counts_as_its_network_and_a_mapped_one_as_ipv4() {
        let of = |text: &str| Address::of(Some(text.parse().unwrap())).0;
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2::9"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
        assert_eq!(Address::of(None).0, "unknown");
    }

    #[test]
    fn a_room_holds_exactly_what_its_rate_admits_at_once() {
        for attempts_max in [1, 7, 10, 10_000, 100_000] {
            for window_seconds in [60, 61, 3600, 86_400] {
                let room = room(Rate {
                    attempts_max,
                    window_seconds,
                });
                assert_eq!(room.full_ms / room.step_ms, attempts_max);
                assert!(room.full_ms >= window_seconds * 1000);
            }
        }
    }
}
