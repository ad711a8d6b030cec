//! `refresh_token`: how the refresh tokens of an application are to live. Kept whole: what the
//! object does not name has its default, and null goes back to the default of all.

use serde_json::{Map, Value, json};

use super::super::super::answer::Problem;
use crate::model::application::Application;
use crate::model::sign_in::{RefreshTerms, SignIn};
use crate::model::text::{IDENTIFIER_CHARS_MAX, SCOPE_CHARS_MAX};
use crate::wire::schema::{
    Field, Fields, Form, boolean, choice, integer, object, objects, text, texts,
};

/// Longest lifetime of a refresh token (compatibility.md §6): five years.
const SECONDS_MAX: i64 = 157_788_000;
const USUAL_SECONDS: i64 = 2_592_000;
const USUAL_IDLE_SECONDS: i64 = 1_296_000;

pub(in super::super) const TABLE: &[Field] = &[object(
    "refresh_token",
    &[
        choice("rotation_type", &["rotating", "non-rotating"]).required(),
        choice("expiration_type", &["expiring", "non-expiring"]).required(),
        integer("leeway", 0, SECONDS_MAX),
        integer("token_lifetime", 1, SECONDS_MAX),
        boolean("infinite_token_lifetime"),
        integer("idle_token_lifetime", 1, SECONDS_MAX),
        boolean("infinite_idle_token_lifetime"),
        objects(
            "policies",
            100,
            &[
                text("audience", 1, IDENTIFIER_CHARS_MAX).required(),
                texts("scope", 1000, SCOPE_CHARS_MAX, Form::Scope).required(),
            ],
        )
        .filled()
        .or_null(),
    ],
)
.or_null()];

/// What an application shows that has set nothing: its tokens expire, and those of one without a secret
/// rotate (lifetime.md, Refresh tokens).
pub(in super::super) fn usual(is_public: bool) -> Value {
    let terms = RefreshTerms::usual(is_public);
    let rotation_type = if terms.is_rotating {
        "rotating"
    } else {
        "non-rotating"
    };
    let expiration_type = if terms.lifetime.is_some() {
        "expiring"
    } else {
        "non-expiring"
    };
    json!({
        "rotation_type": rotation_type,
        "expiration_type": expiration_type,
        "leeway": terms.leeway,
        "token_lifetime": terms.lifetime.unwrap_or(USUAL_SECONDS),
        "infinite_token_lifetime": terms.lifetime.is_none(),
        "idle_token_lifetime": terms.idle.unwrap_or(USUAL_IDLE_SECONDS),
        "infinite_idle_token_lifetime": terms.idle.is_none(),
    })
}

/// Passes where a stolen refresh token of a public application would not be good for ever. To be asked when
/// all fields are laid over: the application may just have become public.
pub(in super::super) fn check(application: &Application) -> Result<(), Problem> {
    let set = SignIn::of(&application.described).refresh;
    if application.is_public() && set.is_some_and(|terms| terms.is_endless()) {
        return Err(Problem::property(
            "refresh_token",
            "Refresh tokens of a public application (token_endpoint_auth_method none) must rotate (rotation_type rotating) or have an absolute end (expiration_type expiring with a token_lifetime, and infinite_token_lifetime false): RFC 9700, sections 2.2.2 and 4.14.2",
        ));
    }
    Ok(())
}

/// Says in the log that the refresh tokens of an application have no absolute end, where that was chosen.
pub(in super::super) fn warn_if_endless(application: &Application) {
    let set = SignIn::of(&application.described).refresh;
    if set.is_some_and(|terms| terms.lifetime.is_none()) {
        tracing::warn!(
            client_id = application.client_id,
            "refresh tokens of this application have no absolute end (refresh_token.expiration_type, refresh_token.infinite_token_lifetime): a stolen one may be good for ever (OWASP ASVS 5, 10.4.8)"
        );
    }
}

/// The object whole; null where null is named.
pub(super) fn read(fields: &mut Fields) -> Result<Option<Value>, Problem> {
    let mut own = match fields.object_or_null("refresh_token") {
        None => return Ok(None),
        Some(None) => return Ok(Some(Value::Null)),
        Some(Some(own)) => own,
    };
    let rotation_type = own.text("rotation_type").unwrap_or_default();
    let expiration_type = own.text("expiration_type").unwrap_or_default();
    let is_expiring = expiration_type == "expiring";
    if rotation_type == "rotating" && !is_expiring {
        let path = own.path("expiration_type");
        return Err(Problem::property(&path, "Rotating tokens are expiring"));
    }
    let is_infinite = own.boolean("infinite_token_lifetime");
    let is_idle_infinite = own.boolean("infinite_idle_token_lifetime");
    let is_infinite = is_infinite.unwrap_or(!is_expiring);
    let is_idle_infinite = is_idle_infinite.unwrap_or(!is_expiring);
    let lifetime = own.integer("token_lifetime").unwrap_or(USUAL_SECONDS);
    let idle = match own.integer("idle_token_lifetime") {
        Some(idle) if idle >= lifetime && !is_infinite && !is_idle_infinite => {
            let path = own.path("idle_token_lifetime");
            let why = format_args!("It is shorter than token_lifetime ({lifetime})");
            return Err(Problem::property(&path, why));
        }
        Some(idle) => idle,
        None if is_infinite => USUAL_IDLE_SECONDS,
        None => USUAL_IDLE_SECONDS.min(lifetime - 1).max(1),
    };
    let mut whole = Map::from_iter([
        ("rotation_type".to_owned(), rotation_type.into()),
        ("expiration_type".to_owned(), expiration_type.into()),
        (
            "leeway".to_owned(),
            own.integer("leeway").unwrap_or(0).into(),
        ),
        ("token_lifetime".to_owned(), lifetime.into()),
        ("infinite_token_lifetime".to_owned(), is_infinite.into()),
        ("idle_token_lifetime".to_owned(), idle.into()),
        (
            "infinite_idle_token_lifetime".to_owned(),
            is_idle_infinite.into(),
        ),
    ]);
    // Only the policies are left.
    whole.extend(own.rest().into_iter().filter(|(_, value)| !value.is_null()));
    Ok(Some(whole.into()))
}
