//! `store::client_grants`

use grantor::model::api::{Api, SystemApi};
use grantor::model::client_grant::{ClientGrant, SubjectType};
use grantor::store::PageStart;
use grantor::store::client_grants::{self, Filter};

use super::{Bench, NOW, ODD, api, application, both_databases, expect_defect, grant, odd};
use crate::harness::{MANAGEMENT, MFA};

async fn get(bench: &Bench, id: &str) -> Option<ClientGrant> {
    client_grants::get(&mut bench.store.read().await.unwrap(), id)
        .await
        .unwrap()
}

/// Two applications and two APIs.
async fn furnish(bench: &Bench) -> (Api, Api) {
    let (a, b) = (api("api-a", "https://a/"), api("api-b", "https://b/"));
    for api in [&a, &b] {
        bench.insert_api(api).await;
    }
    for client_id in ["app", "other"] {
        bench.insert_application(&application(client_id)).await;
    }
    (a, b)
}

both_databases! {
    async fn every_column_of_a_client_grant_comes_back_as_it_was_stored(bench: Bench) {
        let (a, b) = furnish(bench).await;
        let management = Api { system: Some(SystemApi::Management), ..api("m", MANAGEMENT) };
        let mfa = Api { system: Some(SystemApi::Mfa), ..api("f", MFA) };
        bench.insert_api(&management).await;
        bench.insert_api(&mfa).await;
        let scopes = vec!["read:a".to_owned(), ODD.to_owned(), String::new()];
        for stored in [
            ClientGrant { scopes, expires_at: Some(i64::MAX), created_at: i64::MAX, ..grant("1", "app", &a) },
            ClientGrant { subject_type: SubjectType::User, expires_at: Some(0), created_at: i64::MIN, ..grant("2", "app", &a) },
            ClientGrant { allow_all_scopes: true, described: odd(), ..grant(ODD, "app", &b) },
            grant("4", "app", &management),
            grant("5", "app", &mfa),
        ] {
            bench.insert_grant(&stored).await;
            assert_eq!(get(bench, &stored.id).await, Some(stored));
        }
        assert_eq!(get(bench, "unknown").await, None);
    }

    async fn an_update_writes_every_column_that_may_change_and_no_other(bench: Bench) {
        let (a, b) = furnish(bench).await;
        bench.insert_grant(&grant("g", "app", &a)).await;
        let wanted = ClientGrant {
            scopes: vec![ODD.into()],
            allow_all_scopes: true,
            expires_at: Some(i64::MAX),
            described: odd(),
            subject_type: SubjectType::User,
            created_at: 0,
            ..grant("g", "other", &b)
        };
        assert!(bench.write(async |tx| client_grants::update(tx, &wanted).await).await.unwrap());
        let kept = ClientGrant { scopes: vec![ODD.into()], allow_all_scopes: true, expires_at: Some(i64::MAX), described: odd(), ..grant("g", "app", &a) };
        assert_eq!(get(bench, "g").await, Some(kept));
        let gone = grant("gone", "app", &a);
        assert!(!bench.write(async |tx| client_grants::update(tx, &gone).await).await.unwrap());
        assert!(!bench.write(async |tx| client_grants::lock(tx, "gone").await).await.unwrap());
        assert!(bench.write(async |tx| client_grants::lock(tx, "g").await).await.unwrap());
        assert!(bench.write(async |tx| client_grants::delete(tx, "g").await).await.unwrap());
        assert!(!bench.write(async |tx| client_grants::delete(tx, "g").await).await.unwrap());
        assert_eq!(get(bench, "g").await, None);
    }

    async fn a_second_grant_of_one_kind_is_said_and_one_of_nobody_or_for_nothing_is_refused(bench: Bench) {
        let (a, _) = furnish(bench).await;
        bench.insert_grant(&grant("g", "app", &a)).await;
        let second = ClientGrant { allow_all_scopes: true, ..grant("g2", "app", &a) };
        assert!(!bench.write(async |tx| client_grants::insert(tx, &second).await).await.unwrap());
        assert_eq!(get(bench, "g").await, Some(grant("g", "app", &a)));
        assert_eq!(get(bench, "g2").await, None);
        bench.insert_grant(&ClientGrant { subject_type: SubjectType::User, ..grant("g3", "app", &a) }).await;
        for wrong in [grant("g4", "nobody", &a), grant("g4", "app", &api("nothing", "https://nothing/")), grant("g", "other", &a)] {
            expect_defect(bench.write(async |tx| client_grants::insert(tx, &wrong).await).await);
        }
        assert_eq!(get(bench, "g4").await, None);
        let mut sql = bench.database.sql().await;
        assert!(sql.run("update client_grants set subject_type = 'everybody'").await.is_err());
    }

    async fn the_grants_of_an_application_are_its_own_oldest_first(bench: Bench) {
        let (a, b) = furnish(bench).await;
        let c = api("api-c", "https://c/");
        bench.insert_api(&c).await;
        for (id, client_id, api, created_at) in [("3", "app", &a, NOW), ("1", "app", &b, NOW + 1), ("2", "app", &c, NOW), ("0", "other", &a, NOW)] {
            bench.insert_grant(&ClientGrant { created_at, ..grant(id, client_id, api) }).await;
        }
        let mut conn = bench.store.read().await.unwrap();
        let found = client_grants::of_application(&mut conn, "app").await.unwrap();
        assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<String>(), "231");
        assert_eq!(client_grants::of_application(&mut conn, "nobody").await.unwrap(), []);
    }

    async fn a_page_of_client_grants_is_narrowed_and_goes_by_age_and_then_by_id(bench: Bench) {
        let (a, b) = furnish(bench).await;
        for (id, client_id, api, subject_type, created_at) in [
            ("c", "app", &a, SubjectType::Client, NOW),
            ("a", "app", &a, SubjectType::User, NOW + 1),
            ("b", "app", &b, SubjectType::Client, NOW),
            ("d", "other", &a, SubjectType::Client, NOW - 1),
        ] {
            bench.insert_grant(&ClientGrant { subject_type, created_at, ..grant(id, client_id, api) }).await;
        }
        let all = Filter::default();
        let of_app = Filter { client_id: Some("app".into()), ..all.clone() };
        let for_a = Filter { api_id: Some("api-a".into()), ..all.clone() };
        let for_users = Filter { subject_type: Some(SubjectType::User), ..all.clone() };
        let narrow = Filter { client_id: Some("app".into()), api_id: Some("api-a".into()), subject_type: Some(SubjectType::Client) };
        let nothing = Filter { client_id: Some("nobody".into()), ..all.clone() };
        let behind = |at, id: &str| PageStart::Behind { created_at: at, id: id.to_owned() };
        let mut conn = bench.store.read().await.unwrap();
        for (filter, from, rows_max, expected, total) in [
            (&all, PageStart::Offset(0), 10, "dbca", 4),
            (&all, PageStart::Offset(1), 2, "bc", 4),
            (&all, behind(NOW, "b"), 1, "c", 4),
            (&all, behind(NOW + 1, "a"), 10, "", 4),
            (&of_app, PageStart::Offset(0), 10, "bca", 3),
            (&of_app, behind(NOW, "b"), 10, "ca", 3),
            (&for_a, PageStart::Offset(0), 10, "dca", 3),
            (&for_users, PageStart::Offset(0), 10, "a", 1),
            (&narrow, PageStart::Offset(0), 10, "c", 1),
            (&nothing, PageStart::Offset(0), 10, "", 0),
        ] {
            let page = client_grants::list(&mut conn, filter, &from, rows_max).await.unwrap();
            let ids: String = page.iter().map(|one| one.id.as_str()).collect();
            let counted = client_grants::count(&mut conn, filter).await.unwrap();
            assert_eq!((ids.as_str(), counted), (expected, total), "{filter:?} {from:?}");
        }
    }
}
