//! The query string: parameters taken one by one, and the two ways of paging.

use axum::http::Uri;
use serde_json::{Map, Value, json};

use super::answer::Problem;
use crate::model::refusal::echo;
use crate::model::text::has_control;
use crate::store::PageStart;
use crate::wire::decode_form;

/// Items on a page unless asked otherwise, and at most (compatibility.md §6).
const PER_PAGE: i64 = 50;
const PER_PAGE_MAX: i64 = 100;
/// Most items that an offset passes over.
const OFFSET_MAX: i64 = 1_000_000;

/// The parameters that have not been taken yet.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query string.
    pub(crate) fn read(uri: &Uri) -> Result<Self, Problem> {
        let decode = |part: &str| decode_form(part).filter(|text| !has_control(text));
        let pairs = uri
            .query()
            .unwrap_or("")
            .split('&')
            .filter(|pair| !pair.is_empty());
        let read = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        });
        let read: Option<Vec<_>> = read.collect();
        read.map(Self)
            .ok_or_else(|| Problem::query("(any)", "not UTF-8, or control characters"))
    }

    /// A parameter; an error where it is repeated.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut all = self.texts(name);
        match all.len() {
            0 | 1 => Ok(all.pop()),
            _ => Err(Problem::query(name, "The parameter is repeated")),
        }
    }

    /// A parameter that may repeat.
    pub(crate) fn texts(&mut self, name: &str) -> Vec<String> {
        self.0
            .extract_if(.., |(own, _)| own == name)
            .map(|(_, value)| value)
            .collect()
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Problem::query(name, "Expected true or false")),
        }
    }

    /// An integer within bounds.
    fn integer(&mut self, name: &str, min: i64, max: i64) -> Result<Option<i64>, Problem> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text
            .parse::<i64>()
            .ok()
            .filter(|number| is_decimal && (min..=max).contains(number));
        number.map(Some).ok_or_else(|| {
            Problem::query(
                name,
                format_args!("Expected an integer from {min} to {max}"),
            )
        })
    }

    /// What is left is unknown: a misspelt filter would list everything.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::query(&echo(name), "Unknown parameter")),
        }
    }
}

/// How a list is paged.
pub(crate) enum Paging {
    /// `page` and `per_page`.
    Offset {
        offset: i64,
        limit: i64,
        include_totals: bool,
    },
    /// `from` and `take`.
    Checkpoint { from: PageStart, limit: i64 },
}

impl Paging {
    /// Offset paging only.
    pub(crate) fn offset(query: &mut Query) -> Result<Self, Problem> {
        let limit = query
            .integer("per_page", 1, PER_PAGE_MAX)?
            .unwrap_or(PER_PAGE);
        let page = query
            .integer("page", 0, OFFSET_MAX / PER_PAGE_MAX)?
            .unwrap_or(0);
        let include_totals = query.boolean("include_totals")?.unwrap_or(false);
        Ok(Self::Offset {
            offset: page * limit,
            limit,
            include_totals,
        })
    }

    /// Either way; `take` or `from` choose checkpoints.
    pub(crate) fn either(query: &mut Query) -> Result<Self, Problem> {
        let from = query.text("from")?;
        let take = query.integer("take", 1, PER_PAGE_MAX)?;
        if from.is_none() && take.is_none() {
            return Self::offset(query);
        }
        let from = match from {
            None => PageStart::Offset(0),
            Some(text) => parse_checkpoint(&text)
                .ok_or_else(|| Problem::query("from", "Not a checkpoint of this list"))?,
        };
        // SDKs send include_totals=false along; offsets and checkpoints do not go together.
        query.boolean("include_totals")?;
        Ok(Self::Checkpoint {
            from,
            limit: take.unwrap_or(PER_PAGE),
        })
    }

    /// Where the page begins.
    pub(crate) fn from(&self) -> PageStart {
        match self {
            Self::Offset { offset, .. } => PageStart::Offset(*offset),
            Self::Checkpoint { from, .. } => from.clone(),
        }
    }

    /// Rows to read: one more than fit tells whether there is a next page.
    pub(crate) fn rows(&self) -> i64 {
        match self {
            Self::Offset { limit, .. } => *limit,
            Self::Checkpoint { limit, .. } => limit + 1,
        }
    }

    /// True where the answer says how many there are.
    pub(crate) fn wants_total(&self) -> bool {
        matches!(
            self,
            Self::Offset {
                include_totals: true,
                ..
            }
        )
    }

    /// The page in Auth0's shape; `key` is what the list pages by (`created_at`, id).
    pub(crate) fn page<T>(
        &self,
        collection: &str,
        mut items: Vec<T>,
        total: i64,
        (show, key): (impl Fn(&T) -> Value, impl Fn(&T) -> (i64, String)),
    ) -> Value {
        match self {
            Self::Offset {
                offset,
                limit,
                include_totals,
            } => {
                let shown: Vec<Value> = items.iter().map(show).collect();
                if !include_totals {
                    return Value::Array(shown);
                }
                json!({ "total": total, "start": offset, "limit": limit, collection: shown })
            }
            Self::Checkpoint { limit, .. } => {
                let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
                let has_more = items.len() > limit;
                items.truncate(limit);
                let next = items.last().filter(|_| has_more).map(key);
                let mut page = Map::new();
                if let Some((created_at, id)) = next {
                    page.insert("next".to_owned(), format!("{created_at}.{id}").into());
                }
                page.insert(collection.to_owned(), items.iter().map(show).collect());
                Value::Object(page)
            }
        }
    }
}

fn parse_checkpoint(text: &str) -> Option<PageStart> {
    let (created_at, id) = text.split_once('.')?;
    Some(PageStart::Behind {
        created_at: created_at.parse().ok()?,
        id: id.to_owned(),
    })
}

/// `fields` and `include_fields`: which members of an answer are wanted.
pub(crate) struct Selection {
    fields: Vec<String>,
    include: bool,
}

impl Selection {
    /// Reads both parameters.
    pub(crate) fn read(query: &mut Query) -> Result<Self, Problem> {
        let fields = query.text("fields")?.unwrap_or_default();
        let include = query.boolean("include_fields")?.unwrap_or(true);
        let fields: Vec<String> = fields
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        let is_name = |name: &String| {
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
        };
        if !fields.iter().all(is_name) {
            return Err(Problem::query(
                "fields",
                "Expected names separated by commas",
            ));
        }
        Ok(Self { fields, include })
    }

    /// Keeps the members that are wanted.
    pub(crate) fn of(&self, mut shown: Value) -> Value {
        if let Value::Object(members) = &mut shown
            && !self.fields.is_empty()
        {
            members.retain(|name, _| self.fields.contains(name) == self.include);
        }
        shown
    }
}
