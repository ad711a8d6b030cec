//! Operations that change more rows of a user than the one of their key. They leave their batch, and each runs in a
//! transaction of its own.

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::{Done, Effect, Failed, Reach, Waiting, answer, commit};
use crate::clock::Clock;
use crate::model::fault::Fault;
use crate::store::Store;

/// Runs the operations that need a user's rows, each alone, so that no batch waits for a user.
pub(super) async fn run(store: &Store, clock: &Clock, mut queue: mpsc::Receiver<Waiting>) {
    while let Some(waiting) = queue.recv().await {
        let operations = [&waiting.operation];
        let mut result = commit(store, &operations, Reach::User, clock.now()).await;
        if let Err(Failed::Within(fault)) = &result {
            tracing::warn!(%fault, "an operation failed; it runs once more");
            result = commit(store, &operations, Reach::User, clock.now()).await;
        }
        match result {
            Ok(done) => answer_first(waiting, done),
            Err(Failed::AtTheDoor(fault) | Failed::Within(fault)) => answer(waiting, Err(fault)),
        }
    }
}

/// Answers a request whose operation is done, and hands on what needs a user's rows.
pub(super) fn settle(waiting: Waiting, done: Done, of_users: &mpsc::Sender<Waiting>) {
    if done.effect != Effect::NeedsUser {
        return answer(waiting, Ok(done));
    }
    if let Err(TrySendError::Full(waiting) | TrySendError::Closed(waiting)) =
        of_users.try_send(waiting)
    {
        let full = "too many operations wait for users' rows (store.group_queue_max)";
        answer(waiting, Err(Fault::unavailable(full)));
    }
}

pub(super) fn answer_first(waiting: Waiting, done: Vec<Done>) {
    let nothing = Err(Fault::internal("an operation without an outcome"));
    answer(waiting, done.into_iter().next().map_or(nothing, Ok));
}
