//! `GET /api/v2/users` and `/users-by-email`: search, order and pages.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::both_stores;
use crate::manage_users::{CONNECTION, create};

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The own ids of a list.
fn ids(list: &Value) -> String {
    let users = list.as_array().or(list["users"].as_array()).unwrap().iter();
    let own = users.map(|user| user["identities"][0]["user_id"].as_str().unwrap());
    own.collect()
}

async fn seed(desk: &Desk<'_>) {
    for fields in [
        json!({ "user_id": "a", "email": "Ann@A.example", "name": "Ann Bell", "given_name": "Ann", "app_metadata": { "plan": "Gold", "roles": ["x", "y"] } }),
        json!({ "user_id": "b", "email": "bob@b.example", "username": "bobby", "blocked": true, "phone_number": "+4179" }),
        json!({ "user_id": "c", "username": "Cé", "name": "Ann Dee", "user_metadata": { "deep": { "er": 7 } } }),
    ] {
        create(desk, fields).await;
    }
}

both_stores! {
    async fn a_search_finds_who_passes_every_test(world: World) {
        let desk = Desk::open(&world.node).await;
        seed(&desk).await;
        for (q, expected) in [
            ("", "abc"),
            ("*", "abc"),
            (r#"email:"ann@a.EXAMPLE""#, "a"),
            ("email:ann@a.example", "a"),
            ("name:\"ann bell\"", "a"),
            ("name:ann*", "ac"),
            ("name:ann* -given_name:ann", "c"),
            ("username:*", "bc"),
            ("NOT username:*", "a"),
            ("username:CÉ", "c"),
            ("user_id:auth0|b", "b"),
            ("blocked:true", "b"),
            ("blocked:false AND name:ann*", "ac"),
            ("blocked:(TRUE OR false)", "abc"),
            ("blocked:*", "abc"),
            ("name:\\*x OR user_id:\"auth0|a\"", "a"),
            ("name:\"*x\" OR name:\"[a\"", ""),
            ("app_metadata.plan:gold", "a"),
            ("app_metadata.roles:y", "a"),
            ("user_metadata.deep:*", "c"),
            ("user_metadata.deep.er:7", "c"),
            ("username:bobby OR email:\"ann@a.example\"", "ab"),
            ("email:(\"ann@a.example\" OR \"bob@b.example\")", "ab"),
            ("\"Ann Dee\"", "c"),
            ("bob*", "b"),
            ("phone_number:\"+4179\"", "b"),
            ("logins_count:0", "abc"),
            ("logins_count:>0", ""),
            ("last_login:[* TO *]", ""),
            (&format!("identities.connection:\"{CONNECTION}\""), "abc"),
        ] {
            let path = format!("/users?q={}&sort=user_id:1", encoded(q));
            assert_eq!(ids(&desk.shown(&path).await), expected, "{q}");
        }
        for (q, says) in [
            ("email.domain:\"a.example\"", "there are user_id, email"),
            ("(name:a)", "behind a field"),
            ("name:a OR logins_count:1", "OR joins"),
            (&"x ".repeat(9), "at most 8 tests"),
            ("email:*a.example", "at the end"),
            ("email:*example*", "at the end"),
            ("*a.example", "at the end"),
            ("blocked:1", "true or false"),
            ("email_verified:maybe", "true or false"),
            ("phone_verified:(true OR no)", "true or false"),
            ("blocked:t*", "true or false"),
            ("email:[a TO b]", "ranges are for"),
            ("name:{a TO *}", "ranges are for"),
            ("app_metadata.level:>=3", "ranges are for"),
            ("email:a?b", "double quotes"),
            ("name:/joh?n/", "double quotes"),
            ("name:jon~", "double quotes"),
        ] {
            let answer = desk.get(&format!("/users?q={}", encoded(q))).await;
            let message = answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string").text("message");
            assert!(message.contains(says), "{q}: {message}");
        }
        for wrong in ["search_engine=v2", "sort=nonsense:1", "sort=email:2", "sort=email", "primary_order=true"] {
            desk.get(&format!("/users?{wrong}")).await.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        }
    }

    async fn a_list_is_sorted_paged_and_counted(world: World) {
        let desk = Desk::open(&world.node).await;
        seed(&desk).await;
        for (query, expected) in [
            ("sort=user_id:-1", "cba"),
            ("sort=email:1", "cab"),
            ("sort=user_id:1&per_page=2&page=1", "c"),
            ("sort=user_id:1&per_page=2&page=2", ""),
            ("sort=user_id:1&connection=Username-Password-Authentication", "abc"),
            ("connection=sms", ""),
            ("search_engine=v3&sort=user_id:1", "abc"),
        ] {
            assert_eq!(ids(&desk.shown(&format!("/users?{query}")).await), expected, "{query}");
        }
        let page = desk.shown("/users?include_totals=true&per_page=1&page=1&sort=user_id:1&fields=user_id").await;
        assert_eq!(page, json!({ "start": 1, "limit": 1, "length": 1, "total": 3, "users": [{ "user_id": "auth0|b" }] }));
        let page = desk.shown(&format!("/users?include_totals=true&q={}", encoded("name:ann*"))).await;
        assert_eq!((&page["total"], &page["length"]), (&json!(2), &json!(2)));
    }

    async fn users_are_found_by_address_whatever_its_case(world: World) {
        let desk = Desk::open(&world.node).await;
        seed(&desk).await;
        let found = desk.shown("/users-by-email?email=ANN%40a.example&fields=user_id").await;
        assert_eq!(found, json!([{ "user_id": "auth0|a" }]));
        assert_eq!(desk.shown("/users-by-email?email=ann").await, json!([]));
        desk.get("/users-by-email").await.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
    }
}
