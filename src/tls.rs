//! TLS by rustls: the certificate with its private key, and the door through which connections come.
//!
//! TLS 1.2 and 1.3 with the library's own choice of cipher suites (RFC 9325), HTTP/1.1 only.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::model::fault::Fault;
use crate::socket::Socket;

/// What we say in ALPN (RFC 7301 §6).
const HTTP_1_1: &[u8] = b"http/1.1";

/// A certificate chain and the private key that fits it.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

/// Which of the two files is to blame, and the reason, for a person to read. No reason holds
/// anything of the private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The certificate, or the chain behind it.
    Certificate(String),
    /// The private key, or that it belongs to another certificate.
    PrivateKey(String),
}

impl Identity {
    /// From PEM (RFC 7468): the server's own certificate first, then those that sign it.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn from_pem(certificate: &str, private_key: &str) -> Result<Self, Unfit> {
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
        let chain =
            chain.map_err(|error| Unfit::Certificate(format!("this is no PEM: {error}")))?;
        if chain.is_empty() {
            let rule = "there is no certificate in the file (-----BEGIN CERTIFICATE-----)";
            return Err(Unfit::Certificate(rule.into()));
        }
        // The reader's own errors may show a line of the key.
        let key = PrivateKeyDer::from_pem_slice(private_key.as_bytes()).map_err(|_| {
            let rule = "there is no private key in the file (-----BEGIN PRIVATE KEY-----); \
                        an encrypted one cannot be used";
            Unfit::PrivateKey(rule.into())
        })?;
        match CertifiedKey::from_der(chain, key, &default_provider()) {
            Ok(certified) => Ok(Self(Arc::new(certified))),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(Unfit::PrivateKey(
                "the private key does not fit the certificate".into(),
            )),
            Err(Error::InvalidCertificate(error)) => Err(Unfit::Certificate(format!(
                "the certificate cannot be used: {error}"
            ))),
            Err(_) => Err(Unfit::PrivateKey(
                "the private key cannot be used: it must be RSA (2048 to 8192 bits), ECDSA \
                 (P-256, P-384, P-521) or Ed25519"
                    .into(),
            )),
        }
    }

    /// True where both show the same certificates, so that nothing was renewed.
    #[must_use]
    pub fn shows_the_same_as(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity([{} certificates])", self.0.cert.len())
    }
}

/// The identity in force; a renewed one takes its place while handshakes go on.
#[derive(Debug)]
struct InForce(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for InForce {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Where a TCP connection becomes a TLS one.
#[derive(Clone)]
pub struct Door {
    acceptor: TlsAcceptor,
    in_force: Arc<InForce>,
    handshake_max: Duration,
}

impl Door {
    /// A door that shows this identity; a handshake may take `handshake_max`.
    ///
    /// # Errors
    /// A fault where the library offers no version of TLS.
    pub fn open(identity: &Identity, handshake_max: Duration) -> Result<Self, Fault> {
        let in_force = Arc::new(InForce(ArcSwap::from(Arc::clone(&identity.0))));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<InForce>::clone(&in_force);
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Fault::internal)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            in_force,
            handshake_max,
        })
    }

    /// Shows another identity from the next handshake on.
    pub fn show(&self, identity: &Identity) {
        self.in_force.0.store(Arc::clone(&identity.0));
    }

    /// The handshake.
    ///
    /// # Errors
    /// The client's doing: what it sent is no TLS, it offers nothing that we do, or it is slow.
    pub async fn handshake(&self, socket: Socket) -> io::Result<Secured> {
        let handshake = self.acceptor.accept(socket);
        timeout(self.handshake_max, handshake)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map(Secured)
    }
}

/// A TLS connection. Wherever it is dropped, it says that it ends (close_notify, RFC 8446 §6.1), so
/// that the client can tell our end from an attacker's.
#[derive(Debug)]
pub struct Secured(TlsStream<Socket>);

impl Drop for Secured {
    fn drop(&mut self) {
        let (socket, session) = self.0.get_mut();
        session.send_close_notify();
        // What the socket does not take at once is lost; nobody waits for it any more.
        while session.wants_write()
            && session
                .write_tls(&mut AtOnce(socket.stream()))
                .is_ok_and(|n| n > 0)
        {}
    }
}

/// Writes what a socket takes without waiting.
struct AtOnce<'t>(&'t TcpStream);

impl io::Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_and_its_key_are_taken_and_the_key_is_never_shown() {
        let (certificate, key) = made("localhost");
        let identity = Identity::from_pem(&certificate, &key).unwrap();
        assert_eq!(format!("{identity:?}"), "Identity([1 certificates])");
        assert!(identity.shows_the_same_as(&identity.clone()));
        let (other, key) = made("localhost");
        let other = Identity::from_pem(&other, &key).unwrap();
        assert!(!identity.shows_the_same_as(&other));
    }

    #[test]
    fn what_does_not_fit_is_said_of_the_file_that_is_to_blame() {
        let ((certificate, key), (_, other_key)) = (made("localhost"), made("localhost"));
        let broken = certificate.replace("MII", "AAA");
        let no_der = key.replace("MIG", "AAA");
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let cut = key.replace("-----END PRIVATE KEY-----", "");
        for (certificate, key, expected) in [
            (
                "",
                key.as_str(),
                Unfit::Certificate("no certificate".into()),
            ),
            (&key, &key, Unfit::Certificate("no certificate".into())),
            (&broken, &key, Unfit::Certificate("cannot be used".into())),
            (&certificate, "", Unfit::PrivateKey("no private key".into())),
            (
                &certificate,
                &encrypted,
                Unfit::PrivateKey("encrypted".into()),
            ),
            (
                &certificate,
                &cut,
                Unfit::PrivateKey("no private key".into()),
            ),
            (
                &certificate,
                &no_der,
                Unfit::PrivateKey("cannot be used".into()),
            ),
            (
                &certificate,
                &other_key,
                Unfit::PrivateKey("does not fit".into()),
            ),
        ] {
            let unfit = Identity::from_pem(certificate, key).unwrap_err();
            match (&unfit, &expected) {
                (Unfit::Certificate(reason), Unfit::Certificate(words))
                | (Unfit::PrivateKey(reason), Unfit::PrivateKey(words)) => {
                    assert!(reason.contains(words.as_str()), "{reason}");
                }
                _ => panic!("{unfit:?} instead of {expected:?}"),
            }
        }
    }
}
