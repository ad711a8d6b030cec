//! An application that signs assertions (RFC 7523): key pairs of the tests' own, and JWTs put
//! together by hand, so that broken ones can be made too.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use grantor::secret::random_text;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, overlay};
use crate::harness::{Answer, Credentials, ISSUER, Wire, World};

/// RFC 7523 §2.2.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A key pair and the algorithm that it signs with.
pub(crate) struct Signer {
    pub(crate) alg: &'static str,
    pair: Pair,
}

impl Signer {
    pub(crate) fn new(alg: &'static str) -> Self {
        let pair = match alg {
            "ES256" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            "EdDSA" => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            _ => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        };
        Self { alg, pair }
    }

    /// The public key, as an operator sends it.
    pub(crate) fn pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der().unwrap(),
            Pair::Ec(pair) => pair.public_key().as_der().unwrap(),
            Pair::Ed(pair) => pair.public_key().as_der().unwrap(),
        };
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text.as_bytes().chunks(64).collect();
        let lines = lines.into_iter().map(|line| str::from_utf8(line).unwrap());
        let lines: Vec<_> = lines.collect();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        )
    }

    /// A JWT of any header and claims; the header's `alg` need not be the truth.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_by(self.alg, header, claims)
    }

    /// The same by another of the key's algorithms.
    pub(crate) fn sign_by(&self, alg: &str, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.signature(alg, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn signature(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let by: &'static dyn RsaEncoding = match alg {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "PS256" => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(by, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// An application that authenticates by `private_key_jwt`.
pub(crate) struct Keyed {
    pub(crate) id: String,
    pub(crate) signer: Signer,
    /// The id of its one attached credential.
    pub(crate) credential: String,
    pub(crate) kid: String,
}

impl Keyed {
    /// A new application that is granted the API, with one attached key.
    pub(crate) async fn new(desk: &Desk<'_>, audience: &str, alg: &'static str) -> Self {
        let client = desk.application(json!({})).await;
        desk.grant(&client, audience, json!({})).await;
        let signer = Signer::new(alg);
        let created = add(desk, &client, &signer, json!({})).await;
        let credential = created.text("id");
        attach(desk, &client, &[&credential])
            .await
            .expect(StatusCode::OK);
        Self {
            id: client.id,
            signer,
            credential,
            kid: created.text("kid"),
        }
    }

    /// The same as id without a secret.
    pub(crate) fn client(&self) -> Credentials {
        Credentials {
            id: self.id.clone(),
            secret: String::new(),
        }
    }

    /// Good claims with a `jti` that was never there; the members lie over them.
    pub(crate) fn claims(&self, world: &World, over: Value) -> Value {
        let mut claims = json!({
            "iss": self.id, "sub": self.id, "aud": ISSUER,
            "exp": world.clock.now() + 60, "jti": random_text(16),
        });
        overlay(&mut claims, over);
        claims
    }

    /// A good assertion, but for the members that lie over its claims.
    pub(crate) fn assertion(&self, world: &World, over: Value) -> String {
        let header = json!({ "alg": self.signer.alg, "kid": self.kid });
        self.signer.sign(&header, &self.claims(world, over))
    }
}

/// Sends a public key to an application's credentials; the fields lie over the usual ones.
pub(crate) async fn add(
    desk: &Desk<'_>,
    client: &Credentials,
    signer: &Signer,
    fields: Value,
) -> Answer {
    let mut body =
        json!({ "credential_type": "public_key", "alg": signer.alg, "pem": signer.pem() });
    overlay(&mut body, fields);
    desk.post(&format!("/clients/{}/credentials", client.id), body)
        .await
        .expect(StatusCode::CREATED)
}

/// Attaches exactly these credentials.
pub(crate) async fn attach(desk: &Desk<'_>, client: &Credentials, ids: &[&str]) -> Answer {
    let ids: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
    let methods = json!({ "private_key_jwt": { "credentials": ids } });
    let body = json!({ "client_authentication_methods": methods });
    desk.patch(&format!("/clients/{}", client.id), body).await
}

/// Presents an assertion with further parameters.
pub(crate) async fn present(
    wire: &Wire,
    path: &str,
    assertion: &str,
    params: &[(&str, &str)],
) -> Answer {
    let own = [
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion),
    ];
    wire.bare_form(path, &[&own, params].concat()).await
}

/// Asks for a token by an assertion.
pub(crate) async fn ask(wire: &Wire, assertion: &str, audience: &str) -> Answer {
    let params = [("grant_type", "client_credentials"), ("audience", audience)];
    present(wire, "/oauth/token", assertion, &params).await
}
