//! HTTPS without a proxy: certificates and their renewal, slow and broken handshakes, the end.

use std::time::{Duration, Instant};

use reqwest::tls::Version;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tempfile::{TempDir, tempdir};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::certificates::Authority;
use crate::harness::{ADMIN_ID, ADMIN_SECRET, Answer, Backend, Database, within};
use crate::program::Program;
use crate::raw::Connection;

const GET: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
const RENEWED: &str = "a renewed certificate is in force";

/// A folder with a certificate, and a program that shows it.
struct Place {
    folder: TempDir,
    authority: Authority,
    program: Program,
}

impl Place {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let authority = Authority::new();
        authority.certify(folder.path());
        // Relative, as all paths are, to the working directory.
        let program = Program::in_folder(folder.path())
            .with("GRANTOR_SERVER__TLS__CERTIFICATE", "chain.pem")
            .with("GRANTOR_SERVER__TLS__PRIVATE_KEY", "key.pem")
            .with("GRANTOR_BOOTSTRAP__CLIENT_ID", ADMIN_ID)
            .with("GRANTOR_BOOTSTRAP__CLIENT_SECRET", ADMIN_SECRET);
        Self {
            folder,
            authority,
            program,
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.program = self.program.with(name, value);
        self
    }

    async fn is_served(&self, base: &str) {
        let url = format!("{base}/healthz");
        let answer = self.authority.client().get(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }

    /// The certificate that a new connection is shown.
    async fn shown(&self, base: &str) -> Vec<u8> {
        let stream = self.authority.shake_hands(base, &[]).await.unwrap();
        let (_, session) = stream.get_ref();
        session.peer_certificates().unwrap()[0].to_vec()
    }
}

/// Sends text and reads until the text of the answer ends so.
async fn exchange(stream: &mut TlsStream<TcpStream>, text: &str, end: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with(end) {
        let mut buffer = [0; 1024];
        let bytes = stream.read(&mut buffer).await.unwrap();
        assert!(bytes > 0, "the connection ended: {answer:?}");
        answer += std::str::from_utf8(&buffer[..bytes]).unwrap();
    }
    answer
}

/// The walk of an application, by names that its certificate has.
async fn applications_get_use_and_revoke_tokens_over_https(backend: Backend) {
    let database = Database::create(backend).await;
    let place = Place::new().with("GRANTOR_STORE__URL", &database.url());
    let running = place.program.serve();
    let port = running.base.rsplit(':').next().unwrap();
    assert!(running.base.starts_with("https://"), "{}", running.base);
    let issuer = format!("https://localhost:{port}/");
    let client = place.authority.client();
    let metadata = format!("{issuer}.well-known/oauth-authorization-server");
    let metadata = Answer::read(client.get(metadata).send().await.unwrap()).await;
    let metadata = metadata.expect(StatusCode::OK);
    assert_eq!(metadata.json["issuer"], json!(issuer));
    let hsts = metadata.headers.get("strict-transport-security");
    assert!(
        hsts.is_none(),
        "localhost belongs to others too: {metadata:?}"
    );

    let audience = format!("{issuer}api/v2/");
    let form = async |endpoint: &str, params: &[(&str, &str)]| {
        let request = client
            .post(metadata.text(endpoint))
            .basic_auth(ADMIN_ID, Some(ADMIN_SECRET))
            .form(params);
        Answer::read(request.send().await.unwrap())
            .await
            .expect(StatusCode::OK)
    };
    let asked = [
        ("grant_type", "client_credentials"),
        ("audience", &*audience),
    ];
    let token = form("token_endpoint", &asked).await.text("access_token");
    let apis = client
        .get(format!("{audience}resource-servers"))
        .bearer_auth(&token);
    assert_eq!(apis.send().await.unwrap().status(), StatusCode::OK);
    let seen = form("introspection_endpoint", &[("token", &token)]).await;
    assert_eq!(seen.json["active"], true, "{seen:?}");
    form("revocation_endpoint", &[("token", &token)]).await;
    let seen = form("introspection_endpoint", &[("token", &token)]).await;
    assert_eq!(seen.json["active"], false, "{seen:?}");
    running.stop().expect(0);
    database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applications_get_use_and_revoke_tokens_over_https_on_sqlite() {
    applications_get_use_and_revoke_tokens_over_https(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applications_get_use_and_revoke_tokens_over_https_on_postgres() {
    applications_get_use_and_revoke_tokens_over_https(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_1_2_and_1_3_are_spoken_and_http_1_1_within() {
    let place = Place::new();
    let running = place.program.serve();
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let client = place.authority.client_builder();
        let client = client.tls_version_min(version).tls_version_max(version);
        let request = client
            .build()
            .unwrap()
            .get(format!("{}/healthz", running.base));
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some(&b"http/1.1"[..])),
        (&[], None),
    ] {
        let stream = place.authority.shake_hands(&running.base, offered).await;
        assert_eq!(stream.unwrap().get_ref().1.alpn_protocol(), chosen);
    }
    // RFC 7301 §3.2: a client that cannot speak HTTP/1.1 is told so in the handshake.
    let refused = place.authority.shake_hands(&running.base, &["h2"]).await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("NoApplicationProtocol")
    );
    running.stop().expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_handshakes_are_cut_off_and_hold_up_nobody() {
    let place = Place::new().with("GRANTOR_SERVER__TLS__HANDSHAKE_SECONDS_MAX", "3");
    let running = place.program.serve();
    let plain = running.base.replace("https", "http");
    let began = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(Connection::open(&plain).await.unwrap());
    }
    // The first byte of a handshake, and no more.
    silent[0].send([22]).await.unwrap();
    place.is_served(&running.base).await;
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "they wait, and others do not"
    );
    for connection in &mut silent {
        assert!(connection.answer().await.is_none(), "the connection ends");
    }
    assert!(began.elapsed() >= Duration::from_secs(3));
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    running.stop().expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_counts_as_a_connection() {
    let place = Place::new()
        .with("GRANTOR_SERVER__CONNECTIONS_MAX", "1")
        .with("GRANTOR_SERVER__TLS__HANDSHAKE_SECONDS_MAX", "2");
    let running = place.program.serve();
    let began = Instant::now();
    let _silent = Connection::open(&running.base.replace("https", "http"))
        .await
        .unwrap();
    place.is_served(&running.base).await;
    // Both clocks are started a little apart.
    assert!(
        began.elapsed() > Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
    running.stop().expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_tls_is_dropped_and_is_news_for_debuggers_only() {
    let place = Place::new().with("GRANTOR_LOG__LEVEL", "debug");
    let running = place.program.serve();
    let plain = running.base.replace("https", "http");
    for sent in [GET.as_bytes(), &[0; 1000], b"\x16\x03\x01\xff\xff"] {
        let mut connection = Connection::open(&plain).await.unwrap();
        connection.send(sent).await.unwrap();
        if sent[0] == 22 {
            drop(connection); // It has announced more, and goes away.
        } else {
            // At most an alert (RFC 8446 §6), which is no HTTP.
            assert!(connection.closes().await);
        }
    }
    let stranger = Authority::new();
    assert!(stranger.client().get(&running.base).send().await.is_err());
    place.is_served(&running.base).await;
    let ended = running.stop().expect(0);
    let mut lines = ended.stderr.lines();
    let about = "the TLS handshake failed";
    assert!(
        lines.any(|line| line.contains("\"DEBUG\"") && line.contains(about)),
        "{ended:?}"
    );
    let louder = ["\"INFO\"", "\"WARN\"", "\"ERROR\""];
    let is_loud = |line: &str| louder.iter().any(|level| line.contains(level));
    assert!(
        !ended
            .stderr
            .lines()
            .any(|line| is_loud(line) && line.contains(about)),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_shown_after_sighup_and_open_connections_go_on() {
    let place = Place::new();
    let mut running = place.program.serve();
    let base = running.base.clone();
    let mut open = place.authority.shake_hands(&base, &[]).await.unwrap();
    exchange(&mut open, GET, "}").await;
    let first = place.shown(&base).await;

    running.signal("HUP");
    place.authority.certify(place.folder.path());
    running.signal("HUP");
    assert!(running.until(|running| running.output().contains(RENEWED)));
    assert_ne!(place.shown(&base).await, first);
    place.is_served(&base).await;
    exchange(&mut open, GET, "}").await;
    let ended = running.stop().expect(0);
    assert_eq!(ended.stderr.matches(RENEWED).count(), 1, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_found_without_a_signal() {
    let place = Place::new().with("GRANTOR_SERVER__TLS__RELOAD_INTERVAL_SECONDS", "1");
    let running = place.program.serve();
    let first = place.shown(&running.base).await;
    place.authority.certify(place.folder.path());
    let renewed = async || place.shown(&running.base).await != first;
    within(Duration::from_secs(10), renewed).await;
    running.stop().expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_new_files_leave_the_old_certificate_in_force_and_the_log_says_why() {
    let place = Place::new();
    let mut running = place.program.serve();
    let base = running.base.clone();
    let first = place.shown(&base).await;
    let key = place.folder.path().join("key.pem");
    let own_key = std::fs::read(&key).unwrap();
    for (bad, reason) in [
        (&b"nothing"[..], "no private key"),
        (
            rcgen::KeyPair::generate()
                .unwrap()
                .serialize_pem()
                .as_bytes(),
            "does not fit",
        ),
    ] {
        std::fs::write(&key, bad).unwrap();
        running.signal("HUP");
        assert!(running.until(|running| running.output().contains(reason)));
        assert_eq!(place.shown(&base).await, first);
    }
    std::fs::remove_file(&key).unwrap();
    running.signal("HUP");
    assert!(running.until(|running| running.output().contains("cannot be read")));
    std::fs::write(&key, own_key).unwrap();
    place.authority.certify(place.folder.path());
    running.signal("HUP");
    assert!(running.until(|running| running.output().contains(RENEWED)));
    assert_ne!(place.shown(&base).await, first);
    let ended = running.stop().expect(0);
    ended.complains_of(&["server.tls.private_key", "key.pem", "stays", "WARN"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_begun_over_https_is_answered_at_the_end_and_handshakes_hold_up_nothing() {
    let place = Place::new();
    let mut running = place.program.serve();
    let base = running.base.clone();
    let mut busy = place.authority.shake_hands(&base, &[]).await.unwrap();
    let mut idle = place.authority.shake_hands(&base, &[]).await.unwrap();
    exchange(&mut idle, GET, "}").await;
    let _silent = Connection::open(&base.replace("https", "http"))
        .await
        .unwrap();
    let (first, second) = (
        "grant_type=client_credentials",
        "&client_id=x&client_secret=y",
    );
    let length = first.len() + second.len();
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n"
    );
    busy.write_all((head + first).as_bytes()).await.unwrap();
    // The server has read this far where it has answered a later request.
    place.is_served(&base).await;

    let began = Instant::now();
    running.terminate();
    assert!(running.until(|running| running.output().contains("stopping")));
    let answer = exchange(&mut busy, second, "}").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let mut rest = Vec::new();
    // The end is TLS's own (close_notify): a connection that was cut off would be an error.
    for stream in [&mut busy, &mut idle] {
        stream.read_to_end(&mut rest).await.unwrap();
    }
    assert_eq!(rest, b"");
    running.end().expect(0);
    // Far less than server.tls.handshake_seconds_max (10) and server.shutdown_seconds_max (30).
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_are_told_to_stay_with_https_where_the_server_has_a_name_of_its_own() {
    let place = Place::new().with("GRANTOR_ISSUER", "https://id.example.com/");
    let running = place.program.serve();
    for path in ["/healthz", "/nowhere", "/api/v2/clients"] {
        let url = format!("{}{path}", running.base);
        let answer = place
            .authority
            .client()
            .request(Method::GET, url)
            .send()
            .await
            .unwrap();
        let told = &answer.headers()["strict-transport-security"];
        assert_eq!(told, "max-age=31536000");
    }
    running.stop().expect(0);
}

#[test]
fn files_that_do_not_fit_end_with_78_and_a_sentence() {
    let place = Place::new();
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    std::fs::write(place.folder.path().join("key.pem"), other).unwrap();
    for command in [&["serve"][..], &["config", "check"]] {
        let ended = place.program.run(command).expect(78);
        ended.complains_of(&[
            "server.tls.private_key",
            "key.pem",
            "does not fit the certificate",
        ]);
    }
}
