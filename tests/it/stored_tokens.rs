//! Opaque, long and never-expiring tokens: kept in the store, under a digest of their text.

use std::collections::HashSet;

use grantor::model::token::Token;
use grantor::store::tokens::{self, StoredToken};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::harness::{Credentials, Database, Node, World, both_stores, claims};

const ORDERS: &str = "https://orders.example/";
/// Of a token's text, not even so much may be found anywhere.
const PART_BYTES: usize = 12;
const DIALECTS: [&str; 5] = [
    "access_token",
    "access_token_authz",
    "rfc9068_profile",
    "rfc9068_profile_authz",
    "opaque",
];

/// ORDERS, whose tokens may live for ever, and an application that is granted it.
async fn shop(node: &Node) -> Credentials {
    node.create_api(ORDERS, json!({ "max_token_lifetime": -1 }))
        .await;
    let shop = node.create_application(json!({})).await;
    node.grant(&shop, ORDERS, json!({})).await;
    shop
}

async fn token_for(node: &Node, client: &Credentials, seconds: &str) -> String {
    let params = [("audience", ORDERS), ("validity_period", seconds)];
    let answer = node.ask(client, &params).await.expect(StatusCode::OK);
    answer.text("access_token")
}

/// What the store holds of a token.
async fn stored(node: &Node, text: &str) -> Option<StoredToken> {
    let digest = node.app.mint.digester.digest(text);
    let mut conn = node.app.store.read().await.unwrap();
    tokens::get(&mut conn, &digest).await.unwrap()
}

/// When a token was last used, as the store has it once everything that waited for the
/// group-commit door is committed: a token that is stored now went through the door last.
async fn last_used_at(node: &Node, client: &Credentials, text: &str) -> Option<i64> {
    token_for(node, client, "-1").await;
    stored(node, text).await.unwrap().last_used_at
}

/// Everything that the database holds: its files, or the text of every row.
async fn everything(world: &World) -> Vec<u8> {
    match &world.database {
        Database::Sqlite(folder) => {
            let files = std::fs::read_dir(folder.path()).unwrap();
            let files = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
            files.collect::<Vec<_>>().concat()
        }
        Database::Postgres { .. } => {
            let mut connection = PgConnection::connect(&world.database.url()).await.unwrap();
            let tables: Vec<(String,)> = sqlx::query_as(
                "select table_name::text from information_schema.tables
                  where table_schema = 'public'",
            )
            .fetch_all(&mut connection)
            .await
            .unwrap();
            let mut all = String::new();
            for (table,) in tables {
                let rows = format!("select t::text from \"{table}\" t");
                let rows: Vec<(String,)> = sqlx::query_as(sqlx::AssertSqlSafe(rows))
                    .fetch_all(&mut connection)
                    .await
                    .unwrap();
                all.extend(rows.into_iter().map(|(row,)| row));
            }
            all.into_bytes()
        }
    }
}

fn holds(all: &[u8], text: &str) -> bool {
    all.windows(text.len()).any(|own| own == text.as_bytes())
}

both_stores! {
    async fn a_token_that_never_expires_says_so_by_saying_nothing(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let params = [("audience", ORDERS), ("validity_period", "-1")];
        let answer = node.ask(&shop, &params).await.expect(StatusCode::OK);
        assert!(answer.json.get("expires_in").is_none(), "{answer:?}");
        assert_eq!(answer.headers["cache-control"], "no-store");
        let token = answer.text("access_token");
        for _ in 0..3 {
            let seen = node.introspect(&shop, &token).await;
            assert_eq!(seen["active"], true);
            assert!(seen.get("exp").is_none() && seen["iat"].is_i64(), "{seen}");
            // A hundred years.
            world.clock.advance(3_155_760_000);
        }
        node.revoke(&shop, &token).await;
        assert_eq!(node.introspect(&shop, &token).await, json!({ "active": false }));
    }

    async fn whatever_the_dialect_what_lives_longer_than_thirty_days_is_opaque(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        for dialect in DIALECTS {
            let change = json!({ "token_dialect": dialect });
            node.change_api(ORDERS, change).await.expect(StatusCode::OK);
            let is_opaque = async |seconds| {
                let token = token_for(node, &shop, seconds).await;
                assert_eq!(stored(node, &token).await.is_some(), !token.contains('.'));
                !token.contains('.')
            };
            assert_eq!(is_opaque("2592000").await, dialect == "opaque", "{dialect}");
            for longer in ["2592001", "31536000", "3153600000", "9223372036854775807", "-1"] {
                assert!(is_opaque(longer).await, "{dialect} {longer}");
            }
        }
    }

    async fn a_stored_token_is_revoked_at_once_and_is_gone_from_the_store(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let other = world.another_node().await;
        for seconds in ["2592001", "-1"] {
            let (token, spared) =
                (token_for(node, &shop, seconds).await, token_for(node, &shop, seconds).await);
            // Durable with the answer: another node knows it without waiting.
            assert!(other.is_active(&shop, &token).await);
            node.revoke(&shop, &token).await;
            assert!(!node.is_active(&shop, &token).await);
            assert!(!other.is_active(&shop, &token).await);
            assert_eq!(stored(node, &token).await, None);
            assert!(other.is_active(&shop, &spared).await);
        }
        other.stop().await;
    }

    async fn the_store_holds_what_the_token_says(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let before = world.clock.now();
        let token = token_for(node, &shop, "2592001").await;
        let StoredToken { token: held, last_used_at } = stored(node, &token).await.unwrap();
        assert!((before..=world.clock.now()).contains(&held.issued_at));
        let expected = Token {
            client_id: shop.id.clone(),
            subject: format!("{}@clients", shop.id),
            audiences: vec![ORDERS.into()],
            scope: String::new(),
            expires_at: Some(held.issued_at + 2_592_001),
            ..held.clone()
        };
        assert_eq!((held, last_used_at), (expected, None));
    }

    async fn the_last_use_is_recorded_to_the_hour(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let token = token_for(node, &shop, "-1").await;
        assert_eq!(last_used_at(node, &shop, &token).await, None);
        let mut recorded = None;
        for hour in 0..3 {
            let before = world.clock.now();
            node.introspect(&shop, &token).await;
            let at = last_used_at(node, &shop, &token).await.unwrap();
            assert!((before..=world.clock.now()).contains(&at), "hour {hour}");
            assert!(recorded < Some(at));
            recorded = Some(at);
            // Within the hour no further one is recorded; the machine's clock runs on by itself.
            world.clock.advance(3000);
            node.introspect(&shop, &token).await;
            assert_eq!(last_used_at(node, &shop, &token).await, recorded, "hour {hour}");
            world.clock.advance(600);
        }
    }

    async fn a_token_that_is_not_active_any_more_is_not_used(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let token = token_for(node, &shop, "2592001").await;
        world.clock.advance(2_592_001);
        assert!(!node.is_active(&shop, &token).await);
        assert_eq!(last_used_at(node, &shop, &token).await, None);
    }

    async fn nothing_of_a_tokens_text_is_in_the_database(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let signed = node.token(&shop, ORDERS).await;
        let tokens = [
            signed.clone(),
            token_for(node, &shop, "2592001").await,
            token_for(node, &shop, "-1").await,
        ];
        let mut names = Vec::new();
        for token in &tokens {
            names.push(node.introspect(&shop, token).await["jti"].clone());
        }
        // A signed one writes no row until it is revoked, and then its name only.
        assert!(!holds(&everything(world).await, claims(&signed)["jti"].as_str().unwrap()));
        node.revoke(&shop, &signed).await;
        let all = everything(world).await;
        let mut parts = HashSet::new();
        for (token, name) in tokens.iter().zip(&names) {
            // The search finds what is there.
            assert!(holds(&all, name.as_str().unwrap()), "{name}");
            let secret = match token.rsplit_once('.') {
                Some((_, signature)) => &signature[..64],
                None => token.trim_start_matches("grantor_at_"),
            };
            parts.extend(secret.as_bytes().windows(PART_BYTES));
        }
        assert!(holds(&all, &shop.id));
        parts.extend(shop.secret.as_bytes().windows(PART_BYTES));
        let found = all.windows(PART_BYTES).find(|own| parts.contains(own));
        assert_eq!(found.map(String::from_utf8_lossy), None);
    }

    async fn no_two_tokens_are_alike(world: World) {
        let node = &world.node;
        let shop = shop(node).await;
        let mut seen = std::collections::BTreeSet::new();
        let mut said: Vec<Value> = Vec::new();
        for _ in 0..20 {
            let token = token_for(node, &shop, "-1").await;
            said.push(node.introspect(&shop, &token).await["jti"].clone());
            seen.insert(token);
        }
        said.sort_by_key(Value::to_string);
        said.dedup();
        assert_eq!((seen.len(), said.len()), (20, 20));
    }
}
