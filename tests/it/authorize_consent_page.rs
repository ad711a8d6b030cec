//! A user consents to what the page showed, and to nothing that has changed since (OpenID Connect Core
//! §3.1.2.4).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Credentials, Node, Person, Seen, authorize_path, both_hands, both_stores, exchange, hidden,
    usual,
};
use crate::shop::{self, ORDERS, STOCK};

/// A request for all that there may be at the API.
const ALL: [(&str, &str); 2] = [
    ("audience", ORDERS),
    ("scope", "openid read write delete offline_access"),
];

/// The consent page of a request.
async fn page(
    person: &Person,
    node: &Node,
    client: &Credentials,
    params: &[(&str, &str)],
) -> String {
    let path = authorize_path(&usual(client, params));
    let seen = person.open(node, &path);
    let (path, _, html) = seen.await.page();
    assert_eq!(path, "u/consent");
    html
}

async fn accept(person: &Person, node: &Node, html: &str) -> Seen {
    let state = hidden(html, "state");
    let form = [("state", state.as_str()), ("action", "accept")];
    person.send(node, "/u/consent", &form).await
}

/// The scopes of the token that a code gives, sorted.
async fn scope(node: &Node, client: &Credentials, seen: Seen) -> Vec<String> {
    let answer = seen.answer();
    let tokens = exchange(node, client, &answer["code"], &[]).await;
    let scope = tokens.expect(StatusCode::OK).text("scope");
    let mut scope: Vec<_> = scope.split(' ').map(str::to_owned).collect();
    scope.sort_unstable();
    scope
}

/// What the user has consented to, sorted.
async fn kept(node: &Node, person: &Person) -> Vec<String> {
    let path = format!("/grants?user_id={}", person.id.replace('|', "%7C"));
    let grants = node
        .manage(Method::GET, &path, None)
        .await
        .expect(StatusCode::OK)
        .json;
    let scopes = grants[0]["scope"].as_array().unwrap().iter();
    let mut scopes: Vec<_> = scopes.map(|own| own.as_str().unwrap().to_owned()).collect();
    scopes.sort_unstable();
    scopes
}

fn scopes(values: &[&str]) -> Value {
    values
        .iter()
        .map(|value| json!({ "value": value }))
        .collect()
}

both_stores! {
    async fn a_scope_that_came_while_the_page_was_open_is_not_granted(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        node.change_api(ORDERS, json!({ "allow_offline_access": false })).await.expect(StatusCode::OK);
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let html = page(&ann, node, &shop, &ALL).await;
        let more = json!({ "scopes": scopes(&["read", "write", "delete"]), "allow_offline_access": true });
        node.change_api(ORDERS, more).await.expect(StatusCode::OK);
        let seen = accept(&ann, node, &html).await;
        assert_eq!(scope(node, &shop, seen).await, ["openid", "read", "write"]);
        let grants = node.manage(Method::GET, "/grants", None).await.expect(StatusCode::OK).json;
        let at_orders = grants.as_array().unwrap().iter().find(|own| own["audience"] == ORDERS).unwrap();
        assert!(!at_orders["scope"].to_string().contains("delete"), "{at_orders}");
        assert!(!at_orders["scope"].to_string().contains("offline_access"), "{at_orders}");
        // The rest is asked for as anything else.
        let html = page(&ann, node, &shop, &ALL).await;
        assert!(html.contains("delete"), "{html}");
    }

    async fn a_scope_that_went_while_the_page_was_open_is_not_granted_either(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let params = [("audience", ORDERS), ("scope", "openid read write")];
        ann.code(node, &shop, &[("audience", ORDERS)]).await;
        let html = page(&ann, node, &shop, &params).await;
        node.change_api(ORDERS, json!({ "scopes": scopes(&["read"]) })).await.expect(StatusCode::OK);
        let seen = accept(&ann, node, &html).await;
        assert_eq!(scope(node, &shop, seen).await, ["openid", "read"]);
        assert_eq!(kept(node, &ann).await, ["openid", "read"]);
    }

    /// At one of several APIs, although another one had it already.
    async fn what_was_shown_at_one_api_is_not_granted_at_another(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        node.change_api(STOCK, json!({ "scopes": scopes(&["read"]) })).await.expect(StatusCode::OK);
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let first = usual(&shop, &[("resource", ORDERS), ("scope", "openid read write")]);
        let both = authorize_path(&[&first[..], &[("resource", STOCK)]].concat());
        let (_, _, html) = ann.open(node, &both).await.page();
        node.change_api(STOCK, json!({ "scopes": scopes(&["read", "write"]) })).await.expect(StatusCode::OK);
        let answer = accept(&ann, node, &html).await.answer();
        let at_stock = exchange(node, &shop, &answer["code"], &[("resource", STOCK)]).await.expect(StatusCode::OK);
        assert_eq!(at_stock.text("scope"), "openid read");
    }

    /// Another API under the same name, and another one that stands in where none is named.
    async fn an_api_that_the_page_did_not_show_makes_the_page_ask_anew(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let params = [("audience", ORDERS), ("scope", "openid read")];
        let html = page(&ann, node, &shop, &params).await;
        let identifier: String = url::form_urlencoded::byte_serialize(ORDERS.as_bytes()).collect();
        let path = format!("/resource-servers/{identifier}");
        node.manage(Method::DELETE, &path, None).await.expect(StatusCode::NO_CONTENT);
        node.create_api(ORDERS, json!({ "name": "Something else", "scopes": scopes(&["read"]) })).await;
        let (path, _, anew) = accept(&ann, node, &html).await.page();
        assert!(path == "u/consent" && anew.contains("Something else"), "{path}: {anew}");
        assert_eq!(scope(node, &shop, accept(&ann, node, &anew).await).await, ["openid", "read"]);

        let unnamed = [("scope", "openid read email")];
        let html = page(&ann, node, &shop, &unnamed).await;
        shop::set(node, json!({ "default_audience": STOCK })).await;
        let (path, _, anew) = accept(&ann, node, &html).await.page();
        assert!(path == "u/consent" && anew.contains(STOCK), "{path}: {anew}");
        shop::set(node, json!({ "default_audience": "" })).await;
        let (path, _, anew) = accept(&ann, node, &anew).await.page();
        assert!(path == "u/consent" && !anew.contains(STOCK), "{path}: {anew}");
        assert!(accept(&ann, node, &anew).await.answer().contains_key("code"));
    }

    async fn a_longer_time_than_the_page_said_makes_it_ask_anew_and_a_shorter_one_does_not(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let short = json!({ "token_lifetime": 600, "max_token_lifetime": 600, "user_grant_lifetime": 1000 });
        for longer in [
            json!({ "user_grant_lifetime": 2000 }), json!({ "user_grant_lifetime": null }),
            json!({ "max_token_lifetime": 900 }), json!({ "max_token_lifetime": 900, "token_lifetime": 900 }),
        ] {
            node.change_api(ORDERS, short.clone()).await.expect(StatusCode::OK);
            let asks = both_hands(&ALL, &[("prompt", "consent")]);
            let html = page(&ann, node, &shop, &asks).await;
            node.change_api(ORDERS, longer.clone()).await.expect(StatusCode::OK);
            let seen = accept(&ann, node, &html).await;
            let Seen::Page { path, html, .. } = seen else { panic!("{longer}: {seen:?}") };
            assert_eq!(path, "u/consent", "{longer}");
            assert!(accept(&ann, node, &html).await.answer().contains_key("code"), "{longer}");
        }
        node.change_api(ORDERS, short).await.expect(StatusCode::OK);
        let html = page(&ann, node, &shop, &both_hands(&ALL, &[("prompt", "consent")])).await;
        world.clock.advance(30);
        node.change_api(ORDERS, json!({ "user_grant_lifetime": 500, "token_lifetime": 60 })).await.expect(StatusCode::OK);
        let answer = accept(&ann, node, &html).await.answer();
        let tokens = exchange(node, &shop, &answer["code"], &[]).await.expect(StatusCode::OK);
        assert_eq!(tokens.json["expires_in"], 60);
        assert_eq!(tokens.json["authorization_expires_in"], 500);
    }
}
