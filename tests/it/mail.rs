//! Mails over real SMTP: handed over, tried again, bounded, and never with a line too many.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use grantor::background::Background;
use grantor::clock::Clock;
use grantor::config;
use grantor::mail::{Mail, Mailer};
use grantor::model::fault::Fault;
use grantor::model::issuer::Issuer;
use mailin_embedded::response;

use crate::certificates::Authority;
use crate::harness::within;
use crate::post_office::{PASSWORD, PostOffice, USER};

/// A node's mailer and what stops it.
struct Office {
    mailer: Mailer,
    background: Background,
    clock: Clock,
}

fn office(url: &str, further: &[(&str, &str)]) -> Office {
    let settings = [
        ("GRANTOR_MAIL__SMTP_URL", url),
        ("GRANTOR_MAIL__FROM", "Grantor <no-reply@grantor.test>"),
    ];
    let settings = settings.iter().chain(further);
    let settings = settings.map(|(key, value)| ((*key).into(), (*value).into()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("identity.toml");
    std::fs::write(&file, "").unwrap();
    let config = config::load(Some(&file), settings).unwrap().config;
    let (background, clock) = (Background::default(), Clock::still());
    let issuer = Issuer::new("https://id.grantor.test/".to_owned());
    let mailer = Mailer::open(config.mail.as_ref(), &issuer, &clock, &background).unwrap();
    Office {
        mailer,
        background,
        clock,
    }
}

fn letter(subject: &str) -> Mail {
    Mail {
        to: "ann@example.com".to_owned(),
        subject: subject.to_owned(),
        text: "Set a new password:\nhttps://id.grantor.test/u/change-password?ticket=abc#\n"
            .to_owned(),
        html: "<p>Set a <b>new</b> password</p>".to_owned(),
    }
}

#[tokio::test]
async fn a_mail_arrives_as_text_and_html_with_what_it_says_of_itself() {
    let post = PostOffice::open();
    let office = office(&post.url(), &[]);
    office
        .mailer
        .send(&letter("Ein neues Passwort für Ünï"))
        .unwrap();
    let letters = post.letters(1).await;
    let (own, read) = (&letters[0], letters[0].read());
    assert_eq!(own.hello, "id.grantor.test");
    assert_eq!(
        (own.from.as_str(), own.to.as_slice()),
        (
            "no-reply@grantor.test",
            ["ann@example.com".to_owned()].as_slice()
        )
    );
    assert_eq!(read.subject(), Some("Ein neues Passwort für Ünï"));
    assert_eq!(
        read.from().unwrap().first().unwrap().name(),
        Some("Grantor")
    );
    assert_eq!(read.date().unwrap().to_timestamp(), office.clock.now());
    assert!(read.message_id().unwrap().ends_with("@grantor.test"));
    assert_eq!(
        read.header("Auto-Submitted").unwrap().as_text(),
        Some("auto-generated")
    );
    assert!(
        own.text()
            .contains("https://id.grantor.test/u/change-password?ticket=abc#")
    );
    assert_eq!(
        read.body_html(0).unwrap().trim(),
        "<p>Set a <b>new</b> password</p>"
    );
}

#[tokio::test]
async fn nothing_in_a_mail_becomes_a_header_or_another_recipient() {
    let post = PostOffice::open();
    let office = office(&post.url(), &[]);
    for text in [
        "x\r\nBcc: eve@example.com",
        "x\nX-Injected: 1\n\nbody",
        "x\r\n.\r\nMAIL FROM:<eve@example.com>",
    ] {
        let mut mail = letter(text);
        mail.text = format!("before\r\n.\r\nRCPT TO:<eve@example.com>\r\n{text}");
        office.mailer.send(&mail).unwrap();
        mail.to = format!("ann@example.com{text}");
        assert!(
            matches!(office.mailer.send(&mail), Err(Fault::Internal { .. })),
            "no address"
        );
    }
    for letter in post.letters(3).await {
        assert_eq!(letter.to, ["ann@example.com"]);
        let read = letter.read();
        assert!(read.bcc().is_none() && read.header("X-Injected").is_none());
        assert!(
            letter.text().contains("RCPT TO:<eve@example.com>"),
            "it is text"
        );
    }
}

#[tokio::test]
async fn a_mail_waits_for_a_server_that_is_down_and_for_one_that_is_busy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let office = office(&format!("smtp://{address}"), &[]);
    office.mailer.send(&letter("late")).unwrap();
    let post = PostOffice::open_at(TcpListener::bind(address).unwrap());
    assert_eq!(post.letters(1).await[0].read().subject(), Some("late"));
    post.refuse([response::INTERNAL_ERROR]);
    office.mailer.send(&letter("later")).unwrap();
    assert_eq!(post.letters(2).await[1].read().subject(), Some("later"));
    assert_eq!(post.refused(), 1);
}

/// Of two links for one thing only the later one works, so it must not come first.
#[tokio::test]
async fn mails_to_one_person_come_in_the_order_in_which_they_were_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // It accepts and says nothing until all of them are on their way.
    let office = office(&format!("smtp://{}", listener.local_addr().unwrap()), &[]);
    let subjects: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    for (subject, name) in subjects.iter().zip(["ann", "ANN"].iter().cycle()) {
        let mut mail = letter(subject);
        mail.to = format!("{name}@example.com");
        office.mailer.send(&mail).unwrap();
    }
    let letters = PostOffice::open_at(listener).letters(20).await;
    let came: Vec<_> = letters
        .iter()
        .map(|own| own.read().subject().unwrap().to_owned())
        .collect();
    assert_eq!(came, subjects);
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_tried_once() {
    let post = PostOffice::open();
    let office = office(&post.url(), &[]);
    post.refuse([response::NO_MAILBOX]);
    office.mailer.send(&letter("nobody")).unwrap();
    within(Duration::from_secs(30), async || {
        office.background.tasks.is_empty()
    })
    .await;
    assert_eq!(post.refused(), 1);
    office.mailer.send(&letter("somebody")).unwrap();
    let letters = post.letters(1).await;
    assert_eq!(letters[0].read().subject(), Some("somebody"));
}

#[tokio::test]
async fn a_full_queue_refuses_and_has_room_again_when_a_mail_has_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // It accepts and says nothing.
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let office = office(&url, &[("GRANTOR_MAIL__QUEUE_MAX", "2")]);
    office.mailer.send(&letter("1")).unwrap();
    let place = office.mailer.reserve().unwrap();
    assert!(matches!(
        office.mailer.send(&letter("3")),
        Err(Fault::Unavailable { .. })
    ));
    drop(place);
    office.mailer.send(&letter("3")).unwrap();
    assert!(matches!(
        office.mailer.reserve(),
        Err(Fault::Unavailable { .. })
    ));
    drop(PostOffice::open_at(listener).letters(2).await);
    within(Duration::from_secs(30), async || {
        office.mailer.reserve().is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_stop_ends_the_pause_of_a_mail_with_one_more_attempt() {
    let post = PostOffice::open();
    let office = office(&post.url(), &[]);
    // A pause of 1, 2, 4 and 8 seconds would be longer than this test waits.
    post.refuse([
        response::INTERNAL_ERROR,
        response::INTERNAL_ERROR,
        response::INTERNAL_ERROR,
    ]);
    office.mailer.send(&letter("at last")).unwrap();
    within(Duration::from_secs(30), async || post.refused() == 1).await;
    office.background.stop.cancel();
    office.background.tasks.close();
    office.background.tasks.wait().await;
    assert_eq!(post.refused(), 2, "one more, and no other");
}

#[tokio::test]
async fn credentials_go_over_tls_only_and_only_to_a_server_that_proves_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.certify(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(folder.path().join("root.pem"), authority.root_pem()).unwrap();
    let post = PostOffice::open_with_tls(path("chain.pem"), path("key.pem"));
    let password: String = url::form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect();
    let password = password.replace('+', "%20");
    let user = USER.replace('@', "%40");
    let url = format!(
        "smtp://{user}:{password}@localhost:{}?tls=required",
        post.address.port()
    );
    let trusting = office(
        &url,
        &[("GRANTOR_MAIL__CA_CERTIFICATES", &path("root.pem"))],
    );
    trusting.mailer.send(&letter("safe")).unwrap();
    assert_eq!(post.letters(1).await[0].read().subject(), Some("safe"));

    let doubting = office(&url, &[("GRANTOR_MAIL__ATTEMPTS_MAX", "1")]);
    doubting.mailer.send(&letter("unsafe")).unwrap();
    within(Duration::from_secs(30), async || {
        doubting.background.tasks.is_empty()
    })
    .await;
    assert_eq!(post.letters(0).await.len(), 1);
}

/// A server, or somebody in between, that speaks SMTP without TLS and would take a password: what it has
/// heard until the connection ends.
fn eavesdropper() -> (u16, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ear = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut heard = String::new();
        let mut says = "220 mail.test ESMTP\r\n";
        loop {
            // Whoever has hung up hears nothing, and says nothing more.
            let is_there = stream.write_all(says.as_bytes()).is_ok();
            let from = heard.len();
            if !is_there || lines.read_line(&mut heard).is_ok_and(|bytes| bytes == 0) {
                return heard;
            }
            says = match heard[from..].split_whitespace().next() {
                Some("EHLO") => "250-mail.test\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n",
                Some("AUTH") => "235 2.7.0 welcome\r\n",
                Some("DATA") => "354 go on\r\n",
                Some("QUIT") => "221 bye\r\n",
                _ => "250 yes\r\n",
            };
        }
    });
    (port, ear)
}

/// RFC 3207 §6: whoever takes STARTTLS out of the server's answer gets neither the password nor the mail.
#[tokio::test]
async fn without_starttls_a_server_hears_neither_the_credentials_nor_the_mail() {
    let (port, ear) = eavesdropper();
    let url = format!("smtp://grantor:secret@localhost:{port}?tls=required");
    let office = office(&url, &[("GRANTOR_MAIL__ATTEMPTS_MAX", "1")]);
    office.mailer.send(&letter("no STARTTLS")).unwrap();
    within(Duration::from_secs(30), async || {
        office.background.tasks.is_empty()
    })
    .await;
    let heard = tokio::task::spawn_blocking(|| ear.join().unwrap())
        .await
        .unwrap();
    let commands: Vec<_> = heard
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "QUIT")
        .collect();
    assert_eq!(commands, ["EHLO"], "{heard}");
    let credentials = STANDARD.encode("\0grantor\0secret");
    for secret in ["secret", credentials.as_str(), "ann@example.com"] {
        assert!(!heard.contains(secret), "{heard}");
    }
}
