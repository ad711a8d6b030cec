//! `store::known_addresses`: where an account has signed in, the newest of it.

use grantor::store::known_addresses::{self, History, KNOWN_SECONDS};

use super::{Bench, NOW, ODD, both_databases};

async fn see(bench: &Bench, pair: (&str, &str), now: i64) {
    bench
        .write(async |tx| known_addresses::see(tx, pair, now, 3).await)
        .await
        .unwrap();
}

async fn of_account(bench: &Bench, account: &str, now: i64) -> Vec<String> {
    known_addresses::of_account(&mut bench.store.read().await.unwrap(), account, now)
        .await
        .unwrap()
}

async fn history(bench: &Bench, pair: (&str, &str), now: i64) -> History {
    known_addresses::history(&mut bench.store.read().await.unwrap(), pair, now)
        .await
        .unwrap()
}

async fn seen_at(bench: &Bench, pair: (&str, &str), now: i64) -> Option<i64> {
    history(bench, pair, now).await.seen_at
}

both_databases! {
    async fn an_account_is_known_by_the_newest_of_its_addresses(bench: Bench) {
        see(bench, ("another", "a"), NOW).await;
        for (n, address) in ["a", "b", ODD, "a", "c"].into_iter().enumerate() {
            see(bench, (ODD, address), NOW + i64::try_from(n).unwrap()).await;
        }
        assert_eq!(of_account(bench, ODD, NOW + 5).await, ["c", "a", ODD]);
        assert_eq!(of_account(bench, "another", NOW + 5).await, ["a"]);
        assert_eq!(seen_at(bench, (ODD, "a"), NOW + 5).await, Some(NOW + 3));
        assert_eq!(seen_at(bench, (ODD, "b"), NOW + 5).await, None);
        assert!(history(bench, (ODD, "b"), NOW + 5).await.is_known_anywhere);
        assert_eq!(history(bench, ("nobody", "a"), NOW + 5).await, History::default());
        assert_eq!(history(bench, (ODD, "a"), NOW + 5 + KNOWN_SECONDS).await, History::default());
    }

    async fn an_address_is_forgotten_in_time(bench: Bench) {
        for (n, account) in ["a", "b", "c"].into_iter().enumerate() {
            see(bench, (account, "x"), NOW + i64::try_from(n).unwrap()).await;
        }
        let end = NOW + KNOWN_SECONDS;
        assert_eq!(seen_at(bench, ("a", "x"), end - 1).await, Some(NOW));
        assert_eq!(seen_at(bench, ("a", "x"), end).await, None);
        assert_eq!(of_account(bench, "a", end).await, Vec::<String>::new());
        let sweep = async |now, rows_max| {
            bench.write(async |tx| known_addresses::sweep(tx, now, rows_max).await).await.unwrap()
        };
        assert_eq!(sweep(end - 1, 10).await, 0);
        assert_eq!(sweep(end + 1, 1).await, 1);
        assert_eq!(sweep(end + 1, 10).await, 1);
        assert_eq!(seen_at(bench, ("c", "x"), end + 1).await, Some(NOW + 2));
    }
}
