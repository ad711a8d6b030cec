//! `store::attempts`: buckets that hold so much, whoever fills them, and empty by themselves.

use grantor::store::attempts::{self, Bucket, Room};
use grantor::store::revocations::CLOCKS_APART_SECONDS_MAX;

use super::{Bench, NOW, ODD, both_databases};

const NOW_MS: i64 = NOW * 1000;
const ROOM: Room = Room {
    step_ms: 1000,
    full_ms: 5000,
};

fn bucket(subject: &str) -> Bucket<'_> {
    Bucket {
        kind: "test",
        subject,
    }
}

async fn take(bench: &Bench, subject: &str, now_ms: i64) -> bool {
    bench
        .write(async |tx| attempts::take(tx, bucket(subject), ROOM, now_ms).await)
        .await
        .unwrap()
}

async fn spent_until(bench: &Bench, subject: &str) -> Option<i64> {
    attempts::spent_until(&mut bench.store.read().await.unwrap(), bucket(subject))
        .await
        .unwrap()
}

both_databases! {
    async fn a_bucket_holds_so_many_steps_and_empties_one_by_one(bench: Bench) {
        assert_eq!(spent_until(bench, ODD).await, None);
        for n in 1..=5 {
            assert!(take(bench, ODD, NOW_MS).await);
            assert_eq!(spent_until(bench, ODD).await, Some(NOW_MS + n * 1000));
        }
        assert!(!take(bench, ODD, NOW_MS).await);
        assert!(!take(bench, ODD, NOW_MS + 999).await);
        assert!(take(bench, ODD, NOW_MS + 1000).await);
        assert!(!take(bench, ODD, NOW_MS + 1000).await);
        assert!(take(bench, "another", NOW_MS).await);
        let later = NOW_MS + 1_000_000;
        assert!(take(bench, ODD, later).await, "long empty");
        assert_eq!(spent_until(bench, ODD).await, Some(later + 1000), "and no emptier than empty");
    }

    async fn a_step_can_be_given_back(bench: Bench) {
        while take(bench, "a", NOW_MS).await {}
        bench.write(async |tx| attempts::give_back(tx, bucket("a"), ROOM.step_ms).await).await.unwrap();
        bench.write(async |tx| attempts::give_back(tx, bucket("none"), ROOM.step_ms).await).await.unwrap();
        assert!(take(bench, "a", NOW_MS).await);
        assert!(!take(bench, "a", NOW_MS).await);
        assert_eq!(spent_until(bench, "none").await, None);
    }

    async fn a_bucket_is_of_its_kind_and_can_be_emptied(bench: Bench) {
        while take(bench, "a", NOW_MS).await {}
        let other = Bucket { kind: "other", subject: "a" };
        assert!(bench.write(async |tx| attempts::take(tx, other, ROOM, NOW_MS).await).await.unwrap());
        assert!(bench.write(async |tx| attempts::clear(tx, bucket("a")).await).await.unwrap());
        assert!(!bench.write(async |tx| attempts::clear(tx, bucket("a")).await).await.unwrap());
        assert!(take(bench, "a", NOW_MS).await);
    }

    async fn of_many_in_parallel_no_more_than_fit_have_room(bench: Bench) {
        let running: Vec<_> = (0..32).map(|_| {
            let store = bench.store.clone();
            tokio::spawn(async move {
                let mut tx = store.write().await.unwrap();
                let taken = attempts::take(&mut tx, bucket("a"), ROOM, NOW_MS).await.unwrap();
                tx.commit(NOW).await.unwrap();
                usize::from(taken)
            })
        }).collect();
        let mut taken = 0;
        for running in running {
            taken += running.await.unwrap();
        }
        assert_eq!(taken, 5);
    }

    async fn an_empty_bucket_goes_when_it_is_empty_on_every_node(bench: Bench) {
        for subject in ["a", "b", "c"] {
            take(bench, subject, NOW_MS).await;
        }
        take(bench, "full", NOW_MS + 3_600_000).await;
        let sweep = async |now, rows_max| {
            bench.write(async |tx| attempts::sweep(tx, now, rows_max).await).await.unwrap()
        };
        assert_eq!(sweep(NOW + 10, 10).await, 0, "the clock of another node may be behind");
        let now = NOW + CLOCKS_APART_SECONDS_MAX + 1;
        assert_eq!(sweep(now, 2).await, 2);
        assert_eq!(sweep(now, 2).await, 1);
        assert_eq!(sweep(now, 2).await, 0);
        assert!(spent_until(bench, "full").await.is_some());
    }
}
