//! The database goes away and comes back: nobody guesses, and what can go on goes on.

mod sqlite;

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::directory::FRESH_MAX;
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::harness::{
    Answer, Backend, Credentials, Node, Sql, Wire, World, api_path, claims, within,
};

const ORDERS: &str = "https://orders.example/";
const NOTES: &str = "https://notes.example/";
/// What a test sets as `store.stale_seconds_max`.
const STALE_MAX: Duration = Duration::from_secs(3);
/// What a node may take to find its way back once the database answers again.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// A node whose database is a Postgres that can be sent away.
struct Outage {
    world: World,
    shop: Credentials,
    management: String,
    signed: String,
    opaque: String,
    /// Survives the outage: a way to change things meanwhile.
    sql: Sql,
}

impl Outage {
    /// Signed and opaque API, granted to an application; everything known to the node by heart.
    async fn prepare(settings: &[(&str, &str)]) -> Self {
        let world = World::start(Backend::Postgres, settings).await;
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        node.create_api(NOTES, json!({ "token_dialect": "opaque" }))
            .await;
        node.grant(&shop, NOTES, json!({})).await;
        let management = node.admin_token().await;
        let (signed, opaque) = (
            node.token(&shop, ORDERS).await,
            node.token(&shop, NOTES).await,
        );
        assert!(node.is_active(&shop, &signed).await && node.is_active(&shop, &opaque).await);
        let sql = world.database.sql().await;
        Self {
            world,
            shop,
            management,
            signed,
            opaque,
            sql,
        }
    }

    fn node(&self) -> &Node {
        &self.world.node
    }

    /// No new connections, and the end of all but the test's own.
    async fn begin(&mut self) {
        let own = self.sql.number("select pg_backend_pid()::bigint").await;
        let (connection, name) = self.world.database.postgres_server().await;
        let mut server = Sql::Postgres(connection);
        server
            .run(&format!(
                "alter database {name} with allow_connections false"
            ))
            .await
            .unwrap();
        let end = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}' and pid <> {own}"
        );
        within(BACK_WITHIN, async || server.run(&end).await.unwrap() == 0).await;
    }

    async fn end(&self) {
        let (connection, name) = self.world.database.postgres_server().await;
        Sql::Postgres(connection)
            .run(&format!(
                "alter database {name} with allow_connections true"
            ))
            .await
            .unwrap();
    }

    /// Waits until the node knows that it does not know.
    async fn until_noticed(&self) {
        within(FRESH_MAX, async || {
            self.readyz().await == StatusCode::SERVICE_UNAVAILABLE
        })
        .await;
    }

    async fn readyz(&self) -> StatusCode {
        let node = self.node();
        node.send(node.request(Method::GET, "/readyz")).await.status
    }

    /// Each kind of request that may not be answered from memory, all at the same time.
    async fn strict(&self) -> Vec<Answer> {
        let node = self.node();
        let form = |path: &str, params: &[(&str, &str)]| {
            let request = node.request(Method::POST, path).form(params);
            request.basic_auth(&self.shop.id, Some(&self.shop.secret))
        };
        let manage = |method, path: &str| {
            let request = node.request(method, &format!("/api/v2{path}"));
            request.bearer_auth(&self.management)
        };
        let bearer = node.request(Method::POST, "/oauth/introspect");
        let client = format!("/clients/{}", self.shop.id);
        let new = json!({ "identifier": "https://new.example/" });
        let requests = [
            form("/oauth/introspect", &[("token", &self.signed)]),
            form("/oauth/introspect", &[("token", &self.opaque)]),
            form("/oauth/introspect", &[("token", "neither")]),
            bearer
                .bearer_auth(&self.management)
                .form(&[("token", &self.signed)]),
            form("/oauth/revoke", &[("token", &self.signed)]),
            form("/oauth/revoke", &[("token", &self.opaque)]),
            form(
                "/oauth/token",
                &[("grant_type", "client_credentials"), ("audience", NOTES)],
            ),
            manage(Method::GET, "/resource-servers"),
            manage(Method::GET, &client),
            manage(Method::POST, "/resource-servers").json(&new),
            manage(Method::PATCH, &api_path(ORDERS)).json(&json!({ "token_lifetime": 5 })),
            manage(Method::POST, &format!("{client}/rotate-secret")),
            manage(Method::DELETE, &client),
        ];
        let mut asking = tokio::task::JoinSet::new();
        for request in requests {
            let wire = (**node).clone();
            asking.spawn(async move { wire.send(request).await });
        }
        asking.join_all().await
    }

    async fn finish(self) {
        drop(self.sql);
        self.world.end().await;
    }
}

/// 503 `temporarily_unavailable` with `Retry-After`, in the shape of its endpoint.
#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    let seconds: u64 = answer.headers[RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&seconds), "{answer:?}");
    let code = if answer.json["statusCode"].is_null() {
        &answer.json["error"]
    } else {
        &answer.json["errorCode"]
    };
    assert_eq!(code, "temporarily_unavailable", "{answer:?}");
    assert!(
        !answer.body.contains("store") && !answer.body.contains("connection"),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_tokens_are_still_issued_and_nobody_guesses_about_anything_else() {
    let mut outage = Outage::prepare(&[("GRANTOR_STORE__STALE_SECONDS_MAX", "600")]).await;
    outage.begin().await;
    outage.until_noticed().await;
    for _ in 0..2 {
        let issued = outage
            .node()
            .ask(&outage.shop, &[("audience", ORDERS)])
            .await
            .expect(StatusCode::OK);
        assert_eq!(issued.json["expires_in"], 86_400);
        for answer in outage.strict().await {
            assert_unavailable(&answer);
        }
        // What the node never knew it does not make up: neither a token nor a refusal.
        let nobody = Credentials {
            id: "NobodyAtAllWithThirtyTwoLetters0".into(),
            ..outage.shop.clone()
        };
        assert_unavailable(&outage.node().ask(&nobody, &[("audience", ORDERS)]).await);
        assert_unavailable(
            &outage
                .node()
                .ask(&outage.shop, &[("audience", "https://unknown.example/")])
                .await,
        );
        // A key that it does not know may be another node's newest.
        let (_, rest) = outage.management.split_once('.').unwrap();
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": "A".repeat(43) });
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let of_another_key = format!("{header}.{rest}");
        let node = outage.node();
        assert_unavailable(
            &node
                .manage_as(&of_another_key, Method::GET, "/clients", None)
                .await,
        );
        // What it does know it says: a wrong secret stays wrong.
        let wrong = Credentials {
            secret: "wrong".repeat(8),
            ..outage.shop.clone()
        };
        outage
            .node()
            .ask(&wrong, &[("audience", ORDERS)])
            .await
            .expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        assert_eq!(outage.readyz().await, StatusCode::SERVICE_UNAVAILABLE);
        let node = outage.node();
        node.send(node.request(Method::GET, "/healthz"))
            .await
            .expect(StatusCode::OK);
        node.send(node.request(Method::GET, "/.well-known/jwks.json"))
            .await
            .expect(StatusCode::OK);
    }
    outage.end().await;
    within(BACK_WITHIN, async || {
        outage.readyz().await == StatusCode::OK
    })
    .await;
    outage.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_tokens_are_refused_as_well_once_what_is_known_is_too_old() {
    let mut outage = Outage::prepare(&[("GRANTOR_STORE__STALE_SECONDS_MAX", "3")]).await;
    outage.begin().await;
    let began = Instant::now();
    outage.until_noticed().await;
    let ask = async || {
        outage
            .node()
            .ask(&outage.shop, &[("audience", ORDERS)])
            .await
    };
    // A request that begins while it is young enough is served, one that begins later is not.
    let mut served = 0;
    within(STALE_MAX.saturating_sub(began.elapsed()), async || {
        let answer = ask().await;
        if answer.status == StatusCode::OK {
            served += 1;
            return false;
        }
        assert_unavailable(&answer);
        true
    })
    .await;
    assert!(served > 0 && began.elapsed() > FRESH_MAX);
    for _ in 0..2 {
        assert_unavailable(&ask().await);
        for answer in outage.strict().await {
            assert_unavailable(&answer);
        }
    }
    outage.end().await;
    within(BACK_WITHIN, async || ask().await.status == StatusCode::OK).await;
    outage.finish().await;
}

/// Another node, which still reaches the database, changes a lifetime, revokes a token, and deletes
/// an application.
async fn change_meanwhile(outage: &mut Outage, revoked: &str, deleted: &str) {
    let now = outage.world.clock.now();
    let covered = format!("application {deleted}");
    let mut statements = vec![
        "begin".to_owned(),
        format!(
            "update apis set token_lifetime = 55, token_lifetime_for_web = 55 where identifier = '{ORDERS}'"
        ),
        format!(
            "insert into revoked_tokens (jti, expires_at) values ('{revoked}', {})",
            now + 86_400
        ),
        format!("delete from applications where client_id = '{deleted}'"),
    ];
    for (kind, key) in [
        ("api", ORDERS),
        ("revoked_token", revoked),
        ("application", deleted),
        ("client_grants", deleted),
        ("revocation", &covered),
    ] {
        statements.push("update change_counter set n = n + 1".to_owned());
        statements.push(format!("insert into changes (n, mark, kind, key, created_at) select n, 'of the test', '{kind}', '{key}', {now} from change_counter"));
    }
    statements.push(format!(
        "insert into revocations (object, number, ends_at) select '{covered}', n, {} from change_counter",
        now + 3_000_000
    ));
    statements.push("commit".to_owned());
    for statement in &statements {
        outage.sql.run(statement).await.unwrap();
    }
}

/// Every kind of request is answered again, and none of those that failed has happened.
async fn assert_all_works(node: &Node, shop: &Credentials) {
    let new = "https://new.example/";
    node.manage(Method::GET, &api_path(new), None)
        .await
        .expect(StatusCode::NOT_FOUND);
    node.create_api(new, json!({})).await;
    node.change_api(ORDERS, json!({ "token_lifetime": 77 }))
        .await
        .expect(StatusCode::OK);
    let issued = node.ask(shop, &[("audience", ORDERS)]).await;
    assert_eq!(issued.json["expires_in"], 77);
    let token = node.token(shop, NOTES).await;
    node.revoke(shop, &token).await;
    assert!(!node.is_active(shop, &token).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_again_afterwards_and_what_changed_meanwhile_is_honoured() {
    let mut outage = Outage::prepare(&[("GRANTOR_STORE__STALE_SECONDS_MAX", "600")]).await;
    let shop = outage.shop.clone();
    let other = outage.node().create_application(json!({})).await;
    outage.node().grant(&other, ORDERS, json!({})).await;
    let doomed = outage.node().token(&other, ORDERS).await;
    let jti = claims(&outage.signed)["jti"].as_str().unwrap().to_owned();
    outage.begin().await;
    outage.until_noticed().await;
    for answer in outage.strict().await {
        assert_unavailable(&answer);
    }
    change_meanwhile(&mut outage, &jti, &other.id).await;
    // Cut off, the node cannot know, and issues what it issued before.
    let node = outage.node();
    let issued = node.ask(&shop, &[("audience", ORDERS)]).await;
    assert_eq!(issued.expect(StatusCode::OK).json["expires_in"], 86_400);
    outage.end().await;
    within(BACK_WITHIN, async || {
        let answer = node.ask(&shop, &[("audience", ORDERS)]).await;
        answer.expect(StatusCode::OK).json["expires_in"] == 55
    })
    .await;
    within(BACK_WITHIN, async || {
        outage.readyz().await == StatusCode::OK
    })
    .await;
    assert!(!node.is_active(&shop, &outage.signed).await);
    assert!(!node.is_active_to(&outage.management, &doomed).await);
    node.ask(&other, &[("audience", ORDERS)])
        .await
        .expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    assert!(node.is_active(&shop, &outage.opaque).await);
    assert_all_works(node, &shop).await;
    outage.finish().await;
}

/// Asks all kinds of things until told to stop: how many were answered, and how many were 503.
async fn ask_without_pause(
    (wire, n): (Wire, usize),
    shop: Credentials,
    management: String,
    ended: CancellationToken,
) -> (u32, u32) {
    let (mut fine, mut unavailable) = (0, 0);
    let mut round = n;
    while !ended.is_cancelled() {
        round += 1;
        let fresh = format!("https://{n}.example/{round}");
        let body = json!({ "identifier": fresh });
        let answer = match round % 6 {
            0 => wire.ask(&shop, &[("audience", ORDERS)]).await,
            1 => wire.ask(&shop, &[("audience", NOTES)]).await,
            2 => {
                let form = [("token", &*management)];
                wire.form("/oauth/introspect", &shop, &form).await
            }
            3 => {
                let path = "/resource-servers";
                wire.manage_as(&management, Method::POST, path, Some(body))
                    .await
            }
            4 => {
                let path = "/clients?per_page=5";
                wire.manage_as(&management, Method::GET, path, None).await
            }
            _ => wire.ask(&shop, &[("audience", &fresh)]).await,
        };
        match answer.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                assert_unavailable(&answer);
                unavailable += 1;
            }
            StatusCode::OK | StatusCode::CREATED => fine += 1,
            // An API that nobody has made.
            StatusCode::FORBIDDEN if round % 6 == 5 => fine += 1,
            _ => panic!("{answer:?}"),
        }
    }
    (fine, unavailable)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_meets_a_500_while_the_database_goes_and_comes() {
    let mut outage = Outage::prepare(&[("GRANTOR_STORE__STALE_SECONDS_MAX", "1")]).await;
    let ended = CancellationToken::new();
    let mut askers = tokio::task::JoinSet::new();
    for n in 0..6 {
        askers.spawn(ask_without_pause(
            ((**outage.node()).clone(), n),
            outage.shop.clone(),
            outage.management.clone(),
            ended.clone(),
        ));
    }
    for _ in 0..3 {
        outage.begin().await;
        outage.until_noticed().await;
        outage.end().await;
        within(BACK_WITHIN, async || {
            outage.readyz().await == StatusCode::OK
        })
        .await;
    }
    ended.cancel();
    let counts = askers.join_all().await;
    let fine: u32 = counts.iter().map(|(fine, _)| fine).sum();
    let unavailable: u32 = counts.iter().map(|(_, unavailable)| unavailable).sum();
    assert!(
        fine > 50 && unavailable > 50,
        "{fine} fine, {unavailable} unavailable"
    );
    outage.finish().await;
}
