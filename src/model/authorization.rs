//! What an application asks a user for at the authorization endpoint, and what the user has authorized.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::audience::Named;
use super::scope::Scopes;
use crate::lifetime::Lifetime;

/// OpenID Connect Core §3.1.2.1: makes it a request for an ID token as well.
pub const OPENID: &str = "openid";
/// OpenID Connect Core §11: asks for a refresh token.
pub const OFFLINE_ACCESS: &str = "offline_access";
/// `acr` of a user who signed in with a password and nothing else.
pub const ACR_PASSWORD: &str = "urn:grantor:acr:password";

/// The `acr` that follows from how a user signed in (`amr`).
#[must_use]
pub fn acr_of(amr: &[String]) -> Option<&'static str> {
    amr.iter().any(|own| own == "pwd").then_some(ACR_PASSWORD)
}

/// The scope values that are nobody's API's (OpenID Connect Core §5.4 and §11).
pub const OPENID_SCOPES: [&str; 6] = [
    OPENID,
    "profile",
    "email",
    "address",
    "phone",
    OFFLINE_ACCESS,
];

/// `response_type` (OAuth 2.0 Multiple Response Type Encoding Practices): a set of what the
/// authorization endpoint answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseType {
    /// A code.
    pub code: bool,
    /// An access token.
    pub token: bool,
    /// An ID token.
    pub id_token: bool,
}

impl ResponseType {
    /// Those that exist, as they are advertised.
    pub const NAMES: [&'static str; 7] = [
        "code",
        "token",
        "id_token",
        "id_token token",
        "code id_token",
        "code token",
        "code id_token token",
    ];

    /// Reads the space-separated form, in any order; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parsed = Self {
            code: false,
            token: false,
            id_token: false,
        };
        for word in text.split(' ') {
            let part = match word {
                "code" => &mut parsed.code,
                "token" => &mut parsed.token,
                "id_token" => &mut parsed.id_token,
                _ => return None,
            };
            if std::mem::replace(part, true) {
                return None;
            }
        }
        Some(parsed)
    }

    /// True where something else than a code is answered: tokens travel through the browser.
    #[must_use]
    pub fn is_front_channel(self) -> bool {
        self.token || self.id_token
    }

    /// How the answer comes back where the request does not say.
    #[must_use]
    pub fn usual_mode(self) -> ResponseMode {
        if self.is_front_channel() {
            ResponseMode::Fragment
        } else {
            ResponseMode::Query
        }
    }
}

/// `response_mode`: how the answer comes back to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseMode {
    /// In the query string of the redirect URI.
    Query,
    /// Behind its `#`.
    Fragment,
    /// As a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
    /// As a message to the page that has opened the window or frame (Auth0's silent authentication).
    WebMessage,
}

impl ResponseMode {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Query,
        Self::Fragment,
        Self::FormPost,
        Self::WebMessage,
    ];
    /// Their names, as they are advertised.
    pub const NAMES: [&'static str; 4] = ["query", "fragment", "form_post", "web_message"];

    /// The value on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
            Self::WebMessage => "web_message",
        }
    }

    /// Reads the value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// `prompt` (OpenID Connect Core §3.1.2.1): what the user is to be shown, whatever is known already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of the parameter's words"
)]
pub struct Prompt {
    /// Nothing at all.
    pub none: bool,
    /// The sign-in page.
    pub login: bool,
    /// The consent page.
    pub consent: bool,
    /// The choice of an account; here the sign-in page.
    pub select_account: bool,
    /// The sign-up page (Initiating User Registration via OpenID Connect).
    pub create: bool,
    /// The sign-up page before the sign-in page, for who is not signed in (Auth0's `screen_hint`).
    pub sign_up_first: bool,
}

/// One claim of the `claims` parameter (OpenID Connect Core §5.5.1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClaimRequest {
    /// The application cannot do well without it.
    pub is_essential: bool,
    /// What it has to be, one of these; none: whatever it is.
    pub values: Vec<Value>,
}

/// The `claims` parameter: claims one by one, beside those of the scopes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    /// To be in the ID token.
    pub id_token: BTreeMap<String, ClaimRequest>,
    /// To be in the answer of userinfo.
    pub userinfo: BTreeMap<String, ClaimRequest>,
}

impl ClaimsRequest {
    /// True where nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id_token.is_empty() && self.userinfo.is_empty()
    }
}

/// An authorization request, parsed and checked: the application exists, and the redirect URI is one
/// of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The application.
    pub client_id: String,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// True where the request has named it, so that the token request must as well (RFC 6749 §4.1.3).
    pub redirect_uri_is_named: bool,
    /// What is asked for.
    pub response_type: ResponseType,
    /// How it comes back.
    pub response_mode: ResponseMode,
    /// The application's own, sent back as it is.
    pub state: Option<String>,
    /// The application's own, put into the ID token.
    pub nonce: Option<String>,
    /// The APIs.
    pub named: Named,
    /// The scopes, OpenID's and the APIs'.
    pub scope: Scopes,
    /// PKCE, always S256 (RFC 7636 §4.3).
    pub code_challenge: Option<String>,
    /// What is shown.
    pub prompt: Prompt,
    /// The longest time since the user signed in, in seconds.
    pub max_age: Option<i64>,
    /// Who is likely to sign in.
    pub login_hint: Option<String>,
    /// Who must be signed in: the subject of `id_token_hint`.
    pub hinted_user: Option<String>,
    /// How the user should have signed in, the best first.
    pub acr_values: Vec<String>,
    /// The languages of the pages, the best first.
    pub ui_locales: Vec<String>,
    /// How long the access token is to live.
    pub validity_period: Option<Lifetime>,
    /// True where it did not come through the browser (RFC 9126).
    pub is_pushed: bool,
    /// Claims one by one.
    pub claims: ClaimsRequest,
}

/// A request that waits for the user's browser to bring its reference (RFC 9126).
#[derive(Clone, Debug, PartialEq)]
pub struct Pushed {
    /// The request.
    pub request: AuthorizationRequest,
    /// Unix seconds.
    pub expires_at: i64,
}

/// An API that a user has authorized an application to use, with the scopes at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizedApi {
    /// The API's id: one that is made anew under the same identifier is not it.
    pub api_id: String,
    /// The API's identifier.
    pub audience: String,
    /// The scopes that the API defines.
    pub scopes: Scopes,
}

/// What a user has authorized an application to do, once: a family of a code, access tokens, ID tokens
/// and refresh tokens comes from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authorization {
    /// Names the family; each of its access tokens carries it.
    pub family: String,
    /// The application.
    pub client_id: String,
    /// The user.
    pub user_id: String,
    /// The session; none for a password grant.
    pub session_id: Option<String>,
    /// OpenID's scopes.
    pub openid: Scopes,
    /// The APIs, the one named first in front; none: the token is for userinfo only.
    pub apis: Vec<AuthorizedApi>,
    /// When the user signed in, unix seconds (`auth_time`).
    pub authenticated_at: i64,
    /// How (RFC 8176).
    pub amr: Vec<String>,
    /// Put into ID tokens.
    pub nonce: Option<String>,
    /// Claims one by one.
    pub claims: ClaimsRequest,
    /// The feed's position that the authorizing request had noted: a wholesale revocation with a
    /// higher number ends the family.
    pub position: i64,
}

impl Authorization {
    /// True where a refresh token was asked for and granted.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.openid.contains(OFFLINE_ACCESS)
    }

    /// True where it needs the user's consent at an API, or, without one, to OpenID's scopes alone.
    #[must_use]
    pub fn rests_on(&self, api_id: Option<&str>) -> bool {
        match api_id {
            Some(id) => self.apis.iter().any(|api| api.api_id == id),
            None => self.apis.is_empty(),
        }
    }

    /// Every scope value, OpenID's first.
    #[must_use]
    pub fn scope(&self) -> Scopes {
        let of_apis = self.apis.iter().flat_map(|api| api.scopes.iter());
        self.openid.iter().chain(of_apis).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_types_are_sets() {
        for name in ResponseType::NAMES {
            assert!(ResponseType::parse(name).is_some(), "{name}");
        }
        assert_eq!(
            ResponseType::parse("token code id_token"),
            ResponseType::parse("code id_token token")
        );
        for wrong in ["", " ", "code code", "code  token", "none", "Code"] {
            assert_eq!(ResponseType::parse(wrong), None, "{wrong:?}");
        }
    }
}
