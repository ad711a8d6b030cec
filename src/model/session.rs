//! A session: a user's sign-in in one browser.

use serde_json::{Map, Value};

use super::record::Whence;

/// How long sessions live, by today's settings of the tenant, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLifetimes {
    /// From the sign-in.
    pub absolute: i64,
    /// From the last use.
    pub idle: i64,
}

/// Where a browser or program was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The address at the beginning.
    pub initial_ip: Option<String>,
    /// `User-Agent` at the beginning.
    pub initial_user_agent: Option<String>,
    /// The address of the last use.
    pub last_ip: Option<String>,
    /// `User-Agent` of the last use.
    pub last_user_agent: Option<String>,
}

impl Device {
    /// Where a request that begins something comes from.
    #[must_use]
    pub fn first_seen(whence: &Whence) -> Self {
        Self {
            initial_ip: whence.ip.clone(),
            initial_user_agent: whence.user_agent.clone(),
            last_ip: whence.ip.clone(),
            last_user_agent: whence.user_agent.clone(),
        }
    }
}

/// A session as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// `sid`: names it to applications and administrators; the cookie holds another text.
    pub id: String,
    /// The user.
    pub user_id: String,
    /// The feed's position that the sign-in had noted: a wholesale revocation of the user with a
    /// higher number ends the session.
    pub position: i64,
    /// How the user signed in (RFC 8176).
    pub amr: Vec<String>,
    /// The cookie outlives the browser's window.
    pub is_persistent: bool,
    /// Where.
    pub device: Device,
    /// The operator's own.
    pub metadata: Map<String, Value>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// When the user proved who he is, unix seconds (`auth_time`).
    pub authenticated_at: i64,
    /// Unix seconds, to the minute: the row is touched seldom.
    pub last_interacted_at: i64,
    /// The absolute end that was fixed at the sign-in, unix seconds.
    pub expires_at: i64,
}

impl Session {
    /// The absolute end, unix seconds: the one fixed at the sign-in, or today's where that is sooner. A
    /// lengthened setting waits for the next sign-in.
    #[must_use]
    pub fn absolute_end(&self, today: SessionLifetimes) -> i64 {
        let by_today = self.authenticated_at.saturating_add(today.absolute);
        self.expires_at.min(by_today)
    }

    /// When it ends if nobody uses it, unix seconds.
    #[must_use]
    pub fn idle_end(&self, today: SessionLifetimes) -> i64 {
        let idle = self.last_interacted_at.saturating_add(today.idle);
        idle.min(self.absolute_end(today))
    }

    /// True as long as it lives.
    #[must_use]
    pub fn is_live(&self, today: SessionLifetimes, now: i64) -> bool {
        now < self.idle_end(today)
    }
}
