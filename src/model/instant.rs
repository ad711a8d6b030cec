//! Instants: unix seconds inside, RFC 3339 in JSON.

use jiff::Timestamp;

/// Writes unix seconds as UTC with milliseconds: `2026-11-20T15:55:38.000Z`.
#[must_use]
pub fn to_rfc3339(unix_seconds: i64) -> String {
    match Timestamp::from_second(unix_seconds) {
        Ok(instant) => format!("{instant:.3}"),
        Err(_) => unix_seconds.to_string(),
    }
}

/// Reads RFC 3339 with any offset, rounded down to unix seconds; `None` where it is not one.
#[must_use]
pub fn from_rfc3339(text: &str) -> Option<i64> {
    // RFC 3339 always has a time and an offset; the library alone would accept shorter forms.
    let (_, time) = text.split_once(['T', 't', ' '])?;
    if !time.ends_with(['Z', 'z']) && !time.contains(['+', '-']) {
        return None;
    }
    let instant: Timestamp = text.parse().ok()?;
    Some(instant.as_millisecond().div_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_the_round_trip_and_any_offset() {
        assert_eq!(to_rfc3339(1_795_190_138), "2026-11-20T15:55:38.000Z");
        for (text, seconds) in [
            ("2026-11-20T15:55:38.000Z", Some(1_795_190_138)),
            ("2026-11-20T17:55:38+02:00", Some(1_795_190_138)),
            ("2026-11-20T15:55:38.999Z", Some(1_795_190_138)),
            ("1969-12-31T23:59:59.500Z", Some(-1)),
            ("2026-11-20T15:55:38", None),
            ("2026-11-20", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(from_rfc3339(text), seconds, "{text}");
        }
    }
}
