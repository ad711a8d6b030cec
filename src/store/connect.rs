//! Opening the database that `store.url` names.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};

use super::{Conn, Handle, Pools, Store, fault};
use crate::config::{StoreConfig, StoreUrl};
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;

/// How long SQLite waits for another process's write, and Postgres for a connection to come up.
const BUSY_MAX: Duration = Duration::from_secs(5);

impl Store {
    /// Prepares the pools; connections are made when they are first needed.
    ///
    /// # Errors
    /// A URL that cannot be read, or a folder that cannot be made.
    pub fn open(config: &StoreConfig, issuer: &Issuer) -> Result<Self, Fault> {
        let pools = match &config.url {
            StoreUrl::Sqlite { path } => sqlite_pools(path, config)?,
            StoreUrl::Postgres { url } => Pools::Postgres(
                PgPoolOptions::new()
                    .max_connections(config.connections_max)
                    .acquire_timeout(config.acquire_max)
                    .connect_lazy_with(postgres_options(url.expose())?),
            ),
        };
        Ok(Self {
            pools,
            issuer: Arc::new(issuer.clone()),
            statements: Arc::new(AtomicU64::new(0)),
        })
    }

    /// A connection outside the pool, for the feed's reader; its statements are not counted.
    ///
    /// # Errors
    /// A fault where the database cannot be reached.
    pub async fn own_connection(&self) -> Result<Conn, Fault> {
        let handle = match &self.pools {
            Pools::Sqlite { read, .. } => {
                Handle::SqliteOwn(read.connect_options().connect().await.map_err(fault)?)
            }
            Pools::Postgres(pool) => {
                let options = pool.connect_options();
                Handle::PostgresOwn(PgConnection::connect_with(&options).await.map_err(fault)?)
            }
        };
        Ok(Conn {
            handle,
            issuer: Arc::clone(&self.issuer),
            statements: Arc::default(),
        })
    }

    /// The time of day on the database's server, unix seconds. None for SQLite, whose server is this machine.
    ///
    /// # Errors
    /// A fault where the database cannot be reached.
    pub async fn server_time(&self) -> Result<Option<i64>, Fault> {
        let Pools::Postgres(pool) = &self.pools else {
            return Ok(None);
        };
        let text = "select cast(floor(extract(epoch from clock_timestamp())) as bigint)";
        let time = sqlx::query_scalar(text).fetch_one(pool);
        time.await.map(Some).map_err(fault)
    }

    /// Resolves when another node has committed a change: an accelerator only. SQLite has none.
    ///
    /// # Errors
    /// A fault where the database cannot be reached.
    pub async fn listener(&self) -> Result<Option<Listener>, Fault> {
        match &self.pools {
            Pools::Sqlite { .. } => Ok(None),
            Pools::Postgres(pool) => {
                // A pool of its own: the listener keeps its connection for good.
                let own = PgPoolOptions::new().max_connections(1);
                let own = own.connect_lazy_with(pool.connect_options().as_ref().clone());
                let mut listener = PgListener::connect_with(&own).await.map_err(fault)?;
                listener.listen("grantor_changes").await.map_err(fault)?;
                Ok(Some(Listener(listener)))
            }
        }
    }
}

/// Hears of other nodes' commits.
pub struct Listener(PgListener);

impl Listener {
    /// Waits for the next commit.
    ///
    /// # Errors
    /// A fault where the connection is lost.
    pub async fn heard(&mut self) -> Result<(), Fault> {
        self.0.recv().await.map(drop).map_err(fault)
    }
}

/// A pool of one connection to the same Postgres, under a name of its own.
pub(super) fn one_connection(pool: &PgPool, name: &str) -> PgPool {
    let options = pool.connect_options().as_ref().clone();
    PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(BUSY_MAX)
        .connect_lazy_with(options.application_name(name))
}

fn sqlite_pools(path: &Path, config: &StoreConfig) -> Result<Pools, Fault> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        make_private_folder(folder)?;
    }
    make_private_file(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_MAX)
        .disable_statement_logging();
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(config.acquire_max)
            // There is no network between: a question before each use would only cost time.
            .test_before_acquire(false)
            // SQLite itself rolls back where the disk is full; the library then still believes
            // itself within a transaction, and such a connection begins no other.
            .before_acquire(|connection, _| {
                let is_usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(is_usable) })
            })
    };
    Ok(Pools::Sqlite {
        read: pool(config.connections_max).connect_lazy_with(options.clone()),
        write: pool(1).connect_lazy_with(options),
    })
}

fn postgres_options(url: &str) -> Result<PgConnectOptions, Fault> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| Fault::internal("store.url is not a Postgres URL that can be read"))?;
    Ok(options.disable_statement_logging())
}

/// Makes the database's file, readable by this user only; SQLite gives the files beside it the same
/// mode. One that is there stays as it is.
fn make_private_file(path: &Path) -> Result<(), Fault> {
    let made = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path);
    made.map(drop)
        .map_err(|error| Fault::unavailable(format_args!("store.url: {}: {error}", path.display())))
}

/// Makes a folder that only this user enters (mode 0700); one that is there stays as it is.
///
/// # Errors
/// A fault that names the folder.
pub fn make_private_folder(folder: &Path) -> Result<(), Fault> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        Fault::unavailable(format_args!("store.url: {}: {error}", folder.display()))
    })
}

/// Where files that belong to the store lie: beside the SQLite file; for Postgres, in `data/`.
#[must_use]
pub fn location(url: &StoreUrl) -> PathBuf {
    match url {
        StoreUrl::Sqlite { path } => match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        },
        StoreUrl::Postgres { .. } => PathBuf::from("data"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Write, execute};

    fn store(folder: &Path) -> Store {
        let config = StoreConfig {
            url: StoreUrl::Sqlite {
                path: folder.join("full.db"),
            },
            connections_max: 1,
            acquire_max: BUSY_MAX,
            group_queue_max: 1,
            stale_max: BUSY_MAX,
        };
        Store::open(&config, &Issuer::new("https://issuer/".to_owned())).unwrap()
    }

    async fn fill(tx: &mut Write) -> Result<u64, Fault> {
        loop {
            execute!(tx, "insert into t (x) values (hex(randomblob(4000)))")?;
        }
    }

    #[tokio::test]
    async fn a_full_disk_refuses_what_does_not_fit_and_nothing_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let mut tx = store.write().await.unwrap();
        execute!(tx, "create table t (x text)").unwrap();
        tx.commit(0).await.unwrap();
        // The limit is the connection's own, as the disk's would be everybody's.
        let mut tx = store.write().await.unwrap();
        execute!(tx, "pragma max_page_count = 20").unwrap();
        assert!(fill(&mut tx).await.unwrap_err().is_unavailable());
        drop(tx);
        let mut tx = store.write().await.unwrap();
        execute!(tx, "insert into t (x) values ('fits')").unwrap();
        tx.commit(0).await.unwrap();
    }
}
