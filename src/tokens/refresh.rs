//! Refresh tokens' text: family, generation and 256 random bits behind a prefix, and a tag that only we
//! can make. So every token that was ever issued is known as genuine without a row of its own, which
//! proves the reuse of an old one, and garbage that names a family ends nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::issue::Mint;
use super::recognise::Recogniser;
use crate::model::fault::Fault;
use crate::model::record::Record;
use crate::model::refresh::Family;
use crate::model::sign_in::RefreshTerms;
use crate::model::user_grant::UserGrant;
use crate::secret::{self, Secret, seal_under, unseal_under};
use crate::store::group::{Operation, Parties};
use crate::store::refresh_exchange::Successor;
use crate::store::{refresh_families, user_grants};

/// What every refresh token begins with, so that secret scanners can look for it.
pub const PREFIX: &str = "grantor_rt_";
/// Bytes of a family's id.
const FAMILY_BYTES: usize = 16;
/// Bytes of the generation.
const GENERATION_BYTES: usize = 4;
/// Random bytes.
const RANDOM_BYTES: usize = 32;
/// Bytes in front of the tag.
const TAGGED_BYTES: usize = FAMILY_BYTES + GENERATION_BYTES + RANDOM_BYTES;
/// Bytes of the tag.
const TAG_BYTES: usize = 16;
/// What the tag is for.
const DOMAIN: &str = "refresh token";

/// The id of a new family: 128 random bits, 22 characters.
#[must_use]
pub fn new_family() -> String {
    secret::random_text(FAMILY_BYTES)
}

/// A genuine refresh token that somebody presents.
#[derive(Clone, Debug)]
pub struct Presented {
    /// Its family's id.
    pub family: String,
    /// How many tokens the family had before it.
    pub generation: u32,
    /// The keyed digest of its text.
    pub digest: String,
    text: Secret<String>,
}

impl Presented {
    /// Its text.
    #[must_use]
    pub const fn text(&self) -> &Secret<String> {
        &self.text
    }

    /// The successor that was sealed under it.
    ///
    /// # Errors
    /// A fault where it does not open: then the store holds another token's.
    pub fn open(&self, sealed: &str) -> Result<Secret<String>, Fault> {
        let opened = unseal_under(&self.text, &self.family, sealed);
        let text = opened.and_then(|bytes| String::from_utf8(bytes.expose().clone()).ok());
        text.map(Secret::new)
            .ok_or_else(|| Fault::internal("a sealed refresh token does not open"))
    }
}

impl Mint {
    /// The first token of a family, and its digest.
    ///
    /// # Errors
    /// A fault where the id is not one of [`new_family`].
    pub fn first_refresh_token(&self, family: &str) -> Result<(Secret<String>, String), Fault> {
        self.refresh_token(family, 0)
    }

    /// A token that may take the place of a presented one, and how it is kept.
    ///
    /// # Errors
    /// A fault of the library.
    pub fn successor(&self, presented: &Presented) -> Result<(Secret<String>, Successor), Fault> {
        let generation = presented.generation.saturating_add(1);
        let (text, digest) = self.refresh_token(&presented.family, generation)?;
        let sealed = seal_under(&presented.text, &presented.family, text.expose().as_bytes())?;
        Ok((text, Successor { digest, sealed }))
    }

    fn refresh_token(
        &self,
        family: &str,
        generation: u32,
    ) -> Result<(Secret<String>, String), Fault> {
        let family = URL_SAFE_NO_PAD.decode(family).unwrap_or_default();
        if family.len() != FAMILY_BYTES {
            return Err(Fault::internal("a family without an id of ours"));
        }
        let random: [u8; RANDOM_BYTES] = secret::random_bytes();
        let tagged = [family.as_slice(), &generation.to_be_bytes(), &random].concat();
        let tag = self.digester.tag(DOMAIN, &tagged);
        let text = format!(
            "{PREFIX}{}",
            URL_SAFE_NO_PAD.encode([tagged.as_slice(), &tag].concat())
        );
        let digest = self.digester.digest(&text);
        Ok((Secret::new(text), digest))
    }

    /// Knows a token of ours again; `None` for anything that we have not made.
    #[must_use]
    pub fn recognise_refresh(&self, text: &Secret<String>) -> Option<Presented> {
        let encoded = text.expose().strip_prefix(PREFIX)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (tagged, tag) = bytes.split_at_checked(TAGGED_BYTES)?;
        if tag.len() != TAG_BYTES || !self.digester.is_tag(DOMAIN, tagged, tag) {
            return None;
        }
        let (family, rest) = tagged.split_first_chunk::<FAMILY_BYTES>()?;
        let generation = rest.first_chunk::<GENERATION_BYTES>()?;
        Some(Presented {
            family: URL_SAFE_NO_PAD.encode(family),
            generation: u32::from_be_bytes(*generation),
            digest: self.digester.digest(text.expose()),
            text: text.clone(),
        })
    }
}

/// A genuine refresh token, and the family that it is or was of.
pub struct FoundRefresh {
    /// The token.
    pub presented: Presented,
    /// Its family, which has not ended by anybody's doing.
    pub family: Family,
}

/// When a refresh token ends, unix seconds; none: without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// If it is not used.
    pub token: Option<i64>,
    /// What the user has consented to.
    pub consent: Option<i64>,
}

impl Recogniser<'_> {
    /// The family of a refresh token, whichever of its tokens this is.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn find_refresh(&self, text: &Secret<String>) -> Result<Option<FoundRefresh>, Fault> {
        let Some(presented) = self.mint.recognise_refresh(text) else {
            return Ok(None);
        };
        let mut conn = self.store.read().await?;
        let family = refresh_families::get(&mut conn, &presented.family).await?;
        Ok(family.map(|family| FoundRefresh { presented, family }))
    }

    /// When the token ends, by today's terms of its application; `None` where it is good for nothing
    /// any more. Nothing is counted as a use.
    ///
    /// # Errors
    /// A fault where nobody can tell.
    pub async fn ends_of(
        &self,
        found: &FoundRefresh,
        terms: RefreshTerms,
        now: i64,
    ) -> Result<Option<Ends>, Fault> {
        let family = &found.family;
        let authorization = &family.authorization;
        let is_current = found.presented.digest == family.current_digest;
        if !is_current
            || !family.is_live(terms, now)
            || self.directory.is_ended(authorization).await?
        {
            return Ok(None);
        }
        let mut conn = self.store.read().await?;
        let (user_id, client_id) = (&authorization.user_id, &authorization.client_id);
        let grants = user_grants::of_user_at(&mut conn, user_id, client_id).await?;
        let own: Vec<&UserGrant> = grants
            .iter()
            .filter(|grant| authorization.rests_on(grant.api_id.as_deref()))
            .collect();
        if own.len() < authorization.apis.len().max(1) || !own.iter().all(|own| own.is_live(now)) {
            return Ok(None);
        }
        let consent = own.iter().filter_map(|grant| grant.expires_at).min();
        let token = family.end(terms).into_iter().chain(consent).min();
        Ok(Some(Ends { token, consent }))
    }

    /// Ends the family of a refresh token, with its access tokens and a record in the audit, and where
    /// `takes_grants` also what the user has consented to; in force on this node when this returns.
    ///
    /// # Errors
    /// A fault where that is not certain.
    pub async fn revoke_refresh(
        &self,
        found: &FoundRefresh,
        takes_grants: bool,
        record: Record,
    ) -> Result<(), Fault> {
        let operation = Operation::GiveBackFamily {
            id: found.presented.family.clone(),
            parties: Parties::of(&found.family.authorization),
            takes_grants,
        };
        let operation = Operation::Recorded(Box::new(operation), Box::new(record));
        match self.mint.door.commit(operation).await? {
            // It had ended a moment ago, by another request or by this one's first run.
            0 => self.directory.read_anew().await,
            number => self.directory.catch_up(number).await,
        }
    }
}
