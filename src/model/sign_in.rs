//! What an application's fields say of signing users in: read once from what is kept of it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::api::SigningAlgorithm;
use super::authorization::ResponseMode;
use super::described::Described;
use super::scope::Scopes;
use super::settings::{REQUIRE_PKCE, SKIP_CALLBACK_CONFIRMATION};

/// Auth0's defaults (compatibility.md §1.4).
const ID_TOKEN_SECONDS: i64 = 36_000;
/// RFC 9126 §2.2, and Auth0's static lifetime of a pushed request.
const PUSHED_SECONDS: i64 = 30;

/// How the refresh tokens of an application live (lifetime.md, Refresh tokens).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshTerms {
    /// Each use gives a successor.
    pub is_rotating: bool,
    /// How long the previous one is answered with the same successor, in seconds;
    /// `refresh.replay_seconds` where that is longer.
    pub leeway: i64,
    /// From the first one to the end of the family, in seconds; none: without end.
    pub lifetime: Option<i64>,
    /// From one use to the next, in seconds; none: without end.
    pub idle: Option<i64>,
    /// When the application itself ends, unix seconds; none: never.
    pub application_ends_at: Option<i64>,
}

impl RefreshTerms {
    /// The object whole, as the Management API keeps it.
    fn read(own: &Map<String, Value>) -> Self {
        let is = |name: &str| own.get(name).and_then(Value::as_bool).unwrap_or(false);
        let seconds = |name: &str| own.get(name).and_then(Value::as_i64);
        let text = |name: &str| own.get(name).and_then(Value::as_str);
        let expires = text("expiration_type") == Some("expiring");
        let finite =
            |infinite: &str, name: &str| seconds(name).filter(|_| expires && !is(infinite));
        Self {
            is_rotating: text("rotation_type") == Some("rotating"),
            leeway: seconds("leeway").unwrap_or(0),
            lifetime: finite("infinite_token_lifetime", "token_lifetime"),
            idle: finite("infinite_idle_token_lifetime", "idle_token_lifetime"),
            application_ends_at: None,
        }
    }

    /// The terms where nothing is set: refresh tokens end (OWASP ASVS 5, 10.4.8), and those of public
    /// applications rotate as well.
    #[must_use]
    pub const fn usual(is_public: bool) -> Self {
        Self {
            is_rotating: is_public,
            leeway: 0,
            lifetime: Some(2_592_000),
            idle: Some(1_296_000),
            application_ends_at: None,
        }
    }

    /// The terms in force for an application that has set these. Those of a public application that neither
    /// rotate nor end, set before this was refused, end all the same.
    #[must_use]
    pub fn in_force(set: Option<Self>, is_public: bool) -> Self {
        let usual = Self::usual(is_public);
        let terms = set.unwrap_or(usual);
        if is_public && terms.is_endless() {
            return Self {
                lifetime: usual.lifetime,
                ..terms
            };
        }
        terms
    }

    /// Whether a stolen token would be good for ever: it neither rotates nor has an absolute end
    /// (RFC 9700 §2.2.2 and §4.14.2).
    #[must_use]
    pub const fn is_endless(&self) -> bool {
        !self.is_rotating && self.lifetime.is_none()
    }
}

/// An API beside those that a user has authorized, at which refresh tokens give access tokens too (Auth0's
/// multi-resource refresh tokens).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// The API's identifier.
    pub audience: String,
    /// The most that may be had there.
    pub scopes: Scopes,
}

impl RefreshPolicy {
    fn all(own: &Map<String, Value>) -> Vec<Self> {
        let policies = own.get("policies").and_then(Value::as_array);
        let read = |policy: &Value| {
            Some(Self {
                audience: policy.get("audience")?.as_str()?.to_owned(),
                scopes: list(policy.get("scope"))
                    .iter()
                    .map(String::as_str)
                    .collect(),
            })
        };
        policies.into_iter().flatten().filter_map(read).collect()
    }
}

/// Of which ends of sessions an application is told (`backchannel_logout_initiators`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Initiators {
    /// Of all, those too that are not known yet.
    All,
    /// Of these.
    Selected(Vec<String>),
}

impl Initiators {
    /// Auth0's default: of those that come from applications and from where users come from.
    const USUAL: [&str; 2] = ["rp-logout", "idp-logout"];

    fn read(own: Option<&Value>) -> Self {
        let member = |name: &str| own.and_then(|own| own.get(name));
        if member("mode").and_then(Value::as_str) == Some("all") {
            return Self::All;
        }
        match member("selected_initiators") {
            Some(selected) => Self::Selected(list(Some(selected))),
            None => Self::Selected(Self::USUAL.map(str::to_owned).into()),
        }
    }
}

/// What signing users in needs of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// The redirect URIs.
    pub callbacks: Vec<String>,
    /// Where a browser may be sent after signing out.
    pub logout_urls: Vec<String>,
    /// The origins of its pages (CORS, and the receivers of `web_message`).
    pub web_origins: Vec<String>,
    /// For people.
    pub logo_uri: Option<String>,
    /// How its refresh tokens live; none is set: [`RefreshTerms::usual`].
    pub refresh: Option<RefreshTerms>,
    /// What its refresh tokens are good for beside what the user has authorized.
    pub refresh_policies: Vec<RefreshPolicy>,
    /// How long its ID tokens live, in seconds.
    pub id_token_seconds: i64,
    /// What signs its ID tokens; none: the default algorithm.
    pub id_token_alg: Option<SigningAlgorithm>,
    /// Authorization requests must be pushed (RFC 9126 §5).
    pub must_push: bool,
    /// How long a pushed request lives, in seconds.
    pub pushed_seconds: i64,
    /// Whether its requests for a code need PKCE (RFC 7636); none: as the tenant says.
    pub requires_pkce: Option<bool>,
    /// How its answers may come back; none: in every way.
    pub response_modes: Option<Vec<ResponseMode>>,
    /// Authorization requests must be request objects (RFC 9101 §10.5).
    pub must_sign_requests: bool,
    /// The ids of credentials that sign those, beside the attached ones.
    pub request_credentials: Vec<String>,
    /// Its redirect URIs that cannot be verified need no confirmation; none: the tenant's setting counts.
    pub skips_callback_confirmation: Option<bool>,
    /// Where it is told that a session has ended.
    pub logout_notice_urls: Vec<String>,
    /// Of which ends it is told; see [`SignIn::hears_of`].
    pub logout_initiators: Initiators,
}

impl Default for SignIn {
    fn default() -> Self {
        Self::read(&Described::default())
    }
}

impl SignIn {
    /// Reads what is kept of an application.
    #[must_use]
    pub fn of(described: &Described) -> Arc<Self> {
        Arc::new(Self::read(described))
    }

    fn read(described: &Described) -> Self {
        let texts = |name: &str| described.texts(name).map(str::to_owned).collect();
        let object = |name: &str| described.0.get(name).and_then(Value::as_object);
        let id_token = object("jwt_configuration");
        let id_token = |name: &str| id_token.and_then(|own| own.get(name));
        let is = |name: &str| described.0.get(name).and_then(Value::as_bool) == Some(true);
        let logout = object("oidc_logout").or_else(|| object("oidc_backchannel_logout"));
        let signed = object("signed_request_object");
        let signed = |name: &str| signed.and_then(|own| own.get(name));
        Self {
            callbacks: texts("callbacks"),
            logout_urls: texts("allowed_logout_urls"),
            web_origins: texts("web_origins"),
            logo_uri: text(described.0.get("logo_uri")),
            refresh: object("refresh_token").map(RefreshTerms::read),
            refresh_policies: object("refresh_token")
                .map(RefreshPolicy::all)
                .unwrap_or_default(),
            id_token_seconds: id_token("lifetime_in_seconds")
                .and_then(Value::as_i64)
                .unwrap_or(ID_TOKEN_SECONDS),
            id_token_alg: id_token("alg")
                .and_then(Value::as_str)
                .and_then(SigningAlgorithm::parse_with_keys),
            must_push: is("require_pushed_authorization_requests"),
            pushed_seconds: described
                .0
                .get("par_request_expiry")
                .and_then(Value::as_i64)
                .unwrap_or(PUSHED_SECONDS),
            requires_pkce: described.0.get(REQUIRE_PKCE).and_then(Value::as_bool),
            response_modes: described
                .0
                .get("allowed_response_modes")
                .and_then(Value::as_array)
                .map(|names| {
                    let names = names.iter().filter_map(Value::as_str);
                    names.filter_map(ResponseMode::parse).collect()
                }),
            must_sign_requests: signed("required") == Some(&Value::Bool(true)),
            request_credentials: ids(signed("credentials")),
            skips_callback_confirmation: described
                .0
                .get(SKIP_CALLBACK_CONFIRMATION)
                .and_then(Value::as_bool),
            logout_notice_urls: logout
                .map(|own| list(own.get("backchannel_logout_urls")))
                .unwrap_or_default(),
            logout_initiators: Initiators::read(
                logout.and_then(|own| own.get("backchannel_logout_initiators")),
            ),
        }
    }

    /// True where its answers may come back this way.
    #[must_use]
    pub fn allows_response_mode(&self, mode: ResponseMode) -> bool {
        let modes = self.response_modes.as_ref();
        modes.is_none_or(|modes| modes.contains(&mode))
    }

    /// True where it wants to be told of the end of a session that came about this way, by Auth0's name.
    #[must_use]
    pub fn hears_of(&self, initiator: &str) -> bool {
        match &self.logout_initiators {
            Initiators::All => true,
            Initiators::Selected(own) => own.iter().any(|own| own == initiator),
        }
    }

    /// What it weighs in memory, about, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let lists = [
            &self.callbacks,
            &self.logout_urls,
            &self.web_origins,
            &self.logout_notice_urls,
            &self.request_credentials,
        ];
        let texts: usize = lists
            .into_iter()
            .flatten()
            .map(|text| text.len() + size_of::<String>())
            .sum();
        size_of::<Self>() + texts + self.logo_uri.as_ref().map_or(0, String::len)
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    let text = value
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty());
    text.map(str::to_owned)
}

/// Of objects.
fn ids(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    let ids = items.filter_map(|item| item.get("id")?.as_str());
    ids.map(str::to_owned).collect()
}

fn list(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    let texts = items.filter_map(Value::as_str);
    let texts = texts.filter(|text| !text.is_empty());
    texts.map(str::to_owned).collect()
}
