//! A flood of guesses: who signs in with the right password gets in, and a link in a mail starves nobody.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use crate::desk::Desk;
use crate::harness::{Credentials, Node, PASSWORD, Person, World, both_stores, within};
use crate::limits_of_names::{application, signs_in};

/// Waits for all of them at one time.
pub(crate) async fn join_all<F: Future>(all: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = all.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, done) in running.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            Poll::Ready(done.iter_mut().filter_map(Option::take).collect())
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Guesses from many addresses, until it is stopped.
struct Flood {
    tasks: JoinSet<()>,
    is_over: Arc<AtomicBool>,
    /// How many guesses found no place.
    busy: Arc<AtomicUsize>,
}

impl Flood {
    /// So many guesses at one time, each from the address of its number.
    async fn start(world: &World, application: &Credentials, address: fn(usize) -> String) -> Self {
        let mut flood = Self {
            tasks: JoinSet::new(),
            is_over: Arc::default(),
            busy: Arc::default(),
        };
        for task in 0..40 {
            let (is_over, busy) = (Arc::clone(&flood.is_over), Arc::clone(&flood.busy));
            let (wire, application) = ((*world.node).clone(), application.clone());
            flood.tasks.spawn(async move {
                for n in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let number = task * 1000 + n;
                    let name = format!("nobody{number}");
                    let form = [
                        ("grant_type", "password"),
                        ("username", name.as_str()),
                        ("password", "a wrong guess"),
                    ];
                    let request = wire
                        .request(reqwest::Method::POST, "/oauth/token")
                        .basic_auth(&application.id, Some(&application.secret))
                        .header("x-forwarded-for", address(number))
                        .header("x-forwarded-proto", "https")
                        .form(&form);
                    let answer = wire.send(request).await;
                    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                        busy.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let is_full = async || flood.busy.load(Ordering::Relaxed) > 0;
        within(Duration::from_secs(30), is_full).await;
        flood
    }

    async fn end(mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// Each in an IPv4 /24 or an IPv6 /48 of its own.
fn many_networks(number: usize) -> String {
    if number.is_multiple_of(2) {
        format!("2001:db8:{:x}::1", number % 65_536)
    } else {
        format!("10.{}.{}.1", number / 256 % 256, number % 256)
    }
}

/// Of one IPv6 /48, each in a /56 of its own.
fn one_network(number: usize) -> String {
    format!("2001:db8:1:{:x}00::1", number % 256)
}

async fn users(node: &Node) -> Vec<Person> {
    let mut users = Vec::new();
    for n in 0..5 {
        users.push(Person::create(node, &format!("user{n}@example.com")).await);
    }
    users
}

both_stores! {
    /// From addresses where they have signed in, and from others.
    async fn users_with_a_good_history_sign_in_during_a_flood_from_many_networks(
        world: World, "GRANTOR_SECRETS__SLOW_HASHES_AT_ONCE_MAX" = "1", "GRANTOR_SECRETS__SLOW_HASH_QUEUE_MAX" = "8",
        "GRANTOR_SERVER__TRUSTED_PROXIES" = "127.0.0.1"
    ) {
        let node = &world.node;
        let (application, users) = (application(node).await, users(node).await);
        let homes: Vec<String> = (0..users.len()).map(|n| format!("192.0.{n}.1")).collect();
        for (user, home) in users.iter().zip(&homes) {
            signs_in(node, &application, (home, &user.email, PASSWORD)).await.expect(StatusCode::OK);
        }
        let flood = Flood::start(world, &application, many_networks).await;
        for round in 0..4 {
            let on_the_way = format!("198.51.{round}.1");
            let signing_in = users.iter().zip(&homes).map(|(user, home)| {
                let address = if round % 2 == 0 { home } else { &on_the_way };
                signs_in(node, &application, (address, &user.email, PASSWORD))
            });
            for answer in join_all(signing_in).await {
                answer.expect(StatusCode::OK);
            }
        }
        flood.end().await;
    }

    async fn who_comes_from_elsewhere_signs_in_during_a_flood_from_one_network(
        world: World, "GRANTOR_SECRETS__SLOW_HASHES_AT_ONCE_MAX" = "1", "GRANTOR_SECRETS__SLOW_HASH_QUEUE_MAX" = "8",
        "GRANTOR_SERVER__TRUSTED_PROXIES" = "127.0.0.1", "GRANTOR_LIMITS__SIGN_INS_PER_ADDRESS_MAX" = "100000"
    ) {
        let node = &world.node;
        let (application, users) = (application(node).await, users(node).await);
        let flood = Flood::start(world, &application, one_network).await;
        for (n, user) in users.iter().enumerate() {
            let address = format!("198.51.{n}.1");
            signs_in(node, &application, (&address, &user.email, PASSWORD)).await.expect(StatusCode::OK);
        }
        flood.end().await;
    }

    async fn weak_passwords_by_a_link_are_counted_and_take_no_slow_hash(world: World) {
        let node = &world.node;
        let ann = Person::create(node, "ann@example.com").await;
        let desk = Desk::open(node).await;
        let made = desk.post("/tickets/password-change", json!({ "user_id": ann.id })).await;
        let made = made.expect(StatusCode::CREATED).text("ticket");
        let ticket = made.split_once("ticket=").unwrap().1.split('#').next().unwrap();
        let tries = async |password: &str| {
            ann.post(node, "/u/change-password", &[("ticket", ticket), ("password", password)]).await
        };
        let hashed = node.app.users.passwords.hashed();
        let answers = join_all((0..30).map(|_| tries("passwordpassword"))).await;
        let of = |status: StatusCode| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((of(StatusCode::BAD_REQUEST), of(StatusCode::TOO_MANY_REQUESTS)), (20, 10));
        assert_eq!(node.app.users.passwords.hashed(), hashed);
        let limited = tries("another horse eats no battery").await.expect(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(limited.headers["retry-after"], "180");
        assert!(limited.body.contains("Please try again in 3 minutes."), "{}", limited.body);
        world.clock.advance(180);
        tries("another horse eats no battery").await.expect(StatusCode::OK);
    }
}
