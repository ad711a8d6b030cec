//! Every field of an API: what is taken and shown, the edges of its limits, what is refused and
//! how (tables of Auth0's fields, and Grantor's rows over them; compatibility.md §1.2 and §6).

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, no_nulls, not_supported, refused};
use crate::harness::{api_path, both_stores};

const ORDERS: &str = "https://orders.example/";

/// What a field takes and what it does not.
struct Field {
    name: &'static str,
    /// What may be sent and what is shown then; null: the field is not shown.
    taken: Vec<(Value, Value)>,
    /// 400 `invalid_body`, naming the property.
    refused: Vec<(Value, &'static str)>,
    /// 400 `operation_not_supported`, naming the field.
    unbuilt: Vec<(Value, &'static str)>,
}

impl Field {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            taken: Vec::new(),
            refused: Vec::new(),
            unbuilt: Vec::new(),
        }
    }

    /// Taken and shown as it was sent.
    fn takes<const N: usize>(mut self, values: [Value; N]) -> Self {
        self.taken
            .extend(values.map(|value| (value.clone(), value)));
        self
    }

    /// Taken and shown as something else.
    fn takes_as(mut self, sent: Value, shown: Value) -> Self {
        self.taken.push((sent, shown));
        self
    }

    fn refuses<const N: usize>(mut self, values: [Value; N]) -> Self {
        self.refused.extend(values.map(|value| (value, self.name)));
        self
    }

    fn refuses_at(mut self, value: Value, property: &'static str) -> Self {
        self.refused.push((value, property));
        self
    }

    fn not_built<const N: usize>(mut self, values: [Value; N]) -> Self {
        self.unbuilt.extend(values.map(|value| (value, self.name)));
        self
    }
}

fn text_and_switches() -> Vec<Field> {
    let switch = |name| {
        Field::new(name)
            .takes([json!(true), json!(false)])
            .refuses([json!("true"), json!(1), json!(null), json!({})])
    };
    vec![
        Field::new("name")
            .takes([
                json!("N"),
                json!("n".repeat(200)),
                json!("ü".repeat(200)),
                json!("Orders & \"more\" %00"),
            ])
            .refuses([
                json!(""),
                json!("n".repeat(201)),
                json!("a <b"),
                json!("a> b"),
                json!("a\u{0}b"),
                json!("a\nb"),
                json!(5),
                json!(null),
                json!(["n"]),
            ]),
        switch("allow_offline_access"),
        switch("skip_consent_for_verifiable_first_party_clients"),
        Field::new("token_dialect")
            .takes([
                json!("access_token"),
                json!("access_token_authz"),
                json!("rfc9068_profile"),
                json!("rfc9068_profile_authz"),
                json!("opaque"),
            ])
            .refuses([json!("jwt"), json!("Opaque"), json!(""), json!(1)]),
        Field::new("signing_alg")
            .takes([
                json!("RS256"),
                json!("PS256"),
                json!("ES256"),
                json!("EdDSA"),
                json!("RS512"),
            ])
            .refuses([
                json!("none"),
                json!("rs256"),
                json!("HS512"),
                json!(""),
                json!(256),
                json!(null),
            ]),
        // Only HS256 has one: hs256.rs.
        Field::new("signing_secret")
            .takes_as(json!(null), Value::Null)
            .refuses([json!("0123456789abcdef0123456789abcdef"), json!(1)]),
    ]
}

fn scopes() -> Field {
    let longest = json!([{ "value": "s".repeat(280), "description": "d".repeat(500) }]);
    let two = json!([{ "value": "read:it" }, { "value": "write:it", "description": "Writes" }]);
    let too_long = json!([{ "value": "a", "description": "d".repeat(501) }]);
    Field::new("scopes")
        .takes([longest, two])
        .takes_as(json!([]), Value::Null)
        .takes_as(
            json!([{ "value": "r", "description": "" }]),
            json!([{ "value": "r" }]),
        )
        .refuses([
            json!("read"),
            json!({}),
            json!(null),
            json!(["read"]),
            json!([null]),
        ])
        .refuses_at(json!([{ "description": "no value" }]), "scopes[].value")
        .refuses_at(json!([{ "value": "" }]), "scopes[].value")
        .refuses_at(json!([{ "value": "s".repeat(281) }]), "scopes[].value")
        .refuses_at(json!([{ "value": 1 }]), "scopes[].value")
        .refuses_at(json!([{ "value": "two words" }]), "scopes[].value")
        .refuses_at(json!([{ "value": "quote\"" }]), "scopes[].value")
        .refuses_at(json!([{ "value": "back\\slash" }]), "scopes[].value")
        .refuses_at(json!([{ "value": "ümlaut" }]), "scopes[].value")
        .refuses_at(
            json!([{ "value": "a" }, { "value": "a" }]),
            "scopes[].value",
        )
        .refuses_at(too_long, "scopes[].description")
        .refuses_at(
            json!([{ "value": "a", "descripton": "misspelt" }]),
            "scopes[].descripton",
        )
}

/// What is no lifetime at any level.
fn not_lifetimes() -> [Value; 17] {
    [
        json!(0),
        json!("0"),
        json!("-0"),
        json!(3600.5),
        json!(3600.0),
        json!("3600.0"),
        json!("1e3"),
        json!("+60"),
        json!(" 60"),
        json!(""),
        json!("1h"),
        json!(true),
        json!([60]),
        json!({}),
        json!(9_223_372_036_854_775_808_u64),
        json!("9223372036854775808"),
        json!(1e300),
    ]
}

fn lifetimes() -> Vec<Field> {
    vec![
        Field::new("token_lifetime")
            .takes([
                json!(1),
                json!(7199),
                json!(86400),
                json!(2_592_000),
                json!(-1),
            ])
            .takes_as(json!("3600"), json!(3600))
            .takes_as(json!("-1"), json!(-1))
            .takes_as(json!(-86400), json!(-1))
            .takes_as(json!(i64::MIN), json!(-1))
            .refuses(not_lifetimes())
            .refuses([
                json!(null),
                json!(2_592_001),
                json!("2592001"),
                json!(i64::MAX),
            ]),
        Field::new("token_lifetime_for_web")
            .takes([json!(1), json!(7200), json!(86400)])
            .takes_as(json!("60"), json!(60))
            .refuses(not_lifetimes())
            .refuses([
                json!(null),
                json!(-1),
                json!("-1"),
                json!(86401),
                json!(i64::MAX),
                json!(i64::MIN),
            ]),
        Field::new("max_token_lifetime")
            .takes([json!(86400), json!(2_592_000), json!(-1)])
            .takes_as(json!("90000"), json!(90000))
            .takes_as(json!(-86400), json!(-1))
            .takes_as(json!(null), json!(2_592_000))
            .refuses(not_lifetimes())
            .refuses([json!(2_592_001), json!(i64::MAX)]),
    ]
}

fn policies() -> Field {
    let shown =
        |client| json!({ "client": { "policy": client }, "user": { "policy": "allow_all" } });
    let user = |policy| json!({ "policy": policy });
    let of_users = |policy| json!({ "client": user("require_client_grant"), "user": user(policy) });
    Field::new("subject_type_authorization")
        .takes_as(json!({}), shown("require_client_grant"))
        .takes_as(
            json!({ "client": { "policy": "deny_all" } }),
            shown("deny_all"),
        )
        .takes_as(
            json!({ "client": { "policy": "require_client_grant" } }),
            shown("require_client_grant"),
        )
        .takes_as(
            json!({ "user": { "policy": "allow_all" } }),
            shown("require_client_grant"),
        )
        .takes_as(json!({ "user": user("deny_all") }), of_users("deny_all"))
        .refuses([json!(null), json!("deny_all"), json!([])])
        .refuses_at(
            json!({ "client": "deny_all" }),
            "subject_type_authorization.client",
        )
        .refuses_at(
            json!({ "client": { "policy": "allow_all" } }),
            "subject_type_authorization.client.policy",
        )
        .refuses_at(
            json!({ "client": { "polcy": "deny_all" } }),
            "subject_type_authorization.client.polcy",
        )
        .refuses_at(
            json!({ "user": { "policy": "nonsense" } }),
            "subject_type_authorization.user.policy",
        )
        .refuses_at(json!({ "admin": {} }), "subject_type_authorization.admin")
}

/// The rows of unbuilt.tsv; what has no effect is taken.
fn unbuilt() -> Vec<Field> {
    let pem = json!({ "format": "compact-nested-jwe",
        "encryption_key": { "alg": "RSA-OAEP-256", "pem": "-----BEGIN PUBLIC KEY-----" } });
    let bound = |required| json!({ "mechanism": "dpop", "required": required });
    vec![
        Field::new("enforce_policies")
            .takes([json!(false)])
            .not_built([json!(true)]),
        Field::new("proof_of_possession")
            .takes([json!(null), bound(false)])
            .not_built([bound(true)]),
        Field::new("token_encryption")
            .takes([json!(null)])
            .not_built([pem]),
        Field::new("consent_policy")
            .takes([json!(null)])
            .not_built([json!("transactional-authorization-with-mfa")]),
        Field::new("authorization_details")
            .takes([json!(null), json!([])])
            .not_built([json!([{ "type": "payment" }])]),
        Field::new("authorization_policy")
            .takes([json!(null)])
            .not_built([json!({ "policy_id": "p" })]),
        Field::new("allow_online_access")
            .takes([json!(false)])
            .not_built([json!(true)]),
        Field::new("allow_online_access_with_ephemeral_sessions")
            .takes([json!(false)])
            .not_built([json!(true)]),
        Field::new("token_lifetime_for_anonymous_access_tokens")
            .takes([json!(null)])
            .not_built([json!(60), json!(-1)]),
    ]
}

fn built() -> Vec<Field> {
    let mut fields = text_and_switches();
    fields.push(scopes());
    fields.extend(lifetimes());
    fields.push(policies());
    fields
}

fn with(identifier: &str, field: &str, value: &Value) -> Value {
    json!({ "identifier": identifier, field: value })
}

/// The shared tables' top-level fields of creations and changes of APIs.
fn shared_fields() -> Vec<&'static str> {
    let auth0 = include_str!("../data/auth0-management/fields.tsv");
    let ours = include_str!("../data/auth0-management/grantor-overrides.tsv");
    let unbuilt = include_str!("../data/auth0-management/unbuilt.tsv");
    let is_of_apis = |resource: &str| {
        resource == "resource-servers" || resource.contains("ResourceServerRequestContent")
    };
    let rows = [auth0, ours, unbuilt].into_iter().flat_map(str::lines);
    let mut fields: Vec<_> = rows
        .filter_map(|row| row.split_once('\t'))
        .filter(|(resource, _)| is_of_apis(resource))
        .map(|(_, rest)| rest.split(['\t', '.', '[']).next().unwrap())
        .collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

#[test]
fn every_field_of_the_shared_tables_is_tried_here() {
    let tried: Vec<_> = built()
        .iter()
        .chain(&unbuilt())
        .map(|field| field.name)
        .collect();
    let missing: Vec<_> = shared_fields()
        .into_iter()
        // Creation only, tried in manage_resource_servers.rs.
        .filter(|field| *field != "identifier" && !tried.contains(field))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(shared_fields().len() > 20, "the tables were read");
}

both_stores! {
    async fn what_a_field_takes_at_creation_is_what_is_shown(world: World) {
        let desk = Desk::open(&world.node).await;
        for field in built() {
            for (number, (sent, shown)) in field.taken.iter().enumerate() {
                let identifier = format!("urn:{}:{number}", field.name);
                let created = desk
                    .post("/resource-servers", with(&identifier, field.name, sent))
                    .await;
                let created = created.expect(StatusCode::CREATED).json;
                assert_eq!(&created[field.name], shown, "{} {sent}", field.name);
                no_nulls(&created);
                assert_eq!(desk.shown(&api_path(&identifier)).await, created);
            }
        }
    }

    async fn what_a_field_takes_in_a_change_is_what_is_shown(world: World) {
        let desk = Desk::open(&world.node).await;
        for field in built() {
            let identifier = format!("urn:{}", field.name);
            let before = desk.api(&identifier, json!({})).await;
            for (sent, shown) in &field.taken {
                let changed = desk
                    .patch(&api_path(&identifier), json!({ field.name: sent }))
                    .await;
                let changed = changed.expect(StatusCode::OK).json;
                if field.name != "subject_type_authorization" {
                    assert_eq!(&changed[field.name], shown, "{} {sent}", field.name);
                }
                no_nulls(&changed);
                assert_eq!(desk.shown(&api_path(&identifier)).await, changed);
                // Each value is tried on the API as it was created.
                desk.delete(&api_path(&identifier))
                    .await
                    .expect(StatusCode::NO_CONTENT);
                let mut again = desk.api(&identifier, json!({})).await;
                again["id"] = before["id"].clone();
                assert_eq!(again, before);
            }
        }
    }

    async fn what_a_field_does_not_take_is_named_and_changes_nothing(world: World) {
        let desk = Desk::open(&world.node).await;
        let before = desk
            .api(ORDERS, json!({ "scopes": [{ "value": "read" }] }))
            .await;
        let all =
            async || desk.shown("/resource-servers?include_totals=true").await["total"].clone();
        let total = all().await;
        for field in built() {
            for (value, property) in &field.refused {
                let created = desk
                    .post("/resource-servers", with("urn:new", field.name, value))
                    .await;
                refused(created, property);
                let mut change = json!({ "name": "Changed", "allow_offline_access": true });
                change[field.name] = value.clone();
                refused(desk.patch(&api_path(ORDERS), change).await, property);
            }
            assert_eq!(
                desk.shown(&api_path(ORDERS)).await,
                before,
                "{}",
                field.name
            );
        }
        assert_eq!(all().await, total);
    }

    async fn a_promise_that_is_not_built_is_refused_by_name_and_with_a_reason(world: World) {
        let desk = Desk::open(&world.node).await;
        let before = desk.api(ORDERS, json!({})).await;
        for field in built().into_iter().chain(unbuilt()) {
            for (value, property) in &field.unbuilt {
                let created = desk
                    .post("/resource-servers", with("urn:new", field.name, value))
                    .await;
                not_supported(created, property);
                let change = json!({ "name": "Changed", field.name: value });
                not_supported(desk.patch(&api_path(ORDERS), change).await, property);
            }
        }
        assert_eq!(desk.shown(&api_path(ORDERS)).await, before);
        desk.get("/resource-servers/urn%3Anew")
            .await
            .expect(StatusCode::NOT_FOUND);
    }

    async fn values_without_effect_are_taken(world: World) {
        let desk = Desk::open(&world.node).await;
        for field in unbuilt() {
            for (number, (value, _)) in field.taken.iter().enumerate() {
                let identifier = format!("urn:{}:{number}", field.name);
                let created = desk
                    .post("/resource-servers", with(&identifier, field.name, value))
                    .await;
                let created = created.expect(StatusCode::CREATED).json;
                let changed = desk
                    .patch(&api_path(&identifier), json!({ field.name: value }))
                    .await;
                let changed = changed.expect(StatusCode::OK).json;
                for shown in [created, changed] {
                    no_nulls(&shown);
                    let shown = shown.get(field.name);
                    assert!(
                        shown.is_none_or(|shown| shown == value),
                        "{} {shown:?}",
                        field.name
                    );
                }
            }
        }
    }

    async fn an_unknown_field_is_refused_by_name_at_creation_and_in_a_change(world: World) {
        let desk = Desk::open(&world.node).await;
        let before = desk.api(ORDERS, json!({})).await;
        for property in ["token_lifetme", "Name", "created_at", "enabled", "_"] {
            let body = json!({ "identifier": "urn:new", property: 1 });
            refused(desk.post("/resource-servers", body).await, property);
            refused(
                desk.patch(&api_path(ORDERS), json!({ property: null, "name": "x" }))
                    .await,
                property,
            );
        }
        assert_eq!(desk.shown(&api_path(ORDERS)).await, before);
    }

    async fn an_api_defines_at_most_a_thousand_scopes(world: World) {
        let desk = Desk::open(&world.node).await;
        let scopes = |count: usize| -> Value {
            (0..count)
                .map(|n| json!({ "value": format!("s{n}") }))
                .collect()
        };
        let most = desk
            .api("urn:most", json!({ "scopes": scopes(1000) }))
            .await;
        assert_eq!(most["scopes"].as_array().map(Vec::len), Some(1000));
        refused(
            desk.post(
                "/resource-servers",
                with("urn:more", "scopes", &scopes(1001)),
            )
            .await,
            "scopes",
        );
    }
}
