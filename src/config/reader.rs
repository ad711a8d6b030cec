//! Reads settings one by one into their types, and notes every problem on the way.

use std::collections::BTreeMap;
use std::mem;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::value::Dict;

use super::problem::{Problem, Problems, Setting, Source};
use super::rules::{self, Rule};
use super::sources::{self, Entry, Merged};
use crate::lifetime::Lifetime;

/// The merged layers, from which each key is taken once.
///
/// Where a value is wrong, the methods note the problem and hand out a stand-in (zero, false,
/// `None` …), so that reading goes on. [`Reader::finish`] sees to it that no stand-in gets out.
pub(super) struct Reader {
    unread: BTreeMap<String, Entry>,
    /// Every key that was asked for, in that order.
    settings: Vec<Setting>,
    problems: Vec<Problem>,
    /// Required keys without a value: something else stands where their section should be.
    missing: Vec<Problem>,
    warnings: Vec<String>,
}

impl Reader {
    pub(super) fn new(merged: Merged) -> Self {
        Self {
            unread: merged.entries,
            settings: Vec::new(),
            problems: merged.problems,
            missing: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// A whole number. `T` must be able to hold the bounds.
    pub(super) fn integer<T>(&mut self, key: &str, bounds: RangeInclusive<i64>) -> T
    where
        T: TryFrom<i64> + Default,
    {
        self.note_missing(key);
        let value = self.read(key, |entry| {
            let integer = rules::integer(entry, &bounds)?;
            let value = T::try_from(integer).map_err(|_| rules::outside(&bounds))?;
            Ok((value, integer.to_string()))
        });
        value.unwrap_or_default()
    }

    /// A whole number of seconds, not negative.
    pub(super) fn seconds(&mut self, key: &str, bounds: RangeInclusive<i64>) -> Duration {
        Duration::from_secs(self.integer(key, bounds))
    }

    pub(super) fn boolean(&mut self, key: &str) -> bool {
        self.note_missing(key);
        let value = self.read(key, |entry| {
            let value = rules::boolean(entry)?;
            Ok((value, value.to_string()))
        });
        value.unwrap_or_default()
    }

    pub(super) fn lifetime(&mut self, key: &str) -> Lifetime {
        self.note_missing(key);
        self.lifetime_or_unset(key).unwrap_or(Lifetime::Never)
    }

    pub(super) fn lifetime_or_unset(&mut self, key: &str) -> Option<Lifetime> {
        self.read(key, |entry| {
            let lifetime = rules::lifetime(entry)?;
            Ok((lifetime, lifetime.as_integer().to_string()))
        })
    }

    /// Text under a rule. `None` where it breaks the rule, which has been noted then.
    pub(super) fn text<T>(&mut self, key: &str, rule: Rule<T>) -> Option<T> {
        self.note_missing(key);
        self.text_or_unset(key, rule)
    }

    /// Text under a rule. `None` also where it is unset.
    pub(super) fn text_or_unset<T>(&mut self, key: &str, rule: Rule<T>) -> Option<T> {
        self.read(key, |entry| {
            let text = rules::text(entry)?;
            Ok((rule(text)?, rules::quoted(text)))
        })
    }

    /// Text that its rule puts into normal form, which is also what is shown.
    pub(super) fn normal_text_or_unset(&mut self, key: &str, rule: Rule<String>) -> Option<String> {
        self.read(key, |entry| {
            let normal = rule(rules::text(entry)?)?;
            let shown = rules::quoted(&normal);
            Ok((normal, shown))
        })
    }

    /// A list, each member under a rule; in the environment, and where it is text, separated by commas.
    pub(super) fn list<T: ToString>(&mut self, key: &str, rule: Rule<T>) -> Vec<T> {
        self.note_missing(key);
        let list = self.read(key, |entry| {
            let members: Result<Vec<T>, String> =
                rules::members(entry)?.into_iter().map(rule).collect();
            let members = members?;
            let shown: Vec<_> = members
                .iter()
                .map(|member| rules::quoted(&member.to_string()))
                .collect();
            Ok((members, format!("[{}]", shown.join(", "))))
        });
        list.unwrap_or_default()
    }

    /// A secret: the value of `key`, or what is in the file that `key_file` names. It is never shown.
    pub(super) fn secret_or_unset<T>(&mut self, key: &str, rule: Rule<T>) -> Option<T> {
        self.inline_or_file(key, |_| rules::HIDDEN.to_owned(), rule)
    }

    /// Text that may hold a secret, from `key` or the file that `key_file` names; `show` takes the
    /// secret out.
    pub(super) fn text_or_file<T>(
        &mut self,
        key: &str,
        show: fn(&str) -> String,
        rule: Rule<T>,
    ) -> Option<T> {
        self.note_missing(key);
        self.inline_or_file(key, show, rule)
    }

    /// The same, `None` also where it is unset.
    pub(super) fn text_or_file_or_unset<T>(
        &mut self,
        key: &str,
        show: fn(&str) -> String,
        rule: Rule<T>,
    ) -> Option<T> {
        self.inline_or_file(key, show, rule)
    }

    /// Takes `key` and puts it under `rule`, which makes of it the value and how that is shown.
    fn read<T>(
        &mut self,
        key: &str,
        rule: impl FnOnce(&Entry) -> Result<(T, String), String>,
    ) -> Option<T> {
        let Some(entry) = self.unread.remove(key) else {
            self.settings.push(Setting::unset(key));
            return None;
        };
        match rule(&entry) {
            Ok((value, shown)) => {
                self.settings.push(entry.setting(key, shown));
                Some(value)
            }
            Err(broken) => {
                self.settings.push(entry.setting(key, rules::shown(&entry)));
                self.refuse(&[key], broken);
                None
            }
        }
    }

    fn inline_or_file<T>(
        &mut self,
        key: &str,
        show: fn(&str) -> String,
        rule: Rule<T>,
    ) -> Option<T> {
        let inline = self.unread.remove(key);
        self.settings.push(Setting::unset(key));
        let file_key = format!("{key}_file");
        let path = self.text_or_unset(&file_key, |path| Ok(PathBuf::from(path)));
        let (text, source) = match (inline, path) {
            (Some(inline), Some(_)) if !inline.is_default => {
                self.show(key, rules::HIDDEN.to_owned(), inline.source);
                self.refuse(&[key, &file_key], "both are set; keep one of them");
                return None;
            }
            (_, Some(path)) => (self.contents(&file_key, &path)?, Source::File(path)),
            (Some(inline), None) => self.inline_text(key, inline)?,
            (None, None) => return None,
        };
        self.show(key, show(&text), source);
        rule(&text)
            .map_err(|broken| self.refuse(&[key], broken))
            .ok()
    }

    /// The text of the file that `file_key` names, without the line breaks at its end.
    fn contents(&mut self, file_key: &str, path: &Path) -> Option<String> {
        match sources::read_bounded(path) {
            Ok(text) => Some(text.trim_end_matches(['\n', '\r']).to_owned()),
            Err(error) => {
                self.refuse(&[file_key], format!("the file cannot be read: {error}"));
                None
            }
        }
    }

    fn inline_text(&mut self, key: &str, entry: Entry) -> Option<(String, Source)> {
        match rules::text(&entry) {
            Ok(text) => Some((text.to_owned(), entry.source)),
            Err(broken) => {
                self.show(key, rules::HIDDEN.to_owned(), entry.source);
                self.refuse(&[key], broken);
                None
            }
        }
    }

    /// True where somebody gave `key` a value, itself or through a file, right or wrong.
    pub(super) fn is_set(&self, key: &str) -> bool {
        let has_value = |setting: &Setting| setting.value.is_some();
        let names_it = |setting: &Setting| {
            setting
                .key
                .strip_prefix(key)
                .is_some_and(|rest| rest.is_empty() || rest == "_file")
        };
        self.settings
            .iter()
            .any(|setting| names_it(setting) && has_value(setting))
    }

    /// Notes a problem where one of two keys is set and the other is not.
    pub(super) fn both_or_neither(&mut self, one: &str, other: &str) {
        if self.is_set(one) != self.is_set(other) {
            self.refuse(&[one, other], "set both of them, or neither");
        }
    }

    /// Notes a problem with keys that have been read, all together.
    pub(super) fn refuse(&mut self, keys: &[&str], rule: impl Into<String>) {
        let about = |setting: &&Setting| keys.contains(&setting.key.as_str());
        let settings = self.settings.iter().filter(about).cloned().collect();
        self.problems.push(Problem {
            settings,
            rule: rule.into(),
        });
    }

    /// Notes a problem with those keys that the rule itself names.
    pub(super) fn refuse_named(&mut self, rule: String) {
        let named = |setting: &&Setting| rule.contains(&setting.key);
        let settings = self.settings.iter().filter(named).cloned().collect();
        self.problems.push(Problem { settings, rule });
    }

    pub(super) fn problem_count(&self) -> usize {
        self.problems.len()
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Changes what is shown for a key that has been read: the value in force, and its source.
    pub(super) fn show(&mut self, key: &str, shown: String, source: Source) {
        if let Some(setting) = self.settings.iter_mut().find(|setting| setting.key == key) {
            setting.value = Some(shown);
            setting.source = source;
        }
    }

    /// Every key and every warning.
    ///
    /// # Errors
    /// What has been noted, and what nobody has read.
    pub(super) fn finish(mut self) -> Result<(Vec<Setting>, Vec<String>), Problems> {
        self.refuse_unread();
        if self.problems.is_empty() {
            // Whatever hides a required key is an unread key itself, and says more than this.
            self.problems = self.missing;
        }
        if self.problems.is_empty() {
            Ok((self.settings, self.warnings))
        } else {
            Err(Problems(self.problems))
        }
    }

    fn note_missing(&mut self, key: &str) {
        if !self.unread.contains_key(key) {
            self.missing
                .push(Problem::new(Setting::unset(key), "a value is required"));
        }
    }

    fn refuse_unread(&mut self) {
        for (key, entry) in mem::take(&mut self.unread) {
            let members = format!("{key}.");
            let is_section = self
                .settings
                .iter()
                .any(|known| known.key.starts_with(&members));
            let is_empty_table = entry.value.as_dict().is_some_and(Dict::is_empty);
            let rule = match (is_section, is_empty_table) {
                (true, true) => continue,
                (true, false) => format!("this is a section; write [{key}] and its keys below it"),
                (false, _) => self.unknown_key(&key),
            };
            // The value of an unknown key may be a secret under a misspelt name.
            let setting = Setting {
                key,
                value: None,
                source: entry.source,
            };
            self.problems.push(Problem::new(setting, rule));
        }
    }

    /// Suggests the keys of the same name in other sections: a forgotten `[section]` is the usual slip.
    fn unknown_key(&self, key: &str) -> String {
        let name = |key: &str| key.rsplit('.').next().unwrap_or_default().replace('-', "_");
        let same_name = self
            .settings
            .iter()
            .filter(|known| name(&known.key) == name(key));
        let candidates: Vec<&str> = same_name.map(|known| known.key.as_str()).collect();
        if candidates.is_empty() {
            "there is no such key".to_owned()
        } else {
            format!(
                "there is no such key; did you mean {}?",
                candidates.join(" or ")
            )
        }
    }
}
