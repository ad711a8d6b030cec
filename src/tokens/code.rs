//! Authorization codes (RFC 6749 §4.1.2): 256 random bits that are redeemed once.

use super::issue::Mint;
use crate::model::authorization::Authorization;
use crate::model::authorization_code::{AuthorizationCode, CodeRequest};
use crate::model::fault::Fault;
use crate::secret::{self, Secret};
use crate::store::group::Operation;

/// What every code begins with, so that secret scanners can look for it.
const PREFIX: &str = "grantor_ac_";

/// True where a text may be one of ours, so that nothing else is looked up.
#[must_use]
pub fn is_one(text: &str) -> bool {
    text.len() == PREFIX.len() + 43 && text.starts_with(PREFIX)
}

impl Mint {
    /// Issues a code that lives for `seconds`; it is durable when this returns.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn issue_code(
        &self,
        authorization: Authorization,
        request: CodeRequest,
        (now, seconds): (i64, i64),
    ) -> Result<Secret<String>, Fault> {
        let text = format!("{PREFIX}{}", secret::random_text(32));
        let code = AuthorizationCode {
            authorization,
            request,
            created_at: now,
            expires_at: now.saturating_add(seconds),
        };
        let digest = self.digester.digest(&text);
        let operation = Operation::StoreCode(Box::new((digest, code)));
        self.door.commit(operation).await?;
        Ok(Secret::new(text))
    }
}
