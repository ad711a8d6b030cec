//! Secrets: how they are given, and that nothing ever shows them.

use super::*;
use crate::secret::Secret;

const ID: &str = "abcdefghijklmnopqrstuvwxyz012345";
const SECRET: &str = "swordfish swordfish swordfish 42";
const KEY_A: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const KEY_B: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

fn bootstrap(id: &str, secret: &str) -> Result<Loaded, Problems> {
    let variables = [
        ("GRANTOR_BOOTSTRAP__CLIENT_ID", id),
        ("GRANTOR_BOOTSTRAP__CLIENT_SECRET", secret),
    ];
    load("", &variables)
}

#[test]
fn a_bootstrap_id_has_exactly_32_letters_and_digits() {
    bootstrap(ID, SECRET).unwrap();
    for id in [
        "",
        &ID[1..],
        &format!("{ID}6"),
        &format!("{}-", &ID[1..]),
        &format!("{}ü", &ID[2..]),
    ] {
        let problem = only_problem(bootstrap(id, SECRET));
        assert_says(
            &problem,
            &["bootstrap.client_id", "exactly 32 letters and digits"],
        );
    }
}

#[test]
fn a_bootstrap_secret_has_32_to_256_printable_characters() {
    for secret in ["x".repeat(32), "x".repeat(256)] {
        bootstrap(ID, &secret).unwrap();
    }
    let broken = [
        String::new(),
        "x".repeat(31),
        "x".repeat(257),
        format!("{SECRET}\n"),
        format!("{SECRET}ü"),
    ];
    for secret in broken {
        let problem = only_problem(bootstrap(ID, &secret));
        assert_says(
            &problem,
            &[
                "bootstrap.client_secret = [hidden]",
                "32 to 256 printable ASCII",
            ],
        );
        assert!(secret.is_empty() || !problem.contains(&secret), "{problem}");
    }
}

#[test]
fn bootstrap_needs_both_or_neither() {
    let id_only = variable_problem("GRANTOR_BOOTSTRAP__CLIENT_ID", ID);
    assert_says(
        &id_only,
        &[
            "bootstrap.client_id",
            "bootstrap.client_secret (unset)",
            "or neither",
        ],
    );
    let secret_only = variable_problem("GRANTOR_BOOTSTRAP__CLIENT_SECRET", SECRET);
    assert_says(&secret_only, &["bootstrap.client_id (unset)", "or neither"]);
    let operator = Operator::new("");
    let file = operator.write("secret", SECRET);
    let file_only =
        only_problem(operator.load(&[("GRANTOR_BOOTSTRAP__CLIENT_SECRET_FILE", &file)]));
    assert_says(&file_only, &["bootstrap.client_id (unset)", "or neither"]);
}

#[test]
fn secrets_come_from_files_without_their_last_line_breaks() {
    let operator = Operator::new("");
    let secret = operator.write("secret", format!("{SECRET}\r\n\n"));
    let keys = operator.write("keys", format!("{KEY_A}\n{KEY_B}\n"));
    let url = operator.write("url", "postgres://grantor:swordfish@db/grantor\n");
    let loaded = operator
        .load(&[
            ("GRANTOR_BOOTSTRAP__CLIENT_ID", ID),
            ("GRANTOR_BOOTSTRAP__CLIENT_SECRET_FILE", &secret),
            ("GRANTOR_KEYS__MASTER_FILE", &keys),
            ("GRANTOR_STORE__URL_FILE", &url),
        ])
        .unwrap();
    let config = &loaded.config;
    assert_eq!(
        config
            .bootstrap
            .credentials
            .as_ref()
            .unwrap()
            .client_secret
            .expose(),
        SECRET
    );
    let masters: Vec<_> = config.keys.master.iter().map(Secret::expose).collect();
    assert_eq!(masters, [&[b'A'; 32], &[b'B'; 32]]);
    assert_eq!(
        printed(&loaded, "store.url"),
        format!("store.url \"postgres://grantor:***@db/grantor\" {url}")
    );
    assert_eq!(
        printed(&loaded, "store.url_file"),
        format!("store.url_file {url:?} GRANTOR_STORE__URL_FILE")
    );
    assert_eq!(
        printed(&loaded, "keys.master"),
        format!("keys.master [hidden] {keys}")
    );
}

#[test]
fn a_secret_and_its_file_contradict_each_other() {
    let operator = Operator::new("[store]\nurl = \"postgres://u:swordfish@db/g\"\n");
    let file = operator.write("file", "sqlite://other.db");
    let problem = only_problem(operator.load(&[("GRANTOR_STORE__URL_FILE", &file)]));
    assert_says(
        &problem,
        &[
            "store.url = [hidden] (",
            "operator.toml",
            "store.url_file = ",
            "both",
        ],
    );
    assert_says(&problem, &["(GRANTOR_STORE__URL_FILE)"]);
    assert!(!problem.contains("swordfish"), "{problem}");

    for (key, value) in [
        ("KEYS__MASTER", KEY_A),
        ("BOOTSTRAP__CLIENT_SECRET", SECRET),
    ] {
        let environment = [
            (format!("GRANTOR_{key}"), value),
            (format!("GRANTOR_{key}_FILE"), file.as_str()),
            ("GRANTOR_BOOTSTRAP__CLIENT_ID".to_owned(), ID),
        ];
        let used = if key.starts_with("KEYS") {
            &environment[..2]
        } else {
            &environment[..]
        };
        let environment: Vec<_> = used
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        assert_says(
            &only_problem(load("", &environment)),
            &["both are set; keep one of them"],
        );
    }
}

#[test]
fn an_unreadable_secret_file_names_key_and_path() {
    let operator = Operator::new("");
    let missing = operator.path("missing").display().to_string();
    let problem = only_problem(operator.load(&[("GRANTOR_KEYS__MASTER_FILE", &missing)]));
    assert_says(
        &problem,
        &[
            "keys.master_file",
            &missing,
            "cannot be read",
            "GRANTOR_KEYS__MASTER_FILE",
        ],
    );
    let environment = [
        ("GRANTOR_BOOTSTRAP__CLIENT_ID", ID),
        ("GRANTOR_BOOTSTRAP__CLIENT_SECRET_FILE", &missing),
    ];
    let problem = only_problem(operator.load(&environment));
    assert_says(
        &problem,
        &["bootstrap.client_secret_file", "cannot be read"],
    );
    let long = operator.write("long", vec![b'a'; 1_048_577]);
    let problem = only_problem(operator.load(&[("GRANTOR_KEYS__MASTER_FILE", &long)]));
    assert_says(&problem, &["keys.master_file", "longer than"]);
    assert_says(
        &super::problem("keys.master_file = 5\n"),
        &["keys.master_file = 5", "must be text"],
    );
}

#[test]
fn master_keys_are_32_bytes_each() {
    let masters = |text: &str| load("", &[("GRANTOR_KEYS__MASTER", text)]);
    assert_eq!(masters(KEY_A).unwrap().config.keys.master.len(), 1);
    let two = masters(&format!("{KEY_B}, {KEY_A}"))
        .unwrap()
        .config
        .keys
        .master;
    assert_eq!(
        two[0].expose(),
        &[b'B'; 32],
        "the first is the one that encrypts"
    );
    for (text, number) in [
        ("", 1),
        ("swordfish", 1),
        ("c3dvcmRmaXNo", 1),
        (KEY_A.trim_end_matches('='), 1),
        (&format!("{KEY_A},"), 2),
        (&format!("{KEY_A},swordfish"), 2),
        (&format!("{KEY_A}{KEY_A}"), 1),
    ] {
        let problem = only_problem(masters(text));
        assert_says(
            &problem,
            &[
                "keys.master = [hidden]",
                &format!("key {number} is not 32 bytes"),
            ],
        );
        assert!(
            !problem.contains("swordfish") && !problem.contains(KEY_A),
            "{problem}"
        );
    }
}

#[test]
fn a_secret_of_the_wrong_type_is_hidden_too() {
    let problem = problem("keys.master = 424242\n");
    assert_says(&problem, &["keys.master = [hidden]", "must be text"]);
    assert!(!problem.contains("424242"), "{problem}");
}

#[test]
fn the_password_of_a_store_is_never_shown() {
    for (url, shown) in [
        (
            "postgres://u:swordfish@db:5432/g",
            "\"postgres://u:***@db:5432/g\"",
        ),
        ("postgres://u:sword@fish@db/g", "\"postgres://u:***@db/g\""),
        ("postgres://u@db/g", "\"postgres://u@db/g\""),
        (
            "postgres://db/g?user=u&password=swordfish",
            "\"postgres://db/g?user=u&password=***\"",
        ),
        (
            "postgres://db/g?%70assword=swordfish",
            "\"postgres://db/g?password=***\"",
        ),
        ("postgres://u:1/swordfish@db/g", "[hidden]"),
        ("postgres://u:1?swordfish@db/g", "[hidden]"),
    ] {
        let loaded = load(&format!("store.url = \"{url}\"\n"), &[]).unwrap();
        assert_says(
            &printed(&loaded, "store.url"),
            &[&format!("store.url {shown} ")],
        );
        assert!(
            !format!("{loaded:?}{}", loaded.print()).contains("fish"),
            "{loaded:?}"
        );
    }
    for url in [
        "mysql://u:swordfish@db/g",
        "postgres://u:sw/ordfish@db/g",
        "mysql:u:swordfish@db",
    ] {
        let problem = problem(&format!("store.url = \"{url}\"\n"));
        assert!(!problem.contains("fish"), "{problem}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    let environment = [
        ("GRANTOR_BOOTSTRAP__CLIENT_ID", ID),
        ("GRANTOR_BOOTSTRAP__CLIENT_SECRET", SECRET),
        ("GRANTOR_KEYS__MASTER", KEY_A),
        ("GRANTOR_STORE__URL", "postgres://u:swordfish@db/g"),
    ];
    let loaded = load("", &environment).unwrap();
    let everything = format!("{loaded:?}\n{loaded:#?}\n{}", loaded.print());
    for secret in ["swordfish", KEY_A, "65, 65"] {
        assert!(!everything.contains(secret), "{everything}");
    }
    assert_eq!(format!("{:?}", loaded.config.keys.master), "[[hidden]]");
    assert_says(&everything, &["[hidden]", "postgres://u:***@db/g"]);
}
