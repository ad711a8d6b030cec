//! Refresh tokens against a small model of them: whatever sequence of issues, exchanges, lost answers,
//! parallel requests, revocations, clock steps and settings there is, the two agree.

mod model;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use reqwest::{Method, StatusCode};
use serde_json::json;

use self::model::{Event, Line, Model, Terms, Token, Verdict};
use crate::away::Away;
use crate::harness::{Answer, Node, Wire, World, both_stores};

/// Sequences for each store, and steps in one.
const CASES: u32 = 80;
const STEPS_MAX: usize = 40;
/// What may happen. Lines and tokens are chosen among those that there are.
#[derive(Clone, Debug)]
enum Step {
    /// The user signs in once more.
    Issue,
    /// A token is exchanged, so many requests at once on two nodes; the client may see no answer.
    Exchange {
        token: Chosen,
        requests: usize,
        is_lost: bool,
    },
    Revoke(Chosen),
    Introspect(Chosen),
    /// Somebody who knows no token names the line of one.
    Forge(Chosen),
    Clock(i64),
    Set(Terms),
}

/// A token of those that the client has seen: of which line, and how many newer ones; the first line
/// or token where there are not so many.
#[derive(Clone, Copy, Debug)]
struct Chosen {
    line: usize,
    back: usize,
}

/// How often each came up.
type Tally = BTreeMap<Event, usize>;

/// What the application is set to, and the steps. With each: where nothing lives any more, whether the
/// user signs in anew before it, so that most sequences do not end in refusals only.
fn steps() -> impl Strategy<Value = (Terms, Vec<(bool, Step)>)> {
    let step = (prop::bool::weighted(0.6), step());
    (
        terms(),
        prop::collection::vec(step, STEPS_MAX / 4..=STEPS_MAX),
    )
}

fn step() -> impl Strategy<Value = Step> {
    let chosen = || {
        // Mostly the newest token of the newest line.
        let back = prop_oneof![12 => Just(0_usize), 8 => Just(1), 1 => 2_usize..4];
        let line = prop_oneof![4 => Just(0_usize), 1 => 1_usize..3];
        (line, back).prop_map(|(line, back)| Chosen { line, back })
    };
    let requests = prop_oneof![5 => Just(1_usize), 1 => 2_usize..6, 1 => Just(12)];
    let exchange = (chosen(), requests, prop::bool::weighted(0.3));
    let clock = prop::sample::select(vec![1, 1, 2, 5, 8, 10, 29, 30, 60, 100, 300, -1, -10, -40]);
    prop_oneof![
        2 => Just(Step::Issue),
        12 => exchange.prop_map(|(token, requests, is_lost)| Step::Exchange { token, requests, is_lost }),
        1 => chosen().prop_map(Step::Revoke),
        2 => chosen().prop_map(Step::Introspect),
        1 => chosen().prop_map(Step::Forge),
        4 => clock.prop_map(Step::Clock),
        3 => terms().prop_map(Step::Set),
    ]
}

fn terms() -> impl Strategy<Value = Terms> {
    let rotates = prop::bool::weighted(0.6);
    let leeway = prop::sample::select(vec![0, 10, 40, 120]);
    let idle = prop::sample::select(vec![None, Some(20), Some(90), Some(700)]);
    let more = prop::sample::select(vec![None, Some(1), Some(50), Some(600)]);
    (rotates, leeway, idle, more).prop_map(|(rotates, leeway, idle, more)| Terms {
        rotates,
        leeway,
        lifetime: more.map(|more: i64| idle.unwrap_or(30) + more),
        idle,
    })
}

/// The real thing beside the model.
struct Both<'w> {
    world: &'w World,
    there: &'w Node,
    admin: &'w str,
    away: Away,
    model: Model,
    tally: Tally,
}

impl Both<'_> {
    /// The line and token that are meant, and the token's text.
    fn find(&self, chosen: Chosen) -> (usize, usize, String) {
        let line = self.model.lines.len().saturating_sub(1 + chosen.line);
        let tokens = self.model.lines[line].tokens.iter().enumerate();
        let seen: Vec<_> = tokens.filter(|(_, token)| token.is_seen).collect();
        let (token, own) = seen[seen.len().saturating_sub(1 + chosen.back)];
        (line, token, own.text.clone().unwrap())
    }

    fn note(&mut self, event: Event) {
        *self.tally.entry(event).or_default() += 1;
    }

    async fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Issue => self.issue().await,
            Step::Exchange {
                token,
                requests,
                is_lost,
            } => {
                return self.exchange(self.find(token), requests, is_lost).await;
            }
            Step::Revoke(token) => {
                let (line, _, text) = self.find(token);
                self.away.revoke(&self.world.node, &text).await;
                self.there.app.directory.read_anew().await.unwrap();
                if self.model.is_alive(line) {
                    self.note(Event::Revocation);
                }
                let own = &mut self.model.lines[line];
                own.are_access_tokens_dead |= !own.has_ended;
                own.has_ended = true;
            }
            Step::Introspect(token) => {
                let (line, token, text) = self.find(token);
                let is_active = self.world.node.is_active(&self.away.app, &text).await;
                let is_newest = token == self.model.lines[line].newest();
                prop_assert_eq!(is_active, is_newest && self.model.is_alive(line));
            }
            Step::Forge(token) => {
                let (line, _, mut text) = self.find(token);
                let other = if text.as_bytes()[70] == b'A' {
                    "B"
                } else {
                    "A"
                };
                text.replace_range(70..71, other);
                self.away.is_refused(&self.world.node, &text).await;
                if self.model.is_alive(line) {
                    self.note(Event::Forgery);
                }
            }
            Step::Clock(seconds) => {
                self.world.clock.advance(seconds);
                self.model.now += seconds;
            }
            Step::Set(terms) => {
                let path = format!("/clients/{}", self.away.app.id);
                let body = Some(terms.to_json());
                let answer = self
                    .world
                    .node
                    .manage_as(self.admin, Method::PATCH, &path, body);
                answer.await.expect(StatusCode::OK);
                self.there.app.directory.read_anew().await.unwrap();
                self.model.terms = terms;
            }
        }
        Ok(())
    }

    async fn issue(&mut self) {
        if !self.model.is_consented {
            self.away.consent(&self.world.node, None).await;
            self.model.is_consented = true;
        }
        let answer = self.away.begin(&self.world.node).await;
        let (now, terms) = (self.model.now, self.model.terms);
        self.model.lines.push(Line {
            tokens: vec![Token {
                text: Some(answer.text("refresh_token")),
                is_seen: true,
            }],
            access_tokens: vec![answer.text("access_token")],
            has_ended: false,
            are_access_tokens_dead: false,
            born: now,
            fixed_end: terms.lifetime.map(|seconds| now + seconds),
            used: now,
            open: None,
        });
    }

    async fn exchange(
        &mut self,
        (line, token, text): (usize, usize, String),
        requests: usize,
        is_lost: bool,
    ) -> Result<(), TestCaseError> {
        let running: Vec<_> = (0..requests)
            .map(|n| {
                let wire: &Wire = if n % 2 == 0 {
                    &self.world.node
                } else {
                    self.there
                };
                let (wire, away, text) = (wire.clone(), self.away.clone(), text.clone());
                tokio::spawn(async move { away.refresh(&wire, &text, &[]).await })
            })
            .collect();
        let mut granted = Vec::new();
        for running in running {
            let answer: Answer = running.await.unwrap();
            if answer.status == StatusCode::OK {
                granted.push(answer);
            } else {
                answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
            }
        }
        let goes_on = self.verdicts((line, token), requests);
        prop_assert_eq!(granted.len(), goes_on.len(), "granted");
        let goes_on: BTreeSet<usize> = goes_on.into_iter().collect();
        let texts: BTreeSet<String> = granted
            .iter()
            .map(|own| own.text("refresh_token"))
            .collect();
        prop_assert_eq!(texts.len(), goes_on.len(), "one successor, whoever asks");
        let own = &mut self.model.lines[line];
        if let (Some(token), Some(text)) = (goes_on.first(), texts.first()) {
            let token = &mut own.tokens[*token];
            let told = token.text.get_or_insert_with(|| text.clone());
            prop_assert_eq!(
                told,
                text,
                "the very same, even if the client has not seen it"
            );
            token.is_seen |= !is_lost;
        }
        own.access_tokens
            .extend(granted.iter().map(|own| own.text("access_token")));
        if let [answer] = granted.as_slice() {
            let own = &self.model.lines[line];
            let timeout = own.end(self.model.terms).map(|end| end - self.model.now);
            prop_assert_eq!(answer.json["refresh_token_timeout"].as_i64(), timeout);
        }
        Ok(())
    }

    /// The tokens that the client goes on with, one for each request that is granted.
    fn verdicts(&mut self, (line, token): (usize, usize), requests: usize) -> Vec<usize> {
        let mut goes_on = Vec::new();
        for _ in 0..requests {
            let event = match self.model.exchange(line, token) {
                Verdict::Granted(token, event) => {
                    goes_on.push(token);
                    Some(event)
                }
                Verdict::Refused(event) => event,
            };
            if let Some(event) = event {
                self.note(event);
            }
        }
        goes_on
    }

    /// The first and the last access token of each line live or are dead, on both nodes.
    async fn look_at_access_tokens(&self) -> Result<(), TestCaseError> {
        // Whichever of them has ended something, the other hears of it within a second.
        for node in [&self.world.node, self.there] {
            node.app.directory.read_anew().await.unwrap();
        }
        for own in &self.model.lines {
            let ends = [own.access_tokens.first(), own.access_tokens.last()];
            for text in ends.into_iter().flatten() {
                for node in [&self.world.node, self.there] {
                    let is_active = node.is_active_to(self.admin, text).await;
                    prop_assert_eq!(is_active, !own.are_access_tokens_dead);
                }
            }
        }
        Ok(())
    }
}

both_stores! {
    async fn the_server_and_a_model_of_refresh_tokens_always_agree(world: World, "GRANTOR_SWEEP__INTERVAL_SECONDS" = "86400") {
        let there = &world.another_node().await;
        let first = &Away::new(world, json!({})).await;
        let admin = &world.node.admin_token().await;
        let total = RefCell::new(Tally::new());
        let agree = async |(terms, steps): (Terms, Vec<(bool, Step)>)| {
            let away = first.another(world, terms.to_json()).await;
            there.app.directory.read_anew().await.unwrap();
            let model = Model { now: world.clock.now(), terms, is_consented: true, lines: Vec::new() };
            let mut both = Both { world, there, admin, away, model, tally: Tally::new() };
            both.issue().await;
            for (signs_in_anew, step) in steps {
                if signs_in_anew && !both.model.is_anything_alive() {
                    both.issue().await;
                }
                both.take(step).await?;
            }
            for (event, times) in &both.tally {
                *total.borrow_mut().entry(*event).or_default() += times;
            }
            both.look_at_access_tokens().await
        };
        let config = Config { cases: CASES, failure_persistence: None, max_shrink_time: 60_000, ..Config::default() };
        let runtime = tokio::runtime::Handle::current();
        let outcome = tokio::task::block_in_place(|| {
            TestRunner::new(config).run(&steps(), |case| runtime.block_on(agree(case)))
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
        let total = total.into_inner();
        let missed: Vec<_> = Event::ALL.into_iter().filter(|event| !total.contains_key(event)).collect();
        assert!(missed.is_empty(), "in {CASES} cases there was no {missed:?}, only {total:?}");
        there.stop().await;
    }
}
