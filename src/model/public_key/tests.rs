//! What is read from PEM, and what is refused with which words.

use super::AssertionAlgorithm::{EdDsa, Es256, Ps256, Rs256, Rs384};
use super::*;

/// A file of `tests/data/public_keys/`; what it holds stands in its name.
fn pem(name: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    std::fs::read_to_string(format!("{root}/tests/data/public_keys/{name}.pem")).unwrap()
}

fn refusal(text: &str, algorithm: AssertionAlgorithm) -> &'static str {
    from_pem(text, algorithm).unwrap_err()
}

#[test]
fn a_key_that_fits_its_alg_is_read_in_every_form_and_stays_the_same_when_stored() {
    for (name, algorithm) in [
        ("rsa_2048", Rs256),
        ("rsa_2048", Rs384),
        ("rsa_2048", Ps256),
        ("rsa_2048_pkcs1", Rs256),
        ("rsa_2048_exponent_3", Rs256),
        ("p256", Es256),
        ("ed25519", EdDsa),
    ] {
        let read = from_pem(&pem(name), algorithm).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(read.certificate.is_none(), "{name}");
        let stored = PublicKey::from_jwk(read.key.as_jwk()).unwrap();
        assert_eq!(stored.thumbprint(), read.key.thumbprint(), "{name}");
        assert_eq!(
            read.key.thumbprint().len(),
            43,
            "fits Auth0's pattern of a kid"
        );
    }
    let one = |name| {
        from_pem(&pem(name), Rs256)
            .unwrap()
            .key
            .thumbprint()
            .to_owned()
    };
    assert_eq!(
        one("rsa_2048"),
        one("rsa_2048_pkcs1"),
        "the same key in two forms"
    );
    // Calculated by another program.
    let ed = from_pem(&pem("ed25519"), EdDsa).unwrap();
    assert_eq!(
        ed.key.thumbprint(),
        "ZX0gsFScWW9KI5dUubRW9hRTFcbI4JF0HqB3OdSyvzs"
    );
}

#[test]
fn a_certificate_gives_its_key_its_end_and_its_thumbprint() {
    let read = from_pem(&pem("certificate_rsa_2100"), Rs256).unwrap();
    let facts = read.certificate.unwrap();
    assert_eq!(facts.ends_at, 4_102_444_800);
    assert_eq!(
        facts.thumbprint_sha256,
        "HGVu0vyAC1vfVFL3byM9ewM8v7JbSNWjD8XGQYg4aLc"
    );
    let ended = from_pem(&pem("certificate_p256_2020"), Es256).unwrap();
    assert_eq!(ended.certificate.unwrap().ends_at, 1_577_836_800);
}

#[test]
fn line_ends_and_room_around_a_pem_do_not_matter() {
    let text = pem("p256");
    for variant in [
        text.replace('\n', "\r\n"),
        format!("\n\n  {text}\n \n"),
        text.trim_end().to_owned(),
    ] {
        assert!(from_pem(&variant, Es256).is_ok(), "{variant:?}");
    }
}

#[test]
fn a_key_that_does_not_fit_its_alg_is_refused() {
    for (name, algorithm) in [
        ("rsa_2048", Es256),
        ("rsa_2048", EdDsa),
        ("rsa_2048_pkcs1", Es256),
        ("p256", Rs256),
        ("p256", EdDsa),
        ("ed25519", Es256),
        ("ed25519", Ps256),
        ("certificate_rsa_2100", Es256),
        ("certificate_p256_2020", Rs256),
    ] {
        let why = refusal(&pem(name), algorithm);
        assert!(why.contains("does not fit the alg"), "{name}: {why}");
    }
    for name in ["p384", "secp256k1"] {
        let why = refusal(&pem(name), Es256);
        assert!(why.contains("P-256 or Ed25519"), "{name}: {why}");
    }
}

#[test]
fn a_weak_or_broken_key_is_refused() {
    for name in [
        "rsa_1024",
        "rsa_2048_exponent_1",
        "rsa_2048_exponent_even",
        "p256_compressed",
    ] {
        let algorithm = if name.starts_with("rsa") {
            Rs256
        } else {
            Es256
        };
        let why = refusal(&pem(name), algorithm);
        assert!(!why.contains("PEM"), "{name}: {why}");
    }
    // A point that is not on the curve.
    let text = pem("p256");
    let (mut damaged, at) = (text.clone(), text.len() - 40);
    let other = if text.as_bytes()[at] == b'A' {
        "B"
    } else {
        "A"
    };
    damaged.replace_range(at..=at, other);
    assert!(from_pem(&damaged, Es256).is_err());
}

#[test]
fn a_private_key_is_refused_with_a_warning_and_anything_else_as_no_pem() {
    let private = pem("p256").replace("PUBLIC KEY", "PRIVATE KEY");
    assert!(refusal(&private, Es256).contains("private key"));
    let twice = format!("{}{}", pem("p256"), pem("p256"));
    for text in [
        "",
        "a key",
        "-----BEGIN PUBLIC KEY-----",
        &twice,
        &pem("p256").replace("PUBLIC KEY", "CERTIFICATE REQUEST"),
    ] {
        assert!(
            refusal(text, Es256).contains("Not readable as PEM"),
            "{text}"
        );
    }
    let empty = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----";
    assert!(refusal(empty, Es256).contains("Not a public key"));
    let no_certificate = pem("p256").replace("PUBLIC KEY", "CERTIFICATE");
    assert!(refusal(&no_certificate, Es256).contains("X.509"));
}
