//! What a user holds at an application after signing in, and what of it still opens anything.

use reqwest::{Method, StatusCode};

use crate::harness::{Answer, Credentials, Node, Person, both_hands};
use crate::shop::{ORDERS, answered};

/// All that a user gets by signing in at an application.
pub(crate) const EVERYTHING: [&str; 4] = ["introspection", "userinfo", "refresh", "session"];
/// Nothing of it.
pub(crate) const NOTHING: [&str; 0] = [];

/// What the shop asks for.
pub(crate) const ASKED: [(&str, &str); 2] = [
    ("audience", ORDERS),
    ("scope", "openid read offline_access"),
];

/// Tokens of the code flow, and the browser's session.
pub(crate) struct Held<'a> {
    person: &'a Person,
    shop: &'a Credentials,
    /// For [`ORDERS`] and userinfo.
    pub(crate) access: String,
    /// A refresh token that its uses do not replace.
    pub(crate) refresh: String,
}

impl<'a> Held<'a> {
    /// Signs the person in and gets tokens for the shop.
    pub(crate) async fn get(node: &Node, person: &'a Person, shop: &'a Credentials) -> Self {
        let tokens = person.tokens(node, shop, &ASKED).await;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        Self {
            person,
            shop,
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }

    /// What still works, of [`EVERYTHING`].
    pub(crate) async fn works(&self, node: &Node) -> Vec<&'static str> {
        let is_active = node.is_active(self.shop, &self.access).await;
        let userinfo = node
            .request(Method::GET, "/userinfo")
            .bearer_auth(&self.access);
        let userinfo = node.send(userinfo).await;
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", self.refresh.as_str()),
        ];
        let refreshed = node.form("/oauth/token", self.shop, &refresh).await;
        let silently = both_hands(&ASKED, &[("prompt", "none")]);
        let silent = answered(self.person, node, self.shop, &silently).await;
        let said = [
            is_active,
            works(&userinfo, StatusCode::UNAUTHORIZED, "invalid_token"),
            works(&refreshed, StatusCode::BAD_REQUEST, "invalid_grant"),
            silent.contains_key("code"),
        ];
        if !silent.contains_key("code") {
            assert_eq!(silent["error"], "login_required", "{silent:?}");
        }
        let all = EVERYTHING.into_iter().zip(said);
        all.filter_map(|(name, is_good)| is_good.then_some(name))
            .collect()
    }
}

/// An answer is a success, or the one refusal that applications know how to take.
#[track_caller]
fn works(answer: &Answer, status: StatusCode, code: &str) -> bool {
    if answer.status != StatusCode::OK {
        let refusal = (answer.status, answer.json["error"].as_str());
        assert_eq!(refusal, (status, Some(code)), "{answer:?}");
    }
    answer.status == StatusCode::OK
}
