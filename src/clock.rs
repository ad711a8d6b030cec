//! The clock: the real one, or one that stands still until a test moves it. Nothing else reads the time of day.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time; clones of a clock that stands still move together.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Unix milliseconds of a clock that stands still; the real one has none.
    still: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn real() -> Self {
        Self::default()
    }

    /// A clock that shows the time of its making until [`Clock::advance`] moves it: for tests, so
    /// that a token of one second lives as long as the test says.
    #[must_use]
    pub fn still() -> Self {
        Self {
            still: Some(Arc::new(AtomicI64::new(real_millis()))),
        }
    }

    /// Moves a clock that stands still; the real one goes its own way.
    pub fn advance(&self, seconds: i64) {
        if let Some(still) = &self.still {
            still.fetch_add(seconds.saturating_mul(1000), Ordering::SeqCst);
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
        self.still
            .as_ref()
            .map_or_else(real_millis, |still| still.load(Ordering::SeqCst))
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
