//! `store::user_lists`

use grantor::model::user::{User, word};
use grantor::store::user_lists;
use grantor::store::user_lists::{Clause, Number, Range, SORTS, Search, Sort};
use serde_json::json;

use super::{Bench, NOW, ODD, both_databases, user};

/// Four users, each of whom differs in every member.
async fn seed(bench: &Bench) {
    let metadata = |value: serde_json::Value| value.as_object().cloned().unwrap_or_default();
    for one in [
        User {
            name: Some("Ann Bell".into()),
            given_name: Some("Ann".into()),
            family_name: Some("Bell".into()),
            logins_count: 3,
            last_login: Some(NOW + 30),
            app_metadata: metadata(json!({ "plan": "gold", "roles": ["a", "b"] })),
            ..user("a")
        },
        User {
            name: Some("Bob".into()),
            username: Some("zed".into()),
            blocked: true,
            created_at: NOW - 5,
            ..user("b")
        },
        User {
            name: Some(ODD.into()),
            username: Some("cee".into()),
            updated_at: NOW + 9,
            created_at: NOW + 5,
            ..user("c")
        },
        User {
            logins_count: 1,
            last_login: Some(NOW + 10),
            app_metadata: metadata(json!({ "plan": "silver" })),
            ..user("d")
        },
    ] {
        bench.insert_user(&one).await;
    }
}

fn line(name: &str, value: &str) -> String {
    format!("\n{}\n", word(name, value))
}

fn clause(any_of: &[String], wanted: bool) -> Clause {
    Clause {
        any_of: any_of.to_vec(),
        wanted,
    }
}

fn found(users: &[User]) -> String {
    users.iter().map(User::own_id).collect()
}

both_databases! {
    async fn a_search_finds_who_passes_every_clause_and_range(bench: Bench) {
        seed(bench).await;
        let clauses = |clauses: &[Clause]| Search { clauses: clauses.to_vec(), ranges: Vec::new() };
        let ranges = |ranges: &[(Number, i64, i64)]| Search {
            clauses: Vec::new(),
            ranges: ranges.iter().map(|&(of, from, until)| Range { of, from, until }).collect(),
        };
        let email = |own: &str| line("email", own);
        for (search, expected) in [
            (Search::default(), "badc"),
            (clauses(&[clause(&[email("A@A.example")], true)]), "a"),
            (clauses(&[clause(&[email("none@a.example")], true)]), ""),
            (clauses(&[clause(&[email("a@a.example")], false)]), "bdc"),
            (clauses(&[clause(&[email("a@a.example"), line("name", "BOB"), line("username", "cee")], true)]), "bac"),
            (clauses(&[clause(&[email("a@a.example"), line("name", "Bob")], false)]), "dc"),
            (clauses(&[clause(&[line("name", ODD)], true)]), "c"),
            (clauses(&[clause(&["\nusername:".into()], true)]), "bc"),
            (clauses(&[clause(&["\nusername:".into()], false)]), "ad"),
            (clauses(&[clause(&["\nname:b".into()], true)]), "b"),
            (clauses(&[clause(&[line("app_metadata.plan", "gold")], true)]), "a"),
            (clauses(&[clause(&[line("app_metadata.roles", "b")], true), clause(&["bell".into()], true)]), "a"),
            (clauses(&[clause(&[line("blocked", "true")], true)]), "b"),
            (clauses(&[clause(&["%".into()], true)]), "c"),
            (clauses(&[clause(&["\nemail:".into()], true), clause(&["x"].map(str::to_owned), true), clause(&[], true)]), "badc"),
            (ranges(&[(Number::CreatedAt, NOW, NOW + 5)]), "ad"),
            (ranges(&[(Number::LastLogin, i64::MIN, i64::MAX)]), "ad"),
            (ranges(&[(Number::LoginsCount, 3, 4)]), "a"),
            (ranges(&[(Number::UpdatedAt, NOW + 1, i64::MAX), (Number::CreatedAt, NOW, i64::MAX)]), "c"),
            (ranges(&[(Number::LoginsCount, 4, 4)]), ""),
        ] {
            let mut conn = bench.store.read().await.unwrap();
            let users = user_lists::list(&mut conn, &search, None, (0, 10)).await.unwrap();
            assert_eq!(found(&users), expected, "{search:?}");
            let count = user_lists::count(&mut conn, &search).await.unwrap();
            assert_eq!(usize::try_from(count), Ok(users.len()), "{search:?}");
        }
    }

    async fn a_list_is_sorted_and_paged(bench: Bench) {
        seed(bench).await;
        let list = async |sort, page| {
            let mut conn = bench.store.read().await.unwrap();
            found(&user_lists::list(&mut conn, &Search::default(), sort, page).await.unwrap())
        };
        for (by, expected) in [
            ("created_at", "badc"),
            ("last_login", "bcda"),
            ("logins_count", "bcda"),
            ("email", "abcd"),
            ("username", "adcb"),
            ("given_name", "bdca"),
            ("user_id", "abcd"),
        ] {
            assert!(SORTS.contains(&by));
            assert_eq!(list(Some(Sort { by, is_descending: false }), (0, 10)).await, expected, "{by}");
            let reversed: String = expected.chars().rev().collect();
            assert_eq!(list(Some(Sort { by, is_descending: true }), (0, 10)).await, reversed, "{by}");
        }
        assert_eq!(list(None, (1, 2)).await, "ad");
        assert_eq!(list(None, (4, 2)).await, "");
        assert_eq!(list(Some(Sort { by: "email", is_descending: true }), (1, 2)).await, "cb");
    }
}
