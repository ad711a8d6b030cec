//! `store::tokens`

use grantor::model::change::{Change, Covered};
use grantor::model::token::Token;
use grantor::store::PageStart;
use grantor::store::group::{GroupDoor, Operation};
use grantor::store::tokens::{self, Filter, USE_RECORDED_EVERY_SECONDS};

use super::group::{door, door_with};
use super::{Bench, NOW, ODD, both_databases, token};
use grantor::clock::Clock;

async fn store(door: &GroupDoor, token: &Token) {
    let digest = format!("digest {}", token.jti);
    let operation = Operation::StoreToken {
        digest,
        token: token.clone(),
    };
    assert_eq!(door.commit(operation).await.unwrap(), 0);
}

async fn get(bench: &Bench, jti: &str) -> Option<tokens::StoredToken> {
    tokens::get(
        &mut bench.store.read().await.unwrap(),
        &format!("digest {jti}"),
    )
    .await
    .unwrap()
}

/// The names of the tokens of a list that are still there.
async fn left(bench: &Bench, jtis: &str) -> String {
    let mut left = String::new();
    for jti in jtis.chars() {
        if get(bench, &jti.to_string()).await.is_some() {
            left.push(jti);
        }
    }
    left
}

both_databases! {
    async fn every_column_of_a_stored_token_comes_back_with_its_apis_in_order(bench: Bench) {
        let door = door(bench, 100);
        let many: Vec<String> = (0..20).rev().map(|n| format!("https://{n}/{ODD}")).collect();
        for stored in [
            Token { audiences: many, scope: ODD.into(), subject: ODD.into(), ..token("a", ODD, &[]) },
            Token { position: i64::MAX, issued_at: i64::MAX - 1, expires_at: Some(i64::MAX), ..token("b", "app", &["https://a/"]) },
            Token { position: 0, issued_at: i64::MIN, expires_at: None, ..token("c", "app", &["z", "a", "m"]) },
            token(ODD, "", &[]),
        ] {
            store(&door, &stored).await;
            let found = get(bench, &stored.jti).await.unwrap();
            assert_eq!((found.token, found.last_used_at), (stored, None));
        }
        assert_eq!(get(bench, "A").await, None);
    }

    async fn a_use_is_recorded_once_an_hour(bench: Bench) {
        let clock = Clock::still();
        let door = door_with(bench, 100, clock.clone());
        store(&door, &token("a", "app", &["https://a/"])).await;
        store(&door, &token("b", "app", &["https://a/"])).await;
        let used = async || {
            door.commit(Operation::RecordUse { digest: "digest a".into() }).await.unwrap();
            get(bench, "a").await.unwrap().last_used_at.unwrap()
        };
        let first = used().await;
        assert!((clock.now() - 5..=clock.now()).contains(&first));
        clock.advance(USE_RECORDED_EVERY_SECONDS - 10);
        assert_eq!(used().await, first);
        clock.advance(10);
        let second = used().await;
        assert!(second >= first + USE_RECORDED_EVERY_SECONDS);
        assert_eq!(get(bench, "b").await.unwrap().last_used_at, None);
        door.commit(Operation::RecordUse { digest: "unknown".into() }).await.unwrap();
    }

    async fn never_expiring_tokens_are_counted_and_outlive_every_sweep(bench: Bench) {
        let door = door(bench, 100);
        let mut conn = bench.store.read().await.unwrap();
        assert_eq!(tokens::count_never_expiring(&mut conn).await.unwrap(), 0);
        drop(conn);
        for jti in ["a", "b"] {
            store(&door, &Token { expires_at: None, ..token(jti, "app", &["https://a/"]) }).await;
        }
        store(&door, &token("c", "app", &["https://a/"])).await;
        assert_eq!(tokens::count_never_expiring(&mut bench.store.read().await.unwrap()).await.unwrap(), 2);
        let swept = bench.write(async |tx| tokens::sweep(tx, i64::MAX, 10).await).await.unwrap();
        assert_eq!((swept, left(bench, "abc").await.as_str()), (1, "ab"));
    }

    async fn ended_tokens_go_in_batches_the_longest_ended_first_with_their_apis(bench: Bench) {
        let door = door(bench, 100);
        for (jti, end) in [("a", 3), ("b", 1), ("c", 2), ("d", 4), ("e", 5)] {
            store(&door, &Token { expires_at: Some(NOW + end), ..token(jti, "app", &["https://a/", "https://b/"]) }).await;
        }
        let sweep = async || bench.write(async |tx| tokens::sweep(tx, NOW + 4, 2).await).await.unwrap();
        for (taken, expected) in [(2, "ade"), (2, "e"), (0, "e")] {
            assert_eq!(sweep().await, taken);
            assert_eq!(left(bench, "abcde").await, expected);
        }
        assert_eq!(bench.database.sql().await.number("select count(*) from token_apis").await, 2);
    }

    async fn a_wholesale_revocation_takes_the_tokens_that_it_covers_and_only_those(bench: Bench) {
        let door = door(bench, 100);
        let tokens = [
            ("a", 5, "app", &["https://a/"][..]),
            ("b", 5, "app", &["https://b/", "https://a/"]),
            ("c", 5, "app", &["https://b/"]),
            ("d", 5, "other", &["https://a/"]),
            ("e", 10, "app", &["https://a/"]),
            ("f", 9, "app", &["https://a/"]),
            ("g", 5, "APP", &["https://A/"]),
        ];
        let grant = Covered::ClientGrant { client_id: "app".into(), audience: "https://a/".into() };
        for (covered, expected) in [
            (Covered::Application("app".into()), "deg"),
            (Covered::Api("https://a/".into()), "ceg"),
            (grant, "cdeg"),
            (Covered::User("app@clients".into()), "deg"),
            (Covered::All, "e"),
        ] {
            for (jti, position, client_id, audiences) in tokens {
                store(&door, &Token { position, expires_at: None, ..token(jti, client_id, audiences) }).await;
            }
            let is_any_covered = async || {
                let mut conn = bench.store.read().await.unwrap();
                tokens::is_any_covered(&mut conn, &covered, 10).await.unwrap()
            };
            assert!(is_any_covered().await, "{covered:?}");
            let gone = tokens.len() - expected.len();
            let mut batches = Vec::new();
            while batches.last() != Some(&0) {
                let sweep = bench.write(async |tx| tokens::sweep_covered(tx, &covered, 10, 2).await);
                batches.push(usize::try_from(sweep.await.unwrap()).unwrap());
            }
            assert!(batches.iter().all(|rows| *rows <= 2), "{batches:?}");
            assert_eq!(batches.iter().sum::<usize>(), gone, "{covered:?}");
            assert_eq!(left(bench, "abcdefg").await, expected, "{covered:?}");
            assert!(!is_any_covered().await, "{covered:?}");
        }
    }

    async fn a_list_goes_by_age_and_shows_each_token_with_its_apis_in_order(bench: Bench) {
        let door = door(bench, 100);
        let stored = [
            Token { issued_at: NOW - 2, ..token("d", "app", &["urn:z", "urn:a", "urn:m"]) },
            Token { issued_at: NOW - 1, expires_at: None, ..token("a", ODD, &["urn:a"]) },
            Token { issued_at: NOW - 1, scope: ODD.into(), ..token("b", "app", &["urn:a", "urn:z"]) },
            Token { issued_at: NOW, ..token("c", "other", &["urn:z"]) },
        ];
        for token in stored.iter().rev() {
            store(&door, token).await;
        }
        let list = async |from: PageStart, rows_max: i64| {
            let mut conn = bench.store.read().await.unwrap();
            let listed = tokens::list(&mut conn, (&Filter::default(), NOW), &from, rows_max).await.unwrap();
            listed.into_iter().map(|one| one.token).collect::<Vec<_>>()
        };
        assert_eq!(list(PageStart::Offset(0), 10).await, stored);
        assert_eq!(list(PageStart::Offset(1), 2).await, stored[1..3]);
        let behind = PageStart::Behind { created_at: NOW - 1, id: "a".into() };
        assert_eq!(list(behind, 1).await, stored[2..3]);
        assert_eq!(list(PageStart::Offset(4), 10).await, []);
    }

    async fn a_list_is_narrowed_by_application_api_and_end(bench: Bench) {
        let door = door(bench, 100);
        for stored in [
            token("a", "app", &["urn:a", "urn:b"]),
            Token { expires_at: None, ..token("b", "app", &["urn:b"]) },
            token("c", ODD, &["urn:a"]),
            Token { expires_at: Some(NOW + 1), ..token("d", "app", &["urn:a"]) },
        ] {
            store(&door, &stored).await;
        }
        let text = |text: &str| Some(text.to_owned());
        for (client_id, audience, never_expiring, now, expected) in [
            (None, None, None, NOW, "abcd"),
            (None, None, None, NOW + 1, "abc"),
            (text("app"), None, None, NOW, "abd"),
            (text(ODD), None, None, NOW, "c"),
            (text("APP"), None, None, NOW, ""),
            (None, text("urn:a"), None, NOW, "acd"),
            (None, text("urn:b"), None, NOW, "ab"),
            (None, None, Some(true), NOW, "b"),
            (None, None, Some(false), NOW, "acd"),
            (text("app"), text("urn:b"), Some(false), NOW, "a"),
        ] {
            let filter = Filter { client_id, audience, never_expiring };
            let mut conn = bench.store.read().await.unwrap();
            let listed = tokens::list(&mut conn, (&filter, now), &PageStart::Offset(0), 10).await.unwrap();
            let names: String = listed.into_iter().map(|one| one.token.jti).collect();
            assert_eq!(names, expected, "{filter:?} at {now}");
            let count = tokens::count(&mut conn, &filter, now).await.unwrap();
            assert_eq!(usize::try_from(count).unwrap(), expected.len(), "{filter:?}");
        }
    }

    async fn what_is_revoked_wholesale_is_listed_no_more_swept_or_not(bench: Bench) {
        let door = door(bench, 100);
        let listed = async || {
            let mut conn = bench.store.read().await.unwrap();
            let filter = Filter::default();
            let listed = tokens::list(&mut conn, (&filter, NOW), &PageStart::Offset(0), 10).await.unwrap();
            assert_eq!(tokens::count(&mut conn, &filter, NOW).await.unwrap(), i64::try_from(listed.len()).unwrap());
            listed.into_iter().map(|one| one.token.jti).collect::<String>()
        };
        let grant = Covered::ClientGrant { client_id: "app".into(), audience: "urn:a".into() };
        for (covered, expected) in [
            (Covered::Application("other".into()), "abd"),
            (grant, "bd"),
            (Covered::Api("urn:b".into()), "d"),
            (Covered::User("app@clients".into()), ""),
            (Covered::All, ""),
        ] {
            for (jti, client_id, audience) in [("a", "app", "urn:a"), ("b", "third", "urn:b"), ("c", "other", "urn:c"), ("d", "app", "urn:c")] {
                store(&door, &token(jti, client_id, &[audience])).await;
            }
            let mut tx = bench.store.write().await.unwrap();
            tx.note(Change::Revocation(covered.clone()));
            let number = tx.commit(NOW).await.unwrap();
            assert_eq!(listed().await, expected, "{covered:?}");
            let later = Token { position: number, ..token("z", "app", &["urn:a"]) };
            store(&door, &later).await;
            assert_eq!(listed().await, format!("{expected}z"), "one that knew of it lives: {covered:?}");
            bench.write(async |tx| tokens::delete_by_id(tx, "z").await).await.unwrap();
        }
    }

    async fn a_token_is_found_and_removed_by_its_id(bench: Bench) {
        let door = door(bench, 100);
        let stored = [token("a", "app", &["urn:z", "urn:a"]), token(ODD, "app", &["urn:a"])];
        for token in &stored {
            store(&door, token).await;
        }
        for token in stored {
            let by_id = async || tokens::by_id(&mut bench.store.read().await.unwrap(), &token.jti).await.unwrap();
            let delete = async || bench.write(async |tx| tokens::delete_by_id(tx, &token.jti).await).await.unwrap();
            assert_eq!(by_id().await.map(|one| one.token), Some(token.clone()));
            assert!(delete().await);
            assert_eq!(by_id().await, None);
            assert_eq!(get(bench, &token.jti).await, None);
            assert!(!delete().await);
        }
        assert_eq!(bench.database.sql().await.number("select count(*) from token_apis").await, 0);
    }
}
