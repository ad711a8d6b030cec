//! Recognising a token that somebody presents: what it says if it is good, and nothing otherwise.

use super::issue::Mint;
use super::{jwt, opaque};
use crate::directory::Directory;
use crate::model::fault::Fault;
use crate::model::record::Record;
use crate::model::token::Token;
use crate::secret::Secret;
use crate::store::Store;
use crate::store::group::Operation;
use crate::store::tokens::{self, USE_RECORDED_EVERY_SECONDS};

/// Where a token's word comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Its signature.
    Signed,
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
        let Some(found) = self.find(text.expose()).await? else {
            return Ok(None);
        };
        let is_signed = found.form == Form::Signed;
        if !found.token.is_live(now) || self.directory.is_revoked(&found.token, is_signed).await? {
            return Ok(None);
        }
        Ok(Some(found))
    }

    async fn find(&self, text: &str) -> Result<Option<Recognised>, Fault> {
        if opaque::is_one(text) {
            let digest = self.mint.digester.digest(text);
            let stored = tokens::get(&mut *self.store.read().await?, &digest).await?;
            return Ok(stored.map(|stored| Recognised {
                token: stored.token,
                form: Form::Stored { digest },
                last_used_at: stored.last_used_at,
            }));
        }
        let token = jwt::verify(text, &self.mint.issuer, &self.mint.keys);
        let signed = |token| Recognised {
            token,
            form: Form::Signed,
            last_used_at: None,
        };
        Ok(token.map(signed))
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
            (Form::Signed, Some(expires_at)) => Operation::RevokeSigned {
                jti: found.token.jti,
                expires_at,
            },
            (Form::Signed, None) => return Err(Fault::internal("a signed token without an end")),
        };
        let operation = Operation::Recorded(Box::new(operation), Box::new(record));
        let number = self.mint.door.commit(operation).await?;
        self.directory.catch_up(number).await
    }
}
