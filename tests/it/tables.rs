//! Generated from the shared tables: for every field of the core resources a valid value comes back,
//! the edges of its limits hold, and what is beyond them, or of another type, is refused by name.
//!
//! `tables/rows.rs` reads the tables, `tables/values.rs` makes values of a row, and
//! `tables/exceptions.rs` says where that is not enough, and why.

mod exceptions;
mod operations;
mod rows;
mod users;
mod values;

use std::sync::Arc;

use grantor::app::App;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::desk::{Desk, members, overlay};
use crate::harness::{Answer, Node, Wire, World, both_stores};
use crate::signed_in::{family, sign_in};
use exceptions::{NOT_READ_BACK, PUBLIC_KEY, companions};
use rows::Field;
use values::{Case, Expected, cases};

/// The schemas of the requests that are tried.
static SCHEMAS: [&str; 13] = [
    "CreateResourceServerRequestContent",
    "UpdateResourceServerRequestContent",
    "CreateClientRequestContent",
    "UpdateClientRequestContent",
    "CreateClientGrantRequestContent",
    "UpdateClientGrantRequestContent",
    "PostClientCredentialRequestContent",
    "PatchClientCredentialRequestContent",
    "UpdateTenantSettingsRequestContent",
    "CreateUserRequestContent",
    "UpdateUserRequestContent",
    "UpdateSessionRequestContent",
    "UpdateRefreshTokenRequestContent",
];

/// Fields that are tried at one time.
const AT_ONCE: usize = 8;

/// An administrator who can be in several places.
#[derive(Clone)]
struct Clerk {
    app: Arc<App>,
    wire: Wire,
    token: String,
}

impl Clerk {
    async fn at(node: &Node) -> Self {
        Self {
            app: Arc::clone(&node.app),
            wire: (**node).clone(),
            token: node.admin_token().await,
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.wire.manage_as(&self.token, method, path, body).await
    }

    async fn create(&self, path: &str, body: Value) -> Value {
        self.send(Method::POST, path, Some(body))
            .await
            .expect(StatusCode::CREATED)
            .json
    }

    /// A new application; its path.
    async fn application(&self) -> (String, String) {
        let created = self
            .create("/clients", json!({ "name": "An application" }))
            .await;
        let id = created["client_id"].as_str().unwrap().to_owned();
        (format!("/clients/{id}"), id)
    }

    /// A new user.
    async fn user(&self) -> String {
        let user = self.create("/users", users::minimal()).await;
        user["user_id"].as_str().unwrap().to_owned()
    }

    /// A new API; its identifier.
    async fn api(&self) -> String {
        let identifier = format!("urn:api:{}", unique());
        let scopes = json!([{ "value": "read" }, { "value": "x".repeat(280) }]);
        self.create(
            "/resource-servers",
            json!({ "identifier": identifier, "scopes": scopes }),
        )
        .await;
        identifier
    }
}

fn unique() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Where requests of a schema go: method, path, and what a creation needs beside the field.
struct Place {
    method: Method,
    path: String,
    body: Value,
}

async fn place(clerk: &Clerk, schema: &str) -> Place {
    let post = |path: String, body| Place {
        method: Method::POST,
        path,
        body,
    };
    let patch = |path| Place {
        method: Method::PATCH,
        path,
        body: json!({}),
    };
    let id = |created: &Value| created["id"].as_str().unwrap().to_owned();
    match schema {
        "CreateResourceServerRequestContent" => post(
            "/resource-servers".into(),
            json!({ "identifier": format!("urn:new:{}", unique()) }),
        ),
        "UpdateResourceServerRequestContent" => patch(crate::harness::api_path(&clerk.api().await)),
        "CreateClientRequestContent" => {
            post("/clients".into(), json!({ "name": "An application" }))
        }
        "UpdateClientRequestContent" => patch(clerk.application().await.0),
        "CreateClientGrantRequestContent" => {
            let (audience, (_, client_id)) = (clerk.api().await, clerk.application().await);
            post(
                "/client-grants".into(),
                json!({ "client_id": client_id, "audience": audience }),
            )
        }
        "UpdateClientGrantRequestContent" => {
            let (audience, (_, client_id)) = (clerk.api().await, clerk.application().await);
            let body = json!({ "client_id": client_id, "audience": audience });
            let grant = clerk.create("/client-grants", body).await;
            patch(format!("/client-grants/{}", id(&grant)))
        }
        "PostClientCredentialRequestContent" => {
            let (of, _) = clerk.application().await;
            post(
                format!("{of}/credentials"),
                json!({ "credential_type": "public_key", "pem": PUBLIC_KEY }),
            )
        }
        "PatchClientCredentialRequestContent" => {
            let all = format!("{}/credentials", clerk.application().await.0);
            let body = json!({ "credential_type": "public_key", "pem": PUBLIC_KEY });
            let credential = clerk.create(&all, body).await;
            patch(format!("{all}/{}", id(&credential)))
        }
        "UpdateTenantSettingsRequestContent" => patch("/tenants/settings".into()),
        "CreateUserRequestContent" => post("/users".into(), users::minimal()),
        "UpdateUserRequestContent" => patch(format!("/users/{}", clerk.user().await)),
        "UpdateSessionRequestContent" => {
            let id = sign_in(&clerk.app, &clerk.user().await, &[]).await;
            patch(format!("/sessions/{id}"))
        }
        "UpdateRefreshTokenRequestContent" => {
            let (user_id, (_, client_id)) = (clerk.user().await, clerk.application().await);
            let id = family(&clerk.app, &user_id, &client_id).await;
            patch(format!("/refresh-tokens/{id}"))
        }
        other => panic!("no place for {other}"),
    }
}

/// What is wrong with the answer to a case, if anything.
async fn try_case(
    clerk: &Clerk,
    place: &Place,
    field: &Field,
    (case, beside): (&Case, Value),
) -> Option<String> {
    let mut body = place.body.clone();
    overlay(&mut body, beside);
    body[field.name()] = case.value.clone();
    let answer = clerk
        .send(place.method.clone(), &place.path, Some(body))
        .await;
    let breach = match &case.expected {
        Expected::Taken | Expected::Accepted => taken(clerk, place, field, (case, &answer)).await,
        Expected::Refused(path) => refused(&answer, "invalid_body", path),
        Expected::NotSupported(path) => refused(&answer, "operation_not_supported", path),
    }?;
    let value: String = case.value.to_string().chars().take(120).collect();
    let body: String = answer.body.chars().take(300).collect();
    Some(format!(
        "{} {} {}: {value}: {breach}: {} {body}",
        place.method, place.path, field.path, answer.status
    ))
}

fn refused(answer: &Answer, code: &str, path: &str) -> Option<String> {
    let message = answer.json["message"].as_str().unwrap_or_default();
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
    let mut words = message
        .split(|c| !is_of_a_name(c))
        .map(|word| word.trim_end_matches('.'));
    let below = [format!("{path}."), format!("{path}[].")];
    let names =
        words.any(|word| word == path || below.iter().any(|prefix| word.starts_with(prefix)));
    let fits =
        answer.status == StatusCode::BAD_REQUEST && answer.json["errorCode"] == code && names;
    (!fits).then(|| format!("not 400 {code} naming {path}"))
}

/// Taken, shown by the answer and by a reading, without nulls.
async fn taken(
    clerk: &Clerk,
    place: &Place,
    field: &Field,
    (case, answer): (&Case, &Answer),
) -> Option<String> {
    let is_new = place.method == Method::POST;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    if answer.status != status {
        return Some("not taken".into());
    }
    let path = match (
        is_new,
        ["id", "client_id", "user_id"]
            .iter()
            .find_map(|name| answer.json[*name].as_str()),
    ) {
        (true, Some(id)) => format!("{}/{id}", place.path),
        _ => place.path.clone(),
    };
    let read = clerk.send(Method::GET, &path, None).await;
    let is_read_back = NOT_READ_BACK.iter().all(|(name, _)| *name != field.name());
    for (what, shown) in [("the answer", &answer.json), ("a reading", &read.json)] {
        if has_null(shown) {
            return Some(format!("{what} shows null: {shown}"));
        }
        let own = shown.get(field.name());
        let may_be_missing = case.expected == Expected::Accepted && own.is_none();
        if is_read_back && !may_be_missing && !shows(own, &case.value) {
            return Some(format!("{what} shows {:?}", shown.get(field.name())));
        }
    }
    (read.status != StatusCode::OK).then(|| "cannot be read".to_owned())
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

/// Whether what is shown holds what was sent. Defaults may stand beside it; what is empty or null may
/// be omitted, or give way to its default; a decimal string is its number.
fn shows(shown: Option<&Value>, sent: &Value) -> bool {
    let Some(shown) = shown else {
        return match sent {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.values().all(|member| shows(None, member)),
            _ => false,
        };
    };
    match (sent, shown) {
        (Value::Null, _) => true,
        (Value::Object(sent), Value::Object(own)) => {
            sent.iter().all(|(name, value)| shows(own.get(name), value))
        }
        (Value::Array(sent), Value::Array(own)) => {
            sent.len() == own.len()
                && sent
                    .iter()
                    .zip(own)
                    .all(|(sent, own)| shows(Some(own), sent))
        }
        (Value::String(text), Value::Number(number)) => *text == number.to_string(),
        _ => sent == shown,
    }
}

/// All cases of a top-level field, in order, on one object.
async fn try_field(clerk: Clerk, schema: &'static str, field: Field) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut here = place(&clerk, schema).await;
    for case in cases(schema, &field) {
        if here.method == Method::POST
            && matches!(case.expected, Expected::Taken | Expected::Accepted)
        {
            here = place(&clerk, schema).await;
        }
        let beside = companions(schema, &field.path);
        breaches.extend(try_case(&clerk, &here, &field, (&case, beside)).await);
    }
    breaches
}

/// All fields of the schemas, several at one time. The tenant has one object of settings, so its
/// fields are tried one by one.
async fn try_schemas(world: &World, schemas: &'static [&'static str]) {
    let clerk = Clerk::at(&world.node).await;
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let mut breaches = Vec::new();
    for schema in schemas.iter().copied() {
        for field in rows::schema(schema) {
            if schema == "UpdateTenantSettingsRequestContent" {
                breaches.extend(try_field(clerk.clone(), schema, field).await);
                continue;
            }
            let permit = Arc::clone(&room).acquire_owned().await.unwrap();
            let clerk = clerk.clone();
            running.spawn(async move {
                let breaches = try_field(clerk, schema, field).await;
                drop(permit);
                breaches
            });
        }
    }
    for of_field in running.join_all().await {
        breaches.extend(of_field);
    }
    breaches.sort();
    assert!(
        breaches.is_empty(),
        "\n{} breaches\n{}\n",
        breaches.len(),
        breaches.join("\n")
    );
}

both_stores! {
    async fn every_field_of_an_api_takes_what_the_tables_say(world: World) {
        try_schemas(world, &SCHEMAS[..2]).await;
    }

    async fn every_field_of_an_application_takes_what_the_tables_say(world: World) {
        try_schemas(world, &SCHEMAS[2..4]).await;
    }

    async fn every_field_of_grants_credentials_and_settings_takes_what_the_tables_say(world: World) {
        try_schemas(world, &SCHEMAS[4..9]).await;
    }

    async fn every_field_of_a_user_takes_what_the_tables_say(world: World) {
        try_schemas(world, &SCHEMAS[9..]).await;
    }

    async fn an_unknown_field_is_refused_by_name_everywhere(world: World) {
        let clerk = Clerk::at(&world.node).await;
        for schema in SCHEMAS {
            let place = place(&clerk, schema).await;
            for name in ["unknown_member", "Name", "created_at"] {
                let mut body = place.body.clone();
                body[name] = json!(1);
                let answer = clerk.send(place.method.clone(), &place.path, Some(body)).await;
                assert_eq!(refused(&answer, "invalid_body", name), None, "{schema} {answer:?}");
            }
        }
    }

    async fn what_a_creation_needs_is_named_where_it_is_missing(world: World) {
        let clerk = Clerk::at(&world.node).await;
        for schema in SCHEMAS.into_iter().filter(|schema| !schema.starts_with("Update")) {
            for field in rows::schema(schema).into_iter().filter(|field| field.is_required) {
                let place = place(&clerk, schema).await;
                let mut body = place.body.clone();
                body.as_object_mut().unwrap().remove(field.name());
                let answer = clerk.send(place.method, &place.path, Some(body)).await;
                assert_eq!(refused(&answer, "invalid_body", &field.path), None, "{schema} {answer:?}");
            }
        }
    }

    /// compatibility.md §1.2, note 2; `max_token_lifetime` is ours and always shown (§6).
    async fn a_minimal_api_shows_exactly_the_documented_defaults(world: World) {
        let desk = Desk::open(&world.node).await;
        let body = json!({ "name": "Orders", "identifier": "https://orders.example/" });
        let created = desk.post("/resource-servers", body).await.expect(StatusCode::CREATED).json;
        let mut rest = created.clone();
        let id = rest.as_object_mut().unwrap().remove("id").unwrap();
        assert!(id.as_str().is_some_and(|id| id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        let expected = json!({
            "name": "Orders",
            "identifier": "https://orders.example/",
            "allow_offline_access": false,
            "skip_consent_for_verifiable_first_party_clients": false,
            "subject_type_authorization": { "client": { "policy": "require_client_grant" }, "user": { "policy": "allow_all" } },
            "token_lifetime": 86_400,
            "token_lifetime_for_web": 7_200,
            "max_token_lifetime": 2_592_000,
            "signing_alg": "RS256",
        });
        assert_eq!(rest, expected);
        assert_eq!(desk.shown(&format!("/resource-servers/{}", id.as_str().unwrap())).await, created);
    }

    /// compatibility.md §1.4, "Observed on minimal POST".
    async fn a_minimal_application_shows_exactly_the_documented_defaults(world: World) {
        let desk = Desk::open(&world.node).await;
        let created = desk.post("/clients", json!({ "name": "Shop" })).await.expect(StatusCode::CREATED).json;
        let mut rest = created.clone();
        let id = rest.as_object_mut().unwrap().remove("client_id").unwrap();
        let secret = rest.as_object_mut().unwrap().remove("client_secret").unwrap();
        assert!(id.as_str().is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        assert!(secret.as_str().is_some_and(|secret| secret.len() >= 43));
        let expected = json!({
            "name": "Shop",
            // What Auth0 shows of every application (GetClientResponseContent).
            "tenant": "grantor.test",
            "global": false,
            "is_first_party": true,
            "oidc_conformant": false,
            "grant_types": ["authorization_code", "implicit", "refresh_token", "client_credentials"],
            "is_token_endpoint_ip_header_trusted": false,
            "sso_disabled": false,
            "cross_origin_authentication": false,
            "custom_login_page_on": true,
            "jwt_configuration": { "lifetime_in_seconds": 36_000, "secret_encoded": false },
            "refresh_token": {
                "rotation_type": "non-rotating",
                "expiration_type": "expiring",
                "leeway": 0,
                "token_lifetime": 2_592_000,
                "infinite_token_lifetime": false,
                "idle_token_lifetime": 1_296_000,
                "infinite_idle_token_lifetime": false,
            },
        });
        assert_eq!(rest, expected);
        let mut read = desk.shown(&format!("/clients/{}", id.as_str().unwrap())).await;
        read["client_secret"] = secret;
        assert_eq!(read, created);
    }

    async fn a_minimal_grant_and_a_minimal_credential_show_exactly_the_documented_fields(world: World) {
        let clerk = Clerk::at(&world.node).await;
        let of_grant = place(&clerk, "CreateClientGrantRequestContent").await;
        let grant = clerk.create(&of_grant.path, of_grant.body).await;
        assert_eq!(members(&grant), ["audience", "client_id", "id", "scope", "subject_type"]);
        assert_eq!((&grant["scope"], &grant["subject_type"]), (&json!([]), &json!("client")));
        let of_credential = place(&clerk, "PostClientCredentialRequestContent").await;
        let credential = clerk.create(&of_credential.path, of_credential.body).await;
        assert_eq!(members(&credential), ["alg", "created_at", "credential_type", "id", "kid", "updated_at"]);
        assert_eq!(credential["alg"], "RS256");
    }
}
