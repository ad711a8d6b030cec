//! `private_key_jwt` (RFC 7523): an application proves who it is by what it signs, and nothing that
//! only looks like it is taken for it.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{Answer, ISSUER, Node, World, both_stores, claims};
use crate::signer::{JWT_BEARER, Keyed, Signer, add, ask, attach, present};

const ORDERS: &str = "https://orders.example/";
const TOKEN_ENDPOINT: &str = "https://grantor.test/oauth/token";

async fn shop(node: &Node, alg: &'static str) -> Keyed {
    let desk = Desk::open(node).await;
    desk.api(ORDERS, json!({})).await;
    Keyed::new(&desk, ORDERS, alg).await
}

/// 401 `invalid_client` in the very same words, whatever was wrong.
#[track_caller]
fn refused(answer: &Answer, what: &str) {
    assert_eq!(
        answer.status,
        StatusCode::UNAUTHORIZED,
        "{what}: {answer:?}"
    );
    let same = json!({
        "error": "invalid_client",
        "error_description": "Client authentication failed.",
    });
    assert_eq!(answer.json, same, "{what}");
}

async fn works(world: &World, shop: &Keyed, over: Value, what: &str) {
    let answer = ask(&world.node, &shop.assertion(world, over), ORDERS).await;
    assert_eq!(answer.status, StatusCode::OK, "{what}: {answer:?}");
}

async fn fails(world: &World, shop: &Keyed, over: Value, what: &str) {
    refused(
        &ask(&world.node, &shop.assertion(world, over), ORDERS).await,
        what,
    );
}

/// Half a second after an instant.
fn half_past(at: i64) -> Value {
    serde_json::from_str(&format!("{at}.5")).unwrap()
}

/// A JWT under HS256, as somebody makes it who knows the public key.
fn hmac_signed(secret: &[u8], header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

both_stores! {
    async fn an_assertion_opens_all_endpoints_by_every_algorithm(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({})).await;
        for alg in ["RS256", "RS384", "PS256", "ES256", "EdDSA"] {
            let shop = Keyed::new(&desk, ORDERS, alg).await;
            let good = || shop.assertion(world, json!({}));
            let token = ask(node, &good(), ORDERS).await.expect(StatusCode::OK).text("access_token");
            assert_eq!(claims(&token)["azp"], shop.id.as_str());
            let by = [("client_id", shop.id.as_str()), ("token", token.as_str())];
            let seen = present(node, "/oauth/introspect", &good(), &by).await.expect(StatusCode::OK);
            assert_eq!(seen.json["active"], true, "{alg}");
            present(node, "/oauth/revoke", &good(), &by[1..]).await.expect(StatusCode::OK);
            let seen = present(node, "/oauth/introspect", &good(), &by[1..]).await.expect(StatusCode::OK);
            assert_eq!(seen.json, json!({ "active": false }), "{alg}");
        }
    }

    async fn what_the_rfc_leaves_open_is_taken(world: World) {
        let shop = shop(&world.node, "ES256").await;
        let now = world.clock.now();
        for (over, what) in [
            (json!({ "exp": now + 600 }), "the longest exp"),
            (json!({ "exp": now - 59 }), "a client's clock that is behind"),
            (json!({ "exp": now + 100, "iat": now + 59, "nbf": now + 59 }), "one that is ahead"),
            (json!({ "exp": half_past(now + 30), "iat": half_past(now - 1) }), "fractions of a second"),
            (json!({ "jti": "j".repeat(512) }), "a long jti"),
            (json!({ "scope": "x", "extra": { "a": [1] } }), "claims that mean nothing here"),
        ] {
            works(world, &shop, over, what).await;
        }
        for header in [
            json!({ "alg": "ES256" }),
            json!({ "alg": "ES256", "typ": "JWT" }),
            json!({ "alg": "ES256", "typ": "client-authentication+jwt", "kid": shop.kid }),
            json!({ "alg": "ES256", "x5t": "dGh1bWI", "x5c": ["bm90aGluZw=="] }),
        ] {
            let assertion = shop.signer.sign(&header, &shop.claims(world, json!({})));
            ask(&world.node, &assertion, ORDERS).await.expect(StatusCode::OK);
        }
    }

    async fn claims_that_are_not_as_they_should_be_are_refused(world: World) {
        let shop = shop(&world.node, "ES256").await;
        let desk = Desk::open(&world.node).await;
        let other = Keyed::new(&desk, ORDERS, "ES256").await;
        let now = world.clock.now();
        for (over, what) in [
            (json!({ "aud": "https://elsewhere.example/" }), "another server's aud"),
            (json!({ "aud": ISSUER.trim_end_matches('/') }), "the issuer without its slash"),
            (json!({ "aud": [ISSUER, "https://elsewhere.example/"] }), "two audiences"),
            (json!({ "aud": [ISSUER] }), "an array"),
            (json!({ "aud": [] }), "no audience in an array"),
            (json!({ "aud": null }), "no aud"),
            (json!({ "aud": TOKEN_ENDPOINT }), "the token endpoint, which is not set"),
            (json!({ "iss": other.id }), "another's iss"),
            (json!({ "iss": null }), "no iss"),
            (json!({ "sub": other.id }), "another's sub"),
            (json!({ "sub": other.id, "iss": other.id }), "another's name on our key"),
            (json!({ "sub": "nobody", "iss": "nobody" }), "nobody's name"),
            (json!({ "sub": "no\u{0}body" }), "a name that no store can look for"),
            (json!({ "sub": "x".repeat(300) }), "a name that is too long"),
            (json!({ "sub": null }), "no sub"),
            (json!({ "exp": now - 60 }), "expired"),
            (json!({ "exp": 0 }), "expired long ago"),
            (json!({ "exp": -1 }), "before all time"),
            (json!({ "exp": now + 661 }), "an exp that is too far away"),
            (json!({ "exp": i64::MAX }), "an exp at the end of numbers"),
            (json!({ "exp": 1e300 }), "an exp beyond numbers"),
            (json!({ "exp": null }), "no exp"),
            (json!({ "exp": (now + 60).to_string() }), "an exp in quotes"),
            (json!({ "nbf": now + 61 }), "not valid yet"),
            (json!({ "iat": now + 61 }), "from the future"),
            (json!({ "jti": "" }), "an empty jti"),
            (json!({ "jti": null }), "no jti"),
            (json!({ "jti": 5 }), "a jti that is a number"),
            (json!({ "jti": "j".repeat(513) }), "a jti without bounds"),
        ] {
            fails(world, &shop, over, what).await;
        }
        works(world, &shop, json!({}), "and the good one").await;
    }

    async fn a_header_that_is_not_as_it_should_be_is_refused(world: World) {
        let node = &world.node;
        let shop = shop(node, "ES256").await;
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" });
        for (header, what) in [
            (json!({ "alg": "none" }), "no algorithm"),
            (json!({ "alg": "None" }), "no algorithm in other letters"),
            (json!({ "alg": "RS256", "kid": shop.kid }), "another algorithm"),
            (json!({ "alg": "ES384", "kid": shop.kid }), "another curve"),
            (json!({ "alg": "HS256", "kid": shop.kid }), "a symmetric algorithm"),
            (json!({ "kid": shop.kid }), "no alg"),
            (json!({ "alg": "ES256", "kid": "another-kid" }), "an unknown kid"),
            (json!({ "alg": "ES256", "kid": "" }), "an empty kid"),
            (json!({ "alg": "ES256", "crit": ["exp"] }), "crit"),
            (json!({ "alg": "ES256", "crit": [] }), "an empty crit"),
            (json!({ "alg": "ES256", "jwk": jwk }), "a key of its own"),
            (json!({ "alg": "ES256", "jku": "https://keys.example/" }), "where a key is to be had"),
            (json!({ "alg": "ES256", "x5u": "https://keys.example/" }), "where a certificate is to be had"),
            (json!({ "alg": "ES256", "typ": "at+jwt" }), "an access token's typ"),
            (json!({ "alg": "ES256", "typ": "" }), "an empty typ"),
        ] {
            let assertion = shop.signer.sign(&header, &shop.claims(world, json!({})));
            refused(&ask(node, &assertion, ORDERS).await, what);
        }
        works(world, &shop, json!({}), "and the good one").await;
    }

    async fn a_signature_of_another_key_or_none_is_refused(world: World) {
        let node = &world.node;
        let shop = shop(node, "RS256").await;
        let desk = Desk::open(node).await;
        let other = Keyed::new(&desk, ORDERS, "RS256").await;
        let claims = || shop.claims(world, json!({}));
        let header = |alg: &str, kid: &str| json!({ "alg": alg, "kid": kid });
        let public = shop.signer.pem();
        let der: String = public.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(der).unwrap();
        let good = shop.assertion(world, json!({}));
        let (unsigned, signature) = good.rsplit_once('.').unwrap();
        let mut changed = signature.to_owned();
        changed.replace_range(10..11, if &signature[10..11] == "A" { "B" } else { "A" });
        let token = node.admin_token().await;
        for (assertion, what) in [
            (other.signer.sign(&header("RS256", &shop.kid), &claims()), "another application's key"),
            (other.signer.sign(&header("RS256", &other.kid), &claims()), "and its kid"),
            (Signer::new("EdDSA").sign(&header("EdDSA", &shop.kid), &claims()), "a key of the attacker's"),
            (shop.signer.sign_by("PS256", &header("PS256", &shop.kid), &claims()), "another padding"),
            (hmac_signed(public.as_bytes(), &header("HS256", &shop.kid), &claims()), "the public PEM as a secret"),
            (hmac_signed(&der, &header("HS256", &shop.kid), &claims()), "the public DER as a secret"),
            (hmac_signed(public.as_bytes(), &header("RS256", &shop.kid), &claims()), "the same under another alg"),
            (format!("{unsigned}."), "no signature"),
            (unsigned.to_owned(), "two parts"),
            (format!("{unsigned}.{changed}"), "a changed signature"),
            (format!("{good}.x"), "four parts"),
            (token, "an access token"),
            ("no.jwt.atall".to_owned(), "no JWT"),
            ("...".to_owned(), "dots"),
        ] {
            refused(&ask(node, &assertion, ORDERS).await, what);
        }
        // What failed before did not use it up.
        ask(node, &good, ORDERS).await.expect(StatusCode::OK);
    }

    async fn an_assertion_counts_once_here_elsewhere_and_after_a_restart(world: World) {
        let shop = shop(&world.node, "ES256").await;
        let other_node = world.another_node().await;
        let good = shop.assertion(world, json!({ "jti": "once" }));
        ask(&world.node, &good, ORDERS).await.expect(StatusCode::OK);
        refused(&ask(&world.node, &good, ORDERS).await, "again");
        refused(&ask(&other_node, &good, ORDERS).await, "on the other node");
        let by = [("token", "x")];
        refused(&present(&other_node, "/oauth/introspect", &good, &by).await, "at another endpoint");
        let same_jti = shop.assertion(world, json!({ "jti": "once", "exp": world.clock.now() + 90 }));
        refused(&ask(&other_node, &same_jti, ORDERS).await, "another assertion of the same jti");
        other_node.stop().await;
        let restarted = world.another_node().await;
        refused(&ask(&restarted, &good, ORDERS).await, "after a restart");
        let desk = Desk::open(&world.node).await;
        let other = Keyed::new(&desk, ORDERS, "ES256").await;
        works(world, &other, json!({ "jti": "once" }), "another application's jti").await;
        // As long as it would be good it is remembered, whatever is swept.
        world.clock.advance(119);
        grantor::sweep::once(&world.node.app.store, world.clock.now(), 100).await.unwrap();
        refused(&ask(&restarted, &good, ORDERS).await, "in its last second");
        restarted.stop().await;
    }

    /// Keys are parsed and known like secrets; only that it counts once is the database's affair.
    async fn an_assertion_costs_one_statement_and_a_bad_one_none(world: World) {
        let node = &world.node;
        let shop = shop(node, "ES256").await;
        works(world, &shop, json!({}), "known from here on").await;
        let before = node.app.store.statements_sent();
        for n in 1..=5 {
            works(world, &shop, json!({}), "a good one").await;
            fails(world, &shop, json!({ "aud": "https://elsewhere.example/" }), "a bad one").await;
            assert_eq!(node.app.store.statements_sent(), before + n);
        }
        let rows = world.database.sql().await.number("select count(*) from used_assertions").await;
        assert_eq!(rows, 6);
    }

    async fn of_sixteen_at_once_on_two_nodes_exactly_one_succeeds(world: World) {
        let shop = shop(&world.node, "ES256").await;
        let other_node = world.another_node().await;
        for round in 0..3 {
            let good = shop.assertion(world, json!({}));
            let running: Vec<_> = (0..16).map(|n| {
                let wire = if n % 2 == 0 { (*world.node).clone() } else { (*other_node).clone() };
                let good = good.clone();
                tokio::spawn(async move { ask(&wire, &good, ORDERS).await })
            }).collect();
            let mut successes = 0;
            for running in running {
                let answer = running.await.unwrap();
                if answer.status == StatusCode::OK {
                    successes += 1;
                } else {
                    refused(&answer, "a replay");
                }
            }
            assert_eq!(successes, 1, "round {round}");
        }
        other_node.stop().await;
    }

    async fn a_detached_or_expired_credential_opens_nothing(world: World) {
        let node = &world.node;
        let shop = shop(node, "ES256").await;
        let desk = Desk::open(node).await;
        let client = shop.client();
        let second = Signer::new("EdDSA");
        let soon = grantor::model::instant::to_rfc3339(world.clock.now() + 300);
        let added = add(&desk, &client, &second, json!({ "expires_at": soon })).await;
        let by_second = || {
            let header = json!({ "alg": "EdDSA", "kid": added.text("kid") });
            second.sign(&header, &shop.claims(world, json!({})))
        };
        refused(&ask(node, &by_second(), ORDERS).await, "not attached yet");
        attach(&desk, &client, &[&shop.credential, &added.text("id")]).await.expect(StatusCode::OK);
        works(world, &shop, json!({}), "the first").await;
        let answer = ask(node, &by_second(), ORDERS).await.expect(StatusCode::OK);
        assert_eq!(answer.json["expires_in"], 300, "no token outlives its credential");
        attach(&desk, &client, &[&added.text("id")]).await.expect(StatusCode::OK);
        fails(world, &shop, json!({}), "detached").await;
        world.clock.advance(299);
        ask(node, &by_second(), ORDERS).await.expect(StatusCode::OK);
        world.clock.advance(1);
        refused(&ask(node, &by_second(), ORDERS).await, "expired");
    }

    async fn with_private_key_jwt_no_secret_counts_and_without_it_no_assertion(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let secretive = node.api_and_application(ORDERS).await;
        let signer = Signer::new("ES256");
        let id = add(&desk, &secretive, &signer, json!({})).await.text("id");
        let claims = || json!({ "iss": secretive.id, "sub": secretive.id, "aud": ISSUER,
            "exp": world.clock.now() + 60, "jti": grantor::secret::random_text(16) });
        let good = || signer.sign(&json!({ "alg": "ES256" }), &claims());
        refused(&ask(node, &good(), ORDERS).await, "not attached");
        node.token(&secretive, ORDERS).await;
        let shown = attach(&desk, &secretive, &[&id]).await.expect(StatusCode::OK);
        assert!(shown.json.get("token_endpoint_auth_method").is_none());
        ask(node, &good(), ORDERS).await.expect(StatusCode::OK);
        let params = [("audience", ORDERS)];
        refused(&node.ask(&secretive, &params).await, "the secret in the header");
        let in_body = [("grant_type", "client_credentials"), ("audience", ORDERS),
            ("client_id", secretive.id.as_str()), ("client_secret", secretive.secret.as_str())];
        refused(&node.bare_form("/oauth/token", &in_body).await, "the secret in the body");
        refused(&node.bare_form("/oauth/token", &in_body[..3]).await, "no secret at all");
        let null = json!({ "client_authentication_methods": null });
        desk.patch(&format!("/clients/{}", secretive.id), null).await.expect(StatusCode::OK);
        refused(&ask(node, &good(), ORDERS).await, "taken away");
        node.token(&secretive, ORDERS).await;
    }

    async fn an_assertion_stands_alone(world: World) {
        let node = &world.node;
        let shop = shop(node, "ES256").await;
        let good = shop.assertion(world, json!({}));
        let two_ways = |answer: Answer| answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        let grant = [("grant_type", "client_credentials"), ("audience", ORDERS)];
        let with = |more: &[(&'static str, &str)]| {
            let more: Vec<_> = more.iter().map(|&(k, v)| (k, v.to_owned())).collect();
            let params: Vec<_> = grant.iter().map(|&(k, v)| (k, v.to_owned())).chain(more).collect();
            params
        };
        let send = async |params: Vec<(&str, String)>| {
            let request = node.request(reqwest::Method::POST, "/oauth/token");
            node.send(request.form(&params)).await
        };
        two_ways(send(with(&[("client_assertion", &good), ("client_assertion_type", JWT_BEARER), ("client_secret", "x")])).await);
        two_ways(send(with(&[("client_assertion", &good)])).await);
        two_ways(send(with(&[("client_assertion_type", JWT_BEARER), ("client_id", &shop.id)])).await);
        let request = node.request(reqwest::Method::POST, "/oauth/token").basic_auth(&shop.id, Some("x"));
        let params = with(&[("client_assertion", &good), ("client_assertion_type", JWT_BEARER)]);
        two_ways(node.send(request.form(&params)).await);
        let request = node.request(reqwest::Method::POST, "/oauth/introspect").bearer_auth(node.admin_token().await);
        let params = [("token", "x"), ("client_assertion", &good), ("client_assertion_type", JWT_BEARER)];
        two_ways(node.send(request.form(&params)).await);
        let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
        refused(&send(with(&[("client_assertion", &good), ("client_assertion_type", saml)])).await, "another kind");
        let named = |id: &str| with(&[("client_assertion", &good), ("client_assertion_type", JWT_BEARER), ("client_id", id)]);
        refused(&send(named("another")).await, "another client_id beside it");
        let long = "x".repeat(16 * 1024 + 1);
        two_ways(send(with(&[("client_assertion", &long), ("client_assertion_type", JWT_BEARER)])).await);
        let query = format!("/oauth/token?client_assertion={good}");
        two_ways(node.bare_form(&query, &grant).await);
        send(named(&shop.id)).await.expect(StatusCode::OK);
    }

    async fn the_token_endpoint_is_taken_for_the_audience_where_that_is_set(world: World, "GRANTOR_CLIENT_ASSERTION__ACCEPT_TOKEN_ENDPOINT_AUDIENCE" = "true", "GRANTOR_CLIENT_ASSERTION__LIFETIME_SECONDS_MAX" = "3600") {
        let shop = shop(&world.node, "ES256").await;
        let now = world.clock.now();
        works(world, &shop, json!({ "aud": TOKEN_ENDPOINT }), "the token endpoint").await;
        works(world, &shop, json!({}), "the issuer").await;
        fails(world, &shop, json!({ "aud": "https://grantor.test/token" }), "another spelling").await;
        fails(world, &shop, json!({ "aud": [TOKEN_ENDPOINT] }), "an array").await;
        works(world, &shop, json!({ "exp": now + 3600 }), "a longer exp").await;
        fails(world, &shop, json!({ "exp": now + 3661 }), "an exp that is too far away").await;
    }

    async fn an_application_that_has_ended_does_not_use_its_assertion_up(world: World) {
        let node = &world.node;
        let shop = shop(node, "ES256").await;
        let desk = Desk::open(node).await;
        let path = format!("/clients/{}", shop.id);
        let soon = grantor::model::instant::to_rfc3339(world.clock.now() + 10);
        desk.patch(&path, json!({ "expires_at": soon })).await.expect(StatusCode::OK);
        world.clock.advance(10);
        let good = shop.assertion(world, json!({}));
        refused(&ask(node, &good, ORDERS).await, "ended");
        desk.patch(&path, json!({ "expires_at": null })).await.expect(StatusCode::OK);
        ask(node, &good, ORDERS).await.expect(StatusCode::OK);
    }
}
