//! `store::applications`

use grantor::lifetime::{ApplicationLifetimes, Lifetime};
use grantor::model::api::{Api, SystemApi};
use grantor::model::application::{Application, ApplicationSecret, AuthMethod, Verifier};
use grantor::model::client_grant::{ClientGrant, SubjectType};
use grantor::model::described::Described;
use grantor::store::applications::Filter;
use grantor::store::{PageStart, applications, client_credentials};

use super::{Bench, NOW, ODD, api, application, both_databases, expect_defect, grant, odd, secret};
use crate::harness::MANAGEMENT;

/// Values at the edge of every column.
fn extreme() -> Vec<Application> {
    let lifetimes = |application, user| ApplicationLifetimes { application, user };
    let mut all = vec![
        Application {
            name: ODD.into(),
            app_type: Some(ODD.into()),
            grant_types: vec!["client_credentials".into(), ODD.into(), String::new()],
            resource_server_identifier: Some(ODD.into()),
            lifetimes: lifetimes(Some(Lifetime::Never), Some(Lifetime::Finite(i64::MAX))),
            expires_at: Some(i64::MAX),
            created_at: i64::MAX,
            is_first_party: false,
            described: odd(),
            ..application("0")
        },
        Application {
            name: String::new(),
            lifetimes: lifetimes(Some(Lifetime::Finite(1)), None),
            expires_at: Some(0),
            created_at: i64::MIN,
            ..application("1")
        },
        Application {
            lifetimes: lifetimes(None, Some(Lifetime::Never)),
            ..application("2")
        },
    ];
    all.extend(AuthMethod::ALL.into_iter().map(|method| Application {
        token_endpoint_auth_method: Some(method),
        ..application(method.as_str())
    }));
    all
}

/// An application as text, so that all of it can be compared: a slow verifier's memory is none of it.
fn shown(application: &Application) -> String {
    format!("{application:?}")
}

async fn get(bench: &Bench, client_id: &str) -> Option<Application> {
    applications::get(&mut bench.store.read().await.unwrap(), client_id)
        .await
        .unwrap()
}

async fn secret_ids(bench: &Bench, client_id: &str) -> Vec<(String, Option<i64>)> {
    let found = get(bench, client_id).await.unwrap();
    let id_and_end = |secret: ApplicationSecret| (secret.id, secret.expires_at);
    found.secrets.into_iter().map(id_and_end).collect()
}

fn of_types(app_types: Option<&str>) -> Filter {
    Filter {
        app_types: app_types.map(Into::into),
        ..Filter::default()
    }
}

async fn ids(bench: &Bench, filter: &Filter, from: PageStart, rows_max: i64) -> String {
    let mut conn = bench.store.read().await.unwrap();
    let page = applications::list(&mut conn, filter, &from, rows_max).await;
    page.unwrap()
        .iter()
        .map(|own| own.client_id.as_str())
        .collect()
}

both_databases! {
    async fn every_column_of_an_application_and_its_secrets_comes_back_as_it_was_stored(bench: Bench) {
        for mut stored in extreme() {
            let id = stored.client_id.clone();
            let slow = Verifier::Slow { phc: format!("$argon2id${ODD}"), matched: std::sync::OnceLock::new() };
            stored.secrets = vec![
                secret(&format!("{id}b"), None, i64::MIN),
                secret(&format!("{id}c"), Some(i64::MAX), NOW),
                ApplicationSecret { verifier: slow, ..secret(&format!("{id}d"), Some(0), NOW) },
                secret(&format!("{id}a"), None, i64::MAX),
            ];
            bench.insert_application(&stored).await;
            assert_eq!(shown(&get(bench, &id).await.unwrap()), shown(&stored));
        }
        for unknown in ["", "NONE", "nobody"] {
            assert!(get(bench, unknown).await.is_none(), "{unknown}");
        }
    }

    async fn an_update_writes_every_column_that_may_change_and_no_other(bench: Bench) {
        let first = Application { secrets: vec![secret("s", None, NOW)], ..application("app") };
        bench.insert_application(&first).await;
        for wanted in extreme() {
            let wanted = Application { client_id: "app".into(), secrets: Vec::new(), ..wanted };
            assert!(bench.write(async |tx| applications::update(tx, &wanted).await).await.unwrap());
            let kept = Application { created_at: NOW, secrets: first.secrets.clone(), ..wanted };
            assert_eq!(shown(&get(bench, "app").await.unwrap()), shown(&kept));
        }
        assert!(!bench.write(async |tx| applications::update(tx, &application("gone")).await).await.unwrap());
        assert!(!bench.write(async |tx| applications::lock(tx, "gone").await).await.unwrap());
        assert!(bench.write(async |tx| applications::lock(tx, "app").await).await.unwrap());
    }

    async fn a_taken_client_id_is_said_and_changes_nothing(bench: Bench) {
        bench.insert_application(&application("app")).await;
        let second = Application { name: "second".into(), secrets: vec![secret("s", None, NOW)], ..application("app") };
        assert!(!bench.write(async |tx| applications::insert(tx, &second).await).await.unwrap());
        assert_eq!(shown(&get(bench, "app").await.unwrap()), shown(&application("app")));
        bench.insert_application(&application("APP")).await;
    }

    async fn an_application_that_goes_takes_its_secrets_and_client_grants_along(bench: Bench) {
        let api = api("api", "https://api/");
        bench.insert_api(&api).await;
        for id in ["doomed", "other"] {
            let with_secret = Application { secrets: vec![secret(&format!("s-{id}"), None, NOW)], ..application(id) };
            bench.insert_application(&with_secret).await;
            bench.insert_grant(&grant(&format!("g-{id}"), id, &api)).await;
        }
        assert!(bench.write(async |tx| applications::delete(tx, "doomed").await).await.unwrap());
        assert!(!bench.write(async |tx| applications::delete(tx, "doomed").await).await.unwrap());
        assert!(get(bench, "doomed").await.is_none());
        let mut sql = bench.database.sql().await;
        assert_eq!(sql.number("select count(*) from application_secrets").await, 1);
        assert_eq!(sql.number("select count(*) from client_grants").await, 1);
        assert_eq!(secret_ids(bench, "other").await, [("s-other".to_owned(), None)]);
    }

    async fn secrets_end_no_later_than_told_and_those_that_have_ended_go(bench: Bench) {
        let secrets = vec![secret("ended", Some(NOW), NOW - 9), secret("soon", Some(NOW + 10), NOW - 8),
            secret("late", Some(NOW + 1000), NOW - 7), secret("open", None, NOW - 6)];
        bench.insert_application(&Application { secrets, ..application("app") }).await;
        bench.insert_application(&Application { secrets: vec![secret("not its", None, NOW)], ..application("other") }).await;
        let end = async |end| bench.write(async |tx| applications::end_secrets(tx, "app", end, NOW).await).await.unwrap();
        end(NOW + 100).await;
        let with_grace = [("soon", NOW + 10), ("late", NOW + 100), ("open", NOW + 100)];
        assert_eq!(secret_ids(bench, "app").await, with_grace.map(|(id, end)| (id.to_owned(), Some(end))));
        bench.write(async |tx| applications::insert_secret(tx, "app", &secret("new", None, NOW)).await).await.unwrap();
        assert_eq!(secret_ids(bench, "app").await.len(), 4);
        end(NOW).await;
        assert_eq!(secret_ids(bench, "app").await, []);
        assert_eq!(secret_ids(bench, "other").await, [("not its".to_owned(), None)]);
    }

    async fn a_secret_of_nobody_a_second_one_of_an_id_and_an_unknown_scheme_are_refused(bench: Bench) {
        bench.insert_application(&application("app")).await;
        let insert = async |client_id: &str| {
            bench.write(async |tx| applications::insert_secret(tx, client_id, &secret("s", None, NOW)).await).await
        };
        expect_defect(insert("nobody").await);
        insert("app").await.unwrap();
        expect_defect(insert("app").await);
        let mut sql = bench.database.sql().await;
        assert!(sql.run("update application_secrets set scheme = 'plain'").await.is_err());
        for wrong in ["token_endpoint_auth_method = 'private_key_jwt'", "application_token_lifetime = 0", "user_token_lifetime = 0", "name = null"] {
            assert!(sql.run(&format!("update applications set {wrong}")).await.is_err(), "{wrong}");
        }
        let zero = ApplicationLifetimes { application: Some(Lifetime::Finite(0)), user: None };
        let wrong = Application { lifetimes: zero, ..application("zero") };
        expect_defect(bench.write(async |tx| applications::insert(tx, &wrong).await).await);
        assert!(get(bench, "zero").await.is_none());
    }

    async fn a_page_of_applications_goes_by_age_and_then_by_id_from_either_kind_of_beginning(bench: Bench) {
        for (id, created_at, app_type) in [("c", NOW, Some("spa")), ("a", NOW + 1, None), ("b", NOW, None), ("d", NOW - 1, Some("spa")), ("e", i64::MAX, Some("SPA"))] {
            let app_type = app_type.map(Into::into);
            let with_secret = vec![secret(id, None, NOW)];
            bench.insert_application(&Application { created_at, app_type, secrets: with_secret, ..application(id) }).await;
        }
        let behind = |at, id: &str| PageStart::Behind { created_at: at, id: id.to_owned() };
        for (app_type, from, rows_max, expected) in [
            (None, PageStart::Offset(0), 10, "dbcae"),
            (None, PageStart::Offset(1), 2, "bc"),
            (None, PageStart::Offset(5), 2, ""),
            (Some("spa"), PageStart::Offset(0), 10, "dc"),
            (Some("spa"), PageStart::Offset(1), 10, "c"),
            (Some("none such"), PageStart::Offset(0), 10, ""),
            (None, behind(NOW - 1, "d"), 2, "bc"),
            (None, behind(NOW, "b"), 10, "cae"),
            (None, behind(NOW, "bb"), 10, "cae"),
            (None, behind(NOW, "c"), 0, ""),
            (None, behind(i64::MAX, "e"), 10, ""),
            (Some("spa"), behind(NOW, "b"), 10, "c"),
        ] {
            assert_eq!(ids(bench, &of_types(app_type), from.clone(), rows_max).await, expected, "{app_type:?} {from:?} {rows_max}");
        }
        let mut conn = bench.store.read().await.unwrap();
        for (app_type, expected) in [(None, 5), (Some("spa"), 2), (Some("SPA"), 1), (Some(""), 0)] {
            assert_eq!(applications::count(&mut conn, &of_types(app_type)).await.unwrap(), expected);
        }
        let listed = applications::list(&mut conn, &Filter::default(), &PageStart::Offset(0), 10).await.unwrap();
        assert!(listed.iter().all(|one| one.secrets.is_empty()), "a list holds no secrets");
    }

    async fn a_list_is_narrowed_by_kind_owner_and_name(bench: Bench) {
        for (id, name, is_first_party) in [("a", "Shop", true), ("b", "Shop two", false), ("c", ODD, true), ("d", "shop", true)] {
            let name = name.to_owned();
            bench.insert_application(&Application { name, is_first_party, ..application(id) }).await;
        }
        let name = |name: &str| Filter { name: Some(name.into()), ..Filter::default() };
        let start = |start: &str| Filter { name_start: Some(start.into()), ..Filter::default() };
        let owner = |own| Filter { is_first_party: Some(own), ..Filter::default() };
        for (filter, expected) in [
            (Filter::default(), "abcd"),
            (name("Shop"), "a"),
            (name(ODD), "c"),
            (name(""), ""),
            (start("Sho"), "ab"),
            (start("Shop "), "b"),
            (start("%"), ""),
            (start("Ünï"), "c"),
            (owner(true), "acd"),
            (owner(false), "b"),
            (Filter { is_first_party: Some(true), ..start("S") }, "a"),
            (Filter { app_types: Some("spa".into()), ..name("Shop") }, ""),
        ] {
            assert_eq!(ids(bench, &filter, PageStart::Offset(0), 10).await, expected, "{filter:?}");
            let mut conn = bench.store.read().await.unwrap();
            let count = applications::count(&mut conn, &filter).await.unwrap();
            assert_eq!(usize::try_from(count), Ok(expected.len()), "{filter:?}");
        }
    }

    async fn the_origins_of_all_applications_are_those_that_are_stored_last(bench: Bench) {
        let listing = |id: &str, urls: &[&str]| {
            let described = Described([("web_origins".to_owned(), urls.into())].into_iter().collect());
            Application { described, ..application(id) }
        };
        let all = async || {
            let mut conn = bench.store.read().await.unwrap();
            let mut all = applications::all_web_origins(&mut conn).await.unwrap();
            all.sort();
            all
        };
        assert_eq!(all().await, [""; 0]);
        bench.insert_application(&listing("a", &["https://a.example/", "https://{x}.example"])).await;
        bench.insert_application(&listing("b", &["https://b.example"])).await;
        assert_eq!(all().await, ["https://a.example", "https://b.example"]);
        let change = async |own: Application| {
            bench.write(async |tx| applications::update(tx, &own).await).await.unwrap();
        };
        change(listing("a", &["https://c.example"])).await;
        change(listing("b", &[])).await;
        assert_eq!(all().await, ["https://c.example"]);
    }

    async fn the_first_administrator_is_the_oldest_that_holds_every_management_scope(bench: Bench) {
        let management = Api { system: Some(SystemApi::Management), ..api("m", MANAGEMENT) };
        let orders = api("o", "https://orders/");
        bench.insert_api(&management).await;
        bench.insert_api(&orders).await;
        let first = async || applications::first_administrator(&mut bench.store.read().await.unwrap(), NOW).await.unwrap();
        let any = async || applications::is_management_granted(&mut bench.store.read().await.unwrap()).await.unwrap();
        for (id, created_at) in [("young", NOW + 5), ("old", NOW), ("older", NOW - 1), ("oldest", NOW - 2)] {
            bench.insert_application(&Application { created_at, ..application(id) }).await;
        }
        bench.insert_grant(&ClientGrant { allow_all_scopes: true, ..grant("g0", "oldest", &orders) }).await;
        assert!(!any().await && first().await.is_none());
        bench.insert_grant(&grant("g1", "oldest", &management)).await;
        assert!(any().await && first().await.is_none());
        let all = |id: &str, client_id: &str| ClientGrant { allow_all_scopes: true, ..grant(id, client_id, &management) };
        bench.insert_grant(&ClientGrant { subject_type: SubjectType::User, ..all("g2", "older") }).await;
        assert_eq!(first().await, None);
        // Those who could not get a token with it are passed over.
        let ended = Some(NOW);
        let none = Some(AuthMethod::None);
        for (id, unable) in [
            ("ended", Application { expires_at: ended, ..application("ended") }),
            ("public", Application { token_endpoint_auth_method: none, ..application("public") }),
            ("other", Application { grant_types: vec!["implicit".into()], ..application("other") }),
        ] {
            bench.insert_application(&Application { created_at: NOW - 9, ..unable }).await;
            bench.insert_grant(&all(&format!("g-{id}"), id)).await;
        }
        bench.insert_grant(&ClientGrant { expires_at: ended, ..all("g2c", "older") }).await;
        assert_eq!(first().await, None);
        bench.insert_grant(&all("g3", "young")).await;
        assert_eq!(first().await.as_deref(), Some("young"));
        bench.insert_grant(&all("g4", "old")).await;
        assert_eq!(first().await.as_deref(), Some("old"));
        // A secret would not open it.
        bench.write(async |tx| client_credentials::attach(tx, "old", Some(&[])).await).await.unwrap();
        assert_eq!(first().await.as_deref(), Some("young"));
    }

    async fn the_algorithms_of_id_tokens_are_those_that_applications_choose(bench: Bench) {
        let choosing = |client_id: &str, alg: &str| {
            let own = serde_json::json!({ "jwt_configuration": { "alg": alg } });
            let described = Described(own.as_object().unwrap().clone());
            Application { described, ..application(client_id) }
        };
        let all = async || {
            let mut conn = bench.store.read().await.unwrap();
            let mut all = applications::id_token_algs(&mut conn).await.unwrap();
            all.sort();
            all
        };
        for one in [application("none"), choosing("a", "ES256"), choosing("b", "PS256"), choosing("c", "PS256"), choosing("d", "HS256")] {
            bench.insert_application(&one).await;
        }
        assert_eq!(all().await, ["ES256", "PS256"]);
        let change = async |own: Application| {
            bench.write(async |tx| applications::update(tx, &own).await).await.unwrap();
        };
        change(choosing("a", "RS512")).await;
        change(application("b")).await;
        change(application("c")).await;
        assert_eq!(all().await, ["RS512"]);
    }
}
