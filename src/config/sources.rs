//! Where values come from: three layers, merged by figment, which remembers who set what.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::problem::{Problem, Problems, Setting, Source};
use super::rules;

/// The manual, which is also the defaults.
pub(super) const MANUAL: &str = include_str!("../../config/identity.toml");

/// The operator's file where `--config` is not given, relative to the working directory.
const USUAL_FILE: &str = "config/identity.toml";

/// Longest file that is read, in bytes: the operator's and those that `…_file` keys name.
const FILE_BYTES_MAX: u64 = 1_048_576;

/// The member by which the TOML parser marks a date; none of our values is one.
const DATE: &str = "$__toml_private_datetime";

/// All three layers as one.
pub(super) struct Merged {
    /// By dotted key. A table with something in it is not an entry, its members are.
    pub(super) entries: BTreeMap<String, Entry>,
    /// What could not even become an entry.
    pub(super) problems: Vec<Problem>,
}

/// One value as it was written, not yet judged.
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) source: Source,
    /// It is what the manual says, whoever wrote it: a copy of the manual sets nothing.
    pub(super) is_default: bool,
}

impl Entry {
    /// The entry as it may be shown.
    pub(super) fn setting(&self, key: &str, shown: String) -> Setting {
        Setting {
            key: key.to_owned(),
            value: Some(shown),
            source: self.source.clone(),
        }
    }
}

/// Lays the operator's file over the defaults, and the environment over both.
///
/// # Errors
/// A file that cannot be read or is not TOML.
pub(super) fn merge(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Merged, Problems> {
    let defaults = parse(MANUAL, Path::new("the compiled-in identity.toml"))?;
    let mut figment = Figment::from(Layer {
        source: Source::Default,
        values: defaults.clone(),
    });
    if let Some((path, text)) = operators_file(file)? {
        let values = parse(&text, &path)?;
        figment = figment.merge(Layer {
            source: Source::File(path),
            values,
        });
    }
    let mut problems = Vec::new();
    for (name, value) in variables(environment) {
        match value.into_string() {
            Ok(text) => figment = figment.merge(variable_layer(name, text)),
            Err(_) => problems.push(not_utf8(name)),
        }
    }
    Ok(Merged {
        entries: entries(&figment, defaults),
        problems,
    })
}

/// The dotted keys of the merged layers, each with the layer that won.
fn entries(figment: &Figment, defaults: Dict) -> BTreeMap<String, Entry> {
    // Our layers never fail, and all of them are in the default profile.
    let merged = figment
        .data()
        .unwrap_or_default()
        .remove(&Profile::Default)
        .unwrap_or_default();
    let defaults = dotted(defaults);
    dotted(merged)
        .into_iter()
        .map(|(key, value)| {
            let source = source_of(figment.get_metadata(value.tag()));
            let is_default = defaults.get(&key) == Some(&value);
            (
                key,
                Entry {
                    value,
                    source,
                    is_default,
                },
            )
        })
        .collect()
}

/// Flattens tables: `[server] listen = …` becomes `server.listen`.
fn dotted(table: Dict) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    for (name, value) in table {
        let name = bare_or_quoted(name);
        match value {
            Value::Dict(_, members) if !members.is_empty() && !members.contains_key(DATE) => {
                let members = dotted(members).into_iter();
                flat.extend(members.map(|(member, value)| (format!("{name}.{member}"), value)));
            }
            value => {
                flat.insert(name, value);
            }
        }
    }
    flat
}

/// A name as a TOML key: `"a.b"` keeps its quotes, so that it is not taken for `b` in table `a`.
fn bare_or_quoted(name: String) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        name
    } else {
        rules::quoted(&name)
    }
}

/// The text of the operator's file; `None` where none was named and the usual one does not exist.
fn operators_file(named: Option<&Path>) -> Result<Option<(PathBuf, String)>, Problem> {
    let path = named.unwrap_or(Path::new(USUAL_FILE));
    match read_bounded(path) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_problem(
            "the file",
            path,
            &format!("cannot be read: {error}"),
        )),
    }
}

/// A small text file.
///
/// # Errors
/// It cannot be read, is longer than 1 MiB, or is not UTF-8.
pub(super) fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!(
            "it is longer than {FILE_BYTES_MAX} bytes"
        )));
    }
    Ok(text)
}

/// TOML to values. The problem names the line and does not show it, because it may hold a secret.
fn parse(text: &str, path: &Path) -> Result<Dict, Problem> {
    Toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text
            .bytes()
            .take(start)
            .filter(|&byte| byte == b'\n')
            .count();
        let reason = error.message().lines().collect::<Vec<_>>().join(", ");
        file_problem(
            &format!("line {line}"),
            path,
            &format!("this is not TOML: {reason}"),
        )
    })
}

fn file_problem(place: &str, path: &Path, rule: &str) -> Problem {
    let source = Source::File(path.to_owned());
    Problem::new(
        Setting {
            key: place.to_owned(),
            value: None,
            source,
        },
        rule,
    )
}

/// The variables that name a key. Sorted, so that the outcome does not depend on their order.
fn variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> BTreeMap<String, OsString> {
    environment
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, _)| key_segments(name).is_some())
        .collect()
}

/// What follows the prefix: `ISSUER`, or segments joined by two underscores. Other variables, such
/// as `GRANTOR_HOME`, belong to somebody else.
fn key_segments(variable: &str) -> Option<String> {
    let segments = variable.strip_prefix("GRANTOR_")?;
    let names_a_key = segments == "ISSUER" || segments.contains("__");
    names_a_key.then(|| segments.to_ascii_lowercase())
}

/// `GRANTOR_SERVER__LISTEN` as a layer that holds nothing but `server.listen`.
fn variable_layer(name: String, text: String) -> Layer {
    let segments = key_segments(&name).unwrap_or_default();
    let value = segments
        .rsplit("__")
        .fold(Value::from(text), |value, segment| {
            Value::from(Dict::from([(segment.to_owned(), value)]))
        });
    let values = value.into_dict().unwrap_or_default();
    Layer {
        source: Source::Variable(name),
        values,
    }
}

fn not_utf8(name: String) -> Problem {
    let key = key_segments(&name).unwrap_or_default().replace("__", ".");
    let source = Source::Variable(name);
    Problem::new(
        Setting {
            key,
            value: None,
            source,
        },
        "the value must be UTF-8",
    )
}

/// Values from one source.
struct Layer {
    source: Source,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        match &self.source {
            Source::File(path) => Metadata::from("file", path.as_path()),
            Source::Variable(name) => Metadata::from("variable", name.as_str()),
            _ => Metadata::named("default"),
        }
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The way back from [`Layer::metadata`].
fn source_of(metadata: Option<&Metadata>) -> Source {
    match metadata.and_then(|metadata| metadata.source.as_ref()) {
        Some(figment::Source::File(path)) => Source::File(path.clone()),
        Some(figment::Source::Custom(name)) => Source::Variable(name.clone()),
        _ => Source::Default,
    }
}
