//! How long, and until when, in words.

use super::texts::{Language, gaps};
use crate::model::instant;

/// The units with the next smaller one, in seconds, and their texts.
const UNITS: [(i64, &str, i64, &str); 3] = [
    (86_400, "days", 3600, "hours"),
    (3600, "hours", 60, "minutes"),
    (60, "minutes", 1, "seconds"),
];

/// A length of time in at most two units, rounded up: what is said never ends before what is meant.
pub(super) fn duration(language: Language, seconds: i64) -> String {
    let seconds = seconds.max(0);
    // The smaller unit is rounded up first, so that 23:59:59 becomes one day.
    let rounded = |small: i64| seconds.saturating_add(small - 1) / small * small;
    let fits = |(large, _, small, _): &(i64, &str, i64, &str)| rounded(*small) >= *large;
    let Some((large, longer, small, shorter)) = UNITS.into_iter().find(fits) else {
        return language.say_count("seconds", seconds);
    };
    let whole = rounded(small) / large;
    let rest = rounded(small) % large / small;
    let longer = language.say_count(longer, whole);
    if rest == 0 {
        return longer;
    }
    let shorter = language.say_count(shorter, rest);
    let both = gaps([("longer", &longer), ("shorter", &shorter)]);
    language.say_all("two-lengths", Some(&both))
}

/// The day of unix seconds in UTC, as people write it.
pub(super) fn date(language: Language, unix_seconds: i64) -> String {
    let day = instant::to_day(unix_seconds);
    let (year, month, day) = (day / 10_000, day / 100 % 100, day % 100);
    let mut parts = fluent_bundle::FluentArgs::new();
    parts.set("year", year);
    parts.set("month", month);
    parts.set("day", day);
    language.say_all("date", Some(&parts))
}
