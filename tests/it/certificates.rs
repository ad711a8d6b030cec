//! Certificates of a test's own: an authority that a client trusts, and what it signs.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ClientConfig;
use rustls::RootCertStore;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A root, and an authority below it that signs servers' certificates.
pub(crate) struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    below: CertifiedIssuer<'static, KeyPair>,
}

fn of_an_authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(of_an_authority(), key).unwrap();
        let key = KeyPair::generate().unwrap();
        let below = CertifiedIssuer::signed_by(of_an_authority(), key, &root).unwrap();
        Self { root, below }
    }

    /// Writes a certificate for localhost with its chain into `chain.pem`, and its key into `key.pem`.
    pub(crate) fn certify(&self, folder: &Path) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = params.signed_by(&key, &*self.below).unwrap();
        let chain = own.pem() + &self.below.as_ref().pem();
        fs::write(folder.join("chain.pem"), chain).unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    }

    /// The root's certificate in PEM.
    pub(crate) fn root_pem(&self) -> String {
        self.root.as_ref().pem()
    }

    /// A client that trusts the root and nothing else, and keeps no connection.
    pub(crate) fn client(&self) -> reqwest::Client {
        self.client_builder().build().unwrap()
    }

    pub(crate) fn client_builder(&self) -> reqwest::ClientBuilder {
        let root = reqwest::Certificate::from_der(self.root.as_ref().der()).unwrap();
        reqwest::Client::builder()
            .tls_certs_only([root])
            .pool_max_idle_per_host(0)
    }

    /// Shakes hands with a server at `https://host:port`, offering these protocols (ALPN).
    pub(crate) async fn shake_hands(
        &self,
        base: &str,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.as_ref().der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let stream = TcpStream::connect(base.trim_start_matches("https://")).await?;
        let name = "localhost".try_into().unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }
}
