//! `POST /oauth/token` with `client_credentials` (RFC 6749 §4.4): for which APIs, which scopes.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Credentials, Node, both_stores, claims};

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";

/// An application that is granted `read` and `write` of ORDERS' `read`, `write` and `erase`.
async fn shop(node: &Node) -> Credentials {
    let scopes = json!([{ "value": "read" }, { "value": "write" }, { "value": "erase" }]);
    node.create_api(ORDERS, json!({ "scopes": scopes })).await;
    let shop = node.create_application(json!({})).await;
    node.grant(&shop, ORDERS, json!({ "scope": ["read", "write"] }))
        .await;
    shop
}

both_stores! {
    async fn an_application_gets_a_token_that_lives_as_long_as_asked(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let params = [("audience", ORDERS), ("validity_period", "600")];
        let answer = node.ask(&shop, &params).await.expect(StatusCode::OK);
        assert_eq!(answer.json["expires_in"], 600);
        assert_eq!(answer.json["token_type"], "Bearer");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["content-type"], "application/json");
        let claims = claims(&answer.text("access_token"));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
        assert_eq!(claims["aud"], ORDERS);
        assert_eq!(claims["sub"], json!(format!("{}@clients", shop.id)));
    }

    async fn form_and_json_and_both_ways_to_authenticate_give_the_same_token(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let secret = [("client_id", shop.id.as_str()), ("client_secret", shop.secret.as_str())];
        let asked = [("grant_type", "client_credentials"), ("audience", ORDERS)];
        let json = json!({
            "grant_type": "client_credentials", "audience": ORDERS,
            "client_id": shop.id, "client_secret": shop.secret,
        });
        let as_json = node.request(Method::POST, "/oauth/token").json(&json);
        for answer in [
            node.form("/oauth/token", &shop, &asked).await,
            node.bare_form("/oauth/token", &[&asked[..], &secret].concat()).await,
            node.bare_form("/token", &[&asked[..], &secret].concat()).await,
            node.ask_json(&shop, json!({ "audience": ORDERS })).await,
            node.send(as_json).await,
        ] {
            let answer = answer.expect(StatusCode::OK);
            assert_eq!(answer.json["scope"], "read write");
            assert_eq!(answer.json["expires_in"], 86400);
            let claims = claims(&answer.text("access_token"));
            assert_eq!((&claims["azp"], &claims["aud"]), (&json!(shop.id), &json!(ORDERS)));
        }
    }

    async fn a_scope_narrows_the_token_and_never_widens_it(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let asked = [
            ("read", "read"),
            ("write read", "write read"),
            (" read  read ", "read"),
            ("", "read write"),
        ];
        for (asked, carried) in asked {
            let answer = node.ask(&shop, &[("audience", ORDERS), ("scope", asked)]).await;
            let answer = answer.expect(StatusCode::OK);
            assert_eq!(answer.json["scope"], carried, "{asked}");
            let claims = claims(&answer.text("access_token"));
            assert_eq!(claims["scope"], carried, "{asked}");
        }
        let listed = node.ask_json(&shop, json!({ "audience": ORDERS, "scope": ["write"] })).await;
        assert_eq!(listed.expect(StatusCode::OK).json["scope"], "write");
        // Defined but not granted; not defined; one of each.
        for asked in ["erase", "fly", "read fly", "READ"] {
            let refused = node.ask(&shop, &[("audience", ORDERS), ("scope", asked)]).await;
            refused.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
        }
    }

    async fn a_scope_that_the_api_drops_leaves_the_next_token(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let scopes = json!({ "scopes": [{ "value": "read" }] });
        node.change_api(ORDERS, scopes).await.expect(StatusCode::OK);
        let answer = node.ask(&shop, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
        assert_eq!(answer.json["scope"], "read");
        node.ask(&shop, &[("audience", ORDERS), ("scope", "write")]).await
            .expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
    }

    async fn a_token_without_scopes_says_nothing_of_them(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let answer = node.ask(&shop, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
        assert!(answer.json.get("scope").is_none(), "{answer:?}");
        assert!(claims(&answer.text("access_token")).get("scope").is_none());
    }

    async fn all_scopes_are_granted_those_to_come_included(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({ "scopes": [{ "value": "read" }] })).await;
        let shop = node.create_application(json!({})).await;
        node.grant(&shop, ORDERS, json!({ "allow_all_scopes": true })).await;
        let scopes = json!({ "scopes": [{ "value": "read" }, { "value": "new" }] });
        node.change_api(ORDERS, scopes).await.expect(StatusCode::OK);
        let answer = node.ask(&shop, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
        assert_eq!(answer.json["scope"], "read new");
    }

    async fn an_unknown_audience_is_said_and_only_own_apis_are_suggested(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        node.create_api(STOCK, json!({})).await;
        let describe = async |name: &str, value: &str, status, code| {
            let refused = node.ask(&shop, &[(name, value)]).await.expect_error(status, code);
            refused.text("error_description")
        };
        for (near, hint) in [
            ("https://orders.example", format!(" Did you mean '{ORDERS}'?")),
            ("http://Orders.example/", format!(" Did you mean '{ORDERS}'?")),
            // Granted to nobody, so its name is nobody's to know.
            ("https://stock.example", String::new()),
            ("https://nowhere.example/", String::new()),
        ] {
            let expected = format!("Service not found: {near}{hint}");
            let said = describe("audience", near, StatusCode::FORBIDDEN, "access_denied").await;
            assert_eq!(said, expected);
            let said = describe("resource", near, StatusCode::BAD_REQUEST, "invalid_target").await;
            assert_eq!(said, expected);
        }
    }

    async fn what_the_caller_sent_is_echoed_printable_and_cut(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let odd = format!("\"caf\u{e9}\\{}", "x".repeat(400));
        let refused = node.ask(&shop, &[("audience", &odd)]).await;
        let refused = refused.expect_error(StatusCode::FORBIDDEN, "access_denied");
        let said = refused.text("error_description");
        assert_eq!(said, format!("Service not found: 'caf?'{}", "x".repeat(194)));
    }

    async fn an_api_that_is_not_granted_is_refused_in_auth0s_words(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        node.create_api(STOCK, json!({})).await;
        let expected = format!(
            "Client '{}' is not authorized to access resource server '{STOCK}'. \
             You need to create a 'client-grant' associated to this API.",
            shop.id
        );
        let refused = node.ask(&shop, &[("audience", STOCK)]).await;
        let refused = refused.expect_error(StatusCode::FORBIDDEN, "access_denied");
        assert_eq!(refused.text("error_description"), expected);
        let refused = node.ask(&shop, &[("resource", STOCK)]).await;
        let refused = refused.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
        assert_eq!(refused.text("error_description"), expected);
    }

    async fn a_grant_for_users_is_none_for_the_application_itself(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({})).await;
        let shop = node.create_application(json!({})).await;
        node.grant(&shop, ORDERS, json!({ "subject_type": "user" })).await;
        node.ask(&shop, &[("audience", ORDERS)]).await
            .expect_error(StatusCode::FORBIDDEN, "access_denied");
        node.ask(&shop, &[]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn an_identifier_may_be_any_text_without_spaces(world: World) {
        let node = &world.node;
        for identifier in ["orders", "urn:caf\u{e9}:\u{1f980}", "https://a.example/?a=b&c=%2F#d"] {
            let shop = node.api_and_application(identifier).await;
            let token = node.token(&shop, identifier).await;
            assert_eq!(claims(&token)["aud"], identifier);
            assert_eq!(node.introspect(&shop, &token).await["aud"], identifier);
            let refused = node.ask(&shop, &[("audience", &format!("{identifier}x"))]).await;
            refused.expect_error(StatusCode::FORBIDDEN, "access_denied");
        }
    }

    async fn a_token_with_very_many_scopes_is_recognised_and_revoked_like_any_other(world: World) {
        let node = &world.node;
        let values: Vec<_> = (0..300).map(|n| format!("{n:03}:{}", "x".repeat(200))).collect();
        let scopes: Vec<_> = values.iter().map(|value| json!({ "value": value })).collect();
        node.create_api(ORDERS, json!({ "scopes": scopes })).await;
        let shop = node.create_application(json!({})).await;
        node.grant(&shop, ORDERS, json!({ "allow_all_scopes": true })).await;
        let answer = node.ask(&shop, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
        assert_eq!(answer.json["scope"], values.join(" "));
        let token = answer.text("access_token");
        assert_eq!(node.introspect(&shop, &token).await["scope"], values.join(" "));
        node.revoke(&shop, &token).await;
        assert!(!node.is_active(&shop, &token).await);
    }

    async fn an_expired_grant_counts_as_none(world: World) {
        let node = &world.node;
        node.create_api(ORDERS, json!({})).await;
        let shop = node.create_application(json!({})).await;
        let end = grantor::model::instant::to_rfc3339(world.clock.now() + 300);
        node.grant(&shop, ORDERS, json!({ "expires_at": end })).await;
        node.ask(&shop, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
        world.clock.advance(300);
        node.ask(&shop, &[("audience", ORDERS)]).await
            .expect_error(StatusCode::FORBIDDEN, "access_denied");
        node.ask(&shop, &[("resource", ORDERS)]).await
            .expect_error(StatusCode::BAD_REQUEST, "invalid_target");
        node.ask(&shop, &[]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn a_resource_names_an_api_like_an_audience(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        for answer in [
            node.ask(&shop, &[("resource", ORDERS)]).await,
            node.ask_json(&shop, json!({ "resource": ORDERS })).await,
            node.ask_json(&shop, json!({ "resource": [ORDERS] })).await,
            // Named twice, it is still one API.
            node.ask(&shop, &[("resource", ORDERS), ("resource", ORDERS)]).await,
        ] {
            let token = answer.expect(StatusCode::OK).text("access_token");
            assert_eq!(claims(&token)["aud"], ORDERS);
        }
        node.ask(&shop, &[("resource", ORDERS), ("audience", ORDERS)]).await
            .expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn without_an_audience_the_token_is_for_every_api_that_is_granted(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let one = node.ask(&shop, &[]).await.expect(StatusCode::OK).text("access_token");
        assert_eq!(claims(&one)["aud"], ORDERS);
        node.create_api(STOCK, json!({})).await;
        world.clock.advance(1);
        node.grant(&shop, STOCK, json!({})).await;
        let both = node.ask(&shop, &[("audience", "")]).await.expect(StatusCode::OK);
        assert_eq!(claims(&both.text("access_token"))["aud"], json!([ORDERS, STOCK]));
    }

    async fn without_audience_and_grants_the_missing_parameter_is_named(world: World) {
        let node = &world.node;
        let shop = node.create_application(json!({})).await;
        let refused = node.ask(&shop, &[]).await;
        let refused = refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        let said = refused.text("error_description");
        assert!(said.starts_with("Missing required parameter: audience"), "{said}");
        // The first application is granted a system API only, and those are never meant silently.
        let refused = node.ask(&Credentials::admin(), &[]).await;
        refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn an_api_whose_policy_denies_all_gives_no_token_in_spite_of_a_grant(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let policy = |policy: &str| {
            json!({ "subject_type_authorization": { "client": { "policy": policy } } })
        };
        node.change_api(ORDERS, policy("deny_all")).await.expect(StatusCode::OK);
        node.ask(&shop, &[("audience", ORDERS)]).await
            .expect_error(StatusCode::FORBIDDEN, "access_denied");
        node.ask(&shop, &[("resource", ORDERS)]).await
            .expect_error(StatusCode::BAD_REQUEST, "invalid_target");
        node.ask(&shop, &[]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        node.change_api(ORDERS, policy("require_client_grant")).await.expect(StatusCode::OK);
        node.ask(&shop, &[("audience", ORDERS)]).await.expect(StatusCode::OK);
    }

    async fn a_grant_type_that_does_not_exist_or_is_not_allowed_is_refused(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        for unknown in ["urn:ietf:params:oauth:grant-type:device_code", "Client_Credentials", "x"] {
            let params = [("grant_type", unknown), ("audience", ORDERS)];
            let refused = node.form("/oauth/token", &shop, &params).await;
            let refused = refused.expect_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
            let said = refused.text("error_description");
            assert_eq!(said, format!("Unsupported grant type: {unknown}"));
        }
        let types = json!({ "grant_types": ["authorization_code"] });
        let portal = node.create_application(types).await;
        node.grant(&portal, ORDERS, json!({})).await;
        let refused = node.ask(&portal, &[("audience", ORDERS)]).await;
        let refused = refused.expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");
        assert_eq!(
            refused.text("error_description"),
            "Grant type 'client_credentials' not allowed for the client."
        );
    }

    async fn the_short_paths_do_what_the_long_ones_do(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let asked = [("grant_type", "client_credentials"), ("audience", ORDERS)];
        let token = node.form("/token", &shop, &asked).await.expect(StatusCode::OK);
        let token = token.text("access_token");
        let seen = node.form("/introspect", &shop, &[("token", &token)]).await;
        assert_eq!(seen.expect(StatusCode::OK).json["active"], true);
        node.form("/revoke", &shop, &[("token", &token)]).await.expect(StatusCode::OK);
        assert!(!node.is_active(&shop, &token).await);
        for path in ["/token", "/oauth/token", "/revoke", "/introspect"] {
            let got = node.send(node.request(Method::GET, path)).await;
            assert_eq!(got.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(got.headers["allow"], "POST", "{path}");
        }
    }
}
