//! Layers: which one wins, what each accepts, and that every message says where a value came from.

use std::ffi::OsString;

use super::*;

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let operator = Operator::new("[server]\nlisten = \"127.0.0.1:9000\"\nbody_bytes_max = 2048\n");
    let file = operator.path("operator.toml").display().to_string();
    let loaded = operator
        .load(&[("GRANTOR_SERVER__BODY_BYTES_MAX", "4096")])
        .unwrap();
    let expected = [
        (
            "server.listen",
            format!("server.listen \"127.0.0.1:9000\" {file}"),
        ),
        (
            "server.body_bytes_max",
            "server.body_bytes_max 4096 GRANTOR_SERVER__BODY_BYTES_MAX".into(),
        ),
        (
            "server.connections_max",
            "server.connections_max 10000 default".into(),
        ),
        ("keys.master", "keys.master - unset".into()),
        (
            "issuer",
            "issuer \"http://127.0.0.1:9000/\" follows server.listen".into(),
        ),
    ];
    for (key, line) in expected {
        assert_eq!(printed(&loaded, key), line);
    }
    assert_eq!(loaded.config.server.body_bytes_max, 4096);
}

#[test]
fn the_table_is_aligned() {
    let loaded = load("", &[]).unwrap();
    let table = loaded.print();
    let starts = |word| {
        table
            .lines()
            .filter_map(move |line| line.find(word))
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(starts("  default").len(), 1, "{table}");
}

#[test]
fn variables_reach_every_kind_of_key() {
    let environment = [
        ("GRANTOR_ISSUER", "https://id.example.com/"),
        (
            "GRANTOR_LIFETIMES__NEW_APPLICATIONS__APPLICATION_TOKEN",
            "1h",
        ),
        ("GRANTOR_LIFETIMES__API_DEFAULT", "7200"),
        ("GRANTOR_LIFETIMES__ALLOW_NEVER_EXPIRING", "false"),
        ("GRANTOR_CACHE__APPLICATIONS_BYTES_MAX", "17179869184"),
        ("GRANTOR_STORE__URL", "sqlite:///var/lib/grantor.db"),
        ("GRANTOR_LOG__LEVEL", "warn"),
        // Digits stay text where the key is text.
        (
            "GRANTOR_BOOTSTRAP__CLIENT_ID",
            "12345678901234567890123456789012",
        ),
        (
            "GRANTOR_BOOTSTRAP__CLIENT_SECRET",
            "12345678901234567890123456789012",
        ),
    ];
    let config = load("", &environment).unwrap().config;
    assert_eq!(config.issuer, "https://id.example.com/");
    assert_eq!(
        config
            .lifetimes
            .new_applications
            .application
            .unwrap()
            .as_integer(),
        3600
    );
    assert_eq!(config.lifetimes.api_default.as_integer(), 7200);
    assert!(!config.lifetimes.allow_never_expiring);
    assert_eq!(config.cache.applications_bytes_max, 17_179_869_184);
    assert_eq!(config.log.level, "warn");
    let credentials = config.bootstrap.credentials.unwrap();
    assert_eq!(credentials.client_id, "12345678901234567890123456789012");
    assert_eq!(
        credentials.client_secret.expose(),
        "12345678901234567890123456789012"
    );
}

#[test]
fn variables_of_others_are_ignored() {
    let environment = [
        ("GRANTOR_TEST_POSTGRES", "x"),
        ("GRANTOR_ISSUER_", "x"),
        ("GRANTOR_", "x"),
        ("OTHER_SERVER__LISTEN", "x"),
        ("grantor_server__listen", "x"),
    ];
    load("", &environment).unwrap();
}

#[test]
fn a_variable_that_names_no_key_is_an_unknown_key() {
    for (name, key) in [
        ("GRANTOR_SERVER__LISTN", "server.listn"),
        ("GRANTOR_SERVER__LISTEN__PORT", "server.listen.port"),
        ("GRANTOR_SERVER__", "server.\"\""),
        ("GRANTOR___LISTEN", "\"\".listen"),
    ] {
        let problem = variable_problem(name, "1");
        assert_says(&problem, &[key, &format!("({name})"), "no such key"]);
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf8_is_a_problem_only_where_it_is_ours() {
    use std::os::unix::ffi::OsStringExt;
    let operator = Operator::new("");
    let load = |name: &str| {
        let variable = (OsString::from(name), OsString::from_vec(vec![b'a', 0xff]));
        super::super::load(Some(&operator.path("operator.toml")), [variable])
    };
    load("GRANTOR_HOME").unwrap();
    load("LESS_TERMCAP").unwrap();
    let problem = only_problem(load("GRANTOR_LOG__LEVEL"));
    assert_says(&problem, &["log.level (GRANTOR_LOG__LEVEL)", "UTF-8"]);
}

#[test]
fn unknown_keys_are_named_with_their_file_and_without_their_value() {
    let operator = Operator::new("[bootstrap]\nclient_secrt = \"swordfish\"\n");
    let problem = only_problem(operator.load(&[]));
    let file = operator.path("operator.toml").display().to_string();
    assert_says(&problem, &["bootstrap.client_secrt", &file, "no such key"]);
    assert!(!problem.contains("swordfish"), "{problem}");
}

#[test]
fn a_key_that_forgot_its_section_finds_it() {
    let problem = problem("listen = \"127.0.0.1:1\"\n");
    assert_says(&problem, &["listen", "did you mean server.listen?"]);
    let several = super::problem("[tokens]\nconnections-max = 1\n");
    assert_says(
        &several,
        &["did you mean server.connections_max or store.connections_max?"],
    );
}

#[test]
fn sections_are_not_keys_and_keys_are_not_sections() {
    assert_says(
        &problem("server = 5\n"),
        &["server", "this is a section", "[server]"],
    );
    assert_says(
        &problem("[server.listen]\nport = 5\n"),
        &["server.listen.port", "no such key"],
    );
    assert_says(
        &problem("server.listen = {}\n"),
        &["server.listen = a table", "text"],
    );
    assert_says(&problem("[servers]\n"), &["servers", "no such key"]);
    assert_says(
        &problem("\"server.listen\" = 5\n"),
        &["\"server.listen\"", "no such key"],
    );
    assert_says(
        &problem("[[log]]\nlevel = \"info\"\n"),
        &["log", "this is a section"],
    );
    load("[server]\n[lifetimes.new_applications]\n", &[]).unwrap();
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let toml =
        "nonsense = 1\n[server]\nlisten = 5\nbody_bytes_max = 1\n[lifetimes]\napi_default = 0\n";
    let problems = load(toml, &[("GRANTOR_LOG__FORMAT", "xml")]).unwrap_err();
    assert_eq!(problems.0.len(), 5, "{problems}");
    let lines: Vec<_> = problems.to_string().lines().map(str::to_owned).collect();
    assert_says(
        &lines[0],
        &["server.listen = 5", "operator.toml", "must be text"],
    );
    assert_says(
        &lines[1],
        &[
            "server.body_bytes_max = 1",
            "operator.toml",
            "from 1024 to 16777216",
        ],
    );
    assert_says(
        &lines[2],
        &["lifetimes.api_default = 0", "operator.toml", "never 0"],
    );
    assert_says(
        &lines[3],
        &["log.format = \"xml\" (GRANTOR_LOG__FORMAT)", "\"json\""],
    );
    assert_says(&lines[4], &["nonsense", "operator.toml", "no such key"]);
}

#[test]
fn broken_toml_is_one_problem_that_names_its_line_and_shows_nothing_of_it() {
    let operator = Operator::new("[bootstrap]\n\nclient_secret = \"swordfish\n");
    let problem = only_problem(operator.load(&[("GRANTOR_LOG__FORMAT", "xml")]));
    let file = operator.path("operator.toml").display().to_string();
    assert_says(&problem, &["line 3", &file, "not TOML"]);
    assert!(
        !problem.contains("swordfish") && !problem.contains('\n'),
        "{problem}"
    );
    assert_says(
        &super::problem("a = 1\na = 2\n"),
        &["line 2", "duplicate key"],
    );
}

#[test]
fn a_file_that_is_named_must_be_readable() {
    let operator = Operator::new("");
    let missing = operator.path("missing.toml");
    let problem = only_problem(super::super::load(Some(&missing), []));
    assert_says(
        &problem,
        &[&missing.display().to_string(), "cannot be read"],
    );

    operator.write("operator.toml", [b'#', 0xff]);
    assert_says(
        &only_problem(operator.load(&[])),
        &["operator.toml", "UTF-8"],
    );
    operator.write("operator.toml", vec![b'#'; 1_048_577]);
    assert_says(
        &only_problem(operator.load(&[])),
        &["operator.toml", "longer than 1048576 bytes"],
    );
}

#[test]
fn no_file_at_all_is_fine() {
    super::super::load(None, []).unwrap();
}
