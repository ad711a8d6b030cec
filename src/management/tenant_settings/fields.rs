//! The tenant's settings as a body has them and as they are shown. A value that promises what is not
//! built is refused (compatibility.md §6); what is shown can always be written back.

use serde_json::{Map, Value, json};

use super::super::answer::Problem;
use crate::model::settings::{REQUIRE_PKCE, SKIP_CALLBACK_CONFIRMATION, Settings};
use crate::model::text::IDENTIFIER_CHARS_MAX;
use crate::wire::schema::{
    Field, Fields, Form, Shape, boolean, choice, formed, integer, is_empty, is_off, number, object,
    text, texts,
};

pub(super) const DEFAULT_AUDIENCE: &str = "default_audience";

/// Longest custom page, in characters.
const HTML_CHARS_MAX: usize = 200_000;
const URL_CHARS_MAX: usize = 2000;
/// Most URLs of a list.
const URLS_MAX: usize = 100;
/// Auth0's longest sessions, in hours: until their end, and until they are idle.
const SESSION_HOURS_MAX: i32 = 8760;
const IDLE_HOURS_MAX: i32 = 2400;
const SESSION_MINUTES_MAX: i64 = 525_600;
const IDLE_MINUTES_MAX: i64 = 144_000;

/// Auth0's largest quota.
const TOKENS_MAX: i64 = 2_147_483_647;

const LATER: &str = "it is not built yet.";
const PAGES: &str = "pages of your own are not built.";
const QUOTAS: &str = "quotas are not built; only enforce=false is accepted.";

/// What can be set, and is shown.
pub(super) const TABLE: &[Field] = &[
    text(DEFAULT_AUDIENCE, 0, IDENTIFIER_CHARS_MAX).or_null(),
    text("default_directory", 0, 128),
    formed("friendly_name", 0, 200, Form::NoAngles),
    formed("picture_url", 0, URL_CHARS_MAX, Form::Shape(&WEB_URL)),
    formed("support_email", 0, 320, Form::Shape(&EMAIL)),
    formed("support_url", 0, URL_CHARS_MAX, Form::Shape(&WEB_URL)),
    formed("default_redirection_uri", 0, URL_CHARS_MAX, Form::HttpsUri),
    texts(
        "allowed_logout_urls",
        URLS_MAX,
        URL_CHARS_MAX,
        Form::UriPattern,
    ),
    number("session_lifetime", SESSION_HOURS_MAX),
    number("idle_session_lifetime", IDLE_HOURS_MAX),
    number("ephemeral_session_lifetime", SESSION_HOURS_MAX),
    number("idle_ephemeral_session_lifetime", IDLE_HOURS_MAX),
    text("sandbox_version", 0, 8),
    text("legacy_sandbox_version", 0, 8),
    texts("enabled_locales", LOCALES.len(), 20, Form::OneOf(&LOCALES)),
    object("session_cookie", SESSION_COOKIE).or_null(),
    object("sessions", &[boolean("oidc_logout_prompt_enabled")]).or_null(),
    object("device_flow", DEVICE_FLOW).or_null(),
    object("flags", FLAGS),
    choice("resource_parameter_profile", &["audience", "compatibility"]),
    boolean("phone_consolidated_experience"),
    boolean("enable_ai_guide"),
    choice(
        "dynamic_client_registration_security_mode",
        &["strict", "permissive"],
    ),
    object("change_password", PAGE).or_null(),
    object("guardian_mfa_page", PAGE).or_null(),
    object("error_page", ERROR_PAGE).or_null(),
    object("default_token_quota", DEFAULT_QUOTA).or_null(),
    object("oidc_logout", OIDC_LOGOUT),
    object("mtls", MTLS).or_null(),
    boolean("pushed_authorization_requests_supported").or_null(),
    // Ours; Auth0 has no such switch.
    boolean(REQUIRE_PKCE),
    off("authorization_response_iss_parameter_supported").or_null(),
    boolean(SKIP_CALLBACK_CONFIRMATION).or_null(),
    off("customize_mfa_in_postlogin_action").or_null(),
    off("allow_organization_name_in_authentication_api").or_null(),
    off("client_id_metadata_document_supported"),
    texts("acr_values_supported", 100, 200, Form::Any)
        .or_null()
        .unbuilt(is_empty, LATER),
];

/// Session lifetimes as some tools write them; they are shown in hours.
pub(super) const IN_MINUTES: &[Field] = &[
    integer("session_lifetime_in_minutes", 1, SESSION_MINUTES_MAX),
    integer("idle_session_lifetime_in_minutes", 1, IDLE_MINUTES_MAX),
    integer(
        "ephemeral_session_lifetime_in_minutes",
        1,
        SESSION_MINUTES_MAX,
    ),
    integer(
        "idle_ephemeral_session_lifetime_in_minutes",
        1,
        IDLE_MINUTES_MAX,
    ),
];
/// Each session lifetime by both of its names, with Auth0's default in minutes. They are stored in
/// minutes.
const LIFETIMES: [(&str, &str, i64); 4] = [
    ("session_lifetime", "session_lifetime_in_minutes", 168 * 60),
    (
        "idle_session_lifetime",
        "idle_session_lifetime_in_minutes",
        72 * 60,
    ),
    (
        "ephemeral_session_lifetime",
        "ephemeral_session_lifetime_in_minutes",
        72 * 60,
    ),
    (
        "idle_ephemeral_session_lifetime",
        "idle_ephemeral_session_lifetime_in_minutes",
        24 * 60,
    ),
];

/// The first four are switches of Auth0's own dashboard or of what it has given up; then those that
/// mean something only where there are users and sessions, and say what is so anyway. Whoever builds
/// what one of the others switches takes its `off` away.
const FLAGS: &[Field] = &[
    boolean("enable_apis_section"),
    boolean("dashboard_log_streams_next"),
    boolean("dashboard_insights_view"),
    boolean("genai_trial"),
    boolean("disable_impersonation"),
    boolean("enable_client_connections"),
    boolean("enable_pipeline2"),
    boolean("enable_sso"),
    boolean("allow_changing_enable_sso"),
    boolean("disable_fields_map_fix"),
    boolean("disable_management_api_sms_obfuscation"),
    boolean("enable_public_signup_user_exists_error"),
    boolean("allow_front_channel_tokens"),
    boolean("allow_password_grant"),
    off("change_pwd_flow_v1"),
    off("allow_legacy_delegation_grant_types"),
    off("allow_legacy_ro_grant_types"),
    off("allow_legacy_tokeninfo_endpoint"),
    off("enable_legacy_profile"),
    off("enable_idtoken_api2"),
    off("disable_clickjack_protection_headers"),
    off("no_disclose_enterprise_connections"),
    off("enforce_client_authentication_on_passwordless_start"),
    off("enable_adfs_waad_email_verification"),
    boolean("revoke_refresh_token_grant"),
    off("mfa_show_factor_list_on_enrollment"),
    off("remove_alg_from_jwks"),
    off("improved_signup_bot_detection_in_classic"),
    off("enable_dynamic_client_registration"),
    off("trust_azure_adfs_email_verified_connection_property"),
    off("custom_domains_provisioning"),
];
const SESSION_COOKIE: &[Field] = &[choice("mode", &["persistent", "non-persistent"]).required()];
const DEVICE_FLOW: &[Field] = &[
    choice("charset", &["base20", "digits"]),
    formed("mask", 1, 20, Form::Shape(&MASK)),
];
const PAGE: &[Field] = &[
    boolean("enabled").unbuilt(is_off, PAGES),
    formed("html", 0, HTML_CHARS_MAX, Form::Lines),
];
const ERROR_PAGE: &[Field] = &[
    formed("html", 0, HTML_CHARS_MAX, Form::Lines).unbuilt(is_blank, PAGES),
    boolean("show_log_link").unbuilt(is_off, PAGES),
    formed("url", 0, URL_CHARS_MAX, Form::Shape(&WEB_URL)).unbuilt(is_blank, PAGES),
];
const DEFAULT_QUOTA: &[Field] = &[object("clients", QUOTA), object("organizations", QUOTA)];
const QUOTA: &[Field] = &[object("client_credentials", LIMITS)
    .required()
    .unbuilt(is_not_enforced, QUOTAS)];
const LIMITS: &[Field] = &[
    boolean("enforce"),
    integer("per_day", 1, TOKENS_MAX),
    integer("per_hour", 1, TOKENS_MAX),
];
const OIDC_LOGOUT: &[Field] = &[boolean("rp_logout_end_session_endpoint_discovery")];
const MTLS: &[Field] = &[off("enable_endpoint_aliases")];

/// A switch whose effect is not built.
const fn off(name: &'static str) -> Field {
    boolean(name).unbuilt(is_off, LATER)
}

fn is_blank(value: &Value) -> bool {
    value == ""
}

fn is_not_enforced(value: &Value) -> bool {
    value.get("enforce") == Some(&Value::Bool(false))
}

const WEB_URL: Shape = Shape {
    pattern: r"^(https?://[^\s<>]+)?$",
    fits: |text| text.is_empty() || is_web_url(text),
    why: "Expected an absolute URL with https or http",
};
const EMAIL: Shape = Shape {
    pattern: r"^([^\s@<>]+@[^\s@<>]+)?$",
    fits: |text| {
        let parts: Vec<_> = text.split('@').collect();
        let is_part = |part: &&str| !part.is_empty() && is_plain(part);
        text.is_empty() || (parts.len() == 2 && parts.iter().all(is_part))
    },
    why: "Expected an e-mail address",
};
const MASK: Shape = Shape {
    pattern: r"^[* -]*\*[* -]*$",
    fits: |text| text.contains('*') && text.chars().all(|c| matches!(c, '*' | '-' | ' ')),
    why: "Expected * for each character of a code, with - or spaces between",
};

fn is_web_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://");
    let rest = rest.or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && is_plain(rest))
}

fn is_plain(text: &str) -> bool {
    !text.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>'))
}

/// Auth0's locales.
const LOCALES: [&str; 82] = [
    "am", "ar", "ar-EG", "ar-SA", "az", "bg", "bn", "bs", "ca-ES", "cnr", "cs", "cy", "da", "de",
    "el", "en", "en-CA", "es", "es-419", "es-AR", "es-MX", "et", "eu-ES", "fa", "fi", "fr",
    "fr-CA", "fr-FR", "gl-ES", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "ka",
    "kk", "kn", "ko", "lt", "lv", "mk", "ml", "mn", "mr", "ms", "my", "nb", "nl", "nn", "no", "pa",
    "pl", "pt", "pt-BR", "pt-PT", "ro", "ru", "sk", "sl", "so", "sq", "sr", "sv", "sw", "ta", "te",
    "th", "tl", "tr", "uk", "ur", "vi", "zgh", "zh-CN", "zh-HK", "zh-MO", "zh-TW",
];

/// Lays what is named over what was set. An object's members are laid over its own; what is empty or
/// null is unset.
pub(super) fn overlay(set: &mut Map<String, Value>, mut named: Fields) -> Result<(), Problem> {
    if let Some(minutes) = session_minutes(&mut named)? {
        set.extend(minutes);
    }
    for (name, value) in named.rest() {
        match value {
            Value::Null => drop(set.remove(&name)),
            Value::String(text) if text.is_empty() => drop(set.remove(&name)),
            Value::Array(items) if items.is_empty() && name == "enabled_locales" => {
                return Err(Problem::property(&name, "At least one is needed"));
            }
            Value::Array(items) if items.is_empty() => drop(set.remove(&name)),
            Value::Object(members) if members.is_empty() => {}
            Value::Object(members) => match set.get_mut(&name) {
                Some(Value::Object(own)) => own.extend(members),
                _ => drop(set.insert(name, Value::Object(members))),
            },
            other => drop(set.insert(name, other)),
        }
    }
    Ok(())
}

/// The session lifetimes that are named, in whole minutes.
fn session_minutes(named: &mut Fields) -> Result<Option<Map<String, Value>>, Problem> {
    let mut minutes = Map::new();
    for (in_hours, in_minutes, _) in LIFETIMES {
        let given = match (named.number(in_hours), named.integer(in_minutes)) {
            (None, None) => continue,
            (Some(_), Some(_)) => {
                let why = format!("It cannot go with {in_hours}");
                return Err(Problem::property(in_minutes, why));
            }
            (Some(hours), None) => whole_minutes(hours),
            (None, Some(given)) => given,
        };
        minutes.insert(in_minutes.to_owned(), given.into());
    }
    Ok((!minutes.is_empty()).then_some(minutes))
}

/// At least one minute. The table has bounded the hours.
#[expect(
    clippy::cast_possible_truncation,
    reason = "at most a year of minutes, and rounded"
)]
fn whole_minutes(hours: f64) -> i64 {
    ((hours * 60.0).round() as i64).max(1)
}

/// As Auth0 shows a tenant: its defaults, and over them what was set; the rest is omitted.
pub(super) fn show(settings: &Settings) -> Value {
    let mut shown = defaults();
    let mut set = settings.fields.clone();
    for (in_hours, in_minutes, usual) in LIFETIMES {
        let minutes = set.remove(in_minutes).and_then(|value| value.as_i64());
        shown.insert(in_hours.to_owned(), hours(minutes.unwrap_or(usual)));
    }
    for (name, value) in set {
        match (shown.get_mut(&name), value) {
            (Some(Value::Object(usual)), Value::Object(own)) => usual.extend(own),
            (_, value) => drop(shown.insert(name, value)),
        }
    }
    if let Some(audience) = &settings.default_audience {
        shown.insert(DEFAULT_AUDIENCE.to_owned(), audience.as_str().into());
    }
    Value::Object(shown)
}

/// A whole number where it is one.
#[expect(clippy::cast_precision_loss, reason = "at most a year of minutes")]
fn hours(minutes: i64) -> Value {
    if minutes % 60 == 0 {
        return (minutes / 60).into();
    }
    (minutes as f64 / 60.0).into()
}

/// What a new tenant shows, session lifetimes excepted.
fn defaults() -> Map<String, Value> {
    let defaults = json!({
        "device_flow": { "charset": "base20", "mask": "****-****" },
        "enabled_locales": ["en"],
        "flags": {
            "allow_changing_enable_sso": false,
            "allow_front_channel_tokens": false,
            "allow_password_grant": false,
            "disable_clickjack_protection_headers": false,
            "disable_impersonation": true,
            "enable_dynamic_client_registration": false,
            "enable_sso": true,
            "revoke_refresh_token_grant": false,
        },
        "oidc_logout": { "rp_logout_end_session_endpoint_discovery": true },
        "pushed_authorization_requests_supported": true,
        "require_pkce": false,
        "resource_parameter_profile": "audience",
        "session_cookie": { "mode": "persistent" },
    });
    match defaults {
        Value::Object(defaults) => defaults,
        _ => Map::new(),
    }
}
