//! Recognising a token that somebody presents: what it says if it is good, and nothing otherwise.

use super::issue::Mint;
use super::jwt::{self, Claimed};
use super::opaque;
use crate::directory::{Directory, Stance};
use crate::lifetime::LONGEST_SIGNED_SECONDS;
use crate::model::fault::Fault;
use crate::model::record::Record;
use crate::model::text::IDENTIFIER_CHARS_MAX;
use crate::model::token::Token;
use crate::secret::Secret;
use crate::store::Store;
use crate::store::group::Operation;
use crate::store::revocations::CLOCKS_APART_SECONDS_MAX;
use crate::store::tokens::{self, USE_RECORDED_EVERY_SECONDS};

/// Longest audience that is looked up, in bytes: identifiers have at most 600 characters.
const IDENTIFIER_BYTES_MAX: usize = 4 * IDENTIFIER_CHARS_MAX;

/// Where a token's word comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Its signature.
    Signed {
        /// Under which it is revoked ([`Token::revocation_name`]).
        name: String,
    },
    /// The store, under this digest.
    Stored {
        /// The keyed digest of its text.
        digest: String,
    },
}

/// An active token.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// What it says.
    pub token: Token,
    /// Where its word comes from.
    pub form: Form,
    /// When a stored one was last seen in use, unix seconds, to the hour.
    pub last_used_at: Option<i64>,
}

/// Recognises tokens.
pub struct Recogniser<'a> {
    /// Keys and digests.
    pub mint: &'a Mint,
    /// What is revoked.
    pub directory: &'a Directory,
    /// Stored tokens.
    pub store: &'a Store,
}

impl Recogniser<'_> {
    /// The token if it is active: ours, alive without leeway, and not revoked.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where nobody can tell.
    pub async fn recognise(
        &self,
        text: &Secret<String>,
        now: i64,
    ) -> Result<Option<Recognised>, Fault> {
        let Some(found) = self.find(text.expose(), now).await? else {
            return Ok(None);
        };
        let name = match &found.form {
            Form::Signed { name } => Some(name.as_str()),
            Form::Stored { .. } => None,
        };
        if !found.token.is_live(now) || self.directory.is_revoked(&found.token, name).await? {
            return Ok(None);
        }
        Ok(Some(found))
    }

    async fn find(&self, text: &str, now: i64) -> Result<Option<Recognised>, Fault> {
        if opaque::is_one(text) {
            let digest = self.mint.digester.digest(text);
            let stored = tokens::get(&mut *self.store.read().await?, &digest).await?;
            return Ok(stored.map(|stored| Recognised {
                token: stored.token,
                form: Form::Stored { digest },
                last_used_at: stored.last_used_at,
            }));
        }
        match jwt::claimed(text) {
            Some(Claimed::Key(kid)) => self.by_key(text, &kid, now).await,
            Some(Claimed::SecretOf(audience)) => self.by_secret(text, &audience, now).await,
            None => Ok(None),
        }
    }

    /// A key may be too new for this node, or revoked a moment ago: where what is known is not
    /// fresh, or the key is not known, the feed is read first.
    async fn by_key(&self, text: &str, kid: &str, now: i64) -> Result<Option<Recognised>, Fault> {
        self.directory.be_fresh().await?;
        let mut ring = self.mint.keys.ring();
        if ring.get(kid, now).is_none() && is_kid(kid) {
            self.directory.read_anew().await?;
            ring = self.mint.keys.ring();
        }
        let key = ring.get(kid, now);
        let token = key.and_then(|key| jwt::verify(text, &self.mint.issuer, key));
        Ok(token.map(|token| signed(token, None)))
    }

    /// By HS256 an API speaks for itself alone, and no longer than we ever sign for: without that
    /// bound, who knows its secret could have revocations kept for ever.
    async fn by_secret(
        &self,
        text: &str,
        audience: &str,
        now: i64,
    ) -> Result<Option<Recognised>, Fault> {
        if audience.len() > IDENTIFIER_BYTES_MAX {
            return Ok(None);
        }
        let Some(api) = self.directory.api(audience, Stance::Strict).await? else {
            return Ok(None);
        };
        let Some(secret) = self.mint.keys.secret_of(&api, now)? else {
            return Ok(None);
        };
        let token = jwt::verify_by_secret(text, &self.mint.issuer, &secret, &api.identifier);
        let ends_by = now.saturating_add(LONGEST_SIGNED_SECONDS + CLOCKS_APART_SECONDS_MAX);
        let token = token.filter(|token| token.expires_at.is_some_and(|end| end <= ends_by));
        Ok(token.map(|token| signed(token, Some(&api.id))))
    }

    /// Records that a stored token was used, where the last use recorded is an hour old.
    pub fn record_use(&self, found: &Recognised, now: i64) {
        let is_due = found
            .last_used_at
            .is_none_or(|at| at + USE_RECORDED_EVERY_SECONDS <= now);
        if let Form::Stored { digest } = &found.form
            && is_due
        {
            self.mint.door.later(Operation::RecordUse {
                digest: digest.clone(),
            });
        }
    }

    /// Revokes an active token, with its record in the audit; in force on this node when this returns.
    ///
    /// # Errors
    /// A fault where that is not certain.
    pub async fn revoke(&self, found: Recognised, record: Record) -> Result<(), Fault> {
        let operation = match (found.form, found.token.expires_at) {
            (Form::Stored { digest }, _) => Operation::RevokeStored { digest },
            (Form::Signed { name }, Some(expires_at)) => {
                Operation::RevokeSigned { name, expires_at }
            }
            (Form::Signed { .. }, None) => {
                return Err(Fault::internal("a signed token without an end"));
            }
        };
        let operation = Operation::Recorded(Box::new(operation), Box::new(record));
        let number = self.mint.door.commit(operation).await?;
        self.directory.catch_up(number).await
    }
}

fn signed(token: Token, secret_of: Option<&str>) -> Recognised {
    Recognised {
        form: Form::Signed {
            name: token.revocation_name(secret_of),
        },
        token,
        last_used_at: None,
    }
}

/// True where a text may be the thumbprint of a key: 32 bytes in base64url.
fn is_kid(kid: &str) -> bool {
    let is_of_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    kid.len() == 43 && kid.bytes().all(is_of_base64url)
}
