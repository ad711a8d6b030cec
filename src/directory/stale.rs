//! The way to the store while the feed is not fresh: bounded, and one reading a key at a time.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout};

use crate::model::fault::Fault;

/// Readings at a time.
const READINGS_MAX: usize = 16;
/// How long a reading may take, its wait for a turn included.
const READING_MAX: Duration = Duration::from_secs(1);
/// After a failed reading nobody else tries for this long, so that requests do not queue up behind
/// a store that is away.
const PAUSE: Duration = Duration::from_millis(500);

type Shared = Arc<OnceCell<Arc<dyn Any + Send + Sync>>>;

/// See the module.
pub(super) struct StaleDoor {
    turns: Semaphore,
    running: Mutex<HashMap<String, Shared>>,
    failed_at: Mutex<Option<Instant>>,
}

impl Default for StaleDoor {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(READINGS_MAX),
            running: Mutex::default(),
            failed_at: Mutex::default(),
        }
    }
}

impl StaleDoor {
    /// Reads `key`, or shares the reading of it that is running.
    pub(super) async fn read<V: Send + Sync + 'static>(
        &self,
        key: &str,
        read: impl AsyncFnOnce() -> Result<Option<Arc<V>>, Fault>,
    ) -> Result<Option<Arc<V>>, Fault> {
        if self.has_just_failed() {
            return Err(Fault::unavailable("the store did not answer a moment ago"));
        }
        let shared = Arc::clone(lock(&self.running).entry(key.to_owned()).or_default());
        let share = Share { door: self, key };
        let reading = shared.get_or_try_init(async || {
            let _turn = self.turns.acquire().await.map_err(Fault::internal)?;
            read()
                .await
                .map(|value| Arc::new(value) as Arc<dyn Any + Send + Sync>)
        });
        let result = match timeout(READING_MAX, reading).await {
            Ok(result) => result.cloned(),
            Err(_) => Err(Fault::unavailable("the store does not answer")),
        };
        drop(share);
        match result {
            Ok(value) => value
                .downcast_ref::<Option<Arc<V>>>()
                .cloned()
                .ok_or_else(|| Fault::internal("a shared reading of another kind")),
            Err(fault) => {
                *lock(&self.failed_at) = Some(Instant::now());
                Err(fault)
            }
        }
    }

    fn has_just_failed(&self) -> bool {
        lock(&self.failed_at).is_some_and(|at| at.elapsed() < PAUSE)
    }
}

/// A request's part in a reading. Who comes after its end reads anew, and a request that goes away
/// leaves nothing behind.
struct Share<'d> {
    door: &'d StaleDoor,
    key: &'d str,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        lock(&self.door.running).remove(self.key);
    }
}

/// Nothing under these locks can leave them half done, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_goes_away_leaves_nothing_behind() {
        let door = StaleDoor::default();
        let gone = timeout(
            Duration::from_millis(1),
            door.read::<u64>("k", std::future::pending),
        );
        assert!(gone.await.is_err());
        assert!(lock(&door.running).is_empty());
        let read = async || Ok(Some(Arc::new(1)));
        assert_eq!(door.read("k", read).await.unwrap().as_deref(), Some(&1_u64));
        assert!(lock(&door.running).is_empty());
    }

    #[tokio::test]
    async fn requests_for_one_key_share_one_reading_and_wait_out_a_failure() {
        let door = StaleDoor::default();
        let readings = std::sync::atomic::AtomicU64::new(0);
        let read = async || {
            let count = readings.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(Some(Arc::new(count)))
        };
        let (a, b) = tokio::join!(door.read("k", read), door.read("k", read));
        assert_eq!(
            (a.unwrap(), b.unwrap()),
            (Some(Arc::new(0)), Some(Arc::new(0)))
        );
        let failed = door.read::<u64>("other", async || Err(Fault::unavailable("away")));
        assert!(failed.await.is_err());
        assert!(
            door.read("k", read).await.is_err(),
            "nobody tries for a moment"
        );
        assert_eq!(readings.into_inner(), 1);
    }
}
