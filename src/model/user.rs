//! A user: a person who signs in here.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

/// The one connection that there is, by Auth0's name: users of the store's own, with passwords.
pub const CONNECTION: &str = "Username-Password-Authentication";
/// The same by Auth0's form of an id.
pub const CONNECTION_ID: &str = "con_UsernamePassword";
/// The provider of that connection, and how every `user_id` begins.
pub const PROVIDER: &str = "auth0";
/// Between the provider and the user's own part of a `user_id`.
const SEPARATOR: char = '|';

/// Longest name, address and password that is looked at, in bytes: within it are the longest password that
/// can be set, and longer ones that another system took.
pub const TYPED_BYTES_MAX: usize = 4096;

/// Longest path of a member of the metadata that can be searched by name, in bytes. What lies deeper
/// is found by its value.
const PATH_BYTES_MAX: usize = 64;

/// A user as stored, without the password.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// `auth0|` and the user's own part; `sub` in tokens.
    pub user_id: String,
    /// No two users share one, whatever its case.
    pub email: Option<String>,
    /// Whether the user has shown that the address is theirs, or an administrator says so.
    pub email_verified: bool,
    /// Without `@`, so that none looks like an e-mail address. No two users share one.
    pub username: Option<String>,
    /// E.164: `+` and digits.
    pub phone_number: Option<String>,
    /// As with the address.
    pub phone_verified: bool,
    /// The whole name, where one was given; see [`User::shown_name`].
    pub name: Option<String>,
    /// First names.
    pub given_name: Option<String>,
    /// Last names.
    pub family_name: Option<String>,
    /// What the user is called, where it was given; see [`User::shown_nickname`].
    pub nickname: Option<String>,
    /// The URL of a picture.
    pub picture: Option<String>,
    /// Does not sign in.
    pub blocked: bool,
    /// What the user may say of themselves. Claims of OpenID Connect that have no member of their own
    /// are taken from here.
    pub user_metadata: Map<String, Value>,
    /// What applications and administrators keep of the user.
    pub app_metadata: Map<String, Value>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// The last sign-in, unix seconds.
    pub last_login: Option<i64>,
    /// From where that was.
    pub last_ip: Option<String>,
    /// How often.
    pub logins_count: i64,
    /// When the password was last set, other than at the creation; unix seconds.
    pub last_password_reset: Option<i64>,
}

impl User {
    /// A user of whom nothing else is known yet.
    #[must_use]
    pub fn new(user_id: String, now: i64) -> Self {
        Self {
            user_id,
            email: None,
            email_verified: false,
            username: None,
            phone_number: None,
            phone_verified: false,
            name: None,
            given_name: None,
            family_name: None,
            nickname: None,
            picture: None,
            blocked: false,
            user_metadata: Map::new(),
            app_metadata: Map::new(),
            created_at: now,
            updated_at: now,
            last_login: None,
            last_ip: None,
            logins_count: 0,
            last_password_reset: None,
        }
    }

    /// The `user_id` without the provider.
    #[must_use]
    pub fn own_id(&self) -> &str {
        let own = self.user_id.split_once(SEPARATOR);
        own.map_or(self.user_id.as_str(), |(_, own)| own)
    }

    /// The name, and in its place what the user signs in with.
    #[must_use]
    pub fn shown_name(&self) -> Option<&str> {
        let given = self.name.as_deref().or(self.email.as_deref());
        given.or(self.username.as_deref())
    }

    /// The nickname, and in its place the username or the first part of the e-mail address.
    #[must_use]
    pub fn shown_nickname(&self) -> Option<&str> {
        let local = || {
            self.email
                .as_deref()
                .and_then(|email| email.split('@').next())
        };
        let given = self.nickname.as_deref().or(self.username.as_deref());
        given.or_else(local)
    }

    /// A standard claim (OpenID Connect Core 1.0 §5.1). Those that a user has no member for come from
    /// `user_metadata`, under the claim's name and where they have the claim's type: they are what the
    /// user says, and nobody has checked them.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<Value> {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        match name {
            "sub" => Some(self.user_id.as_str().into()),
            "name" => self.shown_name().map(Value::from),
            "given_name" => text(&self.given_name),
            "family_name" => text(&self.family_name),
            "nickname" => self.shown_nickname().map(Value::from),
            "preferred_username" => text(&self.username),
            "picture" => text(&self.picture),
            "email" => text(&self.email),
            "email_verified" => self.email.is_some().then(|| self.email_verified.into()),
            "phone_number" => text(&self.phone_number),
            "phone_number_verified" => self
                .phone_number
                .is_some()
                .then(|| self.phone_verified.into()),
            "updated_at" => Some(self.updated_at.into()),
            "middle_name" | "profile" | "website" | "gender" | "birthdate" | "zoneinfo"
            | "locale" => self
                .user_metadata
                .get(name)
                .filter(|own| own.is_string())
                .cloned(),
            "address" => self
                .user_metadata
                .get(name)
                .filter(|own| own.is_object())
                .cloned(),
            _ => None,
        }
    }

    /// What a search looks at: a line for each member, `name:value`, folded, between line feeds.
    /// Members of the metadata are named by their path.
    #[must_use]
    pub fn words(&self) -> String {
        let mut lines = BTreeSet::new();
        let own = [
            ("user_id", Some(self.user_id.as_str())),
            ("email", self.email.as_deref()),
            ("username", self.username.as_deref()),
            ("phone_number", self.phone_number.as_deref()),
            ("name", self.shown_name()),
            ("given_name", self.given_name.as_deref()),
            ("family_name", self.family_name.as_deref()),
            ("nickname", self.shown_nickname()),
            ("picture", self.picture.as_deref()),
            ("identities.connection", Some(CONNECTION)),
            ("identities.provider", Some(PROVIDER)),
            ("identities.user_id", Some(self.own_id())),
        ];
        for (name, value) in own {
            if let Some(value) = value {
                lines.insert(word(name, value));
            }
        }
        for (name, value) in [
            ("blocked", self.blocked),
            ("email_verified", self.email_verified),
            ("phone_verified", self.phone_verified),
        ] {
            lines.insert(word(name, if value { "true" } else { "false" }));
        }
        add_members("user_metadata", &self.user_metadata, &mut lines);
        add_members("app_metadata", &self.app_metadata, &mut lines);
        let mut words = String::from("\n");
        for line in lines {
            words.push_str(&line);
            words.push('\n');
        }
        words
    }
}

/// A `user_id` of the user's own part.
#[must_use]
pub fn user_id_of(own: &str) -> String {
    format!("{PROVIDER}{SEPARATOR}{own}")
}

/// A text as it is compared: in Unicode's composed form, and in lower case.
#[must_use]
pub fn fold(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase()
}

/// A line of [`User::words`], without its line feeds. What is searched for goes the same way.
#[must_use]
pub fn word(name: &str, value: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    format!("{name}:{}", fold(value))
        .chars()
        .map(plain)
        .collect()
}

fn add_members(path: &str, members: &Map<String, Value>, lines: &mut BTreeSet<String>) {
    for (name, value) in members {
        let below = format!("{path}.{}", fold(name));
        let below = if below.len() > PATH_BYTES_MAX {
            path
        } else {
            below.as_str()
        };
        add_value(below, value, lines);
    }
}

fn add_value(path: &str, value: &Value, lines: &mut BTreeSet<String>) {
    match value {
        Value::Null => {}
        Value::Bool(own) => {
            lines.insert(word(path, if *own { "true" } else { "false" }));
        }
        Value::Number(number) => {
            lines.insert(word(path, &number.to_string()));
        }
        Value::String(text) => {
            lines.insert(word(path, text));
        }
        Value::Array(items) => {
            for item in items {
                add_value(path, item, lines);
            }
        }
        Value::Object(members) => add_members(path, members, lines),
    }
}

/// True where a text may be an e-mail address: enough to send a mail to it.
#[must_use]
pub fn is_email(text: &str) -> bool {
    const CHARS_MAX: usize = 254;
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    let is_label = |label: &str| !label.is_empty() && !label.starts_with('-');
    text.chars().all(is_plain)
        && text.chars().count() <= CHARS_MAX
        && (1..=64).contains(&local.chars().count())
        && !domain.contains('@')
        && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(members: &Value) -> User {
        let map = |name: &str| members[name].as_object().cloned().unwrap_or_default();
        let text = |name: &str| members[name].as_str().map(str::to_owned);
        User {
            email: text("email"),
            username: text("username"),
            name: text("name"),
            user_metadata: map("user_metadata"),
            app_metadata: map("app_metadata"),
            ..User::new(user_id_of("0123"), 7)
        }
    }

    #[test]
    fn a_claim_without_a_member_of_its_own_comes_from_the_metadata_where_it_has_its_type() {
        let user = user(&json!({
            "email": "Ann@A.example",
            "user_metadata": { "locale": "de-CH", "website": 7, "address": { "country": "CH" }, "sub": "x", "plan": "gold" },
        }));
        for (name, expected) in [
            ("sub", Some(json!("auth0|0123"))),
            ("name", Some(json!("Ann@A.example"))),
            ("nickname", Some(json!("Ann"))),
            ("email_verified", Some(json!(false))),
            ("phone_number_verified", None),
            ("locale", Some(json!("de-CH"))),
            ("website", None),
            ("address", Some(json!({ "country": "CH" }))),
            ("plan", None),
            ("updated_at", Some(json!(7))),
        ] {
            assert_eq!(user.claim(name), expected, "{name}");
        }
    }

    #[test]
    fn every_member_is_a_line_of_the_words() {
        let deep = "x".repeat(70);
        let user = user(&json!({
            "username": "Jos\u{e9}",
            "user_metadata": { "Tags": ["A", "b\nc"], "n": 1.5, "none": null },
            "app_metadata": { "a": { "b": { (deep): true } } },
        }));
        let words = user.words();
        for line in [
            "user_id:auth0|0123",
            "username:jos\u{e9}",
            "name:jos\u{e9}",
            "nickname:jos\u{e9}",
            "blocked:false",
            "user_metadata.tags:a",
            "user_metadata.tags:b c",
            "user_metadata.n:1.5",
            "app_metadata.a.b:true",
        ] {
            assert!(words.contains(&format!("\n{line}\n")), "{line} in {words}");
        }
        assert!(!words.contains("email:") && !words.contains("none"));
        assert_eq!(fold("JOSE\u{301}"), "jos\u{e9}");
    }
}
