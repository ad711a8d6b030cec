//! OpenID Connect Back-Channel Logout 1.0: applications are told that a session has ended.

use std::collections::HashSet;
use std::time::Duration;

use grantor::logout::{self, Why};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Desk, overlay, refused};
use crate::harness::{
    CALLBACK, Credentials, Node, Person, World, both_stores, claims, header, within,
};
use crate::relying_party::{Manner, RelyingParty, verified};

/// On loopback, applications may be told in the clear.
const LOOPBACK: &str = "http://localhost:8080/";
/// A node looks once a second.
const SOON: Duration = Duration::from_secs(30);

/// An application that is told at `url`; the fields lie over the usual ones.
async fn application(desk: &Desk<'_>, url: &str, fields: Value) -> Credentials {
    let mut usual = json!({
        "name": "Shop",
        "app_type": "regular_web",
        "callbacks": [CALLBACK],
        "oidc_logout": { "backchannel_logout_urls": [url] },
    });
    overlay(&mut usual, fields);
    desk.application(usual).await
}

/// The sid of a sign-in at the application, once the session is noted to have made it.
async fn sign_in(world: &World, person: &Person, client: &Credentials) -> String {
    let node = &world.node;
    let tokens = person.tokens(node, client, &[]).await;
    let sid = claims(tokens["id_token"].as_str().unwrap())["sid"].clone();
    let sid = sid.as_str().unwrap().to_owned();
    within(SOON, async || {
        let mut conn = node.app.store.read().await.unwrap();
        let clients = grantor::store::sessions::clients(&mut conn, &sid)
            .await
            .unwrap();
        clients.contains(&client.id)
    })
    .await;
    sid
}

/// Ends a session as whoever has a reason does it.
async fn end(node: &Node, sid: &str, why: Why) {
    let now = node.app.clock.now();
    let mut tx = node.app.store.write().await.unwrap();
    assert!(logout::end_session(&mut tx, sid, why, now).await.unwrap());
    tx.commit(now).await.unwrap();
}

async fn told(party: &RelyingParty, times: usize) {
    within(SOON, async || party.told().len() >= times).await;
    assert_eq!(party.told().len(), times);
}

/// Notices that nobody has delivered yet.
async fn left(world: &World) -> i64 {
    world
        .database
        .sql()
        .await
        .number("select count(*) from logout_notices")
        .await
}

async fn nothing_left(world: &World) {
    within(SOON, async || left(world).await == 0).await;
}

both_stores! {
    /// §2.4 to §2.6: `iss`, `aud`, `iat`, `exp` (at most two minutes), `jti`, `events`, `sub` and `sid`, no
    /// `nonce`; typed, signed like the application's ID tokens; posted as a form. §2.7: by `sid`.
    async fn an_application_is_told_by_a_logout_token(world: World, "GRANTOR_ISSUER" = LOOPBACK) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let party = RelyingParty::start().await;
        let plain = application(&desk, &party.url, json!({})).await;
        let ps256 = json!({ "jwt_configuration": { "alg": "PS256" } });
        let ps256 = application(&desk, &party.url, ps256).await;
        application(&desk, &party.url, json!({ "name": "not signed in to" })).await;
        let ann = Person::create(node, "ann@example.com").await;
        let sid = sign_in(world, &ann, &plain).await;
        assert_eq!(sign_in(world, &ann, &ps256).await, sid, "single sign-on");
        end(node, &sid, Why::SignedOut).await;
        told(&party, 2).await;
        let now = world.clock.now();
        let (mut audiences, mut names) = (HashSet::new(), HashSet::new());
        for post in party.told() {
            assert_eq!(post.content_type, "application/x-www-form-urlencoded");
            let token = post.token();
            let told_so = verified(node, &token).await;
            let mut members: Vec<_> = told_so.as_object().unwrap().keys().collect();
            members.sort_unstable();
            assert_eq!(members, ["aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"]);
            assert_eq!(told_so["iss"], LOOPBACK);
            assert_eq!(told_so["sub"], json!(ann.id));
            assert_eq!(told_so["sid"], json!(sid));
            assert_eq!(told_so["iat"], now);
            assert!(told_so["exp"].as_i64().unwrap() <= now + 120);
            assert_eq!(told_so["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
            let expected = if told_so["aud"] == json!(ps256.id) { "PS256" } else { "RS256" };
            let head = header(&token);
            assert_eq!((&head["typ"], &head["alg"]), (&json!("logout+jwt"), &json!(expected)));
            audiences.insert(told_so["aud"].as_str().unwrap().to_owned());
            names.insert(told_so["jti"].as_str().unwrap().to_owned());
            // Good for nothing else here.
            let asked = node.request(Method::GET, "/userinfo").bearer_auth(&token);
            node.send(asked).await.expect(StatusCode::UNAUTHORIZED);
        }
        assert_eq!((audiences, names.len()), (HashSet::from([plain.id, ps256.id]), 2));
        nothing_left(world).await;
        let logged = desk.shown("/logs?q=type:oidc_backchannel_logout_succeeded").await;
        assert_eq!(logged.as_array().unwrap().len(), 2);
        party.end();
    }

    /// `oidc_logout.backchannel_logout_initiators`: Auth0's default are sign-outs alone.
    async fn an_application_hears_of_the_ends_that_it_chooses(world: World, "GRANTOR_ISSUER" = LOOPBACK) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        let reasons = [Why::SignedOut, Why::PasswordChanged, Why::Expired, Why::Revoked,
            Why::AccountDeleted, Why::AccountDeactivated];
        let chosen = ["rp-logout", "idp-logout", "session-revoked", "account-deleted"];
        for (initiators, expected) in [
            (json!(null), vec![Why::SignedOut]),
            (json!({ "mode": "all" }), reasons.to_vec()),
            (json!({ "mode": "custom", "selected_initiators": chosen }), vec![Why::SignedOut, Why::Revoked, Why::AccountDeleted]),
        ] {
            let party = RelyingParty::start().await;
            let mut fields = json!({ "backchannel_logout_urls": [party.url] });
            if !initiators.is_null() {
                fields["backchannel_logout_initiators"] = initiators;
            }
            let shop = application(&desk, &party.url, json!({ "oidc_logout": fields })).await;
            for (times, why) in reasons.into_iter().enumerate() {
                let sid = sign_in(world, &ann, &shop).await;
                end(node, &sid, why).await;
                nothing_left(world).await;
                let expected = reasons[..=times].iter().filter(|own| expected.contains(own));
                assert_eq!(party.told().len(), expected.count(), "{why:?}");
            }
            party.end();
        }
    }

    /// Whatever an administrator does to a user is told by its own name.
    async fn what_administrators_end_is_told_too(world: World, "GRANTOR_ISSUER" = LOOPBACK) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        for (initiator, acts) in [
            ("session-revoked", &["session", "sessions", "access"][..]),
            ("password-changed", &["password"]),
            ("account-deactivated", &["block"]),
            ("account-deleted", &["delete"]),
        ] {
            let party = RelyingParty::start().await;
            let initiators = json!({ "mode": "custom", "selected_initiators": [initiator] });
            let fields = json!({ "backchannel_logout_urls": [party.url], "backchannel_logout_initiators": initiators });
            let shop = application(&desk, &party.url, json!({ "oidc_logout": fields })).await;
            let ann = Person::create(node, &format!("{initiator}@example.com")).await;
            let user = format!("/users/{}", ann.id.replace('|', "%7C"));
            for (done, act) in acts.iter().enumerate() {
                let sid = sign_in(world, &ann, &shop).await;
                let answer = match *act {
                    "session" => desk.delete(&format!("/sessions/{sid}")).await,
                    "sessions" => desk.delete(&format!("{user}/sessions")).await,
                    "access" => desk.post(&format!("{user}/revoke-access"), json!({})).await,
                    "password" => desk.patch(&user, json!({ "password": "another pass phrase of the tests" })).await,
                    "block" => desk.patch(&user, json!({ "blocked": true })).await,
                    _ => desk.delete(&user).await,
                };
                assert!(answer.status.is_success(), "{answer:?}");
                told(&party, done + 1).await;
                assert_eq!(claims(&party.told()[done].token())["sid"], json!(sid));
            }
            party.end();
        }
    }

    /// Everywhere, and by the end that nobody brings about.
    async fn all_of_a_users_sessions_end_at_once_and_old_ones_by_themselves(world: World, "GRANTOR_ISSUER" = LOOPBACK) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let party = RelyingParty::start().await;
        let all = json!({ "backchannel_logout_urls": [party.url], "backchannel_logout_initiators": { "mode": "all" } });
        let shop = application(&desk, &party.url, json!({ "oidc_logout": all })).await;
        let ann = Person::create(node, "ann@example.com").await;
        let bob = Person::create(node, "bob@example.com").await;
        let of_bob = sign_in(world, &bob, &shop).await;
        let mut sids = HashSet::new();
        for browser in [&ann, &ann.at_another_browser(), &ann.at_another_browser()] {
            sids.insert(sign_in(world, browser, &shop).await);
        }
        assert_eq!(sids.len(), 3);
        let now = world.clock.now();
        let mut tx = node.app.store.write().await.unwrap();
        assert_eq!(logout::end_sessions(&mut tx, &ann.id, Why::Revoked, now).await.unwrap(), 3);
        assert_eq!(logout::end_sessions(&mut tx, &ann.id, Why::Revoked, now).await.unwrap(), 0);
        tx.commit(now).await.unwrap();
        told(&party, 3).await;
        let said = party.told().into_iter().map(|told| claims(&told.token())["sid"].as_str().unwrap().to_owned());
        assert_eq!(said.collect::<HashSet<_>>(), sids);
        // Three days without a use (Auth0's default).
        world.clock.advance(3 * 86_400 - 61);
        assert_eq!(logout::end_expired(&node.app.store, world.clock.now()).await.unwrap(), 0);
        world.clock.advance(61);
        assert_eq!(logout::end_expired(&node.app.store, world.clock.now()).await.unwrap(), 1);
        told(&party, 4).await;
        assert_eq!(claims(&party.told()[3].token())["sid"], json!(of_bob));
        party.end();
    }

    /// §2.8: anything but success is a failure; §2.5 leaves it to us to try again.
    async fn who_does_not_answer_well_is_told_again_at_growing_intervals(world: World, "GRANTOR_ISSUER" = LOOPBACK) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let party = RelyingParty::start().await;
        let shop = application(&desk, &party.url, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        party.will(Manner::Answers(StatusCode::INTERNAL_SERVER_ERROR));
        let sid = sign_in(world, &ann, &shop).await;
        end(node, &sid, Why::SignedOut).await;
        told(&party, 1).await;
        let put_off = async |until: i64| {
            let sql = format!("select count(*) from logout_notices where next_attempt_at = {until}");
            within(SOON, async || world.database.sql().await.number(&sql).await == 1).await;
        };
        put_off(world.clock.now() + 10).await;
        party.will(Manner::Answers(StatusCode::BAD_REQUEST));
        world.clock.advance(10);
        told(&party, 2).await;
        put_off(world.clock.now() + 20).await;
        // A redirect is not followed.
        party.will(Manner::SendsAway);
        world.clock.advance(20);
        told(&party, 3).await;
        put_off(world.clock.now() + 40).await;
        party.will(Manner::Answers(StatusCode::NO_CONTENT));
        world.clock.advance(40);
        told(&party, 4).await;
        nothing_left(world).await;
        let tokens: HashSet<_> = party.told().iter().map(|told| claims(&told.token())["jti"].to_string()).collect();
        assert_eq!(tokens.len(), 4, "each has a name of its own");
        party.end();
    }

    async fn another_node_tells_what_one_that_stops_has_left(world: World, "GRANTOR_ISSUER" = LOOPBACK) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let party = RelyingParty::start().await;
        let shop = application(&desk, &party.url, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        party.will(Manner::IsSilent);
        let sid = sign_in(world, &ann, &shop).await;
        end(node, &sid, Why::SignedOut).await;
        told(&party, 1).await;
        node.stop().await;
        let other = world.another_node().await;
        party.will(Manner::Answers(StatusCode::OK));
        assert_eq!(left(world).await, 1, "it survives");
        world.clock.advance(61);
        told(&party, 2).await;
        nothing_left(world).await;
        other.stop().await;
        party.end();
    }

    async fn after_a_day_it_is_given_up_and_recorded(world: World, "GRANTOR_ISSUER" = LOOPBACK) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let party = RelyingParty::start().await;
        let shop = application(&desk, &party.url, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        party.end();
        let sid = sign_in(world, &ann, &shop).await;
        world.clock.advance(1);
        end(node, &sid, Why::SignedOut).await;
        let attempted = "select count(*) from logout_notices where attempts = 1 and next_attempt_at < ends_at - 80000";
        within(SOON, async || world.database.sql().await.number(attempted).await == 1).await;
        world.clock.advance(86_400);
        nothing_left(world).await;
        let desk = Desk::open(node).await;
        let logged = desk.shown("/logs?q=type:oidc_backchannel_logout_failed").await;
        let logged = logged.as_array().unwrap();
        assert_eq!(logged.len(), 1);
        assert_eq!(logged[0]["client_id"], json!(shop.id));
        assert_eq!(logged[0]["user_id"], json!(ann.id));
    }

    async fn by_a_clock_that_has_just_been_set_it_is_not_given_up(world: World, "GRANTOR_ISSUER" = LOOPBACK) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let party = RelyingParty::start().await;
        let shop = application(&desk, &party.url, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        party.end();
        let sid = sign_in(world, &ann, &shop).await;
        end(node, &sid, Why::SignedOut).await;
        let attempted = async |times: i64| {
            let count = format!("select count(*) from logout_notices where attempts = {times}");
            within(SOON, async || world.database.sql().await.number(&count).await == 1).await;
        };
        attempted(1).await;
        world.clock.jump(2 * 86_400);
        attempted(2).await;
        let put_off = format!("select count(*) from logout_notices where next_attempt_at = {}", world.clock.now() + 20);
        within(SOON, async || world.database.sql().await.number(&put_off).await == 1).await;
    }

    /// §2.2, and what an operator may choose.
    async fn where_an_application_is_told_is_https_and_plain(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        let path = format!("/clients/{}", shop.id);
        let set = async |url: &str| {
            let urls = json!({ "oidc_logout": { "backchannel_logout_urls": [url] } });
            desk.patch(&path, urls).await
        };
        for good in ["https://app.example/logout?x=1", "https://10.0.0.7:8443/"] {
            set(good).await.expect(StatusCode::OK);
        }
        for bad in ["http://app.example/logout", "http://localhost/", "https://app.example/#part",
            "https://user:password@app.example/", "ftp://app.example/", "https://", "app", "https://a b/"] {
            refused(set(bad).await, "oidc_logout.backchannel_logout_urls");
        }
    }

    async fn a_file_says_which_other_certificates_are_trusted(world: World) {
        let folder = tempfile::tempdir().unwrap();
        let authority = crate::certificates::Authority::new();
        authority.certify(folder.path());
        let root = folder.path().join("root.pem");
        std::fs::write(&root, authority.root_pem()).unwrap();
        let party = RelyingParty::start_with_tls(folder.path()).await;
        let desk = Desk::open(&world.node).await;
        let client = application(&desk, &party.url, json!({})).await;
        let ann = Person::create(&world.node, "ann@example.com").await;
        let sid = sign_in(world, &ann, &client).await;
        end(&world.node, &sid, Why::SignedOut).await;
        // This node does not trust it: the first attempt fails, and another one is due later.
        let sql = "select count(*) from logout_notices where attempts > 0";
        within(SOON, async || world.database.sql().await.number(sql).await == 1).await;
        assert_eq!(party.told().len(), 0);
        let trusting = [("GRANTOR_LOGOUT__CA_CERTIFICATES", root.to_str().unwrap())];
        world.node.app.background.stop.cancel();
        let trusting = world.another_node_with(&trusting).await;
        world.clock.advance(3600);
        told(&party, 1).await;
        trusting.stop().await;
        party.end();
    }
}
