//! Revocations on a store that has just lost history: one that is answered counts, for the tokens too whose
//! positions the store does not know any more.

use grantor::directory::FRESH_MAX;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::history::{RECOVERED_WITHIN, behind_their_backs, counter, furnish};
use crate::harness::{Answer, Credentials, Node, Person, Sql, both_stores, claims, within};
use crate::held::{EVERYTHING, Held, NOTHING};
use crate::shop;

const ORDERS: &str = "https://orders.example/";
const NEW_PASSWORD: &str = "seven loud herons paint the ladder";

/// Takes back what was numbered above `n`, as a failover does to a standby that was behind.
async fn lose_all_above(sql: &mut Sql, n: i64) {
    behind_their_backs(
        sql,
        &[
            &format!("delete from changes where n > {n}"),
            &format!("delete from revocations where number > {n}"),
            &format!("update change_counter set n = {n}"),
        ],
    )
    .await;
}

/// Changes that nobody here is interested in; each takes a number.
async fn change_something(node: &Node) {
    for lifetime in 100..105 {
        let fields = json!({ "token_lifetime": lifetime });
        node.change_api(ORDERS, fields).await.expect(StatusCode::OK);
    }
}

/// Asks until the node answers, as callers do who are told to ask again.
async fn until_answered(mut ask: impl AsyncFnMut() -> Answer) -> Answer {
    let mut last = None;
    within(RECOVERED_WITHIN, async || {
        let answer = ask().await;
        let is_answered = answer.status != StatusCode::SERVICE_UNAVAILABLE;
        last = Some(answer);
        is_answered
    })
    .await;
    last.unwrap()
}

/// True where the node says that a token is inactive; it may not know for a moment.
async fn says_inactive(node: &Node, management: &str, token: &str) -> bool {
    let answer = node.introspect_as(management, token).await;
    answer.status == StatusCode::OK && answer.json["active"] == false
}

/// An application, the client grant that it has, and a token of each node.
struct Shop {
    client: Credentials,
    grant_id: String,
    tokens: [String; 2],
}

impl Shop {
    async fn open(here: &Node, there: &Node) -> Self {
        let client = here.create_application(json!({})).await;
        let grant = here.grant(&client, ORDERS, json!({})).await;
        change_something(here).await;
        let position = here.app.directory.position();
        within(FRESH_MAX, async || {
            there.app.directory.position() >= position
        })
        .await;
        Self {
            grant_id: grant["id"].as_str().unwrap().to_owned(),
            tokens: [
                here.token(&client, ORDERS).await,
                there.token(&client, ORDERS).await,
            ],
            client,
        }
    }
}

/// What ends all tokens of a shop, one a time.
fn ends(shop: &Shop) -> [(Method, String, Option<Value>); 6] {
    let id = &shop.client.id;
    let revoke = |object: Value| (Method::POST, "/tokens/revoke".to_owned(), Some(object));
    [
        revoke(json!({ "client_id": id })),
        revoke(json!({ "audience": ORDERS })),
        revoke(json!({ "client_grant_id": shop.grant_id })),
        (
            Method::POST,
            format!("/clients/{id}/rotate-secret"),
            Some(json!({ "revoke_tokens": true })),
        ),
        (
            Method::DELETE,
            format!("/client-grants/{}?revoke_tokens=true", shop.grant_id),
            None,
        ),
        (Method::DELETE, format!("/clients/{id}"), None),
    ]
}

both_stores! {
    async fn a_revocation_right_after_lost_history_counts_at_once_here_and_within_a_second_there(world: World) {
        let (there, _) = furnish(world).await;
        let here = &world.node;
        let mut sql = world.database.sql().await;
        for kind in 0..6 {
            let before = counter(&mut sql).await;
            let shop = Shop::open(here, &there).await;
            let (method, path, body) = ends(&shop)[kind].clone();
            lose_all_above(&mut sql, before).await;
            let ended = until_answered(async || here.manage(method.clone(), &path, body.clone()).await).await;
            assert!(ended.status.is_success(), "{path}: {ended:?}");
            let management = here.admin_token().await;
            for token in &shop.tokens {
                assert!(!here.is_active_to(&management, token).await, "{method} {path} did not count here");
                within(FRESH_MAX, async || says_inactive(&there, &management, token).await).await;
            }
        }
        there.stop().await;
    }

    async fn one_token_revoked_right_after_lost_history_is_inactive_at_once(world: World) {
        let (there, _) = furnish(world).await;
        let here = &world.node;
        let mut sql = world.database.sql().await;
        for round in 0..6 {
            let before = counter(&mut sql).await;
            let shop = Shop::open(here, &there).await;
            let [token, other] = &shop.tokens;
            let management = here.admin_token().await;
            let by_name = format!("/tokens/{}", claims(token)["jti"].as_str().unwrap());
            lose_all_above(&mut sql, before).await;
            let revoked = until_answered(async || if round % 2 == 0 {
                here.form("/oauth/revoke", &shop.client, &[("token", token)]).await
            } else {
                here.manage_as(&management, Method::DELETE, &by_name, None).await
            }).await;
            assert!(revoked.status.is_success(), "{revoked:?}");
            assert!(!here.is_active_to(&management, token).await);
            within(FRESH_MAX, async || says_inactive(&there, &management, token).await).await;
            within(FRESH_MAX, async || !says_inactive(&there, &management, other).await).await;
        }
        there.stop().await;
    }

    async fn a_block_and_another_password_right_after_lost_history_end_what_a_user_holds(world: World) {
        let node = &world.node;
        let application = shop::open(node, json!({})).await;
        let mut sql = world.database.sql().await;
        for (round, change) in [json!({ "blocked": true }), json!({ "password": NEW_PASSWORD })].into_iter().enumerate() {
            let person = Person::create(node, &format!("p{round}@example.com")).await;
            let before = counter(&mut sql).await;
            change_something(node).await;
            let held = Held::get(node, &person, &application).await;
            assert_eq!(held.works(node).await, EVERYTHING);
            let mut body = change;
            if body.get("password").is_some() {
                body["connection"] = "Username-Password-Authentication".into();
            }
            let path = format!("/users/{}", person.id);
            lose_all_above(&mut sql, before).await;
            until_answered(async || node.manage(Method::PATCH, &path, Some(body.clone())).await).await.expect(StatusCode::OK);
            assert_eq!(held.works(node).await, NOTHING);
        }
    }

    async fn the_same_revocation_once_more_after_it_was_lost_counts_again(world: World) {
        let (there, _) = furnish(world).await;
        let here = &world.node;
        let mut sql = world.database.sql().await;
        for _ in 0..5 {
            let shop = Shop::open(here, &there).await;
            let revoke = json!({ "client_id": shop.client.id });
            let before = counter(&mut sql).await;
            here.manage(Method::POST, "/tokens/revoke", Some(revoke.clone())).await.expect(StatusCode::OK);
            // Its position is the number of the first revocation, and the second one gets that number, too.
            let token = here.token(&shop.client, ORDERS).await;
            lose_all_above(&mut sql, before).await;
            until_answered(async || here.manage(Method::POST, "/tokens/revoke", Some(revoke.clone())).await).await.expect(StatusCode::OK);
            let management = here.admin_token().await;
            assert!(!here.is_active_to(&management, &token).await);
            within(FRESH_MAX, async || says_inactive(&there, &management, &token).await).await;
        }
        there.stop().await;
    }

    async fn a_revocation_by_a_node_that_has_missed_nothing_covers_what_other_nodes_issued(world: World) {
        let (there, _) = furnish(world).await;
        let here = &world.node;
        let mut sql = world.database.sql().await;
        // What the counter does after the revocation: ordinary changes, or a node's start raises it.
        for step in [1, 1000] {
            let shop = Shop::open(here, &there).await;
            let lost = counter(&mut sql).await;
            let (revoked, goes_on, object) = (lost - 3, lost + step, &shop.client.id);
            let ends_at = world.clock.now() + 3600;
            behind_their_backs(&mut sql, &[
                &format!("delete from changes where n >= {revoked}"),
                &format!("insert into changes (n, mark, kind, key, created_at) values ({revoked}, 'another', 'revocation', 'application {object}', 1)"),
                &format!("insert into revocations (object, number, ends_at) values ('application {object}', {revoked}, {ends_at})"),
                &format!("insert into changes (n, mark, kind, key, created_at) values ({goes_on}, 'newest', 'application', 'x', 1)"),
                &format!("update change_counter set n = {goes_on}"),
            ]).await;
            let management = here.admin_token().await;
            for node in [here, &there] {
                for token in &shop.tokens {
                    within(FRESH_MAX, async || says_inactive(node, &management, token).await).await;
                }
            }
        }
        there.stop().await;
    }

    async fn a_clock_that_is_behind_does_not_keep_a_revocation_from_counting(world: World) {
        let (there, _) = furnish(world).await;
        let here = &world.node;
        let mut sql = world.database.sql().await;
        let before = counter(&mut sql).await;
        let shop = Shop::open(here, &there).await;
        world.clock.jump(-60);
        lose_all_above(&mut sql, before).await;
        let revoke = json!({ "client_id": shop.client.id });
        until_answered(async || here.manage(Method::POST, "/tokens/revoke", Some(revoke.clone())).await).await.expect(StatusCode::OK);
        let management = here.admin_token().await;
        for token in &shop.tokens {
            assert!(!here.is_active_to(&management, token).await);
            within(FRESH_MAX, async || says_inactive(&there, &management, token).await).await;
        }
        there.stop().await;
    }

    async fn a_revocation_right_after_a_backup_was_put_back_under_two_nodes_counts(world: World) {
        let (there, _) = furnish(world).await;
        let here = &world.node;
        let client = here.api_and_application("https://notes.example/").await;
        here.grant(&client, ORDERS, json!({})).await;
        let backup = world.database.back_up().await;
        until_answered(async || here.change_api(ORDERS, json!({ "token_lifetime": 600 })).await).await.expect(StatusCode::OK);
        for node in [here, &there] {
            within(RECOVERED_WITHIN, async || node.ask(&client, &[("audience", ORDERS)]).await.json["expires_in"] == 600).await;
        }
        change_something(here).await;
        let position = here.app.directory.position();
        within(FRESH_MAX, async || there.app.directory.position() == position).await;
        let tokens = [here.token(&client, ORDERS).await, there.token(&client, ORDERS).await];
        world.database.restore(backup).await;
        let revoke = json!({ "client_id": client.id });
        until_answered(async || here.manage(Method::POST, "/tokens/revoke", Some(revoke.clone())).await).await.expect(StatusCode::OK);
        let management = here.admin_token().await;
        for token in &tokens {
            assert!(!here.is_active_to(&management, token).await);
            within(RECOVERED_WITHIN, async || says_inactive(&there, &management, token).await).await;
        }
        // The nodes agree on what is new, too.
        let token = there.token(&client, ORDERS).await;
        assert!(here.is_active_to(&management, &token).await);
        there.stop().await;
    }
}
