//! `store::authorization_codes` through the group-commit door: a code counts once, and a second use
//! ends what the first one got.

use grantor::model::authorization_code::{AuthorizationCode, CodeRequest};
use grantor::store::group::{CodeRedemption, GroupDoor, Operation, Parties};
use grantor::store::{authorization_codes, revocations};

use super::authorizations::{ORDERS, authorization, family, get, new, people};
use super::group::door;
use super::{Bench, NOW, ODD, both_databases};

fn code() -> AuthorizationCode {
    AuthorizationCode {
        authorization: authorization("app", &[ORDERS]),
        request: CodeRequest {
            redirect_uri: ODD.into(),
            redirect_uri_is_named: true,
            code_challenge: Some(ODD.into()),
            validity_period: None,
            is_pushed: false,
        },
        created_at: NOW,
        expires_at: NOW + 60,
    }
}

async fn keep(door: &GroupDoor, digest: &str, code: &AuthorizationCode) {
    let operation = Operation::StoreCode(Box::new((digest.into(), code.clone())));
    door.commit(operation).await.unwrap();
}

fn by(mark: &str, digest: &str, code: &AuthorizationCode) -> CodeRedemption {
    let own = family(code.authorization.clone(), None, NOW);
    CodeRedemption {
        digest: digest.into(),
        family: code.authorization.family.clone(),
        parties: Parties::of(&code.authorization),
        mark: mark.into(),
        refresh: Some(Box::new(new(&own))),
    }
}

async fn is_revoked(bench: &Bench, code: &AuthorizationCode) -> bool {
    let name = grantor::model::token::family_name(&code.authorization.family);
    let mut conn = bench.store.read().await.unwrap();
    revocations::is_token_revoked(&mut conn, &name)
        .await
        .unwrap()
}

both_databases! {
    async fn a_code_comes_back_as_it_was_stored_whoever_stores_it_again(bench: Bench) {
        people(bench).await;
        let (door, code) = (door(bench, 100), code());
        for _ in 0..2 {
            keep(&door, "a", &code).await;
        }
        let mut conn = bench.store.read().await.unwrap();
        assert_eq!(authorization_codes::get(&mut conn, "a").await.unwrap(), Some(code));
        assert_eq!(authorization_codes::get(&mut conn, "b").await.unwrap(), None);
    }

    async fn the_first_to_come_has_a_code_with_its_refresh_token_and_a_second_use_ends_both(bench: Bench) {
        people(bench).await;
        let (door, code) = (door(bench, 100), code());
        keep(&door, "a", &code).await;
        for _ in 0..2 {
            // The same request, after an unknown outcome.
            assert!(door.redeem_code(by("first", "a", &code)).await.unwrap().is_ok());
            assert!(get(bench, &code.authorization.family).await.is_some());
        }
        assert_eq!(bench.database.sql().await.number("select count(*) from refresh_families").await, 1);
        assert!(!is_revoked(bench, &code).await);
        let number = door.redeem_code(by("second", "a", &code)).await.unwrap().unwrap_err();
        assert!(number > 0, "it has a place in the feed");
        assert!(is_revoked(bench, &code).await);
        assert!(get(bench, &code.authorization.family).await.is_none());
        // It stays the first one's, and stays ended.
        assert!(door.redeem_code(by("second", "a", &code)).await.unwrap().is_err());
    }

    async fn of_many_in_one_batch_and_in_two_doors_exactly_one_has_it(bench: Bench) {
        people(bench).await;
        let doors = [door(bench, 1000), door(bench, 1000)];
        for round in 0..5 {
            let (digest, code) = (format!("{round}"), code());
            keep(&doors[0], &digest, &code).await;
            let running: Vec<_> = (0..16).map(|n| {
                let (door, redemption) = (doors[n % 2].clone(), by(&format!("{n}"), &digest, &code));
                tokio::spawn(async move { door.redeem_code(redemption).await.unwrap().is_ok() })
            }).collect();
            let mut winners = 0;
            for running in running {
                winners += usize::from(running.await.unwrap());
            }
            assert_eq!(winners, 1);
            assert!(is_revoked(bench, &code).await);
        }
    }

    async fn a_code_is_remembered_for_a_day_so_that_a_thief_who_is_late_is_seen(bench: Bench) {
        people(bench).await;
        let door = door(bench, 100);
        for digest in ["a", "b", "c"] {
            keep(&door, digest, &code()).await;
        }
        let sweep = async |now, rows_max| {
            bench.write(async |tx| authorization_codes::sweep(tx, now, rows_max).await).await.unwrap()
        };
        let end = NOW + 60 + 86_400;
        assert_eq!(sweep(end - 1, 10).await, 0);
        assert_eq!(sweep(end, 2).await, 2);
        assert_eq!(sweep(end, 2).await, 1);
    }
}
