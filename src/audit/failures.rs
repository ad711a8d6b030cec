//! Failures: the first of an application, about a user, for a reason, in a minute is a record at once; the
//! rest of that minute become one more record when it is over.

use std::collections::HashMap;

use serde_json::json;

use crate::model::instant;
use crate::model::record::{Kind, Record, Whence};
use crate::model::refusal::UNKNOWN_APPLICATION;

/// Most (application, user, reason) that are told apart in a minute; further ones are added up by reason.
const TOLD_APART_MAX: usize = 1000;
/// Most records of failures that wait at one time; what a store that is away does not take.
const WAITING_MAX: usize = 10_000;
/// Most addresses that a record of repeated failures names.
const ADDRESSES_MAX: usize = 10;

const MINUTE_MS: i64 = 60_000;

/// A refusal.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// What was refused.
    pub kind: Kind,
    /// Which request.
    pub whence: &'a Whence,
    /// The application that asked, or said that it was.
    pub client_id: Option<&'a str>,
    /// Its name, where it is known.
    pub client_name: Option<&'a str>,
    /// Whose account it was about, where there is such a user.
    pub user_id: Option<&'a str>,
    /// The answer's error code.
    pub code: &'a str,
    /// What the answer said.
    pub description: &'a str,
    /// What only the operator may know; empty where the description says it all.
    pub log: &'a str,
    /// The answer's status.
    pub status: u16,
}

impl Failure<'_> {
    /// Applications that do not exist are not told apart: anybody can make up as many as there is
    /// room for, and hide what is done to one that exists.
    fn key(&self, minute: i64) -> Key {
        let (client_id, log) = if self.log.starts_with(UNKNOWN_APPLICATION) {
            (None, UNKNOWN_APPLICATION)
        } else {
            (self.client_id, self.log)
        };
        Key {
            minute,
            kind: self.kind,
            client_id: client_id.map(str::to_owned),
            user_id: self.user_id.map(str::to_owned),
            code: self.code.to_owned(),
            log: log.to_owned(),
        }
    }

    fn record(&self, date_ms: i64) -> Record {
        let mut error = json!({ "code": self.code, "description": self.description });
        if let (false, Some(members)) = (self.log.is_empty(), error.as_object_mut()) {
            members.insert("reason".to_owned(), self.log.into());
        }
        let record = Record::new(self.kind, date_ms, self.whence, Some(self.status))
            .by(self.client_id, self.client_name)
            .says(self.description)
            .with("error", error);
        match self.user_id {
            Some(user_id) => record.about_user(user_id),
            None => record,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    minute: i64,
    kind: Kind,
    client_id: Option<String>,
    user_id: Option<String>,
    code: String,
    log: String,
}

/// What followed the first of a minute.
struct Repeats {
    first: Record,
    count: u64,
    last_ms: i64,
    addresses: Vec<String>,
}

#[derive(Default)]
pub(super) struct Failures {
    minutes: HashMap<Key, Repeats>,
    waiting: Vec<Record>,
    unrecorded: u64,
}

impl Failures {
    pub(super) fn add(&mut self, failure: &Failure<'_>, date_ms: i64) {
        let mut key = failure.key(date_ms.div_euclid(MINUTE_MS));
        if self.minutes.len() >= TOLD_APART_MAX && !self.minutes.contains_key(&key) {
            (key.client_id, key.user_id, key.log) = (None, None, String::new());
        }
        if let Some(repeats) = self.minutes.get_mut(&key) {
            repeats.count += 1;
            repeats.last_ms = date_ms;
            if let Some(ip) = &failure.whence.ip
                && repeats.addresses.len() < ADDRESSES_MAX
                && !repeats.addresses.contains(ip)
            {
                repeats.addresses.push(ip.clone());
            }
            return;
        }
        let told = (key.client_id.as_deref(), key.user_id.as_deref());
        let is_told_apart = told == (failure.client_id, failure.user_id);
        let mut first = failure.record(date_ms);
        self.wait(first.clone());
        if !is_told_apart {
            // It stands for many applications and users from here on.
            (first.client_id, first.client_name, first.user_id) = (None, None, None);
        }
        let repeats = Repeats {
            first,
            count: 0,
            last_ms: date_ms,
            addresses: Vec::new(),
        };
        self.minutes.insert(key, repeats);
    }

    fn wait(&mut self, record: Record) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push(record);
        } else {
            self.unrecorded += 1;
        }
    }

    /// The records that wait; those of repeats when their minute is over, or `to_the_end`.
    pub(super) fn take(&mut self, now_ms: i64, to_the_end: bool) -> Vec<Record> {
        let minute = now_ms.div_euclid(MINUTE_MS);
        let over = self
            .minutes
            .extract_if(|key, _| to_the_end || key.minute != minute);
        let over: Vec<Repeats> = over.map(|(_, repeats)| repeats).collect();
        for repeats in over.into_iter().filter(|repeats| repeats.count > 0) {
            self.wait(repeats.into_record());
        }
        if self.unrecorded > 0 {
            let failures = std::mem::take(&mut self.unrecorded);
            tracing::warn!(
                failures,
                "records of failures were dropped: too many waited"
            );
        }
        std::mem::take(&mut self.waiting)
    }
}

impl Repeats {
    fn into_record(self) -> Record {
        let repeated = json!({
            "count": self.count,
            "first": instant::to_rfc3339_millis(self.first.date_ms),
            "last": instant::to_rfc3339_millis(self.last_ms),
            "ips": self.addresses,
        });
        let mut record = self.first;
        record.date_ms = self.last_ms;
        record.with("repeated", repeated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure<'a>(whence: &'a Whence, client_id: &'a str) -> Failure<'a> {
        Failure {
            kind: Kind::RefusedClientCredentials,
            whence,
            client_id: Some(client_id),
            client_name: None,
            user_id: None,
            code: "invalid_client",
            description: "Client authentication failed.",
            log: "wrong secret",
            status: 401,
        }
    }

    #[test]
    fn a_minute_of_failures_is_two_records() {
        let (mut failures, whence) = (Failures::default(), Whence::default());
        for at in 0..100 {
            failures.add(&failure(&whence, "a"), 60_000 + at);
        }
        let first = failures.take(60_200, false);
        assert_eq!(first.len(), 1);
        assert!(!first[0].details.contains_key("repeated"));
        assert!(failures.take(119_999, false).is_empty());
        let rest = failures.take(120_000, false);
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].details["repeated"]["count"], 99);
        assert_eq!(rest[0].date_ms, 60_099);
        assert!(failures.take(500_000, true).is_empty());
    }

    #[test]
    fn whose_account_it_was_is_told_apart() {
        let (mut failures, whence) = (Failures::default(), Whence::default());
        for user_id in [Some("auth0|ann"), Some("auth0|ben"), None, None] {
            let about = Failure {
                user_id,
                ..failure(&whence, "a")
            };
            failures.add(&about, 0);
        }
        let users = failures.take(0, false).into_iter().map(|own| own.user_id);
        let expected = [
            Some("auth0|ann".to_owned()),
            Some("auth0|ben".to_owned()),
            None,
        ];
        assert_eq!(users.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn names_made_up_by_the_thousand_take_no_more_than_the_bound() {
        let (mut failures, whence) = (Failures::default(), Whence::default());
        for n in 0..TOLD_APART_MAX * 3 {
            failures.add(&failure(&whence, &format!("made up {n}")), 0);
        }
        assert_eq!(failures.minutes.len(), TOLD_APART_MAX + 1);
        let records = failures.take(0, true);
        assert_eq!(records.len(), TOLD_APART_MAX + 2);
        let rest = records.last().unwrap();
        assert_eq!(rest.client_id, None);
        let told = TOLD_APART_MAX as u64;
        assert_eq!(rest.details["repeated"]["count"], told * 2 - 1);
    }

    #[test]
    fn while_the_store_is_away_no_more_than_the_bound_waits() {
        let (mut failures, whence) = (Failures::default(), Whence::default());
        for n in 0..i64::try_from(WAITING_MAX).unwrap() + 500 {
            failures.add(&failure(&whence, "a"), n * MINUTE_MS);
            failures.minutes.clear();
        }
        assert_eq!(failures.take(0, false).len(), WAITING_MAX);
    }
}
