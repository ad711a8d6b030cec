//! An attacker with a Management token of a single scope tries every way there is to end up with more
//! (compatibility.md §6, "rights of a Management token"). What counts is the outcome: whatever the
//! attacker knows and was ever answered, no Management token comes out of it with a further scope.

mod scene;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{
    Answer, Credentials, ISSUER, MANAGEMENT, Node, World, api_path, both_stores, claims, header,
};
use crate::manage_rights::{operations, scopes};
use crate::signed_in::{family, sign_in};
use crate::{manage_user_imports, manage_users};
use scene::{KNOWN_SECRET, PUBLIC_KEY, Scene};

/// A try, and how it ends for whoever holds a scope of the operation.
struct Attack {
    method: Method,
    path: String,
    body: Value,
    /// 2xx: it is let through, and gives nothing.
    ends: u16,
}

fn of(method: Method, path: impl Into<String>, body: Value, ends: u16) -> Attack {
    let path = path.into();
    Attack {
        method,
        path,
        body,
        ends,
    }
}

fn post(path: impl Into<String>, body: Value, ends: u16) -> Attack {
    of(Method::POST, path, body, ends)
}

fn patch(path: impl Into<String>, body: Value, ends: u16) -> Attack {
    of(Method::PATCH, path, body, ends)
}

/// To become a mightier application: by its secret, by a key, by waking it.
fn becoming(scene: &Scene) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for target in [&scene.mighty, &scene.expired, &scene.idle] {
        let path = format!("/clients/{target}");
        attacks.extend([
            patch(&path, json!({ "client_secret": KNOWN_SECRET }), 403),
            post(format!("{path}/rotate-secret"), json!({}), 403),
            post(format!("{path}/rotate-secret"), json!({ "grace_seconds": 2_592_000 }), 403),
            post(format!("{path}/secrets"), json!({}), 403),
            post(format!("{path}/credentials"), json!({ "credential_type": "public_key", "pem": PUBLIC_KEY }), 403),
            patch(&path, json!({ "client_authentication_methods": { "private_key_jwt": { "credentials": [] } } }), 403),
        ]);
    }
    // Secrets that the attacker has kept, of applications that get nothing with them at present.
    let path = |target: &str| format!("/clients/{target}");
    attacks.extend([
        patch(path(&scene.expired), json!({ "expires_at": null }), 403),
        patch(path(&scene.expired), json!({ "expires_at": "2099-01-01T00:00:00Z" }), 403),
        patch(path(&scene.idle), json!({ "grant_types": ["client_credentials"] }), 403),
        patch(path(&scene.public), json!({ "token_endpoint_auth_method": null }), 403),
        patch(path(&scene.public), json!({ "token_endpoint_auth_method": "client_secret_post" }), 403),
        patch(path(&scene.keyed), json!({ "client_authentication_methods": null }), 403),
        patch(path(&scene.keyed), json!({ "client_authentication_methods": null, "token_endpoint_auth_method": "client_secret_basic" }), 403),
        patch(format!("{}/credentials/{}", path(&scene.keyed), scene.credential), json!({ "expires_at": null }), 403),
        patch(
            path(&scene.keyed),
            json!({ "client_authentication_methods": { "private_key_jwt": { "credentials": [{ "id": scene.spare }] } } }),
            403,
        ),
        // Taking something away is not handing it out.
        patch(path(&scene.mighty), json!({ "token_endpoint_auth_method": "client_secret_basic" }), 200),
        patch(path(&scene.mighty), json!({ "expires_at": "2098-01-01T00:00:00Z" }), 200),
        patch(path(&scene.mighty), json!({ "expires_at": "2099-01-01T00:00:00Z" }), 403),
    ]);
    attacks
}

/// To have a token made, by whatever name the Management API is called.
fn tokens(scene: &Scene) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (target, ends) in [
        (&scene.mighty, 403),
        (&scene.keyed, 403),
        (&scene.expired, 400),
        (&scene.idle, 400),
        (&scene.public, 400),
    ] {
        let path = format!("/clients/{target}/tokens");
        attacks.extend([
            post(&path, json!({ "audience": MANAGEMENT }), ends),
            post(&path, json!({ "audiences": [MANAGEMENT] }), ends),
            post(&path, json!({ "audience": MANAGEMENT, "scope": ["delete:clients", "update:client_grants"] }), ends),
            post(&path, json!({ "audience": MANAGEMENT, "validity_period": -1, "revoke_previous": true }), ends),
        ]);
    }
    // Of everything that is granted, system APIs excepted: nothing is.
    attacks.push(post(
        format!("/clients/{}/tokens", scene.mighty),
        json!({}),
        400,
    ));
    attacks
}

/// To be granted more, oneself or through a second application.
fn grants(scene: &Scene) -> Vec<Attack> {
    let own = format!("/client-grants/{}", scene.own_grant);
    let of_mighty = format!("/client-grants/{}", scene.mighty_grant);
    let mut attacks = Vec::new();
    let all = json!(scene.all_scopes);
    for client_id in [&scene.attacker.id, &scene.second] {
        let with = |more: Value| {
            let mut body = json!({ "client_id": client_id, "audience": MANAGEMENT });
            crate::desk::overlay(&mut body, more);
            body
        };
        attacks.extend([
            post("/client-grants", with(json!({ "allow_all_scopes": true })), 403),
            post("/client-grants", with(json!({ "allow_all_scopes": true, "scope": [] })), 403),
            post("/client-grants", with(json!({ "scope": all })), 403),
            post("/client-grants", with(json!({ "allow_all_scopes": true, "subject_type": "user" })), 403),
            post("/client-grants", with(json!({ "audience": MANAGEMENT.trim_end_matches('/'), "allow_all_scopes": true })), 404),
        ]);
    }
    attacks.extend([
        patch(&own, json!({ "allow_all_scopes": true }), 403),
        patch(&own, json!({ "scope": all }), 403),
        patch(
            &own,
            json!({ "scope": all, "allow_all_scopes": false }),
            403,
        ),
        patch(&own, json!({ "client_id": scene.mighty }), 400),
        patch(&of_mighty, json!({ "client_id": scene.attacker.id }), 400),
        patch(&of_mighty, json!({ "expires_at": null }), 403),
    ]);
    attacks
}

/// To turn a system API into something of one's own, or something of one's own into a system API.
fn apis(scene: &Scene) -> Vec<Attack> {
    let management = api_path(MANAGEMENT);
    let own = format!("/clients/{}", scene.attacker.id);
    let mut attacks = vec![
        patch(
            &management,
            json!({ "scopes": [{ "value": "everything" }] }),
            400,
        ),
        patch(&management, json!({ "scopes": [] }), 400),
        patch(&management, json!({ "token_dialect": "opaque" }), 400),
        patch(&management, json!({ "name": "Mine" }), 400),
        patch(&management, json!({ "identifier": "urn:mine" }), 400),
        patch(
            &management,
            json!({ "signing_alg": "HS256", "signing_secret": KNOWN_SECRET }),
            400,
        ),
        patch(
            &management,
            json!({ "subject_type_authorization": { "client": { "policy": "deny_all" } } }),
            400,
        ),
        patch(&management, json!({ "token_lifetime": 86_401 }), 400),
        of(Method::DELETE, &management, Value::Null, 400),
        patch(
            "/tenants/settings",
            json!({ "default_audience": MANAGEMENT }),
            400,
        ),
        patch(
            "/tenants/settings",
            json!({ "default_audience": MANAGEMENT.trim_end_matches('/') }),
            400,
        ),
    ];
    let taken = [
        (MANAGEMENT.to_owned(), 409),
        (MANAGEMENT.trim_end_matches('/').to_owned(), 409),
        (format!("{ISSUER}api/v2/more"), 400),
        (ISSUER.to_owned(), 400),
    ];
    for (identifier, ends) in taken {
        attacks.push(post(
            "/resource-servers",
            json!({ "identifier": identifier, "scopes": [{ "value": "delete:clients" }] }),
            ends,
        ));
    }
    // The resource server of the Management API could introspect everybody's tokens for it.
    for identifier in [MANAGEMENT, MANAGEMENT.trim_end_matches('/')] {
        let body = json!({ "name": "Mine", "app_type": "resource_server", "resource_server_identifier": identifier });
        let ends = if identifier == MANAGEMENT { 400 } else { 404 };
        attacks.extend([
            post("/clients", body.clone(), ends),
            patch(&own, body, ends),
        ]);
    }
    attacks
}

fn all(scene: &Scene) -> Vec<Attack> {
    [becoming(scene), tokens(scene), grants(scene), apis(scene)]
        .into_iter()
        .flatten()
        .collect()
}

/// Whether a scope opens the operation at all; members of a body may need another.
fn opens(attack: &Attack, scope: &str) -> bool {
    let path = attack.path.split('/').collect::<Vec<_>>();
    let is_of = |route: &str| {
        let route: Vec<_> = route.split('/').collect();
        route.len() == path.len()
            && route
                .iter()
                .zip(&path)
                .all(|(own, part)| own == part || own.starts_with('{'))
    };
    operations().iter().any(|operation| {
        let is_asked = operation.method == attack.method && is_of(&operation.route);
        let is_enough = !operation.needs_all;
        is_asked && is_enough && operation.scopes.iter().any(|own| own == scope)
    })
}

/// 403 `insufficient_scope` that names a scope which the attacker does not hold.
fn is_forbidden(answer: &Answer, held: &str) -> bool {
    let message = answer.json["message"].as_str().unwrap_or_default();
    let named = message.split(|c: char| !(c.is_ascii_lowercase() || matches!(c, ':' | '_')));
    let mut named = named.filter(|word| word.contains(':') && word.len() > 1);
    answer.status == StatusCode::FORBIDDEN
        && answer.json["errorCode"] == "insufficient_scope"
        && named.any(|scope| scope.trim_matches(':') != held)
}

/// Everything, with one scope; what went otherwise than it should.
async fn escalate(world: &World, scope: &str, all_scopes: &[String]) -> Vec<String> {
    let node = &world.node;
    let scene = Scene::set(world, scope, all_scopes).await;
    let desk = Desk::with_token(node, scene.token.clone());
    let mut breaches = Vec::new();
    let mut answers = Vec::new();
    for attack in all(&scene) {
        let body = (!attack.body.is_null()).then(|| attack.body.clone());
        let answer = desk.send(attack.method.clone(), &attack.path, body).await;
        let ends_well = match (opens(&attack, scope), attack.ends) {
            (false, _) | (true, 403) => is_forbidden(&answer, scope),
            // Which scope a member of the body needs is told elsewhere; 403 is never wrong here.
            (true, ends) => answer.status == ends || is_forbidden(&answer, scope),
        };
        if !ends_well {
            breaches.push(format!(
                "{scope}: {} {} {}: {} {}",
                attack.method, attack.path, attack.body, answer.status, answer.body
            ));
        }
        answers.push(answer.json);
    }
    breaches.extend(scene.escaped(node, &answers).await);
    breaches
}

both_stores! {
    async fn no_single_scope_can_be_turned_into_another(world: World) {
        let all_scopes = scopes(&world.node).await;
        let mut breaches = Vec::new();
        for scope in &all_scopes {
            breaches.extend(escalate(world, scope, &all_scopes).await);
        }
        assert!(breaches.is_empty(), "\n{} breaches\n{}\n", breaches.len(), breaches.join("\n"));
    }

    /// The usual confusions: a verifier that takes HS256 with the public key, an application's secret or
    /// nothing for the key.
    async fn nobody_forges_a_management_token_with_hs256(world: World) {
        let node = &world.node;
        let shop = node.api_and_application("urn:orders").await;
        let good = node.admin_token().await;
        let keys = node.send(node.request(Method::GET, "/.well-known/jwks.json")).await;
        let modulus = keys.json["keys"][0]["n"].as_str().unwrap();
        let raw_modulus = URL_SAFE_NO_PAD.decode(modulus).unwrap();
        let candidates: [&[u8]; 6] = [
            b"",
            shop.secret.as_bytes(),
            crate::harness::ADMIN_SECRET.as_bytes(),
            modulus.as_bytes(),
            &raw_modulus,
            keys.body.as_bytes(),
        ];
        for kid in [header(&good)["kid"].clone(), json!("unknown"), json!("../keys")] {
            for key in candidates {
                let head = json!({ "alg": "HS256", "typ": "JWT", "kid": kid });
                let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
                let message = format!("{}.{}", part(&head), part(&claims(&good)));
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
                let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
                let answer = Desk::with_token(node, forged.clone()).get("/clients").await;
                answer.expect(StatusCode::UNAUTHORIZED);
                assert!(!node.is_active(&Credentials::admin(), &forged).await);
            }
        }
    }

    async fn an_api_that_is_made_anew_inherits_no_grants_and_no_tokens(world: World) {
        let node = &world.node;
        let victim = node.api_and_application("urn:orders").await;
        let token = node.token(&victim, "urn:orders").await;
        let desk = Desk::with_scopes(node, &["delete:resource_servers", "create:resource_servers"]).await;
        desk.delete(&api_path("urn:orders")).await.expect(StatusCode::NO_CONTENT);
        desk.api("urn:orders", json!({ "scopes": [{ "value": "everything" }] })).await;
        node.ask(&victim, &[("audience", "urn:orders")]).await.expect_error(StatusCode::FORBIDDEN, "access_denied");
        assert!(!node.is_active(&victim, &token).await);
    }

    async fn an_application_that_is_made_anew_is_another(world: World) {
        let node = &world.node;
        let victim = node.api_and_application("urn:orders").await;
        let desk = Desk::with_scopes(node, &["delete:clients", "create:clients"]).await;
        desk.delete(&format!("/clients/{}", victim.id)).await.expect(StatusCode::NO_CONTENT);
        crate::desk::refused(desk.post("/clients", json!({ "name": "Shop", "client_id": victim.id })).await, "client_id");
        node.ask(&victim, &[("audience", "urn:orders")]).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    }

    async fn one_apis_resource_server_neither_sees_nor_ends_anothers_tokens(world: World) {
        let node = &world.node;
        let victim = node.api_and_application("urn:orders").await;
        node.create_api("urn:other", json!({})).await;
        let body = json!({ "app_type": "resource_server", "resource_server_identifier": "urn:other" });
        let other = node.create_application(body).await;
        let token = node.token(&victim, "urn:orders").await;
        assert_eq!(node.introspect(&other, &token).await, json!({ "active": false }));
        node.revoke(&other, &token).await;
        assert!(node.is_active(&victim, &token).await, "it ended another API's token");
    }

    /// Every answer of every reading, for every secret that was ever shown.
    async fn no_reading_shows_a_secret_again(world: World) {
        let all_scopes = scopes(&world.node).await;
        let scene = Scene::set(world, "read:clients", &all_scopes).await;
        let shown = scene.shown_secrets(&world.node).await;
        assert!(shown.len() >= 8, "{shown:?}");
        let desk = Desk::open(&world.node).await;
        let more = [manage_users::PASSWORD, "argon2", "$2b$", "verifier", "PRIVATE KEY"];
        for path in readings(&world.node, &scene).await {
            let answer = desk.get(&path).await.expect(StatusCode::OK);
            for secret in shown.iter().map(String::as_str).chain(more) {
                assert!(!answer.body.contains(secret), "{path} holds {secret}");
            }
        }
    }
}

/// A path for each operation that reads, with ids that exist.
async fn readings(node: &Node, scene: &Scene) -> Vec<String> {
    let kid = node
        .send(node.request(Method::GET, "/.well-known/jwks.json"))
        .await
        .json["keys"][0]["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    let log = Desk::open(node).await.get("/logs").await.json[0]["log_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let email = "ann@a.example";
    let user = manage_users::create(&Desk::open(node).await, json!({ "email": email })).await;
    let hash = "$2b$04$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u";
    let users =
        json!([{ "email": "b@a.example", "password_hash": hash }, { "password_hash": hash }]);
    let job = manage_user_imports::upload(node, &[("users", &users.to_string())]).await;
    let job = job.expect(StatusCode::ACCEPTED).text("id");
    let user_id = user["user_id"].as_str().unwrap();
    let session = sign_in(&node.app, user_id, &[&scene.second]).await;
    let family = family(&node.app, user_id, &scene.second).await;
    let fill = |route: &str| {
        let route = match route.split('/').nth(1).unwrap() {
            "clients" => route
                .replace("{id}", &scene.keyed)
                .replace("{client_id}", &scene.keyed)
                .replace("{credential_id}", &scene.credential),
            "client-grants" => route.replace("{id}", &scene.mighty_grant),
            "keys" => route.replace("{kid}", &kid),
            "logs" => route.replace("{id}", &log),
            "users" => route.replace("/users/{id}", &manage_users::path(&user)),
            "sessions" => route.replace("{id}", &session),
            "refresh-tokens" if route.contains('{') => route.replace("{id}", &family),
            "refresh-tokens" => format!("{route}?user_id={user_id}"),
            "user-blocks" if route.contains('{') => route.replace("{id}", user_id),
            "user-blocks" => format!("{route}?identifier={email}"),
            "users-by-email" => format!("{route}?email={email}"),
            "jobs" => route.replace("{id}", &job),
            "resource-servers" => route.replace("/resource-servers/{id}", &api_path(MANAGEMENT)),
            _ => route.to_owned(),
        };
        if route.ends_with("/token-lifetime") {
            format!("{route}?client_id={}", scene.keyed)
        } else {
            route
        }
    };
    let reading = operations()
        .into_iter()
        .filter(|operation| operation.method == Method::GET);
    let paths: Vec<_> = reading.map(|operation| fill(&operation.route)).collect();
    assert!(
        paths.iter().all(|path| !path.contains('{')),
        "a reading that this test cannot ask: {paths:?}"
    );
    paths
}
