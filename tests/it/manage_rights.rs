//! What a Management token may do, as an attacker would try it: nothing without the scope of the
//! operation, and never hand out more than it holds (compatibility.md §6).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{
    ADMIN_ID, ADMIN_SECRET, Answer, Credentials, MANAGEMENT, MFA, Node, both_stores,
};

pub(crate) const ORDERS: &str = "https://orders.example/";

/// An operation and the scopes that open it.
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// Behind `/api/v2`.
    pub(crate) route: String,
    pub(crate) scopes: Vec<String>,
    /// All of them are needed; otherwise one is enough.
    pub(crate) needs_all: bool,
}

/// All that need a token, as the OpenAPI document names them; `openapi.rs` sees that it names every
/// route, and `tables/operations.rs` that the scopes are Auth0's.
pub(crate) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(route) = path.strip_prefix("/api/v2") else {
            continue;
        };
        for (method, operation) in methods.as_object().unwrap() {
            let ways = operation["security"].as_array().unwrap();
            let each = ways.iter().map(|way| way["management"].as_array().unwrap());
            let needs_all = each.clone().any(|way| way.len() > 1);
            let scopes: Vec<_> = each
                .flatten()
                .map(|scope| scope.as_str().unwrap().to_owned())
                .collect();
            if !scopes.is_empty() {
                let method = method.to_uppercase().parse().unwrap();
                let route = route.to_owned();
                operations.push(Operation {
                    method,
                    route,
                    scopes,
                    needs_all,
                });
            }
        }
    }
    operations
}

/// A route with something that does not exist in the place of each parameter.
fn of_nothing(route: &str) -> String {
    let parts = route.split('/').map(|part| {
        if part.starts_with('{') {
            "unknown"
        } else {
            part
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

impl Operation {
    /// Asks for it about something that does not exist, with an empty body.
    async fn ask(&self, desk: &Desk<'_>) -> Answer {
        let path = of_nothing(&self.route);
        let body = (self.method != Method::GET && self.method != Method::DELETE).then(|| json!({}));
        desk.send(self.method.clone(), &path, body).await
    }

    /// Each set of scopes that is just enough.
    fn ways(&self) -> Vec<Vec<&str>> {
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        if self.needs_all {
            return vec![scopes];
        }
        scopes.into_iter().map(|scope| vec![scope]).collect()
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.route)
    }
}

/// Every Management scope.
pub(crate) async fn scopes(node: &Node) -> Vec<String> {
    let shown = Desk::open(node)
        .await
        .shown(&crate::harness::api_path(MANAGEMENT))
        .await;
    let scopes = shown["scopes"].as_array().expect("scopes");
    scopes
        .iter()
        .map(|scope| scope["value"].as_str().unwrap().to_owned())
        .collect()
}

/// Fails where this is not 401 in the Management API's shape.
#[track_caller]
fn is_unauthorized(answer: Answer, what: &str) -> Answer {
    assert_eq!(
        answer.status,
        StatusCode::UNAUTHORIZED,
        "{what}: {answer:?}"
    );
    assert_eq!(answer.json["statusCode"], 401, "{what}: {answer:?}");
    assert_eq!(answer.json["error"], "Unauthorized", "{what}: {answer:?}");
    let challenge = answer.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer"), "{what}: {challenge}");
    answer
}

/// Fails where this is not 403 `insufficient_scope` naming each of the scopes.
#[track_caller]
pub(crate) fn lacks(answer: Answer, scopes: &[&str]) {
    let answer = answer.expect_problem(StatusCode::FORBIDDEN, "insufficient_scope");
    assert_eq!(answer.json["error"], "Forbidden");
    for scope in scopes {
        assert!(
            answer.text("message").contains(scope),
            "names {scope}: {answer:?}"
        );
    }
}

/// An application that is granted these Management scopes, and a desk with its token.
pub(crate) async fn clerk<'a>(node: &'a Node, scopes: &[&str]) -> (Credentials, Desk<'a>, String) {
    let admin = Desk::open(node).await;
    let clerk = admin.application(json!({ "name": "Clerk" })).await;
    let grant = admin
        .grant(&clerk, MANAGEMENT, json!({ "scope": scopes }))
        .await;
    let token = node.token(&clerk, MANAGEMENT).await;
    (clerk, Desk::with_token(node, token), grant)
}

#[test]
fn only_the_document_itself_is_open_to_everybody() {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let methods = paths.filter(|(path, _)| path.starts_with("/api/v2/"));
    let all: usize = methods
        .map(|(_, methods)| methods.as_object().unwrap().len())
        .sum();
    assert_eq!(operations().len() + 1, all);
}

both_stores! {
    async fn each_operation_needs_its_scope_and_says_which(world: World) {
        let node = &world.node;
        let all = scopes(node).await;
        for operation in operations() {
            let others: Vec<_> = all
                .iter()
                .map(String::as_str)
                .filter(|scope| operation.scopes.iter().all(|own| own != scope))
                .collect();
            let desk = Desk::with_scopes(node, &others).await;
            let answer = operation
                .ask(&desk)
                .await
                .expect_problem(StatusCode::FORBIDDEN, "insufficient_scope");
            let how_many = if operation.needs_all { "all" } else { "any" };
            let expected = format!(
                "Insufficient scope, expected {how_many} of: {}",
                operation.scopes.join(",")
            );
            assert_eq!(answer.text("message"), expected, "{}", operation.name());
            for scopes in operation.ways() {
                let desk = Desk::with_scopes(node, &scopes).await;
                let answer = operation.ask(&desk).await;
                let is_let_in = !matches!(answer.status.as_u16(), 401 | 403 | 405)
                    && answer.status.as_u16() < 500;
                assert!(is_let_in, "{} with {scopes:?}: {answer:?}", operation.name());
            }
        }
    }

    async fn no_operation_is_open_to_a_token_that_is_missing_or_not_good(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let admin = Credentials::admin();
        let revoked = node.admin_token().await;
        node.revoke(&admin, &revoked).await;
        let good = node.admin_token().await;
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (header, claims) = head.split_once('.').unwrap();
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
        let bad = [
            ("revoked", revoked),
            ("for another API", node.token(&shop, ORDERS).await),
            ("garbage", "garbage".to_owned()),
            ("an empty one", String::new()),
            ("three dots", "...".to_owned()),
            (
                "its signature changed",
                format!("{head}.{}A", signature.get(1..).unwrap()),
            ),
            (
                "its claims changed",
                format!("{header}.{}A.{signature}", claims.get(1..).unwrap()),
            ),
            ("unsigned", unsigned),
            ("a long one", "a".repeat(9000)),
            ("a secret", ADMIN_SECRET.to_owned()),
        ];
        for operation in operations() {
            let path = format!("/api/v2{}", of_nothing(&operation.route));
            let request = || node.request(operation.method.clone(), &path);
            let missing = node.send(request()).await;
            assert_eq!(missing.json["message"], "Missing authentication");
            is_unauthorized(missing, &operation.name());
            let basic = node
                .send(request().basic_auth(ADMIN_ID, Some(ADMIN_SECRET)))
                .await;
            is_unauthorized(basic, &format!("{} by Basic", operation.name()));
            let in_query = node
                .send(node.request(
                    operation.method.clone(),
                    &format!("{path}?access_token={good}"),
                ))
                .await;
            is_unauthorized(in_query, &format!("{} in the query", operation.name()));
            for (what, token) in &bad {
                let answer = operation.ask(&Desk::with_token(node, token.clone())).await;
                is_unauthorized(answer, &format!("{} with {what}", operation.name()));
            }
        }
    }

    async fn an_expired_token_opens_nothing(world: World) {
        let node = &world.node;
        let token = node
            .ask(
                &Credentials::admin(),
                &[("audience", MANAGEMENT), ("validity_period", "60")],
            )
            .await;
        let desk = Desk::with_token(node, token.expect(StatusCode::OK).text("access_token"));
        desk.get("/clients").await.expect(StatusCode::OK);
        world.clock.advance(60);
        for operation in operations() {
            let answer = operation
                .ask(&desk)
                .await
                .expect_problem(StatusCode::UNAUTHORIZED, "invalid_token");
            is_unauthorized(answer, &operation.name());
        }
    }

    async fn a_token_for_several_apis_or_mfa_is_not_a_management_token(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        desk.grant(&shop, MFA, json!({ "scope": ["enroll"] })).await;
        desk.grant(&shop, MANAGEMENT, json!({ "scope": ["read:clients"] }))
            .await;
        let mixed = node
            .ask(&shop, &[("resource", ORDERS), ("resource", MANAGEMENT)])
            .await;
        mixed.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
        for params in [&[("audience", MFA)][..], &[]] {
            let token = node
                .ask(&shop, params)
                .await
                .expect(StatusCode::OK)
                .text("access_token");
            is_unauthorized(
                Desk::with_token(node, token).get("/clients").await,
                "not for the Management API",
            );
        }
        let without_slash = node
            .ask(&shop, &[("audience", MANAGEMENT.trim_end_matches('/'))])
            .await;
        without_slash.expect_error(StatusCode::FORBIDDEN, "access_denied");
    }

    /// An API of one's own cannot define the Management API's scopes for it.
    async fn scopes_of_another_api_are_worth_nothing_here(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(
            "urn:mine",
            json!({ "scopes": [{ "value": "delete:clients" }] }),
        )
        .await;
        let shop = desk.application(json!({})).await;
        desk.grant(&shop, "urn:mine", json!({ "scope": ["delete:clients"] }))
            .await;
        let token = node.token(&shop, "urn:mine").await;
        let answer = Desk::with_token(node, token)
            .delete(&format!("/clients/{ADMIN_ID}"))
            .await;
        is_unauthorized(answer, "another API's scope");
        desk.get(&format!("/clients/{ADMIN_ID}"))
            .await
            .expect(StatusCode::OK);
    }

    async fn no_answer_reads_a_secret_back_whatever_scope_is_held(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let desk = Desk::open(node).await;
        for path in [
            format!("/clients/{}", shop.id),
            format!("/clients/{ADMIN_ID}"),
            "/clients".into(),
            "/clients?fields=client_secret&include_fields=true".into(),
            "/clients?include_totals=true".into(),
            "/client-grants".into(),
            "/resource-servers".into(),
            format!(
                "/resource-servers/https%3A%2F%2Forders.example%2F/token-lifetime?client_id={}",
                shop.id
            ),
        ] {
            let answer = desk.get(&path).await.expect(StatusCode::OK);
            for secret in [
                shop.secret.as_str(),
                ADMIN_SECRET,
                "client_secret",
                "argon2",
                "verifier",
            ] {
                assert!(!answer.body.contains(secret), "{path} holds {secret}");
            }
        }
    }

    async fn a_clerk_whose_scopes_are_taken_away_loses_them_with_the_next_token(world: World) {
        let node = &world.node;
        let (itself, desk, grant) = clerk(node, &["read:clients", "delete:clients"]).await;
        desk.get("/clients").await.expect(StatusCode::OK);
        let admin = Desk::open(node).await;
        admin
            .patch(
                &format!("/client-grants/{grant}"),
                json!({ "scope": ["read:clients"] }),
            )
            .await
            .expect(StatusCode::OK);
        let next = Desk::with_token(node, node.token(&itself, MANAGEMENT).await);
        lacks(next.delete("/clients/unknown").await, &["delete:clients"]);
        admin
            .delete(&format!("/client-grants/{grant}?revoke_tokens=true"))
            .await
            .expect(StatusCode::NO_CONTENT);
        is_unauthorized(desk.get("/clients").await, "revoked with its grant");
        is_unauthorized(next.get("/clients").await, "revoked with its grant");
    }
}
