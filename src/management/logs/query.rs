//! The part of Auth0's search language that `GET /logs?q=` reads: tests that must all pass.
//!
//! ```text
//! type:sapi                       a field is exactly this, upper and lower case apart
//! client_name:"My shop"           the same, with spaces
//! client_name:My*                 it begins with this; client_id:* is any, so that it is set
//! type:("sapi" OR "fapi")         one of these; also type:sapi OR type:fapi
//! date:[2026-11-01 TO *]          from that day on; } and { leave the end out; also date:>=2026-11-01
//! date:2026-11-20                 that day
//! orders "two words"              somewhere in description, details, application, address, API …
//! NOT type:seccft   -type:seccft  not so
//! ```
//!
//! Tests stand beside each other, with AND between them or without. OR joins values of one field.

use crate::management::search::{Reader, VALUES_MAX, Value, no_field, period};
use crate::model::record;
use crate::store::audit::{Search, TESTS_MAX, Test, Way};

/// Longest query, in characters.
pub(super) const CHARS_MAX: usize = 2000;

/// What may stand before a colon, and the column that it means.
const FIELDS: [(&str, &str); 13] = [
    ("type", "type"),
    ("log_id", "log_id"),
    ("client_id", "client_id"),
    ("client_name", "client_name"),
    ("user_id", "user_id"),
    ("ip", "ip"),
    ("user_agent", "user_agent"),
    ("audience", "audience"),
    ("scope", "scope"),
    ("description", "description"),
    ("correlation_id", "correlation_id"),
    ("references.correlation_id", "correlation_id"),
    ("date", "date"),
];

/// Adds what a query asks for to a search.
///
/// # Errors
/// A sentence that says what cannot be read and what can be.
pub(super) fn read(text: &str, search: &mut Search) -> Result<(), String> {
    Reader { rest: text }.tests(|reader, link| {
        let before = search.tests.len();
        test(reader, link.wanted, search)?;
        if link.by_or {
            join(search, before)?;
        }
        if search.tests.len() > TESTS_MAX {
            return Err(format!(
                "a search has at most {TESTS_MAX} tests beside dates"
            ));
        }
        Ok(())
    })
}

/// What concerns a user; no id holds a line feed.
pub(super) fn of_user(user_id: &str) -> Search {
    let test = Test {
        field: "user_id",
        way: Way::Is,
        value: alternatives([user_id]),
        wanted: true,
    };
    Search {
        tests: vec![test],
        ..Search::default()
    }
}

/// One test: a field with values, or text.
fn test(reader: &mut Reader<'_>, wanted: bool, search: &mut Search) -> Result<(), String> {
    let value = reader.value(true)?;
    if !value.is_quoted && reader.takes(':') {
        return field(reader, &value.text, wanted, search);
    }
    if value.text == "*" && !value.is_quoted && wanted {
        return Ok(());
    }
    let text = value
        .text
        .trim_end_matches(|c| c == '*' && !value.is_quoted);
    if text.is_empty() {
        return Err("text to search for is missing".to_owned());
    }
    search.tests.push(Test {
        field: "words",
        way: Way::Has,
        value: text.to_lowercase(),
        wanted,
    });
    Ok(())
}

fn field(
    reader: &mut Reader<'_>,
    name: &str,
    wanted: bool,
    search: &mut Search,
) -> Result<(), String> {
    let known = FIELDS.into_iter().find(|(known, _)| *known == name);
    let Some((_, field)) = known else {
        let names: Vec<&str> = FIELDS.into_iter().map(|(known, _)| known).collect();
        return Err(no_field(&names));
    };
    if field == "date" {
        if !wanted {
            return Err("NOT does not go with date; name the other range".to_owned());
        }
        let (from, until) = reader.range(period)?;
        narrow(search, from, until);
        return Ok(());
    }
    let values = reader.values()?;
    search.tests.push(test_of(field, &values, wanted)?);
    Ok(())
}

fn test_of(field: &'static str, values: &[Value], wanted: bool) -> Result<Test, String> {
    let (way, value, wanted) = match values {
        // Set is what is not empty.
        [one] if one.prefix()? == Some("") => (Way::Is, alternatives([""]), !wanted),
        [one] if one.is_prefix() => {
            let start = one.prefix()?.unwrap_or_default();
            (Way::Starts, start.to_owned(), wanted)
        }
        [one] if matches!(field, "audience" | "scope") && !one.text.contains(' ') => {
            (Way::Word, one.text.clone(), wanted)
        }
        _ if matches!(field, "audience" | "scope") => {
            return Err(format!("{field} takes one value at a time"));
        }
        several if several.iter().any(Value::is_prefix) => {
            return Err("a value with * stands alone, outside parentheses".to_owned());
        }
        several => {
            let texts = several.iter().map(|value| value.text.as_str());
            let value = if field == "log_id" {
                let numbers: Vec<String> = texts.map(number_text).collect();
                alternatives(numbers.iter().map(String::as_str))
            } else {
                alternatives(texts)
            };
            (Way::Is, value, wanted)
        }
    };
    if field == "log_id" && way == Way::Starts {
        return Err("log_id is looked for whole".to_owned());
    }
    Ok(Test {
        field,
        way,
        value,
        wanted,
    })
}

/// The store knows records by number; an id that is none of ours matches nothing.
fn number_text(id: &str) -> String {
    record::number_of(id).map_or_else(|| "-".to_owned(), |n| n.to_string())
}

/// No text of a record holds a line feed.
fn alternatives<'v>(values: impl IntoIterator<Item = &'v str>) -> String {
    let mut text = String::from("\n");
    for value in values {
        text.push_str(value);
        text.push('\n');
    }
    text
}

/// Makes one test of the last two: `type:a OR type:b`.
fn join(search: &mut Search, before: usize) -> Result<(), String> {
    let refusal = || "OR joins values of one field: type:(\"sapi\" OR \"fapi\")".to_owned();
    if search.tests.len() != before + 1 || before == 0 {
        return Err(refusal());
    }
    let second = search.tests.pop().ok_or_else(refusal)?;
    let first = search.tests.last_mut().ok_or_else(refusal)?;
    let may_join = |test: &Test| test.way == Way::Is && test.wanted;
    if first.field != second.field || !may_join(first) || !may_join(&second) {
        return Err(refusal());
    }
    first.value.push_str(second.value.trim_start_matches('\n'));
    if first.value.matches('\n').count() > VALUES_MAX + 1 {
        return Err(format!("a field has at most {VALUES_MAX} values"));
    }
    Ok(())
}

fn narrow(search: &mut Search, from: Option<i64>, until: Option<i64>) {
    search.from_ms = search.from_ms.max(from);
    search.until_ms = [search.until_ms, until].into_iter().flatten().min();
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn search(text: &str) -> Search {
        let mut search = Search::default();
        read(text, &mut search).unwrap_or_else(|why| panic!("{text}: {why}"));
        search
    }

    /// Each test as text: field, way, value.
    fn tests(text: &str) -> Vec<String> {
        let shown = |test: Test| {
            let not = if test.wanted { "" } else { "not " };
            format!("{not}{} {:?} {:?}", test.field, test.way, test.value)
        };
        search(text).tests.into_iter().map(shown).collect()
    }

    #[test]
    fn a_query_is_tests_that_must_all_pass() {
        for (text, expected) in [
            ("", &[][..]),
            ("*", &[]),
            ("type:sapi", &[r#"type Is "\nsapi\n""#]),
            (
                r#"client_name:"My shop""#,
                &[r#"client_name Is "\nMy shop\n""#],
            ),
            ("client_name:My*", &[r#"client_name Starts "My""#]),
            ("client_id:*", &[r#"not client_id Is "\n\n""#]),
            ("NOT client_id:*", &[r#"client_id Is "\n\n""#]),
            (r#"type:("sapi" OR fapi)"#, &[r#"type Is "\nsapi\nfapi\n""#]),
            ("type:a OR type:b OR type:c", &[r#"type Is "\na\nb\nc\n""#]),
            (
                "type:a AND ip:::1",
                &[r#"type Is "\na\n""#, r#"ip Is "\n::1\n""#],
            ),
            (
                "audience:https://a.example/?x=1",
                &[r#"audience Word "https://a.example/?x=1""#],
            ),
            (
                "NOT type:a -type:b",
                &[r#"not type Is "\na\n""#, r#"not type Is "\nb\n""#],
            ),
            (
                r#"Orders "Two Words""#,
                &[r#"words Has "orders""#, r#"words Has "two words""#],
            ),
            (r#"NOT "https://x""#, &[r#"not words Has "https://x""#]),
            (r"a\:b", &[r#"words Has "a:b""#]),
            (
                r#"description:"a \"b\" \\""#,
                &[r#"description Is "\na \"b\" \\\n""#],
            ),
            (
                "ANDy ORders NOTes",
                &[
                    r#"words Has "andy""#,
                    r#"words Has "orders""#,
                    r#"words Has "notes""#,
                ],
            ),
            (
                "references.correlation_id:x",
                &[r#"correlation_id Is "\nx\n""#],
            ),
            ("log_id:x", &[r#"log_id Is "\n-\n""#]),
        ] {
            assert_eq!(tests(text), expected, "{text}");
        }
    }

    #[test]
    fn dates_are_ranges_in_milliseconds() {
        let day = 1_795_132_800_000; // 2026-11-20
        for (text, from, until) in [
            ("date:2026-11-20", Some(day), Some(day + DAY_MS)),
            ("date:[2026-11-20 TO *]", Some(day), None),
            ("date:{2026-11-20 TO *}", Some(day + DAY_MS), None),
            ("date:[* TO 2026-11-20]", None, Some(day + DAY_MS)),
            ("date:[* TO 2026-11-20}", None, Some(day)),
            (
                "date:[2026-11-20T01:00:00Z TO 2026-11-20T02:00:00+01:00]",
                Some(day + 3_600_000),
                Some(day + 3_601_000),
            ),
            (
                "date:>=2026-11-20 date:<2026-11-21",
                Some(day),
                Some(day + DAY_MS),
            ),
            ("date:[* TO *]", None, None),
        ] {
            let search = search(text);
            assert_eq!((search.from_ms, search.until_ms), (from, until), "{text}");
            assert!(search.tests.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_can_be() {
        for (text, says) in [
            ("https://x", "there are type, log_id"),
            ("connection:x", "there are type, log_id"),
            ("(type:a)", "behind a field"),
            ("type:a OR ip:b", "one field"),
            ("x OR y", "one field"),
            ("type:a OR", "between two tests"),
            ("AND type:a", "between two tests"),
            ("type:", "value is missing"),
            ("type:(a b)", "stands OR"),
            ("type:(a*  OR b)", "stands alone"),
            ("type:a*b*", "at the end"),
            ("\"open", "double quote"),
            ("date:[2026 TO *]", "2026-11-20"),
            ("date:[2026-11-20", "] or }"),
            ("date:2026-02-30", "2026-11-20"),
            ("NOT date:2026-11-20", "NOT"),
            ("audience:(a OR b)", "one value"),
            ("a b c d e f g h i", "at most 8"),
            (")", "value is missing"),
            ("NOT", "value is missing"),
        ] {
            let mut search = Search::default();
            let why = read(text, &mut search).expect_err(text);
            assert!(why.contains(says), "{text}: {why}");
        }
    }
}
