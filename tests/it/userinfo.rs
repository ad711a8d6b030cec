//! Userinfo (OpenID Connect Core §5.3): what the holder of an access token is told of the user.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{Answer, CALLBACK, Credentials, Node, Person, both_stores, claims, header};

const ORDERS: &str = "https://orders.example/";
const USERINFO: &str = "https://grantor.test/userinfo";

/// An application that signs users in; the fields lie over the usual ones.
async fn shop(desk: &Desk<'_>, fields: Value) -> Credentials {
    let mut usual = json!({
        "name": "Shop",
        "app_type": "regular_web",
        "callbacks": [CALLBACK],
        "grant_types": ["authorization_code", "client_credentials"],
    });
    crate::desk::overlay(&mut usual, fields);
    desk.application(usual).await
}

/// A person of whom much is known.
async fn ann(node: &Node, desk: &Desk<'_>) -> Person {
    let ann = Person::create(node, "ann@example.com").await;
    let known = json!({
        "name": "Ann Bell",
        "given_name": "Ann",
        "family_name": "Bell",
        "nickname": "annie",
        "picture": "https://pictures.example/ann.png",
        "user_metadata": { "locale": "de", "zoneinfo": "Europe/Berlin", "secret_of_hers": "x" },
    });
    let path = format!("/users/{}", ann.id.replace('|', "%7C"));
    desk.patch(&path, known).await.expect(StatusCode::OK);
    ann
}

async fn access_token(
    node: &Node,
    (person, client): (&Person, &Credentials),
    params: &[(&str, &str)],
) -> String {
    let tokens = person.tokens(node, client, params).await;
    tokens["access_token"].as_str().unwrap().to_owned()
}

async fn ask(node: &Node, token: &str) -> Answer {
    let request = node.request(Method::GET, "/userinfo").bearer_auth(token);
    node.send(request).await
}

async fn told(node: &Node, token: &str) -> Value {
    ask(node, token).await.expect(StatusCode::OK).json
}

/// RFC 6750 §3: 401 and why, also in the header.
#[track_caller]
fn refused(answer: Answer) {
    let answer = answer.expect_error(StatusCode::UNAUTHORIZED, "invalid_token");
    let challenge = answer.headers["www-authenticate"].to_str().unwrap();
    assert_eq!(
        challenge,
        r#"Bearer realm="grantor", error="invalid_token""#
    );
    assert_eq!(answer.headers["cache-control"], "no-store");
}

fn names(told: &Value) -> Vec<&str> {
    told.as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

both_stores! {
    /// OpenID Connect Core §5.3.2: always `sub`, JSON. §5.4: the claims of the granted scopes, and those
    /// alone; what is not known is left out.
    async fn the_claims_of_the_scopes_and_no_others(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk, json!({})).await;
        let ann = ann(node, &desk).await;
        for (scope, expected) in [
            ("openid", &["sub"][..]),
            ("openid email", &["email", "email_verified", "sub"]),
            ("openid phone address", &["sub"]),
            ("openid profile", &["family_name", "given_name", "locale", "name", "nickname", "picture", "sub", "updated_at", "zoneinfo"]),
        ] {
            let token = access_token(node, (&ann, &shop), &[("scope", scope)]).await;
            let answer = ask(node, &token).await.expect(StatusCode::OK);
            assert_eq!(names(&answer.json), expected, "{scope}");
            assert_eq!(answer.json["sub"], json!(ann.id));
            assert_eq!(answer.headers["content-type"], "application/json");
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
        let token = access_token(node, (&ann, &shop), &[("scope", "openid email profile")]).await;
        let seen = told(node, &token).await;
        assert_eq!((&seen["email"], &seen["email_verified"], &seen["name"]), (&json!("ann@example.com"), &json!(true), &json!("Ann Bell")));
    }

    /// OpenID Connect Core §5.3.2: `sub` is that of the ID token.
    async fn the_subject_is_the_one_of_the_id_token(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk, json!({})).await;
        let ann = ann(node, &desk).await;
        let tokens = ann.tokens(node, &shop, &[]).await;
        let id_token = claims(tokens["id_token"].as_str().unwrap());
        let seen = told(node, tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(seen["sub"], id_token["sub"]);
        // §16.4, RFC 8725 §3.11: neither is taken for the other.
        refused(ask(node, tokens["id_token"].as_str().unwrap()).await);
    }

    /// OpenID Connect Core §5.3: GET and POST. §5.3.1: the token in the header, or in a form (RFC 6750
    /// §2.2), which is not the query string, and in one place only (RFC 6750 §2).
    async fn the_token_comes_in_the_header_or_in_a_form(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk, json!({})).await;
        let ann = ann(node, &desk).await;
        let token = access_token(node, (&ann, &shop), &[]).await;
        let post = || node.request(Method::POST, "/userinfo");
        let form = [("access_token", token.as_str())];
        for request in [
            post().bearer_auth(&token),
            post().bearer_auth(&token).form(&[("other", "1")]),
            post().bearer_auth(&token).json(&json!({ "access_token": "of no meaning here" })),
            post().header("authorization", format!("bearer {token}")),
            post().form(&form),
        ] {
            let seen = node.send(request).await.expect(StatusCode::OK);
            assert_eq!(seen.json["sub"], json!(ann.id));
        }
        let query = format!("/userinfo?access_token={token}");
        for request in [
            node.request(Method::GET, &query),
            node.request(Method::GET, &query).bearer_auth(&token),
            node.request(Method::POST, &query),
            post().bearer_auth(&token).form(&form),
            post().form(&[("access_token", token.as_str()), ("access_token", token.as_str())]),
        ] {
            node.send(request).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        }
    }

    /// RFC 6750 §3.1: who presents nothing is told what to present, and nothing of errors.
    async fn who_presents_no_token_is_asked_for_one(world: World) {
        let node = &world.node;
        let get = || node.request(Method::GET, "/userinfo");
        for request in [
            get(),
            node.request(Method::POST, "/userinfo"),
            node.request(Method::POST, "/userinfo").form(&[("x", "y")]),
            get().basic_auth("a", Some("b")),
            get().header("authorization", "Bearer"),
        ] {
            let answer = node.send(request).await.expect(StatusCode::UNAUTHORIZED);
            assert_eq!(answer.headers["www-authenticate"], r#"Bearer realm="grantor""#);
            assert_eq!(answer.body, "");
        }
    }

    /// RFC 6750 §3.1 `invalid_token`: expired, revoked, malformed, or not for userinfo.
    async fn a_token_that_does_not_hold_opens_nothing(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({ "scopes": [{ "value": "read" }], "token_lifetime": 600 })).await;
        let shop = shop(&desk, json!({})).await;
        desk.grant(&shop, ORDERS, json!({ "scope": ["read"] })).await;
        let ann = ann(node, &desk).await;
        let with_api = [("audience", ORDERS), ("scope", "openid read")];
        let token = access_token(node, (&ann, &shop), &with_api).await;
        assert_eq!(claims(&token)["aud"], json!([ORDERS, USERINFO]));
        assert_eq!(told(node, &token).await["sub"], json!(ann.id));
        let mut broken = token.clone();
        broken.replace_range(token.len() - 8..token.len() - 4, "AAAA");
        let own = node.token(&shop, ORDERS).await;
        let without = access_token(node, (&ann, &shop), &[("audience", ORDERS), ("scope", "read")]).await;
        for wrong in ["x", &broken, &"x".repeat(20_000), &own, &without, &node.admin_token().await] {
            refused(ask(node, wrong).await);
        }
        node.revoke(&shop, &token).await;
        refused(ask(node, &token).await);
        let token = access_token(node, (&ann, &shop), &with_api).await;
        world.clock.advance(599);
        told(node, &token).await;
        world.clock.advance(1);
        refused(ask(node, &token).await);
    }

    /// OpenID Connect Core §5.3.1 with §3.1.2.1: it is `openid` that opens userinfo.
    async fn a_token_without_openid_is_not_enough(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk, json!({})).await;
        let ann = ann(node, &desk).await;
        let token = access_token(node, (&ann, &shop), &[("scope", "email")]).await;
        let answer = ask(node, &token).await.expect_error(StatusCode::FORBIDDEN, "insufficient_scope");
        assert_eq!(answer.headers["www-authenticate"], r#"Bearer realm="grantor", error="insufficient_scope""#);
    }

    async fn a_user_who_is_blocked_or_gone_is_told_of_to_nobody(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk, json!({})).await;
        let ann = ann(node, &desk).await;
        let token = access_token(node, (&ann, &shop), &[]).await;
        let path = format!("/users/{}", ann.id.replace('|', "%7C"));
        desk.patch(&path, json!({ "blocked": true })).await.expect(StatusCode::OK);
        refused(ask(node, &token).await);
        desk.patch(&path, json!({ "blocked": false })).await.expect(StatusCode::OK);
        desk.delete(&path).await.expect(StatusCode::NO_CONTENT);
        refused(ask(node, &token).await);
    }

    /// OpenID Connect Core §5.5: claims one by one, by whichever form of token, however long after the
    /// authorization. §5.5.1: one that is asked for with a value is there where it is that value.
    async fn what_was_asked_for_one_by_one_is_told(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        desk.api(ORDERS, json!({ "scopes": [{ "value": "read" }], "token_lifetime": 1_000_000 })).await;
        let shop = shop(&desk, json!({})).await;
        let ann = ann(node, &desk).await;
        let asked = json!({
            "userinfo": {
                "given_name": { "essential": true },
                "email": null,
                "locale": { "value": "de" },
                "zoneinfo": { "values": ["Europe/Paris"] },
                "secret_of_hers": null,
            },
            "id_token": { "nickname": null },
        }).to_string();
        let expected = ["email", "given_name", "locale", "sub"];
        for (audience, is_signed) in [("", false), (ORDERS, true)] {
            let params = [("audience", audience), ("scope", "openid read"), ("claims", asked.as_str())];
            let tokens = ann.tokens(node, &shop, &params).await;
            let token = tokens["access_token"].as_str().unwrap();
            assert_eq!(token.contains('.'), is_signed);
            assert_eq!(names(&told(node, token).await), expected);
            if is_signed {
                world.clock.advance(500_000);
                assert_eq!(names(&told(node, token).await), expected);
            }
            let id_token = claims(tokens["id_token"].as_str().unwrap());
            assert_eq!(id_token["nickname"], "annie");
            assert!(id_token.get("given_name").is_none());
        }
    }

    /// An API's own secret signs for that API alone: not for userinfo either.
    async fn no_token_of_an_apis_own_secret_opens_userinfo(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let api = desk.api(ORDERS, json!({ "scopes": [{ "value": "read" }], "signing_alg": "HS256" })).await;
        let shop = shop(&desk, json!({})).await;
        let ann = ann(node, &desk).await;
        let params = [("audience", ORDERS), ("scope", "openid read")];
        let token = access_token(node, (&ann, &shop), &params).await;
        assert_eq!((&header(&token)["alg"], &claims(&token)["aud"]), (&json!("HS256"), &json!(ORDERS)));
        refused(ask(node, &token).await);
        // Whoever knows the secret may write what they like.
        let mut forged = claims(&token);
        forged["aud"] = json!(USERINFO);
        let secret = jsonwebtoken::EncodingKey::from_secret(api["signing_secret"].as_str().unwrap().as_bytes());
        for aud in [json!(USERINFO), json!([ORDERS, USERINFO]), json!(ORDERS)] {
            forged["aud"] = aud;
            let head = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
            refused(ask(node, &jsonwebtoken::encode(&head, &forged, &secret).unwrap()).await);
        }
    }

    /// Pages of the origins that applications list may ask (compatibility.md §6).
    async fn a_page_of_an_application_may_ask(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let app = "https://app.example";
        let shop = shop(&desk, json!({ "web_origins": [app] })).await;
        let ann = ann(node, &desk).await;
        let token = access_token(node, (&ann, &shop), &[]).await;
        for (origin, is_allowed) in [(app, true), ("https://evil.example", false)] {
            let preflight = node.request(Method::OPTIONS, "/userinfo")
                .header("origin", origin)
                .header("access-control-request-method", "GET")
                .header("access-control-request-headers", "authorization");
            let asked = node.request(Method::GET, "/userinfo").header("origin", origin).bearer_auth(&token);
            let refused = node.request(Method::GET, "/userinfo").header("origin", origin).bearer_auth("x");
            for request in [preflight, asked, refused] {
                let answer = node.send(request).await;
                let allowed = answer.headers.get("access-control-allow-origin").is_some();
                assert_eq!(allowed, is_allowed, "{origin}");
            }
        }
    }

    async fn a_use_of_a_stored_token_is_recorded(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let shop = shop(&desk, json!({})).await;
        let ann = ann(node, &desk).await;
        let token = access_token(node, (&ann, &shop), &[]).await;
        told(node, &token).await;
        let used = async || desk.shown("/tokens").await[0]["last_used_at"].is_string();
        crate::harness::within(std::time::Duration::from_secs(5), used).await;
    }
}
