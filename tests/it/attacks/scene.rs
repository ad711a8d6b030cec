//! Who is there when the attacker comes: itself with one scope, and mightier applications of which it
//! has kept secrets that open nothing at present.

use std::collections::BTreeSet;

use grantor::model::instant;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{Credentials, MANAGEMENT, Node, World, claims};

pub(super) const KNOWN_SECRET: &str = "a secret that the attacker has chosen itself";
pub(super) const PUBLIC_KEY: &str = include_str!("../../data/public_keys/rsa_2048.pem");
const SPARE_KEY: &str = include_str!("../../data/public_keys/p256.pem");
/// How long the application lives that has expired when the attacker comes.
const SOON_SECONDS: i64 = 2;

/// Applications by `client_id`.
pub(super) struct Scene {
    scope: String,
    pub(super) all_scopes: Vec<String>,
    pub(super) attacker: Credentials,
    pub(super) token: String,
    pub(super) own_grant: String,
    /// A second application of the attacker's.
    pub(super) second: String,
    /// Holds every scope; the attacker knows nothing of it.
    pub(super) mighty: String,
    pub(super) mighty_grant: String,
    /// The same, expired; the attacker has kept the secret.
    pub(super) expired: String,
    /// The same, without the grant type.
    pub(super) idle: String,
    /// The same, public by now.
    pub(super) public: String,
    /// The same, with a key in the place of the secret.
    pub(super) keyed: String,
    /// Its key.
    pub(super) credential: String,
    /// Another one, which is attached no more.
    pub(super) spare: String,
    kept: Vec<Credentials>,
}

impl Scene {
    pub(super) async fn set(world: &World, scope: &str, all_scopes: &[String]) -> Self {
        let admin = Desk::open(&world.node).await;
        let everything = json!({ "allow_all_scopes": true });
        let mut kept = Vec::new();
        let mighty = async |fields: Value| {
            let application = admin.application(fields).await;
            let grant = admin
                .grant(&application, MANAGEMENT, everything.clone())
                .await;
            (application, grant)
        };
        let soon = instant::to_rfc3339(world.clock.now() + SOON_SECONDS);
        let (strong, mighty_grant) = mighty(json!({})).await;
        let (expired, _) = mighty(json!({ "expires_at": soon })).await;
        let (idle, _) = mighty(json!({ "grant_types": ["authorization_code"] })).await;
        let (public, _) = mighty(json!({})).await;
        let (keyed, _) = mighty(json!({})).await;
        let change = async |application: &Credentials, fields: Value| {
            let path = format!("/clients/{}", application.id);
            let changed = admin.patch(&path, fields).await;
            changed.expect(reqwest::StatusCode::OK);
        };
        change(&public, json!({ "token_endpoint_auth_method": "none" })).await;
        let key = json!({ "credential_type": "public_key", "pem": PUBLIC_KEY, "expires_at": "2098-01-01T00:00:00Z" });
        let created = admin
            .post(&format!("/clients/{}/credentials", keyed.id), key)
            .await;
        let credential = created.expect(reqwest::StatusCode::CREATED).text("id");
        let key = json!({ "credential_type": "public_key", "pem": SPARE_KEY, "alg": "ES256" });
        let path = format!("/clients/{}/credentials", keyed.id);
        let created = admin.post(&path, key).await;
        let spare = created.expect(reqwest::StatusCode::CREATED).text("id");
        let attached = json!({ "private_key_jwt": { "credentials": [{ "id": credential }] } });
        change(&keyed, json!({ "client_authentication_methods": attached })).await;
        let ids = [&expired, &idle, &public, &keyed].map(|own| own.id.clone());
        kept.extend([expired, idle, public, keyed]);
        let [expired, idle, public, keyed] = ids;

        let attacker = admin.application(json!({ "name": "Attacker" })).await;
        let own_grant = admin
            .grant(&attacker, MANAGEMENT, json!({ "scope": [scope] }))
            .await;
        let second = admin
            .application(json!({ "name": "The attacker's second" }))
            .await;
        let second_id = second.id.clone();
        kept.extend([attacker.clone(), second]);
        world.clock.advance(SOON_SECONDS);
        let token = world.node.token(&attacker, MANAGEMENT).await;
        Self {
            scope: scope.to_owned(),
            all_scopes: all_scopes.to_vec(),
            attacker,
            token,
            own_grant,
            second: second_id,
            mighty: strong.id,
            mighty_grant,
            expired,
            idle,
            public,
            keyed,
            credential,
            spare,
            kept,
        }
    }

    /// Management tokens with a further scope that come out of what the attacker has kept and what it
    /// was answered.
    pub(super) async fn escaped(&self, node: &Node, answers: &[Value]) -> Vec<String> {
        let mut tokens: Vec<String> = texts(answers, "access_token");
        let mut known = self.kept.clone();
        let secrets: BTreeSet<String> = texts(answers, "client_secret")
            .into_iter()
            .chain([KNOWN_SECRET.to_owned()])
            .collect();
        let ids = [
            &self.mighty,
            &self.expired,
            &self.idle,
            &self.public,
            &self.keyed,
        ];
        let ids = ids
            .into_iter()
            .cloned()
            .chain(texts(answers, "client_id"))
            .collect::<BTreeSet<_>>();
        for id in &ids {
            known.extend(secrets.iter().map(|secret| Credentials {
                id: id.clone(),
                secret: secret.clone(),
            }));
        }
        for own in &known {
            let answer = node.ask(own, &[("audience", MANAGEMENT)]).await;
            tokens.extend(answer.json["access_token"].as_str().map(str::to_owned));
        }
        assert!(
            !tokens.is_empty(),
            "the attacker's own application gets a token"
        );
        let mut escaped = Vec::new();
        for token in tokens.iter().filter(|token| token.contains('.')) {
            let claims = claims(token);
            let scopes = claims["scope"].as_str().unwrap_or_default();
            let further: Vec<_> = scopes
                .split(' ')
                .filter(|own| *own != self.scope && !own.is_empty())
                .collect();
            if claims["aud"] == MANAGEMENT && !further.is_empty() {
                escaped.push(format!(
                    "{}: a token of {} with {further:?}",
                    self.scope, claims["azp"]
                ));
            }
        }
        escaped
    }

    /// Every secret that was shown to anybody, further ones made for the purpose among them.
    pub(super) async fn shown_secrets(&self, node: &Node) -> Vec<String> {
        let admin = Desk::open(node).await;
        let path = format!("/clients/{}", self.mighty);
        let mut answers = vec![
            admin
                .post(
                    &format!("{path}/rotate-secret"),
                    json!({ "grace_seconds": 600 }),
                )
                .await
                .json,
            admin.post(&format!("{path}/secrets"), json!({})).await.json,
            admin
                .patch(&path, json!({ "client_secret": KNOWN_SECRET }))
                .await
                .json,
        ];
        let mut shown: Vec<String> = self.kept.iter().map(|own| own.secret.clone()).collect();
        shown.extend(texts(&answers.split_off(0), "client_secret"));
        shown
    }
}

/// Every text of this name, at any depth.
fn texts(values: &[Value], name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<&Value> = values.iter().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(members) => {
                found.extend(members.get(name).and_then(Value::as_str).map(str::to_owned));
                open.extend(members.values());
            }
            _ => {}
        }
    }
    found
}
