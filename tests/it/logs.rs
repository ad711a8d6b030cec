//! What the audit tells of what happened: who, what, from where, and what became of it.

use grantor::model::record::log_id;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Desk, members, no_nulls};
use crate::harness::{
    ADMIN_ID, Answer, Credentials, MANAGEMENT, Node, World, api_path, both_stores,
};

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";
const NOTES: &str = "https://notes.example/";

/// What a search finds, newest first.
async fn found(desk: &Desk<'_>, q: &str) -> Vec<Value> {
    let encoded: String = url::form_urlencoded::byte_serialize(q.as_bytes()).collect();
    let logs = desk.shown(&format!("/logs?per_page=100&q={encoded}")).await;
    logs.as_array().unwrap().clone()
}

/// The only record that a search finds.
async fn the_one(desk: &Desk<'_>, q: &str) -> Value {
    let mut found = found(desk, q).await;
    assert_eq!(found.len(), 1, "{q}: {found:#?}");
    found.remove(0)
}

fn changed(record: &Value) -> &Value {
    &record["details"]["changes"]
}

/// A token request with headers of its own.
async fn ask_as(
    node: &Node,
    client: &Credentials,
    (name, value): (&str, &str),
    validity: &str,
) -> Answer {
    let params = [
        ("grant_type", "client_credentials"),
        ("audience", ORDERS),
        ("validity_period", validity),
    ];
    let request = node
        .request(Method::POST, "/oauth/token")
        .basic_auth(&client.id, Some(&client.secret))
        .header("user-agent", "a shop/1.0")
        .header(name, value)
        .form(&params);
    node.send(request).await
}

/// The names of members that look like secrets, anywhere in the database's audit.
async fn rows_that_hold(world: &World, text: &str) -> i64 {
    let mut sql = world.database.sql().await;
    let text = text.replace('\'', "''");
    let all = "coalesce(client_id, '') || coalesce(client_name, '') || coalesce(user_agent, '')
        || coalesce(audience, '') || coalesce(scope, '') || coalesce(correlation_id, '')
        || coalesce(description, '') || details || words";
    // Whichever way it is written: words are in lower case.
    let lower = text.to_lowercase();
    let count = format!(
        "select count(*) from audit where replace({all}, '{text}', '') <> {all} or replace({all}, '{lower}', '') <> {all}"
    );
    sql.number(&count).await
}

both_stores! {
    async fn an_issued_token_is_recorded_with_who_from_where_and_its_lifetime(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let answer = ask_as(node, &shop, ("x-correlation-id", &"c".repeat(80)), "2592001").await;
        let answer = answer.expect(StatusCode::OK);
        let desk = Desk::open(node).await;
        let record = the_one(&desk, &format!("type:seccft client_id:{}", shop.id)).await;
        let id = record["log_id"].as_str().unwrap();
        assert_eq!(record["_id"], id);
        assert_eq!(record["client_name"], "An application");
        assert_eq!(record["audience"], ORDERS);
        assert_eq!(record["ip"], "127.0.0.1");
        assert_eq!(record["user_agent"], "a shop/1.0");
        assert_eq!(record["references"]["correlation_id"], "c".repeat(64));
        assert_eq!(record["details"]["request_id"], answer.headers["x-request-id"].to_str().unwrap());
        assert_eq!(record["details"]["request"], json!({ "method": "POST", "path": "/oauth/token" }));
        assert_eq!(record["details"]["response"], json!({ "statusCode": 200 }));
        let lifetime = json!({ "requested": 2_592_001, "granted": 2_592_000, "rule": "api_maximum" });
        assert_eq!(record["details"]["lifetime"], lifetime);
        assert_eq!(record["details"]["jti"], crate::harness::claims(&answer.text("access_token"))["jti"]);
        assert!(record["date"].as_str().unwrap().ends_with('Z'));
        no_nulls(&record);
        assert_eq!(desk.shown(&format!("/logs/{id}")).await, record);
    }

    async fn a_never_expiring_token_and_one_for_several_apis_are_told_as_they_are(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = desk.application(json!({})).await;
        for identifier in [ORDERS, STOCK] {
            desk.api(identifier, json!({ "max_token_lifetime": -1, "scopes": [{ "value": "read" }] })).await;
            desk.grant(&shop, identifier, json!({ "scope": ["read"] })).await;
            world.clock.advance(1);
        }
        node.ask(&shop, &[("validity_period", "-5")]).await.expect(StatusCode::OK);
        for audience in [ORDERS, STOCK] {
            let record = the_one(&desk, &format!("type:seccft audience:{audience}")).await;
            assert_eq!(record["audience"], format!("{ORDERS} {STOCK}"));
            assert_eq!(record["scope"], "read");
            assert_eq!(record["details"]["lifetime"], json!({ "requested": -1, "granted": -1, "rule": "requested" }));
        }
    }

    async fn a_change_is_recorded_with_what_differs_and_who_made_it(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({ "name": "Orders", "token_lifetime": 600 })).await;
        let made = the_one(&desk, r#"type:sapi description:"Create a resource server""#).await;
        assert_eq!((&made["client_id"], &made["client_name"]), (&json!(ADMIN_ID), &json!("First application")));
        assert_eq!(changed(&made)["token_lifetime"], json!({ "after": 600 }));
        assert_eq!(changed(&made)["name"], json!({ "after": "Orders" }));

        let request = node.request(Method::PATCH, &format!("/api/v2{}", api_path(ORDERS)))
            .bearer_auth(node.admin_token().await)
            .header("x-correlation-id", "ticket-7")
            .json(&json!({ "token_lifetime": 300, "name": "Orders" }));
        node.send(request).await.expect(StatusCode::OK);
        let change = the_one(&desk, "references.correlation_id:ticket-7").await;
        assert_eq!(change["description"], "Update a resource server");
        assert_eq!(change["audience"], ORDERS);
        assert_eq!(changed(&change)["token_lifetime"], json!({ "before": 600, "after": 300 }));
        assert_eq!(changed(&change).get("name"), None, "what stays is not listed");
        assert_eq!(change["details"]["request"]["method"], "PATCH");

        desk.delete(&api_path(ORDERS)).await.expect(StatusCode::NO_CONTENT);
        let gone = the_one(&desk, r#"description:"Delete a resource server""#).await;
        assert_eq!(changed(&gone)["name"], json!({ "before": "Orders" }));
    }

    async fn each_kind_of_change_leaves_a_record_that_names_what_it_concerns(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        let shop = desk.application(json!({ "name": "Shop" })).await;
        let grant = desk.grant(&shop, ORDERS, json!({})).await;
        let path = format!("/clients/{}", shop.id);
        desk.patch(&path, json!({ "name": "Store" })).await.expect(StatusCode::OK);
        desk.post(&format!("{path}/rotate-secret"), json!({})).await.expect(StatusCode::OK);
        desk.patch(&format!("/client-grants/{grant}"), json!({ "allow_all_scopes": true })).await.expect(StatusCode::OK);
        desk.delete(&format!("/client-grants/{grant}")).await.expect(StatusCode::NO_CONTENT);
        desk.delete(&path).await.expect(StatusCode::NO_CONTENT);
        let records = found(&desk, &format!("type:sapi {}", shop.id)).await;
        assert_eq!(records.len(), 7, "{records:#?}");
        for record in &records {
            assert_eq!(record["details"]["object"]["client_id"], shop.id);
            assert_eq!(record["client_id"], ADMIN_ID);
        }
        // Nothing changed, nothing recorded.
        desk.delete(&path).await.expect(StatusCode::NO_CONTENT);
        assert_eq!(found(&desk, &format!("type:sapi {}", shop.id)).await.len(), 7);
    }

    async fn a_token_that_an_administrator_gets_for_an_application_is_an_issuance_and_a_change(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let desk = Desk::open(node).await;
        let asked = json!({ "audience": ORDERS, "validity_period": 60 });
        let answer = desk.post(&format!("/clients/{}/tokens", shop.id), asked).await.expect(StatusCode::CREATED);
        let lifetime = json!({ "requested": 60, "granted": 60, "rule": "requested" });
        let issued = the_one(&desk, &format!("type:seccft client_id:{}", shop.id)).await;
        assert_eq!(issued["details"]["by"]["client_id"], ADMIN_ID);
        assert_eq!(issued["details"]["lifetime"], lifetime);
        let change = the_one(&desk, r#"type:sapi description:"Issue a token for a client""#).await;
        assert_eq!(change["client_id"], ADMIN_ID);
        assert_eq!(change["details"]["object"]["client_id"], shop.id);
        assert_eq!(changed(&change)["lifetime"]["after"], lifetime);
        assert_eq!(changed(&change)["id"]["after"], answer.text("id"));
        assert_eq!(rows_that_hold(world, &answer.text("access_token")).await, 0);
        let plot = desk.shown(&format!("/stats/issuance?client_id={}", shop.id)).await;
        assert_eq!(plot["total"], 1);
        desk.delete(&format!("/tokens/{}", answer.text("id"))).await.expect(StatusCode::NO_CONTENT);
        the_one(&desk, r#"type:sapi description:"Revoke a token""#).await;
        desk.post("/tokens/revoke", json!({ "client_id": shop.id })).await.expect(StatusCode::OK);
        the_one(&desk, r#"type:sapi description:"Revoke tokens""#).await;
    }

    async fn the_first_start_is_recorded(world: World) {
        let desk = Desk::open(&world.node).await;
        let record = the_one(&desk, r#"description:"Create the first application""#).await;
        assert_eq!(record["details"]["object"], ADMIN_ID);
        assert_eq!(record.get("ip"), None);
        world.another_node().await.stop().await;
        the_one(&desk, r#"description:"Create the first application""#).await;
    }

    async fn a_revoked_token_is_recorded_once_signed_or_stored(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        node.create_api(NOTES, json!({ "token_dialect": "opaque" })).await;
        node.grant(&shop, NOTES, json!({})).await;
        let desk = Desk::open(node).await;
        for audience in [ORDERS, NOTES] {
            let token = node.token(&shop, audience).await;
            for _ in 0..3 {
                node.revoke(&shop, &token).await;
            }
            let record = the_one(&desk, &format!("type:srat audience:{audience}")).await;
            assert_eq!(record["client_id"], shop.id);
            assert_eq!(record["client_name"], "An application");
            assert!(record["details"]["jti"].is_string());
        }
        // Somebody else's token is not revoked, and so not recorded.
        let other = desk.application(json!({})).await;
        let token = node.token(&shop, ORDERS).await;
        node.revoke(&other, &token).await;
        assert_eq!(found(&desk, "type:srat").await.len(), 2);
    }

    async fn a_refusal_is_recorded_with_the_reason_that_the_client_is_not_told(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let wrong = Credentials { secret: "wrong".repeat(8), ..shop.clone() };
        node.ask(&wrong, &[]).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        node.ask(&shop, &[("audience", "https://unknown/")]).await.expect_error(StatusCode::FORBIDDEN, "access_denied");
        node.ask(&shop, &[("validity_period", "0")]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        node.form("/oauth/token", &shop, &[("grant_type", "magic")]).await.expect_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
        node.form("/oauth/revoke", &wrong, &[("token", "x")]).await.expect(StatusCode::UNAUTHORIZED);
        node.form("/oauth/introspect", &wrong, &[("token", "x")]).await.expect(StatusCode::UNAUTHORIZED);
        let desk = Desk::open(node).await;
        let secret = the_one(&desk, r#"type:feccft "wrong or expired secret""#).await;
        assert_eq!(secret["client_id"], shop.id);
        assert_eq!(secret["description"], "Client authentication failed.");
        assert_eq!(secret["details"]["error"]["code"], "invalid_client");
        assert_eq!(secret["details"]["response"]["statusCode"], 401);
        let denied = the_one(&desk, "type:feccft access_denied").await;
        assert_eq!(denied["client_name"], "An application", "it has proven who it is");
        assert_eq!(the_one(&desk, "type:feccft invalid_request").await["client_id"], shop.id);
        assert_eq!(the_one(&desk, "type:fet unsupported_grant_type").await["client_id"], shop.id);
        for kind in ["frat", "fint"] {
            assert_eq!(the_one(&desk, &format!("type:{kind}")).await["client_id"], shop.id);
        }
    }

    async fn a_refused_change_is_recorded_and_a_refused_look_too(world: World) {
        let node = &world.node;
        let reader = Desk::with_scopes(node, &["read:clients"]).await;
        reader.post("/clients", json!({ "name": "x" })).await.expect(StatusCode::FORBIDDEN);
        reader.get("/logs").await.expect(StatusCode::FORBIDDEN);
        let desk = Desk::open(node).await;
        desk.post("/clients", json!({ "name": "<x>" })).await.expect(StatusCode::BAD_REQUEST);
        desk.get("/clients/nobody").await.expect(StatusCode::NOT_FOUND);
        Desk::with_token(node, "rubbish".into()).get("/clients").await.expect(StatusCode::UNAUTHORIZED);
        let refused = found(&desk, "type:fapi").await;
        let shown: Vec<_> = refused.iter().map(|record| {
            (record["details"]["response"]["statusCode"].as_u64().unwrap(), record["client_id"].as_str())
        }).collect();
        // One application, one reason, one minute: the look is a repeat of the change.
        assert_eq!(shown, [(401, None), (400, Some(ADMIN_ID)), (403, Some(ADMIN_ID))]);
        world.clock.advance(60);
        let repeat = &found(&desk, "type:fapi").await[0];
        assert_eq!(repeat["details"]["repeated"]["count"], 1);
    }

    async fn a_thousand_wrong_secrets_in_a_minute_are_two_records(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let wrong = Credentials { secret: "wrong".repeat(8), ..shop.clone() };
        for _ in 0..100 {
            node.ask(&wrong, &[]).await.expect(StatusCode::UNAUTHORIZED);
        }
        let desk = Desk::open(node).await;
        assert_eq!(found(&desk, "type:feccft").await.len(), 1, "the first is there at once");
        world.clock.advance(60);
        node.ask(&wrong, &[]).await.expect(StatusCode::UNAUTHORIZED);
        let records = found(&desk, "type:feccft").await;
        assert_eq!(records.len(), 3);
        let is_repeated = |record: &&Value| record["details"].get("repeated").is_some();
        let repeated = &records.iter().find(is_repeated).unwrap()["details"]["repeated"];
        assert_eq!(repeated["count"], 99);
        assert_eq!(repeated["ips"], json!(["127.0.0.1"]));
    }

    async fn no_secret_is_ever_in_a_record(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({ "token_dialect": "opaque" })).await;
        let mut shop = desk.application(json!({})).await;
        desk.grant(&shop, ORDERS, json!({})).await;
        let mut secrets = vec![shop.secret.clone()];
        let path = format!("/clients/{}", shop.id);
        let rotated = desk.post(&format!("{path}/rotate-secret"), json!({ "grace_seconds": 60 })).await;
        secrets.push(rotated.expect(StatusCode::OK).text("client_secret"));
        let chosen = "Chosen-By-Hand-16.7";
        desk.patch(&path, json!({ "client_secret": chosen })).await.expect(StatusCode::OK);
        desk.patch(&path, json!({ "client_secret": "TooShort-7xq" })).await.expect(StatusCode::BAD_REQUEST);
        secrets.extend([chosen.to_owned(), "TooShort-7xq".to_owned()]);
        shop.secret = chosen.into();
        let further = desk.post(&format!("{path}/secrets"), json!({})).await;
        secrets.push(further.expect(StatusCode::CREATED).text("client_secret"));
        let signing = "A signing secret with more than 32 bytes";
        let own = desk.api(STOCK, json!({ "signing_alg": "HS256" })).await;
        secrets.push(own["signing_secret"].as_str().unwrap().to_owned());
        desk.patch(&api_path(STOCK), json!({ "signing_secret": signing })).await.expect(StatusCode::OK);
        secrets.push(signing.to_owned());
        let token = node.token(&shop, ORDERS).await;
        node.introspect(&shop, &token).await;
        node.revoke(&shop, &token).await;
        secrets.push(token);
        let wrong = "a wrong secret of somebody 4711";
        let form = [("grant_type", "client_credentials"), ("client_id", shop.id.as_str()), ("client_secret", wrong)];
        node.bare_form("/oauth/token", &form).await.expect(StatusCode::UNAUTHORIZED);
        let query = format!("/oauth/token?client_secret={}", "InTheQuery4711");
        node.form(&query, &shop, &[("grant_type", "client_credentials")]).await.expect(StatusCode::BAD_REQUEST);
        secrets.extend([wrong.to_owned(), "InTheQuery4711".to_owned(), crate::harness::ADMIN_SECRET.to_owned()]);
        let management = node.admin_token().await;
        secrets.push(management.clone());
        Desk::with_token(node, format!("{management}x")).post("/clients", json!({})).await.expect(StatusCode::UNAUTHORIZED);
        assert!(found(&desk, "").await.len() > 8);
        assert!(rows_that_hold(world, &shop.id).await > 0, "the search finds what is there");
        for secret in secrets {
            assert_eq!(rows_that_hold(world, &secret).await, 0, "{secret}");
        }
    }

    async fn whoever_goes_on_from_the_last_record_sees_each_once_and_misses_none(world: World) {
        let node = &world.node;
        let other = world.another_node().await;
        let shop = node.api_and_application(ORDERS).await;
        let desk = Desk::open(node).await;
        let mut seen = Vec::new();
        let mut path = "/logs?take=7".to_owned();
        for round in 0..12 {
            for node in [node, &other] {
                for _ in 0..=round % 3 {
                    node.token(&shop, ORDERS).await;
                }
            }
            other.app.audit.settle().await;
            let answer = desk.get(&path).await.expect(StatusCode::OK);
            let records = answer.json.as_array().unwrap().clone();
            assert!(records.len() <= 7);
            let link = answer.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
            if let Some(last) = records.last() {
                let last = last["log_id"].as_str().unwrap();
                assert_eq!(link.unwrap(), format!("<https://grantor.test/api/v2/logs?from={last}&take=7>; rel=\"next\""));
                path = format!("/logs?from={last}&take=7");
            }
            seen.extend(records.into_iter().map(|record| record["log_id"].as_str().unwrap().to_owned()));
        }
        loop {
            // As SDKs send it: what belongs to the other way of paging is passed over.
            let page = desk.shown(&format!("{path}&include_totals=true&page=0&per_page=50&sort=date:-1")).await;
            let records = page["logs"].as_array().unwrap();
            seen.extend(records.iter().map(|record| record["log_id"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/logs?from={next}&take=7");
        }
        assert!(seen.is_sorted());
        let mut all: Vec<String> = found(&desk, "").await.iter().map(|record| record["log_id"].as_str().unwrap().to_owned()).collect();
        all.sort_unstable();
        let is_newer = |id: &String| id > seen.last().unwrap();
        all.retain(|id| !is_newer(id));
        assert_eq!(seen, all);
    }

    async fn what_is_no_record_is_told_apart(world: World) {
        let desk = Desk::open(&world.node).await;
        for id in ["nothing", &log_id(1), "900", "%F0%9F%98%80"] {
            desk.get(&format!("/logs/{id}")).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_log");
        }
        for query in ["from=nothing", "from=", "take=0", "take=101", "per_page=101", "sort=type:1", "unknown=1", "page=-1"] {
            desk.get(&format!("/logs?{query}")).await.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        }
    }

    async fn reading_needs_the_scope(world: World) {
        let node = &world.node;
        for (scopes, status) in [
            (&["read:logs"][..], StatusCode::OK),
            (&["read:logs_users"], StatusCode::OK),
            (&["read:stats", "read:clients"], StatusCode::FORBIDDEN),
        ] {
            let desk = Desk::with_scopes(node, scopes).await;
            desk.get("/logs").await.expect(status);
            let id = log_id(1);
            let one = desk.get(&format!("/logs/{id}")).await;
            assert_eq!(one.status == StatusCode::FORBIDDEN, status == StatusCode::FORBIDDEN);
        }
        let refused = Desk::with_scopes(node, &["read:stats"]).await.get("/logs").await;
        assert_eq!(refused.text("message"), "Insufficient scope, expected any of: read:logs,read:logs_users");
    }

    async fn members_can_be_chosen_and_pages_have_totals(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        for _ in 0..5 {
            node.token(&shop, ORDERS).await;
        }
        let desk = Desk::open(node).await;
        let q = format!("q=client_id:{}", shop.id);
        let page = desk.shown(&format!("/logs?{q}&fields=type,log_id&page=1&per_page=2&include_totals=true")).await;
        assert_eq!(members(&page), ["length", "limit", "logs", "start", "total"]);
        assert_eq!((&page["start"], &page["limit"], &page["length"], &page["total"]), (&json!(2), &json!(2), &json!(2), &json!(5)));
        assert_eq!(members(&page["logs"][0]), ["log_id", "type"]);
        let without = desk.shown(&format!("/logs?{q}&fields=details,date&include_fields=false&per_page=1")).await;
        assert!(!members(&without[0]).contains(&"details") && members(&without[0]).contains(&"type"));
        let ids = async |sort: &str| -> Vec<Value> {
            let logs = desk.shown(&format!("/logs?{q}&sort={sort}")).await;
            logs.as_array().unwrap().iter().map(|log| log["log_id"].clone()).collect()
        };
        let (mut newest, oldest) = (ids("date:-1").await, ids("date:1").await);
        newest.reverse();
        assert_eq!(newest, oldest);
        assert_eq!(oldest.len(), 5);
        assert_eq!(desk.shown(&format!("/logs?{q}&page=9")).await, json!([]));
        let management = desk.shown(&format!("/logs?q=audience:\"{MANAGEMENT}\"&per_page=1")).await;
        assert_eq!(management[0]["client_id"], ADMIN_ID);
    }
}
