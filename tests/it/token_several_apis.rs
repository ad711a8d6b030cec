//! Several APIs in one token (RFC 8707 §2; compatibility.md §6).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Answer, Credentials, MANAGEMENT, MFA, Node, api_path, both_stores, claims, header,
};

const A: &str = "https://a.example/";
const B: &str = "https://b.example/";
const C: &str = "https://c.example/";

/// An API that defines scopes.
async fn api(node: &Node, identifier: &str, scopes: &[&str]) {
    let scopes: Vec<Value> = scopes
        .iter()
        .map(|scope| json!({ "value": scope }))
        .collect();
    node.create_api(identifier, json!({ "scopes": scopes }))
        .await;
}

async fn ask_for(node: &Node, client: &Credentials, apis: &[&str]) -> Answer {
    let params: Vec<_> = apis.iter().map(|api| ("resource", *api)).collect();
    node.ask(client, &params).await
}

/// The audiences of a token, in their order.
fn audiences(answer: &Answer) -> Value {
    claims(&answer.text("access_token"))["aud"].clone()
}

/// Three APIs without scopes, and an application that is granted all of them, C first.
async fn three(world: &crate::harness::World) -> Credentials {
    let node = &world.node;
    let shop = node.create_application(json!({})).await;
    for identifier in [C, A, B] {
        api(node, identifier, &[]).await;
        node.grant(&shop, identifier, json!({})).await;
        world.clock.advance(1);
    }
    shop
}

both_stores! {
    async fn the_apis_stand_in_the_order_in_which_they_were_named(world: World) {
        let node = &world.node;
        let shop = three(world).await;
        for order in [[A, B, C], [C, B, A], [B, A, C]] {
            let answer = ask_for(node, &shop, &order).await.expect(StatusCode::OK);
            assert_eq!(audiences(&answer), json!(order));
            let listed = node.ask_json(&shop, json!({ "resource": order })).await;
            assert_eq!(audiences(&listed.expect(StatusCode::OK)), json!(order));
        }
        // Named twice, an API is in the token once, where it was named first.
        let answer = ask_for(node, &shop, &[B, A, B]).await.expect(StatusCode::OK);
        assert_eq!(audiences(&answer), json!([B, A]));
    }

    async fn where_none_is_named_they_stand_in_the_order_of_their_grants(world: World) {
        let node = &world.node;
        let shop = three(world).await;
        let answer = node.ask(&shop, &[]).await.expect(StatusCode::OK);
        assert_eq!(audiences(&answer), json!([C, A, B]));
        let token = answer.text("access_token");
        assert_eq!(node.introspect(&shop, &token).await["aud"], json!([C, A, B]));
        // Granted in one second, the grants' ids decide, so that the order is always the same.
        let twin = node.create_application(json!({})).await;
        let mut by_id = std::collections::BTreeMap::new();
        let before = world.clock.now();
        for identifier in [C, A, B] {
            let grant = node.grant(&twin, identifier, json!({})).await;
            by_id.insert(grant["id"].as_str().unwrap().to_owned(), identifier);
        }
        let answer = node.ask(&twin, &[]).await.expect(StatusCode::OK);
        if world.clock.now() == before {
            let order: Vec<_> = by_id.into_values().collect();
            assert_eq!(audiences(&answer), json!(order));
        }
    }

    async fn a_scope_is_carried_only_if_it_is_granted_wherever_it_is_defined(world: World) {
        let node = &world.node;
        api(node, A, &["read", "write", "only-a"]).await;
        api(node, B, &["read", "write", "only-b"]).await;
        let shop = node.create_application(json!({})).await;
        node.grant(&shop, A, json!({ "scope": ["read", "write", "only-a"] })).await;
        world.clock.advance(1);
        node.grant(&shop, B, json!({ "scope": ["read", "only-b"] })).await;
        let both = ask_for(node, &shop, &[A, B]).await.expect(StatusCode::OK);
        assert_eq!(both.json["scope"], "read only-a only-b");
        let none_named = node.ask(&shop, &[]).await.expect(StatusCode::OK);
        assert_eq!(none_named.json["scope"], "read only-a only-b");
        // B defines `write` and does not grant it: a token for both would carry it to B.
        for asked in ["write", "read write"] {
            let params = [("resource", A), ("resource", B), ("scope", asked)];
            node.ask(&shop, &params).await
                .expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
            node.ask(&shop, &[("scope", asked)]).await
                .expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
        }
        let alone = node.ask(&shop, &[("resource", A), ("scope", "write")]).await;
        assert_eq!(alone.expect(StatusCode::OK).json["scope"], "write");
        let narrowed = [("resource", A), ("resource", B), ("scope", "only-b read")];
        let narrowed = node.ask(&shop, &narrowed).await.expect(StatusCode::OK);
        assert_eq!(narrowed.json["scope"], "only-b read");
    }

    async fn one_that_is_unknown_or_not_granted_spoils_the_request(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(A).await;
        api(node, B, &[]).await;
        for other in [B, "https://nowhere.example/"] {
            for order in [[A, other], [other, A]] {
                ask_for(node, &shop, &order).await
                    .expect_error(StatusCode::BAD_REQUEST, "invalid_target");
            }
        }
    }

    async fn apis_of_different_dialects_do_not_share_a_signed_token(world: World) {
        let node = &world.node;
        let shop = three(world).await;
        for dialect in ["rfc9068_profile", "access_token_authz", "opaque"] {
            let change = json!({ "token_dialect": dialect });
            node.change_api(B, change).await.expect(StatusCode::OK);
            for order in [[A, B], [B, A]] {
                ask_for(node, &shop, &order).await
                    .expect_error(StatusCode::BAD_REQUEST, "invalid_target");
            }
            // Where none is named, an opaque one serves them all.
            let answer = node.ask(&shop, &[]).await.expect(StatusCode::OK);
            let token = answer.text("access_token");
            assert!(!token.contains('.'), "{dialect}: {token}");
            assert_eq!(node.introspect(&shop, &token).await["aud"], json!([C, A, B]));
            // Those that agree still share one.
            let agreed = ask_for(node, &shop, &[A, C]).await.expect(StatusCode::OK);
            assert_eq!(audiences(&agreed), json!([A, C]));
        }
    }

    async fn unset_and_auth0s_default_dialect_are_the_same_one(world: World) {
        let node = &world.node;
        let shop = three(world).await;
        let change = json!({ "token_dialect": "access_token" });
        node.change_api(B, change).await.expect(StatusCode::OK);
        let answer = ask_for(node, &shop, &[A, B]).await.expect(StatusCode::OK);
        assert_eq!(audiences(&answer), json!([A, B]));
    }

    async fn apis_that_agree_on_another_dialect_share_a_token_of_it(world: World) {
        let node = &world.node;
        let shop = three(world).await;
        for identifier in [A, B, C] {
            let change = json!({ "token_dialect": "rfc9068_profile" });
            node.change_api(identifier, change).await.expect(StatusCode::OK);
        }
        let answer = ask_for(node, &shop, &[A, B, C]).await.expect(StatusCode::OK);
        assert_eq!(header(&answer.text("access_token"))["typ"], "at+jwt");
        for identifier in [A, B, C] {
            let change = json!({ "token_dialect": "opaque" });
            node.change_api(identifier, change).await.expect(StatusCode::OK);
        }
        let answer = ask_for(node, &shop, &[A, B, C]).await.expect(StatusCode::OK);
        let token = answer.text("access_token");
        assert!(!token.contains('.'));
        assert_eq!(node.introspect(&shop, &token).await["aud"], json!([A, B, C]));
    }

    async fn system_apis_are_never_combined_and_never_meant_silently(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(A).await;
        node.grant(&shop, MFA, json!({ "allow_all_scopes": true })).await;
        node.grant(&shop, MANAGEMENT, json!({ "scope": ["read:clients"] })).await;
        let unslashed = MFA.trim_end_matches('/');
        let others = [[A, MANAGEMENT], [MANAGEMENT, A], [MFA, MANAGEMENT]];
        for pair in [[A, MFA], [MFA, A], [A, unslashed]].into_iter().chain(others) {
            ask_for(node, &shop, &pair).await
                .expect_error(StatusCode::BAD_REQUEST, "invalid_target");
        }
        // Alone they are had, by either name, and by two names they are still one.
        for alone in [&[MFA][..], &[unslashed], &[MFA, unslashed], &[MANAGEMENT]] {
            let answer = ask_for(node, &shop, alone).await.expect(StatusCode::OK);
            let expected = if alone[0] == MANAGEMENT { MANAGEMENT } else { MFA };
            assert_eq!(audiences(&answer), expected);
        }
        let answer = node.ask(&shop, &[]).await.expect(StatusCode::OK);
        assert_eq!(audiences(&answer), A);
    }

    async fn more_apis_than_share_a_token_are_refused(
        world: World, "GRANTOR_TOKENS__APIS_PER_TOKEN_MAX" = "2"
    ) {
        let node = &world.node;
        let shop = three(world).await;
        ask_for(node, &shop, &[A, B]).await.expect(StatusCode::OK);
        ask_for(node, &shop, &[A, B, A, B]).await.expect(StatusCode::OK);
        let refused = ask_for(node, &shop, &[A, B, C]).await;
        let refused = refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        assert!(refused.text("error_description").contains("tokens.apis_per_token_max"));
        node.ask(&shop, &[]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn twenty_apis_share_a_token_and_twenty_one_do_not(world: World) {
        let node = &world.node;
        let shop = node.create_application(json!({})).await;
        let identifiers: Vec<_> = (0..21).map(|n| format!("https://{n}.example/")).collect();
        for identifier in &identifiers {
            api(node, identifier, &[]).await;
            node.grant(&shop, identifier, json!({})).await;
        }
        let named: Vec<&str> = identifiers.iter().map(String::as_str).collect();
        let answer = ask_for(node, &shop, &named[..20]).await.expect(StatusCode::OK);
        assert_eq!(audiences(&answer), json!(named[..20]));
        ask_for(node, &shop, &named).await
            .expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        node.ask(&shop, &[]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn a_resource_server_sees_only_its_own_part(world: World) {
        let node = &world.node;
        api(node, A, &["read", "only-a"]).await;
        api(node, B, &["read", "only-b"]).await;
        api(node, C, &["only-c"]).await;
        let shop = node.create_application(json!({})).await;
        node.grant(&shop, A, json!({ "allow_all_scopes": true })).await;
        node.grant(&shop, B, json!({ "allow_all_scopes": true })).await;
        let server = async |identifier: &str| {
            let fields = json!({
                "app_type": "resource_server", "resource_server_identifier": identifier,
            });
            node.create_application(fields).await
        };
        let (at_a, at_b, at_c) = (server(A).await, server(B).await, server(C).await);
        let signed = ask_for(node, &shop, &[A, B]).await.expect(StatusCode::OK);
        let signed = signed.text("access_token");
        let opaque = json!({ "max_token_lifetime": -1 });
        node.change_api(A, opaque.clone()).await.expect(StatusCode::OK);
        node.change_api(B, opaque).await.expect(StatusCode::OK);
        let eternal = [("resource", A), ("resource", B), ("validity_period", "-1")];
        let stored = node.ask(&shop, &eternal).await.expect(StatusCode::OK).text("access_token");
        for token in [signed, stored] {
            let seen = node.introspect(&at_a, &token).await;
            assert_eq!((&seen["aud"], &seen["scope"]), (&json!(A), &json!("read only-a")));
            assert_eq!(seen["client_id"], json!(shop.id));
            let seen = node.introspect(&at_b, &token).await;
            assert_eq!((&seen["aud"], &seen["scope"]), (&json!(B), &json!("read only-b")));
            assert_eq!(node.introspect(&at_c, &token).await, json!({ "active": false }));
            let own = node.introspect(&shop, &token).await;
            assert_eq!(own["aud"], json!([A, B]));
        }
    }

    async fn deleting_one_api_ends_the_tokens_that_it_shared(world: World) {
        let node = &world.node;
        let shop = three(world).await;
        let both = ask_for(node, &shop, &[A, B]).await.expect(StatusCode::OK).text("access_token");
        let other = ask_for(node, &shop, &[A, C]).await.expect(StatusCode::OK).text("access_token");
        let gone = node.manage(Method::DELETE, &api_path(B), None).await;
        gone.expect(StatusCode::NO_CONTENT);
        assert!(!node.is_active(&shop, &both).await);
        assert!(node.is_active(&shop, &other).await);
        let left = node.ask(&shop, &[]).await.expect(StatusCode::OK);
        assert_eq!(audiences(&left), json!([C, A]));
    }
}
