//! The configuration as an operator meets it: files, variables, and what the start says about them.

mod branding;
mod lifetimes;
mod mail;
mod manual;
mod rules;
mod secrets;
mod sources;
mod tls;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use super::{Config, Loaded, Problems};

/// An operator's file in a folder of its own, beside which secret files can lie.
struct Operator {
    folder: tempfile::TempDir,
}

impl Operator {
    fn new(toml: &str) -> Self {
        let operator = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        operator.write("operator.toml", toml);
        operator
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    fn load(&self, environment: &[(&str, &str)]) -> Result<Loaded, Problems> {
        let environment = environment
            .iter()
            .map(|&(k, v)| (OsString::from(k), OsString::from(v)));
        super::load(Some(&self.path("operator.toml")), environment)
    }
}

fn load(toml: &str, environment: &[(&str, &str)]) -> Result<Loaded, Problems> {
    Operator::new(toml).load(environment)
}

fn config(toml: &str) -> Config {
    load(toml, &[]).unwrap().config
}

/// The one problem with a file.
fn problem(toml: &str) -> String {
    only_problem(load(toml, &[]))
}

/// The one problem with a variable.
fn variable_problem(name: &str, value: &str) -> String {
    only_problem(load("", &[(name, value)]))
}

fn only_problem(loaded: Result<Loaded, Problems>) -> String {
    let problems = loaded.expect_err("the start should stop");
    assert_eq!(problems.0.len(), 1, "{problems}");
    problems.to_string()
}

#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
}

/// The line of `config print` about a key, its columns separated by one space.
fn printed(loaded: &Loaded, key: &str) -> String {
    let table = loaded.print();
    let line = table
        .lines()
        .find(|line| line.split_whitespace().next() == Some(key));
    line.expect(key)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
