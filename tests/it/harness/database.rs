//! Databases of a test's own, and ways to look into them past every server.

use std::path::PathBuf;
use std::time::Duration;

use grantor::config;
use grantor::model::issuer::Issuer;
use grantor::store::Store;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::{Backend, ISSUER, environment};

/// What a test's own connections to Postgres are called: one lingers there after it is closed here, and
/// is no node's.
pub(crate) const OWN: &str = "a test";

/// A database of one test's own.
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres { server: String, name: String },
}

impl Database {
    pub(crate) async fn create(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::Sqlite(tempfile::tempdir().unwrap()),
            Backend::Postgres => {
                let server = std::env::var("GRANTOR_TEST_POSTGRES").expect(
                    "GRANTOR_TEST_POSTGRES names a Postgres server; scripts/test starts one",
                );
                let name = format!("test_{}", grantor::secret::random_hex_id());
                let mut connection = PgConnection::connect(&server).await.unwrap();
                connection
                    .execute(sqlx::AssertSqlSafe(format!("create database {name}")))
                    .await
                    .unwrap();
                Self::Postgres { server, name }
            }
        }
    }

    /// `store.url`.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => {
                format!("sqlite://{}", folder.path().join("grantor.db").display())
            }
            Self::Postgres { server, name } => {
                let mut url = url::Url::parse(server).unwrap();
                url.set_path(name);
                url.to_string()
            }
        }
    }

    pub(crate) async fn drop_it(self) {
        if let Self::Postgres { server, name } = self {
            let mut connection = PgConnection::connect(&server).await.unwrap();
            let drop = format!("drop database if exists {name} with (force)");
            connection.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
        }
    }

    /// The store behind no server, through the library; its tables are not made yet.
    pub(crate) fn store(&self, settings: &[(&str, &str)]) -> Store {
        let settings: Vec<_> = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let environment = environment(self, &settings)
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()));
        let defaults =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/identity.toml");
        let config = config::load(Some(&defaults), environment)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .config;
        Store::open(&config.store, &Issuer::new(ISSUER.into())).unwrap()
    }

    /// A connection of the test's own, past every server.
    pub(crate) async fn sql(&self) -> Sql {
        match self {
            Self::Sqlite(folder) => {
                let options = SqliteConnectOptions::new()
                    .filename(folder.path().join("grantor.db"))
                    .foreign_keys(true)
                    .busy_timeout(Duration::from_secs(5));
                Sql::Sqlite(options.connect().await.unwrap())
            }
            Self::Postgres { .. } => {
                let options: PgConnectOptions = self.url().parse().unwrap();
                Sql::Postgres(options.application_name(OWN).connect().await.unwrap())
            }
        }
    }

    /// Copies everything, as a backup does, while nodes run.
    pub(crate) async fn back_up(&self) -> Backup {
        match self {
            Self::Sqlite(folder) => {
                let path = folder.path().join("backup.db");
                let copy = format!("vacuum into '{}'", path.display());
                self.sql().await.run(&copy).await.unwrap();
                Backup::File(path)
            }
            Self::Postgres { name, .. } => {
                let copy = format!("{name}_backup");
                let mut server = self.without_connections().await;
                for sql in [
                    format!("create database {copy} template {name}"),
                    format!("alter database {name} with allow_connections true"),
                ] {
                    server.run(&sql).await.unwrap();
                }
                Backup::Database(copy)
            }
        }
    }

    /// Puts a backup back, while nodes run: on Postgres their connections are cut, as a failover does.
    pub(crate) async fn restore(&self, backup: Backup) {
        match backup {
            Backup::File(path) => {
                let mut sql = self.sql().await;
                let attach = format!("attach database '{}' as backup", path.display());
                for statement in ["pragma foreign_keys = off", &attach, "begin immediate"] {
                    sql.run(statement).await.unwrap();
                }
                for table in sql.tables().await {
                    for statement in [
                        format!("delete from main.{table}"),
                        format!("insert into main.{table} select * from backup.{table}"),
                    ] {
                        sql.run(&statement).await.unwrap();
                    }
                }
                sql.run("commit").await.unwrap();
            }
            Backup::Database(copy) => {
                let (_, name) = self.postgres_server().await;
                let mut server = self.without_connections().await;
                for sql in [
                    format!("drop database {name} with (force)"),
                    format!("alter database {copy} rename to {name}"),
                ] {
                    server.run(&sql).await.unwrap();
                }
            }
        }
    }

    /// Lets nobody connect to the Postgres database, and ends every connection to it.
    async fn without_connections(&self) -> Sql {
        let (connection, name) = self.postgres_server().await;
        let mut server = Sql::Postgres(connection);
        let refuse = format!("alter database {name} with allow_connections false");
        server.run(&refuse).await.unwrap();
        let end = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
        );
        let ended = Duration::from_secs(5);
        super::within(ended, async || server.run(&end).await.unwrap() == 0).await;
        server
    }

    pub(crate) fn backend(&self) -> Backend {
        match self {
            Self::Sqlite(_) => Backend::Sqlite,
            Self::Postgres { .. } => Backend::Postgres,
        }
    }

    /// A connection to the Postgres server, outside the test's own database.
    pub(crate) async fn postgres_server(&self) -> (PgConnection, &str) {
        let Self::Postgres { server, name } = self else {
            panic!("the test's database is not on a Postgres server")
        };
        (PgConnection::connect(server).await.unwrap(), name)
    }
}

/// A copy of a database.
pub(crate) enum Backup {
    File(PathBuf),
    Database(String),
}

/// SQL of a test's own, on whichever database.
pub(crate) enum Sql {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Sql {
    /// Runs a statement for its effect: how many rows it changed.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(c) => c.execute(sql).await.map(|done| done.rows_affected()),
            Self::Postgres(c) => c.execute(sql).await.map(|done| done.rows_affected()),
        }
    }

    /// Runs statements one behind the other, which have no parameters.
    pub(crate) async fn run_script(&mut self, sql: &str) {
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(c) => sql.execute(c).await.map(drop).unwrap(),
            Self::Postgres(c) => sql.execute(c).await.map(drop).unwrap(),
        }
    }

    /// The tables of an SQLite database.
    async fn tables(&mut self) -> Vec<String> {
        let Self::Sqlite(connection) = self else {
            panic!("only SQLite is asked for its tables")
        };
        let names = "select name from main.sqlite_schema
                      where type = 'table' and name not like 'sqlite~_%' escape '~'";
        sqlx::query_scalar(names)
            .fetch_all(connection)
            .await
            .unwrap()
    }

    /// The only number of a query's only row.
    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(c) => sqlx::query_scalar(sql).fetch_one(c).await.unwrap(),
            Self::Postgres(c) => sqlx::query_scalar(sql).fetch_one(c).await.unwrap(),
        }
    }
}
