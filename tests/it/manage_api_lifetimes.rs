//! Setting an API's lifetimes over HTTP (lifetime.md, "Setting an API's lifetimes"), and what the
//! next token then gets.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, refused};
use crate::harness::{Answer, Credentials, Node, api_path, both_stores};

pub(crate) const ORDERS: &str = "https://orders.example/";
pub(crate) const BOUND: i64 = 2_592_000;

/// `token_lifetime`, `token_lifetime_for_web` and `max_token_lifetime` of an answer.
#[track_caller]
pub(crate) fn lifetimes(api: &Value) -> (i64, i64, i64) {
    let of = |name: &str| {
        api[name]
            .as_i64()
            .unwrap_or_else(|| panic!("{name} in {api}"))
    };
    (
        of("token_lifetime"),
        of("token_lifetime_for_web"),
        of("max_token_lifetime"),
    )
}

/// Changes the API and says what its lifetimes then are, here and when it is read.
pub(crate) async fn change(desk: &Desk<'_>, fields: Value) -> (i64, i64, i64) {
    let changed = desk
        .patch(&api_path(ORDERS), fields)
        .await
        .expect(StatusCode::OK)
        .json;
    let read = desk.shown(&api_path(ORDERS)).await;
    assert_eq!(changed, read, "the answer shows what is stored");
    lifetimes(&changed)
}

/// Tries changes that must be refused by name, with these words, and change nothing.
pub(crate) async fn refuse(desk: &Desk<'_>, identifier: &str, tries: &[(Value, &str, &[&str])]) {
    let path = api_path(identifier);
    let before = desk.shown(&path).await;
    for (fields, property, words) in tries {
        let answer = refused(desk.patch(&path, fields.clone()).await, property);
        says(&answer, words);
        assert_eq!(desk.shown(&path).await, before, "{fields}");
    }
}

#[track_caller]
pub(crate) fn says(answer: &Answer, words: &[&str]) {
    for word in words {
        assert!(
            answer.text("message").contains(word),
            "says {word}: {answer:?}"
        );
    }
}

/// What `expires_in` the next token has; none for one that never expires.
pub(crate) async fn granted(node: &Node, to: &Credentials, asked: Option<&str>) -> Option<i64> {
    let mut params = vec![("audience", ORDERS)];
    params.extend(asked.map(|asked| ("validity_period", asked)));
    let answer = node.ask(to, &params).await.expect(StatusCode::OK);
    answer
        .json
        .get("expires_in")
        .map(|seconds| seconds.as_i64().unwrap())
}

both_stores! {
    async fn a_new_api_gets_what_it_names_and_the_rest_follows(world: World) {
        let desk = Desk::open(&world.node).await;
        for (number, (fields, expected)) in [
            (json!({}), (86400, 7200, BOUND)),
            (json!({ "token_lifetime": 3600 }), (3600, 3600, BOUND)),
            (json!({ "token_lifetime": 1 }), (1, 1, BOUND)),
            (json!({ "token_lifetime": 7201 }), (7201, 7200, BOUND)),
            (json!({ "token_lifetime_for_web": 86400 }), (86400, 86400, BOUND)),
            (json!({ "token_lifetime": BOUND }), (BOUND, 7200, BOUND)),
            // Only a maximum: the default is no longer than it.
            (json!({ "max_token_lifetime": 900 }), (900, 900, 900)),
            (json!({ "max_token_lifetime": 86400 }), (86400, 7200, 86400)),
            (json!({ "max_token_lifetime": 100_000 }), (86400, 7200, 100_000)),
            (json!({ "max_token_lifetime": -5 }), (86400, 7200, -1)),
            (json!({ "max_token_lifetime": null }), (86400, 7200, BOUND)),
            (json!({ "token_lifetime": 300, "max_token_lifetime": 900 }), (300, 300, 900)),
            (
                json!({ "token_lifetime": 900, "max_token_lifetime": 900,
                    "token_lifetime_for_web": 6 }),
                (900, 6, 900),
            ),
            // Never by implication.
            (json!({ "token_lifetime": -1 }), (-1, 7200, -1)),
            (json!({ "token_lifetime": -86400, "max_token_lifetime": -2 }), (-1, 7200, -1)),
            (json!({ "token_lifetime": -1, "token_lifetime_for_web": BOUND }), (-1, BOUND, -1)),
        ].into_iter().enumerate() {
            let created = desk.api(&format!("urn:{number}"), fields.clone()).await;
            assert_eq!(lifetimes(&created), expected, "{fields}");
        }
    }

    async fn a_new_api_that_contradicts_itself_is_refused_and_not_made(world: World) {
        let desk = Desk::open(&world.node).await;
        let both = ["token_lifetime", "max_token_lifetime"];
        for (fields, property, words) in [
            (
                json!({ "token_lifetime": BOUND + 1 }),
                "token_lifetime",
                &["2592000"][..],
            ),
            (
                json!({ "max_token_lifetime": BOUND + 1 }),
                "max_token_lifetime",
                &["2592000"],
            ),
            (
                json!({ "token_lifetime": -1, "max_token_lifetime": 3600 }),
                "token_lifetime",
                &both,
            ),
            (
                json!({ "token_lifetime": -1, "max_token_lifetime": null }),
                "token_lifetime",
                &both,
            ),
            (
                json!({ "token_lifetime": 901, "max_token_lifetime": 900 }),
                "token_lifetime",
                &both,
            ),
            (
                json!({ "token_lifetime": 3600, "token_lifetime_for_web": 3601 }),
                "token_lifetime_for_web",
                &["token_lifetime"],
            ),
            (
                json!({ "max_token_lifetime": 900, "token_lifetime_for_web": 901 }),
                "token_lifetime_for_web",
                &["901"],
            ),
            (
                json!({ "token_lifetime": -1, "token_lifetime_for_web": BOUND + 1 }),
                "token_lifetime_for_web",
                &["2592000"],
            ),
        ] {
            let mut body = fields;
            body["identifier"] = ORDERS.into();
            let answer = refused(desk.post("/resource-servers", body).await, property);
            says(&answer, words);
        }
        desk.get(&api_path(ORDERS))
            .await
            .expect(StatusCode::NOT_FOUND);
    }

    async fn a_change_is_in_force_for_the_next_token_and_no_earlier_one(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let earlier = node.token(&shop, ORDERS).await;
        let end = node.introspect(&shop, &earlier).await["exp"].clone();
        let desk = Desk::open(node).await;
        assert_eq!(
            change(
                &desk,
                json!({ "token_lifetime": 300, "max_token_lifetime": 900 })
            )
            .await,
            (300, 300, 900)
        );
        assert_eq!(granted(node, &shop, None).await, Some(300));
        assert_eq!(granted(node, &shop, Some("901")).await, Some(900));
        assert_eq!(granted(node, &shop, Some("-1")).await, Some(900));
        assert_eq!(
            node.introspect(&shop, &earlier).await["exp"],
            end,
            "issued tokens keep their end"
        );
    }

    async fn a_negative_default_makes_the_maximum_negative_until_it_is_finite_again(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let desk = Desk::open(node).await;
        assert_eq!(
            change(&desk, json!({ "token_lifetime": -7 })).await,
            (-1, 7200, -1)
        );
        assert_eq!(granted(node, &shop, None).await, None, "never expires");
        assert_eq!(granted(node, &shop, Some("600")).await, Some(600));
        assert_eq!(
            change(&desk, json!({ "token_lifetime": 3600 })).await,
            (3600, 3600, BOUND)
        );
        assert_eq!(granted(node, &shop, Some("-1")).await, Some(BOUND));
    }

    async fn a_maximum_that_was_named_never_stays_never(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({ "max_token_lifetime": -1 })).await;
        assert_eq!(
            change(&desk, json!({ "token_lifetime": -1 })).await,
            (-1, 7200, -1)
        );
        assert_eq!(
            change(&desk, json!({ "token_lifetime": 3600 })).await,
            (3600, 3600, -1)
        );
        assert_eq!(
            change(&desk, json!({ "max_token_lifetime": null })).await,
            (3600, 3600, BOUND)
        );
    }

    async fn a_finite_maximum_gives_way_to_a_default_that_becomes_never(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(
            ORDERS,
            json!({ "token_lifetime": 300, "max_token_lifetime": 900 }),
        )
        .await;
        assert_eq!(
            change(&desk, json!({ "token_lifetime": -1 })).await,
            (-1, 300, -1)
        );
        assert_eq!(
            change(&desk, json!({ "token_lifetime": 300 })).await,
            (300, 300, BOUND),
            "back to unset"
        );
    }

    async fn never_cannot_be_the_default_below_a_finite_maximum(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({ "token_lifetime": -1 })).await;
        let both = &["token_lifetime", "max_token_lifetime"][..];
        refuse(
            &desk,
            ORDERS,
            &[
                (
                    json!({ "max_token_lifetime": 86400 }),
                    "max_token_lifetime",
                    both,
                ),
                (
                    json!({ "max_token_lifetime": BOUND }),
                    "max_token_lifetime",
                    both,
                ),
                (
                    json!({ "max_token_lifetime": null }),
                    "max_token_lifetime",
                    both,
                ),
            ],
        )
        .await;
        change(&desk, json!({ "token_lifetime": 3600 })).await;
        refuse(
            &desk,
            ORDERS,
            &[
                (
                    json!({ "token_lifetime": -1, "max_token_lifetime": 86400 }),
                    "token_lifetime",
                    both,
                ),
                (
                    json!({ "token_lifetime": -1, "max_token_lifetime": BOUND }),
                    "token_lifetime",
                    both,
                ),
                (
                    json!({ "token_lifetime": -1, "max_token_lifetime": null }),
                    "token_lifetime",
                    both,
                ),
            ],
        )
        .await;
    }

    async fn values_above_the_bound_are_refused_with_the_bound(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({ "max_token_lifetime": -1 })).await;
        refuse(
            &desk,
            ORDERS,
            &[
                (
                    json!({ "token_lifetime": BOUND + 1 }),
                    "token_lifetime",
                    &["2592001", "2592000"],
                ),
                (
                    json!({ "token_lifetime": i64::MAX }),
                    "token_lifetime",
                    &["2592000"],
                ),
                (
                    json!({ "max_token_lifetime": BOUND + 1 }),
                    "max_token_lifetime",
                    &["2592001", "2592000"],
                ),
                (json!({ "token_lifetime": 0 }), "token_lifetime", &["0"]),
                (
                    json!({ "max_token_lifetime": 0 }),
                    "max_token_lifetime",
                    &["0"],
                ),
                (
                    json!({ "token_lifetime_for_web": 0 }),
                    "token_lifetime_for_web",
                    &["0"],
                ),
                (
                    json!({ "token_lifetime_for_web": -1 }),
                    "token_lifetime_for_web",
                    &["-1"],
                ),
            ],
        )
        .await;
        assert_eq!(
            change(
                &desk,
                json!({ "token_lifetime": BOUND, "token_lifetime_for_web": BOUND })
            )
            .await,
            (BOUND, BOUND, -1)
        );
    }

    async fn a_default_above_the_maximum_is_refused_whichever_is_changed(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(
            ORDERS,
            json!({ "token_lifetime": 300, "max_token_lifetime": 900 }),
        )
        .await;
        let both = &["token_lifetime", "max_token_lifetime"][..];
        refuse(
            &desk,
            ORDERS,
            &[
                (json!({ "token_lifetime": 901 }), "token_lifetime", both),
                (
                    json!({ "max_token_lifetime": 299 }),
                    "max_token_lifetime",
                    both,
                ),
                (
                    json!({ "token_lifetime": 500, "max_token_lifetime": 400 }),
                    "token_lifetime",
                    both,
                ),
            ],
        )
        .await;
        assert_eq!(
            change(&desk, json!({ "token_lifetime": 900 })).await,
            (900, 300, 900)
        );
        assert_eq!(
            change(
                &desk,
                json!({ "token_lifetime": 1000, "max_token_lifetime": 1000 })
            )
            .await,
            (1000, 300, 1000)
        );
    }

    async fn lowering_the_default_lowers_the_web_lifetime_and_shows_it(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        assert_eq!(
            change(&desk, json!({ "token_lifetime": 7200 })).await,
            (7200, 7200, BOUND)
        );
        assert_eq!(
            change(&desk, json!({ "token_lifetime": 600 })).await,
            (600, 600, BOUND)
        );
        assert_eq!(
            change(&desk, json!({ "token_lifetime": 86400 })).await,
            (86400, 600, BOUND),
            "raising does not"
        );
        assert_eq!(
            change(
                &desk,
                json!({ "token_lifetime": 500, "token_lifetime_for_web": 500 })
            )
            .await,
            (500, 500, BOUND)
        );
        refuse(
            &desk,
            ORDERS,
            &[
                (
                    json!({ "token_lifetime": 300, "token_lifetime_for_web": 301 }),
                    "token_lifetime_for_web",
                    &["301", "300"],
                ),
                (
                    json!({ "token_lifetime": 300, "token_lifetime_for_web": 500 }),
                    "token_lifetime_for_web",
                    &["500", "300"],
                ),
                (
                    json!({ "token_lifetime_for_web": 501 }),
                    "token_lifetime_for_web",
                    &["501", "500"],
                ),
            ],
        )
        .await;
    }

    async fn a_change_with_one_error_changes_nothing(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({ "name": "Orders", "token_lifetime": 300 }))
            .await;
        let fine = json!({ "name": "Changed", "token_lifetime": 600, "token_dialect": "opaque",
            "scopes": [{ "value": "a" }] });
        let with = |field: &str, value: Value| {
            let mut fields = fine.clone();
            fields[field] = value;
            fields
        };
        refuse(
            &desk,
            ORDERS,
            &[
                (
                    with("max_token_lifetime", json!(599)),
                    "max_token_lifetime",
                    &[],
                ),
                (
                    with("token_lifetime_for_web", json!(601)),
                    "token_lifetime_for_web",
                    &[],
                ),
                (with("token_lifetime", json!(3600.0)), "token_lifetime", &[]),
                (
                    with("allow_offline_access", json!("yes")),
                    "allow_offline_access",
                    &[],
                ),
                (with("unknown", json!(1)), "unknown", &[]),
            ],
        )
        .await;
        desk.patch(&api_path(ORDERS), fine)
            .await
            .expect(StatusCode::OK);
    }
}
