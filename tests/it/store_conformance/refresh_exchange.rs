//! `store::refresh_exchange` through the group-commit door: one successor, whoever asks and however
//! often it is run.

use grantor::clock::Clock;
use grantor::model::refresh::Family;
use grantor::model::token::family_name;
use grantor::store::group::{GroupDoor, Operation, Parties};
use grantor::store::refresh_exchange::{Exchange, Exchanged, Successor};
use grantor::store::{revocations, user_grants};

use super::authorizations::{
    ORDERS, authorization, begin, consent, family, get, people, record, records,
};
use super::group::{door, door_with};
use super::{Bench, NOW, both_databases};

const WINDOW: i64 = 30;
const REPLAYS_MAX: i64 = 3;

/// A family whose first token is `first`, of a user who has consented.
async fn a_family(bench: &Bench) -> Family {
    people(bench).await;
    consent(bench, "app", Some(ORDERS.0)).await;
    let mut own = family(authorization("app", &[ORDERS]), None, NOW);
    own.current_digest = "first".into();
    begin(&door(bench, 10), &own).await;
    own
}

/// A request that presents a token and brings a successor named after itself.
fn by(mark: &str, family: &Family, presented: &str) -> Exchange {
    Exchange {
        family: family.id().into(),
        parties: Parties::of(&family.authorization),
        presented: presented.into(),
        successor: Some(Successor {
            digest: mark.into(),
            sealed: format!("sealed {mark}"),
        }),
        mark: mark.into(),
        window: WINDOW,
        replays_max: REPLAYS_MAX,
        seen: (Some("192.0.2.7".into()), None),
        reuse: record("reused"),
    }
}

/// The same of an application whose tokens do not rotate.
fn staying(mark: &str, family: &Family, presented: &str) -> Exchange {
    Exchange {
        successor: None,
        ..by(mark, family, presented)
    }
}

async fn run(door: &GroupDoor, exchange: Exchange) -> Exchanged {
    door.exchange_refresh(exchange).await.unwrap().0
}

fn is_replay_of(exchanged: &Exchanged, of: &str) -> bool {
    matches!(exchanged, Exchanged::Replayed { sealed, .. } if *sealed == format!("sealed {of}"))
}

/// Nothing is left of it.
async fn assert_ended(bench: &Bench, family: &Family) {
    assert!(get(bench, family.id()).await.is_none());
    let mut conn = bench.store.read().await.unwrap();
    let name = family_name(family.id());
    assert!(
        revocations::is_token_revoked(&mut conn, &name)
            .await
            .unwrap()
    );
    let grants = user_grants::of_user_at(&mut conn, "auth0|app", "app").await;
    assert!(grants.unwrap().is_empty());
    assert_eq!(records(bench, "reused").await, 1);
}

both_databases! {
    async fn a_token_gets_one_successor_and_its_request_the_same_one_when_run_again(bench: Bench) {
        let own = a_family(bench).await;
        let door = door(bench, 100);
        for _ in 0..2 {
            assert_eq!(run(&door, by("second", &own, "first")).await, Exchanged::Rotated);
        }
        let kept = get(bench, own.id()).await.unwrap();
        assert_eq!((kept.generation, kept.current_digest.as_str()), (1, "second"));
        assert_eq!(kept.device.last_ip.as_deref(), Some("192.0.2.7"));
        assert_eq!(kept.device.initial_ip, own.device.initial_ip);
        // Somebody else was answered with it and has used it, before this request knows its outcome.
        assert_eq!(run(&door, by("third", &own, "second")).await, Exchanged::Rotated);
        assert_eq!(run(&door, by("second", &own, "first")).await, Exchanged::Rotated);
        assert!(get(bench, own.id()).await.is_some());
    }

    async fn the_token_before_is_answered_with_the_same_successor_so_many_times_and_no_more(bench: Bench) {
        let own = a_family(bench).await;
        let door = door(bench, 100);
        assert_eq!(run(&door, by("second", &own, "first")).await, Exchanged::Rotated);
        for n in 0..REPLAYS_MAX {
            for _ in 0..2 {
                // Run again after an unknown outcome, it counts once.
                assert!(is_replay_of(&run(&door, by(&format!("{n}"), &own, "first")).await, "second"));
            }
        }
        let (exchanged, number) = door.exchange_refresh(by("x", &own, "first")).await.unwrap();
        assert_eq!(exchanged, Exchanged::Reused);
        assert!(number > 0, "it has a place in the feed");
        assert_ended(bench, &own).await;
        assert_eq!(run(&door, by("x", &own, "first")).await, Exchanged::Gone);
        assert_ended(bench, &own).await;
    }

    async fn the_token_before_is_answered_only_for_a_while(bench: Bench) {
        let own = a_family(bench).await;
        let clock = Clock::still();
        let door = door_with(bench, 100, clock.clone());
        assert_eq!(run(&door, by("second", &own, "first")).await, Exchanged::Rotated);
        clock.advance(WINDOW - 1);
        assert!(is_replay_of(&run(&door, by("a", &own, "first")).await, "second"));
        clock.advance(1);
        assert_eq!(run(&door, by("b", &own, "first")).await, Exchanged::Reused);
        assert_ended(bench, &own).await;
    }

    async fn a_token_is_spent_when_its_successor_has_been_used(bench: Bench) {
        let own = a_family(bench).await;
        let door = door(bench, 100);
        assert_eq!(run(&door, by("second", &own, "first")).await, Exchanged::Rotated);
        // By an application whose tokens have stopped rotating meanwhile.
        assert!(is_replay_of(&run(&door, staying("a", &own, "first")).await, "second"));
        assert_eq!(run(&door, staying("b", &own, "second")).await, Exchanged::Stays);
        assert_eq!(run(&door, staying("b", &own, "second")).await, Exchanged::Stays);
        assert_eq!(run(&door, staying("c", &own, "first")).await, Exchanged::Reused);
        assert_ended(bench, &own).await;
    }

    async fn a_token_from_before_a_restore_of_the_database_is_spent_as_well(bench: Bench) {
        let own = a_family(bench).await;
        assert_eq!(run(&door(bench, 100), by("x", &own, "of a history that was lost")).await, Exchanged::Reused);
        assert_ended(bench, &own).await;
    }

    async fn of_many_in_one_batch_and_in_two_doors_all_see_one_successor(bench: Bench) {
        let own = a_family(bench).await;
        let doors = [door(bench, 1000), door(bench, 1000)];
        let mut presented = "first".to_owned();
        for round in 0..5 {
            let running: Vec<_> = (0..16).map(|n| {
                let mark = format!("{round} {n}");
                let exchange = Exchange { replays_max: 15, ..by(&mark, &own, &presented) };
                let door = doors[n % 2].clone();
                tokio::spawn(async move { (mark, run(&door, exchange).await) })
            }).collect();
            let mut seen = std::collections::BTreeSet::new();
            let mut winners = 0;
            for running in running {
                let (mark, exchanged) = running.await.unwrap();
                match exchanged {
                    Exchanged::Rotated => {
                        winners += 1;
                        seen.insert(mark);
                    }
                    Exchanged::Replayed { sealed, .. } => {
                        seen.insert(sealed.strip_prefix("sealed ").unwrap().to_owned());
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((winners, seen.len()), (1, 1));
            presented = seen.pop_first().unwrap();
        }
        assert_eq!(get(bench, own.id()).await.unwrap().generation, 5);
    }

    async fn a_family_that_is_given_back_ends_once_and_with_its_grants_where_that_is_wanted(bench: Bench) {
        let own = a_family(bench).await;
        let door = door(bench, 100);
        let sibling = family(authorization("app", &[ORDERS]), None, NOW);
        begin(&door, &sibling).await;
        let give_back = async |family: &Family, takes_grants| {
            let operation = Operation::GiveBackFamily {
                id: family.id().into(),
                parties: Parties::of(&family.authorization),
                takes_grants,
            };
            let record = Box::new(record("given back"));
            door.commit(Operation::Recorded(Box::new(operation), record)).await.unwrap()
        };
        let third = family(authorization("app", &[ORDERS]), None, NOW);
        begin(&door, &third).await;
        assert!(give_back(&third, false).await > 0);
        assert!(get(bench, own.id()).await.is_some() && get(bench, sibling.id()).await.is_some());
        assert!(give_back(&own, true).await > 0);
        assert_eq!(give_back(&own, true).await, 0);
        assert!(get(bench, sibling.id()).await.is_none(), "it was under the same grant");
        let mut conn = bench.store.read().await.unwrap();
        assert!(user_grants::of_user_at(&mut conn, "auth0|app", "app").await.unwrap().is_empty());
        drop(conn);
        assert_eq!(records(bench, "given back").await, 2);
    }
}
