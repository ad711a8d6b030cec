//! A proxy in front, and whose word about the client counts.

use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{Answer, Credentials, Wire, both_stores};

const HSTS: &str = "strict-transport-security";

/// Asks for something with headers as a proxy writes them.
async fn get(node: &Wire, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = node.request(reqwest::Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    node.send(request).await
}

both_stores! {
    async fn what_came_to_a_trusted_proxy_by_http_is_refused(
        world: World,
        "GRANTOR_SERVER__TRUSTED_PROXIES" = "192.0.2.0/24,127.0.0.1"
    ) {
        let node = &world.node;
        let by_http: [&[(&str, &str)]; 3] = [
            &[("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "http")],
            &[("x-forwarded-proto", "HTTP")],
            &[("forwarded", "for=198.51.100.7;proto=http")],
        ];
        for headers in by_http {
            let path = "/.well-known/oauth-authorization-server";
            let refused = get(node, path, headers).await;
            assert!(refused.headers.contains_key("x-request-id"), "{refused:?}");
            assert!(!refused.headers.contains_key(HSTS), "RFC 6797 §7.2: {refused:?}");
            refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            let refused = get(node, "/api/v2/clients", headers).await;
            refused.expect_problem(StatusCode::BAD_REQUEST, "invalid_request");
        }
        let request = node.request(reqwest::Method::POST, "/oauth/token");
        let admin = Credentials::admin();
        let request = request
            .basic_auth(&admin.id, Some(&admin.secret))
            .header("x-forwarded-proto", "http")
            .form(&[("grant_type", "client_credentials")]);
        let refused = node.send(request).await;
        refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn what_came_by_https_is_answered_and_told_to_stay_so(
        world: World,
        "GRANTOR_SERVER__TRUSTED_PROXIES" = "127.0.0.1"
    ) {
        let by_https: [&[(&str, &str)]; 2] = [
            &[("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "https")],
            &[("forwarded", "for=1.1.1.1;proto=http, for=\"[2001:db8::7]:99\";proto=https")],
        ];
        for headers in by_https {
            let answer = get(&world.node, "/healthz", headers).await.expect(StatusCode::OK);
            assert_eq!(answer.headers[HSTS], "max-age=31536000");
        }
        // The proxy's own question whether we are well.
        let answer = get(&world.node, "/healthz", &[]).await.expect(StatusCode::OK);
        assert!(!answer.headers.contains_key(HSTS));
    }

    async fn nobody_else_is_believed(
        world: World,
        "GRANTOR_SERVER__TRUSTED_PROXIES" = "127.0.0.2,10.0.0.0/8"
    ) {
        for scheme in ["http", "https"] {
            let forwarded = format!("for=127.0.0.2;proto={scheme}");
            let headers = [
                ("x-forwarded-for", "10.0.0.1"),
                ("x-forwarded-proto", scheme),
                ("forwarded", forwarded.as_str()),
            ];
            let answer = get(&world.node, "/healthz", &headers).await.expect(StatusCode::OK);
            assert_eq!(answer.json, json!({ "status": "ok" }));
            assert!(!answer.headers.contains_key(HSTS));
        }
    }

    async fn garbage_from_a_proxy_is_nothing_at_all(
        world: World,
        "GRANTOR_SERVER__TRUSTED_PROXIES" = "127.0.0.1"
    ) {
        let long = "10.0.0.1,".repeat(5000);
        for (name, value) in [
            ("forwarded", ";,=\"\\"),
            ("forwarded", "for=\"unknown\";proto=gopher"),
            ("x-forwarded-for", ",,,"),
            ("x-forwarded-for", &long),
            ("x-forwarded-proto", "gopher"),
        ] {
            let answer = get(&world.node, "/healthz", &[(name, value)]).await;
            answer.expect(StatusCode::OK);
        }
    }
}
