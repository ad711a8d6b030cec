//! `/api/v2/grants`: what users have consented to, until when, and taking it back.

use grantor::model::instant;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::away::{Away, ORDERS, STOCK, rotating};
use crate::desk::{Desk, members, no_nulls, refused};
use crate::harness::{ISSUER, World, api_path, both_stores};

/// The grants that a query shows.
async fn listed(desk: &Desk<'_>, query: &str) -> Vec<Value> {
    let shown = desk.shown(&format!("/grants{query}")).await;
    shown.as_array().expect("a list").clone()
}

/// The user's grant at an API, or at userinfo.
async fn at(desk: &Desk<'_>, away: &Away, audience: &str) -> Value {
    let query = format!("?user_id={}&client_id={}", away.user_id, away.app.id);
    let grants = listed(desk, &query).await;
    let found = grants
        .into_iter()
        .find(|grant| grant["audience"] == audience);
    found.unwrap_or_else(|| panic!("a grant at {audience}"))
}

fn path(grant: &Value) -> String {
    format!("/grants/{}", grant["id"].as_str().unwrap())
}

fn userinfo() -> String {
    format!("{ISSUER}userinfo")
}

/// A refresh token and an access token for some APIs.
async fn tokens(world: &World, away: &Away, audiences: &[&str]) -> (String, String) {
    let node = &world.node;
    let authorization = away.authorization(node, audiences);
    let answer = away
        .redeem(node, authorization)
        .await
        .expect(StatusCode::OK);
    (answer.text("refresh_token"), answer.text("access_token"))
}

both_stores! {
    async fn grants_are_listed_in_auth0s_shape_and_narrowed(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let away = Away::new(world, json!({})).await;
        let other = away.another(world, json!({})).await;
        assert_eq!(listed(&desk, "").await.len(), 6);
        let own = listed(&desk, &format!("?user_id={}", away.user_id)).await;
        assert_eq!(own.len(), 3);
        let audiences: Vec<_> = own.iter().map(|grant| grant["audience"].as_str().unwrap()).collect();
        for audience in [ORDERS, STOCK, userinfo().as_str()] {
            assert!(audiences.contains(&audience), "{audiences:?}");
        }
        for grant in &own {
            no_nulls(grant);
            assert_eq!(members(grant), ["audience", "clientID", "created_at", "id", "scope", "user_id"]);
            assert_eq!(grant["clientID"], away.app.id.as_str());
            assert_eq!(grant["user_id"], away.user_id.as_str());
            assert_eq!(grant["scope"], json!(["read", "write", "openid", "offline_access"]));
        }
        for (query, count) in [
            (format!("?client_id={}", other.app.id), 3),
            (format!("?audience={ORDERS}"), 2),
            (format!("?audience={}", userinfo()), 2),
            (format!("?audience={ORDERS}&user_id={}", other.user_id), 1),
            ("?audience=urn:unknown".to_owned(), 0),
            ("?user_id=nobody".to_owned(), 0),
            ("?per_page=4&page=1".to_owned(), 2),
        ] {
            assert_eq!(listed(&desk, &query).await.len(), count, "{query}");
        }
        let page = desk.shown("/grants?per_page=2&include_totals=true").await;
        assert_eq!((&page["total"], &page["start"], &page["limit"]), (&json!(6), &json!(0), &json!(2)));
        assert_eq!(page["grants"].as_array().unwrap().len(), 2);
    }

    /// users-ask.md B24: a consent that ends on a date.
    async fn a_consent_that_ends_on_a_date_ends_tokens_with_it(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let away = Away::new(world, rotating(&json!({}))).await;
        let (refresh, _) = tokens(world, &away, &[ORDERS]).await;
        let grant = at(&desk, &away, ORDERS).await;
        let ends = instant::to_rfc3339(world.clock.now() + 300);
        let changed = desk.patch(&path(&grant), json!({ "expires_at": ends })).await.expect(StatusCode::OK);
        assert_eq!(changed.json["expires_at"], ends.as_str());
        assert_eq!(at(&desk, &away, ORDERS).await, changed.json);
        let answer = away.refresh(node, &refresh, &[]).await.expect(StatusCode::OK);
        assert_eq!(answer.json["expires_in"], 300);
        assert_eq!(answer.json["authorization_expires_in"], 300);
        world.clock.advance(300);
        let refresh = answer.text("refresh_token");
        let refused_now = away.refresh(node, &refresh, &[]).await;
        refused_now.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");

        let desk = Desk::open(node).await;
        let past = instant::to_rfc3339(world.clock.now());
        refused(desk.patch(&path(&grant), json!({ "expires_at": past })).await, "expires_at");
        refused(desk.patch(&path(&grant), json!({ "scope": ["read"] })).await, "scope");
        let cleared = desk.patch(&path(&grant), json!({ "expires_at": null })).await.expect(StatusCode::OK);
        assert!(cleared.json.get("expires_at").is_none());
        let stale = desk.patch("/grants/unknown", json!({})).await;
        stale.expect_problem(StatusCode::NOT_FOUND, "inexistent_grant");
    }

    async fn taking_a_grant_back_ends_its_refresh_tokens_and_on_demand_its_access_tokens(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let away = Away::new(world, json!({})).await;
        let (orders, of_orders) = tokens(world, &away, &[ORDERS]).await;
        let (both, _) = tokens(world, &away, &[STOCK, ORDERS]).await;
        let (stock, of_stock) = tokens(world, &away, &[STOCK]).await;
        let code_to_be = away.authorization(node, &[ORDERS]);
        desk.delete(&path(&at(&desk, &away, ORDERS).await)).await.expect(StatusCode::NO_CONTENT);
        away.is_refused(node, &orders).await;
        away.is_refused(node, &both).await;
        assert!(node.is_active(&away.app, &of_orders).await, "access tokens live on");
        away.redeem(node, code_to_be).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");

        let grant = at(&desk, &away, STOCK).await;
        let with_tokens = format!("{}?revoke_tokens=true", path(&grant));
        desk.delete(&with_tokens).await.expect(StatusCode::NO_CONTENT);
        away.is_refused(node, &stock).await;
        assert!(!node.is_active(&away.app, &of_stock).await);
        assert!(node.is_active(&away.app, &of_orders).await, "another API's");
        desk.delete(&with_tokens).await.expect(StatusCode::NO_CONTENT);
        let left = listed(&desk, &format!("?user_id={}", away.user_id)).await;
        assert_eq!(left.len(), 1);
    }

    async fn taking_a_users_grants_back_leaves_other_users_alone(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let away = Away::new(world, json!({})).await;
        let other = away.another(world, json!({})).await;
        let (own, of_own) = tokens(world, &away, &[ORDERS]).await;
        let (userinfo, _) = tokens(world, &away, &[]).await;
        let (others, of_others) = tokens(world, &other, &[ORDERS]).await;
        let missing = desk.delete("/grants").await;
        missing.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        let all = format!("/grants?user_id={}&revoke_tokens=true", away.user_id);
        for _ in 0..2 {
            desk.delete(&all).await.expect(StatusCode::NO_CONTENT);
        }
        for gone in [&own, &userinfo] {
            away.is_refused(node, gone).await;
        }
        assert!(!node.is_active(&away.app, &of_own).await);
        assert!(node.is_active(&other.app, &of_others).await);
        other.next(node, &others).await;
        assert_eq!(listed(&desk, "").await.len(), 3);
        let logged = desk.shown("/logs?search=Delete").await;
        let record = logged.as_array().unwrap().iter().find(|one| one["user_id"] == away.user_id.as_str());
        assert_eq!(record.expect("a record")["type"], "sapi");
    }

    /// What users have consented to goes with the application or the API, and its tokens with it.
    async fn a_deleted_application_or_api_takes_consents_and_tokens_along(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let away = Away::new(world, json!({})).await;
        let other = away.another(world, json!({})).await;
        let (refresh, of_orders) = tokens(world, &away, &[ORDERS]).await;
        let (_, of_stock) = tokens(world, &away, &[STOCK]).await;
        let (_, of_other) = tokens(world, &other, &[STOCK]).await;
        let asked_by = node.admin_token().await;
        desk.delete(&api_path(ORDERS)).await.expect(StatusCode::NO_CONTENT);
        assert_eq!(listed(&desk, "").await.len(), 4);
        assert!(!node.is_active_to(&asked_by, &of_orders).await);
        let dead = away.refresh(node, &refresh, &[]).await;
        dead.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        assert!(node.is_active_to(&asked_by, &of_stock).await);
        desk.delete(&format!("/clients/{}", away.app.id)).await.expect(StatusCode::NO_CONTENT);
        assert!(!node.is_active_to(&asked_by, &of_stock).await);
        assert!(node.is_active_to(&asked_by, &of_other).await);
        assert_eq!(listed(&desk, "").await.len(), 2);
        let query = format!("/refresh-tokens?user_id={}", away.user_id);
        assert_eq!(desk.shown(&query).await["refresh_tokens"], json!([]));
    }
}
