//! The running server's parts.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::Audit;
use crate::background::Background;
use crate::bootstrap;
use crate::bootstrap::administrator::FirstApplication;
use crate::clock::Clock;
use crate::config::Config;
use crate::directory::Directory;
use crate::grants::{Ground, Means};
use crate::keys::rotation::Terms;
use crate::login::Pages;
use crate::logout::notices::Notices;
use crate::mail::Mailer;
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::model::record::Whence;
use crate::router::routes;
use crate::secret::SecretChecker;
use crate::sessions::Sessions;
use crate::store::Store;
use crate::store::group::GroupDoor;
use crate::sweep::Sweeper;
use crate::tls::Door;
use crate::tokens::issue::Mint;
use crate::tokens::recognise::Recogniser;
use crate::users::Users;
use crate::uses::SecretUses;
use crate::{openapi, renewal};

/// What every request may use.
pub struct App {
    /// Checked settings.
    pub config: Config,
    /// The URL that names this server.
    pub issuer: Issuer,
    /// Tells the time.
    pub clock: Clock,
    /// The database.
    pub store: Store,
    /// APIs, applications, client grants and revocations as this node sees them.
    pub directory: Arc<Directory>,
    /// Issues tokens.
    pub mint: Arc<Mint>,
    /// What happened, for the operators.
    pub audit: Arc<Audit>,
    /// Checks applications' secrets.
    pub secrets: SecretChecker,
    /// Users, and how they sign in.
    pub users: Users,
    /// What people see in a browser.
    pub pages: Arc<Pages>,
    /// When secrets were last used, until that is written.
    pub uses: Arc<SecretUses>,
    /// What a client assertion may name in `aud`.
    pub assertion_audiences: Vec<String>,
    /// Where connections become TLS ones; `None` where `server.tls` is unset.
    pub tls: Option<Door>,
    /// The tasks that run beside the requests.
    pub background: Background,
    /// The OpenAPI document.
    pub openapi: String,
}

impl App {
    /// Opens and prepares the store, reads the keys, and starts what runs beside the requests.
    ///
    /// # Errors
    /// A fault where the store cannot be reached or prepared, or the master key is another.
    pub async fn start(
        config: Config,
        issuer: Issuer,
        clock: Clock,
        background: &Background,
    ) -> Result<(Arc<Self>, Option<FirstApplication>), Fault> {
        let store = Store::open(&config.store, &issuer)?;
        let prepared = bootstrap::prepare(&store, &config, &issuer, &clock).await?;
        let directory =
            Directory::start(&store, &prepared.keys, &config, &clock, background).await?;
        let door = GroupDoor::open(
            store.clone(),
            clock.clone(),
            config.store.group_queue_max,
            background,
        );
        let sweeper = Sweeper::start(&store, &clock, &config.sweep, &config.audit).await?;
        background.spawn_vital("sweep", sweeper.run(background.stop.clone()));
        let uses = SecretUses::start(&store, &clock, background);
        let audit = Audit::new(&store, clock.clone(), &config.audit);
        let writing = Arc::clone(&audit).run(background.stop.clone());
        background.spawn_vital("audit", writing);
        let tls = renewal::open_door(config.server.tls.as_ref(), background)?;
        let mint = Arc::new(Mint {
            issuer: issuer.clone(),
            keys: prepared.keys,
            digester: prepared.digester,
            tickets: prepared.tickets,
            door,
            store: store.clone(),
            default_algorithm: config.tokens.default_signing_alg,
        });
        Notices::new(&store, &directory, &mint, &clock, &config.logout).start(background);
        let app = Self {
            tls,
            background: background.clone(),
            uses,
            assertion_audiences: assertion_audiences(&config, &issuer),
            openapi: openapi::written(&routes().listed, issuer.as_str()),
            audit,
            secrets: prepared.secrets,
            pages: Pages::new(&config.branding, &issuer),
            users: Users::new(
                store.clone(),
                &config,
                &prepared.slow_hashes,
                &mint.digester,
                Mailer::open(config.mail.as_ref(), &issuer, &clock, background)?,
            ),
            mint,
            config,
            issuer,
            clock,
            store,
            directory,
        };
        Ok((Arc::new(app), prepared.first))
    }

    /// What grants decide on.
    #[must_use]
    pub fn ground(&self, position: i64, now: i64) -> Ground<'_> {
        Ground {
            directory: &self.directory,
            lifetimes: &self.config.lifetimes,
            apis_per_token_max: self.config.tokens.apis_per_token_max,
            position,
            now,
        }
    }

    /// What grants on behalf of users need beside it.
    #[must_use]
    pub fn means<'a>(&'a self, whence: &'a Whence) -> Means<'a> {
        Means {
            mint: &self.mint,
            users: &self.users,
            store: &self.store,
            whence,
            refresh: self.config.refresh,
        }
    }

    /// Who is signed in.
    #[must_use]
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions {
            directory: &self.directory,
            store: &self.store,
            digester: &self.mint.digester,
            door: &self.mint.door,
        }
    }

    /// How long others go on with the keys that they have seen.
    #[must_use]
    pub fn key_terms(&self) -> Terms {
        let seconds = |of: Duration| i64::try_from(of.as_secs()).unwrap_or(i64::MAX);
        Terms {
            jwks_max_age: seconds(self.config.keys.jwks_max_age),
            stale_max: seconds(self.config.store.stale_max),
        }
    }

    /// Recognises tokens that somebody presents.
    #[must_use]
    pub fn recogniser(&self) -> Recogniser<'_> {
        Recogniser {
            mint: &self.mint,
            directory: &self.directory,
            store: &self.store,
        }
    }
}

/// The issuer, and the token endpoint where that is allowed.
fn assertion_audiences(config: &Config, issuer: &Issuer) -> Vec<String> {
    let mut audiences = vec![issuer.as_str().to_owned()];
    if config.client_assertion.accept_token_endpoint_audience {
        audiences.push(issuer.join("oauth/token"));
    }
    audiences
}
