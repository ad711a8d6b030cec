//! Limits of attempts: how many, whom they stop, and whom they must not.

use std::net::IpAddr;

use grantor::users::limits::{Account, Address, Limited, Limits, Reason, SignIn, Verdict};

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
    async fn tries(&self, account: &Account) -> Result<SignIn, Limited> {
        let now_ms = self.world.clock.now_millis();
        let verdict = self
            .limits
            .sign_in(account.clone(), self.address.clone(), now_ms)
            .await
            .unwrap();
        match verdict {
            Verdict::Admitted(attempt) => Ok(attempt),
            Verdict::Limited(limited) => Err(limited),
        }
    }

    /// Guesses until it is limited: how often it was not, and by what it is.
    async fn guesses(&self, account: &Account) -> (usize, Limited) {
        let mut admitted = 0;
        loop {
            match self.tries(account).await {
                Ok(_) => admitted += 1,
                Err(limited) => return (admitted, limited),
            }
        }
    }

    async fn signs_in(&self, account: &Account) {
        let attempt = self.tries(account).await.unwrap();
        self.limits
            .signed_in(attempt, self.world.clock.now())
            .await
            .unwrap();
    }
}

fn seconds(limited: Limited) -> u64 {
    limited.retry_after.as_secs()
}

both_stores! {
    async fn an_account_takes_ten_guesses_from_wherever_and_then_one_every_six_minutes(world: World) {
        let limits = &world.node.app.users.limits;
        for account in [limits.account_of("auth0|0123456789abcdef01234567"), limits.account_named("nobody@example.com")] {
            let (admitted, limited) = at(world, limits, "192.0.2.1").guesses(&account).await;
            assert_eq!((admitted, limited.reason, seconds(limited)), (10, Reason::Account, 360));
            assert_eq!(at(world, limits, "192.0.2.2").guesses(&account).await.0, 0);
        }
        let account = limits.account_named(" Nobody@Example.COM");
        world.clock.advance(359);
        assert_eq!(seconds(at(world, limits, "192.0.2.2").guesses(&account).await.1), 1);
        world.clock.advance(1);
        assert_eq!(at(world, limits, "192.0.2.2").guesses(&account).await.0, 1);
    }

    async fn an_address_takes_so_many_guesses_at_whomever(world: World, "GRANTOR_LIMITS__SIGN_INS_PER_ADDRESS_MAX" = "7") {
        let limits = &world.node.app.users.limits;
        let visitor = at(world, limits, "2001:db8:1:2::1");
        for n in 0..7 {
            visitor.tries(&limits.account_named(&format!("{n}"))).await.unwrap();
        }
        let neighbour = at(world, limits, "2001:db8:1:2:ffff::9");
        let limited = neighbour.tries(&limits.account_named("8")).await.unwrap_err();
        assert_eq!((limited.reason, seconds(limited)), (Reason::Address, 515));
        at(world, limits, "2001:db8:1:3::1").tries(&limits.account_named("8")).await.unwrap();
        // What the address could not try was not counted for the account.
        assert_eq!(at(world, limits, "192.0.2.1").guesses(&limits.account_named("9")).await.0, 7);
    }

    async fn a_success_starts_the_accounts_count_anew_and_not_the_addresss(world: World, "GRANTOR_LIMITS__SIGN_INS_PER_ADDRESS_MAX" = "12") {
        let limits = &world.node.app.users.limits;
        let (own, other) = (limits.account_named("own"), limits.account_named("other"));
        let visitor = at(world, limits, "192.0.2.1");
        for _ in 0..9 {
            visitor.tries(&own).await.unwrap();
        }
        visitor.signs_in(&own).await;
        assert_eq!(at(world, limits, "192.0.2.2").guesses(&own).await.0, 10);
        let (admitted, limited) = visitor.guesses(&other).await;
        assert_eq!((admitted, limited.reason), (2, Reason::Address), "ten of twelve went to the own account");
    }

    async fn who_guesses_from_elsewhere_does_not_lock_the_owner_out_at_home(world: World) {
        let limits = &world.node.app.users.limits;
        let account = limits.account_of("auth0|0123456789abcdef01234567");
        let home = at(world, limits, "192.0.2.1");
        home.signs_in(&account).await;
        assert_eq!(at(world, limits, "198.51.100.1").guesses(&account).await.0, 10);
        for _ in 0..5 {
            home.signs_in(&account).await;
        }
        let blocked = at(world, limits, "198.51.100.2").tries(&account).await;
        assert_eq!(blocked.unwrap_err().reason, Reason::Account, "a success at home frees no guesser");
        assert_eq!(home.guesses(&account).await.0, 25, "a known address has a count of its own");
        world.clock.advance(91 * 86_400);
        assert_eq!(home.guesses(&account).await.0, 10, "known no more");
    }

    async fn two_nodes_and_a_restart_share_the_counts(world: World) {
        let other = world.another_node().await;
        let account = world.node.app.users.limits.account_named("somebody");
        let running: Vec<_> = (0..32).map(|n| {
            let limits = if n % 2 == 0 { &world.node.app.users.limits } else { &other.app.users.limits }.clone();
            let (account, address) = (account.clone(), Address::of(Some(IpAddr::from([192, 0, 2, n]))));
            let now_ms = world.clock.now_millis();
            tokio::spawn(async move { limits.sign_in(account, address, now_ms).await.unwrap() })
        }).collect();
        let mut admitted = 0;
        for running in running {
            match running.await.unwrap() {
                Verdict::Admitted(_) => admitted += 1,
                Verdict::Limited(limited) => assert_eq!((limited.reason, seconds(limited)), (Reason::Account, 360)),
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
        at(world, limits, "192.0.2.1").tries(&account).await.unwrap();
    }

    async fn a_flood_that_is_limited_writes_nothing(world: World) {
        let limits = &world.node.app.users.limits;
        let account = limits.account_named("somebody");
        at(world, limits, "192.0.2.1").guesses(&account).await;
        let before = world.node.app.store.statements_sent();
        at(world, limits, "192.0.2.1").tries(&account).await.unwrap_err();
        assert!(world.node.app.store.statements_sent() - before <= 3, "three reads and nothing else");
    }
}
