//! Tasks that run beside the requests: how they are told to stop, and what happens when a vital one ends.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one node.
#[derive(Clone, Default)]
pub struct Background {
    /// The tasks.
    pub tasks: TaskTracker,
    /// Cancelled when they are to end.
    pub stop: CancellationToken,
    vital: Vital,
}

/// The tasks without which a node must not go on serving.
#[derive(Clone, Default)]
struct Vital {
    /// Cancelled when the first of them has ended before it was told to stop.
    failed: CancellationToken,
    state: Arc<Mutex<VitalState>>,
}

#[derive(Default)]
struct VitalState {
    running: Vec<(&'static str, AbortHandle)>,
    failure: Option<String>,
}

impl Background {
    /// Starts a task without which the node must not serve. If it panics or returns before `stop` is
    /// cancelled, [`Background::failed`] resolves with its name.
    pub fn spawn_vital(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let running = self.tasks.spawn(task);
        self.vital
            .with_state(|state| state.running.push((name, running.abort_handle())));
        let (vital, stop) = (self.vital.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let ended = running.await;
            if stop.is_cancelled() {
                return;
            }
            let how = match ended {
                Ok(()) => "it returned".to_owned(),
                Err(error) => error.to_string(),
            };
            let failure = format!("the background task '{name}' has ended: {how}");
            tracing::error!("{failure}; this node stops");
            vital.with_state(|state| {
                state.failure.get_or_insert(failure);
            });
            vital.failed.cancel();
        });
    }

    /// Resolves when a vital task has ended before it was told to stop. Returns a sentence that names it.
    pub async fn failed(&self) -> String {
        self.vital.failed.cancelled().await;
        self.failure().unwrap_or_default()
    }

    /// The sentence of [`Background::failed`], where a vital task has ended.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.vital.with_state(|state| state.failure.clone())
    }

    /// The names of the vital tasks, in the order of their start.
    #[must_use]
    pub fn vital_names(&self) -> Vec<&'static str> {
        self.vital
            .with_state(|state| state.running.iter().map(|(name, _)| *name).collect())
    }

    /// Ends a vital task as a fault would. Returns false where no task has this name.
    #[must_use]
    pub fn abort_vital(&self, name: &str) -> bool {
        self.vital.with_state(|state| {
            let task = state.running.iter().find(|(own, _)| *own == name);
            task.inspect(|(_, handle)| handle.abort()).is_some()
        })
    }
}

impl Vital {
    fn with_state<T>(&self, work: impl FnOnce(&mut VitalState) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut state)
    }
}
