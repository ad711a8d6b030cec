//! Issuing: the last step of every grant. Signs the token, or stores it.

use std::sync::Arc;

use serde::Serialize;

use super::jwt::{Signer, Words};
use super::{jti, jwt, opaque};
use crate::keys::Keys;
use crate::keys::pair::SigningKey;
use crate::keys::ring::KeyRing;
use crate::lifetime::Decision;
use crate::model::api::{Api, Dialect, SigningAlgorithm};
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::model::token::{SignedIn, Token};
use crate::secret::{Digester, Sealer, Secret};
use crate::store::Store;
use crate::store::group::{GroupDoor, Operation};

/// What issuing needs of the server.
pub struct Mint {
    /// In `iss`.
    pub issuer: Issuer,
    /// Sign.
    pub keys: Arc<Keys>,
    /// Digests stored tokens.
    pub digester: Digester,
    /// Seals authorization requests on their way through the pages.
    pub tickets: Sealer,
    /// Stores.
    pub door: GroupDoor,
    /// Where keys are looked for that the ring does not have yet.
    pub store: Store,
    /// Signs ID tokens of applications that choose none (`tokens.default_signing_alg`).
    pub default_algorithm: SigningAlgorithm,
}

/// What a grant has approved.
pub struct Approval {
    /// The application.
    pub client_id: String,
    /// The application as `<client_id>@clients`, or a user.
    pub subject: String,
    /// Its APIs, the one named first in front; none: it is for userinfo only.
    pub apis: Vec<Arc<Api>>,
    /// It opens userinfo as well.
    pub opens_userinfo: bool,
    /// What userinfo tells beside the claims of the scopes.
    pub userinfo_claims: Vec<String>,
    /// Space-separated.
    pub scope: String,
    /// How long, and why.
    pub decision: Decision,
    /// Auth0's `gty`, where Auth0 says how a token was come by.
    pub gty: Option<&'static str>,
    /// What it came from, where it is a user's.
    pub family: Option<String>,
    /// When and how the user signed in.
    pub signed_in: Option<SignedIn>,
    /// The feed's position that the request noted before its first reading.
    pub position: i64,
}

/// An issued token: its text, and what it says.
pub struct Issued {
    /// What the client carries.
    pub text: Secret<String>,
    /// What it says.
    pub token: Token,
}

impl Mint {
    /// Issues the token; a stored one is durable when this returns.
    ///
    /// # Errors
    /// A fault of the store or the key ring.
    pub async fn issue(&self, approval: &Approval, now: i64) -> Result<Issued, Fault> {
        let token = Token {
            jti: jti::new(approval.position),
            position: approval.position,
            client_id: approval.client_id.clone(),
            subject: approval.subject.clone(),
            audiences: self.audiences(approval),
            scope: approval.scope.clone(),
            issued_at: now,
            expires_at: Token::end(now, approval.decision.lifetime),
            family: approval.family.clone(),
            userinfo_claims: approval.userinfo_claims.clone(),
        };
        let signed = match signed_form(&approval.apis, &approval.decision) {
            Some((api, dialect)) => {
                let words = Words {
                    dialect,
                    gty: approval.gty,
                    signed_in: approval.signed_in.as_ref(),
                };
                Some(self.sign(&token, api, words).await?)
            }
            None => None,
        };
        // One with so many scopes that nobody would recognise it again is stored as well.
        let text = match signed.filter(|text| text.len() <= jwt::TOKEN_BYTES_MAX) {
            Some(text) => text,
            None => self.store(&token).await?,
        };
        Ok(Issued {
            text: Secret::new(text),
            token,
        })
    }

    /// The APIs, and userinfo behind them. HS256 is an API's own affair: what its secret signs opens
    /// nothing else (architecture.md, Verification).
    fn audiences(&self, approval: &Approval) -> Vec<String> {
        let apis = approval.apis.iter().map(|api| api.identifier.clone());
        let mut audiences: Vec<String> = apis.collect();
        let is_secret = |api: &Arc<Api>| !api.signing_alg.has_keys();
        if approval.opens_userinfo && !approval.apis.iter().any(is_secret) {
            audiences.push(self.issuer.userinfo());
        }
        audiences
    }

    async fn sign(&self, token: &Token, api: &Api, words: Words<'_>) -> Result<String, Fault> {
        let now = token.issued_at;
        let algorithm = api.signing_alg;
        if !algorithm.has_keys() {
            let secret = self.keys.secret_of(api, now)?.ok_or_else(|| {
                Fault::internal(format_args!("API {} has no signing secret", api.id))
            })?;
            return jwt::sign(token, words, &self.issuer, &Signer::Secret(&secret));
        }
        let ring = self.ring_with(algorithm).await?;
        let key = Self::key(&ring, algorithm, now)?;
        jwt::sign(token, words, &self.issuer, &Signer::Pair(key))
    }

    /// Signs any claims with the key that has the turn; `typ` tells what they are.
    ///
    /// # Errors
    /// A fault where there is no key of the algorithm.
    pub async fn sign_claims(
        &self,
        algorithm: SigningAlgorithm,
        typ: &str,
        claims: &impl Serialize,
        now: i64,
    ) -> Result<String, Fault> {
        let ring = self.ring_with(algorithm).await?;
        let key = Self::key(&ring, algorithm, now)?;
        jwt::compact(typ, claims, &Signer::Pair(key))
    }

    /// An API's first token by an algorithm may come before the news of its keys.
    async fn ring_with(&self, algorithm: SigningAlgorithm) -> Result<Arc<KeyRing>, Fault> {
        let ring = self.keys.ring();
        if ring.has(algorithm) {
            return Ok(ring);
        }
        self.keys.load(&mut *self.store.read().await?).await?;
        Ok(self.keys.ring())
    }

    fn key(ring: &KeyRing, algorithm: SigningAlgorithm, now: i64) -> Result<&SigningKey, Fault> {
        let none = || Fault::internal(format_args!("there is no {} key", algorithm.as_str()));
        ring.signer(algorithm, now).ok_or_else(none)
    }

    async fn store(&self, token: &Token) -> Result<String, Fault> {
        let text = opaque::new_text();
        let digest = self.digester.digest(&text);
        self.door
            .commit(Operation::StoreToken {
                digest,
                token: token.clone(),
            })
            .await?;
        Ok(text)
    }
}

/// The API whose key signs and the dialect, or `None` for an opaque token: one of an opaque API, one
/// that lives too long to be signed (lifetime.md, What a token then carries), or one for APIs that
/// cannot share a signed one.
fn signed_form<'a>(apis: &'a [Arc<Api>], decision: &Decision) -> Option<(&'a Api, Dialect)> {
    let api = apis.first()?;
    let dialect = api.dialect();
    let is_signed =
        dialect != Dialect::Opaque && !decision.lifetime.must_be_stored() && share_a_form(apis);
    is_signed.then_some((api.as_ref(), dialect))
}

/// True where one token can serve all of the APIs: they agree, and the secret of one of them does not
/// speak for another (compatibility.md §6).
#[must_use]
pub fn share_a_form(apis: &[Arc<Api>]) -> bool {
    let Some(first) = apis.first() else {
        return true;
    };
    let needs_secrets = first.signing_alg == SigningAlgorithm::Hs256
        && first.dialect() != Dialect::Opaque
        && apis.len() > 1;
    !needs_secrets
        && apis
            .iter()
            .all(|api| api.signing_alg == first.signing_alg && api.dialect() == first.dialect())
}
