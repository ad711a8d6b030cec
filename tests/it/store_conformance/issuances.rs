//! `store::issuances`

use grantor::store::issuances::{self, Count, Question};

use super::{Bench, both_databases};

fn count(day: i64, client_id: &str, audience: &str, rule: &str, tokens: (i64, i64)) -> Count {
    Count {
        day,
        client_id: client_id.into(),
        audience: audience.into(),
        rule: rule.into(),
        tokens: tokens.0,
        tokens_first: tokens.1,
    }
}

async fn add(bench: &Bench, counts: &[Count]) {
    bench
        .write(async |tx| issuances::add(tx, counts).await)
        .await
        .unwrap();
}

fn question() -> Question {
    Question {
        from_day: 20_300_101,
        to_day: 20_300_131,
        ..Question::default()
    }
}

/// Sums as text.
async fn sums(bench: &Bench, question: &Question) -> Vec<String> {
    let mut conn = bench.store.read().await.unwrap();
    let sums = issuances::sums(&mut conn, question, 1000).await.unwrap();
    sums.into_iter()
        .map(|(client_id, audience, rule, day, tokens)| {
            format!("{client_id} {audience} {rule} {day} {tokens}")
                .trim()
                .to_owned()
        })
        .collect()
}

both_databases! {
    async fn counts_add_up_whoever_adds_them(bench: Bench) {
        let many: Vec<Count> = (0..200).map(|n| count(20_300_101, &format!("app {n:03}"), "a", "requested", (2, 1))).collect();
        for _ in 0..3 {
            add(bench, &many).await;
        }
        add(bench, &many[..1]).await;
        add(bench, &[]).await;
        assert_eq!(sums(bench, &question()).await, ["20300101 601"]);
        let by_client = sums(bench, &Question { by_client: true, ..question() }).await;
        assert_eq!(by_client.len(), 200);
        assert_eq!(by_client[..2], ["app 000   20300101 4", "app 001   20300101 3"]);
    }

    async fn sums_are_as_fine_as_asked_and_a_token_for_two_apis_is_one_token(bench: Bench) {
        let day = 20_300_102;
        add(bench, &[
            count(20_291_231, "x", "a", "requested", (9, 9)),
            count(day, "x", "a", "requested", (5, 3)),
            count(day, "x", "b", "requested", (4, 2)),
            count(day, "y", "b", "api_default", (1, 1)),
            count(day + 1, "y", "b", "api_default", (1, 1)),
            count(20_300_201, "x", "a", "requested", (9, 9)),
        ]).await;
        let ask = question();
        let [x, a, requested] = ["x", "a", "requested"].map(|text| Some(text.to_owned()));
        for (question, expected) in [
            (ask.clone(), &["20300102 6", "20300103 1"][..]),
            (Question { by_rule: true, ..ask.clone() }, &["api_default 20300102 1", "api_default 20300103 1", "requested 20300102 5"]),
            (Question { by_api: true, ..ask.clone() }, &["a  20300102 5", "b  20300102 5", "b  20300103 1"]),
            (Question { audience: a, ..ask.clone() }, &["20300102 5"]),
            (Question { client_id: x, by_client: true, by_api: true, by_rule: true, ..ask.clone() },
                &["x a requested 20300102 5", "x b requested 20300102 4"]),
            (Question { rule: requested, ..ask.clone() }, &["20300102 5"]),
        ] {
            assert_eq!(sums(bench, &question).await, expected, "{question:?}");
        }
        let mut conn = bench.store.read().await.unwrap();
        assert_eq!(issuances::sums(&mut conn, &ask, 1).await.unwrap().len(), 1, "rows are bounded");
    }

    async fn the_sweep_takes_days_that_are_over(bench: Bench) {
        for day in 20_300_101..=20_300_105 {
            add(bench, &[count(day, "x", "a", "requested", (1, 1))]).await;
        }
        let mut swept = Vec::new();
        for _ in 0..3 {
            let sweep = bench.write(async |tx| issuances::sweep(tx, 20_300_104, 2).await);
            swept.push(sweep.await.unwrap());
        }
        assert_eq!(swept, [2, 1, 0]);
        assert_eq!(sums(bench, &question()).await, ["20300104 1", "20300105 1"]);
    }
}
