//! Request objects by value (RFC 9101, OpenID Connect Core §6.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Desk, overlay};
use crate::harness::{
    CALLBACK, CHALLENGE, Credentials, ISSUER, Node, Person, World, authorize_path, both_stores,
    exchange, usual,
};
use crate::shop::{self, ORDERS, refused, stays_here};
use crate::signer::{Signer, add};

/// A shop with a key that signs its requests.
struct Signing {
    client: Credentials,
    signer: Signer,
    kid: String,
    credential: String,
}

impl Signing {
    async fn open(node: &Node, alg: &'static str) -> Self {
        let client = shop::open(node, json!({})).await;
        let desk = Desk::open(node).await;
        let signer = Signer::new(alg);
        let added = add(&desk, &client, &signer, json!({})).await;
        let (credential, kid) = (added.text("id"), added.text("kid"));
        let listed = json!({ "credentials": [{ "id": credential }] });
        shop::change(node, &client, json!({ "signed_request_object": listed })).await;
        Self {
            client,
            signer,
            kid,
            credential,
        }
    }

    fn header(&self) -> Value {
        json!({ "alg": self.signer.alg, "kid": self.kid, "typ": "oauth-authz-req+jwt" })
    }

    /// Good claims, and members over them; null takes one away.
    fn claims(&self, world: &World, over: Value) -> Value {
        let mut claims = json!({
            "iss": self.client.id, "aud": ISSUER, "exp": world.clock.now() + 60, "client_id": self.client.id,
            "response_type": "code", "redirect_uri": CALLBACK, "scope": "openid read", "audience": ORDERS,
            "state": "the state", "nonce": "the nonce", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        });
        overlay(&mut claims, over);
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        claims
    }

    fn object(&self, world: &World, over: Value) -> String {
        self.signer.sign(&self.header(), &self.claims(world, over))
    }
}

/// The error of a request object that stands beside good parameters.
async fn error_of(world: &World, shop: &Signing, object: &str) -> String {
    refused(
        &Person::stranger(),
        &world.node,
        &shop.client,
        &[("request", object)],
    )
    .await
}

both_stores! {
    /// RFC 9101 §5 and §6.3: only what is inside counts, and numbers, lists and objects are as in JSON
    /// (OpenID Connect Core §6.1).
    async fn what_was_signed_is_what_counts(world: World) {
        let node = &world.node;
        let shop = Signing::open(node, "RS256").await;
        let ann = Person::create(node, "ann@example.com").await;
        let further = json!({ "max_age": 600, "claims": { "id_token": { "email": null } }, "resource": [ORDERS], "audience": null, "validity_period": 77 });
        let object = shop.object(world, further);
        let beside = [
            ("client_id", shop.client.id.as_str()), ("request", &object), ("scope", "openid write"),
            ("redirect_uri", "https://evil.example/"), ("state", "another"), ("response_type", "token"),
        ];
        let answer = ann.authorize(node, &beside).await.answer();
        assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("the state", ISSUER));
        let tokens = exchange(node, &shop.client, &answer["code"], &[]).await.expect(StatusCode::OK);
        assert_eq!(tokens.text("scope"), "openid read");
        assert_eq!(tokens.json["expires_in"], 77);
        let id_token = crate::harness::claims(&tokens.text("id_token"));
        assert_eq!(id_token["email"], "ann@example.com");
        // Parameters of the outside are not used even where the inside lacks one.
        let lacking = shop.object(world, json!({ "response_type": null }));
        assert_eq!(error_of(world, &shop, &lacking).await, "invalid_request");
        let form = [("client_id", shop.client.id.as_str()), ("request", object.as_str())];
        assert!(ann.send(node, "/authorize", &form).await.answer().contains_key("code"));
        // It came through the browser: it may only shorten (lifetime.md).
        let longer = shop.object(world, json!({ "validity_period": 100_000 }));
        let code = ann.open(node, &authorize_path(&[("client_id", &shop.client.id), ("request", &longer)])).await.answer()["code"].clone();
        let tokens = exchange(node, &shop.client, &code, &[]).await.expect(StatusCode::OK);
        assert_eq!(tokens.json["expires_in"], 86400);
    }

    /// RFC 9101 §6.1, §6.2 and §10; RFC 8725 §3.
    async fn nothing_that_only_looks_like_one_is_taken(world: World) {
        let node = &world.node;
        let shop = Signing::open(node, "RS256").await;
        let other = shop::application(node, json!({ "name": "Other" })).await;
        let now = world.clock.now();
        let fine = [
            json!({}), json!({ "aud": [ISSUER, "https://other.example/"] }), json!({ "exp": now + 600 }),
            json!({ "nbf": now }), json!({ "client_id": null }), json!({ "sub": "auth0|x" }),
        ];
        for over in fine {
            let over = { let mut all = over; overlay(&mut all, json!({ "prompt": "none" })); all };
            assert_eq!(error_of(world, &shop, &shop.object(world, over.clone())).await, "login_required", "{over}");
        }
        for over in [
            json!({ "iss": null }), json!({ "iss": other.id }), json!({ "iss": ISSUER }),
            json!({ "aud": null }), json!({ "aud": "https://other.example/" }), json!({ "aud": [] }), json!({ "aud": shop.client.id }),
            json!({ "exp": null }), json!({ "exp": now - 60 }), json!({ "exp": now + 661 }), json!({ "exp": "soon" }),
            json!({ "nbf": now + 61 }), json!({ "client_id": other.id }), json!({ "client_id": 1 }),
            json!({ "sub": shop.client.id }),
            json!({ "request": "x" }), json!({ "request_uri": "https://app.example/" }),
        ] {
            assert_eq!(error_of(world, &shop, &shop.object(world, over.clone())).await, "invalid_request_object", "{over}");
        }
        let claims = shop.claims(world, json!({}));
        for over in [
            json!({ "alg": "none" }), json!({ "alg": "HS256" }), json!({ "alg": "PS256" }), json!({ "alg": "RS384" }),
            json!({ "kid": "another-kid" }), json!({ "typ": "client-authentication+jwt" }), json!({ "typ": "at+jwt" }),
            json!({ "crit": ["exp"] }), json!({ "jku": "https://app.example/jwks" }), json!({ "x5u": "https://app.example/x" }),
            json!({ "jwk": { "kty": "oct", "k": "AAAA" } }),
        ] {
            let mut header = shop.header();
            overlay(&mut header, over);
            let object = shop.signer.sign(&header, &claims);
            assert_eq!(error_of(world, &shop, &object).await, "invalid_request_object", "{header}");
        }
        for typ in [json!("JWT"), json!(null)] {
            let mut header = shop.header();
            overlay(&mut header, json!({ "typ": typ }));
            header.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            let object = shop.signer.sign(&header, &shop.claims(world, json!({ "prompt": "none" })));
            assert_eq!(error_of(world, &shop, &object).await, "login_required");
        }
        let object = shop.object(world, json!({}));
        let mut parts: Vec<_> = object.split('.').collect();
        let changed = URL_SAFE_NO_PAD.encode(shop.claims(world, json!({ "scope": "openid write" })).to_string());
        parts[1] = &changed;
        let unsigned = format!("{}.{}.", parts[0], parts[1]);
        let strangers = Signer::new("RS256").sign(&shop.header(), &claims);
        for object in [parts.join("."), unsigned, strangers, "x".into(), "..".into(), "a.b.c.d.e".into()] {
            assert_eq!(error_of(world, &shop, &object).await, "invalid_request_object", "{object}");
        }
        // Without a redirect URI beside it that is the application's own, a page says so.
        let path = authorize_path(&[("client_id", shop.client.id.as_str()), ("request", "x.y.z"), ("scope", "openid")]);
        let page = stays_here(&Person::stranger(), node, &path).await;
        assert!(page.contains("invalid_request_object"), "{page}");
        let inside = shop.object(world, json!({ "redirect_uri": "https://evil.example/" }));
        let path = authorize_path(&usual(&shop.client, &[("request", &inside)]));
        stays_here(&Person::stranger(), node, &path).await;
    }

    /// RFC 9101 §10.5, and Auth0's `signed_request_object`.
    async fn an_application_may_be_held_to_signing(world: World) {
        let node = &world.node;
        let shop = Signing::open(node, "ES256").await;
        let desk = Desk::open(node).await;
        let path = format!("/clients/{}", shop.client.id);
        let listed = json!([{ "id": shop.credential }]);
        let required = json!({ "signed_request_object": { "required": true, "credentials": listed } });
        let changed = desk.patch(&path, required.clone()).await.expect(StatusCode::OK);
        assert_eq!(changed.json["signed_request_object"], required["signed_request_object"]);
        let somebody = Person::stranger();
        assert_eq!(refused(&somebody, node, &shop.client, &[]).await, "invalid_request");
        shop::push(node, &shop.client, &[]).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        let object = shop.object(world, json!({ "prompt": "none" }));
        assert_eq!(error_of(world, &shop, &object).await, "login_required");
        // RFC 9126 §3: pushed, the credentials of the application stand beside it.
        let form = [("request", object.as_str())];
        let pushed = node.form("/oauth/par", &shop.client, &form).await.expect(StatusCode::CREATED);
        let by_reference = shop::by_reference(&shop.client, &pushed.text("request_uri"), &[]);
        assert_eq!(somebody.open(node, &by_reference).await.answer()["error"], "login_required");
        // A key that signs requests proves nothing else, and it is not deleted while it is listed.
        let credential = format!("{path}/credentials/{}", shop.credential);
        desk.delete(&credential).await.expect(StatusCode::CONFLICT);
        let assertion = shop.signer.sign(
            &json!({ "alg": "ES256", "kid": shop.kid }),
            &json!({ "iss": shop.client.id, "sub": shop.client.id, "aud": ISSUER, "exp": world.clock.now() + 60, "jti": "a" }),
        );
        let asked = crate::signer::ask(node, &assertion, ORDERS).await;
        asked.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        desk.patch(&path, json!({ "signed_request_object": null })).await.expect(StatusCode::OK);
        assert_eq!(error_of(world, &shop, &object).await, "invalid_request_object");
        desk.delete(&credential).await.expect(StatusCode::NO_CONTENT);
        let unknown = json!({ "signed_request_object": { "credentials": [{ "id": "unknown" }] } });
        desk.patch(&path, unknown).await.expect(StatusCode::BAD_REQUEST);
    }

    /// A new application brings its keys along, and one that authenticates by keys signs with those.
    async fn keys_come_with_the_application_or_are_those_it_authenticates_by(world: World) {
        let node = &world.node;
        shop::open(node, json!({})).await;
        let desk = Desk::open(node).await;
        let signer = Signer::new("PS256");
        let key = json!({ "credential_type": "public_key", "alg": "PS256", "pem": signer.pem(), "kid": "the-key-of-requests" });
        let fields = json!({
            "name": "Signing", "app_type": "regular_web", "callbacks": [CALLBACK], "grant_types": ["authorization_code"],
            "signed_request_object": { "required": true, "credentials": [key] },
        });
        let created = desk.post("/clients", fields).await.expect(StatusCode::CREATED);
        let id = created.json["signed_request_object"]["credentials"][0]["id"].as_str().unwrap();
        assert!(id.starts_with("cred_"), "{created:?}");
        let client = Credentials { id: created.text("client_id"), secret: created.text("client_secret") };
        let shop = Signing { client, signer, kid: "the-key-of-requests".into(), credential: id.to_owned() };
        let object = shop.object(world, json!({ "prompt": "none" }));
        assert_eq!(error_of(world, &shop, &object).await, "login_required");
        let path = format!("/clients/{}", shop.client.id);
        let methods = json!({ "private_key_jwt": { "credentials": [{ "id": shop.credential }] } });
        let body = json!({ "client_authentication_methods": methods, "signed_request_object": { "required": true } });
        desk.patch(&path, body).await.expect(StatusCode::OK);
        assert_eq!(error_of(world, &shop, &object).await, "login_required");
        let said = node.send(node.request(Method::GET, "/.well-known/oauth-authorization-server")).await.json;
        assert_eq!(said["request_parameter_supported"], true);
        assert_eq!(said["request_uri_parameter_supported"], false);
        assert!(said["request_object_signing_alg_values_supported"].as_array().unwrap().contains(&json!("PS256")));
    }
}
