//! Lifetimes of APIs where the server's file has a say, and of the system APIs (lifetime.md,
//! "Setting an API's lifetimes").

use reqwest::StatusCode;
use serde_json::json;

use crate::desk::{Desk, refused};
use crate::harness::{Credentials, MANAGEMENT, MFA, api_path, both_stores};
use crate::manage_api_lifetimes::{BOUND, ORDERS, change, granted, lifetimes, refuse, says};

both_stores! {
    /// Tools read, change and write back: that must not turn defaults into values of one's own.
    async fn repeating_the_values_in_force_pins_nothing(
        world: World,
        "GRANTOR_LIFETIMES__API_MAXIMUM" = "1000000"
    ) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        let unset = (86400, 7200, 1_000_000);
        let back = json!({ "token_lifetime": 86400, "token_lifetime_for_web": 7200,
            "max_token_lifetime": 1_000_000 });
        assert_eq!(change(&desk, back).await, unset);
        desk.api("urn:never", json!({ "token_lifetime": -1 })).await;
        let back = json!({ "token_lifetime": -1, "max_token_lifetime": -1 });
        desk.patch(&api_path("urn:never"), back).await.expect(StatusCode::OK);
        let back = json!({ "token_lifetime": 60, "max_token_lifetime": -1 });
        let finite = desk.patch(&api_path("urn:never"), back).await.expect(StatusCode::OK);
        assert_eq!(lifetimes(&finite.json), (60, 60, 1_000_000), "implied no more");
        desk.api("urn:pinned", json!({ "max_token_lifetime": 1_000_000 })).await;

        let edit = [("GRANTOR_LIFETIMES__API_MAXIMUM", "2000000")];
        let edited = world.another_node_with(&edit).await;
        let desk = Desk::open(&edited).await;
        let maximum =
            async |api| desk.shown(&api_path(api)).await["max_token_lifetime"].clone();
        assert_eq!(maximum(ORDERS).await, 2_000_000, "still read live from the file");
        assert_eq!(maximum("urn:never").await, 2_000_000);
        assert_eq!(maximum("urn:pinned").await, 1_000_000, "what was named at creation is its own");
        edited.stop().await;
    }

    async fn the_files_defaults_are_what_a_new_api_gets(
        world: World,
        "GRANTOR_LIFETIMES__API_DEFAULT" = "1800",
        "GRANTOR_LIFETIMES__API_MAXIMUM" = "7200"
    ) {
        let desk = Desk::open(&world.node).await;
        assert_eq!(
            lifetimes(&desk.api(ORDERS, json!({})).await),
            (1800, 1800, 7200)
        );
        refuse(
            &desk,
            ORDERS,
            &[
                (
                    json!({ "token_lifetime": 7201 }),
                    "token_lifetime",
                    &["7200"],
                ),
                (
                    json!({ "max_token_lifetime": 7201 }),
                    "max_token_lifetime",
                    &["7200"],
                ),
            ],
        )
        .await;
        let short = desk
            .api("urn:short", json!({ "max_token_lifetime": 60 }))
            .await;
        assert_eq!(lifetimes(&short), (60, 60, 60));

        // A later edit reaches the maximum, read live, and not the default, which was copied.
        let edits = [
            ("GRANTOR_LIFETIMES__API_DEFAULT", "60"),
            ("GRANTOR_LIFETIMES__API_MAXIMUM", "3600"),
        ];
        let edited = world.another_node_with(&edits).await;
        let desk = Desk::open(&edited).await;
        assert_eq!(
            lifetimes(&desk.shown(&api_path(ORDERS)).await),
            (1800, 1800, 3600)
        );
        assert_eq!(
            lifetimes(&desk.api("urn:later", json!({})).await),
            (60, 60, 3600)
        );
        edited.stop().await;
    }

    async fn checks_run_only_where_a_lifetime_changes(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        node.change_api(ORDERS, json!({ "token_lifetime": 7200 }))
            .await
            .expect(StatusCode::OK);
        let edits = [
            ("GRANTOR_LIFETIMES__API_DEFAULT", "60"),
            ("GRANTOR_LIFETIMES__API_MAXIMUM", "3600"),
        ];
        let edited = world.another_node_with(&edits).await;
        let desk = Desk::open(&edited).await;
        let renamed = json!({ "name": "Renamed", "token_lifetime": 7200,
            "token_lifetime_for_web": 7200, "max_token_lifetime": 3600 });
        assert_eq!(
            change(&desk, renamed).await,
            (7200, 7200, 3600),
            "what is stored stays"
        );
        assert_eq!(
            granted(&edited, &shop, None).await,
            Some(3600),
            "and is clamped"
        );
        refuse(
            &desk,
            ORDERS,
            &[(
                json!({ "token_lifetime": 7199 }),
                "token_lifetime",
                &["3600"],
            )],
        )
        .await;
        edited.stop().await;
    }

    async fn where_the_files_maximum_is_never_so_is_every_apis(
        world: World,
        "GRANTOR_LIFETIMES__API_MAXIMUM" = "-1"
    ) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let desk = Desk::open(node).await;
        assert_eq!(
            lifetimes(&desk.shown(&api_path(ORDERS)).await),
            (86400, 7200, -1)
        );
        assert_eq!(granted(node, &shop, Some("-1")).await, None);
        refuse(
            &desk,
            ORDERS,
            &[(
                json!({ "token_lifetime": BOUND + 1 }),
                "token_lifetime",
                &["2592000"],
            )],
        )
        .await;
        let management = desk.shown(&api_path(MANAGEMENT)).await;
        assert_eq!(
            management["max_token_lifetime"], BOUND,
            "whatever the file says"
        );
    }

    async fn where_never_is_forbidden_it_is_refused_with_the_key_to_change(
        world: World,
        "GRANTOR_LIFETIMES__ALLOW_NEVER_EXPIRING" = "false"
    ) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        let key = &["lifetimes.allow_never_expiring"][..];
        refuse(
            &desk,
            ORDERS,
            &[
                (json!({ "token_lifetime": -1 }), "token_lifetime", key),
                (json!({ "token_lifetime": "-86400" }), "token_lifetime", key),
                (
                    json!({ "max_token_lifetime": -1 }),
                    "max_token_lifetime",
                    key,
                ),
                (
                    json!({ "token_lifetime": -1, "max_token_lifetime": -1 }),
                    "token_lifetime",
                    key,
                ),
            ],
        )
        .await;
        for (fields, property) in [
            (
                json!({ "identifier": "urn:n", "token_lifetime": -1 }),
                "token_lifetime",
            ),
            (
                json!({ "identifier": "urn:n", "max_token_lifetime": -1 }),
                "max_token_lifetime",
            ),
        ] {
            says(
                &refused(desk.post("/resource-servers", fields).await, property),
                key,
            );
        }
    }

    async fn an_api_that_was_never_before_the_ban_can_be_renamed_and_is_clamped(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        node.change_api(ORDERS, json!({ "token_lifetime": -1 }))
            .await
            .expect(StatusCode::OK);
        let edited = world
            .another_node_with(&[("GRANTOR_LIFETIMES__ALLOW_NEVER_EXPIRING", "false")])
            .await;
        let desk = Desk::open(&edited).await;
        let shown = desk
            .patch(
                &api_path(ORDERS),
                json!({ "name": "Renamed", "token_lifetime": -1 }),
            )
            .await;
        assert_eq!(shown.expect(StatusCode::OK).json["token_lifetime"], -1);
        assert_eq!(
            granted(&edited, &shop, None).await,
            Some(BOUND),
            "worked case 36"
        );
        assert_eq!(
            change(&desk, json!({ "token_lifetime": 3600 })).await,
            (3600, 3600, BOUND)
        );
        edited.stop().await;
    }

    async fn the_management_api_can_be_shortened_and_never_lengthened(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        refuse(
            &desk,
            MANAGEMENT,
            &[
                (
                    json!({ "token_lifetime": 86401 }),
                    "token_lifetime",
                    &["86400"],
                ),
                (
                    json!({ "token_lifetime": BOUND }),
                    "token_lifetime",
                    &["86400"],
                ),
                (json!({ "token_lifetime": -1 }), "token_lifetime", &[]),
                (
                    json!({ "max_token_lifetime": -1 }),
                    "max_token_lifetime",
                    &["2592000"],
                ),
                (
                    json!({ "max_token_lifetime": BOUND + 1 }),
                    "max_token_lifetime",
                    &["2592000"],
                ),
                (
                    json!({ "token_lifetime": -1, "max_token_lifetime": -1 }),
                    "token_lifetime",
                    &[],
                ),
            ],
        )
        .await;
        let granted = async |asked: &str| {
            let params = [("audience", MANAGEMENT), ("validity_period", asked)];
            node.ask(&Credentials::admin(), &params)
                .await
                .expect(StatusCode::OK)
                .json["expires_in"]
                .clone()
        };
        assert_eq!(granted("-1").await, BOUND, "a request may ask for more");
        let fields = json!({ "token_lifetime": 3600, "max_token_lifetime": 7200 });
        let changed = desk
            .patch(&api_path(MANAGEMENT), fields)
            .await
            .expect(StatusCode::OK);
        assert_eq!(lifetimes(&changed.json), (3600, 3600, 7200));
        assert_eq!(granted("-1").await, 7200);
        assert_eq!(granted("60").await, 60);
        let back = desk
            .patch(
                &api_path(MANAGEMENT),
                json!({ "token_lifetime": 86400, "max_token_lifetime": null }),
            )
            .await;
        assert_eq!(
            lifetimes(&back.expect(StatusCode::OK).json),
            (86400, 3600, BOUND)
        );
    }

    async fn nothing_changes_the_lifetime_of_mfa_tokens(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        refuse(
            &desk,
            MFA,
            &[
                (json!({ "token_lifetime": 599 }), "token_lifetime", &["600"]),
                (
                    json!({ "token_lifetime": 86400 }),
                    "token_lifetime",
                    &["600"],
                ),
                (json!({ "token_lifetime": -1 }), "token_lifetime", &[]),
                (
                    json!({ "token_lifetime_for_web": 60 }),
                    "token_lifetime_for_web",
                    &["600"],
                ),
                (
                    json!({ "max_token_lifetime": 60 }),
                    "max_token_lifetime",
                    &["600"],
                ),
                (
                    json!({ "max_token_lifetime": -1 }),
                    "max_token_lifetime",
                    &["600"],
                ),
            ],
        )
        .await;
        let shop = desk
            .application(json!({ "access_token_lifetimes": { "application": -1 } }))
            .await;
        desk.grant(&shop, MFA, json!({ "scope": ["enroll"] })).await;
        for asked in ["30", "86400", "-1"] {
            for audience in [MFA, MFA.trim_end_matches('/')] {
                let answer = node
                    .ask(&shop, &[("audience", audience), ("validity_period", asked)])
                    .await;
                assert_eq!(
                    answer.expect(StatusCode::OK).json["expires_in"],
                    600,
                    "{audience} {asked}"
                );
            }
        }
    }
}
