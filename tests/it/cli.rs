//! The real binary's commands, as a person or a service manager runs them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::harness::{ADMIN_ID, ADMIN_SECRET, Backend, Credentials, Database, World, api_path};
use crate::program::{Program, Running};

#[test]
fn every_command_has_help_with_an_example() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path());
    let commands: [&[&str]; 9] = [
        &[],
        &["serve"],
        &["migrate"],
        &["config"],
        &["config", "check"],
        &["config", "print"],
        &["explain"],
        &["admin-secret"],
        &["openapi"],
    ];
    for command in commands {
        let ended = program.run(&[command, &["--help"]].concat()).expect(0);
        let (_, example) = ended
            .stdout
            .split_once("Example")
            .unwrap_or_else(|| panic!("no example in the help of {command:?}: {ended:?}"));
        let line = ["grantor", command.last().unwrap_or(&"serve")];
        assert!(line.iter().all(|word| example.contains(word)), "{example}");
    }
    assert!(folder.path().read_dir().unwrap().next().is_none());
}

#[test]
fn wrong_arguments_end_with_2_and_say_how_it_is_done() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path());
    let wrong: [&[&str]; 6] = [
        &[],
        &["start"],
        &["serve", "--port", "80"],
        &["explain"],
        &["explain", "--api", "https://a.example/", "--flow", "magic"],
        &["config"],
    ];
    for arguments in wrong {
        let ended = program.run(arguments).expect(2);
        assert!(
            ended.stderr.contains("Usage") || ended.stderr.contains("--help"),
            "{ended:?}"
        );
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_store_or_an_address_that_cannot_be_had_ends_with_69() {
    let folder = tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let program = Program::in_folder(folder.path());
    let no_address = program.clone().with("GRANTOR_SERVER__LISTEN", &*address);
    let ended = no_address.refuse_to_serve().expect(69);
    ended.complains_of(&["server.listen", &address]);

    fs::write(folder.path().join("file"), "").unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    for path in ["file/grantor.db", "folder"] {
        let no_store = program
            .clone()
            .with("GRANTOR_STORE__URL", format!("sqlite://{path}"));
        for command in [&["serve"][..], &["migrate"], &["admin-secret"]] {
            no_store.run(command).expect(69).complains_of(&["store"]);
        }
    }

    drop(taken);
    let password = "a-password-that-nobody-shows";
    let url = format!("postgres://grantor:{password}@{address}/grantor");
    let no_store = program.with("GRANTOR_STORE__URL", url);
    for command in [&["serve"][..], &["migrate"], &["admin-secret"]] {
        let ended = no_store.run(command).expect(69);
        ended.complains_of(&["grantor: ", "store"]);
        assert!(!ended.stderr.contains(password), "{ended:?}");
    }
}

#[test]
fn everything_that_is_wrong_with_the_configuration_is_said_at_once_and_ends_with_78() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(
        &file,
        "issuer = \"http://example.com/\"\n[server]\nconections_max = 10\n[store]\nurl = \"mysql://x\"\n",
    )
    .unwrap();
    let program = Program::in_folder(folder.path())
        .with("GRANTOR_SERVER__BODY_BYTES_MAX", "many")
        .with("GRANTOR_KEYS__MASTER", "a master key that is none");
    let file = file.to_str().unwrap();
    let commands: [&[&str]; 5] = [
        &["--config", file, "serve"],
        &["config", "check", "--config", file],
        &["config", "print", "--config", file],
        &["--config", file, "migrate"],
        &["--config", file, "admin-secret"],
    ];
    for command in commands {
        let ended = program.run(command).expect(78);
        ended.complains_of(&["issuer = \"http://example.com/\"", "https", file]);
        ended.complains_of(&["server.conections_max", "no such key"]);
        ended.complains_of(&["store.url", "sqlite:// or postgres://"]);
        ended.complains_of(&["GRANTOR_SERVER__BODY_BYTES_MAX", "many", "1024 to 16777216"]);
        ended.complains_of(&["keys.master", "32 bytes in base64"]);
        assert!(!ended.stderr.contains("key that is none"), "{ended:?}");
        assert_eq!(ended.stdout, "");
    }
    let missing = program.run(&["--config", "not-there.toml", "serve"]);
    missing.expect(78).complains_of(&["not-there.toml"]);
    let level = Program::in_folder(folder.path()).with("GRANTOR_LOG__LEVEL", "=loud=");
    level
        .refuse_to_serve()
        .expect(78)
        .complains_of(&["log.level"]);
    assert!(!folder.path().join("data").exists());
}

#[test]
fn config_check_says_that_all_is_well_and_starts_nothing() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path());
    let ended = program.run(&["config", "check"]).expect(0);
    let (warning, rest) = ended.stdout.split_once('\n').unwrap();
    assert!(
        warning.starts_with("warning: mail.smtp_url is unset"),
        "{ended:?}"
    );
    assert_eq!(rest, "The configuration is fine.\n");
    assert_eq!(ended.stderr, "");
    let open = program.with("GRANTOR_SERVER__LISTEN", "0.0.0.0:8080");
    let ended = open.run(&["config", "check"]).expect(0);
    assert!(ended.stdout.contains("warning: issuer"), "{ended:?}");
    assert!(folder.path().read_dir().unwrap().next().is_none());
}

#[test]
fn config_print_shows_values_and_sources_and_hides_secrets() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    fs::write(
        folder.path().join("config/identity.toml"),
        "[tokens]\napis_per_token_max = 7\n[lifetimes]\napi_default = \"2h\"\n",
    )
    .unwrap();
    fs::write(folder.path().join("secret"), format!("{ADMIN_SECRET}\n")).unwrap();
    let master = "dGhlIHRlc3RzIHNoYXJlIHRoaXMgbWFzdGVyIGtleSE=";
    let ended = Program::in_folder(folder.path())
        .with("GRANTOR_LIFETIMES__API_DEFAULT", "3600")
        .with("GRANTOR_LIFETIMES__NEW_APPLICATIONS__USER_TOKEN", "1h")
        .with("GRANTOR_KEYS__MASTER", master)
        .with("GRANTOR_BOOTSTRAP__CLIENT_ID", ADMIN_ID)
        .with("GRANTOR_BOOTSTRAP__CLIENT_SECRET_FILE", "secret")
        .with(
            "GRANTOR_STORE__URL",
            "postgres://grantor:pass-of-pg@db/grantor",
        )
        .run(&["config", "print"])
        .expect(0);
    let line = |key: &str| -> Vec<&str> {
        let mut lines = ended
            .stdout
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let line = lines.find(|words| words.first() == Some(&key));
        line.unwrap_or_else(|| panic!("no {key} in {}", ended.stdout))[1..].to_vec()
    };
    let file = "config/identity.toml";
    assert_eq!(line("tokens.apis_per_token_max"), ["7", file]);
    assert_eq!(
        line("lifetimes.api_default"),
        ["3600", "GRANTOR_LIFETIMES__API_DEFAULT"]
    );
    let user_token = "lifetimes.new_applications.user_token";
    assert_eq!(
        line(user_token),
        ["3600", "GRANTOR_LIFETIMES__NEW_APPLICATIONS__USER_TOKEN"]
    );
    assert_eq!(line("server.connections_max"), ["10000", "default"]);
    assert_eq!(line("bootstrap.client_secret"), ["[hidden]", "secret"]);
    assert_eq!(line("keys.master"), ["[hidden]", "GRANTOR_KEYS__MASTER"]);
    assert_eq!(line("issuer").last(), Some(&"server.listen"));
    assert!(line("store.url")[0].contains("grantor:***@db"), "{ended:?}");
    for secret in [master, ADMIN_SECRET, "pass-of-pg"] {
        assert!(!ended.stdout.contains(secret), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_that_name_no_key_are_ignored_and_values_of_text_keys_are_taken_literally() {
    let folder = tempdir().unwrap();
    let digits = "12345678901234567890123456789012";
    let program = Program::in_folder(folder.path())
        .with("GRANTOR_HOME", "/nowhere")
        .with("GRANTOR_TEST_POSTGRES", "x")
        .with("GRANTOR", "x")
        .with("LISTEN", "x")
        .with("GRANTOR_BOOTSTRAP__CLIENT_ID", digits)
        .with("GRANTOR_BOOTSTRAP__CLIENT_SECRET", digits);
    let running = program.serve();
    let client = Credentials {
        id: digits.into(),
        secret: digits.into(),
    };
    running
        .ask_for_management(&client)
        .await
        .expect(StatusCode::OK);
    running.stop().expect(0);
    let misspelt = program.with("GRANTOR_SERVER__LISTEM", "127.0.0.1:1");
    let ended = misspelt.refuse_to_serve().expect(78);
    ended.complains_of(&["server.listem", "GRANTOR_SERVER__LISTEM"]);
}

/// On either store `migrate` prepares the schema, again is fine, and `serve` finds it.
async fn migrate_prepares_the_schema(backend: Backend) {
    let folder = tempdir().unwrap();
    let database = Database::create(backend).await;
    let program = Program::in_folder(folder.path()).with("GRANTOR_STORE__URL", database.url());
    for _ in 0..2 {
        let ended = program.run(&["migrate"]).expect(0);
        assert_eq!(ended.stdout, "The schema is up to date.\n");
    }
    assert!(!folder.path().join("data/first-application.json").exists());
    program.serve().stop().expect(0);
    program.run(&["migrate"]).expect(0);
    database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_prepares_the_schema_on_sqlite() {
    migrate_prepares_the_schema(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_prepares_the_schema_on_postgres() {
    migrate_prepares_the_schema(Backend::Postgres).await;
}

/// `explain` reads the store of a running server, and says what the Management API says.
async fn explain_agrees_with_the_management_api(backend: Backend) {
    let settings = [("GRANTOR_LIFETIMES__API_MAXIMUM", "100000")];
    let world = World::start(backend, &settings).await;
    let node = &world.node;
    let (orders, stock) = ("https://orders.example/", "https://stock.example/");
    node.create_api(
        orders,
        json!({ "token_lifetime": 7200, "token_lifetime_for_web": 900 }),
    )
    .await;
    node.create_api(stock, json!({ "token_lifetime": 1800 }))
        .await;
    let lifetimes = json!({ "access_token_lifetimes": { "application": 5400, "user": -1 } });
    let shop = node.create_application(lifetimes).await;
    node.grant(&shop, orders, json!({})).await;

    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path())
        .with("GRANTOR_ISSUER", crate::harness::ISSUER)
        .with("GRANTOR_STORE__URL", world.database.url())
        .with(settings[0].0, settings[0].1);
    let questions: [&[(&str, &str)]; 9] = [
        &[],
        &[("client_id", &shop.id)],
        &[("client_id", &shop.id), ("validity_period", "600")],
        &[("client_id", &shop.id), ("validity_period", "-1")],
        &[("client_id", &shop.id), ("flow", "refresh_token")],
        &[
            ("client_id", &shop.id),
            ("flow", "authorization_code"),
            ("validity_period", "60"),
        ],
        &[("flow", "implicit")],
        &[("flow", "mfa")],
        &[("client_id", &shop.id), ("audience", stock)],
    ];
    for question in questions {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(question);
        let path = format!("{}/token-lifetime?{}", api_path(orders), query.finish());
        let answer = node.manage(Method::GET, &path, None).await;
        let expected = in_words(&answer.expect(StatusCode::OK).json);

        let mut arguments = vec!["explain".to_owned(), format!("--api={orders}")];
        arguments.extend(question.iter().map(|(name, value)| match *name {
            "client_id" => format!("--client={value}"),
            "audience" => format!("--api={value}"),
            other => format!("--{}={value}", other.replace('_', "-")),
        }));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ended = program.run(&arguments).expect(0);
        let lines: Vec<String> = ended.stdout.lines().map(single_spaced).collect();
        assert_eq!(lines, expected, "{arguments:?}");
    }
    let unknown = program.run(&["explain", "--api", "https://unknown.example/"]);
    let unknown = unknown.expect(2);
    unknown.complains_of(&["there is no API 'https://unknown.example/'"]);
    world.end().await;
}

fn single_spaced(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The Management API's answer as `explain` prints it.
fn in_words(answer: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let steps = answer["trace"].as_array().unwrap().iter();
    let mut lines: Vec<String> = steps
        .map(|step| single_spaced(&format!("{} {}", text(&step["rule"]), text(&step["text"]))))
        .collect();
    let lifetime = match answer["lifetime"].as_i64().unwrap() {
        ..0 => "never expires".to_owned(),
        seconds => format!("{seconds} seconds"),
    };
    lines.push(format!(
        "lifetime: {lifetime} (rule: {})",
        text(&answer["rule"])
    ));
    if let Some(refused) = answer["refused"].as_str() {
        lines.push(format!("but a token request would be refused: {refused}"));
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_agrees_with_the_management_api_on_sqlite() {
    explain_agrees_with_the_management_api(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_agrees_with_the_management_api_on_postgres() {
    explain_agrees_with_the_management_api(Backend::Postgres).await;
}

/// The credentials that a command has printed.
fn printed(output: &str) -> Credentials {
    let value = |name: &str| {
        let mut lines = output
            .lines()
            .filter_map(|line| line.trim().strip_prefix(name));
        let value = lines
            .next()
            .unwrap_or_else(|| panic!("no {name}: {output}"));
        value.trim().to_owned()
    };
    Credentials {
        id: value("client_id "),
        secret: value("client_secret "),
    }
}

/// Asks for a token until there is one, for at most a second.
async fn works_within_a_second(running: &Running, client: &Credentials) {
    let asking = async {
        while running.ask_for_management(client).await.status != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let asked = tokio::time::timeout(Duration::from_secs(1), asking).await;
    asked.unwrap_or_else(|_| panic!("{} does not work", client.id));
}

fn with_first_application(folder: &Path, database: &Database) -> Program {
    Program::in_folder(folder)
        .with("GRANTOR_STORE__URL", database.url())
        .with("GRANTOR_BOOTSTRAP__CLIENT_ID", ADMIN_ID)
        .with("GRANTOR_BOOTSTRAP__CLIENT_SECRET", ADMIN_SECRET)
}

/// Beside a running server: new secrets work at once, old ones go on, and there is a bound.
async fn admin_secret_recovers_access(backend: Backend) {
    let folder = tempdir().unwrap();
    let database = Database::create(backend).await;
    let program = with_first_application(folder.path(), &database);
    let running = program.serve();
    let mut known = vec![Credentials::admin()];
    // The server knows the application before it changes.
    running
        .ask_for_management(&known[0])
        .await
        .expect(StatusCode::OK);
    for _ in 0..4 {
        let ended = program.run(&["admin-secret"]).expect(0);
        let recovered = printed(&ended.stdout);
        assert_eq!(recovered.id, ADMIN_ID);
        assert!(!ended.stderr.contains(&recovered.secret), "{ended:?}");
        known.push(recovered);
    }
    for client in &known {
        works_within_a_second(&running, client).await;
    }
    let full = program.run(&["admin-secret"]).expect(70);
    full.complains_of(&[ADMIN_ID, "5 live secrets", "admin-secret --new"]);
    assert_eq!(full.stdout, "");

    let new = printed(&program.run(&["admin-secret", "--new"]).expect(0).stdout);
    assert_ne!(new.id, ADMIN_ID);
    known.push(new);
    for client in &known {
        works_within_a_second(&running, client).await;
    }
    running.stop().expect(0);
    database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admin_secret_recovers_access_on_sqlite() {
    admin_secret_recovers_access(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admin_secret_recovers_access_on_postgres() {
    admin_secret_recovers_access(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admin_secret_on_a_new_store_prepares_it() {
    let folder = tempdir().unwrap();
    let program = Program::in_folder(folder.path());
    let first = printed(&program.run(&["admin-secret"]).expect(0).stdout);
    let running = program.serve();
    running
        .ask_for_management(&first)
        .await
        .expect(StatusCode::OK);
    let ended = running.stop().expect(0);
    assert!(!ended.stderr.contains("first application"), "{ended:?}");
}
