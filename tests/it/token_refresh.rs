//! Refresh tokens (RFC 6749 §6): who gets one, what it gives, and when it is refused.

use std::collections::BTreeSet;

use grantor::model::authorization::Authorization;
use grantor::model::change::{Change, Covered};
use grantor::model::instant;
use grantor::store;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::away::{Away, ORDERS, STOCK, rotating, write};
use crate::harness::{Credentials, api_path, both_stores, claims};

both_stores! {
    async fn a_code_gives_a_refresh_token_and_that_gives_access_tokens(world: World) {
        let node = &world.node;
        let away = Away::new(world, rotating(&json!({ "token_lifetime": 1000, "idle_token_lifetime": 600 }))).await;
        let first = away.begin(node).await;
        let token = first.text("refresh_token");
        assert!(token.starts_with("grantor_rt_") && token.len() == 102, "{token}");
        // draft-ietf-oauth-refresh-token-expiration-03: what is absent is indefinite.
        assert_eq!(first.json["refresh_token_timeout"], 600);
        assert!(first.json["authorization_expires_in"].is_null());
        world.clock.advance(450);
        let second = away.refresh(node, &token, &[]).await.expect(StatusCode::OK);
        assert_eq!(second.headers["cache-control"], "no-store");
        assert_ne!(second.text("refresh_token"), token);
        assert_eq!(second.json["refresh_token_timeout"], 550, "the absolute end does not move");
        assert_eq!(second.json["token_type"], "Bearer");
        let access = claims(&second.text("access_token"));
        assert_eq!((&access["sub"], &access["gty"]), (&json!(away.user_id), &json!("refresh_token")));
        // OpenID Connect Core §12.2.
        let (before, after) = (claims(&first.text("id_token")), claims(&second.text("id_token")));
        for same in ["iss", "sub", "aud", "auth_time"] {
            assert_eq!(before[same], after[same], "{same}");
        }
        assert_eq!((&before["nonce"], &after["nonce"]), (&json!("a nonce"), &json!(null)));
        assert_eq!(after["iat"], world.clock.now());
        let asked = away.refresh(node, &second.text("refresh_token"), &[("validity_period", "77")]).await;
        assert_eq!(asked.expect(StatusCode::OK).json["expires_in"], 77);
    }

    /// draft-ietf-oauth-refresh-token-expiration-03: what is absent is indefinite, and nothing outlives its
    /// application.
    async fn a_refresh_token_says_that_its_application_ends(world: World) {
        let node = &world.node;
        let away = Away::new(world, json!({})).await;
        let soon = instant::to_rfc3339(world.clock.now() + 400);
        away.change(node, json!({ "expires_at": soon })).await;
        let first = away.begin(node).await;
        assert_eq!(first.json["refresh_token_timeout"], 400);
        let token = first.text("refresh_token");
        world.clock.advance(100);
        let again = away.refresh(node, &token, &[]).await.expect(StatusCode::OK);
        assert_eq!(again.json["refresh_token_timeout"], 300);
        let seen = away.post(node, "/oauth/introspect", &[("token", &token)]).await.expect(StatusCode::OK);
        assert_eq!(seen.json["refresh_token_timeout"], 300);
    }

    /// SDKs ask for the scopes of the sign-in each time, and sign in anew only on `invalid_grant`.
    async fn whoever_may_not_come_back_any_more_is_told_so(world: World) {
        let node = &world.node;
        let away = Away::new(world, json!({})).await;
        let token = away.begin(node).await.text("refresh_token");
        for api in [ORDERS, STOCK] {
            node.change_api(api, json!({ "allow_offline_access": false })).await.expect(StatusCode::OK);
        }
        let answer = away.refresh(node, &token, &[("scope", "openid read offline_access")]).await;
        answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    }

    async fn none_is_issued_and_nothing_fails_where_one_may_not_be_had(world: World) {
        let node = &world.node;
        let away = Away::new(world, json!({})).await;
        let has_one = async |authorization: Authorization| {
            let answer = away.redeem(node, authorization).await.expect(StatusCode::OK);
            assert!(answer.json["authorization_expires_in"].is_null());
            assert_eq!(answer.json["refresh_token_timeout"].is_null(), answer.json["refresh_token"].is_null());
            let has_one = answer.json["refresh_token"].is_string();
            assert_eq!(answer.text("scope").contains("offline_access"), has_one, "{answer:?}");
            has_one
        };
        assert!(has_one(away.authorization(node, &[ORDERS, STOCK])).await);
        assert!(has_one(away.authorization(node, &[])).await, "for userinfo");
        let without = Authorization { openid: ["openid"].into_iter().collect(), ..away.authorization(node, &[ORDERS]) };
        assert!(!has_one(without).await);
        node.change_api(STOCK, json!({ "allow_offline_access": false })).await.expect(StatusCode::OK);
        assert!(has_one(away.authorization(node, &[ORDERS])).await);
        assert!(!has_one(away.authorization(node, &[ORDERS, STOCK])).await, "each API has a say");
        away.change(node, json!({ "grant_types": ["authorization_code"] })).await;
        assert!(!has_one(away.authorization(node, &[ORDERS])).await);
        assert_eq!(world.database.sql().await.number("select count(*) from refresh_families").await, 3);
    }

    async fn a_refresh_may_ask_for_less_and_gets_all_again_later(world: World) {
        let node = &world.node;
        let away = Away::new(world, rotating(&json!({}))).await;
        let authorization = away.authorization(node, &[ORDERS, STOCK]);
        let token = away.redeem(node, authorization).await.expect(StatusCode::OK).text("refresh_token");
        let mut audiences = BTreeSet::new();
        let mut token = away.next(node, &token).await;
        for (params, scope, audience) in [
            (vec![("scope", "read")], "read", json!([ORDERS, STOCK])),
            (vec![("audience", STOCK), ("scope", "write")], "write", json!(STOCK)),
            (vec![("resource", ORDERS), ("scope", "read write")], "read write", json!(ORDERS)),
            (vec![("resource", STOCK), ("resource", ORDERS), ("scope", "read")], "read", json!([STOCK, ORDERS])),
        ] {
            let answer = away.refresh(node, &token, &params).await.expect(StatusCode::OK);
            assert_eq!(answer.json["scope"], scope);
            assert!(answer.json["id_token"].is_null(), "without openid there is none");
            let access = claims(&answer.text("access_token"));
            assert_eq!((&access["aud"], &access["scope"]), (&audience, &json!(scope)));
            audiences.insert(audience.to_string());
            token = answer.text("refresh_token");
        }
        // More than was authorized is refused, and costs nothing.
        for (params, error) in [
            (vec![("scope", "read delete")], "invalid_scope"),
            (vec![("audience", "https://other.example/")], "invalid_target"),
            (vec![("resource", ORDERS), ("resource", "https://other.example/")], "invalid_target"),
        ] {
            away.refresh(node, &token, &params).await.expect_error(StatusCode::BAD_REQUEST, error);
        }
        let all = away.refresh(node, &token, &[]).await.expect(StatusCode::OK);
        assert_eq!(all.json["scope"], "openid offline_access read write");
    }

    async fn what_is_no_refresh_token_of_the_application_is_refused_and_ends_nothing(world: World) {
        let node = &world.node;
        let away = Away::new(world, rotating(&json!({}))).await;
        let thief = away.another(world, rotating(&json!({}))).await;
        let token = away.begin(node).await.text("refresh_token");
        thief.is_refused(node, &token).await;
        thief.revoke(node, &token).await;
        // Garbage that names the family, and a token of another kind.
        let (front, back) = token.split_at(60);
        let other = if back.starts_with('A') { "B" } else { "A" };
        for wrong in [
            format!("{front}{other}{}", &back[1..]),
            token[..token.len() - 1].to_owned(),
            format!("{token}A"),
            token.replace("_rt_", "_at_"),
            "grantor_rt_".to_owned(),
            "x".repeat(2048),
        ] {
            away.is_refused(node, &wrong).await;
            away.revoke(node, &wrong).await;
        }
        for params in [&[][..], &[("refresh_token", "")][..], &[("refresh_token", "a"), ("refresh_token", "b")][..]] {
            let params = [&[("grant_type", "refresh_token")], params].concat();
            away.post(node, "/oauth/token", &params).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        }
        let successor = away.next(node, &token).await;
        away.change(node, json!({ "grant_types": ["authorization_code"] })).await;
        let refused = away.refresh(node, &successor, &[]).await;
        refused.expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");
        away.change(node, json!({ "grant_types": ["refresh_token"] })).await;
        away.next(node, &successor).await;
    }

    async fn what_it_rests_on_must_still_be_there(world: World) {
        let node = &world.node;
        let now = world.clock.now();
        let mut away = Away::new(world, rotating(&json!({}))).await;
        let mut token = away.begin(node).await.text("refresh_token");
        // What comes back before anything has ended, works again.
        let user = async |blocked: bool| {
            let mut user = store::users::get(&mut node.app.store.read().await.unwrap(), &away.user_id).await.unwrap().unwrap();
            user.blocked = blocked;
            write(node, now, async |tx| assert!(store::users::update(tx, &user).await.unwrap())).await;
        };
        user(true).await;
        away.is_refused(node, &token).await;
        user(false).await;
        token = away.next(node, &token).await;
        node.change_api(ORDERS, json!({ "allow_offline_access": false })).await.expect(StatusCode::OK);
        away.is_refused(node, &token).await;
        node.change_api(ORDERS, json!({ "allow_offline_access": true })).await.expect(StatusCode::OK);
        token = away.next(node, &token).await;
        // An API that is made anew is another one.
        node.manage(Method::DELETE, &api_path(ORDERS), None).await.expect(StatusCode::NO_CONTENT);
        away.is_refused(node, &token).await;
        node.create_api(ORDERS, json!({ "allow_offline_access": true })).await;
        away.is_refused(node, &token).await;
        let authorization = away.authorization(node, &[STOCK]);
        token = away.redeem(node, authorization).await.expect(StatusCode::OK).text("refresh_token");
        token = away.next(node, &token).await;
        // The consent, which takes the refresh tokens under it along: a new one wakes none.
        let stock = away.authorization(node, &[STOCK]).apis.remove(0).api_id;
        let whose = (away.user_id.as_str(), away.app.id.as_str());
        write(node, now, async |tx| {
            assert_eq!(store::families::end_grant(tx, whose, Some(&stock)).await.unwrap(), 1);
        }).await;
        away.apis.retain(|api| api.audience == STOCK);
        away.consent(node, None).await;
        away.is_refused(node, &token).await;
    }

    async fn a_wholesale_revocation_ends_refresh_tokens_for_good(world: World) {
        let node = &world.node;
        let there = &world.another_node().await;
        let away = Away::new(world, json!({})).await;
        let (client_id, user_id, audience) = (away.app.id.clone(), away.user_id.clone(), ORDERS.to_owned());
        for covered in [
            Covered::User(user_id.clone()),
            Covered::Application(client_id.clone()),
            Covered::Api(audience.clone()),
            Covered::UserGrant { client_id, audience, user_id },
            Covered::All,
        ] {
            let token = away.begin(node).await.text("refresh_token");
            away.next(node, &token).await;
            write(node, world.clock.now(), async |tx| tx.note(Change::Revocation(covered))).await;
            there.app.directory.read_anew().await.unwrap();
            for node in [node, there] {
                away.is_refused(node, &token).await;
            }
            // The revocation is forgotten in time; what it covered does not come back.
            world.clock.advance(store::revocations::KEPT_SECONDS + 1);
            grantor::sweep::once(&node.app.store, world.clock.now(), 2).await.unwrap();
            node.app.directory.read_anew().await.unwrap();
            away.is_refused(node, &token).await;
            assert_eq!(world.database.sql().await.number("select count(*) from refresh_families").await, 0);
        }
        let token = away.begin(node).await.text("refresh_token");
        let path = format!("/clients/{}", away.app.id);
        let rotated = node.manage(Method::POST, &format!("{path}/rotate-secret"), Some(json!({}))).await;
        let secret = rotated.expect(StatusCode::OK).text("client_secret");
        let changed = Away { app: Credentials { secret, ..away.app.clone() }, ..away.clone() };
        changed.next(node, &token).await;
        node.manage(Method::DELETE, &path, None).await.expect(StatusCode::NO_CONTENT);
        assert_eq!(world.database.sql().await.number("select count(*) from refresh_families").await, 0);
        there.stop().await;
    }

    async fn the_oldest_of_too_many_sign_ins_gives_way(world: World, "GRANTOR_REFRESH__FAMILIES_PER_USER_AND_APPLICATION_MAX" = "2") {
        let node = &world.node;
        let away = Away::new(world, json!({})).await;
        let mut tokens = Vec::new();
        for _ in 0..3 {
            tokens.push(away.begin(node).await.text("refresh_token"));
            world.clock.advance(1);
        }
        away.is_refused(node, &tokens[0]).await;
        for token in &tokens[1..] {
            away.next(node, token).await;
        }
        let logs = node.manage(Method::GET, "/logs?q=type:srrt", None).await.expect(StatusCode::OK);
        assert_eq!(logs.json.as_array().unwrap().len(), 1);
        assert_eq!(logs.json[0]["user_id"], away.user_id);
    }

    async fn an_application_gives_its_refresh_token_back_and_the_access_tokens_with_it(world: World) {
        let node = &world.node;
        let there = &world.another_node().await;
        let admin = node.admin_token().await;
        let public = Away::new(world, json!({ "app_type": "native", "token_endpoint_auth_method": "none" })).await;
        let confidential = public.another(world, json!({})).await;
        for away in [public, confidential] {
            let first = away.begin(node).await;
            let second = away.refresh(node, &first.text("refresh_token"), &[]).await.expect(StatusCode::OK);
            let other = away.begin(node).await;
            away.revoke(node, &second.text("refresh_token")).await;
            there.app.directory.read_anew().await.unwrap();
            for node in [node, there] {
                away.is_refused(node, &second.text("refresh_token")).await;
                for answer in [&first, &second] {
                    assert!(!node.is_active_to(&admin, &answer.text("access_token")).await);
                }
                assert!(node.is_active_to(&admin, &other.text("access_token")).await);
            }
            // A second time is no error (RFC 7009 §2.2), and no second record.
            away.revoke(node, &second.text("refresh_token")).await;
            away.next(node, &other.text("refresh_token")).await;
            assert_eq!(away.grants(node).await, 3);
        }
        let logs = node.manage(Method::GET, "/logs?q=type:srrt", None).await.expect(StatusCode::OK);
        assert_eq!(logs.json.as_array().unwrap().len(), 2);
        there.stop().await;
    }

    async fn where_the_tenant_says_so_the_consent_goes_along(world: World) {
        let node = &world.node;
        let away = Away::new(world, json!({})).await;
        let settings = json!({ "flags": { "revoke_refresh_token_grant": true } });
        node.manage(Method::PATCH, "/tenants/settings", Some(settings)).await.expect(StatusCode::OK);
        let tokens = [away.begin(node).await, away.begin(node).await].map(|answer| answer.text("refresh_token"));
        let elsewhere = away.redeem(node, away.authorization(node, &[STOCK])).await.text("refresh_token");
        away.revoke(node, &tokens[0]).await;
        assert_eq!(away.grants(node).await, 2);
        for token in &tokens {
            away.is_refused(node, token).await;
        }
        away.next(node, &elsewhere).await;
    }

    async fn introspection_shows_a_refresh_token_to_its_application_and_uses_nothing_up(world: World) {
        let node = &world.node;
        let away = Away::new(world, rotating(&json!({ "token_lifetime": 1000, "idle_token_lifetime": 600 }))).await;
        let stranger = away.another(world, json!({})).await;
        let admin = node.admin_token().await;
        let first = away.begin(node).await.text("refresh_token");
        let token = away.next(node, &first).await;
        world.clock.advance(100);
        for _ in 0..2 {
            let seen = node.introspect(&away.app, &token).await;
            assert_eq!(seen, json!({
                "active": true, "client_id": away.app.id, "sub": away.user_id, "iss": crate::harness::ISSUER,
                "scope": "openid offline_access read write", "token_type": "N_A",
                "exp": world.clock.now() + 500, "refresh_token_timeout": 500,
            }));
            assert_eq!(node.introspect_as(&admin, &token).await.json, seen);
        }
        for (viewer, token) in [(&stranger.app, &token), (&away.app, &first)] {
            assert_eq!(node.introspect(viewer, token).await, json!({ "active": false }));
        }
        world.clock.advance(499);
        assert!(node.is_active(&away.app, &token).await);
        world.clock.advance(1);
        assert!(!node.is_active(&away.app, &token).await);
        away.is_refused(node, &token).await;
    }
}
