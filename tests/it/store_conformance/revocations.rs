//! `store::revocations`

use grantor::model::change::{Change, Covered};
use grantor::store::feed;
use grantor::store::group::Operation;
use grantor::store::revocations::{self, KEPT_SECONDS, Revocation};

use super::group::door;
use super::{Bench, NOW, ODD, both_databases};

/// Identifiers hold no spaces; everything else they may.
fn covereds() -> [Covered; 5] {
    let identifier = format!("urn:{}", ODD.replace(' ', "_"));
    [
        Covered::All,
        Covered::Api(identifier.clone()),
        Covered::Application("app".into()),
        Covered::ClientGrant {
            client_id: "app".into(),
            audience: identifier,
        },
        Covered::User(format!("auth0|{ODD}")),
    ]
}

async fn revoke(bench: &Bench, covered: &Covered, now: i64) -> i64 {
    let mut tx = bench.store.write().await.unwrap();
    tx.note(Change::Revocation(covered.clone()));
    tx.commit(now).await.unwrap()
}

/// The mark of the feed's row of a number.
async fn mark(bench: &Bench, number: i64) -> Option<String> {
    let mut conn = bench.store.read().await.unwrap();
    let entries = feed::read(&mut conn, number).await.unwrap().entries;
    entries.first().map(|entry| entry.mark.clone())
}

async fn all(bench: &Bench) -> Vec<Revocation> {
    revocations::all(&mut bench.store.read().await.unwrap())
        .await
        .unwrap()
}

both_databases! {
    async fn a_revocation_is_one_row_for_each_object_with_the_newest_number(bench: Bench) {
        let mut newest = Vec::new();
        for round in 0..3 {
            newest.clear();
            for covered in covereds() {
                let number = revoke(bench, &covered, NOW + round).await;
                newest.push(Revocation { covered, number, mark: mark(bench, number).await, ends_at: NOW + round + KEPT_SECONDS });
            }
        }
        assert_eq!(all(bench).await, newest);
    }

    async fn a_revocation_is_made_again_with_a_number_that_the_caller_has_and_needs_no_row_of_the_feed(bench: Bench) {
        let covered = Covered::Application("app".into());
        let number = revoke(bench, &covered, NOW).await;
        for (number, mark) in [(number, mark(bench, number).await), (number + 7, None)] {
            bench.write(async |tx| revocations::upsert(tx, &covered, number, NOW + 9).await).await.unwrap();
            let ends_at = NOW + 9 + KEPT_SECONDS;
            assert_eq!(all(bench).await, [Revocation { covered: covered.clone(), number, mark, ends_at }]);
        }
    }

    async fn several_revocations_in_one_write_each_have_their_number(bench: Bench) {
        let mut tx = bench.store.write().await.unwrap();
        for covered in covereds().into_iter().chain(covereds()) {
            tx.note(Change::Revocation(covered));
        }
        let last = tx.commit(NOW).await.unwrap();
        let numbers: Vec<_> = all(bench).await.into_iter().map(|one| one.number).collect();
        assert_eq!(numbers, [last - 4, last - 3, last - 2, last - 1, last]);
    }

    async fn a_revocation_is_forgotten_only_where_it_is_still_the_newest(bench: Bench) {
        let [_, api, application, ..] = covereds();
        let old = Revocation { number: revoke(bench, &api, NOW).await, covered: api.clone(), mark: None, ends_at: 0 };
        revoke(bench, &application, NOW).await;
        let new = Revocation { number: revoke(bench, &api, NOW).await, ..old.clone() };
        bench.write(async |tx| revocations::forget(tx, &old.covered, old.number).await).await.unwrap();
        assert_eq!(all(bench).await.len(), 2);
        bench.write(async |tx| revocations::forget(tx, &new.covered, new.number).await).await.unwrap();
        let left: Vec<_> = all(bench).await.into_iter().map(|one| one.covered).collect();
        assert_eq!(left, [application]);
    }

    async fn what_was_revoked_wholesale_can_be_told_from_what_was_not(bench: Bench) {
        let is_kept = async |covered: &Covered| {
            revocations::is_kept(&mut bench.store.read().await.unwrap(), covered).await.unwrap()
        };
        for covered in covereds() {
            assert!(!is_kept(&covered).await, "{covered:?}");
            revoke(bench, &covered, NOW).await;
            assert!(is_kept(&covered).await, "{covered:?}");
        }
        assert!(!is_kept(&Covered::Application("APP".into())).await);
    }

    async fn a_signed_token_can_be_revoked_within_a_larger_change(bench: Bench) {
        let (mut numbers, is_revoked) = (Vec::new(), async || {
            revocations::is_token_revoked(&mut bench.store.read().await.unwrap(), ODD).await.unwrap()
        });
        let tx = bench.store.write().await.unwrap();
        drop(tx);
        assert!(!is_revoked().await);
        for _ in 0..2 {
            let mut tx = bench.store.write().await.unwrap();
            revocations::revoke_token(&mut tx, ODD, NOW + 600).await.unwrap();
            numbers.push(tx.commit(NOW).await.unwrap());
            assert!(is_revoked().await);
        }
        assert_eq!(numbers[1], numbers[0] + 1, "each of them is told to every node");
    }

    async fn revoked_tokens_are_counted_paged_and_swept_by_their_end(bench: Bench) {
        let door = door(bench, 100);
        // Records outlive their tokens by what clocks may be apart.
        let later = NOW + revocations::CLOCKS_APART_SECONDS_MAX;
        let ends = [("a", NOW + 1), ("b", NOW), ("c", i64::MAX), (ODD, NOW + 100), ("e", NOW - 1), ("f", NOW - 2)];
        for (jti, expires_at) in ends {
            door.commit(Operation::RevokeSigned { name: jti.into(), expires_at }).await.unwrap();
        }
        let mut conn = bench.store.read().await.unwrap();
        for (jti, _) in ends {
            assert!(revocations::is_token_revoked(&mut conn, jti).await.unwrap(), "{jti}");
        }
        for other in ["", "A", "g"] {
            assert!(!revocations::is_token_revoked(&mut conn, other).await.unwrap(), "{other}");
        }
        assert_eq!(revocations::count_tokens(&mut conn).await.unwrap(), 6);
        // Page by page, as a node loads them: each of them once, whatever the clock says of their ends.
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = revocations::page_of_tokens(&mut conn, &after, 2).await.unwrap();
            assert!(page.len() <= 2);
            let Some(last) = page.last() else { break };
            after.clone_from(last);
            seen.extend(page);
        }
        seen.sort();
        let mut all = ends.map(|(jti, _)| jti.to_owned());
        all.sort();
        assert_eq!(seen, all);
        drop(conn);
        let sweep = async || bench.write(async |tx| revocations::sweep(tx, later, 2).await).await.unwrap();
        assert_eq!(sweep().await, 2);
        assert!(revocations::is_token_revoked(&mut bench.store.read().await.unwrap(), "b").await.unwrap(), "the longest ended go first");
        assert_eq!((sweep().await, sweep().await), (1, 0));
        assert_eq!(revocations::count_tokens(&mut bench.store.read().await.unwrap()).await.unwrap(), 3);
    }
}
