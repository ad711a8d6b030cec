//! `store::secrets`: what may be told of secrets, and when they were last used.

use grantor::model::application::Application;
use grantor::store::secrets::{self, SecretFacts};

use super::{Bench, NOW, application, both_databases, secret};

async fn facts(bench: &Bench, client_id: &str) -> Vec<(String, i64, Option<i64>, Option<i64>)> {
    let mut conn = bench.store.read().await.unwrap();
    let all = secrets::of_application(&mut conn, client_id).await.unwrap();
    let plain = |own: SecretFacts| (own.id, own.created_at, own.expires_at, own.last_used_at);
    all.into_iter().map(plain).collect()
}

async fn two_applications(bench: &Bench) {
    let secrets = vec![
        secret("b", Some(NOW + 9), NOW),
        secret("a", None, NOW),
        secret("c", None, NOW - 1),
    ];
    bench
        .insert_application(&Application {
            secrets,
            ..application("app")
        })
        .await;
    bench
        .insert_application(&Application {
            secrets: vec![secret("d", None, NOW)],
            ..application("other")
        })
        .await;
}

both_databases! {
    async fn secrets_are_told_oldest_first_and_go_one_by_one(bench: Bench) {
        two_applications(bench).await;
        let expected = [("c", NOW - 1, None), ("a", NOW, None), ("b", NOW, Some(NOW + 9))];
        assert_eq!(facts(bench, "app").await, expected.map(|(id, at, end)| (id.to_owned(), at, end, None)));
        let delete = async |client_id: &str, id: &str| {
            bench.write(async |tx| secrets::delete(tx, client_id, id).await).await.unwrap()
        };
        assert!(!delete("app", "d").await && !delete("nobody", "a").await);
        assert!(delete("app", "a").await && !delete("app", "a").await);
        assert_eq!(facts(bench, "app").await.len(), 2);
        assert_eq!(facts(bench, "other").await.len(), 1);
        assert_eq!(facts(bench, "nobody").await, []);
    }

    async fn only_those_that_have_ended_go_together(bench: Bench) {
        two_applications(bench).await;
        let secrets = vec![secret("x", Some(NOW), NOW), secret("y", Some(NOW + 1), NOW)];
        bench.insert_application(&Application { secrets, ..application("third") }).await;
        for client_id in ["app", "third"] {
            bench.write(async |tx| secrets::delete_ended(tx, client_id, NOW).await).await.unwrap();
        }
        assert_eq!(facts(bench, "app").await.len(), 3);
        assert_eq!(facts(bench, "third").await, [("y".to_owned(), NOW, Some(NOW + 1), None)]);
    }

    async fn the_latest_use_that_anybody_records_stands(bench: Bench) {
        two_applications(bench).await;
        let record = async |uses: &[(&str, i64)]| {
            let uses: Vec<_> = uses.iter().map(|&(id, at)| (id.to_owned(), at)).collect();
            bench.write(async |tx| secrets::record(tx, &uses).await).await.unwrap();
        };
        record(&[]).await;
        record(&[("a", NOW), ("d", NOW + 3), ("gone", NOW)]).await;
        record(&[("a", NOW - 5), ("b", NOW + 1)]).await;
        record(&[("b", NOW + 2)]).await;
        let last: Vec<_> = facts(bench, "app").await.into_iter().map(|(id, _, _, last)| (id, last)).collect();
        assert_eq!(last, [("c".to_owned(), None), ("a".to_owned(), Some(NOW)), ("b".to_owned(), Some(NOW + 2))]);
        assert_eq!(facts(bench, "other").await, [("d".to_owned(), NOW, None, Some(NOW + 3))]);
    }
}
