//! The configuration: the only reader of files and environment, and the list of every setting.
//!
//! `config/identity.toml` is the manual and, compiled in, the defaults. Over it lies the operator's
//! file, over that the environment. A key is known because something below reads it: the line that
//! reads a setting into its type also says its bounds, and whatever nobody has read is an unknown
//! key. So a new setting is a line in `identity.toml`, a field, and the line that reads it.
//!
//! `Reader` never stops at a problem: it notes it, hands out a stand-in and goes on, so that all
//! problems are reported at once. A configuration comes out only where there was none.

mod branding;
mod limits;
mod log;
mod logout;
mod mail;
mod passwords;
mod print;
mod problem;
mod reader;
mod rules;
mod sources;
#[cfg(test)]
mod tests;
mod tls;
mod upkeep;
mod user_tickets;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

pub use self::branding::{Branding, Color};
pub use self::limits::{Limits, Rate};
pub use self::log::{Log, LogFormat};
pub use self::logout::LogoutConfig;
pub use self::mail::{Mail, Protection, SmtpServer};
pub use self::passwords::Passwords;
pub use self::problem::{Problem, Problems, Setting, Source};
use self::reader::Reader;
pub use self::tls::{Tls, TlsFiles, UnfitFile};
pub use self::upkeep::{AuditConfig, Sweep};
pub use self::user_tickets::UserTickets;
use crate::lifetime::{ApplicationLifetimes, ServerLifetimes};
use crate::model::api::SigningAlgorithm;
use crate::model::refresh;
use crate::secret::Secret;

/// Everything that can be set, checked. `config/identity.toml` says what each setting does.
#[derive(Clone, Debug)]
pub struct Config {
    /// The URL that names this server. It ends with `/`.
    pub issuer: String,
    /// How Grantor listens.
    pub server: Server,
    /// The database.
    pub store: StoreConfig,
    /// The server's part of the lifetime policy.
    pub lifetimes: ServerLifetimes,
    /// Tokens of all kinds.
    pub tokens: Tokens,
    /// Refresh tokens.
    pub refresh: refresh::Rules,
    /// Signing keys and the master key.
    pub keys: Keys,
    /// Sizes of what a node keeps in memory.
    pub cache: Cache,
    /// Bounds on slow hashing.
    pub secrets: Secrets,
    /// What a user's password must be.
    pub passwords: Passwords,
    /// People may make accounts by themselves (`sign_up.allowed`).
    pub sign_up_allowed: bool,
    /// What applications sign to prove who they are.
    pub client_assertion: ClientAssertion,
    /// How often something may be attempted.
    pub limits: Limits,
    /// The server that mails are handed to; `None`: no mails can be sent.
    pub mail: Option<Mail>,
    /// How applications are told that a session has ended.
    pub logout: LogoutConfig,
    /// Links in mails.
    pub user_tickets: UserTickets,
    /// Removal of what has expired.
    pub sweep: Sweep,
    /// The audit.
    pub audit: AuditConfig,
    /// The first application.
    pub bootstrap: Bootstrap,
    /// Whose server this is, as people see it.
    pub branding: Branding,
    /// What is logged, and how.
    pub log: Log,
}

impl Config {
    fn read(reader: &mut Reader) -> Self {
        let written_issuer = reader.normal_text_or_unset("issuer", rules::issuer);
        let server = Server::read(reader);
        if let Some(issuer) = &written_issuer {
            tls::check_issuer(reader, issuer);
        }
        Self {
            issuer: written_issuer.unwrap_or_else(|| issuer_of(reader, server.listen)),
            server,
            store: StoreConfig::read(reader),
            lifetimes: lifetimes(reader),
            tokens: Tokens::read(reader),
            refresh: refresh_rules(reader),
            keys: Keys::read(reader),
            cache: Cache::read(reader),
            secrets: Secrets::read(reader),
            sign_up_allowed: reader.boolean("sign_up.allowed"),
            passwords: Passwords::read(reader),
            client_assertion: ClientAssertion::read(reader),
            limits: Limits::read(reader),
            mail: Mail::read(reader),
            logout: LogoutConfig::read(reader),
            user_tickets: UserTickets::read(reader),
            sweep: Sweep::read(reader),
            audit: AuditConfig::read(reader),
            bootstrap: Bootstrap::read(reader),
            branding: Branding::read(reader),
            log: Log::read(reader),
        }
    }

    /// The issuer once the listener is bound: where `server.listen` has port 0 and `issuer` is
    /// unset, the port that the system chose is known only then. Otherwise it is [`Config::issuer`].
    #[must_use]
    pub fn issuer_at(&self, bound: SocketAddr) -> String {
        // An issuer that is written down never has port 0 (rules::issuer).
        if rules::has_port_0(&self.issuer) {
            rules::local_url(bound, self.server.tls.is_some())
        } else {
            self.issuer.clone()
        }
    }
}

/// The issuer where none is set: it follows `server.listen`, as long as that is this machine's own.
fn issuer_of(reader: &mut Reader, listen: SocketAddr) -> String {
    let issuer = rules::local_url(listen, tls::is_asked_for(reader));
    if reader.is_set("issuer") {
        return issuer; // It is set and wrong, and that has been said.
    }
    if !listen.ip().is_loopback() && !listen.ip().is_unspecified() {
        let rule = "other machines reach this address, so the issuer must be set, \
                    to the https URL by which they reach it";
        reader.refuse(&["issuer", "server.listen"], rule);
    }
    if listen.ip().is_unspecified() {
        reader.warn(format!(
            "issuer is unset, so tokens will name {issuer}, which other machines cannot reach"
        ));
    }
    reader.show(
        "issuer",
        rules::quoted(&issuer),
        Source::Key("server.listen"),
    );
    issuer
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct Server {
    /// Address and port; port 0 is any free one.
    pub listen: SocketAddr,
    /// Longest body of a request.
    pub body_bytes_max: usize,
    /// Longest head of a request.
    pub header_bytes_max: usize,
    /// Connections open at one time.
    pub connections_max: usize,
    /// What a request's body may take to come.
    pub body_max: Duration,
    /// From a request's head to its answer.
    pub request_max: Duration,
    /// What a connection may take to send a request's head.
    pub header_max: Duration,
    /// How long a client may leave an answer unread.
    pub write_max: Duration,
    /// What running requests may take after a stop signal.
    pub shutdown_max: Duration,
    /// Those who may say for whom they speak.
    pub trusted_proxies: Vec<IpNet>,
    /// HTTPS, where it is set; HTTP otherwise.
    pub tls: Option<Tls>,
}

impl Server {
    fn read(reader: &mut Reader) -> Self {
        let stand_in = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: reader
                .text("server.listen", rules::address)
                .unwrap_or(stand_in),
            body_bytes_max: reader.integer("server.body_bytes_max", 1024..=16_777_216),
            header_bytes_max: reader.integer("server.header_bytes_max", 32_768..=1_048_576),
            connections_max: reader.integer("server.connections_max", 1..=1_000_000),
            body_max: reader.seconds("server.body_seconds_max", 1..=600),
            request_max: reader.seconds("server.request_seconds_max", 1..=600),
            header_max: reader.seconds("server.header_seconds_max", 1..=120),
            write_max: reader.seconds("server.write_seconds_max", 1..=600),
            shutdown_max: reader.seconds("server.shutdown_seconds_max", 0..=600),
            trusted_proxies: tls::trusted_proxies(reader),
            tls: Tls::read(reader),
        }
    }
}

/// `[store]`
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Which database.
    pub url: StoreUrl,
    /// Connections in the pool.
    pub connections_max: u32,
    /// What a request waits for a connection before it is answered with 503.
    pub acquire_max: Duration,
    /// Operations that wait for a group commit.
    pub group_queue_max: usize,
    /// How long signed tokens are issued from what is known while the store does not answer.
    pub stale_max: Duration,
}

impl StoreConfig {
    fn read(reader: &mut Reader) -> Self {
        let url = reader.text_or_file("store.url", rules::without_password, rules::store_url);
        Self {
            url: url.unwrap_or(StoreUrl::Sqlite {
                path: PathBuf::new(),
            }),
            connections_max: reader.integer("store.connections_max", 1..=1000),
            acquire_max: reader.seconds("store.acquire_seconds_max", 1..=60),
            group_queue_max: reader.integer("store.group_queue_max", 1..=1_000_000),
            stale_max: reader.seconds("store.stale_seconds_max", 1..=3600),
        }
    }
}

/// The database that `store.url` names.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// A file; a relative path is relative to the working directory.
    Sqlite {
        /// Where the file is.
        path: PathBuf,
    },
    /// A Postgres database.
    Postgres {
        /// The whole URL, because it may hold a password.
        url: Secret<String>,
    },
}

/// `[lifetimes]`: `crate::lifetime` owns the type and knows what contradicts what.
fn lifetimes(reader: &mut Reader) -> ServerLifetimes {
    let problems_before = reader.problem_count();
    let lifetimes = ServerLifetimes {
        api_default: reader.lifetime("lifetimes.api_default"),
        api_maximum: reader.lifetime("lifetimes.api_maximum"),
        allow_never_expiring: reader.boolean("lifetimes.allow_never_expiring"),
        new_applications: ApplicationLifetimes {
            application: reader.lifetime_or_unset("lifetimes.new_applications.application_token"),
            user: reader.lifetime_or_unset("lifetimes.new_applications.user_token"),
        },
    };
    if reader.problem_count() == problems_before {
        for rule in lifetimes.contradictions() {
            reader.refuse_named(rule);
        }
        for warning in lifetimes.warnings() {
            reader.warn(warning);
        }
    }
    lifetimes
}

/// `[tokens]`
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The algorithm of an API that is created without one.
    pub default_signing_alg: SigningAlgorithm,
    /// APIs in one token.
    pub apis_per_token_max: usize,
    /// How long an authorization code waits for its exchange.
    pub authorization_code_seconds: i64,
}

impl Tokens {
    fn read(reader: &mut Reader) -> Self {
        let alg = reader.text("tokens.default_signing_alg", rules::signing_alg);
        Self {
            default_signing_alg: alg.unwrap_or(SigningAlgorithm::Rs256),
            apis_per_token_max: reader.integer("tokens.apis_per_token_max", 1..=100),
            authorization_code_seconds: reader
                .integer("tokens.authorization_code_seconds", 10..=600),
        }
    }
}

/// `[refresh]`: the model owns the type and knows what follows from it.
fn refresh_rules(reader: &mut Reader) -> refresh::Rules {
    refresh::Rules {
        replay_seconds: reader.integer("refresh.replay_seconds", 0..=3600),
        replays_max: reader.integer("refresh.replays_max", 0..=1000),
        families_max: reader.integer("refresh.families_per_user_and_application_max", 1..=10_000),
    }
}

/// `[keys]`
#[derive(Clone, Debug)]
pub struct Keys {
    /// The first encrypts, all decrypt; empty where none is set.
    pub master: Vec<Secret<[u8; 32]>>,
    /// How long others may keep our JWKS.
    pub jwks_max_age: Duration,
}

impl Keys {
    fn read(reader: &mut Reader) -> Self {
        let master = reader.secret_or_unset("keys.master", rules::master_keys);
        Self {
            master: master.unwrap_or_default(),
            jwks_max_age: reader.seconds("keys.jwks_max_age_seconds", 0..=86_400),
        }
    }
}

/// `[cache]`
#[derive(Clone, Debug)]
pub struct Cache {
    /// Memory for applications.
    pub applications_bytes_max: u64,
    /// Memory for APIs.
    pub apis_bytes_max: u64,
    /// Memory for client grants.
    pub client_grants_bytes_max: u64,
    /// Revoked tokens that are remembered exactly.
    pub revoked_tokens_recent_max: usize,
}

impl Cache {
    fn read(reader: &mut Reader) -> Self {
        let bytes = 65_536..=17_179_869_184;
        Self {
            applications_bytes_max: reader.integer("cache.applications_bytes_max", bytes.clone()),
            apis_bytes_max: reader.integer("cache.apis_bytes_max", bytes.clone()),
            client_grants_bytes_max: reader.integer("cache.client_grants_bytes_max", bytes),
            revoked_tokens_recent_max: reader
                .integer("cache.revoked_tokens_recent_max", 1000..=10_000_000),
        }
    }
}

/// `[secrets]`
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Slow hashes that run at one time.
    pub slow_hashes_at_once_max: usize,
    /// Requests that wait for one.
    pub slow_hash_queue_max: usize,
}

impl Secrets {
    fn read(reader: &mut Reader) -> Self {
        Self {
            slow_hashes_at_once_max: reader.integer("secrets.slow_hashes_at_once_max", 1..=256),
            slow_hash_queue_max: reader.integer("secrets.slow_hash_queue_max", 1..=100_000),
        }
    }
}

/// `[client_assertion]`
#[derive(Clone, Debug)]
pub struct ClientAssertion {
    /// Whether `aud` may be the token endpoint's URL beside the issuer.
    pub accept_token_endpoint_audience: bool,
    /// The longest time to `exp`.
    pub lifetime_seconds_max: i64,
}

impl ClientAssertion {
    fn read(reader: &mut Reader) -> Self {
        let key = "client_assertion.accept_token_endpoint_audience";
        Self {
            accept_token_endpoint_audience: reader.boolean(key),
            lifetime_seconds_max: reader
                .integer("client_assertion.lifetime_seconds_max", 60..=86_400),
        }
    }
}

/// `[bootstrap]`
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// The first application's credentials, where they are set.
    pub credentials: Option<BootstrapCredentials>,
}

/// Credentials of the first application (compatibility.md §6, identifiers of APIs).
#[derive(Clone, Debug)]
pub struct BootstrapCredentials {
    /// 32 letters and digits.
    pub client_id: String,
    /// 32 to 256 printable ASCII characters.
    pub client_secret: Secret<String>,
}

impl Bootstrap {
    fn read(reader: &mut Reader) -> Self {
        let id = reader.text_or_unset("bootstrap.client_id", rules::client_id);
        let secret = reader.secret_or_unset("bootstrap.client_secret", rules::client_secret);
        reader.both_or_neither("bootstrap.client_id", "bootstrap.client_secret");
        let credentials = id
            .zip(secret)
            .map(|(client_id, client_secret)| BootstrapCredentials {
                client_id,
                client_secret,
            });
        Self { credentials }
    }
}

/// A configuration without problems, and what is worth telling about it.
#[derive(Debug)]
pub struct Loaded {
    /// The settings in force.
    pub config: Config,
    /// What is allowed and probably not meant; for the log.
    pub warnings: Vec<String>,
    /// Every key with its value as it may be shown, in the order of the manual.
    settings: Vec<Setting>,
}

impl Loaded {
    /// Every key, its value in force and where that comes from, as a table; secrets are hidden.
    #[must_use]
    pub fn print(&self) -> String {
        print::table(&self.settings)
    }
}

/// Reads the configuration: the defaults, under the operator's file, under the environment.
///
/// `file` is the argument of `--config`; without it `config/identity.toml` below the working
/// directory counts where it exists. `environment` is injected, so that nothing here reads what the
/// whole process shares; variables that do not name a key of ours are ignored.
///
/// # Errors
/// Everything that is wrong, at once; only a file that cannot be read, or is not TOML, is reported
/// alone, because nothing can be said about what it would have set.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, Problems> {
    let mut reader = Reader::new(sources::merge(file, environment)?);
    let config = Config::read(&mut reader);
    let (settings, warnings) = reader.finish()?;
    Ok(Loaded {
        config,
        warnings,
        settings,
    })
}
