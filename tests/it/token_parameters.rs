//! How the parameters of a token request are read (compatibility.md §6, "parameters").

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Credentials, Node, both_stores, claims};

const ORDERS: &str = "https://orders.example/";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

async fn post(node: &Node, client: &Credentials, content_type: &str, body: &str) -> Answer {
    node.body("/oauth/token", client, (content_type, body.to_owned()))
        .await
}

both_stores! {
    async fn a_parameter_that_is_repeated_is_refused_whether_known_or_not(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        for twice in [
            "audience=https://orders.example/&audience=https://orders.example/",
            "scope=a&scope=a",
            "validity_period=600&validity_period=600",
            "validity_period=&validity_period=600",
            "grant_type=client_credentials",
            "grant%5ftype=client_credentials",
            "unknown=1&unknown=2",
            "unknown&unknown",
            "audience=&audience=",
        ] {
            let body = format!("grant_type=client_credentials&{twice}");
            post(node, &shop, FORM, &body).await
                .expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        }
        for twice in [
            r#""audience":"https://orders.example/","audience":"https://orders.example/""#,
            r#""validity_period":600,"validity_period":600"#,
            r#""grant_type":"client_credentials""#,
            r#""gr\u0061nt_type":"client_credentials""#,
            r#""unknown":1,"unknown":1"#,
            r#""unknown":null,"unknown":null"#,
            r#""resource":"https://orders.example/","resource":"https://orders.example/""#,
            r#""unknown":{"a":1,"a":2}"#,
        ] {
            let body = format!(r#"{{"grant_type":"client_credentials",{twice}}}"#);
            post(node, &shop, JSON, &body).await
                .expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        }
    }

    async fn empty_values_and_null_count_as_omitted(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let form = "grant_type=client_credentials&audience=&scope=&resource=&client_secret=&x=";
        let answer = post(node, &shop, FORM, form).await.expect(StatusCode::OK);
        assert_eq!(claims(&answer.text("access_token"))["aud"], ORDERS);
        for empty in [Value::Null, json!("")] {
            let members = json!({
                "audience": empty, "scope": empty, "resource": empty, "client_secret": empty,
            });
            let answer = node.ask_json(&shop, members).await.expect(StatusCode::OK);
            assert_eq!(claims(&answer.text("access_token"))["aud"], ORDERS);
        }
        let answer = node.ask_json(&shop, json!({ "validity_period": null })).await;
        assert_eq!(answer.expect(StatusCode::OK).json["expires_in"], 86400);
        let refused = post(node, &shop, FORM, "grant_type=&audience=x").await;
        let refused = refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        assert_eq!(refused.text("error_description"), "Missing required parameter: grant_type");
    }

    async fn an_empty_lifetime_is_refused_so_that_nobody_gets_the_default_unasked(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        for answer in [
            node.ask(&shop, &[("validity_period", "")]).await,
            node.ask_json(&shop, json!({ "validity_period": "" })).await,
        ] {
            let refused = answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            assert!(refused.text("error_description").contains("validity_period"));
        }
    }

    async fn a_lifetime_in_json_is_an_integer_or_a_decimal_string(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        for good in [json!(600), json!("600")] {
            let answer = node.ask_json(&shop, json!({ "validity_period": good })).await;
            assert_eq!(answer.expect(StatusCode::OK).json["expires_in"], 600);
        }
        let bad = r#"600.0 6e2 "600.0" "6e2" "+60" true [600] {} 0 "0" 9223372036854775808"#;
        let bad = bad.split(' ');
        for bad in bad.chain([r#"" 600""#, r#""-""#]) {
            let body = format!(r#"{{"grant_type":"client_credentials","validity_period":{bad}}}"#);
            let refused = post(node, &shop, JSON, &body).await;
            let refused = refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            assert!(refused.text("error_description").contains("validity_period"), "{bad}");
        }
    }

    async fn json_of_another_type_is_refused_where_the_parameter_is_known(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        for members in [
            json!({ "audience": 1 }),
            json!({ "audience": [ORDERS] }),
            json!({ "audience": true }),
            json!({ "resource": { "a": 1 } }),
            json!({ "resource": [ORDERS, 1] }),
            json!({ "scope": 1 }),
            json!({ "scope": { "a": 1 } }),
            json!({ "grant_type": 1 }),
            json!({ "grant_type": ["client_credentials"] }),
            json!({ "client_id": 1 }),
        ] {
            let refused = node.ask_json(&shop, members).await;
            refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        }
        let trailing = r#"{"grant_type":"client_credentials"}x"#;
        for body in ["", "null", "[]", "1", "{", r#""text""#, trailing] {
            let refused = post(node, &shop, JSON, body).await;
            refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        }
    }

    async fn unknown_parameters_are_ignored(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let params = [("audience", ORDERS), ("expires_in", "5"), ("x", "\u{1}"), ("y", "")];
        let answer = node.ask(&shop, &params).await.expect(StatusCode::OK);
        assert_eq!(answer.json["expires_in"], 86400);
        let members = json!({ "audience": ORDERS, "x": { "y": [1, null] }, "z": 1.5 });
        node.ask_json(&shop, members).await.expect(StatusCode::OK);
    }

    async fn only_forms_and_json_are_read(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let form = "grant_type=client_credentials";
        let json = r#"{"grant_type":"client_credentials"}"#;
        for (content_type, body) in [
            ("application/x-www-form-urlencoded; charset=UTF-8", form),
            ("Application/X-WWW-Form-Urlencoded", form),
            ("application/json; charset=utf-8", json),
        ] {
            post(node, &shop, content_type, body).await.expect(StatusCode::OK);
        }
        for (content_type, body) in [
            ("text/plain", form),
            ("multipart/form-data; boundary=x", form),
            ("application/jsonx", json),
            ("application/jwt", json),
            ("", form),
        ] {
            let refused = post(node, &shop, content_type, body).await;
            let refused = refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            assert!(refused.text("error_description").contains("Content-Type"), "{content_type}");
        }
        let request = node.request(Method::POST, "/oauth/token");
        let untyped = request.basic_auth(&shop.id, Some(&shop.secret)).body(form);
        node.send(untyped).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn secrets_in_the_query_string_are_refused_and_the_rest_of_it_ignored(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        let asked = [("grant_type", "client_credentials"), ("audience", ORDERS)];
        let with_token = [&asked[..], &[("token", "x")]].concat();
        for name in ["client_secret", "client%5Fsecret", "password", "client_assertion"] {
            for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
                let path = format!("{path}?{name}={}", shop.secret);
                let refused = node.form(&path, &shop, &with_token).await;
                refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            }
        }
        let refused = node.form("/oauth/introspect?token=x", &shop, &[("token", "x")]).await;
        refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        let path = "/oauth/token?validity_period=5&utm_source=mail";
        let answer = node.form(path, &shop, &asked).await.expect(StatusCode::OK);
        assert_eq!(answer.json["expires_in"], 86400);
        // What the body must hold is not looked for in the query string.
        let refused = node.form("/oauth/token?grant_type=client_credentials", &shop, &[]).await;
        refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn control_characters_and_broken_utf_8_are_refused(world: World) {
        let node = &world.node;
        let shop = node.api_and_application(ORDERS).await;
        for value in ["a%00b", "a%0Ab", "a%7Fb", "a%C2%85b", "a%ff", "%c3"] {
            for name in ["audience", "resource", "scope", "grant_type", "client_id"] {
                let mut body = format!("{name}={value}");
                if name != "grant_type" {
                    body.push_str("&grant_type=client_credentials");
                }
                let refused = post(node, &shop, FORM, &body).await;
                refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            }
        }
        let mut raw = b"grant_type=client_credentials&audience=".to_vec();
        raw.push(0xff);
        let refused = node.body("/oauth/token", &shop, (FORM, raw)).await;
        refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        let refused = node.ask_json(&shop, json!({ "audience": "a\u{0}b" })).await;
        refused.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }

    async fn a_plus_is_a_space_and_percent_encoding_is_undone_in_forms(world: World) {
        let node = &world.node;
        let scopes = json!([{ "value": "a+b" }, { "value": "c" }]);
        node.create_api(ORDERS, json!({ "scopes": scopes })).await;
        let shop = node.create_application(json!({})).await;
        node.grant(&shop, ORDERS, json!({ "scope": ["a+b", "c"] })).await;
        let scope = "audience=https%3A%2F%2Forders.example/&scope=c+a%2Bb";
        let body = format!("grant_type=client_credentials&{scope}");
        let answer = post(node, &shop, FORM, &body).await.expect(StatusCode::OK);
        assert_eq!(answer.json["scope"], "c a+b");
    }
}
