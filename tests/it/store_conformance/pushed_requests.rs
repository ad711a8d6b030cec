//! `store::pushed_requests` through the group-commit door: a request counts once.

use std::collections::BTreeMap;

use grantor::lifetime::Lifetime;
use grantor::model::audience::Named;
use grantor::model::authorization::{
    AuthorizationRequest, ClaimRequest, ClaimsRequest, Prompt, Pushed, ResponseMode, ResponseType,
};
use grantor::store::group::Operation;
use grantor::store::pushed_requests;

use super::group::door;
use super::{Bench, NOW, ODD, both_databases};

fn pushed(expires_at: i64) -> Pushed {
    let claim = ClaimRequest {
        is_essential: true,
        values: vec![ODD.into(), 1.5.into()],
    };
    let request = AuthorizationRequest {
        client_id: "app".into(),
        redirect_uri: ODD.into(),
        redirect_uri_is_named: true,
        response_type: ResponseType::parse("code id_token").unwrap(),
        response_mode: ResponseMode::FormPost,
        state: Some(ODD.into()),
        nonce: None,
        named: Named::Resources(vec![ODD.into(), "b".into()]),
        scope: ["openid", "read"].into_iter().collect(),
        code_challenge: Some(ODD.into()),
        prompt: Prompt {
            consent: true,
            ..Prompt::default()
        },
        max_age: Some(i64::MAX),
        login_hint: Some(ODD.into()),
        hinted_user: Some(ODD.into()),
        acr_values: vec![ODD.into()],
        ui_locales: Vec::new(),
        validity_period: Some(Lifetime::Never),
        is_pushed: true,
        claims: ClaimsRequest {
            id_token: BTreeMap::from([(ODD.to_owned(), claim)]),
            userinfo: BTreeMap::new(),
        },
    };
    Pushed {
        request,
        expires_at,
    }
}

async fn store(bench: &Bench, digest: &str, pushed: &Pushed) {
    let door = door(bench, 100);
    let operation = Operation::StorePushed(Box::new((digest.into(), pushed.clone())));
    door.commit(operation).await.unwrap();
}

async fn get(bench: &Bench, digest: &str) -> Option<Pushed> {
    pushed_requests::get(&mut bench.store.read().await.unwrap(), digest)
        .await
        .unwrap()
}

both_databases! {
    async fn a_request_comes_back_as_it_was_stored_once_and_for_all(bench: Bench) {
        let first = pushed(NOW + 30);
        store(bench, ODD, &first).await;
        assert_eq!(get(bench, ODD).await, Some(first.clone()));
        store(bench, ODD, &pushed(NOW + 99)).await;
        assert_eq!(get(bench, ODD).await, Some(first), "run again after an unknown outcome");
        assert_eq!(get(bench, "unknown").await, None);
    }

    async fn the_first_to_come_has_it_and_keeps_it_when_run_again(bench: Bench) {
        store(bench, "a", &pushed(NOW + 30)).await;
        let door = door(bench, 100);
        let take = async |digest: &str, mark: &str| door.redeem_pushed(digest.into(), mark.into()).await.unwrap();
        assert!(take("a", "first").await);
        for _ in 0..2 {
            assert!(!take("a", "second").await);
            assert!(take("a", "first").await);
        }
        assert!(!take("unknown", "first").await);
    }

    async fn requests_that_have_expired_go_in_batches(bench: Bench) {
        for n in 0..5 {
            store(bench, &n.to_string(), &pushed(NOW + n)).await;
        }
        let sweep = async |rows_max| {
            bench.write(async |tx| pushed_requests::sweep(tx, NOW + 2, rows_max).await).await.unwrap()
        };
        assert_eq!((sweep(2).await, sweep(2).await, sweep(2).await), (2, 1, 0));
        assert!(get(bench, "3").await.is_some() && get(bench, "2").await.is_none());
    }
}
