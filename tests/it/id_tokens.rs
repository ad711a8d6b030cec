//! ID tokens (OpenID Connect Core §2) as an application gets them by the code flow.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Desk, overlay};
use crate::harness::{
    CALLBACK, Credentials, ISSUER, Node, OMITTED, Person, both_stores, claims, header,
};
use crate::relying_party::{half_hash, verified};

const ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "EdDSA", "RS512"];

async fn application(desk: &Desk<'_>, fields: Value) -> Credentials {
    let mut usual = json!({ "name": "Shop", "app_type": "regular_web", "callbacks": [CALLBACK] });
    overlay(&mut usual, fields);
    desk.application(usual).await
}

fn id_token(tokens: &Value) -> &str {
    tokens["id_token"].as_str().unwrap()
}

/// The algorithms of the published keys.
async fn published(node: &Node) -> Vec<String> {
    let keys = node
        .send(node.request(Method::GET, "/.well-known/jwks.json"))
        .await;
    let keys = keys.expect(StatusCode::OK).json;
    let keys = keys["keys"].as_array().unwrap().iter();
    keys.map(|key| key["alg"].as_str().unwrap().to_owned())
        .collect()
}

both_stores! {
    /// §2: `iss`, `sub` (at most 255 ASCII characters), `aud` with the `client_id`, `exp`, `iat`; `azp`
    /// is the `client_id`; `auth_time`, `acr`, `amr`. §2 with §3.1.2.1: `nonce` as it was sent, and only
    /// then. §3.1.3.3: in the answer to the code.
    async fn an_id_token_says_who_has_signed_in_where_and_when(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = application(&desk, json!({ "jwt_configuration": { "lifetime_in_seconds": 300 } })).await;
        let ann = Person::create(node, "ann@example.com").await;
        let signed_in_at = world.clock.now();
        let tokens = ann.tokens(node, &shop, &[("nonce", "n-0S6_WzA2Mj")]).await;
        let said = verified(node, id_token(&tokens)).await;
        let now = world.clock.now();
        let sub = said["sub"].as_str().unwrap();
        assert!(sub.is_ascii() && sub.len() <= 255 && sub == ann.id);
        assert_eq!(said["iss"], ISSUER);
        assert_eq!((&said["aud"], &said["azp"]), (&json!(shop.id), &json!(shop.id)));
        assert_eq!((&said["iat"], &said["exp"]), (&json!(now), &json!(now + 300)));
        assert_eq!(said["nonce"], "n-0S6_WzA2Mj");
        assert_eq!(said["auth_time"], signed_in_at);
        assert_eq!((&said["acr"], &said["amr"]), (&json!("urn:grantor:acr:password"), &json!(["pwd"])));
        // Once more in the same session: another token of the same sign-in.
        world.clock.advance(100);
        let again = ann.tokens(node, &shop, &[("nonce", OMITTED)]).await;
        let again = claims(id_token(&again));
        assert!(again.get("nonce").is_none());
        assert_eq!((&again["auth_time"], &again["sid"]), (&said["auth_time"], &said["sid"]));
        assert_eq!(again["iat"], now + 100);
        let elsewhere = ann.at_another_browser();
        let other = elsewhere.tokens(node, &shop, &[]).await;
        assert_ne!(claims(id_token(&other))["sid"], said["sid"]);
    }

    /// §3.1.2.1: without `openid` there is none.
    async fn without_openid_there_is_no_id_token(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = application(&desk, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let tokens = ann.tokens(node, &shop, &[("scope", "email")]).await;
        assert!(tokens.get("id_token").is_none());
    }

    /// §2: signed by JWS, never by `none`. §10.1: by a published key that `kid` names, whose algorithm is
    /// the application's choice. §3.1.3.6: `at_hash` binds the access token.
    async fn an_application_chooses_what_signs_its_id_tokens(world: World) {
        let node = &world.node;
        let other = world.another_node().await;
        let desk = Desk::open(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        assert!(published(node).await.iter().all(|alg| alg == "RS256"));
        let later = application(&desk, json!({})).await;
        for alg in ALGORITHMS {
            let chosen = json!({ "jwt_configuration": { "alg": alg } });
            let at_once = application(&desk, chosen.clone()).await;
            desk.patch(&format!("/clients/{}", later.id), chosen).await.expect(StatusCode::OK);
            for client in [&at_once, &later] {
                let tokens = ann.tokens(node, client, &[]).await;
                let said = verified(node, id_token(&tokens)).await;
                let head = header(id_token(&tokens));
                assert_eq!((&head["alg"], &head["typ"]), (&json!(alg), &json!("JWT")));
                assert_eq!(said["at_hash"], half_hash(id_token(&tokens), tokens["access_token"].as_str().unwrap()));
                assert_eq!(said["aud"], json!(client.id));
            }
            // The other node hears of the keys.
            let tokens = ann.tokens(&other, &at_once, &[]).await;
            verified(&other, id_token(&tokens)).await;
        }
        other.stop().await;
    }

    /// Of secrets only digests are kept, so nothing could be signed with one.
    async fn hs256_is_refused_by_name(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = application(&desk, json!({})).await;
        let hs256 = json!({ "jwt_configuration": { "alg": "HS256" } });
        let answer = desk.patch(&format!("/clients/{}", shop.id), hs256).await;
        crate::desk::not_supported(answer, "jwt_configuration.alg");
    }

    async fn a_start_makes_the_keys_that_applications_need(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        application(&desk, json!({ "jwt_configuration": { "alg": "ES256" } })).await;
        assert!(published(node).await.contains(&"ES256".to_owned()));
        world.database.sql().await.run("delete from signing_keys where algorithm = 'ES256'").await.unwrap();
        let other = world.another_node().await;
        assert!(published(&other).await.contains(&"ES256".to_owned()));
        other.stop().await;
    }

    /// §5.4: the claims of the scopes, and §5.5: those that are asked for one by one.
    async fn an_id_token_tells_what_was_asked_for(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = application(&desk, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let tokens = ann.tokens(node, &shop, &[("scope", "openid email")]).await;
        let said = claims(id_token(&tokens));
        assert_eq!((&said["email"], &said["email_verified"]), (&json!("ann@example.com"), &json!(true)));
        assert!(said.get("nickname").is_none());
        let asked = json!({ "id_token": { "nickname": { "essential": true }, "picture": null } }).to_string();
        let tokens = ann.tokens(node, &shop, &[("claims", asked.as_str())]).await;
        let said = claims(id_token(&tokens));
        assert_eq!(said["nickname"], "ann");
        assert!(said.get("email").is_none() && said.get("picture").is_none());
    }
}
