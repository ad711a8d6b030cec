//! `POST /api/v2/jobs/users-imports`: users of another system, with the hashes of their passwords.

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use grantor::users::authenticate::Outcome;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{Answer, Credentials, MANAGEMENT, Node, World, both_stores};
use crate::manage_passwords::{sign_in, signed_in};
use crate::manage_users::create;

const BOUNDARY: &str = "boundary-of-the-tests";

/// A form with parts of these names, by hand: what it looks like is what is tested.
fn form(parts: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        let file = if *name == "users" {
            "; filename=\"users.json\"\r\nContent-Type: application/json"
        } else {
            ""
        };
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n"
        )
    };
    let parts: String = parts.iter().map(part).collect();
    format!("{parts}--{BOUNDARY}--\r\n")
}

pub(crate) async fn upload(node: &Node, parts: &[(&str, &str)]) -> Answer {
    upload_as(node, &node.admin_token().await, parts).await
}

async fn upload_as(node: &Node, token: &str, parts: &[(&str, &str)]) -> Answer {
    let request = node
        .request(Method::POST, "/api/v2/jobs/users-imports")
        .bearer_auth(token)
        .header(
            "content-type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(form(parts));
    node.send(request).await
}

/// Imports and answers the job.
async fn import(world: &World, users: &Value, further: &[(&str, &str)]) -> Value {
    let text = users.to_string();
    let parts = [&[("users", text.as_str())], further].concat();
    upload(&world.node, &parts)
        .await
        .expect(StatusCode::ACCEPTED)
        .json
}

fn summary(total: i64, inserted: i64, updated: i64, failed: i64) -> Value {
    json!({ "total": total, "inserted": inserted, "updated": updated, "failed": failed })
}

/// The stored hash of a user.
async fn stored_hash(node: &Node, identifier: &str) -> String {
    let mut conn = node.app.store.read().await.unwrap();
    let found = grantor::store::users::find_for_sign_in(&mut conn, identifier)
        .await
        .unwrap();
    found.unwrap().password_hash.unwrap().expose().clone()
}

fn argon2(algorithm: Algorithm, password: &str) -> String {
    let params = Params::new(1024, 1, 2, None).unwrap();
    let hasher = Argon2::new(algorithm, Version::V0x13, params);
    let hash: argon2::PasswordHash =
        PasswordHasher::hash_password(&hasher, password.as_bytes()).unwrap();
    hash.to_string()
}

both_stores! {
    async fn imported_hashes_open_the_door_and_are_upgraded_at_the_first_sign_in(world: World) {
        let desk = Desk::open(&world.node).await;
        let bcrypt = |password: &str, version| bcrypt::hash_with_result(password, 4).unwrap().format_for_version(version);
        // Short and common: what another system took counts. bcrypt looks at 72 bytes only.
        let long = "a password of more than seventy-two bytes, of which bcrypt looks at seventy-two";
        let custom = |algorithm, value| json!({ "algorithm": algorithm, "hash": { "value": value, "encoding": "utf8" } });
        let users = json!([
            { "email": "a@a.example", "email_verified": true, "password_hash": bcrypt("secret", bcrypt::Version::TwoA) },
            { "email": "b@a.example", "user_id": "7", "custom_password_hash": custom("bcrypt", bcrypt("secret", bcrypt::Version::TwoB)) },
            { "email": "c@a.example", "password_hash": bcrypt(long, bcrypt::Version::TwoY) },
            { "username": "d", "custom_password_hash": custom("argon2", argon2(Algorithm::Argon2id, "secret")) },
            { "username": "e", "custom_password_hash": custom("argon2", argon2(Algorithm::Argon2i, "secret")), "app_metadata": { "plan": "gold" } },
            { "username": "f" },
        ]);
        let job = import(world, &users, &[("connection_id", "con_UsernamePassword"), ("external_id", "ours"), ("upsert", "false")]).await;
        assert_eq!((&job["type"], &job["status"], &job["external_id"]), (&json!("users_import"), &json!("completed"), &json!("ours")));
        assert_eq!(job["summary"], summary(6, 6, 0, 0));
        let of_job = format!("/jobs/{}", job["id"].as_str().unwrap());
        assert_eq!(desk.shown(&of_job).await, job);
        assert_eq!(desk.shown(&format!("{of_job}/errors")).await, json!([]));
        assert_eq!(desk.shown("/users/auth0%7C7").await["email"], "b@a.example");
        let app = &world.node.app;
        for (identifier, password) in [("a@a.example", "secret"), ("b@a.example", "secret"), ("c@a.example", long), ("d", "secret"), ("e", "secret")] {
            let imported = stored_hash(&world.node, identifier).await;
            assert!(matches!(sign_in(app, identifier, "Secret").await, Outcome::Wrong(_)));
            assert_eq!(stored_hash(&world.node, identifier).await, imported, "{identifier}");
            signed_in(sign_in(app, identifier, password).await);
            let upgraded = stored_hash(&world.node, identifier).await;
            assert!(upgraded.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{identifier}");
            signed_in(sign_in(app, identifier, password).await);
            assert_eq!(stored_hash(&world.node, identifier).await, upgraded, "{identifier}");
        }
        assert!(matches!(sign_in(app, "c@a.example", &long[..72]).await, Outcome::Wrong(_)), "the better hash looks at all of it");
        assert!(matches!(sign_in(app, "f", "").await, Outcome::Wrong(_)));
    }

    /// Two first sign-ins at one time: both are right.
    async fn two_first_sign_ins_at_one_time_both_succeed(world: World) {
        let hash = argon2(Algorithm::Argon2id, "secret");
        import(world, &json!([{ "username": "d", "password_hash": hash }]), &[]).await;
        let app = &world.node.app;
        let (a, b) = tokio::join!(sign_in(app, "d", "secret"), sign_in(app, "d", "secret"));
        signed_in(a);
        signed_in(b);
        signed_in(sign_in(app, "d", "secret").await);
    }

    async fn who_is_there_is_changed_only_where_that_is_asked_for(world: World) {
        let desk = Desk::open(&world.node).await;
        let own = create(&desk, json!({ "email": "a@a.example", "app_metadata": { "plan": "gold" } })).await;
        let users = json!([{ "email": "A@a.example", "name": "Ann", "app_metadata": { "x": 1 }, "password_hash": argon2(Algorithm::Argon2id, "secret") }]);
        let job = import(world, &users, &[]).await;
        assert_eq!(job["summary"], summary(1, 0, 0, 1));
        let errors = desk.shown(&format!("/jobs/{}/errors", job["id"].as_str().unwrap())).await;
        assert_eq!(errors[0]["errors"], json!([{ "code": "CONFLICT", "message": "The user already exists." }]));
        assert_eq!(errors[0]["user"]["password_hash"], "*****");
        // What another system knows and this one does not may be a secret.
        let users_elsewhere = json!([{ "email": "b@a.example", "mfa_factors": [{ "totp": { "secret": "JBSWY3DP" } }] }]);
        let job = import(world, &users_elsewhere, &[]).await;
        let errors = desk.shown(&format!("/jobs/{}/errors", job["id"].as_str().unwrap())).await;
        assert_eq!(errors[0]["user"], json!({ "email": "b@a.example", "mfa_factors": "*****" }));
        let job = import(world, &users, &[("upsert", "true")]).await;
        assert_eq!(job["summary"], summary(1, 0, 1, 0));
        let changed = desk.shown(&crate::manage_users::path(&own)).await;
        assert_eq!((&changed["name"], &changed["app_metadata"]), (&json!("Ann"), &json!({ "plan": "gold", "x": 1 })));
        let errors = desk.shown(&format!("/jobs/{}/errors", job["id"].as_str().unwrap())).await;
        assert_eq!((&errors[0]["errors"][0]["code"], &errors[0]["user"]["password_hash"]), (&json!("PASSWORD_KEPT"), &json!("*****")));
        assert!(matches!(sign_in(&world.node.app, "a@a.example", "secret").await, Outcome::Wrong(_)), "a password that is there stays");
        signed_in(sign_in(&world.node.app, "a@a.example", crate::manage_users::PASSWORD).await);
    }

    /// Whoever may only create users changes none by a file.
    async fn to_change_who_is_there_needs_the_scope_that_a_change_needs(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let own = create(&desk, json!({ "email": "a@a.example", "blocked": true })).await;
        let users = json!([{ "email": "a@a.example", "blocked": false, "app_metadata": { "admin": true } }, { "email": "b@a.example" }]).to_string();
        for (scope, upsert, is_taken) in [
            ("create:users", "true", false),
            ("create:users update:users_app_metadata", "true", false),
            ("create:users", "false", true),
            ("create:users update:users", "true", true),
        ] {
            let params = [("audience", MANAGEMENT), ("scope", scope)];
            let token = node.ask(&Credentials::admin(), &params).await.text("access_token");
            let answer = upload_as(node, &token, &[("users", &users), ("upsert", upsert)]).await;
            let found = desk.shown("/users?q=b*").await;
            if is_taken {
                answer.expect(StatusCode::ACCEPTED);
            } else {
                let refused = answer.expect_problem(StatusCode::FORBIDDEN, "insufficient_scope");
                assert!(refused.text("message").contains("update:users"), "{}", refused.body);
                assert_eq!(found, json!([]), "nobody was taken");
            }
            let changed = desk.shown(&crate::manage_users::path(&own)).await;
            assert_eq!(changed["blocked"], upsert != "true" || !is_taken, "{scope}");
        }
    }

    /// The same file sent again, after a node has stopped, is no attempt at passwords.
    async fn the_same_hash_again_is_not_worth_a_word(world: World) {
        let desk = Desk::open(&world.node).await;
        let users = json!([{ "email": "a@a.example", "password_hash": argon2(Algorithm::Argon2id, "secret") }]);
        import(world, &users, &[]).await;
        let job = import(world, &users, &[("upsert", "true")]).await;
        assert_eq!(job["summary"], summary(1, 0, 1, 0));
        assert_eq!(desk.shown(&format!("/jobs/{}/errors", job["id"].as_str().unwrap())).await, json!([]));
    }

    async fn each_user_who_is_not_taken_is_told_why_and_the_others_are_taken(world: World) {
        let desk = Desk::open(&world.node).await;
        let users = json!([
            { "email": "no mail" },
            { "email": "a@a.example", "unknown": 1 },
            { "name": "nobody" },
            { "email": "a@a.example", "password_hash": "md5" },
            { "email": "a@a.example", "password_hash": "$2b$31$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u" },
            { "email": "a@a.example", "custom_password_hash": { "algorithm": "md5", "hash": { "value": "x" } } },
            7,
            { "email": "a@a.example" },
            { "email": "A@A.example" },
        ]);
        let job = import(world, &users, &[]).await;
        assert_eq!(job["summary"], summary(9, 1, 0, 8));
        let errors = desk.shown(&format!("/jobs/{}/errors", job["id"].as_str().unwrap())).await;
        let codes: Vec<_> = errors.as_array().unwrap().iter().map(|one| one["errors"][0]["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["INVALID_FORMAT", "OBJECT_ADDITIONAL_PROPERTIES", "INVALID_FORMAT", "INVALID_FORMAT", "INVALID_FORMAT", "INVALID_FORMAT", "INVALID_TYPE", "CONFLICT"]);
        assert_eq!(errors[5]["errors"][0]["path"], "custom_password_hash.algorithm");
        let everything = format!("{errors} {}", desk.shown("/logs?per_page=100").await);
        assert!(!everything.contains("L6Bc/AlTQ"));
    }

    async fn many_users_go_in_batches_and_each_batch_leaves_its_record(world: World) {
        let desk = Desk::open(&world.node).await;
        let users: Vec<_> = (0..250).map(|n| json!({ "email": format!("u{n}@a.example") })).collect();
        let job = import(world, &json!(users), &[]).await;
        assert_eq!(job["summary"], summary(250, 250, 0, 0));
        let logs = desk.shown("/logs?q=description:%22Import%20users%22").await;
        let inserted = logs.as_array().unwrap().iter().map(|log| log["details"]["changes"]["inserted"]["after"].as_array().unwrap().len());
        assert_eq!(inserted.sum::<usize>(), 250);
        assert_eq!(logs.as_array().unwrap().len(), 3);
    }

    async fn a_form_that_is_not_an_import_is_refused(world: World) {
        let node = &world.node;
        let one = json!([{ "email": "a@a.example" }]).to_string();
        for (parts, says) in [
            (&[("upsert", "true")][..], "users"),
            (&[("users", "{}")], "valid JSON"),
            (&[("users", "[")], "valid JSON"),
            (&[("users", &one), ("users", &one)], "twice"),
            (&[("users", &one), ("unknown", "1")], "unknown"),
            (&[("users", &one), ("upsert", "maybe")], "upsert"),
        ] {
            let answer = upload(node, parts).await.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
            assert!(answer.text("message").contains(says), "{parts:?}: {}", answer.body);
        }
        upload(node, &[("users", &one), ("connection_id", "con_0000000000000001")]).await
            .expect_problem(StatusCode::BAD_REQUEST, "inexistent_connection");
        upload(node, &[("users", &one), ("send_completion_email", "true")]).await
            .expect_problem(StatusCode::BAD_REQUEST, "operation_not_supported");
        let long = format!("[{}]", " ".repeat(512_000));
        upload(node, &[("users", &long)]).await.expect_problem(StatusCode::PAYLOAD_TOO_LARGE, "invalid_body");
        let desk = Desk::open(node).await;
        desk.post("/jobs/users-imports", json!({})).await.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        for path in ["/jobs/job_none", "/jobs/job_none/errors"] {
            desk.get(path).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_job");
        }
        assert_eq!(desk.shown("/users").await, json!([]));
    }
}
