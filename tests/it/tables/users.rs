//! Users: a minimal one, and where the generator does not know enough of them.

use serde_json::{Value, json};

use super::exceptions::{Listed, Of};
use super::unique;

/// Good enough for the policy.
const PASSWORD: &str = "seven tall ladders of bees";

/// A user with both of what one signs in with, so that either can be taken away.
pub(super) fn minimal() -> Value {
    let unique = unique();
    json!({
        "connection": "Username-Password-Authentication",
        "email": format!("user{unique}@a.example"),
        "username": format!("user{unique}"),
        "password": PASSWORD,
    })
}

pub(super) fn listed(of: Of<'_>) -> Vec<Listed> {
    const CREATE: &str = "CreateUserRequestContent";
    const UPDATE: &str = "UpdateUserRequestContent";
    const BOTH: &str = "UserRequestContent";
    const ONE_USERS: &str = "is one user's, so creation and change try different ones";
    const MAIL: &str = "its effect is a mail or a message, and Grantor sends none about it";
    let wrong = || {
        [
            json!("no mail"),
            json!("a@"),
            json!("@a"),
            json!("a@b@c"),
            json!("a b@c"),
            json!(1),
            json!(""),
        ]
    };
    let phones = || {
        [
            json!("123"),
            json!("+"),
            json!("+12a"),
            json!("+1234567890123456"),
            json!(1),
        ]
    };
    let off = |of_schema, path| {
        of(of_schema, path, MAIL)
            .accepted([json!(false)])
            .not_supported([json!(true)])
            .refused([json!("x"), json!(1)])
    };
    let metadata = |path| {
        of(BOTH, path, "any object, bounded in bytes")
            .taken([json!({ "a": { "b": [1, "x", true] } }), json!({})])
            .refused([
                json!("x"),
                json!(1),
                json!([]),
                json!({ "a": "x".repeat(65_536) }),
            ])
    };
    vec![
        of(CREATE, "email", ONE_USERS)
            .taken([json!("ann@a.example"), json!("Bob.B+tag@localhost")])
            .refused(wrong()),
        of(UPDATE, "email", ONE_USERS)
            .taken([json!("cee@a.example"), json!(null)])
            .refused(wrong()),
        of(CREATE, "phone_number", "a pattern of its own")
            .taken([json!("+1"), json!("+123456789012345")])
            .refused(phones()),
        of(UPDATE, "phone_number", "a pattern of its own")
            .taken([json!("+1"), json!(null)])
            .refused(phones()),
        of(CREATE, "username", ONE_USERS)
            .taken([json!("a"), json!("x".repeat(128)), json!("^$.!`-#+'~_")])
            .refused([
                json!(""),
                json!("x".repeat(129)),
                json!("a b"),
                json!("a@b"),
                json!(1),
            ]),
        of(UPDATE, "username", ONE_USERS)
            .taken([json!("b"), json!("y".repeat(128)), json!(null)])
            .refused([
                json!(""),
                json!("x".repeat(129)),
                json!("a b"),
                json!("a@b"),
                json!(1),
            ]),
        of(
            CREATE,
            "user_id",
            "shown behind auth0|, as manage_users.rs tells",
        )
        .refused([json!("x".repeat(256)), json!("a b"), json!(1)]),
        of(
            CREATE,
            "connection",
            "there is one; another is refused in Auth0's words (manage_users.rs)",
        )
        .taken([json!("Username-Password-Authentication")])
        .refused([json!(""), json!(1), json!({})]),
        of(UPDATE, "connection", "there is one, as at the creation")
            .taken([json!("Username-Password-Authentication")])
            .refused([json!(""), json!(1)]),
        of(
            CREATE,
            "password",
            "the policy has words of its own (manage_passwords.rs)",
        )
        .taken([json!(PASSWORD)])
        .refused([json!(""), json!(1), json!([])]),
        of(UPDATE, "password", "judged as at the creation")
            .taken([json!(PASSWORD)])
            .refused([json!(""), json!(1)]),
        of(
            BOTH,
            "phone_verified",
            "false is omitted where there is no number",
        )
        .taken([json!(true)])
        .accepted([json!(false)])
        .refused([json!("x"), json!(1)]),
        of(CREATE, "picture", "an absolute URI")
            .taken([
                json!("https://a.example/p.png"),
                json!("http://a.example/p"),
            ])
            .refused([json!("no uri"), json!("/relative"), json!("")]),
        of(UPDATE, "picture", "an absolute URI")
            .taken([json!("https://a.example/p.png"), json!(null)])
            .refused([json!("no uri"), json!("/relative"), json!("")]),
        metadata("user_metadata"),
        metadata("app_metadata"),
        off(BOTH, "verify_email"),
        off(UPDATE, "verify_phone_number"),
        of(UPDATE, "client_id", MAIL)
            .not_supported([json!("DaM8bokEXBWrTUFCiJjWn50jei6ardyX")])
            .refused([json!(1), json!("")]),
    ]
}
