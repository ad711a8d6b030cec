//! The clock: the real one, or one that a test moves. Nothing else reads the time of day.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time; clones of a moved clock move together.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    moved_by_seconds: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn real() -> Self {
        Self::default()
    }

    /// The machine's clock plus what [`Clock::advance`] has added: for tests.
    #[must_use]
    pub fn movable() -> Self {
        Self {
            moved_by_seconds: Some(Arc::default()),
        }
    }

    /// Moves a movable clock forward; the real one stays where it is.
    pub fn advance(&self, seconds: i64) {
        if let Some(moved) = &self.moved_by_seconds {
            moved.fetch_add(seconds, Ordering::SeqCst);
        }
    }

    /// Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now_millis().div_euclid(1000)
    }

    /// Unix milliseconds.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the time of day"
    )]
    pub fn now_millis(&self) -> i64 {
        let real = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let moved = self
            .moved_by_seconds
            .as_ref()
            .map_or(0, |moved| moved.load(Ordering::SeqCst));
        i64::try_from(real)
            .unwrap_or(i64::MAX)
            .saturating_add(moved.saturating_mul(1000))
    }
}
