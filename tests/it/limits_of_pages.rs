//! Limits of attempts as a browser meets them, and what the audit tells of attempts.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{
    Answer, Credentials, Node, PASSWORD, Person, authorize_path, both_stores, hidden, usual,
};
use crate::post_office::node_with_mail;
use crate::shop;

const WRONG: &str = "a wrong guess of the tests";

/// The ticket of the usual request's sign-in page.
async fn state_of(person: &Person, node: &Node, shop: &Credentials) -> String {
    let path = authorize_path(&usual(shop, &[("prompt", "login")]));
    let (_, _, html) = person.open(node, &path).await.page();
    hidden(&html, "state")
}

/// Fails where this is not a page that says in seconds and in words when to go on.
#[track_caller]
fn limited(answer: Answer, seconds: &str, words: &str) {
    let answer = answer.expect(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers["retry-after"], seconds);
    assert!(answer.headers.get("set-cookie").is_none(), "{answer:?}");
    assert!(answer.body.contains(words), "{words}: {}", answer.body);
}

/// The audit's records of a type, oldest first.
pub(crate) async fn records(node: &Node, kind: &str) -> Vec<Value> {
    let path = format!("/logs?per_page=100&sort=date:1&q=type:{kind}");
    let shown = Desk::open(node).await.shown(&path).await;
    shown.as_array().unwrap().clone()
}

/// The first record of a refusal: at the shop, from this address, with this status.
#[track_caller]
fn check(records: &[Value], (client_id, status): (Option<&str>, u16)) {
    let record = records.first().expect("a record");
    assert_eq!(record["client_id"].as_str(), client_id, "{record}");
    assert_eq!(record["ip"], "127.0.0.1");
    assert_eq!(
        record["details"]["response"]["statusCode"], status,
        "{record}"
    );
}

both_stores! {
    async fn who_guesses_at_an_account_has_to_wait_and_then_gets_in(world: World, "GRANTOR_LIMITS__SIGN_INS_PER_ACCOUNT_MAX" = "2") {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let state = state_of(&ann, node, &shop).await;
        let tries = async |name: &str, password: &str| {
            let form = [("state", state.as_str()), ("username", name), ("password", password)];
            ann.post(node, "/u/login", &form).await
        };
        for name in ["ann@example.com", "nobody@example.com"] {
            for _ in 0..2 {
                let answer = tries(name, WRONG).await.expect(StatusCode::BAD_REQUEST);
                assert!(answer.headers.get("retry-after").is_none(), "{answer:?}");
                assert!(answer.body.contains("This user name or password is wrong."), "{}", answer.body);
            }
            // The right password is not looked at.
            for password in [WRONG, PASSWORD] {
                limited(tries(name, password).await, "1800", "Please try again in 30 minutes.");
            }
        }
        for (kind, status) in [("fp", 400), ("limit_wc", 429)] {
            let told = records(node, kind).await;
            check(&told, (Some(&shop.id), status));
            let whose: Vec<_> = told.iter().map(|record| record["user_id"].as_str()).collect();
            assert_eq!(whose, [Some(ann.id.as_str()), None], "{kind}");
        }
        assert_eq!((records(node, "limit_mu").await, records(node, "s").await), (vec![], vec![]));
        world.clock.advance(1800);
        tries("ann@example.com", PASSWORD).await.expect(StatusCode::SEE_OTHER);
        let signed_in = records(node, "s").await;
        assert_eq!(signed_in.len(), 1, "{signed_in:?}");
        assert_eq!((&signed_in[0]["user_id"], &signed_in[0]["client_id"]), (&json!(ann.id), &json!(shop.id)));
        let told = Desk::open(node).await.shown("/logs?per_page=100").await.to_string();
        assert!(!told.contains(WRONG) && !told.contains(PASSWORD), "{told}");
    }

    async fn who_guesses_at_many_accounts_from_one_address_has_to_wait(world: World, "GRANTOR_LIMITS__SIGN_INS_PER_ADDRESS_MAX" = "2") {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let state = state_of(&ann, node, &shop).await;
        let tries = async |name: &str| {
            let form = [("state", state.as_str()), ("username", name), ("password", WRONG)];
            ann.post(node, "/u/login", &form).await
        };
        for name in ["nobody@example.com", "somebody@example.com"] {
            tries(name).await.expect(StatusCode::BAD_REQUEST);
        }
        limited(tries("ann@example.com").await, "1800", "Please try again in 30 minutes.");
        let told = records(node, "limit_mu").await;
        check(&told, (Some(&shop.id), 429));
        assert!(told[0]["user_id"].is_null(), "it is about the address");
        assert_eq!(records(node, "limit_wc").await, [] as [Value; 0]);
    }

    async fn one_address_makes_so_many_accounts_and_no_more_for_now(
        world: World, "GRANTOR_SIGN_UP__ALLOWED" = "true", "GRANTOR_LIMITS__SIGN_UPS_PER_ADDRESS_MAX" = "2"
    ) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let somebody = Person::stranger();
        let state = state_of(&somebody, node, &shop).await;
        let makes = async |email: &str| {
            let form = [("state", state.as_str()), ("email", email), ("password", PASSWORD)];
            somebody.post(node, "/u/signup", &form).await
        };
        for email in ["1@example.com", "2@example.com"] {
            makes(email).await.expect(StatusCode::SEE_OTHER);
        }
        limited(makes("3@example.com").await, "1800", "Please try again in 30 minutes.");
        check(&records(node, "limit_mu").await, (Some(&shop.id), 429));
        let users = Desk::open(node).await.shown("/users").await;
        let ids: BTreeSet<_> = users.as_array().unwrap().iter().map(|user| user["user_id"].to_string()).collect();
        assert_eq!(ids.len(), 2, "{users}");
        // Who makes an account is signed in to it.
        for kind in ["ss", "s"] {
            let told = records(node, kind).await;
            let of: BTreeSet<_> = told.iter().map(|record| record["user_id"].to_string()).collect();
            assert_eq!((told.len(), &of), (2, &ids), "{kind}");
            assert!(told.iter().all(|record| record["client_id"] == shop.id.as_str()), "{told:?}");
        }
    }

    async fn so_many_mails_are_sent_to_an_account_whether_there_is_one_or_not(world: World, "GRANTOR_LIMITS__MAILS_PER_ACCOUNT_MAX" = "2") {
        let (node, post) = node_with_mail(world).await;
        let ann = Person::create(&node, "ann@example.com").await;
        let asks = async |email: &str| ann.post(&node, "/u/reset-password", &[("email", email)]).await;
        for email in ["nobody@example.com", "ann@example.com"] {
            for _ in 0..2 {
                asks(email).await.expect(StatusCode::OK);
            }
            limited(asks(email).await, "1800", "Please try again in 30 minutes.");
        }
        check(&records(&node, "limit_wc").await, (None, 429));
        world.clock.advance(1800);
        asks("ann@example.com").await.expect(StatusCode::OK);
        let letters = post.letters(3).await;
        assert_eq!(letters.len(), 3, "what was limited was not sent");
        assert!(letters.iter().all(|letter| letter.to == ["ann@example.com"]));
        node.stop().await;
    }
}
