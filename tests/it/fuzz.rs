//! Property tests: no request, whatever its bytes, gets a 5xx, and each answer has its shape.

mod requests;
mod values;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use self::requests::Request;
use self::values::{Collection, Known};
use crate::harness::{Credentials, MANAGEMENT, Node, api_path, both_stores};
use crate::raw::{Connection, RawAnswer};

const ORDERS: &str = "https://orders.example/";
const VICTIM: &str = "https://victim.example/";

both_stores! {
    async fn no_request_to_a_protocol_endpoint_gets_a_5xx(world: World) {
        let safe = Safe::make(&world.node).await;
        let known = safe.known(&world.node).await;
        for_any(3000, requests::oauth(&known), &world.node);
        safe.is_unharmed(&world.node).await;
    }

    async fn no_request_to_the_management_api_gets_a_5xx(world: World) {
        let safe = Safe::make(&world.node).await;
        let known = safe.known(&world.node).await;
        for_any(6000, requests::management(&known), &world.node);
        safe.is_unharmed(&world.node).await;
    }

    async fn no_request_to_any_path_gets_a_5xx(world: World) {
        let safe = Safe::make(&world.node).await;
        let known = safe.known(&world.node).await;
        for_any(1500, requests::anywhere(&known), &world.node);
        safe.is_unharmed(&world.node).await;
    }
}

/// Sends that many requests, and judges each answer.
fn for_any(cases: u32, requests: impl Strategy<Value = Request>, node: &Node) {
    let config = Config {
        cases,
        // What failed is printed; a file of seeds beside the tests would only go stale.
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let judged = TestRunner::new(config).run(&requests, |request| {
            runtime
                .block_on(judge(node, &request))
                .map_err(TestCaseError::fail)
        });
        judged.unwrap_or_else(|error| panic!("{error}"));
    });
}

async fn judge(node: &Node, request: &Request) -> Result<(), String> {
    let mut connection = Connection::open(&node.base).await.unwrap();
    // The server may answer, and close, before it has read everything.
    drop(connection.send(request.bytes()).await);
    let answer = loop {
        let answer = match request.method {
            "HEAD" => connection.answer_without_body().await,
            _ => connection.answer().await,
        };
        match answer {
            None => return Err("no answer".to_owned()),
            Some(answer) if answer.status == 100 => {}
            Some(answer) => break answer,
        }
    };
    fault_of(request, &answer).map_or(Ok(()), |fault| Err(format!("{fault}: {answer:?}")))
}

/// What is wrong with an answer.
fn fault_of(request: &Request, answer: &RawAnswer) -> Option<&'static str> {
    if answer.header("x-request-id").is_none() {
        let is_of_the_connection = !request.is_http() && [400, 414, 431].contains(&answer.status);
        return (!is_of_the_connection).then_some("no request id");
    }
    if answer.status >= 500 {
        return Some("a 5xx");
    }
    if request.method == "HEAD" || answer.status < 400 {
        let is_known = request.method == "HEAD" || [200, 201, 204].contains(&answer.status);
        return (!is_known).then_some("an unknown status");
    }
    if answer.header("cache-control") != Some("no-store") {
        return Some("an error that may be kept");
    }
    if answer.status == 401 && answer.header("www-authenticate").is_none() {
        return Some("401 without a challenge");
    }
    let media_type = answer.header("content-type").unwrap_or_default();
    let body = serde_json::from_str::<Value>(&answer.body).ok();
    let Some(body) = body.filter(|_| media_type.starts_with("application/json")) else {
        return Some("an error that is not JSON");
    };
    let target = request.target.escape_ascii().to_string();
    let is_in_shape = match target.find("/api/v2/") {
        Some(0) => is_problem(answer.status, &body),
        // Nothing is there, so either will do.
        Some(_) if answer.status == 404 => is_problem(404, &body) || is_oauth_error(&body),
        _ => is_oauth_error(&body),
    };
    (!is_in_shape).then_some("an error in another shape than its endpoint's")
}

/// RFC 6749 §5.2.
fn is_oauth_error(body: &Value) -> bool {
    let is_text = |name: &str| {
        body[name].as_str().is_some_and(|text| {
            let is_allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
            !text.is_empty() && text.chars().all(is_allowed)
        })
    };
    let members = body.as_object().map_or(0, serde_json::Map::len);
    is_text("error") && is_text("error_description") && members == 2
}

/// compatibility.md §1.1.
fn is_problem(status: u16, body: &Value) -> bool {
    let is_text = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        !text.is_empty() && !text.contains(char::is_control) && text.len() < 2000
    };
    let is_code_fit = body.get("errorCode").is_none_or(is_text);
    let is_fit = body["statusCode"] == status && is_text(&body["error"]);
    is_fit && is_text(&body["message"]) && is_code_fit
}

/// What must be the same afterwards.
struct Safe {
    shop: Credentials,
    victim: Credentials,
    victim_grant: String,
    paths: Vec<String>,
    before: Vec<Value>,
}

impl Safe {
    async fn make(node: &Node) -> Self {
        let fields = json!({ "scopes": [{ "value": "read:orders" }], "max_token_lifetime": -1 });
        let all = json!({ "allow_all_scopes": true });
        let id_of = |shown: &Value| shown["id"].as_str().unwrap().to_owned();
        let api = node.create_api(ORDERS, fields.clone()).await;
        let shop = node.create_application(json!({})).await;
        let grant = node.grant(&shop, ORDERS, all.clone()).await;
        node.create_api(VICTIM, fields).await;
        let victim = node.create_application(json!({})).await;
        let victim_grant = node.grant(&victim, VICTIM, all).await;
        let paths = vec![
            api_path(ORDERS),
            format!("/resource-servers/{}", id_of(&api)),
            format!("/clients/{}", shop.id),
            format!("/client-grants/{}", id_of(&grant)),
            api_path(MANAGEMENT),
        ];
        let mut safe = Self {
            shop,
            victim,
            victim_grant: id_of(&victim_grant),
            paths,
            before: Vec::new(),
        };
        safe.before = safe.now(node).await;
        safe
    }

    async fn now(&self, node: &Node) -> Vec<Value> {
        let mut now = Vec::new();
        for path in &self.paths {
            let answer = node.manage(Method::GET, path, None).await;
            now.push(answer.expect(StatusCode::OK).json);
        }
        now
    }

    async fn known(&self, node: &Node) -> Known {
        let signed = node.token(&self.shop, ORDERS).await;
        let lasting = [("audience", ORDERS), ("validity_period", "-1")];
        let stored = node.ask(&self.shop, &lasting).await.expect(StatusCode::OK);
        let tokens = vec![signed, stored.text("access_token")];
        let identifiers = [ORDERS, VICTIM, MANAGEMENT].map(str::to_owned).to_vec();
        let own = vec![self.shop.id.clone(), self.shop.secret.clone()];
        let collections = self.collections();
        let ids = collections.iter().flat_map(|known| known.read_only.clone());
        let victims = collections.iter().map(|known| known.victim.clone());
        Known {
            admin_token: node.admin_token().await,
            client: (self.shop.id.clone(), self.shop.secret.clone()),
            values: [
                identifiers,
                own,
                tokens.clone(),
                ids.collect(),
                victims.collect(),
            ]
            .concat(),
            tokens,
            collections,
        }
    }

    fn collections(&self) -> [Collection; 3] {
        let id_at = |at: usize| self.paths[at].rsplit('/').next().unwrap().to_owned();
        let owned = |(name, json): (&'static str, &str)| (name, json.to_owned());
        let members = |pairs: &[(&'static str, &str)]| pairs.iter().copied().map(owned).collect();
        let [client, audience] = [&self.victim.id, ORDERS].map(|text| json!(text).to_string());
        let new_api = [
            ("identifier", "\"https://new.example/\""),
            ("scopes", "[{\"value\":\"read:orders\"}]"),
        ];
        let lifetimes = [("token_lifetime", "600"), ("max_token_lifetime", "-1")];
        let until = [
            ("access_token_lifetimes", "{\"application\":600}"),
            ("expires_at", "\"2100-01-01T00:00:00Z\""),
        ];
        let apis = Collection {
            name: "resource-servers",
            read_only: vec![id_at(1), ORDERS.to_owned(), MANAGEMENT.to_owned()],
            victim: VICTIM.to_owned(),
            valid: vec![
                members(&new_api),
                members(&lifetimes),
                members(&[("name", "\"New\"")]),
            ],
        };
        let clients = Collection {
            name: "clients",
            read_only: vec![id_at(2)],
            victim: self.victim.id.clone(),
            valid: vec![
                members(&[("name", "\"New\""), ("app_type", "\"non_interactive\"")]),
                members(&until),
                members(&[("grace_seconds", "60"), ("revoke_tokens", "true")]),
            ],
        };
        let grants = Collection {
            name: "client-grants",
            read_only: vec![id_at(3)],
            victim: self.victim_grant.clone(),
            valid: vec![
                members(&[("client_id", &client), ("audience", &audience)]),
                members(&[
                    ("scope", "[\"read:orders\"]"),
                    ("allow_all_scopes", "false"),
                ]),
                members(&until[1..]),
            ],
        };
        [apis, clients, grants]
    }

    /// The server works, and what nobody has changed is as it was.
    async fn is_unharmed(&self, node: &Node) {
        assert_eq!(self.now(node).await, self.before);
        let token = node.token(&self.shop, ORDERS).await;
        assert!(node.is_active(&self.shop, &token).await);
        let ready = node.send(node.request(Method::GET, "/readyz")).await;
        ready.expect(StatusCode::OK);
    }
}
