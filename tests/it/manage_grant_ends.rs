//! How client grants end: by their own end, by deletion, and with or without their tokens.

use reqwest::StatusCode;
use serde_json::json;

use crate::desk::{Desk, members, refused};
use crate::harness::{api_path, both_stores, claims};
use crate::manage_client_grants::{GRANTS, ORDERS, api_and_stranger, ask, named};

both_stores! {
    async fn an_expired_grant_counts_as_none(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = api_and_stranger(&desk).await;
        let end = world.clock.now() + 300;
        let expires_at = grantor::model::instant::to_rfc3339(end);
        let created = desk
            .post(GRANTS, named(&shop, json!({ "expires_at": expires_at })))
            .await
            .expect(StatusCode::CREATED);
        assert_eq!(created.json["expires_at"], expires_at);
        let path = format!("{GRANTS}/{}", created.text("id"));
        for asked in ["86400", "-1", "301"] {
            let answer = node
                .ask(&shop, &[("audience", ORDERS), ("validity_period", asked)])
                .await;
            assert_eq!(
                claims(&answer.expect(StatusCode::OK).text("access_token"))["exp"],
                end
            );
        }
        world.clock.advance(301);
        ask(node, &shop)
            .await
            .expect_error(StatusCode::FORBIDDEN, "access_denied");
        let by_resource = node.ask(&shop, &[("resource", ORDERS)]).await;
        by_resource.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
        node.ask(&shop, &[])
            .await
            .expect_error(StatusCode::BAD_REQUEST, "invalid_request");

        let desk = Desk::open(node).await;
        let still = desk.post(GRANTS, named(&shop, json!({}))).await;
        still.expect_problem(StatusCode::CONFLICT, "resource_conflict");
        refused(
            desk.patch(&path, json!({ "expires_at": expires_at })).await,
            "expires_at",
        );
        let cleared = desk
            .patch(&path, json!({ "expires_at": null }))
            .await
            .expect(StatusCode::OK);
        assert!(
            !members(&cleared.json).contains(&"expires_at"),
            "{cleared:?}"
        );
        assert_eq!(
            ask(node, &shop).await.expect(StatusCode::OK).json["expires_in"],
            86400
        );
    }

    async fn deleting_a_grant_stops_new_tokens_and_leaves_the_old_ones(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = api_and_stranger(&desk).await;
        for query in ["", "?revoke_tokens=false"] {
            let id = desk.grant(&shop, ORDERS, json!({})).await;
            let token = node.token(&shop, ORDERS).await;
            desk.delete(&format!("{GRANTS}/{id}{query}"))
                .await
                .expect(StatusCode::NO_CONTENT);
            ask(node, &shop)
                .await
                .expect_error(StatusCode::FORBIDDEN, "access_denied");
            assert!(node.is_active(&shop, &token).await);
            let gone = desk.get(&format!("{GRANTS}/{id}")).await;
            gone.expect_problem(StatusCode::NOT_FOUND, "inexistent_client_grant");
        }
    }

    async fn deleting_a_grant_with_its_tokens_ends_them_and_no_others(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = api_and_stranger(&desk).await;
        desk.patch(&api_path(ORDERS), json!({ "max_token_lifetime": -1 }))
            .await
            .expect(StatusCode::OK);
        let other = desk.application(json!({})).await;
        desk.api("urn:stock", json!({})).await;
        let id = desk.grant(&shop, ORDERS, json!({})).await;
        desk.grant(&shop, "urn:stock", json!({})).await;
        desk.grant(&other, ORDERS, json!({})).await;
        let signed = node.token(&shop, ORDERS).await;
        let never = node
            .ask(&shop, &[("audience", ORDERS), ("validity_period", "-1")])
            .await
            .expect(StatusCode::OK)
            .text("access_token");
        let for_both = node
            .ask(&shop, &[])
            .await
            .expect(StatusCode::OK)
            .text("access_token");
        let (stock, others) = (
            node.token(&shop, "urn:stock").await,
            node.token(&other, ORDERS).await,
        );
        desk.delete(&format!("{GRANTS}/{id}?revoke_tokens=true"))
            .await
            .expect(StatusCode::NO_CONTENT);
        for (token, what) in [
            (&signed, "signed"),
            (&never, "never-expiring"),
            (&for_both, "for both APIs"),
        ] {
            assert!(!node.is_active(&shop, token).await, "{what}");
        }
        assert!(node.is_active(&shop, &stock).await, "for another API");
        assert!(
            node.is_active(&other, &others).await,
            "of another application"
        );
        desk.grant(&shop, ORDERS, json!({})).await;
        assert!(
            !node.is_active(&shop, &signed).await,
            "a new grant revives nothing"
        );
        let new = node.token(&shop, ORDERS).await;
        assert!(node.is_active(&shop, &new).await, "and its tokens live");
    }

    async fn an_unknown_grant_is_404_but_deleting_it_is_204(world: World) {
        let desk = Desk::open(&world.node).await;
        for id in ["cgr_0123456789abcdef", "unknown"] {
            let path = format!("{GRANTS}/{id}");
            for answer in [
                desk.get(&path).await,
                desk.patch(&path, json!({ "scope": [] })).await,
            ] {
                answer.expect_problem(StatusCode::NOT_FOUND, "inexistent_client_grant");
            }
            desk.delete(&path).await.expect(StatusCode::NO_CONTENT);
            desk.delete(&format!("{path}?revoke_tokens=true"))
                .await
                .expect(StatusCode::NO_CONTENT);
        }
        let misspelt = desk
            .delete(&format!("{GRANTS}/cgr_0123456789abcdef?revoke_token=true"))
            .await;
        misspelt.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        desk.get(&format!("{GRANTS}/%00"))
            .await
            .expect_problem(StatusCode::BAD_REQUEST, "invalid_uri");
    }
}
