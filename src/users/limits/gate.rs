//! A bucket that an attempt must find room in, and what is said where it finds none.

use std::time::Duration;

use super::Address;
use crate::config::Rate;
use crate::model::fault::Fault;
use crate::model::record::Kind;
use crate::store::attempts::{self, Bucket, Room};
use crate::store::{Conn, Write};

/// An attempt too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// What there were too many of.
    pub reason: Reason,
    /// When there will be room: whole seconds, for `Retry-After`.
    pub retry_after: Duration,
}

impl Limited {
    /// The same, as pages say it.
    #[must_use]
    pub fn retry_after_seconds(&self) -> i64 {
        i64::try_from(self.retry_after.as_secs()).unwrap_or(i64::MAX)
    }
}

/// What there were too many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Attempts at one account.
    Account,
    /// Attempts from one address or network.
    Address,
}

impl Reason {
    /// How the audit calls it.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Account => Kind::LimitedAccount,
            Self::Address => Kind::LimitedAddress,
        }
    }
}

/// A bucket, and how much fits into it.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    kind: &'static str,
    subject: String,
    room: Room,
    reason: Reason,
}

impl Gate {
    pub(super) fn new(kind: &'static str, subject: &str, rate: Rate, reason: Reason) -> Self {
        Self {
            kind,
            subject: subject.to_owned(),
            room: room(rate),
            reason,
        }
    }

    /// The gates of an address and of the networks around it.
    pub(super) fn of_address(kind: &'static str, address: &Address, rate: Rate) -> Vec<Self> {
        let gate = |name: &str, share: i64| {
            let rate = Rate {
                attempts_max: rate.attempts_max.saturating_mul(share),
                ..rate
            };
            Self::new(kind, name, rate, Reason::Address)
        };
        let networks = address.networks().iter();
        let networks = networks.map(|network| gate(&network.name, network.share));
        [gate(address.as_str(), 1)]
            .into_iter()
            .chain(networks)
            .collect()
    }

    pub(super) fn bucket(&self) -> Bucket<'_> {
        Bucket {
            kind: self.kind,
            subject: &self.subject,
        }
    }

    /// The limit that an attempt meets now, if any.
    pub(super) async fn look(
        &self,
        conn: &mut Conn,
        now_ms: i64,
    ) -> Result<Option<Limited>, Fault> {
        let until = attempts::spent_until(conn, self.bucket()).await?;
        let room_at = until.unwrap_or(0) + self.room.step_ms - self.room.full_ms;
        let wait = u64::try_from(room_at - now_ms).unwrap_or(0);
        Ok((wait > 0).then(|| self.limited(wait)))
    }

    /// Takes room for one attempt; the limit where there is none.
    pub(super) async fn take(&self, tx: &mut Write, now_ms: i64) -> Result<Option<Limited>, Fault> {
        if attempts::take(tx, self.bucket(), self.room, now_ms).await? {
            return Ok(None);
        }
        let limited = self.look(tx, now_ms).await?;
        Ok(Some(limited.unwrap_or_else(|| self.limited(1))))
    }

    /// Gives back what one attempt took.
    pub(super) async fn give_back(&self, tx: &mut Write) -> Result<(), Fault> {
        attempts::give_back(tx, self.bucket(), self.room.step_ms).await
    }

    fn limited(&self, wait_ms: u64) -> Limited {
        Limited {
            reason: self.reason,
            retry_after: Duration::from_secs(wait_ms.div_ceil(1000)),
        }
    }
}

/// The first limit that an attempt meets now at one of the gates.
pub(super) async fn look_at_all(
    conn: &mut Conn,
    gates: &[Gate],
    now_ms: i64,
) -> Result<Option<Limited>, Fault> {
    for gate in gates {
        let limited = gate.look(conn, now_ms).await?;
        if limited.is_some() {
            return Ok(limited);
        }
    }
    Ok(None)
}

/// Takes room at the gates, in their order, up to the first that has none. Every transaction takes them in
/// the order of addresses, names, accounts, so that none waits for another in a circle.
pub(super) async fn take_all(
    tx: &mut Write,
    gates: &[Gate],
    now_ms: i64,
) -> Result<Option<Limited>, Fault> {
    for gate in gates {
        let limited = gate.take(tx, now_ms).await?;
        if limited.is_some() {
            return Ok(limited);
        }
    }
    Ok(None)
}

/// The room that makes a rate: what it admits at once fits, and empties evenly in its window.
fn room(rate: Rate) -> Room {
    let window_ms = rate.window_seconds * 1000;
    let step_ms = (window_ms + rate.attempts_max - 1) / rate.attempts_max;
    Room {
        step_ms,
        full_ms: step_ms * rate.attempts_max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_holds_exactly_what_its_rate_admits_at_once() {
        for attempts_max in [1, 7, 10, 10_000, 100_000, 1_600_000] {
            for window_seconds in [60, 61, 3600, 86_400] {
                let room = room(Rate {
                    attempts_max,
                    window_seconds,
                });
                assert_eq!(room.full_ms / room.step_ms, attempts_max);
                assert!(room.full_ms >= window_seconds * 1000);
            }
        }
    }
}
