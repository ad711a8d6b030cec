//! A record of the audit: what happened, who did it, from where, and what became of it.

use serde_json::{Map, Value, json};

use super::instant;

/// Longest text of a record's own column, in characters; an identifier of an API fits.
const TEXT_CHARS_MAX: usize = 1000;
/// Longest scope of a record, in characters.
const SCOPE_CHARS_MAX: usize = 4000;
/// Longest value of a member of `details` before or after a change, in bytes of its JSON.
const VALUE_BYTES_MAX: usize = 16_384;
/// Longest text that free search looks at, in bytes.
const WORDS_BYTES_MAX: usize = 8192;
/// What is shown in the place of a secret.
const HIDDEN: &str = "[hidden]";
/// How the names of members that hold secrets end, wherever they stand and whatever they hold.
/// Handlers hand none over; this is the second lock, and the first one for what is kept unread, such
/// as Auth0's `addons`.
const SECRET_ENDINGS: [&str; 9] = [
    "_token",
    "assertion",
    "authorization",
    "code_verifier",
    "key",
    "password",
    "secret",
    "accesstoken",
    "private_key",
];

/// An object is looked into instead, and a switch is no secret.
fn is_secret(name: &str, value: &Value) -> bool {
    if matches!(value, Value::Object(_) | Value::Bool(_) | Value::Null) {
        return false;
    }
    let name = name.to_ascii_lowercase();
    name == "token" || SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// What happened, by the codes of Auth0's log where it has one. `docs/audit.md` holds the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A token was issued for client credentials.
    IssuedForClientCredentials,
    /// A client-credentials request was refused.
    RefusedClientCredentials,
    /// Tokens were issued for an authorization code.
    IssuedForAuthorizationCode,
    /// An exchange of an authorization code was refused.
    RefusedAuthorizationCode,
    /// A user signed in.
    SignedIn,
    /// A user made an account.
    SignedUp,
    /// A user did not sign in: no such user, another password, or blocked.
    WrongPassword,
    /// Tokens were issued for a password.
    IssuedForPassword,
    /// An exchange of a password was refused.
    RefusedPassword,
    /// Tokens were issued by the authorization endpoint. Ours.
    IssuedInFrontChannel,
    /// An authorization request was refused.
    RefusedAuthorization,
    /// Tokens were issued for a refresh token.
    IssuedForRefreshToken,
    /// An exchange of a refresh token was refused.
    RefusedRefreshToken,
    /// A refresh token was used that had a successor: its family has ended.
    ReusedRefreshToken,
    /// A refresh token was revoked, or gave way to a newer one.
    RevokedRefreshToken,
    /// A token request was refused before its grant was known. Ours.
    RefusedTokenRequest,
    /// An access token was revoked by its application. Ours.
    RevokedAccessToken,
    /// A revocation was refused. Ours.
    RefusedRevocation,
    /// An introspection was refused. Ours.
    RefusedIntrospection,
    /// A request to userinfo was refused. Ours.
    RefusedUserinfo,
    /// A user has signed out.
    SignedOut,
    /// A request to sign a user out was refused.
    RefusedSignOut,
    /// An application was told that a session has ended.
    ToldOfSignOut,
    /// It was given up to tell an application that a session has ended.
    NotToldOfSignOut,
    /// An administrative change.
    Changed,
    /// An administrative operation was refused.
    RefusedChange,
    /// A user asked for a link to set a new password.
    AskedForReset,
    /// A user set a new password by a link.
    ChangedPassword,
    /// A user proved an address by a link.
    VerifiedEmail,
    /// Too many attempts at one account.
    LimitedAccount,
    /// Too many attempts from one address.
    LimitedAddress,
    /// Records of issuances were dropped, because the queue was full. Ours.
    Dropped,
}

impl Kind {
    /// The code in `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IssuedForClientCredentials => "seccft",
            Self::RefusedClientCredentials => "feccft",
            Self::IssuedForAuthorizationCode => "seacft",
            Self::RefusedAuthorizationCode => "feacft",
            Self::SignedIn => "s",
            Self::SignedUp => "ss",
            Self::WrongPassword => "fp",
            Self::IssuedForPassword => "sepft",
            Self::RefusedPassword => "fepft",
            Self::IssuedInFrontChannel => "sft",
            Self::RefusedAuthorization => "f",
            Self::IssuedForRefreshToken => "sertft",
            Self::RefusedRefreshToken => "fertft",
            Self::ReusedRefreshToken => "ferrt",
            Self::RevokedRefreshToken => "srrt",
            Self::RefusedTokenRequest => "fet",
            Self::RevokedAccessToken => "srat",
            Self::RefusedRevocation => "frat",
            Self::RefusedIntrospection => "fint",
            Self::RefusedUserinfo => "fuinfo",
            Self::SignedOut => "slo",
            Self::RefusedSignOut => "flo",
            Self::ToldOfSignOut => "oidc_backchannel_logout_succeeded",
            Self::NotToldOfSignOut => "oidc_backchannel_logout_failed",
            Self::Changed => "sapi",
            Self::RefusedChange => "fapi",
            Self::AskedForReset => "scpr",
            Self::ChangedPassword => "scp",
            Self::VerifiedEmail => "sv",
            Self::LimitedAccount => "limit_wc",
            Self::LimitedAddress => "limit_mu",
            Self::Dropped => "audit_dropped",
        }
    }

    /// What it says to people, where it is always the same.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::IssuedForClientCredentials => "Client credentials exchanged for an access token",
            Self::IssuedForAuthorizationCode => "Authorization code exchanged for tokens",
            Self::SignedUp => "An account was made",
            Self::IssuedForPassword => "Password exchanged for tokens",
            Self::IssuedInFrontChannel => "Tokens issued by the authorization endpoint",
            Self::IssuedForRefreshToken => "Refresh token exchanged for tokens",
            Self::AskedForReset => "A link to set a new password was asked for",
            Self::ChangedPassword => "A new password was set by a link",
            Self::VerifiedEmail => "The e-mail address was proved by a link",
            Self::LimitedAccount => "Too many attempts at one account",
            Self::LimitedAddress => "Too many attempts from one address",
            _ => "",
        }
    }
}

/// Where a request came from, and which it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whence {
    /// The client's address.
    pub ip: Option<String>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// `X-Correlation-ID`, its first 64 characters.
    pub correlation_id: Option<String>,
    /// `X-Request-Id` of the answer.
    pub request_id: Option<String>,
    /// The HTTP method.
    pub method: Option<String>,
    /// The path, without the query, which may hold what nobody should keep.
    pub path: Option<String>,
}

/// A record, before it has its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its code; text, because a newer version may have written it.
    pub kind: String,
    /// When it happened, unix milliseconds.
    pub date_ms: i64,
    /// The application that did it, or says that it is.
    pub client_id: Option<String>,
    /// That application's name at the time.
    pub client_name: Option<String>,
    /// The user who did it, or to whom it was done.
    pub user_id: Option<String>,
    /// From where.
    pub ip: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
    /// The token's APIs, separated by spaces.
    pub audience: Option<String>,
    /// The token's scopes, separated by spaces.
    pub scope: Option<String>,
    /// The caller's own name of the request.
    pub correlation_id: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// All else, an object.
    pub details: Map<String, Value>,
}

impl Record {
    /// A record of what a request did. `status` is the answer's.
    #[must_use]
    pub fn new(kind: Kind, date_ms: i64, whence: &Whence, status: Option<u16>) -> Self {
        let mut details = Map::new();
        let mut request = Map::new();
        for (name, value) in [("method", &whence.method), ("path", &whence.path)] {
            if let Some(value) = value {
                request.insert(name.to_owned(), clean(value, TEXT_CHARS_MAX).into());
            }
        }
        if !request.is_empty() {
            details.insert("request".to_owned(), request.into());
        }
        if let Some(status) = status {
            details.insert("response".to_owned(), json!({ "statusCode": status }));
        }
        if let Some(id) = &whence.request_id {
            details.insert("request_id".to_owned(), id.as_str().into());
        }
        let text = |text: &Option<String>| text.as_deref().map(|text| clean(text, TEXT_CHARS_MAX));
        Self {
            kind: kind.as_str().to_owned(),
            date_ms,
            client_id: None,
            client_name: None,
            user_id: None,
            ip: text(&whence.ip),
            user_agent: text(&whence.user_agent),
            audience: None,
            scope: None,
            correlation_id: text(&whence.correlation_id),
            description: None,
            details,
        }
    }

    /// Names the application.
    #[must_use]
    pub fn by(mut self, client_id: Option<&str>, client_name: Option<&str>) -> Self {
        self.client_id = client_id.map(|text| clean(text, TEXT_CHARS_MAX));
        self.client_name = client_name.map(|text| clean(text, TEXT_CHARS_MAX));
        self
    }

    /// Names the user who did it, or to whom it was done.
    #[must_use]
    pub fn about_user(mut self, user_id: &str) -> Self {
        self.user_id = Some(clean(user_id, TEXT_CHARS_MAX));
        self
    }

    /// Names the token's APIs and scopes.
    #[must_use]
    pub fn of_token(mut self, audiences: &[String], scope: &str) -> Self {
        let scope = clean(scope, SCOPE_CHARS_MAX);
        self.audience = Some(audiences.join(" ")).filter(|text| !text.is_empty());
        self.scope = Some(scope).filter(|text| !text.is_empty());
        self
    }

    /// Says it to people.
    #[must_use]
    pub fn says(mut self, description: &str) -> Self {
        self.description = Some(clean(description, TEXT_CHARS_MAX));
        self
    }

    /// Adds a member to the details; secrets in it are hidden.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.details.insert(name.to_owned(), without_secrets(value));
        self
    }

    /// Adds what differs between before and after: for a creation all that there is then, for a
    /// deletion all that there was.
    #[must_use]
    pub fn with_change(self, before: Option<&Value>, after: Option<&Value>) -> Self {
        let changes = changes(before, after);
        if changes.is_empty() {
            return self;
        }
        self.with("changes", changes.into())
    }

    /// What free search looks at, in lower case: every text of the record but its number and date.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = String::new();
        let own = [
            &self.description,
            &self.client_name,
            &self.client_id,
            &self.user_id,
            &self.ip,
            &self.audience,
            &self.correlation_id,
        ];
        for text in own.into_iter().flatten() {
            add_word(&mut words, text);
        }
        add_word(&mut words, &self.kind);
        for value in self.details.values() {
            add_words(&mut words, value);
        }
        words
    }
}

/// The id of the record of a number: Auth0's form, which sorts as text in the order of the numbers,
/// which is the order in which the records were kept. It begins with that time.
#[must_use]
pub fn log_id(n: i64) -> String {
    let time: String = instant::to_rfc3339_millis(n.div_euclid(1000))
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    format!("900{time}{n:036}")
}

/// The number in an id of [`log_id`].
#[must_use]
pub fn number_of(id: &str) -> Option<i64> {
    let digits = id.get(20..)?;
    let n = digits.parse().ok().filter(|n| *n >= 0)?;
    (log_id(n) == id).then_some(n)
}

/// Text that every store takes: without control characters, and bounded.
fn clean(text: &str, chars_max: usize) -> String {
    let plain = |c: char| if c.is_control() { '?' } else { c };
    text.chars().take(chars_max).map(plain).collect()
}

fn without_secrets(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let hide = |(name, value): (String, Value)| {
                let value = if is_secret(&name, &value) {
                    HIDDEN.into()
                } else {
                    without_secrets(value)
                };
                (name, value)
            };
            members.into_iter().map(hide).collect()
        }
        Value::Array(items) => items.into_iter().map(without_secrets).collect(),
        other => other,
    }
}

/// Each member that differs, with `before` and `after`, absent where it was or is unset.
fn changes(before: Option<&Value>, after: Option<&Value>) -> Map<String, Value> {
    let empty = Map::new();
    let members = |value: Option<&Value>| {
        value
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_else(|| empty.clone())
    };
    let (before, after) = (members(before), members(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut changes = Map::new();
    for name in names {
        let (was, is) = (before.get(name), after.get(name));
        if was == is {
            continue;
        }
        let mut change = Map::new();
        for (when, value) in [("before", was), ("after", is)] {
            if let Some(value) = value {
                change.insert(when.to_owned(), hidden_or_cut(name, value));
            }
        }
        changes.insert(name.clone(), change.into());
    }
    changes
}

fn hidden_or_cut(name: &str, value: &Value) -> Value {
    if is_secret(name, value) {
        return HIDDEN.into();
    }
    let value = without_secrets(value.clone());
    let bytes = value.to_string().len();
    if bytes > VALUE_BYTES_MAX {
        return format!("[{bytes} bytes, more than a record keeps]").into();
    }
    value
}

fn add_word(words: &mut String, text: &str) {
    let text = text.to_lowercase();
    if words.len() + text.len() < WORDS_BYTES_MAX {
        words.push_str(&text);
        words.push('\n');
    }
}

fn add_words(words: &mut String, value: &Value) {
    match value {
        Value::String(text) => add_word(words, &clean(text, usize::MAX)),
        Value::Number(number) => add_word(words, &number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| add_words(words, item)),
        Value::Object(members) => {
            for (name, value) in members {
                add_word(words, &clean(name, TEXT_CHARS_MAX));
                add_words(words, value);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_sorts_by_number_begins_with_its_time_and_gives_the_number_back() {
        let first = 1_795_190_138_123_000;
        let id = log_id(first);
        assert!(id.starts_with("90020261120155538123"), "{id}");
        assert_eq!(id.len(), 56);
        for n in [0, 1, first, first + 1, first + 1_000_000, i64::MAX / 1000] {
            assert_eq!(number_of(&log_id(n)), Some(n));
            assert!(log_id(n) < log_id(n + 1));
        }
        for wrong in [
            "",
            "900",
            "x",
            &id[1..],
            &format!("{id}0"),
            &id.replace("9002026", "9002027"),
        ] {
            assert_eq!(number_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_change_shows_what_differs_and_no_secret() {
        let before = json!({ "name": "a", "same": 1, "gone": true, "client_secret": "s1" });
        let after = json!({ "name": "b", "same": 1, "new": [{ "secret": "s2", "x": 1 }], "client_secret": "s3" });
        let record = Record::new(Kind::Changed, 0, &Whence::default(), None)
            .with_change(Some(&before), Some(&after));
        let shown = Value::Object(record.details.clone());
        assert_eq!(
            shown["changes"],
            json!({
                "client_secret": { "before": "[hidden]", "after": "[hidden]" },
                "gone": { "before": true },
                "name": { "before": "a", "after": "b" },
                "new": { "after": [{ "secret": "[hidden]", "x": 1 }] },
            })
        );
        for secret in ["s1", "s2", "s3"] {
            assert!(!shown.to_string().contains(secret));
            assert!(!record.words().contains(secret));
        }
    }

    #[test]
    fn a_record_is_bounded_and_holds_no_control_characters() {
        let whence = Whence {
            user_agent: Some("a\u{0}\n".repeat(10_000)),
            ..Whence::default()
        };
        let long = Value::String("x".repeat(100_000));
        let record = Record::new(Kind::Changed, 0, &whence, None)
            .with_change(None, Some(&json!({ "long": long, "short": "Ünï" })));
        let agent = record.user_agent.as_deref().unwrap_or("");
        assert_eq!(agent.len(), TEXT_CHARS_MAX);
        assert!(!agent.contains(char::is_control));
        assert!(Value::Object(record.details.clone()).to_string().len() < 1000);
        assert!(record.words().contains("ünï"));
    }
}
