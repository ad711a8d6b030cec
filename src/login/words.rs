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
    let unit_of = |seconds: i64| UNITS.into_iter().find(|(large, ..)| seconds >= *large);
    let Some((_, _, precision, _)) = unit_of(seconds) else {
        return language.say_count("seconds", seconds);
    };
    // Rounding may reach the next larger unit: 23:59:59 is one day.
    let seconds = seconds.saturating_add(precision - 1) / precision * precision;
    let (large, longer, small, shorter) = unit_of(seconds).unwrap_or(UNITS[2]);
    let (whole, rest) = (seconds / large, seconds % large / small);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_said_in_at_most_two_units_rounded_up() {
        for (seconds, words) in [
            (-5, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (61, "1 minute and 1 second"),
            (600, "10 minutes"),
            (3599, "59 minutes and 59 seconds"),
            (3600, "1 hour"),
            (3601, "1 hour and 1 minute"),
            (5400, "1 hour and 30 minutes"),
            (86_340, "23 hours and 59 minutes"),
            (86_399, "1 day"),
            (86_400, "1 day"),
            (90_000, "1 day and 1 hour"),
            (15_552_000, "180 days"),
            (31_535_999, "365 days"),
        ] {
            assert_eq!(duration(Language::English, seconds), words, "{seconds}");
        }
        assert_eq!(duration(Language::German, 90_061), "1 Tag und 2 Stunden");
        assert_eq!(duration(Language::Spanish, 120), "2 minutos");
        assert!(!duration(Language::English, i64::MAX).is_empty());
    }

    #[test]
    fn a_day_is_written_as_people_write_it() {
        let day = 1_795_190_138;
        assert_eq!(date(Language::English, day), "20 November 2026");
        assert_eq!(date(Language::German, day), "20. November 2026");
        assert_eq!(date(Language::Spanish, day), "20 de noviembre de 2026");
        assert_eq!(date(Language::German, 0), "1. Januar 1970");
    }
}
