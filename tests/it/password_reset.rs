//! A forgotten password: the mail, the link in it, and everything that a new password ends.

use std::net::IpAddr;

use grantor::mail::Mail;
use grantor::model::record::Whence;
use grantor::model::user::User;
use grantor::model::user_ticket::TicketKind;
use grantor::secret::Secret;
use grantor::users::authenticate::{Attempt, Outcome};
use grantor::users::limits::Verdict;
use grantor::users::reset::{Changed, Visit};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{ISSUER, Node, World, both_stores};
use crate::post_office::{PostOffice, node_with_mail};

const EMAIL: &str = "ann@example.com";
const OLD: &str = "correct horse battery staple 1";
const NEW: &str = "another horse eats no battery 2";

/// A second node with a mail server, and a user.
async fn with_mail(world: &World) -> (Node, PostOffice, String) {
    let (node, post) = node_with_mail(world).await;
    let id = create(&Desk::open(&node).await, EMAIL).await;
    (node, post, id)
}

async fn create(desk: &Desk<'_>, email: &str) -> String {
    let body = json!({ "connection": "Username-Password-Authentication", "email": email, "password": OLD });
    let created = desk.post("/users", body).await.expect(StatusCode::CREATED);
    created.text("user_id")
}

fn visit(world: &World) -> Visit {
    Visit {
        ip: Some(IpAddr::from([192, 0, 2, 1])),
        whence: Whence::default(),
        now_ms: world.clock.now_millis(),
    }
}

fn write(user: &User, ticket: &Secret<String>) -> Mail {
    let text = format!("ticket={}#", ticket.expose());
    Mail {
        to: user.email.clone().unwrap(),
        subject: "reset".into(),
        html: text.clone(),
        text,
    }
}

async fn ask(world: &World, node: &Node, email: &str) -> bool {
    let asked = node
        .app
        .users
        .request_reset(email, visit(world), |user, ticket| Ok(write(user, ticket)));
    matches!(asked.await.unwrap(), Verdict::Admitted(()))
}

fn ticket_in(text: &str) -> String {
    text.split_once("ticket=")
        .unwrap()
        .1
        .split_once('#')
        .unwrap()
        .0
        .to_owned()
}

async fn change(world: &World, node: &Node, ticket: &str, password: &str) -> Changed {
    let password = Secret::new(password.to_owned());
    let app = &node.app;
    app.users
        .change_password(&app.directory, (ticket, &password), &visit(world))
        .await
        .unwrap()
}

async fn signs_in(world: &World, node: &Node, password: &str) -> Outcome {
    signs_in_from(world, node, ("198.51.100.1", password)).await
}

async fn signs_in_from(world: &World, node: &Node, (ip, password): (&str, &str)) -> Outcome {
    let password = Secret::new(password.to_owned());
    let attempt = Attempt {
        identifier: EMAIL,
        password: &password,
        ip: Some(ip),
        now: world.clock.now(),
    };
    node.app.users.authenticate(&attempt).await.unwrap()
}

both_stores! {
    async fn a_link_in_a_mail_sets_a_new_password_once_and_proves_the_address(world: World) {
        let (node, post, id) = with_mail(world).await;
        let desk = Desk::open(&node).await;
        assert!(ask(world, &node, "ANN@example.com").await && ask(world, &node, "nobody@example.com").await);
        let letters = post.letters(1).await;
        assert_eq!(letters[0].to, [EMAIL]);
        let ticket = ticket_in(&letters[0].text());
        assert!(matches!(change(world, &node, &ticket, "short").await, Changed::Weak(_)));
        assert!(matches!(change(world, &node, "another text", NEW).await, Changed::NoTicket));
        let Changed::Done(user, _) = change(world, &node, &ticket, NEW).await else { panic!("not changed") };
        assert_eq!((user.user_id.as_str(), user.email_verified), (id.as_str(), true));
        assert!(matches!(change(world, &node, &ticket, OLD).await, Changed::NoTicket), "used");
        assert!(matches!(signs_in(world, &node, OLD).await, Outcome::Wrong(_)));
        assert!(matches!(signs_in(world, &node, NEW).await, Outcome::SignedIn(_)));
        let log = desk.shown(&format!("/users/{id}/logs")).await;
        let kinds: Vec<&str> = log.as_array().unwrap().iter().map(|record| record["type"].as_str().unwrap()).collect();
        assert!(kinds.contains(&"scpr") && kinds.contains(&"scp"), "{kinds:?}");
        assert!(!log.to_string().contains(&ticket));
        let revoked = format!("select count(*) from revocations where object like '%{id}%'");
        assert_eq!(world.database.sql().await.number(&revoked).await, 1);
        node.stop().await;
    }

    async fn of_sixteen_new_passwords_by_one_ticket_on_two_nodes_one_is_set(world: World, "GRANTOR_SECRETS__SLOW_HASH_QUEUE_MAX" = "100") {
        let (node, post, _) = with_mail(world).await;
        ask(world, &node, EMAIL).await;
        let ticket = ticket_in(&post.letters(1).await[0].text());
        let running: Vec<_> = (0..16).map(|n| {
            let app = if n % 2 == 0 { &node.app } else { &world.node.app }.clone();
            let (ticket, visit) = (ticket.clone(), visit(world));
            tokio::spawn(async move {
                let password = Secret::new(format!("{NEW} {n}"));
                app.users.change_password(&app.directory, (&ticket, &password), &visit).await.unwrap()
            })
        }).collect();
        let mut done = 0;
        for running in running {
            match running.await.unwrap() {
                Changed::Done(..) => done += 1,
                Changed::NoTicket => {}
                Changed::Weak(weak) => panic!("{weak}"),
                Changed::Limited(limited) => panic!("{limited:?}"),
            }
        }
        assert_eq!(done, 1);
        node.stop().await;
    }

    async fn a_later_mail_a_new_address_and_time_end_a_link(world: World) {
        let (node, post, id) = with_mail(world).await;
        let desk = Desk::open(&node).await;
        let path = format!("/users/{id}");
        for n in 0..3 {
            ask(world, &node, EMAIL).await;
            post.letters(n + 1).await;
        }
        let tickets: Vec<String> = post.letters(3).await.iter().map(|letter| ticket_in(&letter.text())).collect();
        let holder = async |ticket: &str| {
            let kind = TicketKind::ResetPassword;
            node.app.users.ticket_holder(kind, ticket, world.clock.now()).await.unwrap().is_some()
        };
        assert_eq!((holder(&tickets[0]).await, holder(&tickets[1]).await, holder(&tickets[2]).await), (false, false, true));
        let elsewhere = json!({ "email": "else@example.com" });
        desk.patch(&path, elsewhere).await.expect(StatusCode::OK);
        assert!(!holder(&tickets[2]).await);
        desk.patch(&path, json!({ "email": EMAIL })).await.expect(StatusCode::OK);
        world.clock.advance(3600);
        assert!(!holder(&tickets[2]).await);
        node.stop().await;
    }

    async fn of_links_that_were_asked_for_at_one_time_the_one_that_comes_last_works(world: World) {
        let (node, post, _) = with_mail(world).await;
        let (ask, other) = (|| ask(world, &node, EMAIL), ask(world, &node, "Ann@Example.com"));
        let asked = tokio::join!(ask(), other, ask(), ask(), ask());
        assert_eq!(asked, (true, true, true, true, true));
        let letters = post.letters(5).await;
        for (n, letter) in letters.iter().enumerate() {
            let ticket = ticket_in(&letter.text());
            let holder = node.app.users.ticket_holder(TicketKind::ResetPassword, &ticket, world.clock.now());
            assert_eq!(holder.await.unwrap().is_some(), n == 4, "{n}");
        }
        node.stop().await;
    }

    async fn nobody_is_flooded_with_mails(world: World) {
        let (node, post, _) = with_mail(world).await;
        for n in 0..7 {
            assert_eq!(ask(world, &node, EMAIL).await, n < 5);
            assert_eq!(ask(world, &node, "nobody@example.com").await, n < 5, "the same where there is nobody");
        }
        assert_eq!(post.letters(5).await.len(), 5);
        node.stop().await;
    }

    async fn guesses_stop_before_the_slow_hash_and_a_new_password_opens_where_it_was_set(world: World) {
        let (node, post, _) = with_mail(world).await;
        for _ in 0..10 {
            assert!(matches!(signs_in(world, &node, "a wrong guess").await, Outcome::Wrong(_)));
        }
        let hashed = node.app.users.passwords.hashed();
        for password in ["a wrong guess", OLD] {
            let Outcome::Limited(limited, _) = signs_in(world, &node, password).await else { panic!("not limited") };
            assert_eq!(limited.retry_after.as_secs(), 360);
        }
        assert_eq!(node.app.users.passwords.hashed(), hashed);
        ask(world, &node, EMAIL).await;
        let ticket = ticket_in(&post.letters(1).await[0].text());
        assert!(matches!(change(world, &node, &ticket, NEW).await, Changed::Done(..)));
        // That the count of the name is empty would tell whoever filled it that a user has the name.
        assert!(matches!(signs_in(world, &node, NEW).await, Outcome::Limited(..)));
        assert!(matches!(signs_in_from(world, &node, ("192.0.2.1", NEW)).await, Outcome::SignedIn(_)));
        node.stop().await;
    }

    async fn an_operator_makes_links_and_says_where_they_lead(world: World) {
        let desk = Desk::open(&world.node).await;
        let id = create(&desk, EMAIL).await;
        let users = &world.node.app.users;
        let body = json!({ "connection_id": "con_UsernamePassword", "email": EMAIL, "result_url": "https://shop.example/done", "ttl_sec": 120, "mark_email_as_verified": true });
        let made = desk.post("/tickets/password-change", body).await.expect(StatusCode::CREATED).text("ticket");
        let ticket = ticket_in(&made);
        assert_eq!(made, format!("{ISSUER}u/change-password?ticket={ticket}#"));
        world.clock.advance(119);
        let Changed::Done(user, spent) = change(world, &world.node, &ticket, NEW).await else { panic!("not changed") };
        assert_eq!((user.email_verified, spent.result_url.as_deref()), (true, Some("https://shop.example/done")));

        desk.patch(&format!("/users/{id}"), json!({ "email_verified": false })).await.expect(StatusCode::OK);
        let made = desk.post("/tickets/email-verification", json!({ "user_id": id, "ttl_sec": 0 })).await.expect(StatusCode::CREATED).text("ticket");
        let ticket = ticket_in(&made);
        assert_eq!(made, format!("{ISSUER}u/verify-email?ticket={ticket}#"));
        let (user, _) = users.verify_email(&ticket, &visit(world)).await.unwrap().unwrap();
        assert!(user.email_verified);
        assert!(users.verify_email(&ticket, &visit(world)).await.unwrap().is_none());
        let text = desk.shown("/logs").await.to_string();
        assert!(text.contains("Create a password change ticket") && text.contains("\"sv\"") && !text.contains(&ticket));
    }

    async fn what_a_link_cannot_be_is_refused_by_name(world: World) {
        let desk = Desk::open(&world.node).await;
        let id = create(&desk, EMAIL).await;
        let named = json!({ "username": "bob", "connection": "Username-Password-Authentication", "password": OLD });
        let bob = desk.post("/users", named).await.expect(StatusCode::CREATED).text("user_id");
        let with = |name: &str, value: Value| json!({ "user_id": id, name: value });
        for (body, words) in [
            (json!({}), "user_id"),
            (json!({ "email": EMAIL }), "connection_id"),
            (json!({ "email": EMAIL, "connection_id": "con_0123456789abcdef" }), "connection_id"),
            (with("email", EMAIL.into()), "Expected either"),
            (with("result_url", "javascript:alert(1)".into()), "result_url"),
            (with("ttl_sec", (-1).into()), "ttl_sec"),
            (with("client_id", "x".into()), "client_id"),
            (with("organization_id", "org_1".into()), "organization_id"),
            (with("includeEmailInRedirect", true.into()), "includeEmailInRedirect"),
            (with("new_password", NEW.into()), "new_password"),
        ] {
            let refused = desk.post("/tickets/password-change", body.clone()).await.expect(StatusCode::BAD_REQUEST);
            assert!(refused.text("message").contains(words), "{body}: {refused:?}");
        }
        for path in ["/tickets/password-change", "/tickets/email-verification"] {
            let refused = desk.post(path, json!({ "user_id": "auth0|nobody" })).await.expect(StatusCode::NOT_FOUND);
            assert_eq!(refused.text("errorCode"), "inexistent_user");
        }
        let refused = desk.post("/tickets/email-verification", json!({ "user_id": bob })).await.expect(StatusCode::BAD_REQUEST);
        assert!(refused.text("message").contains("no e-mail address"));
        let identity = json!({ "user_id": "x", "provider": "auth0" });
        let refused = desk.post("/tickets/email-verification", with("identity", identity)).await.expect(StatusCode::BAD_REQUEST);
        assert_eq!(refused.text("errorCode"), "operation_not_supported");
        Desk::with_scopes(&world.node, &["read:users"]).await
            .post("/tickets/password-change", json!({ "user_id": id })).await.expect(StatusCode::FORBIDDEN);
    }

    async fn an_operator_sees_and_ends_a_block(world: World) {
        let desk = Desk::open(&world.node).await;
        let id = create(&desk, EMAIL).await;
        let by_name = |name: &str| format!("/user-blocks?identifier={name}&consider_brute_force_enablement=true");
        let by_id = format!("/user-blocks/{id}");
        assert_eq!(desk.shown(&by_id).await, json!({ "blocked_for": [] }));
        assert!(matches!(signs_in(world, &world.node, OLD).await, Outcome::SignedIn(_)));
        let limits = &world.node.app.users.limits;
        let user = grantor::store::users::get(&mut world.node.app.store.read().await.unwrap(), &id).await.unwrap();
        for (ip, name, user) in [("203.0.113.1", EMAIL, user.as_ref()), ("203.0.113.1", "nobody", None), ("198.51.100.1", EMAIL, user.as_ref())] {
            let address = || grantor::users::limits::Address::of(Some(ip.parse().unwrap()));
            let target = limits.target_of(name, user);
            while limits.sign_in(target.clone(), address(), world.clock.now_millis()).await.unwrap().verifies() {}
        }
        let blocks = json!({ "blocked_for": [{ "identifier": EMAIL }, { "identifier": EMAIL, "ip": "198.51.100.1" }] });
        assert_eq!(desk.shown(&by_id).await, blocks);
        assert_eq!(desk.shown(&by_name(EMAIL)).await, blocks);
        assert_eq!(desk.shown(&by_name("nobody")).await, json!({ "blocked_for": [{ "identifier": "nobody" }] }));
        desk.delete(&by_id).await.expect(StatusCode::NO_CONTENT);
        desk.delete("/user-blocks?identifier=nobody").await.expect(StatusCode::NO_CONTENT);
        for path in [by_id.clone(), by_name(EMAIL), by_name("nobody")] {
            assert_eq!(desk.shown(&path).await, json!({ "blocked_for": [] }));
        }
        assert!(matches!(signs_in(world, &world.node, OLD).await, Outcome::SignedIn(_)));
        desk.get("/user-blocks/auth0%7Cnobody").await.expect(StatusCode::NOT_FOUND);
        desk.delete("/user-blocks/auth0%7Cnobody").await.expect(StatusCode::NOT_FOUND);
        desk.get("/user-blocks").await.expect(StatusCode::BAD_REQUEST);
        assert!(desk.shown("/logs").await.to_string().contains("Unblock a user"));
    }
}
