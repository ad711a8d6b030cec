//! `store::audit`

use grantor::model::record::{self, Kind, Record, Whence};
use grantor::store::audit::{self, Logged, Search, TESTS_MAX, Test, Way};
use grantor::store::group::Operation;
use serde_json::json;

use super::group::door;
use super::{Bench, NOW, ODD, both_databases};

const NOW_MS: i64 = NOW * 1000;

fn record(description: &str, date_ms: i64) -> Record {
    let whence = Whence {
        ip: Some("192.0.2.7".into()),
        user_agent: Some(ODD.into()),
        correlation_id: Some("corr-1".into()),
        request_id: Some("request".into()),
        method: Some("POST".into()),
        path: Some("/oauth/token".into()),
    };
    Record::new(Kind::Changed, date_ms, &whence, Some(201))
        .by(Some("app"), Some(ODD))
        .of_token(&["https://a/".into(), "https://b/".into()], "read write")
        .says(description)
        .with("object", json!({ "Name": ODD, "number": 4711 }))
}

async fn write(bench: &Bench, records: &[Record]) {
    let written = bench.write(async |tx| {
        records.iter().cloned().for_each(|record| tx.record(record));
        Ok(())
    });
    written.await.unwrap();
}

async fn all(bench: &Bench) -> Vec<Logged> {
    let mut conn = bench.store.read().await.unwrap();
    audit::behind(&mut conn, 0, 10_000).await.unwrap()
}

fn test(field: &'static str, way: Way, value: &str) -> Test {
    Test {
        field,
        way,
        value: value.into(),
        wanted: true,
    }
}

/// Descriptions of what a search finds, newest first.
async fn found(bench: &Bench, search: &Search) -> Vec<String> {
    let mut conn = bench.store.read().await.unwrap();
    let listed = audit::list(&mut conn, search, false, (0, 1000))
        .await
        .unwrap();
    let counted = audit::count(&mut conn, search, 1000).await.unwrap();
    assert_eq!(usize::try_from(counted).unwrap(), listed.len());
    let description = |logged: Logged| logged.record.description.unwrap();
    listed.into_iter().map(description).collect()
}

async fn found_by(bench: &Bench, test: Test) -> Vec<String> {
    let search = Search {
        tests: vec![test],
        ..Search::default()
    };
    found(bench, &search).await
}

both_databases! {
    async fn a_record_reads_back_as_it_was_written_in_batches_of_any_length(bench: Bench) {
        for rows in [1, 2, 3, 64, 65, 127, 200] {
            let before = all(bench).await.last().map_or(0, |logged| logged.n);
            let records: Vec<Record> = (0..rows).map(|n| record(&format!("{ODD} {n}"), NOW_MS + n)).collect();
            write(bench, &records).await;
            let mut conn = bench.store.read().await.unwrap();
            let read = audit::behind(&mut conn, before, 10_000).await.unwrap();
            let first = read[0].n;
            for ((n, logged), written) in (first..).zip(&read).zip(&records) {
                assert_eq!(logged.n, n, "numbers follow");
                assert_eq!(&logged.record, written);
                assert_eq!(audit::get(&mut conn, n).await.unwrap().as_ref(), Some(logged));
            }
            assert_eq!(read.len(), records.len());
        }
        let mut conn = bench.store.read().await.unwrap();
        assert_eq!(audit::get(&mut conn, 1).await.unwrap(), None);
        assert_eq!(audit::behind(&mut conn, 0, 3).await.unwrap().len(), 3);
    }

    async fn a_bare_record_has_nothing_but_what_is_set(bench: Bench) {
        let bare = Record::new(Kind::Dropped, NOW_MS, &Whence::default(), None);
        write(bench, std::slice::from_ref(&bare)).await;
        assert_eq!(all(bench).await[0].record, bare);
    }

    async fn who_commits_later_has_the_higher_number_whatever_the_dates_say(bench: Bench) {
        let mut early = bench.store.write().await.unwrap();
        early.record(record("begun first, dated last", NOW_MS + 5000));
        if bench.database.backend() == crate::harness::Backend::Postgres {
            write(bench, &[record("begun second, dated first", NOW_MS)]).await;
            early.commit(NOW).await.unwrap();
            let order: Vec<_> = all(bench).await.into_iter().map(|logged| logged.record.date_ms).collect();
            assert_eq!(order, [NOW_MS, NOW_MS + 5000]);
        } else {
            // SQLite has one writer: nobody else begins.
            early.commit(NOW).await.unwrap();
        }
        write(bench, &[record("a clock behind", NOW_MS - 60_000)]).await;
        let logged = all(bench).await;
        assert!(logged.is_sorted_by_key(|logged| logged.n));
        assert_eq!(logged.last().unwrap().record.date_ms, NOW_MS - 60_000);
        assert!(logged.is_sorted_by_key(|logged| record::log_id(logged.n)));
    }

    async fn numbers_begin_at_the_time_so_that_none_is_given_twice_after_a_restore(bench: Bench) {
        write(bench, &[record("a", NOW_MS), record("b", NOW_MS)]).await;
        let numbers: Vec<_> = all(bench).await.into_iter().map(|logged| logged.n).collect();
        assert_eq!(numbers, [NOW_MS * 1000 + 1, NOW_MS * 1000 + 2]);
    }

    async fn the_newest_record_tells_when_it_was_made(bench: Bench) {
        let newest = async || audit::newest(&mut bench.store.read().await.unwrap()).await.unwrap();
        assert_eq!(newest().await, None);
        write(bench, &[record("a", NOW_MS + 7)]).await;
        write(bench, &[record("b", NOW_MS), record("c", NOW_MS + 3)]).await;
        assert_eq!(newest().await, Some(NOW_MS + 3));
    }

    async fn what_is_rolled_back_leaves_no_record(bench: Bench) {
        let mut tx = bench.store.write().await.unwrap();
        tx.record(record("never happened", NOW_MS));
        tx.write_records().await.unwrap();
        drop(tx);
        assert_eq!(all(bench).await, []);
    }

    async fn a_batch_that_is_sent_twice_is_written_once(bench: Bench) {
        for (writer, batch, is_new) in [
            ("a", 1, true), ("a", 1, false), ("a", 2, true), ("a", 1, false), ("b", 1, true), ("a", 3, true),
        ] {
            let began = bench.write(async |tx| audit::begin_batch(tx, writer, batch, NOW).await);
            assert_eq!(began.await.unwrap(), is_new, "{writer} {batch}");
        }
    }

    async fn a_recorded_operation_is_recorded_where_it_changes_something(bench: Bench) {
        let door = door(bench, 100);
        let revoke = |jti: &str| Operation::Recorded(
            Box::new(Operation::RevokeSigned { name: jti.into(), expires_at: NOW + 600 }),
            Box::new(record(jti, NOW_MS)),
        );
        for jti in ["a", "b", "a", "b", "a"] {
            assert!(door.commit(revoke(jti)).await.unwrap() > 0);
        }
        assert_eq!(found(bench, &Search::default()).await, ["b", "a"]);
    }

    async fn each_way_to_compare_finds_what_it_says(bench: Bench) {
        let mut other = record("Other", NOW_MS + 1);
        (other.client_id, other.audience, other.kind) = (None, Some("https://ab/".into()), "fapi".into());
        write(bench, &[record("One 100%_x", NOW_MS), other]).await;
        let both = &["Other", "One 100%_x"][..];
        let (one, rest, none) = (&both[1..], &both[..1], &[][..]);
        let id = audit::behind(&mut bench.store.read().await.unwrap(), 0, 1).await.unwrap()[0].n.to_string();
        for (field, way, value, expected) in [
            ("type", Way::Is, "\nsapi\n", one),
            ("type", Way::Is, "\nsapi\nfapi\n", both),
            ("type", Way::Is, "\nsap\n", none),
            ("client_id", Way::Is, "\napp\n", one),
            ("client_id", Way::Is, "\n\n", rest),
            ("client_name", Way::Is, &format!("\n{ODD}\n"), both),
            ("client_name", Way::Starts, "Ünï", both),
            ("client_name", Way::Starts, "ünï", none),
            ("client_id", Way::Starts, "ap", one),
            ("ip", Way::Is, "\n192.0.2.7\n", both),
            ("user_agent", Way::Is, &format!("\n{ODD}\n"), both),
            ("user_id", Way::Is, "\nx\n", none),
            ("audience", Way::Word, "https://a/", one),
            ("audience", Way::Word, "https://b/", one),
            ("audience", Way::Word, "https://", none),
            ("scope", Way::Word, "write", both),
            ("correlation_id", Way::Is, "\ncorr-1\n", both),
            ("description", Way::Is, "\nOther\n", rest),
            ("log_id", Way::Is, &format!("\n{id}\n"), one),
            ("words", Way::Has, "100%_x", one),
            ("words", Way::Has, "100%_X", none),
            ("words", Way::Has, &ODD.to_lowercase(), both),
            ("words", Way::Has, "4711", both),
            ("words", Way::Has, "fapi", rest),
        ] {
            let mut test = test(field, way, value);
            assert_eq!(found_by(bench, test.clone()).await, expected, "{test:?}");
            test.wanted = false;
            let others: Vec<_> = both.iter().filter(|one| !expected.contains(one)).copied().collect();
            assert_eq!(found_by(bench, test.clone()).await, others, "{test:?}");
        }
    }

    async fn tests_and_dates_must_all_pass_and_pages_go_by_date(bench: Bench) {
        let records: Vec<Record> = (0..10).map(|n| record(&n.to_string(), NOW_MS + n / 2)).collect();
        write(bench, &records).await;
        let mut search = Search { from_ms: Some(NOW_MS + 1), until_ms: Some(NOW_MS + 4), ..Search::default() };
        assert_eq!(found(bench, &search).await, ["7", "6", "5", "4", "3", "2"]);
        search.tests = (0..TESTS_MAX - 1).map(|_| test("type", Way::Is, "\nsapi\n")).collect();
        search.tests.push(test("description", Way::Is, "\n4\n6\n9\n"));
        assert_eq!(found(bench, &search).await, ["6", "4"]);
        let mut conn = bench.store.read().await.unwrap();
        let all = Search::default();
        for oldest_first in [false, true] {
            let mut seen = Vec::new();
            for page in 0..4 {
                let listed = audit::list(&mut conn, &all, oldest_first, (page * 3, 3)).await.unwrap();
                seen.extend(listed.into_iter().map(|logged| logged.record.description.unwrap()));
            }
            let mut expected: Vec<_> = (0..10).map(|n| n.to_string()).collect();
            if !oldest_first {
                expected.reverse();
            }
            assert_eq!(seen, expected);
        }
        assert_eq!(audit::count(&mut conn, &all, 4).await.unwrap(), 4, "counting stops");
    }

    async fn sign_ins_and_sign_ups_are_summed_by_day(bench: Bench) {
        const DAY_MS: i64 = 86_400_000;
        let first = NOW_MS / DAY_MS;
        let whence = Whence::default();
        let of = |kind, date_ms| Record::new(kind, date_ms, &whence, None);
        let (begins, ends) = (first * DAY_MS, (first + 2) * DAY_MS);
        write(bench, &[
            of(Kind::SignedIn, begins - 1),
            of(Kind::SignedIn, begins),
            of(Kind::SignedIn, begins + DAY_MS - 1),
            of(Kind::SignedUp, begins + DAY_MS - 1),
            of(Kind::SignedIn, ends - 1),
            record("another kind", begins),
            of(Kind::SignedUp, ends),
        ]).await;
        let mut sums = audit::sign_ins(&mut bench.store.read().await.unwrap(), begins, ends).await.unwrap();
        sums.sort_unstable();
        assert_eq!(sums, [(first, false, 2), (first, true, 1), (first + 1, false, 1)]);
    }

    async fn the_sweep_takes_the_oldest_and_writers_that_have_ended(bench: Bench) {
        let records: Vec<Record> = (0..10).map(|n| record(&n.to_string(), NOW_MS + n)).collect();
        write(bench, &records).await;
        bench.write(async |tx| audit::begin_batch(tx, "old", 7, NOW - 90_000).await).await.unwrap();
        bench.write(async |tx| audit::begin_batch(tx, "new", 7, NOW).await).await.unwrap();
        let mut swept = Vec::new();
        for _ in 0..4 {
            let sweep = bench.write(async |tx| audit::sweep(tx, NOW_MS + 5, NOW, 3).await);
            swept.push(sweep.await.unwrap());
        }
        assert_eq!(swept, [4, 2, 0, 0]);
        assert_eq!(found(bench, &Search::default()).await, ["9", "8", "7", "6", "5"]);
        for (writer, is_new) in [("old", true), ("new", false)] {
            let began = bench.write(async |tx| audit::begin_batch(tx, writer, 7, NOW).await);
            assert_eq!(began.await.unwrap(), is_new);
        }
    }
}
