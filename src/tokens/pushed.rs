//! References of pushed authorization requests (RFC 9126 §2.2): 256 random bits that are taken once.

use super::issue::Mint;
use crate::model::authorization::{AuthorizationRequest, Pushed};
use crate::model::fault::Fault;
use crate::secret;
use crate::store;
use crate::store::group::Operation;

/// What every reference begins with.
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// True where a `request_uri` claims to be one of ours, rather than an address to fetch from.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    text.starts_with(PREFIX)
}

impl Mint {
    /// Keeps a request for `seconds`, and answers its reference; it is durable when this returns.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn push(
        &self,
        request: AuthorizationRequest,
        (now, seconds): (i64, i64),
    ) -> Result<String, Fault> {
        let reference = format!("{PREFIX}{}", secret::random_text(32));
        let pushed = Pushed {
            request,
            expires_at: now.saturating_add(seconds),
        };
        let digest = self.digester.digest(&reference);
        let operation = Operation::StorePushed(Box::new((digest, pushed)));
        self.door.commit(operation).await?;
        Ok(reference)
    }

    /// The request that an application has pushed, where nobody has taken it before (RFC 9126 §4 and
    /// §7.3): possession first, single use last. None for anything else.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn take_pushed(
        &self,
        reference: &str,
        client_id: &str,
        now: i64,
    ) -> Result<Option<AuthorizationRequest>, Fault> {
        let digest = self.digester.digest(reference);
        let found = {
            let mut conn = self.store.read().await?;
            store::pushed_requests::get(&mut conn, &digest).await?
        };
        let is_theirs = |own: &Pushed| own.request.client_id == client_id && now < own.expires_at;
        let Some(pushed) = found.filter(is_theirs) else {
            return Ok(None);
        };
        let mark = secret::random_text(16);
        let is_taken = self.door.redeem_pushed(digest, mark).await?;
        Ok(is_taken.then_some(pushed.request))
    }
}
