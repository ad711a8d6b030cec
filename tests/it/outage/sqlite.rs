//! What can go wrong with a file: another program that holds its lock.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{NOTES, ORDERS, assert_unavailable};
use crate::harness::{Backend, Sql, World, api_path};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_another_program_writes_changes_are_503_and_everything_that_reads_goes_on() {
    let settings = [("GRANTOR_STORE__ACQUIRE_SECONDS_MAX", "1")];
    let world = World::start(Backend::Sqlite, &settings).await;
    let node = &world.node;
    let shop = node.api_and_application(ORDERS).await;
    node.create_api(NOTES, json!({ "token_dialect": "opaque" }))
        .await;
    node.grant(&shop, NOTES, json!({})).await;
    let (signed, opaque) = (
        node.token(&shop, ORDERS).await,
        node.token(&shop, NOTES).await,
    );
    let management = node.admin_token().await;

    let mut other: Sql = world.database.sql().await;
    other.run("begin immediate").await.unwrap();
    other
        .run("update apis set name = 'half done'")
        .await
        .unwrap();
    let body = json!({ "token_lifetime": 5 });
    let path = api_path(ORDERS);
    let (signed_form, opaque_form) = ([("token", &*signed)], [("token", &*opaque)]);
    let (changed, stored, revoked, revoked_opaque) = tokio::join!(
        node.manage_as(&management, Method::PATCH, &path, Some(body)),
        node.ask(&shop, &[("audience", NOTES)]),
        node.form("/oauth/revoke", &shop, &signed_form),
        node.form("/oauth/revoke", &shop, &opaque_form),
    );
    for answer in [changed, stored, revoked, revoked_opaque] {
        assert_unavailable(&answer);
    }
    // Readers are not in a writer's way.
    assert_eq!(
        node.ask(&shop, &[("audience", ORDERS)])
            .await
            .expect(StatusCode::OK)
            .json["expires_in"],
        86_400
    );
    assert!(node.is_active(&shop, &signed).await && node.is_active(&shop, &opaque).await);
    let listed = node
        .manage_as(&management, Method::GET, "/resource-servers", None)
        .await;
    assert!(!listed.expect(StatusCode::OK).body.contains("half done"));
    node.send(node.request(Method::GET, "/readyz"))
        .await
        .expect(StatusCode::OK);

    other.run("rollback").await.unwrap();
    node.change_api(ORDERS, json!({ "token_lifetime": 77 }))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        node.ask(&shop, &[("audience", ORDERS)]).await.json["expires_in"],
        77
    );
    node.token(&shop, NOTES).await;
    for token in [&signed, &opaque] {
        node.revoke(&shop, token).await;
        assert!(!node.is_active(&shop, token).await);
    }
    drop(other);
    world.end().await;
}
