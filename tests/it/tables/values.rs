//! Values for a field by its row: at the edges of its limits, beyond them, and of wrong types.

use serde_json::{Map, Value, json};

use super::exceptions::values_of;
use super::rows::{Field, Kind, Limits};

/// A value and what becomes of it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) value: Value,
    pub(super) expected: Expected,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// It is taken and shown.
    Taken,
    /// It is taken, and shown as it is or not at all.
    Accepted,
    /// 400 `invalid_body` naming this property.
    Refused(String),
    /// 400 `operation_not_supported` naming this property.
    NotSupported(String),
}

/// Longest text that is tried where no limit is named.
const USUAL_CHARS: i64 = 12;

/// Every case of a field and of the fields below it, each as a value of the field itself.
pub(super) fn cases(schema: &str, field: &Field) -> Vec<Case> {
    if let Some(listed) = values_of(schema, &field.path) {
        return listed;
    }
    let mut cases = own_cases(schema, field);
    for child in &field.below {
        for case in self::cases(schema, child) {
            let value = with_member(schema, field, child, case.value);
            cases.push(Case { value, ..case });
        }
        if child.is_required {
            let mut value = members_of(sample(schema, field));
            value.remove(child.name());
            let expected = Expected::Refused(child.path.clone());
            cases.push(Case {
                value: as_value(field, value),
                expected,
            });
        }
    }
    if !field.below.is_empty() {
        let unknown = match field.kind {
            Kind::Objects => format!("{}[].unknown_member", field.path),
            _ => format!("{}.unknown_member", field.path),
        };
        let mut value = members_of(sample(schema, field));
        value.insert("unknown_member".into(), json!(1));
        cases.push(Case {
            value: as_value(field, value),
            expected: Expected::Refused(unknown),
        });
    }
    cases
}

/// A usual value of a field, with what is required below it.
pub(super) fn sample(schema: &str, field: &Field) -> Value {
    if let Some(listed) = values_of(schema, &field.path) {
        let taken = listed
            .into_iter()
            .find(|case| matches!(case.expected, Expected::Taken | Expected::Accepted));
        return taken.map_or(Value::Null, |case| case.value);
    }
    match field.kind {
        Kind::Boolean => json!(false),
        Kind::Integer => json!(field.limits.number("minimum").unwrap_or(1).max(1)),
        Kind::Text => texts(&field.limits).0.swap_remove(0).into(),
        Kind::Texts => json!([texts(&field.limits).0.swap_remove(0)]),
        Kind::Object | Kind::Objects => {
            let required = field.below.iter().filter(|child| child.is_required);
            let members = required.map(|child| (child.name().to_owned(), sample(schema, child)));
            as_value(field, members.collect())
        }
    }
}

fn own_cases(schema: &str, field: &Field) -> Vec<Case> {
    let refused = || Expected::Refused(field.path.clone());
    let (taken, not): (Vec<Value>, Vec<Value>) = match field.kind {
        Kind::Boolean => (
            vec![json!(true), json!(false)],
            vec![json!("maybe"), json!(1), json!([])],
        ),
        Kind::Integer => integers(&field.limits),
        Kind::Text => {
            let (fit, not) = texts(&field.limits);
            let wrong = [json!(1), json!(true), json!([]), json!({})];
            (values(fit), values(not).into_iter().chain(wrong).collect())
        }
        Kind::Texts => lists(&field.limits),
        Kind::Object => objects(schema, field),
        Kind::Objects => {
            let one = sample(schema, field);
            let mut taken = vec![one];
            let mut not = vec![json!([1]), json!(["x"]), json!(1), json!("x"), json!({})];
            let empty = if field.limits.number("minItems") == Some(1) {
                &mut not
            } else {
                &mut taken
            };
            empty.push(json!([]));
            (taken, not)
        }
    };
    let mut cases: Vec<_> = taken
        .into_iter()
        .map(|value| Case {
            value,
            expected: Expected::Taken,
        })
        .collect();
    cases.extend(not.into_iter().map(|value| Case {
        value,
        expected: refused(),
    }));
    if field.is_nullable {
        cases.push(Case {
            value: Value::Null,
            expected: Expected::Taken,
        });
    }
    cases
}

fn integers(limits: &Limits) -> (Vec<Value>, Vec<Value>) {
    let (min, max) = (limits.number("minimum"), limits.number("maximum"));
    let fit = [min, max, Some(min.unwrap_or(1).max(7))];
    let beyond = [
        min.and_then(|min| min.checked_sub(1)),
        max.and_then(|max| max.checked_add(1)),
        limits.number("not"),
    ];
    let mut not = values(beyond.into_iter().flatten().collect());
    not.extend([json!("many"), json!(1.5), json!(true), json!([]), json!({})]);
    // A decimal string is a number, too (compatibility.md §1.4).
    (values(fit.into_iter().flatten().collect()), not)
}

/// Texts that fit a row's limits, the usual one first, and texts that do not.
fn texts(limits: &Limits) -> (Vec<String>, Vec<String>) {
    if let Some(choices) = limits.choices() {
        let not = ["nonsense", "", &format!("{} ", choices[0])].map(str::to_owned);
        return (choices.into_iter().map(str::to_owned).collect(), not.into());
    }
    if let Some((fit, not)) = limits.text("format").and_then(of_format) {
        return (owned(fit), owned(not));
    }
    let (min, max) = (limits.number("minLength"), limits.number("maxLength"));
    let long = |chars: i64| "x".repeat(usize::try_from(chars).unwrap());
    let usual = USUAL_CHARS
        .max(min.unwrap_or(1))
        .min(max.unwrap_or(i64::MAX));
    let fit = [Some(usual), min, max].into_iter().flatten().map(long);
    let beyond = [min.map(|min| min - 1), max.map(|max| max + 1)]
        .into_iter()
        .flatten();
    let mut not: Vec<_> = beyond.map(long).collect();
    match limits.text("pattern") {
        Some("^[^<>]+$") => not.extend(owned(&["a<b", "a>b", ""])),
        Some("^([0-9a-zA-Z-_]{10,64})$") => {
            not.extend(owned(&["has a space", "has.a.point", "has/slashes"]))
        }
        Some(other) => panic!("a pattern that this generator does not know: {other}"),
        None => {}
    }
    (fit.collect(), not)
}

/// Texts of Auth0's formats: those that fit, those that do not.
fn of_format(format: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    const URL: (&[&str], &[&str]) = (
        &["https://a.example/x", "http://localhost:3000"],
        &["no url"],
    );
    Some(match format {
        "absolute-uri-or-empty" => (&["https://a.example/x.png", ""], &["no uri", "/relative"]),
        "absolute-https-uri-or-empty" => (
            &["https://a.example/x", ""],
            &["http://a.example/", "no uri"],
        ),
        "absolute-https-uri-with-placeholders-or-empty" => (
            &[
                "https://a.example/x",
                "https://{organization_name}.a.example/",
            ],
            &["http://a.example/", "no uri"],
        ),
        "callback-url" => (
            &[
                "https://a.example/back",
                "http://localhost:3000/back",
                "com.example.app://back",
            ],
            &["no url"],
        ),
        "url-with-placeholders" => (
            &[
                "https://a.example",
                "https://*.a.example",
                "http://localhost:3000",
            ],
            &["no url"],
        ),
        "url" | "url-or-null" => URL,
        "email-or-empty" => (&["help@a.example", ""], &["no mail"]),
        "date-time" => (
            &["2099-01-31T00:00:00.000Z"],
            &[
                "tomorrow",
                "2001-01-01T00:00:00.000Z",
                "2099-13-01T00:00:00Z",
            ],
        ),
        "ec-initiate-login-uri-template-url" => (
            &["https://a.example/{organization_name}"],
            &["http://a.example/", "no uri", ""],
        ),
        // Ids of things that are not built, and free words: any text.
        _ => return None,
    })
}

fn lists(limits: &Limits) -> (Vec<Value>, Vec<Value>) {
    let (fit, not) = texts(limits);
    // An item is never empty, whatever its format says of a text that stands alone.
    let fit: Vec<_> = fit.into_iter().filter(|text| !text.is_empty()).collect();
    let mut taken = vec![json!([fit[0]]), json!(distinct(&fit))];
    let mut refused: Vec<_> = not.into_iter().map(|text| json!([text])).collect();
    refused.extend([json!("x y"), json!(1), json!({}), json!([1]), json!([[]])]);
    let empty = if limits.number("minItems") == Some(1) {
        &mut refused
    } else {
        &mut taken
    };
    empty.push(json!([]));
    (taken, refused)
}

fn objects(schema: &str, field: &Field) -> (Vec<Value>, Vec<Value>) {
    let mut refused = vec![json!("x"), json!(1), json!([1])];
    let mut taken = Vec::new();
    if field.below.is_empty() {
        taken.push(numbered(1));
        if let Some(most) = field.limits.number("maxProperties") {
            taken.push(numbered(most));
            refused.push(numbered(most + 1));
        }
    } else {
        let one = sample(schema, field);
        let needs = field.limits.number("minProperties") == Some(1);
        if !(needs && one == json!({})) {
            taken.push(one);
        }
    }
    if field.limits.number("minProperties") == Some(1) {
        refused.push(json!({}));
    }
    (taken, refused)
}

/// `{"k0": "v", …}`
fn numbered(count: i64) -> Value {
    let members = (0..count).map(|number| (format!("k{number}"), json!("v")));
    Value::Object(members.collect())
}

/// A sample of the field with this value below it.
fn with_member(schema: &str, field: &Field, child: &Field, value: Value) -> Value {
    let mut members = members_of(sample(schema, field));
    members.insert(child.name().to_owned(), value);
    as_value(field, members)
}

fn members_of(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Array(items) => items.into_iter().next().map(members_of).unwrap_or_default(),
        _ => Map::new(),
    }
}

fn as_value(field: &Field, members: Map<String, Value>) -> Value {
    match field.kind {
        Kind::Objects => json!([members]),
        _ => Value::Object(members),
    }
}

fn distinct(texts: &[String]) -> Vec<&String> {
    let mut kept: Vec<&String> = Vec::new();
    for text in texts {
        if !kept.contains(&text) {
            kept.push(text);
        }
    }
    kept
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn values<T: Into<Value>>(of: Vec<T>) -> Vec<Value> {
    of.into_iter().map(Into::into).collect()
}
