//! The origins that applications list for CORS: all of them in memory, read again where an
//! application has changed since. They say what a browser shows to a page, and never what a token
//! may do, so what is known serves while nobody can read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use crate::model::fault::Fault;
use crate::model::web_origin::WebOrigins;

#[derive(Default)]
struct Known {
    origins: WebOrigins,
    /// How many changes there had been when they were read; 0: they never were.
    changes: u64,
}

pub(super) struct Origins {
    known: ArcSwap<Known>,
    changes: AtomicU64,
    reading: Mutex<()>,
}

impl Origins {
    pub(super) fn new() -> Self {
        Self {
            known: ArcSwap::default(),
            changes: AtomicU64::new(1),
            reading: Mutex::new(()),
        }
    }

    /// An application has changed.
    pub(super) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// True where an application lists the origin.
    pub(super) async fn allows<R>(&self, origin: &str, read: R) -> bool
    where
        R: AsyncFnOnce() -> Result<Vec<String>, Fault>,
    {
        self.fresh(read).await.origins.allows(origin)
    }

    /// One request reads for all; the others wait only where nothing is known.
    async fn fresh<R>(&self, read: R) -> Arc<Known>
    where
        R: AsyncFnOnce() -> Result<Vec<String>, Fault>,
    {
        let is_fresh = |known: &Known| known.changes == self.changes.load(Ordering::SeqCst);
        let known = self.known.load_full();
        if is_fresh(&known) {
            return known;
        }
        let _reading = match self.reading.try_lock() {
            Ok(reading) => reading,
            Err(_) if known.changes > 0 => return known,
            Err(_) => self.reading.lock().await,
        };
        let known = self.known.load_full();
        if is_fresh(&known) {
            return known;
        }
        let changes = self.changes.load(Ordering::SeqCst);
        match read().await {
            Ok(all) => {
                let origins = all.into_iter().collect();
                self.known.store(Arc::new(Known { origins, changes }));
                self.known.load_full()
            }
            Err(fault) => {
                tracing::warn!(%fault, "origins for CORS cannot be read; those known serve on");
                known
            }
        }
    }
}
