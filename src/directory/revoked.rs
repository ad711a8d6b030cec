//! What is revoked, as this node knows it: wholesale revocations in memory, single tokens behind a
//! filter that can exclude nearly all of those that are not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use fastbloom::AtomicBloomFilter;
use quick_cache::sync::Cache;

use crate::model::change::Covered;
use crate::model::fault::Fault;
use crate::model::token::Token;
use crate::store::Conn;
use crate::store::revocations::{self, Revocation};

/// Of the tokens that are not revoked, the share that the filter cannot exclude: one reading each.
const FALSE_POSITIVES: f64 = 0.001;
/// The filter is made for at least this many; 1.8 bytes each.
const FILTER_ITEMS_MIN: usize = 65_536;
/// Rows a page while loading.
const PAGE_ROWS: i64 = 10_000;

/// See the module.
pub(super) struct Revoked {
    wholesale: RwLock<HashMap<Covered, Applied>>,
    filter: ArcSwap<Filter>,
    recent: Cache<String, ()>,
}

/// A wholesale revocation that this node has applied.
#[derive(Debug, PartialEq, Eq)]
struct Applied {
    number: i64,
    /// The mark of the feed's row of that number; none where it was swept before this node looked.
    mark: Option<String>,
}

impl Applied {
    /// True where `stored` is this revocation. Another one may have the same number after the store has lost
    /// history; the mark tells them apart. A row without a mark is older than the feed keeps rows.
    fn is(&self, stored: &Revocation) -> bool {
        self.number == stored.number && (stored.mark.is_none() || self.mark == stored.mark)
    }
}

struct Filter {
    jtis: AtomicBloomFilter,
    items: AtomicUsize,
    items_max: usize,
}

impl Filter {
    fn for_items(items: usize) -> Self {
        let items_max = items.saturating_mul(2).max(FILTER_ITEMS_MIN);
        let jtis = AtomicBloomFilter::with_false_pos(FALSE_POSITIVES).expected_items(items_max);
        Self {
            jtis,
            items: AtomicUsize::new(0),
            items_max,
        }
    }

    fn insert(&self, jti: &str) {
        self.jtis.insert(jti);
        self.items.fetch_add(1, Ordering::Relaxed);
    }
}

impl Revoked {
    /// Remembers up to `recent_max` of the tokens revoked last.
    pub(super) fn new(recent_max: usize) -> Self {
        Self {
            wholesale: RwLock::default(),
            filter: ArcSwap::from_pointee(Filter::for_items(0)),
            recent: Cache::new(recent_max),
        }
    }

    /// Reads everything anew. The feed's position has been noted before, so what is revoked
    /// meanwhile comes by the feed.
    pub(super) async fn load(&self, conn: &mut Conn) -> Result<(), Fault> {
        let all = revocations::all(conn).await?;
        self.load_tokens(conn).await?;
        let applied = |one: Revocation| {
            let Revocation {
                covered,
                number,
                mark,
                ..
            } = one;
            (covered, Applied { number, mark })
        };
        *self
            .wholesale
            .write()
            .unwrap_or_else(PoisonError::into_inner) = all.into_iter().map(applied).collect();
        Ok(())
    }

    /// Reads anew which single tokens are revoked, into a filter of the right size.
    pub(super) async fn load_tokens(&self, conn: &mut Conn) -> Result<(), Fault> {
        let count = usize::try_from(revocations::count_tokens(conn).await?).unwrap_or(usize::MAX);
        let filter = Filter::for_items(count);
        let mut after = String::new();
        loop {
            let page = revocations::page_of_tokens(conn, &after, PAGE_ROWS).await?;
            for jti in &page {
                filter.insert(jti);
            }
            match page.into_iter().last() {
                Some(last) => after = last,
                None => break,
            }
        }
        self.filter.store(Arc::new(filter));
        Ok(())
    }

    /// A signed token was revoked.
    pub(super) fn add_token(&self, jti: &str) {
        self.filter.load().insert(jti);
        self.recent.insert(jti.to_owned(), ());
    }

    /// True where the filter holds more than it was made for, and excludes less and less.
    pub(super) fn is_full(&self) -> bool {
        let filter = self.filter.load();
        filter.items.load(Ordering::Relaxed) > filter.items_max
    }

    /// What of the `stored` wholesale revocations this node has not applied although it has read the feed up to
    /// `position`, which is not below their numbers: made after the store had lost what this node has read. Tokens
    /// of this node may carry positions above such a number.
    pub(super) fn missed<'r>(&self, stored: &'r [Revocation], position: i64) -> Vec<&'r Covered> {
        let wholesale = self
            .wholesale
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let is_missed = |one: &&Revocation| {
            let applied = wholesale.get(&one.covered);
            one.number <= position && !applied.is_some_and(|applied| applied.is(one))
        };
        let missed = stored.iter().filter(is_missed);
        missed.map(|one| &one.covered).collect()
    }

    /// An object's tokens were revoked, up to a number whose row in the feed has this mark.
    pub(super) fn add_wholesale(&self, covered: &Covered, number: i64, mark: &str) {
        let mut wholesale = self
            .wholesale
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mark = Some(mark.to_owned());
        wholesale.insert(covered.clone(), Applied { number, mark });
    }

    /// True where a wholesale revocation covers the token: one with a higher number than the
    /// position that the token's request had noted.
    pub(super) fn is_covered(&self, token: &Token) -> bool {
        let wholesale = self
            .wholesale
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        !wholesale.is_empty()
            && token.covered_by().any(|covered| {
                wholesale
                    .get(&covered)
                    .is_some_and(|applied| applied.number > token.position)
            })
    }

    /// True where the token is certainly not revoked by itself.
    pub(super) fn excludes(&self, jti: &str) -> bool {
        !self.filter.load().jtis.contains(jti)
    }

    /// True where the token was revoked lately.
    pub(super) fn is_recent(&self, jti: &str) -> bool {
        self.recent.get(jti).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(object: &str, number: i64, mark: Option<&str>) -> Revocation {
        Revocation {
            covered: Covered::Application(object.into()),
            number,
            mark: mark.map(str::to_owned),
            ends_at: 0,
        }
    }

    #[test]
    fn a_revocation_is_missed_where_it_stands_below_the_position_and_was_never_applied() {
        let revoked = Revoked::new(1);
        for (object, number) in [("known", 5), ("again", 6), ("old", 2)] {
            revoked.add_wholesale(&Covered::Application(object.into()), number, "mark");
        }
        let stored = [
            stored("known", 5, Some("mark")),
            stored("again", 6, Some("of another history")),
            stored("old", 2, None),
            stored("new", 7, Some("any")),
            stored("above", 8, Some("any")),
        ];
        let missed = revoked.missed(&stored, 7);
        let expected = ["again", "new"].map(|object| Covered::Application(object.into()));
        assert_eq!(missed, expected.iter().collect::<Vec<_>>());
        assert!(revoked.missed(&stored, 4).is_empty());
    }
}
