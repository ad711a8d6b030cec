//! Replacing signing keys while running: rotation, revocation, and what others see of it.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use grantor::directory::FRESH_MAX;
use grantor::lifetime::LONGEST_SIGNED_SECONDS;
use grantor::sweep;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Desk, members, no_nulls, refused};
use crate::harness::{Credentials, Node, World, both_stores, header, within};

const ORDERS: &str = "https://orders.example/";
const KEYS: &str = "/keys/signing";
const ROTATE: &str = "/keys/signing/rotate";
/// `keys.jwks_max_age_seconds` and the second that a change takes to all nodes.
const KNOWN_AFTER: i64 = 301;

async fn key_set(node: &Node) -> Vec<Value> {
    let request = node.request(Method::GET, "/.well-known/jwks.json");
    let answer = node.send(request).await.expect(StatusCode::OK);
    answer.json["keys"].as_array().unwrap().clone()
}

async fn published(node: &Node) -> BTreeSet<String> {
    let keys = key_set(node).await;
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn kid(token: &str) -> String {
    header(token)["kid"].as_str().unwrap().to_owned()
}

/// The `kid` of the key of an algorithm that is at its turn.
async fn at(desk: &Desk<'_>, turn: &str) -> String {
    let keys = desk.shown(KEYS).await;
    let mut found = keys
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key[turn] == true);
    let kid = found.next().expect(turn)["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(found.next().is_none(), "one {turn} key: {keys}");
    kid
}

async fn rotate(node: &Node) -> String {
    let desk = Desk::open(node).await;
    let rotated = desk
        .post(ROTATE, json!({}))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(members(&rotated.json), ["cert", "kid"]);
    rotated.text("kid")
}

async fn revoke(node: &Node, kid: &str) {
    let desk = Desk::open(node).await;
    let revoked = desk
        .send(Method::PUT, &format!("{KEYS}/{kid}/revoke"), None)
        .await;
    assert_eq!(revoked.expect(StatusCode::OK).text("kid"), kid);
}

/// As an administrator sees it, with a token of this moment.
async fn is_active(node: &Node, token: &str) -> bool {
    node.is_active_to(&node.admin_token().await, token).await
}

async fn sweep(world: &World) {
    sweep::once(&world.node.app.store, world.clock.now(), 10)
        .await
        .unwrap();
}

both_stores! {
    async fn the_list_shows_each_key_with_a_certificate_of_its_own(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        for name in ["PS256", "ES256", "EdDSA", "RS512"] {
            desk.api(&format!("urn:{name}"), json!({ "signing_alg": name })).await;
        }
        let listed = desk.shown(KEYS).await;
        no_nulls(&listed);
        let public = key_set(node).await;
        assert_eq!(listed.as_array().unwrap().len(), public.len());
        for key in listed.as_array().unwrap() {
            let jwk = public.iter().find(|jwk| jwk["kid"] == key["kid"]).expect("it is published");
            assert_eq!(key["alg"], jwk["alg"]);
            assert_eq!((&key["previous"], &key["revoked"]), (&json!(false), &json!(false)));
            assert_ne!(key["current"], key["next"]);
            assert_eq!(key.get("current_since").is_some(), key["current"] == true);
            let pem = key["cert"].as_str().unwrap();
            assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
            let base64: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
            let der = STANDARD.decode(base64).unwrap();
            let own = jwk["n"].as_str().or(jwk["x"].as_str()).unwrap();
            let own = URL_SAFE_NO_PAD.decode(own).unwrap();
            assert!(der.windows(own.len()).any(|part| part == own), "it holds its public key");
            let hex = |sha1: &[u8]| sha1.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>();
            let sha1 = hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, &der).as_ref());
            assert_eq!(key["fingerprint"], sha1.join(":"));
            assert_eq!(key["thumbprint"], sha1.concat());
            let one = desk.shown(&format!("{KEYS}/{}", key["kid"].as_str().unwrap())).await;
            assert_eq!(&one, key);
        }
        desk.get(&format!("{KEYS}/nobody")).await
            .expect_problem(StatusCode::NOT_FOUND, "inexistent_signing_key");
    }

    async fn a_key_that_others_know_signs_as_soon_as_it_is_current(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let old = node.token(&shop, ORDERS).await;
        world.clock.advance(KNOWN_AFTER);
        let desk = Desk::open(node).await;
        let (current, next) = (at(&desk, "current").await, at(&desk, "next").await);
        assert_eq!(kid(&old), current);
        let newest = rotate(node).await;
        let desk = Desk::open(node).await;
        assert_eq!([at(&desk, "previous").await, at(&desk, "current").await, at(&desk, "next").await],
            [current, next.clone(), newest]);
        let new = node.token(&shop, ORDERS).await;
        assert_eq!(kid(&new), next);
        assert_eq!(published(node).await.len(), 3);
        assert!(node.is_active(&shop, &old).await && node.is_active(&shop, &new).await);
    }

    async fn a_key_that_others_may_not_know_yet_leaves_signing_to_the_one_before(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let first = kid(&node.token(&shop, ORDERS).await);
        let second = at(&Desk::open(node).await, "next").await;
        world.clock.advance(1);
        // Twice at once: the third was published a second later than the second.
        let third = rotate(node).await;
        rotate(node).await;
        assert_eq!(at(&Desk::open(node).await, "current").await, third);
        for (seconds, signs) in [(0, &first), (KNOWN_AFTER - 2, &first), (1, &second), (1, &third), (86_400, &third)] {
            world.clock.advance(seconds);
            assert_eq!(&kid(&node.token(&shop, ORDERS).await), signs, "{seconds} seconds later");
        }
    }

    async fn a_revoked_key_ends_everything_that_it_signed_at_once_and_for_ever(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let (token, admin) = (node.token(&shop, ORDERS).await, node.admin_token().await);
        let (leaked, next) = (kid(&token), at(&Desk::open(node).await, "next").await);
        // Two calls, with a token of the key itself; nobody waits until others know the new one.
        let desk = Desk::with_token(node, admin.clone());
        desk.post(ROTATE, json!({})).await.expect(StatusCode::CREATED);
        let path = format!("{KEYS}/{leaked}/revoke");
        let revoked = desk.send(Method::PUT, &path, None).await.expect(StatusCode::OK);
        assert_eq!(members(&revoked.json), ["cert", "kid"]);
        desk.get(KEYS).await.expect(StatusCode::UNAUTHORIZED);
        assert!(!is_active(node, &token).await && !is_active(node, &admin).await);
        assert_eq!(kid(&node.token(&shop, ORDERS).await), next);
        assert!(!published(node).await.contains(&leaked));
        let desk = Desk::open(node).await;
        let shown = desk.shown(&format!("{KEYS}/{leaked}")).await;
        assert_eq!((&shown["revoked"], &shown["current"], &shown["next"]), (&json!(true), &json!(false), &json!(false)));
        assert!(shown["revoked_at"].is_string() && shown["current_until"].is_string());
        // Once more changes nothing, and its private key is gone.
        revoke(node, &leaked).await;
        let kept = format!("select count(*) from signing_keys where kid = '{leaked}' and sealed_private_key is not null");
        assert_eq!(world.database.sql().await.number(&kept).await, 0);
        let later = world.another_node().await;
        assert!(!is_active(&later, &token).await);
        later.stop().await;
    }

    async fn a_key_revoked_long_after_its_turn_changes_nobody_elses(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let mut tokens = Vec::new();
        for _ in 0..3 {
            tokens.push(node.token(&shop, ORDERS).await);
            world.clock.advance(KNOWN_AFTER);
            rotate(node).await;
        }
        let signs = kid(&node.token(&shop, ORDERS).await);
        revoke(node, &kid(&tokens[1])).await;
        assert_eq!(kid(&node.token(&shop, ORDERS).await), signs);
        for (index, token) in tokens.iter().enumerate() {
            assert_eq!(node.is_active(&shop, token).await, index != 1);
        }
    }

    async fn the_keys_in_their_turn_cannot_be_revoked_and_the_refusal_says_what_to_do(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        for turn in ["current", "next"] {
            let path = format!("{KEYS}/{}/revoke", at(&desk, turn).await);
            let refused = desk.send(Method::PUT, &path, None).await;
            let refused = refused.expect_problem(StatusCode::CONFLICT, "resource_conflict");
            assert!(refused.text("message").contains(ROTATE), "{refused:?}");
        }
        desk.send(Method::PUT, &format!("{KEYS}/nobody/revoke"), None).await
            .expect_problem(StatusCode::NOT_FOUND, "inexistent_signing_key");
    }

    async fn a_rotation_and_a_revocation_are_in_force_here_at_once_and_there_within_a_second(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let shop = here.api_and_application(ORDERS).await;
        for _ in 0..3 {
            let old = here.token(&shop, ORDERS).await;
            within(FRESH_MAX, async || kid(&there.token(&shop, ORDERS).await) == kid(&old)).await;
            world.clock.advance(KNOWN_AFTER);
            rotate(here).await;
            let new = here.token(&shop, ORDERS).await;
            assert_ne!(kid(&new), kid(&old));
            assert!(there.is_active(&shop, &new).await, "a key is known there as soon as its token comes");
            within(FRESH_MAX, async || kid(&there.token(&shop, ORDERS).await) == kid(&new)).await;
            within(FRESH_MAX, async || published(there).await == published(here).await).await;
            assert!(there.is_active(&shop, &old).await);
            revoke(here, &kid(&old)).await;
            assert!(!here.is_active(&shop, &old).await);
            within(FRESH_MAX, async || !there.is_active(&shop, &old).await).await;
            within(FRESH_MAX, async || published(there).await == published(here).await).await;
        }
        there.stop().await;
    }

    async fn a_token_of_a_key_that_was_made_a_moment_ago_is_good_on_every_node(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let shop = here.create_application(json!({})).await;
        // What the other node has to know beside the key.
        here.create_api(ORDERS, json!({})).await;
        here.grant(&shop, ORDERS, json!({})).await;
        there.token(&shop, ORDERS).await;
        for name in ["ES256", "EdDSA", "PS256", "RS512"] {
            here.change_api(ORDERS, json!({ "signing_alg": name })).await.expect(StatusCode::OK);
            let token = here.token(&shop, ORDERS).await;
            assert!(there.is_active(&shop, &token).await, "{name}");
        }
        there.stop().await;
    }

    async fn two_nodes_that_rotate_at_one_time_leave_one_current_and_one_next_key(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let mut nexts = BTreeSet::new();
        for _ in 0..4 {
            let (a, b) = tokio::join!(rotate(here), rotate(there));
            nexts.extend([a, b]);
        }
        assert_eq!(nexts.len(), 8, "each rotation made a key of its own");
        let desk = Desk::open(here).await;
        let (current, next) = (at(&desk, "current").await, at(&desk, "next").await);
        assert!(nexts.contains(&current) && nexts.contains(&next));
        within(FRESH_MAX, async || published(here).await.len() == 10).await;
        within(FRESH_MAX, async || published(there).await == published(here).await).await;
        there.stop().await;
    }

    async fn a_previous_key_verifies_until_its_last_token_has_ended_and_then_goes(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        node.change_api(ORDERS, json!({ "token_lifetime": LONGEST_SIGNED_SECONDS })).await.expect(StatusCode::OK);
        let first = kid(&node.token(&shop, ORDERS).await);
        rotate(node).await;
        // The last that it signs, because the new one is not known everywhere before.
        world.clock.advance(KNOWN_AFTER - 1);
        let last = node.token(&shop, ORDERS).await;
        assert_eq!(kid(&last), first);
        world.clock.advance(LONGEST_SIGNED_SECONDS - 1);
        sweep(world).await;
        assert!(is_active(node, &last).await && published(node).await.contains(&first));
        // The seconds for which a node that is cut off goes on signing.
        world.clock.advance(32);
        assert!(published(node).await.contains(&first));
        world.clock.advance(1);
        assert!(!published(node).await.contains(&first));
        assert_eq!(Desk::open(node).await.shown(KEYS).await.as_array().unwrap().len(), 3);
        sweep(world).await;
        assert_eq!(Desk::open(node).await.shown(KEYS).await.as_array().unwrap().len(), 2);
        // The key in its turn stays, however old.
        node.token(&shop, ORDERS).await;
    }

    async fn each_algorithm_is_rotated_by_itself(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({ "signing_alg": "ES256" })).await;
        let before = desk.shown(KEYS).await;
        desk.post(ROTATE, json!({ "alg": "ES256" })).await.expect(StatusCode::CREATED);
        let after = desk.shown(KEYS).await;
        let of = |keys: &Value, alg: &str| {
            let keys = keys.as_array().unwrap().iter().filter(|key| key["alg"] == alg);
            keys.cloned().collect::<Vec<_>>()
        };
        assert_eq!(of(&before, "RS256"), of(&after, "RS256"));
        assert_eq!((of(&before, "ES256").len(), of(&after, "ES256").len()), (2, 3));
        // One that nobody uses gets its first keys, so that they are known before an API needs them.
        let made = desk.post(ROTATE, json!({ "alg": "EdDSA" })).await.expect(StatusCode::CREATED);
        let keys = of(&desk.shown(KEYS).await, "EdDSA");
        assert_eq!(keys.len(), 2);
        assert!(keys.iter().any(|key| key["next"] == true && key["kid"] == made.json["kid"]));
        for wrong in ["HS256", "none", "es256", ""] {
            refused(desk.post(ROTATE, json!({ "alg": wrong })).await, "alg");
        }
        refused(desk.post(ROTATE, json!({ "kid": "x" })).await, "kid");
        // Without a body at all, as Auth0's clients ask: the default algorithm.
        desk.send(Method::POST, ROTATE, None).await.expect(StatusCode::CREATED);
        assert_eq!(of(&desk.shown(KEYS).await, "RS256").len(), 3);
    }

    async fn the_key_set_stays_of_bounded_length(world: World, "GRANTOR_TOKENS__DEFAULT_SIGNING_ALG" = "EdDSA") {
        let node = &world.node;
        let desk = Desk::open(node).await;
        for _ in 0..20 {
            desk.post(ROTATE, json!({})).await.expect(StatusCode::CREATED);
        }
        let full = desk.post(ROTATE, json!({})).await.expect_problem(StatusCode::CONFLICT, "resource_conflict");
        assert!(full.text("message").contains("Revoke"), "{full:?}");
        assert_eq!(published(node).await.len(), 22);
        // A revocation makes room, so that an emergency never waits.
        let keys = desk.shown(KEYS).await;
        let oldest = keys.as_array().unwrap()[2]["kid"].as_str().unwrap().to_owned();
        revoke(node, &oldest).await;
        let desk = Desk::open(node).await;
        desk.post(ROTATE, json!({})).await.expect(StatusCode::CREATED);
    }

    async fn each_call_needs_auth0s_scope_for_it(world: World) {
        let node = &world.node;
        let next = at(&Desk::open(node).await, "next").await;
        let (one, revoke) = (format!("{KEYS}/{next}"), format!("{KEYS}/{next}/revoke"));
        let calls = [(Method::GET, KEYS, "read"), (Method::GET, one.as_str(), "read"),
            (Method::POST, ROTATE, "create update"), (Method::PUT, revoke.as_str(), "update")];
        for right in ["read", "create", "update"] {
            let desk = Desk::with_scopes(node, &[&format!("{right}:signing_keys")]).await;
            for (method, path, needed) in &calls {
                let answer = desk.send(method.clone(), path, None).await;
                if needed.contains(right) {
                    assert!(answer.status != StatusCode::FORBIDDEN, "{right} {path} {answer:?}");
                    continue;
                }
                let refused = answer.expect_problem(StatusCode::FORBIDDEN, "insufficient_scope");
                for needed in needed.split(' ') {
                    assert!(refused.text("message").contains(&format!("{needed}:signing_keys")));
                }
            }
        }
    }

    async fn a_start_gives_keys_of_the_first_version_their_certificates(world: World) {
        let mut sql = world.database.sql().await;
        sql.run("update signing_keys set certificate = null").await.unwrap();
        let token = world.node.admin_token().await;
        let later = world.another_node().await;
        let desk = Desk::open(&later).await;
        for key in desk.shown(KEYS).await.as_array().unwrap() {
            assert!(key["cert"].as_str().unwrap().contains("CERTIFICATE"), "{key}");
        }
        assert!(later.is_active(&Credentials::admin(), &token).await, "they are the same keys");
        later.stop().await;
    }

    async fn private_keys_lie_in_the_store_under_the_master_key_only(world: World) {
        rotate(&world.node).await;
        // PKCS #8 begins with this, in base64 and in base64url.
        let plain = "select count(*) from signing_keys where sealed_private_key like 'MII%'
            or sealed_private_key like '%PRIVATE%' or certificate like '%PRIVATE%'";
        assert_eq!(world.database.sql().await.number(plain).await, 0);
        let listed = Desk::open(&world.node).await.get(KEYS).await;
        assert!(!listed.body.contains("PRIVATE") && !listed.body.contains("sealed"), "{}", listed.body);
    }
}
