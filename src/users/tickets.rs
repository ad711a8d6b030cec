//! Tickets that are given to users by mail, or to an operator who hands them on.

use crate::config;
use crate::model::fault::Fault;
use crate::model::user_ticket::{TicketKind, UserTicket};
use crate::secret::{Digester, Secret, new_secret};
use crate::store::{Conn, Write, user_tickets};

/// Issues tickets and takes them back. Their text is 256 random bits, and the store has its digest only.
#[derive(Clone)]
pub struct Tickets {
    digester: Digester,
    config: config::UserTickets,
}

impl Tickets {
    /// Tickets under the store's digest key.
    #[must_use]
    pub fn new(digester: Digester, config: config::UserTickets) -> Self {
        Self { digester, config }
    }

    /// How long a ticket works where nothing else is said.
    #[must_use]
    pub fn seconds(&self, kind: TicketKind) -> i64 {
        match kind {
            TicketKind::ResetPassword => self.config.reset_password_seconds,
            TicketKind::VerifyEmail => self.config.verify_email_seconds,
        }
    }

    /// A ticket of a kind that goes to the user's own address.
    #[must_use]
    pub fn by_mail(&self, kind: TicketKind, user_id: &str, now: i64) -> UserTicket {
        UserTicket {
            kind,
            user_id: user_id.to_owned(),
            proves_email: true,
            result_url: None,
            created_at: now,
            expires_at: now + self.seconds(kind),
        }
    }

    /// Issues a ticket, and ends the user's earlier ones of its kind. `None` where there is no such
    /// user.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn issue(
        &self,
        tx: &mut Write,
        ticket: &UserTicket,
    ) -> Result<Option<Secret<String>>, Fault> {
        let text = new_secret();
        user_tickets::end_unused(tx, &ticket.user_id, ticket.kind).await?;
        let digest = self.digester.digest(text.expose());
        let is_issued = user_tickets::insert(tx, &digest, ticket).await?;
        Ok(is_issued.then_some(text))
    }

    /// The ticket of a text, where it works; it goes on to work.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn find(
        &self,
        conn: &mut Conn,
        (kind, text): (TicketKind, &str),
        now: i64,
    ) -> Result<Option<UserTicket>, Fault> {
        user_tickets::find(conn, &self.digester.digest(text), kind, now).await
    }

    /// Uses up the ticket of a text, where it works: exactly one attempt has it.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn redeem(
        &self,
        tx: &mut Write,
        (kind, text): (TicketKind, &str),
        now: i64,
    ) -> Result<Option<UserTicket>, Fault> {
        user_tickets::redeem(tx, &self.digester.digest(text), kind, now).await
    }
}
