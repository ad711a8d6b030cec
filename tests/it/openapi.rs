//! The OpenAPI document: checked in, served, and the same as the routes.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{ISSUER, both_stores};
use crate::program::Program;

const CHECKED_IN: &str = include_str!("../../openapi.json");
const EXAMPLE_SERVER: &str = "https://grantor.example/";

fn document() -> Value {
    serde_json::from_str(CHECKED_IN).unwrap()
}

/// Each operation of the document: path, method in capitals, description.
fn operations(document: &Value) -> Vec<(&str, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (path.as_str(), method.to_uppercase(), operation))
    });
    of_path.collect()
}

/// Where two texts part, by line.
fn first_difference(left: &str, right: &str) -> String {
    let mut lines = left.lines().zip(right.lines()).enumerate();
    lines.find(|(_, (left, right))| left != right).map_or_else(
        || "one is longer than the other".to_owned(),
        |(number, (left, right))| format!("line {}: {left} / {right}", number + 1),
    )
}

#[test]
fn the_document_that_is_checked_in_is_what_the_program_prints() {
    let folder = tempdir().unwrap();
    // It needs no configuration, not even a right one.
    let program = Program::in_folder(folder.path()).with("GRANTOR_ISSUER", "nonsense");
    let printed = program.run(&["openapi"]).expect(0).stdout;
    assert!(
        printed == CHECKED_IN,
        "openapi.json is not what the routes are; write it anew with `cargo run -- openapi > openapi.json`. Printed / checked in: {}",
        first_difference(&printed, CHECKED_IN)
    );
    assert!(folder.path().read_dir().unwrap().next().is_none());
}

#[test]
fn each_operation_is_described_whole() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let what = format!("{method} {path}");
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap()),
            "{what}"
        );
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{what}");
        let statuses = operation["responses"].as_object().unwrap().keys();
        let statuses: Vec<_> = statuses
            .map(|status| StatusCode::from_bytes(status.as_bytes()).unwrap())
            .collect();
        assert!(
            statuses
                .iter()
                .all(|status| status.canonical_reason().is_some()),
            "{what}: {statuses:?}"
        );
        let successes = statuses.iter().filter(|status| status.is_success());
        assert_eq!(successes.count(), 1, "{what}: {statuses:?}");
        let named = path.split('/').filter(|segment| segment.starts_with('{'));
        let parameters = operation["parameters"].as_array().unwrap();
        let described = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()));
        assert!(named.eq(described), "{what}");
    }
}

#[test]
fn whatever_the_document_refers_to_is_in_it() {
    let document = document();
    let quoted = CHECKED_IN.split("\"$ref\": \"#").skip(1);
    for pointer in quoted.map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

/// `router.rs` says it route by route, in functions that answer `Routes`; a route that is added past
/// them would not be described. Where a function's routes are put is left aside.
#[test]
fn every_route_of_the_source_is_described() {
    let source = include_str!("../../src/router.rs");
    let document = document();
    let described: BTreeSet<_> = operations(&document)
        .iter()
        .map(|line| line.0.trim_start_matches("/api/v2").to_owned())
        .collect();
    let functions = source.split("fn ").skip(1);
    let of_routes = functions.filter_map(|function| {
        let (head, body) = function.split_once('{')?;
        head.contains("-> Routes")
            .then(|| body.split_once("\n}").unwrap().0)
    });
    let quoted = of_routes.flat_map(|body| body.split('"').skip(1).step_by(2));
    let written: BTreeSet<_> = quoted
        .filter(|route| *route != "/api/v2")
        .map(str::to_owned)
        .collect();
    assert_eq!(described, written);
    assert!(written.len() > 20, "the source was read");
}

both_stores! {
    async fn the_document_is_served_as_it_is_checked_in_but_for_the_server(world: World) {
        let node = &world.node;
        let answer = node.send(node.request(Method::GET, "/api/v2/openapi.json")).await;
        let answer = answer.expect(StatusCode::OK);
        let checked_in = CHECKED_IN.replace(EXAMPLE_SERVER, ISSUER);
        assert!(answer.body == checked_in, "{}", first_difference(&answer.body, &checked_in));
        assert_eq!(answer.headers["content-type"], "application/json; charset=utf-8");
    }

    async fn every_path_has_the_methods_that_are_described_and_no_others(world: World) {
        let node = &world.node;
        let document = document();
        let paths: BTreeSet<_> = operations(&document).iter().map(|line| line.0.to_owned()).collect();
        for path in paths {
            let asked = path.replace(['{', '}'], "");
            let brew = Method::from_bytes(b"BREW").unwrap();
            let answer = node.send(node.request(brew, &asked)).await;
            let answer = answer.expect(StatusCode::METHOD_NOT_ALLOWED);
            let allowed = answer.headers["allow"].to_str().unwrap().to_owned();
            // Whatever answers GET answers HEAD (RFC 9110 §9.3.2).
            let allowed: BTreeSet<_> = allowed.split(',').map(str::trim).filter(|method| *method != "HEAD").map(str::to_owned).collect();
            let described = operations(&document);
            let described = described.into_iter().filter(|line| line.0 == path).map(|line| line.1);
            assert_eq!(allowed, described.collect(), "{path}");
        }
    }

    /// A scope that opens nothing would be granted in vain, one that is asked for and cannot be
    /// granted would lock its operation.
    async fn the_scopes_of_the_document_are_those_that_can_be_granted(world: World) {
        let document = document();
        let mut asked = BTreeSet::new();
        for (_, _, operation) in operations(&document) {
            for way in operation["security"].as_array().unwrap() {
                let scopes = way["management"].as_array().into_iter().flatten();
                asked.extend(scopes.map(|scope| scope.as_str().unwrap().to_owned()));
            }
        }
        let granted: BTreeSet<_> = crate::manage_rights::scopes(&world.node).await.into_iter().collect();
        assert_eq!(asked, granted);
    }
}
