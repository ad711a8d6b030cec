//! A mail server in the test's own process, which really speaks SMTP on loopback.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mail_parser::MessageParser;
use mailin_embedded::{AuthMechanism, Handler, Response, Server, SslConfig, response};

use crate::harness::{Node, World, within};

/// A mail as it was handed in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letter {
    pub(crate) hello: String,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) data: Vec<u8>,
}

impl Letter {
    /// The mail as another program reads it.
    pub(crate) fn read(&self) -> mail_parser::Message<'_> {
        MessageParser::default().parse(&self.data).unwrap()
    }

    /// What it says, as text.
    pub(crate) fn text(&self) -> String {
        self.read().body_text(0).unwrap().into_owned()
    }
}

/// What happens at the counter; clones share it.
#[derive(Default)]
struct Counter {
    letters: Vec<Letter>,
    /// Answers in the place of the usual one, the next first.
    moods: Vec<Response>,
    refused: usize,
}

/// A server on a port of its own, until the process ends.
#[derive(Clone)]
pub(crate) struct PostOffice {
    pub(crate) address: SocketAddr,
    counter: Arc<Mutex<Counter>>,
}

impl PostOffice {
    /// Without TLS and authentication.
    pub(crate) fn open() -> Self {
        Self::open_at(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// The same on a listener that is there already.
    pub(crate) fn open_at(listener: TcpListener) -> Self {
        Self::serve(listener, SslConfig::None)
    }

    /// With STARTTLS by a certificate and key in files, and authentication behind it.
    pub(crate) fn open_with_tls(cert_path: String, key_path: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ssl = SslConfig::SelfSigned {
            cert_path,
            key_path,
        };
        Self::serve(listener, ssl)
    }

    fn serve(listener: TcpListener, ssl: SslConfig) -> Self {
        let office = Self {
            address: listener.local_addr().unwrap(),
            counter: Arc::default(),
        };
        let clerk = Clerk {
            counter: Arc::clone(&office.counter),
            letter: Letter::default(),
        };
        let mut server = Server::new(clerk);
        if !matches!(ssl, SslConfig::None) {
            server.with_auth(AuthMechanism::Plain);
        }
        server.with_ssl(ssl).unwrap();
        server.with_tcp_listener(listener).with_num_threads(16);
        // Its threads end with the process.
        std::thread::spawn(move || server.serve().unwrap());
        office
    }

    /// What `mail.smtp_url` says.
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// The next mails are answered like this instead of being taken, one each.
    pub(crate) fn refuse(&self, with: impl IntoIterator<Item = Response>) {
        self.counter.lock().unwrap().moods.extend(with);
    }

    /// How many were answered like that.
    pub(crate) fn refused(&self) -> usize {
        self.counter.lock().unwrap().refused
    }

    /// The mails so far, once there are so many.
    pub(crate) async fn letters(&self, count: usize) -> Vec<Letter> {
        let letters = || self.counter.lock().unwrap().letters.clone();
        within(Duration::from_secs(30), async || letters().len() >= count).await;
        letters()
    }
}

/// A second node, whose mails a post office takes.
pub(crate) async fn node_with_mail(world: &World) -> (Node, PostOffice) {
    let post = PostOffice::open();
    let url = post.url();
    let settings = [
        ("GRANTOR_MAIL__SMTP_URL", url.as_str()),
        ("GRANTOR_MAIL__FROM", "no-reply@grantor.test"),
    ];
    (world.another_node_with(&settings).await, post)
}

#[derive(Clone)]
struct Clerk {
    counter: Arc<Mutex<Counter>>,
    letter: Letter,
}

/// What the server with TLS knows.
pub(crate) const USER: &str = "grantor@mail.test";
pub(crate) const PASSWORD: &str = "a pass:word / with @ and #";

impl Handler for Clerk {
    fn helo(&mut self, _: IpAddr, domain: &str) -> Response {
        domain.clone_into(&mut self.letter.hello);
        response::OK
    }

    fn rcpt(&mut self, _: &str) -> Response {
        let mut counter = self.counter.lock().unwrap();
        if counter.moods.is_empty() {
            return response::OK;
        }
        counter.refused += 1;
        counter.moods.remove(0)
    }

    fn data_start(&mut self, _: &str, from: &str, _: bool, to: &[String]) -> Response {
        from.clone_into(&mut self.letter.from);
        self.letter.to = to.to_vec();
        self.letter.data.clear();
        response::OK
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.letter.data.extend_from_slice(bytes);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        let letter = self.letter.clone();
        self.counter.lock().unwrap().letters.push(letter);
        response::OK
    }

    fn auth_plain(&mut self, _: &str, user: &str, password: &str) -> Response {
        if (user, password) == (USER, PASSWORD) {
            response::AUTH_OK
        } else {
            response::INVALID_CREDENTIALS
        }
    }
}
