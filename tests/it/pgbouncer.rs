//! Behind PgBouncer: a pool that keeps sessions is as good as Postgres itself, and one that does not is refused.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use tempfile::{TempDir, tempdir};
use tokio::net::TcpStream;
use url::Url;

use crate::harness::{ADMIN_ID, ADMIN_SECRET, Backend, Credentials, Database, within};
use crate::program::Program;

/// What a pool may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running PgBouncer in front of a database. Dropped, it is killed.
struct Pool {
    child: Child,
    /// The database's URL through the pool.
    url: String,
    _folder: TempDir,
}

impl Drop for Pool {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Pool {
    async fn start(database: &Database, mode: &str, settings: &str) -> Self {
        let mut url = Url::parse(&database.url()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let file = folder.path().join("pgbouncer.ini");
        let name = url.path().trim_start_matches('/');
        let text = format!(
            "[databases]\n{name} = host={} port={} user={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = {mode}\n{settings}\n",
            url.host_str().unwrap(),
            url.port().unwrap_or(5432),
            url.username(),
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new("pgbouncer");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin"));
        if is_root() {
            // It refuses to run as root.
            command.args(["-u", "nobody"]);
        }
        command
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command
            .spawn()
            .expect("pgbouncer, which scripts/test installs");
        url.set_port(Some(port)).unwrap();
        within(PATIENCE, async || {
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        Self {
            child,
            url: url.to_string(),
            _folder: folder,
        }
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

const LET_PASS: &str = "ignore_startup_parameters = extra_float_digits";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_keeps_no_sessions_is_refused_with_the_cause_and_the_setting() {
    let database = Database::create(Backend::Postgres).await;
    for (mode, settings) in [
        ("transaction", LET_PASS.to_owned()),
        ("transaction", format!("{LET_PASS}\nserver_round_robin = 1")),
        ("transaction", format!("{LET_PASS}\ndefault_pool_size = 1")),
        ("statement", LET_PASS.to_owned()),
    ] {
        let pool = Pool::start(&database, mode, &settings).await;
        let folder = tempdir().unwrap();
        let program = Program::in_folder(folder.path()).with("GRANTOR_STORE__URL", &*pool.url);
        let ended = program.refuse_to_serve().expect(70);
        ended.complains_of(&[
            "store.url",
            "pool_mode = transaction",
            "pool_mode = session",
        ]);
        assert!(
            !folder.path().join("data/master.key").exists(),
            "nothing was made"
        );
    }
    let pool = Pool::start(&database, "session", "").await;
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path()).with("GRANTOR_STORE__URL", &*pool.url);
    let ended = program.refuse_to_serve().expect(70);
    ended.complains_of(&["ignore_startup_parameters = extra_float_digits"]);
    drop(pool);
    database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_keeps_sessions_is_as_good_as_postgres() {
    let database = Database::create(Backend::Postgres).await;
    let pool = Pool::start(
        &database,
        "session",
        &format!("{LET_PASS}\ndefault_pool_size = 40"),
    )
    .await;
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path())
        .with("GRANTOR_STORE__URL", &*pool.url)
        .with("GRANTOR_BOOTSTRAP__CLIENT_ID", ADMIN_ID)
        .with("GRANTOR_BOOTSTRAP__CLIENT_SECRET", ADMIN_SECRET);
    for _ in 0..2 {
        let running = program.serve();
        let answer = running.ask_for_management(&Credentials::admin()).await;
        let token = answer.expect(StatusCode::OK).text("access_token");
        let listed = reqwest::Client::new()
            .get(format!("{}/api/v2/clients", running.base))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert_eq!(listed.status(), StatusCode::OK);
        running.stop().expect(0);
    }
    drop(pool);
    database.drop_it().await;
}
