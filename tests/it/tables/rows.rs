//! The shared tables of fields, read into a tree for each schema: `fields.tsv` with
//! `grantor-overrides.tsv` laid over it.

use std::collections::BTreeMap;

const FIELDS: &str = include_str!("../../data/auth0-management/fields.tsv");
const OVERRIDES: &str = include_str!("../../data/auth0-management/grantor-overrides.tsv");
/// Fields that only npm's types of Auth0 know (compatibility.md §1.2), and are not built.
const MORE: &str = "
CreateResourceServerRequestContent,UpdateResourceServerRequestContent\tallow_online_access_with_ephemeral_sessions\topt\tboolean\t
CreateResourceServerRequestContent,UpdateResourceServerRequestContent\ttoken_lifetime_for_anonymous_access_tokens\topt\tinteger|null\t
";
pub(super) const UNBUILT: &str = include_str!("../../data/auth0-management/unbuilt.tsv");
pub(super) const OPERATIONS: &str = include_str!("../../data/auth0-management/operations.tsv");

/// A field of a schema, with the fields below it.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// `refresh_token.policies[].audience`, as messages name it.
    pub(super) path: String,
    pub(super) is_required: bool,
    pub(super) is_nullable: bool,
    pub(super) kind: Kind,
    pub(super) limits: Limits,
    pub(super) below: Vec<Field>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Text,
    /// An array of texts, whose limits are those of the texts.
    Texts,
    Object,
    /// An array of objects.
    Objects,
}

/// The constraints of a row, and of the items of an array of texts.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    of: BTreeMap<String, String>,
}

impl Limits {
    fn read(text: &str) -> Self {
        let pairs = text.split(' ').filter_map(|word| word.split_once('='));
        let of = pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()));
        let mut of: BTreeMap<_, _> = of.collect();
        // An override says it in words.
        if text.starts_with("RFC 3339") {
            of.insert("format".to_owned(), "date-time".to_owned());
        }
        Self { of }
    }

    /// A limit that is a number; one that is another field's name is none.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.of.get(name)?.parse().ok()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.of.get(name).map(String::as_str)
    }

    /// `None` among them is null.
    pub(super) fn choices(&self) -> Option<Vec<&str>> {
        let listed = self.text("enum")?.split('|');
        Some(listed.filter(|choice| *choice != "None").collect())
    }
}

impl Field {
    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        let last = self.path.rsplit('.').next().unwrap();
        last.trim_end_matches("[]")
    }
}

/// The columns of a table without its head and its comments.
pub(super) fn lines(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = table
        .lines()
        .skip(1)
        .filter(|row| !row.is_empty() && !row.starts_with('#'));
    rows.map(|row| row.split('\t').collect())
}

/// The top-level fields of a schema.
pub(super) fn schema(name: &str) -> Vec<Field> {
    let mut rows: Vec<(String, [&str; 3])> = Vec::new();
    for (table, row) in [FIELDS, OVERRIDES, MORE]
        .iter()
        .enumerate()
        .flat_map(|(number, table)| lines(table).map(move |row| (number, row)))
    {
        let [schemas, path, required, kind, limits] = row[..] else {
            panic!("five columns: {row:?}")
        };
        if !schemas.split(',').any(|own| own == name) {
            continue;
        }
        let line = [required, kind, limits];
        match rows.iter_mut().find(|(own, _)| own == path) {
            Some((_, own)) if table > 0 => *own = line,
            // Tables are one text for creation and change, but what is required is so at creation.
            _ => rows.push((path.to_owned(), line)),
        }
    }
    add_parents(&mut rows);
    below(&rows, "")
}

/// `access_token_lifetimes.user` has a parent that no row names.
fn add_parents(rows: &mut Vec<(String, [&str; 3])>) {
    let parents = rows.iter().filter_map(|(path, _)| path.rsplit_once('.'));
    let mut missing: Vec<_> = parents
        .map(|(parent, _)| parent.trim_end_matches("[]").to_owned())
        .filter(|parent| rows.iter().all(|(path, _)| path != parent))
        .collect();
    missing.dedup();
    rows.extend(
        missing
            .into_iter()
            .map(|parent| (parent, ["opt", "object", ""])),
    );
}

fn below(rows: &[(String, [&str; 3])], parent: &str) -> Vec<Field> {
    let is_child = |path: &str| {
        let rest = path.strip_prefix(parent);
        rest.is_some_and(|rest| !rest.is_empty() && !rest.contains('.'))
    };
    let children = rows.iter().filter(|(path, _)| is_child(path));
    children
        .map(|(path, line)| field(rows, path, line))
        .collect()
}

fn field(rows: &[(String, [&str; 3])], path: &str, [required, kind, limits]: &[&str; 3]) -> Field {
    let (outer, item) = kind.split_once('<').unwrap_or((kind, ""));
    let item = item.trim_end_matches('>');
    let kind = match outer {
        _ if outer.contains("array") && item.starts_with("object") => Kind::Objects,
        _ if outer.contains("array") => Kind::Texts,
        _ if outer.contains("object") => Kind::Object,
        _ if outer.contains("boolean") => Kind::Boolean,
        _ if outer.contains("integer") => Kind::Integer,
        _ => Kind::Text,
    };
    let prefix = match kind {
        Kind::Objects => format!("{path}[]."),
        _ => format!("{path}."),
    };
    Field {
        path: path.to_owned(),
        is_required: *required == "req",
        is_nullable: outer.contains("null"),
        kind,
        limits: Limits::read(&format!("{limits} {item}")),
        below: below(rows, &prefix),
    }
}

/// Whether a path is among the fields or below them.
pub(super) fn find(fields: &[Field], path: &str) -> bool {
    fields
        .iter()
        .any(|field| field.path == path || find(&field.below, path))
}
