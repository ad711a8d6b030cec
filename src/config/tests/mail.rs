//! `[mail]`: which URLs mean what, and that the password in one is never shown.

use super::super::{Mail, Protection};
use super::*;
use crate::secret::Secret;

fn mail(url: &str) -> Result<Mail, String> {
    let variables = [
        ("GRANTOR_MAIL__SMTP_URL", url),
        ("GRANTOR_MAIL__FROM", "Grantor <no-reply@example.com>"),
    ];
    let loaded = load("", &variables).map_err(|problems| problems.to_string())?;
    Ok(loaded.config.mail.unwrap())
}

#[test]
fn the_scheme_and_the_host_say_how_the_connection_is_protected() {
    for (url, host, port, protection) in [
        (
            "smtps://mail.example.com",
            "mail.example.com",
            465,
            Protection::Tls,
        ),
        ("smtps://127.0.0.1/", "127.0.0.1", 465, Protection::Tls),
        (
            "smtp://mail.example.com",
            "mail.example.com",
            587,
            Protection::StartTls,
        ),
        (
            "smtp://mail.example.com:25",
            "mail.example.com",
            25,
            Protection::StartTls,
        ),
        ("smtp://192.0.2.1", "192.0.2.1", 587, Protection::StartTls),
        (
            "smtp://localhost.example.com",
            "localhost.example.com",
            587,
            Protection::StartTls,
        ),
        ("smtp://localhost", "localhost", 25, Protection::Loopback),
        (
            "smtp://127.9.9.9:2525",
            "127.9.9.9",
            2525,
            Protection::Loopback,
        ),
        ("smtp://[::1]", "::1", 25, Protection::Loopback),
        (
            "smtp://localhost?tls=required",
            "localhost",
            587,
            Protection::StartTls,
        ),
    ] {
        let server = mail(url).unwrap().server;
        let read = (server.host.as_str(), server.port, server.protection);
        assert_eq!(read, (host, port, protection), "{url}");
    }
}

#[test]
fn user_name_and_password_come_unescaped() {
    let read = mail("smtps://ann%40example.com:sword%2Ffish%20%25@mail.example.com").unwrap();
    let (user, password) = read.server.credentials.unwrap();
    assert_eq!(
        (user.as_str(), password.expose().as_str()),
        ("ann@example.com", "sword/fish %")
    );
    assert_eq!(format!("{password:?}"), format!("{:?}", Secret::new(())));
}

#[test]
fn a_url_of_another_kind_is_refused_and_its_password_not_shown() {
    for url in [
        "",
        "mail.example.com",
        "http://user:swordfish@mail.example.com",
        "smtp://",
        "smtp://user@mail.example.com",
        "smtp://:swordfish@mail.example.com",
        "smtp://user:swordfish@mail.example.com/path",
        "smtp://user:swordfish@mail.example.com?tls=none",
        "smtp://user:swordfish@mail.example.com#x",
        "smtp://user:sword/swordfish@mail.example.com",
        "smtp://user:swordfish@mail.example.com:99999",
    ] {
        let problems = mail(url).map(|_| ()).unwrap_err();
        assert!(problems.contains("mail.smtp_url"), "{url}: {problems}");
        assert!(!problems.contains("swordfish"), "{problems}");
    }
    let given = [(
        "GRANTOR_MAIL__SMTP_URL",
        "smtps://user:swordfish@mail.example.com",
    )];
    assert_says(
        &only_problem(load("", &given)),
        &["mail.from (unset)", "or neither"],
    );
}

#[test]
fn the_senders_address_is_one() {
    for (from, is_fit) in [
        ("no-reply@example.com", true),
        ("Example, Inc <no-reply@example.com>", false),
        ("Example <no-reply@example.com>", true),
        ("no-reply", false),
        ("a@example.com, b@example.com", false),
    ] {
        let variables = [
            ("GRANTOR_MAIL__SMTP_URL", "smtps://mail.example.com"),
            ("GRANTOR_MAIL__FROM", from),
        ];
        assert_eq!(load("", &variables).is_ok(), is_fit, "{from}");
    }
}
