//! What Grantor says of itself (RFC 8414, OpenID Connect Discovery 1.0, RFC 7517), word for word. What
//! it says of the endpoints that applications ask is tried here, each value; what it says of the
//! authorization endpoint is tried in `authorize_*.rs` and `request_objects.rs`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::model::public_key::AssertionAlgorithm;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{Answer, Credentials, ISSUER, Node, World, both_stores, claims, header};
use crate::signer::{Keyed, ask, present};

const ORDERS: &str = "https://orders.example/";
const METADATA: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const KEY_SET: &str = "/.well-known/jwks.json";

async fn get(node: &Node, path: &str) -> Answer {
    node.send(node.request(Method::GET, path)).await
}

async fn metadata(node: &Node) -> Value {
    get(node, METADATA).await.expect(StatusCode::OK).json
}

/// The path of an advertised URL of the test's host.
fn path_of(metadata: &Value, name: &str) -> String {
    let url = url::Url::parse(metadata[name].as_str().unwrap()).unwrap();
    assert_eq!(url.origin().ascii_serialization(), "https://grantor.test");
    url.path().to_owned()
}

/// The grant types that always exist, and those that the tenant must open.
const GRANT_TYPES: [&str; 5] = [
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "password",
    "http://auth0.com/oauth/grant-type/password-realm",
];
const ALWAYS_THERE: usize = 3;

/// An application for each kind of method.
struct Clients<'w> {
    world: &'w World,
    secretive: Credentials,
    public: Credentials,
    keyed: Keyed,
}

impl Clients<'_> {
    /// A token of the application that authenticates by the method.
    async fn token(&self, method: &str) -> String {
        let node = &self.world.node;
        if method != "private_key_jwt" {
            return node.token(&self.secretive, ORDERS).await;
        }
        let assertion = self.keyed.assertion(self.world, json!({}));
        let answer = ask(node, &assertion, ORDERS).await;
        answer.expect(StatusCode::OK).text("access_token")
    }
}

/// Authenticates by an advertised method.
async fn by(
    clients: &Clients<'_>,
    (path, method): (&str, &str),
    params: &[(&str, &str)],
) -> Answer {
    let node = &clients.world.node;
    let client = match method {
        "none" => &clients.public,
        _ => &clients.secretive,
    };
    let id = ("client_id", client.id.as_str());
    let secret = ("client_secret", client.secret.as_str());
    match method {
        "client_secret_basic" => node.form(path, client, params).await,
        "client_secret_post" => {
            node.bare_form(path, &[params, &[id, secret]].concat())
                .await
        }
        "none" => node.bare_form(path, &[params, &[id]].concat()).await,
        "private_key_jwt" => {
            let assertion = clients.keyed.assertion(clients.world, json!({}));
            present(node, path, &assertion, params).await
        }
        other => panic!("{other} is advertised and nobody knows how to use it"),
    }
}

fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|text| text.as_str().unwrap()).collect()
}

both_stores! {
    async fn the_document_says_this_and_nothing_else(world: World) {
        let node = &world.node;
        let signed_by = ["RS256", "RS384", "PS256", "ES256", "EdDSA"];
        let with_proof = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
        let or_public = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
        let expected = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://grantor.test/authorize",
            "token_endpoint": "https://grantor.test/oauth/token",
            "revocation_endpoint": "https://grantor.test/oauth/revoke",
            "introspection_endpoint": "https://grantor.test/oauth/introspect",
            "userinfo_endpoint": "https://grantor.test/userinfo",
            "end_session_endpoint": "https://grantor.test/oidc/logout",
            "jwks_uri": "https://grantor.test/.well-known/jwks.json",
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "refresh_token_expiration_types_supported": ["authorization", "token_timeout"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post", "web_message"],
            "code_challenge_methods_supported": ["S256"],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "claims_parameter_supported": true,
            "authorization_response_iss_parameter_supported": true,
            "request_parameter_supported": true,
            "request_object_signing_alg_values_supported": signed_by,
            "require_signed_request_object": false,
            "pushed_authorization_request_endpoint": "https://grantor.test/oauth/par",
            "require_pushed_authorization_requests": false,
            "request_uri_parameter_supported": false,
            "ui_locales_supported": ["en", "de", "es"],
            "scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA", "RS512"],
            "acr_values_supported": ["urn:grantor:acr:password"],
            "claim_types_supported": ["normal"],
            "claims_supported": ["sub", "name", "family_name", "given_name", "middle_name", "nickname",
                "preferred_username", "profile", "picture", "website", "gender", "birthdate", "zoneinfo",
                "locale", "updated_at", "email", "email_verified", "address", "phone_number",
                "phone_number_verified", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"],
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
            "token_endpoint_auth_methods_supported": or_public,
            "token_endpoint_auth_signing_alg_values_supported": signed_by,
            "revocation_endpoint_auth_methods_supported": or_public,
            "revocation_endpoint_auth_signing_alg_values_supported": signed_by,
            "introspection_endpoint_auth_methods_supported": with_proof,
            "introspection_endpoint_auth_signing_alg_values_supported": signed_by,
        });
        assert_eq!(metadata(node).await, expected);
        // Both names, one document.
        assert_eq!(get(node, OPENID).await.expect(StatusCode::OK).json, expected);
        let admin = node.admin_token().await;
        assert_eq!(claims(&admin)["iss"], expected["issuer"]);
    }

    async fn every_endpoint_works_by_every_method_that_is_advertised(world: World) {
        let node = &world.node;
        let secretive = node.api_and_application(ORDERS).await;
        let public = json!({ "token_endpoint_auth_method": "none" });
        let public = node.create_application(public).await;
        let desk = Desk::open(node).await;
        let said = metadata(node).await;
        let token_endpoint = path_of(&said, "token_endpoint");
        let methods = &said["token_endpoint_auth_methods_supported"];
        let mut token = String::new();
        let keyed = Keyed::new(&desk, ORDERS, "ES256").await;
        let clients = Clients { world, secretive, public, keyed };
        for method in texts(methods) {
            let params = [("grant_type", "client_credentials"), ("audience", ORDERS)];
            let answer = by(&clients, (&token_endpoint, method), &params).await;
            if method == "none" {
                // Who it is was believed; what a public application gets are tokens of users.
                answer.expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");
            } else {
                token = answer.expect(StatusCode::OK).text("access_token");
            }
        }
        let introspection = path_of(&said, "introspection_endpoint");
        for method in texts(&said["introspection_endpoint_auth_methods_supported"]) {
            let own = clients.token(method).await;
            let seen = by(&clients, (&introspection, method), &[("token", own.as_str())]).await;
            assert_eq!(seen.expect(StatusCode::OK).json["active"], true, "{method}");
        }
        let revocation = path_of(&said, "revocation_endpoint");
        let admin = node.admin_token().await;
        for method in texts(&said["revocation_endpoint_auth_methods_supported"]) {
            let own = clients.token(method).await;
            let params = [("token", own.as_str())];
            by(&clients, (&revocation, method), &params).await.expect(StatusCode::OK);
            assert_eq!(node.is_active_to(&admin, &own).await, method == "none");
        }
        for endpoint in ["token", "revocation", "introspection"] {
            let algs = &said[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
            for alg in texts(algs) {
                let alg = AssertionAlgorithm::parse(alg).unwrap().as_str();
                let clients = Keyed::new(&desk, ORDERS, alg).await;
                let path = path_of(&said, &format!("{endpoint}_endpoint"));
                let params = [("grant_type", "client_credentials"), ("audience", ORDERS), ("token", "x")];
                let assertion = clients.assertion(world, json!({}));
                present(node, &path, &assertion, &params).await.expect(StatusCode::OK);
            }
        }
        let keys = get(node, &path_of(&said, "jwks_uri")).await.expect(StatusCode::OK);
        let kid = header(&token)["kid"].clone();
        assert!(keys.json["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid));
    }

    async fn every_grant_type_that_is_advertised_is_there_and_no_other(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({})).await;
        let application = desk.application(json!({ "grant_types": GRANT_TYPES })).await;
        desk.grant(&application, ORDERS, json!({})).await;
        // What each of them needs, none of it good.
        let brought = [
            ("audience", ORDERS),
            ("code", "x"),
            ("redirect_uri", "https://app.example/"),
            ("refresh_token", "x"),
            ("username", "nobody"),
            ("password", "x"),
            ("realm", "Username-Password-Authentication"),
        ];
        for (is_open, advertised) in [(false, &GRANT_TYPES[..ALWAYS_THERE]), (true, &GRANT_TYPES)] {
            let flags = json!({ "flags": { "allow_password_grant": is_open } });
            desk.patch("/tenants/settings", flags).await.expect(StatusCode::OK);
            let said = metadata(node).await;
            assert_eq!(texts(&said["grant_types_supported"]), advertised);
            for grant_type in GRANT_TYPES {
                let params = [&brought[..], &[("grant_type", grant_type)]].concat();
                let answer = node.form(&path_of(&said, "token_endpoint"), &application, &params).await;
                let expected = match grant_type {
                    "client_credentials" => Value::Null,
                    _ if advertised.contains(&grant_type) => json!("invalid_grant"),
                    _ => json!("unsupported_grant_type"),
                };
                assert_eq!(answer.json["error"], expected, "{grant_type}: {answer:?}");
                assert_eq!(answer.status == StatusCode::OK, expected.is_null(), "{grant_type}");
            }
        }
    }

    /// OpenID Connect Discovery §3: what is required is there. §4.1 and §4.2: at the issuer's URL with the
    /// well-known name behind it, JSON. §4.3: `issuer` is that URL, exactly.
    async fn what_openid_requires_is_said(world: World) {
        let node = &world.node;
        let answer = get(node, OPENID).await.expect(StatusCode::OK);
        assert_eq!(answer.headers["content-type"], "application/json");
        let said = answer.json;
        assert_eq!(said["issuer"], ISSUER);
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
            assert!(said[name].as_str().unwrap().starts_with(ISSUER), "{name}");
        }
        for (name, value) in [
            ("response_types_supported", "code"),
            ("subject_types_supported", "public"),
            ("id_token_signing_alg_values_supported", "RS256"),
            ("scopes_supported", "openid"),
        ] {
            assert!(texts(&said[name]).contains(&value), "{name}");
        }
        // §3: without any members, and not empty, what is zero.
        for (name, value) in said.as_object().unwrap() {
            assert!(!value.as_array().is_some_and(Vec::is_empty), "{name}");
        }
    }

    async fn the_documents_follow_the_tenants_settings(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let set = async |fields: Value| {
            desk.patch("/tenants/settings", fields).await.expect(StatusCode::OK);
        };
        set(json!({ "flags": { "allow_front_channel_tokens": true } })).await;
        let said = metadata(node).await;
        let all = ["code", "token", "id_token", "id_token token", "code id_token", "code token", "code id_token token"];
        assert_eq!(texts(&said["response_types_supported"]), all);
        assert!(texts(&said["grant_types_supported"]).contains(&"implicit"));
        set(json!({ "flags": { "allow_front_channel_tokens": false } })).await;
        assert_eq!(texts(&metadata(node).await["response_types_supported"]), ["code"]);
        for is_announced in [false, true] {
            let own = json!({ "rp_logout_end_session_endpoint_discovery": is_announced });
            set(json!({ "oidc_logout": own })).await;
            assert_eq!(metadata(node).await.get("end_session_endpoint").is_some(), is_announced);
        }
    }

    async fn the_documents_may_be_kept_as_long_as_they_say_and_read_from_anywhere(
        world: World, "GRANTOR_KEYS__JWKS_MAX_AGE_SECONDS" = "120"
    ) {
        let node = &world.node;
        let ages = [(METADATA, "public, max-age=300"), (OPENID, "public, max-age=300"), (KEY_SET, "public, max-age=120")];
        for (path, caching) in ages {
            let answer = get(node, path).await.expect(StatusCode::OK);
            assert_eq!(answer.headers["cache-control"], caching, "{path}");
            assert_eq!(answer.headers["content-type"], "application/json", "{path}");
            assert_eq!(answer.headers["access-control-allow-origin"], "*", "{path}");
            assert!(answer.headers.contains_key("x-request-id"), "{path}");
            let head = node.send(node.request(Method::HEAD, path)).await.expect(StatusCode::OK);
            assert_eq!((head.body.as_str(), &head.headers["cache-control"]),
                ("", &answer.headers["cache-control"]));
            node.send(node.request(Method::POST, path)).await
                .expect(StatusCode::METHOD_NOT_ALLOWED);
        }
        // What is not for everybody is not for every page either.
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/api/v2/clients"] {
            let request = node.request(Method::POST, path).header("origin", "https://evil.example");
            let answer = node.send(request).await;
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
        }
    }

    async fn the_keys_are_public_rsa_keys_under_their_thumbprints(world: World) {
        let node = &world.node;
        let key_set = get(node, KEY_SET).await.expect(StatusCode::OK).json;
        let keys = key_set["keys"].as_array().unwrap();
        assert!(!keys.is_empty());
        let mut kids = std::collections::BTreeSet::new();
        for key in keys {
            let mut members: Vec<_> = key.as_object().unwrap().keys().collect();
            members.sort_unstable();
            assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
            let said = [&key["kty"], &key["alg"], &key["use"], &key["e"]];
            assert_eq!(said.map(|text| text.as_str().unwrap()), ["RSA", "RS256", "sig", "AQAB"]);
            let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
            assert!(modulus.len() >= 256 && modulus[0] != 0, "at least 2048 bits");
            let jwk: Jwk = serde_json::from_value(key.clone()).unwrap();
            assert_eq!(key["kid"], json!(jwk.thumbprint(ThumbprintHash::SHA256).unwrap()));
            kids.insert(key["kid"].as_str().unwrap().to_owned());
        }
        assert_eq!(kids.len(), keys.len());
        // All nodes of a database publish the same, and check each other's tokens by it.
        let other = world.another_node().await;
        let same = get(&other, KEY_SET).await.expect(StatusCode::OK).json;
        let kids_of = |key_set: &Value| {
            let keys = key_set["keys"].as_array().unwrap().iter();
            keys.map(|key| key["kid"].to_string()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(kids_of(&same), kids_of(&key_set));
        let token = other.admin_token().await;
        assert!(node.is_active(&Credentials::admin(), &token).await);
        other.stop().await;
    }

    async fn what_is_not_built_is_neither_advertised_nor_there(world: World) {
        let node = &world.node;
        let said = metadata(node).await;
        for (name, path) in [
            ("registration_endpoint", "/oidc/register"),
            ("device_authorization_endpoint", "/oauth/device/code"),
        ] {
            assert!(said.get(name).is_none(), "{name}");
            get(node, path).await.expect_error(StatusCode::NOT_FOUND, "not_found");
        }
    }

    async fn an_issuer_with_a_path_is_served_there_and_at_the_root(
        world: World, "GRANTOR_ISSUER" = "https://grantor.test/auth/eu"
    ) {
        let node = &world.node;
        let issuer = "https://grantor.test/auth/eu/";
        // RFC 8414 §3.1 puts the path behind the well-known name; many clients put it in front.
        let said = get(node, &format!("{METADATA}/auth/eu")).await.expect(StatusCode::OK).json;
        assert_eq!(said["issuer"], issuer);
        for name in [METADATA, OPENID] {
            for path in [format!("{name}/auth/eu"), format!("/auth/eu{name}"), name.to_owned()] {
                let answer = get(node, &path).await.expect(StatusCode::OK);
                assert_eq!(answer.json, said, "{path}");
                assert_eq!(answer.headers["access-control-allow-origin"], "*", "{path}");
            }
        }
        let (admin, management) = (Credentials::admin(), format!("{issuer}api/v2/"));
        for stripped in ["", "/auth/eu"] {
            let path = |name: &str| {
                let path = path_of(&said, name);
                assert!(path.starts_with("/auth/eu/"), "{path}");
                path[stripped.len()..].to_owned()
            };
            let params = [("grant_type", "client_credentials"), ("audience", &management)];
            let token = node.form(&path("token_endpoint"), &admin, &params).await;
            let token = token.expect(StatusCode::OK).text("access_token");
            assert_eq!(claims(&token)["iss"], issuer);
            let keys = get(node, &path("jwks_uri")).await.expect(StatusCode::OK).json;
            let kid = header(&token)["kid"].clone();
            assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid));
            let clients = url::Url::parse(&management).unwrap().join("clients").unwrap();
            let clients = &clients.path()[stripped.len()..];
            let list = async || {
                let request = node.request(Method::GET, clients).bearer_auth(&token);
                node.send(request).await.status
            };
            assert_eq!(list().await, StatusCode::OK);
            let params = [("token", token.as_str())];
            let seen = node.form(&path("introspection_endpoint"), &admin, &params).await;
            assert_eq!(seen.expect(StatusCode::OK).json["iss"], issuer);
            let revoked = node.form(&path("revocation_endpoint"), &admin, &params).await;
            revoked.expect(StatusCode::OK);
            assert_eq!(list().await, StatusCode::UNAUTHORIZED);
        }
        // The system APIs are named after this issuer and no other.
        node.ask(&admin, &[("audience", crate::harness::MANAGEMENT)]).await
            .expect_error(StatusCode::FORBIDDEN, "access_denied");
        get(node, "/auth/oauth/token").await.expect(StatusCode::NOT_FOUND);
        get(node, "/auth/eu/nothing").await.expect_error(StatusCode::NOT_FOUND, "not_found");
    }
}
