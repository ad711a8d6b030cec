//! Delivers logout notices (OpenID Connect Back-Channel Logout 1.0 §2.5): each is taken by one node for
//! a while, posted, and tried again at growing intervals until its end.
//!
//! Operators choose where applications are told, and that may well be inside their own network, so
//! addresses are not filtered. What is sent says little, redirects are not followed, and nothing of
//! an answer but its status is read, let alone shown.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::background::Background;
use crate::clock::Clock;
use crate::config::LogoutConfig;
use crate::directory::{Directory, Stance};
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::model::logout_notice::LogoutNotice;
use crate::model::record::{Kind, Record, Whence};
use crate::store::{self, Locks, Scope, Store};
use crate::tokens::issue::Mint;
use crate::tokens::logout_token::LogoutToken;

/// Pause between two looks at what is due.
const LOOKED_EVERY: Duration = Duration::from_secs(1);
/// Most notices that this node delivers at one time.
const AT_ONCE_MAX: usize = 32;
/// What an application may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// What it may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a taken notice is this node's, in seconds: more than a delivery takes.
const TAKEN_SECONDS: i64 = 60;
/// Pause after the first failure, doubled by each further one, in seconds.
const PAUSE_SECONDS: i64 = 10;
/// Longest pause, in seconds.
const PAUSE_SECONDS_MAX: i64 = 3600;

/// Delivers the notices of one node.
pub struct Notices {
    store: Store,
    directory: Arc<Directory>,
    mint: Arc<Mint>,
    clock: Clock,
    /// An error where this machine has no certificates that anybody could be trusted by.
    client: Result<Client, reqwest::Error>,
}

/// Why a notice was not delivered.
#[derive(Debug)]
enum Undelivered {
    /// The application is gone, or does not want to be told there any more.
    Unwanted,
    /// It may be tried again; what the log says of it.
    Failed(String),
}

impl From<Fault> for Undelivered {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.to_string())
    }
}

impl Notices {
    /// What delivers them on this node.
    #[must_use]
    pub fn new(
        store: &Store,
        directory: &Arc<Directory>,
        mint: &Arc<Mint>,
        clock: &Clock,
        config: &LogoutConfig,
    ) -> Self {
        Self {
            // What is looked for every second takes no connection from the requests.
            store: store.beside(),
            directory: Arc::clone(directory),
            mint: Arc::clone(mint),
            clock: clock.clone(),
            client: client(&mint.issuer, config),
        }
    }

    /// Delivers what is due from now on, until the node is told to stop.
    pub fn start(self, background: &Background) {
        let running = Arc::new(self).run(background.stop.clone());
        background.spawn_vital("logout notices", running);
    }

    /// What is under way at the end comes up again at another node, or here after the next start.
    async fn run(self: Arc<Self>, stop: CancellationToken) {
        let delivering = async {
            let mut under_way = JoinSet::new();
            loop {
                let room = AT_ONCE_MAX - under_way.len();
                match self.take(room).await {
                    Ok(taken) => {
                        for notice in taken {
                            under_way.spawn(Arc::clone(&self).deliver(notice));
                        }
                    }
                    Err(fault) => tracing::warn!(%fault, "logout notices cannot be read"),
                }
                if under_way.len() < AT_ONCE_MAX {
                    sleep(LOOKED_EVERY).await;
                } else {
                    under_way.join_next().await;
                }
                while under_way.try_join_next().is_some() {}
            }
        };
        stop.run_until_cancelled(delivering).await;
    }

    /// Takes what is due for this node. The write door is taken only where there is something.
    async fn take(&self, rows_max: usize) -> Result<Vec<LogoutNotice>, Fault> {
        let now = self.clock.now();
        let rows_max = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let mut due =
            store::logout_notices::due(&mut *self.store.read().await?, now, rows_max).await?;
        if due.is_empty() {
            return Ok(due);
        }
        // In one order, so that two nodes cannot deadlock.
        due.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        // The deletion of an application takes its notices along.
        let locks = Locks::new().shared(Scope::Catalog);
        let mut tx = self.store.write_locked(&locks).await?;
        let mut taken = Vec::with_capacity(due.len());
        for mut notice in due {
            let until = now.saturating_add(TAKEN_SECONDS);
            if store::logout_notices::take(&mut tx, &notice, until).await? {
                notice.attempts += 1;
                taken.push(notice);
            }
        }
        tx.commit(now).await?;
        Ok(taken)
    }

    async fn deliver(self: Arc<Self>, notice: LogoutNotice) {
        let sent = self.send(&notice).await;
        if let Err(fault) = self.settle(&notice, sent).await {
            tracing::warn!(%fault, "what became of a logout notice is not written; it is sent again");
        }
    }

    async fn send(&self, notice: &LogoutNotice) -> Result<(), Undelivered> {
        let application = self
            .directory
            .application(&notice.client_id, Stance::MayBeStale)
            .await?
            .ok_or(Undelivered::Unwanted)?;
        let sign_in = &application.sign_in;
        let is_wanted = sign_in.logout_notice_urls.contains(&notice.url);
        if !is_wanted || !may_be_told(&notice.url, &self.mint.issuer) {
            return Err(Undelivered::Unwanted);
        }
        let token = LogoutToken {
            client_id: &notice.client_id,
            subject: &notice.user_id,
            session_id: &notice.session_id,
            algorithm: sign_in.id_token_alg,
        };
        let token = self.mint.sign_logout_token(token, self.clock.now()).await?;
        let client = self.client.as_ref().map_err(failed)?;
        let form = [("logout_token", token.expose())];
        let answer = client.post(&notice.url).form(&form).send().await;
        let status = answer.map_err(|error| failed(&error))?.status();
        // §2.8: 200; some frameworks make 204 of it.
        if status.is_success() {
            return Ok(());
        }
        Err(Undelivered::Failed(format!("the answer was {status}")))
    }

    async fn settle(
        &self,
        notice: &LogoutNotice,
        sent: Result<(), Undelivered>,
    ) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        match sent {
            Ok(()) => {
                if store::logout_notices::delete(&mut tx, &notice.id).await? {
                    let told = self.record(Kind::ToldOfSignOut, notice);
                    tx.record(told.says("Application told that a session has ended"));
                }
            }
            Err(Undelivered::Unwanted) => {
                store::logout_notices::delete(&mut tx, &notice.id).await?;
            }
            Err(Undelivered::Failed(why)) => {
                let (client_id, attempts) = (&notice.client_id, notice.attempts);
                tracing::info!(
                    client_id,
                    attempts,
                    why,
                    "a logout notice was not delivered"
                );
                let next = now.saturating_add(pause(notice.attempts));
                // A clock that has just been set may be a day ahead.
                if next < notice.ends_at || self.clock.settled_now().is_none() {
                    store::logout_notices::put_off(&mut tx, notice, next).await?;
                } else if store::logout_notices::delete(&mut tx, &notice.id).await? {
                    let failed = self.record(Kind::NotToldOfSignOut, notice);
                    let why = format!("Application not told that a session has ended: {why}");
                    tx.record(failed.says(&why));
                }
            }
        }
        tx.commit(now).await?;
        Ok(())
    }

    fn record(&self, kind: Kind, notice: &LogoutNotice) -> Record {
        Record::new(kind, self.clock.now_millis(), &Whence::default(), None)
            .by(Some(&notice.client_id), None)
            .about_user(&notice.user_id)
            .with("session_id", notice.session_id.as_str().into())
            .with("url", notice.url.as_str().into())
            .with("attempts", json!(notice.attempts))
    }
}

fn client(issuer: &Issuer, config: &LogoutConfig) -> Result<Client, reqwest::Error> {
    Client::builder()
        .tls_certs_merge(config.ca_certificates.iter().cloned())
        .user_agent(concat!("Grantor/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(CONNECT_MAX)
        .timeout(ANSWER_MAX)
        .https_only(!issuer.is_on_loopback())
        .pool_max_idle_per_host(1)
        .build()
}

/// True where an application may be told at this address: by https, and in the clear only by a server
/// on loopback, which is there for a try.
#[must_use]
pub fn may_be_told(url: &str, issuer: &Issuer) -> bool {
    url.starts_with("https://") || url.starts_with("http://") && issuer.is_on_loopback()
}

/// The library's words and those of what is below; the URL is in the audit and not in them.
fn failed(error: &reqwest::Error) -> Undelivered {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        why = format!("{why}: {deeper}");
        cause = deeper.source();
    }
    Undelivered::Failed(why)
}

/// In seconds, after so many attempts.
fn pause(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    let factor = 2_i64.checked_pow(doublings).unwrap_or(i64::MAX);
    PAUSE_SECONDS.saturating_mul(factor).min(PAUSE_SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let pauses: Vec<_> = [1, 2, 3, 10, 100, i64::MAX].map(pause).into();
        assert_eq!(pauses, [10, 20, 40, 3600, 3600, 3600]);
    }
}
