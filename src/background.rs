//! What runs beside the requests, and how it is told to stop.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one node.
#[derive(Clone, Default)]
pub struct Background {
    /// The tasks.
    pub tasks: TaskTracker,
    /// Cancelled when they are to end.
    pub stop: CancellationToken,
}
