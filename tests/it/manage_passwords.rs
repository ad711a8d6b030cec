//! Passwords: what one must be, and that a sign-in tells nobody what was wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use grantor::app::App;
use grantor::model::fault::Fault;
use grantor::model::user::User;
use grantor::secret::Secret;
use grantor::users::authenticate::{Attempt, Outcome};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::desk::Desk;
use crate::harness::{World, both_stores};
use crate::manage_user_imports::upload;
use crate::manage_users::{CONNECTION, PASSWORD, create, path};

pub(crate) async fn sign_in(app: &App, identifier: &str, password: &str) -> Outcome {
    let attempt = Attempt {
        identifier,
        password: &Secret::new(password.to_owned()),
        ip: Some("192.0.2.7"),
        now: app.clock.now(),
    };
    app.users.authenticate(&attempt).await.unwrap()
}

#[track_caller]
pub(crate) fn signed_in(outcome: Outcome) -> User {
    match outcome {
        Outcome::SignedIn(user) => user,
        other => panic!("not signed in: {other:?}"),
    }
}

/// The least time that a wrong answer takes (`users/authenticate.rs`).
const WRONG_MIN: Duration = Duration::from_millis(400);

/// Whom one may name at a sign-in: Ann; Bea, who is blocked; Cid, whose hash comes from elsewhere and is
/// verified in no time; and somebody with a name and no password.
async fn ann_and_others(world: &World) {
    let desk = Desk::open(&world.node).await;
    create(&desk, json!({ "email": "ann@a.example" })).await;
    create(&desk, json!({ "email": "bea@a.example", "blocked": true })).await;
    let quick = bcrypt::hash(PASSWORD, 4).unwrap();
    let users = json!([{ "email": "cid@a.example", "password_hash": quick }]).to_string();
    let parts = [
        ("users", users.as_str()),
        ("connection_id", "con_UsernamePassword"),
    ];
    let job = upload(&world.node, &parts).await;
    assert_eq!(
        job.expect(StatusCode::ACCEPTED).json["summary"]["inserted"],
        1
    );
    let app = &world.node.app;
    let now = app.clock.now();
    let without = User {
        username: Some("bare".into()),
        ..User::new("auth0|bare".into(), now)
    };
    let mut tx = app.store.write().await.unwrap();
    assert!(
        grantor::store::users::insert(&mut tx, &without, None)
            .await
            .unwrap()
    );
    tx.commit(now).await.unwrap();
}

/// What becomes of so many sign-ins at one time by as many names that no user has.
fn flood(app: &Arc<App>, attempts: usize) -> JoinSet<Result<Outcome, Fault>> {
    let attempt = |number: usize| {
        let app = Arc::clone(app);
        async move {
            let attempt = Attempt {
                identifier: &format!("nobody{number}"),
                password: &Secret::new("wrong".to_owned()),
                ip: None,
                now: app.clock.now(),
            };
            app.users.authenticate(&attempt).await
        }
    };
    (0..attempts).map(attempt).collect()
}

both_stores! {
    async fn a_weak_password_is_refused_in_auth0s_words(world: World) {
        let desk = Desk::open(&world.node).await;
        let user = create(&desk, json!({ "email": "ann.bellweather@a.example", "name": "Ann Bellweather" })).await;
        for (password, says) in [
            ("seven ladders".to_owned(), "PasswordStrengthError: Password is too weak: it needs at least 15 characters"),
            ("x7".repeat(129), "PasswordStrengthError: Password is too long"),
            ("123456789012345".to_owned(), "Password"),
            ("passwordpassword".to_owned(), "PasswordStrengthError: Password is too weak"),
            ("Bellweather1234".to_owned(), "PasswordNoUserInfoError"),
            ("ann.bellweather@a.example".to_owned(), "PasswordNoUserInfoError: Password contains user information"),
        ] {
            let mut body = json!({ "connection": CONNECTION, "email": "ann.bellweather@b.example", "name": "Ann Bellweather", "password": password });
            let created = desk.post("/users", body.take()).await;
            let changed = desk.patch(&path(&user), json!({ "password": password })).await;
            for answer in [created, changed] {
                let answer = answer.expect_problem(StatusCode::BAD_REQUEST, "auth0_idp_error");
                assert!(answer.text("message").starts_with(says), "{password}: {}", answer.body);
                assert!(!answer.body.contains(&password));
            }
        }
        signed_in(sign_in(&world.node.app, "ann.bellweather@a.example", PASSWORD).await);
    }

    async fn the_least_length_is_a_setting(world: World, "GRANTOR_PASSWORDS__LENGTH_MIN" = "8") {
        let desk = Desk::open(&world.node).await;
        create(&desk, json!({ "email": "a@a.example", "password": "k3!vRq8z" })).await;
        let body = json!({ "connection": CONNECTION, "email": "b@a.example", "password": "password1" });
        let answer = desk.post("/users", body).await.expect_problem(StatusCode::BAD_REQUEST, "auth0_idp_error");
        assert_eq!(answer.text("message"), "PasswordDictionaryError: Password is too common");
    }

    async fn a_user_signs_in_by_address_or_username_and_it_is_noted(world: World) {
        let desk = Desk::open(&world.node).await;
        let user = create(&desk, json!({ "email": "Ann@A.example", "username": "Ann", "password": "Jos\u{e9} und sieben Bienen" })).await;
        let app = &world.node.app;
        for (identifier, password) in [
            ("ann@a.example", "Jos\u{e9} und sieben Bienen"),
            ("ANN", "Jose\u{301} und sieben Bienen"),
        ] {
            let signed_in = signed_in(sign_in(app, identifier, password).await);
            assert_eq!(Value::from(signed_in.user_id), user["user_id"]);
        }
        let shown = desk.shown(&path(&user)).await;
        assert_eq!((&shown["logins_count"], &shown["last_ip"]), (&json!(2), &json!("192.0.2.7")));
        assert!(shown["last_login"].is_string());
    }

    /// The same answer, after the same work and no sooner, whatever is wrong.
    async fn nobody_is_told_what_was_wrong(world: World) {
        ann_and_others(world).await;
        let app = &world.node.app;
        let long = "x".repeat(5000);
        for (identifier, password) in [
            ("ann@a.example", "nine tall ladders of bees"),
            ("bea@a.example", "nine tall ladders of bees"),
            ("cid@a.example", "nine tall ladders of bees"),
            ("nobody@a.example", PASSWORD),
            ("bare", PASSWORD),
            ("bare", ""),
            ("", ""),
            (&long, PASSWORD),
            ("ann@a.example", &long),
        ] {
            let (before, began) = (app.users.passwords.hashed(), Instant::now());
            let outcome = sign_in(app, identifier, password).await;
            let took = began.elapsed();
            assert!(matches!(outcome, Outcome::Wrong(_)), "{identifier} {outcome:?}");
            assert!(took >= WRONG_MIN, "{identifier} {took:?}");
            assert_eq!(app.users.passwords.hashed(), before + 1, "{identifier}");
        }
    }

    async fn a_blocked_user_and_an_old_password_open_nothing(world: World) {
        let desk = Desk::open(&world.node).await;
        let user = create(&desk, json!({ "email": "ann@a.example" })).await;
        let app = &world.node.app;
        let new = "eight tall ladders of bees";
        desk.patch(&path(&user), json!({ "password": new })).await.expect(StatusCode::OK);
        assert!(desk.shown(&path(&user)).await["last_password_reset"].is_string());
        assert!(matches!(sign_in(app, "ann@a.example", PASSWORD).await, Outcome::Wrong(_)));
        signed_in(sign_in(app, "ann@a.example", new).await);
        desk.patch(&path(&user), json!({ "blocked": true })).await.expect(StatusCode::OK);
        assert!(matches!(sign_in(app, "ann@a.example", new).await, Outcome::Blocked(_)));
        assert!(matches!(sign_in(app, "ann@a.example", PASSWORD).await, Outcome::Wrong(_)));
        desk.patch(&path(&user), json!({ "blocked": false })).await.expect(StatusCode::OK);
        signed_in(sign_in(app, "ann@a.example", new).await);
    }

    /// A crowd with wrong passwords is turned away before it takes all memory, and who has a short
    /// secret of an application waits in another queue.
    async fn a_flood_of_wrong_passwords_leaves_applications_alone(
        world: World, "GRANTOR_SECRETS__SLOW_HASHES_AT_ONCE_MAX" = "1", "GRANTOR_SECRETS__SLOW_HASH_QUEUE_MAX" = "4"
    ) {
        let node = &world.node;
        node.create_api("https://orders/", json!({})).await;
        let client = node.create_application(json!({ "client_secret": "sixteen letters!" })).await;
        node.grant(&client, "https://orders/", json!({})).await;
        let flood = flood(&node.app, 40);
        let token = node.ask(&client, &[("audience", "https://orders/")]);
        let (answer, flooded) = tokio::join!(token, flood.join_all());
        answer.expect(StatusCode::OK);
        let (mut wrong, mut turned_away) = (0, 0);
        for outcome in flooded {
            match outcome {
                Ok(Outcome::Wrong(_)) => wrong += 1,
                Err(fault) if fault.to_string().contains("slow_hash_queue_max") => turned_away += 1,
                // Nobody is limited: no name is tried twice.
                other => panic!("{other:?}"),
            }
        }
        // Four wait, one more is verified unless the secret is, and the others find no place.
        assert!(wrong >= 4 && turned_away > 0, "{wrong} {turned_away}");
    }
}
