//! Many changes on two nodes at the same time.

use std::collections::BTreeMap;

use grantor::directory::FRESH_MAX;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Credentials, Wire, api_path, both_stores, within};

const ORDERS: &str = "https://orders.example/";
const SHARED: &str = "https://shared.example/";
const OPAQUE: &str = "https://opaque.example/";
const CHANGES: usize = 200;
/// Requests under way at one time.
const AT_ONCE: usize = 16;

/// What a change needs to know.
#[derive(Clone)]
struct Ground {
    management: String,
    shop: Credentials,
}

/// One of several kinds of change. Everything but a 5xx may come of two changes that meet.
async fn change(wire: &Wire, ground: &Ground, n: usize) -> Answer {
    let shop = format!("/clients/{}", ground.shop.id);
    let own = json!({ "identifier": format!("https://{n}.example/") });
    let lifetime = 1000 + n;
    let manage = async |method, path: &str, body| {
        let body = Some(body);
        wire.manage_as(&ground.management, method, path, body).await
    };
    match n % 8 {
        0 => {
            let body = json!({ "token_lifetime": lifetime });
            manage(Method::PATCH, &api_path(ORDERS), body).await
        }
        1 => manage(Method::POST, "/resource-servers", own).await,
        2 => {
            let body = json!({ "name": format!("{n}"), "app_type": "non_interactive" });
            manage(Method::POST, "/clients", body).await
        }
        3 => {
            // The same grant again and again: made, taken, or conflicting.
            let body = json!({ "client_id": ground.shop.id, "audience": SHARED });
            let created = manage(Method::POST, "/client-grants", body).await;
            delete(
                wire,
                ground,
                created,
                "/client-grants",
                "?revoke_tokens=true",
            )
            .await
        }
        4 => {
            let body = json!({ "access_token_lifetimes": { "application": lifetime } });
            manage(Method::PATCH, &shop, body).await
        }
        5 => {
            let issued = wire.ask(&ground.shop, &[("audience", ORDERS)]).await;
            let Some(token) = issued.json["access_token"].as_str() else {
                return issued;
            };
            let form = [("token", token)];
            wire.form("/oauth/revoke", &ground.shop, &form).await
        }
        6 => wire.ask(&ground.shop, &[("audience", OPAQUE)]).await,
        _ => {
            let created = manage(Method::POST, "/resource-servers", own).await;
            delete(wire, ground, created, "/resource-servers", "").await
        }
    }
}

/// Deletes what was created, if it was.
async fn delete(
    wire: &Wire,
    ground: &Ground,
    created: Answer,
    folder: &str,
    query: &str,
) -> Answer {
    let Some(id) = created.json["id"].as_str() else {
        return created;
    };
    let path = format!("{folder}/{id}{query}");
    wire.manage_as(&ground.management, Method::DELETE, &path, None)
        .await
}

/// Everything that a node shows of what the changes were about, and what it does about it.
async fn view(wire: &Wire, ground: &Ground) -> BTreeMap<String, Value> {
    let mut view = BTreeMap::new();
    for list in ["/resource-servers", "/clients", "/client-grants"] {
        for page in 0..4 {
            let path = format!("{list}?per_page=50&page={page}");
            let answer = wire
                .manage_as(&ground.management, Method::GET, &path, None)
                .await;
            view.insert(path, answer.expect(reqwest::StatusCode::OK).json);
        }
    }
    for audience in [
        ORDERS,
        SHARED,
        OPAQUE,
        "https://1.example/",
        "https://7.example/",
    ] {
        let mut answer = wire.ask(&ground.shop, &[("audience", audience)]).await.json;
        answer["access_token"].take();
        view.insert(audience.to_owned(), answer);
    }
    view
}

both_stores! {
    async fn two_hundred_mixed_changes_on_two_nodes_end_in_one_state(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        // A start raises the counter; from there on there is no gap.
        let start = world.database.sql().await.number("select n from change_counter").await;
        let shop = here.api_and_application(ORDERS).await;
        here.create_api(SHARED, json!({})).await;
        here.create_api(OPAQUE, json!({ "token_dialect": "opaque" })).await;
        here.grant(&shop, OPAQUE, json!({})).await;
        within(FRESH_MAX, async || there.ask(&shop, &[("audience", OPAQUE)]).await.status.is_success()).await;
        let ground = Ground { management: here.admin_token().await, shop };
        let turns = std::sync::Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
        let mut running = tokio::task::JoinSet::new();
        for n in 0..CHANGES {
            // Kinds and nodes go round independently.
            let wire: Wire = if (n / 8 + n) % 2 == 0 { (**here).clone() } else { (**there).clone() };
            let (ground, turns) = (ground.clone(), std::sync::Arc::clone(&turns));
            running.spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                (n, change(&wire, &ground, n).await)
            });
        }
        while let Some(done) = running.join_next().await {
            let (n, answer) = done.unwrap();
            assert!(!answer.status.is_server_error(), "change {n}: {answer:?}");
            // Only grants that meet may conflict.
            assert!(answer.status.is_success() || n % 8 == 3, "change {n}: {answer:?}");
        }
        // Each hears of the other's last change within a second.
        within(FRESH_MAX, async || view(here, &ground).await == view(there, &ground).await).await;
        let expected = view(here, &ground).await;
        let created = expected["/resource-servers?per_page=50&page=0"].as_array().unwrap();
        assert_eq!(created.len(), 1 + 3 + CHANGES / 8, "the Management API, three from before, and those that stay");
        // Nothing was numbered twice or not at all.
        let mut sql = world.database.sql().await;
        let end = sql.number("select n from change_counter").await;
        let numbered = format!("select count(*) from changes where n > {start}");
        assert_eq!(sql.number(&numbered).await, end - start);
        assert_eq!(sql.number("select max(n) from changes").await, end);
        there.stop().await;
    }

    async fn two_starts_at_the_same_moment_make_one_server(world: World) {
        let (a, b, c) = tokio::join!(world.another_node(), world.another_node(), world.another_node());
        let mut key_sets = Vec::new();
        for node in [&a, &b, &c, &world.node] {
            let answer = node.send(node.request(Method::GET, "/.well-known/jwks.json")).await;
            key_sets.push(answer.expect(reqwest::StatusCode::OK).json);
        }
        assert!(key_sets.windows(2).all(|pair| pair[0] == pair[1]), "{key_sets:?}");
        assert_eq!(world.database.sql().await.number("select count(*) from apis").await, 2);
        for node in [a, b, c] {
            node.stop().await;
        }
    }
}
