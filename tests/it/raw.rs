//! HTTP byte by byte, for requests that no proper client would send.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What the server may take for anything that these tests wait for.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl RawAnswer {
    /// The one header of this name (in lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is repeated: {self:?}");
        value
    }

    /// The body, which must be JSON and say so.
    pub(crate) fn json(&self) -> Value {
        let media_type = self.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default();
        assert_eq!(media_type, "application/json", "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// To a server at `http://host:port`.
    pub(crate) async fn open(base: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(base.trim_start_matches("http://")).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Reads the next answer; `None` where the server closed the connection instead.
    pub(crate) async fn answer(&mut self) -> Option<RawAnswer> {
        let reading = timeout(PATIENCE, self.read_answer(false)).await;
        reading.expect("an answer or the end of the connection")
    }

    /// The same for a request with method HEAD.
    pub(crate) async fn answer_without_body(&mut self) -> Option<RawAnswer> {
        let reading = timeout(PATIENCE, self.read_answer(true)).await;
        reading.expect("an answer or the end of the connection")
    }

    /// True where nothing arrives for a while: neither an answer nor the end of the connection.
    pub(crate) async fn is_silent_for(&mut self, time: Duration) -> bool {
        timeout(time, self.stream.readable()).await.is_err()
    }

    /// Waits until the server closes the connection, whatever it says before.
    pub(crate) async fn closes(&mut self) -> bool {
        let closing = async { while self.receive().await.is_some() {} };
        timeout(PATIENCE, closing).await.is_ok()
    }

    /// Waits until the server closes the connection; answers that still come are returned.
    pub(crate) async fn rest(&mut self) -> Vec<RawAnswer> {
        let mut answers = Vec::new();
        while let Some(answer) = self.answer().await {
            answers.push(answer);
        }
        answers
    }

    async fn read_answer(&mut self, is_head: bool) -> Option<RawAnswer> {
        let end = loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                break end;
            }
            self.receive().await?;
        };
        let head: Vec<u8> = self.received.drain(..end + 4).collect();
        let head = String::from_utf8(head).expect("a head in ASCII");
        let mut lines = head.lines();
        let status_line = lines.next().unwrap_or_default();
        let status = status_line.split(' ').nth(1).unwrap_or_default();
        let mut answer = RawAnswer {
            status: status.parse().unwrap_or_else(|_| panic!("{head}")),
            headers: lines.filter_map(header).collect(),
            body: String::new(),
        };
        assert_eq!(answer.header("transfer-encoding"), None, "{answer:?}");
        let length = answer.header("content-length").map_or(0, |text| {
            text.parse().unwrap_or_else(|_| panic!("{answer:?}"))
        });
        if is_head {
            return Some(answer);
        }
        while self.received.len() < length {
            self.receive().await?;
        }
        let body = self.received.drain(..length).collect();
        answer.body = String::from_utf8(body).expect("a body in UTF-8");
        Some(answer)
    }

    /// `None` at the end, whether the server closed the connection or broke it.
    async fn receive(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.received).await;
        read.ok().filter(|&bytes| bytes > 0).map(drop)
    }
}

fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_ascii_lowercase(), value.trim().to_owned()))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
