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

use crate::model::instant;
use crate::model::record;
use crate::store::audit::{Search, TESTS_MAX, Test, Way};

/// Longest query, in characters.
pub(super) const CHARS_MAX: usize = 2000;
/// Most values between which one test may choose.
const VALUES_MAX: usize = 20;
const DAY_MS: i64 = 86_400_000;

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
    Reader { rest: text }.read(search)
}

struct Reader<'q> {
    rest: &'q str,
}

/// A value as it is written.
struct Value {
    text: String,
    is_quoted: bool,
}

impl Reader<'_> {
    fn read(mut self, search: &mut Search) -> Result<(), String> {
        let mut is_first = true;
        while self.skip_spaces() {
            let by_and = self.takes_word("AND");
            let by_or = !by_and && self.takes_word("OR");
            if (by_and || by_or) && (is_first || !self.skip_spaces()) {
                return Err("AND and OR stand between two tests".to_owned());
            }
            is_first = false;
            let is_negated = self.takes_word("NOT") || self.takes_minus();
            self.skip_spaces();
            let before = search.tests.len();
            self.test(!is_negated, search)?;
            if by_or {
                join(search, before)?;
            }
            if search.tests.len() > TESTS_MAX {
                return Err(format!(
                    "a search has at most {TESTS_MAX} tests beside dates"
                ));
            }
        }
        Ok(())
    }

    /// One test: a field with values, or text.
    fn test(&mut self, wanted: bool, search: &mut Search) -> Result<(), String> {
        if self.rest.starts_with('(') {
            return Err(
                "parentheses stand behind a field, around its values: type:(\"sapi\" OR \"fapi\")"
                    .to_owned(),
            );
        }
        let value = self.value(true)?;
        if !value.is_quoted && self.takes(':') {
            return self.field(&value.text, wanted, search);
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

    fn field(&mut self, name: &str, wanted: bool, search: &mut Search) -> Result<(), String> {
        let known = FIELDS.into_iter().find(|(known, _)| *known == name);
        let Some((_, field)) = known else {
            let names: Vec<&str> = FIELDS.into_iter().map(|(known, _)| known).collect();
            return Err(format!(
                "there is no field of this name before a colon; there are {}; text with a colon stands in double quotes",
                names.join(", ")
            ));
        };
        if field == "date" {
            if !wanted {
                return Err("NOT does not go with date; name the other range".to_owned());
            }
            return self.date(search);
        }
        let values = self.values()?;
        search.tests.push(test_of(field, &values, wanted)?);
        Ok(())
    }

    /// One value, or several in parentheses with OR between them.
    fn values(&mut self) -> Result<Vec<Value>, String> {
        if !self.takes('(') {
            return Ok(vec![self.value(false)?]);
        }
        let mut values = Vec::new();
        loop {
            self.skip_spaces();
            values.push(self.value(false)?);
            self.skip_spaces();
            if self.takes(')') {
                break;
            }
            if !self.takes_word("OR") {
                return Err("between the values of a field stands OR, and ) behind them".to_owned());
            }
        }
        if values.len() > VALUES_MAX {
            return Err(format!("a field has at most {VALUES_MAX} values"));
        }
        Ok(values)
    }

    /// `[a TO b]`, `{a TO b}`, `>=a` and its like, or a day.
    fn date(&mut self, search: &mut Search) -> Result<(), String> {
        let opening = self.rest.chars().next();
        if !matches!(opening, Some('[' | '{')) {
            return self.one_date(search);
        }
        let (inside, closing) = self
            .rest
            .find([']', '}'])
            .and_then(|end| Some((self.rest.get(1..end)?, self.rest.get(end..=end)?)))
            .ok_or("a range of dates ends with ] or }")?;
        let (from, to) = inside
            .split_once(" TO ")
            .ok_or("a range of dates is written [2026-11-01 TO 2026-11-30]; * is an open end")?;
        let (from, to) = (period(from.trim())?, period(to.trim())?);
        let from = from.map(|(begins, ends)| if opening == Some('[') { begins } else { ends });
        let to = to.map(|(begins, ends)| if closing == "]" { ends } else { begins });
        narrow(search, from, to);
        let length = inside.len() + 2;
        self.rest = self.rest.get(length..).unwrap_or("");
        Ok(())
    }

    fn one_date(&mut self, search: &mut Search) -> Result<(), String> {
        let sign = [">=", "<=", ">", "<"]
            .into_iter()
            .find(|sign| self.rest.starts_with(sign))
            .unwrap_or("");
        self.rest = self.rest.get(sign.len()..).unwrap_or("");
        let value = self.value(false)?;
        let Some((begins, ends)) = period(&value.text)? else {
            return Ok(());
        };
        let (from, to) = match sign {
            ">=" => (Some(begins), None),
            ">" => (Some(ends), None),
            "<=" => (None, Some(ends)),
            "<" => (None, Some(begins)),
            _ => (Some(begins), Some(ends)),
        };
        narrow(search, from, to);
        Ok(())
    }

    /// A word, up to a space, a parenthesis or (as a name) a colon; or what stands in double quotes.
    /// A backslash takes the next character as it is.
    fn value(&mut self, is_name: bool) -> Result<Value, String> {
        let is_quoted = self.takes('"');
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        let mut end = None;
        while let Some((at, c)) = characters.next() {
            let ends = match (is_quoted, c) {
                (true, '"') | (false, '(' | ')' | '"') => true,
                (false, ':') => is_name,
                (false, c) => c.is_whitespace(),
                (true, _) => false,
            };
            if ends {
                end = Some(at);
                break;
            }
            match c {
                '\\' => text.extend(characters.next().map(|(_, c)| c)),
                c => text.push(c),
            }
        }
        if is_quoted && end.is_none() {
            return Err("a double quote is missing".to_owned());
        }
        let end = end.unwrap_or(self.rest.len());
        self.rest = self.rest.get(end..).unwrap_or("");
        if is_quoted {
            self.takes('"');
        } else if text.is_empty() {
            return Err(
                "a value is missing: write field:value, field:\"value\" or \"text\"".to_owned(),
            );
        }
        Ok(Value { text, is_quoted })
    }

    /// True where something follows.
    fn skip_spaces(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        !self.rest.is_empty()
    }

    fn takes(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A word in capitals that stands alone.
    fn takes_word(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with([' ', '(', '"']));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A minus before a test.
    fn takes_minus(&mut self) -> bool {
        self.rest.len() > 1 && self.takes('-')
    }
}

fn test_of(field: &'static str, values: &[Value], wanted: bool) -> Result<Test, String> {
    let is_prefix = |value: &Value| !value.is_quoted && value.text.ends_with('*');
    let (way, value, wanted) = match values {
        // Set is what is not empty.
        [one] if is_prefix(one) && one.text == "*" => (Way::Is, alternatives([""]), !wanted),
        [one] if is_prefix(one) => {
            let start = one.text.trim_end_matches('*');
            if start.contains('*') {
                return Err("* stands at the end of a value only".to_owned());
            }
            (Way::Starts, start.to_owned(), wanted)
        }
        [one] if matches!(field, "audience" | "scope") && !one.text.contains(' ') => {
            (Way::Word, one.text.clone(), wanted)
        }
        _ if matches!(field, "audience" | "scope") => {
            return Err(format!("{field} takes one value at a time"));
        }
        several if several.iter().any(is_prefix) => {
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

/// The milliseconds from which and until which a day or a second lasts; `None` for `*`.
fn period(text: &str) -> Result<Option<(i64, i64)>, String> {
    if text == "*" {
        return Ok(None);
    }
    let text = text.trim_matches('"');
    if let Some(begins) = instant::from_rfc3339(&format!("{text}T00:00:00Z")) {
        let begins = begins.saturating_mul(1000);
        return Ok(Some((begins, begins.saturating_add(DAY_MS))));
    }
    let second = instant::from_rfc3339(text)
        .ok_or("a date is written 2026-11-20, or 2026-11-20T15:55:38Z with any offset")?;
    let begins = second.saturating_mul(1000);
    Ok(Some((begins, begins.saturating_add(1000))))
}

fn narrow(search: &mut Search, from: Option<i64>, until: Option<i64>) {
    search.from_ms = search.from_ms.max(from);
    search.until_ms = [search.until_ms, until].into_iter().flatten().min();
}

#[cfg(test)]
mod tests {
    use super::*;

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
