//! Pushed authorization requests (RFC 9126).

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;

use crate::desk::Desk;
use crate::harness::{
    Credentials, ISSUER, OMITTED, Person, Seen, authorize_path, both_stores, exchange, usual,
};
use crate::shop::{self, ORDERS, by_reference, push, refused, stays_here};
use crate::signer::{Keyed, present};

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

both_stores! {
    /// RFC 9126 §2.1, §2.2 and §4: the browser brings the client and the reference, and nothing else counts.
    async fn a_pushed_request_is_the_one_that_counts(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let asked = [("audience", ORDERS), ("scope", "openid read")];
        let pushed = push(node, &shop, &asked).await.expect(StatusCode::CREATED);
        assert_eq!(pushed.headers["cache-control"], "no-store");
        assert_eq!(pushed.json["expires_in"], 30);
        let reference = pushed.text("request_uri");
        assert_eq!(reference.strip_prefix(PREFIX).unwrap().len(), 43, "256 bits: {reference}");
        // What stands beside it in the URL, an attacker may have put there.
        let beside = [("scope", "openid write"), ("redirect_uri", "https://evil.example/"), ("state", "another")];
        let path = by_reference(&shop, &reference, &beside);
        let seen = ann.open(node, &path).await;
        assert!(matches!(&seen, Seen::Page { path, .. } if path == "u/login"), "{seen:?}");
        // §4 and §7.3: used once, also by the same browser.
        stays_here(&ann, node, &path).await;
        let reference = push(node, &shop, &asked).await.text("request_uri");
        let params = [("client_id", shop.id.as_str()), ("request_uri", reference.as_str())];
        let answer = ann.authorize(node, &params).await.answer();
        assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("the state", ISSUER));
        let tokens = exchange(node, &shop, &answer["code"], &[]).await.expect(StatusCode::OK);
        assert_eq!(tokens.text("scope"), "openid read");
        for path in ["/par", "/oauth/par"] {
            node.form(path, &shop, &usual(&shop, &asked)).await.expect(StatusCode::CREATED);
        }
    }

    /// RFC 9126 §2.2 and §7.3: bound to its client, short-lived, unguessable.
    async fn a_reference_is_its_applications_alone_and_ends(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let other = shop::application(node, json!({ "name": "Other" })).await;
        let somebody = Person::stranger();
        let reference = push(node, &shop, &[]).await.text("request_uri");
        let page = stays_here(&somebody, node, &by_reference(&other, &reference, &[])).await;
        assert!(page.contains("invalid_request_uri"), "{page}");
        for wrong in [PREFIX, &format!("{PREFIX}x"), &format!("{reference}x")] {
            stays_here(&somebody, node, &by_reference(&shop, wrong, &[])).await;
        }
        stays_here(&somebody, node, &authorize_path(&[("request_uri", &reference)])).await;
        let both = by_reference(&shop, &reference, &[("request", "x.y.z")]);
        stays_here(&somebody, node, &both).await;
        world.clock.advance(29);
        let seen = somebody.open(node, &by_reference(&shop, &reference, &[])).await;
        assert!(matches!(seen, Seen::Page { .. }), "the others did not use it up: {seen:?}");
        let reference = push(node, &shop, &[]).await.text("request_uri");
        world.clock.advance(30);
        stays_here(&somebody, node, &by_reference(&shop, &reference, &[])).await;
        shop::change(node, &shop, json!({ "par_request_expiry": 600 })).await;
        let pushed = push(node, &shop, &[]).await;
        assert_eq!(pushed.json["expires_in"], 600);
        world.clock.advance(599);
        let seen = somebody.open(node, &by_reference(&shop, &pushed.text("request_uri"), &[])).await;
        assert!(matches!(seen, Seen::Page { .. }), "{seen:?}");
        let count = async || world.database.sql().await.number("select count(*) from pushed_requests").await;
        assert_eq!(count().await, 3);
        world.clock.advance(1);
        grantor::sweep::once(&node.app.store, world.clock.now(), 100).await.unwrap();
        assert_eq!(count().await, 0);
    }

    /// RFC 9126 §2.1: the application authenticates as at the token endpoint.
    async fn the_application_proves_who_it_is(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let public = shop::application(node, json!({ "app_type": "spa", "token_endpoint_auth_method": "none" })).await;
        push(node, &public, &[]).await.expect(StatusCode::CREATED);
        let impostor = Credentials { secret: "wrong".into(), ..shop.clone() };
        push(node, &impostor, &[]).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        let unproven = Credentials { secret: String::new(), ..shop.clone() };
        push(node, &unproven, &[]).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        let in_body = [&usual(&shop, &[])[..], &[("client_secret", shop.secret.as_str())]].concat();
        node.bare_form("/oauth/par", &in_body).await.expect(StatusCode::CREATED);
        let of_another = node.form("/oauth/par", &shop, &usual(&public, &[])).await;
        of_another.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        let desk = Desk::open(node).await;
        let keyed = Keyed::new(&desk, ORDERS, "ES256").await;
        shop::change(node, &keyed.client(), json!({ "callbacks": [crate::harness::CALLBACK], "grant_types": ["authorization_code"] })).await;
        let client = keyed.client();
        let form = usual(&client, &[]);
        present(node, "/oauth/par", &keyed.assertion(world, json!({})), &form).await.expect(StatusCode::CREATED);
    }

    /// RFC 9126 §2.1 and §2.3: what the authorization endpoint would refuse is refused here, as JSON.
    async fn what_cannot_be_granted_is_told_at_once(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        for (params, error) in [
            (&[("redirect_uri", "https://evil.example/")][..], "invalid_request"),
            (&[("redirect_uri", OMITTED)], "invalid_request"),
            (&[("response_type", OMITTED)], "invalid_request"),
            (&[("response_type", "token")], "unsupported_response_type"),
            (&[("code_challenge_method", "plain")], "invalid_request"),
            (&[("resource", "https://unknown.example/")], "invalid_target"),
            (&[("request_uri", "urn:ietf:params:oauth:request_uri:x")], "request_uri_not_supported"),
            (&[("request_uri", "https://app.example/r")], "request_uri_not_supported"),
            (&[("request", "nonsense")], "invalid_request_object"),
            (&[("prompt", "none login")], "invalid_request"),
            (&[("validity_period", "0")], "invalid_request"),
        ] {
            push(node, &shop, params).await.expect_error(StatusCode::BAD_REQUEST, error);
        }
        let unknown = push(node, &shop, &[("audience", "https://unknown.example/")]).await;
        unknown.expect_error(StatusCode::FORBIDDEN, "access_denied");
        let twice = [&usual(&shop, &[])[..], &[("state", "x")]].concat();
        node.form("/oauth/par", &shop, &twice).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        let get = node.send(node.request(Method::GET, "/oauth/par")).await;
        get.expect(StatusCode::METHOD_NOT_ALLOWED);
    }

    /// RFC 9126 §5 and §6.
    async fn an_application_may_be_held_to_it_and_a_tenant_may_do_without(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        shop::change(node, &shop, json!({ "require_pushed_authorization_requests": true })).await;
        let ann = Person::create(node, "ann@example.com").await;
        assert_eq!(refused(&ann, node, &shop, &[]).await, "invalid_request");
        let reference = push(node, &shop, &[]).await.text("request_uri");
        let params = [("client_id", shop.id.as_str()), ("request_uri", reference.as_str())];
        assert!(ann.authorize(node, &params).await.answer().contains_key("code"));
        let metadata = async || {
            let path = "/.well-known/oauth-authorization-server";
            node.send(node.request(Method::GET, path)).await.json
        };
        let said = metadata().await;
        assert_eq!(said["pushed_authorization_request_endpoint"], format!("{ISSUER}oauth/par"));
        assert_eq!(said["require_pushed_authorization_requests"], false);
        shop::set(node, json!({ "pushed_authorization_requests_supported": false })).await;
        assert!(metadata().await.get("pushed_authorization_request_endpoint").is_none());
        push(node, &shop, &[]).await.expect_error(StatusCode::FORBIDDEN, "access_denied");
    }

    /// RFC 9126 §4 and §7.3: of sixteen browsers at one moment, on two nodes, one goes on.
    async fn of_many_that_bring_a_reference_exactly_one_goes_on(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let other_node = world.another_node().await;
        for _ in 0..5 {
            let reference = push(node, &shop, &[]).await.text("request_uri");
            let path = by_reference(&shop, &reference, &[]);
            let mut running = JoinSet::new();
            for n in 0..16 {
                let base = if n % 2 == 0 { &node.base } else { &other_node.base };
                let url = format!("{base}{path}");
                running.spawn(async move {
                    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
                    client.build().unwrap().get(url).send().await.unwrap().status()
                });
            }
            let mut went_on = 0;
            while let Some(status) = running.join_next().await {
                match status.unwrap() {
                    StatusCode::SEE_OTHER => went_on += 1,
                    status => assert_eq!(status, StatusCode::BAD_REQUEST),
                }
            }
            assert_eq!(went_on, 1);
        }
        other_node.stop().await;
    }
}
