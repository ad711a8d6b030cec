//! What the changes of one round share.

use std::collections::HashMap;

use grantor::secret::{Secret, random_text};
use grantor::store;
use serde_json::json;

use super::making::Making;
use crate::harness::{Credentials, PASSWORD, Person, World};
use crate::shop;

/// A public key, PEM.
pub(super) const PEM: &str = include_str!("../../data/public_keys/ed25519.pem");

/// What all rounds share.
pub(super) struct Common {
    token: String,
    /// Of every user.
    pub(super) password_hash: Secret<String>,
    /// The name of the cookie of sessions.
    cookie_name: String,
    kid: String,
}

impl Common {
    pub(super) async fn make(world: &World) -> Self {
        let node = &world.node;
        let person = Person::create(node, "first@a.example").await;
        let client = shop::application(node, json!({})).await;
        person.code(node, &client, &[]).await;
        let cookie = person.cookie().await.unwrap();
        let mut conn = node.app.store.read().await.unwrap();
        let found = store::users::find_for_sign_in(&mut conn, "first@a.example").await;
        drop(conn);
        let token = node.admin_token().await;
        let rotate = json!({ "alg": "ES256" });
        for _ in 0..2 {
            let path = "/keys/signing/rotate";
            node.manage(reqwest::Method::POST, path, Some(rotate.clone()))
                .await;
        }
        let keys = node
            .manage(reqwest::Method::GET, "/keys/signing", None)
            .await
            .json;
        let keys = keys.as_array().unwrap().iter();
        let previous = keys
            .clone()
            .find(|key| key["previous"] == true)
            .or(keys.last());
        Self {
            token,
            password_hash: found.unwrap().unwrap().password_hash.unwrap(),
            cookie_name: cookie.split('=').next().unwrap().to_owned(),
            kid: previous.unwrap()["kid"].as_str().unwrap().to_owned(),
        }
    }
}

/// The objects of one round.
pub(super) struct Objects {
    /// A Management token.
    pub(super) token: String,
    /// The first application.
    pub(super) client: Credentials,
    /// The user's cookie.
    pub(super) cookie: String,
    names: HashMap<&'static str, String>,
}

impl Objects {
    pub(super) async fn make(world: &World, common: &Common) -> Self {
        let making = Making::new(world);
        making.store(common).await;
        let mut names = making.user_things().await;
        let n = &making.n;
        let more = [
            ("n", n.clone()),
            ("api", making.apis[0].id.clone()),
            ("identifier", making.apis[0].identifier.clone()),
            ("other_identifier", making.apis[1].identifier.clone()),
            ("client", making.client.id.clone()),
            ("secret", format!("sec-{n}-0")),
            ("new_secret", random_text(32)),
            ("credential", format!("cred-{n}-0")),
            ("pem", PEM.replace('\n', "\\n")),
            ("client_grant", format!("cgr-{n}-0-0-client")),
            ("kid", common.kid.clone()),
            ("user", making.user_id(0)),
            ("email", making.email(0)),
            ("other_email", making.email(1)),
            ("new", format!("imported-{n}@a.example")),
            ("password", PASSWORD.to_owned()),
            ("grant", format!("grant-{n}-0")),
            ("session", format!("session-{n}-0")),
        ];
        names.extend(more);
        Self {
            token: common.token.clone(),
            cookie: format!("{}={}", common.cookie_name, making.cookie),
            client: making.client,
            names,
        }
    }

    /// The object of a name.
    pub(super) fn named(&self, name: &str) -> &str {
        self.names
            .get(name)
            .unwrap_or_else(|| panic!("nothing is called {name}"))
    }

    /// A text with the objects in the place of their names.
    pub(super) fn fill(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{name}}}"), value)
            })
    }

    /// The same within a URL.
    pub(super) fn fill_path(&self, path: &str) -> String {
        self.names
            .iter()
            .fold(path.to_owned(), |path, (name, value)| {
                let value: String =
                    url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
                path.replace(&format!("{{{name}}}"), &value)
            })
    }
}
