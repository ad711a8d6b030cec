//! Which pages in a browser may ask, and read what is answered (compatibility.md §6).

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::desk::Desk;
use crate::harness::{Answer, Node, both_stores};
use crate::manage_clients::path;

const APP: &str = "https://app.example";
const EVIL: &str = "https://evil.example";

/// What a browser asks before a page's request.
async fn preflight(node: &Node, path: &str, origin: &str) -> Answer {
    let request = node
        .request(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "content-type,auth0-client",
        );
    node.send(request).await
}

/// A page's request, which fails for want of parameters.
async fn ask(node: &Node, path: &str, origin: &str) -> Answer {
    let request = node.request(Method::POST, path).header("origin", origin);
    node.send(request).await
}

fn allowed(answer: &Answer) -> Option<&str> {
    let value = answer.headers.get("access-control-allow-origin");
    value.map(|value| value.to_str().unwrap())
}

const FOR_PAGES: [&str; 4] = ["/oauth/token", "/token", "/oauth/revoke", "/revoke"];

both_stores! {
    async fn a_page_of_an_origin_that_an_application_lists_may_ask_and_read(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.application(json!({ "web_origins": [APP] })).await;
        desk.application(json!({ "allowed_origins": ["https://*.shop.example:444"] })).await;
        for path in FOR_PAGES {
            for origin in [APP, "https://a.shop.example:444"] {
                let answer = preflight(node, path, origin).await.expect(StatusCode::OK);
                assert_eq!(allowed(&answer), Some(origin), "{path}");
                assert_eq!(answer.headers["access-control-allow-methods"], "POST");
                let headers = &answer.headers["access-control-allow-headers"];
                assert_eq!(headers, "content-type,auth0-client");
                assert!(answer.headers.get("access-control-allow-credentials").is_none());
                let answer = ask(node, path, origin).await;
                assert_eq!(allowed(&answer), Some(origin), "{answer:?}");
                assert!(answer.status.is_client_error() && !answer.body.is_empty());
            }
            for origin in [EVIL, "null", "http://app.example", "https://shop.example:444"] {
                assert_eq!(allowed(&preflight(node, path, origin).await), None, "{origin}");
                let answer = ask(node, path, origin).await;
                assert_eq!(allowed(&answer), None, "{origin}");
                let varies = answer.headers["vary"].to_str().unwrap();
                assert!(varies.contains("origin"), "no cache takes one page's answer for another");
            }
        }
    }

    async fn a_change_of_origins_holds_at_once_on_every_node(world: World) {
        let node = &world.node;
        let other = world.another_node().await;
        let desk = Desk::open(node).await;
        assert_eq!(allowed(&ask(node, "/oauth/token", APP).await), None);
        assert_eq!(allowed(&ask(&other, "/oauth/token", APP).await), None);
        let shop = desk.application(json!({ "web_origins": [APP] })).await;
        assert_eq!(allowed(&ask(node, "/oauth/token", APP).await), Some(APP));
        let limit = std::time::Duration::from_secs(1);
        crate::harness::within(limit, async || allowed(&ask(&other, "/oauth/token", APP).await) == Some(APP)).await;
        desk.patch(&path(&shop), json!({ "web_origins": [] })).await.expect(StatusCode::OK);
        assert_eq!(allowed(&ask(node, "/oauth/token", APP).await), None);
        desk.patch(&path(&shop), json!({ "web_origins": [APP] })).await.expect(StatusCode::OK);
        assert_eq!(allowed(&ask(node, "/oauth/token", APP).await), Some(APP));
        desk.delete(&path(&shop)).await.expect(StatusCode::NO_CONTENT);
        assert_eq!(allowed(&ask(node, "/oauth/token", APP).await), None);
        other.stop().await;
    }

    async fn asking_from_a_page_costs_the_database_nothing(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.application(json!({ "web_origins": [APP] })).await;
        ask(node, "/oauth/token", APP).await;
        let before = node.app.store.statements_sent();
        for number in 0..20 {
            let origin = format!("https://{number}.example");
            assert_eq!(allowed(&preflight(node, "/oauth/token", &origin).await), None);
            assert_eq!(allowed(&preflight(node, "/oauth/token", APP).await), Some(APP));
        }
        assert_eq!(node.app.store.statements_sent(), before);
    }

    async fn everybody_may_read_public_documents_and_no_page_the_rest(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.application(json!({ "web_origins": [APP] })).await;
        for path in ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"] {
            let request = node.request(Method::GET, path).header("origin", EVIL);
            let answer = node.send(request).await.expect(StatusCode::OK);
            assert_eq!(allowed(&answer), Some("*"), "{path}");
        }
        for path in ["/oauth/introspect", "/introspect", "/api/v2/clients", "/healthz"] {
            let answer = preflight(node, path, APP).await;
            answer.expect(StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(allowed(&ask(node, path, APP).await), None, "{path}");
        }
    }
}
