//! `store::group`: the group-commit door.

use grantor::background::Background;
use grantor::clock::Clock;
use grantor::model::fault::Fault;
use grantor::model::token::Token;
use grantor::store::feed;
use grantor::store::group::{GroupDoor, Operation};
use grantor::store::{revocations, tokens};

use super::{Bench, NOW, both_databases, expect_defect, token};

pub(super) fn door(bench: &Bench, queue_max: usize) -> GroupDoor {
    door_with(bench, queue_max, Clock::still())
}

pub(super) fn door_with(bench: &Bench, queue_max: usize, clock: Clock) -> GroupDoor {
    GroupDoor::open(
        bench.store.clone(),
        clock,
        queue_max,
        &Background::default(),
    )
}

fn store(jti: &str) -> Operation {
    Operation::StoreToken {
        digest: format!("digest {jti}"),
        token: token(jti, "app", &["https://a/", "https://b/"]),
    }
}

fn revoke_signed(jti: &str) -> Operation {
    Operation::RevokeSigned {
        name: jti.into(),
        expires_at: NOW + 600,
    }
}

async fn is_stored(bench: &Bench, jti: &str) -> bool {
    let mut conn = bench.store.read().await.unwrap();
    let found = tokens::get(&mut conn, &format!("digest {jti}")).await;
    let Some(found) = found.unwrap() else {
        return false;
    };
    assert_eq!(
        found.token,
        token(jti, "app", &["https://a/", "https://b/"])
    );
    true
}

async fn is_revoked(bench: &Bench, jti: &str) -> bool {
    let mut conn = bench.store.read().await.unwrap();
    revocations::is_token_revoked(&mut conn, jti).await.unwrap()
}

both_databases! {
    async fn many_operations_at_once_are_all_durable_when_answered(bench: Bench) {
        let door = door(bench, 10_000);
        let before = feed::read(&mut bench.store.read().await.unwrap(), 0).await.unwrap().counter;
        let running: Vec<_> = (0..600).map(|n| {
            let (door, jti) = (door.clone(), format!("{n}"));
            let operation = if n % 3 == 0 { revoke_signed(&jti) } else { store(&jti) };
            tokio::spawn(async move { door.commit(operation).await.unwrap() })
        }).collect();
        for (n, running) in running.into_iter().enumerate() {
            let number = running.await.unwrap();
            let jti = n.to_string();
            if n % 3 == 0 {
                assert!(number > before, "a revocation has a number");
                assert!(is_revoked(bench, &jti).await && !is_stored(bench, &jti).await);
            } else {
                assert!(is_stored(bench, &jti).await && !is_revoked(bench, &jti).await);
            }
        }
        let counter = feed::read(&mut bench.store.read().await.unwrap(), 0).await.unwrap().counter;
        assert_eq!(counter, before + 200, "each revocation is one change");
    }

    async fn the_number_of_a_revocation_covers_its_place_in_the_feed(bench: Bench) {
        let door = door(bench, 100);
        let running: Vec<_> = (0..40).map(|n| {
            let (door, jti) = (door.clone(), format!("{n:02}"));
            tokio::spawn(async move { (door.commit(revoke_signed(&jti)).await.unwrap(), jti) })
        }).collect();
        let mut answered = Vec::new();
        for running in running {
            answered.push(running.await.unwrap());
        }
        let entries = feed::read(&mut bench.store.read().await.unwrap(), 0).await.unwrap().entries;
        for (number, jti) in answered {
            let change = grantor::model::change::Change::RevokedToken(jti);
            let place = entries.iter().find(|entry| entry.change == change).unwrap();
            assert!(place.n <= number, "a node that has read up to {number} knows of it");
        }
    }

    async fn the_same_operation_twice_is_the_same_as_once(bench: Bench) {
        let door = door(bench, 100);
        for _ in 0..2 {
            for operation in [store("a"), revoke_signed("b")] {
                // In one batch, and in two.
                let (first, second) = tokio::join!(door.commit(operation.clone()), door.commit(operation));
                first.unwrap();
                second.unwrap();
            }
        }
        assert!(is_stored(bench, "a").await && is_revoked(bench, "b").await);
        let mut sql = bench.database.sql().await;
        assert_eq!(sql.number("select count(*) from tokens").await, 1);
        assert_eq!(sql.number("select count(*) from token_apis").await, 2);
        assert_eq!(sql.number("select count(*) from revoked_tokens").await, 1);
        for _ in 0..2 {
            door.commit(Operation::RevokeStored { digest: "digest a".into() }).await.unwrap();
            assert!(!is_stored(bench, "a").await);
        }
        assert_eq!(sql.number("select count(*) from token_apis").await, 0);
    }

    async fn a_bad_row_harms_only_its_own_request(bench: Bench) {
        let door = door(bench, 1000);
        door.commit(store("taken")).await.unwrap();
        let bad = |n: usize| match n % 2 {
            // The schema refuses an end before the beginning, and a second token of one name.
            0 => Operation::StoreToken { digest: format!("bad {n}"), token: Token { expires_at: Some(NOW), ..token(&format!("bad {n}"), "app", &[]) } },
            _ => Operation::StoreToken { digest: format!("bad {n}"), token: token("taken", "app", &[]) },
        };
        let running: Vec<_> = (0..60).map(|n| {
            let (door, operation) = (door.clone(), if n % 10 < 2 { bad(n) } else { store(&format!("good {n}")) });
            tokio::spawn(async move { door.commit(operation).await })
        }).collect();
        for (n, running) in running.into_iter().enumerate() {
            let result = running.await.unwrap();
            if n % 10 < 2 {
                expect_defect(result);
            } else {
                result.unwrap();
                assert!(is_stored(bench, &format!("good {n}")).await);
            }
        }
        assert_eq!(bench.database.sql().await.number("select count(*) from tokens").await, 49);
    }

    async fn a_request_that_goes_away_does_not_cancel_its_operation(bench: Bench) {
        let door = door(bench, 100);
        for n in 0..20 {
            let operation = store(&n.to_string());
            let mut waiting = Box::pin(door.commit(operation));
            // Polled once, so that it is queued, and then dropped.
            assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await);
        }
        door.commit(revoke_signed("last")).await.unwrap();
        for n in 0..20 {
            assert!(is_stored(bench, &n.to_string()).await, "{n}");
        }
    }

    async fn a_full_queue_refuses_at_once_and_what_was_taken_is_done(bench: Bench, "GRANTOR_STORE__CONNECTIONS_MAX" = "1", "GRANTOR_STORE__ACQUIRE_SECONDS_MAX" = "60") {
        const QUEUE_MAX: usize = 3;
        let door = door(bench, QUEUE_MAX);
        // Nothing commits while the only connection is elsewhere.
        let held = bench.store.write().await.unwrap();
        let running: Vec<_> = (0..3 * QUEUE_MAX).map(|n| {
            let door = door.clone();
            tokio::spawn(async move { door.commit(store(&n.to_string())).await })
        }).collect();
        let refusals = || running.iter().filter(|running| running.is_finished()).count();
        // One batch is under way, one queue is full; whatever is above that is refused.
        crate::harness::within(std::time::Duration::from_secs(20), async || refusals() >= QUEUE_MAX).await;
        door.later(store("later"));
        drop(held);
        let mut refused = 0;
        for (n, running) in running.into_iter().enumerate() {
            match running.await.unwrap() {
                Ok(_) => assert!(is_stored(bench, &n.to_string()).await),
                Err(fault @ Fault::Unavailable { .. }) => {
                    refused += 1;
                    assert!(fault.to_string().contains("store.group_queue_max"), "{fault}");
                    assert!(!is_stored(bench, &n.to_string()).await);
                }
                Err(fault) => panic!("{fault}"),
            }
        }
        assert!((QUEUE_MAX..=2 * QUEUE_MAX).contains(&refused), "{refused} were refused");
    }
}
