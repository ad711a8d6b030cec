//! Instants: unix seconds inside, RFC 3339 in JSON.

use jiff::SignedDuration;
use jiff::civil::DateTime;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Writes unix seconds as UTC with milliseconds: `2026-11-20T15:55:38.000Z`.
#[must_use]
pub fn to_rfc3339(unix_seconds: i64) -> String {
    match EPOCH.checked_add(SignedDuration::from_secs(unix_seconds)) {
        Ok(instant) => format!("{instant}.000Z"),
        Err(_) => unix_seconds.to_string(),
    }
}

/// The same of unix milliseconds: `2026-11-20T15:55:38.123Z`.
#[must_use]
pub fn to_rfc3339_millis(unix_millis: i64) -> String {
    let (seconds, millis) = (unix_millis.div_euclid(1000), unix_millis.rem_euclid(1000));
    match EPOCH.checked_add(SignedDuration::from_secs(seconds)) {
        Ok(instant) => format!("{instant}.{millis:03}Z"),
        Err(_) => unix_millis.to_string(),
    }
}

/// The day of unix seconds in UTC as a number: 20261120.
#[must_use]
pub fn to_day(unix_seconds: i64) -> i64 {
    match EPOCH.checked_add(SignedDuration::from_secs(unix_seconds)) {
        Ok(instant) => {
            let (year, month, day) = (instant.year(), instant.month(), instant.day());
            i64::from(year) * 10_000 + i64::from(month) * 100 + i64::from(day)
        }
        Err(_) => 0,
    }
}

/// The first second of a day that [`to_day`] writes; `None` where it is none.
#[must_use]
pub fn from_day(day: i64) -> Option<i64> {
    let year = i16::try_from(day / 10_000).ok()?;
    let month = i8::try_from(day / 100 % 100).ok()?;
    let civil = jiff::civil::Date::new(year, month, i8::try_from(day % 100).ok()?).ok()?;
    Some(
        civil
            .to_datetime(jiff::civil::Time::midnight())
            .duration_since(EPOCH)
            .as_secs(),
    )
}

/// Reads RFC 3339 §5.6 with any offset, rounded down to unix seconds; `None` where it is not one.
#[must_use]
pub fn from_rfc3339(text: &str) -> Option<i64> {
    let (civil, rest) = text.split_at_checked(19)?;
    if !has_shape(civil, "dddd-dd-ddTdd:dd:dd") {
        return None;
    }
    let offset = offset_seconds(without_fraction(rest)?)?;
    let civil: DateTime = civil.to_ascii_uppercase().parse().ok()?;
    Some(civil.duration_since(EPOCH).as_secs() - offset)
}

/// Digits where the shape has `d`, else the same character; `T` in either case.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(c, wanted): (char, char)| match wanted {
        'd' => c.is_ascii_digit(),
        _ => c.eq_ignore_ascii_case(&wanted),
    };
    text.len() == shape.len() && text.chars().zip(shape.chars()).all(fits)
}

/// What follows `.` and digits, which are cut: rounding down.
fn without_fraction(rest: &str) -> Option<&str> {
    let Some(fraction) = rest.strip_prefix('.') else {
        return Some(rest);
    };
    let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    (zone.len() < fraction.len()).then_some(zone)
}

/// `Z`, or `+hh:mm` up to a day.
fn offset_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, clock) = zone.split_at_checked(1)?;
    let (hours, minutes) = clock
        .split_once(':')
        .filter(|_| has_shape(clock, "dd:dd"))?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let seconds = (hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)?;
    match sign {
        "+" => Some(seconds),
        "-" => Some(-seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_survives_the_round_trip() {
        assert_eq!(to_day(1_795_190_138), 20_261_120);
        assert_eq!(from_day(20_261_120), Some(1_795_132_800));
        assert_eq!(
            to_rfc3339_millis(1_795_190_138_007),
            "2026-11-20T15:55:38.007Z"
        );
        for wrong in [20_260_230, 20_261_301, 0, -1, 99_999_999_999] {
            assert_eq!(from_day(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_instant_survives_the_round_trip_and_any_offset() {
        assert_eq!(to_rfc3339(1_795_190_138), "2026-11-20T15:55:38.000Z");
        assert_eq!(to_rfc3339(253_402_300_799), "9999-12-31T23:59:59.000Z");
        for (text, seconds) in [
            ("2026-11-20T15:55:38.000Z", Some(1_795_190_138)),
            ("2026-11-20T17:55:38+02:00", Some(1_795_190_138)),
            ("2026-11-20T15:55:38.999Z", Some(1_795_190_138)),
            ("1969-12-31T23:59:59.500Z", Some(-1)),
            ("2026-11-20t15:55:38z", Some(1_795_190_138)),
            ("2026-11-20T15:25:38-00:30", Some(1_795_190_138)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799)),
            ("20300101T000000Z", None),
            ("2030-01-01T00Z", None),
            ("2030-01-01T00:00:00+25:00", None),
            ("2030-01-01T00:00:00+0100", None),
            ("2030-01-01T00:00:00.Z", None),
            ("2030-02-30T00:00:00Z", None),
            ("2030-01-01T24:00:00Z", None),
            ("\u{661}030-01-01T00:00:00Z", None),
            ("2026-11-20T15:55:38", None),
            ("2026-11-20", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(from_rfc3339(text), seconds, "{text}");
        }
    }
}
