//! Which claims of a user an application gets: by scope (OpenID Connect Core §5.4), and one by one
//! (§5.5).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::authorization::{ClaimRequest, ClaimsRequest};
use super::scope::Scopes;
use super::user::User;

/// The claims of each scope (OpenID Connect Core §5.4; `nickname` and `picture` are in `profile`).
const OF_SCOPES: [(&str, &[&str]); 4] = [
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// The scope that a claim belongs to, and that the user's consent to the claim is kept as; none for claims
/// that describe the sign-in rather than the user (`sub`, `auth_time`, `acr`) and for unknown ones.
fn scope_of(claim: &str) -> Option<&'static str> {
    let is_of = |(_, names): &&(&str, &[&str])| names.contains(&claim);
    OF_SCOPES.iter().find(is_of).map(|(scope, _)| *scope)
}

impl ClaimsRequest {
    /// The scopes that the claims belong to.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        let names = self.id_token.keys().chain(self.userinfo.keys());
        names.filter_map(|name| scope_of(name)).collect()
    }

    /// The same without the claims whose scope is not allowed.
    #[must_use]
    pub fn limited_to(&self, is_allowed: impl Fn(&str) -> bool) -> Self {
        let limit = |claims: &BTreeMap<String, ClaimRequest>| {
            let mut claims = claims.clone();
            claims.retain(|name, _| scope_of(name).is_none_or(&is_allowed));
            claims
        };
        Self {
            id_token: limit(&self.id_token),
            userinfo: limit(&self.userinfo),
        }
    }
}

/// Every claim of a user that there may be, as it is advertised.
pub fn names() -> impl Iterator<Item = &'static str> {
    let of_scopes = OF_SCOPES
        .iter()
        .flat_map(|(_, names)| names.iter().copied());
    std::iter::once("sub").chain(of_scopes)
}

/// The names of the claims that userinfo has to tell because they are asked for one by one, in a
/// token's few words. One that is asked for with a value counts where that is the user's now.
#[must_use]
pub fn asked_for(user: &User, asked: &BTreeMap<String, ClaimRequest>) -> Vec<String> {
    let fits = |name: &&str| {
        let values = asked.get(*name).map(|own| own.values.as_slice());
        values.is_some_and(|values| {
            values.is_empty() || user.claim(name).is_some_and(|own| values.contains(&own))
        })
    };
    let told = names().filter(|name| *name != "sub").filter(fits);
    told.map(str::to_owned).collect()
}

/// The claims of a user that the scopes give, and those that are asked for one by one. One that is
/// asked for with a value that the user's is not is left out; `sub` is for the caller.
#[must_use]
pub fn of_user(
    user: &User,
    scope: &Scopes,
    asked: &BTreeMap<String, ClaimRequest>,
) -> Map<String, Value> {
    let given = OF_SCOPES.iter().filter(|(name, _)| scope.contains(name));
    let given = given.flat_map(|(_, names)| names.iter().copied());
    let by_name = names().filter(|name| asked.contains_key(*name));
    let mut claims = Map::new();
    for name in given.chain(by_name).filter(|name| *name != "sub") {
        if let Some(value) = user.claim(name) {
            claims.insert(name.to_owned(), value);
        }
    }
    claims.retain(|name, value| {
        let values = asked.get(name).map_or(&[][..], |own| own.values.as_slice());
        values.is_empty() || values.contains(value)
    });
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_of_a_user_but_the_subject_needs_the_consent_of_a_scope() {
        let without: Vec<_> = names().filter(|name| scope_of(name).is_none()).collect();
        assert_eq!(without, ["sub"]);
    }
}
