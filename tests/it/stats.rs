//! How many tokens were issued: for plots.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{CALLBACK, MANAGEMENT, Person, World, both_stores, usual};

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";
const DAY: i64 = 86_400;

fn day_of(world: &World) -> String {
    let instant = grantor::model::instant::to_rfc3339(world.clock.now());
    instant[..10].to_owned()
}

/// A line of the plot: what it is of, and its numbers.
fn lines(plot: &Value) -> Vec<(String, Vec<i64>)> {
    let line = |line: &Value| {
        let name = ["client_id", "audience", "rule"].map(|name| line[name].as_str().unwrap_or("-"));
        let tokens: Vec<i64> = line["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_i64().unwrap())
            .collect();
        assert_eq!(line["total"], tokens.iter().sum::<i64>());
        (name.join(" "), tokens)
    };
    plot["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

both_stores! {
    async fn tokens_are_counted_by_day_application_api_and_rule(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({})).await;
        desk.api(STOCK, json!({})).await;
        let (shop, depot) = (desk.application(json!({})).await, desk.application(json!({})).await);
        for application in [&shop, &depot] {
            desk.grant(application, ORDERS, json!({})).await;
            desk.grant(application, STOCK, json!({})).await;
        }
        let first = day_of(world);
        for _ in 0..3 {
            node.token(&shop, ORDERS).await;
        }
        node.ask(&shop, &[("audience", ORDERS), ("validity_period", "60")]).await.expect(StatusCode::OK);
        // One token for both.
        node.ask(&depot, &[]).await.expect(StatusCode::OK);
        node.ask(&depot, &[("audience", "https://unknown/")]).await.expect(StatusCode::FORBIDDEN);
        world.clock.advance(2 * DAY);
        node.token(&depot, STOCK).await;
        let desk = Desk::open(node).await;
        let range = format!("from={}&to={}", first.replace('-', ""), day_of(world).replace('-', ""));

        let plot = desk.shown(&format!("/stats/issuance?{range}&by=client_id,audience,rule")).await;
        let [x, y] = [&shop.id, &depot.id];
        let mut expected = vec![
            (format!("{x} {ORDERS} api_default"), vec![3, 0, 0]),
            (format!("{x} {ORDERS} requested"), vec![1, 0, 0]),
            (format!("{y} {ORDERS} api_default"), vec![1, 0, 0]),
            (format!("{y} {STOCK} api_default"), vec![1, 0, 1]),
        ];
        let ours = |plot: &Value| -> Vec<_> {
            let mut ours = lines(plot);
            ours.retain(|(name, _)| !name.contains(MANAGEMENT));
            ours.sort_unstable();
            ours
        };
        expected.sort_unstable();
        assert_eq!(ours(&plot), expected);
        assert_eq!(plot["dates"].as_array().unwrap().len(), 3);
        assert_eq!(plot["dates"][0], first);

        let of_shop = desk.shown(&format!("/stats/issuance?{range}&client_id={x}")).await;
        assert_eq!(lines(&of_shop), [("- - -".to_owned(), vec![4, 0, 0])]);
        let of_depot = desk.shown(&format!("/stats/issuance?{range}&client_id={y}")).await;
        assert_eq!(lines(&of_depot), [("- - -".to_owned(), vec![1, 0, 1])], "a token for two APIs is one token");
        let of_stock = desk.shown(&format!("/stats/issuance?{range}&audience={STOCK}&by=rule")).await;
        assert_eq!(lines(&of_stock), [("- - api_default".to_owned(), vec![1, 0, 1])]);
        let asked = desk.shown(&format!("/stats/issuance?{range}&rule=requested&by=audience")).await;
        assert_eq!(lines(&asked), [(format!("- {ORDERS} -"), vec![1, 0, 0])]);
        let nothing = desk.shown(&format!("/stats/issuance?{range}&rule=mfa_audience")).await;
        assert_eq!((&nothing["series"], &nothing["total"]), (&json!([]), &json!(0)));

        let daily = desk.shown(&format!("/stats/daily?{range}")).await;
        let daily = daily.as_array().unwrap();
        assert_eq!(daily.len(), 3);
        assert_eq!(daily[0]["date"], format!("{first}T00:00:00.000Z"));
        // The administrator's own token of that day is one, too.
        assert_eq!(daily[0]["tokens_issued"], 3 + 1 + 1 + 1);
        assert_eq!(daily[1]["tokens_issued"], 0);
        for day in daily {
            assert_eq!((&day["logins"], &day["signups"], &day["leaked_passwords"]), (&json!(0), &json!(0), &json!(0)));
            assert!(day["created_at"].is_string() && day["updated_at"].is_string());
        }
        assert_eq!(desk.shown("/stats/active-users").await, 0);
    }

    async fn sign_ins_are_counted_by_day_and_users_while_they_are_active(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({})).await;
        let shop = node.create_application(json!({
            "name": "Shop", "app_type": "regular_web", "is_first_party": false,
            "callbacks": [CALLBACK], "grant_types": ["authorization_code"],
        })).await;
        let first = day_of(world);
        for address in ["ann@example.com", "ben@example.com"] {
            let person = Person::create(node, address).await;
            person.authorize(node, &usual(&shop, &[("audience", ORDERS)])).await.answer();
        }
        world.clock.advance(DAY);
        let desk = Desk::open(node).await;
        let range = format!("from={}&to={}", first.replace('-', ""), day_of(world).replace('-', ""));
        let daily = desk.shown(&format!("/stats/daily?{range}")).await;
        assert_eq!((&daily[0]["logins"], &daily[0]["signups"]), (&json!(2), &json!(0)));
        assert_eq!((&daily[1]["logins"], &daily[1]["signups"]), (&json!(0), &json!(0)));
        assert_eq!(desk.shown("/stats/active-users").await, 2);
        world.clock.advance(30 * DAY);
        let desk = Desk::open(node).await;
        assert_eq!(desk.shown("/stats/active-users").await, 0);
    }

    async fn counts_are_right_on_two_nodes_even_where_no_issuance_is_recorded(world: World, "GRANTOR_AUDIT__ISSUANCES" = "off") {
        let node = &world.node;
        let other = world.another_node().await;
        let shop = node.api_and_application(ORDERS).await;
        for _ in 0..50 {
            node.token(&shop, ORDERS).await;
            other.token(&shop, ORDERS).await;
        }
        other.app.audit.settle().await;
        let desk = Desk::open(node).await;
        let plot = desk.shown(&format!("/stats/issuance?client_id={}", shop.id)).await;
        assert_eq!(plot["total"], 100);
        assert_eq!(plot["dates"].as_array().unwrap().len(), 30, "thirty days unless asked otherwise");
        assert_eq!(desk.shown("/logs?q=type:seccft").await, json!([]));
        let changes = desk.shown("/logs?q=type:sapi").await;
        assert!(changes.as_array().unwrap().len() >= 3, "changes are always recorded");
    }

    async fn a_range_that_makes_no_sense_is_refused(world: World) {
        let desk = Desk::open(&world.node).await;
        for query in [
            "from=2026-11-20", "from=20261301", "from=20260230", "to=x", "from=20261120&to=20261119",
            "from=20200101&to=20261119", "from=99999999", "from=00000000", "unknown=1",
        ] {
            for path in ["/stats/daily", "/stats/issuance"] {
                desk.get(&format!("{path}?{query}")).await.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
            }
        }
        desk.get("/stats/issuance?by=color").await.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        desk.get("/stats/active-users?x=1").await.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        for path in ["/stats/daily", "/stats/issuance", "/stats/active-users"] {
            let desk = Desk::with_scopes(&world.node, &["read:logs"]).await;
            let refused = desk.get(path).await.expect_problem(StatusCode::FORBIDDEN, "insufficient_scope");
            assert_eq!(refused.text("message"), "Insufficient scope, expected any of: read:stats");
        }
    }
}
