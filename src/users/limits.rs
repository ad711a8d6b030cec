//! How often somebody may try to sign in, ask for a mail, make an account or choose a password. The counts
//! are in the store, so they hold on all nodes and across restarts; docs/decisions/0011 says why they are
//! buckets, and 0017 says what is counted by name, by account and by address, and what an observer sees.
//!
//! An attempt is counted before a password is looked at. A name that no user has is counted like one that
//! belongs to a user.

mod address;
mod gate;

use crate::config;
use crate::model::fault::Fault;
use crate::model::user::{User, fold};
use crate::secret::Digester;
use crate::store::{Locks, Scope, Store, Write, attempts, known_addresses};

pub use address::Address;
use gate::Gate;
pub use gate::{Limited, Reason};

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

/// An account as attempts are counted by: a digest, because people type passwords where their name
/// belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(String);

/// Whom an attempt to sign in is for.
#[derive(Clone, Debug)]
pub struct Target {
    /// The names that count: the one that was typed, or all that the user may type.
    names: Vec<Account>,
    /// The user; where no user has the name, the name.
    account: Account,
}

/// An attempt to sign in that was counted.
#[derive(Debug)]
pub struct SignIn {
    target: Target,
    address: Address,
    history: known_addresses::History,
    limited: Option<Limited>,
    /// What was taken and is given back by a success.
    taken: Vec<Gate>,
    verifies: bool,
}

/// A gate of which no answer tells.
struct HiddenGate {
    gate: Gate,
    /// True where an attempt may pass it in spite of a limit at the others.
    ignores_limits: bool,
}

impl Account {
    /// What a transaction locks that changes several counts of the account, or its known addresses.
    #[must_use]
    pub fn locks(&self) -> Locks {
        Locks::new()
            .exclusive(Scope::Account(&self.0))
            .shared(Scope::Expiring)
    }
}

impl Target {
    /// What ending its limits locks.
    #[must_use]
    pub fn locks(&self) -> Locks {
        self.account.locks()
    }
}

impl SignIn {
    /// What [`Limits::signed_in`] locks.
    #[must_use]
    pub fn locks(&self) -> Locks {
        self.target.locks()
    }

    /// The limit that the answer tells of, unless the password is right and looked at.
    #[must_use]
    pub fn limited(&self) -> Option<Limited> {
        self.limited
    }

    /// True where the password is looked at.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.verifies
    }

    /// True where the account has signed in from this address.
    #[must_use]
    pub fn is_from_known_address(&self) -> bool {
        self.history.seen_at.is_some()
    }

    /// True where the account has signed in from some address.
    #[must_use]
    pub fn has_good_history(&self) -> bool {
        self.history.is_known_anywhere
    }

    /// The groups of the address and the account, the widest first: for queues.
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        let mut groups = self.address.groups();
        groups.push(self.target.account.0.clone());
        groups
    }

    /// The account, for queues.
    #[must_use]
    pub fn account_group(&self) -> Vec<String> {
        vec![self.target.account.0.clone()]
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

    /// The account of a user who exists, by whatever name.
    #[must_use]
    pub fn account_of(&self, user_id: &str) -> Account {
        Account(self.digester.digest(&format!("account of {user_id}")))
    }

    /// What a name is counted by, whether a user has it or not. Written in capitals it is the same.
    #[must_use]
    pub fn account_named(&self, name: &str) -> Account {
        let folded = fold(name.trim());
        Account(self.digester.digest(&format!("account named {folded}")))
    }

    /// The target of somebody who typed a name, which may be that of a user.
    #[must_use]
    pub fn target_of(&self, name: &str, user: Option<&User>) -> Target {
        let name = self.account_named(name);
        let account = user.map_or_else(|| name.clone(), |user| self.account_of(&user.user_id));
        Target {
            names: vec![name],
            account,
        }
    }

    /// A user under all names.
    #[must_use]
    pub fn whole_target_of(&self, user: &User) -> Target {
        let names = [&user.email, &user.username].into_iter().flatten();
        Target {
            names: names.map(|name| self.account_named(name)).collect(),
            account: self.account_of(&user.user_id),
        }
    }

    /// Counts an attempt to sign in; to be asked before the password is looked at.
    ///
    /// What the answer tells of, the counts of the address and of the typed name, does not depend on
    /// whether there is such a user. What does, is hidden: an account that is known by the address is
    /// looked at in spite of those counts, up to a count of its own; and one that is not known by it is
    /// looked at only so often in all, by whatever name.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn sign_in(
        &self,
        target: Target,
        address: Address,
        now_ms: i64,
    ) -> Result<SignIn, Fault> {
        let pair = (target.account.0.as_str(), address.as_str());
        let now = now_ms.div_euclid(1000);
        let mut conn = self.store.read().await?;
        let history = known_addresses::history(&mut conn, pair, now).await?;
        drop(conn);
        let is_known = history.seen_at.is_some();
        let rate = self.config.sign_ins_per_address;
        let addresses = Gate::of_address("sign-in address", &address, rate);
        let names: Vec<_> = target.names.iter().map(|name| self.name(name)).collect();
        let hidden = HiddenGate {
            gate: if is_known {
                self.known(pair)
            } else {
                self.account(&target.account)
            },
            ignores_limits: is_known,
        };
        let visible = [addresses.clone(), names.clone()].concat();
        let counted = self.pass_hidden(&visible, &hidden, now_ms);
        let (limited, verifies) = counted.await?;
        let mut taken = vec![hidden.gate];
        if limited.is_none() {
            taken.splice(..0, names);
            // Where the address is not known, a success gives nothing back to it: an account of one's own
            // buys no further guesses at others.
            taken.splice(..0, addresses.into_iter().filter(|_| is_known));
        }
        Ok(SignIn {
            target,
            address,
            history,
            limited,
            taken,
            verifies,
        })
    }

    /// The attempt has succeeded: it gives back what it took, and the account is known by the address. The
    /// limit, where the account has signed in from there too often; then the transaction must not be
    /// committed.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn signed_in(
        &self,
        tx: &mut Write,
        attempt: &SignIn,
        now_ms: i64,
    ) -> Result<Option<Limited>, Fault> {
        for gate in &attempt.taken {
            gate.give_back(tx).await?;
        }
        let account = &attempt.target.account;
        let success = self.success((&account.0, attempt.address.as_str()));
        if let Some(limited) = success.take(tx, now_ms).await? {
            return Ok(Some(limited));
        }
        let now = now_ms.div_euclid(1000);
        let is_fresh = |seen_at: i64| now - seen_at < SEEN_EVERY_SECONDS;
        if !attempt.history.seen_at.is_some_and(is_fresh) {
            self.welcome(tx, account, &attempt.address, now).await?;
        }
        Ok(None)
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
        let rate = self.config.mails_per_address;
        let mut gates = Gate::of_address("mail address", address, rate);
        gates.push(self.mails(account));
        self.admit(&gates, now_ms).await
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
        let rate = self.config.sign_ups_per_address;
        let mut gates = Gate::of_address("sign-up address", address, rate);
        gates.push(self.mails(account));
        self.admit(&gates, now_ms).await
    }

    /// Counts a password that somebody wants to set by a link that works.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn new_password(
        &self,
        link: &str,
        address: &Address,
        now_ms: i64,
    ) -> Result<Verdict<()>, Fault> {
        let rates = (
            self.config.new_passwords_per_address,
            self.config.new_passwords_per_link,
        );
        let mut gates = Gate::of_address("new password address", address, rates.0);
        let link = self.digester.digest(&format!("link {link}"));
        gates.push(Gate::new(
            "new password link",
            &link,
            rates.1,
            Reason::Account,
        ));
        self.admit(&gates, now_ms).await
    }

    /// Where sign-ins to the account are limited now.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn blocks(&self, target: &Target, now_ms: i64) -> Result<Blocks, Fault> {
        let account = &target.account;
        let mut conn = self.store.read().await?;
        let mut blocks = Blocks::default();
        let names = target.names.iter().map(|name| self.name(name));
        for gate in names.chain([self.account(account)]) {
            blocks.elsewhere |= gate.look(&mut conn, now_ms).await?.is_some();
        }
        let now = now_ms.div_euclid(1000);
        for address in known_addresses::of_account(&mut conn, &account.0, now).await? {
            let pair = (account.0.as_str(), address.as_str());
            let failures = self.known(pair).look(&mut conn, now_ms).await?;
            let successes = self.success(pair).look(&mut conn, now_ms).await?;
            if failures.or(successes).is_some() {
                blocks.addresses.push(address);
            }
        }
        Ok(blocks)
    }

    /// Starts all counts of the account anew, with whatever else the transaction does: an operator says so.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn unblock(&self, tx: &mut Write, target: &Target, now: i64) -> Result<(), Fault> {
        for name in &target.names {
            attempts::clear(tx, self.name(name).bucket()).await?;
        }
        self.forgive(tx, &target.account, now).await
    }

    /// Starts the hidden counts of the account anew: its password was changed. The counts of its names stay,
    /// because that they are empty would tell whoever has filled them that a user has the name.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn forgive(&self, tx: &mut Write, account: &Account, now: i64) -> Result<(), Fault> {
        attempts::clear(tx, self.account(account).bucket()).await?;
        for address in known_addresses::of_account(tx, &account.0, now).await? {
            let pair = (account.0.as_str(), address.as_str());
            attempts::clear(tx, self.known(pair).bucket()).await?;
            attempts::clear(tx, self.success(pair).bucket()).await?;
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
        let pair = (account.0.as_str(), address.as_str());
        known_addresses::see(tx, pair, now, ADDRESSES_PER_ACCOUNT_MAX).await
    }

    /// Takes room at every gate, in their order; the first that has none is in the way. What was taken
    /// before it stays taken. Looks first, so that a flood which is limited writes nothing.
    async fn admit(&self, gates: &[Gate], now_ms: i64) -> Result<Verdict<()>, Fault> {
        let mut conn = self.store.read().await?;
        if let Some(limited) = gate::look_at_all(&mut conn, gates, now_ms).await? {
            return Ok(Verdict::Limited(limited));
        }
        drop(conn);
        let mut tx = self.store.write_locked(&of_gates()).await?;
        let limited = gate::take_all(&mut tx, gates, now_ms).await?;
        tx.commit(now_ms.div_euclid(1000)).await?;
        Ok(limited.map_or(Verdict::Admitted(()), Verdict::Limited))
    }

    /// The same at gates of which the answer tells, and at one of which it does not: the limit, and whether
    /// the hidden gate had room.
    async fn pass_hidden(
        &self,
        visible: &[Gate],
        hidden: &HiddenGate,
        now_ms: i64,
    ) -> Result<(Option<Limited>, bool), Fault> {
        let mut conn = self.store.read().await?;
        let mut limited = gate::look_at_all(&mut conn, visible, now_ms).await?;
        let has_room = hidden.gate.look(&mut conn, now_ms).await?.is_none();
        drop(conn);
        if limited.is_some() && !(hidden.ignores_limits && has_room) {
            return Ok((limited, false));
        }
        let mut tx = self.store.write_locked(&of_gates()).await?;
        if limited.is_none() {
            limited = gate::take_all(&mut tx, visible, now_ms).await?;
        }
        let is_asked = limited.is_none() || hidden.ignores_limits;
        let has_room = is_asked && hidden.gate.take(&mut tx, now_ms).await?.is_none();
        tx.commit(now_ms.div_euclid(1000)).await?;
        Ok((limited, has_room))
    }

    fn mails(&self, account: &Account) -> Gate {
        let rate = self.config.mails_per_account;
        Gate::new("mail account", &account.0, rate, Reason::Account)
    }

    fn name(&self, name: &Account) -> Gate {
        let rate = self.config.sign_ins_per_account;
        Gate::new("sign-in name", &name.0, rate, Reason::Account)
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

    fn success(&self, (account, address): (&str, &str)) -> Gate {
        let rate = self.config.sign_ins_per_known_address;
        let subject = format!("{account} {address}");
        Gate::new("sign-in success", &subject, rate, Reason::Account)
    }
}

/// What counting at gates locks: the sweep removes counts in another order.
fn of_gates() -> Locks {
    Locks::new().shared(Scope::Expiring)
}

/// Where sign-ins to an account are limited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// From all addresses that it is not known by.
    pub elsewhere: bool,
    /// From these, that it is known by.
    pub addresses: Vec<String>,
}
