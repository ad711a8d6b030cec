//! `grantor config print`: one line a key, in three columns.

use super::problem::Setting;

/// A wider value pushes its source to the right instead of widening the whole table.
const VALUE_WIDTH_MAX: usize = 40;

/// Key, value and source, aligned.
pub(super) fn table(settings: &[Setting]) -> String {
    let key_width = settings
        .iter()
        .map(|setting| setting.key.len())
        .max()
        .unwrap_or(0);
    let values = settings
        .iter()
        .map(|setting| shown(setting).chars().count());
    let value_width = values.max().unwrap_or(0).min(VALUE_WIDTH_MAX);
    settings
        .iter()
        .map(|setting| {
            let (key, value, source) = (&setting.key, shown(setting), &setting.source);
            format!("{key:key_width$}  {value:value_width$}  {source}\n")
        })
        .collect::<Vec<_>>()
        .concat()
}

fn shown(setting: &Setting) -> &str {
    setting.value.as_deref().unwrap_or("-")
}
