//! What one client may cost: the bounds on bodies, heads, connections and time.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{ADMIN_ID, ADMIN_SECRET, Node, both_stores};
use crate::raw::{Connection, RawAnswer};

const GET: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

/// Long enough to notice an answer that comes too early.
const A_WHILE: Duration = Duration::from_millis(300);

async fn exchange(node: &Node, request: impl AsRef<[u8]>) -> RawAnswer {
    let mut connection = Connection::open(&node.base).await.unwrap();
    connection.send(request).await.unwrap();
    connection.answer().await.expect("an answer")
}

/// A token request whose body has exactly this many bytes.
fn token_request_of(bytes: usize) -> String {
    let secret = ADMIN_SECRET.replace(' ', "+");
    let body = format!(
        "grant_type=client_credentials&client_id={ADMIN_ID}&client_secret={secret}&audience={}&x=",
        crate::harness::MANAGEMENT
    );
    let padding = "x".repeat(bytes - body.len());
    format!(
        "POST /oauth/token HTTP/1.1\r\nhost: x\r\n{FORM}content-length: {bytes}\r\n\r\n{body}{padding}"
    )
}

/// A request whose head has exactly this many bytes, the empty line included.
fn head_of(bytes: usize) -> String {
    let (before, after) = ("GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: ", "\r\n\r\n");
    let padding = "x".repeat(bytes - before.len() - after.len());
    format!("{before}{padding}{after}")
}

both_stores! {
    async fn a_body_over_the_bound_is_413_in_the_shape_of_the_endpoint(
        world: World,
        "GRANTOR_SERVER__BODY_BYTES_MAX" = "2048"
    ) {
        let node = &world.node;
        assert_eq!(exchange(node, token_request_of(2048)).await.status, 200);
        let refused = exchange(node, token_request_of(2049)).await;
        assert_eq!((refused.status, &refused.json()["error"]), (413, &json!("invalid_request")));
        assert!(refused.header("x-request-id").is_some(), "{refused:?}");
        for path in ["/oauth/revoke", "/oauth/introspect"] {
            let long = node.bare_form(path, &[("token", &"x".repeat(3000))]).await;
            long.expect_error(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request");
        }

        let body = json!({ "identifier": "https://a.example/", "name": "x".repeat(3000) });
        let long = node.manage(Method::POST, "/resource-servers", Some(body.clone())).await;
        long.expect_problem(StatusCode::PAYLOAD_TOO_LARGE, "invalid_body");
        let long = node.manage(Method::PATCH, "/clients/anything", Some(body)).await;
        long.expect_problem(StatusCode::PAYLOAD_TOO_LARGE, "invalid_body");
    }

    async fn a_body_without_a_stated_length_is_bounded_too(
        world: World,
        "GRANTOR_SERVER__BODY_BYTES_MAX" = "2048"
    ) {
        let head = format!("POST /oauth/token HTTP/1.1\r\nhost: x\r\n{FORM}transfer-encoding: chunked\r\n\r\n");
        let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
        let refused = exchange(&world.node, format!("{head}{chunk}{chunk}{chunk}")).await;
        assert_eq!((refused.status, &refused.json()["error"]), (413, &json!("invalid_request")));
        let good = exchange(&world.node, format!("{head}{chunk}{chunk}0\r\n\r\n")).await;
        assert_eq!(good.status, 400, "read to its end, and no token request: {good:?}");
    }

    async fn a_refusal_does_not_cost_the_client_its_connection(world: World) {
        let request = |path: &str, bytes: usize| {
            format!("POST {path} HTTP/1.1\r\nhost: x\r\n{FORM}authorization: Bearer x\r\ncontent-length: {bytes}\r\n\r\n")
        };
        let refusals = [
            ("/api/v2/clients", 30_000, 401),
            ("/healthz", 30_000, 405),
            ("/nowhere", 30_000, 404),
            ("/oauth/token", 3_000_000, 413),
        ];
        let mut connection = Connection::open(&world.node.base).await.unwrap();
        for (path, bytes, status) in refusals.repeat(5) {
            // Head and body apart, as many clients send them.
            connection.send(request(path, bytes)).await.unwrap();
            tokio::task::yield_now().await;
            connection.send("x".repeat(bytes)).await.unwrap();
            let answer = connection.answer().await.expect("an answer");
            assert_eq!((answer.status, answer.header("connection")), (status, None), "{path}");
        }
        connection.send(GET).await.unwrap();
        assert_eq!(connection.answer().await.expect("an answer").status, 200);
        // Where too much is left, or it does not come, the answer says that the connection ends.
        for (path, bytes, status) in [("/api/v2/clients", 100, 401), ("/oauth/token", 30_000_000, 413)] {
            let mut connection = Connection::open(&world.node.base).await.unwrap();
            connection.send(request(path, bytes)).await.unwrap();
            let answer = connection.answer().await.expect("an answer");
            assert_eq!((answer.status, answer.header("connection")), (status, Some("close")), "{path}");
            assert!(connection.answer().await.is_none());
        }
    }

    async fn a_body_far_over_the_bound_is_refused_before_it_is_sent(world: World) {
        let head = format!("POST /oauth/token HTTP/1.1\r\nhost: x\r\n{FORM}expect: 100-continue\r\ncontent-length: 1000000000\r\n\r\n");
        let refused = exchange(&world.node, head).await;
        assert_eq!((refused.status, &refused.json()["error"]), (413, &json!("invalid_request")));
    }

    async fn a_client_that_sends_far_too_much_still_reads_why_it_is_refused(world: World) {
        // It writes all of it before it reads, as simple clients do.
        for _ in 0..10 {
            let mut connection = Connection::open(&world.node.base).await.unwrap();
            let request = token_request_of(3_000_000);
            drop(connection.send(request).await);
            let refused = connection.answer().await.expect("an answer");
            assert_eq!((refused.status, &refused.json()["error"]), (413, &json!("invalid_request")));
        }
    }

    async fn heads_are_accepted_up_to_the_bound_and_431_above_it(
        world: World,
        "GRANTOR_SERVER__HEADER_BYTES_MAX" = "40000"
    ) {
        let node = &world.node;
        for bytes in [20_000, 39_999, 40_000] {
            assert_eq!(exchange(node, head_of(bytes)).await.status, 200, "{bytes}");
        }
        for bytes in [40_001, 41_000, 80_000] {
            let mut connection = Connection::open(&node.base).await.unwrap();
            // The server may close before all of it is sent.
            drop(connection.send(head_of(bytes)).await);
            let answer = connection.answer().await.expect("an answer");
            assert_eq!(answer.status, 431, "{bytes}");
        }
        // In pieces it is the same.
        let (first, second) = (head_of(40_000), head_of(40_001));
        for (head, status) in [(first, 200), (second, 431)] {
            let mut connection = Connection::open(&node.base).await.unwrap();
            for piece in head.as_bytes().chunks(1000) {
                drop(connection.send(piece).await);
            }
            assert_eq!(connection.answer().await.expect("an answer").status, status);
        }
    }

    async fn thirty_two_kibibytes_of_headers_are_accepted_by_default(world: World) {
        let node = &world.node;
        let one = node.request(Method::GET, "/healthz").header("x-long", "x".repeat(32 * 1024));
        node.send(one).await.expect(StatusCode::OK);
        let mut many = node.request(Method::GET, "/healthz");
        for number in 0..64 {
            many = many.header(format!("x-{number}"), "x".repeat(512));
        }
        node.send(many).await.expect(StatusCode::OK);
    }

    async fn slow_heads_are_cut_off(world: World, "GRANTOR_SERVER__HEADER_SECONDS_MAX" = "1") {
        let node = &world.node;
        let began = Instant::now();
        let mut silent = Connection::open(&node.base).await.unwrap();
        let mut half = Connection::open(&node.base).await.unwrap();
        half.send("GET /healthz HTTP/1.1\r\nhost:").await.unwrap();
        let mut idle = Connection::open(&node.base).await.unwrap();
        idle.send(GET).await.unwrap();
        assert_eq!(idle.answer().await.expect("an answer").status, 200);
        let mut trickling = Connection::open(&node.base).await.unwrap();
        for byte in head_of(200).bytes() {
            if trickling.send([byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for connection in [&mut silent, &mut half, &mut idle, &mut trickling] {
            let answers = connection.rest().await;
            assert!(answers.iter().all(|answer| answer.status == 408), "{answers:?}");
        }
        // 200 bytes at that pace would have taken ten seconds.
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        assert_eq!(exchange(node, GET).await.status, 200);
    }

    async fn connections_over_the_bound_wait_and_are_served_then(
        world: World,
        "GRANTOR_SERVER__CONNECTIONS_MAX" = "2"
    ) {
        let node = &world.node;
        let mut first = Connection::open(&node.base).await.unwrap();
        let mut second = Connection::open(&node.base).await.unwrap();
        for connection in [&mut first, &mut second] {
            connection.send(GET).await.unwrap();
            assert_eq!(connection.answer().await.expect("an answer").status, 200);
        }
        let mut third = Connection::open(&node.base).await.unwrap();
        third.send(GET).await.unwrap();
        assert!(third.is_silent_for(A_WHILE).await);
        // Those that are open go on.
        first.send(GET).await.unwrap();
        assert_eq!(first.answer().await.expect("an answer").status, 200);
        drop(second);
        assert_eq!(third.answer().await.expect("an answer").status, 200);
    }

    async fn a_slow_body_is_the_clients_fault(
        world: World,
        "GRANTOR_SERVER__BODY_SECONDS_MAX" = "1"
    ) {
        let node = &world.node;
        let bearer = format!("Authorization: Bearer {}\r\n", node.admin_token().await);
        for (path, authorization) in [("/oauth/token", ""), ("/api/v2/clients", bearer.as_str())] {
            let mut slow = Connection::open(&node.base).await.unwrap();
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: grantor\r\n{authorization}\
                 content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
            );
            slow.send(head).await.unwrap();
            let answer = slow.answer().await.expect("an answer");
            assert_eq!(answer.status, 408, "{path}");
            assert!(answer.body.contains("server.body_seconds_max"), "{}", answer.body);
            assert!(answer.header("x-request-id").is_some());
        }
    }

    async fn a_request_that_takes_too_long_is_503_in_the_shape_of_the_endpoint(
        world: World,
        "GRANTOR_SERVER__REQUEST_SECONDS_MAX" = "1"
    ) {
        let node = &world.node;
        let token = node.admin_token().await;
        let head = |path: &str| format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{FORM}content-length: 100\r\n\r\ngrant_type=");
        let began = Instant::now();
        let answer = exchange(node, head("/oauth/token")).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
        let answer_of_management = exchange(node, head("/api/v2/clients")).await;
        assert_eq!(answer_of_management.status, 503);
        let body = answer_of_management.json();
        assert_eq!(body["errorCode"], "temporarily_unavailable", "{body}");
        assert_eq!(body["statusCode"], 503, "{body}");
        for answer in [answer, answer_of_management] {
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            assert!(answer.header("x-request-id").is_some(), "{answer:?}");
        }
        assert!(began.elapsed() < Duration::from_secs(8));
        assert_eq!(exchange(node, GET).await.status, 200);
    }

    async fn a_thousand_pipelined_requests_are_answered_in_their_order(world: World) {
        let mut connection = Connection::open(&world.node.base).await.unwrap();
        let paths = ["/healthz", "/nowhere", "/.well-known/jwks.json", "/oauth/token"];
        let expected = [200, 404, 200, 405];
        let request = |number: usize| format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", paths[number % 4]);
        let requests: Vec<String> = (0..1000).map(request).collect();
        connection.send(requests.concat()).await.unwrap();
        let mut ids = std::collections::HashSet::new();
        for number in 0..1000 {
            let answer = connection.answer().await.expect("an answer");
            assert_eq!(answer.status, expected[number % 4], "{number}: {answer:?}");
            ids.insert(answer.header("x-request-id").unwrap().to_owned());
        }
        assert_eq!(ids.len(), 1000, "each request has an id of its own");
    }

    async fn a_thousand_requests_at_one_time_are_all_answered(world: World) {
        let request = token_request_of(400);
        let tasks: Vec<_> = (0..100).map(|_| {
            let (base, request) = (world.node.base.clone(), request.clone());
            tokio::spawn(async move {
                let mut connection = Connection::open(&base).await.unwrap();
                connection.send(request.repeat(10)).await.unwrap();
                for _ in 0..10 {
                    let answer = connection.answer().await.expect("an answer");
                    assert_eq!(answer.status, 200, "{answer:?}");
                    assert_eq!(answer.json()["token_type"], "Bearer");
                }
            })
        }).collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
}
