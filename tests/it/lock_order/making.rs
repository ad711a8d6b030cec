//! How the objects of a round are made.

use std::collections::HashMap;
use std::sync::Arc;

use grantor::app::App;
use grantor::lifetime::{ApiLifetimes, ApplicationLifetimes, Lifetime, Maximum};
use grantor::model::api::{Api, ClientPolicy, SigningAlgorithm, UserPolicy};
use grantor::model::application::{Application, ApplicationSecret, LastNoted, Verifier};
use grantor::model::authorization::{Authorization, AuthorizedApi, ClaimsRequest};
use grantor::model::authorization_code::CodeRequest;
use grantor::model::client_credential::{ClientCredential, CredentialType};
use grantor::model::client_grant::{ClientGrant, SubjectType};
use grantor::model::described::Described;
use grantor::model::public_key::{AssertionAlgorithm, from_pem};
use grantor::model::record::{Kind, Record, Whence};
use grantor::model::refresh::Family;
use grantor::model::session::{Device, Session};
use grantor::model::sign_in::RefreshTerms;
use grantor::model::token::Token;
use grantor::model::user::User;
use grantor::model::user_grant::UserGrant;
use grantor::model::user_ticket::TicketKind;
use grantor::secret::{random_hex_id, random_text};
use grantor::store::group::Operation;
use grantor::store::refresh_families::NewFamily;
use grantor::store::{self, Write};
use grantor::tokens::refresh::new_family;
use serde_json::{Value, json};

use super::objects::{Common, PEM};
use crate::harness::{CALLBACK, CHALLENGE, Credentials, World};

/// The making of a round's objects, past the wire and so as fast as can be.
pub(super) struct Making<'a> {
    app: &'a App,
    now: i64,
    pub(super) n: String,
    pub(super) apis: [Api; 2],
    pub(super) client: Credentials,
    pub(super) cookie: String,
}

impl<'a> Making<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let n = random_hex_id();
        let app = world.node.app.as_ref();
        let now = world.clock.now();
        let api = |place: &str| {
            api(
                &format!("{place}-{n}"),
                &format!("https://{place}-{n}.example/"),
                now,
            )
        };
        Self {
            app,
            now,
            apis: [api("x"), api("y")],
            client: Credentials {
                id: format!("client-{n}-0"),
                secret: random_text(32),
            },
            cookie: format!("grantor_ss_{}", random_text(32)),
            n,
        }
    }

    fn client_id(&self, number: usize) -> String {
        format!("client-{}-{number}", self.n)
    }

    pub(super) fn user_id(&self, number: usize) -> String {
        format!("auth0|{}{number}", self.n)
    }

    pub(super) fn email(&self, number: usize) -> String {
        format!("user-{}-{number}@a.example", self.n)
    }

    /// Two APIs, two applications that are resource servers of the first and have both client grants for both, and
    /// two users.
    pub(super) async fn store(&self, common: &Common) {
        let mut tx = self.app.store.write().await.unwrap();
        for api in &self.apis {
            assert!(store::apis::insert(&mut tx, api).await.unwrap());
        }
        for number in 0..2 {
            self.store_application(&mut tx, number).await;
        }
        for number in 0..2 {
            let user = User {
                email: Some(self.email(number)),
                email_verified: true,
                ..User::new(self.user_id(number), self.now)
            };
            let hash = Some(&common.password_hash);
            assert!(store::users::insert(&mut tx, &user, hash).await.unwrap());
            self.store_sessions(&mut tx, number).await;
            self.store_grants(&mut tx, number).await;
        }
        tx.commit(self.now).await.unwrap();
    }

    async fn store_application(&self, tx: &mut Write, number: usize) {
        let n = &self.n;
        let secret = |own: usize| ApplicationSecret {
            id: format!("sec-{n}-{}", number * 2 + own),
            verifier: Verifier::Digest(self.app.mint.digester.digest(if own == 0 {
                &self.client.secret
            } else {
                "no secret at all"
            })),
            expires_at: None,
            created_at: self.now,
            noted: LastNoted::default(),
        };
        let described = json!({
            "callbacks": [CALLBACK],
            "oidc_logout": {
                "backchannel_logout_urls": ["https://app.example/bye"],
                "backchannel_logout_initiators": { "mode": "all" },
            },
            "refresh_token": { "rotation_type": "rotating", "expiration_type": "expiring", "leeway": 0 },
        });
        let Value::Object(described) = described else {
            panic!("an object")
        };
        let application = Application {
            client_id: self.client_id(number),
            name: "An application".into(),
            app_type: Some("regular_web".into()),
            grant_types: ["authorization_code", "refresh_token", "client_credentials"]
                .map(str::to_owned)
                .into(),
            token_endpoint_auth_method: None,
            private_key_jwt: None,
            resource_server_identifier: Some(self.apis[0].identifier.clone()),
            lifetimes: ApplicationLifetimes::default(),
            expires_at: None,
            created_at: self.now,
            is_first_party: false,
            described: Described(described),
            sign_in: Arc::default(),
            secrets: vec![secret(0), secret(1)],
            credentials: Vec::new(),
            request_credentials: Vec::new(),
        };
        assert!(store::applications::insert(tx, &application).await.unwrap());
        for own in 0..2 {
            let credential = credential(&format!("cred-{n}-{}", number * 2 + own), self.now);
            let inserted =
                store::client_credentials::insert(tx, &application.client_id, &credential);
            assert!(inserted.await.unwrap());
        }
        for (place, api) in self.apis.iter().enumerate() {
            for subject_type in [SubjectType::Client, SubjectType::User] {
                if number + place == 1 && subject_type == SubjectType::Client {
                    continue;
                }
                let grant = ClientGrant {
                    id: format!("cgr-{n}-{number}-{place}-{}", subject_type.as_str()),
                    client_id: application.client_id.clone(),
                    api_id: api.id.clone(),
                    audience: api.identifier.clone(),
                    subject_type,
                    scopes: Vec::new(),
                    allow_all_scopes: true,
                    expires_at: None,
                    described: Described::default(),
                    created_at: self.now,
                };
                assert!(store::client_grants::insert(tx, &grant).await.unwrap());
            }
        }
    }

    /// Three sessions, of which the last has come to its end.
    async fn store_sessions(&self, tx: &mut Write, user: usize) {
        for number in 0..3 {
            let end = if number == 2 {
                self.now
            } else {
                self.now + 604_800
            };
            let session = Session {
                id: format!("session-{}-{}", self.n, user * 3 + number),
                user_id: self.user_id(user),
                position: self.app.directory.position(),
                amr: vec!["pwd".into()],
                is_persistent: true,
                device: device(),
                metadata: serde_json::Map::new(),
                created_at: self.now,
                updated_at: self.now,
                authenticated_at: self.now,
                last_interacted_at: self.now,
                expires_at: end,
            };
            let text = if user + number == 0 {
                self.cookie.clone()
            } else {
                session.id.clone()
            };
            let digest = self.app.mint.digester.digest(&text);
            assert!(
                store::sessions::insert(tx, &session, &digest)
                    .await
                    .unwrap()
            );
        }
    }

    /// Consent to both APIs and to OpenID's scopes, at both applications; but not to all of it.
    async fn store_grants(&self, tx: &mut Write, user: usize) {
        for number in 0..2 {
            for (place, api) in [Some(&self.apis[0]), None, Some(&self.apis[1])]
                .into_iter()
                .enumerate()
            {
                let scopes = ["openid", "offline_access", "write"];
                let grant = UserGrant {
                    id: format!("grant-{}-{}", self.n, user * 6 + number * 3 + place),
                    user_id: self.user_id(user),
                    client_id: self.client_id(number),
                    api_id: api.map(|api| api.id.clone()),
                    audience: None,
                    scopes: scopes.into_iter().collect(),
                    expires_at: None,
                    created_at: self.now,
                    updated_at: self.now,
                };
                store::user_grants::upsert(tx, &grant).await.unwrap();
            }
        }
    }

    fn authorization(&self, user: usize, client: usize) -> Authorization {
        Authorization {
            family: new_family(),
            client_id: self.client_id(client),
            user_id: self.user_id(user),
            session_id: Some(format!("session-{}-{}", self.n, user * 3)),
            openid: ["openid", "offline_access"].into_iter().collect(),
            apis: vec![AuthorizedApi {
                api_id: self.apis[0].id.clone(),
                audience: self.apis[0].identifier.clone(),
                scopes: ["write"].into_iter().collect(),
            }],
            authenticated_at: self.now,
            amr: vec!["pwd".into()],
            nonce: None,
            claims: ClaimsRequest::default(),
            position: self.app.directory.position(),
        }
    }

    /// Codes, refresh tokens, stored tokens and links; some have come to their end.
    pub(super) async fn user_things(&self) -> HashMap<&'static str, String> {
        let mut names = HashMap::new();
        let app = self.app;
        let code = CodeRequest {
            redirect_uri: CALLBACK.into(),
            redirect_uri_is_named: true,
            code_challenge: Some(CHALLENGE.into()),
            validity_period: None,
            is_pushed: false,
        };
        let code = app
            .mint
            .issue_code(self.authorization(0, 0), code, (self.now, 60))
            .await;
        names.insert("code", code.unwrap().expose().clone());
        for (family, refresh, user, ends_at) in [
            ("family", "refresh_token", 0, None),
            ("spent_family", "spent_refresh_token", 0, None),
            ("other_family", "other_refresh_token", 1, None),
            (
                "ended_family",
                "ended_refresh_token",
                0,
                Some(self.now - 400),
            ),
            (
                "long_ended_family",
                "long_ended_refresh_token",
                0,
                Some(self.now - 500),
            ),
        ] {
            let authorization = self.authorization(user, 0);
            let (text, digest) = app.mint.first_refresh_token(&authorization.family).unwrap();
            let kept = if family == "spent_family" {
                "another".to_owned()
            } else {
                digest
            };
            self.store_family((&authorization, kept), ends_at).await;
            if family == "family" {
                self.store_tokens(&authorization, &mut names).await;
            }
            names.insert(family, authorization.family);
            names.insert(refresh, text.expose().clone());
        }
        for (name, kind) in [
            ("reset", TicketKind::ResetPassword),
            ("verification", TicketKind::VerifyEmail),
        ] {
            let ticket = app.users.tickets.by_mail(kind, &self.user_id(0), self.now);
            let mut tx = app.store.write().await.unwrap();
            let text = app
                .users
                .tickets
                .issue(&mut tx, &ticket)
                .await
                .unwrap()
                .unwrap();
            tx.commit(self.now).await.unwrap();
            names.insert(name, text.expose().clone());
        }
        for client_id in [self.client_id(0), self.client_id(1)] {
            let touch = Operation::TouchSession {
                id: format!("session-{}-0", self.n),
                user_id: self.user_id(0),
                client_id: Some(client_id),
            };
            app.mint.door.commit(touch).await.unwrap();
        }
        names
    }

    async fn store_family(
        &self,
        (authorization, digest): (&Authorization, String),
        ends_at: Option<i64>,
    ) {
        let began = ends_at.map_or(self.now, |end| end - 100);
        let begins = (RefreshTerms::usual(false), device());
        let mut family = Family::begin(authorization.clone(), digest, begins, began);
        family.ends_at = ends_at;
        let new = NewFamily {
            family,
            families_max: 100,
            evicted: Record::new(
                Kind::RevokedRefreshToken,
                self.now * 1000,
                &Whence::default(),
                None,
            ),
        };
        let operation = Operation::StoreFamily(Box::new(new));
        self.app.mint.door.commit(operation).await.unwrap();
    }

    async fn store_tokens(&self, of: &Authorization, names: &mut HashMap<&'static str, String>) {
        for (name, expires_at) in [
            ("token", None),
            ("ended_token", Some(self.now)),
            ("another_ended_token", Some(self.now)),
        ] {
            let jti = grantor::tokens::jti::new(self.app.directory.position());
            let text = format!("grantor_at_{}", random_text(32));
            let token = Token {
                jti: jti.clone(),
                position: self.app.directory.position(),
                client_id: of.client_id.clone(),
                subject: of.user_id.clone(),
                audiences: vec![self.apis[0].identifier.clone()],
                scope: "write".into(),
                issued_at: self.now - 60,
                expires_at,
                family: Some(of.family.clone()),
                userinfo_claims: Vec::new(),
            };
            let digest = self.app.mint.digester.digest(&text);
            let operation = Operation::StoreToken { digest, token };
            self.app.mint.door.commit(operation).await.unwrap();
            names.insert(name, jti);
            if name == "token" {
                names.insert("stored_token", text);
            }
        }
    }
}

fn device() -> Device {
    Device {
        initial_ip: None,
        initial_user_agent: None,
        last_ip: None,
        last_user_agent: None,
    }
}

fn api(id: &str, identifier: &str, now: i64) -> Api {
    let scope = |value: &str| grantor::model::scope::Scope {
        value: value.into(),
        description: None,
    };
    Api {
        id: id.into(),
        identifier: identifier.into(),
        system: None,
        name: None,
        scopes: vec![scope("read"), scope("write")],
        signing_alg: SigningAlgorithm::Es256,
        signing_secret: None,
        token_dialect: None,
        allow_offline_access: true,
        skip_consent_for_verifiable_first_party_clients: false,
        client_policy: ClientPolicy::RequireClientGrant,
        user_policy: UserPolicy::AllowAll,
        user_grant_seconds: None,
        lifetimes: ApiLifetimes {
            token_lifetime: Lifetime::from_seconds(600).unwrap(),
            token_lifetime_for_web: 600,
            max_token_lifetime: Maximum::Unset,
        },
        described: Described::default(),
        created_at: now,
    }
}

fn credential(id: &str, now: i64) -> ClientCredential {
    ClientCredential {
        id: id.into(),
        credential_type: CredentialType::PublicKey,
        name: None,
        kid: format!("kid of {id}"),
        algorithm: AssertionAlgorithm::EdDsa,
        key: from_pem(PEM, AssertionAlgorithm::EdDsa).unwrap().key,
        thumbprint_sha256: None,
        expires_at: None,
        created_at: now,
        updated_at: now,
    }
}
