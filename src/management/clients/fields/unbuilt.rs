//! Fields that promise what is not built: a value without effect is accepted, another refused
//! (compatibility.md §6).

use serde_json::Value;

use crate::wire::schema::{
    Field, Form, boolean, choice, integer, is_denied, is_null, is_off, object, text, texts,
};

const LATER: &str = "it is not built yet.";
const ORGANIZATIONS: &str = "organizations are not built.";

pub(in super::super) const TABLE: &[Field] = &[
    boolean("require_proof_of_possession")
        .or_null()
        .unbuilt(is_off, LATER),
    choice(
        "compliance_level",
        &[
            "none",
            "fapi1_adv_pkj_par",
            "fapi1_adv_mtls_par",
            "fapi2_sp_pkj_mtls",
            "fapi2_sp_mtls_mtls",
        ],
    )
    .or_null()
    .unbuilt(is_none, LATER),
    object("token_quota", QUOTA)
        .or_null()
        .unbuilt(is_not_enforced, LATER),
    choice("organization_usage", &["deny", "allow", "require"])
        .or_null()
        .unbuilt(is_denied, ORGANIZATIONS),
    object("default_organization", DEFAULT_ORGANIZATION)
        .or_null()
        .unbuilt(is_null, ORGANIZATIONS),
    object(
        "token_exchange",
        &[texts(
            "allow_any_profile_of_type",
            10,
            200,
            Form::OneOf(&["custom_authentication", "on_behalf_of_token_exchange"]),
        )],
    )
    .or_null()
    .unbuilt(is_null, LATER),
];

const QUOTA: &[Field] = &[object(
    "client_credentials",
    &[
        boolean("enforce"),
        integer("per_day", 1, COUNT_MAX),
        integer("per_hour", 1, COUNT_MAX),
    ],
)
.required()
.filled()];
const COUNT_MAX: i64 = 2_147_483_647;

const DEFAULT_ORGANIZATION: &[Field] = &[
    text("organization_id", 1, 50).required(),
    texts("flows", 1, 200, Form::OneOf(&["client_credentials"])).required(),
];

fn is_none(value: &Value) -> bool {
    value.is_null() || value == "none"
}

fn is_not_enforced(value: &Value) -> bool {
    value
        .pointer("/client_credentials/enforce")
        .is_none_or(is_off)
}
