//! The user tokens of lifetime.md's worked cases, over HTTP: from the token endpoint, from the
//! authorization endpoint, and as they are explained.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Credentials, Node, OMITTED, Person, World, api_path, authorize_path, both_hands, both_stores,
    claims, exchange, usual,
};
use crate::shop::{self, ORDERS, STOCK};

const NEVER: i64 = -1;

/// How a token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The code flow; `validity_period` in the authorization request.
    Code,
    /// The same, pushed.
    Pushed,
    /// The code flow; `validity_period` in the token request.
    AtExchange,
    Implicit,
    Hybrid,
}

impl Way {
    const fn flow(self) -> &'static str {
        match self {
            Self::Code | Self::Pushed | Self::AtExchange => "authorization_code",
            Self::Implicit => "implicit",
            Self::Hybrid => "hybrid",
        }
    }
}

/// A user's browser at a shop.
struct Story<'w> {
    node: &'w Node,
    shop: Credentials,
    ann: Person,
}

impl<'w> Story<'w> {
    async fn begin(world: &'w World) -> Self {
        let node = &world.node;
        let shop = shop::open(node, json!({})).await;
        shop::allow_front_channel(node).await;
        let ann = Person::create(node, "ann@example.com").await;
        Self { node, shop, ann }
    }

    /// `expires_in` and the token.
    async fn token(&self, way: Way, asks: Option<&str>) -> (Option<i64>, String) {
        let Self { node, shop, ann } = self;
        let asks = [("validity_period", asks.unwrap_or(OMITTED))];
        let asked = [("audience", ORDERS), ("scope", "openid read")];
        let with = both_hands(&asked, if way == Way::AtExchange { &[] } else { &asks });
        let params = match way {
            Way::Implicit => both_hands(&with, &[("response_type", "token")]),
            Way::Hybrid => both_hands(&with, &[("response_type", "code id_token token")]),
            _ => with,
        };
        let params = usual(shop, &params);
        let answer = if way == Way::Pushed {
            let pushed = node.form("/oauth/par", shop, &params).await;
            let reference = pushed.expect(StatusCode::CREATED).text("request_uri");
            let params = [
                ("client_id", shop.id.as_str()),
                ("request_uri", reference.as_str()),
            ];
            ann.authorize(node, &params).await.answer()
        } else {
            ann.authorize(node, &params).await.answer()
        };
        if let Some(token) = answer.get("access_token") {
            let seconds = answer.get("expires_in").map(|text| text.parse().unwrap());
            return (seconds, token.clone());
        }
        let at_exchange = if way == Way::AtExchange {
            &asks[..]
        } else {
            &[]
        };
        let tokens = exchange(node, shop, &answer["code"], at_exchange).await;
        let tokens = tokens.expect(StatusCode::OK);
        (
            tokens.json["expires_in"].as_i64(),
            tokens.text("access_token"),
        )
    }

    /// What the answer, the token and introspection say, which is one thing.
    async fn granted(&self, way: Way, asks: Option<&str>) -> i64 {
        let (expires_in, token) = self.token(way, asks).await;
        let seen = self.node.introspect(&self.shop, &token).await;
        assert_eq!(seen["active"], true, "{seen}");
        let Some(expires_in) = expires_in else {
            assert!(seen.get("exp").is_none() && !token.contains('.'), "{seen}");
            return NEVER;
        };
        let lives = |said: &Value| said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap();
        assert_eq!(lives(&seen), expires_in, "{seen}");
        if expires_in > 2_592_000 {
            assert!(!token.contains('.'), "a long token is opaque");
        } else {
            assert_eq!(lives(&claims(&token)), expires_in);
        }
        expires_in
    }

    async fn explained(&self, way: Way, asks: Option<&str>) -> (i64, String) {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", &self.shop.id);
        query.append_pair("flow", way.flow());
        // What the token request says, no browser has brought.
        let is_pushed = matches!(way, Way::Pushed | Way::AtExchange);
        query.append_pair("pushed", if is_pushed { "true" } else { "false" });
        query.extend_pairs(asks.map(|seconds| ("validity_period", seconds)));
        let path = format!("{}/token-lifetime?{}", api_path(ORDERS), query.finish());
        let answer = self.node.manage(Method::GET, &path, None).await;
        let answer = answer.expect(StatusCode::OK);
        (
            answer.json["lifetime"].as_i64().unwrap(),
            answer.text("rule"),
        )
    }

    /// The case of this number: how it is asked, what is granted, and by which rule.
    async fn case(
        &self,
        number: &str,
        (way, asks): (Way, Option<&str>),
        (granted, rule): (i64, &str),
    ) {
        assert_eq!(self.granted(way, asks).await, granted, "case {number}");
        let explained = self.explained(way, asks).await;
        assert_eq!(explained, (granted, rule.to_owned()), "case {number}");
    }

    async fn set_user_lifetime(&self, seconds: Value) {
        let lifetimes = json!({ "access_token_lifetimes": { "user": seconds } });
        shop::change(self.node, &self.shop, lifetimes).await;
    }
}

both_stores! {
    async fn the_worked_cases_of_the_code_flow(world: World) {
        let story = Story::begin(world).await;
        for (number, way, asks, granted, rule) in [
            ("1, 22", Way::Code, None, 86400, "api_default"),
            ("2", Way::Code, Some("3600"), 3600, "requested"),
            ("3", Way::Code, Some("1"), 1, "requested"),
            ("4", Way::AtExchange, Some("2592000"), 2_592_000, "requested"),
            ("5", Way::AtExchange, Some("2592001"), 2_592_000, "api_maximum"),
            ("6", Way::AtExchange, Some("9223372036854775807"), 2_592_000, "api_maximum"),
            ("7", Way::AtExchange, Some("-1"), 2_592_000, "api_maximum"),
            ("23", Way::Code, Some("2592000"), 86400, "authorization_request"),
            ("23, never", Way::Code, Some("-1"), 86400, "authorization_request"),
            ("24", Way::Pushed, Some("2592000"), 2_592_000, "requested"),
            ("24, beyond", Way::Pushed, Some("2592001"), 2_592_000, "api_maximum"),
        ] {
            story.case(number, (way, asks), (granted, rule)).await;
        }
        // What the token request says wins over the authorization request.
        let code = story.ann.code(story.node, &story.shop, &[("audience", ORDERS), ("scope", "openid read"), ("validity_period", "60")]).await;
        let longer = exchange(story.node, &story.shop, &code, &[("validity_period", "90000")]).await.expect(StatusCode::OK);
        assert_eq!(longer.json["expires_in"], 90000);
    }

    async fn the_worked_cases_of_an_applications_own_value(world: World) {
        let story = Story::begin(world).await;
        story.set_user_lifetime(json!(1800)).await;
        story.case("13", (Way::Code, None), (1800, "application")).await;
        story.case("14", (Way::AtExchange, Some("7200")), (7200, "requested")).await;
        story.case("14, unpushed", (Way::Code, Some("7200")), (1800, "authorization_request")).await;
        story.case("14, pushed", (Way::Pushed, Some("7200")), (7200, "requested")).await;
        story.set_user_lifetime(json!(5_184_000)).await;
        story.case("15", (Way::Code, None), (2_592_000, "api_maximum")).await;
        story.set_user_lifetime(json!(-1)).await;
        story.case("16", (Way::Code, None), (2_592_000, "api_maximum")).await;
        story.node.change_api(ORDERS, json!({ "max_token_lifetime": -1 })).await.expect(StatusCode::OK);
        story.case("17", (Way::Code, None), (NEVER, "application")).await;
        story.case("8", (Way::Pushed, Some("-1")), (NEVER, "requested")).await;
        story.case("9", (Way::Pushed, Some("31536000")), (31_536_000, "requested")).await;
        let lifetimes = json!({ "access_token_lifetimes": { "user": null, "application": 1800 } });
        shop::change(story.node, &story.shop, lifetimes).await;
        story.case("18", (Way::Code, None), (86400, "api_default")).await;
    }

    async fn the_worked_cases_of_the_front_channel(world: World) {
        let story = Story::begin(world).await;
        for way in [Way::Implicit, Way::Hybrid] {
            story.case("19", (way, None), (7200, "api_web")).await;
            story.case("20", (way, Some("86400")), (7200, "api_web")).await;
            story.case("20, never", (way, Some("-1")), (7200, "api_web")).await;
            story.case("21", (way, Some("60")), (60, "requested")).await;
        }
        story.set_user_lifetime(json!(-1)).await;
        story.case("19, application", (Way::Implicit, None), (7200, "api_web")).await;
    }

    async fn the_worked_cases_of_several_apis(world: World) {
        let Story { node, shop, ann } = Story::begin(world).await;
        let lives = async |way: &str| {
            let params = usual(&shop, &[("scope", "openid read"), ("response_type", way)]);
            let params = [&params[..], &[("resource", ORDERS), ("resource", STOCK)]].concat();
            let seen = ann.authorize(node, &params).await;
            let answer = seen.answer();
            if let Some(seconds) = answer.get("expires_in") {
                return seconds.parse::<i64>().unwrap();
            }
            let tokens = exchange(node, &shop, &answer["code"], &[]).await.expect(StatusCode::OK);
            tokens.json["expires_in"].as_i64().unwrap()
        };
        node.change_api(STOCK, json!({ "token_lifetime": 3600 })).await.expect(StatusCode::OK);
        assert_eq!(lives("code").await, 3600, "case 28");
        assert_eq!(lives("token").await, 3600, "case 28, front channel");
        node.change_api(ORDERS, json!({ "token_lifetime": -1 })).await.expect(StatusCode::OK);
        assert_eq!(lives("code").await, 3600, "case 29");
        let path = authorize_path(&usual(&shop, &[("validity_period", "0")]));
        assert_eq!(ann.open(node, &path).await.answer()["error"], "invalid_request", "case 12");
    }

    /// Without any API: the opaque token for userinfo (lifetime.md, The decision).
    async fn a_token_for_userinfo_lives_as_long_as_the_file_says(world: World, "GRANTOR_LIFETIMES__API_DEFAULT" = "10000") {
        let Story { node, shop, ann } = Story::begin(world).await;
        let tokens = ann.tokens(node, &shop, &[]).await;
        assert_eq!(tokens["expires_in"], 10000);
        let seen = ann.authorize(node, &usual(&shop, &[("response_type", "id_token token")])).await;
        assert_eq!(seen.answer()["expires_in"], "7200");
    }
}
