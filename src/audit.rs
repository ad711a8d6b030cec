//! The audit of what happens often: issuances and refusals, written beside the requests.
//!
//! No request waits for it. Issuances lie in a bounded queue; when it is full, further ones are
//! dropped, and how many is a record itself. Failures of one application, for one reason, in one
//! minute are one record for the first and one for the rest. Tokens are counted in memory by day,
//! application, API and rule, whether or not their records are kept. A task writes all of it in
//! batches. Administrative changes and revocations do not come here: their records are in their own
//! transaction (`store::Write::record`).

mod counts;
mod failures;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::AuditConfig;
use crate::model::api::Api;
use crate::model::fault::Fault;
use crate::model::record::{Kind, Record, Whence};
use crate::secret;
use crate::store::issuances::Count;
use crate::store::{self, Store};

use self::counts::Counts;
pub use self::failures::Failure;
use self::failures::Failures;

/// The longest that a record waits for others of its batch.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Most issuances in one batch; so many waiting ones are not waited with.
const BATCH_MAX: usize = 512;
/// What writing a batch may take: a connection that has gone silent is given up.
const BATCH_TIME_MAX: Duration = Duration::from_secs(10);
/// What a reader waits until what this node has seen is written; then it reads what there is.
const READER_WAITS_MAX: Duration = Duration::from_secs(2);

/// A token that was issued.
pub struct Issuance {
    /// By which grant.
    pub kind: Kind,
    /// Which request asked.
    pub whence: Whence,
    /// Which application.
    pub client_id: String,
    /// Its name.
    pub client_name: Option<String>,
    /// The user's id and name, where it is on behalf of one.
    pub user: Option<(String, Option<String>)>,
    /// The application that had it issued, where that is another.
    pub by: Option<String>,
    /// For which APIs, the one named first in front.
    pub apis: Vec<Arc<Api>>,
    /// With which scopes, separated by spaces.
    pub scope: String,
    /// The token's name, which is no secret.
    pub jti: String,
    /// Unix seconds: `iat`.
    pub issued_at: i64,
    /// The lifetime asked for, in seconds, Never as -1; none: none was.
    pub requested: Option<i64>,
    /// The lifetime granted, in seconds, Never as -1.
    pub granted: i64,
    /// The rule that set it.
    pub rule: &'static str,
}

impl Issuance {
    fn into_record(self, date_ms: i64) -> Record {
        let audiences: Vec<String> = self.apis.iter().map(|api| api.identifier.clone()).collect();
        let mut lifetime = json!({ "granted": self.granted, "rule": self.rule });
        if let (Some(requested), Some(members)) = (self.requested, lifetime.as_object_mut()) {
            members.insert("requested".to_owned(), requested.into());
        }
        let (says, status) = match self.by {
            None => (self.kind.says(), 200),
            Some(_) => ("Access token issued for the application", 201),
        };
        let record = Record::new(self.kind, date_ms, &self.whence, Some(status))
            .by(Some(&self.client_id), self.client_name.as_deref())
            .of_token(&audiences, &self.scope)
            .says(says)
            .with("lifetime", lifetime)
            .with("jti", self.jti.into());
        let record = match &self.user {
            None => record,
            Some((id, _)) => record.about_user(id),
        };
        match self.by {
            None => record,
            Some(by) => record.with("by", json!({ "client_id": by })),
        }
    }
}

/// Takes what happened from any number of requests.
pub struct Audit {
    clock: Clock,
    keeps_issuances: bool,
    queue_max: usize,
    pending: Mutex<Pending>,
    writer: tokio::sync::Mutex<Writer>,
    /// A batch is full.
    wake: Notify,
    store: Store,
}

/// What waits to be written.
#[derive(Default)]
struct Pending {
    issuances: VecDeque<(i64, Issuance)>,
    dropped: u64,
    failures: Failures,
    counts: Counts,
}

impl Pending {
    /// Takes up to a batch; with `to_the_end` also failures whose minute is not over.
    fn take(&mut self, now_ms: i64, to_the_end: bool) -> Taken {
        let issuances = self.issuances.len().min(BATCH_MAX);
        Taken {
            issuances: self.issuances.drain(..issuances).collect(),
            dropped: std::mem::take(&mut self.dropped),
            records: self.failures.take(now_ms, to_the_end),
            counts: self.counts.take(),
        }
    }
}

struct Taken {
    issuances: Vec<(i64, Issuance)>,
    dropped: u64,
    records: Vec<Record>,
    counts: Vec<Count>,
}

/// What is written in one transaction.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    counts: Vec<Count>,
}

impl Taken {
    fn into_batch(self, now_ms: i64) -> Batch {
        let mut records = self.records;
        if self.dropped > 0 {
            let dropped = self.dropped;
            tracing::warn!(
                dropped,
                "records of issuances were dropped: the queue was full (audit.queue_max)"
            );
            let text =
                format!("{dropped} records of issuances were dropped, because the queue was full");
            let record = Record::new(Kind::Dropped, now_ms, &Whence::default(), None);
            records.push(record.says(&text).with("dropped", dropped.into()));
        }
        let issued = self.issuances.into_iter();
        records.extend(issued.map(|(date_ms, issuance)| issuance.into_record(date_ms)));
        // Records of one moment may come from several queues; who reads on reads in order of time.
        records.sort_by_key(|record| record.date_ms);
        Batch {
            records,
            counts: self.counts,
        }
    }
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.counts.is_empty()
    }
}

/// Writes one batch after the other.
struct Writer {
    /// Names this node until its end.
    id: String,
    /// The number of the batch that is written next.
    number: i64,
    /// Taken and not known to be written.
    unsent: Option<Batch>,
    /// The last attempt failed; that was said.
    is_failing: bool,
}

impl Audit {
    /// An audit that writes to the store's own connection beside the requests.
    #[must_use]
    pub fn new(store: &Store, clock: Clock, config: &AuditConfig) -> Arc<Self> {
        Arc::new(Self {
            clock,
            keeps_issuances: config.keeps_issuances,
            queue_max: config.queue_max,
            pending: Mutex::default(),
            writer: tokio::sync::Mutex::new(Writer {
                id: secret::random_text(12),
                number: 1,
                unsent: None,
                is_failing: false,
            }),
            wake: Notify::new(),
            store: store.beside(),
        })
    }

    /// A token was issued. Never waits.
    pub fn issued(&self, issuance: Issuance) {
        let date_ms = self.clock.now_millis();
        let mut pending = self.pending();
        pending.counts.add(&issuance);
        if !self.keeps_issuances {
            return;
        }
        if pending.issuances.len() >= self.queue_max {
            pending.dropped += 1;
            return;
        }
        pending.issuances.push_back((date_ms, issuance));
        if pending.issuances.len() == BATCH_MAX {
            drop(pending);
            self.wake.notify_one();
        }
    }

    /// A request was refused. Never waits.
    pub fn refused(&self, failure: &Failure<'_>) {
        let date_ms = self.clock.now_millis();
        self.pending().failures.add(failure, date_ms);
    }

    /// Writes what this node has seen so far, for somebody who is about to read. Where that takes too
    /// long or fails, the reader finds what there is.
    pub async fn settle(&self) {
        if timeout(READER_WAITS_MAX, self.write(false)).await.is_err() {
            tracing::debug!("a reader of the audit did not wait until it was written");
        }
    }

    /// How many statements the writer has sent since the start.
    #[must_use]
    pub fn statements_sent(&self) -> u64 {
        self.store.statements_sent()
    }

    /// Writes every second until `stop`, and then what is left.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let writing = async {
            loop {
                tokio::select! {
                    () = sleep(WRITE_EVERY) => {}
                    () = self.wake.notified() => {}
                }
                self.write(false).await;
            }
        };
        stop.run_until_cancelled(writing).await;
        self.write(true).await;
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        // What panicked held counts and queues, which are whole after each step.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits, batch by batch. What could not be written stays for the next time.
    async fn write(&self, to_the_end: bool) {
        let mut writer = self.writer.lock().await;
        // What comes in while this runs may wait for the next time.
        for _ in 0..=self.queue_max / BATCH_MAX + 1 {
            if writer.unsent.is_none() {
                let now_ms = self.clock.now_millis();
                let taken = self.pending().take(now_ms, to_the_end);
                let batch = taken.into_batch(now_ms);
                if batch.is_empty() {
                    return;
                }
                writer.unsent = Some(batch);
            }
            if !writer.send(&self.store, self.clock.now()).await {
                return;
            }
        }
    }
}

impl Writer {
    /// Sends the batch; true where there is none any more. Sent again, one that was written after all
    /// does nothing: its number is taken.
    async fn send(&mut self, store: &Store, now: i64) -> bool {
        let Some(batch) = &self.unsent else {
            return true;
        };
        let sending = commit(store, batch, (&self.id, self.number), now);
        let sent = timeout(BATCH_TIME_MAX, sending).await;
        let fault = match sent {
            Ok(Ok(())) => None,
            Ok(Err(fault)) => Some(fault),
            Err(_) => Some(Fault::unavailable("writing took too long")),
        };
        match fault {
            Some(fault) if fault.is_unavailable() => {
                if !self.is_failing {
                    tracing::warn!(%fault, "the audit cannot be written; it is tried again");
                }
                self.is_failing = true;
                return false;
            }
            Some(fault) => {
                let (records, counts) = (batch.records.len(), batch.counts.len());
                tracing::error!(%fault, records, counts, "a batch of the audit is lost");
            }
            None => {}
        }
        self.is_failing = false;
        self.unsent = None;
        self.number += 1;
        true
    }
}

async fn commit(
    store: &Store,
    batch: &Batch,
    (writer, number): (&str, i64),
    now: i64,
) -> Result<(), Fault> {
    let mut tx = store.write().await?;
    if store::audit::begin_batch(&mut tx, writer, number, now).await? {
        store::issuances::add(&mut tx, &batch.counts).await?;
        for record in &batch.records {
            tx.record(record.clone());
        }
    }
    tx.commit(now).await.map(drop)
}
