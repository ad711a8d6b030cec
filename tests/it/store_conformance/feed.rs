//! `store::feed`, and what a [`Write`](grantor::store::Write) promises.

use grantor::clock::Clock;
use grantor::model::change::{Change, Covered};
use grantor::store::{apis, feed, revocations};

use super::{Bench, NOW, ODD, api, both_databases};
use crate::harness::Backend;

/// Commits changes; answers the number of the last.
async fn note(bench: &Bench, changes: &[Change], now: i64) -> i64 {
    let mut tx = bench.store.write().await.unwrap();
    changes.iter().cloned().for_each(|change| tx.note(change));
    tx.commit(now).await.unwrap()
}

async fn read(bench: &Bench, position: i64) -> feed::Reading {
    feed::read(&mut bench.store.read().await.unwrap(), position)
        .await
        .unwrap()
}

both_databases! {
    async fn every_kind_of_change_comes_back_in_order_under_its_number(bench: Bench) {
        let start = read(bench, 0).await.counter;
        let covered = Covered::ClientGrant { client_id: "app".into(), audience: format!("urn:{ODD}") };
        let changes = [
            Change::Api(ODD.into()),
            Change::Application("app".into()),
            Change::ClientGrants("app".into()),
            Change::Revocation(Covered::Application("app".into())),
            Change::Revocation(Covered::Api("https://a/".into())),
            Change::Revocation(covered),
            Change::RevokedToken("jti".into()),
            Change::Everything,
        ];
        assert_eq!(note(bench, &changes, NOW).await, start + 8);
        let reading = read(bench, start).await;
        assert_eq!(reading.counter, start + 8);
        let expected: Vec<_> = (start..).zip(std::iter::once(&Change::Everything).chain(&changes)).collect();
        let found: Vec<_> = reading.entries.iter().map(|entry| (entry.n, &entry.change)).collect();
        assert_eq!(found, expected);
        let mut marks: Vec<_> = reading.entries.iter().map(|entry| &entry.mark).collect();
        marks.sort();
        marks.dedup();
        assert_eq!(marks.len(), 9, "marks are random");
        let newest = feed::newest(&mut bench.store.read().await.unwrap()).await.unwrap();
        assert_eq!(newest, (start + 8, reading.entries[8].mark.clone()));
    }

    async fn a_reading_tells_the_counter_also_where_there_is_nothing_to_read(bench: Bench) {
        let counter = read(bench, 0).await.counter;
        for position in [counter + 1, i64::MAX] {
            let reading = read(bench, position).await;
            assert_eq!((reading.counter, reading.entries.len()), (counter, 0));
        }
        assert_eq!(read(bench, counter).await.entries.len(), 1);
        assert_eq!(read(bench, i64::MIN).await.entries.len(), 1);
        assert_eq!(note(bench, &[], NOW).await, 0, "a commit without changes takes no number");
        assert_eq!(read(bench, 0).await.counter, counter);
    }

    async fn the_counter_begins_at_the_time_in_milliseconds_and_is_only_ever_raised(bench: Bench) {
        assert_eq!(read(bench, 0).await.counter, NOW * 1000);
        for (least, expected) in [(NOW * 1000 + 5, NOW * 1000 + 5), (0, NOW * 1000 + 6), (NOW * 1000 + 6, NOW * 1000 + 7), (NOW * 2000, NOW * 2000)] {
            let raised = bench.write(async |tx| feed::raise(tx, least, NOW).await).await.unwrap();
            assert_eq!(raised, expected);
            let reading = read(bench, raised).await;
            assert_eq!((reading.counter, &reading.entries[0].change), (raised, &Change::Everything));
        }
    }

    async fn the_latest_time_of_a_change_is_told_whatever_the_order(bench: Bench) {
        let latest = async || feed::latest_time(&mut bench.store.read().await.unwrap()).await.unwrap();
        assert_eq!(latest().await, Some(NOW), "the start of the feed");
        note(bench, &[Change::Settings], NOW + 9).await;
        note(bench, &[Change::Settings], NOW + 1).await;
        assert_eq!(latest().await, Some(NOW + 9));
    }

    async fn the_server_of_a_database_tells_its_time_where_it_is_another_machine(bench: Bench) {
        let (before, time) = (Clock::still().now(), bench.store.server_time().await.unwrap());
        let after = Clock::still().now();
        match bench.database.backend() {
            Backend::Sqlite => assert_eq!(time, None),
            // Here it is the same machine after all.
            Backend::Postgres => assert!((before..=after).contains(&time.unwrap()), "{time:?}"),
        }
    }

    async fn sixteen_writers_at_once_leave_no_gap_and_no_reader_ever_sees_one(bench: Bench) {
        const WRITERS: i64 = 16;
        const COMMITS: i64 = 10;
        let start = read(bench, 0).await.counter;
        let end = start + WRITERS * COMMITS * 2;
        let writers: Vec<_> = (0..WRITERS).map(|writer| {
            let store = bench.store.clone();
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                for commit in 0..COMMITS {
                    let mut tx = store.write().await.unwrap();
                    let id = format!("{writer}-{commit}");
                    assert!(apis::insert(&mut tx, &api(&id, &format!("https://{id}/"))).await.unwrap());
                    tx.note(Change::Api(id.clone()));
                    tx.note(Change::ClientGrants(id.clone()));
                    numbers.push((tx.commit(NOW).await.unwrap(), id));
                }
                numbers
            })
        }).collect();
        // What a number stands for is there when the number is: commit order is number order.
        let mut position = start;
        while position < end {
            let reading = read(bench, position).await;
            let numbers: Vec<_> = reading.entries.iter().map(|entry| entry.n).collect();
            assert_eq!(numbers, (position..=reading.counter).collect::<Vec<_>>(), "a reader saw a gap");
            let mut conn = bench.store.read().await.unwrap();
            for entry in reading.entries.iter().filter(|entry| entry.n > position) {
                if let Change::Api(id) = &entry.change {
                    assert!(apis::by_id(&mut conn, id).await.unwrap().is_some(), "{id} is announced and not there");
                }
            }
            position = reading.counter;
        }
        let all = read(bench, start).await.entries;
        let mut lasts = Vec::new();
        for writer in writers {
            for (last, id) in writer.await.unwrap() {
                let index = usize::try_from(last - start).unwrap();
                assert_eq!(all[index].change, Change::ClientGrants(id.clone()));
                assert_eq!(all[index - 1].change, Change::Api(id));
                lasts.push(last);
            }
        }
        lasts.sort_unstable();
        assert_eq!(lasts, (start + 2..=end).step_by(2).collect::<Vec<_>>());
    }

    async fn a_dropped_write_leaves_nothing_behind(bench: Bench) {
        let before = read(bench, 0).await.counter;
        for _ in 0..5 {
            let mut tx = bench.store.write().await.unwrap();
            assert!(apis::insert(&mut tx, &api("id", "https://api/")).await.unwrap());
            tx.note(Change::Api("https://api/".into()));
            tx.note(Change::Revocation(Covered::Api("https://api/".into())));
            feed::raise(&mut tx, NOW * 2000, NOW).await.unwrap();
            drop(tx);
        }
        assert_eq!(apis::by_id(&mut bench.store.read().await.unwrap(), "id").await.unwrap(), None);
        assert_eq!(revocations::all(&mut bench.store.read().await.unwrap()).await.unwrap(), []);
        assert_eq!(note(bench, &[Change::Everything], NOW).await, before + 1);
        assert_eq!(read(bench, before).await.entries.len(), 2);
    }

    async fn nobody_sees_a_write_before_its_commit(bench: Bench) {
        let mut tx = bench.store.write().await.unwrap();
        apis::insert(&mut tx, &api("id", "https://api/")).await.unwrap();
        assert!(apis::by_id(&mut tx, "id").await.unwrap().is_some(), "the transaction sees its own");
        assert!(apis::by_id(&mut bench.store.read().await.unwrap(), "id").await.unwrap().is_none());
        tx.commit(NOW).await.unwrap();
        assert!(apis::by_id(&mut bench.store.read().await.unwrap(), "id").await.unwrap().is_some());
    }

    async fn the_sweep_takes_old_changes_in_batches_and_never_the_newest(bench: Bench) {
        let start = read(bench, 0).await.counter;
        let many: Vec<_> = (0..24).map(|n| Change::Api(n.to_string())).collect();
        note(bench, &many, NOW).await;
        let sweep = async |now, rows_max| bench.write(async |tx| feed::sweep(tx, now, rows_max).await).await.unwrap();
        assert_eq!(sweep(NOW + feed::KEPT_SECONDS, 10).await, 0, "kept for an hour");
        let later = NOW + feed::KEPT_SECONDS + 1;
        for (taken, left) in [(10, 15), (10, 5), (4, 1), (0, 1)] {
            assert_eq!(sweep(later, 10).await, taken);
            let reading = read(bench, 0).await;
            assert_eq!((reading.counter, reading.entries.len()), (start + 24, left));
            assert_eq!(reading.entries.last().unwrap().n, start + 24, "the oldest go first");
        }
    }
}
