//! The worked cases of lifetime.md over HTTP: what is asked, what is granted, and what the token,
//! introspection and the explanation then say of it.

use grantor::model::instant;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Credentials, MANAGEMENT, MFA, Node, api_path, both_stores, claims};

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";
/// A token that lives longer is never signed.
const SIGNED_SECONDS_MAX: i64 = 2_592_000;
const NEVER: i64 = -1;

/// A row of lifetime.md's table: its number, what is asked (or nothing), what is granted, and why.
type Case = (u32, Option<&'static str>, i64, &'static str);

/// Asks for a token for the APIs.
async fn ask(node: &Node, client: &Credentials, apis: &[&str], asks: Option<&str>) -> Answer {
    let mut params: Vec<_> = match apis {
        [one] => vec![("audience", *one)],
        several => several.iter().map(|api| ("resource", *api)).collect(),
    };
    params.extend(asks.map(|seconds| ("validity_period", seconds)));
    node.ask(client, &params).await
}

/// Everything that tells a token's lifetime says the same: answer, claims, introspection.
async fn lifetime_everywhere(node: &Node, client: &Credentials, answer: &Answer) -> i64 {
    let token = answer.text("access_token");
    let seen = node.introspect(client, &token).await;
    assert_eq!(seen["active"], true, "{answer:?}");
    let Some(expires_in) = answer.json.get("expires_in") else {
        assert!(seen.get("exp").is_none(), "{seen}");
        assert!(!token.contains('.'), "a never-expiring token is opaque");
        return NEVER;
    };
    let expires_in = expires_in.as_i64().unwrap();
    let lives = |said: &Value| said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap();
    assert_eq!(lives(&seen), expires_in, "{seen}");
    if expires_in > SIGNED_SECONDS_MAX {
        assert!(!token.contains('.'), "a long token is opaque");
    } else {
        let claims = claims(&token);
        assert_eq!(lives(&claims), expires_in, "{claims}");
        assert_eq!(claims["exp"], seen["exp"]);
    }
    expires_in
}

/// What the explanation says: lifetime and rule.
async fn explained(
    node: &Node,
    client: &Credentials,
    apis: &[&str],
    asks: Option<&str>,
) -> (i64, String) {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", &client.id);
    query.extend_pairs(apis[1..].iter().map(|api| ("audience", *api)));
    query.extend_pairs(asks.map(|seconds| ("validity_period", seconds)));
    let path = format!("{}/token-lifetime?{}", api_path(apis[0]), query.finish());
    let answer = node.manage(Method::GET, &path, None).await;
    let answer = answer.expect(StatusCode::OK);
    (
        answer.json["lifetime"].as_i64().unwrap(),
        answer.text("rule"),
    )
}

/// Each case is granted as the table says, and explained by the rule that the table names.
async fn check(node: &Node, client: &Credentials, apis: &[&str], cases: &[Case]) {
    for (number, asks, granted, rule) in cases {
        let answer = ask(node, client, apis, *asks).await.expect(StatusCode::OK);
        let lives = lifetime_everywhere(node, client, &answer).await;
        assert_eq!(lives, *granted, "case {number}");
        let explained = explained(node, client, apis, *asks).await;
        assert_eq!(explained, (*granted, (*rule).to_owned()), "case {number}");
    }
}

/// An application with a lifetime of its own for its own tokens, granted ORDERS.
async fn application_of(node: &Node, seconds: i64) -> Credentials {
    let own = json!({ "access_token_lifetimes": { "application": seconds } });
    let application = node.create_application(own).await;
    node.grant(&application, ORDERS, json!({})).await;
    application
}

/// Rotates the secret; the old one, which the answer is the credentials of, lives `seconds` longer.
/// Between the two instants it ends.
async fn with_secret_that_ends(
    world: &crate::harness::World,
    application: &Credentials,
    seconds: i64,
) -> std::ops::RangeInclusive<i64> {
    let path = format!("/clients/{}/rotate-secret", application.id);
    let before = world.clock.now();
    let grace = json!({ "grace_seconds": seconds });
    let answer = world.node.manage(Method::POST, &path, Some(grace)).await;
    answer.expect(StatusCode::OK);
    before + seconds..=world.clock.now() + seconds
}

/// A token whose end is the credential's own, to the second.
async fn ends_with_the_credential(
    node: &Node,
    client: &Credentials,
    (api, end): (&str, &std::ops::RangeInclusive<i64>),
) {
    for asks in [None, Some("2592000"), Some("-1")] {
        let answer = ask(node, client, &[api], asks).await.expect(StatusCode::OK);
        lifetime_everywhere(node, client, &answer).await;
        let exp = claims(&answer.text("access_token"))["exp"]
            .as_i64()
            .unwrap();
        assert!(end.contains(&exp), "{exp} is not in {end:?}");
    }
}

both_stores! {
    async fn cases_1_to_7_a_request_gets_what_it_asks_up_to_the_apis_maximum(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        check(node, &shop, &[ORDERS], &[
            (1, None, 86_400, "api_default"),
            (2, Some("3600"), 3600, "requested"),
            (3, Some("1"), 1, "requested"),
            (4, Some("2592000"), 2_592_000, "requested"),
            (5, Some("2592001"), 2_592_000, "api_maximum"),
            (6, Some("9223372036854775807"), 2_592_000, "api_maximum"),
            (7, Some("-1"), 2_592_000, "api_maximum"),
            (7, Some("-86400"), 2_592_000, "api_maximum"),
            (7, Some("-9223372036854775808"), 2_592_000, "api_maximum"),
        ]).await;
    }

    async fn cases_8_9_and_38_an_api_whose_maximum_is_never(
        world: World, "GRANTOR_LIFETIMES__API_MAXIMUM" = "-1"
    ) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        check(node, &shop, &[ORDERS], &[
            (1, None, 86_400, "api_default"),
            (8, Some("-1"), NEVER, "requested"),
            (9, Some("31536000"), 31_536_000, "requested"),
            (9, Some("2592001"), 2_592_001, "requested"),
            (38, Some("9223372036854775807"), 3_153_600_000, "longest_finite"),
        ]).await;
    }

    async fn cases_10_and_11_an_api_whose_tokens_never_expire(world: World) {
        let node = &world.node;
        let made = node.create_api(ORDERS, json!({ "token_lifetime": -1 })).await;
        assert_eq!(made["max_token_lifetime"], -1);
        let shop = node.create_application(json!({})).await;
        node.grant(&shop, ORDERS, json!({})).await;
        check(node, &shop, &[ORDERS], &[
            (10, None, NEVER, "api_default"),
            (11, Some("600"), 600, "requested"),
        ]).await;
    }

    async fn case_12_what_is_no_lifetime_is_refused_and_nothing_is_issued(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let bad = ["0", "abc", "1.5", "", "1e3", "+60", "9223372036854775808", "-0", "00",
            "-9223372036854775809", " 60", "60 ", "0x10", "1_000", "\u{0661}", "-", "--1", "1h"];
        for bad in bad {
            let refused = ask(node, &shop, &[ORDERS], Some(bad)).await;
            let refused = refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            assert!(refused.text("error_description").contains("'validity_period'"), "{bad}");
        }
        let twice = [("audience", ORDERS), ("validity_period", "60"), ("validity_period", "60")];
        node.ask(&shop, &twice).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn cases_13_and_14_an_application_with_a_lifetime_of_its_own(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({})).await;
        check(node, &application_of(node, 1800).await, &[ORDERS], &[
            (13, None, 1800, "application"),
            (14, Some("7200"), 7200, "requested"),
        ]).await;
    }

    async fn cases_15_and_16_an_applications_value_is_clamped_too(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({})).await;
        let clamped = (15, None, 2_592_000, "api_maximum");
        check(node, &application_of(node, 5_184_000).await, &[ORDERS], &[clamped]).await;
        let clamped = (16, None, 2_592_000, "api_maximum");
        check(node, &application_of(node, -1).await, &[ORDERS], &[clamped]).await;
    }

    async fn case_17_an_application_whose_tokens_never_expire(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({ "max_token_lifetime": -1 })).await;
        let never = (17, None, NEVER, "application");
        check(node, &application_of(node, -1).await, &[ORDERS], &[never]).await;
    }

    async fn a_value_for_user_tokens_says_nothing_of_an_applications_own(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({})).await;
        let own = json!({ "access_token_lifetimes": { "user": 60 } });
        let shop = node.create_application(own).await;
        node.grant(&shop, ORDERS, json!({})).await;
        check(node, &shop, &[ORDERS], &[(1, None, 86_400, "api_default")]).await;
    }

    async fn cases_25_and_26_mfa_tokens_live_600_seconds_whatever_anybody_says(
        world: World, "GRANTOR_LIFETIMES__API_MAXIMUM" = "-1"
    ) {
        let node = &world.node;
        let own = json!({ "access_token_lifetimes": { "application": -1 } });
        for fields in [json!({}), own] {
            let shop = node.create_application(fields).await;
            node.grant(&shop, MFA, json!({ "allow_all_scopes": true })).await;
            check(node, &shop, &[MFA], &[
                (25, None, 600, "mfa_audience"),
                (26, Some("30"), 600, "mfa_audience"),
                (26, Some("86400"), 600, "mfa_audience"),
                (26, Some("-1"), 600, "mfa_audience"),
            ]).await;
            let unslashed = MFA.trim_end_matches('/');
            let answer = ask(node, &shop, &[unslashed], Some("86400")).await;
            assert_eq!(answer.expect(StatusCode::OK).json["expires_in"], 600);
        }
    }

    async fn case_27_an_mfa_token_ends_with_the_secret(world: World) {
        let node = &world.node;
        let shop = node.create_application(json!({})).await;
        node.grant(&shop, MFA, json!({ "allow_all_scopes": true })).await;
        let end = with_secret_that_ends(world, &shop, 300).await;
        ends_with_the_credential(node, &shop, (MFA, &end)).await;
    }

    async fn cases_28_and_29_of_several_apis_the_shortest_wins(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        node.create_api(STOCK, json!({ "token_lifetime": 3600 })).await;
        node.grant(&shop, STOCK, json!({})).await;
        let shortest = |number| [(number, None, 3600, "api_default")];
        check(node, &shop, &[ORDERS, STOCK], &shortest(28)).await;
        check(node, &shop, &[STOCK, ORDERS], &shortest(28)).await;
        let never = json!({ "token_lifetime": -1 });
        node.change_api(ORDERS, never).await.expect(StatusCode::OK);
        check(node, &shop, &[ORDERS, STOCK], &shortest(29)).await;
        // Where none is named, they are decided upon in the same way.
        let answer = node.ask(&shop, &[]).await.expect(StatusCode::OK);
        assert_eq!(lifetime_everywhere(node, &shop, &answer).await, 3600);
    }

    async fn cases_30_and_31_a_token_never_outlives_the_secret(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let new = json!({ "token_lifetime": -1 });
        node.create_api(STOCK, new).await;
        node.grant(&shop, STOCK, json!({})).await;
        let end = with_secret_that_ends(world, &shop, 300).await;
        ends_with_the_credential(node, &shop, (ORDERS, &end)).await;
        ends_with_the_credential(node, &shop, (STOCK, &end)).await;
        let short = ask(node, &shop, &[ORDERS], Some("20")).await.expect(StatusCode::OK);
        assert_eq!(lifetime_everywhere(node, &shop, &short).await, 20);
    }

    async fn a_token_never_outlives_its_application_or_its_grant(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({ "token_lifetime": -1 })).await;
        let end = world.clock.now() + 500;
        let until = json!({ "expires_at": instant::to_rfc3339(end) });
        let leaves = node.create_application(until.clone()).await;
        node.grant(&leaves, ORDERS, json!({})).await;
        ends_with_the_credential(node, &leaves, (ORDERS, &(end..=end))).await;
        assert_eq!(explained(node, &leaves, &[ORDERS], None).await.1, "credential_expiry");
        let stays = node.create_application(json!({})).await;
        node.grant(&stays, ORDERS, until).await;
        ends_with_the_credential(node, &stays, (ORDERS, &(end..=end))).await;
        assert_eq!(explained(node, &stays, &[ORDERS], None).await.1, "grant_expiry");
        // One grant of several is enough.
        node.create_api(STOCK, json!({})).await;
        node.grant(&stays, STOCK, json!({})).await;
        let both = ask(node, &stays, &[STOCK, ORDERS], None).await.expect(StatusCode::OK);
        assert_eq!(claims(&both.text("access_token"))["exp"], end);
    }

    async fn cases_32_and_33_tokens_for_the_management_api(
        world: World, "GRANTOR_LIFETIMES__API_MAXIMUM" = "-1"
    ) {
        check(&world.node, &Credentials::admin(), &[MANAGEMENT], &[
            (32, None, 86_400, "api_default"),
            (33, Some("-1"), 2_592_000, "api_maximum"),
            (33, Some("60"), 60, "requested"),
        ]).await;
    }

    async fn cases_34_and_35_the_file_reaches_new_applications_only(world: World) {
        let node = &world.node;
        let before = node.api_and_application(ORDERS).await;
        let edited = [("GRANTOR_LIFETIMES__NEW_APPLICATIONS__APPLICATION_TOKEN", "3600")];
        let restarted = world.another_node_with(&edited).await;
        check(&restarted, &before, &[ORDERS], &[(34, None, 86_400, "api_default")]).await;
        let after = restarted.create_application(json!({})).await;
        restarted.grant(&after, ORDERS, json!({})).await;
        check(&restarted, &after, &[ORDERS], &[(35, None, 3600, "application")]).await;
        // It was copied: a node that never had the line grants the same.
        check(node, &after, &[ORDERS], &[(35, None, 3600, "application")]).await;
        // A member that is named wins over the file, null included.
        let inherits = json!({ "access_token_lifetimes": { "application": null } });
        let inherits = restarted.create_application(inherits).await;
        restarted.grant(&inherits, ORDERS, json!({})).await;
        check(&restarted, &inherits, &[ORDERS], &[(34, None, 86_400, "api_default")]).await;
        restarted.stop().await;
    }

    async fn case_36_a_stored_never_is_clamped_where_never_is_no_longer_allowed(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({ "token_lifetime": -1 })).await;
        let shop = node.create_application(json!({})).await;
        node.grant(&shop, ORDERS, json!({})).await;
        let eternal = node.token(&shop, ORDERS).await;
        let edited = [("GRANTOR_LIFETIMES__ALLOW_NEVER_EXPIRING", "false")];
        let strict = world.another_node_with(&edited).await;
        check(&strict, &shop, &[ORDERS], &[
            (36, None, 2_592_000, "server_maximum"),
            (36, Some("-1"), 2_592_000, "server_maximum"),
            (36, Some("31536000"), 2_592_000, "server_maximum"),
            (36, Some("600"), 600, "requested"),
        ]).await;
        // What is already out stays.
        assert!(strict.is_active(&shop, &eternal).await);
        strict.stop().await;
    }

    async fn case_37_an_api_with_a_default_and_a_maximum_of_its_own(world: World) {
        let node = &world.node;
        let own = json!({ "token_lifetime": 300, "max_token_lifetime": 900 });
        node.create_api(ORDERS, own).await;
        let shop = node.create_application(json!({})).await;
        node.grant(&shop, ORDERS, json!({})).await;
        check(node, &shop, &[ORDERS], &[
            (37, Some("901"), 900, "api_maximum"),
            (37, Some("900"), 900, "requested"),
            (37, None, 300, "api_default"),
        ]).await;
    }

    async fn a_change_is_in_force_for_the_next_token_and_issued_ones_keep_their_end(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let old = node.ask(&shop, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
        let old = old.text("access_token");
        let exp = claims(&old)["exp"].clone();
        for seconds in [60, 2_592_000, 1, 86_400] {
            let change = json!({ "token_lifetime": seconds });
            node.change_api(ORDERS, change).await.expect(StatusCode::OK);
            let next = node.ask(&shop, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
            assert_eq!(next.json["expires_in"], seconds);
            assert_eq!(node.introspect(&shop, &old).await["exp"], exp);
        }
        let path = format!("/clients/{}", shop.id);
        for (own, granted) in [(json!(120), 120), (Value::Null, 86_400)] {
            let change = json!({ "access_token_lifetimes": { "application": own } });
            node.manage(Method::PATCH, &path, Some(change)).await.expect(StatusCode::OK);
            let next = node.ask(&shop, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
            assert_eq!(next.json["expires_in"], granted);
            assert_eq!(node.introspect(&shop, &old).await["exp"], exp);
        }
    }
}
