//! A ticket: an authorization request on its way through the sign-in pages, sealed, so that nothing is
//! stored for somebody who has not signed in yet. It is the `state` of those pages.

use serde::{Deserialize, Serialize};

use super::issue::Mint;
use crate::model::authorization::AuthorizationRequest;
use crate::model::fault::Fault;

/// What it is sealed as.
const WHAT: &str = "ticket";
/// How long a user may take for the pages, in seconds.
pub const TICKET_SECONDS_MAX: i64 = 3600;
/// How long a consent may take from its page back to the authorization endpoint, in seconds. Later the
/// user is asked again, so that an old address in a browser's history brings nothing back.
pub const CONSENT_SECONDS_MAX: i64 = 60;
/// Longest ticket, in bytes: it travels in the address of a page, and so has to fit into the head of a
/// request (`server.header_bytes_max`, at least 32 KiB) beside a browser's other headers.
pub const TICKET_BYTES_MAX: usize = 28 * 1024;
/// Longest request that fits into a ticket, in bytes of its JSON: base64 makes four of three, and the
/// ticket holds more.
pub const REQUEST_BYTES_MAX: usize = 20_000;

/// What the user has said so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// The user of this session has consented.
    Yes {
        /// The session.
        session_id: String,
        /// When, unix seconds: it counts for the way back to the authorization endpoint and no longer.
        at: i64,
    },
    /// The user has declined.
    No,
}

/// A request with what belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// The request.
    pub request: AuthorizationRequest,
    /// When it came, unix seconds.
    pub made_at: i64,
    /// The session of who has signed in for it: that is what `prompt=login` asks.
    pub signed_in: Option<String>,
    /// The session of whom the consent page was shown to.
    pub asked: Option<String>,
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
            signed_in: None,
            asked: None,
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
        self.tickets.seal(WHAT, &json)
    }

    /// Reads a ticket of ours; `None` where it is none, or too old.
    #[must_use]
    pub fn open_ticket(&self, text: &str, now: i64) -> Option<Ticket> {
        if text.len() > TICKET_BYTES_MAX {
            return None;
        }
        let json = self.tickets.unseal(WHAT, text)?;
        let ticket: Ticket = serde_json::from_slice(&json).ok()?;
        let is_of_today = now < ticket.made_at.saturating_add(TICKET_SECONDS_MAX);
        is_of_today.then_some(ticket)
    }
}
