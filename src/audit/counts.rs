//! Tokens by day, application, API and rule, until they are written.

use std::collections::HashMap;

use super::Issuance;
use crate::model::instant;
use crate::store::issuances::Count;

/// Most counts that wait at one time. They are written every second; only a store that has been away
/// for long lets so many come together, and then new ones are not counted, which is said.
const COUNTS_MAX: usize = 100_000;

type Key = (i64, String, String, &'static str);

#[derive(Default)]
pub(super) struct Counts {
    counts: HashMap<Key, (i64, i64)>,
    uncounted: u64,
}

impl Counts {
    pub(super) fn add(&mut self, issuance: &Issuance) {
        let day = instant::to_day(issuance.issued_at);
        for (at, api) in issuance.apis.iter().enumerate() {
            let key = (
                day,
                issuance.client_id.clone(),
                api.identifier.clone(),
                issuance.rule,
            );
            if self.counts.len() >= COUNTS_MAX && !self.counts.contains_key(&key) {
                self.uncounted += 1;
                continue;
            }
            let (tokens, first) = self.counts.entry(key).or_default();
            *tokens += 1;
            *first += i64::from(at == 0);
        }
    }

    pub(super) fn take(&mut self) -> Vec<Count> {
        if self.uncounted > 0 {
            let tokens = std::mem::take(&mut self.uncounted);
            tracing::error!(
                tokens,
                "tokens are missing from the statistics: too many counts waited"
            );
        }
        let count = |((day, client_id, audience, rule), (tokens, tokens_first)): (Key, _)| Count {
            day,
            client_id,
            audience,
            rule: rule.to_owned(),
            tokens,
            tokens_first,
        };
        let mut counts: Vec<Count> = self.counts.drain().map(count).collect();
        counts.sort_unstable();
        counts
    }
}
