//! Lifetimes and ends of applications (lifetime.md, "What is set where").

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, members, no_nulls, refused};
use crate::harness::{Credentials, Node, api_path, both_stores, claims};
use crate::manage_clients::{CLIENTS, ORDERS, path};

/// The next token's `expires_in`.
async fn granted(node: &Node, to: &Credentials) -> i64 {
    let answer = node
        .ask(to, &[("audience", ORDERS)])
        .await
        .expect(StatusCode::OK);
    answer.json["expires_in"]
        .as_i64()
        .expect("a token that expires")
}

both_stores! {
    async fn an_applications_own_lifetime_is_what_its_next_token_gets(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        assert_eq!(granted(node, &shop).await, 86400, "inherited");
        for (value, expected) in [
            (json!(1800), 1800),
            (json!("900"), 900),
            (json!(5_184_000), 2_592_000),
            (json!(-1), 2_592_000),
            (json!(null), 86400),
        ] {
            let fields = json!({ "access_token_lifetimes": { "application": value } });
            desk.patch(&path(&shop), fields)
                .await
                .expect(StatusCode::OK);
            assert_eq!(granted(node, &shop).await, expected, "{value}");
        }
        desk.patch(
            &path(&shop),
            json!({ "access_token_lifetimes": { "user": 60 } }),
        )
        .await
        .expect(StatusCode::OK);
        assert_eq!(
            granted(node, &shop).await,
            86400,
            "the user's lifetime is for user tokens"
        );
        desk.patch(&api_path(ORDERS), json!({ "token_lifetime": 300 }))
            .await
            .expect(StatusCode::OK);
        assert_eq!(granted(node, &shop).await, 300, "inheriting is live");
    }

    async fn a_member_that_is_named_wins_and_one_that_is_not_stays(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        let change = async |members: Value| {
            let answer = desk
                .patch(&path(&shop), json!({ "access_token_lifetimes": members }))
                .await;
            let shown = answer.expect(StatusCode::OK).json;
            assert_eq!(desk.shown(&path(&shop)).await, shown);
            no_nulls(&shown);
            shown
                .get("access_token_lifetimes")
                .cloned()
                .unwrap_or(Value::Null)
        };
        assert_eq!(change(json!({})).await, Value::Null);
        assert_eq!(
            change(json!({ "application": 1800 })).await,
            json!({ "application": 1800 })
        );
        assert_eq!(
            change(json!({ "user": 600 })).await,
            json!({ "application": 1800, "user": 600 })
        );
        assert_eq!(
            change(json!({ "application": null })).await,
            json!({ "user": 600 })
        );
        assert_eq!(
            change(json!({ "user": null })).await,
            Value::Null,
            "all unset: omitted"
        );
    }

    async fn the_files_lifetimes_are_copied_into_new_applications_only(world: World) {
        let node = &world.node;
        let before = node.api_and_application(ORDERS).await;
        let edits = [
            (
                "GRANTOR_LIFETIMES__NEW_APPLICATIONS__APPLICATION_TOKEN",
                "3600",
            ),
            ("GRANTOR_LIFETIMES__NEW_APPLICATIONS__USER_TOKEN", "120"),
        ];
        let edited = world.another_node_with(&edits).await;
        let desk = Desk::open(&edited).await;
        assert_eq!(granted(&edited, &before).await, 86400, "worked case 34");
        let made = async |fields: Value| {
            let made = desk.application(fields).await;
            desk.grant(&made, ORDERS, json!({})).await;
            (
                desk.shown(&path(&made)).await["access_token_lifetimes"].clone(),
                granted(&edited, &made).await,
            )
        };
        let copied = json!({ "application": 3600, "user": 120 });
        assert_eq!(made(json!({})).await, (copied, 3600), "worked case 35");
        let null_wins = json!({ "access_token_lifetimes": { "application": null } });
        assert_eq!(
            made(null_wins).await,
            (json!({ "user": 120 }), 86400),
            "null wins over the file"
        );
        let named = json!({ "access_token_lifetimes": { "user": 30 } });
        assert_eq!(
            made(named).await,
            (json!({ "application": 3600, "user": 30 }), 3600)
        );
        edited.stop().await;
    }

    async fn where_never_is_forbidden_no_application_gets_it(
        world: World,
        "GRANTOR_LIFETIMES__ALLOW_NEVER_EXPIRING" = "false"
    ) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        for member in ["application", "user"] {
            let fields = json!({ "access_token_lifetimes": { member: -1 } });
            let property = format!("access_token_lifetimes.{member}");
            let answer = refused(desk.patch(&path(&shop), fields.clone()).await, &property);
            assert!(
                answer
                    .text("message")
                    .contains("lifetimes.allow_never_expiring"),
                "{answer:?}"
            );
            let mut body = fields;
            body["name"] = "New".into();
            refused(desk.post(CLIENTS, body).await, &property);
        }
    }

    async fn the_end_of_an_application_is_written_as_utc_whatever_offset_was_sent(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        for (sent, shown) in [
            ("2099-01-31T00:00:00.000Z", "2099-01-31T00:00:00.000Z"),
            ("2099-01-31T00:00:00Z", "2099-01-31T00:00:00.000Z"),
            ("2099-01-31T02:00:00+02:00", "2099-01-31T00:00:00.000Z"),
            ("2099-01-30T16:30:00-07:30", "2099-01-31T00:00:00.000Z"),
            ("2099-01-31T00:00:00.999Z", "2099-01-31T00:00:00.000Z"),
            ("2099-01-31t00:00:00z", "2099-01-31T00:00:00.000Z"),
        ] {
            let changed = desk
                .patch(&path(&shop), json!({ "expires_at": sent }))
                .await
                .expect(StatusCode::OK);
            assert_eq!(changed.json["expires_at"], shown, "{sent}");
            assert_eq!(desk.shown(&path(&shop)).await["expires_at"], shown);
        }
        let cleared = desk
            .patch(&path(&shop), json!({ "expires_at": null }))
            .await
            .expect(StatusCode::OK);
        assert!(
            !members(&cleared.json).contains(&"expires_at"),
            "{cleared:?}"
        );
        for sent in [
            "2099-01-31",
            "2099-01-31T00:00:00",
            "31.01.2099",
            "4102444800",
            "",
            "2099-02-30T00:00:00Z",
            "2099-01-31T25:00:00Z",
            "2020-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "0000-01-01T00:00:00Z",
        ] {
            refused(
                desk.patch(&path(&shop), json!({ "expires_at": sent }))
                    .await,
                "expires_at",
            );
            refused(
                desk.post(CLIENTS, json!({ "name": "New", "expires_at": sent }))
                    .await,
                "expires_at",
            );
        }
    }

    async fn an_application_gets_no_token_beyond_its_end_and_none_after_it(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        let end = world.clock.now() + 300;
        let expires_at = grantor::model::instant::to_rfc3339(end);
        desk.patch(&path(&shop), json!({ "expires_at": expires_at }))
            .await
            .expect(StatusCode::OK);
        for asked in [
            &[][..],
            &[("validity_period", "86400")],
            &[("validity_period", "-1")],
        ] {
            let params = [&[("audience", ORDERS)], asked].concat();
            let token = node
                .ask(&shop, &params)
                .await
                .expect(StatusCode::OK)
                .text("access_token");
            assert_eq!(claims(&token)["exp"], end, "{asked:?}");
        }
        let token = node
            .ask(&shop, &[("audience", ORDERS), ("validity_period", "10")])
            .await;
        assert_eq!(
            token.expect(StatusCode::OK).json["expires_in"],
            10,
            "a shorter one is as asked"
        );
        world.clock.advance(301);
        node.ask(&shop, &[("audience", ORDERS)])
            .await
            .expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        let desk = Desk::open(node).await;
        desk.patch(&path(&shop), json!({ "expires_at": null }))
            .await
            .expect(StatusCode::OK);
        node.token(&shop, ORDERS).await;
    }

    async fn deleting_an_application_ends_its_tokens_grants_and_secret(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let desk = Desk::open(node).await;
        let gateway = desk
            .application(
                json!({ "app_type": "resource_server", "resource_server_identifier": ORDERS }),
            )
            .await;
        let other = desk.application(json!({})).await;
        desk.grant(&other, ORDERS, json!({})).await;
        desk.patch(&api_path(ORDERS), json!({ "max_token_lifetime": -1 }))
            .await
            .expect(StatusCode::OK);
        let signed = node.token(&shop, ORDERS).await;
        let never = node
            .ask(&shop, &[("audience", ORDERS), ("validity_period", "-1")])
            .await
            .expect(StatusCode::OK)
            .text("access_token");
        let others = node.token(&other, ORDERS).await;
        assert!(node.is_active(&gateway, &signed).await && node.is_active(&gateway, &never).await);

        let gone = desk
            .delete(&path(&shop))
            .await
            .expect(StatusCode::NO_CONTENT);
        assert_eq!(gone.body, "");
        assert!(
            !node.is_active(&gateway, &signed).await && !node.is_active(&gateway, &never).await
        );
        assert!(
            node.is_active(&gateway, &others).await,
            "another application's stays"
        );
        node.ask(&shop, &[("audience", ORDERS)])
            .await
            .expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        desk.get(&path(&shop))
            .await
            .expect_problem(StatusCode::NOT_FOUND, "inexistent_client");
        let grants = desk
            .shown(&format!("/client-grants?client_id={}", shop.id))
            .await;
        assert_eq!(grants, json!([]));
        desk.delete(&path(&shop))
            .await
            .expect(StatusCode::NO_CONTENT);
    }
}
