//! Client assertions: an application proves who it is by a JWT that it has signed (RFC 7523 §2.2 and
//! §3, as the update of that RFC tightens it: `aud` is the issuer and nothing else).

use serde::Deserialize;

use super::client_jwt::{self, Instant, LEEWAY_SECONDS};
use super::issue::Mint;
use crate::model::application::Application;
use crate::model::client_credential::ClientCredential;
use crate::model::fault::Fault;
use crate::secret::random_text;
use crate::store::group::Redemption;

/// Longest assertion that is looked at, in bytes; some clients send a chain of certificates along.
pub const ASSERTION_BYTES_MAX: usize = 16 * 1024;
/// Longest `jti`, in bytes.
const JTI_BYTES_MAX: usize = 512;

/// The header's `typ` where there is one (RFC 7519 §5.1, and the update of RFC 7523).
const TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];

/// What an assertion is held against.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// What `aud` may be: the issuer, and the token endpoint's URL where that is allowed.
    pub audiences: &'a [String],
    /// The longest time to `exp` (`client_assertion.lifetime_seconds_max`).
    pub lifetime_seconds_max: i64,
    /// Unix seconds.
    pub now: i64,
}

/// A verified assertion. It counts once, which [`Mint::redeem`] settles.
#[derive(Clone, Debug)]
pub struct Verified<'a> {
    /// The credential that signed it.
    pub credential: &'a ClientCredential,
    jti: String,
    ends_at: i64,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    /// A string and no array, so that nobody else was meant as well.
    aud: String,
    exp: Instant,
    nbf: Option<Instant>,
    iat: Option<Instant>,
    jti: String,
}

/// Whom an assertion says that it is from, unverified: where no `client_id` stands beside it, this
/// tells whose keys to try.
#[must_use]
pub fn claimed_client(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        sub: String,
    }
    let claimed = jsonwebtoken::dangerous::insecure_decode_claims::<Claimed>(text);
    claimed.ok().map(|claimed| claimed.sub)
}

/// Verifies an assertion of an application.
///
/// # Errors
/// Why it is none, for the operator's log only: whoever sent it learns nothing of that.
pub fn verify<'a>(
    text: &str,
    application: &'a Application,
    terms: Terms<'_>,
) -> Result<Verified<'a>, &'static str> {
    let credentials = application.credentials.iter();
    let (credential, claims): (_, Claims) =
        client_jwt::verify(text, &TYPES, credentials, terms.now)?;
    check_claims(&claims, &application.client_id, terms)?;
    Ok(Verified {
        credential,
        jti: claims.jti,
        ends_at: claims.exp.0 + LEEWAY_SECONDS,
    })
}

fn check_claims(claims: &Claims, client_id: &str, terms: Terms<'_>) -> Result<(), &'static str> {
    let now = terms.now;
    if claims.iss != client_id || claims.sub != client_id {
        return Err("iss or sub is another than the application");
    }
    if !terms.audiences.contains(&claims.aud) {
        return Err("its aud is not this issuer");
    }
    if claims.exp.0 + LEEWAY_SECONDS <= now {
        return Err("it has expired");
    }
    if claims.exp.0 > now + terms.lifetime_seconds_max + LEEWAY_SECONDS {
        return Err("its exp is too far away (client_assertion.lifetime_seconds_max)");
    }
    let is_future = |at: Option<Instant>| at.is_some_and(|at| at.0 > now + LEEWAY_SECONDS);
    if is_future(claims.nbf) || is_future(claims.iat) {
        return Err("its nbf or iat is in the future");
    }
    if claims.jti.is_empty() || claims.jti.len() > JTI_BYTES_MAX {
        return Err("its jti is empty or too long");
    }
    Ok(())
}

impl Mint {
    /// Takes an assertion for this request, durably and on all nodes; false where it has been used.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where nobody can tell.
    pub async fn redeem(&self, client_id: &str, assertion: &Verified<'_>) -> Result<bool, Fault> {
        // A client_id holds no space, so no two pairs have one text.
        let digest = self
            .digester
            .digest(&format!("assertion {client_id} {}", assertion.jti));
        let redemption = Redemption {
            digest,
            mark: random_text(16),
            ends_at: assertion.ends_at,
        };
        self.door.redeem(redemption).await
    }
}
