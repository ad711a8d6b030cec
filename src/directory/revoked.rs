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
use crate::store::{Conn, revocations};

/// Of the tokens that are not revoked, the share that the filter cannot exclude: one reading each.
const FALSE_POSITIVES: f64 = 0.001;
/// The filter is made for at least this many; 1.8 bytes each.
const FILTER_ITEMS_MIN: usize = 65_536;
/// Rows a page while loading.
const PAGE_ROWS: i64 = 10_000;

/// See the module.
pub(super) struct Revoked {
    wholesale: RwLock<HashMap<Covered, i64>>,
    filter: ArcSwap<Filter>,
    recent: Cache<String, ()>,
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
    pub(super) async fn load(&self, conn: &mut Conn, now: i64) -> Result<(), Fault> {
        let all = revocations::all(conn).await?;
        let count =
            usize::try_from(revocations::count_tokens(conn, now).await?).unwrap_or(usize::MAX);
        let filter = Filter::for_items(count);
        let mut after = String::new();
        loop {
            let page = revocations::page_of_tokens(conn, now, &after, PAGE_ROWS).await?;
            for jti in &page {
                filter.insert(jti);
            }
            match page.into_iter().last() {
                Some(last) => after = last,
                None => break,
            }
        }
        *self
            .wholesale
            .write()
            .unwrap_or_else(PoisonError::into_inner) = all
            .into_iter()
            .map(|one| (one.covered, one.number))
            .collect();
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

    /// An object's tokens were revoked, up to a number.
    pub(super) fn add_wholesale(&self, covered: &Covered, number: i64) {
        let mut wholesale = self
            .wholesale
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        wholesale.insert(covered.clone(), number);
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
                    .is_some_and(|number| *number > token.position)
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
