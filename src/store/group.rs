//! The group-commit door: what must be durable before an answer, committed for all requests that
//! wait at that moment in one transaction.
//!
//! A task that no request can cancel runs the operations. Each of them gives the same result however
//! often it runs, so a batch whose outcome is unknown (connection lost at the commit) is settled by
//! running its operations again, one by one; that also keeps a bad row its own request's trouble.
//! What counts once bears the mark of the request that has it, and so gives it the same answer again.

mod locks;
mod of_users;

use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::authorization_codes::Redeemed;
use super::refresh_exchange::{self, Exchange, Exchanged};
use super::refresh_families::{self, NewFamily};
use super::{
    Locks, Store, Write, assertions, authorization_codes, families, pushed_requests, revocations,
    sessions, tokens,
};
use crate::background::Background;
use crate::clock::Clock;
use crate::model::authorization::Pushed;
use crate::model::authorization_code::AuthorizationCode;
use crate::model::fault::Fault;
use crate::model::record::Record;
use crate::model::token::Token;

pub use locks::Parties;
pub(super) use locks::Reach;
use of_users::{answer_first, settle};

/// What a transaction may take: a connection that has gone silent must not hold up everybody.
const COMMIT_MAX: Duration = Duration::from_secs(10);
/// What the log says of a request that finds no group-commit task.
const ENDED: &str = "the group-commit task has ended";
/// Most operations in one transaction.
const BATCH_MAX: usize = 256;

/// An operation that is durable when [`GroupDoor::commit`] answers.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Stores a token under its digest.
    StoreToken {
        /// The keyed digest of its text.
        digest: String,
        /// What it says.
        token: Token,
    },
    /// Revokes a signed token.
    RevokeSigned {
        /// What it is revoked under ([`Token::revocation_name`]).
        name: String,
        /// Its end, unix seconds.
        expires_at: i64,
    },
    /// Revokes a stored token.
    RevokeStored {
        /// The keyed digest of its text.
        digest: String,
    },
    /// Records that a stored token was used.
    RecordUse {
        /// The keyed digest of its text.
        digest: String,
    },
    /// Takes an assertion, which counts once.
    RedeemAssertion(Redemption),
    /// Stores a code under its digest.
    StoreCode(Box<(String, AuthorizationCode)>),
    /// Takes a code, which counts once; a second use ends what the first one got.
    RedeemCode(CodeRedemption),
    /// Stores a pushed request under its digest.
    StorePushed(Box<(String, Pushed)>),
    /// Takes a pushed request, which counts once.
    RedeemPushed {
        /// The keyed digest of its reference.
        digest: String,
        /// The request's own, random.
        mark: String,
    },
    /// Stores a family of refresh tokens that begins without a code.
    StoreFamily(Box<NewFamily>),
    /// Exchanges a refresh token; one that two have used ends what both got.
    ExchangeRefresh(Box<Exchange>),
    /// Ends a family whose refresh token is given back (RFC 7009 §2.1).
    GiveBackFamily {
        /// The family.
        id: String,
        /// Whose it is.
        parties: Parties,
        /// What the user has consented to ends as well.
        takes_grants: bool,
    },
    /// Records that a session was used.
    TouchSession {
        /// The session.
        id: String,
        /// Whose it is.
        user_id: String,
        /// The application that it signs the user in to, where it is one more.
        client_id: Option<String>,
    },
    /// Another operation, with a record in the audit where it changed something: run again after an
    /// unknown outcome, it finds nothing to change and records nothing twice.
    Recorded(Box<Operation>, Box<Record>),
}

/// The use of a client assertion by a request.
#[derive(Clone, Debug)]
pub struct Redemption {
    /// The keyed digest of application and `jti`.
    pub digest: String,
    /// The request's own, random: whose mark the row bears has the assertion.
    pub mark: String,
    /// From when on the assertion is refused anyway, unix seconds.
    pub ends_at: i64,
}

/// The use of a code by a request.
#[derive(Clone, Debug)]
pub struct CodeRedemption {
    /// The keyed digest of its text.
    pub digest: String,
    /// What the code is part of.
    pub family: String,
    /// Whose the code is.
    pub parties: Parties,
    /// The request's own, random.
    pub mark: String,
    /// The refresh tokens that begin with it.
    pub refresh: Option<Box<NewFamily>>,
}

/// What an operation did.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Effect {
    /// What it is for.
    Changed,
    /// Nothing: it was so already.
    Nothing,
    /// Nothing: it counts once, and another request has it.
    TakenByAnother,
    /// What became of a refresh token.
    Exchanged(Exchanged),
    /// Nothing yet: it needs [`Reach::User`].
    NeedsUser,
}

impl Effect {
    const fn of_taking(is_taken: bool) -> Self {
        if is_taken {
            Self::Changed
        } else {
            Self::TakenByAnother
        }
    }
}

impl From<Redeemed> for Effect {
    fn from(redeemed: Redeemed) -> Self {
        match redeemed {
            Redeemed::ByThis => Self::Changed,
            Redeemed::ByAnother => Self::TakenByAnother,
            Redeemed::NeedsUser => Self::NeedsUser,
        }
    }
}

/// What came of an operation.
#[derive(Clone, Debug)]
struct Done {
    /// The number of the last change of its batch, 0 where there was none.
    last: i64,
    effect: Effect,
}

impl Operation {
    /// The row that it locks: batches sort by it, so that two nodes' batches cannot deadlock.
    fn key(&self) -> &str {
        match self {
            Self::RevokeSigned { name, .. } => name,
            Self::RedeemAssertion(redemption) => &redemption.digest,
            Self::RedeemCode(redemption) => &redemption.digest,
            Self::StoreCode(code) => &code.0,
            Self::StorePushed(pushed) => &pushed.0,
            Self::StoreFamily(new) => new.family.id(),
            Self::ExchangeRefresh(exchange) => &exchange.family,
            Self::TouchSession { id, .. } | Self::GiveBackFamily { id, .. } => id,
            Self::StoreToken { digest, .. }
            | Self::RevokeStored { digest }
            | Self::RedeemPushed { digest, .. }
            | Self::RecordUse { digest } => digest,
            Self::Recorded(operation, _) => operation.key(),
        }
    }

    async fn run(&self, tx: &mut Write, reach: Reach, now: i64) -> Result<Effect, Fault> {
        let Self::Recorded(operation, record) = self else {
            return self.run_alone(tx, reach, now).await;
        };
        let effect = operation.run_alone(tx, reach, now).await?;
        if effect == Effect::Changed {
            tx.record(record.as_ref().clone());
        }
        Ok(effect)
    }

    async fn run_alone(&self, tx: &mut Write, reach: Reach, now: i64) -> Result<Effect, Fault> {
        let is_changed = match self {
            Self::StoreToken { digest, token } => tokens::insert(tx, digest, token).await?,
            Self::RevokeStored { digest } => tokens::delete(tx, digest).await?,
            Self::RecordUse { digest } => tokens::record_use(tx, digest, now).await?,
            Self::RevokeSigned { name, expires_at } => {
                revocations::revoke_token(tx, name, *expires_at).await?
            }
            Self::RedeemAssertion(own) => {
                let redeemed = assertions::redeem(tx, &own.digest, &own.mark, own.ends_at);
                return Ok(Effect::of_taking(redeemed.await?));
            }
            Self::StoreCode(code) => {
                let (digest, code) = code.as_ref();
                authorization_codes::insert(tx, digest, code).await?
            }
            Self::RedeemCode(redemption) => {
                let redeemed = authorization_codes::redeem(tx, redemption, reach, now);
                return Ok(redeemed.await?.into());
            }
            Self::StorePushed(pushed) => {
                let (digest, pushed) = pushed.as_ref();
                pushed_requests::insert(tx, digest, pushed).await?
            }
            Self::RedeemPushed { digest, mark } => {
                let redeemed = pushed_requests::redeem(tx, digest, mark).await?;
                return Ok(Effect::of_taking(redeemed));
            }
            Self::StoreFamily(new) => {
                if reach == Reach::Row && refresh_families::is_full(tx, new).await? {
                    return Ok(Effect::NeedsUser);
                }
                refresh_families::insert(tx, new, reach).await?
            }
            Self::ExchangeRefresh(exchange) => {
                let exchanged = refresh_exchange::run(tx, exchange, reach, now).await?;
                return Ok(exchanged.map_or(Effect::NeedsUser, Effect::Exchanged));
            }
            Self::GiveBackFamily { .. } if reach == Reach::Row => return Ok(Effect::NeedsUser),
            Self::GiveBackFamily {
                id, takes_grants, ..
            } => families::give_back(tx, (id, *takes_grants), now).await?,
            Self::TouchSession { id, client_id, .. } => {
                let is_noted = match client_id {
                    Some(client_id) => sessions::note_client(tx, (id, client_id), now).await?,
                    None => false,
                };
                sessions::touch(tx, id, now).await? || is_noted
            }
            Self::Recorded(..) => return Err(Fault::internal("a record of a record")),
        };
        Ok(if is_changed {
            Effect::Changed
        } else {
            Effect::Nothing
        })
    }
}

struct Waiting {
    operation: Operation,
    answer: oneshot::Sender<Result<Done, Fault>>,
}

/// Takes operations from any number of requests.
#[derive(Clone)]
pub struct GroupDoor {
    queue: mpsc::Sender<Waiting>,
}

impl GroupDoor {
    /// Starts the task behind the door. It ends when the last door is dropped, after what is queued.
    #[must_use]
    pub fn open(store: Store, clock: Clock, queue_max: usize, background: &Background) -> Self {
        let (queue, waiting) = mpsc::channel(queue_max);
        background.spawn_vital("group commit", run(store, clock, waiting, queue_max));
        Self { queue }
    }

    /// Runs the operation and waits until it is durable. Answers the number of the last change of
    /// its batch, 0 where there was none.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where the queue is full (`store.group_queue_max`) or the store does not answer.
    pub async fn commit(&self, operation: Operation) -> Result<i64, Fault> {
        Ok(self.run(operation).await?.last)
    }

    /// Takes an assertion for a request and waits until that is durable; false where another
    /// request has it.
    ///
    /// # Errors
    /// As [`GroupDoor::commit`].
    pub async fn redeem(&self, redemption: Redemption) -> Result<bool, Fault> {
        let done = self.run(Operation::RedeemAssertion(redemption)).await?;
        Ok(done.effect != Effect::TakenByAnother)
    }

    /// Takes a code for a request and waits until that is durable; otherwise another request has it,
    /// and what that one got has ended by the change of the number that is answered.
    ///
    /// # Errors
    /// As [`GroupDoor::commit`].
    pub async fn redeem_code(&self, redemption: CodeRedemption) -> Result<Result<(), i64>, Fault> {
        let done = self.run(Operation::RedeemCode(redemption)).await?;
        Ok(match done.effect {
            Effect::TakenByAnother => Err(done.last),
            Effect::Changed | Effect::Nothing | Effect::Exchanged(_) | Effect::NeedsUser => Ok(()),
        })
    }

    /// Takes a pushed request and waits until that is durable; false where another request has it.
    ///
    /// # Errors
    /// As [`GroupDoor::commit`].
    pub async fn redeem_pushed(&self, digest: String, mark: String) -> Result<bool, Fault> {
        let done = self.run(Operation::RedeemPushed { digest, mark }).await?;
        Ok(done.effect != Effect::TakenByAnother)
    }

    /// Exchanges a refresh token for a request and waits until that is durable; answers also the
    /// number of the change by which its family ended, where it did.
    ///
    /// # Errors
    /// As [`GroupDoor::commit`].
    pub async fn exchange_refresh(&self, exchange: Exchange) -> Result<(Exchanged, i64), Fault> {
        let operation = Operation::ExchangeRefresh(Box::new(exchange));
        let done = self.run(operation).await?;
        match done.effect {
            Effect::Exchanged(exchanged) => Ok((exchanged, done.last)),
            _ => Err(Fault::internal("an exchange without an outcome")),
        }
    }

    async fn run(&self, operation: Operation) -> Result<Done, Fault> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(Waiting { operation, answer })
            .map_err(|refused| match refused {
                TrySendError::Full(_) => {
                    Fault::unavailable("the group-commit queue is full (store.group_queue_max)")
                }
                TrySendError::Closed(_) => Fault::unavailable(ENDED),
            })?;
        answered.await.map_err(|_| Fault::unavailable(ENDED))?
    }

    /// Runs the operation some time; dropped where the queue is full.
    pub fn later(&self, operation: Operation) {
        let (answer, _) = oneshot::channel();
        if self.queue.try_send(Waiting { operation, answer }).is_err() {
            tracing::debug!("the group-commit queue is full: a use goes unrecorded");
        }
    }
}

async fn run(store: Store, clock: Clock, queue: mpsc::Receiver<Waiting>, queue_max: usize) {
    let (of_users, waiting) = mpsc::channel(queue_max);
    tokio::join!(
        run_batches(&store, &clock, queue, of_users),
        of_users::run(&store, &clock, waiting)
    );
}

async fn run_batches(
    store: &Store,
    clock: &Clock,
    mut queue: mpsc::Receiver<Waiting>,
    of_users: mpsc::Sender<Waiting>,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
        batch.sort_by(|a, b| a.operation.key().cmp(b.operation.key()));
        let operations: Vec<&Operation> = batch.iter().map(|waiting| &waiting.operation).collect();
        match commit(store, &operations, Reach::Row, clock.now()).await {
            Ok(done) => batch
                .drain(..)
                .zip(done)
                .for_each(|(waiting, done)| settle(waiting, done, &of_users)),
            Err(Failed::AtTheDoor(fault)) => {
                refuse_all(&mut batch, &fault);
            }
            Err(Failed::Within(fault)) => {
                let operations = batch.len();
                tracing::warn!(%fault, operations, "a batch failed; its operations run one by one");
                run_one_by_one(store, clock, &mut batch, &of_users).await;
            }
        }
    }
}

async fn run_one_by_one(
    store: &Store,
    clock: &Clock,
    batch: &mut Vec<Waiting>,
    of_users: &mpsc::Sender<Waiting>,
) {
    while let Some(waiting) = batch.pop() {
        match commit(store, &[&waiting.operation], Reach::Row, clock.now()).await {
            Ok(done) => match done.into_iter().next() {
                Some(done) => settle(waiting, done, of_users),
                None => answer_first(waiting, Vec::new()),
            },
            Err(Failed::Within(fault)) => answer(waiting, Err(fault)),
            Err(Failed::AtTheDoor(fault)) => {
                answer(waiting, Err(fault.clone()));
                refuse_all(batch, &fault);
            }
        }
    }
}

fn refuse_all(batch: &mut Vec<Waiting>, fault: &Fault) {
    for waiting in batch.drain(..) {
        answer(waiting, Err(fault.clone()));
    }
}

/// How far a batch came.
enum Failed {
    /// No transaction was to be had: nothing has happened, and one by one would fare no better.
    AtTheDoor(Fault),
    /// Something went wrong later; at the commit, whether it happened is unknown.
    Within(Fault),
}

/// What came of each operation, in their order.
async fn commit(
    store: &Store,
    operations: &[&Operation],
    reach: Reach,
    now: i64,
) -> Result<Vec<Done>, Failed> {
    let mut tx = store.write().await.map_err(Failed::AtTheDoor)?;
    let mut locks = Locks::new();
    for operation in operations {
        locks.extend(operation.locks(reach));
    }
    let running = async {
        tx.lock(&locks).await?;
        let mut effects = Vec::with_capacity(operations.len());
        for operation in operations {
            effects.push(operation.run(&mut tx, reach, now).await?);
        }
        let last = tx.commit(now).await?;
        let done = |effect| Done { last, effect };
        Ok(effects.into_iter().map(done).collect())
    };
    match timeout(COMMIT_MAX, running).await {
        Ok(result) => result.map_err(Failed::Within),
        Err(_) => Err(Failed::Within(Fault::unavailable(
            "a group commit took too long",
        ))),
    }
}

/// A request that has gone away does not wait for its answer any more; its operation holds all the same.
fn answer(waiting: Waiting, result: Result<Done, Fault>) {
    drop(waiting.answer.send(result));
}
