//! The query string of a list: the two ways of paging, and which members are wanted.

use serde_json::{Map, Value, json};

use super::answer::Problem;
use crate::store::PageStart;
use crate::wire::schema::{Field, Fields, Form, boolean, formed, integer, text};

/// Items on a page unless asked otherwise, and at most (compatibility.md §6).
const PER_PAGE: i64 = 50;
const PER_PAGE_MAX: i64 = 100;
/// Most items that an offset passes over.
const OFFSET_MAX: i64 = 1_000_000;

/// Paging by number.
pub(crate) const OFFSETS: [Field; 3] = [
    integer("page", 0, OFFSET_MAX / PER_PAGE_MAX),
    integer("per_page", 1, PER_PAGE_MAX),
    boolean("include_totals"),
];
/// Paging from where the last page ended.
pub(crate) const CHECKPOINTS: [Field; 2] = [text("from", 1, 400), integer("take", 1, PER_PAGE_MAX)];
/// What lists add that know no other way.
pub(crate) const TOTALS: [Field; 1] = [boolean("include_totals")];
/// Which members are wanted.
pub(crate) const SELECTION: [Field; 2] = [
    formed("fields", 0, 4000, Form::Names),
    boolean("include_fields"),
];

/// How a list is paged.
pub(crate) enum Paging {
    /// `page` and `per_page`.
    Offset {
        offset: i64,
        limit: i64,
        include_totals: bool,
    },
    /// `from` and `take`.
    Checkpoint {
        from: PageStart,
        limit: i64,
        include_totals: bool,
    },
}

impl Paging {
    /// Offset paging only.
    pub(crate) fn offset(query: &mut Fields) -> Self {
        let limit = query.integer("per_page").unwrap_or(PER_PAGE);
        let page = query.integer("page").unwrap_or(0);
        Self::Offset {
            offset: page * limit,
            limit,
            include_totals: query.boolean("include_totals").unwrap_or(false),
        }
    }

    /// Either way; `take` or `from` choose checkpoints. What belongs to the other way is passed
    /// over: SDKs send `include_totals=false` along.
    pub(crate) fn either(query: &mut Fields) -> Result<Self, Problem> {
        let from = query.text("from");
        let take = query.integer("take");
        if from.is_none() && take.is_none() {
            return Ok(Self::offset(query));
        }
        Self::behind(from, take, false)
    }

    /// Checkpoints only, whether or not one is named.
    pub(crate) fn checkpoint(query: &mut Fields) -> Result<Self, Problem> {
        let include_totals = query.boolean("include_totals").unwrap_or(false);
        Self::behind(query.text("from"), query.integer("take"), include_totals)
    }

    fn behind(
        from: Option<String>,
        take: Option<i64>,
        include_totals: bool,
    ) -> Result<Self, Problem> {
        let from = match from {
            None => PageStart::Offset(0),
            Some(text) => parse_checkpoint(&text)
                .ok_or_else(|| Problem::query("from", "Not a checkpoint of this list"))?,
        };
        Ok(Self::Checkpoint {
            from,
            limit: take.unwrap_or(PER_PAGE),
            include_totals,
        })
    }

    /// Where the page begins.
    pub(crate) fn from(&self) -> PageStart {
        match self {
            Self::Offset { offset, .. } => PageStart::Offset(*offset),
            Self::Checkpoint { from, .. } => from.clone(),
        }
    }

    /// Rows to pass over.
    pub(crate) fn offset_rows(&self) -> i64 {
        match self {
            Self::Offset { offset, .. } => *offset,
            Self::Checkpoint { .. } => 0,
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
            } | Self::Checkpoint {
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
        let next = self.cut(&mut items, key);
        self.written(collection, items.iter().map(show).collect(), total, next)
    }

    /// Cuts off what is behind the page, and answers where the next one begins.
    pub(crate) fn cut<T>(
        &self,
        items: &mut Vec<T>,
        key: impl Fn(&T) -> (i64, String),
    ) -> Option<String> {
        let Self::Checkpoint { limit, .. } = self else {
            return None;
        };
        let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let (created_at, id) = items.last().filter(|_| has_more).map(key)?;
        Some(format!("{created_at}.{id}"))
    }

    /// The page in Auth0's shape, of what [`Paging::cut`] has left and answered.
    pub(crate) fn written(
        &self,
        collection: &str,
        shown: Vec<Value>,
        total: i64,
        next: Option<String>,
    ) -> Value {
        match self {
            Self::Offset {
                include_totals: false,
                ..
            } => Value::Array(shown),
            Self::Offset { offset, limit, .. } => {
                json!({ "total": total, "start": offset, "limit": limit, collection: shown })
            }
            Self::Checkpoint { include_totals, .. } => {
                let mut page = Map::new();
                page.extend(next.map(|next| ("next".to_owned(), next.into())));
                if *include_totals {
                    page.insert("total".to_owned(), total.into());
                }
                page.insert(collection.to_owned(), shown.into());
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
    pub(crate) fn read(query: &mut Fields) -> Self {
        let fields = query.text("fields").unwrap_or_default();
        let names = fields.split(',').filter(|name| !name.is_empty());
        Self {
            fields: names.map(str::to_owned).collect(),
            include: query.boolean("include_fields").unwrap_or(true),
        }
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
