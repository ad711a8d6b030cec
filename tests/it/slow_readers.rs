//! Clients that ask and never read, or read a byte now and then: they are cut, and others are served.

use std::time::Duration;

use tempfile::tempdir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::certificates::Authority;
use crate::harness::both_stores;
use crate::program::Program;
use crate::raw::Connection;

const REQUEST: &str = "GET /.well-known/openid-configuration HTTP/1.1\r\nhost: x\r\n\r\n";
/// Far more than `server.write_seconds_max` in these tests.
const PATIENCE: Duration = Duration::from_secs(40);
/// How a client reads that wants to keep its connection.
const BETWEEN_BYTES: Duration = Duration::from_millis(100);

/// A connection that takes in little at a time.
async fn connect(base: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = base
        .split("://")
        .nth(1)
        .unwrap()
        .replace("localhost", "127.0.0.1");
    socket.connect(address.parse().unwrap()).await.unwrap()
}

/// Sends requests until the server ends the connection.
async fn ask_until_cut(stream: &mut (impl AsyncWrite + Unpin)) {
    let asking = async { while stream.write_all(REQUEST.as_bytes()).await.is_ok() {} };
    timeout(PATIENCE, asking)
        .await
        .expect("the connection is cut");
}

async fn is_served(base: &str) {
    let mut connection = Connection::open(base).await.unwrap();
    connection
        .send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(connection.answer().await.unwrap().status, 200);
}

/// Reads a byte now and then, until the connection ends.
async fn read_slowly(mut stream: impl AsyncRead + Unpin) {
    while stream.read_u8().await.is_ok() {
        sleep(BETWEEN_BYTES).await;
    }
}

both_stores! {
    async fn who_never_reads_makes_room_for_others(
        world: World,
        "GRANTOR_SERVER__WRITE_SECONDS_MAX" = "1",
        "GRANTOR_SERVER__CONNECTIONS_MAX" = "2"
    ) {
        let base = &world.node.base;
        let (mut first, mut second) = (connect(base).await, connect(base).await);
        tokio::join!(ask_until_cut(&mut first), ask_until_cut(&mut second));
        is_served(base).await;
    }

    async fn who_reads_a_byte_now_and_then_wins_no_time(world: World, "GRANTOR_SERVER__WRITE_SECONDS_MAX" = "1") {
        let (reader, mut writer) = connect(&world.node.base).await.into_split();
        let reading = tokio::spawn(read_slowly(reader));
        ask_until_cut(&mut writer).await;
        reading.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_who_never_reads_is_cut_as_well() {
    let folder = tempdir().unwrap();
    let authority = Authority::new();
    authority.certify(folder.path());
    let running = Program::in_folder(folder.path())
        .with("GRANTOR_SERVER__TLS__CERTIFICATE", "chain.pem")
        .with("GRANTOR_SERVER__TLS__PRIVATE_KEY", "key.pem")
        .with("GRANTOR_SERVER__WRITE_SECONDS_MAX", "1")
        .serve();
    let stream = authority.shake_hands(&running.base, &[]).await.unwrap();
    let (reader, mut writer) = split(stream);
    ask_until_cut(&mut writer).await;
    drop(reader);
    let url = format!("{}/healthz", running.base);
    assert_eq!(
        authority.client().get(url).send().await.unwrap().status(),
        200
    );
}
