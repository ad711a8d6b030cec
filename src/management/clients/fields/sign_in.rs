//! Where an application's users come from and go to. Kept until users sign in here.

use crate::wire::schema::{Field, Form, boolean, choice, formed, integer, object, texts};

/// Most URLs of one kind.
const URLS_MAX: usize = 100;
const URL_CHARS_MAX: usize = 2000;

pub(in super::super) const TABLE: &[Field] = &[
    texts("callbacks", URLS_MAX, URL_CHARS_MAX, Form::Callback),
    texts(
        "allowed_logout_urls",
        URLS_MAX,
        URL_CHARS_MAX,
        Form::UriPattern,
    ),
    texts("web_origins", URLS_MAX, URL_CHARS_MAX, Form::UriPattern),
    texts("allowed_origins", URLS_MAX, URL_CHARS_MAX, Form::UriPattern),
    formed("initiate_login_uri", 0, URL_CHARS_MAX, Form::HttpsUri),
    choice(
        "redirection_policy",
        &["allow_always", "open_redirect_protection"],
    ),
    boolean("skip_non_verifiable_callback_uri_confirmation_prompt").or_null(),
    integer("par_request_expiry", 10, 600).or_null(),
    boolean("cross_origin_authentication"),
    formed("cross_origin_loc", 0, URL_CHARS_MAX, Form::Uri).or_null(),
    object("oidc_logout", LOGOUT),
    // Auth0's older name.
    object("oidc_backchannel_logout", LOGOUT),
    object("session_transfer", SESSION_TRANSFER).or_null(),
];

const LOGOUT: &[Field] = &[
    texts(
        "backchannel_logout_urls",
        URLS_MAX,
        URL_CHARS_MAX,
        Form::HttpsUri,
    ),
    object(
        "backchannel_logout_initiators",
        &[
            choice("mode", &["custom", "all"]),
            texts(
                "selected_initiators",
                INITIATORS.len(),
                200,
                Form::OneOf(INITIATORS),
            ),
        ],
    ),
    object("backchannel_logout_session_metadata", &[boolean("include")]).or_null(),
];
const INITIATORS: &[&str] = &[
    "rp-logout",
    "idp-logout",
    "password-changed",
    "session-expired",
    "session-revoked",
    "account-deleted",
    "email-identifier-changed",
    "mfa-phone-unenrolled",
    "account-deactivated",
];

const SESSION_TRANSFER: &[Field] = &[
    boolean("can_create_session_transfer_token"),
    boolean("enforce_cascade_revocation"),
    texts(
        "allowed_authentication_methods",
        2,
        200,
        Form::OneOf(&["cookie", "query"]),
    )
    .or_null(),
    choice("enforce_device_binding", &["ip", "asn", "none"]),
    boolean("allow_refresh_token"),
    boolean("enforce_online_refresh_tokens"),
    object(
        "delegation",
        &[
            boolean("allow_delegated_access"),
            choice("enforce_device_binding", &["ip", "asn"]),
        ],
    )
    .or_null(),
];
