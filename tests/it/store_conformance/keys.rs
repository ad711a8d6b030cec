//! `store::keys`

use grantor::model::key::{Key, KeyState};
use grantor::store::keys;

use super::{Bench, NOW, ODD, both_databases, expect_defect};

fn key(kid: &str, algorithm: &str, generation: i64, state: KeyState) -> Key {
    let has_signed = state != KeyState::Next;
    let is_over = matches!(state, KeyState::Previous | KeyState::Revoked);
    Key {
        kid: kid.into(),
        algorithm: algorithm.into(),
        generation,
        state,
        sealed_private_key: (state != KeyState::Revoked).then(|| format!("sealed {kid}")),
        certificate: None,
        created_at: NOW,
        current_since: has_signed.then_some(NOW + 1),
        signs_from: has_signed.then_some(NOW + 2),
        current_until: is_over.then_some(NOW + 3),
        published_until: is_over.then_some(NOW + 4),
        revoked_at: (state == KeyState::Revoked).then_some(NOW + 5),
    }
}

async fn insert(bench: &Bench, key: &Key) -> bool {
    bench
        .write(async |tx| keys::insert(tx, key).await)
        .await
        .unwrap()
}

async fn all(bench: &Bench) -> Vec<Key> {
    keys::all(&mut bench.store.read().await.unwrap())
        .await
        .unwrap()
}

async fn kids(bench: &Bench) -> Vec<String> {
    all(bench).await.into_iter().map(|key| key.kid).collect()
}

both_databases! {
    async fn every_column_of_a_signing_key_comes_back_and_the_newest_come_first(bench: Bench) {
        let odd = Key { certificate: Some(ODD.into()), sealed_private_key: Some(ODD.into()),
            created_at: i64::MIN, signs_from: Some(0), published_until: Some(i64::MAX),
            ..key(ODD, ODD, i64::MAX, KeyState::Previous) };
        let stored = [key("a", "RS256", 1, KeyState::Previous), key("b", "RS256", 2, KeyState::Revoked),
            key("c", "RS256", 3, KeyState::Current), key("d", "RS256", 4, KeyState::Next),
            key("e", "ES256", 1, KeyState::Current), odd];
        for key in &stored {
            assert!(insert(bench, key).await);
        }
        let expected = [4, 3, 2, 1, 0, 5].map(|index: usize| stored[index].clone());
        assert_eq!(all(bench).await, expected);
    }

    async fn a_place_in_the_row_and_a_turn_are_taken_once(bench: Bench) {
        assert!(insert(bench, &key("a", "RS256", 1, KeyState::Current)).await);
        assert!(insert(bench, &key("b", "RS256", 2, KeyState::Next)).await);
        for taken in [key("c", "RS256", 1, KeyState::Previous), key("c", "RS256", 3, KeyState::Current),
            key("c", "RS256", 3, KeyState::Next), key("a", "ES256", 1, KeyState::Current)] {
            assert!(!insert(bench, &taken).await, "{taken:?}");
        }
        // Any number are previous.
        for generation in 3..6 {
            assert!(insert(bench, &key(&format!("p{generation}"), "RS256", generation, KeyState::Previous)).await);
        }
        assert_eq!(kids(bench).await, ["p5", "p4", "p3", "b", "a"]);
    }

    async fn what_a_state_needs_is_there_and_what_it_must_not_have_is_not(bench: Bench) {
        let previous = key("a", "RS256", 1, KeyState::Previous);
        for wrong in [
            Key { sealed_private_key: None, ..previous.clone() },
            Key { published_until: None, ..previous.clone() },
            Key { revoked_at: Some(NOW), ..previous.clone() },
            Key { sealed_private_key: Some("kept".into()), ..key("a", "RS256", 1, KeyState::Revoked) },
            Key { revoked_at: None, ..key("a", "RS256", 1, KeyState::Revoked) },
            Key { signs_from: None, ..key("a", "RS256", 1, KeyState::Current) },
            Key { signs_from: Some(NOW), ..key("a", "RS256", 1, KeyState::Next) },
        ] {
            expect_defect(bench.write(async |tx| keys::insert(tx, &wrong).await).await);
        }
        assert!(all(bench).await.is_empty());
    }

    async fn keys_take_turns_and_lose_what_a_revocation_takes(bench: Bench) {
        for stored in [key("a", "RS256", 1, KeyState::Current), key("b", "RS256", 2, KeyState::Next)] {
            insert(bench, &stored).await;
        }
        let changed = [
            Key { kid: "a".into(), ..key("a", "RS256", 1, KeyState::Revoked) },
            Key { kid: "b".into(), signs_from: Some(0), ..key("b", "RS256", 2, KeyState::Current) },
        ];
        bench.write(async |tx| {
            keys::lock(tx).await?;
            for key in &changed {
                keys::update(tx, key).await?;
            }
            Ok(())
        }).await.unwrap();
        assert_eq!(all(bench).await, [changed[1].clone(), changed[0].clone()]);
        // Two that want the same turn: the second is a defect, and nothing of it stays.
        insert(bench, &key("c", "RS256", 3, KeyState::Next)).await;
        let twice = Key { kid: "c".into(), ..key("c", "RS256", 3, KeyState::Current) };
        expect_defect(bench.write(async |tx| keys::update(tx, &twice).await).await);
    }

    async fn a_new_seal_and_certificate_go_to_keys_that_are_not_revoked(bench: Bench) {
        let stored = [key("a", "RS256", 1, KeyState::Revoked), key("b", "RS256", 2, KeyState::Current)];
        for own in &stored {
            insert(bench, own).await;
            let mended = Key { sealed_private_key: Some("anew".into()), certificate: Some(ODD.into()),
                state: KeyState::Next, ..own.clone() };
            bench.write(async |tx| keys::mend(tx, &mended).await).await.unwrap();
        }
        let mended = Key { sealed_private_key: Some("anew".into()), certificate: Some(ODD.into()), ..stored[1].clone() };
        assert_eq!(all(bench).await, [mended, stored[0].clone()]);
    }

    async fn only_the_newest_of_the_revoked_keys_are_remembered(bench: Bench) {
        for generation in 1..=4 {
            insert(bench, &key(&format!("r{generation}"), "RS256", generation, KeyState::Revoked)).await;
        }
        insert(bench, &key("p", "RS256", 5, KeyState::Previous)).await;
        insert(bench, &key("e", "ES256", 1, KeyState::Revoked)).await;
        let forgotten = bench.write(async |tx| keys::forget_revoked(tx, "RS256", 2).await).await;
        assert_eq!(forgotten.unwrap(), 2);
        assert_eq!(kids(bench).await, ["e", "p", "r4", "r3"]);
    }

    async fn keys_whose_tokens_have_ended_go_in_bounded_batches(bench: Bench) {
        for (generation, kid) in (1..).zip(["a", "b", "c"]) {
            let end = NOW + generation;
            let own = Key { published_until: Some(end), ..key(kid, "RS256", generation, KeyState::Previous) };
            insert(bench, &own).await;
        }
        insert(bench, &key("d", "RS256", 4, KeyState::Current)).await;
        let sweep = async |now| bench.write(async |tx| keys::sweep(tx, now, 1).await).await.unwrap();
        assert_eq!(sweep(NOW + 2).await, ["RS256"]);
        assert_eq!(kids(bench).await, ["d", "c", "b"]);
        assert_eq!((sweep(NOW + 2).await.len(), sweep(NOW + 2).await.len()), (1, 0));
        assert_eq!(kids(bench).await, ["d", "c"]);
    }

    async fn a_new_seal_takes_the_place_of_the_old_one(bench: Bench) {
        let put = async |name: &str, sealed: &str| {
            bench.write(async |tx| keys::put_sealed(tx, name, sealed, NOW).await).await
        };
        put("digest_key", "old").await.unwrap();
        put("digest_key", ODD).await.unwrap();
        put(ODD, "").await.unwrap();
        let mut conn = bench.store.read().await.unwrap();
        assert_eq!(keys::sealed(&mut conn, "digest_key").await.unwrap().as_deref(), Some(ODD));
        assert_eq!(keys::sealed(&mut conn, ODD).await.unwrap().as_deref(), Some(""));
        assert_eq!(keys::sealed(&mut conn, "other").await.unwrap(), None);
    }

    /// Two changes of keys at one time: the second sees what the first has done.
    async fn who_changes_keys_waits_for_whoever_does(bench: Bench) {
        bench.write(async |tx| keys::put_sealed(tx, "digest_key", "sealed", NOW).await).await.unwrap();
        let take_a_place = async || {
            bench.write(async |tx| {
                keys::lock(tx).await?;
                let generation = i64::try_from(keys::all(tx).await?.len()).unwrap() + 1;
                tokio::task::yield_now().await;
                keys::insert(tx, &key(&generation.to_string(), "RS256", generation, KeyState::Previous)).await
            }).await.unwrap()
        };
        let (a, b, c) = tokio::join!(take_a_place(), take_a_place(), take_a_place());
        assert_eq!([a, b, c], [true; 3]);
        assert_eq!(kids(bench).await, ["3", "2", "1"]);
    }
}
