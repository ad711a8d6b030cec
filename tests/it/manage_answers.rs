//! The shape of what the Management API answers, good or bad (compatibility.md §1.1).

use std::collections::HashSet;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::desk::{Desk, members, no_nulls};
use crate::harness::{Answer, Node, both_stores};
use crate::manage_lists::bad_query;

/// One of each: successes, problems of every status, unknown paths and methods.
async fn answers_of_every_kind(node: &Node, desk: &Desk<'_>) -> Vec<Answer> {
    let nobody = Desk::with_token(node, "garbage".into());
    let weak = Desk::with_scopes(node, &["read:clients"]).await;
    let missing = node.request(Method::GET, "/api/v2/clients");
    vec![
        desk.get("/clients").await.expect(StatusCode::OK),
        desk.post("/resource-servers", json!({ "identifier": "urn:kinds" }))
            .await
            .expect(StatusCode::CREATED),
        desk.delete("/clients/unknown")
            .await
            .expect(StatusCode::NO_CONTENT),
        desk.post("/resource-servers", json!({}))
            .await
            .expect(StatusCode::BAD_REQUEST),
        desk.get("/clients?x=1")
            .await
            .expect(StatusCode::BAD_REQUEST),
        desk.get("/clients/%00")
            .await
            .expect(StatusCode::BAD_REQUEST),
        desk.get("/clients/%FF")
            .await
            .expect(StatusCode::BAD_REQUEST),
        desk.get("/resource-servers/%C3%28/token-lifetime")
            .await
            .expect(StatusCode::BAD_REQUEST),
        node.send(missing).await.expect(StatusCode::UNAUTHORIZED),
        nobody
            .get("/clients")
            .await
            .expect(StatusCode::UNAUTHORIZED),
        weak.delete("/clients/unknown")
            .await
            .expect(StatusCode::FORBIDDEN),
        desk.get("/clients/unknown")
            .await
            .expect(StatusCode::NOT_FOUND),
        desk.get("/unknown").await.expect(StatusCode::NOT_FOUND),
        desk.get("/clients/unknown/unknown")
            .await
            .expect(StatusCode::NOT_FOUND),
        desk.send(Method::PUT, "/clients", None)
            .await
            .expect(StatusCode::METHOD_NOT_ALLOWED),
        desk.delete("/clients")
            .await
            .expect(StatusCode::METHOD_NOT_ALLOWED),
        desk.post("/resource-servers", json!({ "identifier": "urn:kinds" }))
            .await
            .expect(StatusCode::CONFLICT),
    ]
}

both_stores! {
    async fn fields_select_what_an_application_shows(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({ "name": "Shop" })).await;
        let one = format!("/clients/{}", shop.id);
        let whole = desk.shown(&one).await;
        let all = members(&whole);
        assert!(all.contains(&"grant_types") && all.contains(&"refresh_token"));
        let without = |left_out: &[&str]| {
            let mut kept = all.clone();
            kept.retain(|name| !left_out.contains(name));
            kept
        };
        for (query, expected) in [
            ("fields=name", vec!["name"]),
            ("fields=name,client_id", vec!["client_id", "name"]),
            ("fields=name&include_fields=true", vec!["name"]),
            (
                "fields=name,refresh_token&include_fields=false",
                without(&["name", "refresh_token"]),
            ),
            ("fields=unknown", vec![]),
            ("fields=", all.clone()),
            ("include_fields=false", all.clone()),
        ] {
            assert_eq!(
                members(&desk.shown(&format!("{one}?{query}")).await),
                expected,
                "{query}"
            );
            let listed = desk
                .shown(&format!("/clients?app_type=non_interactive&{query}"))
                .await;
            assert_eq!(
                members(listed.as_array().unwrap().last().unwrap()),
                expected,
                "{query}"
            );
        }
        for (query, parameter) in [
            ("fields=na me", "fields"),
            ("fields=a;b", "fields"),
            ("include_fields=1", "include_fields"),
        ] {
            bad_query(desk.get(&format!("{one}?{query}")).await, parameter);
        }
        desk.get("/resource-servers?include_fields=true")
            .await
            .expect(StatusCode::OK);
    }

    async fn every_answer_names_its_request_and_never_the_same(world: World) {
        let desk = Desk::open(&world.node).await;
        let mut seen = HashSet::new();
        for answer in answers_of_every_kind(&world.node, &desk).await {
            let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
            assert!(id.len() >= 10, "{id}");
            assert!(seen.insert(id), "{answer:?}");
        }
    }

    async fn every_answer_is_json_in_utf8_and_every_error_has_auth0s_shape(world: World) {
        let desk = Desk::open(&world.node).await;
        for answer in answers_of_every_kind(&world.node, &desk).await {
            if answer.status == StatusCode::NO_CONTENT {
                assert_eq!(
                    (answer.body.as_str(), answer.headers.get("content-type")),
                    ("", None)
                );
                continue;
            }
            assert_eq!(answer.headers["cache-control"], "no-store", "{answer:?}");
            assert_eq!(
                answer.headers["content-type"], "application/json; charset=utf-8",
                "{answer:?}"
            );
            no_nulls(&answer.json);
            if answer.status.is_success() {
                continue;
            }
            let mut shape = members(&answer.json);
            shape.retain(|name| *name != "errorCode");
            assert_eq!(shape, ["error", "message", "statusCode"], "{answer:?}");
            assert_eq!(
                answer.json["statusCode"],
                answer.status.as_u16(),
                "{answer:?}"
            );
            assert_eq!(
                answer.json["error"],
                answer.status.canonical_reason().unwrap(),
                "{answer:?}"
            );
            assert!(!answer.text("message").is_empty());
        }
    }

    async fn a_body_that_cannot_be_read_is_an_invalid_body(world: World) {
        let node = &world.node;
        let token = node.admin_token().await;
        let send = async |content_type: Option<&str>, body: &[u8]| {
            let request = node.request(Method::POST, "/api/v2/resource-servers");
            let mut request = request.bearer_auth(&token).body(body.to_vec());
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            node.send(request).await
        };
        let json_type = Some("application/json");
        let unreadable: [&[u8]; 10] = [
            b"",
            b"{",
            b"[]",
            b"null",
            br#""identifier""#,
            br#"{"identifier":"urn:a","identifier":"urn:b"}"#,
            b"{\"identifier\":\"urn:\xff\"}",
            br#"{"identifier":"urn:a"} x"#,
            br#"{"identifier":"\ud800"}"#,
            b"{'identifier':'urn:a'}",
        ];
        for body in unreadable {
            let answer = send(json_type, body).await;
            answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        }
        for content_type in [None, Some("text/plain"), Some("application/jsonx")] {
            let answer = send(content_type, b"{\"identifier\":\"urn:a\"}").await;
            answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        }
        let huge = format!("{{\"identifier\":\"{}\"}}", "a".repeat(2_000_000));
        let too_large = send(json_type, huge.as_bytes()).await;
        too_large.expect_problem(StatusCode::PAYLOAD_TOO_LARGE, "invalid_body");
        for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
            let body = format!("{{\"identifier\":\"urn:{}\"}}", content_type.len());
            send(Some(content_type), body.as_bytes()).await.expect(StatusCode::CREATED);
        }
    }

    async fn what_the_caller_sent_is_echoed_short_and_printable(world: World) {
        let desk = Desk::open(&world.node).await;
        let long = "x\u{fc}".repeat(1000);
        for answer in [
            desk.post(
                "/resource-servers",
                json!({ "identifier": "urn:a", long.as_str(): 1 }),
            )
            .await,
            desk.post(
                "/resource-servers",
                json!({ "identifier": "urn:a", "signing_alg": "\u{1f600}\"\\<" }),
            )
            .await,
            desk.get(&format!("/clients?{}=1", "y".repeat(1000))).await,
        ] {
            let message = answer.expect(StatusCode::BAD_REQUEST).text("message");
            assert!(message.len() < 500, "{message}");
            assert!(
                message.bytes().all(|byte| matches!(byte, b' '..=b'~')),
                "{message}"
            );
        }
    }
}
