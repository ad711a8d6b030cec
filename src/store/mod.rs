//! The only folder with SQL: one text of each statement, run on Postgres or SQLite.
//!
//! Two doors: [`Store::read`] hands out a connection, [`Store::write`] a transaction. Functions that
//! change something take a [`Write`], so the type says which door a caller needs.

pub mod apis;
pub mod applications;
pub mod assertions;
pub mod attempts;
pub mod audit;
pub mod authorization_codes;
pub mod client_credentials;
pub mod client_grants;
pub mod families;
pub mod feed;
pub mod group;
pub mod issuances;
pub mod jobs;
pub mod keys;
pub mod known_addresses;
pub mod locks;
pub mod logout_notices;
pub mod migrate;
pub mod pushed_requests;
pub mod refresh_exchange;
pub mod refresh_families;
pub mod resource_servers;
pub mod revocations;
pub mod secrets;
pub mod session_lists;
pub mod sessions;
pub mod settings;
pub mod tokens;
pub mod user_grants;
pub mod user_lists;
pub mod user_tickets;
pub mod users;

mod connect;
mod pooler;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::model::change::Change;
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::model::record::Record;

pub use connect::{location, make_private_folder};
pub use locks::{Locks, Scope};

/// Runs one statement on whichever database `$conn` is of, and collects what it needs of the rows.
macro_rules! run {
    ($fetch:ident, $conn:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        match $conn.raw() {
            crate::store::Raw::Sqlite(c) => {
                sqlx::query_as::<sqlx::Sqlite, $row>($sql)$(.bind($value))*.$fetch(c).await
            }
            crate::store::Raw::Postgres(c) => {
                sqlx::query_as::<sqlx::Postgres, $row>($sql)$(.bind($value))*.$fetch(c).await
            }
        }
        .map_err(crate::store::fault)
    };
}

/// Runs one statement for its effect: the number of rows that it changed, or the database's own error.
macro_rules! try_execute {
    ($conn:expr, $sql:literal $(, $value:expr)* $(,)?) => {
        match $conn.raw() {
            crate::store::Raw::Sqlite(c) => {
                sqlx::query::<sqlx::Sqlite>($sql)$(.bind($value))*.execute(c).await.map(|done| done.rows_affected())
            }
            crate::store::Raw::Postgres(c) => {
                sqlx::query::<sqlx::Postgres>($sql)$(.bind($value))*.execute(c).await.map(|done| done.rows_affected())
            }
        }
    };
}

/// Runs one statement for its effect: the number of rows that it changed.
macro_rules! execute {
    ($conn:expr, $sql:literal $(, $value:expr)* $(,)?) => {
        crate::store::try_execute!($conn, $sql $(, $value)*).map_err(crate::store::fault)
    };
}

/// Runs a statement of [`rows_text`] with the values of each row.
macro_rules! execute_rows {
    ($conn:expr, $sql:expr, $rows:expr, |$row:pat_param| $($value:expr),* $(,)?) => {
        match $conn.raw() {
            crate::store::Raw::Sqlite(c) => {
                let mut query = sqlx::query::<sqlx::Sqlite>(sqlx::AssertSqlSafe($sql));
                for $row in $rows {
                    query = query$(.bind($value))*;
                }
                query.execute(c).await.map(|done| done.rows_affected())
            }
            crate::store::Raw::Postgres(c) => {
                let mut query = sqlx::query::<sqlx::Postgres>(sqlx::AssertSqlSafe($sql));
                for $row in $rows {
                    query = query$(.bind($value))*;
                }
                query.execute(c).await.map(|done| done.rows_affected())
            }
        }
        .map_err(crate::store::fault)
    };
}
pub(crate) use {execute, execute_rows, run, try_execute};

/// The text of a statement with placeholders for so many rows between its head and its tail.
fn rows_text(head: &str, columns: usize, rows: usize, tail: &str) -> String {
    let row = |row: usize| {
        let places: Vec<String> = (1..=columns)
            .map(|column| format!("${}", row * columns + column))
            .collect();
        format!("({})", places.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!("{head}{}{tail}", rows.join(", "))
}

/// The store: pools of connections to one database.
#[derive(Clone)]
pub struct Store {
    pools: Pools,
    issuer: Arc<Issuer>,
    statements: Arc<AtomicU64>,
}

/// SQLite has one writer, so its write door is a pool of one connection.
#[derive(Clone)]
enum Pools {
    Sqlite { read: SqlitePool, write: SqlitePool },
    Postgres(PgPool),
}

impl Store {
    /// A connection for reading; each statement sees what is committed when it runs.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where no connection is to be had within `store.acquire_seconds_max`.
    pub async fn read(&self) -> Result<Read, Fault> {
        let handle = match &self.pools {
            Pools::Sqlite { read, .. } => {
                Handle::SqlitePooled(read.acquire().await.map_err(fault)?)
            }
            Pools::Postgres(pool) => Handle::PostgresPooled(pool.acquire().await.map_err(fault)?),
        };
        Ok(Read(self.conn(handle)))
    }

    /// A transaction. SQLite's begins `immediate`: a plain `begin` that reads first and writes later
    /// fails where another writer came between.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where no connection is to be had within `store.acquire_seconds_max`.
    pub async fn write(&self) -> Result<Write, Fault> {
        let handle = match &self.pools {
            Pools::Sqlite { write, .. } => {
                Handle::SqliteTransaction(write.begin_with("begin immediate").await.map_err(fault)?)
            }
            Pools::Postgres(pool) => {
                Handle::PostgresTransaction(pool.begin().await.map_err(fault)?)
            }
        };
        Ok(Write {
            conn: self.conn(handle),
            changes: Vec::new(),
            records: Vec::new(),
        })
    }

    /// A transaction that begins by taking locks by name, in one order and before any row. SQLite needs
    /// none: whoever writes is alone.
    ///
    /// # Errors
    /// As [`Store::write`]; also where Postgres gives up waiting.
    pub async fn write_locked(&self, locks: &Locks) -> Result<Write, Fault> {
        let mut tx = self.write().await?;
        tx.lock(locks).await?;
        Ok(tx)
    }

    /// The same database for what is written beside the requests: statements are counted apart, and
    /// on Postgres it has one connection of its own, so that requests never wait for it.
    #[must_use]
    pub fn beside(&self) -> Self {
        let pools = match &self.pools {
            Pools::Postgres(pool) => Pools::Postgres(connect::one_connection(pool, BESIDE)),
            sqlite @ Pools::Sqlite { .. } => sqlite.clone(),
        };
        Self {
            pools,
            issuer: Arc::clone(&self.issuer),
            statements: Arc::default(),
        }
    }

    /// How many statements this store has sent since the start; those of the feed's own connection
    /// and what begins and ends a transaction are not counted.
    #[must_use]
    pub fn statements_sent(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Waits for what is under way and closes the connections.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    fn conn(&self, handle: Handle) -> Conn {
        Conn {
            handle,
            issuer: Arc::clone(&self.issuer),
            statements: Arc::clone(&self.statements),
        }
    }
}

/// A connection, however it was come by.
pub struct Conn {
    handle: Handle,
    issuer: Arc<Issuer>,
    statements: Arc<AtomicU64>,
}

enum Handle {
    SqliteOwn(SqliteConnection),
    SqlitePooled(PoolConnection<Sqlite>),
    SqliteTransaction(Transaction<'static, Sqlite>),
    PostgresOwn(PgConnection),
    PostgresPooled(PoolConnection<Postgres>),
    PostgresTransaction(Transaction<'static, Postgres>),
}

/// What the macros match on.
enum Raw<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Conn {
    fn raw(&mut self) -> Raw<'_> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        match &mut self.handle {
            Handle::SqliteOwn(c) => Raw::Sqlite(c),
            Handle::SqlitePooled(c) => Raw::Sqlite(c),
            Handle::SqliteTransaction(c) => Raw::Sqlite(c),
            Handle::PostgresOwn(c) => Raw::Postgres(c),
            Handle::PostgresPooled(c) => Raw::Postgres(c),
            Handle::PostgresTransaction(c) => Raw::Postgres(c),
        }
    }

    /// System identifiers are derived from the issuer, not stored.
    fn issuer(&self) -> &Issuer {
        &self.issuer
    }
}

/// A connection for reading.
pub struct Read(Conn);

impl Deref for Read {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl DerefMut for Read {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

/// A transaction; dropped without [`Write::commit`], nothing has happened.
pub struct Write {
    conn: Conn,
    changes: Vec<Change>,
    records: Vec<Record>,
}

impl Deref for Write {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

impl Write {
    /// Takes locks by name: once, before anything else ([`Store::write_locked`]).
    async fn lock(&mut self, locks: &Locks) -> Result<(), Fault> {
        use std::fmt::Write as _;

        let Handle::PostgresTransaction(transaction) = &mut self.conn.handle else {
            return Ok(());
        };
        let mut text = String::new();
        for (key, mode) in locks.in_order() {
            let function = match mode {
                locks::Mode::Shared => "pg_advisory_xact_lock_shared",
                locks::Mode::Exclusive => "pg_advisory_xact_lock",
            };
            write!(text, "select {function}({key});").map_err(Fault::internal)?;
        }
        if text.is_empty() {
            return Ok(());
        }
        // The statements of one message run in their order. The text holds numbers only.
        sqlx::raw_sql(sqlx::AssertSqlSafe(text))
            .execute(&mut **transaction)
            .await
            .map_err(fault)?;
        Ok(())
    }

    /// Notes a change for the feed. It gets its number at the commit, because the counter is taken
    /// after every other row lock of the transaction.
    pub fn note(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Keeps a record in the audit, committed with what this transaction does. It gets its number at
    /// the commit, before the changes get theirs: everybody takes the two counters in this order.
    pub fn record(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Writes what was recorded so far: where this transaction takes the feed's counter itself.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn write_records(&mut self) -> Result<(), Fault> {
        let records = std::mem::take(&mut self.records);
        audit::append(self, &records).await
    }

    /// Appends the records to the audit and the noted changes to the feed, and commits. Answers the
    /// last change's number, 0 where nothing was noted.
    ///
    /// # Errors
    /// A fault; where the connection was lost at the commit, whether it happened is unknown.
    pub async fn commit(mut self, now: i64) -> Result<i64, Fault> {
        self.write_records().await?;
        let changes = std::mem::take(&mut self.changes);
        let last = feed::append(&mut self, &changes, now).await?;
        match self.conn.handle {
            Handle::SqliteTransaction(transaction) => transaction.commit().await.map_err(fault)?,
            Handle::PostgresTransaction(mut transaction) => {
                if last > 0 {
                    // Wakes other nodes early; delivered at the commit, and nothing depends on it.
                    sqlx::query("select pg_notify('grantor_changes', '')")
                        .execute(&mut *transaction)
                        .await
                        .map_err(fault)?;
                }
                transaction.commit().await.map_err(fault)?;
            }
            _ => return Err(Fault::internal("a write without a transaction")),
        }
        Ok(last)
    }
}

/// How Postgres names the session that writes beside the requests.
pub const BESIDE: &str = "grantor audit";

/// What the log says of the databases' own messages: their notices are no news.
pub const LOG_FILTER: &str = "sqlx=warn";

/// Where a page of a list begins; lists go by (`created_at`, id).
#[derive(Clone, Debug)]
pub enum PageStart {
    /// Rows to pass over.
    Offset(i64),
    /// Behind this row.
    Behind {
        /// Unix seconds.
        created_at: i64,
        /// The row's id.
        id: String,
    },
}

impl PageStart {
    /// The same as values that every statement can compare with: offset, `created_at`, id.
    fn columns(&self) -> (i64, i64, &str) {
        match self {
            Self::Offset(offset) => (*offset, i64::MIN, ""),
            Self::Behind { created_at, id } => (0, *created_at, id),
        }
    }
}

/// No row where a unique column's value is taken already. On Postgres the transaction has failed then,
/// and can only be dropped.
fn none_where_taken(executed: Result<u64, sqlx::Error>) -> Result<u64, Fault> {
    match executed {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(0),
        other => other.map_err(fault),
    }
}

/// Tells what may pass by itself from what is a defect.
#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn fault(error: sqlx::Error) -> Fault {
    let passing = match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(database) => database.code().is_some_and(|code| is_passing(&code)),
        _ => false,
    };
    let context = format!("the store: {error}");
    if passing {
        Fault::unavailable(context)
    } else {
        Fault::internal(context)
    }
}

/// Postgres: connection exceptions, a standby that does not write (25006), resources, operator
/// intervention, deadlock and serialisation.
/// SQLite: busy, locked, read-only, full, I/O errors, files that cannot be opened or are no databases;
/// extended codes included.
fn is_passing(code: &str) -> bool {
    const POSTGRES: [&str; 6] = ["08", "25", "40", "53", "57", "58"];
    const SQLITE: [i64; 7] = [5, 6, 8, 10, 13, 14, 26];
    if code.len() == 5 {
        // 55000 is what a database answers that accepts no connections.
        return code == "55000" || POSTGRES.iter().any(|class| code.starts_with(class));
    }
    code.parse::<i64>()
        .is_ok_and(|code| SQLITE.contains(&(code & 0xff)))
}

/// Lists lie in the store as JSON text.
fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(Fault::internal)
}

fn parse_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(Fault::internal)
}
