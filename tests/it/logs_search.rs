//! Searching the audit by field, time and text.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{Credentials, both_stores};

const ORDERS: &str = "https://orders.example/";
const DAY: i64 = 86_400;

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// What a search finds of two applications, as `name type`, oldest first.
async fn found(desk: &Desk<'_>, parameter: &str, text: &str) -> Vec<String> {
    let logs = desk
        .shown(&format!(
            "/logs?sort=date:1&per_page=100&{parameter}={}",
            encoded(text)
        ))
        .await;
    let ours = |log: &&Value| log["client_name"] != "First application" && log.get("ip").is_some();
    let shown = |log: &Value| {
        let name = log["client_name"].as_str().unwrap_or("?");
        format!("{name} {}", log["type"].as_str().unwrap())
    };
    logs.as_array()
        .unwrap()
        .iter()
        .filter(ours)
        .map(shown)
        .collect()
}

both_stores! {
    async fn records_are_found_by_field_time_and_text(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({})).await;
        let mut shops = Vec::new();
        for name in ["Shop Ünï 100%", "Depot"] {
            let shop = desk.application(json!({ "name": name })).await;
            desk.grant(&shop, ORDERS, json!({})).await;
            shops.push(shop);
        }
        let [shop, depot] = [&shops[0], &shops[1]];
        node.token(shop, ORDERS).await;
        world.clock.advance(1);
        node.ask(shop, &[("audience", "https://unknown/")]).await.expect(StatusCode::FORBIDDEN);
        let before = world.clock.now();
        world.clock.advance(3 * DAY);
        let desk = Desk::open(node).await;
        node.token(depot, ORDERS).await;
        let token = node.token(depot, ORDERS).await;
        world.clock.advance(1);
        node.revoke(depot, &token).await;
        world.clock.advance(1);
        let wrong = Credentials { secret: "x".repeat(40), ..depot.clone() };
        node.ask(&wrong, &[]).await.expect(StatusCode::UNAUTHORIZED);

        let day = |at: i64| grantor::model::instant::to_rfc3339(at)[..10].to_owned();
        let (first, second) = (day(before), day(before + DAY));
        let shop_all = &["Shop Ünï 100% seccft", "Shop Ünï 100% feccft"][..];
        let depot_all = &["Depot seccft", "Depot seccft", "Depot srat", "? feccft"][..];
        let all = [shop_all, depot_all].concat();
        for (q, expected) in [
            ("*", &all[..]),
            (&format!("client_id:{}", shop.id), shop_all),
            (&format!("client_id:(\"{}\" OR \"{}\")", shop.id, depot.id), &all),
            (&format!("client_id:{} type:seccft", shop.id), &shop_all[..1]),
            (&format!("client_id:{} AND NOT type:seccft", shop.id), &shop_all[1..]),
            ("client_name:\"Shop Ünï 100%\"", shop_all),
            ("client_name:Shop*", shop_all),
            ("client_name:shop*", &[]),
            ("NOT client_name:*", &depot_all[3..]),
            ("type:(\"srat\" OR \"fapi\")", &depot_all[2..3]),
            ("type:srat OR type:feccft", &["Shop Ünï 100% feccft", "Depot srat", "? feccft"]),
            (&format!("audience:{ORDERS}"), &["Shop Ünï 100% seccft", "Depot seccft", "Depot seccft", "Depot srat"]),
            ("ip:127.0.0.1", &all),
            ("ip:10.0.0.1", &[]),
            ("user_id:x", &[]),
            (&format!("date:[* TO {first}]"), shop_all),
            (&format!("date:[{second} TO *]"), depot_all),
            (&format!("date:{second}"), &[]),
            (&format!("date:[{first} TO {second}] type:feccft"), &shop_all[1..]),
            ("description:\"Access token revoked\"", &depot_all[2..3]),
            ("token REVOKED", &depot_all[2..3]),
            ("\"TOKEN revoked\"", &depot_all[2..3]),
            ("ünï 100%", shop_all),
            ("api_default depot", &depot_all[..2]),
            ("\"wrong or expired secret\"", &depot_all[3..]),
            ("' or 1=1 --", &[]),
            ("%", shop_all),
        ] {
            assert_eq!(found(&desk, "q", q).await, expected, "{q}");
            assert_eq!(found(&desk, "search", q).await, expected, "{q}");
        }
        let both = desk.shown("/logs?q=type:srat&search=depot").await;
        assert_eq!(both.as_array().unwrap().len(), 1, "q and search must both pass");
        let record = &both[0];
        let id = record["log_id"].as_str().unwrap();
        assert_eq!(desk.shown(&format!("/logs?q=log_id:{id}")).await, both);
    }

    async fn a_search_that_cannot_be_read_says_what_can_be(world: World) {
        let desk = Desk::open(&world.node).await;
        for (q, says) in [
            ("connection:x", "client_id, client_name"),
            ("type:a OR ip:b", "OR joins values of one field"),
            ("(type:a)", ":(\"a\" OR \"b\")"),
            ("date:[yesterday TO *]", "2026-11-20"),
            ("\"open", "double quote"),
            (&"x ".repeat(9), "at most 8 tests"),
            (&"x".repeat(2001), "q"),
        ] {
            let refused = desk.get(&format!("/logs?q={}", encoded(q))).await;
            let refused = refused.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
            let message = refused.text("message");
            assert!(message.contains(says) && message.contains("property q"), "{q}: {message}");
        }
    }
}
