//! Where the generator does not know enough: each line with its reason. Values listed here take the
//! place of generated ones for that field and all below it.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::rows::{UNBUILT, lines};
use super::values::{Case, Expected};

/// Values of a field in the place of generated ones.
pub(super) struct Listed {
    /// The end of the schema's name, such as `ClientRequestContent`: creation and change alike.
    of: &'static str,
    path: &'static str,
    why: &'static str,
    taken: Vec<Value>,
    /// Without effect: taken, and shown as it is or not at all.
    accepted: Vec<Value>,
    refused: Vec<Value>,
    not_supported: Vec<Value>,
}

impl Listed {
    pub(super) fn taken(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.taken = values.into_iter().collect();
        self
    }

    pub(super) fn accepted(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.accepted = values.into_iter().collect();
        self
    }

    pub(super) fn refused(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.refused = values.into_iter().collect();
        self
    }

    /// Refused with `operation_not_supported`.
    pub(super) fn not_supported(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.not_supported = values.into_iter().collect();
        self
    }
}

const API: &str = "ResourceServerRequestContent";
const CLIENT: &str = "ClientRequestContent";
const GRANT: &str = "ClientGrantRequestContent";
const CREDENTIAL: &str = "ClientCredentialRequestContent";
const SETTINGS: &str = "TenantSettingsRequestContent";

static LISTED: LazyLock<Vec<Listed>> = LazyLock::new(listed);

fn listed() -> Vec<Listed> {
    let of = |of, path, why| Listed {
        of,
        path,
        why,
        taken: Vec::new(),
        accepted: Vec::new(),
        refused: Vec::new(),
        not_supported: Vec::new(),
    };
    let mut all = vec![
        of("UpdateResourceServerRequestContent", "identifier", "immutable; the overrides name both schemas in one row")
            .refused([json!("urn:other")]),
        of(API, "token_lifetime", "negative values are shown as -1, and clamped by the maximum (manage_api_lifetimes.rs)")
            .taken([json!(1), json!(2_592_000), json!(-1), json!("600")])
            .refused([json!(0), json!(2_592_001), json!("long"), json!(1.5), json!(true), json!({})]),
        of(API, "max_token_lifetime", "the same, and null unsets it")
            .taken([json!(86_400), json!(2_592_000), json!(-1), json!(null)])
            .refused([json!(0), json!(2_592_001), json!("long"), json!(1.5), json!([])]),
        of(API, "token_lifetime_for_web", "its limit is token_lifetime, 86400 where none is named")
            .taken([json!(1), json!(86_400)])
            .refused([json!(0), json!(86_401), json!("long"), json!(true)]),
        of(API, "scopes[].value", "a scope has no spaces, quotes and backslashes (RFC 6749 section 3.3)")
            .taken([json!("read:orders"), json!("x"), json!("x".repeat(280))])
            .refused([json!(""), json!("x".repeat(281)), json!("two words"), json!("a\"b"), json!("a\\b"), json!(1)]),
        of("CreateClientGrantRequestContent", "client_id", "names the application; unknown ones are 404 (manage_client_grants.rs)")
            .refused([json!(1), json!(""), json!([])]),
        of("CreateClientGrantRequestContent", "audience", "names the API; unknown ones are 404 (manage_client_grants.rs)")
            .refused([json!(1), json!(""), json!([])]),
        of(GRANT, "scope", "only scopes that the API defines")
            .taken([json!(["read", "x".repeat(280)]), json!(["read"]), json!([])])
            .refused([json!(["unknown"]), json!([""]), json!(["x".repeat(281)]), json!("read write"), json!([1]), json!(1)]),
        of(CLIENT, "client_secret", "write only: shown once, by the answer that sets it; printable ASCII, 16 to 256")
            .taken([json!("x".repeat(16)), json!("x".repeat(256)), json!("with some spaces in it")])
            .refused([json!("x".repeat(15)), json!("x".repeat(257)), json!("of an \u{fc}mlaut letter"), json!(1)]),
        of(CLIENT, "grant_types", "only grant types that exist somewhere")
            .taken([json!(["client_credentials"]), json!(["authorization_code", "implicit", "refresh_token", "password"]), json!([])])
            .refused([json!(["nonsense"]), json!([1]), json!("x y"), json!({})]),
        of(CLIENT, "app_type", "resource_server needs its companion, tried below; the rest is the schema's list")
            .taken(["native", "spa", "regular_web", "non_interactive", "express_configuration", "rms", "zoom", "sso_integration", "oag"].map(Value::from))
            .refused([json!("nonsense"), json!("Native"), json!(1), json!([])]),
        of(CLIENT, "resource_server_identifier", "names an API, with app_type resource_server (manage_clients.rs)")
            .refused([json!(""), json!("x".repeat(601)), json!(1), json!({})]),
        of(CLIENT, "access_token_lifetimes", "any integer but 0; negative is shown as -1; null inherits")
            .taken([json!({ "application": 600 }), json!({ "user": 1, "application": -1 }), json!({ "user": null }), json!({}), json!(null)])
            .refused([json!("x"), json!(1), json!([])]),
        of(CLIENT, "client_metadata", "values are texts of at most 255; null takes a name away")
            .taken([json!({ "a": "b" }), json!({ "x": "y".repeat(255) })])
            .refused([json!("x"), json!(1), json!([]), (0..11).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into()]),
        of(CLIENT, "native_social_login", "its members are those of the three networks")
            .taken([json!({ "apple": { "enabled": true } }), json!({ "google": { "enabled": false } })])
            .refused([json!({}), json!("x"), json!({ "apple": { "enabled": 1 } })]),
        of(CLIENT, "refresh_token.rotation_type", "rotating goes with expiring, the second field")
            .taken([json!("non-rotating")])
            .refused([json!("nonsense"), json!(1)]),
        of(CLIENT, "refresh_token.policies[].scope", "scopes as RFC 6749 has them")
            .taken([json!(["read:orders"]), json!(["x".repeat(280)])])
            .refused([json!([""]), json!(["x".repeat(281)]), json!("x y"), json!([1])]),
        of(CLIENT, "default_organization.organization_id", "below a field that is not built").taken([json!("org_0123456789abcdef")]),
        of(CLIENT, "jwt_configuration.alg", "HS256 would sign ID tokens with a secret of which only a digest is kept")
            .taken([json!("RS256"), json!("RS512"), json!("PS256"), json!("ES256"), json!("EdDSA")])
            .refused([json!("nonsense"), json!(1)])
            .not_supported([json!("HS256")]),
        of("CreateClientRequestContent", "client_authentication_methods", "credentials need keys and go without token_endpoint_auth_method (manage_credentials.rs)")
            .taken([json!({ "private_key_jwt": { "credentials": [{ "credential_type": "public_key", "pem": PUBLIC_KEY }] } })])
            .refused([json!("x"), json!({ "private_key_jwt": {} }), json!({ "private_key_jwt": { "credentials": [{}] } })])
            .not_supported([json!({ "tls_client_auth": { "credentials": [] } }), json!({ "self_signed_tls_client_auth": { "credentials": [] } })]),
        of("UpdateClientRequestContent", "client_authentication_methods", "names credentials that are stored (manage_credentials.rs)")
            .taken([json!(null)])
            .refused([json!("x"), json!({ "private_key_jwt": {} }), json!({ "private_key_jwt": { "credentials": [{ "id": "unknown" }] } })])
            .not_supported([json!({ "tls_client_auth": { "credentials": [] } }), json!({ "self_signed_tls_client_auth": { "credentials": [] } })]),
        of("CreateClientRequestContent", "signed_request_object", "credentials need keys (request_objects.rs)")
            .taken([json!({ "required": false }), json!({ "required": true })])
            .refused([json!("x"), json!({ "required": "maybe" }), json!({ "credentials": [{}] })]),
        of("UpdateClientRequestContent", "signed_request_object", "names credentials that are stored (request_objects.rs)")
            .taken([json!({ "required": true }), json!({ "required": false })])
            .refused([json!("x"), json!({ "required": "maybe" }), json!({ "credentials": [{ "id": "unknown" }] })]),
        of(CREDENTIAL, "credential_type", "mutual TLS is not built")
            .taken([json!("public_key")])
            .refused([json!("nonsense"), json!(1)])
            .not_supported([json!("cert_subject_dn")]),
        of(CREDENTIAL, "subject_dn", "belongs to mutual TLS, which is not built").not_supported([json!("CN=a")]),
        of(CREDENTIAL, "pem", "a public key or a certificate; write only")
            .taken([json!(PUBLIC_KEY)])
            .refused([json!("x"), json!(""), json!(1)]),
        of(CREDENTIAL, "alg", "ES256 and EdDSA need keys of their kinds")
            .taken([json!("RS256"), json!("RS384"), json!("PS256")])
            .refused([json!("nonsense"), json!("HS256"), json!(1)]),
        of(CREDENTIAL, "parse_expiry_from_cert", "needs a certificate (manage_credentials.rs)")
            .taken([json!(false)])
            .refused([json!("maybe"), json!(1)]),
    ];
    all.push(
        of(GRANT, "allow_all_scopes", "false is omitted")
            .taken([json!(true)])
            .accepted([json!(false)])
            .refused([json!("x"), json!(1)]),
    );
    all.extend(signing(&of));
    all.extend(settings(&of));
    all.extend(unbuilt(&of));
    all.extend(super::users::listed(&of));
    all
}

/// An RSA key of 2048 bits.
pub(super) const PUBLIC_KEY: &str = include_str!("../../data/public_keys/rsa_2048.pem");

pub(super) type Of<'a> = &'a dyn Fn(&'static str, &'static str, &'static str) -> Listed;

fn signing(of: Of<'_>) -> Vec<Listed> {
    vec![
        of(
            API,
            "signing_secret",
            "the limit counts bytes, and the secret is printable; shown once, by the answer that sets it",
        )
        .taken([json!("x".repeat(32)), json!("with some spaces, and long enough")])
        .refused([json!("x".repeat(31)), json!(""), json!(1), json!({})]),
    ]
}

/// What `unbuilt.tsv` says, row by row.
fn unbuilt(of: Of<'_>) -> Vec<Listed> {
    const WHY: &str = "unbuilt.tsv";
    let off = |resource, path| {
        of(resource, path, WHY)
            .accepted([json!(false)])
            .not_supported([json!(true)])
            .refused([json!("x"), json!(1)])
    };
    let required = |required: bool| json!({ "mechanism": "dpop", "required": required });
    vec![
        off(API, "enforce_policies"),
        of(API, "proof_of_possession", WHY).accepted([json!(null), required(false)]).not_supported([required(true)]).refused([json!("x")]),
        of(API, "token_encryption", WHY).accepted([json!(null)]).not_supported([json!({ "format": "compact-nested-jwe", "encryption_key": { "alg": "RSA-OAEP-256", "pem": PUBLIC_KEY } })]).refused([json!("x")]),
        of(API, "consent_policy", WHY).accepted([json!(null)]).not_supported([json!("transactional-authorization-with-mfa")]).refused([json!(1)]),
        of(API, "authorization_details", WHY).accepted([json!(null), json!([])]).not_supported([json!([{ "type": "payment" }])]).refused([json!("x")]),
        of(API, "authorization_policy", WHY).accepted([json!(null)]).not_supported([json!({ "policy_id": "p" })]).refused([json!("x")]),
        off(API, "allow_online_access"),
        off(API, "allow_online_access_with_ephemeral_sessions"),
        of(API, "token_lifetime_for_anonymous_access_tokens", WHY).accepted([json!(null)]).not_supported([json!(60)]).refused([json!("x")]),
        of(API, "subject_type_authorization.client.policy", WHY).taken([json!("deny_all"), json!("require_client_grant")]).refused([json!("allow_all"), json!(1)]),
        off(CLIENT, "require_proof_of_possession"),
        of(CLIENT, "compliance_level", WHY).accepted([json!(null), json!("none")]).not_supported([json!("fapi1_adv_pkj_par"), json!("fapi2_sp_mtls_mtls")]).refused([json!(1)]),
        of(CLIENT, "token_quota", WHY).accepted([json!({ "client_credentials": { "enforce": false, "per_day": 2_147_483_647_i64, "per_hour": 1 } })])
            .not_supported([json!({ "client_credentials": { "enforce": true, "per_day": 1 } })]).refused([json!("x")]),
        of(CLIENT, "organization_usage", WHY).accepted([json!("deny")]).not_supported([json!("allow"), json!("require")]).refused([json!("nonsense"), json!(1)]),
        of(CLIENT, "default_organization", WHY).accepted([json!(null)]).not_supported([json!({ "organization_id": "org_0123456789abcdef", "flows": ["client_credentials"] })]).refused([json!("x")]),
        of(CLIENT, "token_exchange", WHY).accepted([json!(null)]).not_supported([json!({ "allow_any_profile_of_type": ["custom_authentication"] })]).refused([json!("x")]),
        of(GRANT, "organization_usage", WHY).accepted([json!("deny")]).not_supported([json!("allow"), json!("require")]).refused([json!("nonsense"), json!(1)]),
        of(GRANT, "allow_any_organization", WHY).accepted([json!(false), json!(null)]).not_supported([json!(true)]).refused([json!("x")]),
        of(GRANT, "authorization_details_types", WHY).accepted([json!([])]).not_supported([json!(["payment"])]).refused([json!("x y"), json!([1])]),
        of(GRANT, "default_for", WHY).not_supported([json!("third_party_clients")]).refused([json!(1)]),
    ]
}

/// What the tenant's settings promise beyond what is built is refused, as unbuilt.tsv does for the
/// rest (compatibility.md §6).
fn settings(of: Of<'_>) -> Vec<Listed> {
    const SWITCH: &str = "its effect is not built: only false";
    const PAGES: &str = "pages of one's own are not built";
    const SECONDS: &str = "hours, with fractions; shown rounded to minutes";
    let off = |path, nullable: bool| {
        let nulls = nullable.then_some(Value::Null);
        of(SETTINGS, path, SWITCH)
            .taken([json!(false)].into_iter().chain(nulls))
            .not_supported([json!(true)])
            .refused([json!("x"), json!(1)])
    };
    let hours = |path, most: i64| {
        of(SETTINGS, path, SECONDS)
            .taken([json!(1), json!(most)])
            .refused([json!(0), json!(most + 1), json!("long"), json!(true)])
    };
    let quota = |enforce: bool| json!({ "client_credentials": { "enforce": enforce, "per_day": 1, "per_hour": 2_147_483_647 } });
    let page = |path| {
        of(SETTINGS, path, PAGES)
            .taken([json!(null), json!({ "enabled": false, "html": "<p>" })])
            .not_supported([json!({ "enabled": true })])
            .refused([json!("x")])
    };
    let mut all = vec![
        of(
            SETTINGS,
            "default_audience",
            "names an API, never a system API (default_audience.rs)",
        )
        .taken([json!("")])
        .refused([json!(1), json!({})]),
        of(
            SETTINGS,
            "device_flow.mask",
            "asterisks with - and spaces between",
        )
        .taken([json!("****-****"), json!("*".repeat(20))])
        .refused([json!("*".repeat(21)), json!("xxxx"), json!(1)]),
        page("change_password"),
        page("guardian_mfa_page"),
        of(SETTINGS, "error_page", PAGES)
            .taken([
                json!(null),
                json!({ "html": "", "show_log_link": false, "url": "" }),
            ])
            .not_supported([json!({ "url": "https://a.example/" })])
            .refused([json!("x")]),
        of(SETTINGS, "default_token_quota", "quotas are not built")
            .taken([
                json!(null),
                json!({ "clients": quota(false) }),
                json!({ "organizations": quota(false) }),
            ])
            .not_supported([json!({ "clients": quota(true) })])
            .refused([json!("x")]),
        of(SETTINGS, "acr_values_supported", SWITCH)
            .taken([json!(null), json!([])])
            .not_supported([json!(["a"])])
            .refused([json!("x y"), json!([1])]),
        hours("session_lifetime", 8760),
        hours("idle_session_lifetime", 2400),
        hours("ephemeral_session_lifetime", 8760),
        hours("idle_ephemeral_session_lifetime", 2400),
        off("mtls.enable_endpoint_aliases", false),
        off("client_id_metadata_document_supported", false),
    ];
    let nullable = [
        "authorization_response_iss_parameter_supported",
        "customize_mfa_in_postlogin_action",
        "allow_organization_name_in_authentication_api",
    ];
    all.extend(nullable.map(|path| off(path, true)));
    let flags = [
        "flags.change_pwd_flow_v1",
        "flags.allow_legacy_delegation_grant_types",
        "flags.allow_legacy_ro_grant_types",
        "flags.allow_legacy_tokeninfo_endpoint",
        "flags.enable_legacy_profile",
        "flags.enable_idtoken_api2",
        "flags.disable_clickjack_protection_headers",
        "flags.no_disclose_enterprise_connections",
        "flags.enforce_client_authentication_on_passwordless_start",
        "flags.enable_adfs_waad_email_verification",
        "flags.mfa_show_factor_list_on_enrollment",
        "flags.remove_alg_from_jwks",
        "flags.improved_signup_bot_detection_in_classic",
        "flags.enable_dynamic_client_registration",
        "flags.trust_azure_adfs_email_verified_connection_property",
        "flags.custom_domains_provisioning",
    ];
    all.extend(flags.map(|path| off(path, false)));
    all
}

/// The listed values of a field, if they are listed.
pub(super) fn values_of(schema: &str, path: &str) -> Option<Vec<Case>> {
    let found = LISTED
        .iter()
        .find(|own| schema.ends_with(own.of) && own.path == path)?;
    let case = |expected: Expected| {
        move |value| Case {
            value,
            expected: expected.clone(),
        }
    };
    let taken = found.taken.iter().cloned().map(case(Expected::Taken));
    let accepted = found.accepted.iter().cloned().map(case(Expected::Accepted));
    let refused = found
        .refused
        .iter()
        .cloned()
        .map(case(Expected::Refused(path.to_owned())));
    let not_supported = found
        .not_supported
        .iter()
        .cloned()
        .map(case(Expected::NotSupported(path.to_owned())));
    Some(
        taken
            .chain(accepted)
            .chain(refused)
            .chain(not_supported)
            .collect(),
    )
}

/// Members that a field needs beside it.
pub(super) fn companions(schema: &str, path: &str) -> Value {
    match (schema, path) {
        // The browser's lifetime is bounded by it, and an earlier case has changed it.
        (_, "token_lifetime_for_web") => json!({ "token_lifetime": 86_400 }),
        ("UpdateUserRequestContent", "connection") => json!({ "name": "Ann" }),
        (_, "signing_secret") => json!({ "signing_alg": "HS256" }),
        _ => json!({}),
    }
}

/// Fields of which a reading shows nothing, or another value.
pub(super) const NOT_READ_BACK: [(&str, &str); 8] = [
    ("password", "only a hash is kept"),
    ("connection", "shown among the identities"),
    ("signing_secret", "shown once"),
    ("client_secret", "only digests are kept"),
    ("pem", "a key is shown by its kid"),
    ("parse_expiry_from_cert", "said once, at creation"),
    (
        "client_authentication_methods",
        "shown by the ids of the credentials",
    ),
    ("default_token_quota", "shown while it says something"),
];

#[test]
fn every_row_of_the_unbuilt_fields_is_listed() {
    let resources = [
        ("resource-servers", API),
        ("clients", CLIENT),
        ("client-grants", GRANT),
    ];
    let listed = &LISTED;
    for row in lines(UNBUILT).filter(|row| row[0] != "resource") {
        let (_, of) = resources.iter().find(|(name, _)| *name == row[0]).unwrap();
        // A member may be listed by its parent.
        let is_listed = listed.iter().any(|own| {
            let is_of = own.of == *of || own.of.ends_with(of);
            is_of && (row[1] == own.path || row[1].starts_with(&format!("{}.", own.path)))
        });
        assert!(is_listed, "{} {}", row[0], row[1]);
    }
}

#[test]
fn every_exception_is_of_a_field_and_says_why() {
    for own in LISTED.iter() {
        assert!(own.why.len() > 8, "{}", own.path);
        let schemas = super::SCHEMAS
            .iter()
            .filter(|schema| schema.ends_with(own.of));
        let has = |fields: &[super::rows::Field]| super::rows::find(fields, own.path);
        assert!(
            schemas
                .into_iter()
                .any(|schema| has(&super::rows::schema(schema))),
            "{} has no {}: the line is of no use",
            own.of,
            own.path
        );
    }
}
