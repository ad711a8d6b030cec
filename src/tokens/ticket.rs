//! A ticket: an authorization request on its way through the sign-in pages, sealed, so that nothing is
//! stored for somebody who has not signed in yet. It is the `state` of those pages.

use serde::{Deserialize, Serialize};

use super::issue::Mint;
use crate::model::audience::Named;
use crate::model::authorization::AuthorizationRequest;
use crate::model::consent_page::{ConsentPage, ConsentPageApi};
use crate::model::fault::Fault;

/// What it is sealed as.
const WHAT: &str = "ticket";
/// How long a user may take for the pages, in seconds.
pub const TICKET_SECONDS_MAX: i64 = 3600;
/// How long a consent may take from its page back to the authorization endpoint, in seconds. Later the
/// user is asked again, so that an old address in a browser's history brings nothing back.
pub const CONSENT_SECONDS_MAX: i64 = 60;
/// Longest ticket, in bytes: it travels in the address of a page, and so has to fit into the head of a
/// request (`server.header_bytes_max`, at least 32 KiB) beside a browser's other headers.
pub const TICKET_BYTES_MAX: usize = 28 * 1024;
/// Longest request that fits into a ticket, in bytes of its JSON: base64 makes four of three, and the
/// ticket holds more.
pub const REQUEST_BYTES_MAX: usize = 20_000;
/// What the APIs of a consent page take of a ticket before the request has to be shorter, in bytes.
const APIS_BYTES: usize = 600;

/// What the user has said so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// The user of this session has consented.
    Yes {
        /// The session.
        session_id: String,
        /// When, unix seconds: it counts for the way back to the authorization endpoint and no longer.
        at: i64,
    },
    /// The user has declined.
    No,
}

/// A request with what belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// The request.
    pub request: AuthorizationRequest,
    /// When it came, unix seconds.
    pub made_at: i64,
    /// The session of who has signed in for it: that is what `prompt=login` asks.
    pub signed_in: Option<String>,
    /// The page of that sign-in warned that the application could not be verified.
    #[serde(default)]
    pub sign_in_warned: bool,
    /// What the consent page showed, and to whom.
    #[serde(default)]
    pub consent_page: Option<ConsentPage>,
    /// What the user has said.
    pub said: Said,
}

impl Ticket {
    /// A request that has come just now.
    #[must_use]
    pub fn new(request: AuthorizationRequest, now: i64) -> Self {
        Self {
            request,
            made_at: now,
            signed_in: None,
            sign_in_warned: false,
            consent_page: None,
            said: Said::Nothing,
        }
    }
}

/// How many bytes of a request's room in a ticket a consent page about its scopes and APIs may need.
#[must_use]
pub fn consent_page_bytes(request: &AuthorizationRequest) -> usize {
    // One API stands in where none is named.
    let apis = match &request.named {
        Named::None | Named::Audience(_) => 1,
        Named::Resources(names) => names.len(),
    };
    let of_api = ConsentPageApi::bytes_max(request.scope.iter().count());
    apis.saturating_mul(of_api).saturating_sub(APIS_BYTES)
}

impl Mint {
    /// The ticket as text.
    ///
    /// # Errors
    /// A fault where it cannot be sealed.
    pub fn seal_ticket(&self, ticket: &Ticket) -> Result<String, Fault> {
        let json = serde_json::to_vec(ticket).map_err(Fault::internal)?;
        self.tickets.seal(WHAT, &json)
    }

    /// Reads a ticket of ours; `None` where it is none, or too old.
    #[must_use]
    pub fn open_ticket(&self, text: &str, now: i64) -> Option<Ticket> {
        if text.len() > TICKET_BYTES_MAX {
            return None;
        }
        let json = self.tickets.unseal(WHAT, text)?;
        let ticket: Ticket = serde_json::from_slice(&json).ok()?;
        let is_of_today = now < ticket.made_at.saturating_add(TICKET_SECONDS_MAX);
        is_of_today.then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifetime::Lifetime;
    use crate::model::authorization::{
        ClaimsRequest, OPENID_SCOPES, Prompt, ResponseMode, ResponseType,
    };
    use crate::model::consent_page::AccessDuration;
    use crate::model::scope::Scopes;

    /// As long as requests may be, with so many APIs and scopes.
    fn longest(apis: usize, scopes: usize) -> AuthorizationRequest {
        let scopes: Vec<String> = (0..scopes).map(|n| format!("s{n}")).collect();
        let api = |n| format!("https://api{n}.example/");
        let mut request = AuthorizationRequest {
            client_id: "0".repeat(32),
            redirect_uri: "https://app.example/".into(),
            redirect_uri_is_named: true,
            response_type: ResponseType::parse("code id_token token").unwrap(),
            response_mode: ResponseMode::FormPost,
            state: Some(String::new()),
            nonce: None,
            named: Named::Resources((0..apis).map(api).collect()),
            scope: scopes.iter().map(String::as_str).collect(),
            code_challenge: None,
            prompt: Prompt::default(),
            max_age: None,
            login_hint: None,
            hinted_user: None,
            acr_values: Vec::new(),
            ui_locales: Vec::new(),
            validity_period: None,
            is_pushed: false,
            claims: ClaimsRequest::default(),
        };
        let length = |own: &AuthorizationRequest| serde_json::to_vec(own).unwrap().len();
        let left = REQUEST_BYTES_MAX - length(&request) - consent_page_bytes(&request);
        request.state = Some("x".repeat(left));
        request
    }

    #[test]
    fn the_longest_request_and_its_consent_page_fit_into_a_ticket() {
        /// A nonce and a tag.
        const SEAL_BYTES: usize = 12 + 16;
        let session_id = "0".repeat(32);
        for (apis, scopes) in [(1, 0), (1, 1500), (3, 64), (20, 1), (20, 65), (20, 500)] {
            let request = longest(apis, scopes);
            let all: Scopes = request.scope.clone();
            let last: Scopes = all.iter().skip(63).step_by(64).collect();
            let api = |_| ConsentPageApi::new("0123456789abcdef01234567", &last, &all);
            let ticket = Ticket {
                signed_in: Some(session_id.clone()),
                consent_page: Some(ConsentPage {
                    session_id: session_id.clone(),
                    about_user: OPENID_SCOPES.into_iter().collect(),
                    apis: (0..apis).map(api).collect(),
                    duration: AccessDuration {
                        lifetime: Lifetime::Finite(3_153_600_000),
                        longest: Lifetime::Finite(3_153_600_000),
                        ends_in: Some(3_153_600_000),
                        refresh_lifetime: Some(3_153_600_000),
                    },
                    has_warned: false,
                }),
                said: Said::Yes {
                    session_id: session_id.clone(),
                    at: 1_800_000_000,
                },
                ..Ticket::new(request, 1_800_000_000)
            };
            let bytes = serde_json::to_vec(&ticket).unwrap().len() + SEAL_BYTES;
            let sealed = bytes.div_ceil(3) * 4;
            assert!(sealed <= TICKET_BYTES_MAX, "{apis} {scopes}: {sealed}");
        }
    }
}
