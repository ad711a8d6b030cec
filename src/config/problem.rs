//! What is told about settings: where each value comes from, and what is wrong with it.

use std::fmt;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody has set it, and there is no default.
    Unset,
    /// The compiled-in `identity.toml`.
    Default,
    /// The operator's file, or the file that an `…_file` key names.
    File(PathBuf),
    /// The environment variable of this name.
    Variable(String),
    /// It follows from another key.
    Key(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("unset"),
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Variable(name) => f.write_str(name),
            Self::Key(key) => write!(f, "follows {key}"),
        }
    }
}

/// One key as it may be shown to anybody who runs the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `server.listen`
    pub key: String,
    /// The value as TOML writes it; hidden where it is a secret, absent where there is none to show.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: Source,
}

impl Setting {
    /// A key that nobody has set.
    pub(super) fn unset(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            value: None,
            source: Source::Unset,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {value} ({})", self.key, self.source),
            None => write!(f, "{} ({})", self.key, self.source),
        }
    }
}

/// One reason not to start. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is about: one key, or those that contradict each other.
    pub settings: Vec<Setting>,
    /// The rule that is broken, for a person to read.
    pub rule: String,
}

impl Problem {
    /// One setting breaks one rule.
    pub(super) fn new(setting: Setting, rule: impl Into<String>) -> Self {
        Self {
            settings: vec![setting],
            rule: rule.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, setting) in self.settings.iter().enumerate() {
            let before = if position == 0 { "" } else { " and " };
            write!(f, "{before}{setting}")?;
        }
        let colon = if self.settings.is_empty() { "" } else { ": " };
        write!(f, "{colon}{}", self.rule)
    }
}

/// Every reason not to start, found in one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            let before = if position == 0 { "" } else { "\n" };
            write!(f, "{before}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
