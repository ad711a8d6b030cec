//! `store::logout_notices`

use grantor::model::logout_notice::LogoutNotice;
use grantor::store::{applications, logout_notices};

use super::{Bench, NOW, ODD, application, both_databases};

fn notice(id: &str) -> LogoutNotice {
    LogoutNotice {
        id: id.into(),
        client_id: "app".into(),
        user_id: "auth0|gone".into(),
        session_id: "session".into(),
        url: "https://app.example/logout".into(),
        attempts: 0,
        next_attempt_at: NOW,
        ends_at: NOW + 86_400,
    }
}

async fn insert(bench: &Bench, notice: &LogoutNotice) {
    let inserted = bench.write(async |tx| logout_notices::insert(tx, notice).await);
    inserted.await.unwrap();
}

async fn due(bench: &Bench, now: i64, rows_max: i64) -> Vec<LogoutNotice> {
    let mut conn = bench.store.read().await.unwrap();
    logout_notices::due(&mut conn, now, rows_max).await.unwrap()
}

async fn take(bench: &Bench, notice: &LogoutNotice, until: i64) -> bool {
    bench
        .write(async |tx| logout_notices::take(tx, notice, until).await)
        .await
        .unwrap()
}

both_databases! {
    async fn those_that_have_waited_longest_come_first(bench: Bench) {
        bench.insert_application(&application("app")).await;
        let odd = LogoutNotice {
            user_id: ODD.into(),
            session_id: ODD.into(),
            url: ODD.into(),
            attempts: 7,
            next_attempt_at: NOW - 9,
            ends_at: i64::MAX,
            ..notice("z")
        };
        let later = LogoutNotice { next_attempt_at: NOW + 1, ..notice("c") };
        for one in [&notice("b"), &later, &odd, &notice("a")] {
            insert(bench, one).await;
        }
        assert_eq!(due(bench, NOW, 10).await, [odd.clone(), notice("a"), notice("b")]);
        assert_eq!(due(bench, NOW, 1).await, [odd]);
        assert_eq!(due(bench, NOW - 10, 10).await, []);
    }

    async fn a_notice_is_taken_by_one_and_comes_up_again_where_its_taker_is_silent(bench: Bench) {
        bench.insert_application(&application("app")).await;
        insert(bench, &notice("a")).await;
        let first = notice("a");
        assert!(take(bench, &first, NOW + 60).await);
        assert!(!take(bench, &first, NOW + 90).await, "as it was read before");
        assert_eq!(due(bench, NOW + 59, 10).await, []);
        let again = due(bench, NOW + 60, 10).await;
        assert_eq!(again, [LogoutNotice { attempts: 1, next_attempt_at: NOW + 60, ..first.clone() }]);
        assert!(take(bench, &again[0], NOW + 120).await);
        // The first taker comes back late: its attempt is not the last any more.
        let late = LogoutNotice { attempts: 1, ..first };
        assert!(!bench.write(async |tx| logout_notices::put_off(tx, &late, NOW).await).await.unwrap());
        let last = LogoutNotice { attempts: 2, ..late };
        assert!(bench.write(async |tx| logout_notices::put_off(tx, &last, NOW + 70).await).await.unwrap());
        assert_eq!(due(bench, NOW + 70, 10).await[0].next_attempt_at, NOW + 70);
    }

    async fn a_notice_is_gone_once_and_with_its_application(bench: Bench) {
        bench.insert_application(&application("app")).await;
        for id in ["a", "b"] {
            insert(bench, &notice(id)).await;
        }
        for is_first in [true, false] {
            let deleted = bench.write(async |tx| logout_notices::delete(tx, "a").await).await;
            assert_eq!(deleted.unwrap(), is_first);
        }
        assert!(!take(bench, &notice("a"), NOW).await);
        assert!(bench.write(async |tx| applications::delete(tx, "app").await).await.unwrap());
        assert_eq!(due(bench, i64::MAX, 10).await, []);
    }
}
