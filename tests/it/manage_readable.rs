//! The answer to a change shows what its caller may read by GET, and no more.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{Credentials, Person, both_stores};
use crate::shop::{self, ORDERS};

/// A change, by what scope, and what it shows to a caller who may read nothing.
struct Change {
    route: String,
    write: &'static str,
    read: &'static str,
    shown: &'static [&'static str],
}

fn names(shown: &Value) -> Vec<&str> {
    shown
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// One object of each kind, and how it is changed.
async fn changes(desk: &Desk<'_>, shop: &Credentials, ann: &Person) -> Vec<Change> {
    let first = |page: Value, name: &str| {
        let list = page.get(name).cloned().unwrap_or(page);
        list[0]["id"].as_str().unwrap().to_owned()
    };
    let user = ann.id.replace('|', "%7C");
    let grant = first(
        desk.shown(&format!("/client-grants?client_id={}", shop.id))
            .await,
        "client_grants",
    );
    let consent = first(
        desk.shown(&format!("/grants?user_id={user}")).await,
        "grants",
    );
    let session = first(
        desk.shown(&format!("/users/{user}/sessions")).await,
        "sessions",
    );
    let refresh = first(
        desk.shown(&format!("/users/{user}/refresh-tokens")).await,
        "tokens",
    );
    let api = crate::harness::api_path(ORDERS);
    let change = |route: String, write, read, shown| Change {
        route,
        write,
        read,
        shown,
    };
    vec![
        change(
            format!("/clients/{}", shop.id),
            "update:clients",
            "read:clients",
            &["client_id"],
        ),
        change(
            api,
            "update:resource_servers",
            "read:resource_servers",
            &["id", "identifier"],
        ),
        change(
            format!("/client-grants/{grant}"),
            "update:client_grants",
            "read:client_grants",
            &["id"],
        ),
        change(
            format!("/grants/{consent}"),
            "update:grants",
            "read:grants",
            &["id"],
        ),
        change(
            format!("/sessions/{session}"),
            "update:sessions",
            "read:sessions",
            &["id"],
        ),
        change(
            format!("/refresh-tokens/{refresh}"),
            "update:refresh_tokens",
            "read:refresh_tokens",
            &["id"],
        ),
        change(
            format!("/users/{user}"),
            "update:users",
            "read:users",
            &["user_id"],
        ),
        change(
            "/tenants/settings".to_owned(),
            "update:tenant_settings",
            "read:tenant_settings",
            &[],
        ),
    ]
}

both_stores! {
    async fn a_change_shows_what_its_caller_may_read(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.tokens(node, &shop, &[("audience", ORDERS), ("scope", "openid read offline_access")]).await;
        desk.grant(&shop, ORDERS, json!({ "scope": ["read"] })).await;
        for Change { route, write, read, shown } in changes(&desk, &shop, &ann).await {
            let writer = Desk::with_scopes(node, &[write]).await;
            let refused = writer.get(&route).await.status;
            assert!([StatusCode::FORBIDDEN, StatusCode::METHOD_NOT_ALLOWED].contains(&refused), "{route}");
            let changed = writer.patch(&route, json!({})).await.expect(StatusCode::OK);
            assert_eq!(names(&changed.json), shown, "{route}");
            let editor = Desk::with_scopes(node, &[write, read]).await;
            let changed = editor.patch(&route, json!({})).await.expect(StatusCode::OK).json;
            let seen = editor.get(&route).await;
            if seen.status == StatusCode::METHOD_NOT_ALLOWED {
                // A consent has no GET of its own; the list shows it.
                let all = editor.shown("/grants").await;
                assert!(all.as_array().unwrap().contains(&changed), "{all}");
                continue;
            }
            let mut seen = seen.expect(StatusCode::OK).json;
            let mut changed = changed;
            for moving in ["updated_at", "last_interacted_at"] {
                seen.as_object_mut().unwrap().remove(moving);
                changed.as_object_mut().unwrap().remove(moving);
            }
            assert_eq!(seen, changed, "{route}");
        }
    }

    async fn who_has_the_key_scopes_alone_sees_keys_and_the_new_secret(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = desk.application(json!({ "client_metadata": { "plan": "gold" } })).await;
        let path = format!("/clients/{}", shop.id);
        let keeper = Desk::with_scopes(node, &["update:client_keys"]).await;
        let set = keeper.patch(&path, json!({ "client_secret": "seven brown mice 4 the harbor light" })).await;
        assert_eq!(names(&set.expect(StatusCode::OK).json), ["client_id", "client_secret"]);
        let rotated = keeper.send(Method::POST, &format!("{path}/rotate-secret"), None).await;
        assert_eq!(names(&rotated.expect(StatusCode::OK).json), ["client_id", "client_secret"]);
        let credentials = Desk::with_scopes(node, &["update:client_credentials", "read:client_credentials"]).await;
        let changed = credentials.patch(&path, json!({})).await.expect(StatusCode::OK);
        assert_eq!(changed.json, credentials.shown(&path).await);
        assert!(changed.json.get("client_metadata").is_none(), "{changed:?}");
    }
}
