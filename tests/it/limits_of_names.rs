//! Names that belong to one account, names of different accounts and names that nobody has: whoever guesses
//! is told the same of all of them, and the account has one count.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fair_turns::join_all;
use crate::harness::{Credentials, Node, PASSWORD, both_stores};
use crate::limits_of_pages::records;

const WRONG: &str = "a wrong guess of the tests";
/// Where Ann and Cat have signed in.
const OFFICE: &str = "192.0.2.1";

/// A user with an e-mail address and a username.
async fn create(node: &Node, name: &str) -> String {
    let fields = json!({
        "connection": "Username-Password-Authentication",
        "email": format!("{name}@example.com"),
        "username": name,
        "password": PASSWORD,
    });
    let made = node.manage(Method::POST, "/users", Some(fields)).await;
    made.expect(StatusCode::CREATED).text("user_id")
}

pub(crate) async fn application(node: &Node) -> Credentials {
    let on = json!({ "flags": { "allow_password_grant": true } });
    let changed = node.manage(Method::PATCH, "/tenants/settings", Some(on));
    changed.await.expect(StatusCode::OK);
    let fields = json!({ "grant_types": ["password"] });
    node.create_application(fields).await
}

/// An attempt from an address, as a trusted proxy says.
pub(crate) async fn signs_in(
    node: &Node,
    application: &Credentials,
    (address, name, password): (&str, &str, &str),
) -> crate::harness::Answer {
    let form = [
        ("grant_type", "password"),
        ("username", name),
        ("password", password),
        ("scope", "openid"),
    ];
    let request = node
        .request(Method::POST, "/oauth/token")
        .basic_auth(&application.id, Some(&application.secret))
        .header("x-forwarded-for", address)
        .header("x-forwarded-proto", "https")
        .form(&form);
    node.send(request).await
}

/// What somebody sees who guesses at names, one after the other, from addresses.
async fn seen(
    node: &Node,
    application: &Credentials,
    attempts: Vec<(&'static str, String)>,
) -> Vec<String> {
    let mut seen = Vec::new();
    for (address, name) in attempts {
        let answer = signs_in(node, application, (address, &name, WRONG)).await;
        let retry_after = answer.headers.get("retry-after").cloned();
        seen.push(format!("{} {retry_after:?} {}", answer.status, answer.body));
    }
    seen
}

both_stores! {
    async fn an_observer_does_not_learn_which_names_belong_together_or_exist(
        world: World, "GRANTOR_LIMITS__SIGN_INS_PER_ACCOUNT_MAX" = "3", "GRANTOR_SERVER__TRUSTED_PROXIES" = "127.0.0.1"
    ) {
        let node = &world.node;
        let application = application(node).await;
        for name in ["ann", "bea", "cat", "dan", "eve", "fay"] {
            create(node, name).await;
        }
        for name in ["ann", "cat"] {
            signs_in(node, &application, (OFFICE, name, PASSWORD)).await.expect(StatusCode::OK);
        }
        // An observer elsewhere; one in the office; and one who is at both places.
        for (guessed_at, then_at) in [("203.0.113.1", "198.51.100.1"), (OFFICE, OFFICE), ("203.0.113.2", OFFICE)] {
            let pairs = match guessed_at {
                "203.0.113.1" => [("bea@example.com", "BEA"), ("dan", "eve@example.com"), ("x1", "x2")],
                OFFICE => [("ann@example.com", "Ann"), ("fay", "eve"), ("x3", "x4")],
                _ => [("cat@example.com", "cat"), ("dan@example.com", "fay@example.com"), ("x5", "x6")],
            };
            let all = pairs.map(|(one, other)| {
                let mut attempts = vec![(guessed_at, one.to_owned()); 4];
                attempts.extend(vec![(then_at, other.to_owned()); 4]);
                attempts.extend([(then_at, one.to_uppercase()), (guessed_at, other.to_owned())]);
                seen(node, &application, attempts)
            });
            let all = join_all(all).await;
            assert_eq!(all[0], all[1], "{pairs:?}");
            assert_eq!(all[0], all[2], "{pairs:?}");
            assert!(all[0][3].starts_with("429") && all[0][4].starts_with("400"), "{:?}", all[0]);
        }
    }

    async fn an_account_has_one_count_by_all_its_names_that_shows_to_nobody(
        world: World, "GRANTOR_LIMITS__SIGN_INS_PER_ACCOUNT_MAX" = "3", "GRANTOR_SERVER__TRUSTED_PROXIES" = "127.0.0.1"
    ) {
        let node = &world.node;
        let application = application(node).await;
        let ann = create(node, "ann").await;
        signs_in(node, &application, (OFFICE, "ann", PASSWORD)).await.expect(StatusCode::OK);
        for name in ["ann@example.com", "ann@example.com", "ann"] {
            signs_in(node, &application, ("203.0.113.1", name, WRONG)).await
                .expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        }
        // Neither name has had three attempts, and the account has.
        let hashed = node.app.users.passwords.hashed();
        let withheld = signs_in(node, &application, ("203.0.113.2", "ann", PASSWORD)).await
            .expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        assert_eq!(withheld.text("error_description"), "Wrong email or password.");
        assert_eq!(node.app.users.passwords.hashed(), hashed + 1, "the same work");
        let told = records(node, "limit_wc").await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0]["user_id"], json!(ann));
        // The owner gets in where the account is known, by either name, also where the name is limited.
        for name in ["ann", "ann", "ANN@example.com"] {
            signs_in(node, &application, ("203.0.113.3", name, WRONG)).await;
            signs_in(node, &application, (OFFICE, name, PASSWORD)).await.expect(StatusCode::OK);
        }
        world.clock.advance(3600);
        signs_in(node, &application, ("203.0.113.2", "ann", PASSWORD)).await.expect(StatusCode::OK);
    }
}
