//! A user ticket: what a link in a mail stands for. It works once.

/// What a ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketKind {
    /// Another password, whatever the old one is.
    ResetPassword,
    /// Proof that the address is the user's.
    VerifyEmail,
}

impl TicketKind {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResetPassword => "reset_password",
            Self::VerifyEmail => "verify_email",
        }
    }
}

/// A ticket as stored, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserTicket {
    /// What it is for.
    pub kind: TicketKind,
    /// Whose it is.
    pub user_id: String,
    /// True where whoever has it has read the mail to the user's address.
    pub proves_email: bool,
    /// Where the user goes afterwards.
    pub result_url: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
}
