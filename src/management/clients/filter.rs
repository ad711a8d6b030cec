//! What a list of applications is narrowed to.

use super::super::answer::Problem;
use super::fields::APP_TYPES;
use crate::store::applications::Filter;
use crate::wire::schema::{Field, Fields, boolean, text};

pub(super) const QUERY: &[Field] = &[
    boolean("is_global"),
    boolean("is_first_party"),
    text("app_type", 0, 1000),
    text("external_client_id", 0, 2000),
    text("q", 1, 1000),
];

/// `None` where nothing can match.
pub(super) fn read(query: &mut Fields) -> Result<Option<Filter>, Problem> {
    let app_types = query.text("app_type").map(|text| known_app_types(&text));
    // No application is global, and none describes itself at a URL of its own.
    let excludes_all = app_types.as_deref() == Some("")
        || query.boolean("is_global") == Some(true)
        || query.text("external_client_id").is_some();
    let mut filter = Filter {
        app_types,
        is_first_party: query.boolean("is_first_party"),
        ..Filter::default()
    };
    let is_possible = match query.text("q") {
        None => true,
        Some(q) => narrow(&mut filter, &q)?,
    };
    Ok(Some(filter).filter(|_| is_possible && !excludes_all))
}

/// Those of a list with commas that exist.
fn known_app_types(text: &str) -> String {
    let known: Vec<_> = text
        .split(',')
        .filter(|app_type| APP_TYPES.contains(app_type))
        .collect();
    known.join(",")
}

/// Auth0's `q`: Lucene's way to name a field and a value. False where nothing can match.
fn narrow(filter: &mut Filter, q: &str) -> Result<bool, Problem> {
    let unreadable = || {
        Problem::query(
            "q",
            "Expected name:word, name:word*, name:\"words\", or client_grant.organization_id:id",
        )
    };
    let (field, value) = q.trim().split_once(':').ok_or_else(unreadable)?;
    match field {
        // There are no organizations.
        "client_grant.organization_id" if is_word(value) => return Ok(false),
        "client_grant.allow_any_organization" if value == "true" => return Ok(false),
        "name" => {}
        _ => return Err(unreadable()),
    }
    let quoted = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match (quoted, value.strip_suffix('*')) {
        (Some(name), _) if !name.contains(['"', '\\']) => filter.name = Some(name.to_owned()),
        (None, Some(start)) if is_word(start) => filter.name_start = Some(start.to_owned()),
        (None, None) if is_word(value) => filter.name = Some(value.to_owned()),
        _ => return Err(unreadable()),
    }
    Ok(true)
}

/// True for what Lucene reads as one word without a wildcard or an operator.
fn is_word(text: &str) -> bool {
    let is_of_a_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    !text.is_empty() && text.chars().all(is_of_a_word)
}
