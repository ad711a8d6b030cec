//! An application's own end of a connection: a real listener that is told that sessions have ended.

use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use reqwest::Method;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::harness::{Node, header};

/// A post that it has got.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Told {
    /// The logout token, which is the form's only parameter.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        let pairs: Vec<_> = url::form_urlencoded::parse(self.body.as_bytes()).collect();
        let [(name, token)] = pairs.as_slice() else {
            panic!("one parameter: {}", self.body);
        };
        assert_eq!(name, "logout_token");
        token.clone().into_owned()
    }
}

/// How it answers.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// With a status.
    Answers(StatusCode),
    /// With a redirect to itself.
    SendsAway,
    /// Never.
    IsSilent,
}

struct Inside {
    told: Mutex<Vec<Told>>,
    manner: Mutex<Manner>,
}

/// A running application.
pub(crate) struct RelyingParty {
    /// Where it is told.
    pub(crate) url: String,
    inside: Arc<Inside>,
    served: tokio::task::JoinHandle<()>,
}

impl RelyingParty {
    pub(crate) async fn start() -> Self {
        let inside = Arc::new(Inside {
            told: Mutex::default(),
            manner: Mutex::new(Manner::Answers(StatusCode::OK)),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/logout", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/logout", post(take))
            .with_state(Arc::clone(&inside));
        let served = tokio::spawn(serve(listener, router));
        Self {
            url,
            inside,
            served,
        }
    }

    /// The same over TLS, under a certificate for `localhost` in this folder.
    pub(crate) async fn start_with_tls(folder: &Path) -> Self {
        let inside = Arc::new(Inside {
            told: Mutex::default(),
            manner: Mutex::new(Manner::Answers(StatusCode::OK)),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new()
            .route("/logout", post(take))
            .with_state(Arc::clone(&inside));
        let served = tokio::spawn(serve_tls(listener, router, acceptor(folder)));
        Self {
            url: format!("https://localhost:{port}/logout"),
            inside,
            served,
        }
    }

    pub(crate) fn will(&self, manner: Manner) {
        *self.inside.manner.lock().unwrap() = manner;
    }

    /// What it was told so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.inside.told.lock().unwrap().clone()
    }

    pub(crate) fn end(&self) {
        self.served.abort();
    }
}

async fn serve(listener: TcpListener, router: Router) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

async fn serve_tls(listener: TcpListener, router: Router, acceptor: TlsAcceptor) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
        tokio::spawn(async move {
            // Whoever does not trust the certificate ends the handshake.
            if let Ok(stream) = acceptor.accept(stream).await {
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                drop(serving.await);
            }
        });
    }
}

fn acceptor(folder: &Path) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(folder.join("chain.pem")).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn take(State(inside): State<Arc<Inside>>, headers: HeaderMap, body: String) -> Response {
    let content_type = headers["content-type"].to_str().unwrap().to_owned();
    inside
        .told
        .lock()
        .unwrap()
        .push(Told { content_type, body });
    let manner = inside.manner.lock().unwrap().clone();
    match manner {
        Manner::Answers(status) => status.into_response(),
        Manner::SendsAway => {
            (StatusCode::TEMPORARY_REDIRECT, [("location", "/logout")]).into_response()
        }
        Manner::IsSilent => std::future::pending().await,
    }
}

/// The claims of a token that a published key has signed.
pub(crate) async fn verified(node: &Node, token: &str) -> Value {
    let keys = node
        .send(node.request(Method::GET, "/.well-known/jwks.json"))
        .await;
    let keys: JwkSet = serde_json::from_value(keys.json).unwrap();
    let head = jsonwebtoken::decode_header(token).unwrap();
    let key = keys.find(head.kid.as_deref().unwrap()).unwrap();
    assert_eq!(
        header(token)["alg"],
        serde_json::to_value(key.common.key_algorithm).unwrap()
    );
    let mut validation = Validation::new(head.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = DecodingKey::from_jwk(key).unwrap();
    jsonwebtoken::decode::<Value>(token, &key, &validation)
        .unwrap()
        .claims
}

/// OpenID Connect Core §3.1.3.6: the left half of the hash that goes with an ID token's algorithm.
pub(crate) fn half_hash(id_token: &str, text: &str) -> String {
    let algorithm = header(id_token)["alg"].as_str().unwrap().to_owned();
    let by = if matches!(algorithm.as_str(), "RS512" | "EdDSA") {
        &SHA512
    } else {
        &SHA256
    };
    let hash = digest(by, text.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}
