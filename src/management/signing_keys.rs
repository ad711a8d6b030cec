//! `/api/v2/keys/signing`: the server's signing keys, and how they are replaced.
//!
//! In an emergency two calls end a key: rotate, which makes it the previous one, and revoke.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};

use super::access::Path;
use super::answer::{Missing, Problem, json as answer, resource, shown};
use super::call::{Act, Call};
use crate::app::App;
use crate::keys::certificate::fingerprint;
use crate::keys::rotation::{self, PREVIOUS_MAX, Unwilling};
use crate::model::api::SigningAlgorithm;
use crate::model::change::Change;
use crate::model::fault::Fault;
use crate::model::instant::to_rfc3339;
use crate::model::key::{Key, KeyState};
use crate::store::{self, Write};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{Field, Form, boolean, choice, formed, instant, text};

/// Revoked keys of an algorithm that are remembered.
const REVOKED_KEPT: i64 = 20;
/// Longest certificate in PEM.
const CERTIFICATE_CHARS_MAX: usize = 10_000;

/// `alg` is ours: Auth0 has one algorithm.
const ALG: Field = choice("alg", &["RS256", "PS256", "ES256", "EdDSA", "RS512"]);
const KID: Field = text("kid", 1, 100);
const CERT: Field = formed("cert", 1, CERTIFICATE_CHARS_MAX, Form::Lines);
const SHOWN: &[Field] = &[
    KID,
    CERT,
    ALG,
    boolean("current"),
    boolean("next"),
    boolean("previous"),
    instant("current_since"),
    instant("current_until"),
    text("fingerprint", 59, 59),
    text("thumbprint", 40, 40),
    boolean("revoked"),
    instant("revoked_at"),
];
const NAMED: &[Field] = &[CERT, KID];

/// Stores the first keys of an algorithm that an API or an application begins to use. Of two nodes that
/// make them at one time, both go on with those of the one that was first.
pub(super) async fn store_first(tx: &mut Write, made: &[Key]) -> Result<(), Fault> {
    if !made.is_empty() {
        store::keys::lock(tx).await?;
    }
    for key in made {
        if store::keys::insert(tx, key).await? {
            tx.note(Change::SigningKeys(key.algorithm.clone()));
        }
    }
    Ok(())
}

pub(crate) const LIST: Operation = Operation {
    summary: "List signing keys",
    access: Access::AnyOf(&["read:signing_keys"]),
    answer: Answer::List(&[SHOWN]),
    ..Operation::DEFAULT
};

/// `GET /keys/signing`: of each algorithm the newest in front.
pub(crate) async fn list(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    call.authorize(&app, &LIST).await?;
    let keys = store::keys::all(&mut *app.store.read().await?).await?;
    let keys: Vec<Value> = keys.iter().map(show).collect::<Result<_, _>>()?;
    Ok(answer(StatusCode::OK, &keys))
}

pub(crate) const GET: Operation = Operation {
    summary: "Read a signing key",
    access: Access::AnyOf(&["read:signing_keys"]),
    answer: Answer::One(200, &[SHOWN]),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /keys/signing/{kid}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(kid): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    call.authorize(&app, &GET).await?;
    let keys = store::keys::all(&mut *app.store.read().await?).await?;
    let key = find(&keys, &kid)?;
    Ok(resource(StatusCode::OK, &show(key)?))
}

pub(crate) const ROTATE: Operation = Operation {
    summary: "Replace the current signing key of an algorithm by the next one",
    access: Access::AnyOf(&["create:signing_keys", "update:signing_keys"]),
    body: Takes::Optional(&[&[ALG]]),
    answer: Answer::One(201, &[NAMED]),
    refuses: &[409],
    ..Operation::DEFAULT
};

/// `POST /keys/signing/rotate`: the next key becomes the current one; answers the new next one. An
/// algorithm without keys gets its first two, so that they are known before an API needs them.
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &ROTATE, body).await?;
    let algorithm = fields
        .choice("alg", SigningAlgorithm::parse_with_keys)
        .unwrap_or(app.config.tokens.default_signing_alg);
    let mut made = app.mint.keys.make_first(algorithm, admin.now).await?;
    if made.is_empty() {
        made.push(app.mint.keys.make_next(algorithm, admin.now).await?);
    }
    let mut tx = app.store.write().await?;
    store::keys::lock(&mut tx).await?;
    let rows = of(algorithm.as_str(), store::keys::all(&mut tx).await?);
    let changed = match (rows.is_empty(), made.pop()) {
        (false, Some(next)) => rotation::rotate(&rows, next, app.key_terms(), admin.now)
            .map_err(|unwilling| refuse(unwilling, ""))?,
        (_, next) => made.into_iter().chain(next).collect(),
    };
    for key in &changed {
        if rows.iter().any(|row| row.kid == key.kid) {
            store::keys::update(&mut tx, key).await?;
        } else if !store::keys::insert(&mut tx, key).await? {
            return Err(Fault::internal("a key's place was taken under the lock").into());
        }
    }
    tx.note(Change::SigningKeys(algorithm.as_str().to_owned()));
    let named = changed.last().map_or(Value::Null, name);
    let act = Act::new("Rotate the application signing key").after(named.clone());
    admin.commit(&app, tx, act).await?;
    Ok(answer(StatusCode::CREATED, &named))
}

pub(crate) const REVOKE: Operation = Operation {
    summary: "Revoke a previous signing key, and with it everything that it signed",
    access: Access::AnyOf(&["update:signing_keys"]),
    answer: Answer::One(200, &[NAMED]),
    refuses: &[404, 409, 412],
    ..Operation::DEFAULT
};

/// `PUT /keys/signing/{kid}/revoke`: for ever, at once.
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Path(kid): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &REVOKE).await?;
    let mut tx = app.store.write().await?;
    store::keys::lock(&mut tx).await?;
    let all = store::keys::all(&mut tx).await?;
    let key = find(&all, &kid)?.clone();
    let was = show(&key)?;
    admin.check_match(&was)?;
    let rows = of(&key.algorithm, all);
    let changed =
        rotation::revoke(&rows, &key, admin.now).map_err(|unwilling| refuse(unwilling, &kid))?;
    for key in &changed {
        store::keys::update(&mut tx, key).await?;
    }
    store::keys::forget_revoked(&mut tx, &key.algorithm, REVOKED_KEPT).await?;
    tx.note(Change::SigningKeys(key.algorithm.clone()));
    let act = Act::new("Revoke an application signing key").before(was);
    let after = changed.first().map(show).transpose()?.unwrap_or_default();
    admin.commit(&app, tx, act.after(after)).await?;
    Ok(answer(StatusCode::OK, &name(&key)))
}

fn find<'k>(keys: &'k [Key], kid: &str) -> Result<&'k Key, Problem> {
    keys.iter()
        .find(|key| key.kid == kid)
        .ok_or_else(|| Problem::not_found(Missing::SigningKey))
}

fn of(algorithm: &str, mut keys: Vec<Key>) -> Vec<Key> {
    keys.retain(|key| key.algorithm == algorithm);
    keys
}

fn refuse(unwilling: Unwilling, kid: &str) -> Problem {
    Problem::conflict(match unwilling {
        Unwilling::TooManyPrevious => format!(
            "{PREVIOUS_MAX} previous keys of this algorithm still verify tokens, the most that there can be. Revoke the oldest of them, or wait until its last token has ended."
        ),
        Unwilling::InItsTurn(KeyState::Next) => format!(
            "Key '{kid}' is the next one and has signed nothing. Rotate twice (POST /api/v2/keys/signing/rotate), then revoke it."
        ),
        Unwilling::InItsTurn(_) => format!(
            "Key '{kid}' is the current one. Rotate first (POST /api/v2/keys/signing/rotate), then revoke it."
        ),
    })
}

/// What rotation and revocation answer.
fn name(key: &Key) -> Value {
    json!({ "cert": key.certificate, "kid": key.kid })
}

/// A signing key as Auth0 shows it; what is unset is omitted.
#[expect(clippy::struct_excessive_bools, reason = "Auth0's shape")]
#[derive(Serialize)]
struct Shown<'a> {
    kid: &'a str,
    cert: &'a str,
    alg: &'a str,
    current: bool,
    next: bool,
    previous: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_until: Option<String>,
    fingerprint: &'a str,
    thumbprint: String,
    revoked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
}

fn show(key: &Key) -> Result<Value, Fault> {
    let cert = key.certificate.as_deref().unwrap_or_default();
    let fingerprint = fingerprint(cert)?;
    Ok(shown(&Shown {
        kid: &key.kid,
        cert,
        alg: &key.algorithm,
        current: key.state == KeyState::Current,
        next: key.state == KeyState::Next,
        previous: key.current_until.is_some(),
        current_since: key.current_since.map(to_rfc3339),
        current_until: key.current_until.map(to_rfc3339),
        thumbprint: fingerprint.replace(':', ""),
        fingerprint: &fingerprint,
        revoked: key.state == KeyState::Revoked,
        revoked_at: key.revoked_at.map(to_rfc3339),
    }))
}
