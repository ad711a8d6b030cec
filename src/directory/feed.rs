//! Following the feed: read in order several times a second, apply each change, then publish its
//! number as this node's position.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Directory;
use crate::background::Background;
use crate::clock::Clock;
use crate::model::change::Change;
use crate::model::fault::Fault;
use crate::store::feed::{self, Entry, Reading};
use crate::store::{Conn, Store, revocations};

/// The feed is read at least this often.
const POLL: Duration = Duration::from_millis(200);
/// A reading that takes longer has failed; loading all revocations may take [`LOAD_MAX`].
const READING_MAX: Duration = Duration::from_secs(2);
const LOAD_MAX: Duration = Duration::from_mins(1);
/// One step, whatever it takes: a connection that has gone silent is given up.
const STEP_MAX: Duration = Duration::from_secs(70);
/// How long a request waits for a reading.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// Between attempts to listen for other nodes' commits.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// How far this node has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// The number up to which every change is applied.
    position: i64,
    /// When the last successful reading began.
    read_at: Option<Instant>,
    /// When the last reading began that failed.
    failed_at: Option<Instant>,
    /// Revocations are loaded.
    is_ready: bool,
}

impl Progress {
    fn is_at(&self, number: i64) -> bool {
        let is_fresh = self
            .read_at
            .is_some_and(|at| at.elapsed() <= super::FRESH_MAX);
        is_fresh && self.position >= number
    }

    fn has_tried_since(&self, asked_at: Instant) -> bool {
        [self.read_at, self.failed_at]
            .into_iter()
            .flatten()
            .any(|at| at >= asked_at)
    }
}

/// This node's place in the feed.
#[derive(Default)]
pub(super) struct Feed {
    progress: watch::Sender<Progress>,
    wake: Notify,
}

impl Feed {
    pub(super) fn position(&self) -> i64 {
        self.progress.borrow().position
    }

    pub(super) fn is_ready(&self) -> bool {
        self.progress.borrow().is_ready
    }

    /// Time since the start of the last successful reading.
    pub(super) fn age(&self) -> Duration {
        self.progress
            .borrow()
            .read_at
            .map_or(Duration::MAX, |at| at.elapsed())
    }

    /// Waits for the position to reach `number`, or for a reading that began after this call and
    /// succeeded or failed. True where the position has reached it and is fresh.
    pub(super) async fn read_up_to(&self, number: i64) -> bool {
        let asked_at = Instant::now();
        let mut progress = self.progress.subscribe();
        self.wake.notify_one();
        let has_read = progress
            .wait_for(|progress| progress.is_at(number) || progress.has_tried_since(asked_at));
        match timeout(WAIT_MAX, has_read).await {
            Ok(Ok(progress)) => progress.is_at(number),
            _ => false,
        }
    }

    /// Waits for a reading that begins after this call; true where it succeeded.
    pub(super) async fn read_again(&self) -> bool {
        self.read_again_up_to(i64::MIN).await
    }

    /// Waits for a reading that begins after this call; true where it succeeded and the position has reached
    /// `number`. A position that was there before proves nothing of a number that was given a moment ago: where
    /// the store has lost history, the number may be below it.
    pub(super) async fn read_again_up_to(&self, number: i64) -> bool {
        let asked_at = Instant::now();
        let mut progress = self.progress.subscribe();
        self.wake.notify_one();
        let has_read = progress.wait_for(|progress| progress.has_tried_since(asked_at));
        match timeout(WAIT_MAX, has_read).await {
            Ok(Ok(progress)) => {
                progress.read_at.is_some_and(|at| at >= asked_at) && progress.position >= number
            }
            _ => false,
        }
    }
}

/// Loads what is revoked and starts to follow.
pub(super) async fn follow(
    directory: &Arc<Directory>,
    clock: &Clock,
    background: &Background,
) -> Result<(), Fault> {
    let mut follower = Follower {
        directory: Arc::clone(directory),
        clock: clock.clone(),
        conn: None,
        mark: String::new(),
    };
    follower.step().await?;
    let stop = &background.stop;
    let listening = listen(Arc::clone(directory), stop.clone());
    background.spawn_vital("feed listener", listening);
    background.spawn_vital("feed reader", follower.run(stop.clone()));
    Ok(())
}

/// Wakes the follower when another node commits: an accelerator, on Postgres only.
async fn listen(directory: Arc<Directory>, stop: CancellationToken) {
    let heard = async {
        loop {
            if let Err(fault) = wake_when_heard(&directory.store, &directory.feed).await {
                tracing::debug!(%fault, "not listening for other nodes' changes; the feed is polled all the same");
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    };
    stop.run_until_cancelled(heard).await;
}

async fn wake_when_heard(store: &Store, feed: &Feed) -> Result<(), Fault> {
    let Some(mut listener) = store.listener().await? else {
        return std::future::pending().await;
    };
    loop {
        listener.heard().await?;
        feed.wake.notify_one();
    }
}

struct Follower {
    directory: Arc<Directory>,
    clock: Clock,
    conn: Option<Conn>,
    /// The mark of the row at the position.
    mark: String,
}

impl Follower {
    async fn run(mut self, stop: CancellationToken) {
        let mut was_well = true;
        while !stop.is_cancelled() {
            let began = Instant::now();
            let result = timeout(STEP_MAX, self.step()).await;
            let result = result
                .unwrap_or_else(|_| Err(Fault::unavailable("following the feed took too long")));
            if let Err(fault) = &result {
                self.conn = None;
                self.directory
                    .feed
                    .progress
                    .send_modify(|progress| progress.failed_at = Some(began));
                if was_well {
                    tracing::error!(%fault, "the feed cannot be read; what is known goes stale");
                }
            } else if !was_well {
                tracing::info!("the feed can be read again");
            }
            was_well = result.is_ok();
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.directory.feed.wake.notified(), if was_well => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// One reading, with everything that follows from it.
    async fn step(&mut self) -> Result<(), Fault> {
        let began = Instant::now();
        if !self.directory.feed.is_ready() {
            return self.load(began).await;
        }
        let position = self.directory.feed.position();
        let conn = Self::connection(&mut self.conn, &self.directory.store).await?;
        let reading = timeout(READING_MAX, feed::read(conn, position)).await;
        let reading =
            reading.map_err(|_| Fault::unavailable("reading the feed took too long"))??;
        match judge(&reading, position, &self.mark) {
            History::Follows => self.apply(reading, began).await,
            History::Gap => {
                // A node that starts raises the counter and says so; anything else is worth a look.
                let counter = reading.counter;
                if reading
                    .entries
                    .last()
                    .is_some_and(|entry| entry.change == Change::Everything)
                {
                    tracing::debug!(position, counter, "a node has started: reading anew");
                } else {
                    tracing::warn!(position, counter, "a gap in the feed: reading anew");
                }
                // Another node may have raised the counter over what the store has lost.
                let conn = Self::connection(&mut self.conn, &self.directory.store).await?;
                let stored = revocations::all(conn).await?;
                if !self.directory.revoked.missed(&stored, position).is_empty() {
                    self.recover(position).await?;
                }
                self.load(began).await
            }
            History::Lost => {
                tracing::warn!(
                    position,
                    counter = reading.counter,
                    "the store has lost history: everything is read anew"
                );
                self.recover(position).await?;
                self.load(began).await
            }
        }
    }

    /// After the store has lost history: raises the counter above the time and above everything that this node
    /// has read, and makes the revocations again, with the new number, that were given numbers which this node
    /// had read as others. So they cover the tokens that carry those.
    async fn recover(&self, position: i64) -> Result<(), Fault> {
        let Directory { store, revoked, .. } = self.directory.as_ref();
        let now = self.clock.now();
        let least = self.clock.now_millis().max(position.saturating_add(1));
        let mut tx = store.write().await?;
        let n = feed::raise(&mut tx, least, now).await?;
        // Nobody else takes a number until the commit.
        let stored = revocations::all(&mut tx).await?;
        for covered in revoked.missed(&stored, position) {
            tracing::warn!(object = covered.to_key(), "a revocation is made again");
            revocations::upsert(&mut tx, covered, n, now).await?;
        }
        tx.commit(now).await?;
        Ok(())
    }

    async fn connection<'c>(
        conn: &'c mut Option<Conn>,
        store: &Store,
    ) -> Result<&'c mut Conn, Fault> {
        if conn.is_none() {
            let made = timeout(READING_MAX, store.own_connection()).await;
            *conn = Some(made.map_err(|_| Fault::unavailable("connecting took too long"))??);
        }
        conn.as_mut()
            .ok_or_else(|| Fault::internal("a connection was made and is not there"))
    }

    /// Applies the changes above the position in order, and then publishes the last one's number.
    async fn apply(&mut self, reading: Reading, began: Instant) -> Result<(), Fault> {
        let position = self.directory.feed.position();
        let (mut keys_changed, mut last_mark) = (false, None);
        for Entry { n, mark, change } in reading.entries {
            if n > position {
                if change == Change::Everything {
                    return self.load(began).await;
                }
                keys_changed |= matches!(change, Change::SigningKeys(_));
                self.take_effect(&change, n, &mark);
                last_mark = Some(mark);
            }
        }
        if keys_changed {
            let conn = Self::connection(&mut self.conn, &self.directory.store).await?;
            load_keys(&self.directory, conn).await?;
        }
        // Together with the position, whose row it is.
        if let Some(mark) = last_mark {
            self.mark = mark;
        }
        self.publish(reading.counter, began);
        if self.directory.revoked.is_full() {
            // What is known stays in force meanwhile, and what is revoked meanwhile is in the feed.
            let conn = Self::connection(&mut self.conn, &self.directory.store).await?;
            let loaded = timeout(LOAD_MAX, self.directory.revoked.load_tokens(conn));
            loaded.await.map_err(|_| too_long())??;
        }
        Ok(())
    }

    fn take_effect(&self, change: &Change, n: i64, mark: &str) {
        let directory = &self.directory;
        match change {
            Change::Api(identifier) => directory.apis.forget(identifier),
            Change::Application(client_id) => {
                directory.applications.forget(client_id);
                directory.origins.forget();
            }
            Change::ClientGrants(client_id) => directory.client_grants.forget(client_id),
            Change::Revocation(covered) => directory.revoked.add_wholesale(covered, n, mark),
            Change::RevokedToken(name) => directory.revoked.add_token(name),
            // The ring is read anew when all are applied.
            Change::SigningKeys(_) => {}
            Change::Settings => directory.settings.forget(super::SETTINGS),
            Change::Everything => directory.forget_everything(),
        }
    }

    /// Notes where the feed stands, reads what is revoked and the keys, and forgets the rest. What is known
    /// stays in force meanwhile, for as long as it counts as fresh.
    async fn load(&mut self, began: Instant) -> Result<(), Fault> {
        let conn = Self::connection(&mut self.conn, &self.directory.store).await?;
        let newest = timeout(READING_MAX, feed::newest(conn)).await;
        let (n, mark) =
            newest.map_err(|_| Fault::unavailable("reading the feed took too long"))??;
        if n < self.directory.feed.position() {
            return Err(Fault::unavailable("the store has lost history once more"));
        }
        load_revocations(&self.directory, conn).await?;
        load_keys(&self.directory, conn).await?;
        self.directory.forget_everything();
        self.mark = mark;
        self.publish(n, began);
        Ok(())
    }

    fn publish(&self, position: i64, began: Instant) {
        self.directory.feed.progress.send_replace(Progress {
            position,
            read_at: Some(began),
            failed_at: None,
            is_ready: true,
        });
    }
}

async fn load_revocations(directory: &Directory, conn: &mut Conn) -> Result<(), Fault> {
    let loaded = timeout(LOAD_MAX, directory.revoked.load(conn)).await;
    loaded.map_err(|_| too_long())?
}

fn too_long() -> Fault {
    Fault::unavailable("loading revocations took too long")
}

async fn load_keys(directory: &Directory, conn: &mut Conn) -> Result<(), Fault> {
    let loaded = timeout(READING_MAX, directory.keys.load(conn)).await;
    loaded.map_err(|_| Fault::unavailable("loading the signing keys took too long"))?
}

/// How a reading joins what this node has read before.
#[derive(Debug, PartialEq, Eq)]
enum History {
    Follows,
    /// Numbers are missing: they were swept while this node was away, or raised over.
    Gap,
    /// What this node has read is no longer there: failover or restore.
    Lost,
}

fn judge(reading: &Reading, position: i64, mark: &str) -> History {
    let own = reading.entries.iter().find(|entry| entry.n == position);
    let above = reading
        .entries
        .iter()
        .filter(|entry| entry.n > position)
        .count();
    match own {
        _ if reading.counter < position => History::Lost,
        Some(own) if own.mark != mark => History::Lost,
        None if reading.counter == position => History::Lost,
        None => History::Gap,
        Some(_) if i64::try_from(above).ok() != Some(reading.counter - position) => History::Gap,
        Some(_) => History::Follows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(counter: i64, entries: &[(i64, &str)]) -> Reading {
        let entry = |(n, mark): &(i64, &str)| Entry {
            n: *n,
            mark: (*mark).into(),
            change: Change::Everything,
        };
        Reading {
            counter,
            entries: entries.iter().map(entry).collect(),
        }
    }

    #[test]
    fn a_reading_follows_only_where_nothing_is_missing_and_the_own_mark_is_there() {
        for (case, expected) in [
            (reading(7, &[(7, "m")]), History::Follows),
            (
                reading(9, &[(7, "m"), (8, "a"), (9, "b")]),
                History::Follows,
            ),
            (reading(9, &[(7, "m"), (9, "b")]), History::Gap),
            (reading(9, &[(8, "a"), (9, "b")]), History::Gap),
            (
                reading(9, &[(7, "another"), (8, "a"), (9, "b")]),
                History::Lost,
            ),
            (reading(7, &[]), History::Lost),
            (reading(5, &[]), History::Lost),
        ] {
            assert_eq!(judge(&case, 7, "m"), expected, "{case:?}");
        }
    }
}
