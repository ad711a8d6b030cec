//! `store::assertions` through the group-commit door: each assertion counts once, whoever runs it again.

use grantor::model::token::Token;
use grantor::store::assertions;
use grantor::store::group::{GroupDoor, Operation, Redemption};
use grantor::store::revocations::CLOCKS_APART_SECONDS_MAX;

use super::group::door;
use super::{NOW, both_databases, expect_defect, token};

fn by(mark: &str, digest: &str) -> Redemption {
    Redemption {
        digest: digest.into(),
        mark: mark.into(),
        ends_at: NOW + 60,
    }
}

async fn redeem(door: &GroupDoor, mark: &str, digest: &str) -> bool {
    door.redeem(by(mark, digest)).await.unwrap()
}

both_databases! {
    async fn the_first_to_come_has_an_assertion_and_keeps_it_when_run_again(bench: Bench) {
        let door = door(bench, 100);
        assert!(redeem(&door, "first", "a").await);
        for _ in 0..2 {
            assert!(!redeem(&door, "second", "a").await, "a replay");
            assert!(redeem(&door, "first", "a").await, "the same request, after an unknown outcome");
        }
        assert!(redeem(&door, "second", "b").await);
    }

    async fn of_many_in_one_batch_and_in_two_doors_exactly_one_has_it(bench: Bench) {
        let doors = [door(bench, 1000), door(bench, 1000)];
        for round in 0..10 {
            let running: Vec<_> = (0..32).map(|n| {
                let (door, redemption) = (doors[n % 2].clone(), by(&format!("{n}"), &format!("{round}")));
                tokio::spawn(async move { door.redeem(redemption).await.unwrap() })
            }).collect();
            let mut winners = 0;
            for running in running {
                winners += usize::from(running.await.unwrap());
            }
            assert_eq!(winners, 1);
        }
        assert_eq!(bench.database.sql().await.number("select count(*) from used_assertions").await, 10);
    }

    /// The bad row makes the batch fail, and its operations run one by one.
    async fn a_batch_that_fails_redeems_each_assertion_once_all_the_same(bench: Bench) {
        let door = door(bench, 1000);
        let running: Vec<_> = (0..60).map(|n| {
            let door = door.clone();
            tokio::spawn(async move {
                if n % 10 == 0 {
                    let token = Token { expires_at: Some(NOW), ..token(&format!("{n}"), "app", &[]) };
                    expect_defect(door.commit(Operation::StoreToken { digest: format!("{n}"), token }).await);
                    return 0;
                }
                // Two requests for each assertion.
                usize::from(redeem(&door, &format!("mark {n}"), &format!("{}", n / 2)).await)
            })
        }).collect();
        let mut winners = 0;
        for running in running {
            winners += running.await.unwrap();
        }
        assert_eq!(winners, 30);
    }

    async fn a_record_goes_when_its_assertion_is_refused_anyway_on_every_node(bench: Bench) {
        let door = door(bench, 100);
        for n in 0..5 {
            let redemption = Redemption { ends_at: NOW + n, ..by("mark", &n.to_string()) };
            assert!(door.redeem(redemption).await.unwrap());
        }
        let sweep = async |now, rows_max| {
            bench.write(async |tx| assertions::sweep(tx, now, rows_max).await).await.unwrap()
        };
        assert_eq!(sweep(NOW + 10, 10).await, 0, "the clock of another node may be behind");
        let now = NOW + CLOCKS_APART_SECONDS_MAX;
        assert_eq!(sweep(now + 2, 2).await, 2);
        assert_eq!(sweep(now + 2, 2).await, 1);
        assert_eq!(sweep(now + 2, 2).await, 0);
        assert!(!redeem(&door, "other", "3").await);
    }
}
