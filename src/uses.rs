//! When applications' secrets were last used: noted in memory by each request, written a little
//! later by a task, so that no request waits for it. What a crash loses is a minute of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::background::Background;
use crate::clock::Clock;
use crate::model::application::ApplicationSecret;
use crate::model::fault::Fault;
use crate::store::{self, Store};

/// A secret in constant use is noted once in this time: `last_used_at` is kept to the minute.
const NOTED_EVERY_SECONDS: i64 = 60;
/// Pause between two writings.
const WRITTEN_EVERY: Duration = Duration::from_mins(1);
/// Most secrets that are noted and not yet written; further uses go unrecorded until there is room.
const NOTED_MAX: usize = 100_000;
/// Most rows that one transaction changes.
const BATCH_ROWS_MAX: usize = 256;

/// The uses that are noted and not yet written, by the secret's id.
#[derive(Default)]
pub struct SecretUses(Mutex<HashMap<String, Use>>);

/// The last use of a secret.
#[derive(Clone)]
struct Use {
    client_id: String,
    /// Unix seconds.
    at: i64,
}

impl SecretUses {
    /// None yet; what will be noted is written beside the requests.
    #[must_use]
    pub fn start(store: &Store, clock: &Clock, background: &Background) -> Arc<Self> {
        let uses = Arc::new(Self::default());
        let writing = run(
            Arc::clone(&uses),
            store.clone(),
            clock.clone(),
            background.stop.clone(),
        );
        background.spawn_vital("uses of secrets", writing);
        uses
    }

    /// Notes that a secret of an application was used, where the last note of it is a minute old.
    pub fn note(&self, client_id: &str, secret: &ApplicationSecret, now: i64) {
        if !secret.noted.is_due(now, NOTED_EVERY_SECONDS) {
            return;
        }
        let mut noted = self.noted();
        if noted.len() < NOTED_MAX || noted.contains_key(&secret.id) {
            let client_id = client_id.to_owned();
            noted.insert(secret.id.clone(), Use { client_id, at: now });
        }
    }

    /// What is noted of a secret and not yet written, unix seconds.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<i64> {
        self.noted().get(id).map(|last| last.at)
    }

    /// Writes what is noted, in bounded transactions. What cannot be written stays noted.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn write(&self, store: &Store, now: i64) -> Result<(), Fault> {
        let mut left: Uses = self.noted().drain().collect();
        left.sort_unstable_by(|(a, of_a), (b, of_b)| {
            (&of_a.client_id, a).cmp(&(&of_b.client_id, b))
        });
        while !left.is_empty() {
            let (batch, rest) = batch(left);
            let rows: Vec<_> = batch
                .iter()
                .map(|(id, last)| (id.clone(), last.at))
                .collect();
            let written = async {
                let mut tx = store.write().await?;
                store::secrets::record(&mut tx, &rows).await?;
                tx.commit(now).await
            };
            if let Err(fault) = written.await {
                let mut noted = self.noted();
                for (id, last) in batch.into_iter().chain(rest) {
                    noted.entry(id).or_insert(last);
                }
                return Err(fault);
            }
            left = rest;
        }
        Ok(())
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, HashMap<String, Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Uses by secret, sorted by application.
type Uses = Vec<(String, Use)>;

/// At most one secret of each application, and the rest: an administrative change locks the secrets
/// of one application in whatever order, so that a transaction with two of them could deadlock with it.
fn batch(left: Uses) -> (Uses, Uses) {
    let (mut batch, mut rest) = (Uses::new(), Uses::new());
    for (id, last) in left {
        let is_new = batch
            .last()
            .is_none_or(|(_, before)| before.client_id != last.client_id);
        if is_new && batch.len() < BATCH_ROWS_MAX {
            batch.push((id, last));
        } else {
            rest.push((id, last));
        }
    }
    (batch, rest)
}

/// Writes once a minute, and a last time at the end.
async fn run(
    uses: std::sync::Arc<SecretUses>,
    store: Store,
    clock: Clock,
    stop: CancellationToken,
) {
    loop {
        let is_over = stop
            .run_until_cancelled(sleep(WRITTEN_EVERY))
            .await
            .is_none();
        if let Err(fault) = uses.write(&store, clock.now()).await {
            tracing::warn!(%fault, "last uses of secrets are not written yet");
        }
        if is_over {
            return;
        }
    }
}
