//! Making an account, and a forgotten password, in a browser: the pages with their mails.

use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{
    CALLBACK, Credentials, Node, PASSWORD, Person, Seen, authorize_path, both_stores, hidden, usual,
};

async fn shop(node: &Node) -> Credentials {
    let fields = json!({ "app_type": "regular_web", "callbacks": [CALLBACK] });
    node.create_application(fields).await
}

/// The sign-in page's ticket.
async fn state_of(person: &Person, node: &Node, shop: &Credentials) -> String {
    let (path, _, html) = person
        .open(node, &authorize_path(&usual(shop, &[])))
        .await
        .page();
    assert_eq!(path, "u/login");
    hidden(&html, "state")
}

both_stores! {
    async fn nobody_makes_an_account_where_that_is_not_allowed(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        let state = state_of(&ann, node, &shop).await;
        let form = [("state", state.as_str()), ("email", "new@example.com"), ("password", PASSWORD)];
        let (_, status, _) = ann.send(node, "/u/signup", &form).await.page();
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let found = node.manage(reqwest::Method::GET, "/users-by-email?email=new%40example.com", None).await;
        assert_eq!(found.expect(StatusCode::OK).json, json!([]));
    }

    async fn a_new_account_is_signed_in_and_its_address_unproved(world: World, "GRANTOR_SIGN_UP__ALLOWED" = "true") {
        let node = &world.node;
        let shop = shop(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        let new = ann.at_another_browser();
        let state = state_of(&new, node, &shop).await;
        let form = |email, password| [("state", state.as_str()), ("email", email), ("password", password)];
        for (email, password) in [("no address", PASSWORD), ("new@example.com", "short"), ("ANN@example.com", PASSWORD)] {
            let (path, status, html) = new.send(node, "/u/signup", &form(email, password)).await.page();
            assert_eq!((path.as_str(), status), ("/u/signup", StatusCode::BAD_REQUEST), "{email}");
            assert!(html.contains("role=\"alert\""), "{html}");
        }
        let seen = new.send(node, "/u/signup", &form("new@example.com", PASSWORD)).await;
        assert!(matches!(&seen, Seen::Left(url) if url.as_str().starts_with(CALLBACK)), "{seen:?}");
        let found = node.manage(reqwest::Method::GET, "/users-by-email?email=new%40example.com", None).await;
        assert_eq!(found.json[0]["email_verified"], false);
    }

    async fn a_ticket_that_is_none_of_ours_is_a_page_that_says_so(world: World) {
        let node = &world.node;
        let ann = Person::create(node, "ann@example.com").await;
        for path in ["/u/login?state=x", "/u/consent?state=", "/u/signup", "/authorize/resume?state=AAAA"] {
            let (_, status, html) = ann.open(node, path).await.page();
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
            assert!(html.contains("<h1"), "{html}");
        }
        for path in ["/u/change-password?ticket=x", "/u/verify-email?ticket=x"] {
            let (_, status, _) = ann.open(node, path).await.page();
            assert_eq!(status, StatusCode::GONE, "{path}");
        }
    }
}
