//! HS256: an API's own secret signs, and opens nothing but that API.

use grantor::directory::FRESH_MAX;
use grantor::lifetime::LONGEST_SIGNED_SECONDS;
use grantor::sweep;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Answer, Credentials, ISSUER, MANAGEMENT, MFA, Node, api_path, both_stores, claims, header,
    within,
};

const ORDERS: &str = "https://orders.example/";
const STOCK: &str = "https://stock.example/";
/// Exactly as long as a secret must be.
const CHOSEN: &str = "exactly 32 bytes, not one less..";

/// An HS256 API with a scope, its secret, and an application that is granted it.
async fn shop(node: &Node, identifier: &str) -> (Credentials, String) {
    let fields = json!({ "signing_alg": "HS256", "scopes": [{ "value": "read" }] });
    let secret = node.create_api(identifier, fields).await["signing_secret"].clone();
    let shop = node.create_application(json!({})).await;
    node.grant(&shop, identifier, json!({ "scope": ["read"] }))
        .await;
    (shop, secret.as_str().unwrap().to_owned())
}

/// What whoever knows a secret can make of a token's claims; the changes lie over them.
fn forge(secret: &str, claims: &Value, changes: Value) -> String {
    forge_with(
        &Header::new(Algorithm::HS256),
        secret.as_bytes(),
        claims,
        changes,
    )
}

fn forge_with(header: &Header, secret: &[u8], claims: &Value, changes: Value) -> String {
    let mut claims = claims.clone();
    let Value::Object(changes) = changes else {
        panic!("{changes}");
    };
    claims.as_object_mut().unwrap().extend(changes);
    jsonwebtoken::encode(header, &claims, &EncodingKey::from_secret(secret)).unwrap()
}

/// Asked as an administrator, who sees every token.
async fn is_active(node: &Node, token: &str) -> bool {
    node.is_active_to(&node.admin_token().await, token).await
}

async fn list_clients(node: &Node, token: &str) -> Answer {
    node.manage_as(token, Method::GET, "/clients", None).await
}

async fn shown(node: &Node, identifier: &str) -> Value {
    node.manage(Method::GET, &api_path(identifier), None)
        .await
        .expect(StatusCode::OK)
        .json
}

both_stores! {
    async fn the_api_checks_its_tokens_with_the_secret_that_was_shown_once(world: World) {
        let node = &world.node;
        let (shop, secret) = shop(node, ORDERS).await;
        assert!(secret.len() >= 43, "256 random bits");
        let token = node.token(&shop, ORDERS).await;
        assert_eq!(header(&token), json!({ "alg": "HS256", "typ": "JWT" }));
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[ORDERS]);
        validation.set_issuer(&[ISSUER]);
        let key = DecodingKey::from_secret(secret.as_bytes());
        let read = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!((&read["azp"], &read["scope"]), (&json!(shop.id), &json!("read")));
        // RFC 9068's dialect as well.
        node.change_api(ORDERS, json!({ "token_dialect": "rfc9068_profile" })).await.expect(StatusCode::OK);
        let token = node.token(&shop, ORDERS).await;
        assert_eq!(header(&token), json!({ "alg": "HS256", "typ": "at+jwt" }));
        assert!(node.is_active(&shop, &token).await);
        // Neither key set nor any later answer tells of the secret.
        let keys = node.send(node.request(Method::GET, "/.well-known/jwks.json")).await;
        assert!(!keys.body.contains("oct") && !keys.body.contains("HS256"), "{}", keys.body);
        for later in [
            shown(node, ORDERS).await,
            node.manage(Method::GET, "/resource-servers", None).await.json,
            node.change_api(ORDERS, json!({ "name": "Orders" })).await.expect(StatusCode::OK).json,
            node.change_api(ORDERS, json!({ "signing_alg": "HS256" })).await.expect(StatusCode::OK).json,
        ] {
            assert!(!later.to_string().contains("signing_secret"), "{later}");
        }
    }

    async fn a_secret_of_ones_own_is_at_least_32_bytes_long(world: World) {
        let node = &world.node;
        let fields = |secret: Value| json!({ "identifier": ORDERS, "signing_alg": "HS256", "signing_secret": secret });
        for wrong in [json!(&CHOSEN[1..]), json!(""), json!(null), json!(1), json!("x".repeat(1025))] {
            let refused = node.manage(Method::POST, "/resource-servers", Some(fields(wrong.clone()))).await;
            let refused = refused.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
            assert!(refused.text("message").contains("signing_secret"), "{wrong} {refused:?}");
        }
        let created = node.manage(Method::POST, "/resource-servers", Some(fields(json!(CHOSEN)))).await;
        assert_eq!(created.expect(StatusCode::CREATED).json["signing_secret"], CHOSEN);
        // Bytes count, not characters.
        let changed = node.change_api(ORDERS, json!({ "signing_secret": "é".repeat(16) })).await;
        assert_eq!(changed.expect(StatusCode::OK).json["signing_secret"], "é".repeat(16));
        for wrong in [json!(&CHOSEN[1..]), json!(null)] {
            node.change_api(ORDERS, json!({ "signing_secret": wrong })).await
                .expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        }
        // It belongs to HS256.
        for fields in [json!({ "signing_secret": CHOSEN }), json!({ "signing_alg": "ES256", "signing_secret": CHOSEN })] {
            let mut body = json!({ "identifier": STOCK });
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            node.manage(Method::POST, "/resource-servers", Some(body)).await
                .expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        }
    }

    async fn no_system_api_is_ever_under_a_secret(world: World) {
        let node = &world.node;
        for system in [MANAGEMENT, MFA] {
            for change in [json!({ "signing_alg": "HS256" }), json!({ "signing_secret": CHOSEN }),
                json!({ "signing_alg": "HS256", "signing_secret": CHOSEN })] {
                let refused = node.change_api(system, change.clone()).await;
                assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{change} {refused:?}");
            }
            assert_eq!(shown(node, system).await["signing_alg"], "RS256");
        }
    }

    async fn who_knows_the_secret_of_one_api_can_speak_for_no_other(world: World) {
        let node = &world.node;
        let (shop_of_orders, secret) = shop(node, ORDERS).await;
        shop(node, STOCK).await;
        node.create_api("urn:signed", json!({})).await;
        let real = claims(&node.token(&shop_of_orders, ORDERS).await);
        assert!(is_active(node, &forge(&secret, &real, json!({}))).await, "the forger's tools work");
        let every_scope = claims(&node.admin_token().await)["scope"].clone();
        for aud in [json!(STOCK), json!("urn:signed"), json!(MANAGEMENT), json!(MFA), json!(MFA.trim_end_matches('/')),
            json!([ORDERS, MANAGEMENT]), json!([MANAGEMENT, ORDERS]), json!([ORDERS, STOCK]), json!([ORDERS]),
            json!([]), json!(""), json!(null), json!({ "aud": ORDERS }), json!(ORDERS.to_uppercase()), json!("x".repeat(9000))] {
            let forged = forge(&secret, &real, json!({ "aud": aud, "scope": every_scope }));
            assert!(!is_active(node, &forged).await, "{aud}");
            list_clients(node, &forged).await.expect(StatusCode::UNAUTHORIZED);
            let introspects = node.introspect_as(&forged, &forged).await;
            introspects.expect(StatusCode::UNAUTHORIZED);
        }
        // For its own API it can, which is the nature of HS256; but that opens nothing here.
        let forged = forge(&secret, &real, json!({ "scope": every_scope }));
        assert!(is_active(node, &forged).await);
        list_clients(node, &forged).await.expect(StatusCode::UNAUTHORIZED);
        // Another issuer, type, a critical parameter, a kid, or no name of ours.
        for changes in [json!({ "iss": "https://evil.example/" }), json!({ "jti": "x" }), json!({ "azp": null }),
            json!({ "exp": world.clock.now() }), json!({ "exp": i64::MAX }),
            json!({ "exp": world.clock.now() + LONGEST_SIGNED_SECONDS + 3600 })] {
            assert!(!is_active(node, &forge(&secret, &real, changes.clone())).await, "{changes}");
        }
        let kid = header(&node.admin_token().await)["kid"].as_str().unwrap().to_owned();
        for header in [
            Header { kid: Some(kid), ..Header::new(Algorithm::HS256) },
            Header { typ: Some("logout+jwt".into()), ..Header::new(Algorithm::HS256) },
            Header::new(Algorithm::HS512),
        ] {
            assert!(!is_active(node, &forge_with(&header, secret.as_bytes(), &real, json!({}))).await, "{header:?}");
        }
    }

    async fn a_published_key_is_nobodys_secret(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let token = node.token(&shop, ORDERS).await;
        let keys = node.send(node.request(Method::GET, "/.well-known/jwks.json")).await;
        let kid = header(&token)["kid"].as_str().unwrap().to_owned();
        let keys_listed = keys.json["keys"].as_array().unwrap();
        let jwk = keys_listed.iter().find(|key| key["kid"] == kid.as_str()).unwrap();
        let mut conn = node.app.store.read().await.unwrap();
        let rows = grantor::store::keys::all(&mut conn).await.unwrap();
        drop(conn);
        let certificate = rows.iter().find(|row| row.kid == kid).unwrap().certificate.clone().unwrap();
        for secret in [jwk["n"].as_str().unwrap(), &jwk.to_string(), &keys.body, &certificate, certificate.trim(), &kid, ""] {
            for kid in [None, Some(kid.clone())] {
                let header = Header { kid, ..Header::new(Algorithm::HS256) };
                let forged = forge_with(&header, secret.as_bytes(), &claims(&token), json!({}));
                assert!(!is_active(node, &forged).await);
                let mut admin = claims(&node.admin_token().await);
                admin["jti"] = claims(&token)["jti"].clone();
                let forged = forge_with(&header, secret.as_bytes(), &admin, json!({}));
                list_clients(node, &forged).await.expect(StatusCode::UNAUTHORIZED);
            }
        }
        // Nor where the API is under a secret: only that one counts.
        node.change_api(ORDERS, json!({ "signing_alg": "HS256" })).await.expect(StatusCode::OK);
        let forged = forge(jwk["n"].as_str().unwrap(), &claims(&token), json!({}));
        assert!(!is_active(node, &forged).await);
        assert!(is_active(node, &token).await, "what the key pair signed lives on");
    }

    async fn who_knows_the_secret_of_one_api_revokes_no_other_apis_tokens(world: World) {
        let node = &world.node;
        let (forger, secret) = shop(node, ORDERS).await;
        let (victim, _) = shop(node, STOCK).await;
        node.create_api("urn:signed", json!({})).await;
        node.grant(&victim, "urn:signed", json!({})).await;
        let own = node.token(&forger, ORDERS).await;
        for audience in [STOCK, "urn:signed"] {
            let token = node.token(&victim, audience).await;
            let copy = forge(&secret, &claims(&own), json!({ "jti": claims(&token)["jti"] }));
            assert!(node.is_active(&forger, &copy).await);
            node.revoke(&forger, &copy).await;
            assert!(!node.is_active(&forger, &copy).await, "its own it does revoke");
            assert!(node.is_active(&victim, &token).await, "{audience}");
            node.revoke(&victim, &token).await;
            assert!(!node.is_active(&victim, &token).await);
        }
        assert!(node.is_active(&forger, &own).await);
        node.revoke(&forger, &own).await;
        assert!(!node.is_active(&forger, &own).await);
    }

    async fn an_administrator_revokes_a_token_by_its_name(world: World) {
        let node = &world.node;
        let (shop, _) = shop(node, ORDERS).await;
        let [doomed, other] = [node.token(&shop, ORDERS).await, node.token(&shop, ORDERS).await];
        let path = format!("/tokens/{}", claims(&doomed)["jti"].as_str().unwrap());
        node.manage(Method::DELETE, &path, None).await.expect(StatusCode::NO_CONTENT);
        assert!(!node.is_active(&shop, &doomed).await && node.is_active(&shop, &other).await);
    }

    async fn a_revoked_token_is_revoked_on_every_node_and_after_a_start(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let (shop, _) = shop(here, ORDERS).await;
        let token = here.token(&shop, ORDERS).await;
        assert!(there.is_active(&shop, &token).await);
        here.revoke(&shop, &token).await;
        within(FRESH_MAX, async || !there.is_active(&shop, &token).await).await;
        let later = world.another_node().await;
        assert!(!later.is_active(&shop, &token).await);
        for node in [&later, there] {
            node.stop().await;
        }
    }

    async fn another_secret_ends_the_tokens_of_the_old_one_at_once(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let (shop, old_secret) = shop(here, ORDERS).await;
        let old = here.token(&shop, ORDERS).await;
        assert!(there.is_active(&shop, &old).await);
        here.change_api(ORDERS, json!({ "signing_secret": CHOSEN })).await.expect(StatusCode::OK);
        assert!(!here.is_active(&shop, &old).await);
        within(FRESH_MAX, async || !there.is_active(&shop, &old).await).await;
        assert!(!is_active(here, &forge(&old_secret, &claims(&old), json!({}))).await);
        let new = here.token(&shop, ORDERS).await;
        assert!(there.is_active(&shop, &new).await);
        there.stop().await;
    }

    async fn an_api_that_goes_over_to_key_pairs_keeps_its_tokens_until_they_end(world: World) {
        let node = &world.node;
        let (shop, secret) = shop(node, ORDERS).await;
        node.change_api(ORDERS, json!({ "token_lifetime": LONGEST_SIGNED_SECONDS })).await.expect(StatusCode::OK);
        let longest = node.token(&shop, ORDERS).await;
        let changed = node.change_api(ORDERS, json!({ "signing_alg": "ES256" })).await.expect(StatusCode::OK);
        assert!(changed.json.get("signing_secret").is_none());
        assert_eq!(header(&node.token(&shop, ORDERS).await)["alg"], "ES256");
        world.clock.advance(LONGEST_SIGNED_SECONDS - 1);
        assert!(node.is_active(&shop, &longest).await);
        // Then the secret speaks for nobody any more, and is gone.
        world.clock.advance(60);
        let forged = forge(&secret, &claims(&longest), json!({ "exp": world.clock.now() + 600 }));
        assert!(!is_active(node, &forged).await);
        sweep::once(&node.app.store, world.clock.now(), 10).await.unwrap();
        let kept = "select count(*) from apis where sealed_signing_secret is not null";
        assert_eq!(world.database.sql().await.number(kept).await, 0);
        // Back under a secret, it is a new one.
        let back = node.change_api(ORDERS, json!({ "signing_alg": "HS256" })).await.expect(StatusCode::OK);
        assert_ne!(back.text("signing_secret"), secret);
    }

    async fn a_secret_that_got_about_can_be_let_go_of_at_once(world: World) {
        let node = &world.node;
        let (shop, secret) = shop(node, ORDERS).await;
        let token = node.token(&shop, ORDERS).await;
        let change = json!({ "signing_alg": "RS256", "signing_secret": null });
        node.change_api(ORDERS, change).await.expect(StatusCode::OK);
        assert!(!node.is_active(&shop, &token).await);
        assert!(!is_active(node, &forge(&secret, &claims(&token), json!({}))).await);
        assert!(node.is_active(&shop, &node.token(&shop, ORDERS).await).await);
    }

    async fn an_api_made_anew_has_another_secret(world: World) {
        let node = &world.node;
        let (shop, secret) = shop(node, ORDERS).await;
        let token = node.token(&shop, ORDERS).await;
        node.manage(Method::DELETE, &api_path(ORDERS), None).await.expect(StatusCode::NO_CONTENT);
        assert!(!is_active(node, &token).await);
        let anew = node.create_api(ORDERS, json!({ "signing_alg": "HS256" })).await;
        assert_ne!(anew["signing_secret"], secret.as_str());
        assert!(!is_active(node, &forge(&secret, &claims(&token), json!({}))).await);
    }

    async fn apis_under_secrets_share_no_signed_token(world: World) {
        let node = &world.node;
        let (shop, _) = shop(node, ORDERS).await;
        node.create_api(STOCK, json!({ "signing_alg": "HS256" })).await;
        node.grant(&shop, STOCK, json!({})).await;
        let refused = node.ask(&shop, &[("resource", ORDERS), ("resource", STOCK)]).await;
        refused.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
        let both = node.ask(&shop, &[]).await.expect(StatusCode::OK).text("access_token");
        assert!(both.starts_with("grantor_at_"), "{both}");
        let seen = node.introspect(&shop, &both).await;
        assert_eq!(seen["aud"].as_array().unwrap().len(), 2);
        // One alone, named as resource, is signed; two opaque ones share an opaque token.
        let one = node.ask(&shop, &[("resource", STOCK)]).await.expect(StatusCode::OK).text("access_token");
        assert_eq!(header(&one)["alg"], "HS256");
        for api in [ORDERS, STOCK] {
            node.change_api(api, json!({ "token_dialect": "opaque" })).await.expect(StatusCode::OK);
        }
        node.ask(&shop, &[("resource", ORDERS), ("resource", STOCK)]).await.expect(StatusCode::OK);
    }

    async fn the_apis_resource_server_introspects_its_tokens(world: World) {
        let node = &world.node;
        let (shop, secret) = shop(node, ORDERS).await;
        let checker = node.create_application(json!({
            "app_type": "resource_server", "resource_server_identifier": ORDERS
        })).await;
        let token = node.token(&shop, ORDERS).await;
        let seen = node.introspect(&checker, &token).await;
        assert_eq!((&seen["active"], &seen["client_id"], &seen["scope"]), (&json!(true), &json!(shop.id), &json!("read")));
        // Scopes that the API does not define are not its own, whoever forged them.
        let forged = forge(&secret, &claims(&token), json!({ "scope": "read delete:clients" }));
        assert_eq!(node.introspect(&checker, &forged).await["scope"], "read");
    }

    async fn another_master_key_in_front_seals_the_secrets_anew(
        world: World, "GRANTOR_KEYS__MASTER" = "dGhlIHRlc3RzIHNoYXJlIHRoaXMgbWFzdGVyIGtleSE="
    ) {
        const OLD: &str = "dGhlIHRlc3RzIHNoYXJlIHRoaXMgbWFzdGVyIGtleSE=";
        const NEW: &str = "YW5vdGhlciBtYXN0ZXIga2V5IG9mIHRoZSB0ZXN0cyE=";
        let (shop, secret) = shop(&world.node, ORDERS).await;
        let token = world.node.token(&shop, ORDERS).await;
        let both = world.another_node_with(&[("GRANTOR_KEYS__MASTER", &format!("{NEW},{OLD}"))]).await;
        assert!(both.is_active(&shop, &token).await);
        let alone = world.another_node_with(&[("GRANTOR_KEYS__MASTER", NEW)]).await;
        for node in [&both, &alone] {
            assert!(node.is_active(&shop, &token).await);
            let own = node.token(&shop, ORDERS).await;
            assert!(is_active(node, &forge(&secret, &claims(&own), json!({}))).await, "the same secret");
            node.stop().await;
        }
    }

    async fn the_secret_lies_in_the_store_under_the_master_key_only(world: World) {
        let node = &world.node;
        let (_, secret) = shop(node, ORDERS).await;
        let as_text = format!("select count(*) from apis where sealed_signing_secret like '%{secret}%'");
        let sealed = "select count(*) from apis where sealed_signing_secret is not null";
        let mut sql = world.database.sql().await;
        assert_eq!((sql.number(&as_text).await, sql.number(sealed).await), (0, 1));
        // A seal that changes places opens nothing: it is bound to its API.
        let (shop_of_stock, _) = shop(node, STOCK).await;
        let swap = format!("update apis set sealed_signing_secret =
            (select sealed_signing_secret from apis where identifier = '{ORDERS}') where identifier = '{STOCK}'");
        sql.run(&swap).await.unwrap();
        node.ask(&shop_of_stock, &[("audience", STOCK)]).await
            .expect_error(StatusCode::INTERNAL_SERVER_ERROR, "server_error");
    }

    async fn setting_a_secret_needs_the_right_to_change_apis(world: World) {
        let node = &world.node;
        shop(node, ORDERS).await;
        let desk = crate::desk::Desk::with_scopes(node, &["read:resource_servers", "create:resource_servers"]).await;
        for change in [json!({ "signing_secret": CHOSEN }), json!({ "signing_alg": "RS256" })] {
            let refused = desk.patch(&api_path(ORDERS), change).await;
            let refused = refused.expect_problem(StatusCode::FORBIDDEN, "insufficient_scope");
            assert!(refused.text("message").contains("update:resource_servers"));
        }
    }
}
