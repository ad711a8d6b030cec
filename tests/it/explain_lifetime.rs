//! `GET /resource-servers/{id}/token-lifetime`: how long a token would live, and why (lifetime.md,
//! "The decision"). It agrees with what is issued, and issues nothing.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, members, no_nulls};
use crate::harness::{Answer, MANAGEMENT, MFA, api_path, both_stores, claims};

pub(crate) const ORDERS: &str = "https://orders.example/";
pub(crate) const STOCK: &str = "urn:stock";
pub(crate) const BOUND: i64 = 2_592_000;

/// Asks about an API; the query follows the `?`.
pub(crate) async fn ask(desk: &Desk<'_>, api: &str, query: &str) -> Answer {
    desk.get(&format!("{}/token-lifetime?{query}", api_path(api)))
        .await
}

/// What the answer says.
pub(crate) async fn explained(desk: &Desk<'_>, api: &str, query: &str) -> Value {
    let answer = ask(desk, api, query).await.expect(StatusCode::OK).json;
    no_nulls(&answer);
    let trace = answer["trace"]
        .as_array()
        .unwrap_or_else(|| panic!("a trace: {answer}"));
    assert!(!trace.is_empty(), "{answer}");
    for step in trace {
        assert_eq!(members(step), ["rule", "text", "value"], "{answer}");
        assert!(
            step["value"].is_i64() && !step["text"].as_str().unwrap().is_empty(),
            "{answer}"
        );
    }
    answer
}

/// The lifetime and the rule.
pub(crate) async fn decided(desk: &Desk<'_>, api: &str, query: &str) -> (i64, String) {
    let answer = explained(desk, api, query).await;
    (
        answer["lifetime"].as_i64().unwrap(),
        answer["rule"].as_str().unwrap().to_owned(),
    )
}

/// The worked cases of lifetime.md that need no more than an API and an application: case, API,
/// question (`asks` is `validity_period`), lifetime, rule.
const WORKED_CASES: &str = "\
 1 | ORDERS        |                                               |      86400 | api_default
 2 | ORDERS        | asks=3600                                     |       3600 | requested
 3 | ORDERS        | asks=1                                        |          1 | requested
 4 | ORDERS        | asks=2592000                                  |    2592000 | requested
 5 | ORDERS        | asks=2592001                                  |    2592000 | api_maximum
 6 | ORDERS        | asks=9223372036854775807                      |    2592000 | api_maximum
 7 | ORDERS        | asks=-1                                       |    2592000 | api_maximum
 8 | urn:max-never | asks=-1                                       |         -1 | requested
 9 | urn:max-never | asks=31536000                                 |   31536000 | requested
10 | urn:never     |                                               |         -1 | api_default
11 | urn:never     | asks=600                                      |        600 | requested
13 | ORDERS        | client_id={half_hour}                         |       1800 | application
14 | ORDERS        | client_id={half_hour}&asks=7200               |       7200 | requested
15 | ORDERS        | client_id={long}                              |    2592000 | api_maximum
16 | ORDERS        | client_id={never}                             |    2592000 | api_maximum
17 | urn:max-never | client_id={never}                             |         -1 | application
18 | ORDERS        | client_id={half_hour}&flow=authorization_code |      86400 | api_default
19 | ORDERS        | flow=implicit                                 |       7200 | api_web
19 | ORDERS        | flow=hybrid                                   |       7200 | api_web
20 | ORDERS        | flow=implicit&asks=86400                      |       7200 | api_web
21 | ORDERS        | flow=implicit&asks=60                         |         60 | requested
22 | ORDERS        | flow=authorization_code                       |      86400 | api_default
23 | ORDERS | flow=authorization_code&asks=2592000        | 86400 | authorization_request
23 | ORDERS | flow=authorization_code&asks=2592000&pushed=false | 86400 | authorization_request
24 | ORDERS        | flow=authorization_code&asks=2592000&pushed=true |    2592000 | requested
25 | MFA           |                                               |        600 | mfa_audience
26 | MFA           | asks=30                                       |        600 | mfa_audience
26 | MFA           | asks=-1&client_id={never}                     |        600 | mfa_audience
32 | MANAGEMENT    |                                               |      86400 | api_default
33 | MANAGEMENT    | asks=-1                                       |    2592000 | api_maximum
38 | urn:max-never | asks=9223372036854775807                      | 3153600000 | longest_finite
";

both_stores! {
    async fn the_answer_has_the_lifetime_the_rule_and_each_step(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(
            ORDERS,
            json!({ "token_lifetime": 300, "max_token_lifetime": 900 }),
        )
        .await;
        let answer = explained(&desk, ORDERS, "validity_period=901").await;
        assert_eq!(members(&answer), ["lifetime", "requested", "rule", "trace"]);
        assert_eq!(
            (&answer["lifetime"], &answer["rule"], &answer["requested"]),
            (&json!(900), &json!("api_maximum"), &json!(901))
        );
        let steps: Vec<_> = answer["trace"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| {
                (
                    step["rule"].as_str().unwrap(),
                    step["value"].as_i64().unwrap(),
                )
            })
            .collect();
        assert!(
            steps.contains(&("requested", 901)) && steps.contains(&("api_maximum", 900)),
            "{steps:?}"
        );
        let nothing_asked = explained(&desk, ORDERS, "").await;
        assert_eq!(
            members(&nothing_asked),
            ["lifetime", "rule", "trace"],
            "unset is omitted"
        );
        let by_id = desk.shown(&api_path(ORDERS)).await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let same = desk
            .shown(&format!("/resource-servers/{by_id}/token-lifetime"))
            .await;
        assert_eq!(same, nothing_asked);
    }

    async fn the_worked_cases_are_explained_by_the_page_s_rules(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        desk.api("urn:max-never", json!({ "max_token_lifetime": -1 })).await;
        desk.api("urn:never", json!({ "token_lifetime": -1 })).await;
        let own = async |lifetime: i64| {
            let fields = json!({ "access_token_lifetimes": { "application": lifetime } });
            desk.application(fields).await.id
        };
        let (half_hour, long, never) = (own(1800).await, own(5_184_000).await, own(-1).await);
        for row in WORKED_CASES.lines() {
            let row = row
                .replace("{half_hour}", &half_hour)
                .replace("{long}", &long)
                .replace("{never}", &never)
                .replace("asks=", "validity_period=");
            let columns: Vec<_> = row.split('|').map(str::trim).collect();
            let [_, api, query, lifetime, rule] = columns[..] else {
                panic!("five columns: {row}")
            };
            let api = match api {
                "ORDERS" => ORDERS,
                "MFA" => MFA,
                "MANAGEMENT" => MANAGEMENT,
                other => other,
            };
            let expected = (lifetime.parse().unwrap(), rule.to_owned());
            assert_eq!(decided(&desk, api, query).await, expected, "{row}");
        }
    }

    async fn each_flow_is_explained_as_the_kind_of_token_it_gives(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({ "token_lifetime_for_web": 60 }))
            .await;
        let lifetimes = json!({ "application": 1000, "user": 2000 });
        let shop = desk
            .application(json!({ "access_token_lifetimes": lifetimes }))
            .await
            .id;
        for (flow, expected) in [
            ("client_credentials", (1000, "application")),
            ("authorization_code", (2000, "application")),
            ("refresh_token", (2000, "application")),
            ("device_code", (2000, "application")),
            ("password", (2000, "application")),
            ("mfa", (2000, "application")),
            ("implicit", (60, "api_web")),
            ("hybrid", (60, "api_web")),
        ] {
            let (lifetime, rule) =
                decided(&desk, ORDERS, &format!("client_id={shop}&flow={flow}")).await;
            assert_eq!((lifetime, rule.as_str()), expected, "{flow}");
        }
        assert_eq!(
            explained(&desk, ORDERS, &format!("client_id={shop}")).await,
            explained(
                &desk,
                ORDERS,
                &format!("client_id={shop}&flow=client_credentials")
            )
            .await,
            "the default flow"
        );
    }

    async fn never_is_written_as_minus_one_however_it_was_asked_for(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({ "max_token_lifetime": -1 })).await;
        for asked in ["-1", "-86400", "-9223372036854775808"] {
            let answer = explained(&desk, ORDERS, &format!("validity_period={asked}")).await;
            assert_eq!(
                (&answer["lifetime"], &answer["requested"]),
                (&json!(-1), &json!(-1))
            );
        }
    }

    async fn of_several_apis_the_shortest_decides_and_the_first_named_at_a_tie(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        desk.api(STOCK, json!({ "token_lifetime": 3600 })).await;
        desk.api("urn:never", json!({ "token_lifetime": -1 })).await;
        assert_eq!(
            decided(&desk, ORDERS, "audience=urn:stock").await,
            (3600, "api_default".into()),
            "worked case 28"
        );
        assert_eq!(
            decided(&desk, STOCK, "audience=https%3A%2F%2Forders.example%2F")
                .await
                .0,
            3600
        );
        assert_eq!(
            decided(&desk, "urn:never", "audience=urn:stock").await,
            (3600, "api_default".into()),
            "worked case 29"
        );
        assert_eq!(
            decided(
                &desk,
                "urn:never",
                "audience=urn:stock&audience=https://orders.example/"
            )
            .await
            .0,
            3600
        );
        let tie = explained(&desk, ORDERS, "audience=urn:stock&validity_period=60").await;
        assert_eq!(
            (&tie["lifetime"], &tie["rule"]),
            (&json!(60), &json!("requested"))
        );
        for (api, further) in [
            (ORDERS, MFA),
            (ORDERS, MANAGEMENT),
            (MFA, ORDERS),
            (MANAGEMENT, STOCK),
            (MFA, MANAGEMENT),
        ] {
            let answer = ask(&desk, api, &format!("audience={further}")).await;
            answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        }
        ask(&desk, ORDERS, "audience=urn:unknown")
            .await
            .expect_problem(StatusCode::NOT_FOUND, "inexistent_resource_server");
    }

    async fn more_apis_than_share_a_token_are_refused(
        world: World,
        "GRANTOR_TOKENS__APIS_PER_TOKEN_MAX" = "2"
    ) {
        let desk = Desk::open(&world.node).await;
        for api in ["urn:a", "urn:b", "urn:c"] {
            desk.api(api, json!({})).await;
        }
        explained(&desk, "urn:a", "audience=urn:b").await;
        let answer = ask(&desk, "urn:a", "audience=urn:b&audience=urn:c").await;
        let answer = answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        assert!(
            answer.text("message").contains("tokens.apis_per_token_max"),
            "{answer:?}"
        );
    }

    async fn questions_that_make_no_sense_are_refused_by_name(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        for (query, parameter) in [
            ("flow=magic", "flow"),
            ("flow=", "flow"),
            ("flow=implicit&flow=hybrid", "flow"),
            ("validity_period=0", "validity_period"),
            ("validity_period=abc", "validity_period"),
            ("validity_period=1.5", "validity_period"),
            ("validity_period=", "validity_period"),
            ("validity_period=1e3", "validity_period"),
            ("validity_period=%2B60", "validity_period"),
            ("validity_period=9223372036854775808", "validity_period"),
            ("validity_period=60&validity_period=60", "validity_period"),
            ("pushed=yes", "pushed"),
            ("client_id=a&client_id=b", "client_id"),
            ("clientid=a", "clientid"),
        ] {
            let answer = ask(&desk, ORDERS, query)
                .await
                .expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
            assert!(
                answer
                    .text("message")
                    .contains(&format!("on property {parameter}.")),
                "{answer:?}"
            );
        }
        ask(&desk, ORDERS, "client_id=unknown")
            .await
            .expect_problem(StatusCode::NOT_FOUND, "inexistent_client");
        ask(&desk, "urn:unknown", "")
            .await
            .expect_problem(StatusCode::NOT_FOUND, "inexistent_resource_server");
    }

    async fn the_trace_says_that_mfa_ignores_what_was_asked(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = desk
            .application(json!({ "access_token_lifetimes": { "application": 30 } }))
            .await;
        desk.grant(&shop, MFA, json!({ "scope": ["enroll"] })).await;
        let answer = explained(
            &desk,
            MFA,
            &format!("client_id={}&validity_period=30", shop.id),
        )
        .await;
        assert_eq!(
            (&answer["lifetime"], &answer["requested"]),
            (&json!(600), &json!(30))
        );
        let texts: String = answer["trace"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["text"].as_str().unwrap())
            .collect();
        assert!(texts.contains("ignored"), "{texts}");
        let token = node
            .ask(&shop, &[("audience", MFA), ("validity_period", "30")])
            .await
            .expect(StatusCode::OK)
            .text("access_token");
        let claims = claims(&token);
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            600
        );
    }
}
