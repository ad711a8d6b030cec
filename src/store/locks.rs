//! Locks by name, which a transaction takes all at once where it begins, before any row.
//!
//! Row locks alone cannot be put into one order: a cascade, an index and a plan each choose their own. So two
//! transactions that may both lock several of the same rows have a name in common that one of them takes alone,
//! and what they do below it may have any order. ARCHITECTURE.md (*The order of locks*) lists who takes which.

use std::collections::BTreeMap;

use crate::secret;

/// What a lock stands for.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// Which APIs and applications there are, with everything below them.
    Catalog,
    /// Everything below one application, by its `client_id`.
    Application(&'a str),
    /// Everything below one user, by the `user_id`.
    User(&'a str),
    /// Which user has which e-mail address and username.
    UserNames,
    /// The attempts and known addresses of one account.
    Account(&'a str),
    /// Rows that the sweep removes.
    Expiring,
}

impl Scope<'_> {
    fn key(self) -> i64 {
        let (kind, id) = match self {
            Self::Catalog => ("catalog", ""),
            Self::Application(id) => ("application", id),
            Self::User(id) => ("user", id),
            Self::UserNames => ("user names", ""),
            Self::Account(id) => ("account", id),
            Self::Expiring => ("expiring", ""),
        };
        secret::number_of(format!("{kind} {id}").as_bytes())
    }
}

/// With whom a lock is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// With everybody who shares it too.
    Shared,
    /// With nobody.
    Exclusive,
}

/// The locks of one transaction. Of two on one name, the exclusive one counts.
#[derive(Clone, Debug, Default)]
pub struct Locks(BTreeMap<i64, Mode>);

impl Locks {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For a transaction that locks one row, or rows in a fixed order, below a user and an application.
    #[must_use]
    pub fn below(user_id: &str, client_id: &str) -> Self {
        Self::new()
            .shared(Scope::User(user_id))
            .shared(Scope::Application(client_id))
            .shared(Scope::Expiring)
    }

    /// For a transaction that locks any rows below a user.
    #[must_use]
    pub fn of_user(user_id: &str) -> Self {
        Self::new().and_user(user_id)
    }

    /// Adds what [`Locks::of_user`] takes.
    #[must_use]
    pub fn and_user(self, user_id: &str) -> Self {
        self.exclusive(Scope::User(user_id))
            .shared(Scope::Catalog)
            .shared(Scope::Expiring)
    }

    /// For the deletion of an API.
    #[must_use]
    pub fn of_api_deletion() -> Self {
        Self::new()
            .exclusive(Scope::Catalog)
            .shared(Scope::Expiring)
    }

    /// For the deletion of an application.
    #[must_use]
    pub fn of_application_deletion(client_id: &str) -> Self {
        Self::of_api_deletion().exclusive(Scope::Application(client_id))
    }

    /// Adds a lock that others may share.
    #[must_use]
    pub fn shared(self, scope: Scope<'_>) -> Self {
        self.with(scope, Mode::Shared)
    }

    /// Adds a lock that excludes everybody else who takes the name.
    #[must_use]
    pub fn exclusive(self, scope: Scope<'_>) -> Self {
        self.with(scope, Mode::Exclusive)
    }

    /// Adds all locks of another transaction.
    pub fn extend(&mut self, other: Self) {
        for (key, mode) in other.0 {
            self.insert(key, mode);
        }
    }

    fn with(mut self, scope: Scope<'_>, mode: Mode) -> Self {
        self.insert(scope.key(), mode);
        self
    }

    fn insert(&mut self, key: i64, mode: Mode) {
        let held = self.0.entry(key).or_insert(mode);
        *held = mode.max(*held);
    }

    /// The locks in the one order in which everybody takes them.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (i64, Mode)> {
        self.0.iter().map(|(key, mode)| (*key, *mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exclusive_lock_on_a_name_counts_whichever_came_first() {
        let both = [
            Locks::new()
                .shared(Scope::Catalog)
                .exclusive(Scope::Catalog),
            Locks::new()
                .exclusive(Scope::Catalog)
                .shared(Scope::Catalog),
        ];
        for locks in both {
            let modes: Vec<_> = locks.in_order().map(|(_, mode)| mode).collect();
            assert_eq!(modes, [Mode::Exclusive]);
        }
    }

    #[test]
    fn every_transaction_takes_the_same_names_in_the_same_order() {
        let (a, b) = (Scope::User("a"), Scope::User("b"));
        let keys = |locks: Locks| locks.in_order().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(
            keys(Locks::new().shared(a).shared(b)),
            keys(Locks::new().shared(b).shared(a))
        );
        assert_ne!(Scope::User("a").key(), Scope::Application("a").key());
    }
}
