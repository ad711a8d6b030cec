//! Authorization codes: whose they are, how long and how often they count, and what still has to hold
//! when they are exchanged.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{
    CALLBACK, Credentials, Node, Person, VERIFIER, api_path, both_stores, claims, exchange,
};
use crate::shop::{self, ORDERS, STOCK};

const ASKED: &[(&str, &str)] = &[("audience", ORDERS), ("scope", "openid read write")];

async fn is_refused(node: &Node, client: &Credentials, code: &str) {
    let answer = exchange(node, client, code, &[]).await;
    answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
}

async fn manage(node: &Node, method: Method, path: &str, body: Option<Value>) {
    let done = node.manage(method, path, body).await;
    assert!(done.status.is_success(), "{done:?}");
}

both_stores! {
    /// RFC 6749 §4.1.3 and §5.2, OpenID Connect Core §3.1.3.2 and §3.1.3.4.
    async fn a_code_is_its_applications_and_goes_with_its_redirect_uri(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({ "callbacks": [CALLBACK, "https://app.example/other"] })).await;
        let other = shop::application(node, json!({ "name": "Other" })).await;
        let public = shop::application(node, json!({ "app_type": "spa", "token_endpoint_auth_method": "none" })).await;
        let ann = Person::create(node, "ann@example.com").await;
        let code = ann.code(node, &shop, ASKED).await;
        is_refused(node, &other, &code).await;
        is_refused(node, &public, &code).await;
        for wrong in ["https://app.example/other", "https://app.example/callback/", "https://evil.example/"] {
            let answer = exchange(node, &shop, &code, &[("redirect_uri", wrong)]).await;
            answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        }
        // §3.1.3.1: a confidential application proves who it is.
        let impostor = Credentials { secret: "wrong".into(), ..shop.clone() };
        exchange(node, &impostor, &code, &[]).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        let unproven = Credentials { secret: String::new(), ..shop.clone() };
        exchange(node, &unproven, &code, &[]).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        for wrong in ["", "nonsense", &code[..code.len() - 1], &format!("{code}x"), &code.to_uppercase()] {
            let answer = exchange(node, &shop, wrong, &[]).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}: {answer:?}");
        }
        let tokens = exchange(node, &shop, &code, &[]).await.expect(StatusCode::OK);
        // RFC 6749 §5.1.
        assert_eq!(tokens.headers["cache-control"], "no-store");
        // RFC 6749 §3.2: never in a URL.
        let path = format!("/oauth/token?code={code}");
        let in_query = node.form(&path, &shop, &[("grant_type", "authorization_code")]).await;
        in_query.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    /// RFC 6749 §4.1.2: short-lived, and used once; who comes late with one that was used ends what it
    /// got all the same.
    async fn a_code_ends_soon_and_its_theft_is_noticed_later_too(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let (last, late) = (ann.code(node, &shop, ASKED).await, ann.code(node, &shop, ASKED).await);
        world.clock.advance(59);
        let tokens = exchange(node, &shop, &last, &[]).await.expect(StatusCode::OK);
        world.clock.advance(1);
        is_refused(node, &shop, &late).await;
        let token = tokens.text("access_token");
        world.clock.advance(1000);
        assert!(node.is_active(&shop, &token).await);
        is_refused(node, &shop, &late).await;
        assert!(node.is_active(&shop, &token).await, "another code's");
        is_refused(node, &shop, &last).await;
        assert!(!node.is_active(&shop, &token).await);
    }

    /// RFC 6749 §10.5: what a code promised holds only as long as its reasons do.
    async fn what_changed_since_the_user_authorized_counts(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let user = format!("/users/{}", ann.id.replace('|', "%7C"));
        let of_ann = format!("/grants?user_id={}", ann.id.replace('|', "%7C"));
        let code = ann.code(node, &shop, ASKED).await;
        manage(node, Method::PATCH, &user, Some(json!({ "blocked": true }))).await;
        is_refused(node, &shop, &code).await;
        manage(node, Method::PATCH, &user, Some(json!({ "blocked": false }))).await;

        let code = ann.code(node, &shop, ASKED).await;
        let grants = node.manage(Method::GET, &of_ann, None).await.expect(StatusCode::OK).json;
        for grant in grants.as_array().unwrap() {
            let path = format!("/grants/{}", grant["id"].as_str().unwrap());
            manage(node, Method::DELETE, &path, None).await;
        }
        is_refused(node, &shop, &code).await;

        let code = ann.code(node, &shop, ASKED).await;
        node.change_api(ORDERS, json!({ "scopes": [{ "value": "read" }] })).await.expect(StatusCode::OK);
        let tokens = exchange(node, &shop, &code, &[]).await.expect(StatusCode::OK);
        assert_eq!(tokens.text("scope"), "openid read", "a scope that is gone");

        let code = ann.code(node, &shop, ASKED).await;
        shop::change(node, &shop, json!({ "grant_types": ["refresh_token"] })).await;
        exchange(node, &shop, &code, &[]).await.expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");
        shop::change(node, &shop, json!({ "grant_types": ["authorization_code"] })).await;
        exchange(node, &shop, &code, &[]).await.expect(StatusCode::OK);

        let code = ann.code(node, &shop, ASKED).await;
        manage(node, Method::DELETE, &api_path(ORDERS), None).await;
        is_refused(node, &shop, &code).await;
        // One that is made anew under the same name is another.
        node.create_api(ORDERS, json!({ "scopes": [{ "value": "read" }] })).await;
        is_refused(node, &shop, &code).await;

        let code = ann.code(node, &shop, &[("audience", STOCK), ("scope", "openid read")]).await;
        manage(node, Method::DELETE, &user, None).await;
        is_refused(node, &shop, &code).await;
    }

    /// RFC 6749 §4.1.2 and §10.5, OpenID Connect Core §3.1.3.2: of sixteen requests at one moment, on two
    /// nodes, exactly one is answered with tokens, and none with a fault of ours.
    async fn of_many_parallel_exchanges_exactly_one_wins(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let other_node = world.another_node().await;
        let ann = Person::create(node, "ann@example.com").await;
        for _ in 0..5 {
            let code = ann.code(node, &shop, ASKED).await;
            let mut running = JoinSet::new();
            for n in 0..16 {
                let wire = if n % 2 == 0 { (**node).clone() } else { (*other_node).clone() };
                let (shop, code) = (shop.clone(), code.clone());
                running.spawn(async move {
                    let form = [
                        ("grant_type", "authorization_code"),
                        ("code", code.as_str()),
                        ("redirect_uri", CALLBACK),
                        ("code_verifier", VERIFIER),
                    ];
                    wire.form("/oauth/token", &shop, &form).await
                });
            }
            let mut won = Vec::new();
            while let Some(answer) = running.join_next().await {
                let answer = answer.unwrap();
                if answer.status == StatusCode::OK {
                    won.push(answer.text("access_token"));
                } else {
                    answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
                }
            }
            assert_eq!(won.len(), 1);
            assert!(!node.is_active(&shop, &won[0]).await, "the others' use has ended it");
            assert_eq!(claims(&won[0])["sub"], json!(ann.id));
        }
        other_node.stop().await;
    }
}
