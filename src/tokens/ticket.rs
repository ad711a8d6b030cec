//! A ticket: an authorization request on its way through the sign-in pages, sealed, so that nothing is
//! stored for somebody who has not signed in yet. It is the `state` of those pages.

use serde::{Deserialize, Serialize};

use super::issue::Mint;
use crate::model::authorization::AuthorizationRequest;
use crate::model::fault::Fault;

/// How long a user may take for the pages, in seconds.
pub const TICKET_SECONDS_MAX: i64 = 3600;
/// Longest ticket that is looked at, in bytes: a request has bounds of its own.
pub const TICKET_BYTES_MAX: usize = 64 * 1024;

/// What the user has said so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// This user has just consented.
    Yes(String),
    /// The user has declined.
    No,
}

/// A request with what belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// The request.
    pub request: AuthorizationRequest,
    /// When it came, unix seconds: who signs in from then on has done what `prompt=login` asks.
    pub made_at: i64,
    /// What the user has said.
    pub said: Said,
}

impl Ticket {
    /// A request that has come just now.
    #[must_use]
    pub fn new(request: AuthorizationRequest, now: i64) -> Self {
        Self {
            request,
            made_at: now,
            said: Said::Nothing,
        }
    }
}

impl Mint {
    /// The ticket as text.
    ///
    /// # Errors
    /// A fault where it cannot be sealed.
    pub fn seal_ticket(&self, ticket: &Ticket) -> Result<String, Fault> {
        let json = serde_json::to_vec(ticket).map_err(Fault::internal)?;
        self.tickets.seal(&json)
    }

    /// Reads a ticket of ours; `None` where it is none, or too old.
    #[must_use]
    pub fn open_ticket(&self, text: &str, now: i64) -> Option<Ticket> {
        if text.len() > TICKET_BYTES_MAX {
            return None;
        }
        let json = self.tickets.unseal(text)?;
        let ticket: Ticket = serde_json::from_slice(&json).ok()?;
        let is_of_today = now < ticket.made_at.saturating_add(TICKET_SECONDS_MAX);
        is_of_today.then_some(ticket)
    }
}
