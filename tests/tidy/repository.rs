//! Reading the repository: its files, and just enough of Rust and SQL to put them under rules.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository, named as a reader of the breach would look for it.
pub(crate) struct Source {
    /// Its path below the repository.
    pub(crate) name: String,
    /// All of it.
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn read(path: &Path) -> Self {
        let name = path.strip_prefix(root()).unwrap_or(path);
        Self {
            name: name.display().to_string(),
            text: fs::read_to_string(path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        }
    }

    /// The text without comments, line for line.
    pub(crate) fn code(&self) -> String {
        let lines = self.text.lines().map(|line| match line.trim_start() {
            comment if comment.starts_with("//") => "",
            _ => line.split(" // ").next().unwrap_or(line),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The file or folder at the top of `src/` to which this one belongs.
    pub(crate) fn top(&self) -> &str {
        let inside = self.name.strip_prefix("src/").unwrap_or(&self.name);
        let first = inside.split('/').next().unwrap_or(inside);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The name without folder and ending: the module.
    pub(crate) fn stem(&self) -> &str {
        let file = self.name.rsplit('/').next().unwrap_or(&self.name);
        file.split('.').next().unwrap_or(file)
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder with an ending, in order.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<Source> {
    let mut folders = vec![root().join(folder)];
    let mut paths: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == ending) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.iter().map(|path| Source::read(path)).collect()
}

/// The program and its tests.
pub(crate) fn rust_files() -> Vec<Source> {
    let mut all = files("src", "rs");
    all.extend(files("tests", "rs"));
    all
}

pub(crate) fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// True where `word` (or a path, `axum::`) stands in the text and is no part of a longer one.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = text.split_at(at);
        let after = after.get(word.len()..).unwrap_or("");
        let goes_on = word.ends_with(is_of_a_word) && after.starts_with(is_of_a_word);
        !before.ends_with(is_of_a_word) && !goes_on
    })
}

/// True where a list of words holds this one.
pub(crate) fn lists(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|own| own == word)
}

/// Every path that the code writes behind `crate::`, groups in braces taken apart.
pub(crate) fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, prefix) in code.match_indices("crate::") {
        expand("", code.get(at + prefix.len()..).unwrap_or(""), &mut found);
    }
    found
}

/// Reads one path; answers what follows it.
fn expand<'t>(prefix: &str, text: &'t str, found: &mut BTreeSet<String>) -> &'t str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(prefix, rest, found).trim_start();
            match rest.strip_prefix(',') {
                Some(behind) => rest = behind,
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = text.find(|c| !is_of_a_word(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let path = match (prefix, name) {
        ("", _) => name.to_owned(),
        (_, "" | "self") => prefix.to_owned(),
        _ => format!("{prefix}::{name}"),
    };
    if let Some(deeper) = rest.strip_prefix("::") {
        return expand(&path, deeper, found);
    }
    found.insert(path);
    rest
}

/// The statements of a migration: without comments, in lower case.
pub(crate) fn statements(migration: &Source) -> Vec<String> {
    let uncommented = |line: &'_ str| line.split("--").next().unwrap_or("").to_lowercase();
    let lines: Vec<_> = migration.text.lines().map(uncommented).collect();
    let text = lines.join(" ");
    text.split(';').map(|one| one.trim().to_owned()).collect()
}

/// Splits at the commas that stand in no brackets.
fn members(list: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let split = list.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    split.map(str::trim).collect()
}

/// The columns that a statement makes: name and type.
pub(crate) fn columns(statement: &str) -> Vec<(String, String)> {
    const NO_COLUMN: &str = "primary unique check foreign constraint";
    let made = if statement.starts_with("create table") {
        let list = statement
            .split_once('(')
            .and_then(|(_, rest)| rest.rsplit_once(')'));
        members(list.map_or("", |(list, _)| list))
    } else {
        statement.split(" add column ").skip(1).collect()
    };
    let mut columns = Vec::new();
    for column in made {
        let mut words = column.split([' ', '(']).map(str::to_owned);
        let (name, kind) = (words.next(), words.next());
        if let Some(name) = name.filter(|name| !lists(NO_COLUMN, name)) {
            columns.push((name, kind.unwrap_or_default()));
        }
    }
    columns
}
