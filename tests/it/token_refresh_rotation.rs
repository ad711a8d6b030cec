//! Rotation that real clients survive: lost answers, parallel requests, and what is proof of a thief.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::away::{Away, ORDERS, rotating};
use crate::harness::{Answer, Node, Wire, World, both_stores};

/// Everything that came from the authorization is dead, on both nodes, and the operator knows.
async fn assert_all_dead((world, there): (&World, &Node), away: &Away, answers: &[Answer]) {
    let admin = world.node.admin_token().await;
    for node in [&world.node, there] {
        // The node that did not see it hears of it within a second.
        node.app.directory.read_anew().await.unwrap();
        for answer in answers {
            assert!(
                !node
                    .is_active_to(&admin, &answer.text("access_token"))
                    .await
            );
            away.is_refused(node, &answer.text("refresh_token")).await;
        }
    }
    assert_eq!(
        away.grants(&world.node).await,
        2,
        "the consent at one API is gone"
    );
    let logs = world
        .node
        .manage(Method::GET, "/logs?q=type:ferrt", None)
        .await;
    let logs = logs.expect(StatusCode::OK).json;
    assert_eq!(logs.as_array().unwrap().len(), 1, "{logs}");
    let record = &logs[0];
    assert_eq!(
        (&record["user_id"], &record["client_id"]),
        (&json!(away.user_id), &json!(away.app.id))
    );
    assert_eq!(record["audience"], ORDERS);
}

/// The answer to a refresh that must be granted.
async fn granted(away: &Away, wire: &Wire, token: &str) -> Answer {
    away.refresh(wire, token, &[]).await.expect(StatusCode::OK)
}

both_stores! {
    async fn whoever_missed_the_answer_gets_the_very_same_successor_ten_times(world: World) {
        let node = &world.node;
        let there = &world.another_node().await;
        let away = Away::new(world, rotating(&json!({}))).await;
        let first = away.begin(node).await;
        let token = first.text("refresh_token");
        there.app.directory.read_anew().await.unwrap();
        let mut answers = vec![granted(&away, node, &token).await];
        let successor = answers[0].text("refresh_token");
        for n in 0..10 {
            let replay = granted(&away, if n % 2 == 0 { node } else { there }, &token).await;
            assert_eq!(replay.text("refresh_token"), successor);
            answers.push(replay);
        }
        let different: BTreeSet<String> = answers.iter().map(|answer| answer.text("access_token")).collect();
        assert_eq!(different.len(), 11, "a new access token each time");
        // Nobody misses eleven answers.
        away.is_refused(node, &token).await;
        answers.push(first);
        assert_all_dead((world, there), &away, &answers).await;
        there.stop().await;
    }

    async fn a_lost_answer_logs_nobody_out(world: World) {
        let node = &world.node;
        let away = Away::new(world, rotating(&json!({}))).await;
        let mut token = away.begin(node).await.text("refresh_token");
        for _ in 0..5 {
            // The client never sees this answer.
            granted(&away, node, &token).await;
            world.clock.advance(29);
            token = granted(&away, node, &token).await.text("refresh_token");
            world.clock.advance(3600);
        }
    }

    async fn thirty_seconds_after_its_first_use_a_token_is_proof_of_a_thief(world: World) {
        let node = &world.node;
        let there = &world.another_node().await;
        let away = Away::new(world, rotating(&json!({}))).await;
        let first = away.begin(node).await;
        let token = first.text("refresh_token");
        let second = granted(&away, node, &token).await;
        world.clock.advance(29);
        let replay = granted(&away, node, &token).await;
        world.clock.advance(1);
        away.is_refused(node, &token).await;
        assert_all_dead((world, there), &away, &[first, second, replay]).await;
        there.stop().await;
    }

    async fn a_longer_leeway_of_the_application_counts_instead(world: World) {
        let node = &world.node;
        let away = Away::new(world, rotating(&json!({ "leeway": 100 }))).await;
        let token = away.begin(node).await.text("refresh_token");
        let successor = away.next(node, &token).await;
        world.clock.advance(99);
        assert_eq!(away.next(node, &token).await, successor);
        away.change(node, rotating(&json!({ "leeway": 0 }))).await;
        away.is_refused(node, &token).await;
        away.is_refused(node, &successor).await;
    }

    async fn an_old_token_is_proof_of_a_thief_at_any_time(world: World) {
        let node = &world.node;
        let there = &world.another_node().await;
        let away = Away::new(world, rotating(&json!({}))).await;
        let first = away.begin(node).await;
        let second = granted(&away, node, &first.text("refresh_token")).await;
        let third = granted(&away, node, &second.text("refresh_token")).await;
        there.app.directory.read_anew().await.unwrap();
        // On the other node, which has not seen any of it.
        away.is_refused(there, &first.text("refresh_token")).await;
        assert_all_dead((world, there), &away, &[first, second, third]).await;
        there.stop().await;
    }

    async fn sixteen_at_once_on_two_nodes_all_see_one_successor(world: World, "GRANTOR_REFRESH__REPLAYS_MAX" = "15") {
        let node = &world.node;
        let there = &world.another_node().await;
        let away = Away::new(world, rotating(&json!({}))).await;
        let mut token = away.begin(node).await.text("refresh_token");
        there.app.directory.read_anew().await.unwrap();
        for round in 0..4 {
            let running: Vec<_> = (0..16).map(|n| {
                let wire: Wire = if n % 2 == 0 { (**node).clone() } else { (**there).clone() };
                let (away, token) = (away.clone(), token.clone());
                tokio::spawn(async move { away.refresh(&wire, &token, &[]).await })
            }).collect();
            let mut successors = BTreeSet::new();
            let mut access_tokens = BTreeSet::new();
            for running in running {
                let answer = running.await.unwrap().expect(StatusCode::OK);
                successors.insert(answer.text("refresh_token"));
                access_tokens.insert(answer.text("access_token"));
            }
            assert_eq!((successors.len(), access_tokens.len()), (1, 16), "round {round}");
            token = successors.pop_first().unwrap();
        }
        away.next(there, &token).await;
        there.stop().await;
    }

    async fn sixteen_at_once_beyond_what_is_answered_end_it_and_nobody_gets_a_5xx(world: World) {
        let node = &world.node;
        let there = &world.another_node().await;
        let away = Away::new(world, rotating(&json!({}))).await;
        let first = away.begin(node).await;
        let token = first.text("refresh_token");
        there.app.directory.read_anew().await.unwrap();
        let running: Vec<_> = (0..16).map(|n| {
            let wire: Wire = if n % 2 == 0 { (**node).clone() } else { (**there).clone() };
            let (away, token) = (away.clone(), token.clone());
            tokio::spawn(async move { away.refresh(&wire, &token, &[]).await })
        }).collect();
        let mut answers = vec![first];
        for running in running {
            let answer = running.await.unwrap();
            if answer.status == StatusCode::OK {
                answers.push(answer);
            } else {
                answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
            }
        }
        assert_eq!(answers.len(), 1 + 11, "one exchange, ten replays");
        assert_all_dead((world, there), &away, &answers).await;
        there.stop().await;
    }

    async fn a_code_is_redeemed_once_of_sixteen_at_once_and_its_refresh_token_ends(world: World) {
        let node = &world.node;
        let there = &world.another_node().await;
        let away = Away::new(world, rotating(&json!({}))).await;
        there.app.directory.read_anew().await.unwrap();
        let request = grantor::model::authorization_code::CodeRequest {
            redirect_uri: "https://app.example/".into(),
            redirect_uri_is_named: false,
            code_challenge: None,
            validity_period: None,
            is_pushed: false,
        };
        let authorization = away.authorization(node, &[ORDERS]);
        let code = node.app.mint.issue_code(authorization, request, (world.clock.now(), 60)).await.unwrap();
        let running: Vec<_> = (0..16).map(|n| {
            let wire: Wire = if n % 2 == 0 { (**node).clone() } else { (**there).clone() };
            let (away, code) = (away.clone(), code.clone());
            tokio::spawn(async move {
                let params = [("grant_type", "authorization_code"), ("code", code.expose())];
                away.post(&wire, "/oauth/token", &params).await
            })
        }).collect();
        let mut winners = Vec::new();
        for running in running {
            let answer = running.await.unwrap();
            if answer.status == StatusCode::OK {
                winners.push(answer.text("refresh_token"));
            } else {
                answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
            }
        }
        assert_eq!(winners.len(), 1);
        away.is_refused(node, &winners[0]).await;
        there.stop().await;
    }

    async fn rotation_is_switched_on_and_off_under_living_tokens(world: World) {
        let node = &world.node;
        let endless = json!({ "rotation_type": "non-rotating", "expiration_type": "non-expiring" });
        let endless = json!({ "refresh_token": endless });
        let away = Away::new(world, endless.clone()).await;
        let first = away.begin(node).await;
        assert!(first.json["refresh_token_timeout"].is_null(), "it lives until somebody ends it");
        let token = first.text("refresh_token");
        for _ in 0..3 {
            world.clock.advance(10_000_000);
            assert_eq!(away.next(node, &token).await, token);
        }
        away.change(node, rotating(&json!({ "infinite_token_lifetime": true }))).await;
        let second = away.next(node, &token).await;
        assert_ne!(second, token);
        // Off again: the previous token still gets the same successor, until that is used.
        away.change(node, endless).await;
        assert_eq!(away.next(node, &token).await, second);
        assert_eq!(away.next(node, &second).await, second);
        away.is_refused(node, &token).await;
        away.is_refused(node, &second).await;
    }

    async fn a_use_of_a_token_that_stays_is_recorded_once_a_minute(world: World) {
        let node = &world.node;
        let terms = json!({ "refresh_token": { "rotation_type": "non-rotating", "expiration_type": "expiring", "infinite_token_lifetime": true, "idle_token_lifetime": 3600 } });
        let away = Away::new(world, terms).await;
        let token = away.begin(node).await.text("refresh_token");
        let mut used_at = world.clock.now();
        for (step, timeout) in [(59, 3541), (1, 3600), (30, 3570), (30, 3600)] {
            world.clock.advance(step);
            let answer = granted(&away, node, &token).await;
            assert_eq!(answer.json["refresh_token_timeout"], timeout);
            if timeout == 3600 {
                used_at = world.clock.now();
            }
            let kept = world.database.sql().await.number("select used_at from refresh_families").await;
            assert_eq!(kept, used_at);
        }
        world.clock.advance(3599);
        away.next(node, &token).await;
        world.clock.advance(3600);
        away.is_refused(node, &token).await;
    }

    async fn a_shortened_setting_bites_at_once_and_a_lengthened_one_revives_nothing(world: World, "GRANTOR_SWEEP__INTERVAL_SECONDS" = "86400") {
        let node = &world.node;
        let terms = |lifetime: i64, idle: i64| rotating(&json!({ "token_lifetime": lifetime, "idle_token_lifetime": idle }));
        let away = Away::new(world, terms(1000, 300)).await;
        let first = away.begin(node).await.text("refresh_token");
        world.clock.advance(299);
        let token = away.next(node, &first).await;
        away.change(node, terms(2000, 300)).await;
        let lengthened = granted(&away, node, &token).await;
        world.clock.advance(299);
        let late = granted(&away, node, &lengthened.text("refresh_token")).await;
        assert_eq!(late.json["refresh_token_timeout"], 300);
        world.clock.advance(299);
        let last = granted(&away, node, &late.text("refresh_token")).await;
        assert_eq!(last.json["refresh_token_timeout"], 1000 - 3 * 299, "the end that was fixed at the first issue");
        // Shortened below what has passed, and back.
        let token = last.text("refresh_token");
        away.change(node, terms(800, 300)).await;
        away.is_refused(node, &token).await;
        away.change(node, terms(1000, 300)).await;
        let token = away.next(node, &token).await;
        away.change(node, terms(1000, 50)).await;
        world.clock.advance(50);
        away.is_refused(node, &token).await;
        world.clock.advance(53);
        away.change(node, terms(9000, 8000)).await;
        away.is_refused(node, &token).await;
        // The clock of a machine that is set back.
        world.clock.advance(-200);
        away.next(node, &token).await;
    }

    async fn a_refresh_token_never_outlives_the_consent(world: World) {
        let node = &world.node;
        let away = Away::new(world, rotating(&json!({ "token_lifetime": 1000, "idle_token_lifetime": 600 }))).await;
        away.consent(node, Some(world.clock.now() + 700)).await;
        let first = away.begin(node).await;
        assert_eq!((&first.json["refresh_token_timeout"], &first.json["authorization_expires_in"]), (&json!(600), &json!(700)));
        world.clock.advance(200);
        let second = granted(&away, node, &first.text("refresh_token")).await;
        assert_eq!((&second.json["refresh_token_timeout"], &second.json["authorization_expires_in"]), (&json!(500), &json!(500)));
        assert_eq!(second.json["expires_in"], 500, "nor does an access token");
        let seen = node.introspect(&away.app, &second.text("refresh_token")).await;
        assert_eq!((&seen["refresh_token_timeout"], &seen["authorization_expires_in"]), (&json!(500), &json!(500)));
        world.clock.advance(500);
        assert!(!node.is_active(&away.app, &second.text("refresh_token")).await);
        away.is_refused(node, &second.text("refresh_token")).await;
        // Consent that is renewed takes the tokens up that have not ended by themselves.
        away.consent(node, None).await;
        away.next(node, &second.text("refresh_token")).await;
    }
}
