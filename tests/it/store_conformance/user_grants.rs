//! `store::user_grants`

use grantor::model::api::{Api, SystemApi};
use grantor::model::user_grant::UserGrant;
use grantor::store::PageStart;
use grantor::store::user_grants::{self, Filter};

use super::authorizations::{ORDERS, STOCK, people};
use super::{Bench, NOW, ODD, api, both_databases};
use crate::harness::MFA;

/// A grant of the user of an application's name to that application.
fn grant(id: &str, client_id: &str, api: Option<(&str, &str)>) -> UserGrant {
    UserGrant {
        id: id.into(),
        user_id: format!("auth0|{client_id}"),
        client_id: client_id.into(),
        api_id: api.map(|(id, _)| id.to_owned()),
        audience: api.map(|(_, audience)| audience.to_owned()),
        scopes: ["read"].into_iter().collect(),
        expires_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

async fn keep(bench: &Bench, grant: &UserGrant) {
    let kept = bench.write(async |tx| user_grants::upsert(tx, grant).await);
    kept.await.unwrap();
}

async fn get(bench: &Bench, id: &str) -> Option<UserGrant> {
    user_grants::get(&mut bench.store.read().await.unwrap(), id)
        .await
        .unwrap()
}

both_databases! {
    async fn every_column_of_a_user_grant_comes_back_as_it_was_stored(bench: Bench) {
        people(bench).await;
        bench.insert_api(&Api { system: Some(SystemApi::Mfa), ..api("f", MFA) }).await;
        for stored in [
            UserGrant { scopes: ["read", "write:\u{fc}"].into_iter().collect(), expires_at: Some(i64::MAX), ..grant("1", "app", Some(ORDERS)) },
            UserGrant { created_at: i64::MIN, updated_at: i64::MAX, ..grant(ODD, "app", Some(STOCK)) },
            UserGrant { expires_at: Some(0), ..grant("3", "app", None) },
            grant("4", "app", Some(("f", MFA))),
        ] {
            keep(bench, &stored).await;
            assert_eq!(get(bench, &stored.id).await, Some(stored));
        }
        assert_eq!(get(bench, "unknown").await, None);
    }

    async fn what_is_consented_to_anew_takes_the_place_of_what_was_there(bench: Bench) {
        people(bench).await;
        for api in [Some(ORDERS), None] {
            let first = UserGrant { expires_at: Some(NOW + 1), ..grant(api.map_or("u", |_| "o"), "app", api) };
            keep(bench, &first).await;
            let again = UserGrant {
                scopes: ["write"].into_iter().collect(),
                updated_at: NOW + 9,
                created_at: NOW + 9,
                ..grant("another id", "app", api)
            };
            keep(bench, &again).await;
            assert_eq!(get(bench, "another id").await, None);
            let kept = UserGrant { id: first.id.clone(), created_at: NOW, ..again };
            assert_eq!(get(bench, &first.id).await, Some(kept));
        }
        keep(bench, &grant("other", "other app", Some(ORDERS))).await;
        let mut conn = bench.store.read().await.unwrap();
        let of_user = user_grants::of_user_at(&mut conn, "auth0|app", "app").await.unwrap();
        assert_eq!(of_user.iter().map(|one| one.id.as_str()).collect::<String>(), "ou");
        assert_eq!(user_grants::of_user_at(&mut conn, "auth0|app", "other app").await.unwrap(), []);
    }

    async fn a_consent_holds_what_is_there_and_sees_what_another_has_kept(bench: Bench) {
        people(bench).await;
        for api in [Some(ORDERS), None] {
            let id = api.map_or("u", |_| "o");
            let first = UserGrant { expires_at: Some(NOW + 1), ..grant(id, "app", api) };
            let anew = UserGrant { scopes: ["write"].into_iter().collect(), created_at: NOW + 9, updated_at: NOW + 9, ..grant("another", "app", api) };
            for (held, there) in [(&first, &first), (&anew, &first)] {
                let found = bench.write(async |tx| user_grants::hold(tx, held).await).await.unwrap();
                assert_eq!(found.as_ref(), Some(there));
                assert_eq!(get(bench, id).await.as_ref(), Some(there));
            }
        }
    }

    async fn nothing_is_held_for_who_or_what_is_gone(bench: Bench) {
        people(bench).await;
        let there = grant("g", "app", Some(ORDERS));
        for gone in [
            UserGrant { user_id: "auth0|nobody".into(), ..there.clone() },
            UserGrant { client_id: "nothing".into(), ..there.clone() },
            UserGrant { api_id: Some("no API".into()), ..there.clone() },
        ] {
            assert_eq!(bench.write(async |tx| user_grants::hold(tx, &gone).await).await.unwrap(), None);
        }
        assert!(bench.write(async |tx| user_grants::hold(tx, &there).await).await.unwrap().is_some());
    }

    async fn a_grants_end_is_set_and_cleared_and_the_grant_removed(bench: Bench) {
        people(bench).await;
        keep(bench, &grant("g", "app", Some(ORDERS))).await;
        for end in [Some(NOW + 60), None] {
            assert!(bench.write(async |tx| user_grants::set_end(tx, "g", end, NOW + 5).await).await.unwrap());
            let wanted = UserGrant { expires_at: end, updated_at: NOW + 5, ..grant("g", "app", Some(ORDERS)) };
            assert_eq!(get(bench, "g").await, Some(wanted));
        }
        assert!(bench.write(async |tx| user_grants::lock(tx, "g").await).await.unwrap());
        for is_there in [true, false] {
            assert_eq!(bench.write(async |tx| user_grants::delete(tx, "g").await).await.unwrap(), is_there);
        }
        assert!(!bench.write(async |tx| user_grants::lock(tx, "g").await).await.unwrap());
        assert!(!bench.write(async |tx| user_grants::set_end(tx, "g", None, NOW).await).await.unwrap());
    }

    async fn a_page_of_user_grants_is_narrowed_and_goes_by_age_and_then_by_id(bench: Bench) {
        people(bench).await;
        for (id, client_id, api, created_at) in [
            ("c", "app", Some(ORDERS), NOW),
            ("a", "app", Some(STOCK), NOW + 1),
            ("b", "app", None, NOW),
            ("d", "other app", Some(ORDERS), NOW - 1),
        ] {
            keep(bench, &UserGrant { created_at, ..grant(id, client_id, api) }).await;
        }
        let all = Filter::default();
        let of_user = Filter { user_id: Some("auth0|app".into()), ..all.clone() };
        let of_app = Filter { client_id: Some("other app".into()), ..all.clone() };
        let at_orders = Filter { place: Some(ORDERS.0.into()), ..all.clone() };
        let at_none = Filter { place: Some(String::new()), ..all.clone() };
        let nothing = Filter { user_id: Some("nobody".into()), ..all.clone() };
        let behind = |at, id: &str| PageStart::Behind { created_at: at, id: id.to_owned() };
        let mut conn = bench.store.read().await.unwrap();
        for (filter, from, rows_max, expected, total) in [
            (&all, PageStart::Offset(0), 10, "dbca", 4),
            (&all, PageStart::Offset(1), 2, "bc", 4),
            (&all, behind(NOW, "b"), 10, "ca", 4),
            (&of_user, PageStart::Offset(0), 10, "bca", 3),
            (&of_app, PageStart::Offset(0), 10, "d", 1),
            (&at_orders, PageStart::Offset(0), 10, "dc", 2),
            (&at_none, PageStart::Offset(0), 10, "b", 1),
            (&nothing, PageStart::Offset(0), 10, "", 0),
        ] {
            let page = user_grants::list(&mut conn, filter, &from, rows_max).await.unwrap();
            let ids: String = page.iter().map(|one| one.id.as_str()).collect();
            let counted = user_grants::count(&mut conn, filter).await.unwrap();
            assert_eq!((ids.as_str(), counted), (expected, total), "{filter:?} {from:?}");
        }
    }
}
