//! Refresh tokens: a family of them comes from one authorization, each the successor of the one before
//! (RFC 9700 §4.14.2). What a family knows, when it ends, and what a presented token means, without IO.

use serde_json::{Map, Value};

use super::authorization::Authorization;
use super::session::Device;
use super::sign_in::RefreshTerms;

/// The longest that a use of a token that does not rotate goes unrecorded, in seconds; a tenth of the
/// idle lifetime where that is shorter.
pub const USE_RECORDED_EVERY_SECONDS: i64 = 60;

/// `[refresh]`: what the server's configuration says of all refresh tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long the previous token is answered with the same successor, in seconds, where the
    /// application's `leeway` is not longer.
    pub replay_seconds: i64,
    /// How often.
    pub replays_max: i64,
    /// Families of one user at one application.
    pub families_max: i64,
}

/// The token before the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// The keyed digest of its text.
    pub digest: String,
    /// The current one's text, under a key that only this one opens.
    pub sealed_successor: String,
    /// When it was first exchanged, unix seconds.
    pub rotated_at: i64,
    /// How often it has been answered with the same successor since.
    pub replays: i64,
    /// The mark of the last request that was.
    pub mark: Option<String>,
}

/// A family as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// What the user has authorized; it names the family.
    pub authorization: Authorization,
    /// How many successors there have been.
    pub generation: i64,
    /// The keyed digest of the current token's text.
    pub current_digest: String,
    /// The one before, as long as the current one has not been used.
    pub previous: Option<Previous>,
    /// Where.
    pub device: Device,
    /// The operator's own.
    pub metadata: Map<String, Value>,
    /// Unix seconds.
    pub created_at: i64,
    /// The absolute end that was fixed when the first token was issued, unix seconds; none: without.
    pub ends_at: Option<i64>,
    /// The last exchange, unix seconds, replays excepted; none: there was none yet.
    pub last_exchanged_at: Option<i64>,
    /// The same, and the issue of the first token: the idle lifetime counts from here.
    pub used_at: i64,
}

/// What a presented token of a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The newest one.
    Current,
    /// The one before, and its holder may not have seen the answer: it gets the very same successor.
    Replayable,
    /// An older one, or too late, or too often: somebody else has it.
    Spent,
}

/// How a presented token is held against a family.
#[derive(Clone, Copy, Debug)]
pub struct Presentation<'a> {
    /// The keyed digest of its text.
    pub digest: &'a str,
    /// The request's own, random.
    pub mark: &'a str,
    /// How long the previous one is answered, in seconds from its first exchange.
    pub window: i64,
    /// How often.
    pub replays_max: i64,
    /// Unix seconds.
    pub now: i64,
}

impl Family {
    /// A family that begins with this token.
    #[must_use]
    pub fn begin(
        authorization: Authorization,
        first_digest: String,
        (terms, device): (RefreshTerms, Device),
        now: i64,
    ) -> Self {
        Self {
            authorization,
            generation: 0,
            current_digest: first_digest,
            previous: None,
            device,
            metadata: Map::new(),
            created_at: now,
            ends_at: terms.lifetime.map(|seconds| now.saturating_add(seconds)),
            last_exchanged_at: None,
            used_at: now,
        }
    }

    /// Names it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.authorization.family
    }

    /// The absolute end, unix seconds: the one that was fixed, today's, or the application's own, whichever
    /// is soonest. A lengthened setting revives nothing (lifetime.md, Refresh tokens).
    #[must_use]
    pub fn absolute_end(&self, today: RefreshTerms) -> Option<i64> {
        let by_today = today
            .lifetime
            .map(|own| self.created_at.saturating_add(own));
        let ends = [self.ends_at, by_today, today.application_ends_at];
        ends.into_iter().flatten().min()
    }

    /// When it ends if nobody uses it, by today's idle setting, unix seconds.
    #[must_use]
    pub fn end(&self, today: RefreshTerms) -> Option<i64> {
        let idle = today.idle.map(|own| self.used_at.saturating_add(own));
        [self.absolute_end(today), idle].into_iter().flatten().min()
    }

    /// True as long as it lives.
    #[must_use]
    pub fn is_live(&self, today: RefreshTerms, now: i64) -> bool {
        self.end(today).is_none_or(|end| now < end)
    }

    /// What a presented token of this family is.
    #[must_use]
    pub fn standing(&self, presented: Presentation<'_>) -> Standing {
        if presented.digest == self.current_digest {
            return Standing::Current;
        }
        let Some(previous) = &self.previous else {
            return Standing::Spent;
        };
        let is_in_time = presented.now < previous.rotated_at.saturating_add(presented.window);
        let is_counted = previous.mark.as_deref() == Some(presented.mark);
        let is_left = previous.replays < presented.replays_max || is_counted;
        if presented.digest == previous.digest && is_in_time && is_left {
            Standing::Replayable
        } else {
            Standing::Spent
        }
    }

    /// True where a use of the current token, which does not rotate, has to be recorded: it is the
    /// first one, which ends the replays of the token before, or the last record is old.
    #[must_use]
    pub fn is_use_due(&self, today: RefreshTerms, now: i64) -> bool {
        let idle = today.idle.unwrap_or(i64::MAX);
        let every = USE_RECORDED_EVERY_SECONDS.min(idle / 10);
        self.previous.is_some() || now >= self.used_at.saturating_add(every)
    }
}
