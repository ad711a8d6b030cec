//! `/api/v2/refresh-tokens`, a user's refresh tokens, and `/api/v2/device-credentials`.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::away::{Away, ORDERS, STOCK, rotating};
use crate::desk::{Desk, members, no_nulls, refused};
use crate::harness::{World, both_stores};

/// A refresh token and an access token of a user, a second after the last ones.
async fn tokens(world: &World, away: &Away) -> (String, String) {
    world.clock.advance(1);
    let answer = away.begin(&world.node).await;
    (answer.text("refresh_token"), answer.text("access_token"))
}

/// What a list shows of a user's refresh tokens, oldest first.
async fn listed(desk: &Desk<'_>, away: &Away) -> Vec<Value> {
    let path = format!("/users/{}/refresh-tokens", away.user_id);
    let shown = desk.shown(&path).await;
    shown["tokens"].as_array().expect("tokens").clone()
}

/// The ids of a user's refresh tokens, oldest first.
async fn ids(desk: &Desk<'_>, away: &Away) -> Vec<String> {
    let shown = listed(desk, away).await;
    let ids = shown.iter().map(|one| one["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

both_stores! {
    async fn a_refresh_token_is_shown_in_auth0s_shape_under_one_id_however_often_it_rotates(world: World) {
        let node = &world.node;
        let terms = json!({ "token_lifetime": 5000, "idle_token_lifetime": 1000 });
        let away = Away::new(world, rotating(&terms)).await;
        let (refresh, _) = tokens(world, &away).await;
        let desk = Desk::open(node).await;
        let began = world.clock.now();
        let at = |seconds: i64| json!(grantor::model::instant::to_rfc3339(began + seconds));
        let shown = listed(&desk, &away).await.swap_remove(0);
        no_nulls(&shown);
        assert_eq!(members(&shown), [
            "client_id", "created_at", "device", "expires_at", "id", "idle_expires_at", "resource_servers", "rotating", "user_id",
        ]);
        assert_eq!((&shown["created_at"], &shown["expires_at"], &shown["idle_expires_at"]), (&at(0), &at(5000), &at(1000)));
        assert_eq!(shown["resource_servers"], json!([{ "audience": ORDERS, "scopes": "read write" }]));
        assert_eq!(shown["rotating"], true);
        assert_eq!(shown["device"]["initial_ip"], "127.0.0.1");
        world.clock.advance(500);
        away.next(node, &refresh).await;
        let path = format!("/refresh-tokens/{}", shown["id"].as_str().unwrap());
        let later = desk.shown(&path).await;
        assert_eq!((&later["last_exchanged_at"], &later["idle_expires_at"], &later["expires_at"]), (&at(500), &at(1500), &at(5000)));
        assert!(!desk.get(&path).await.body.contains(&refresh), "never the text");

        // A shortened setting counts at once, and what it has ended is not there.
        away.change(node, rotating(&json!({ "token_lifetime": 600, "idle_token_lifetime": 300 }))).await;
        assert_eq!(desk.shown(&path).await["idle_expires_at"], at(600));
        world.clock.advance(100);
        desk.get(&path).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_refresh_token");
        assert!(listed(&desk, &away).await.is_empty());
    }

    async fn refresh_tokens_are_listed_by_user_and_application_and_paged(world: World) {
        let node = &world.node;
        let away = Away::new(world, json!({})).await;
        let other = away.another(world, json!({})).await;
        for _ in 0..5 {
            tokens(world, &away).await;
        }
        tokens(world, &other).await;
        let desk = Desk::open(node).await;
        let all = ids(&desk, &away).await;
        assert_eq!(all.len(), 5);
        let mut seen = Vec::new();
        let mut from = String::new();
        loop {
            let path = format!("/refresh-tokens?user_id={}&client_id={}&take=2&fields=id{from}", away.user_id, away.app.id);
            let page = desk.shown(&path).await;
            let own = page["refresh_tokens"].as_array().unwrap();
            assert!(own.iter().all(|one| members(one) == ["id"]));
            seen.extend(own.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            from = format!("&from={next}");
        }
        assert_eq!(seen, all);
        let elsewhere = format!("/refresh-tokens?user_id={}&client_id={}", away.user_id, other.app.id);
        assert_eq!(desk.shown(&elsewhere).await, json!({ "refresh_tokens": [] }));
        let total = desk.shown(&format!("/users/{}/refresh-tokens?take=1&include_totals=true", away.user_id)).await;
        assert_eq!((&total["total"], total["tokens"].as_array().unwrap().len()), (&json!(5), 1));
        let missing = desk.get("/refresh-tokens").await;
        missing.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        let unknown = desk.get("/refresh-tokens?user_id=nobody").await;
        unknown.expect_problem(StatusCode::NOT_FOUND, "inexistent_user");
    }

    async fn what_is_kept_of_a_refresh_token_is_set_whole(world: World) {
        let node = &world.node;
        let away = Away::new(world, json!({})).await;
        let (refresh, _) = tokens(world, &away).await;
        let desk = Desk::open(node).await;
        let path = format!("/refresh-tokens/{}", ids(&desk, &away).await[0]);
        let set = desk.patch(&path, json!({ "refresh_token_metadata": { "a": "b" } })).await.expect(StatusCode::OK);
        assert_eq!(set.json["refresh_token_metadata"], json!({ "a": "b" }));
        away.refresh(node, &refresh, &[]).await.expect(StatusCode::OK);
        assert_eq!(desk.shown(&path).await["refresh_token_metadata"], json!({ "a": "b" }), "a use leaves it");
        refused(desk.patch(&path, json!({ "refresh_token_metadata": { "a": 1 } })).await, "refresh_token_metadata.a");
        refused(desk.patch(&path, json!({ "rotating": true })).await, "rotating");
        let cleared = desk.patch(&path, json!({ "refresh_token_metadata": null })).await.expect(StatusCode::OK);
        assert!(cleared.json.get("refresh_token_metadata").is_none());
    }

    async fn revoking_a_refresh_token_ends_its_access_tokens_and_is_recorded(world: World) {
        let node = &world.node;
        let away = Away::new(world, json!({})).await;
        let (gone, of_gone) = tokens(world, &away).await;
        let (left, of_left) = tokens(world, &away).await;
        let desk = Desk::open(node).await;
        let path = format!("/refresh-tokens/{}", ids(&desk, &away).await[0]);
        for _ in 0..2 {
            desk.delete(&path).await.expect(StatusCode::ACCEPTED);
        }
        away.is_refused(node, &gone).await;
        assert!(!node.is_active(&away.app, &of_gone).await);
        assert!(node.is_active(&away.app, &of_left).await);
        away.next(node, &left).await;
        desk.get(&path).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_refresh_token");
        let records = desk.shown("/logs?q=type:srrt").await;
        let [record] = records.as_array().unwrap().as_slice() else { panic!("one: {records}") };
        assert_eq!(record["user_id"], away.user_id.as_str());
        assert_eq!(record["details"]["object"], json!({ "client_id": away.app.id }));
    }

    async fn many_are_revoked_by_ids_by_user_by_user_and_application_or_by_application(world: World) {
        let node = &world.node;
        let away = Away::new(world, json!({})).await;
        let other = away.another(world, json!({})).await;
        let mut own = Vec::new();
        for _ in 0..4 {
            own.push(tokens(world, &away).await);
        }
        let (others, of_others) = tokens(world, &other).await;
        let desk = Desk::open(node).await;
        let revoke = async |body: Value| {
            desk.post("/refresh-tokens/revoke", body).await.expect(StatusCode::ACCEPTED);
        };
        for wrong in [json!({}), json!({ "ids": ["a"], "user_id": "b" }), json!({ "ids": ["a"], "client_id": "b" })] {
            let answer = desk.post("/refresh-tokens/revoke", wrong).await;
            answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        }
        let many: Vec<_> = (0..101).map(|n| n.to_string()).collect();
        for wrong in [json!([]), json!(many), json!(["x".repeat(31)])] {
            refused(desk.post("/refresh-tokens/revoke", json!({ "ids": wrong })).await, "ids");
        }
        let known = ids(&desk, &away).await;
        revoke(json!({ "ids": [known[0], known[2], "unknown"] })).await;
        assert_eq!(ids(&desk, &away).await, [known[1].clone(), known[3].clone()]);
        away.is_refused(node, &own[0].0).await;
        revoke(json!({ "user_id": away.user_id, "client_id": other.app.id })).await;
        assert_eq!(ids(&desk, &away).await.len(), 2, "nothing of this user is there");
        revoke(json!({ "user_id": away.user_id })).await;
        assert!(ids(&desk, &away).await.is_empty());
        away.is_refused(node, &own[1].0).await;
        assert!(!node.is_active(&away.app, &own[3].1).await);

        let (refresh, access) = tokens(world, &away).await;
        revoke(json!({ "client_id": away.app.id })).await;
        assert!(ids(&desk, &away).await.is_empty());
        let dead = away.refresh(node, &refresh, &[]).await;
        dead.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        assert!(!node.is_active(&away.app, &access).await);
        let (again, _) = tokens(world, &away).await;
        away.next(node, &again).await;
        assert!(node.is_active(&other.app, &of_others).await);
        other.next(node, &others).await;
        for (body, code) in [(json!({ "user_id": "nobody" }), "inexistent_user"), (json!({ "client_id": "nobody" }), "inexistent_client")] {
            let answer = desk.post("/refresh-tokens/revoke", body).await;
            answer.expect_problem(StatusCode::NOT_FOUND, code);
        }
        let path = format!("/users/{}/refresh-tokens", other.user_id);
        desk.delete(&path).await.expect(StatusCode::ACCEPTED);
        assert!(ids(&desk, &other).await.is_empty());
        assert!(!node.is_active(&other.app, &of_others).await);
    }

    /// An application's own tokens are nobody's refresh tokens.
    async fn revoking_an_applications_refresh_tokens_leaves_its_own_tokens_alone(world: World) {
        let node = &world.node;
        let fields = json!({ "grant_types": ["authorization_code", "refresh_token", "client_credentials"] });
        let away = Away::new(world, fields).await;
        let desk = Desk::open(node).await;
        desk.grant(&away.app, STOCK, json!({ "scope": ["read"] })).await;
        let own = node.token(&away.app, STOCK).await;
        let (_, of_user) = tokens(world, &away).await;
        let body = json!({ "client_id": away.app.id });
        desk.post("/refresh-tokens/revoke", body).await.expect(StatusCode::ACCEPTED);
        assert!(node.is_active(&away.app, &own).await);
        assert!(!node.is_active(&away.app, &of_user).await);
        // Nor does a restart forget it, and the sweep removes what is dead.
        let another = world.another_node().await;
        assert!(!another.is_active(&away.app, &of_user).await);
        grantor::sweep::once(&node.app.store, world.clock.now(), 10).await.unwrap();
        let families = world.database.sql().await.number("select count(*) from refresh_families").await;
        assert_eq!(families, 0);
        another.stop().await;
    }

    async fn device_credentials_are_the_refresh_tokens_once_more(world: World) {
        let node = &world.node;
        let away = Away::new(world, rotating(&json!({}))).await;
        let other = away.another(world, json!({})).await;
        for _ in 0..3 {
            tokens(world, &away).await;
        }
        let (refresh, _) = tokens(world, &other).await;
        let desk = Desk::open(node).await;
        let all = async |query: &str| {
            let shown = desk.shown(&format!("/device-credentials{query}")).await;
            shown.as_array().expect("a list").clone()
        };
        let own = all(&format!("?user_id={}", away.user_id)).await;
        assert_eq!(own.len(), 3);
        let known = ids(&desk, &away).await;
        for (shown, id) in own.iter().zip(&known) {
            assert_eq!(shown["id"], id.as_str());
            assert_eq!(shown["type"], "rotating_refresh_token");
            assert_eq!(shown["user_id"], away.user_id.as_str());
            assert_eq!(shown["client_id"], away.app.id.as_str());
        }
        for (query, count) in [
            (String::new(), 4),
            ("?type=rotating_refresh_token".to_owned(), 3),
            ("?type=refresh_token".to_owned(), 1),
            ("?type=public_key".to_owned(), 0),
            (format!("?client_id={}", other.app.id), 1),
            ("?per_page=3&page=1".to_owned(), 1),
        ] {
            assert_eq!(all(&query).await.len(), count, "{query}");
        }
        let page = desk.shown("/device-credentials?include_totals=true&per_page=2&fields=id,type").await;
        assert_eq!(page["total"], 4);
        assert_eq!(members(&page["device_credentials"][0]), ["id", "type"]);
        let id = ids(&desk, &other).await.swap_remove(0);
        for _ in 0..2 {
            desk.delete(&format!("/device-credentials/{id}")).await.expect(StatusCode::NO_CONTENT);
        }
        other.is_refused(node, &refresh).await;
        let posted = desk.post("/device-credentials", json!({})).await;
        assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}
