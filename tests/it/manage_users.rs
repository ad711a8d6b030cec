//! `/api/v2/users`: creation, change and deletion in Auth0's shape, and what ends with them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Desk, refused};
use crate::harness::{MANAGEMENT, Person, both_stores, exchange, usual};
use crate::held::{ASKED, EVERYTHING, Held, NOTHING};
use crate::shop::{self, ORDERS};

pub(crate) const CONNECTION: &str = "Username-Password-Authentication";
pub(crate) const PASSWORD: &str = "seven tall ladders of bees";

/// A user; the fields lie over connection and password.
pub(crate) async fn create(desk: &Desk<'_>, fields: Value) -> Value {
    let mut body = json!({ "connection": CONNECTION, "password": PASSWORD });
    crate::desk::overlay(&mut body, fields);
    desk.post("/users", body)
        .await
        .expect(StatusCode::CREATED)
        .json
}

pub(crate) fn path(user: &Value) -> String {
    format!("/users/{}", user["user_id"].as_str().unwrap())
}

both_stores! {
    async fn a_minimal_user_shows_exactly_auth0s_members(world: World) {
        let desk = Desk::open(&world.node).await;
        let created = create(&desk, json!({ "email": "Ann@A.example" })).await;
        let mut rest = created.clone();
        let members = rest.as_object_mut().unwrap();
        let id = members.remove("user_id").unwrap();
        let own = id.as_str().and_then(|id| id.strip_prefix("auth0|")).unwrap();
        assert!(own.len() == 24 && own.bytes().all(|byte| byte.is_ascii_hexdigit()), "{own}");
        assert_eq!(members.remove("created_at"), members.remove("updated_at"));
        assert_eq!(rest, json!({
            "email": "Ann@A.example",
            "email_verified": false,
            "name": "Ann@A.example",
            "nickname": "Ann",
            "blocked": false,
            "logins_count": 0,
            "identities": [{ "connection": CONNECTION, "user_id": own, "provider": "auth0", "isSocial": false }],
        }));
        assert_eq!(desk.shown(&path(&created)).await, created);
        let fields = desk.shown(&format!("{}?fields=email,name", path(&created))).await;
        assert_eq!(fields, json!({ "email": "Ann@A.example", "name": "Ann@A.example" }));
    }

    async fn an_id_an_address_and_a_username_are_taken_once(world: World) {
        let desk = Desk::open(&world.node).await;
        let first = create(&desk, json!({ "email": "ann@a.example", "username": "Ann", "user_id": "7" })).await;
        assert_eq!(first["user_id"], "auth0|7");
        for fields in [
            json!({ "email": "ANN@a.example" }),
            json!({ "username": "ann" }),
            json!({ "email": "bob@a.example", "user_id": "7" }),
        ] {
            let mut body = json!({ "connection": CONNECTION, "password": PASSWORD });
            crate::desk::overlay(&mut body, fields);
            let answer = desk.post("/users", body).await.expect_problem(StatusCode::CONFLICT, "auth0_idp_error");
            assert_eq!(answer.text("message"), "The user already exists.");
        }
        let bob = create(&desk, json!({ "email": "bob@a.example", "username": "bob" })).await;
        for (fields, says) in [
            (json!({ "email": "Ann@A.example" }), "The specified new email already exists"),
            (json!({ "username": "ANN" }), "The specified new username already exists"),
        ] {
            let answer = desk.patch(&path(&bob), fields).await.expect_problem(StatusCode::BAD_REQUEST, "auth0_idp_error");
            assert_eq!(answer.text("message"), says);
        }
        assert_eq!(desk.shown(&path(&bob)).await, bob);
    }

    async fn what_a_user_needs_is_named_and_another_connection_is_none(world: World) {
        let desk = Desk::open(&world.node).await;
        refused(desk.post("/users", json!({ "connection": CONNECTION, "email": "a@a.example" })).await, "password");
        refused(desk.post("/users", json!({ "connection": CONNECTION, "password": PASSWORD })).await, "email");
        let body = json!({ "connection": "google-oauth2", "email": "a@a.example", "password": PASSWORD });
        let answer = desk.post("/users", body).await.expect_problem(StatusCode::BAD_REQUEST, "inexistent_connection");
        assert_eq!(answer.text("message"), "The connection does not exist.");
        let user = create(&desk, json!({ "email": "a@a.example" })).await;
        desk.patch(&path(&user), json!({ "connection": "sms" })).await
            .expect_problem(StatusCode::BAD_REQUEST, "inexistent_connection");
        refused(desk.patch(&path(&user), json!({ "email": null })).await, "email");
        for (method, body) in [(Method::GET, None), (Method::PATCH, Some(json!({ "name": "x" })))] {
            let answer = desk.send(method, "/users/auth0%7Cnone", body).await;
            assert_eq!(answer.expect_problem(StatusCode::NOT_FOUND, "inexistent_user").text("message"), "The user does not exist.");
        }
    }

    async fn one_way_to_sign_in_is_changed_at_a_time(world: World) {
        let desk = Desk::open(&world.node).await;
        let user = create(&desk, json!({ "email": "a@a.example", "username": "a" })).await;
        let one_at_a_time = [("email", "b@a.example"), ("phone_number", "+41790000000"), ("username", "b"), ("password", PASSWORD)];
        for (at, (first, one)) in one_at_a_time.iter().enumerate() {
            for (second, other) in &one_at_a_time[at + 1..] {
                let answer = desk.patch(&path(&user), json!({ *first: one, *second: other })).await;
                let answer = answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
                assert!(answer.text("message").contains(&format!("Cannot update {first} and {second} simultaneously")));
            }
        }
        assert_eq!(desk.shown(&path(&user)).await, user);
    }

    async fn metadata_are_merged_at_their_first_level_and_null_takes_away(world: World) {
        let desk = Desk::open(&world.node).await;
        let user = create(&desk, json!({ "email": "a@a.example", "app_metadata": { "plan": "gold", "a": { "b": 1, "c": 2 } } })).await;
        let change = json!({ "app_metadata": { "plan": null, "a": { "b": 3 }, "new": [null] }, "user_metadata": { "x": 1 } });
        let changed = desk.patch(&path(&user), change).await.expect(StatusCode::OK).json;
        assert_eq!(changed["app_metadata"], json!({ "a": { "b": 3 }, "new": [null] }));
        assert_eq!(changed["user_metadata"], json!({ "x": 1 }));
        let half = json!({ "app_metadata": { "half": "x".repeat(40_000) } });
        desk.patch(&path(&user), half).await.expect(StatusCode::OK);
        let other = json!({ "app_metadata": { "other half": "x".repeat(40_000) } });
        refused(desk.patch(&path(&user), other).await, "app_metadata");
    }

    async fn another_address_is_not_verified_because_the_old_one_was(world: World) {
        let desk = Desk::open(&world.node).await;
        let user = create(&desk, json!({ "email": "a@a.example", "email_verified": true, "phone_number": "+41", "phone_verified": true })).await;
        for (change, email_verified, phone_verified) in [
            (json!({ "email": "A@a.example" }), true, true),
            (json!({ "email": "b@a.example" }), false, true),
            (json!({ "email_verified": true }), true, true),
            (json!({ "phone_number": "+42" }), true, false),
        ] {
            let changed = desk.patch(&path(&user), change.clone()).await.expect(StatusCode::OK).json;
            assert_eq!((&changed["email_verified"], &changed["phone_verified"]), (&json!(email_verified), &json!(phone_verified)), "{change}");
        }
    }

    async fn a_change_names_the_state_that_it_was_made_on(world: World) {
        let desk = Desk::open(&world.node).await;
        let user = create(&desk, json!({ "email": "a@a.example" })).await;
        let tag = desk.get(&path(&user)).await.headers["etag"].clone();
        let token = world.node.admin_token().await;
        let change = async |body: Value| {
            let request = world.node.request(Method::PATCH, &format!("/api/v2{}", path(&user)));
            world.node.send(request.bearer_auth(&token).header("if-match", tag.clone()).json(&body)).await
        };
        change(json!({ "name": "Ann" })).await.expect(StatusCode::OK);
        change(json!({ "name": "Bob" })).await.expect_problem(StatusCode::PRECONDITION_FAILED, "precondition_failed");
    }

    async fn each_scope_opens_what_is_its_own(world: World) {
        let desk = Desk::open(&world.node).await;
        let user = create(&desk, json!({ "email": "a@a.example" })).await;
        let of = async |scope: &str| Desk::with_scopes(&world.node, &[scope]).await;
        of("read:users").await.get("/users").await.expect(StatusCode::OK);
        let denied = async |scope: &str, method: Method, body: Value| {
            let answer = of(scope).await.send(method, &path(&user), Some(body)).await;
            answer.expect_problem(StatusCode::FORBIDDEN, "insufficient_scope");
        };
        denied("read:users", Method::PATCH, json!({ "name": "x" })).await;
        denied("update:users", Method::DELETE, json!({})).await;
        denied("delete:users", Method::GET, json!({})).await;
        let metadata = of("update:users_app_metadata").await;
        metadata.patch(&path(&user), json!({ "app_metadata": { "a": 1 } })).await.expect(StatusCode::OK);
        for more in [json!({ "app_metadata": {}, "blocked": true }), json!({ "password": PASSWORD }), json!({ "user_metadata": {} })] {
            denied("update:users_app_metadata", Method::PATCH, more).await;
        }
    }

    async fn a_block_another_password_and_the_end_of_a_user_end_all_that_the_user_holds(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop::open(node, json!({})).await;
        node.change_api(ORDERS, json!({ "max_token_lifetime": -1 })).await.expect(StatusCode::OK);
        let ann = Person::create(node, "ann@a.example").await;
        let of_ann = Held::get(node, &ann, &shop).await;
        for (name, change) in [
            ("blocked", Some(json!({ "blocked": true }))),
            ("password", Some(json!({ "password": PASSWORD }))),
            ("deleted", None),
        ] {
            let ben = Person::create(node, &format!("{name}@a.example")).await;
            let at_work = ben.at_another_browser();
            let (held, elsewhere) = (Held::get(node, &ben, &shop).await, Held::get(node, &at_work, &shop).await);
            let code = ben.code(node, &shop, &[("audience", ORDERS), ("scope", "read")]).await;
            let endless = exchange(node, &shop, &code, &[("validity_period", "-1")]).await.text("access_token");
            let code = ben.code(node, &shop, &ASKED).await;
            let path = format!("/users/{}", ben.id);
            desk.patch(&path, json!({ "name": "Ben" })).await.expect(StatusCode::OK);
            assert_eq!(held.works(node).await, EVERYTHING, "another name ends nothing");
            let seen = node.introspect(&shop, &endless).await;
            assert_eq!((&seen["active"], seen.get("exp")), (&json!(true), None), "{seen}");
            match change {
                Some(change) => desk.patch(&path, change).await.expect(StatusCode::OK),
                None => desk.delete(&path).await.expect(StatusCode::NO_CONTENT),
            };
            for held in [&held, &elsewhere] {
                assert_eq!(held.works(node).await, NOTHING, "{name}");
            }
            assert!(!node.is_active(&shop, &endless).await, "{name}");
            exchange(node, &shop, &code, &[]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        }
        assert_eq!(of_ann.works(node).await, EVERYTHING, "nobody has done anything to her");
    }

    async fn who_is_blocked_cannot_sign_in_and_gets_nothing_back_when_the_block_ends(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@a.example").await;
        let held = Held::get(node, &ann, &shop).await;
        let path = format!("/users/{}", ann.id);
        desk.patch(&path, json!({ "blocked": true })).await.expect(StatusCode::OK);
        let (_, status, html) = ann.authorize(node, &usual(&shop, &[])).await.page();
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(html.contains("This account is blocked."), "{html}");
        desk.patch(&path, json!({ "blocked": false })).await.expect(StatusCode::OK);
        assert_eq!(held.works(node).await, NOTHING);
        assert_eq!(Held::get(node, &ann, &shop).await.works(node).await, EVERYTHING);
    }

    async fn a_user_can_be_deleted_again_and_the_address_is_free(world: World) {
        let desk = Desk::open(&world.node).await;
        let user = create(&desk, json!({ "email": "d@a.example" })).await;
        for _ in 0..2 {
            assert_eq!(desk.delete(&path(&user)).await.status, StatusCode::NO_CONTENT);
        }
        desk.get(&path(&user)).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_user");
        create(&desk, json!({ "email": "d@a.example" })).await;
    }

    async fn the_audit_tells_what_was_done_to_a_user_and_no_password(world: World) {
        let desk = Desk::open(&world.node).await;
        let user = create(&desk, json!({ "email": "a@a.example" })).await;
        let other = create(&desk, json!({ "email": "b@a.example" })).await;
        let new = "eight tall ladders of bees";
        desk.patch(&path(&user), json!({ "password": new })).await.expect(StatusCode::OK);
        desk.patch(&path(&user), json!({ "password": "password" })).await;
        desk.delete(&path(&user)).await;
        let logs = desk.shown(&format!("{}/logs?sort=date:1", path(&user))).await;
        let told: Vec<_> = logs.as_array().unwrap().iter().map(|log| log["description"].as_str().unwrap()).collect();
        assert_eq!(told, ["Create a User", "Update a User and set the password", "Delete a User"]);
        assert!(logs.as_array().unwrap().iter().all(|log| log["user_id"] == user["user_id"]));
        let page = desk.shown(&format!("{}/logs?per_page=1&include_totals=true", path(&other))).await;
        assert_eq!((&page["total"], &page["logs"][0]["description"]), (&json!(1), &json!("Create a User")));
        assert_eq!(desk.shown("/users/auth0%7Cnone/logs").await, json!([]));
        let everything = desk.shown("/logs?per_page=100").await.to_string();
        for secret in [PASSWORD, new, "argon2id"] {
            assert!(!everything.contains(secret), "{secret}");
        }
        let token = world.node.token(&crate::harness::Credentials::admin(), MANAGEMENT).await;
        assert!(!everything.contains(&token));
    }
}
