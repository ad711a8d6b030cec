//! `/api/v2/clients/{client_id}/credentials`: public keys by which an application proves who it is
//! (`private_key_jwt`). A key that is stored opens nothing yet: it is attached by
//! `client_authentication_methods` of its application. Whoever brings a key can become the
//! application, so the rules of secrets hold (compatibility.md §6).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::access::{Path, may_become};
use super::answer::{Missing, Problem, gone, json as answer, resource, selected, shown};
use super::call::{Act, Call, future_instant};
use super::clients;
use crate::app::App;
use crate::model::change::Change;
use crate::model::client_credential::{CREDENTIALS_MAX, ClientCredential, CredentialType};
use crate::model::instant;
use crate::model::public_key::{self, AssertionAlgorithm, FromPem, PEM_CHARS_MAX};
use crate::secret;
use crate::store::{self, Write};
use crate::wire::operation::{Access, Answer, Body as Takes, Operation};
use crate::wire::schema::{
    Field, Fields, Form, Tables, boolean, choice, formed, instant as at, text,
};

const TYPES: [&str; 3] = ["public_key", "x509_cert", "cert_subject_dn"];
const NO_MUTUAL_TLS: &str =
    "mutual TLS is not built yet; send the public key or certificate as pem.";

/// What can be set of a credential at its creation.
pub(super) const TABLE: &[Field] = &[
    choice("credential_type", &TYPES)
        .required()
        .unbuilt(|kind| kind != "cert_subject_dn", NO_MUTUAL_TLS),
    text("subject_dn", 1, 256).unbuilt(|_| false, NO_MUTUAL_TLS),
    formed("pem", 1, PEM_CHARS_MAX, Form::Lines).required(),
    choice("alg", &AssertionAlgorithm::NAMES),
    formed("kid", 10, 64, Form::Word),
    text("name", 0, 128),
    at("expires_at"),
    boolean("parse_expiry_from_cert"),
];
/// A credential as it is shown.
const SHOWN: Tables = &[&[
    text("id", 1, 255),
    choice("credential_type", &TYPES),
    text("name", 0, 128),
    formed("kid", 10, 64, Form::Word),
    choice("alg", &AssertionAlgorithm::NAMES),
    text("thumbprint_sha256", 1, 64),
    at("created_at"),
    at("updated_at"),
    at("expires_at"),
]];

pub(crate) const LIST: Operation = Operation {
    summary: "List an application's public keys",
    access: Access::AnyOf(&["read:client_credentials"]),
    answer: Answer::List(SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /clients/{client_id}/credentials`: all of them; they are few.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Path(client_id): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    call.authorize(&app, &LIST).await?;
    let mut conn = app.store.read().await?;
    let application = store::applications::get(&mut conn, &client_id).await?;
    application.ok_or_else(clients::not_found)?;
    let all = store::client_credentials::of_application(&mut conn, &client_id).await?;
    let all: Vec<_> = all.iter().map(show).collect();
    Ok(answer(StatusCode::OK, &all))
}

pub(crate) const CREATE: Operation = Operation {
    summary: "Give an application a public key",
    access: Access::AnyOf(&["create:client_credentials"]),
    body: Takes::Fields(&[TABLE]),
    answer: Answer::One(201, SHOWN),
    refuses: &[404, 409],
    ..Operation::DEFAULT
};

/// `POST /clients/{client_id}/credentials`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Path(client_id): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &CREATE, body).await?;
    let credential = read(&mut fields, admin.now)?;
    let mut tx = app.store.write().await?;
    if !store::applications::lock(&mut tx, &client_id).await? {
        return Err(clients::not_found());
    }
    may_become(&app, &mut tx, &admin.caller, &client_id).await?;
    insert(&mut tx, &client_id, &credential).await?;
    let shown = show(&credential);
    let act = Act::new("Create a client credential").client(&client_id);
    admin.commit(&app, tx, act.after(shown.clone())).await?;
    Ok(resource(StatusCode::CREATED, &shown))
}

pub(crate) const GET: Operation = Operation {
    summary: "Read about an application's public key",
    access: Access::AnyOf(&["read:client_credentials"]),
    answer: Answer::One(200, SHOWN),
    refuses: &[404],
    ..Operation::DEFAULT
};

/// `GET /clients/{client_id}/credentials/{credential_id}`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path((client_id, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Problem> {
    call.authorize(&app, &GET).await?;
    let mut conn = app.store.read().await?;
    let found = store::client_credentials::get(&mut conn, &client_id, &id).await?;
    Ok(resource(
        StatusCode::OK,
        &show(&found.ok_or_else(not_found)?),
    ))
}

pub(crate) const UPDATE: Operation = Operation {
    summary: "Change when an application's public key ends",
    access: Access::AnyOf(&["update:client_credentials"]),
    body: Takes::Fields(&[&[at("expires_at").or_null()]]),
    answer: Answer::One(200, SHOWN),
    refuses: &[404, 412],
    ..Operation::DEFAULT
};

/// `PATCH /clients/{client_id}/credentials/{credential_id}`: only its end. Letting it end sooner
/// hands out nothing; letting it live longer does.
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path((client_id, id)): Path<(String, String)>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let (admin, mut fields) = call.authorize_body(&app, &UPDATE, body).await?;
    let named = future_instant(&mut fields, "expires_at", admin.now)?;
    let mut tx = app.store.write().await?;
    store::applications::lock(&mut tx, &client_id).await?;
    let found = store::client_credentials::get(&mut tx, &client_id, &id).await?;
    let mut credential = found.ok_or_else(not_found)?;
    let was = show(&credential);
    admin.check_match(&was)?;
    if let Some(expires_at) = named {
        let end = |at: Option<i64>| at.unwrap_or(i64::MAX);
        if end(expires_at) > end(credential.expires_at) {
            may_become(&app, &mut tx, &admin.caller, &client_id).await?;
        }
        let key = (client_id.as_str(), id.as_str());
        store::client_credentials::update_end(&mut tx, key, expires_at, admin.now).await?;
        (credential.expires_at, credential.updated_at) = (expires_at, admin.now);
    }
    tx.note(Change::Application(client_id.clone()));
    let shown = show(&credential);
    let act = Act::new("Update a client credential").client(&client_id);
    let act = act.before(was).after(shown.clone());
    admin.commit(&app, tx, act).await?;
    let readable = admin.readable(GET.access, &["id"], shown.clone());
    Ok(selected(StatusCode::OK, &shown, &readable))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Delete a public key that is attached no more",
    access: Access::AnyOf(&["delete:client_credentials"]),
    answer: Answer::Empty(204),
    refuses: &[409, 412],
    ..Operation::DEFAULT
};

/// `DELETE /clients/{client_id}/credentials/{credential_id}`
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path((client_id, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Problem> {
    let (admin, _) = call.authorize(&app, &DELETE).await?;
    let mut tx = app.store.write().await?;
    store::applications::lock(&mut tx, &client_id).await?;
    let Some(credential) = store::client_credentials::get(&mut tx, &client_id, &id).await? else {
        return Ok(gone());
    };
    let was = show(&credential);
    admin.check_match(&was)?;
    let application = store::applications::get(&mut tx, &client_id).await?;
    let is_of = |ids: &[String]| ids.contains(&id);
    let attached = application
        .as_ref()
        .and_then(|own| own.private_key_jwt.as_deref());
    if attached.is_some_and(is_of) {
        return Err(Problem::conflict(
            "The credential is attached. Take it out of the client's client_authentication_methods first.",
        ));
    }
    if application.is_some_and(|own| is_of(&own.sign_in.request_credentials)) {
        return Err(Problem::conflict(
            "The credential signs requests. Take it out of the client's signed_request_object first.",
        ));
    }
    store::client_credentials::delete(&mut tx, &client_id, &id).await?;
    let act = Act::new("Delete a client credential").client(&client_id);
    admin.commit(&app, tx, act.before(was)).await?;
    Ok(gone())
}

/// A new credential from what [`TABLE`] has let pass.
pub(super) fn read(fields: &mut Fields, now: i64) -> Result<ClientCredential, Problem> {
    let named_type = fields.choice("credential_type", CredentialType::parse);
    let credential_type = named_type.unwrap_or(CredentialType::PublicKey);
    let alg = fields.choice("alg", AssertionAlgorithm::parse);
    let algorithm = alg.unwrap_or(AssertionAlgorithm::Rs256);
    let path = fields.path("pem");
    let pem = fields.text("pem").unwrap_or_default();
    let FromPem { key, certificate } =
        public_key::from_pem(&pem, algorithm).map_err(|why| Problem::property(&path, why))?;
    let named = future_instant(fields, "expires_at", now)?.flatten();
    let ends_with_it = fields.boolean("parse_expiry_from_cert") == Some(true)
        || credential_type == CredentialType::X509Cert;
    let certificate_end = match &certificate {
        None if ends_with_it => {
            return Err(Problem::property(
                &path,
                "Not a certificate, so nothing says when it ends",
            ));
        }
        Some(facts) if ends_with_it => Some(facts.ends_at),
        _ => None,
    };
    // Auth0: an end that is named wins over the certificate's.
    let expires_at = named.or(certificate_end);
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Problem::property(&path, "The certificate has expired"));
    }
    let kid = fields.text("kid");
    Ok(ClientCredential {
        id: format!("cred_{}", secret::random_alphanumeric(22)),
        credential_type,
        name: fields.text("name").filter(|name| !name.is_empty()),
        kid: kid.unwrap_or_else(|| key.thumbprint().to_owned()),
        algorithm,
        key,
        thumbprint_sha256: certificate.map(|facts| facts.thumbprint_sha256),
        expires_at,
        created_at: now,
        updated_at: now,
    })
}

/// Stores a credential where there is room; the application's row is locked.
pub(super) async fn insert(
    tx: &mut Write,
    client_id: &str,
    credential: &ClientCredential,
) -> Result<(), Problem> {
    let all = store::client_credentials::of_application(tx, client_id).await?;
    if all.len() >= CREDENTIALS_MAX {
        return Err(Problem::conflict(format!(
            "The client has {CREDENTIALS_MAX} credentials, the most that it can have. Detach and delete one first."
        )));
    }
    if !store::client_credentials::insert(tx, client_id, credential).await? {
        let kid = &credential.kid;
        return Err(Problem::conflict(format!(
            "The client has a credential with the kid {kid} already. A key is stored once; another key needs another kid."
        )));
    }
    Ok(())
}

fn not_found() -> Problem {
    Problem::not_found(Missing::Credential)
}

/// A credential as Auth0 shows it; what is unset is omitted.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    credential_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    kid: &'a str,
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbprint_sha256: Option<&'a str>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

fn show(credential: &ClientCredential) -> Value {
    shown(&Shown {
        id: &credential.id,
        credential_type: credential.credential_type.as_str(),
        name: credential.name.as_deref(),
        kid: &credential.kid,
        alg: credential.algorithm.as_str(),
        thumbprint_sha256: credential.thumbprint_sha256.as_deref(),
        created_at: instant::to_rfc3339(credential.created_at),
        updated_at: instant::to_rfc3339(credential.updated_at),
        expires_at: credential.expires_at.map(instant::to_rfc3339),
    })
}
