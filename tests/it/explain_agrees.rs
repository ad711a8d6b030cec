//! Explanations agree with what token requests then get, refusals and ends included, and issue
//! nothing.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::explain_lifetime::{BOUND, ORDERS, STOCK, ask, decided, explained};
use crate::harness::{
    CALLBACK, Credentials, MFA, Node, Person, World, api_path, both_stores, exchange, usual,
};
use crate::signer::{Keyed, Signer, add, attach};

/// What a token request gets: `expires_in`, and -1 where there is none; or the error.
async fn issued(
    node: &Node,
    to: &Credentials,
    audience: &str,
    asked: Option<i64>,
) -> Result<i64, String> {
    let asked = asked.map(|asked| asked.to_string());
    let mut params = vec![("audience", audience)];
    params.extend(asked.as_deref().map(|asked| ("validity_period", asked)));
    let answer = node.ask(to, &params).await;
    if answer.status == StatusCode::OK {
        return Ok(answer.json["expires_in"].as_i64().unwrap_or(-1));
    }
    Err(answer.text("error"))
}

/// The ids of an application's secrets, oldest first; no answer shows them yet.
async fn secret_ids(node: &Node, of: &Credentials) -> Vec<String> {
    let mut conn = node.app.store.read().await.unwrap();
    let stored = grantor::store::applications::get(&mut conn, &of.id)
        .await
        .unwrap();
    let mut secrets = stored.unwrap().secrets;
    secrets.sort_by_key(|secret| secret.expires_at.unwrap_or(i64::MAX));
    secrets.into_iter().map(|secret| secret.id).collect()
}

/// Fails where `exact` is not the value give or take the second that may pass meanwhile.
#[track_caller]
fn about(value: i64, exact: i64) {
    assert!(
        (exact - 2..=exact).contains(&value),
        "{value} is about {exact}"
    );
}

fn in_seconds(world: &World, seconds: i64) -> String {
    grantor::model::instant::to_rfc3339(world.clock.now() + seconds)
}

both_stores! {
    async fn what_would_be_refused_is_said_beside_the_lifetime(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({})).await;
        desk.api(STOCK, json!({})).await;
        let shop = desk.application(json!({})).await;
        let about_shop = format!("client_id={}", shop.id);
        let refused = async |further: &str| {
            let answer = explained(&desk, ORDERS, &format!("{about_shop}{further}")).await;
            assert_eq!(answer["lifetime"], 86400);
            answer.get("refused").cloned().unwrap_or(Value::Null)
        };
        assert_eq!(refused("").await, "access_denied");
        let of_users = desk.grant(&shop, ORDERS, json!({ "subject_type": "user" })).await;
        assert_eq!(refused("").await, "access_denied", "that grant is for users");
        desk.delete(&format!("/client-grants/{of_users}")).await.expect(StatusCode::NO_CONTENT);
        let ends = json!({ "expires_at": in_seconds(world, 100_000) });
        let grant = desk.grant(&shop, ORDERS, ends).await;
        assert_eq!(refused("").await, Value::Null);
        assert_eq!(refused("&audience=urn:stock").await, "access_denied", "one is not granted");
        let deny =
            |policy| json!({ "subject_type_authorization": { "client": { "policy": policy } } });
        desk.patch(&api_path(ORDERS), deny("deny_all")).await.expect(StatusCode::OK);
        assert_eq!(refused("").await, "access_denied");
        desk.patch(&api_path(ORDERS), deny("require_client_grant")).await.expect(StatusCode::OK);
        assert_eq!(issued(node, &shop, ORDERS, None).await, Ok(86400));

        world.clock.advance(100_001);
        let desk = Desk::open(node).await;
        let expired = explained(&desk, ORDERS, &about_shop).await;
        assert_eq!(expired["refused"], "access_denied");
        assert_eq!(expired["lifetime"], 86400, "an expired grant counts as none");
        assert_eq!(issued(node, &shop, ORDERS, None).await, Err("access_denied".into()));
        let path = format!("/client-grants/{grant}");
        let forever = desk.patch(&path, json!({ "expires_at": null })).await;
        forever.expect(StatusCode::OK);
        assert!(explained(&desk, ORDERS, &about_shop).await.get("refused").is_none());
    }

    async fn an_expired_application_is_refused_as_an_invalid_client(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        let fields = json!({ "expires_at": in_seconds(world, 300) });
        desk.patch(&format!("/clients/{}", shop.id), fields)
            .await
            .expect(StatusCode::OK);
        let query = format!("client_id={}", shop.id);
        let (lifetime, rule) = decided(&desk, ORDERS, &query).await;
        about(lifetime, 300);
        assert_eq!(rule, "credential_expiry");
        world.clock.advance(301);
        let answer = explained(&desk, ORDERS, &query).await;
        assert_eq!(answer["refused"], "invalid_client");
        assert_eq!(
            issued(node, &shop, ORDERS, None).await,
            Err("invalid_client".into())
        );
    }

    async fn the_secret_decides_the_one_that_lives_longest_where_none_is_named(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let old = node.api_and_application(ORDERS).await;
        let rotate = format!("/clients/{}/rotate-secret", old.id);
        let rotated = desk.post(&rotate, json!({ "grace_seconds": 300 })).await;
        let rotated = rotated.expect(StatusCode::OK);
        let new = Credentials { id: old.id.clone(), secret: rotated.text("client_secret") };
        let ids = secret_ids(node, &old).await;
        let [ending, lasting] = ids.as_slice() else { panic!("two secrets: {ids:?}") };
        let query = format!("client_id={}", old.id);
        assert_eq!(decided(&desk, ORDERS, &query).await, (86400, "api_default".into()));
        assert_eq!(decided(&desk, ORDERS, &format!("{query}&secret_id={lasting}")).await.0, 86400);
        let (lifetime, rule) = decided(&desk, ORDERS, &format!("{query}&secret_id={ending}")).await;
        about(lifetime, 300);
        assert_eq!(rule, "credential_expiry", "worked case 30");
        about(issued(node, &old, ORDERS, None).await.unwrap(), lifetime);
        assert_eq!(issued(node, &new, ORDERS, None).await, Ok(86400));

        world.clock.advance(301);
        let ended = explained(&desk, ORDERS, &format!("{query}&secret_id={ending}")).await;
        assert_eq!(ended["refused"], "invalid_client");
        assert!(explained(&desk, ORDERS, &query).await.get("refused").is_none());
        for bad in [format!("{query}&secret_id=sec_unknown"), format!("secret_id={lasting}")] {
            let answer = ask(&desk, ORDERS, &bad).await;
            let answer = answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
            assert!(answer.text("message").contains("secret_id"), "{answer:?}");
        }
    }

    /// With `private_key_jwt` the attached keys stand where the secrets stood, which sleep.
    async fn with_private_key_jwt_the_attached_key_decides(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({})).await;
        let keyed = Keyed::new(&desk, ORDERS, "ES256").await;
        let (client, lasting) = (keyed.client(), keyed.credential.clone());
        let ends = json!({ "expires_at": in_seconds(world, 300) });
        let ending = add(&desk, &client, &Signer::new("ES256"), ends).await.text("id");
        let query = format!("client_id={}", keyed.id);
        let named = |id: &str| format!("{query}&secret_id={id}");
        assert_eq!(ask(&desk, ORDERS, &named(&ending)).await.status, StatusCode::BAD_REQUEST, "detached");
        attach(&desk, &client, &[&lasting, &ending]).await.expect(StatusCode::OK);
        assert_eq!(decided(&desk, ORDERS, &query).await, (86400, "api_default".into()));
        assert_eq!(decided(&desk, ORDERS, &named(&ending)).await, (300, "credential_expiry".into()));
        let sleeping = secret_ids(node, &client).await.remove(0);
        assert_eq!(ask(&desk, ORDERS, &named(&sleeping)).await.status, StatusCode::BAD_REQUEST);
        let end = json!({ "expires_at": in_seconds(world, 200) });
        let path = format!("/clients/{}/credentials/{lasting}", keyed.id);
        desk.patch(&path, end).await.expect(StatusCode::OK);
        attach(&desk, &client, &[&lasting]).await.expect(StatusCode::OK);
        let answer = crate::signer::ask(node, &keyed.assertion(world, json!({})), ORDERS).await;
        let issued = answer.expect(StatusCode::OK).json["expires_in"].as_i64().unwrap();
        assert_eq!(decided(&desk, ORDERS, &query).await, (issued, "credential_expiry".into()));
        attach(&desk, &client, &[]).await.expect(StatusCode::OK);
        assert_eq!(explained(&desk, ORDERS, &query).await["refused"], "invalid_client");
    }

    async fn a_credential_or_grant_that_ends_sooner_shortens_even_mfa_and_never(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({ "token_lifetime": -1 })).await;
        let shop = desk.application(json!({})).await;
        let grant = desk
            .grant(
                &shop,
                ORDERS,
                json!({ "expires_at": in_seconds(world, 200) }),
            )
            .await;
        desk.grant(&shop, MFA, json!({ "scope": ["enroll"] })).await;
        let query = format!("client_id={}", shop.id);
        let (lifetime, rule) = decided(&desk, ORDERS, &query).await;
        about(lifetime, 200);
        assert_eq!(rule, "grant_expiry");
        let fields = json!({ "expires_at": in_seconds(world, 100) });
        desk.patch(&format!("/clients/{}", shop.id), fields)
            .await
            .expect(StatusCode::OK);
        for api in [ORDERS, MFA] {
            let (lifetime, rule) = decided(&desk, api, &query).await;
            about(lifetime, 100);
            assert_eq!(rule, "credential_expiry", "{api}: worked cases 27 and 31");
        }
        desk.patch(
            &format!("/clients/{}", shop.id),
            json!({ "expires_at": null }),
        )
        .await
        .expect(StatusCode::OK);
        desk.patch(
            &format!("/client-grants/{grant}"),
            json!({ "expires_at": null }),
        )
        .await
        .expect(StatusCode::OK);
        assert_eq!(
            decided(&desk, ORDERS, &query).await,
            (-1, "api_default".into())
        );
    }

    async fn the_explanation_is_what_is_then_issued(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let apis = [
            ("urn:usual", json!({})),
            ("urn:short", json!({ "token_lifetime": 300, "max_token_lifetime": 900 })),
            ("urn:long", json!({ "token_lifetime": BOUND })),
            ("urn:max-never", json!({ "max_token_lifetime": -1 })),
            ("urn:never", json!({ "token_lifetime": -1 })),
            ("urn:opaque", json!({ "token_dialect": "opaque", "token_lifetime": 60 })),
        ];
        let applications = [
            json!({}),
            json!({ "access_token_lifetimes": { "application": 1800 } }),
            json!({ "access_token_lifetimes": { "application": -1, "user": 60 } }),
            json!({ "access_token_lifetimes": { "user": 60 } }),
        ];
        for (api, fields) in &apis {
            desk.api(api, fields.clone()).await;
        }
        for fields in applications {
            let application = desk.application(fields.clone()).await;
            for (api, _) in &apis {
                let denied = explained(&desk, api, &format!("client_id={}", application.id)).await;
                assert_eq!(denied["refused"], "access_denied");
                let refused = issued(node, &application, api, None).await;
                assert_eq!(refused, Err("access_denied".into()));
                desk.grant(&application, api, json!({})).await;
                let all = [1, 600, 901, BOUND, BOUND + 1, i64::MAX, -1, i64::MIN];
                for asked in all.map(Some).into_iter().chain([None]) {
                    let asking = asked.map(|asked| format!("&validity_period={asked}"));
                    let asking = asking.unwrap_or_default();
                    let query = format!("client_id={}{asking}", application.id);
                    let answer = explained(&desk, api, &query).await;
                    assert!(answer.get("refused").is_none(), "{answer}");
                    let got = issued(node, &application, api, asked).await;
                    let expected = Ok(answer["lifetime"].as_i64().unwrap());
                    assert_eq!(got, expected, "{fields} at {api} asks {asked:?}: {answer}");
                }
            }
        }
    }

    async fn a_change_is_explained_at_once(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        let query = format!("client_id={}", shop.id);
        for lifetime in [60, 7200, 600] {
            desk.patch(&api_path(ORDERS), json!({ "token_lifetime": lifetime }))
                .await
                .expect(StatusCode::OK);
            assert_eq!(decided(&desk, ORDERS, &query).await.0, lifetime);
            assert_eq!(issued(node, &shop, ORDERS, None).await, Ok(lifetime));
        }
    }

    async fn where_never_is_forbidden_the_servers_maximum_is_the_reason(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        node.change_api(ORDERS, json!({ "token_lifetime": -1 }))
            .await
            .expect(StatusCode::OK);
        let edited = world
            .another_node_with(&[("GRANTOR_LIFETIMES__ALLOW_NEVER_EXPIRING", "false")])
            .await;
        let desk = Desk::open(&edited).await;
        for asked in ["", "&validity_period=-1"] {
            let decided = decided(&desk, ORDERS, &format!("client_id={}{asked}", shop.id)).await;
            assert_eq!(decided, (BOUND, "server_maximum".into()), "worked case 36");
        }
        assert_eq!(issued(&edited, &shop, ORDERS, None).await, Ok(BOUND));
        edited.stop().await;
    }

    /// What users have consented to plays no part: the question names no user.
    async fn the_code_flow_gets_what_was_explained_whatever_the_apis_policy_for_users(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({ "scopes": [{ "value": "read" }] })).await;
        let fields = json!({ "app_type": "regular_web", "callbacks": [CALLBACK], "grant_types": ["authorization_code"] });
        let shop = desk.application(fields).await;
        let ann = Person::create(node, "ann@example.com").await;
        let agreed = async |asked: Option<&str>| {
            let mut query = format!("client_id={}&flow=authorization_code", shop.id);
            let mut params = vec![("audience", ORDERS)];
            if let Some(asked) = asked {
                query = format!("{query}&validity_period={asked}");
                params.push(("validity_period", asked));
            }
            let desk = Desk::open(node).await;
            let told = explained(&desk, ORDERS, &query).await;
            let answer = ann.authorize(node, &usual(&shop, &params)).await.answer();
            if let Some(refused) = told.get("refused") {
                assert_eq!(answer["error"], refused.as_str().unwrap(), "{told}");
                return Err(refused.clone());
            }
            let tokens = exchange(node, &shop, &answer["code"], &[]).await.expect(StatusCode::OK);
            about(tokens.json["expires_in"].as_i64().unwrap(), told["lifetime"].as_i64().unwrap());
            Ok((told["lifetime"].as_i64().unwrap(), told["rule"].as_str().unwrap().to_owned()))
        };
        let policy = async |policy: &str| {
            let fields = json!({ "subject_type_authorization": { "user": { "policy": policy } } });
            desk.patch(&api_path(ORDERS), fields).await.expect(StatusCode::OK);
        };
        let denied = Err(json!("access_denied"));
        let usually = Ok((86400, "api_default".to_owned()));
        assert_eq!(agreed(None).await, usually);
        assert_eq!(agreed(Some("600")).await, Ok((600, "requested".to_owned())));
        assert_eq!(agreed(Some("200000")).await, Ok((86400, "authorization_request".to_owned())));
        policy("require_client_grant").await;
        assert_eq!(agreed(None).await, denied);
        desk.grant(&shop, ORDERS, json!({})).await;
        assert_eq!(agreed(None).await, denied, "that grant is for the application itself");
        let ends = json!({ "subject_type": "user", "expires_at": in_seconds(world, 300) });
        desk.grant(&shop, ORDERS, ends).await;
        let (lifetime, rule) = agreed(None).await.unwrap();
        about(lifetime, 300);
        assert_eq!(rule, "grant_expiry");
        policy("allow_all").await;
        assert_eq!(agreed(None).await, usually, "a grant that is not needed does not shorten");
        policy("require_client_grant").await;
        world.clock.advance(301);
        assert_eq!(agreed(None).await, denied);
        policy("deny_all").await;
        assert_eq!(agreed(None).await, denied);
    }

    /// A stored token would leave a row behind.
    async fn explaining_issues_nothing(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = node.api_and_application(ORDERS).await;
        desk.patch(
            &api_path(ORDERS),
            json!({ "token_lifetime": -1, "token_dialect": "opaque" }),
        )
        .await
        .expect(StatusCode::OK);
        let rows = async || {
            let url = world.database.url();
            let count = "select count(*) from tokens";
            if url.starts_with("sqlite") {
                let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
                sqlx::query_as::<_, (i64,)>(count)
                    .fetch_one(&pool)
                    .await
                    .unwrap()
                    .0
            } else {
                let pool = sqlx::PgPool::connect(&url).await.unwrap();
                sqlx::query_as::<_, (i64,)>(count)
                    .fetch_one(&pool)
                    .await
                    .unwrap()
                    .0
            }
        };
        let before = rows().await;
        for query in ["", "&validity_period=-1", "&flow=implicit", "&flow=mfa"] {
            let answer = ask(&desk, ORDERS, &format!("client_id={}{query}", shop.id)).await;
            let body = answer.expect(StatusCode::OK).body;
            assert!(!body.contains("access_token\""), "{body}");
        }
        assert_eq!(rows().await, before);
        assert_eq!(issued(node, &shop, ORDERS, None).await, Ok(-1));
        assert_eq!(rows().await, before + 1, "while a token request does");
    }
}
