//! The part of Auth0's search language that `GET /users?q=` reads: tests that must all pass.
//!
//! ```text
//! email:"ann@a.example"           a member is exactly this, whatever its case
//! name:ann*                       it begins with this; phone_number:* is any, so that it is set
//! username:(ann OR bob)           one of these; also username:ann OR email:"bob@a.example"
//! app_metadata.plan:gold          a member of the metadata, by its path; one of an array's
//! blocked:true
//! last_login:[2026-11-01 TO *]    created_at, updated_at and last_login are days or instants
//! logins_count:>=10
//! "Ann Bell"  ann*                some member is this, or begins with it
//! NOT blocked:true   -blocked:true
//! ```
//!
//! Tests stand beside each other, with AND between them or without. OR joins up to four. What Lucene
//! has besides (a `*` elsewhere, `?`, ranges of texts …) is refused unless it stands in double quotes.

use crate::management::search::{Link, Reader, Value, no_field, period};
use crate::model::user::word;
use crate::store::user_lists::{
    ALTERNATIVES_MAX, CLAUSES_MAX, Clause, Number, RANGES_MAX, Range, SORTS, Search, Sort,
};
use crate::wire::schema::Shape;

/// Longest query, in characters.
pub(super) const CHARS_MAX: usize = 2000;

/// The members that are texts or switches.
const WORDS: [&str; 15] = [
    "user_id",
    "email",
    "username",
    "phone_number",
    "name",
    "given_name",
    "family_name",
    "nickname",
    "picture",
    "blocked",
    "email_verified",
    "phone_verified",
    "identities.connection",
    "identities.provider",
    "identities.user_id",
];
/// Of these, those that are true or false.
const SWITCHES: [&str; 3] = ["blocked", "email_verified", "phone_verified"];
/// How the names of metadata begin.
const METADATA: [&str; 2] = ["user_metadata.", "app_metadata."];
/// The members that are instants or numbers.
const NUMBERS: [Number; 4] = [
    Number::CreatedAt,
    Number::UpdatedAt,
    Number::LastLogin,
    Number::LoginsCount,
];

/// `sort`: a member, a colon, and 1 or -1.
pub(super) const SORT: Shape = Shape {
    pattern: "^(created_at|updated_at|last_login|logins_count|email|username|name|given_name|family_name|user_id):-?1$",
    fits: |text| sort(text).is_some(),
    why: "Expected field:1 or field:-1, of created_at, updated_at, last_login, logins_count, email, username, name, given_name, family_name, user_id",
};

/// Reads a `sort`.
pub(super) fn sort(text: &str) -> Option<Sort> {
    let (name, order) = text.split_once(':')?;
    let by = SORTS.into_iter().find(|own| *own == name)?;
    let is_descending = match order {
        "1" => false,
        "-1" => true,
        _ => return None,
    };
    Some(Sort { by, is_descending })
}

/// Adds what a query asks for to a search.
///
/// # Errors
/// A sentence that says what cannot be read and what can be.
pub(super) fn read(text: &str, search: &mut Search) -> Result<(), String> {
    // What the last test became; a range cannot be joined with anything.
    let mut is_joinable = false;
    Reader { rest: text }.tests(|reader, link| {
        let clause = test(reader, link, search)?;
        match clause {
            Some(clause) if link.by_or => join(search, clause, is_joinable && link.wanted)?,
            Some(clause) => {
                is_joinable = clause.wanted;
                search.clauses.push(clause);
            }
            None if link.by_or => return Err(OR_JOINS.to_owned()),
            None => is_joinable = false,
        }
        if search.clauses.len() > CLAUSES_MAX || search.ranges.len() > RANGES_MAX {
            return Err(format!(
                "a search has at most {CLAUSES_MAX} tests and {RANGES_MAX} ranges"
            ));
        }
        Ok(())
    })
}

const OR_JOINS: &str = "OR joins tests for texts, none of them with NOT: name:ann OR name:bob";

fn join(search: &mut Search, clause: Clause, may_join: bool) -> Result<(), String> {
    let last = search.clauses.last_mut().filter(|_| may_join);
    let last = last.ok_or(OR_JOINS)?;
    last.any_of.extend(clause.any_of);
    check_alternatives(last.any_of.len())
}

fn check_alternatives(count: usize) -> Result<(), String> {
    if count > ALTERNATIVES_MAX {
        return Err(format!("OR joins at most {ALTERNATIVES_MAX} values"));
    }
    Ok(())
}

/// One test: a clause, or `None` where it is a range or passes everybody.
fn test(
    reader: &mut Reader<'_>,
    link: Link,
    search: &mut Search,
) -> Result<Option<Clause>, String> {
    let value = reader.value(true)?;
    if !value.is_quoted && reader.takes(':') {
        return field(reader, &value.text, link.wanted, search);
    }
    value.check_plain()?;
    if value.prefix()? == Some("") {
        return if link.wanted && !link.by_or {
            Ok(None)
        } else {
            Err("* alone finds everybody".to_owned())
        };
    }
    // Behind the colon of any member's line.
    let text = |value: &str| word("", value);
    let text = match value.prefix()? {
        Some(start) => text(start),
        None => format!("{}\n", text(&value.text)),
    };
    Ok(Some(Clause {
        any_of: vec![text],
        wanted: link.wanted,
    }))
}

fn field(
    reader: &mut Reader<'_>,
    name: &str,
    wanted: bool,
    search: &mut Search,
) -> Result<Option<Clause>, String> {
    if let Some(of) = NUMBERS.into_iter().find(|of| of.as_str() == name) {
        if !wanted {
            return Err(format!("NOT does not go with {name}; name the other range"));
        }
        let (from, until) = if of == Number::LoginsCount {
            reader.range(count)?
        } else {
            reader.range(seconds)?
        };
        let (from, until) = (from.unwrap_or(i64::MIN), until.unwrap_or(i64::MAX));
        search.ranges.push(Range { of, from, until });
        return Ok(None);
    }
    let is_metadata = METADATA
        .iter()
        .any(|start| name.len() > start.len() && name.starts_with(start));
    if !is_metadata && !WORDS.contains(&name) {
        let mut names = WORDS.to_vec();
        names.extend(NUMBERS.map(Number::as_str));
        names.extend(["user_metadata.…", "app_metadata.…"]);
        return Err(no_field(&names));
    }
    let name = crate::model::user::fold(name);
    let mut any_of = Vec::new();
    for value in reader.values()? {
        value.check_plain()?;
        if SWITCHES.contains(&name.as_str()) {
            check_switch(&name, &value)?;
        }
        any_of.extend(lines(&name, is_metadata, &value)?);
    }
    check_alternatives(any_of.len())?;
    Ok(Some(Clause { any_of, wanted }))
}

/// True or false, or `*` for any.
fn check_switch(name: &str, value: &Value) -> Result<(), String> {
    let is_either = ["true", "false"]
        .iter()
        .any(|word| value.text.eq_ignore_ascii_case(word));
    if is_either || value.prefix()? == Some("") {
        return Ok(());
    }
    Err(format!("{name} is true or false: {name}:true"))
}

/// What stands in the words where a member is the value, begins with it, or is there at all.
fn lines(name: &str, is_metadata: bool, value: &Value) -> Result<Vec<String>, String> {
    Ok(match value.prefix()? {
        // An object is there where anything below it is.
        Some("") if is_metadata => vec![format!("\n{name}:"), format!("\n{name}.")],
        Some(start) => vec![format!("\n{}", word(name, start))],
        None => vec![format!("\n{}\n", word(name, &value.text))],
    })
}

/// The seconds from which and until which a day or a second lasts.
fn seconds(text: &str) -> Result<Option<(i64, i64)>, String> {
    let millis = period(text)?;
    Ok(millis.map(|(begins, ends)| (begins.div_euclid(1000), ends.div_euclid(1000))))
}

fn count(text: &str) -> Result<Option<(i64, i64)>, String> {
    if text == "*" {
        return Ok(None);
    }
    let count: u32 = text
        .parse()
        .map_err(|_| "a count is a whole number".to_owned())?;
    Ok(Some((count.into(), i64::from(count) + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each clause as text.
    fn clauses(text: &str) -> Vec<String> {
        let mut search = Search::default();
        read(text, &mut search).unwrap_or_else(|why| panic!("{text}: {why}"));
        let shown = |clause: &Clause| {
            let not = if clause.wanted { "" } else { "not " };
            format!("{not}{}", clause.any_of.join(" | "))
        };
        search.clauses.iter().map(shown).collect()
    }

    #[test]
    fn a_query_is_clauses_that_must_all_hold() {
        for (text, expected) in [
            ("", &[][..]),
            ("*", &[]),
            (r#"email:"Ann@A.example""#, &["\nemail:ann@a.example\n"]),
            ("name:Ann*", &["\nname:ann"]),
            ("phone_number:*", &["\nphone_number:"]),
            ("NOT phone_number:*", &["not \nphone_number:"]),
            (
                "app_metadata.Plan:*",
                &["\napp_metadata.plan: | \napp_metadata.plan."],
            ),
            (
                "username:(ann OR bob)",
                &["\nusername:ann\n | \nusername:bob\n"],
            ),
            (
                "username:a OR email:b OR c*",
                &["\nusername:a\n | \nemail:b\n | :c"],
            ),
            (
                "blocked:true -name:x",
                &["\nblocked:true\n", "not \nname:x\n"],
            ),
            (r#""Ann Bell""#, &[":ann bell\n"]),
            ("user_id:auth0|7", &["\nuser_id:auth0|7\n"]),
            (r"name:\*x", &["\nname:*x\n"]),
            (r"name:é\**", &["\nname:é*"]),
            (r#"name:"a?*""#, &["\nname:a?*\n"]),
            ("blocked:FALSE", &["\nblocked:false\n"]),
        ] {
            assert_eq!(clauses(text), expected, "{text}");
        }
    }

    #[test]
    fn dates_and_counts_are_ranges() {
        let day = 1_795_132_800; // 2026-11-20
        for (text, of, from, until) in [
            (
                "last_login:2026-11-20",
                Number::LastLogin,
                day,
                day + 86_400,
            ),
            (
                "created_at:[2026-11-20 TO *]",
                Number::CreatedAt,
                day,
                i64::MAX,
            ),
            (
                "updated_at:{* TO 2026-11-20}",
                Number::UpdatedAt,
                i64::MIN,
                day,
            ),
            ("logins_count:>=10", Number::LoginsCount, 10, i64::MAX),
            ("logins_count:[1 TO 3]", Number::LoginsCount, 1, 4),
            ("logins_count:0", Number::LoginsCount, 0, 1),
            ("last_login:*", Number::LastLogin, i64::MIN, i64::MAX),
        ] {
            let mut search = Search::default();
            read(text, &mut search).unwrap();
            assert_eq!(search.ranges, [Range { of, from, until }], "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_can_be() {
        for (text, says) in [
            ("nonsense:x", "there are user_id, email"),
            ("app_metadata:x", "app_metadata.…"),
            ("(name:a)", "behind a field"),
            ("name:*x", "at the end"),
            ("name:a*b*", "at the end"),
            ("*x", "at the end"),
            ("blocked:1", "true or false"),
            ("blocked:t*", "true or false"),
            ("email:[a TO b]", "ranges are for"),
            ("[a TO b]", "ranges are for"),
            ("name:>a", "ranges are for"),
            ("name:(a OR {b)", "ranges are for"),
            ("name:a?b", "double quotes"),
            ("name:a~", "double quotes"),
            ("name:/a/", "double quotes"),
            ("last_login:x", "2026-11-20"),
            ("logins_count:many", "whole number"),
            ("NOT last_login:2026-11-20", "other range"),
            ("name:a OR last_login:2026-11-20", "OR joins"),
            ("last_login:2026-11-20 OR name:a", "OR joins"),
            ("NOT name:a OR name:b", "OR joins"),
            ("name:a OR NOT name:b", "OR joins"),
            ("name:(a OR b OR c OR d OR e)", "at most 4"),
            ("a OR b OR c OR d OR e", "at most 4"),
            ("a b c d e f g h i", "at most 8"),
            ("NOT *", "everybody"),
            ("name:", "value is missing"),
            ("\"open", "double quote"),
        ] {
            let mut search = Search::default();
            let why = read(text, &mut search).expect_err(text);
            assert!(why.contains(says), "{text}: {why}");
        }
    }
}
