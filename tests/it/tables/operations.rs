//! Auth0's operations against ours: the scopes that open each, and the statuses that it answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::rows::{OPERATIONS, lines};

/// Operations of Auth0 at these resources that are not offered.
const NOT_OFFERED: [(&str, &str); 5] = [
    ("POST /jobs/users-exports", "lists of users are pages"),
    (
        "POST /device-credentials",
        "public keys of devices, by a user's own Management token",
    ),
    ("GET /client-grants/{id}/organizations", "organizations"),
    ("POST /clients/cimd/preview", "documents as client ids"),
    ("POST /clients/cimd/register", "documents as client ids"),
];

/// Operations that Auth0 does not have, with their scopes (compatibility.md §6).
const OURS: [(&str, &str); 11] = [
    ("PATCH /grants/{id}", "update:grants"),
    ("GET /stats/issuance", "read:stats"),
    (
        "GET /resource-servers/{id}/token-lifetime",
        "read:resource_servers",
    ),
    ("GET /clients/{id}/secrets", "read:client_keys"),
    ("POST /clients/{id}/secrets", "update:client_keys"),
    ("DELETE /clients/{id}/secrets/{id}", "update:client_keys"),
    ("POST /clients/{id}/tokens", "create:client_tokens"),
    ("GET /tokens", "read:tokens"),
    ("DELETE /tokens/{id}", "delete:tokens"),
    ("POST /tokens/revoke", "delete:tokens"),
    ("GET /openapi.json", ""),
];

/// Names of parameters differ, and mean nothing.
fn plain(path: &str) -> String {
    let parts = path
        .split('/')
        .map(|part| if part.starts_with('{') { "{id}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Of the document: scopes and status of success of each operation of the Management API.
fn ours() -> BTreeMap<String, (BTreeSet<String>, u16)> {
    let document: Value = serde_json::from_str(include_str!("../../../openapi.json")).unwrap();
    let mut ours = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/api/v2") else {
            continue;
        };
        for (method, operation) in methods.as_object().unwrap() {
            let ways = operation["security"].as_array().unwrap().iter();
            let scopes = ways.flat_map(|way| way["management"].as_array().unwrap());
            let scopes = scopes
                .map(|scope| scope.as_str().unwrap().to_owned())
                .collect();
            let statuses = operation["responses"].as_object().unwrap().keys();
            let success = statuses
                .map(|status| status.parse().unwrap())
                .find(|status: &u16| *status < 300);
            let name = format!("{} {}", method.to_uppercase(), plain(path));
            ours.insert(name, (scopes, success.unwrap()));
        }
    }
    ours
}

/// Auth0's, by name: scopes and statuses.
fn theirs() -> BTreeMap<String, (BTreeSet<String>, Vec<u16>)> {
    let all = lines(OPERATIONS).map(|row| {
        let scopes = row[2].split(',').map(str::to_owned).collect();
        let statuses = row[4]
            .split(',')
            .map(|status| status.parse().unwrap())
            .collect();
        (format!("{} {}", row[0], plain(row[1])), (scopes, statuses))
    });
    all.collect()
}

#[test]
fn every_operation_of_these_resources_is_offered_or_said_not_to_be() {
    let (ours, theirs) = (ours(), theirs());
    for (name, why) in NOT_OFFERED {
        assert!(
            theirs.contains_key(name) && !ours.contains_key(name),
            "{name} ({why}): no line is needed"
        );
    }
    let is_told = |name: &str| NOT_OFFERED.iter().any(|(own, _)| *own == name);
    let missing: Vec<_> = theirs
        .keys()
        .filter(|name| !ours.contains_key(*name) && !is_told(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let is_ours = |name: &str| OURS.iter().any(|(own, _)| *own == name);
    let unknown: Vec<_> = ours
        .keys()
        .filter(|name| !theirs.contains_key(*name) && !is_ours(name))
        .collect();
    assert!(unknown.is_empty(), "ours without a line here: {unknown:?}");
}

#[test]
fn an_operation_is_opened_by_auth0s_scopes_and_by_no_others() {
    let (ours, theirs) = (ours(), theirs());
    let granted: BTreeSet<_> = ours.values().flat_map(|(scopes, _)| scopes).collect();
    for (name, (own, _)) in &ours {
        let Some((expected, _)) = theirs.get(name) else {
            let (_, scope) = OURS.iter().find(|(own, _)| own == name).unwrap();
            let expected: BTreeSet<_> = scope
                .split(',')
                .filter(|scope| !scope.is_empty())
                .map(str::to_owned)
                .collect();
            assert_eq!(*own, expected, "{name}");
            continue;
        };
        let expected: BTreeSet<_> = expected
            .iter()
            .filter(|scope| granted.contains(scope))
            .cloned()
            .collect();
        assert_eq!(*own, expected, "{name}");
    }
}

/// Auth0's schema says 201 for changes; what it answers is 200 (compatibility.md §6).
#[test]
fn an_operation_succeeds_with_auth0s_status() {
    let theirs = theirs();
    for (name, (_, own)) in ours() {
        let Some((_, statuses)) = theirs.get(&name) else {
            continue;
        };
        let fits = statuses.contains(&own) || name.starts_with("PATCH") && own == 200;
        assert!(fits, "{name}: {own}, {statuses:?}");
    }
}
