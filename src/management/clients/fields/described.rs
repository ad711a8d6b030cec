//! What describes an application to people and tools.

use serde_json::{Map, Value};

use crate::model::described::Described;
use crate::wire::schema::{
    Field, Form, boolean, choice, formed, free, integer, map, object, objects, text, texts,
};

/// Longest object whose members are the caller's own.
const FREE_BYTES_MAX: usize = 20_000;
/// Longest page or template.
const PAGE_CHARS_MAX: usize = 50_000;
const NAMES_MAX: usize = 100;
const URL_CHARS_MAX: usize = 2000;
/// Most names in `client_metadata`, after a change too.
pub(super) const METADATA_MAX: usize = 10;
/// Longest ID token, in seconds: 30 days.
const ID_TOKEN_SECONDS_MAX: i64 = 2_592_000;
const USUAL_ID_TOKEN_SECONDS: i64 = 36_000;

pub(in super::super) const TABLE: &[Field] = &[
    text("description", 0, 140),
    formed("logo_uri", 0, URL_CHARS_MAX, Form::Uri),
    boolean("oidc_conformant"),
    boolean("is_token_endpoint_ip_header_trusted"),
    boolean("sso"),
    boolean("sso_disabled"),
    boolean("custom_login_page_on"),
    texts("client_aliases", NAMES_MAX, 255, Form::Any),
    texts("allowed_clients", NAMES_MAX, 255, Form::Any),
    map("client_metadata", METADATA_MAX, 255),
    free("addons", FREE_BYTES_MAX),
    free("mobile", FREE_BYTES_MAX),
    object("native_social_login", SOCIAL).filled(),
    object("jwt_configuration", ID_TOKEN),
    object("encryption_key", ENCRYPTION_KEY).or_null(),
    choice("third_party_security_mode", &["strict", "permissive"]),
    choice(
        "organization_require_behavior",
        &["no_prompt", "pre_login_prompt", "post_login_prompt"],
    )
    .or_null(),
    texts(
        "organization_discovery_methods",
        2,
        200,
        Form::OneOf(&["email", "organization_name"]),
    )
    .filled()
    .or_null(),
    texts(
        "async_approval_notification_channels",
        2,
        200,
        Form::OneOf(&["guardian-push", "email"]),
    )
    .filled()
    .or_null(),
    object("express_configuration", EXPRESS).or_null(),
    object("my_organization_configuration", MY_ORGANIZATION).or_null(),
];

/// Pages of a new application are never empty; a change may empty them.
pub(in super::super) const NEW_PAGES: &[Field] = &pages(1);
pub(in super::super) const PAGES: &[Field] = &pages(0);

const fn pages(chars_min: usize) -> [Field; 3] {
    [
        formed("custom_login_page", chars_min, PAGE_CHARS_MAX, Form::Lines),
        formed(
            "custom_login_page_preview",
            chars_min,
            PAGE_CHARS_MAX,
            Form::Lines,
        ),
        formed("form_template", chars_min, PAGE_CHARS_MAX, Form::Lines),
    ]
}

const ENABLED: &[Field] = &[boolean("enabled")];
const SOCIAL: &[Field] = &[
    object("apple", ENABLED),
    object("facebook", ENABLED),
    object("google", ENABLED),
];

const ID_TOKEN: &[Field] = &[
    integer("lifetime_in_seconds", 1, ID_TOKEN_SECONDS_MAX),
    boolean("secret_encoded"),
    free("scopes", FREE_BYTES_MAX),
    choice(
        "alg",
        &["HS256", "RS256", "RS512", "PS256", "ES256", "EdDSA"],
    )
    .unbuilt(
        is_asymmetric,
        "HS256 would sign with the secret, and of secrets only digests are kept.",
    ),
];

fn is_asymmetric(value: &Value) -> bool {
    value != "HS256"
}

const ENCRYPTION_KEY: &[Field] = &[
    formed("pub", 0, 4096, Form::Lines),
    formed("cert", 0, 8192, Form::Lines),
    text("subject", 0, 1000),
];

const EXPRESS: &[Field] = &[
    formed(
        "initiate_login_uri_template",
        1,
        URL_CHARS_MAX,
        Form::HttpsUri,
    )
    .required(),
    text("user_attribute_profile_id", 1, 100).required(),
    text("connection_profile_id", 1, 100).required(),
    boolean("enable_client").required(),
    boolean("enable_organization").required(),
    objects(
        "linked_clients",
        NAMES_MAX,
        &[text("client_id", 1, 255).required()],
    ),
    text("okta_oin_client_id", 1, 255).required(),
    text("admin_login_domain", 1, 255).required(),
    text("oin_submission_id", 1, 200),
];

const MY_ORGANIZATION: &[Field] = &[
    text("connection_profile_id", 1, 100),
    text("user_attribute_profile_id", 1, 100),
    texts(
        "allowed_strategies",
        STRATEGIES.len(),
        200,
        Form::OneOf(STRATEGIES),
    )
    .required(),
    choice("connection_deletion_behavior", &["allow", "allow_if_empty"]).required(),
];
const STRATEGIES: &[&str] = &[
    "pingfederate",
    "adfs",
    "waad",
    "google-apps",
    "okta",
    "oidc",
    "samlp",
];

/// `jwt_configuration` with what it does not name.
pub(super) fn complete_id_token(own: &mut Map<String, Value>) {
    for (name, value) in usual_id_token() {
        own.entry(name).or_insert(value);
    }
}

fn usual_id_token() -> [(String, Value); 2] {
    [
        (
            "lifetime_in_seconds".to_owned(),
            USUAL_ID_TOKEN_SECONDS.into(),
        ),
        ("secret_encoded".to_owned(), false.into()),
    ]
}

/// What an application shows that has set nothing (compatibility.md §1.4).
pub(in super::super) fn usual() -> Described {
    let switch = |name: &str, is_on: bool| (name.to_owned(), Value::Bool(is_on));
    let id_token = Map::from_iter(usual_id_token());
    let usual = [
        switch("oidc_conformant", false),
        switch("is_token_endpoint_ip_header_trusted", false),
        switch("sso_disabled", false),
        switch("cross_origin_authentication", false),
        switch("custom_login_page_on", true),
        ("jwt_configuration".to_owned(), id_token.into()),
    ];
    Described(usual.into_iter().collect())
}
