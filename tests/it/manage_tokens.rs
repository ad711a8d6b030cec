//! `/api/v2/tokens`: which tokens are out, ending one of them, and ending many at once.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Desk, members, no_nulls, refused};
use crate::harness::{
    ADMIN_ID, Credentials, MANAGEMENT, Node, Person, both_stores, environment, within,
};
use crate::held::{EVERYTHING, Held, NOTHING};
use crate::manage_rights::lacks;
use crate::program::Program;
use crate::shop::{self, ORDERS, STOCK};

/// Two APIs whose tokens may live for ever, and an application that is granted both.
async fn shop(desk: &Desk<'_>) -> Credentials {
    for identifier in [ORDERS, STOCK] {
        let fields = json!({ "max_token_lifetime": -1, "scopes": [{ "value": "read" }] });
        desk.api(identifier, fields).await;
    }
    another_shop(desk).await
}

async fn another_shop(desk: &Desk<'_>) -> Credentials {
    let shop = desk.application(json!({})).await;
    for identifier in [ORDERS, STOCK] {
        desk.grant(&shop, identifier, json!({ "scope": ["read"] }))
            .await;
    }
    shop
}

async fn token(node: &Node, client: &Credentials, audience: &str, seconds: &str) -> String {
    let params = [("audience", audience), ("validity_period", seconds)];
    let answer = node.ask(client, &params).await.expect(StatusCode::OK);
    answer.text("access_token")
}

/// A signed token and two that are stored: a long one and one that never ends.
async fn one_of_each(node: &Node, client: &Credentials, audience: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for seconds in ["600", "2592001", "-1"] {
        tokens.push(token(node, client, audience, seconds).await);
    }
    tokens
}

/// Asked as an administrator who gets a new token for it.
async fn active(node: &Node, tokens: &[String]) -> Vec<bool> {
    let management = node.admin_token().await;
    let mut active = Vec::new();
    for token in tokens {
        active.push(node.is_active_to(&management, token).await);
    }
    active
}

async fn listed(desk: &Desk<'_>, query: &str) -> Vec<Value> {
    let shown = desk.shown(&format!("/tokens{query}")).await;
    shown.as_array().expect("a list").clone()
}

async fn revoke(node: &Node, body: Value) -> Value {
    let answer = Desk::open(node).await.post("/tokens/revoke", body).await;
    answer.expect(StatusCode::OK).json
}

/// What a token calls itself.
async fn jti(node: &Node, client: &Credentials, token: &str) -> String {
    let seen = node.introspect(client, token).await;
    seen["jti"].as_str().expect("a jti").to_owned()
}

both_stores! {
    async fn stored_tokens_are_listed_with_whose_they_are_and_never_themselves(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        let mut tokens = Vec::new();
        for seconds in ["600", "2592001", "-1"] {
            tokens.push(token(node, &shop, ORDERS, seconds).await);
            world.clock.advance(1);
        }
        let both = [("resource", STOCK), ("resource", ORDERS), ("validity_period", "-1")];
        let both = node.ask(&shop, &both).await.expect(StatusCode::OK).text("access_token");
        let answer = desk.get("/tokens").await.expect(StatusCode::OK);
        for text in tokens.iter().chain([&both]) {
            assert!(!answer.body.contains(text.as_str()), "a token is shown");
        }
        let shown = answer.json.as_array().unwrap();
        no_nulls(&answer.json);
        assert_eq!(shown.len(), 3, "the signed one has no row: {shown:?}");
        let named = ["audiences", "client_id", "expires_at", "id", "issued_at", "never_expiring", "scope", "subject"];
        assert_eq!(members(&shown[0]), named);
        assert_eq!(shown[0]["client_id"], shop.id);
        assert_eq!(shown[0]["subject"], format!("{}@clients", shop.id));
        assert_eq!(shown[0]["audiences"], json!([ORDERS]));
        assert_eq!(shown[0]["scope"], "read");
        assert_eq!(shown[0]["never_expiring"], false);
        assert_eq!(shown[1]["never_expiring"], true);
        assert!(shown[1].get("expires_at").is_none(), "{}", shown[1]);
        assert_eq!(shown[2]["audiences"], json!([STOCK, ORDERS]));
        for (shown, text) in shown.iter().zip([&tokens[1], &tokens[2], &both]) {
            assert_eq!(shown["id"], jti(node, &shop, text).await);
            assert!(shown.get("last_used_at").is_none(), "{shown}");
        }
    }

    async fn the_list_says_when_a_token_was_last_used(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        let token = token(node, &shop, ORDERS, "-1").await;
        assert!(node.is_active(&shop, &token).await);
        // Uses are recorded beside the requests.
        within(std::time::Duration::from_secs(5), async || {
            listed(&desk, "").await[0]["last_used_at"].is_string()
        }).await;
    }

    async fn the_list_is_narrowed_and_paged(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let (shop, rival) = (shop(&desk).await, another_shop(&desk).await);
        for seconds in ["-1", "2592001", "-1"] {
            token(node, &shop, ORDERS, seconds).await;
        }
        token(node, &rival, STOCK, "-1").await;
        for (query, expected) in [
            (String::new(), 4),
            (format!("?client_id={}", shop.id), 3),
            (format!("?client_id={}&never_expiring=true", shop.id), 2),
            ("?never_expiring=false".into(), 1),
            (format!("?audience={STOCK}"), 1),
            (format!("?audience={STOCK}&client_id={}", shop.id), 0),
            ("?audience=urn:unknown".into(), 0),
            ("?client_id=unknown".into(), 0),
            ("?per_page=3".into(), 3),
            ("?per_page=3&page=1".into(), 1),
        ] {
            assert_eq!(listed(&desk, &query).await.len(), expected, "{query}");
        }
        let page = desk.shown(&format!("/tokens?include_totals=true&per_page=2&client_id={}", shop.id)).await;
        assert_eq!((&page["total"], &page["start"], &page["limit"]), (&json!(3), &json!(0), &json!(2)));
        assert_eq!(page["tokens"].as_array().unwrap().len(), 2);
        // By checkpoints: each token once.
        let (mut seen, mut query) = (Vec::new(), "?take=3".to_owned());
        loop {
            let page = desk.shown(&format!("/tokens{query}")).await;
            seen.extend(page["tokens"].as_array().unwrap().iter().map(|one| one["id"].to_string()));
            let Some(next) = page["next"].as_str() else { break };
            query = format!("?take=3&from={next}");
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 4);
        for query in ["?never_expiring=perhaps", "?take=0", "?per_page=101", "?clientid=a", "?from=nonsense", "?q=a"] {
            desk.get(&format!("/tokens{query}")).await
                .expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        }
    }

    async fn a_deleted_token_ends_at_once_on_every_node_and_may_be_deleted_again(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let desk = Desk::open(here).await;
        let shop = shop(&desk).await;
        for seconds in ["2592001", "-1"] {
            let (token, spared) = (token(here, &shop, ORDERS, seconds).await, token(here, &shop, ORDERS, seconds).await);
            let id = jti(here, &shop, &token).await;
            assert!(there.is_active(&shop, &token).await);
            for _ in 0..2 {
                let answer = desk.delete(&format!("/tokens/{id}")).await;
                assert_eq!(answer.expect(StatusCode::NO_CONTENT).body, "");
                assert!(!here.is_active(&shop, &token).await);
                assert!(!there.is_active(&shop, &token).await);
            }
            assert!(there.is_active(&shop, &spared).await);
            assert!(!listed(&desk, "").await.iter().any(|one| one["id"] == id.as_str()));
        }
        desk.delete("/tokens/unknown").await.expect(StatusCode::NO_CONTENT);
        there.stop().await;
    }

    /// The log names a signed token by its `jti` as well, and 204 must not be said of one that lives on.
    async fn a_signed_token_is_ended_by_its_name_too(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        let (signed, spared) = (token(node, &shop, ORDERS, "600").await, token(node, &shop, ORDERS, "600").await);
        let id = jti(node, &shop, &signed).await;
        desk.delete(&format!("/tokens/{id}")).await.expect(StatusCode::NO_CONTENT);
        assert_eq!(active(node, &[signed, spared]).await, [false, true]);
    }

    async fn everything_of_an_application_is_revoked_and_nothing_of_another(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let (shop, rival) = (shop(&desk).await, another_shop(&desk).await);
        let mut tokens = one_of_each(node, &shop, ORDERS).await;
        tokens.extend(one_of_each(node, &shop, STOCK).await);
        let spared = one_of_each(node, &rival, ORDERS).await;
        assert_eq!(revoke(node, json!({ "client_id": shop.id })).await, json!({ "client_id": shop.id }));
        assert_eq!(active(node, &tokens).await, [false; 6]);
        assert_eq!(active(node, &spared).await, [true; 3]);
        assert_eq!(listed(&desk, &format!("?client_id={}", shop.id)).await.len(), 0);
        // What it gets from now on, in the same second, lives.
        assert_eq!(active(node, &one_of_each(node, &shop, ORDERS).await).await, [true; 3]);
    }

    async fn everything_for_an_api_is_revoked_also_where_a_token_is_for_another_as_well(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        let both = node.ask(&shop, &[("resource", STOCK), ("resource", ORDERS)]).await.text("access_token");
        let (orders, stock) = (one_of_each(node, &shop, ORDERS).await, one_of_each(node, &shop, STOCK).await);
        assert_eq!(revoke(node, json!({ "audience": ORDERS })).await, json!({ "audience": ORDERS }));
        assert_eq!(active(node, &orders).await, [false; 3]);
        assert_eq!(active(node, &stock).await, [true; 3]);
        assert_eq!(active(node, &[both]).await, [false]);
    }

    async fn what_a_client_grant_gave_is_revoked_and_the_grant_stays(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let (shop, rival) = (shop(&desk).await, another_shop(&desk).await);
        let grants = desk.shown(&format!("/client-grants?client_id={}&audience={ORDERS}", shop.id)).await;
        let id = grants[0]["id"].as_str().unwrap();
        let ended = one_of_each(node, &shop, ORDERS).await;
        let mut spared = one_of_each(node, &shop, STOCK).await;
        spared.extend(one_of_each(node, &rival, ORDERS).await);
        let said = revoke(node, json!({ "client_grant_id": id })).await;
        assert_eq!(said, json!({ "client_grant_id": id, "client_id": shop.id, "audience": ORDERS }));
        assert_eq!(active(node, &ended).await, [false; 3]);
        assert_eq!(active(node, &spared).await, [true; 6]);
        assert_eq!(active(node, &one_of_each(node, &shop, ORDERS).await).await, [true; 3]);
    }

    /// The browser's session ends as well: whoever holds a stolen one would get tokens anew.
    async fn all_that_a_user_holds_is_revoked_by_what_the_user_is_called(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let (ann, ben) = (Person::create(node, "ann@example.com").await, Person::create(node, "ben@example.com").await);
        let of_ann = Held::get(node, &ann, &shop).await;
        let of_ben = Held::get(node, &ben, &shop).await;
        assert_eq!(of_ann.works(node).await, EVERYTHING);
        assert_eq!(revoke(node, json!({ "user_id": ann.id })).await, json!({ "user_id": ann.id }));
        assert_eq!(of_ann.works(node).await, NOTHING);
        assert_eq!(of_ben.works(node).await, EVERYTHING);
        // Whoever signs in again, in the same second, holds all of it again.
        let anew = Held::get(node, &ann, &shop).await;
        assert_eq!(anew.works(node).await, EVERYTHING);
    }

    /// An application is no user, and somebody who is not there any more may be named.
    async fn a_revocation_by_user_ends_nothing_of_applications(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        let tokens = one_of_each(node, &shop, ORDERS).await;
        let id = "auth0|a name, with spaces";
        assert_eq!(revoke(node, json!({ "user_id": id })).await, json!({ "user_id": id }));
        let subject = json!({ "user_id": format!("{}@clients", shop.id) });
        refused(desk.post("/tokens/revoke", subject).await, "user_id");
        assert_eq!(active(node, &tokens).await, [true; 3]);
    }

    async fn management_tokens_are_revoked_the_callers_own_included(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let clerk = desk.application(json!({ "name": "Clerk" })).await;
        desk.grant(&clerk, MANAGEMENT, json!({ "scope": ["read:clients"] })).await;
        for body in [json!({ "audience": MANAGEMENT }), json!({ "all": true })] {
            let (stolen, own) = (node.token(&clerk, MANAGEMENT).await, node.admin_token().await);
            let stolen = Desk::with_token(node, stolen);
            stolen.get("/clients").await.expect(StatusCode::OK);
            let caller = Desk::with_token(node, own);
            caller.post("/tokens/revoke", body).await.expect(StatusCode::OK);
            for desk in [&stolen, &caller] {
                desk.get("/clients").await.expect_problem(StatusCode::UNAUTHORIZED, "invalid_token");
            }
        }
        let body = json!({ "client_id": clerk.id });
        let (stolen, caller) = (node.token(&clerk, MANAGEMENT).await, Desk::open(node).await);
        caller.post("/tokens/revoke", body).await.expect(StatusCode::OK);
        Desk::with_token(node, stolen).get("/clients").await.expect(StatusCode::UNAUTHORIZED);
        caller.get("/clients").await.expect(StatusCode::OK);
    }

    async fn breaking_the_glass_ends_every_token_here_at_once_and_there_within_a_second(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let desk = Desk::open(here).await;
        let (shop, rival) = (shop(&desk).await, another_shop(&desk).await);
        let mut tokens = one_of_each(here, &shop, ORDERS).await;
        tokens.extend(one_of_each(there, &rival, STOCK).await);
        assert_eq!(active(there, &tokens).await, [true; 6]);
        revoke(here, json!({ "all": true })).await;
        assert_eq!(active(here, &tokens).await, [false; 6]);
        // Asked by the application: an administrator's token that is got meanwhile may be one of them.
        within(grantor::directory::FRESH_MAX, async || !there.is_active(&shop, &tokens[0]).await).await;
        assert_eq!(active(there, &tokens).await, [false; 6]);
        let renewed = one_of_each(here, &shop, ORDERS).await;
        assert_eq!(active(there, &renewed).await, [true; 3]);
        let list = Desk::open(here).await.shown("/tokens").await;
        assert_eq!(list.as_array().unwrap().len(), 2);
        // A node that starts later knows it as well.
        let later = world.another_node().await;
        assert_eq!(active(&later, &tokens).await, [false; 6]);
        assert_eq!(active(&later, &renewed).await, [true; 3]);
        later.stop().await;
        there.stop().await;
    }

    async fn a_revocation_names_exactly_one_thing_that_exists(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        for body in [
            json!({}),
            json!({ "client_id": shop.id, "audience": ORDERS }),
            json!({ "all": true, "client_id": shop.id }),
            json!({ "all": false }),
            json!({ "all": "true" }),
            json!({ "client_id": "" }),
            json!({ "client_id": null }),
            json!({ "client_id": shop.id, "force": true }),
            json!({ "user_id": "a".repeat(1000) }),
            json!({ "everything": true }),
        ] {
            desk.post("/tokens/revoke", body).await.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        }
        for (body, code) in [
            (json!({ "client_id": "unknown" }), "inexistent_client"),
            (json!({ "audience": "urn:unknown" }), "inexistent_resource_server"),
            (json!({ "client_grant_id": "cgr_unknown" }), "inexistent_client_grant"),
        ] {
            desk.post("/tokens/revoke", body).await.expect_problem(StatusCode::NOT_FOUND, code);
        }
        let tokens = one_of_each(node, &shop, ORDERS).await;
        assert_eq!(active(node, &tokens).await, [true; 3]);
    }

    /// Whoever cleans up after an application that somebody else has deleted is told no nonsense.
    async fn what_was_deleted_can_be_revoked_all_the_same(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk).await;
        let tokens = one_of_each(node, &shop, ORDERS).await;
        desk.delete(&format!("/clients/{}", shop.id)).await.expect(StatusCode::NO_CONTENT);
        desk.delete(&crate::harness::api_path(STOCK)).await.expect(StatusCode::NO_CONTENT);
        revoke(node, json!({ "client_id": shop.id })).await;
        revoke(node, json!({ "audience": STOCK })).await;
        assert_eq!(active(node, &tokens).await, [false; 3]);
    }

    async fn a_revocation_needs_its_own_scope_and_so_does_the_list(world: World) {
        let node = &world.node;
        let shop = shop(&Desk::open(node).await).await;
        let tokens = one_of_each(node, &shop, ORDERS).await;
        let id = jti(node, &shop, &tokens[2]).await;
        let others = ["read:tokens", "introspect:tokens", "create:client_tokens", "delete:clients",
            "delete:client_grants", "delete:resource_servers", "update:client_keys"];
        let clerk = Desk::with_scopes(node, &others).await;
        for body in [json!({ "all": true }), json!({ "client_id": shop.id }), json!({ "audience": ORDERS }), json!({})] {
            lacks(clerk.post("/tokens/revoke", body).await, &["delete:tokens"]);
        }
        lacks(clerk.delete(&format!("/tokens/{id}")).await, &["delete:tokens"]);
        assert_eq!(active(node, &tokens).await, [true; 3]);
        lacks(Desk::with_scopes(node, &["delete:tokens"]).await.get("/tokens").await, &["read:tokens"]);
        // An application's own token of another API opens nothing here.
        let api_token = Desk::with_token(node, tokens[0].clone());
        api_token.send(Method::POST, "/tokens/revoke", Some(json!({ "client_id": ADMIN_ID }))).await
            .expect(StatusCode::UNAUTHORIZED);
    }

    async fn a_start_that_finds_tokens_it_would_not_issue_says_how_to_end_them(world: World) {
        let node = &world.node;
        let shop = shop(&Desk::open(node).await).await;
        token(node, &shop, ORDERS, "-1").await;
        let forbids = ("GRANTOR_LIFETIMES__ALLOW_NEVER_EXPIRING".to_owned(), "false".to_owned());
        let folder = tempfile::tempdir().unwrap();
        let program = Program::with_environment(folder.path(), &environment(&world.database, &[forbids]));
        let ended = program.serve().stop().expect(0);
        ended.complains_of(&["\"count\":1", "GET /api/v2/tokens?never_expiring=true", "DELETE /api/v2/tokens/{id}", "POST /api/v2/tokens/revoke"]);
    }
}
