//! Migrations: forward only, embedded, one set for both databases, run under a lock.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::{Connection, PgConnection};

use super::{Pools, Raw, Store, fault, pooler};
use crate::model::fault::Fault;

/// The advisory lock on Postgres: the letters of `grantor`, any number would do.
const LOCK: i64 = 0x67_72_61_6e_74_6f_72;

/// Held while migrations run and the first keys are made; dropped, it is free.
pub struct MigrationLock {
    _held: Held,
}

enum Held {
    File { _file: File },
    Session { _connection: PgConnection },
}

impl Store {
    /// Waits until no other node migrates. The lock ends with its file or its session, so it
    /// outlives nobody.
    ///
    /// # Errors
    /// A fault where the database cannot be reached or the file cannot be made.
    pub async fn migration_lock(&self) -> Result<MigrationLock, Fault> {
        let held = match &self.pools {
            Pools::Sqlite { read, .. } => {
                let database = read.connect_options().get_filename().to_owned();
                Held::File {
                    _file: lock_file(database).await?,
                }
            }
            Pools::Postgres(pool) => {
                let options = pool.connect_options();
                pooler::check_session(&options).await?;
                let mut connection = PgConnection::connect_with(&options).await.map_err(fault)?;
                sqlx::query("select pg_advisory_lock($1)")
                    .bind(LOCK)
                    .execute(&mut connection)
                    .await
                    .map_err(fault)?;
                Held::Session {
                    _connection: connection,
                }
            }
        };
        Ok(MigrationLock { _held: held })
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// A fault, also where the schema is of another history than this program's.
    pub async fn migrate(&self, _lock: &MigrationLock) -> Result<(), Fault> {
        let mut migrator = sqlx::migrate!();
        migrator.set_locking(false);
        // Version N may start beside N+1, which has expanded the schema already.
        migrator.set_ignore_missing(true);
        let mut conn = self.own_connection().await?;
        match conn.raw() {
            Raw::Sqlite(connection) => migrator.run(connection).await,
            Raw::Postgres(connection) => migrator.run(connection).await,
        }
        .map_err(|error| Fault::internal(format_args!("migration: {error}")))
    }
}

/// Opens (and makes) the lock file beside the database and waits for its lock, off the async
/// workers. No connection is opened before: of two first starts at one time both would switch the
/// new file to WAL, and SQLite would refuse one of them at once.
async fn lock_file(database: PathBuf) -> Result<File, Fault> {
    let shown = database.display().to_string();
    let lock = move || {
        check_header(&database)?;
        let mut path = database.into_os_string();
        path.push(".lock");
        let file = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    };
    let locked = tokio::task::spawn_blocking(lock)
        .await
        .map_err(Fault::internal)?;
    locked.map_err(|error| Fault::unavailable(format_args!("store.url: {shown}: {error}")))
}

/// What is no database gets no lock file beside it.
fn check_header(database: &Path) -> std::io::Result<()> {
    /// The first bytes of every SQLite file that is not empty.
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let mut header = Vec::with_capacity(MAGIC.len());
    File::open(database)?
        .take(MAGIC.len() as u64)
        .read_to_end(&mut header)?;
    if header.is_empty() || header == MAGIC {
        return Ok(());
    }
    Err(std::io::Error::other("the file is not a SQLite database"))
}
