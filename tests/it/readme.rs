//! The README keeps its word: its bash blocks are run in order and word for word in one shell, and
//! what it shows below them is compared with what the program answers.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{BINARY, Program, Running};

/// Where the README's walk expects the server.
const BASE: &str = "http://127.0.0.1:8080";
/// sysexits.h: here, that the address is taken.
const EXIT_UNAVAILABLE: i32 = 69;
/// Stands in the shell's output behind each block's own.
const END_OF_BLOCK: &str = "--- end of block ---";
/// In a shown answer, for what differs from run to run.
const ANYTHING: char = '…';

/// A fenced block: its language and its text.
struct Block {
    language: String,
    text: String,
}

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).unwrap()
}

fn blocks(readme: &str) -> Vec<Block> {
    // Every second part lies between fences.
    let parts = readme.split("\n```").skip(1).step_by(2);
    let block = |part: &str| {
        let (language, text) = part.split_once('\n').unwrap();
        Block {
            language: language.to_owned(),
            text: text.to_owned(),
        }
    };
    parts.map(block).collect()
}

/// The built program, served in a new folder: at the README's address, or where that is taken, at
/// a free port.
fn serve() -> (Running, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::with_environment(folder.path(), &[])
        .start()
        .listening();
    let server = server.unwrap_or_else(|ended| {
        ended.expect(EXIT_UNAVAILABLE);
        Program::in_folder(folder.path()).serve()
    });
    (server, folder)
}

/// Runs the bash blocks in one shell, and returns what each of them wrote.
fn walk(blocks: &[Block], server: &Running, folder: &Path, pasted: &str) -> Vec<String> {
    // `cargo run --release --` is the program that was built for the tests; nothing else differs.
    let mut script = format!(
        "cargo() {{ [[ \"$1 $2 $3\" == 'run --release --' ]] && \"{BINARY}\" \"${{@:4}}\"; }}\n"
    );
    let end_of_block = format!("printf '\\n{END_OF_BLOCK}\\n'\n");
    let mut setters = 0;
    for block in blocks.iter().filter(|block| block.language == "bash") {
        let setter = format!("GRANTOR={BASE}\n");
        setters += block.text.matches(&setter).count();
        script += &block
            .text
            .replace(&setter, &format!("GRANTOR={}\n", server.base));
        script += "\n";
        script += &end_of_block;
    }
    assert_eq!(setters, 1, "one line of the README sets the base URL");
    let mut shell = Program::with_environment(folder, &[])
        .command("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A shell that asks for nothing may have gone before.
    drop(shell.stdin.take().unwrap().write_all(pasted.as_bytes()));
    let output = shell.wait_with_output().unwrap();
    let written = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}\n{written}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let mut written: Vec<_> = written.split(END_OF_BLOCK).map(str::to_owned).collect();
    written.pop();
    written
}

/// Checks what the README shows below each bash block; returns what was really answered.
fn compare(blocks: &[Block], written: &[String], base: &str) -> Vec<Value> {
    let mut answers = Vec::new();
    let mut written = written.iter();
    for (index, block) in blocks.iter().enumerate() {
        if block.language != "bash" {
            continue;
        }
        let written = written.next().unwrap();
        let shown = blocks.get(index + 1);
        match shown.map(|shown| (shown.language.as_str(), shown.text.replace(BASE, base))) {
            Some(("json", shown)) => {
                let answer: Value = serde_json::from_str(written).unwrap();
                check(&serde_json::from_str(&shown).unwrap(), &answer);
                answers.push(answer);
            }
            Some(("text", shown)) => {
                // Only the end of a shown text may be left open.
                let (written, shown) = (written.trim_matches('\n'), shown.trim_matches('\n'));
                match shown.strip_suffix(ANYTHING) {
                    Some(start) => assert!(written.starts_with(start), "{written}"),
                    None => assert_eq!(written, shown),
                }
                answers.push(written.trim().into());
            }
            _ => assert!(
                written.trim().is_empty() || written.contains("client_id: "),
                "{written}"
            ),
        }
    }
    answers
}

/// The same members with the same values, but for `…` in texts, and instants, of which only the
/// distance counts.
fn check(shown: &Value, answer: &Value) {
    match (shown, answer) {
        (Value::Object(of_shown), Value::Object(of_answer)) => {
            let names = |object: &serde_json::Map<String, Value>| {
                object.keys().cloned().collect::<Vec<_>>()
            };
            assert_eq!(names(of_shown), names(of_answer), "{answer}");
            for (name, value) in of_shown {
                match name.as_str() {
                    "iat" => {}
                    "exp" => assert_eq!(lifetime(shown), lifetime(answer), "{answer}"),
                    _ => check(value, &of_answer[name]),
                }
            }
        }
        (Value::Array(of_shown), Value::Array(of_answer)) => {
            assert_eq!(of_shown.len(), of_answer.len(), "{answer}");
            of_shown
                .iter()
                .zip(of_answer)
                .for_each(|(shown, answer)| check(shown, answer));
        }
        (Value::String(text), Value::String(answered)) if text.contains(ANYTHING) => {
            let (before, behind) = text.split_once(ANYTHING).unwrap();
            let is_shown = answered.starts_with(before) && answered.ends_with(behind);
            assert!(
                is_shown && answered.len() > before.len() + behind.len(),
                "{text}: {answered}"
            );
        }
        _ => assert_eq!(shown, answer),
    }
}

fn lifetime(token: &Value) -> i64 {
    token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap()
}

/// What the README promises in words.
fn check_promises(answers: &[Value]) {
    let [
        _grant,
        token,
        why,
        at_most,
        seen,
        revoked,
        gone,
        endless,
        sign_in,
    ] = answers
    else {
        panic!("another number of answers than the walk's: {answers:#?}");
    };
    assert_eq!(token["expires_in"], 600);
    assert_eq!(
        (&why["lifetime"], &why["rule"]),
        (&600.into(), &"requested".into())
    );
    assert!(
        at_most
            .as_str()
            .unwrap()
            .contains("lifetime: 2592000 seconds (rule: api_maximum)")
    );
    assert_eq!((&seen["active"], lifetime(seen)), (&true.into(), 600));
    assert_eq!(revoked, "200");
    assert_eq!(gone.to_string(), r#"{"active":false}"#);
    assert!(
        endless["access_token"].is_string() && endless.get("expires_in").is_none(),
        "{endless}"
    );
    let led_to = Command::new("curl")
        .args(["-sS", "-o", "/dev/null", "-w", "%{redirect_url}"])
        .arg(sign_in.as_str().unwrap())
        .output()
        .unwrap();
    let led_to = String::from_utf8_lossy(&led_to.stdout);
    assert!(led_to.contains("/u/login?state="), "{sign_in}: {led_to}");
}

#[test]
fn the_walk_goes_as_the_readme_shows_where_the_credentials_are_in_the_file() {
    let blocks = blocks(&readme());
    let (server, folder) = serve();
    let written = walk(&blocks, &server, folder.path(), "");
    check_promises(&compare(&blocks, &written, &server.base));
}

#[test]
fn the_walk_goes_as_the_readme_shows_where_the_credentials_are_pasted() {
    let blocks = blocks(&readme());
    let (server, folder) = serve();
    // On a terminal there is no file: a person pastes what was printed.
    let path = folder.path().join("data/first-application.json");
    let credentials: Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
    let pasted = format!("{}\n{}\n", text("client_id"), text("client_secret"));
    let written = walk(&blocks, &server, folder.path(), &pasted);
    check_promises(&compare(&blocks, &written, &server.base));
}

#[test]
fn two_commands_do_all_the_setting_up() {
    let blocks = blocks(&readme());
    let commands: Vec<_> = blocks
        .iter()
        .take(2)
        .map(|block| block.text.trim())
        .collect();
    // The other tests of this file put the built program in the first one's place.
    assert_eq!(
        commands,
        ["$ cargo run --release -- serve", "$ scripts/test"]
    );
    assert!(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("scripts/test")
            .is_file()
    );
}

#[test]
fn every_link_into_the_project_leads_somewhere() {
    let readme = readme();
    let targets: Vec<_> = readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .filter(|target| !target.starts_with("http"))
        .collect();
    assert!(targets.len() > 5, "{targets:?}");
    for target in targets {
        assert!(
            Path::new(env!("CARGO_MANIFEST_DIR")).join(target).exists(),
            "{target}"
        );
    }
}
