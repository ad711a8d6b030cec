//! Limits of attempts: how many, whom they stop, and whom they must not.

use std::net::IpAddr;

use grantor::model::user::User;
use grantor::users::limits::{Address, Limited, Limits, Reason, SignIn, Target, Verdict};

use crate::harness::{World, both_stores};

/// Somebody at an address, with a node before him.
struct Visitor<'a> {
    world: &'a World,
    limits: &'a Limits,
    address: Address,
}

fn at<'a>(world: &'a World, limits: &'a Limits, address: &str) -> Visitor<'a> {
    let address: IpAddr = address.parse().unwrap();
    Visitor {
        world,
        limits,
        address: Address::of(Some(address)),
    }
}

impl Visitor<'_> {
    async fn counts(&self, target: &Target) -> SignIn {
        let now_ms = self.world.clock.now_millis();
        self.limits
            .sign_in(target.clone(), self.address.clone(), now_ms)
            .await
            .unwrap()
    }

    async fn tries(&self, target: &Target) -> Result<SignIn, Limited> {
        let attempt = self.counts(target).await;
        attempt.limited().map_or(Ok(attempt), Err)
    }

    /// Guesses until it is limited: how often it was not, and by what it is.
    async fn guesses(&self, target: &Target) -> (usize, Limited) {
        let mut admitted = 0;
        loop {
            match self.tries(target).await {
                Ok(_) => admitted += 1,
                Err(limited) => return (admitted, limited),
            }
        }
    }

    /// Types a right password: the limit, where there is one.
    async fn signs_in(&self, target: &Target) -> Option<Limited> {
        let attempt = self.counts(target).await;
        assert!(attempt.verifies(), "{attempt:?}");
        let mut tx = self.world.node.app.store.write().await.unwrap();
        let now_ms = self.world.clock.now_millis();
        let limited = self
            .limits
            .signed_in(&mut tx, &attempt, now_ms)
            .await
            .unwrap();
        if limited.is_none() {
            tx.commit(now_ms / 1000).await.unwrap();
        }
        limited
    }
}

fn seconds(limited: Limited) -> u64 {
    limited.retry_after.as_secs()
}

fn ann() -> User {
    User {
        email: Some("ann@example.com".into()),
        username: Some("ann".into()),
        ..User::new("auth0|0123456789abcdef01234567".into(), 0)
    }
}

/// Whom a typed name is for: Ann, or nobody.
fn target(limits: &Limits, name: &str) -> Target {
    let ann = ann();
    let is_ann = ["ann@example.com", "ann"].contains(&name.to_lowercase().trim());
    limits.target_of(name, is_ann.then_some(&ann))
}

both_stores! {
    async fn a_name_takes_ten_guesses_from_wherever_and_then_one_every_six_minutes(world: World) {
        let limits = &world.node.app.users.limits;
        for name in ["ann@example.com", "nobody@example.com"] {
            let target = target(limits, name);
            let (admitted, limited) = at(world, limits, "192.0.2.1").guesses(&target).await;
            assert_eq!((admitted, limited.reason, seconds(limited)), (10, Reason::Account, 360));
            assert_eq!(at(world, limits, "192.0.2.2").guesses(&target).await.0, 0);
        }
        let target = target(limits, " Nobody@Example.COM");
        world.clock.advance(359);
        assert_eq!(seconds(at(world, limits, "192.0.2.2").guesses(&target).await.1), 1);
        world.clock.advance(1);
        assert_eq!(at(world, limits, "192.0.2.2").guesses(&target).await.0, 1);
    }

    async fn an_address_takes_so_many_guesses_at_whomever(world: World, "GRANTOR_LIMITS__SIGN_INS_PER_ADDRESS_MAX" = "7") {
        let limits = &world.node.app.users.limits;
        let visitor = at(world, limits, "2001:db8:1:2::1");
        for n in 0..7 {
            visitor.tries(&target(limits, &format!("{n}"))).await.unwrap();
        }
        let neighbour = at(world, limits, "2001:db8:1:2:ffff::9");
        let limited = neighbour.tries(&target(limits, "8")).await.unwrap_err();
        assert_eq!((limited.reason, seconds(limited)), (Reason::Address, 515));
        at(world, limits, "2001:db8:1:3::1").tries(&target(limits, "8")).await.unwrap();
        // What the address could not try was not counted for the name.
        assert_eq!(at(world, limits, "192.0.2.1").guesses(&target(limits, "9")).await.0, 7);
    }

    /// Whoever has a /56 or a /48, or an IPv4 /24, has that many addresses.
    async fn the_networks_around_an_address_take_so_many_guesses_in_all(world: World, "GRANTOR_LIMITS__SIGN_INS_PER_ADDRESS_MAX" = "3") {
        let limits = &world.node.app.users.limits;
        let guesses = async |address: &dyn Fn(usize) -> String| {
            for n in 0..1000 {
                let visitor = at(world, limits, &address(n));
                if let Err(limited) = visitor.tries(&target(limits, &format!("{n}"))).await {
                    assert_eq!(limited.reason, Reason::Address);
                    return n;
                }
            }
            1000
        };
        assert_eq!(guesses(&|n| format!("2001:db8:1:1{n:02x}::1")).await, 12, "a /56");
        assert_eq!(guesses(&|n| format!("2001:db8:2:{n:x}00::1")).await, 48, "a /48");
        assert_eq!(guesses(&|n| format!("192.0.2.{n}")).await, 48, "a /24");
        let mails = async |address: &str, n: usize| {
            let address = Address::of(Some(address.parse().unwrap()));
            let account = limits.account_named(&format!("{n}"));
            matches!(limits.mail(&account, &address, world.clock.now_millis()).await.unwrap(), Verdict::Admitted(()))
        };
        let mut asked = 0;
        while mails(&format!("2001:db8:3:{:x}::1", asked * 64), asked).await {
            asked += 1;
        }
        assert_eq!(asked, 16 * 20, "mails");
    }

    async fn a_success_gives_back_what_it_took_but_not_to_an_unknown_address(world: World, "GRANTOR_LIMITS__SIGN_INS_PER_ADDRESS_MAX" = "12") {
        let limits = &world.node.app.users.limits;
        let (own, other) = (target(limits, "ann"), target(limits, "other"));
        let visitor = at(world, limits, "192.0.2.1");
        for _ in 0..9 {
            visitor.tries(&own).await.unwrap();
        }
        assert_eq!(visitor.signs_in(&own).await, None);
        assert_eq!(at(world, limits, "192.0.2.2").guesses(&own).await.0, 1, "nine of ten stay");
        let (admitted, limited) = visitor.guesses(&other).await;
        assert_eq!((admitted, limited.reason), (2, Reason::Address), "ten of twelve went to the own account");
    }

    async fn who_guesses_does_not_lock_the_owner_out_at_home(world: World) {
        let limits = &world.node.app.users.limits;
        let target = target(limits, "ann");
        let home = at(world, limits, "192.0.2.1");
        home.signs_in(&target).await;
        assert_eq!(at(world, limits, "198.51.100.1").guesses(&target).await.0, 10);
        for _ in 0..5 {
            assert_eq!(home.signs_in(&target).await, None, "limited elsewhere, and the password is right");
        }
        let blocked = at(world, limits, "198.51.100.2").tries(&target).await;
        assert_eq!(blocked.unwrap_err().reason, Reason::Account, "a success at home frees no guesser");
        let mut verified = 0;
        while home.counts(&target).await.verifies() {
            verified += 1;
        }
        assert_eq!(verified, 30, "a known address has a count of its own");
        world.clock.advance(91 * 86_400);
        assert!(!at(world, limits, "198.51.100.1").counts(&target).await.is_from_known_address());
        assert!(!home.counts(&target).await.is_from_known_address(), "known no more");
    }

    async fn an_address_signs_in_to_one_account_so_often(world: World) {
        let limits = &world.node.app.users.limits;
        let (target, home) = (target(limits, "ann"), at(world, limits, "192.0.2.1"));
        for _ in 0..30 {
            assert_eq!(home.signs_in(&target).await, None);
        }
        let limited = home.signs_in(&target).await.unwrap();
        assert_eq!((limited.reason, seconds(limited)), (Reason::Account, 120));
        world.clock.advance(120);
        assert_eq!(home.signs_in(&target).await, None);
    }

    async fn two_nodes_and_a_restart_share_the_counts(world: World) {
        let other = world.another_node().await;
        let account = target(&world.node.app.users.limits, "somebody");
        let running: Vec<_> = (0..32).map(|n| {
            let limits = if n % 2 == 0 { &world.node.app.users.limits } else { &other.app.users.limits }.clone();
            let (account, address) = (account.clone(), Address::of(Some(IpAddr::from([192, 0, 2, n]))));
            let now_ms = world.clock.now_millis();
            tokio::spawn(async move { limits.sign_in(account, address, now_ms).await.unwrap() })
        }).collect();
        let mut admitted = 0;
        for running in running {
            match running.await.unwrap().limited() {
                None => admitted += 1,
                Some(limited) => assert_eq!((limited.reason, seconds(limited)), (Reason::Account, 360)),
            }
        }
        assert_eq!(admitted, 10);
        other.stop().await;
        let another = world.another_node().await;
        assert_eq!(at(world, &another.app.users.limits, "192.0.2.99").guesses(&account).await.0, 0);
        another.stop().await;
    }

    async fn mails_and_sign_ups_have_limits_of_their_own(world: World) {
        let limits = &world.node.app.users.limits;
        let account = limits.account_named("ann@example.com");
        let here = Address::of(Some(IpAddr::from([192, 0, 2, 1])));
        let now_ms = world.clock.now_millis();
        let is_admitted = |verdict: Verdict<()>| matches!(verdict, Verdict::Admitted(()));
        for n in 0..7 {
            let verdict = if n % 2 == 0 {
                limits.mail(&account, &here, now_ms).await
            } else {
                limits.sign_up(&account, &here, now_ms).await
            };
            assert_eq!(is_admitted(verdict.unwrap()), n < 5, "five mails to one account");
        }
        let mut admitted = 0;
        while is_admitted(limits.sign_up(&limits.account_named(&admitted.to_string()), &here, now_ms).await.unwrap()) {
            admitted += 1;
        }
        assert_eq!(admitted, 18, "twenty in all, two of which ann's");
        at(world, limits, "192.0.2.1").tries(&target(limits, "ann@example.com")).await.unwrap();
    }

    async fn a_flood_that_is_limited_writes_nothing(world: World) {
        let limits = &world.node.app.users.limits;
        let account = target(limits, "somebody");
        at(world, limits, "192.0.2.1").guesses(&account).await;
        let before = world.node.app.store.statements_sent();
        at(world, limits, "192.0.2.1").tries(&account).await.unwrap_err();
        assert!(world.node.app.store.statements_sent() - before <= 5, "five reads and nothing else");
    }
}
