//! `store::keys`

use grantor::store::keys::{self, KeyRow};

use super::{NOW, ODD, both_databases, expect_defect};

fn key(kid: &str, algorithm: &str, state: &str, created_at: i64) -> KeyRow {
    KeyRow {
        kid: kid.into(),
        algorithm: algorithm.into(),
        state: state.into(),
        sealed_private_key: format!("sealed {kid}"),
        created_at,
    }
}

fn shown(key: &KeyRow) -> String {
    format!(
        "{} {} {} {} {}",
        key.kid, key.algorithm, key.state, key.sealed_private_key, key.created_at
    )
}

both_databases! {
    async fn every_column_of_a_signing_key_comes_back_and_keys_go_by_age(bench: Bench) {
        let stored = [key("b", "RS256", "current", NOW), key(ODD, "RS256", "next", i64::MAX),
            key("a", "RS256", "previous", NOW), key("z", ODD, "current", i64::MIN)];
        for key in &stored {
            bench.write(async |tx| keys::insert(tx, key).await).await.unwrap();
        }
        let found = keys::all(&mut bench.store.read().await.unwrap()).await.unwrap();
        let expected = [3, 2, 0, 1].map(|index: usize| shown(&stored[index]));
        assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected);
    }

    async fn one_key_for_each_algorithm_and_state_and_no_other_state(bench: Bench) {
        bench.write(async |tx| keys::insert(tx, &key("a", "RS256", "current", NOW)).await).await.unwrap();
        for wrong in [key("b", "RS256", "current", NOW), key("a", "RS256", "next", NOW), key("c", "RS256", "retired", NOW)] {
            expect_defect(bench.write(async |tx| keys::insert(tx, &wrong).await).await);
        }
        assert_eq!(keys::all(&mut bench.store.read().await.unwrap()).await.unwrap().len(), 1);
    }

    async fn a_new_seal_takes_the_place_of_the_old_one(bench: Bench) {
        let put = async |name: &str, sealed: &str| {
            bench.write(async |tx| keys::put_sealed(tx, name, sealed, NOW).await).await
        };
        put("digest_key", "old").await.unwrap();
        put("digest_key", ODD).await.unwrap();
        put(ODD, "").await.unwrap();
        bench.write(async |tx| keys::insert(tx, &key("a", "RS256", "current", NOW)).await).await.unwrap();
        bench.write(async |tx| keys::insert(tx, &key("b", "RS256", "next", NOW)).await).await.unwrap();
        bench.write(async |tx| keys::reseal(tx, "a", "anew").await).await.unwrap();
        let mut conn = bench.store.read().await.unwrap();
        assert_eq!(keys::sealed(&mut conn, "digest_key").await.unwrap().as_deref(), Some(ODD));
        assert_eq!(keys::sealed(&mut conn, ODD).await.unwrap().as_deref(), Some(""));
        assert_eq!(keys::sealed(&mut conn, "other").await.unwrap(), None);
        let found = keys::all(&mut conn).await.unwrap();
        let sealed = |kid: &str| &found.iter().find(|key| key.kid == kid).unwrap().sealed_private_key;
        assert_eq!(sealed("a"), "anew");
        assert_ne!(sealed("b"), "anew");
    }
}
