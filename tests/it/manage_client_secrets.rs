//! Secrets one by one: adding a second, seeing the first unused, deleting it.

use grantor::model::instant::to_rfc3339;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Desk, members, no_nulls, refused};
use crate::harness::{ADMIN_ID, Credentials, Node, World, both_stores};
use crate::manage_rights::{ORDERS, clerk, lacks};

fn path(client: &Credentials) -> String {
    format!("/clients/{}/secrets", client.id)
}

/// One more secret: the application with it, and its id.
async fn another(desk: &Desk<'_>, client: &Credentials, body: Value) -> (Credentials, String) {
    let created = desk
        .post(&path(client), body)
        .await
        .expect(StatusCode::CREATED);
    let secret = Credentials {
        id: client.id.clone(),
        secret: created.text("client_secret"),
    };
    (secret, created.text("id"))
}

async fn works(node: &Node, client: &Credentials) -> bool {
    let answer = node.ask(client, &[("audience", ORDERS)]).await;
    if answer.status != StatusCode::OK {
        answer.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        return false;
    }
    true
}

/// `last_used_at` of each secret, oldest first.
async fn last_uses(desk: &Desk<'_>, client: &Credentials) -> Vec<Option<String>> {
    let shown = desk.shown(&path(client)).await;
    let all = shown.as_array().unwrap().iter();
    all.map(|own| {
        own.get("last_used_at")
            .map(|at| at.as_str().unwrap().to_owned())
    })
    .collect()
}

/// Writes what the node has noted, as its task does once a minute.
async fn write(world: &World, node: &Node) {
    node.app
        .uses
        .write(&node.app.store, world.clock.now())
        .await
        .unwrap();
}

both_stores! {
    async fn a_second_secret_works_beside_the_first_until_that_is_deleted(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let first = node.api_and_application(ORDERS).await;
        world.clock.advance(10);
        let (second, id) = another(&desk, &first, json!({})).await;
        assert_ne!(first.secret, second.secret);
        assert!(works(node, &first).await && works(node, &second).await);
        let shown = desk.shown(&path(&first)).await;
        no_nulls(&shown);
        assert_eq!(shown.as_array().unwrap().len(), 2);
        assert_eq!(shown[1]["id"], id.as_str());
        assert_eq!(shown[1]["created_at"], to_rfc3339(world.clock.now()));
        assert_eq!(members(&shown[1]), ["created_at", "id", "last_used_at"]);
        let oldest = shown[0]["id"].as_str().unwrap();
        for _ in 0..2 {
            desk.delete(&format!("{}/{oldest}", path(&first))).await.expect(StatusCode::NO_CONTENT);
        }
        assert!(!works(node, &first).await && works(node, &second).await);
        desk.delete(&format!("{}/{id}", path(&first))).await.expect(StatusCode::NO_CONTENT);
        assert!(!works(node, &second).await, "the last one may go too");
        assert_eq!(desk.shown(&path(&first)).await, json!([]));
        desk.post("/clients/nobody/secrets", json!({})).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_client");
        desk.delete("/clients/nobody/secrets/x").await.expect(StatusCode::NO_CONTENT);
    }

    async fn a_secret_with_an_end_takes_its_tokens_along_and_is_not_told_any_more(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let first = node.api_and_application(ORDERS).await;
        world.clock.advance(1);
        let end = to_rfc3339(world.clock.now() + 300);
        let (ending, _) = another(&desk, &first, json!({ "expires_at": end })).await;
        let token = node.ask(&ending, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
        assert_eq!(token.json["expires_in"], 300);
        assert_eq!(desk.shown(&path(&first)).await[1]["expires_at"], end.as_str());
        world.clock.advance(300);
        assert!(!works(node, &ending).await && works(node, &first).await);
        let desk = Desk::open(node).await;
        assert_eq!(desk.shown(&path(&first)).await.as_array().unwrap().len(), 1);
    }

    async fn five_live_at_the_most_and_those_that_have_ended_make_room(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let first = node.api_and_application(ORDERS).await;
        let soon = json!({ "expires_at": to_rfc3339(world.clock.now() + 10) });
        for _ in 0..4 {
            another(&desk, &first, soon.clone()).await;
        }
        let sixth = desk.post(&path(&first), json!({})).await;
        let sixth = sixth.expect_problem(StatusCode::CONFLICT, "resource_conflict");
        assert!(sixth.text("message").contains('5'));
        assert!(sixth.json.get("client_secret").is_none());
        world.clock.advance(10);
        for _ in 0..4 {
            another(&desk, &first, json!({ "expires_at": null })).await;
        }
        let rows = world.database.sql().await
            .number(&format!("select count(*) from application_secrets where client_id = '{}'", first.id)).await;
        assert_eq!(rows, 5, "those that have ended are gone");
    }

    async fn the_last_use_is_told_to_the_minute_by_all_nodes_and_survives_a_rotation(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let first = node.api_and_application(ORDERS).await;
        world.clock.advance(1);
        let (second, _) = another(&desk, &first, json!({})).await;
        assert_eq!(last_uses(&desk, &first).await, [None, None]);
        let at_first = to_rfc3339(world.clock.now());
        assert!(works(node, &first).await);
        assert_eq!(last_uses(&desk, &first).await, [Some(at_first.clone()), None], "at once on this node");
        world.clock.advance(59);
        assert!(works(node, &first).await);
        assert_eq!(last_uses(&desk, &first).await[0], Some(at_first.clone()), "to the minute");
        world.clock.advance(1);
        assert!(works(node, &first).await);
        let later = to_rfc3339(world.clock.now());
        assert_eq!(last_uses(&desk, &first).await, [Some(later.clone()), None]);
        write(world, node).await;
        let other_node = world.another_node().await;
        let elsewhere = Desk::open(&other_node).await;
        assert_eq!(last_uses(&elsewhere, &first).await, [Some(later.clone()), None]);
        // A wrong secret, or another application's, uses none.
        let wrong = Credentials { secret: "x".repeat(43), ..first.clone() };
        assert!(!works(node, &wrong).await);
        world.clock.advance(60);
        assert!(works(&other_node, &second).await);
        write(world, &other_node).await;
        let last = to_rfc3339(world.clock.now());
        assert_eq!(last_uses(&desk, &first).await, [Some(later), Some(last)]);
        other_node.stop().await;
    }

    /// The hot path stays without a statement; a full memory or a store that is away loses notes only.
    async fn noting_a_use_asks_the_database_nothing(world: World) {
        let node = &world.node;
        let first = node.api_and_application(ORDERS).await;
        assert!(works(node, &first).await);
        world.clock.advance(120);
        let before = node.app.store.statements_sent();
        for _ in 0..5 {
            world.clock.advance(61);
            assert!(works(node, &first).await);
        }
        assert_eq!(node.app.store.statements_sent(), before);
    }

    async fn a_use_that_cannot_be_written_is_written_later(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let first = node.api_and_application(ORDERS).await;
        let (second, _) = another(&desk, &first, json!({})).await;
        assert!(works(node, &first).await && works(node, &second).await);
        let now = to_rfc3339(world.clock.now());
        let away = world.database.store(&[]);
        away.close().await;
        node.app.uses.write(&away, world.clock.now()).await.unwrap_err();
        write(world, node).await;
        let other_node = world.another_node().await;
        let elsewhere = Desk::open(&other_node).await;
        assert_eq!(last_uses(&elsewhere, &first).await, [Some(now.clone()), Some(now)]);
        other_node.stop().await;
    }

    async fn what_cannot_be_read_makes_no_secret(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let first = node.api_and_application(ORDERS).await;
        let past = to_rfc3339(world.clock.now());
        for (body, property) in [
            (json!({ "expires_at": past }), "expires_at"),
            (json!({ "expires_at": 5 }), "expires_at"),
            (json!({ "client_secret": "a secret of one's own" }), "client_secret"),
        ] {
            refused(desk.post(&path(&first), body).await, property);
        }
        assert_eq!(desk.shown(&path(&first)).await.as_array().unwrap().len(), 1);
        let public = desk.application(json!({ "token_endpoint_auth_method": "none" })).await;
        desk.post(&path(&public), json!({})).await.expect_problem(StatusCode::BAD_REQUEST, "operation_not_supported");
    }

    async fn a_clerk_cannot_become_the_administrator_by_one_more_secret(world: World) {
        let node = &world.node;
        let (_, clerk, _) = clerk(node, &["update:client_keys", "read:client_keys"]).await;
        let admin = Credentials { id: ADMIN_ID.into(), secret: String::new() };
        let answer = clerk.post(&path(&admin), json!({})).await;
        assert!(!answer.body.contains("client_secret"));
        lacks(answer, &["delete:clients", "create:client_grants"]);
        let shop = node.api_and_application(ORDERS).await;
        let (mine, _) = another(&clerk, &shop, json!({})).await;
        assert!(works(node, &mine).await, "a weaker application's may be set");
        let shown = clerk.get(&path(&shop)).await.expect(StatusCode::OK);
        for secret in [&shop.secret, &mine.secret] {
            assert!(!shown.body.contains(secret.as_str()), "no secret is read back");
        }
        for hidden in ["client_secret", "verifier", "digest"] {
            assert!(!shown.body.contains(hidden), "{hidden}");
        }
    }
}

both_stores! {
    async fn who_sets_a_secret_has_changed_the_resource(world: World) {
        let node = &world.node;
        let token = node.admin_token().await;
        let shop = node.api_and_application(ORDERS).await;
        let client = format!("/clients/{}", shop.id);
        let tag = async |path: &str| {
            let answer = node.manage_as(&token, Method::GET, path, None).await.expect(StatusCode::OK);
            answer.headers["etag"].clone()
        };
        let set = async |method: Method, path: &str, body: Value, tag: &HeaderValue| {
            let request = node.request(method, &format!("/api/v2{path}")).json(&body);
            let answer = node.send(request.bearer_auth(&token).header("if-match", tag)).await;
            answer.status
        };
        let read = tag(&client).await;
        let first = json!({ "client_secret": "the first administrator's secret" });
        assert_eq!(set(Method::PATCH, &client, first, &read).await, StatusCode::OK);
        let second = json!({ "client_secret": "the second administrator's secret" });
        assert_eq!(set(Method::PATCH, &client, second, &read).await, StatusCode::PRECONDITION_FAILED);
        let rotate = format!("{client}/rotate-secret");
        assert_eq!(set(Method::POST, &rotate, json!({}), &read).await, StatusCode::PRECONDITION_FAILED);
        let now = tag(&client).await;
        assert_eq!(set(Method::POST, &rotate, json!({}), &now).await, StatusCode::OK);
        let fields = json!({ "signing_alg": "HS256" });
        let api = node.create_api("urn:shared", fields).await;
        let api = format!("/resource-servers/{}", api["id"].as_str().unwrap());
        let read = tag(&api).await;
        for (secret, status) in [("a", StatusCode::OK), ("b", StatusCode::PRECONDITION_FAILED)] {
            let body = json!({ "signing_secret": secret.repeat(32) });
            assert_eq!(set(Method::PATCH, &api, body, &read).await, status);
        }
    }
}
