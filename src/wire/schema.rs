//! Tables of fields: what a body, a query string or an answer may hold. The same table checks a
//! request, reads a form and writes the OpenAPI document, so the three cannot differ.

mod check;
mod document;
mod form;
mod uri;

use serde_json::{Map, Value};

pub(crate) use check::Violation;
pub(crate) use document::{of_answer, of_member, of_request};

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// True where it cannot be left out.
    pub(crate) is_required: bool,
    /// True where null is a value.
    pub(crate) is_nullable: bool,
    /// True where an array or object holds something.
    pub(crate) is_filled: bool,
    /// Where its effect is not built: what is accepted all the same, and why nothing else.
    pub(crate) unbuilt: Option<Unbuilt>,
}

/// A field whose effect is not built: a value without effect is accepted, another refused
/// (compatibility.md §6).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unbuilt {
    pub(crate) has_no_effect: fn(&Value) -> bool,
    pub(crate) why: &'static str,
}

/// What a member holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Boolean,
    /// Also as a decimal string: old examples write it so.
    Integer {
        min: i64,
        max: i64,
    },
    /// Above 0, whole or not.
    Number {
        max: i32,
    },
    Text(Text),
    /// An array of different texts.
    Texts {
        items_max: usize,
        item: Text,
    },
    /// Scope values, as a text with spaces between or as an array.
    Scopes {
        items_max: usize,
        chars_max: usize,
    },
    Object(&'static [Field]),
    /// An array of objects.
    Objects {
        items_max: usize,
        fields: &'static [Field],
    },
    /// An object with names of the caller's choice and texts; null takes a name away.
    Map {
        members_max: usize,
        value: Text,
    },
    /// An object that is kept as it is.
    Free {
        bytes_max: usize,
    },
}

/// A text: its length in characters, and its form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) chars_min: usize,
    pub(crate) chars_max: usize,
    pub(crate) form: Form,
}

/// What a text looks like. Control characters are in none of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Any,
    /// Several lines: HTML, PEM.
    Lines,
    /// Without `<` and `>`.
    NoAngles,
    OneOf(&'static [&'static str]),
    /// RFC 3339.
    Instant,
    /// Printable ASCII, as a secret is (RFC 6749 appendix A.2).
    Printable,
    /// Printable ASCII without space, quote and backslash (RFC 6749 §3.3).
    Scope,
    /// Names of members, separated by commas.
    Names,
    /// An absolute URI, or nothing.
    Uri,
    /// An absolute URI with https, or nothing; placeholders in braces are allowed.
    HttpsUri,
    /// An absolute URI with placeholders in braces, and `*` in the first label of its host.
    UriPattern,
    /// The same without a fragment, as a redirection endpoint is (RFC 6749 §3.1.2).
    Callback,
    /// `[0-9A-Za-z_-]`, as in key ids.
    Word,
    /// One of a table's own.
    Shape(&'static Shape),
}

/// A form of text that only one table knows.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The same as a regular expression (ECMA 262), for the document.
    pub(crate) pattern: &'static str,
    pub(crate) fits: fn(&str) -> bool,
    pub(crate) why: &'static str,
}

pub(crate) const fn boolean(name: &'static str) -> Field {
    of(name, Kind::Boolean)
}

pub(crate) const fn integer(name: &'static str, min: i64, max: i64) -> Field {
    of(name, Kind::Integer { min, max })
}

pub(crate) const fn number(name: &'static str, max: i32) -> Field {
    of(name, Kind::Number { max })
}

pub(crate) const fn text(name: &'static str, chars_min: usize, chars_max: usize) -> Field {
    formed(name, chars_min, chars_max, Form::Any)
}

pub(crate) const fn formed(
    name: &'static str,
    chars_min: usize,
    chars_max: usize,
    form: Form,
) -> Field {
    let text = Text {
        chars_min,
        chars_max,
        form,
    };
    of(name, Kind::Text(text))
}

pub(crate) const fn choice(name: &'static str, choices: &'static [&'static str]) -> Field {
    formed(name, 0, CHOICE_CHARS_MAX, Form::OneOf(choices))
}

pub(crate) const fn instant(name: &'static str) -> Field {
    formed(name, 0, CHOICE_CHARS_MAX, Form::Instant)
}

pub(crate) const fn texts(
    name: &'static str,
    items_max: usize,
    chars_max: usize,
    form: Form,
) -> Field {
    let item = Text {
        chars_min: 1,
        chars_max,
        form,
    };
    of(name, Kind::Texts { items_max, item })
}

pub(crate) const fn scopes(name: &'static str, items_max: usize, chars_max: usize) -> Field {
    of(
        name,
        Kind::Scopes {
            items_max,
            chars_max,
        },
    )
}

pub(crate) const fn object(name: &'static str, fields: &'static [Field]) -> Field {
    of(name, Kind::Object(fields))
}

pub(crate) const fn objects(
    name: &'static str,
    items_max: usize,
    fields: &'static [Field],
) -> Field {
    of(name, Kind::Objects { items_max, fields })
}

pub(crate) const fn map(name: &'static str, members_max: usize, chars_max: usize) -> Field {
    let value = Text {
        chars_min: 0,
        chars_max,
        form: Form::Any,
    };
    of(name, Kind::Map { members_max, value })
}

pub(crate) const fn free(name: &'static str, bytes_max: usize) -> Field {
    of(name, Kind::Free { bytes_max })
}

const CHOICE_CHARS_MAX: usize = 200;

const fn of(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        is_required: false,
        is_nullable: false,
        is_filled: false,
        unbuilt: None,
    }
}

impl Field {
    /// It cannot be left out.
    pub(crate) const fn required(self) -> Self {
        Self {
            is_required: true,
            ..self
        }
    }

    /// Null is a value, which mostly clears it.
    pub(crate) const fn or_null(self) -> Self {
        Self {
            is_nullable: true,
            ..self
        }
    }

    /// An empty array or object is refused.
    pub(crate) const fn filled(self) -> Self {
        Self {
            is_filled: true,
            ..self
        }
    }

    /// Its effect is not built.
    pub(crate) const fn unbuilt(
        self,
        has_no_effect: fn(&Value) -> bool,
        why: &'static str,
    ) -> Self {
        Self {
            unbuilt: Some(Unbuilt { has_no_effect, why }),
            ..self
        }
    }
}

/// Tables that together make up an object.
pub(crate) type Tables = &'static [&'static [Field]];

/// The members of an object that its tables have let pass, taken one by one.
#[derive(Debug)]
pub(crate) struct Fields {
    members: Map<String, Value>,
    path: String,
}

impl Fields {
    /// Checks an object by its tables.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub(crate) fn check(
        tables: &[&[Field]],
        mut members: Map<String, Value>,
    ) -> Result<Self, Violation> {
        check::members(tables, "", &mut members)?;
        Ok(Self {
            members,
            path: String::new(),
        })
    }

    /// Reads and checks a form or a query string by its tables.
    ///
    /// # Errors
    /// [`Violation::Unreadable`], or the first other one.
    pub(crate) fn check_form(tables: &[&[Field]], bytes: &[u8]) -> Result<Self, Violation> {
        let mut members = form::parse(bytes).ok_or(Violation::Unreadable)?;
        form::coerce(tables, &mut members);
        Self::check(tables, members)
    }

    /// True where the member is there, null included.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// True where anything but `names` is there.
    pub(crate) fn names_other_than(&self, names: &[&str]) -> bool {
        self.members
            .keys()
            .any(|own| !names.contains(&own.as_str()))
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A text that stays where it is.
    pub(crate) fn peek(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// A text of an object, which stays.
    pub(crate) fn peek_within(&self, object: &str, name: &str) -> Option<&str> {
        self.members.get(object)?.get(name)?.as_str()
    }

    /// A text, or null.
    pub(crate) fn text_or_null(&mut self, name: &str) -> Option<Option<String>> {
        let is_named = self.names(name);
        is_named.then(|| self.text(name))
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self, name: &str) -> Option<bool> {
        self.take(name)?.as_bool()
    }

    /// A boolean, or null.
    pub(crate) fn boolean_or_null(&mut self, name: &str) -> Option<Option<bool>> {
        let is_named = self.names(name);
        is_named.then(|| self.boolean(name))
    }

    /// An integer.
    pub(crate) fn integer(&mut self, name: &str) -> Option<i64> {
        self.take(name)?.as_i64()
    }

    /// An integer, or null.
    pub(crate) fn integer_or_null(&mut self, name: &str) -> Option<Option<i64>> {
        let is_named = self.names(name);
        is_named.then(|| self.integer(name))
    }

    /// A number above 0, whole or not.
    pub(crate) fn number(&mut self, name: &str) -> Option<f64> {
        self.take(name)?.as_f64()
    }

    /// One of the choices, parsed.
    pub(crate) fn choice<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        parse(&self.text(name)?)
    }

    /// One of the choices, parsed, or null.
    pub(crate) fn choice_or_null<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        let is_named = self.names(name);
        is_named.then(|| self.choice(name, parse))
    }

    /// Different texts; null empties them.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let texts = match self.take(name)? {
            Value::Array(items) => items.into_iter().filter_map(|item| match item {
                Value::String(text) => Some(text),
                _ => None,
            }),
            _ => return Some(Vec::new()),
        };
        Some(texts.collect())
    }

    /// The members of an object.
    pub(crate) fn object(&mut self, name: &str) -> Option<Self> {
        match self.take(name)? {
            Value::Object(members) => Some(self.below(name, members)),
            _ => None,
        }
    }

    /// The members of an object, or null.
    pub(crate) fn object_or_null(&mut self, name: &str) -> Option<Option<Self>> {
        let is_named = self.names(name);
        is_named.then(|| self.object(name))
    }

    /// The members of each object of an array.
    pub(crate) fn objects(&mut self, name: &str) -> Option<Vec<Self>> {
        let Value::Array(items) = self.take(name)? else {
            return None;
        };
        let objects = items.into_iter().filter_map(|item| match item {
            Value::Object(members) => Some(self.below(&format!("{name}[]"), members)),
            _ => None,
        });
        Some(objects.collect())
    }

    /// What nobody has taken.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.members
    }

    /// Where a member stands, for messages: `jwt_configuration.alg`.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    fn below(&self, name: &str, members: Map<String, Value>) -> Self {
        Self {
            members,
            path: format!("{}{name}.", self.path),
        }
    }
}

/// Takes nulls out of the objects that the tables describe: there a member is there or not. Those
/// beside the objects stay, because they clear something.
pub(crate) fn forget_nulls_below(tables: &[&[Field]], members: &mut Map<String, Value>) {
    for field in tables.iter().copied().flatten() {
        let own = match (field.kind, members.get_mut(field.name)) {
            (Kind::Object(fields), Some(Value::Object(own))) => vec![(fields, own)],
            (Kind::Objects { fields, .. }, Some(Value::Array(items))) => {
                let objects = items.iter_mut().filter_map(Value::as_object_mut);
                objects.map(|own| (fields, own)).collect()
            }
            _ => continue,
        };
        for (fields, own) in own {
            own.retain(|_, value| !value.is_null());
            forget_nulls_below(&[fields], own);
        }
    }
}

/// A switch without effect, for [`Field::unbuilt`].
pub(crate) fn is_off(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
}

/// Nothing but null is without effect.
pub(crate) fn is_null(value: &Value) -> bool {
    value.is_null()
}

/// A list that asks for nothing.
pub(crate) fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Auth0's word for organizations that play no part.
pub(crate) fn is_denied(value: &Value) -> bool {
    value.is_null() || value == "deny"
}
