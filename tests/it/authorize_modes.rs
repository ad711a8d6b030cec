//! How an answer travels: query, fragment, form, message.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{
    CALLBACK, ISSUER, Person, Seen, authorize_path, both_stores, claims, exchange, hidden, usual,
};
use crate::shop::{self, refused, stays_here};

/// The names of the hidden fields of a page.
fn fields(html: &str) -> Vec<&str> {
    let inputs = html.split("<input type=\"hidden\" name=\"").skip(1);
    inputs.map(|rest| rest.split('"').next().unwrap()).collect()
}

both_stores! {
    /// OAuth 2.0 Multiple Response Type Encoding Practices §2.1: query for codes, fragment where asked.
    async fn a_code_comes_in_the_query_or_where_it_is_asked_for(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        for (mode, in_fragment) in [("query", false), ("fragment", true)] {
            let seen = ann.authorize(node, &usual(&shop, &[("response_mode", mode)])).await;
            let Seen::Left(url) = &seen else { panic!("{seen:?}") };
            assert_eq!((url.fragment().is_some(), url.query().is_some()), (in_fragment, !in_fragment), "{url}");
            exchange(node, &shop, &seen.answer()["code"], &[]).await.expect(StatusCode::OK);
        }
    }

    /// OAuth 2.0 Form Post Response Mode §2: the parameters as fields of a form that the browser posts to
    /// the redirect URI, errors too; the page is not kept.
    async fn a_form_brings_the_answer(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        shop::allow_front_channel(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        let by_form = [("response_mode", "form_post")];
        let (_, status, html) = ann.authorize(node, &usual(&shop, &by_form)).await.page();
        assert_eq!(status, StatusCode::OK);
        assert!(html.contains(&format!("method=\"post\" action=\"{CALLBACK}\"")), "{html}");
        assert_eq!(fields(&html), ["code", "state", "iss"]);
        assert_eq!((hidden(&html, "state").as_str(), hidden(&html, "iss").as_str()), ("the state", ISSUER));
        exchange(node, &shop, &hidden(&html, "code"), &[]).await.expect(StatusCode::OK);
        let path = authorize_path(&usual(&shop, &[("response_mode", "form_post"), ("response_type", "code id_token token")]));
        let answer = ann.look(node, &path).await.expect(StatusCode::OK);
        let header = |name: &str| answer.headers[name].to_str().unwrap();
        assert!(header("cache-control").contains("no-store"), "{:?}", answer.headers);
        let policy = header("content-security-policy");
        assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        let all = ["code", "access_token", "token_type", "expires_in", "scope", "id_token", "state", "iss"];
        assert_eq!(fields(&answer.body), all);
        let id_token = claims(&hidden(&answer.body, "id_token"));
        assert_eq!(id_token["nonce"], "the nonce");
        let wrong = usual(&shop, &[("response_mode", "form_post"), ("prompt", "nonsense"), ("state", "<\"&'>")]);
        let (_, _, html) = ann.open(node, &authorize_path(&wrong)).await.page();
        assert_eq!(fields(&html), ["error", "error_description", "state", "iss"]);
        assert_eq!(hidden(&html, "error"), "invalid_request");
        assert!(!html.contains("value=\"<"), "{html}");
    }

    /// Auth0's silent authentication: a message to the page that waits, which the application lists, and
    /// to no other.
    async fn a_message_goes_to_listed_pages_only(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({ "web_origins": ["https://other.example"] })).await;
        let ann = Person::create(node, "ann@example.com").await;
        ann.code(node, &shop, &[]).await;
        let silently = [("response_mode", "web_message"), ("prompt", "none")];
        let path = authorize_path(&usual(&shop, &silently));
        stays_here(&ann, node, &path).await;
        shop::change(node, &shop, json!({ "web_origins": ["https://app.example"] })).await;
        let answer = ann.look(node, &path).await.expect(StatusCode::OK);
        assert!(answer.body.contains("data-origin=\"https://app.example\""), "{}", answer.body);
        let message = |html: &str| -> Value {
            let rest = html.split("data-response=\"").nth(1).unwrap();
            let text = rest.split('"').next().unwrap();
            let text = text.replace("&#34;", "\"").replace("&quot;", "\"");
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
        };
        let response = message(&answer.body);
        assert_eq!((&response["state"], &response["iss"]), (&json!("the state"), &json!(ISSUER)));
        exchange(node, &shop, response["code"].as_str().unwrap(), &[]).await.expect(StatusCode::OK);
        let elsewhere = ann.at_another_browser().look(node, &path).await;
        assert_eq!(message(&elsewhere.body)["error"], "login_required");
        assert_eq!(refused(&ann, node, &shop, &[("response_mode", "okmsg")]).await, "invalid_request");
    }

    /// OWASP ASVS 5, 10.4.12: an application allows the ways that it uses, and its answers come back in no
    /// other, however the request arrives; what says so comes back in one that it allows.
    async fn an_application_gets_answers_only_in_the_modes_that_it_allows(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({ "allowed_response_modes": ["form_post"] })).await;
        shop::allow_front_channel(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        let by_form = [("response_mode", "form_post")];
        let (_, _, html) = ann.authorize(node, &usual(&shop, &by_form)).await.page();
        assert_eq!(fields(&html), ["code", "state", "iss"]);
        // Without a word it is the query, and for tokens the fragment.
        for wrong in [
            &[][..],
            &[("response_mode", "query")],
            &[("response_mode", "fragment")],
            &[("response_type", "code id_token")],
            &[("response_type", "id_token"), ("prompt", "none")],
        ] {
            let (_, _, html) = ann.open(node, &authorize_path(&usual(&shop, wrong))).await.page();
            assert_eq!(fields(&html), ["error", "error_description", "state", "iss"], "{wrong:?}");
            assert_eq!(hidden(&html, "error"), "unauthorized_client", "{wrong:?}");
            let pushed = shop::push(node, &shop, wrong).await;
            pushed.expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");
        }
        shop::change(node, &shop, json!({ "allowed_response_modes": ["query", "form_post"] })).await;
        ann.code(node, &shop, &[]).await;
        shop::change(node, &shop, json!({ "allowed_response_modes": null })).await;
        ann.code(node, &shop, &[("response_mode", "fragment")]).await;
    }

    /// A mode that is taken back counts for who is signing in just now, and for what was pushed before.
    async fn a_mode_that_is_taken_back_brings_no_answer_any_more(world: World) {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        let ann = Person::create(node, "ann@example.com").await;
        let by_fragment = [("response_mode", "fragment")];
        let page = ann.open(node, &authorize_path(&usual(&shop, &by_fragment))).await;
        let pushed = shop::push(node, &shop, &by_fragment).await;
        let reference = pushed.expect(StatusCode::CREATED).text("request_uri");
        shop::change(node, &shop, json!({ "allowed_response_modes": ["query"] })).await;
        for seen in [
            ann.go_on(node, page).await,
            ann.open(node, &shop::by_reference(&shop, &reference, &[])).await,
        ] {
            let Seen::Left(url) = &seen else { panic!("{seen:?}") };
            assert!(url.fragment().is_none(), "{url}");
            assert_eq!(seen.answer()["error"], "unauthorized_client");
        }
    }

    async fn only_modes_that_exist_can_be_allowed_and_at_least_one(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        for wrong in [json!([]), json!(["queries"]), json!("query"), json!([null])] {
            let body = json!({ "name": "Shop", "allowed_response_modes": wrong });
            let answer = desk.post("/clients", body).await;
            answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        }
    }
}
