//! APIs, applications, client grants and revocations as this node sees them: one door, in front of
//! the store, kept true by the feed.
//!
//! Bound: a change is in force on the node that answered it before its answer, and on all nodes
//! within [`FRESH_MAX`].

mod feed;
mod origins;
mod revoked;
mod shelf;
mod stale;

use std::sync::Arc;
use std::time::Duration;

use crate::background::Background;
use crate::clock::Clock;
use crate::config;
use crate::keys::Keys;
use crate::model::api::Api;
use crate::model::application::Application;
use crate::model::authorization::Authorization;
use crate::model::client_grant::ClientGrant;
use crate::model::described::Described;
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::model::settings::InForce;
use crate::model::token::{Token, family_name};
use crate::store::{self, Store, Write};

use feed::Feed;
use origins::Origins;
use revoked::Revoked;
use shelf::Shelf;
use stale::StaleDoor;

/// What is known counts as fresh for this long after the start of the last successful feed reading.
pub const FRESH_MAX: Duration = Duration::from_secs(1);

/// There is one value on the settings' shelf, of a few thousand bytes at most.
const SETTINGS_BYTES_MAX: u64 = 1 << 16;
/// Its key.
const SETTINGS: &str = "settings";

/// What a caller accepts while the store does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// Never guess: introspection and administration.
    Strict,
    /// What is known, for `store.stale_seconds_max`: issuance of signed tokens.
    MayBeStale,
}

/// The directory of one node.
pub struct Directory {
    store: Store,
    issuer: Issuer,
    keys: Arc<Keys>,
    feed: Feed,
    revoked: Revoked,
    apis: Shelf<Api>,
    applications: Shelf<Application>,
    client_grants: Shelf<Vec<Arc<ClientGrant>>>,
    origins: Origins,
    settings: Shelf<InForce>,
    stale: StaleDoor,
    stale_max: Duration,
}

impl Directory {
    /// Reads where the feed stands and what is revoked, and follows the feed from there until
    /// its end; the key ring follows with it.
    ///
    /// # Errors
    /// A fault where the store cannot be read.
    pub async fn start(
        store: &Store,
        keys: &Arc<Keys>,
        config: &config::Config,
        clock: &Clock,
        background: &Background,
    ) -> Result<Arc<Self>, Fault> {
        let directory = Arc::new(Self {
            store: store.clone(),
            issuer: keys.issuer().clone(),
            keys: Arc::clone(keys),
            feed: Feed::default(),
            revoked: Revoked::new(config.cache.revoked_tokens_recent_max),
            apis: Shelf::new(config.cache.apis_bytes_max),
            applications: Shelf::new(config.cache.applications_bytes_max),
            client_grants: Shelf::new(config.cache.client_grants_bytes_max),
            origins: Origins::new(),
            settings: Shelf::new(SETTINGS_BYTES_MAX),
            stale: StaleDoor::default(),
            stale_max: config.store.stale_max,
        });
        feed::follow(&directory, clock, background).await?;
        Ok(directory)
    }

    /// The feed's number up to which this node's knowledge reaches. A request notes it before its
    /// first reading; the tokens that it gets carry it.
    #[must_use]
    pub fn position(&self) -> i64 {
        self.feed.position()
    }

    /// True where this node hears of changes and knows what is revoked.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.feed.is_ready() && self.feed.age() <= FRESH_MAX
    }

    /// The API of an identifier.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where nobody can tell.
    pub async fn api(&self, identifier: &str, stance: Stance) -> Result<Option<Arc<Api>>, Fault> {
        let system = self
            .issuer
            .system_api(identifier)
            .map(|system| self.issuer.identifier_of(system));
        let key = system.as_deref().unwrap_or(identifier);
        let read = async |mut conn: store::Read| store::apis::by_identifier(&mut conn, key).await;
        self.look_up(&self.apis, ("api", key), stance, read).await
    }

    /// The application of a `client_id`.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where nobody can tell.
    pub async fn application(
        &self,
        client_id: &str,
        stance: Stance,
    ) -> Result<Option<Arc<Application>>, Fault> {
        let read = async |mut conn: store::Read| {
            let mut found = store::applications::get(&mut conn, client_id).await?;
            // Nothing follows from what is only described, so it takes no memory here.
            if let Some(application) = &mut found {
                application.described = Described::default();
            }
            Ok(found)
        };
        self.look_up(&self.applications, ("application", client_id), stance, read)
            .await
    }

    /// The client grants of an application, oldest first.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where nobody can tell.
    pub async fn client_grants(
        &self,
        client_id: &str,
        stance: Stance,
    ) -> Result<Arc<Vec<Arc<ClientGrant>>>, Fault> {
        let read = async |mut conn: store::Read| {
            let grants = store::client_grants::of_application(&mut conn, client_id).await?;
            Ok(Some(grants.into_iter().map(Arc::new).collect()))
        };
        let grants = self
            .look_up(
                &self.client_grants,
                ("client_grants", client_id),
                stance,
                read,
            )
            .await?;
        Ok(grants.unwrap_or_default())
    }

    /// True where an application lists the origin, as browsers write it, for CORS.
    pub async fn allows_origin(&self, origin: &str) -> bool {
        let read =
            async || store::applications::all_web_origins(&mut *self.store.read().await?).await;
        self.origins.allows(origin, read).await
    }

    /// The tenant's settings, as far as token requests need them.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where nobody can tell.
    pub async fn settings(&self, stance: Stance) -> Result<Arc<InForce>, Fault> {
        let read =
            async |mut conn: store::Read| store::settings::in_force(&mut conn).await.map(Some);
        let settings = self
            .look_up(&self.settings, (SETTINGS, SETTINGS), stance, read)
            .await?;
        Ok(settings.unwrap_or_default())
    }

    /// From memory while the feed is fresh; else from the store, past the memory; else, where the
    /// caller accepts it, what is known.
    async fn look_up<V, R>(
        &self,
        known: &Shelf<V>,
        (kind, key): (&str, &str),
        stance: Stance,
        read: R,
    ) -> Result<Option<Arc<V>>, Fault>
    where
        V: shelf::Weigh + Send + Sync + 'static,
        R: AsyncFnOnce(store::Read) -> Result<Option<V>, Fault>,
    {
        let age = self.feed.age();
        if age <= FRESH_MAX {
            return known
                .get_or_read(key, async || read(self.store.read().await?).await)
                .await;
        }
        let from_store = async || {
            let value = read(self.store.read().await?).await?;
            Ok(value.map(Arc::new))
        };
        match self.stale.read(&format!("{kind} {key}"), from_store).await {
            Ok(value) => Ok(value),
            Err(fault) if stance == Stance::MayBeStale && age <= self.stale_max => {
                known.known(key).ok_or(fault)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Commits a change and reads the feed up to it, so that it is in force here before the answer.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where the feed cannot be read that far: the change may have happened.
    pub async fn commit(&self, tx: Write, now: i64) -> Result<(), Fault> {
        let number = tx.commit(now).await?;
        self.catch_up(number).await
    }

    /// Reads the feed up to a change that this node made; 0 where nothing changed. That is a reading which begins
    /// after the commit: it finds out where the store has lost history, and then the change's number may be one
    /// that this node has read before, for another change.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where it cannot be read that far.
    pub async fn catch_up(&self, number: i64) -> Result<(), Fault> {
        if number == 0 || self.feed.read_again_up_to(number).await {
            return Ok(());
        }
        Err(Fault::unavailable(
            "the change is made, but this node could not read it back from the feed",
        ))
    }

    /// Makes sure that what is known is fresh, by reading the feed where it is not.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where it cannot be read.
    pub async fn be_fresh(&self) -> Result<(), Fault> {
        if self.feed.age() <= FRESH_MAX {
            return Ok(());
        }
        self.read_anew().await
    }

    /// Reads the feed once more: whatever was committed before this call is known afterwards.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where it cannot be read.
    pub async fn read_anew(&self) -> Result<(), Fault> {
        if self.feed.read_again().await {
            return Ok(());
        }
        Err(Fault::unavailable(
            "the feed cannot be read, so nobody knows what has changed",
        ))
    }

    /// True where a token is revoked, by itself (a signed one under its `name`) or wholesale; a token from the future of this node
    /// counts as revoked once the feed has been read and it still is one.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where nobody can tell.
    pub async fn is_revoked(&self, token: &Token, name: Option<&str>) -> Result<bool, Fault> {
        if (token.position > self.position() || self.feed.age() > FRESH_MAX)
            && !self.feed.read_up_to(token.position).await
        {
            if self.feed.age() > FRESH_MAX {
                return Err(Fault::unavailable(
                    "the feed cannot be read, so nobody knows what is revoked",
                ));
            }
            return Ok(true);
        }
        if !self.feed.is_ready() {
            return Err(Fault::unavailable("revocations are being loaded"));
        }
        if self.revoked.is_covered(token) {
            return Ok(true);
        }
        if let Some(family) = &token.family
            && self.is_revoked_by_name(&family_name(family)).await?
        {
            return Ok(true);
        }
        let Some(name) = name else {
            return Ok(false);
        };
        // Whoever revokes by the bare `jti` means every token that bears it.
        Ok(self.is_revoked_by_name(name).await?
            || name != token.jti && self.is_revoked_by_name(&token.jti).await?)
    }

    /// True where what a user has authorized has ended: its family, or wholesale everything of the
    /// user, the application, or one of the APIs.
    ///
    /// # Errors
    /// As [`Directory::is_revoked`].
    pub async fn is_ended(&self, authorization: &Authorization) -> Result<bool, Fault> {
        let apis = authorization.apis.iter();
        let mut audiences: Vec<String> = apis.map(|api| api.audience.clone()).collect();
        if audiences.is_empty() {
            audiences.push(self.issuer.userinfo());
        }
        let as_a_token = Token {
            jti: String::new(),
            position: authorization.position,
            client_id: authorization.client_id.clone(),
            subject: authorization.user_id.clone(),
            audiences,
            scope: String::new(),
            issued_at: 0,
            expires_at: None,
            family: Some(authorization.family.clone()),
            userinfo_claims: Vec::new(),
        };
        self.is_revoked(&as_a_token, None).await
    }

    /// True where everything of a user was revoked after this position had been noted.
    ///
    /// # Errors
    /// As [`Directory::is_revoked`].
    pub async fn is_user_revoked(&self, user_id: &str, position: i64) -> Result<bool, Fault> {
        let as_a_token = Token {
            jti: String::new(),
            position,
            client_id: String::new(),
            subject: user_id.to_owned(),
            audiences: Vec::new(),
            scope: String::new(),
            issued_at: 0,
            expires_at: None,
            family: None,
            userinfo_claims: Vec::new(),
        };
        self.is_revoked(&as_a_token, None).await
    }

    async fn is_revoked_by_name(&self, name: &str) -> Result<bool, Fault> {
        if self.revoked.excludes(name) {
            return Ok(false);
        }
        if self.revoked.is_recent(name) {
            return Ok(true);
        }
        let mut conn = self.store.read().await?;
        store::revocations::is_token_revoked(&mut conn, name).await
    }

    fn forget_everything(&self) {
        self.apis.forget_all();
        self.applications.forget_all();
        self.client_grants.forget_all();
        self.origins.forget();
        self.settings.forget_all();
    }
}
