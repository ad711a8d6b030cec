//! Where an application's users come from and go to. Which URL is followed is compared where it is.

use serde_json::Value;
use url::Url;

use super::super::super::answer::Problem;
use crate::app::App;
use crate::logout::notices::may_be_told;
use crate::model::application::Application;
use crate::model::authorization::ResponseMode;
use crate::model::settings::{REQUIRE_PKCE, SKIP_CALLBACK_CONFIRMATION};
use crate::wire::schema::{Field, Form, Shape, boolean, choice, formed, integer, object, texts};

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
    boolean(SKIP_CALLBACK_CONFIRMATION).or_null(),
    boolean("require_pushed_authorization_requests").or_null(),
    integer("par_request_expiry", 10, 600).or_null(),
    // Ours; null: as the tenant's setting of the same name says.
    boolean(REQUIRE_PKCE).or_null(),
    // Ours; null: every mode.
    texts(
        "allowed_response_modes",
        ResponseMode::NAMES.len(),
        20,
        Form::OneOf(&ResponseMode::NAMES),
    )
    .or_null()
    .filled(),
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
        Form::Shape(&NOTICE_URL),
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
/// OpenID Connect Back-Channel Logout 1.0 §2.2. Whether http will do is for [`check`].
const NOTICE_URL: Shape = Shape {
    pattern: r"^(https?://[^\s#]+)?$",
    fits: |text| text.is_empty() || is_notice_url(text),
    why: "Expected an absolute URL with https, without a fragment, user name and password",
};

fn is_notice_url(text: &str) -> bool {
    let is_of_the_web = text.starts_with("https://") || text.starts_with("http://");
    let is_plain = !text.contains(|c: char| c.is_whitespace() || matches!(c, '#' | '\\'));
    let is_open = |url: &Url| url.username().is_empty() && url.password().is_none();
    is_of_the_web && is_plain && Url::parse(text).is_ok_and(|url| is_open(&url))
}

/// Where an application is told that a session has ended is https, unless this server itself is on
/// loopback.
pub(super) fn check(app: &App, application: &Application) -> Result<(), Problem> {
    for name in ["oidc_logout", "oidc_backchannel_logout"] {
        let own = application.described.0.get(name);
        let urls = own.and_then(|own| own.get("backchannel_logout_urls"));
        let urls = urls.and_then(Value::as_array).into_iter().flatten();
        let mut urls = urls.filter_map(Value::as_str).filter(|url| !url.is_empty());
        if !urls.all(|url| may_be_told(url, &app.issuer)) {
            let path = format!("{name}.backchannel_logout_urls");
            return Err(Problem::property(
                &path,
                "Expected an absolute URL with https",
            ));
        }
    }
    Ok(())
}

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
