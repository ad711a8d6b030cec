//! The rule of each key that is not a lifetime or a secret.

use super::super::{LogFormat, StoreUrl};
use super::*;

/// `(key, least, most)`, as the issue and the manual state them.
const BOUNDS: [(&str, i64, i64); 25] = [
    ("server.body_bytes_max", 1024, 16_777_216),
    ("server.header_bytes_max", 32_768, 1_048_576),
    ("server.connections_max", 1, 1_000_000),
    ("server.request_seconds_max", 1, 600),
    ("server.header_seconds_max", 1, 120),
    ("server.write_seconds_max", 1, 600),
    ("server.shutdown_seconds_max", 0, 600),
    ("server.body_seconds_max", 1, 600),
    ("server.tls.handshake_seconds_max", 1, 120),
    ("server.tls.reload_interval_seconds", 1, 86_400),
    ("store.connections_max", 1, 1000),
    ("store.acquire_seconds_max", 1, 60),
    ("store.group_queue_max", 1, 1_000_000),
    ("store.stale_seconds_max", 1, 3600),
    ("tokens.apis_per_token_max", 1, 100),
    ("keys.jwks_max_age_seconds", 0, 86_400),
    ("cache.applications_bytes_max", 65_536, 17_179_869_184),
    ("cache.apis_bytes_max", 65_536, 17_179_869_184),
    ("cache.client_grants_bytes_max", 65_536, 17_179_869_184),
    ("cache.revoked_tokens_recent_max", 1000, 10_000_000),
    ("secrets.slow_hashes_at_once_max", 1, 256),
    ("secrets.slow_hash_queue_max", 1, 100_000),
    ("sweep.interval_seconds", 1, 86_400),
    ("sweep.batch_rows_max", 1, 100_000),
    ("log.queue_lines_max", 100, 1_000_000),
];

#[test]
fn numbers_stay_within_their_bounds_in_file_and_environment() {
    for (key, least, most) in BOUNDS {
        let variable = format!("GRANTOR_{}", key.to_ascii_uppercase().replace('.', "__"));
        for number in [least, most] {
            load(&format!("{key} = {number}\n"), &[]).expect(key);
            load("", &[(&variable, &number.to_string())]).expect(key);
        }
        let rule = format!("this must be a whole number from {least} to {most}");
        for number in [least - 1, most + 1, i64::MIN, i64::MAX] {
            let text = number.to_string();
            assert_says(
                &problem(&format!("{key} = {number}\n")),
                &[key, &text, &rule],
            );
            assert_says(
                &variable_problem(&variable, &text),
                &[key, &text, &variable, &rule],
            );
        }
    }
}

#[test]
fn numbers_are_written_as_numbers() {
    for value in ["\"5\"", "5.0", "true", "[5]", "1979-05-27"] {
        assert_says(
            &problem(&format!("store.acquire_seconds_max = {value}\n")),
            &["whole number"],
        );
    }
    for value in ["", " 5", "+5", "5.0", "5s", "0x5", "9223372036854775808"] {
        assert_says(
            &variable_problem("GRANTOR_STORE__ACQUIRE_SECONDS_MAX", value),
            &["whole number"],
        );
    }
}

#[test]
fn booleans_are_true_or_false() {
    let variable = "GRANTOR_LIFETIMES__ALLOW_NEVER_EXPIRING";
    assert!(
        !config("lifetimes.allow_never_expiring = false\n")
            .lifetimes
            .allow_never_expiring
    );
    assert!(
        !load("", &[(variable, "false")])
            .unwrap()
            .config
            .lifetimes
            .allow_never_expiring
    );
    for value in ["0", "no", "TRUE", ""] {
        assert_says(
            &variable_problem(variable, value),
            &["must be true or false"],
        );
    }
    assert_says(
        &problem("lifetimes.allow_never_expiring = \"true\"\n"),
        &["must be true or false"],
    );
}

#[test]
fn an_issuer_is_https_or_on_loopback_and_ends_with_a_slash() {
    for (written, issuer) in [
        ("https://id.example.com", "https://id.example.com/"),
        ("https://id.example.com/", "https://id.example.com/"),
        (
            "https://id.example.com:8443/auth",
            "https://id.example.com:8443/auth/",
        ),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
        ("http://127.9.9.9/", "http://127.9.9.9/"),
        ("http://[::1]:8080", "http://[::1]:8080/"),
        ("http://localhost:8080", "http://localhost:8080/"),
    ] {
        let loaded = load(&format!("issuer = \"{written}\"\n"), &[]).unwrap();
        assert_eq!(loaded.config.issuer, issuer);
        assert_says(&printed(&loaded, "issuer"), &[&format!("\"{issuer}\"")]);
    }
}

#[test]
fn other_issuers_stop_the_start() {
    for (issuer, rule) in [
        ("https://id.example.com/oauth/", "must not be /oauth"),
        ("https://id.example.com/x/:y/", "may begin with : or *"),
        ("", "must be an https URL"),
        ("id.example.com", "must be an https URL"),
        (
            "ftp://id.example.com/",
            "must be an https URL, or http on loopback",
        ),
        (
            "http://id.example.com/",
            "must be an https URL, or http on loopback",
        ),
        (
            "http://localhost.example.com/",
            "must be an https URL, or http on loopback",
        ),
        (
            "http://128.0.0.1/",
            "must be an https URL, or http on loopback",
        ),
        ("http://[::2]/", "must be an https URL, or http on loopback"),
        ("https://id.example.com/?a=b", "query"),
        ("https://id.example.com/?", "query"),
        ("https://id.example.com/#", "fragment"),
        ("https://me@id.example.com/", "user name"),
        ("https://:secret@id.example.com/", "password"),
        ("https://id.example.com:0/", "port 0"),
        (
            "HTTPS://ID.example.com",
            "write this URL as https://id.example.com/",
        ),
        (
            "https://id.example.com:443/",
            "write this URL as https://id.example.com/",
        ),
        (
            " https://id.example.com/",
            "write this URL as https://id.example.com/",
        ),
        (
            "https://id.example.com/a/../b",
            "write this URL as https://id.example.com/b/",
        ),
    ] {
        let problem = variable_problem("GRANTOR_ISSUER", issuer);
        assert_says(&problem, &["issuer = ", "(GRANTOR_ISSUER)", rule]);
    }
}

#[test]
fn without_an_issuer_it_follows_the_address() {
    for (listen, issuer) in [
        ("127.0.0.1:9000", "http://127.0.0.1:9000/"),
        ("127.0.0.2:80", "http://127.0.0.2/"),
        ("[::1]:9000", "http://[::1]:9000/"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080/"),
        ("[::]:8080", "http://127.0.0.1:8080/"),
    ] {
        assert_eq!(
            config(&format!("server.listen = \"{listen}\"\n")).issuer,
            issuer
        );
    }
    let problem = problem("server.listen = \"192.0.2.1:8080\"\n");
    assert_says(
        &problem,
        &[
            "issuer (unset) and server.listen = \"192.0.2.1:8080\"",
            "must be set",
        ],
    );
    config("issuer = \"https://id.example.com\"\nserver.listen = \"192.0.2.1:8080\"\n");
}

#[test]
fn a_wrong_issuer_is_not_also_a_missing_one() {
    let problem = problem("issuer = 5\nserver.listen = \"192.0.2.1:8080\"\n");
    assert_says(&problem, &["issuer = 5", "must be text"]);
}

#[test]
fn listening_on_every_address_without_an_issuer_is_worth_a_warning() {
    let open = load("server.listen = \"0.0.0.0:8080\"\n", &[]).unwrap();
    assert_says(
        &open.warnings.join("\n"),
        &["issuer is unset", "http://127.0.0.1:8080/"],
    );
    let named = "issuer = \"https://id.example.com\"\nserver.listen = \"0.0.0.0:8080\"\n";
    assert!(load(named, &[]).unwrap().warnings.is_empty());
    assert!(load("", &[]).unwrap().warnings.is_empty());
}

#[test]
fn a_free_port_is_in_the_issuer_once_it_is_known() {
    let bound = "127.0.0.1:54321".parse().unwrap();
    let any_port = config("server.listen = \"127.0.0.1:0\"\n");
    assert_eq!(any_port.issuer_at(bound), "http://127.0.0.1:54321/");
    let everywhere = config("server.listen = \"0.0.0.0:0\"\n");
    assert_eq!(
        everywhere.issuer_at("0.0.0.0:54321".parse().unwrap()),
        "http://127.0.0.1:54321/"
    );
    let named = config("issuer = \"https://h/x:0/\"\nserver.listen = \"127.0.0.1:0\"\n");
    assert_eq!(named.issuer_at(bound), "https://h/x:0/");
}

#[test]
fn addresses_are_numeric() {
    for listen in [
        "localhost:8080",
        "127.0.0.1",
        ":8080",
        "127.0.0.1:65536",
        "unix:/run/x",
    ] {
        let problem = problem(&format!("server.listen = \"{listen}\"\n"));
        assert_says(
            &problem,
            &["server.listen", listen, "IP address and a port"],
        );
    }
}

#[test]
fn a_store_is_sqlite_or_postgres() {
    for (url, expected) in [
        ("sqlite://data/g.db", "data/g.db"),
        ("sqlite:///var/g.db", "/var/g.db"),
    ] {
        let StoreUrl::Sqlite { path } = config(&format!("store.url = \"{url}\"\n")).store.url
        else {
            panic!("{url} should be SQLite");
        };
        assert_eq!(path, PathBuf::from(expected));
    }
    for written in [
        "postgres://u:p@db:5432/g",
        "postgresql://db/g",
        "postgres:///g?host=/run/pg",
    ] {
        let StoreUrl::Postgres { url } = config(&format!("store.url = \"{written}\"\n")).store.url
        else {
            panic!("{written} should be Postgres");
        };
        assert_eq!(url.expose(), written);
    }
}

#[test]
fn other_stores_stop_the_start() {
    for (url, rule) in [
        ("", "must begin with sqlite:// or postgres://"),
        ("data/grantor.db", "must begin with"),
        ("mysql://db/g", "must begin with"),
        ("postgres:db", "must begin with"),
        ("sqlite::memory:", "must begin with"),
        ("sqlite://", "path of a file"),
        ("sqlite://data/", "path of a file"),
        ("sqlite://:memory:", "path of a file"),
        ("sqlite://g.db?mode=ro", "no parameters"),
        ("postgres://u:p/w@db/g", "must be escaped"),
    ] {
        assert_says(
            &problem(&format!("store.url = \"{url}\"\n")),
            &["store.url", rule],
        );
    }
}

#[test]
fn the_default_algorithm_has_key_pairs_because_a_secret_is_an_apis_own() {
    for alg in ["RS256", "PS256", "ES256", "EdDSA", "RS512"] {
        let config = config(&format!("tokens.default_signing_alg = \"{alg}\"\n"));
        assert_eq!(config.tokens.default_signing_alg.as_str(), alg);
    }
    for alg in ["HS256", "rs256", "none", ""] {
        let problem = problem(&format!("tokens.default_signing_alg = \"{alg}\"\n"));
        let rule = "must be one of \"RS256\", \"PS256\", \"ES256\", \"EdDSA\", \"RS512\"";
        assert_says(&problem, &["tokens.default_signing_alg", rule]);
    }
}

#[test]
fn the_log_has_three_formats_and_a_filter_of_bounded_length() {
    for (text, format) in [
        ("auto", LogFormat::Auto),
        ("text", LogFormat::Text),
        ("json", LogFormat::Json),
    ] {
        assert_eq!(
            config(&format!("log.format = \"{text}\"\n")).log.format,
            format
        );
    }
    assert_says(
        &problem("log.format = \"JSON\"\n"),
        &["\"auto\", \"text\" or \"json\""],
    );
    assert_eq!(
        config("log.level = \"grantor=debug,info\"\n").log.level,
        "grantor=debug,info"
    );
    load(&format!("log.level = \"{}=INFO\"\n", "ü".repeat(995)), &[]).unwrap();
    let long = format!("{}=info", "a".repeat(996));
    // A word that is no level would be taken for a target, and silence the rest.
    for level in [
        "",
        "inof",
        "grantor=debgu,info",
        "info,",
        "a=b=c",
        long.as_str(),
    ] {
        assert_says(
            &problem(&format!("log.level = \"{level}\"\n")),
            &[
                "off, error, warn, info, debug, trace",
                "at most 1000 characters",
            ],
        );
    }
}

#[test]
fn what_an_operator_wrote_cannot_forge_a_line_of_the_message() {
    let problem = problem("log.format = \"x\\nlog.level = fine\\u001b[2J\"\n");
    assert!(!problem.contains(['\n', '\u{1b}']), "{problem}");
}
