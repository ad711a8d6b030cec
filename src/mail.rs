//! Mails: handed to a server by SMTP, beside the requests. They wait in memory, bounded by
//! `mail.queue_max`; one that the server cannot take now is tried again, after longer and longer pauses.
//! Mails of one node to one person are handed over one after the other: of two links the later one works, and should
//! not arrive first. One that has to be tried again holds up none.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use crate::background::Background;
use crate::clock::Clock;
use crate::config::{self, Protection};
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::model::user::fold;
use crate::secret;

/// Mails on their way at one time, each over a connection of its own.
const AT_ONCE_MAX: u32 = 4;
/// The pause before a mail is tried for the second time; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// A mail to one person. It may hold a secret, so nothing shows it.
#[derive(Clone)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// Takes mails from requests, which never wait for a server.
#[derive(Clone)]
pub struct Mailer {
    post: Option<Arc<Post>>,
}

/// The way to the server.
struct Post {
    transport: Transport,
    from: Mailbox,
    attempts_max: u32,
    queue: Arc<Semaphore>,
    at_once: Semaphore,
    turns: Turns,
    clock: Clock,
    background: Background,
}

/// A place in the queue for one mail.
pub struct Place {
    post: Arc<Post>,
    permit: OwnedSemaphorePermit,
}

impl Mailer {
    /// A mailer by `[mail]`; where that is unset, one that sends nothing.
    ///
    /// # Errors
    /// A fault where the settings do not fit the library.
    pub fn open(
        config: Option<&config::Mail>,
        issuer: &Issuer,
        clock: &Clock,
        background: &Background,
    ) -> Result<Self, Fault> {
        let Some(config) = config else {
            return Ok(Self { post: None });
        };
        let post = Post {
            transport: transport(config, issuer)?,
            from: config.from.clone(),
            attempts_max: config.attempts_max,
            queue: Arc::new(Semaphore::new(config.queue_max)),
            at_once: Semaphore::new(AT_ONCE_MAX as usize),
            turns: Turns::default(),
            clock: clock.clone(),
            background: background.clone(),
        };
        Ok(Self {
            post: Some(Arc::new(post)),
        })
    }

    /// True where there is a server to hand mails to.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.post.is_some()
    }

    /// A place in the queue, to be had before it is known whether there will be a mail.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too many mails wait.
    pub fn reserve(&self) -> Result<Place, Fault> {
        let post = self.post.as_ref();
        let post = post.ok_or_else(|| Fault::internal("a mail, and no mail.smtp_url is set"))?;
        let permit = Arc::clone(&post.queue)
            .try_acquire_owned()
            .map_err(|_| Fault::unavailable("too many mails wait (mail.queue_max)"))?;
        Ok(Place {
            post: Arc::clone(post),
            permit,
        })
    }

    /// Sends a mail, in a while.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too many mails wait; an internal one where its address is none.
    pub fn send(&self, mail: &Mail) -> Result<(), Fault> {
        self.reserve()?.send(mail)
    }
}

impl Place {
    /// Sends a mail, in a while.
    ///
    /// # Errors
    /// An internal fault where its address is none.
    pub fn send(self, mail: &Mail) -> Result<(), Fault> {
        let id = id();
        let message = self.post.message(mail, &id)?;
        let to = mail.to.clone();
        let tasks = self.post.background.tasks.clone();
        tasks.spawn(async move {
            let turn = self.post.turns.take(&to).await;
            self.post.deliver(message, &id, turn).await;
            drop(self.permit);
        });
        Ok(())
    }

    /// Does some work, and sends the mail that comes of it to this person, if one does. Whoever asked for it
    /// does not wait, and so learns nothing from the time that it takes.
    pub fn send_what_comes_of(
        self,
        to: String,
        work: impl Future<Output = Result<Option<Mail>, Fault>> + Send + 'static,
    ) {
        let tasks = self.post.background.tasks.clone();
        tasks.spawn(async move {
            let id = id();
            let turn = self.post.turns.take(&to).await;
            let message = match work.await {
                Ok(Some(mail)) => self.post.message(&mail, &id),
                Ok(None) => return,
                Err(fault) => Err(fault),
            };
            match message {
                Ok(message) => self.post.deliver(message, &id, turn).await,
                Err(fault) => tracing::error!(%fault, "a mail that was asked for is not sent"),
            }
            drop(self.permit);
        });
    }
}

impl Post {
    /// Header fields are the library's types, which encode what would end a line.
    fn message(&self, mail: &Mail, id: &str) -> Result<Message, Fault> {
        let to = mail.to.parse().map_err(Fault::internal)?;
        let now = Duration::from_millis(u64::try_from(self.clock.now_millis()).unwrap_or(0));
        let id = format!("<{id}@{}>", self.from.email.domain());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&mail.subject)
            .date(UNIX_EPOCH + now)
            .message_id(Some(id))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(
                mail.text.clone(),
                mail.html.clone(),
            ))
            .map_err(Fault::internal)
    }

    /// Tries until the server has the mail, refuses it for good, or `mail.attempts_max` is reached.
    /// Where the server stops, a mail that waits for its next attempt gets one more, and no other.
    /// The turn is over after the first attempt.
    async fn deliver(&self, message: Message, id: &str, turn: Turn) {
        let mut turn = Some(turn);
        let stop = &self.background.stop;
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=self.attempts_max {
            let is_last = attempt == self.attempts_max || stop.is_cancelled();
            let Ok(connection) = self.at_once.acquire().await else {
                return;
            };
            let sent = self.transport.send(message.clone()).await;
            drop(connection);
            match sent {
                Ok(_) => {
                    tracing::debug!(mail = id, attempt, "a mail was handed over");
                    return;
                }
                Err(error) if error.is_permanent() || is_last => {
                    tracing::error!(mail = id, attempt, %error, "a mail is given up");
                    return;
                }
                Err(error) => {
                    tracing::warn!(mail = id, attempt, %error, "a mail could not be handed over; it is tried again");
                }
            }
            drop(turn.take());
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {}
            }
            pause *= 2;
        }
    }
}

/// While somebody has it, nobody else has one for the same person.
type Turn = OwnedMutexGuard<()>;

/// Who is next to write to a person, by address; those whom nobody writes to are forgotten.
#[derive(Default)]
struct Turns(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for one's turn. There are as many as there are mails in the queue, at most.
    async fn take(&self, to: &str) -> Turn {
        let turn = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, turn| turn.strong_count() > 0);
            let known = all.entry(fold(to)).or_default();
            let turn = known.upgrade().unwrap_or_default();
            *known = Arc::downgrade(&turn);
            turn
        };
        turn.lock_owned().await
    }
}

/// Names a mail in the log, where the address of a person has no place.
fn id() -> String {
    secret::random_text(16)
}

fn transport(config: &config::Mail, issuer: &Issuer) -> Result<Transport, Fault> {
    let server = &config.server;
    let tls = || {
        let mut tls = TlsParameters::builder(server.host.clone());
        if let Some(certificate) = &config.ca_certificates {
            tls = tls.add_root_certificate(certificate.clone());
        }
        tls.build().map_err(Fault::internal)
    };
    let tls = match server.protection {
        Protection::Tls => Tls::Wrapper(tls()?),
        Protection::StartTls => Tls::Required(tls()?),
        Protection::Loopback => Tls::None,
    };
    let mut builder = Transport::builder_dangerous(&server.host)
        .port(server.port)
        .tls(tls)
        .timeout(Some(config.answer_max))
        .hello_name(hello(issuer.host()))
        .pool_config(PoolConfig::new().max_size(AT_ONCE_MAX));
    if let Some((user, password)) = &server.credentials {
        let credentials = Credentials::new(user.clone(), password.expose().clone());
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

/// What this server calls itself (RFC 5321 §4.1.1.1): a name, or an address as such.
fn hello(host: &str) -> ClientId {
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::Domain(host.to_owned()),
    }
}

/// RFC 3834 §5: nobody on holiday need answer.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
