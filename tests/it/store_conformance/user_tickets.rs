//! `store::user_tickets`: each works once, and only for the user as they were when it was issued.

use grantor::model::user::User;
use grantor::model::user_ticket::{TicketKind, UserTicket};
use grantor::secret::Secret;
use grantor::store::revocations::CLOCKS_APART_SECONDS_MAX;
use grantor::store::{user_tickets, users};

use super::{Bench, NOW, both_databases, user};

const RESET: TicketKind = TicketKind::ResetPassword;
const VERIFY: TicketKind = TicketKind::VerifyEmail;

fn ticket(kind: TicketKind, of: &User) -> UserTicket {
    UserTicket {
        kind,
        user_id: of.user_id.clone(),
        proves_email: kind == VERIFY,
        result_url: Some("https://shop.example/".into()),
        created_at: NOW,
        expires_at: NOW + 60,
    }
}

async fn insert(bench: &Bench, digest: &str, ticket: &UserTicket) -> bool {
    bench
        .write(async |tx| user_tickets::insert(tx, digest, ticket).await)
        .await
        .unwrap()
}

async fn find(bench: &Bench, digest: &str, kind: TicketKind, now: i64) -> Option<UserTicket> {
    user_tickets::find(&mut bench.store.read().await.unwrap(), digest, kind, now)
        .await
        .unwrap()
}

async fn redeem(bench: &Bench, digest: &str, kind: TicketKind, now: i64) -> Option<UserTicket> {
    bench
        .write(async |tx| user_tickets::redeem(tx, digest, kind, now).await)
        .await
        .unwrap()
}

async fn with_user(bench: &Bench, own: &str) -> User {
    let one = user(own);
    let inserted = bench.write(async |tx| users::insert(tx, &one, None).await);
    assert!(inserted.await.unwrap());
    one
}

both_databases! {
    async fn a_ticket_works_once_for_what_it_is_for_until_its_end(bench: Bench) {
        let ann = with_user(bench, "ann").await;
        let verify = ticket(VERIFY, &ann);
        assert!(insert(bench, "a", &verify).await);
        assert_eq!(find(bench, "a", RESET, NOW).await, None);
        assert_eq!(find(bench, "b", VERIFY, NOW).await, None);
        assert_eq!(find(bench, "a", VERIFY, NOW + 60).await, None);
        assert_eq!(redeem(bench, "a", VERIFY, NOW + 60).await, None);
        assert_eq!(find(bench, "a", VERIFY, NOW + 59).await, Some(verify.clone()));
        assert_eq!(redeem(bench, "a", VERIFY, NOW + 59).await, Some(verify));
        assert_eq!(redeem(bench, "a", VERIFY, NOW).await, None);
        assert_eq!(find(bench, "a", VERIFY, NOW).await, None);
        assert!(!insert(bench, "c", &ticket(RESET, &user("nobody"))).await);
    }

    async fn of_sixteen_in_parallel_exactly_one_has_it(bench: Bench) {
        let ann = with_user(bench, "ann").await;
        for round in 0..5 {
            let digest = round.to_string();
            insert(bench, &digest, &ticket(RESET, &ann)).await;
            let running: Vec<_> = (0..16).map(|_| {
                let (store, digest) = (bench.store.clone(), digest.clone());
                tokio::spawn(async move {
                    let mut tx = store.write().await.unwrap();
                    let redeemed = user_tickets::redeem(&mut tx, &digest, RESET, NOW).await.unwrap();
                    tx.commit(NOW).await.unwrap();
                    usize::from(redeemed.is_some())
                })
            }).collect();
            let mut winners = 0;
            for running in running {
                winners += running.await.unwrap();
            }
            assert_eq!(winners, 1);
        }
    }

    async fn a_reset_ends_with_the_password_or_the_address_and_a_proof_with_the_address(bench: Bench) {
        let mut ann = with_user(bench, "ann").await;
        for (digest, kind) in [("reset", RESET), ("verify", VERIFY)] {
            insert(bench, digest, &ticket(kind, &ann)).await;
        }
        let upgraded = Secret::new("hash".to_owned());
        bench.write(async |tx| users::set_password_hash(tx, &ann.user_id, &upgraded, NOW).await).await.unwrap();
        assert_eq!(find(bench, "reset", RESET, NOW).await, None);
        assert_eq!(redeem(bench, "reset", RESET, NOW).await, None);
        assert!(find(bench, "verify", VERIFY, NOW).await.is_some());
        insert(bench, "another", &ticket(RESET, &ann)).await;
        ann.email = Some("another@example.com".into());
        bench.write(async |tx| users::update(tx, &ann).await).await.unwrap();
        assert_eq!(find(bench, "another", RESET, NOW).await, None);
        assert_eq!(redeem(bench, "verify", VERIFY, NOW).await, None);
        (ann.email, ann.username) = (None, Some("ann".into()));
        bench.write(async |tx| users::update(tx, &ann).await).await.unwrap();
        insert(bench, "without an address", &ticket(RESET, &ann)).await;
        assert!(redeem(bench, "without an address", RESET, NOW).await.is_some());
    }

    async fn earlier_ones_end_and_all_go_with_their_user_or_their_time(bench: Bench) {
        let (ann, bob) = (with_user(bench, "ann").await, with_user(bench, "bob").await);
        for (digest, kind, of) in [("a", RESET, &ann), ("b", RESET, &ann), ("c", VERIFY, &ann), ("d", RESET, &bob)] {
            insert(bench, digest, &ticket(kind, of)).await;
        }
        redeem(bench, "a", RESET, NOW).await;
        let ended = bench.write(async |tx| user_tickets::end_unused(tx, &ann.user_id, RESET).await);
        assert_eq!(ended.await.unwrap(), 1);
        assert_eq!(find(bench, "b", RESET, NOW).await, None);
        assert!(find(bench, "c", VERIFY, NOW).await.is_some() && find(bench, "d", RESET, NOW).await.is_some());
        bench.write(async |tx| users::delete(tx, &ann.user_id).await).await.unwrap();
        assert_eq!(find(bench, "c", VERIFY, NOW).await, None);
        let sweep = async |now| bench.write(async |tx| user_tickets::sweep(tx, now, 10).await).await.unwrap();
        assert_eq!(sweep(NOW + 60).await, 0, "the clock of another node may be behind");
        assert_eq!(sweep(NOW + 60 + CLOCKS_APART_SECONDS_MAX).await, 1);
    }
}
