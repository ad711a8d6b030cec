//! Client authentication at token, revocation and introspection (RFC 6749 §2.3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use grantor::model::instant;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Credentials, Node, both_stores};

const ORDERS: &str = "https://orders.example/";
/// The endpoints where applications authenticate.
const ENDPOINTS: [&str; 3] = ["/oauth/token", "/oauth/revoke", "/oauth/introspect"];
/// What any of the endpoints needs besides authentication.
const ASKED: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("token", "x")];

/// Basic with the text as it is, without RFC 6749's percent-encoding.
fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

/// A form with the `Authorization` headers as they are.
async fn with_headers(
    node: &Node,
    path: &str,
    headers: &[&str],
    further: &[(&str, &str)],
) -> Answer {
    let mut request = node.request(Method::POST, path);
    for header in headers {
        request = request.header("authorization", *header);
    }
    node.send(request.form(&[&ASKED[..], further].concat()))
        .await
}

async fn post(node: &Node, path: &str, client: &Credentials) -> Answer {
    let own = [
        ("client_id", client.id.as_str()),
        ("client_secret", client.secret.as_str()),
    ];
    node.bare_form(path, &[&ASKED[..], &own].concat()).await
}

/// 401 `invalid_client` with its challenge.
#[track_caller]
fn refused(answer: Answer) -> Answer {
    let answer = answer.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    let challenge = answer.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Basic realm="), "{challenge}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    answer
}

/// An application with further fields, granted ORDERS.
async fn application(node: &Node, fields: Value) -> Credentials {
    let application = node.create_application(fields).await;
    node.grant(&application, ORDERS, json!({})).await;
    application
}

async fn change(node: &Node, client: &Credentials, fields: Value) -> Answer {
    let path = format!("/clients/{}", client.id);
    node.manage(Method::PATCH, &path, Some(fields)).await
}

both_stores! {
    async fn both_ways_work_where_no_method_is_set(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        for path in ENDPOINTS {
            node.form(path, &shop, &ASKED).await.expect(StatusCode::OK);
            post(node, path, &shop).await.expect(StatusCode::OK);
            refused(node.bare_form(path, &[&ASKED[..], &[("client_id", &shop.id)]].concat()).await);
        }
    }

    async fn a_method_that_is_set_is_the_only_one(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({})).await;
        let method = |method: &str| json!({ "token_endpoint_auth_method": method });
        let by_basic = application(node, method("client_secret_basic")).await;
        let by_post = application(node, method("client_secret_post")).await;
        for path in ENDPOINTS {
            node.form(path, &by_basic, &ASKED).await.expect(StatusCode::OK);
            refused(post(node, path, &by_basic).await);
            post(node, path, &by_post).await.expect(StatusCode::OK);
            refused(node.form(path, &by_post, &ASKED).await);
        }
        // A change of the method is in force at once.
        change(node, &by_post, method("client_secret_basic")).await.expect(StatusCode::OK);
        refused(post(node, "/oauth/token", &by_post).await);
        node.form("/oauth/token", &by_post, &ASKED).await.expect(StatusCode::OK);
    }

    async fn basic_is_percent_encoded_as_the_rfc_says(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let secret = "p+l us%41:colon&equals=/~ and more than 32";
        change(node, &shop, json!({ "client_secret": secret })).await.expect(StatusCode::OK);
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let percent = encoded.replace('+', "%20");
        for good in [&encoded, &percent] {
            let header = basic(&format!("{}:{good}", shop.id));
            for path in ENDPOINTS {
                with_headers(node, path, &[&header], &[]).await.expect(StatusCode::OK);
            }
        }
        // The id may be encoded just as well, and the scheme's case does not matter.
        let id = shop.id.bytes().fold(String::new(), |id, byte| id + &format!("%{byte:02x}"));
        let header = basic(&format!("{id}:{encoded}"));
        with_headers(node, "/oauth/token", &[&header], &[]).await.expect(StatusCode::OK);
        for scheme in ["basic ", "BASIC ", "Basic  "] {
            let header = header.replace("Basic ", scheme);
            with_headers(node, "/oauth/token", &[&header], &[]).await.expect(StatusCode::OK);
        }
        // As it is, the plus would be a space and %41 an A.
        let raw = basic(&format!("{}:{secret}", shop.id));
        refused(with_headers(node, "/oauth/token", &[&raw], &[]).await);
        // A form's own encoding is enough for the body.
        let plain = Credentials { secret: secret.into(), ..shop };
        post(node, "/oauth/token", &plain).await.expect(StatusCode::OK);
    }

    async fn what_cannot_be_read_is_said_before_anybody_is_asked_who_they_are(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({})).await;
        let nobody = Credentials { id: "nobody".into(), secret: "x".repeat(32) };
        let form = "application/x-www-form-urlencoded";
        for path in ENDPOINTS {
            for (content_type, body) in [
                (form, ""),
                (form, "audience=x"),
                (form, "grant_type=&token="),
                (form, "grant_type=%ff&token=%ff"),
                (form, "x=1&x=1&grant_type=client_credentials&token=x"),
                ("application/json", "{"),
                ("application/json", r#"{"grant_type":1,"token":1}"#),
                ("text/plain", "grant_type=client_credentials&token=x"),
            ] {
                let answer = node.body(path, &nobody, (content_type, body)).await;
                let answer = answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
                assert!(!answer.headers.contains_key("www-authenticate"), "{path} {body}");
                let request = node.request(Method::POST, path).header("content-type", content_type);
                node.send(request.body(body)).await
                    .expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            }
        }
        let unknown_type = [("grant_type", "x")];
        node.form("/oauth/token", &nobody, &unknown_type).await
            .expect_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
        // What can be read waits for authentication: nobody learns which APIs there are.
        for audience in [ORDERS, "https://nowhere.example/"] {
            refused(node.ask(&nobody, &[("audience", audience)]).await);
        }
        refused(node.ask(&nobody, &[("audience", ORDERS), ("scope", "x")]).await);
    }

    async fn an_unknown_application_and_a_wrong_secret_look_the_same(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let short = application(node, json!({ "client_secret": "sixteen letters!" })).await;
        let wrong = |client: &Credentials, secret: &str| {
            Credentials { id: client.id.clone(), secret: secret.into() }
        };
        let unknown = |id: &str| Credentials { id: id.into(), secret: shop.secret.clone() };
        let tries = [
            unknown("nobody"),
            unknown(&shop.id.to_lowercase()),
            unknown(&"x".repeat(32)),
            wrong(&shop, "wrong"),
            wrong(&shop, &"x".repeat(43)),
            wrong(&shop, &shop.secret.to_uppercase()),
            wrong(&shop, &format!("{} ", shop.secret)),
            wrong(&shop, &short.secret),
            wrong(&short, "sixteen letters?"),
            wrong(&short, &shop.secret),
            wrong(&short, ""),
        ];
        for path in ENDPOINTS {
            let mut bodies = std::collections::BTreeSet::new();
            for client in &tries {
                let by_basic = refused(node.form(path, client, &ASKED).await);
                assert!(by_basic.headers.contains_key("x-request-id"), "{by_basic:?}");
                bodies.insert(by_basic.body);
                bodies.insert(refused(post(node, path, client).await).body);
            }
            assert_eq!(bodies.len(), 1, "{bodies:?}");
        }
    }

    async fn two_ways_in_one_request_are_refused(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        for path in ENDPOINTS {
            let both = [("client_id", shop.id.as_str()), ("client_secret", shop.secret.as_str())];
            for both in [&both[..], &both[1..]] {
                let answer = node.form(path, &shop, &[&ASKED[..], both].concat()).await;
                answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            }
            let header = basic(&format!("{}:{}", shop.id, shop.secret));
            let answer = with_headers(node, path, &[&header, &header], &[]).await;
            answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            let answer = with_headers(node, path, &[&header, "Bearer x"], &[]).await;
            answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        }
    }

    async fn a_bearer_token_and_a_secret_are_two_ways_as_well(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let bearer = format!("Bearer {}", node.admin_token().await);
        let header = basic(&format!("{}:{}", shop.id, shop.secret));
        let path = "/oauth/introspect";
        for order in [[&bearer, &header], [&header, &bearer], [&bearer, &bearer]] {
            let answer = with_headers(node, path, &order.map(String::as_str), &[]).await;
            answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        }
        let own = [("client_id", shop.id.as_str()), ("client_secret", shop.secret.as_str())];
        let answer = with_headers(node, path, &[&bearer], &own).await;
        answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn a_client_id_beside_basic_is_fine_where_it_is_the_same(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        for path in ENDPOINTS {
            let ask = async |id: &str| {
                node.form(path, &shop, &[&ASKED[..], &[("client_id", id)]].concat()).await
            };
            ask(&shop.id).await.expect(StatusCode::OK);
            ask("").await.expect(StatusCode::OK);
            ask("another").await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            ask(&shop.id.to_lowercase()).await
                .expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        }
    }

    async fn without_credentials_or_with_another_scheme_nobody_is_let_in(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let pair = format!("{}:{}", shop.id, shop.secret);
        let encoded = STANDARD.encode(&pair);
        let headers = [
            "Basic".to_owned(),
            "Basic ".to_owned(),
            "Basic !!!".to_owned(),
            format!("Basic {pair}"),
            basic(&shop.id),
            basic(":"),
            basic(&format!(":{}", shop.secret)),
            basic(&format!("{}:", shop.id)),
            basic(&format!("{pair}%00")),
            basic(&format!("{pair}%ff")),
            format!("Digest {encoded}"),
            format!("Negotiate {encoded}"),
            encoded.clone(),
        ];
        for path in ENDPOINTS {
            refused(with_headers(node, path, &[], &[]).await);
            for header in &headers {
                refused(with_headers(node, path, &[header], &[]).await);
            }
        }
        // A token is no way to authenticate where tokens are asked for or revoked.
        let bearer = format!("Bearer {}", node.token(&shop, ORDERS).await);
        for path in ["/oauth/token", "/oauth/revoke"] {
            refused(with_headers(node, path, &[&bearer], &[]).await);
        }
    }

    async fn a_public_application_gets_no_token_for_itself_and_sees_none(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({})).await;
        let fields = json!({
            "token_endpoint_auth_method": "none", "grant_types": ["client_credentials"],
        });
        let public = application(node, fields).await;
        assert_eq!(public.secret, "", "a public application has no secret");
        let bare = [&ASKED[..], &[("client_id", public.id.as_str())]].concat();
        node.bare_form("/oauth/token", &bare).await
            .expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");
        refused(node.bare_form("/oauth/introspect", &bare).await);
        node.bare_form("/oauth/revoke", &bare).await.expect(StatusCode::OK);
        // It has no secret to show.
        let pretended = Credentials { secret: "x".repeat(40), ..public };
        for path in ENDPOINTS {
            refused(post(node, path, &pretended).await);
            refused(node.form(path, &pretended, &ASKED).await);
        }
    }

    async fn an_expired_application_is_nobody(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({})).await;
        let until = instant::to_rfc3339(world.clock.now() + 300);
        let shop = application(node, json!({ "expires_at": until })).await;
        node.form("/oauth/token", &shop, &ASKED).await.expect(StatusCode::OK);
        world.clock.advance(300);
        let wrong = Credentials { id: shop.id.clone(), secret: "wrong".into() };
        for path in ENDPOINTS {
            let expired = refused(node.form(path, &shop, &ASKED).await);
            let wrong = refused(node.form(path, &wrong, &ASKED).await);
            assert_eq!(expired.body, wrong.body);
        }
        change(node, &shop, json!({ "expires_at": null })).await.expect(StatusCode::OK);
        node.form("/oauth/token", &shop, &ASKED).await.expect(StatusCode::OK);
    }

    async fn an_old_secret_works_through_its_grace_and_not_a_second_longer(world: World) {
        let node = &world.node;
        let old = node.api_and_application(ORDERS).await;
        let path = format!("/clients/{}/rotate-secret", old.id);
        let grace = json!({ "grace_seconds": 600 });
        let rotated = node.manage(Method::POST, &path, Some(grace)).await.expect(StatusCode::OK);
        let new = Credentials { id: old.id.clone(), secret: rotated.text("client_secret") };
        world.clock.advance(500);
        for secret in [&old, &new] {
            node.form("/oauth/token", secret, &ASKED).await.expect(StatusCode::OK);
        }
        world.clock.advance(100);
        for path in ENDPOINTS {
            refused(node.form(path, &old, &ASKED).await);
            refused(post(node, path, &old).await);
            node.form(path, &new, &ASKED).await.expect(StatusCode::OK);
        }
        // A longer grace later does not bring an old one back, nor lengthen one that still runs.
        let short = json!({ "grace_seconds": 60 });
        let rotated = node.manage(Method::POST, &path, Some(short)).await.expect(StatusCode::OK);
        let third = Credentials { id: old.id.clone(), secret: rotated.text("client_secret") };
        let long = json!({ "grace_seconds": 6000 });
        let rotated = node.manage(Method::POST, &path, Some(long)).await.expect(StatusCode::OK);
        world.clock.advance(60);
        refused(node.form("/oauth/token", &old, &ASKED).await);
        refused(node.form("/oauth/token", &new, &ASKED).await);
        node.form("/oauth/token", &third, &ASKED).await.expect(StatusCode::OK);
        let new = Credentials { id: old.id.clone(), secret: rotated.text("client_secret") };
        node.form("/oauth/token", &new, &ASKED).await.expect(StatusCode::OK);
        // Without grace the old one ends with the answer.
        let rotated = node.manage(Method::POST, &path, None).await.expect(StatusCode::OK);
        let newest = Credentials { id: old.id.clone(), secret: rotated.text("client_secret") };
        refused(node.form("/oauth/token", &new, &ASKED).await);
        node.form("/oauth/token", &newest, &ASKED).await.expect(StatusCode::OK);
    }

    async fn short_chosen_secrets_work_and_wrong_ones_do_not(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({})).await;
        for length in [16, 31, 32] {
            let secret = &"abcdefghijklmnopqrstuvwxyz0123456789"[..length];
            let client = application(node, json!({ "client_secret": secret })).await;
            assert_eq!(client.secret, secret);
            for _ in 0..2 {
                node.form("/oauth/token", &client, &ASKED).await.expect(StatusCode::OK);
                for wrong in ["", &secret[1..], &format!("{secret}x"), &secret.to_uppercase()] {
                    let wrong = Credentials { id: client.id.clone(), secret: wrong.into() };
                    refused(node.form("/oauth/token", &wrong, &ASKED).await);
                }
            }
        }
        // Of 15 letters it is too short to be chosen.
        let body = json!({ "name": "An application", "client_secret": "fifteen letters" });
        node.manage(Method::POST, "/clients", Some(body)).await
            .expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
    }

    async fn a_short_secret_ends_when_it_is_replaced_although_it_had_worked(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({})).await;
        let old = application(node, json!({ "client_secret": "sixteen letters!" })).await;
        node.form("/oauth/token", &old, &ASKED).await.expect(StatusCode::OK);
        let path = format!("/clients/{}/rotate-secret", old.id);
        let grace = json!({ "grace_seconds": 60 });
        node.manage(Method::POST, &path, Some(grace)).await.expect(StatusCode::OK);
        node.form("/oauth/token", &old, &ASKED).await.expect(StatusCode::OK);
        world.clock.advance(60);
        refused(node.form("/oauth/token", &old, &ASKED).await);
        let chosen = json!({ "client_secret": "another 16 chars" });
        change(node, &old, chosen).await.expect(StatusCode::OK);
        refused(node.form("/oauth/token", &old, &ASKED).await);
        let new = Credentials { secret: "another 16 chars".into(), ..old };
        node.form("/oauth/token", &new, &ASKED).await.expect(StatusCode::OK);
    }
}
