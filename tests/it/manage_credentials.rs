//! Public keys of applications: storing, attaching, ending and deleting them, and who may.

use grantor::model::instant::to_rfc3339;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, members, no_nulls, not_supported, overlay, refused};
use crate::harness::{ADMIN_ID, Answer, Credentials, ISSUER, MANAGEMENT, both_stores};
use crate::manage_rights::{ORDERS, clerk, lacks};
use crate::signer::{Keyed, Signer, add, ask, attach};

/// A file of `tests/data/public_keys/`; what it holds stands in its name.
fn pem(name: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    std::fs::read_to_string(format!("{root}/tests/data/public_keys/{name}.pem")).unwrap()
}

fn path(client: &Credentials) -> String {
    format!("/clients/{}/credentials", client.id)
}

fn client_path(client: &Credentials) -> String {
    format!("/clients/{}", client.id)
}

/// Sends a key of the fixtures; the fields lie over the least that is needed.
async fn send(desk: &Desk<'_>, client: &Credentials, name: &str, fields: Value) -> Answer {
    let mut body = json!({ "credential_type": "public_key", "pem": pem(name) });
    overlay(&mut body, fields);
    desk.post(&path(client), body).await
}

both_stores! {
    async fn the_least_that_is_needed_gives_auth0s_answer(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        let now = to_rfc3339(world.clock.now());
        let created = send(&desk, &shop, "rsa_2048", json!({})).await.expect(StatusCode::CREATED);
        assert_eq!(members(&created.json), ["alg", "created_at", "credential_type", "id", "kid", "updated_at"]);
        let id = created.text("id");
        assert!(id.len() == 27 && id.starts_with("cred_"), "{id}");
        assert_eq!(created.json["alg"], "RS256");
        assert_eq!(created.json["credential_type"], "public_key");
        assert_eq!(created.text("kid").len(), 43, "its thumbprint (RFC 7638)");
        assert_eq!(created.text("created_at"), now);
        assert_eq!(created.text("updated_at"), now);
        let one = desk.shown(&format!("{}/{id}", path(&shop))).await;
        assert_eq!(one, created.json);
        assert_eq!(desk.shown(&path(&shop)).await, json!([created.json]));
        no_nulls(&one);
    }

    async fn all_that_can_be_set_comes_back(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        let end = to_rfc3339(world.clock.now() + 86_400);
        for (n, (name, alg)) in [("rsa_2048", "RS384"), ("rsa_2048_exponent_3", "PS256"), ("p256", "ES256"), ("ed25519", "EdDSA")].into_iter().enumerate() {
            let kid = format!("Key-{n}_of_tests");
            let fields = json!({ "alg": alg, "kid": kid, "name": "Ünï \"x\"", "expires_at": end });
            let created = send(&desk, &shop, name, fields).await.expect(StatusCode::CREATED).json;
            assert_eq!(created["alg"], alg);
            assert_eq!(created["kid"], kid);
            assert_eq!(created["name"], "Ünï \"x\"");
            assert_eq!(created["expires_at"], end.as_str());
        }
        assert_eq!(desk.shown(&path(&shop)).await.as_array().unwrap().len(), 4);
    }

    async fn a_certificate_lends_its_key_and_if_asked_its_end(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        let until_2100 = "2100-01-01T00:00:00.000Z";
        let kid = |n: u8| format!("kid-number-{n}");
        let cert = async |fields: Value| send(&desk, &shop, "certificate_rsa_2100", fields).await;
        let plain = cert(json!({ "kid": kid(1) })).await.expect(StatusCode::CREATED).json;
        assert_eq!(plain["thumbprint_sha256"], "HGVu0vyAC1vfVFL3byM9ewM8v7JbSNWjD8XGQYg4aLc");
        assert!(plain.get("expires_at").is_none());
        let parsed = cert(json!({ "kid": kid(2), "parse_expiry_from_cert": true })).await;
        assert_eq!(parsed.expect(StatusCode::CREATED).json["expires_at"], until_2100);
        let own = json!({ "kid": kid(3), "parse_expiry_from_cert": true, "expires_at": "2099-01-01T00:00:00Z" });
        let own = cert(own).await.expect(StatusCode::CREATED);
        assert_eq!(own.json["expires_at"], "2099-01-01T00:00:00.000Z", "what is named wins");
        let typed = cert(json!({ "kid": kid(4), "credential_type": "x509_cert" })).await;
        let typed = typed.expect(StatusCode::CREATED).json;
        assert_eq!((&typed["credential_type"], &typed["expires_at"]), (&json!("x509_cert"), &json!(until_2100)));
        let ended = json!({ "alg": "ES256", "parse_expiry_from_cert": true });
        refused(send(&desk, &shop, "certificate_p256_2020", ended).await, "pem");
        for fields in [json!({ "parse_expiry_from_cert": true }), json!({ "credential_type": "x509_cert" })] {
            refused(send(&desk, &shop, "rsa_2048", fields).await, "pem");
        }
    }

    async fn what_is_no_good_key_is_refused_by_name_and_nothing_is_stored(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        for (name, alg) in [("rsa_1024", "RS256"), ("rsa_2048_exponent_1", "RS256"), ("p384", "ES256"), ("secp256k1", "ES256"), ("p256", "RS256"), ("rsa_2048", "ES256"), ("ed25519", "PS256"), ("p256_compressed", "ES256")] {
            refused(send(&desk, &shop, name, json!({ "alg": alg })).await, "pem");
        }
        let private = pem("p256").replace("PUBLIC", "PRIVATE");
        let answer = refused(send(&desk, &shop, "p256", json!({ "alg": "ES256", "pem": private })).await, "pem");
        assert!(answer.text("message").contains("private key"));
        let past = to_rfc3339(world.clock.now());
        for (fields, property) in [
            (json!({ "pem": "" }), "pem"),
            (json!({ "pem": "rubbish" }), "pem"),
            (json!({ "pem": "x".repeat(20_000) }), "pem"),
            (json!({ "pem": 5 }), "pem"),
            (json!({ "alg": "HS256" }), "alg"),
            (json!({ "alg": "none" }), "alg"),
            (json!({ "alg": "RS512" }), "alg"),
            (json!({ "kid": "too-short" }), "kid"),
            (json!({ "kid": "k".repeat(65) }), "kid"),
            (json!({ "kid": "with a space in it" }), "kid"),
            (json!({ "name": "n".repeat(129) }), "name"),
            (json!({ "expires_at": past }), "expires_at"),
            (json!({ "expires_at": "tomorrow" }), "expires_at"),
            (json!({ "expires_at": null }), "expires_at"),
            (json!({ "parse_expiry_from_cert": "yes" }), "parse_expiry_from_cert"),
            (json!({ "credential_type": "password" }), "credential_type"),
            (json!({ "secret": "x" }), "secret"),
        ] {
            refused(send(&desk, &shop, "rsa_2048", fields).await, property);
        }
        let missing = desk.post(&path(&shop), json!({ "credential_type": "public_key" })).await;
        refused(missing, "pem");
        refused(desk.post(&path(&shop), json!({ "pem": pem("rsa_2048") })).await, "credential_type");
        let mutual = json!({ "credential_type": "cert_subject_dn", "subject_dn": "CN=x" });
        not_supported(send(&desk, &shop, "rsa_2048", mutual).await, "credential_type");
        not_supported(send(&desk, &shop, "rsa_2048", json!({ "subject_dn": "CN=x" })).await, "subject_dn");
        assert_eq!(desk.shown(&path(&shop)).await, json!([]));
    }

    async fn a_key_is_stored_once_and_five_are_the_most(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        send(&desk, &shop, "rsa_2048", json!({})).await.expect(StatusCode::CREATED);
        let same = send(&desk, &shop, "rsa_2048_pkcs1", json!({})).await;
        same.expect_problem(StatusCode::CONFLICT, "resource_conflict");
        let other = desk.application(json!({})).await;
        send(&desk, &other, "rsa_2048", json!({})).await.expect(StatusCode::CREATED);
        for n in 0..4 {
            send(&desk, &shop, "p256", json!({ "alg": "ES256", "kid": format!("kid-number-{n}") })).await.expect(StatusCode::CREATED);
        }
        let sixth = send(&desk, &shop, "ed25519", json!({ "alg": "EdDSA" })).await;
        let sixth = sixth.expect_problem(StatusCode::CONFLICT, "resource_conflict");
        assert!(sixth.text("message").contains('5'));
        let id = desk.shown(&path(&shop)).await[0]["id"].as_str().unwrap().to_owned();
        desk.delete(&format!("{}/{id}", path(&shop))).await.expect(StatusCode::NO_CONTENT);
        send(&desk, &shop, "ed25519", json!({ "alg": "EdDSA" })).await.expect(StatusCode::CREATED);
    }

    async fn only_the_end_of_a_credential_can_be_changed(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        let created = send(&desk, &shop, "rsa_2048", json!({})).await.expect(StatusCode::CREATED);
        let one = format!("{}/{}", path(&shop), created.text("id"));
        world.clock.advance(5);
        let end = to_rfc3339(world.clock.now() + 60);
        let changed = desk.patch(&one, json!({ "expires_at": end })).await.expect(StatusCode::OK);
        assert_eq!(changed.json["expires_at"], end.as_str());
        assert_eq!(changed.text("updated_at"), to_rfc3339(world.clock.now()));
        assert_eq!(changed.json["created_at"], created.json["created_at"]);
        assert_eq!(desk.shown(&one).await, changed.json);
        let unchanged = desk.patch(&one, json!({})).await.expect(StatusCode::OK);
        assert_eq!(unchanged.json, changed.json);
        let cleared = desk.patch(&one, json!({ "expires_at": null })).await.expect(StatusCode::OK);
        assert!(cleared.json.get("expires_at").is_none());
        for (fields, property) in [(json!({ "name": "x" }), "name"), (json!({ "alg": "RS384" }), "alg"), (json!({ "pem": "x" }), "pem"),
            (json!({ "expires_at": to_rfc3339(world.clock.now()) }), "expires_at")] {
            refused(desk.patch(&one, fields).await, property);
        }
    }

    async fn a_credential_of_another_application_is_out_of_reach(world: World) {
        let desk = Desk::open(&world.node).await;
        let (shop, other) = (desk.application(json!({})).await, desk.application(json!({})).await);
        let id = send(&desk, &shop, "rsa_2048", json!({})).await.expect(StatusCode::CREATED).text("id");
        let through_other = format!("{}/{id}", path(&other));
        desk.get(&through_other).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_credential");
        desk.patch(&through_other, json!({ "expires_at": null })).await.expect(StatusCode::NOT_FOUND);
        desk.delete(&through_other).await.expect(StatusCode::NO_CONTENT);
        refused(attach(&desk, &other, &[&id]).await, "client_authentication_methods.private_key_jwt.credentials[].id");
        assert_eq!(desk.shown(&path(&shop)).await.as_array().unwrap().len(), 1);
        for gone in ["/clients/nobody/credentials", "/clients/nobody/secrets"] {
            desk.get(gone).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_client");
        }
        let body = json!({ "credential_type": "public_key", "pem": pem("rsa_2048") });
        desk.post("/clients/nobody/credentials", body).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_client");
    }

    async fn attaching_is_shown_and_an_attached_credential_is_not_deleted(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({ "token_endpoint_auth_method": "client_secret_post" })).await;
        let mut ids = Vec::new();
        for (name, alg) in [("rsa_2048", "RS256"), ("p256", "ES256")] {
            ids.push(send(&desk, &shop, name, json!({ "alg": alg })).await.expect(StatusCode::CREATED).text("id"));
        }
        let methods = |ids: &[&str]| {
            let ids: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
            json!({ "private_key_jwt": { "credentials": ids } })
        };
        let both = attach(&desk, &shop, &[&ids[1], &ids[0], &ids[1]]).await.expect(StatusCode::OK);
        assert_eq!(both.json["client_authentication_methods"], methods(&[&ids[1], &ids[0]]));
        assert!(both.json.get("token_endpoint_auth_method").is_none(), "it gives way");
        let listed = desk.shown("/clients").await;
        let listed = listed.as_array().unwrap().iter().find(|own| own["client_id"] == shop.id.as_str()).unwrap();
        assert_eq!(listed["client_authentication_methods"], methods(&[&ids[1], &ids[0]]));
        let one = format!("{}/{}", path(&shop), ids[0]);
        desk.delete(&one).await.expect_problem(StatusCode::CONFLICT, "resource_conflict");
        attach(&desk, &shop, &[&ids[1]]).await.expect(StatusCode::OK);
        desk.delete(&one).await.expect(StatusCode::NO_CONTENT);
        desk.delete(&one).await.expect(StatusCode::NO_CONTENT);
        let none = attach(&desk, &shop, &[]).await.expect(StatusCode::OK);
        assert_eq!(none.json["client_authentication_methods"], methods(&[]));
        let back = json!({ "client_authentication_methods": null, "token_endpoint_auth_method": "client_secret_basic" });
        let back = desk.patch(&client_path(&shop), back).await.expect(StatusCode::OK);
        assert!(back.json.get("client_authentication_methods").is_none());
        assert_eq!(back.json["token_endpoint_auth_method"], "client_secret_basic");
    }

    async fn private_key_jwt_and_a_method_with_secrets_exclude_each_other(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        let id = send(&desk, &shop, "rsa_2048", json!({})).await.expect(StatusCode::CREATED).text("id");
        let by_key = json!({ "private_key_jwt": { "credentials": [{ "id": id }] } });
        let own = client_path(&shop);
        let both = json!({ "client_authentication_methods": by_key, "token_endpoint_auth_method": "client_secret_post" });
        refused(desk.patch(&own, both).await, "token_endpoint_auth_method");
        let null = json!({ "client_authentication_methods": by_key, "token_endpoint_auth_method": null });
        desk.patch(&own, null).await.expect(StatusCode::OK);
        refused(desk.patch(&own, json!({ "token_endpoint_auth_method": "none" })).await, "token_endpoint_auth_method");
        desk.patch(&own, json!({ "token_endpoint_auth_method": null, "name": "x" })).await.expect(StatusCode::OK);
        refused(desk.patch(&own, json!({ "client_secret": "a secret of one's own" })).await, "client_secret");
        for endpoint in ["rotate-secret", "secrets"] {
            let answer = desk.post(&format!("{own}/{endpoint}"), json!({})).await;
            let answer = not_supported(answer, "client_authentication_methods");
            assert!(answer.text("message").contains("client_secret_jwt is not offered"));
        }
        for (methods, property) in [
            (json!({}), "client_authentication_methods"),
            (json!([]), "client_authentication_methods"),
            (json!({ "private_key_jwt": {} }), "client_authentication_methods.private_key_jwt.credentials"),
            (json!({ "private_key_jwt": { "credentials": [{}] } }), "client_authentication_methods.private_key_jwt.credentials[].id"),
            (json!({ "private_key_jwt": { "credentials": [{ "id": "cred_unknown" }] } }), "client_authentication_methods.private_key_jwt.credentials[].id"),
            (json!({ "client_secret_jwt": {} }), "client_authentication_methods.client_secret_jwt"),
        ] {
            refused(desk.patch(&own, json!({ "client_authentication_methods": methods })).await, property);
        }
        for name in ["tls_client_auth", "self_signed_tls_client_auth"] {
            let methods = json!({ name: { "credentials": [{ "id": id }] } });
            let answer = desk.patch(&own, json!({ "client_authentication_methods": methods })).await;
            not_supported(answer, &format!("client_authentication_methods.{name}"));
        }
        assert_eq!(desk.shown(&own).await["client_authentication_methods"], by_key);
    }

    async fn an_application_is_created_with_its_keys_and_without_a_secret(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({})).await;
        let signer = Signer::new("ES256");
        let key = json!({ "credential_type": "public_key", "pem": signer.pem(), "alg": "ES256", "name": "first" });
        let body = |credentials: Value| json!({
            "name": "Keyed", "app_type": "non_interactive",
            "client_authentication_methods": { "private_key_jwt": { "credentials": credentials } },
        });
        let created = desk.post("/clients", body(json!([key]))).await.expect(StatusCode::CREATED);
        assert!(created.json.get("client_secret").is_none(), "{created:?}");
        let id = created.text("client_id");
        let client = Credentials { id: id.clone(), secret: String::new() };
        desk.grant(&client, ORDERS, json!({})).await;
        let stored = desk.shown(&path(&client)).await;
        assert_eq!(stored[0]["name"], "first");
        let attached = &created.json["client_authentication_methods"]["private_key_jwt"]["credentials"];
        assert_eq!(attached, &json!([{ "id": stored[0]["id"] }]));
        let claims = json!({ "iss": id, "sub": id, "aud": ISSUER, "exp": world.clock.now() + 60, "jti": "1" });
        let assertion = signer.sign(&json!({ "alg": "ES256" }), &claims);
        ask(node, &assertion, ORDERS).await.expect(StatusCode::OK);
        let prefix = "client_authentication_methods.private_key_jwt.credentials[]";
        refused(desk.post("/clients", body(json!([{ "credential_type": "public_key", "pem": "x" }]))).await, &format!("{prefix}.pem"));
        refused(desk.post("/clients", body(json!([{ "id": stored[0]["id"] }]))).await, &format!("{prefix}.id"));
        desk.post("/clients", body(json!([key, key]))).await.expect(StatusCode::CONFLICT);
        let mut with_secret = body(json!([key]));
        overlay(&mut with_secret, json!({ "client_secret": "a secret of one's own" }));
        refused(desk.post("/clients", with_secret).await, "client_secret");
        let all = desk.shown("/clients").await;
        assert_eq!(all.as_array().unwrap().len(), 2, "nothing of what was refused is there");
    }

    async fn a_token_for_an_application_with_keys_ends_with_the_key_that_lives_longest(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        let shop = Keyed::new(&desk, ORDERS, "ES256").await;
        let (own, token) = (path(&shop.client()), format!("/clients/{}/tokens", shop.id));
        let generate = async || desk.post(&token, json!({ "audience": ORDERS })).await;
        assert_eq!(generate().await.expect(StatusCode::CREATED).json["expires_in"], 86_400);
        let end = json!({ "expires_at": to_rfc3339(world.clock.now() + 300) });
        desk.patch(&format!("{own}/{}", shop.credential), end).await.expect(StatusCode::OK);
        assert_eq!(generate().await.expect(StatusCode::CREATED).json["expires_in"], 300);
        // Its secret sleeps, so without a key it could get none by itself.
        attach(&desk, &shop.client(), &[]).await.expect(StatusCode::OK);
        let refused = generate().await;
        assert!(refused.status.is_client_error() && refused.text("message").contains("no live secret or credential"), "{refused:?}");
    }

    async fn a_change_is_in_force_on_the_other_node_within_a_second(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        let shop = Keyed::new(&desk, ORDERS, "ES256").await;
        let other_node = world.another_node().await;
        let asks = async || ask(&other_node, &shop.assertion(world, json!({})), ORDERS).await.status;
        assert_eq!(asks().await, StatusCode::OK);
        attach(&desk, &shop.client(), &[]).await.expect(StatusCode::OK);
        crate::harness::within(grantor::directory::FRESH_MAX, async || asks().await == StatusCode::UNAUTHORIZED).await;
        other_node.stop().await;
    }
}

both_stores! {
    /// Keys are another way to become an application, so the rules of secrets hold.
    async fn a_clerk_cannot_become_the_administrator_by_a_key(world: World) {
        let node = &world.node;
        let held = ["create:client_credentials", "update:client_credentials", "delete:client_credentials",
            "read:client_credentials", "update:clients", "read:clients"];
        let (_, clerk, _) = clerk(node, &held).await;
        let admin = Credentials::admin();
        let signer = Signer::new("ES256");
        let body = json!({ "credential_type": "public_key", "alg": "ES256", "pem": signer.pem() });
        lacks(clerk.post(&path(&admin), body).await, &["delete:clients", "create:client_grants"]);
        // The administrator has put one there; the clerk does not get it into force, nor alive again.
        let desk = Desk::open(node).await;
        let end = to_rfc3339(world.clock.now() + 100);
        let stored = add(&desk, &admin, &signer, json!({ "expires_at": end })).await.text("id");
        lacks(attach(&clerk, &admin, &[&stored]).await, &["delete:clients"]);
        lacks(attach(&clerk, &admin, &[]).await, &["delete:clients"]);
        let one = format!("{}/{stored}", path(&admin));
        for longer in [json!(null), json!(to_rfc3339(world.clock.now() + 101))] {
            lacks(clerk.patch(&one, json!({ "expires_at": longer })).await, &["delete:clients"]);
        }
        let sooner = json!({ "expires_at": to_rfc3339(world.clock.now() + 50) });
        clerk.patch(&one, sooner).await.expect(StatusCode::OK);
        world.clock.advance(50);
        let desk = Desk::with_token(node, node.token(&admin, MANAGEMENT).await);
        lacks(clerk.patch(&one, json!({ "expires_at": to_rfc3339(world.clock.now() + 50) })).await, &["delete:clients"]);
        assert_eq!(desk.shown(&format!("/clients/{ADMIN_ID}")).await.get("client_authentication_methods"), None);
        clerk.delete(&one).await.expect(StatusCode::NO_CONTENT);
    }

    async fn taking_a_key_away_needs_no_more_than_the_scope_and_waking_secrets_does(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({})).await;
        let mighty = Keyed::new(&desk, ORDERS, "ES256").await;
        let client = mighty.client();
        let second = add(&desk, &client, &Signer::new("ES256"), json!({})).await.text("id");
        attach(&desk, &client, &[&mighty.credential, &second]).await.expect(StatusCode::OK);
        desk.grant(&client, MANAGEMENT, json!({ "scope": ["delete:clients"] })).await;
        let (_, clerk, _) = clerk(node, &["update:client_credentials", "update:clients"]).await;
        attach(&clerk, &client, &[&second]).await.expect(StatusCode::OK);
        attach(&clerk, &client, &[]).await.expect(StatusCode::OK);
        lacks(attach(&clerk, &client, &[&second]).await, &["delete:clients"]);
        let null = json!({ "client_authentication_methods": null });
        lacks(clerk.patch(&client_path(&client), null.clone()).await, &["delete:clients"]);
        desk.patch(&client_path(&client), null).await.expect(StatusCode::OK);
    }

    async fn keys_need_update_client_credentials_and_all_else_update_clients(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = desk.application(json!({})).await;
        let id = add(&desk, &shop, &Signer::new("ES256"), json!({})).await.text("id");
        let keys = Desk::with_scopes(node, &["update:client_credentials"]).await;
        let fields = Desk::with_scopes(node, &["update:clients", "update:client_keys"]).await;
        lacks(attach(&fields, &shop, &[&id]).await, &["update:client_credentials"]);
        lacks(keys.patch(&client_path(&shop), json!({ "name": "x" })).await, &["update:clients"]);
        let both = json!({ "name": "x", "client_authentication_methods": null });
        lacks(keys.patch(&client_path(&shop), both).await, &["update:clients"]);
        let secret = json!({ "client_secret": "a secret of one's own" });
        lacks(keys.patch(&client_path(&shop), secret).await, &["update:client_keys"]);
        attach(&keys, &shop, &[&id]).await.expect(StatusCode::OK);
    }
}
