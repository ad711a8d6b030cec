//! `[user_tickets]`: links in mails that work once.

use super::reader::Reader;

/// `[user_tickets]`
#[derive(Clone, Debug)]
pub struct UserTickets {
    /// How long a link to set a password works.
    pub reset_password_seconds: i64,
    /// How long a link that proves an address works.
    pub verify_email_seconds: i64,
}

impl UserTickets {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            reset_password_seconds: reader
                .integer("user_tickets.reset_password_seconds", 60..=2_592_000),
            verify_email_seconds: reader
                .integer("user_tickets.verify_email_seconds", 60..=2_592_000),
        }
    }
}
