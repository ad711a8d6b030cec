//! Users' passwords: what one must be, how it is kept, and hashes that other systems made of one.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bcrypt::HashParts;
use unicode_normalization::UnicodeNormalization;
use zxcvbn::matching::patterns::MatchPattern;
use zxcvbn::zxcvbn;

use super::queues::{Queues, Work};
use crate::config::Config;
use crate::model::fault::Fault;
use crate::model::user::{TYPED_BYTES_MAX, User};
use crate::secret::slow::{self, HashMemory, SlowHashes};
use crate::secret::{Secret, random_bytes};

/// Longest password that can be set, in characters.
pub const CHARS_MAX: usize = 256;
/// The least guesses that a password must be worth, of somebody who knows what is common: as many as
/// eight characters without any pattern.
const GUESSES_MIN: u64 = 100_000_000;

/// The least characters that are not the user's own names or address.
const CHARS_BESIDE_PERSONAL_MIN: usize = 6;

/// Bounds on hashes that are imported: each costs its time once, at the first sign-in.
const BCRYPT_COST_MAX: u32 = 15;
const ARGON2_MEMORY_KIB_MAX: u32 = 262_144;
const ARGON2_PASSES_MAX: u32 = 16;
const ARGON2_LANES_MAX: u32 = 16;

/// Hashes, verifies and judges passwords.
pub struct Passwords {
    queues: Queues,
    length_min: usize,
    /// A hash of nothing, verified where there is none, so that it takes the same time.
    dummy: Secret<String>,
}

/// Why a password is not taken, in Auth0's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weak {
    /// Less than so many characters.
    TooShort(usize),
    /// More than [`CHARS_MAX`] characters.
    TooLong,
    /// A list of common and breached passwords has it.
    Common,
    /// It is hardly more than the user's own address and names.
    Personal,
    /// It is soon found.
    Guessable,
}

impl fmt::Display for Weak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(min) => write!(
                f,
                "PasswordStrengthError: Password is too weak: it needs at least {min} characters"
            ),
            Self::TooLong => write!(
                f,
                "PasswordStrengthError: Password is too long: it has more than {CHARS_MAX} characters"
            ),
            Self::Common => f.write_str("PasswordDictionaryError: Password is too common"),
            Self::Personal => {
                f.write_str("PasswordNoUserInfoError: Password contains user information")
            }
            Self::Guessable => f.write_str(
                "PasswordStrengthError: Password is too weak: it is soon guessed; several words that do not belong together are better",
            ),
        }
    }
}

impl Passwords {
    pub(super) fn new(slow: &SlowHashes, config: &Config) -> Self {
        let salt = STANDARD_NO_PAD.encode(random_bytes::<16>());
        let output = STANDARD_NO_PAD.encode(random_bytes::<32>());
        Self {
            queues: Queues::new(slow, &config.secrets),
            length_min: config.passwords.length_min,
            dummy: Secret::new(format!("{}{salt}${output}", slow::head())),
        }
    }

    /// A password as it is kept, if it is good enough for this user. Slow, so never within a
    /// transaction.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too many slow hashes wait.
    pub async fn keep(
        &self,
        password: &Secret<String>,
        user: &User,
        work: &Work,
    ) -> Result<Result<Secret<String>, Weak>, Fault> {
        if let Err(weak) = self.check_length(password) {
            return Ok(Err(weak));
        }
        let (judged, personal) = (normal(password), personal(user));
        let judge = move || weakness(judged.expose(), &personal);
        match self.queues.judge(work, judge).await? {
            Some(weak) => Ok(Err(weak)),
            None => self.hash(password, work).await.map(Ok),
        }
    }

    fn check_length(&self, password: &Secret<String>) -> Result<(), Weak> {
        // NIST SP 800-63B-4 §3.1.1.2: each code point is a character.
        match normal(password).expose().chars().count() {
            short if short < self.length_min => Err(Weak::TooShort(self.length_min)),
            long if long > CHARS_MAX => Err(Weak::TooLong),
            _ => Ok(()),
        }
    }

    /// Another hash of a password that was judged or verified.
    pub(super) async fn hash(
        &self,
        password: &Secret<String>,
        work: &Work,
    ) -> Result<Secret<String>, Fault> {
        let password = normal(password);
        let hash = move |memory: &mut HashMemory| slow::hash(password.expose(), memory);
        self.queues.run(work, hash).await?.map(Secret::new)
    }

    /// Whether the password is that of the hash. Without a hash it is not, after the same work.
    pub(super) async fn is_of(
        &self,
        password: &Secret<String>,
        hash: Option<&Secret<String>>,
        work: &Work,
    ) -> Result<bool, Fault> {
        let hash = hash.filter(|_| password.expose().len() <= TYPED_BYTES_MAX);
        let has_hash = hash.is_some();
        let hash = hash.unwrap_or(&self.dummy).clone();
        let password = if has_hash {
            normal(password)
        } else {
            Secret::new(String::new())
        };
        let verify =
            move |memory: &mut HashMemory| verify(password.expose(), hash.expose(), memory);
        Ok(self.queues.run(work, verify).await?? && has_hash)
    }

    /// How many passwords were hashed since the start, for tests of who gets the same work.
    #[must_use]
    pub fn hashed(&self) -> u64 {
        self.queues.begun()
    }
}

/// In Unicode's composed form, as keyboards mostly give it: the same password from any of them. Hashes
/// that other systems made of it as it came still fit.
fn normal(password: &Secret<String>) -> Secret<String> {
    Secret::new(password.expose().nfc().collect())
}

/// What is known of a user to everybody who would guess; parts of one or two letters tell nothing.
fn personal(user: &User) -> Vec<String> {
    let texts = [
        &user.email,
        &user.username,
        &user.name,
        &user.given_name,
        &user.family_name,
        &user.nickname,
        &user.phone_number,
    ];
    let mut personal = vec!["grantor".to_owned()];
    for text in texts.into_iter().flatten() {
        personal.push(text.clone());
        let parts = text.split(|c: char| !c.is_alphanumeric());
        personal.extend(parts.map(str::to_owned));
    }
    personal.retain(|part| part.chars().count() > 2);
    personal
}

fn weakness(password: &str, personal: &[String]) -> Option<Weak> {
    if beside_personal(password, personal) < CHARS_BESIDE_PERSONAL_MIN {
        return Some(Weak::Personal);
    }
    let personal: Vec<&str> = personal.iter().map(String::as_str).collect();
    let estimate = zxcvbn(password, &personal);
    if estimate.guesses() >= GUESSES_MIN {
        return None;
    }
    // One match that is the whole of it: the list has it, or has it in another spelling.
    match estimate.sequence() {
        [whole] if matches!(whole.pattern, MatchPattern::Dictionary(_)) => Some(Weak::Common),
        _ => Some(Weak::Guessable),
    }
}

/// How many characters are left without what is known of the user.
fn beside_personal(password: &str, personal: &[String]) -> usize {
    let mut parts: Vec<String> = personal.iter().map(|part| part.to_lowercase()).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    let rest = parts
        .iter()
        .fold(password.to_lowercase(), |rest, part| rest.replace(part, ""));
    rest.chars().count()
}

fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"]
        .iter()
        .any(|head| hash.starts_with(head))
}

/// bcrypt looks at 72 bytes of a password only. A longer one was taken by whoever made the hash, so it
/// is verified the same way; the better hash that takes its place looks at all of it.
fn verify(password: &str, hash: &str, memory: &mut HashMemory) -> Result<bool, Fault> {
    if is_bcrypt(hash) {
        return bcrypt::verify(password, hash).map_err(Fault::internal);
    }
    slow::verify(password, hash, memory)
}

/// True where a hash is not what this version makes: of another algorithm, or with other parameters.
pub(super) fn needs_upgrade(hash: &Secret<String>) -> bool {
    !hash.expose().starts_with(&slow::head())
}

/// Reads a hash that another system made: bcrypt (`$2a$`, `$2b$`, `$2y$`), or argon2id and argon2i as a
/// PHC string.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read_imported(text: &str) -> Result<Secret<String>, &'static str> {
    const UNKNOWN: &str =
        "a hash is bcrypt ($2a$, $2b$, $2y$), or argon2id or argon2i as a PHC string";
    if is_bcrypt(text) {
        let parts: HashParts = text.parse().map_err(|_| "the bcrypt hash is malformed")?;
        if !(4..=BCRYPT_COST_MAX).contains(&parts.get_cost()) {
            return Err("the cost of a bcrypt hash is from 4 to 15");
        }
        return Ok(Secret::new(text.to_owned()));
    }
    let hash = PasswordHash::new(text).map_err(|_| UNKNOWN)?;
    if !matches!(hash.algorithm.as_str(), "argon2id" | "argon2i") {
        return Err(UNKNOWN);
    }
    let is_within = |name: &str, most: u32| {
        let value = hash.params.get_decimal(name);
        value.is_some_and(|value| (1..=most).contains(&value))
    };
    if !(is_within("m", ARGON2_MEMORY_KIB_MAX)
        && is_within("t", ARGON2_PASSES_MAX)
        && is_within("p", ARGON2_LANES_MAX))
    {
        return Err("the parameters of argon2 are m up to 262144, t up to 16 and p up to 16");
    }
    if hash.salt.is_none() || hash.hash.is_none_or(|output| output.len() < 16) {
        return Err("the argon2 hash has no salt, or less than 16 bytes");
    }
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> User {
        User {
            email: Some("ann.bellweather@example.com".into()),
            name: Some("Ann Bellweather-Thorne".into()),
            ..User::new("auth0|1".into(), 0)
        }
    }

    #[test]
    fn what_is_common_personal_or_soon_guessed_is_weak() {
        let personal = personal(&ann());
        for (password, expected) in [
            ("password", Some(Weak::Common)),
            ("P4ssw0rd", Some(Weak::Common)),
            ("1q2w3e4r5t6y7u8i", Some(Weak::Guessable)),
            ("passwordpassword", Some(Weak::Guessable)),
            ("aaaaaaaaaaaaaaaaaaaa", Some(Weak::Guessable)),
            ("12345678901234567890", Some(Weak::Guessable)),
            ("qwertyuiopasdfghjkl", Some(Weak::Guessable)),
            ("ann.bellweather@example.com", Some(Weak::Personal)),
            ("Ann Bellweather-Thorne", Some(Weak::Personal)),
            ("annbellweather1", Some(Weak::Personal)),
            ("correct horse battery staple", None),
            ("k3!vRq8z", None),
            ("of bees and 7 tall ladders", None),
            ("ünïversität im nebel", None),
        ] {
            assert_eq!(weakness(password, &personal), expected, "{password}");
        }
    }

    #[test]
    fn imported_hashes_are_read_within_bounds() {
        let bcrypt = "L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u";
        let salt = "c29tZXNhbHRzb21l";
        let output = "A".repeat(43);
        for (text, is_fine) in [
            (format!("$2y$12${bcrypt}"), true),
            (format!("$2a$04${bcrypt}"), true),
            (format!("$2b$15${bcrypt}"), true),
            (format!("$2b$16${bcrypt}"), false),
            (format!("$2b$03${bcrypt}"), false),
            (format!("$2x$12${bcrypt}"), false),
            (format!("$2b$12${}", &bcrypt[1..]), false),
            (
                format!("$argon2id$v=19$m=65536,t=3,p=4${salt}${output}"),
                true,
            ),
            (
                format!("$argon2i$v=19$m=4096,t=3,p=1${salt}${output}"),
                true,
            ),
            (
                format!("$argon2d$v=19$m=4096,t=3,p=1${salt}${output}"),
                false,
            ),
            (
                format!("$argon2id$v=19$m=262145,t=3,p=1${salt}${output}"),
                false,
            ),
            (
                format!("$argon2id$v=19$m=4096,t=17,p=1${salt}${output}"),
                false,
            ),
            (
                format!("$argon2id$v=19$m=4096,t=3,p=17${salt}${output}"),
                false,
            ),
            (format!("$argon2id$v=19$m=4096,t=3${salt}${output}"), false),
            (format!("$argon2id$v=19$m=4096,t=3,p=1${salt}"), false),
            ("$pbkdf2-sha256$i=4096$c29tZXNhbHQ$A".to_owned(), false),
            ("secret".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(read_imported(&text).is_ok(), is_fine, "{text}");
        }
    }

    #[test]
    fn a_hash_of_other_parameters_needs_another() {
        let mut memory = HashMemory::default();
        let own = Secret::new(slow::hash("x", &mut memory).unwrap());
        assert!(!needs_upgrade(&own));
        let other = own.expose().replace("t=2", "t=3");
        assert!(needs_upgrade(&Secret::new(other)));
        assert!(verify("x", own.expose(), &mut memory).unwrap());
        assert!(!verify("y", own.expose(), &mut memory).unwrap());
    }
}
