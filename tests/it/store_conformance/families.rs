//! `store::families`: what came from one authorization ends as one.

use grantor::model::token::{Token, family_name};
use grantor::store::group::Operation;
use grantor::store::{families, revocations, tokens, user_grants};

use super::authorizations::{ORDERS, STOCK, authorization, begin, consent, family, get, people};
use super::group::door;
use super::{Bench, NOW, both_databases, token};

/// A stored token of a family.
async fn stored(bench: &Bench, jti: &str, family: Option<&str>) {
    let token = Token {
        family: family.map(str::to_owned),
        ..token(jti, "app", &[ORDERS.1])
    };
    let digest = jti.to_owned();
    let operation = Operation::StoreToken { digest, token };
    door(bench, 10).commit(operation).await.unwrap();
}

async fn is_stored(bench: &Bench, jti: &str) -> bool {
    let mut conn = bench.store.read().await.unwrap();
    tokens::get(&mut conn, jti).await.unwrap().is_some()
}

/// The APIs that the user has consented to.
async fn grants(bench: &Bench) -> Vec<Option<String>> {
    let mut conn = bench.store.read().await.unwrap();
    let grants = user_grants::of_user_at(&mut conn, "auth0|app", "app").await;
    let mut apis: Vec<_> = grants
        .unwrap()
        .into_iter()
        .map(|grant| grant.api_id)
        .collect();
    apis.sort();
    apis
}

both_databases! {
    async fn a_family_ends_with_its_tokens_of_every_kind_and_once(bench: Bench) {
        people(bench).await;
        let own = family(authorization("app", &[ORDERS]), None, NOW);
        let other = family(authorization("app", &[ORDERS]), None, NOW);
        for family in [&own, &other] {
            begin(&door(bench, 10), family).await;
        }
        stored(bench, "own", Some(own.id())).await;
        stored(bench, "other", Some(other.id())).await;
        stored(bench, "none", None).await;
        for is_first in [true, false] {
            let revoked = bench.write(async |tx| families::revoke(tx, own.id(), NOW).await).await;
            assert_eq!(revoked.unwrap(), is_first);
        }
        assert!(get(bench, own.id()).await.is_none() && get(bench, other.id()).await.is_some());
        assert!(!is_stored(bench, "own").await);
        assert!(is_stored(bench, "other").await && is_stored(bench, "none").await);
        let mut conn = bench.store.read().await.unwrap();
        assert!(revocations::is_token_revoked(&mut conn, &family_name(own.id())).await.unwrap());
        assert!(!revocations::is_token_revoked(&mut conn, &family_name(other.id())).await.unwrap());
    }

    async fn what_a_family_got_while_it_ended_does_not_outlive_the_memory_of_that(bench: Bench) {
        people(bench).await;
        let own = family(authorization("app", &[ORDERS]), None, NOW);
        bench.write(async |tx| families::revoke(tx, own.id(), NOW).await).await.unwrap();
        begin(&door(bench, 10), &own).await;
        stored(bench, "own", Some(own.id())).await;
        stored(bench, "other", Some("other")).await;
        let sweep = async |now| {
            bench.write(async |tx| revocations::sweep(tx, now, 10).await).await.unwrap()
        };
        let end = NOW + revocations::KEPT_SECONDS + revocations::CLOCKS_APART_SECONDS_MAX;
        assert_eq!(sweep(end - 1).await, 0);
        assert!(is_stored(bench, "own").await);
        assert_eq!(sweep(end).await, 1);
        assert!(!is_stored(bench, "own").await && is_stored(bench, "other").await);
        assert!(get(bench, own.id()).await.is_none());
    }

    async fn stored_tokens_go_by_their_family(bench: Bench) {
        for (jti, family) in [("a", Some("x")), ("b", Some("x")), ("c", Some("y")), ("d", None)] {
            stored(bench, jti, family).await;
        }
        for deleted in [2, 0] {
            let gone = bench.write(async |tx| tokens::delete_family(tx, "x").await).await;
            assert_eq!(gone.unwrap(), deleted);
        }
        assert!(is_stored(bench, "c").await && is_stored(bench, "d").await);
    }

    async fn a_grant_ends_with_the_refresh_tokens_under_it_and_no_others(bench: Bench) {
        people(bench).await;
        for place in [Some(ORDERS.0), Some(STOCK.0), None] {
            consent(bench, "app", place).await;
        }
        let orders = family(authorization("app", &[ORDERS]), None, NOW);
        let both = family(authorization("app", &[STOCK, ORDERS]), None, NOW);
        let stock = family(authorization("app", &[STOCK]), None, NOW);
        let userinfo = family(authorization("app", &[]), None, NOW);
        let others = family(authorization("other app", &[ORDERS]), None, NOW);
        for family in [&orders, &both, &stock, &userinfo, &others] {
            begin(&door(bench, 10), family).await;
        }
        let end = async |api_id| {
            let whose = ("auth0|app", "app");
            bench.write(async |tx| families::end_grant(tx, whose, api_id).await).await.unwrap()
        };
        assert_eq!(end(Some(ORDERS.0)).await, 2);
        assert_eq!(grants(bench).await, [None, Some(STOCK.0.to_owned())]);
        assert!(get(bench, orders.id()).await.is_none() && get(bench, both.id()).await.is_none());
        for left in [&stock, &userinfo, &others] {
            assert!(get(bench, left.id()).await.is_some());
        }
        assert_eq!(end(None).await, 1);
        assert_eq!(end(None).await, 0);
        assert!(get(bench, userinfo.id()).await.is_none() && get(bench, stock.id()).await.is_some());
    }
}
