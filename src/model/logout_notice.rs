//! A logout notice: an application that is still to be told that a session has ended (OpenID Connect
//! Back-Channel Logout 1.0).

/// A notice as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutNotice {
    /// Random.
    pub id: String,
    /// Who is told.
    pub client_id: String,
    /// Whose session it was (`sub`).
    pub user_id: String,
    /// The session (`sid`).
    pub session_id: String,
    /// Where it is told; worth nothing once the application lists it no more.
    pub url: String,
    /// How often somebody has taken it to deliver it.
    pub attempts: i64,
    /// Nobody takes it before, unix seconds.
    pub next_attempt_at: i64,
    /// It is given up then, unix seconds.
    pub ends_at: i64,
}
