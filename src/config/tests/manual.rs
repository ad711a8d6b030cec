//! `config/identity.toml` is at once the manual, the defaults, and a file that an operator may copy.

use std::collections::{BTreeMap, BTreeSet};

use super::super::LogFormat;
use super::super::sources::MANUAL;
use super::*;

/// Every key of the manual as `(dotted key, is set, the comment above it)`.
fn keys_of_the_manual() -> Vec<(String, bool, String)> {
    let (mut section, mut comment, mut keys) = (String::new(), String::new(), Vec::new());
    for line in MANUAL.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        }
        let unset = line
            .strip_prefix('#')
            .filter(|rest| rest.starts_with(char::is_alphabetic));
        let set = Some(line).filter(|line| line.starts_with(char::is_alphabetic));
        if let Some((name, _)) = unset.or(set).and_then(|line| line.split_once(" = ")) {
            keys.push((
                format!("{section}{name}"),
                set.is_some(),
                std::mem::take(&mut comment),
            ));
        } else if line.starts_with('#') {
            comment.push_str(line);
        } else {
            comment.clear();
        }
    }
    keys
}

/// Turns the unset keys of the manual into set ones, but for those that `keep_unset` picks.
fn uncommented(keep_unset: impl Fn(&str) -> bool) -> String {
    let uncomment = |line: &'static str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(char::is_alphabetic) && !keep_unset(rest) => rest,
        _ => line,
    };
    MANUAL.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_manual_holds_every_key_once_and_nothing_else() {
    let manual: Vec<_> = keys_of_the_manual()
        .into_iter()
        .map(|(key, ..)| key)
        .collect();
    let loaded = load("", &[]).unwrap();
    let read: Vec<_> = loaded
        .settings
        .iter()
        .map(|setting| setting.key.clone())
        .collect();
    assert_eq!(manual, read, "the same keys, in the same order");
    assert_eq!(manual.iter().collect::<BTreeSet<_>>().len(), manual.len());
}

#[test]
fn what_the_manual_sets_has_a_default_and_what_it_comments_out_has_none() {
    let loaded = load("", &[]).unwrap();
    let sources: BTreeMap<_, _> = loaded
        .settings
        .iter()
        .map(|setting| (&setting.key, setting.source.to_string()))
        .collect();
    for (key, is_set, _) in keys_of_the_manual() {
        let expected = match (key.as_str(), is_set) {
            ("issuer", _) => "follows server.listen",
            (_, true) => "default",
            (_, false) => "unset",
        };
        assert_eq!(sources[&key], expected, "{key}");
    }
}

#[test]
fn every_key_has_a_comment_that_says_its_bounds() {
    for (key, is_set, comment) in keys_of_the_manual() {
        assert!(comment.len() > 20, "{key} has no comment");
        let variable = format!("GRANTOR_{}", key.to_ascii_uppercase().replace('.', "__"));
        let refusal = load("", &[(&variable, "-9223372036854775808")]).map_err(|p| p.to_string());
        let bounds = refusal.err().filter(|_| is_set).and_then(|refusal| {
            refusal
                .split_once("whole number from ")
                .map(|(_, bounds)| bounds.to_owned())
        });
        if let Some(bounds) = bounds {
            assert!(
                comment.contains(&bounds),
                "{key}: the comment should say {bounds}"
            );
        }
    }
}

#[test]
fn a_copy_of_the_manual_changes_nothing_and_is_in_nobodys_way() {
    let operator = Operator::new(MANUAL);
    let url_file = operator.write("url", "postgres://db/grantor\n");
    let loaded = operator
        .load(&[("GRANTOR_STORE__URL_FILE", &url_file)])
        .unwrap();
    assert_eq!(
        printed(&loaded, "store.url"),
        format!("store.url \"postgres://db/grantor\" {url_file}")
    );
}

#[test]
fn the_examples_in_the_manual_are_valid() {
    let names_a_file = |line: &str| {
        let keys = [
            "_file = ",
            "certificate = ",
            "ca_certificates = ",
            "private_key = ",
        ];
        keys.iter().any(|key| line.contains(key))
    };
    let without_files = uncommented(names_a_file);
    let config = config(&without_files);
    assert_eq!(config.issuer, "https://id.example.com/");
    assert!(config.bootstrap.credentials.is_some());
    assert_eq!(config.keys.master.len(), 1);

    let all = load(&uncommented(|_| false), &[]).unwrap_err();
    let contradicting: Vec<_> = all.0.iter().map(|p| p.settings[0].key.as_str()).collect();
    assert_eq!(
        contradicting,
        [
            "server.tls.certificate",
            "store.url_file",
            "keys.master",
            "mail.smtp_url",
            "mail.ca_certificates",
            "logout.ca_certificates",
            "bootstrap.client_secret"
        ],
        "{all}"
    );
}

#[test]
fn the_defaults_are_those_that_the_documentation_names() {
    let config = config("");
    assert_eq!(config.issuer, "http://127.0.0.1:8080/");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.header_bytes_max, 65_536);
    assert_eq!(config.server.request_max.as_secs(), 30);
    assert_eq!(config.store.stale_max.as_secs(), 30);
    assert_eq!(config.lifetimes.api_default.as_integer(), 86_400);
    assert_eq!(config.lifetimes.api_maximum.as_integer(), 2_592_000);
    assert!(config.lifetimes.allow_never_expiring);
    assert!(config.lifetimes.new_applications.application.is_none());
    assert!(config.lifetimes.new_applications.user.is_none());
    assert_eq!(config.tokens.default_signing_alg.as_str(), "RS256");
    assert_eq!(config.tokens.apis_per_token_max, 20);
    assert_eq!(config.cache.applications_bytes_max, 64 << 20);
    assert!(config.keys.master.is_empty());
    assert!(config.bootstrap.credentials.is_none());
    assert!(config.mail.is_none());
    assert_eq!(config.limits.sign_ins_per_account.attempts_max, 10);
    assert_eq!(config.user_tickets.reset_password_seconds, 3600);
    assert_eq!(config.user_tickets.verify_email_seconds, 432_000);
    assert_eq!(
        (config.log.level.as_str(), config.log.format),
        ("info", LogFormat::Auto)
    );
}
