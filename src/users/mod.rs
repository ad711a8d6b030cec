//! Users prove who they are: their passwords, and what follows from a change of one. Knows no HTTP.

pub mod authenticate;
pub mod limits;
pub mod password;
pub mod queues;
pub mod reset;
pub mod tickets;

use crate::config::Config;
use crate::logout::{self, Why};
use crate::mail::Mailer;
use crate::model::change::{Change, Covered};
use crate::model::fault::Fault;
use crate::secret::Digester;
use crate::secret::slow::SlowHashes;
use crate::store::refresh_families::{self, Filter};
use crate::store::{Store, Write};

use limits::Limits;
use password::Passwords;
use tickets::Tickets;

/// The users of the store, and how their passwords are checked.
pub struct Users {
    store: Store,
    /// Hashes and verifies passwords.
    pub passwords: Passwords,
    /// How often something may be attempted.
    pub limits: Limits,
    /// Links in mails.
    pub tickets: Tickets,
    /// Sends mails.
    pub mailer: Mailer,
}

impl Users {
    /// Users of a store; passwords wait in queues of their own.
    #[must_use]
    pub fn new(
        store: Store,
        config: &Config,
        slow: &SlowHashes,
        digester: &Digester,
        mailer: Mailer,
    ) -> Self {
        Self {
            passwords: Passwords::new(slow, config),
            limits: Limits::new(store.clone(), digester.clone(), config.limits.clone()),
            tickets: Tickets::new(digester.clone(), config.user_tickets.clone()),
            mailer,
            store,
        }
    }
}

/// Refresh tokens that are removed by one statement.
const FAMILIES_AT_A_TIME: i64 = 500;

/// Ends everything that a user has here, within a change that asks for it: blocking, deletion, another
/// password. Whoever knew the old password, or holds a token, is out. Before the user is deleted.
///
/// # Errors
/// A fault of the store.
pub async fn end_everything(
    tx: &mut Write,
    user_id: &str,
    why: Why,
    now: i64,
) -> Result<(), Fault> {
    logout::end_sessions(tx, user_id, why, now).await?;
    // Their rows cannot live on; the sweep would find them as well.
    let of_user = Filter {
        user_id: Some(user_id.to_owned()),
        ..Filter::default()
    };
    while refresh_families::delete_all(tx, &of_user, FAMILIES_AT_A_TIME).await? > 0 {}
    tx.note(Change::Revocation(Covered::User(user_id.to_owned())));
    Ok(())
}
