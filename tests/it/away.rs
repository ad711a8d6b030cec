//! A user who has authorized an application to act while they are away, for the stories about refresh
//! tokens. Sign-in and consent are put into the store; codes are redeemed over HTTP like any.

use grantor::model::authorization::{Authorization, AuthorizedApi, ClaimsRequest};
use grantor::model::authorization_code::CodeRequest;
use grantor::model::user::User;
use grantor::model::user_grant::UserGrant;
use grantor::store::{self, Write};
use grantor::tokens::refresh::new_family;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Credentials, Node, Wire, World};

pub(crate) const ORDERS: &str = "https://orders.example/";
pub(crate) const STOCK: &str = "https://stock.example/";
const CALLBACK: &str = "https://app.example/callback";

/// Settings of an application whose refresh tokens rotate; further ones lie over them.
pub(crate) fn rotating(over: &Value) -> Value {
    let mut terms = json!({ "rotation_type": "rotating", "expiration_type": "expiring" });
    let over = over.as_object().unwrap().clone();
    terms.as_object_mut().unwrap().extend(over);
    json!({ "refresh_token": terms })
}

/// The user and the application.
#[derive(Clone, Debug)]
pub(crate) struct Away {
    pub(crate) app: Credentials,
    pub(crate) user_id: String,
    pub(crate) apis: Vec<AuthorizedApi>,
}

impl Away {
    /// The APIs, an application with these fields, a user, and the user's consent at both APIs.
    pub(crate) async fn new(world: &World, fields: Value) -> Self {
        let node = &world.node;
        let mut apis = Vec::new();
        for identifier in [ORDERS, STOCK] {
            let fields = json!({
                "allow_offline_access": true,
                "scopes": [{ "value": "read" }, { "value": "write" }],
            });
            let api = node.create_api(identifier, fields).await;
            apis.push(AuthorizedApi {
                api_id: api["id"].as_str().unwrap().to_owned(),
                audience: identifier.to_owned(),
                scopes: ["read", "write"].into_iter().collect(),
            });
        }
        Self::at(world, apis, fields).await
    }

    /// Another application and another user at the same APIs.
    pub(crate) async fn another(&self, world: &World, fields: Value) -> Self {
        Self::at(world, self.apis.clone(), fields).await
    }

    async fn at(world: &World, apis: Vec<AuthorizedApi>, fields: Value) -> Self {
        let node = &world.node;
        let mut body = json!({
            "app_type": "regular_web",
            "grant_types": ["authorization_code", "refresh_token"],
        });
        let fields = fields.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        let own = grantor::secret::random_hex_id();
        let user = User {
            email: Some(format!("{own}@a.example")),
            ..User::new(format!("auth0|{own}"), world.clock.now())
        };
        write(node, world.clock.now(), async |tx| {
            assert!(store::users::insert(tx, &user, None).await.unwrap());
        })
        .await;
        let away = Self {
            app: node.create_application(body).await,
            user_id: user.user_id,
            apis,
        };
        away.consent(node, None).await;
        away
    }

    /// The user consents at both APIs and to OpenID's scopes, until `expires_at`.
    pub(crate) async fn consent(&self, node: &Node, expires_at: Option<i64>) {
        let now = node.app.clock.now();
        let ids = self.apis.iter().map(|api| Some(api.api_id.clone()));
        for api_id in ids.chain([None]) {
            let grant = UserGrant {
                id: grantor::secret::random_hex_id(),
                user_id: self.user_id.clone(),
                client_id: self.app.id.clone(),
                api_id,
                audience: None,
                scopes: ["read", "write", "openid", "offline_access"]
                    .into_iter()
                    .collect(),
                expires_at,
                created_at: now,
                updated_at: now,
            };
            write(node, now, async |tx| {
                store::user_grants::upsert(tx, &grant).await.unwrap();
            })
            .await;
        }
    }

    /// What the user authorizes at APIs, by their identifiers.
    pub(crate) fn authorization(&self, node: &Node, audiences: &[&str]) -> Authorization {
        let named = |api: &&AuthorizedApi| audiences.contains(&api.audience.as_str());
        Authorization {
            family: new_family(),
            client_id: self.app.id.clone(),
            user_id: self.user_id.clone(),
            session_id: None,
            openid: ["openid", "offline_access"].into_iter().collect(),
            apis: self.apis.iter().filter(named).cloned().collect(),
            authenticated_at: node.app.clock.now(),
            amr: vec!["pwd".into()],
            nonce: Some("a nonce".into()),
            claims: ClaimsRequest::default(),
            position: node.app.directory.position(),
        }
    }

    /// Redeems a code for an authorization.
    pub(crate) async fn redeem(&self, node: &Node, authorization: Authorization) -> Answer {
        let request = CodeRequest {
            redirect_uri: CALLBACK.into(),
            redirect_uri_is_named: false,
            code_challenge: None,
            validity_period: None,
            is_pushed: false,
        };
        let lives = (node.app.clock.now(), 60);
        let code = node.app.mint.issue_code(authorization, request, lives);
        let code = code.await.unwrap();
        let params = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
        ];
        self.post(node, "/oauth/token", &params).await
    }

    /// What a redeemed code for the first API gives.
    pub(crate) async fn begin(&self, node: &Node) -> Answer {
        let authorization = self.authorization(node, &[ORDERS]);
        let answer = self.redeem(node, authorization).await;
        answer.expect(StatusCode::OK)
    }

    /// Exchanges a refresh token, with further parameters.
    pub(crate) async fn refresh(
        &self,
        wire: &Wire,
        refresh_token: &str,
        params: &[(&str, &str)],
    ) -> Answer {
        let own = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        self.post(wire, "/oauth/token", &[&own, params].concat())
            .await
    }

    /// The successor of a refresh token, which must be granted.
    pub(crate) async fn next(&self, wire: &Wire, refresh_token: &str) -> String {
        let answer = self.refresh(wire, refresh_token, &[]).await;
        answer.expect(StatusCode::OK).text("refresh_token")
    }

    /// A refresh token is good for nothing any more, and the answer says so for good.
    pub(crate) async fn is_refused(&self, wire: &Wire, refresh_token: &str) {
        let answer = self.refresh(wire, refresh_token, &[]).await;
        let answer = answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        let says = answer.text("error_description");
        assert_eq!(says, "Unknown or invalid refresh token.");
    }

    /// A form by the application, with its secret where it has one.
    pub(crate) async fn post(&self, wire: &Wire, path: &str, params: &[(&str, &str)]) -> Answer {
        let mut own = vec![("client_id", self.app.id.as_str())];
        if !self.app.secret.is_empty() {
            own.push(("client_secret", &self.app.secret));
        }
        wire.bare_form(path, &[&own, params].concat()).await
    }

    /// Revokes a refresh token by its application.
    pub(crate) async fn revoke(&self, wire: &Wire, token: &str) {
        let answer = self.post(wire, "/oauth/revoke", &[("token", token)]).await;
        answer.expect(StatusCode::OK);
    }

    /// Changes the application, in force on the node that is asked.
    pub(crate) async fn change(&self, node: &Node, fields: Value) {
        let path = format!("/clients/{}", self.app.id);
        let answer = node.manage(Method::PATCH, &path, Some(fields)).await;
        answer.expect(StatusCode::OK);
    }

    /// The scopes at which APIs the user still consents.
    pub(crate) async fn grants(&self, node: &Node) -> usize {
        let mut conn = node.app.store.read().await.unwrap();
        let grants = store::user_grants::of_user_at(&mut conn, &self.user_id, &self.app.id).await;
        grants.unwrap().len()
    }
}

/// Runs a transaction past every endpoint.
pub(crate) async fn write(node: &Node, now: i64, work: impl AsyncFnOnce(&mut Write)) {
    let mut tx = node.app.store.write().await.unwrap();
    work(&mut tx).await;
    node.app.directory.commit(tx, now).await.unwrap();
}
