//! `store::refresh_families`: a row for each family of refresh tokens.

use grantor::model::authorization::Authorization;
use grantor::model::change::Covered;
use grantor::model::described::Described;
use grantor::model::refresh::Family;
use grantor::store::group::Operation;
use grantor::store::refresh_families::{self, Filter, NewFamily};
use grantor::store::{PageStart, applications};

use super::authorizations::{
    ORDERS, STOCK, authorization, begin, family, get, new, people, record, records,
};
use super::group::door;
use super::{Bench, NOW, application, both_databases, odd};

async fn sweep(bench: &Bench, now: i64, rows_max: i64) -> u64 {
    bench
        .write(async |tx| refresh_families::sweep(tx, now, rows_max).await)
        .await
        .unwrap()
}

/// Families of an application, each a second younger than the one before.
async fn some(bench: &Bench, client_id: &str, count: i64) -> Vec<Family> {
    let mut families = Vec::new();
    for n in 0..count {
        let own = family(authorization(client_id, &[ORDERS]), None, NOW + n);
        begin(&door(bench, 10), &own).await;
        families.push(own);
    }
    families
}

fn ids(families: &[Family]) -> Vec<&str> {
    families.iter().map(Family::id).collect()
}

both_databases! {
    async fn a_family_comes_back_as_it_was_stored_whoever_stores_it_again(bench: Bench) {
        people(bench).await;
        for lifetime in [None, Some(60)] {
            let own = family(authorization("app", &[ORDERS, STOCK]), lifetime, NOW);
            for _ in 0..2 {
                begin(&door(bench, 10), &own).await;
            }
            assert_eq!(get(bench, own.id()).await, Some(own));
        }
        assert_eq!(get(bench, "another").await, None);
    }

    async fn the_oldest_family_of_the_user_at_the_application_gives_way_to_a_new_one(bench: Bench) {
        people(bench).await;
        let others = some(bench, "other app", 2).await;
        let own = some(bench, "app", 4).await;
        let youngest = family(authorization("app", &[]), None, NOW + 9);
        let new = NewFamily { families_max: 2, evicted: record("gave way"), ..new(&youngest) };
        for _ in 0..2 {
            // The second run finds it there, and evicts and records nothing again.
            door(bench, 10).commit(Operation::StoreFamily(Box::new(new.clone()))).await.unwrap();
        }
        for gone in &own[..3] {
            assert!(get(bench, gone.id()).await.is_none());
        }
        for left in [&own[3], &youngest, &others[0], &others[1]] {
            assert!(get(bench, left.id()).await.is_some());
        }
        assert_eq!(records(bench, "gave way").await, 3);
    }

    async fn a_list_goes_by_age_and_is_narrowed_by_user_application_and_session(bench: Bench) {
        people(bench).await;
        let own = some(bench, "app", 5).await;
        let other = some(bench, "other app", 2).await;
        let mut conn = bench.store.read().await.unwrap();
        let of = |user: Option<&str>, client: Option<&str>, session: Option<&str>| Filter {
            user_id: user.map(str::to_owned),
            client_id: client.map(str::to_owned),
            session_id: session.map(str::to_owned),
        };
        let first = PageStart::Offset(0);
        for (filter, expected) in [
            (of(Some("auth0|app"), None, None), &own),
            (of(None, Some("other app"), None), &other),
            (of(Some("auth0|app"), Some("app"), Some("session")), &own),
        ] {
            let listed = refresh_families::list(&mut conn, &filter, &first, 10).await.unwrap();
            assert_eq!(ids(&listed), ids(expected));
            let count = refresh_families::count(&mut conn, &filter).await.unwrap();
            assert_eq!(usize::try_from(count).unwrap(), expected.len());
        }
        for none in [of(Some("auth0|app"), Some("other app"), None), of(None, None, Some("another"))] {
            assert_eq!(refresh_families::count(&mut conn, &none).await.unwrap(), 0);
        }
        let filter = of(None, Some("app"), None);
        let page = refresh_families::list(&mut conn, &filter, &PageStart::Offset(1), 2).await.unwrap();
        assert_eq!(ids(&page), ids(&own[1..3]));
        let behind = PageStart::Behind { created_at: page[1].created_at, id: page[1].id().to_owned() };
        let page = refresh_families::list(&mut conn, &filter, &behind, 10).await.unwrap();
        assert_eq!(ids(&page), ids(&own[3..]));
    }

    async fn of_two_that_take_the_lock_the_second_sees_what_the_first_has_written(bench: Bench) {
        people(bench).await;
        let own = some(bench, "app", 1).await.remove(0);
        let add = async |name: &str| bench.write(async |tx| {
            assert!(refresh_families::lock(tx, own.id()).await?);
            let mut metadata = refresh_families::get(tx, own.id()).await?.unwrap().metadata;
            metadata.insert(name.to_owned(), true.into());
            refresh_families::set_metadata(tx, own.id(), &metadata).await
        }).await.unwrap();
        assert_eq!(tokio::join!(add("a"), add("b"), add("c")), (true, true, true));
        assert_eq!(get(bench, own.id()).await.unwrap().metadata.len(), 3);
        assert!(!bench.write(async |tx| refresh_families::lock(tx, "another").await).await.unwrap());
    }

    async fn the_operators_own_is_kept_with_a_family(bench: Bench) {
        people(bench).await;
        let own = some(bench, "app", 1).await.remove(0);
        let metadata = odd().0.into_iter().collect();
        for (id, is_there) in [(own.id(), true), ("another", false)] {
            let locked = bench.write(async |tx| refresh_families::lock(tx, id).await).await;
            assert_eq!(locked.unwrap(), is_there);
            let set = bench.write(async |tx| refresh_families::set_metadata(tx, id, &metadata).await).await;
            assert_eq!(set.unwrap(), is_there);
        }
        assert_eq!(get(bench, own.id()).await.unwrap().metadata, metadata);
    }

    async fn families_end_one_by_one_and_by_what_they_have_in_common(bench: Bench) {
        people(bench).await;
        let own = some(bench, "app", 4).await;
        let other = some(bench, "other app", 1).await;
        for is_first in [true, false] {
            let deleted = bench.write(async |tx| refresh_families::delete(tx, own[0].id()).await).await;
            assert_eq!(deleted.unwrap(), is_first);
        }
        let filter = Filter { client_id: Some("app".into()), ..Filter::default() };
        for expected in [2, 1, 0] {
            let deleted = bench.write(async |tx| refresh_families::delete_all(tx, &filter, 2).await).await;
            assert_eq!(deleted.unwrap(), expected);
        }
        assert!(get(bench, other[0].id()).await.is_some());
        assert_eq!(bench.database.sql().await.number("select count(*) from refresh_family_apis").await, 1);
    }

    async fn the_sweep_takes_what_has_ended_by_its_own_end_or_by_todays_terms(bench: Bench) {
        people(bench).await;
        let fixed = family(authorization("app", &[]), Some(100), NOW);
        let endless = family(authorization("app", &[]), None, NOW);
        for own in [&fixed, &endless] {
            begin(&door(bench, 10), own).await;
        }
        assert_eq!(sweep(bench, NOW + 99, 10).await, 0);
        assert_eq!(sweep(bench, NOW + 100, 10).await, 1);
        assert!(get(bench, endless.id()).await.is_some(), "the application's own never end");
        // Today's terms, as an administrator sets them.
        let set = async |terms: serde_json::Value| {
            let described = Described([("refresh_token".to_owned(), terms)].into_iter().collect());
            let changed = grantor::model::application::Application { described, ..application("app") };
            assert!(bench.write(async |tx| applications::update(tx, &changed).await).await.unwrap());
        };
        let terms = |lifetime: i64, idle: i64| serde_json::json!({
            "rotation_type": "rotating", "expiration_type": "expiring",
            "token_lifetime": lifetime, "idle_token_lifetime": idle,
        });
        set(terms(2000, 1000)).await;
        assert_eq!(sweep(bench, NOW + 999, 10).await, 0);
        assert_eq!(sweep(bench, NOW + 1000, 10).await, 1, "idle");
        begin(&door(bench, 10), &endless).await;
        set(terms(2000, 5000)).await;
        assert_eq!(sweep(bench, NOW + 1999, 10).await, 0);
        assert_eq!(sweep(bench, NOW + 2000, 10).await, 1, "shortened");
        // Public applications' end where nothing is set.
        let public = grantor::model::application::Application {
            token_endpoint_auth_method: Some(grantor::model::application::AuthMethod::None),
            ..application("public")
        };
        bench.insert_application(&public).await;
        let authorization = Authorization { client_id: "public".into(), ..authorization("app", &[]) };
        begin(&door(bench, 10), &family(authorization, None, NOW)).await;
        assert_eq!(sweep(bench, NOW + 1_295_999, 10).await, 0);
        assert_eq!(sweep(bench, NOW + 1_296_000, 10).await, 1);
    }

    async fn a_wholesale_revocation_finds_the_families_that_it_covers(bench: Bench) {
        people(bench).await;
        let orders = some(bench, "app", 2).await;
        let userinfo = family(authorization("app", &[]), None, NOW + 5);
        let other = family(authorization("other app", &[ORDERS, STOCK]), None, NOW);
        for own in [&userinfo, &other] {
            begin(&door(bench, 10), own).await;
        }
        let app = || "app".to_owned();
        let audience = || ORDERS.1.to_owned();
        let of_orders = ids(&orders);
        let of_app = [of_orders.clone(), vec![userinfo.id()]].concat();
        let user_grant = |audience: String| Covered::UserGrant { client_id: app(), audience, user_id: "auth0|app".into() };
        let cases = [
            (Covered::Application(app()), of_app.clone()),
            (Covered::User("auth0|app".into()), of_app.clone()),
            (Covered::All, [of_app, vec![other.id()]].concat()),
            (Covered::Api(audience()), [of_orders.clone(), vec![other.id()]].concat()),
            (Covered::Api(STOCK.1.into()), vec![other.id()]),
            (Covered::ClientGrant { client_id: app(), audience: audience() }, of_orders.clone()),
            (user_grant(audience()), of_orders.clone()),
            (user_grant(format!("{}userinfo", crate::harness::ISSUER)), vec![userinfo.id()]),
            (user_grant(STOCK.1.into()), vec![]),
        ];
        for (covered, mut expected) in cases {
            let mut conn = bench.store.read().await.unwrap();
            let mut found = async |number, rows_max| {
                refresh_families::covered(&mut conn, &covered, number, rows_max).await.unwrap()
            };
            assert!(found(NOW * 1000, 10).await.is_empty(), "{covered:?}: from before it");
            let mut ids = found(NOW * 1000 + 1, 10).await;
            ids.sort();
            expected.sort_unstable();
            assert_eq!(ids, expected, "{covered:?}");
            assert_eq!(found(NOW * 1000 + 1, 1).await.len(), expected.len().min(1));
        }
    }
}
