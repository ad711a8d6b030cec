//! `store::apis`

use grantor::lifetime::{ApiLifetimes, Lifetime, Maximum};
use grantor::model::api::{
    Api, ClientPolicy, Dialect, SigningAlgorithm, SigningSecret, SystemApi, system_scopes,
};
use grantor::model::scope::Scope;
use grantor::store::apis;

use super::{NOW, ODD, api, application, both_databases, expect_defect, grant, odd};
use crate::harness::{MANAGEMENT, MFA};

fn secret(sealed: &str, ends_at: Option<i64>) -> SigningSecret {
    SigningSecret {
        sealed: sealed.into(),
        ends_at,
    }
}

/// Values at the edge of every column.
fn extreme() -> Vec<Api> {
    let scope = |value: &str, description: Option<&str>| Scope {
        value: value.into(),
        description: description.map(Into::into),
    };
    let lifetimes = |token_lifetime, token_lifetime_for_web, max_token_lifetime| ApiLifetimes {
        token_lifetime,
        token_lifetime_for_web,
        max_token_lifetime,
    };
    let plain = |n: usize| api(&format!("id{n}"), &format!("https://api/{n}"));
    let mut all = vec![
        Api {
            name: Some(ODD.into()),
            identifier: format!("urn:{ODD}"),
            scopes: vec![
                scope("read:a", None),
                scope(ODD, Some(ODD)),
                scope("x", Some("")),
            ],
            lifetimes: lifetimes(
                Lifetime::Finite(i64::MAX),
                i64::MAX,
                Maximum::Set(Lifetime::Finite(i64::MAX)),
            ),
            described: odd(),
            created_at: i64::MAX,
            ..plain(0)
        },
        Api {
            name: Some(String::new()),
            lifetimes: lifetimes(Lifetime::Never, 1, Maximum::ImpliedNever),
            allow_offline_access: true,
            created_at: i64::MIN,
            ..plain(1)
        },
        Api {
            lifetimes: lifetimes(Lifetime::Never, 7200, Maximum::Set(Lifetime::Never)),
            skip_consent_for_verifiable_first_party_clients: true,
            client_policy: ClientPolicy::DenyAll,
            ..plain(2)
        },
        Api {
            lifetimes: lifetimes(Lifetime::Finite(1), 1, Maximum::Unset),
            created_at: 0,
            ..plain(3)
        },
    ];
    all.extend(
        SigningAlgorithm::ALL
            .into_iter()
            .zip(100..)
            .map(|(signing_alg, n)| Api {
                signing_alg,
                signing_secret: Some(secret(ODD, (n % 2 == 0).then_some(i64::MAX))),
                ..plain(n)
            }),
    );
    all.extend(Dialect::ALL.into_iter().zip(4..).map(|(dialect, n)| Api {
        token_dialect: Some(dialect),
        ..plain(n)
    }));
    all
}

both_databases! {
    async fn every_column_of_an_api_comes_back_as_it_was_stored(bench: Bench) {
        for api in extreme() {
            bench.insert_api(&api).await;
            let mut conn = bench.store.read().await.unwrap();
            assert_eq!(apis::by_id(&mut conn, &api.id).await.unwrap().as_ref(), Some(&api));
            assert_eq!(apis::by_identifier(&mut conn, &api.identifier).await.unwrap(), Some(api));
        }
    }

    async fn an_update_writes_every_column_that_may_change_and_no_other(bench: Bench) {
        bench.insert_api(&api("id", "https://api/")).await;
        for wanted in extreme() {
            let wanted = Api { id: "id".into(), ..wanted };
            assert!(bench.write(async |tx| apis::update(tx, &wanted).await).await.unwrap());
            let found = apis::by_id(&mut bench.store.read().await.unwrap(), "id").await.unwrap().unwrap();
            let kept = Api { identifier: "https://api/".into(), created_at: NOW, ..wanted };
            assert_eq!(found, kept);
        }
        let gone = api("gone", "https://gone/");
        assert!(!bench.write(async |tx| apis::update(tx, &gone).await).await.unwrap());
        assert!(!bench.write(async |tx| apis::lock(tx, "gone").await).await.unwrap());
        assert!(bench.write(async |tx| apis::lock(tx, "id").await).await.unwrap());
    }

    async fn a_taken_id_identifier_or_system_place_is_said_and_changes_nothing(bench: Bench) {
        let first = api("id", "https://api/");
        bench.insert_api(&first).await;
        let management = Api { system: Some(SystemApi::Management), ..api("m", MANAGEMENT) };
        bench.insert_api(&management).await;
        for taken in [
            Api { name: Some("second".into()), ..api("other", "https://api/") },
            Api { name: Some("second".into()), ..api("id", "https://other/") },
            Api { system: Some(SystemApi::Management), ..api("m2", MANAGEMENT) },
        ] {
            assert!(!bench.write(async |tx| apis::insert(tx, &taken).await).await.unwrap());
        }
        let (all, total) = apis::list(&mut bench.store.read().await.unwrap(), 0, 10).await.unwrap();
        assert_eq!((all.len(), total), (2, 2));
        assert!(all.contains(&first));
    }

    async fn identifiers_are_told_apart_by_case_and_unknown_ones_are_none(bench: Bench) {
        for (id, identifier) in [("1", "https://api/"), ("2", "https://API/"), ("3", "https://api"), ("4", "https://%"), ("5", "é"), ("6", "e\u{301}")] {
            bench.insert_api(&api(id, identifier)).await;
        }
        let mut conn = bench.store.read().await.unwrap();
        for (id, identifier) in [("1", "https://api/"), ("2", "https://API/"), ("3", "https://api"), ("4", "https://%"), ("5", "é"), ("6", "e\u{301}")] {
            assert_eq!(apis::by_identifier(&mut conn, identifier).await.unwrap().unwrap().id, id);
        }
        for unknown in ["", "https://Api/", "https://", "_", "%"] {
            assert_eq!(apis::by_identifier(&mut conn, unknown).await.unwrap(), None, "{unknown}");
            assert_eq!(apis::by_id(&mut conn, unknown).await.unwrap(), None, "{unknown}");
        }
    }

    async fn system_apis_take_identifier_and_scopes_from_the_program_and_stay(bench: Bench) {
        for (system, id, identifier) in [(SystemApi::Management, "m", MANAGEMENT), (SystemApi::Mfa, "f", MFA)] {
            assert_eq!(apis::system(&mut bench.store.read().await.unwrap(), system).await.unwrap(), None);
            let stored = Api { system: Some(system), scopes: system_scopes(system), ..api(id, identifier) };
            bench.insert_api(&stored).await;
            let mut conn = bench.store.read().await.unwrap();
            assert_eq!(apis::system(&mut conn, system).await.unwrap().as_ref(), Some(&stored));
            assert_eq!(apis::by_identifier(&mut conn, identifier).await.unwrap().as_ref(), Some(&stored));
            assert_eq!(apis::by_id(&mut conn, id).await.unwrap().as_ref(), Some(&stored));
            drop(conn);
            // What a caller hands over as scopes of a system API is not stored.
            let other = Api { scopes: Vec::new(), name: Some(ODD.into()), ..stored.clone() };
            assert!(bench.write(async |tx| apis::update(tx, &other).await).await.unwrap());
            assert!(!bench.write(async |tx| apis::delete(tx, id).await).await.unwrap());
            let found = apis::by_id(&mut bench.store.read().await.unwrap(), id).await.unwrap();
            assert_eq!(found, Some(Api { name: Some(ODD.into()), ..stored }));
        }
        let mut conn = bench.store.read().await.unwrap();
        let without_slash = MFA.trim_end_matches('/');
        assert_eq!(apis::by_identifier(&mut conn, without_slash).await.unwrap().unwrap().id, "f");
    }

    async fn a_page_of_apis_goes_by_age_and_then_by_id(bench: Bench) {
        for (id, created_at) in [("c", NOW), ("a", NOW + 1), ("b", NOW), ("d", NOW - 1)] {
            bench.insert_api(&Api { created_at, ..api(id, &format!("https://{id}/")) }).await;
        }
        let mut conn = bench.store.read().await.unwrap();
        for (offset, rows_max, expected) in [(0, 10, "dbca"), (0, 2, "db"), (2, 2, "ca"), (3, 2, "a"), (4, 2, ""), (0, 0, "")] {
            let (page, total) = apis::list(&mut conn, offset, rows_max).await.unwrap();
            let ids: String = page.iter().map(|api| api.id.as_str()).collect();
            assert_eq!((ids.as_str(), total), (expected, 4));
        }
    }

    async fn an_api_that_goes_takes_its_client_grants_along_and_no_others(bench: Bench) {
        let (doomed, other) = (api("doomed", "https://doomed/"), api("other", "https://other/"));
        bench.insert_api(&doomed).await;
        bench.insert_api(&other).await;
        bench.insert_application(&application("app")).await;
        bench.insert_grant(&grant("g1", "app", &doomed)).await;
        bench.insert_grant(&grant("g2", "app", &other)).await;
        assert!(bench.write(async |tx| apis::delete(tx, "doomed").await).await.unwrap());
        assert!(!bench.write(async |tx| apis::delete(tx, "doomed").await).await.unwrap());
        let mut conn = bench.store.read().await.unwrap();
        let left = grantor::store::client_grants::of_application(&mut conn, "app").await.unwrap();
        assert_eq!(left, [grant("g2", "app", &other)]);
    }

    async fn the_algorithms_in_use_are_named_once_each(bench: Bench) {
        for (n, signing_alg) in (0..).zip([SigningAlgorithm::Es256, SigningAlgorithm::Hs256, SigningAlgorithm::Es256]) {
            bench.insert_api(&Api { signing_alg, ..api(&format!("id{n}"), &format!("https://api/{n}")) }).await;
        }
        let mut conn = bench.store.read().await.unwrap();
        assert_eq!(apis::signing_algs(&mut conn).await.unwrap(), ["ES256", "HS256"]);
    }

    async fn secrets_are_read_in_pages_sealed_anew_and_gone_after_their_end(bench: Bench) {
        for (id, own) in [("a", Some(secret("of a", None))), ("b", None), ("c", Some(secret("of c", Some(NOW)))),
            ("d", Some(secret("of d", Some(NOW + 1)))), ("e", Some(secret("of e", Some(NOW - 1))))] {
            bench.insert_api(&Api { signing_secret: own, ..api(id, &format!("https://{id}/")) }).await;
        }
        let page = async |after: &str, rows_max| {
            let mut conn = bench.store.read().await.unwrap();
            let page = apis::page_of_secrets(&mut conn, after, rows_max).await.unwrap();
            page.into_iter().map(|(id, sealed)| format!("{id}: {sealed}")).collect::<Vec<_>>()
        };
        assert_eq!(page("", 2).await, ["a: of a", "c: of c"]);
        assert_eq!(page("c", 2).await, ["d: of d", "e: of e"]);
        assert!(page("e", 2).await.is_empty());
        bench.write(async |tx| {
            apis::reseal_secret(tx, "a", "of a", "anew").await?;
            // One that has been replaced meanwhile stays.
            apis::reseal_secret(tx, "d", "an older one", "anew").await
        }).await.unwrap();
        assert_eq!(page("", 9).await, ["a: anew", "c: of c", "d: of d", "e: of e"]);
        let sweep = async |rows_max| bench.write(async |tx| apis::sweep_secrets(tx, NOW, rows_max).await).await.unwrap();
        assert_eq!((sweep(1).await, sweep(9).await, sweep(9).await), (1, 1, 0));
        assert_eq!(page("", 9).await, ["a: anew", "d: of d"]);
        let found = apis::by_id(&mut bench.store.read().await.unwrap(), "e").await.unwrap().unwrap();
        assert_eq!(found, api("e", "https://e/"));
    }

    async fn the_schema_refuses_an_api_that_no_program_may_store(bench: Bench) {
        let lifetimes = api("id", "https://api/").lifetimes;
        for wrong in [ApiLifetimes { token_lifetime: Lifetime::Finite(0), ..lifetimes },
            ApiLifetimes { token_lifetime_for_web: 0, ..lifetimes },
            ApiLifetimes { max_token_lifetime: Maximum::Set(Lifetime::Finite(0)), ..lifetimes }] {
            let wrong = Api { lifetimes: wrong, ..api("id", "https://api/") };
            expect_defect(bench.write(async |tx| apis::insert(tx, &wrong).await).await);
        }
        bench.insert_api(&api("id", "https://api/")).await;
        let mut sql = bench.database.sql().await;
        for wrong in ["system = 'third'", "system = 'mfa'", "identifier = null", "signing_alg = null", "client_policy = 'none'",
            "max_is_implied = true, max_token_lifetime = -1", "token_lifetime = null", "signing_secret_ends_at = 1"] {
            assert!(sql.run(&format!("update apis set {wrong} where id = 'id'")).await.is_err(), "{wrong}");
        }
        let (all, _) = apis::list(&mut bench.store.read().await.unwrap(), 0, 10).await.unwrap();
        assert_eq!(all, [api("id", "https://api/")]);
        // Whoever knew it could make tokens for the system API.
        let management = Api { system: Some(SystemApi::Management), signing_secret: Some(secret("s", None)), ..api("m", MANAGEMENT) };
        expect_defect(bench.write(async |tx| apis::insert(tx, &management).await).await);
    }
}
