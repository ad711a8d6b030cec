//! The tenant's settings: what holds for all applications and APIs.

use serde_json::{Map, Value};

use super::session::SessionLifetimes;

/// The settings as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Identifier of the API that a token is for where the request names none; never a system API.
    pub default_audience: Option<String>,
    /// The other fields that were set, as they were checked: session lifetimes in minutes, the rest
    /// as it is shown. [`InForce`] is read from them.
    pub fields: Map<String, Value>,
}

/// What requests of applications and users need of the settings: few bytes, so that each node keeps
/// them in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches that are set one by one"
)]
pub struct InForce {
    /// [`Settings::default_audience`].
    pub default_audience: Option<String>,
    /// Implicit and hybrid flows.
    pub allows_front_channel_tokens: bool,
    /// The password grants.
    pub allows_password_grant: bool,
    /// Revoking a refresh token takes the user's grant along (Auth0's `revoke_refresh_token_grant`).
    pub revokes_user_grants: bool,
    /// How long sessions live whose cookie outlives the browser's window.
    pub sessions: SessionLifetimes,
    /// The same for the others.
    pub ephemeral_sessions: SessionLifetimes,
    /// Sessions' cookies outlive the browser's window.
    pub are_sessions_persistent: bool,
    /// Authorization requests may be pushed (RFC 9126).
    pub takes_pushed_requests: bool,
    /// Requests for a code need PKCE of every application that does not say otherwise.
    pub requires_pkce: bool,
    /// The document of discovery names where applications sign users out.
    pub announces_sign_out: bool,
    /// The user is asked before a request to sign out counts that may be anybody's.
    pub asks_before_sign_out: bool,
    /// Redirect URIs that cannot be verified need no confirmation, unless an application says otherwise.
    pub skips_callback_confirmation: bool,
    /// Where a browser may be sent after signing out, whatever the application.
    pub logout_urls: Vec<String>,
}

/// Auth0's name of the switch, the same on the tenant and on an application.
pub const SKIP_CALLBACK_CONFIRMATION: &str = "skip_non_verifiable_callback_uri_confirmation_prompt";

/// Auth0's defaults, in minutes.
const SESSION_MINUTES: i64 = 168 * 60;
const IDLE_SESSION_MINUTES: i64 = 72 * 60;
const EPHEMERAL_SESSION_MINUTES: i64 = 72 * 60;
const IDLE_EPHEMERAL_SESSION_MINUTES: i64 = 24 * 60;

/// The name of [`InForce::requires_pkce`] in bodies, and of an application's own setting.
pub const REQUIRE_PKCE: &str = "require_pkce";

impl Settings {
    /// The settings of a tenant that is created now: it requires PKCE (OWASP ASVS 5, 10.4.6). A store
    /// that an older version has made stays without, so that its applications go on working.
    #[must_use]
    pub fn of_new_tenant() -> Self {
        let fields = [(REQUIRE_PKCE.to_owned(), Value::Bool(true))];
        Self {
            default_audience: None,
            fields: fields.into_iter().collect(),
        }
    }
}

impl InForce {
    /// Reads what was set.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let fields = &settings.fields;
        let seconds = |name: &str, usual: i64| {
            let minutes = fields.get(name).and_then(Value::as_i64).unwrap_or(usual);
            minutes.saturating_mul(60)
        };
        let flag = |name: &str| {
            let flags = fields.get("flags");
            flags.and_then(|flags| flags.get(name)) == Some(&Value::Bool(true))
        };
        let is_on = |object: &str, name: &str| {
            let object = fields.get(object);
            object.and_then(|own| own.get(name)) != Some(&Value::Bool(false))
        };
        let mode = fields.get("session_cookie").and_then(|own| own.get("mode"));
        let logout_urls = fields.get("allowed_logout_urls").and_then(Value::as_array);
        let logout_urls = logout_urls.into_iter().flatten().filter_map(Value::as_str);
        Self {
            default_audience: settings.default_audience.clone(),
            allows_front_channel_tokens: flag("allow_front_channel_tokens"),
            allows_password_grant: flag("allow_password_grant"),
            revokes_user_grants: flag("revoke_refresh_token_grant"),
            sessions: SessionLifetimes {
                absolute: seconds("session_lifetime_in_minutes", SESSION_MINUTES),
                idle: seconds("idle_session_lifetime_in_minutes", IDLE_SESSION_MINUTES),
            },
            ephemeral_sessions: SessionLifetimes {
                absolute: seconds(
                    "ephemeral_session_lifetime_in_minutes",
                    EPHEMERAL_SESSION_MINUTES,
                ),
                idle: seconds(
                    "idle_ephemeral_session_lifetime_in_minutes",
                    IDLE_EPHEMERAL_SESSION_MINUTES,
                ),
            },
            are_sessions_persistent: mode.and_then(Value::as_str) != Some("non-persistent"),
            takes_pushed_requests: fields.get("pushed_authorization_requests_supported")
                != Some(&Value::Bool(false)),
            requires_pkce: fields.get(REQUIRE_PKCE) == Some(&Value::Bool(true)),
            announces_sign_out: is_on("oidc_logout", "rp_logout_end_session_endpoint_discovery"),
            asks_before_sign_out: is_on("sessions", "oidc_logout_prompt_enabled"),
            skips_callback_confirmation: fields.get(SKIP_CALLBACK_CONFIRMATION)
                == Some(&Value::Bool(true)),
            logout_urls: logout_urls.map(str::to_owned).collect(),
        }
    }

    /// How long a session lives by today's settings.
    #[must_use]
    pub const fn of_session(&self, is_persistent: bool) -> SessionLifetimes {
        if is_persistent {
            self.sessions
        } else {
            self.ephemeral_sessions
        }
    }
}

impl Default for InForce {
    fn default() -> Self {
        Self::of(&Settings::default())
    }
}
