//! Secrets of applications: rotating with and without an overlap, and setting one of one's own.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, refused};
use crate::harness::{Credentials, Node, api_path, both_stores, claims};

const ORDERS: &str = "https://orders.example/";

fn path(client: &Credentials) -> String {
    format!("/clients/{}", client.id)
}

/// Rotates the secret; the application with the new one.
async fn rotate(desk: &Desk<'_>, client: &Credentials, body: Value) -> Credentials {
    let answer = desk
        .post(&format!("{}/rotate-secret", path(client)), body)
        .await;
    let answer = answer.expect(StatusCode::OK);
    assert_eq!(
        answer.json["client_id"],
        client.id.as_str(),
        "the whole client is shown"
    );
    Credentials {
        id: client.id.clone(),
        secret: answer.text("client_secret"),
    }
}

async fn set(desk: &Desk<'_>, client: &Credentials, secret: &str) -> Credentials {
    let answer = desk
        .patch(&path(client), json!({ "client_secret": secret }))
        .await;
    assert_eq!(answer.expect(StatusCode::OK).json["client_secret"], secret);
    Credentials {
        id: client.id.clone(),
        secret: secret.into(),
    }
}

async fn works(node: &Node, client: &Credentials) {
    node.token(client, ORDERS).await;
}

/// The secret is dead at every endpoint that takes it.
async fn is_dead(node: &Node, client: &Credentials) {
    for (path, params) in [
        (
            "/oauth/token",
            [("grant_type", "client_credentials"), ("audience", ORDERS)],
        ),
        (
            "/oauth/introspect",
            [("token", "x"), ("token_type_hint", "access_token")],
        ),
        (
            "/oauth/revoke",
            [("token", "x"), ("token_type_hint", "access_token")],
        ),
    ] {
        let answer = node.form(path, client, &params).await;
        answer.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    }
}

both_stores! {
    async fn a_rotated_secret_is_dead_at_once(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let old = node.api_and_application(ORDERS).await;
        works(node, &old).await;
        for body in [
            json!({}),
            json!({ "grace_seconds": 0 }),
            json!({ "grace_seconds": "0", "revoke_tokens": false }),
        ] {
            let new = rotate(&desk, &old, body).await;
            assert_ne!(new.secret, old.secret);
            is_dead(node, &old).await;
            works(node, &new).await;
        }
    }

    /// Auth0's SDKs send no body, with and without a content type.
    async fn rotating_needs_no_body(world: World) {
        let node = &world.node;
        let old = node.api_and_application(ORDERS).await;
        let token = node.admin_token().await;
        let path = format!("/api/v2/clients/{}/rotate-secret", old.id);
        let bare = node
            .request(reqwest::Method::POST, &path)
            .bearer_auth(&token);
        let typed = node
            .request(reqwest::Method::POST, &path)
            .bearer_auth(&token)
            .header("content-type", "application/json");
        for request in [bare, typed] {
            let secret = node
                .send(request)
                .await
                .expect(StatusCode::OK)
                .text("client_secret");
            works(
                node,
                &Credentials {
                    id: old.id.clone(),
                    secret,
                },
            )
            .await;
            is_dead(node, &old).await;
        }
    }

    async fn with_grace_both_secrets_work_until_it_is_over(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let old = node.api_and_application(ORDERS).await;
        let new = rotate(&desk, &old, json!({ "grace_seconds": 600 })).await;
        works(node, &old).await;
        works(node, &new).await;
        world.clock.advance(590);
        works(node, &old).await;
        world.clock.advance(11);
        is_dead(node, &old).await;
        works(node, &new).await;
    }

    async fn a_token_got_with_the_old_secret_ends_with_it(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let old = node.api_and_application(ORDERS).await;
        desk.patch(&api_path(ORDERS), json!({ "max_token_lifetime": -1 }))
            .await
            .expect(StatusCode::OK);
        let before = world.clock.now();
        let new = rotate(&desk, &old, json!({ "grace_seconds": 600 })).await;
        let after = world.clock.now();
        for asked in ["86400", "-1", "601"] {
            let answer = node
                .ask(&old, &[("audience", ORDERS), ("validity_period", asked)])
                .await;
            let answer = answer.expect(StatusCode::OK);
            let end = claims(&answer.text("access_token"))["exp"]
                .as_i64()
                .unwrap();
            assert!(
                (before + 600..=after + 600).contains(&end),
                "{asked}: {end}"
            );
            let by_new = node
                .ask(&new, &[("audience", ORDERS), ("validity_period", asked)])
                .await;
            let expires_in = by_new
                .expect(StatusCode::OK)
                .json
                .get("expires_in")
                .cloned();
            assert_eq!(
                expires_in,
                (asked != "-1").then(|| json!(asked.parse::<i64>().unwrap()))
            );
        }
        let shorter = node
            .ask(&old, &[("audience", ORDERS), ("validity_period", "60")])
            .await;
        assert_eq!(shorter.expect(StatusCode::OK).json["expires_in"], 60);
    }

    async fn grace_never_lets_a_secret_live_longer_than_before(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let first = node.api_and_application(ORDERS).await;
        let second = rotate(&desk, &first, json!({ "grace_seconds": 100 })).await;
        let third = rotate(&desk, &second, json!({ "grace_seconds": 1000 })).await;
        world.clock.advance(101);
        is_dead(node, &first).await;
        works(node, &second).await;
        let fourth = rotate(&desk, &third, json!({})).await;
        for dead in [&first, &second, &third] {
            is_dead(node, dead).await;
        }
        works(node, &fourth).await;
    }

    async fn rotating_leaves_issued_tokens_alone_unless_they_are_to_be_revoked(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        let other = desk.application(json!({})).await;
        desk.grant(&other, ORDERS, json!({})).await;
        desk.patch(&api_path(ORDERS), json!({ "max_token_lifetime": -1 }))
            .await
            .expect(StatusCode::OK);
        let never = [("audience", ORDERS), ("validity_period", "-1")];
        let tokens = [
            node.token(&shop, ORDERS).await,
            node.ask(&shop, &never)
                .await
                .expect(StatusCode::OK)
                .text("access_token"),
        ];
        let others = node.token(&other, ORDERS).await;
        let second = rotate(&desk, &shop, json!({ "revoke_tokens": false })).await;
        for token in &tokens {
            assert!(node.is_active(&second, token).await);
        }
        let third = rotate(
            &desk,
            &second,
            json!({ "revoke_tokens": true, "grace_seconds": 60 }),
        )
        .await;
        for token in &tokens {
            assert!(!node.is_active(&third, token).await);
        }
        assert!(
            node.is_active(&other, &others).await,
            "another application's stay"
        );
        for secret in [&second, &third] {
            let new = node.token(secret, ORDERS).await;
            assert!(
                node.is_active(&third, &new).await,
                "tokens from then on live"
            );
        }
    }

    async fn at_most_five_secrets_live_at_one_time(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let mut secrets = vec![node.api_and_application(ORDERS).await];
        for _ in 0..4 {
            let new = rotate(
                &desk,
                secrets.last().unwrap(),
                json!({ "grace_seconds": 600 }),
            )
            .await;
            secrets.push(new);
        }
        for secret in &secrets {
            works(node, secret).await;
        }
        let rotate_path = format!("{}/rotate-secret", path(&secrets[0]));
        let sixth = desk
            .post(
                &rotate_path,
                json!({ "grace_seconds": 600, "revoke_tokens": true }),
            )
            .await;
        let sixth = sixth.expect_problem(StatusCode::CONFLICT, "resource_conflict");
        assert!(sixth.text("message").contains('5'), "{sixth:?}");
        for secret in &secrets {
            works(node, secret).await;
        }
        let only = rotate(&desk, &secrets[0], json!({})).await;
        works(node, &only).await;
        for secret in &secrets {
            is_dead(node, secret).await;
        }
        // Those that have ended make room.
        let mut last = only;
        for _ in 0..4 {
            last = rotate(&desk, &last, json!({ "grace_seconds": 10 })).await;
        }
        world.clock.advance(11);
        let room = rotate(&desk, &last, json!({ "grace_seconds": 10 })).await;
        works(node, &room).await;
        works(node, &last).await;
    }

    async fn a_rotation_that_cannot_be_read_changes_nothing(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        let rotate_path = format!("{}/rotate-secret", path(&shop));
        for (body, property) in [
            (json!({ "grace_seconds": -1 }), "grace_seconds"),
            (json!({ "grace_seconds": 2_592_001 }), "grace_seconds"),
            (json!({ "grace_seconds": 1.5 }), "grace_seconds"),
            (json!({ "grace_seconds": "1h" }), "grace_seconds"),
            (json!({ "grace_seconds": null }), "grace_seconds"),
            (json!({ "revoke_tokens": "true" }), "revoke_tokens"),
            (json!({ "revoke_tokens": null }), "revoke_tokens"),
            (json!({ "grace": 60 }), "grace"),
        ] {
            refused(desk.post(&rotate_path, body).await, property);
        }
        desk.post(&rotate_path, json!([]))
            .await
            .expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        works(node, &shop).await;
        let longest = rotate(&desk, &shop, json!({ "grace_seconds": 2_592_000 })).await;
        works(node, &longest).await;
    }

    async fn a_secret_of_ones_own_takes_the_place_of_all_others_at_once(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let first = node.api_and_application(ORDERS).await;
        let second = rotate(&desk, &first, json!({ "grace_seconds": 600 })).await;
        let token = node.token(&second, ORDERS).await;
        let own = set(
            &desk,
            &first,
            "a secret of my own, long enough for a digest",
        )
        .await;
        works(node, &own).await;
        is_dead(node, &first).await;
        is_dead(node, &second).await;
        assert!(node.is_active(&own, &token).await, "tokens stay");
        // 16 to 31 characters can be guessed sooner and are kept by a slow hash.
        let short = set(&desk, &own, "0123456789abcdef").await;
        works(node, &short).await;
        works(node, &short).await;
        is_dead(node, &own).await;
        is_dead(
            node,
            &Credentials {
                secret: "0123456789abcdeg".into(),
                ..short.clone()
            },
        )
        .await;
        let rotated = rotate(&desk, &short, json!({ "grace_seconds": 60 })).await;
        works(node, &short).await;
        works(node, &rotated).await;
    }

    async fn a_secret_that_is_too_short_or_unwritable_changes_nothing(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        for secret in [
            json!(""),
            json!("0123456789abcde"),
            json!("s".repeat(257)),
            json!("0123456789abcd\u{fc}f"),
            json!("0123456789abcde\n"),
            json!("0123456789abcde\u{0}"),
            json!(null),
            json!(1_234_567_890_123_456_i64),
        ] {
            let body = json!({ "client_secret": secret, "name": "Changed" });
            refused(desk.patch(&path(&shop), body).await, "client_secret");
        }
        works(node, &shop).await;
        assert_eq!(desk.shown(&path(&shop)).await["name"], "An application");
        // An error in another field keeps the secret.
        let body = json!({ "client_secret": "a secret of one's own", "app_type": "robot" });
        refused(desk.patch(&path(&shop), body).await, "app_type");
        works(node, &shop).await;
    }

    async fn a_public_application_has_no_secret_to_rotate(world: World) {
        let desk = Desk::open(&world.node).await;
        let fields = json!({ "app_type": "native", "token_endpoint_auth_method": "none" });
        let app = desk.application(fields).await;
        assert_eq!(app.secret, "");
        let answer = desk
            .post(&format!("{}/rotate-secret", path(&app)), json!({}))
            .await;
        let answer = answer.expect_problem(StatusCode::BAD_REQUEST, "operation_not_supported");
        assert!(
            answer
                .text("message")
                .contains("token_endpoint_auth_method"),
            "{answer:?}"
        );
        assert!(answer.json.get("client_secret").is_none());
    }

    async fn a_rotated_secret_is_dead_in_the_body_of_a_request_too(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let old = node.api_and_application(ORDERS).await;
        let post = async |client: &Credentials| {
            let form = [
                ("grant_type", "client_credentials"),
                ("audience", ORDERS),
                ("client_id", &client.id),
                ("client_secret", &client.secret),
            ];
            node.bare_form("/oauth/token", &form).await
        };
        post(&old).await.expect(StatusCode::OK);
        let new = rotate(&desk, &old, json!({})).await;
        post(&old)
            .await
            .expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        post(&new).await.expect(StatusCode::OK);
    }
}
