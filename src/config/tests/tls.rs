//! `[server.tls]` and `server.trusted_proxies`.

use super::*;

/// An operator with a certificate in `c.pem` and its key in `k.pem`.
fn operator() -> (Operator, String, String) {
    let operator = Operator::new("");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = operator.write("c.pem", made.cert.pem());
    let key = operator.write("k.pem", made.signing_key.serialize_pem());
    (operator, certificate, key)
}

fn with_tls<'v>(certificate: &'v str, key: &'v str) -> [(&'v str, &'v str); 2] {
    [
        ("GRANTOR_SERVER__TLS__CERTIFICATE", certificate),
        ("GRANTOR_SERVER__TLS__PRIVATE_KEY", key),
    ]
}

#[test]
fn with_a_certificate_and_its_key_the_issuer_is_https() {
    let (operator, certificate, key) = operator();
    for (listen, issuer) in [
        ("127.0.0.1:8443", "https://localhost:8443/"),
        ("[::1]:8443", "https://localhost:8443/"),
        ("0.0.0.0:443", "https://localhost/"),
        ("127.0.0.2:8443", "https://127.0.0.2:8443/"),
    ] {
        let settings = with_tls(&certificate, &key);
        let settings = [&settings[..], &[("GRANTOR_SERVER__LISTEN", listen)]].concat();
        let config = operator.load(&settings).unwrap().config;
        assert_eq!(config.issuer, issuer);
        assert!(config.server.tls.is_some());
    }
    let settings = with_tls(&certificate, &key);
    let settings = [&settings[..], &[("GRANTOR_SERVER__LISTEN", "[::]:0")]].concat();
    let any_port = operator.load(&settings).unwrap().config;
    let bound = "[::]:54321".parse().unwrap();
    assert_eq!(any_port.issuer_at(bound), "https://localhost:54321/");
    assert!(config("").server.tls.is_none());
}

#[test]
fn an_http_issuer_contradicts_tls() {
    let (operator, certificate, key) = operator();
    let settings = with_tls(&certificate, &key);
    let issuer = ("GRANTOR_ISSUER", "http://localhost:8080/");
    let problem = only_problem(operator.load(&[&settings[..], &[issuer]].concat()));
    let words = ["issuer = ", "server.tls.certificate", "https URL"];
    assert_says(&problem, &words);
    let issuer = ("GRANTOR_ISSUER", "https://id.example.com");
    operator.load(&[&settings[..], &[issuer]].concat()).unwrap();
}

#[test]
fn one_of_the_two_files_is_not_enough() {
    let (operator, certificate, key) = operator();
    for one in with_tls(&certificate, &key) {
        let problem = only_problem(operator.load(&[one]));
        let words = [
            "server.tls.certificate",
            "server.tls.private_key",
            "set both of them, or neither",
        ];
        assert_says(&problem, &words);
    }
}

#[test]
fn files_that_cannot_be_used_stop_the_start_by_key_file_and_reason() {
    let (operator, certificate, key) = operator();
    let missing = operator.path("missing.pem").display().to_string();
    let long = operator.write("long.pem", "x".repeat(2 << 20));
    let binary = operator.write("binary.pem", [0xff, 0xfe]);
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = operator.write("other.pem", other.signing_key.serialize_pem());
    for (certificate, key, words) in [
        (
            &missing,
            &key,
            ["server.tls.certificate", &missing, "cannot be read"],
        ),
        (
            &long,
            &key,
            ["server.tls.certificate", &long, "longer than 1048576 bytes"],
        ),
        (
            &binary,
            &key,
            ["server.tls.certificate", &binary, "cannot be read"],
        ),
        (
            &key,
            &key,
            ["server.tls.certificate", &key, "no certificate in the file"],
        ),
        (
            &certificate,
            &missing,
            ["server.tls.private_key", &missing, "cannot be read"],
        ),
        (
            &certificate,
            &certificate,
            ["server.tls.private_key", &certificate, "no private key"],
        ),
        (
            &certificate,
            &other,
            ["server.tls.private_key", &other, "does not fit"],
        ),
    ] {
        let problem = only_problem(operator.load(&with_tls(certificate, key)));
        assert_says(&problem, &words);
        assert_says(&problem, &["GRANTOR_SERVER__TLS__"]);
    }
}

#[test]
fn trusted_proxies_are_addresses_and_networks() {
    let variable = "GRANTOR_SERVER__TRUSTED_PROXIES";
    let shown = "server.trusted_proxies [\"10.0.0.7/32\", \"fd00::/8\"]";
    let from_file = load(
        "[server]\ntrusted_proxies = [\"10.0.0.7\", \"fd00::/8\"]\n",
        &[],
    )
    .unwrap();
    let from_environment = load("", &[(variable, "10.0.0.7, fd00::/8")]).unwrap();
    for loaded in [from_file, from_environment] {
        assert_eq!(loaded.config.server.trusted_proxies.len(), 2);
        assert_says(&printed(&loaded, "server.trusted_proxies"), &[shown]);
    }
    let none = load("", &[(variable, "")]).unwrap().config;
    assert!(none.server.trusted_proxies.is_empty());
    for (value, rule) in [
        ("proxy.example.com", "an IP address or a network"),
        ("10.0.0.0/33", "an IP address or a network"),
        ("10.0.0.1,", "an IP address or a network"),
        ("10.0.0.1:80", "an IP address or a network"),
        ("10.0.0.7/8", "write the network as 10.0.0.0/8"),
        ("::ffff:10.0.0.1", "without ::ffff:"),
        (&"10.0.0.1,".repeat(100), "at most 100"),
    ] {
        let problem = variable_problem(variable, value);
        assert_says(&problem, &["server.trusted_proxies", rule]);
    }
    let number = problem("server.trusted_proxies = [1]\n");
    assert_says(
        &number,
        &["server.trusted_proxies", "a list of at most 100 texts"],
    );
}

#[test]
fn to_trust_everybody_is_worth_a_warning() {
    for everybody in ["0.0.0.0/0", "10.0.0.1,::/0"] {
        let loaded = load("", &[("GRANTOR_SERVER__TRUSTED_PROXIES", everybody)]).unwrap();
        let words = ["server.trusted_proxies", "any client"];
        assert_says(&loaded.warnings.join("\n"), &words);
    }
}
