//! `[logout]`: how applications are told that a session has ended.

use std::path::{Path, PathBuf};

use reqwest::Certificate;

use super::reader::Reader;
use super::sources;

const CERTIFICATES: &str = "logout.ca_certificates";

/// `[logout]`
#[derive(Clone, Debug, Default)]
pub struct LogoutConfig {
    /// Certificates to trust beside those that the system trusts.
    pub ca_certificates: Vec<Certificate>,
}

impl LogoutConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let path = reader.text_or_unset(CERTIFICATES, |path| Ok(PathBuf::from(path)));
        let certificates = path.and_then(|path| {
            certificates(&path)
                .map_err(|broken| reader.refuse(&[CERTIFICATES], broken))
                .ok()
        });
        Self {
            ca_certificates: certificates.unwrap_or_default(),
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    const NONE: &str = "the file holds no certificate in PEM";
    let pem =
        sources::read_bounded(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(NONE.to_owned()),
        Err(error) => Err(format!("{NONE}: {error}")),
    }
}
