//! `[mail]`: the server that mails are handed to.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::client::Certificate;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::reader::Reader;
use super::{rules, sources};
use crate::model::issuer::is_loopback_host;
use crate::secret::Secret;

const URL: &str = "mail.smtp_url";
const CERTIFICATES: &str = "mail.ca_certificates";

/// `[mail]`, where a server is set.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Where mails are handed in.
    pub server: SmtpServer,
    /// What is trusted beside what the system trusts.
    pub ca_certificates: Option<Certificate>,
    /// Who the mails are from.
    pub from: Mailbox,
    /// What connecting, and each answer of the server, may take.
    pub answer_max: Duration,
    /// How often a mail is tried.
    pub attempts_max: u32,
    /// Mails that wait, or are on their way.
    pub queue_max: usize,
}

/// The server that `mail.smtp_url` names.
#[derive(Clone, Debug)]
pub struct SmtpServer {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How the connection is protected.
    pub protection: Protection,
    /// User name and password.
    pub credentials: Option<(String, Secret<String>)>,
}

/// How a connection to the server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// TLS from the first byte (RFC 8314 §3.3).
    Tls,
    /// STARTTLS, without which nothing is said (RFC 3207).
    StartTls,
    /// None: the server is this machine.
    Loopback,
}

impl Mail {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let server = reader.text_or_file_or_unset(URL, rules::without_password, smtp_server);
        let ca_certificates = reader.text_or_unset(CERTIFICATES, |path| Ok(PathBuf::from(path)));
        let from = reader.text_or_unset("mail.from", mailbox);
        reader.both_or_neither(URL, "mail.from");
        let answer_max = reader.seconds("mail.answer_seconds_max", 1..=300);
        let attempts_max = reader.integer("mail.attempts_max", 1..=12);
        let queue_max = reader.integer("mail.queue_max", 1..=100_000);
        let ca_certificates = ca_certificates.and_then(|path| {
            certificates(&path)
                .map_err(|broken| reader.refuse(&[CERTIFICATES], broken))
                .ok()
        });
        Some(Self {
            server: server?,
            ca_certificates,
            from: from?,
            answer_max,
            attempts_max,
            queue_max,
        })
    }
}

impl fmt::Display for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

fn certificates(path: &Path) -> Result<Certificate, String> {
    let pem =
        sources::read_bounded(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err("the file holds no certificate in PEM".to_owned());
    }
    Certificate::from_pem(pem.as_bytes())
        .map_err(|error| format!("the file holds no certificate in PEM: {error}"))
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|_| {
        "this must be an address, or a name and an address: \"Example <no-reply@example.com>\""
            .to_owned()
    })
}

fn smtp_server(text: &str) -> Result<SmtpServer, String> {
    let rule =
        "this must be smtp://host or smtps://host, with user:password@ and :port where needed";
    let url = Url::parse(text).map_err(|error| {
        format!("this is not a URL ({error}); in a password, : / ? # @ % must be escaped")
    })?;
    // The library reads addresses only where it knows the scheme.
    let host = Host::parse(url.host_str().unwrap_or_default()).map_err(|_| rule)?;
    let asks_for_tls = url.query() == Some("tls=required");
    let is_plain = url.query().is_none() || asks_for_tls;
    if !matches!(url.path(), "" | "/") || !is_plain || url.fragment().is_some() {
        return Err(
            "the URL must not have a path, a fragment, or a query but ?tls=required".to_owned(),
        );
    }
    let (protection, usual_port) = match url.scheme() {
        "smtps" => (Protection::Tls, 465),
        "smtp" if is_loopback_host(&host) && !asks_for_tls => (Protection::Loopback, 25),
        "smtp" => (Protection::StartTls, 587),
        _ => return Err(rule.to_owned()),
    };
    Ok(SmtpServer {
        host: match &host {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        },
        port: url.port().unwrap_or(usual_port),
        protection,
        credentials: credentials(&url)?,
    })
}

fn credentials(url: &Url) -> Result<Option<(String, Secret<String>)>, String> {
    let decoded = |part: &str| {
        let text = percent_decode_str(part).decode_utf8();
        text.map(std::borrow::Cow::into_owned)
            .map_err(|_| "user name and password must be UTF-8".to_owned())
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None) => Err("a user name and a password go together".to_owned()),
        (user, Some(password)) => Ok(Some((decoded(user)?, Secret::new(decoded(password)?)))),
    }
}
