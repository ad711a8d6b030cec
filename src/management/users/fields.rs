//! What a user is made of at the Management API: the tables, and how they are read and shown.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::management::answer::{Problem, shown};
use crate::model::instant;
use crate::model::text::has_control;
use crate::model::user::{CONNECTION, PROVIDER, User, is_email};
use crate::secret::Secret;
use crate::users::password;
use crate::wire::schema::{
    Field, Fields, Form, Shape, boolean, choice, formed, free, instant as instant_of, integer,
    is_null, is_off, object, objects, text,
};

/// Longest metadata of either kind, in bytes of their JSON.
pub(super) const METADATA_BYTES_MAX: usize = 65_536;
/// Longest e-mail address, in characters (RFC 5321 §4.5.3.1).
const EMAIL_CHARS_MAX: usize = 254;
const USERNAME_CHARS_MAX: usize = 128;
const HASH_CHARS_MAX: usize = 512;
const MAILS: &str = "Grantor sends no mail about it";

const EMAIL: Form = Form::Shape(&Shape {
    pattern: r"^[^\s@\u0000-\u001f\u007f-\u009f]{1,64}@[^\s@\u0000-\u001f\u007f-\u009f]+$",
    fits: is_email,
    why: "Object didn't pass validation for format email",
});
const PHONE: Form = Form::Shape(&Shape {
    pattern: r"^\+[0-9]{1,15}$",
    fits: is_phone,
    why: "A phone number is + and up to 15 digits (E.164)",
});
/// Auth0's characters but `@`: whatever holds one is looked for among the addresses.
const USERNAME: Form = Form::Shape(&Shape {
    pattern: r"^[^\s@\u0000-\u001f\u007f-\u009f]+$",
    fits: is_username,
    why: "A username has no spaces and no @, which would make it look like an e-mail address",
});
const OWN_ID: Form = Form::Shape(&Shape {
    pattern: r"^[^\s\u0000-\u001f\u007f-\u009f]*$",
    fits: has_no_spaces,
    why: "A user_id has no spaces",
});

fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or("");
    (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_username(text: &str) -> bool {
    has_no_spaces(text) && !text.contains('@')
}

fn has_no_spaces(text: &str) -> bool {
    !text.contains(char::is_whitespace) && !has_control(text)
}

const E_MAIL: Field = formed("email", 1, EMAIL_CHARS_MAX, EMAIL);
const PHONE_NUMBER: Field = formed("phone_number", 1, 16, PHONE);
const NAME: Field = text("name", 1, 300);
const GIVEN_NAME: Field = text("given_name", 1, 150);
const FAMILY_NAME: Field = text("family_name", 1, 150);
const NICKNAME: Field = text("nickname", 1, 300);
const PICTURE: Field = formed("picture", 1, 2048, Form::Uri);
const USER_NAME: Field = formed("username", 1, USERNAME_CHARS_MAX, USERNAME);
// Longer ones get the policy's own words.
const PASSWORD: Field = text("password", 1, 4 * password::CHARS_MAX);
const USER_METADATA: Field = free("user_metadata", METADATA_BYTES_MAX);
const APP_METADATA: Field = free("app_metadata", METADATA_BYTES_MAX);

/// What a user is made of, whoever brings it.
pub(super) const NEW: &[Field] = &[
    E_MAIL,
    PHONE_NUMBER,
    USER_METADATA,
    boolean("blocked"),
    boolean("email_verified"),
    boolean("phone_verified"),
    APP_METADATA,
    GIVEN_NAME,
    FAMILY_NAME,
    NAME,
    NICKNAME,
    PICTURE,
    formed("user_id", 0, 255, OWN_ID),
    USER_NAME,
];

/// And what only somebody who makes one user says.
pub(super) const CREATE: &[Field] = &[
    text("connection", 1, 128).required(),
    PASSWORD,
    boolean("verify_email").unbuilt(is_off, MAILS),
];

/// And what only a file of users has.
pub(super) const IMPORT: &[Field] = &[
    text("password_hash", 1, HASH_CHARS_MAX),
    object(
        "custom_password_hash",
        &[
            choice("algorithm", &["argon2", "bcrypt"]).required(),
            object(
                "hash",
                &[
                    text("value", 1, HASH_CHARS_MAX).required(),
                    choice("encoding", &["utf8"]),
                ],
            )
            .required(),
        ],
    ),
];

pub(super) const UPDATE: &[Field] = &[
    boolean("blocked"),
    boolean("email_verified"),
    E_MAIL.or_null(),
    PHONE_NUMBER.or_null(),
    boolean("phone_verified"),
    USER_METADATA,
    APP_METADATA,
    GIVEN_NAME.or_null(),
    FAMILY_NAME.or_null(),
    NAME.or_null(),
    NICKNAME.or_null(),
    PICTURE.or_null(),
    boolean("verify_email").unbuilt(is_off, MAILS),
    boolean("verify_phone_number").unbuilt(is_off, "Grantor sends no messages to phones"),
    PASSWORD.or_null(),
    text("connection", 1, 128),
    text("client_id", 1, 128).unbuilt(is_null, MAILS),
    USER_NAME.or_null(),
];

pub(super) const SHOWN: &[Field] = &[
    text("user_id", 1, 300).required(),
    E_MAIL,
    boolean("email_verified"),
    USER_NAME,
    PHONE_NUMBER,
    boolean("phone_verified"),
    NAME,
    GIVEN_NAME,
    FAMILY_NAME,
    NICKNAME,
    PICTURE,
    boolean("blocked"),
    USER_METADATA,
    APP_METADATA,
    instant_of("created_at"),
    instant_of("updated_at"),
    instant_of("last_login"),
    text("last_ip", 1, 100),
    integer("logins_count", 0, i64::MAX),
    instant_of("last_password_reset"),
    objects(
        "identities",
        1,
        &[
            text("connection", 1, 128),
            text("user_id", 1, 255),
            text("provider", 1, 100),
            boolean("isSocial"),
        ],
    ),
];

/// The one connection that there is; `connection` is taken.
pub(super) fn check_connection(fields: &mut Fields) -> Result<(), Problem> {
    match fields.text("connection") {
        Some(named) if named != CONNECTION => Err(Problem::no_connection()),
        _ => Ok(()),
    }
}

/// The password, where one is named; null is none.
pub(super) fn password(fields: &mut Fields) -> Option<Secret<String>> {
    fields.text("password").map(Secret::new)
}

/// Lays over a user what is named; null takes a member away. The metadata are merged at their first
/// level.
pub(in crate::management) fn overlay(user: &mut User, mut fields: Fields) -> Result<(), Problem> {
    let texts = [
        ("email", &mut user.email),
        ("username", &mut user.username),
        ("phone_number", &mut user.phone_number),
        ("name", &mut user.name),
        ("given_name", &mut user.given_name),
        ("family_name", &mut user.family_name),
        ("nickname", &mut user.nickname),
        ("picture", &mut user.picture),
    ];
    for (name, own) in texts {
        if let Some(named) = fields.text_or_null(name) {
            *own = named;
        }
    }
    let switches = [
        ("email_verified", &mut user.email_verified),
        ("phone_verified", &mut user.phone_verified),
        ("blocked", &mut user.blocked),
    ];
    for (name, own) in switches {
        if let Some(named) = fields.boolean(name) {
            *own = named;
        }
    }
    merge("user_metadata", &mut user.user_metadata, &mut fields)?;
    merge("app_metadata", &mut user.app_metadata, &mut fields)?;
    if user.email.is_none() && user.username.is_none() {
        return Err(Problem::body(
            "'Missing required property: email'; a user signs in with an email or a username.",
        ));
    }
    Ok(())
}

fn merge(name: &str, own: &mut Map<String, Value>, fields: &mut Fields) -> Result<(), Problem> {
    let Some(named) = fields.object(name) else {
        return Ok(());
    };
    for (member, value) in named.rest() {
        if value.is_null() {
            own.remove(&member);
        } else {
            own.insert(member, value);
        }
    }
    if Value::Object(own.clone()).to_string().len() > METADATA_BYTES_MAX {
        let why = format_args!("Object is longer than {METADATA_BYTES_MAX} bytes");
        return Err(Problem::property(name, why));
    }
    Ok(())
}

/// A user as Auth0 shows one; what is unset is omitted.
#[derive(Serialize)]
struct Shown<'a> {
    user_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    email_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nickname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<&'a str>,
    blocked: bool,
    #[serde(skip_serializing_if = "Map::is_empty")]
    user_metadata: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    app_metadata: &'a Map<String, Value>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_ip: Option<&'a str>,
    logins_count: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_password_reset: Option<String>,
    identities: Value,
}

/// A user as it is shown.
pub(in crate::management) fn show(user: &User) -> Value {
    let has_number = user.phone_number.is_some() || user.phone_verified;
    shown(&Shown {
        user_id: &user.user_id,
        email: user.email.as_deref(),
        email_verified: user.email_verified,
        username: user.username.as_deref(),
        phone_number: user.phone_number.as_deref(),
        phone_verified: has_number.then_some(user.phone_verified),
        name: user.shown_name(),
        given_name: user.given_name.as_deref(),
        family_name: user.family_name.as_deref(),
        nickname: user.shown_nickname(),
        picture: user.picture.as_deref(),
        blocked: user.blocked,
        user_metadata: &user.user_metadata,
        app_metadata: &user.app_metadata,
        created_at: instant::to_rfc3339(user.created_at),
        updated_at: instant::to_rfc3339(user.updated_at),
        last_login: user.last_login.map(instant::to_rfc3339),
        last_ip: user.last_ip.as_deref(),
        logins_count: user.logins_count,
        last_password_reset: user.last_password_reset.map(instant::to_rfc3339),
        identities: json!([{
            "connection": CONNECTION,
            "user_id": user.own_id(),
            "provider": PROVIDER,
            "isSocial": false,
        }]),
    })
}

/// What `If-Match` compares: all but what a sign-in leaves.
pub(super) fn state_of(shown: &Value) -> Value {
    let mut state = shown.clone();
    if let Value::Object(members) = &mut state {
        for name in ["last_login", "last_ip", "logins_count"] {
            members.remove(name);
        }
    }
    state
}
