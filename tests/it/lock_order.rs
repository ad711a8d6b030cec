//! The order of locks: of any two changes at one moment, on the same objects, none ends in a deadlock, and none
//! is answered by 5xx.
//!
//! Rows that both changes want are slow to change on Postgres (see [`SLOW`]), so that two transactions that lock
//! in different orders meet halfway. `pg_stat_database` counts the deadlocks.

mod changes;
mod making;
mod objects;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Backend, World, both_stores};
use changes::{CHANGES, Change, prepare};
use objects::{Common, Objects};

/// Changes that run at one moment, on the same objects.
const AT_ONCE: usize = 6;
/// What ends something, and is refused always.
const REFUSED: &str = "a spent refresh token is used";
/// Rounds at one time.
const LANES: usize = 4;
/// Pairs that have deadlocked, for rounds of their own.
const NAMED: [(&str, &str); 14] = [
    ("DELETE /resource-servers/{id}", "DELETE /clients/{id}"),
    ("DELETE /users/{id}", "DELETE /clients/{id}"),
    ("PATCH /client-grants/{id}", "DELETE /resource-servers/{id}"),
    ("PATCH /client-grants/{id}", "DELETE /clients/{id}"),
    ("PATCH /grants/{id}", "DELETE /resource-servers/{id}"),
    ("PATCH /grants/{id}", "DELETE /users/{id}"),
    ("PATCH /refresh-tokens/{id}", "DELETE /clients/{id}"),
    ("POST /tickets/password-change", "DELETE /users/{id}"),
    ("a user signs out", "DELETE /clients/{id}"),
    ("a user consents", "DELETE /resource-servers/{id}"),
    ("a code is exchanged", "DELETE /clients/{id}"),
    (
        "a spent refresh token is used",
        "DELETE /users/{id}/refresh-tokens",
    ),
    ("the sweep", "DELETE /users/{id}/refresh-tokens"),
    ("an import in one order", "an import in another order"),
];
/// How often each of them runs.
const NAMED_ROUNDS: usize = 3;

/// Each change of a row that several want takes some milliseconds. In front of the change, with the row locked; but
/// behind it where others refer to the row, because a trigger in front makes the lock on it stronger.
const SLOW: &str = "
    create function slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.002); return coalesce(new, old); end $$;
    do $$ declare name text; begin
        foreach name in array array['application_secrets', 'client_credentials', 'client_grants', 'sessions',
            'session_clients', 'user_grants', 'authorization_codes', 'refresh_families', 'tokens', 'user_tickets',
            'logout_notices', 'signing_keys'] loop
            execute format('create trigger \"A slow\" before update or delete on %I
                for each row execute function slow()', name);
        end loop;
        foreach name in array array['apis', 'applications', 'users', 'settings', 'sealed_values'] loop
            execute format('create trigger \"A slow\" after update or delete on %I
                for each row execute function slow()', name);
        end loop;
    end $$;";

/// Sets of changes in which each pair, of a change with itself too, comes at least once.
fn sets() -> Vec<Vec<usize>> {
    let count = CHANGES.len();
    let pair = |a: usize, b: usize| (a.min(b), a.max(b));
    let mut left: BTreeSet<_> = (0..count)
        .flat_map(|a| (a..count).map(move |b| (a, b)))
        .collect();
    let mut sets = Vec::new();
    while let Some(&(a, b)) = left.first() {
        let mut set = vec![a, b];
        while set.len() < AT_ONCE {
            let gain = |new: &usize| {
                let pairs: BTreeSet<_> = set.iter().map(|own| pair(*own, *new)).collect();
                pairs.intersection(&left).count()
            };
            set.push((0..count).rev().max_by_key(gain).unwrap());
        }
        for (n, a) in set.iter().enumerate() {
            for b in &set[n + 1..] {
                left.remove(&pair(*a, *b));
            }
        }
        sets.push(set);
    }
    sets
}

fn named(name: &str) -> &'static Change {
    let found = CHANGES.iter().find(|change| change.name == name);
    found.unwrap_or_else(|| panic!("no change is called {name}"))
}

/// The status of each change of a round.
type Answers = Vec<(&'static str, u16)>;

/// Runs changes at one moment, on objects of their own.
async fn round(world: &World, common: &Common, changes: &[&'static Change]) -> Answers {
    let objects = Objects::make(world, common).await;
    let mut ready = Vec::new();
    for change in changes {
        ready.push(prepare(world, &objects, change).await);
    }
    let running: Vec<_> = ready.into_iter().map(tokio::spawn).collect();
    let mut statuses = Vec::new();
    for answer in running {
        statuses.push(answer.await.unwrap());
    }
    changes
        .iter()
        .map(|change| change.name)
        .zip(statuses)
        .collect()
}

/// What was answered by 5xx, each with what ran beside it; and every change that never worked.
fn faults(rounds: &[Answers]) -> Vec<String> {
    let mut faults = Vec::new();
    for round in rounds {
        if round.iter().any(|(_, status)| *status >= 500) {
            faults.push(format!("{round:?}"));
        }
    }
    for change in CHANGES {
        let works = |(name, status): &(&str, u16)| *name == change.name && *status < 400;
        if change.name != REFUSED && !rounds.iter().flatten().any(works) {
            faults.push(format!("'{}' never worked", change.name));
        }
    }
    faults
}

async fn deadlocks(world: &World) -> i64 {
    let counted = "select deadlocks from pg_stat_database where datname = current_database()";
    world.database.sql().await.number(counted).await
}

both_stores! {
    async fn no_two_changes_at_one_moment_deadlock(world: World,
        "GRANTOR_STORE__CONNECTIONS_MAX" = "40",
        "GRANTOR_LIMITS__SIGN_INS_PER_ADDRESS_MAX" = "100000",
        "GRANTOR_LIMITS__MAILS_PER_ADDRESS_MAX" = "100000",
        "GRANTOR_MAIL__SMTP_URL" = "smtp://127.0.0.1:1",
        "GRANTOR_MAIL__FROM" = "Grantor <no-reply@grantor.test>"
    ) {
        let is_postgres = world.database.backend() == Backend::Postgres;
        let common = Common::make(world).await;
        if is_postgres {
            world.database.sql().await.run_script(SLOW).await;
        }
        let mut rounds: Vec<Vec<&Change>> = Vec::new();
        for (a, b) in NAMED {
            rounds.extend(vec![vec![named(a), named(b)]; NAMED_ROUNDS]);
        }
        let each = |set: Vec<usize>| set.iter().map(|n| &CHANGES[*n]).collect();
        rounds.extend(sets().into_iter().map(each));
        // While one round waits, others go on.
        let lane = async |first: usize| {
            let mut answers = Vec::new();
            for changes in rounds.iter().skip(first).step_by(LANES) {
                answers.push(round(world, &common, changes).await);
            }
            answers
        };
        let (a, b, c, d) = tokio::join!(lane(0), lane(1), lane(2), lane(3));
        let faults = faults(&[a, b, c, d].concat());
        let deadlocks = if is_postgres { deadlocks(world).await } else { 0 };
        assert!(faults.is_empty() && deadlocks == 0, "{deadlocks} deadlocks\n{}", faults.join("\n"));
    }
}

/// A new operation that changes something needs a line in [`CHANGES`].
#[test]
fn every_management_operation_that_changes_something_is_among_the_changes() {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let changing = paths.iter().flat_map(|(path, operations)| {
        let below = path.strip_prefix("/api/v2");
        let methods = operations.as_object().unwrap().keys();
        let methods =
            methods.filter(|method| ["post", "put", "patch", "delete"].contains(&method.as_str()));
        methods.filter_map(move |method| Some(format!("{} {}", method.to_uppercase(), below?)))
    });
    let changing: BTreeSet<String> = changing.collect();
    let names: BTreeSet<String> = CHANGES
        .iter()
        .map(|change| change.name.to_owned())
        .collect();
    let missing: Vec<_> = changing.difference(&names).collect();
    assert!(
        missing.is_empty(),
        "CHANGES in tests/it/lock_order/changes.rs lacks {missing:?}"
    );
}
