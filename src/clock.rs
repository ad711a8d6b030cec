//! The clock: the real one, or one that stands still until a test moves it. Nothing else reads the time of day.
//!
//! The time of day can be wrong for a while: somebody sets it, or a machine starts with a wrong one. Decisions
//! that are made at each request are right again as soon as the clock is. What is removed from the store is gone,
//! so whoever removes by time asks [`Clock::settled_now`].

mod settling;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use settling::{Reading, Settling, Verdict};

pub use settling::{JUMP_SECONDS_MAX, SETTLED_AFTER_FAR_JUMP_SECONDS, SETTLED_AFTER_SECONDS};

/// Tells the time; clones of a clock that stands still move together.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    settling: Arc<Mutex<Settling>>,
}

#[derive(Clone, Debug)]
enum Source {
    /// The machine's clock, and the monotonic one since the start.
    Real { started: Instant },
    /// A clock that stands still.
    Still(Arc<Still>),
}

/// The hands of a clock that stands still.
#[derive(Debug)]
struct Still {
    /// The time of day, unix milliseconds.
    now_millis: AtomicI64,
    /// What has passed since its making, in milliseconds: jumps do not count.
    elapsed_millis: AtomicI64,
}

impl Clock {
    /// The machine's clock. It is relied on for removals after [`SETTLED_AFTER_SECONDS`].
    #[must_use]
    pub fn real() -> Self {
        let first = Reading {
            now: real_millis().div_euclid(1000),
            elapsed: 0,
        };
        Self {
            source: Source::Real {
                started: Instant::now(),
            },
            settling: Arc::new(Mutex::new(Settling::unsettled(first))),
        }
    }

    /// A clock that shows the time of its making until [`Clock::advance`] moves it: for tests, so
    /// that a token of one second lives as long as the test says. It is relied on from the beginning.
    #[must_use]
    pub fn still() -> Self {
        let now_millis = real_millis();
        let first = Reading {
            now: now_millis.div_euclid(1000),
            elapsed: 0,
        };
        Self {
            source: Source::Still(Arc::new(Still {
                now_millis: AtomicI64::new(now_millis),
                elapsed_millis: AtomicI64::new(0),
            })),
            settling: Arc::new(Mutex::new(Settling::settled(first))),
        }
    }

    /// Lets time pass on a clock that stands still; the real one goes its own way.
    pub fn advance(&self, seconds: i64) {
        if let Source::Still(still) = &self.source {
            let millis = seconds.saturating_mul(1000);
            still.elapsed_millis.fetch_add(millis, Ordering::SeqCst);
            still.now_millis.fetch_add(millis, Ordering::SeqCst);
        }
    }

    /// Sets a clock that stands still to another time of day, as an operator or NTP may set a machine's.
    pub fn jump(&self, seconds: i64) {
        if let Source::Still(still) = &self.source {
            let millis = seconds.saturating_mul(1000);
            still.now_millis.fetch_add(millis, Ordering::SeqCst);
        }
    }

    /// Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now_millis().div_euclid(1000)
    }

    /// Unix milliseconds.
    #[must_use]
    pub fn now_millis(&self) -> i64 {
        match &self.source {
            Source::Real { .. } => real_millis(),
            Source::Still(still) => still.now_millis.load(Ordering::SeqCst),
        }
    }

    /// Unix seconds, where they may be relied on to remove what has ended: the time of day has kept pace with the
    /// monotonic clock for a while, or has come back from a jump.
    #[must_use]
    pub fn settled_now(&self) -> Option<i64> {
        let reading = self.read();
        let verdict = self.settling().see(reading);
        match verdict {
            Verdict::Settled => {}
            Verdict::SettledAgain => {
                tracing::info!(
                    "the clock has kept pace for long enough: what has ended is removed again"
                );
            }
            Verdict::Jumped { by, wait } => {
                tracing::warn!(
                    jumped_by_seconds = by,
                    waits_seconds = wait,
                    "the clock was set while the server ran, or the machine slept: nothing that has ended is removed until the clock has kept pace for a while"
                );
                return None;
            }
            Verdict::Waits => return None,
        }
        Some(reading.now)
    }

    /// Stops relying on the time of day for a while, because something else says that it is `apart` seconds from
    /// the truth.
    pub fn doubt(&self, apart: i64) {
        let reading = self.read();
        self.settling().doubt(reading, apart);
    }

    /// What the clock of another machine says, which showed `now`. A test's database server has a real clock; it
    /// is told the time that has passed by the clock that stands still.
    #[must_use]
    pub fn of_another_machine(&self, now: i64) -> i64 {
        match &self.source {
            Source::Real { .. } => now,
            Source::Still(still) => {
                now.saturating_add(still.elapsed_millis.load(Ordering::SeqCst).div_euclid(1000))
            }
        }
    }

    fn settling(&self) -> std::sync::MutexGuard<'_, Settling> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Reading {
        let elapsed = match &self.source {
            Source::Real { started } => {
                i64::try_from(started.elapsed().as_secs()).unwrap_or(i64::MAX)
            }
            Source::Still(still) => still.elapsed_millis.load(Ordering::SeqCst).div_euclid(1000),
        };
        Reading {
            now: self.now(),
            elapsed,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the time of day"
)]
fn real_millis() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
