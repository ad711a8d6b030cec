//! `GET /resource-servers/{id}/token-lifetime`: how long a token would live, and why (lifetime.md,
//! "The decision"). It agrees with what is issued, and issues nothing.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, members, no_nulls};
use crate::harness::{
    Answer, Credentials, MANAGEMENT, MFA, Node, World, api_path, both_stores, claims,
};

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "urn:stock";
const BOUND: i64 = 2_592_000;

/// Asks about an API; the query follows the `?`.
async fn ask(desk: &Desk<'_>, api: &str, query: &str) -> Answer {
    desk.get(&format!("{}/token-lifetime?{query}", api_path(api)))
        .await
}

/// What the answer says.
async fn explained(desk: &Desk<'_>, api: &str, query: &str) -> Value {
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
async fn decided(desk: &Desk<'_>, api: &str, query: &str) -> (i64, String) {
    let answer = explained(desk, api, query).await;
    (
        answer["lifetime"].as_i64().unwrap(),
        answer["rule"].as_str().unwrap().to_owned(),
    )
}

/// What a token request gets: `expires_in`, and -1 where there is none; or the error.
async fn issued(
    node: &Node,
    to: &Credentials,
    audience: &str,
    asked: Option<i64>,
) -> Result<i64, String> {
    let asked = asked.map(|asked| asked.to_string());
    let mut params = vec![("audience", audience)];
    params.extend(asked.as_deref().map(|asked| ("validity_period", asked)));
    let answer = node.ask(to, &params).await;
    if answer.status == StatusCode::OK {
        return Ok(answer.json["expires_in"].as_i64().unwrap_or(-1));
    }
    Err(answer.text("error"))
}

/// The ids of an application's secrets, oldest first; no answer shows them yet.
async fn secret_ids(node: &Node, of: &Credentials) -> Vec<String> {
    let mut conn = node.app.store.read().await.unwrap();
    let stored = grantor::store::applications::get(&mut conn, &of.id)
        .await
        .unwrap();
    let mut secrets = stored.unwrap().secrets;
    secrets.sort_by_key(|secret| secret.expires_at.unwrap_or(i64::MAX));
    secrets.into_iter().map(|secret| secret.id).collect()
}

/// Fails where `exact` is not the value give or take the second that may pass meanwhile.
#[track_caller]
fn about(value: i64, exact: i64) {
    assert!(
        (exact - 2..=exact).contains(&value),
        "{value} is about {exact}"
    );
}

async fn in_seconds(world: &World, seconds: i64) -> String {
    grantor::model::instant::to_rfc3339(world.clock.now() + seconds)
}

both_stores! {
    async fn the_answer_has_the_lifetime_the_rule_and_each_step(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({ "token_lifetime": 300, "max_token_lifetime": 900 })).await;
        let answer = explained(&desk, ORDERS, "validity_period=901").await;
        assert_eq!(members(&answer), ["lifetime", "requested", "rule", "trace"]);
        assert_eq!((&answer["lifetime"], &answer["rule"], &answer["requested"]), (&json!(900), &json!("api_maximum"), &json!(901)));
        let steps: Vec<_> = answer["trace"].as_array().unwrap().iter().map(|step| (step["rule"].as_str().unwrap(), step["value"].as_i64().unwrap())).collect();
        assert!(steps.contains(&("requested", 901)) && steps.contains(&("api_maximum", 900)), "{steps:?}");
        let nothing_asked = explained(&desk, ORDERS, "").await;
        assert_eq!(members(&nothing_asked), ["lifetime", "rule", "trace"], "unset is omitted");
        let by_id = desk.shown(&api_path(ORDERS)).await["id"].as_str().unwrap().to_owned();
        let same = desk.shown(&format!("/resource-servers/{by_id}/token-lifetime")).await;
        assert_eq!(same, nothing_asked);
    }

    /// The worked cases of lifetime.md that need no more than an API and an application.
    async fn the_worked_cases_are_explained_by_the_page_s_rules(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        desk.api("urn:max-never", json!({ "max_token_lifetime": -1 })).await;
        desk.api("urn:never", json!({ "token_lifetime": -1 })).await;
        let own = async |lifetimes: Value| desk.application(json!({ "access_token_lifetimes": lifetimes })).await.id;
        let (half_hour, long, never) = (own(json!({ "application": 1800 })).await, own(json!({ "application": 5_184_000 })).await, own(json!({ "application": -1 })).await);
        for (case, api, query, lifetime, rule) in [
            (1, ORDERS, String::new(), 86400, "api_default"),
            (2, ORDERS, "validity_period=3600".into(), 3600, "requested"),
            (3, ORDERS, "validity_period=1".into(), 1, "requested"),
            (4, ORDERS, "validity_period=2592000".into(), BOUND, "requested"),
            (5, ORDERS, "validity_period=2592001".into(), BOUND, "api_maximum"),
            (6, ORDERS, "validity_period=9223372036854775807".into(), BOUND, "api_maximum"),
            (7, ORDERS, "validity_period=-1".into(), BOUND, "api_maximum"),
            (8, "urn:max-never", "validity_period=-1".into(), -1, "requested"),
            (9, "urn:max-never", "validity_period=31536000".into(), 31_536_000, "requested"),
            (10, "urn:never", String::new(), -1, "api_default"),
            (11, "urn:never", "validity_period=600".into(), 600, "requested"),
            (13, ORDERS, format!("client_id={half_hour}"), 1800, "application"),
            (14, ORDERS, format!("client_id={half_hour}&validity_period=7200"), 7200, "requested"),
            (15, ORDERS, format!("client_id={long}"), BOUND, "api_maximum"),
            (16, ORDERS, format!("client_id={never}"), BOUND, "api_maximum"),
            (17, "urn:max-never", format!("client_id={never}"), -1, "application"),
            (18, ORDERS, format!("client_id={half_hour}&flow=authorization_code"), 86400, "api_default"),
            (19, ORDERS, "flow=implicit".into(), 7200, "api_web"),
            (19, ORDERS, "flow=hybrid".into(), 7200, "api_web"),
            (20, ORDERS, "flow=implicit&validity_period=86400".into(), 7200, "api_web"),
            (21, ORDERS, "flow=implicit&validity_period=60".into(), 60, "requested"),
            (22, ORDERS, "flow=authorization_code".into(), 86400, "api_default"),
            (23, ORDERS, "flow=authorization_code&validity_period=2592000".into(), 86400, "authorization_request"),
            (23, ORDERS, "flow=authorization_code&validity_period=2592000&pushed=false".into(), 86400, "authorization_request"),
            (24, ORDERS, "flow=authorization_code&validity_period=2592000&pushed=true".into(), BOUND, "requested"),
            (25, MFA, String::new(), 600, "mfa_audience"),
            (26, MFA, "validity_period=30".into(), 600, "mfa_audience"),
            (26, MFA, format!("validity_period=-1&client_id={never}"), 600, "mfa_audience"),
            (32, MANAGEMENT, String::new(), 86400, "api_default"),
            (33, MANAGEMENT, "validity_period=-1".into(), BOUND, "api_maximum"),
            (38, "urn:max-never", "validity_period=9223372036854775807".into(), 3_153_600_000, "longest_finite"),
        ] {
            assert_eq!(decided(&desk, api, &query).await, (lifetime, rule.to_owned()), "case {case}: {api} {query}");
        }
    }

    async fn each_flow_is_explained_as_the_kind_of_token_it_gives(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({ "token_lifetime_for_web": 60 })).await;
        let lifetimes = json!({ "application": 1000, "user": 2000 });
        let shop = desk.application(json!({ "access_token_lifetimes": lifetimes })).await.id;
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
            let (lifetime, rule) = decided(&desk, ORDERS, &format!("client_id={shop}&flow={flow}")).await;
            assert_eq!((lifetime, rule.as_str()), expected, "{flow}");
        }
        assert_eq!(explained(&desk, ORDERS, &format!("client_id={shop}")).await,
            explained(&desk, ORDERS, &format!("client_id={shop}&flow=client_credentials")).await, "the default flow");
    }

    async fn never_is_written_as_minus_one_however_it_was_asked_for(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({ "max_token_lifetime": -1 })).await;
        for asked in ["-1", "-86400", "-9223372036854775808"] {
            let answer = explained(&desk, ORDERS, &format!("validity_period={asked}")).await;
            assert_eq!((&answer["lifetime"], &answer["requested"]), (&json!(-1), &json!(-1)));
        }
    }

    async fn of_several_apis_the_shortest_decides_and_the_first_named_at_a_tie(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        desk.api(STOCK, json!({ "token_lifetime": 3600 })).await;
        desk.api("urn:never", json!({ "token_lifetime": -1 })).await;
        assert_eq!(decided(&desk, ORDERS, "audience=urn:stock").await, (3600, "api_default".into()), "worked case 28");
        assert_eq!(decided(&desk, STOCK, "audience=https%3A%2F%2Forders.example%2F").await.0, 3600);
        assert_eq!(decided(&desk, "urn:never", "audience=urn:stock").await, (3600, "api_default".into()), "worked case 29");
        assert_eq!(decided(&desk, "urn:never", "audience=urn:stock&audience=https://orders.example/").await.0, 3600);
        let tie = explained(&desk, ORDERS, "audience=urn:stock&validity_period=60").await;
        assert_eq!((&tie["lifetime"], &tie["rule"]), (&json!(60), &json!("requested")));
        for (api, further) in [(ORDERS, MFA), (ORDERS, MANAGEMENT), (MFA, ORDERS), (MANAGEMENT, STOCK), (MFA, MANAGEMENT)] {
            let answer = ask(&desk, api, &format!("audience={further}")).await;
            answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        }
        ask(&desk, ORDERS, "audience=urn:unknown").await.expect_problem(StatusCode::NOT_FOUND, "inexistent_resource_server");
    }

    async fn more_apis_than_share_a_token_are_refused(world: World, "GRANTOR_TOKENS__APIS_PER_TOKEN_MAX" = "2") {
        let desk = Desk::open(&world.node).await;
        for api in ["urn:a", "urn:b", "urn:c"] {
            desk.api(api, json!({})).await;
        }
        explained(&desk, "urn:a", "audience=urn:b").await;
        let answer = ask(&desk, "urn:a", "audience=urn:b&audience=urn:c").await;
        let answer = answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        assert!(answer.text("message").contains("tokens.apis_per_token_max"), "{answer:?}");
    }

    async fn what_would_be_refused_is_said_beside_the_lifetime(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({})).await;
        desk.api(STOCK, json!({})).await;
        let shop = desk.application(json!({})).await;
        let about_shop = format!("client_id={}", shop.id);
        let refused = async |further: &str| {
            let answer = explained(&desk, ORDERS, &format!("{about_shop}{further}")).await;
            assert_eq!(answer["lifetime"], 86400);
            answer.get("refused").cloned().unwrap_or(Value::Null)
        };
        assert_eq!(refused("").await, "access_denied");
        let of_users = desk.grant(&shop, ORDERS, json!({ "subject_type": "user" })).await;
        assert_eq!(refused("").await, "access_denied", "that grant is for users");
        desk.delete(&format!("/client-grants/{of_users}")).await.expect(StatusCode::NO_CONTENT);
        let grant = desk.grant(&shop, ORDERS, json!({ "expires_at": in_seconds(&world, 100_000).await })).await;
        assert_eq!(refused("").await, Value::Null);
        assert_eq!(refused("&audience=urn:stock").await, "access_denied", "one of them is not granted");
        let deny = |policy: &str| json!({ "subject_type_authorization": { "client": { "policy": policy } } });
        desk.patch(&api_path(ORDERS), deny("deny_all")).await.expect(StatusCode::OK);
        assert_eq!(refused("").await, "access_denied");
        desk.patch(&api_path(ORDERS), deny("require_client_grant")).await.expect(StatusCode::OK);
        assert_eq!(issued(node, &shop, ORDERS, None).await, Ok(86400));

        world.clock.advance(100_001);
        let desk = Desk::open(node).await;
        let expired = explained(&desk, ORDERS, &about_shop).await;
        assert_eq!((&expired["refused"], &expired["lifetime"]), (&json!("access_denied"), &json!(86400)), "an expired grant counts as none");
        assert_eq!(issued(node, &shop, ORDERS, None).await, Err("access_denied".into()));
        desk.patch(&format!("/client-grants/{grant}"), json!({ "expires_at": null })).await.expect(StatusCode::OK);
        assert!(explained(&desk, ORDERS, &about_shop).await.get("refused").is_none());
    }

    async fn an_expired_application_is_refused_as_an_invalid_client(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        let fields = json!({ "expires_at": in_seconds(&world, 300).await });
        desk.patch(&format!("/clients/{}", shop.id), fields).await.expect(StatusCode::OK);
        let query = format!("client_id={}", shop.id);
        let (lifetime, rule) = decided(&desk, ORDERS, &query).await;
        about(lifetime, 300);
        assert_eq!(rule, "credential_expiry");
        world.clock.advance(301);
        let answer = explained(&desk, ORDERS, &query).await;
        assert_eq!(answer["refused"], "invalid_client");
        assert_eq!(issued(node, &shop, ORDERS, None).await, Err("invalid_client".into()));
    }

    async fn the_secret_decides_the_one_that_lives_longest_where_none_is_named(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let old = node.api_and_application(ORDERS).await;
        let rotate = format!("/clients/{}/rotate-secret", old.id);
        let rotated = desk.post(&rotate, json!({ "grace_seconds": 300 })).await.expect(StatusCode::OK);
        let new = Credentials { id: old.id.clone(), secret: rotated.text("client_secret") };
        let ids = secret_ids(node, &old).await;
        let [ending, lasting] = ids.as_slice() else { panic!("two secrets: {ids:?}") };
        let query = format!("client_id={}", old.id);
        assert_eq!(decided(&desk, ORDERS, &query).await, (86400, "api_default".into()));
        assert_eq!(decided(&desk, ORDERS, &format!("{query}&secret_id={lasting}")).await.0, 86400);
        let (lifetime, rule) = decided(&desk, ORDERS, &format!("{query}&secret_id={ending}")).await;
        about(lifetime, 300);
        assert_eq!(rule, "credential_expiry", "worked case 30");
        about(issued(node, &old, ORDERS, None).await.unwrap(), lifetime);
        assert_eq!(issued(node, &new, ORDERS, None).await, Ok(86400));

        world.clock.advance(301);
        let ended = explained(&desk, ORDERS, &format!("{query}&secret_id={ending}")).await;
        assert_eq!(ended["refused"], "invalid_client");
        assert!(explained(&desk, ORDERS, &query).await.get("refused").is_none());
        for bad in [format!("{query}&secret_id=sec_unknown"), format!("secret_id={lasting}")] {
            let answer = ask(&desk, ORDERS, &bad).await.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
            assert!(answer.text("message").contains("secret_id"), "{answer:?}");
        }
    }

    async fn a_credential_or_grant_that_ends_sooner_shortens_even_mfa_and_never(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({ "token_lifetime": -1 })).await;
        let shop = desk.application(json!({})).await;
        let grant = desk.grant(&shop, ORDERS, json!({ "expires_at": in_seconds(&world, 200).await })).await;
        desk.grant(&shop, MFA, json!({ "scope": ["enroll"] })).await;
        let query = format!("client_id={}", shop.id);
        let (lifetime, rule) = decided(&desk, ORDERS, &query).await;
        about(lifetime, 200);
        assert_eq!(rule, "grant_expiry");
        let fields = json!({ "expires_at": in_seconds(&world, 100).await });
        desk.patch(&format!("/clients/{}", shop.id), fields).await.expect(StatusCode::OK);
        for api in [ORDERS, MFA] {
            let (lifetime, rule) = decided(&desk, api, &query).await;
            about(lifetime, 100);
            assert_eq!(rule, "credential_expiry", "{api}: worked cases 27 and 31");
        }
        desk.patch(&format!("/clients/{}", shop.id), json!({ "expires_at": null })).await.expect(StatusCode::OK);
        desk.patch(&format!("/client-grants/{grant}"), json!({ "expires_at": null })).await.expect(StatusCode::OK);
        assert_eq!(decided(&desk, ORDERS, &query).await, (-1, "api_default".into()));
    }

    async fn the_explanation_is_what_is_then_issued(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let apis = [
            ("urn:usual", json!({})),
            ("urn:short", json!({ "token_lifetime": 300, "max_token_lifetime": 900 })),
            ("urn:long", json!({ "token_lifetime": BOUND })),
            ("urn:max-never", json!({ "max_token_lifetime": -1 })),
            ("urn:never", json!({ "token_lifetime": -1 })),
            ("urn:opaque", json!({ "token_dialect": "opaque", "token_lifetime": 60 })),
        ];
        let applications = [
            json!({}),
            json!({ "access_token_lifetimes": { "application": 1800 } }),
            json!({ "access_token_lifetimes": { "application": -1, "user": 60 } }),
            json!({ "access_token_lifetimes": { "user": 60 } }),
        ];
        for (api, fields) in &apis {
            desk.api(api, fields.clone()).await;
        }
        for fields in applications {
            let application = desk.application(fields.clone()).await;
            for (api, _) in &apis {
                let denied = explained(&desk, api, &format!("client_id={}", application.id)).await;
                assert_eq!(denied["refused"], "access_denied");
                assert_eq!(issued(node, &application, api, None).await, Err("access_denied".into()));
                desk.grant(&application, api, json!({})).await;
                for asked in [None, Some(1), Some(600), Some(901), Some(BOUND), Some(BOUND + 1), Some(i64::MAX), Some(-1), Some(i64::MIN)] {
                    let asking = asked.map_or(String::new(), |asked| format!("&validity_period={asked}"));
                    let answer = explained(&desk, api, &format!("client_id={}{asking}", application.id)).await;
                    assert!(answer.get("refused").is_none(), "{answer}");
                    let got = issued(node, &application, api, asked).await;
                    assert_eq!(got, Ok(answer["lifetime"].as_i64().unwrap()), "{fields} at {api} asks {asked:?}: {answer}");
                }
            }
        }
    }

    async fn a_change_is_explained_at_once(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        let query = format!("client_id={}", shop.id);
        for lifetime in [60, 7200, 600] {
            desk.patch(&api_path(ORDERS), json!({ "token_lifetime": lifetime })).await.expect(StatusCode::OK);
            assert_eq!(decided(&desk, ORDERS, &query).await.0, lifetime);
            assert_eq!(issued(node, &shop, ORDERS, None).await, Ok(lifetime));
        }
    }

    async fn where_never_is_forbidden_the_servers_maximum_is_the_reason(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        node.change_api(ORDERS, json!({ "token_lifetime": -1 })).await.expect(StatusCode::OK);
        let edited = world.another_node_with(&[("GRANTOR_LIFETIMES__ALLOW_NEVER_EXPIRING", "false")]).await;
        let desk = Desk::open(&edited).await;
        for asked in ["", "&validity_period=-1"] {
            let decided = decided(&desk, ORDERS, &format!("client_id={}{asked}", shop.id)).await;
            assert_eq!(decided, (BOUND, "server_maximum".into()), "worked case 36");
        }
        assert_eq!(issued(&edited, &shop, ORDERS, None).await, Ok(BOUND));
        edited.stop().await;
    }

    /// A stored token would leave a row behind.
    async fn explaining_issues_nothing(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        desk.patch(&api_path(ORDERS), json!({ "token_lifetime": -1, "token_dialect": "opaque" })).await.expect(StatusCode::OK);
        let rows = async || {
            let url = world.database.url();
            let count = "select count(*) from tokens";
            if url.starts_with("sqlite") {
                let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
                sqlx::query_as::<_, (i64,)>(count).fetch_one(&pool).await.unwrap().0
            } else {
                let pool = sqlx::PgPool::connect(&url).await.unwrap();
                sqlx::query_as::<_, (i64,)>(count).fetch_one(&pool).await.unwrap().0
            }
        };
        let before = rows().await;
        for query in ["", "&validity_period=-1", "&flow=implicit", "&flow=mfa"] {
            let answer = ask(&desk, ORDERS, &format!("client_id={}{query}", shop.id)).await;
            let body = answer.expect(StatusCode::OK).body;
            assert!(!body.contains("access_token\""), "{body}");
        }
        assert_eq!(rows().await, before);
        assert_eq!(issued(node, &shop, ORDERS, None).await, Ok(-1));
        assert_eq!(rows().await, before + 1, "while a token request does");
    }

    async fn questions_that_make_no_sense_are_refused_by_name(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        for (query, parameter) in [
            ("flow=magic", "flow"), ("flow=", "flow"), ("flow=implicit&flow=hybrid", "flow"),
            ("validity_period=0", "validity_period"), ("validity_period=abc", "validity_period"), ("validity_period=1.5", "validity_period"),
            ("validity_period=", "validity_period"), ("validity_period=1e3", "validity_period"), ("validity_period=%2B60", "validity_period"),
            ("validity_period=9223372036854775808", "validity_period"), ("validity_period=60&validity_period=60", "validity_period"),
            ("pushed=yes", "pushed"), ("client_id=a&client_id=b", "client_id"), ("clientid=a", "clientid"),
        ] {
            let answer = ask(&desk, ORDERS, query).await.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
            assert!(answer.text("message").contains(&format!("on property {parameter}.")), "{answer:?}");
        }
        ask(&desk, ORDERS, "client_id=unknown").await.expect_problem(StatusCode::NOT_FOUND, "inexistent_client");
        ask(&desk, "urn:unknown", "").await.expect_problem(StatusCode::NOT_FOUND, "inexistent_resource_server");
    }

    async fn the_trace_says_that_mfa_ignores_what_was_asked(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = desk.application(json!({ "access_token_lifetimes": { "application": 30 } })).await;
        desk.grant(&shop, MFA, json!({ "scope": ["enroll"] })).await;
        let answer = explained(&desk, MFA, &format!("client_id={}&validity_period=30", shop.id)).await;
        assert_eq!((&answer["lifetime"], &answer["requested"]), (&json!(600), &json!(30)));
        let texts: String = answer["trace"].as_array().unwrap().iter().map(|step| step["text"].as_str().unwrap()).collect();
        assert!(texts.contains("ignored"), "{texts}");
        let token = node.ask(&shop, &[("audience", MFA), ("validity_period", "30")]).await.expect(StatusCode::OK).text("access_token");
        let claims = claims(&token);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    }
}
