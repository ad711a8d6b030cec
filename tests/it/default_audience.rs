//! The tenant's `default_audience`: what a token is for where the request names no API.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{
    Backend, Credentials, MANAGEMENT, Node, World, api_path, both_stores, claims, within,
};
use crate::program::Program;

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";

/// Two APIs and an application that is granted both.
async fn shop(desk: &Desk<'_>) -> Credentials {
    for identifier in [ORDERS, STOCK] {
        desk.api(identifier, json!({})).await;
    }
    let shop = desk.application(json!({})).await;
    for identifier in [STOCK, ORDERS] {
        desk.grant(&shop, identifier, json!({})).await;
    }
    shop
}

async fn choose(node: &Node, default_audience: Value) {
    let body = json!({ "default_audience": default_audience });
    node.manage(Method::PATCH, "/tenants/settings", Some(body))
        .await
        .expect(StatusCode::OK);
}

/// What a token is for that is asked for without a word about it; several in the order of the alphabet.
async fn audience(node: &Node, client: &Credentials) -> Value {
    let answer = node.ask(client, &[]).await.expect(StatusCode::OK);
    let mut audience = claims(&answer.text("access_token"))["aud"].clone();
    if let Value::Array(several) = &mut audience {
        several.sort_by_key(Value::to_string);
    }
    audience
}

both_stores! {
    async fn a_request_without_an_audience_is_for_the_default_one(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        assert_eq!(audience(node, &shop).await, json!([ORDERS, STOCK]));
        choose(node, json!(ORDERS)).await;
        assert_eq!(audience(node, &shop).await, ORDERS);
        // What is named is what is meant.
        assert_eq!(claims(&node.token(&shop, STOCK).await)["aud"], STOCK);
        let both = node.ask(&shop, &[("resource", STOCK), ("resource", ORDERS)]).await;
        assert_eq!(claims(&both.text("access_token"))["aud"], json!([STOCK, ORDERS]));
        choose(node, json!("")).await;
        assert_eq!(audience(node, &shop).await, json!([ORDERS, STOCK]));
    }

    async fn an_application_that_is_not_granted_it_is_told_where_it_came_from(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        shop(&desk).await;
        choose(node, json!(ORDERS)).await;
        let rival = desk.application(json!({})).await;
        desk.grant(&rival, STOCK, json!({})).await;
        let refused = node.ask(&rival, &[]).await.expect_error(StatusCode::FORBIDDEN, "access_denied");
        let text = refused.text("error_description");
        assert!(text.contains(ORDERS) && text.contains("default_audience"), "{text}");
        assert_eq!(claims(&node.token(&rival, STOCK).await)["aud"], STOCK);
    }

    async fn a_changed_default_counts_at_once_here_and_within_a_second_there(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let desk = Desk::open(here).await;
        let shop = shop(&desk).await;
        for round in 0..20 {
            let chosen = if round % 2 == 0 { ORDERS } else { STOCK };
            choose(here, json!(chosen)).await;
            assert_eq!(audience(here, &shop).await, chosen);
            within(grantor::directory::FRESH_MAX, async || audience(there, &shop).await == chosen).await;
            assert_eq!(audience(there, &shop).await, chosen, "no older reading comes back");
        }
        there.stop().await;
    }

    async fn deleting_the_api_clears_the_setting_and_a_new_one_of_the_name_is_not_it(world: World) {
        let (node, there) = (&world.node, &world.another_node().await);
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        choose(node, json!(ORDERS)).await;
        assert_eq!(audience(there, &shop).await, ORDERS);
        desk.delete(&api_path(ORDERS)).await.expect(StatusCode::NO_CONTENT);
        assert!(desk.shown("/tenants/settings").await.get("default_audience").is_none());
        assert_eq!(audience(node, &shop).await, STOCK);
        within(grantor::directory::FRESH_MAX, async || audience(there, &shop).await == STOCK).await;
        desk.api(ORDERS, json!({})).await;
        desk.grant(&shop, ORDERS, json!({})).await;
        assert!(desk.shown("/tenants/settings").await.get("default_audience").is_none());
        assert_eq!(audience(node, &shop).await, json!([ORDERS, STOCK]));
        there.stop().await;
    }

    async fn another_api_that_goes_leaves_the_default_alone(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        choose(node, json!(ORDERS)).await;
        desk.delete(&api_path(STOCK)).await.expect(StatusCode::NO_CONTENT);
        assert_eq!(desk.shown("/tenants/settings").await["default_audience"], ORDERS);
        assert_eq!(audience(node, &shop).await, ORDERS);
    }

    /// Whoever may change settings gets no token by it that was not to be had before.
    async fn nobody_climbs_by_way_of_the_default(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let climber = desk.application(json!({ "name": "Climber" })).await;
        desk.grant(&climber, MANAGEMENT, json!({ "scope": ["update:tenant_settings"] })).await;
        let climbing = Desk::with_token(node, node.token(&climber, MANAGEMENT).await);
        let encoded = "https://grantor.test/api/v2/%20";
        for wrong in [MANAGEMENT, "https://grantor.test/api/v2", "https://GRANTOR.test/api/v2/", "https://grantor.test/mfa", encoded] {
            let answer = climbing.patch("/tenants/settings", json!({ "default_audience": wrong })).await;
            crate::desk::refused(answer, "default_audience");
        }
        // An API that the climber is not granted stays shut.
        shop(&desk).await;
        climbing.patch("/tenants/settings", json!({ "default_audience": ORDERS })).await.expect(StatusCode::OK);
        node.ask(&climber, &[]).await.expect_error(StatusCode::FORBIDDEN, "access_denied");
        // And the first application's token without an audience is none for the Management API.
        node.ask(&Credentials::admin(), &[]).await.expect_error(StatusCode::FORBIDDEN, "access_denied");
    }

    async fn signed_tokens_of_the_default_audience_need_no_statement_either(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        choose(node, json!(ORDERS)).await;
        audience(node, &shop).await;
        let before = node.app.store.statements_sent();
        for _ in 0..20 {
            assert_eq!(audience(node, &shop).await, ORDERS);
        }
        assert_eq!(node.app.store.statements_sent(), before);
    }
}

/// The same store, and the command line beside the server.
async fn explain_says_what_stands_in(backend: Backend) {
    let world = World::start(backend, &[]).await;
    let node = &world.node;
    let desk = Desk::open(node).await;
    let shop = shop(&desk).await;
    let lonely = desk.application(json!({})).await;
    let folder = tempfile::tempdir().unwrap();
    let program = Program::in_folder(folder.path())
        .with("GRANTOR_ISSUER", crate::harness::ISSUER)
        .with("GRANTOR_STORE__URL", world.database.url());
    let client = format!("--client={}", shop.id);
    let explain = |further: &[&str]| program.run(&[&["explain", &client], further].concat());
    let all = explain(&[]).expect(0).stdout;
    assert!(
        all.contains("every API that the application is granted"),
        "{all}"
    );
    assert!(all.contains(STOCK) && all.contains(ORDERS), "{all}");
    desk.patch(&api_path(ORDERS), json!({ "token_lifetime": 300 }))
        .await
        .expect(StatusCode::OK);
    choose(node, json!(ORDERS)).await;
    let chosen = explain(&[]).expect(0).stdout;
    assert!(
        chosen.contains("default_audience") && chosen.contains(ORDERS),
        "{chosen}"
    );
    assert!(
        !chosen.contains(STOCK) && chosen.contains("300 seconds"),
        "{chosen}"
    );
    let flow = explain(&["--flow", "implicit"]).expect(2);
    flow.complains_of(&["--api"]);
    choose(node, json!("")).await;
    let refused = program.run(&["explain", "--client", &lonely.id]).expect(2);
    refused.complains_of(&["granted no API"]);
    program.run(&["explain"]).expect(2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_says_what_stands_in_on_sqlite() {
    explain_says_what_stands_in(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_says_what_stands_in_on_postgres() {
    explain_says_what_stands_in(Backend::Postgres).await;
}
