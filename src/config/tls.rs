//! `[server.tls]`: two files, read at the start and again when they may have been renewed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::Reader;
use super::sources;
use crate::tls::{Identity, Unfit};

const CERTIFICATE: &str = "server.tls.certificate";
const PRIVATE_KEY: &str = "server.tls.private_key";

/// `[server.tls]`, where its files are set.
#[derive(Clone, Debug)]
pub struct Tls {
    /// What lay in the files at the start.
    pub identity: Identity,
    /// Where it came from.
    pub files: TlsFiles,
    /// What a handshake may take.
    pub handshake_max: Duration,
    /// Pause between two looks at the files.
    pub reload_interval: Duration,
}

impl Tls {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let path = |text: &str| Ok(PathBuf::from(text));
        let certificate = reader.text_or_unset(CERTIFICATE, path);
        let private_key = reader.text_or_unset(PRIVATE_KEY, path);
        reader.both_or_neither(CERTIFICATE, PRIVATE_KEY);
        let handshake_max = reader.seconds("server.tls.handshake_seconds_max", 1..=120);
        let reload_interval = reader.seconds("server.tls.reload_interval_seconds", 1..=86_400);
        let files = TlsFiles {
            certificate: certificate?,
            private_key: private_key?,
        };
        let identity = files
            .read()
            .map_err(|unfit| reader.refuse(&[unfit.key], unfit.reason))
            .ok()?;
        Some(Self {
            identity,
            files,
            handshake_max,
            reload_interval,
        })
    }
}

/// True where HTTPS is asked for, rightly or wrongly.
pub(super) fn is_asked_for(reader: &Reader) -> bool {
    reader.is_set(CERTIFICATE)
}

/// Notes a problem where the issuer that is written down is no https URL (RFC 8414 §2).
pub(super) fn check_issuer(reader: &mut Reader, issuer: &str) {
    if is_asked_for(reader) && !issuer.starts_with("https://") {
        let rule = "with TLS the issuer must be an https URL";
        reader.refuse(&["issuer", CERTIFICATE], rule);
    }
}

/// The files that `[server.tls]` names.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and those that sign it, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub private_key: PathBuf,
}

/// Why the files cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfitFile {
    key: &'static str,
    path: PathBuf,
    reason: String,
}

impl fmt::Display for UnfitFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        write!(f, "{} = {path:?}: {}", self.key, self.reason)
    }
}

impl TlsFiles {
    /// What lies in the files now.
    ///
    /// # Errors
    /// [`UnfitFile`] where one cannot be read, or they do not fit each other.
    pub fn read(&self) -> Result<Identity, UnfitFile> {
        let certificate = contents(CERTIFICATE, &self.certificate)?;
        let private_key = contents(PRIVATE_KEY, &self.private_key)?;
        Identity::from_pem(&certificate, &private_key).map_err(|unfit| match unfit {
            Unfit::Certificate(reason) => UnfitFile {
                key: CERTIFICATE,
                path: self.certificate.clone(),
                reason,
            },
            Unfit::PrivateKey(reason) => UnfitFile {
                key: PRIVATE_KEY,
                path: self.private_key.clone(),
                reason,
            },
        })
    }
}

fn contents(key: &'static str, path: &Path) -> Result<String, UnfitFile> {
    sources::read_bounded(path).map_err(|error| UnfitFile {
        key,
        path: path.to_owned(),
        reason: format!("the file cannot be read: {error}"),
    })
}
