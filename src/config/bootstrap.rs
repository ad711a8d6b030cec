//! `[bootstrap]`: the first application.

use super::reader::Reader;
use super::rules;
use crate::secret::Secret;

/// `[bootstrap]`
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// The first application's credentials, where they are set.
    pub credentials: Option<BootstrapCredentials>,
}

/// Credentials of the first application (compatibility.md §6, identifiers of APIs).
#[derive(Clone, Debug)]
pub struct BootstrapCredentials {
    /// 32 letters and digits.
    pub client_id: String,
    /// 32 to 256 printable ASCII characters.
    pub client_secret: Secret<String>,
}

impl Bootstrap {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let id = reader.text_or_unset("bootstrap.client_id", rules::client_id);
        let secret = reader.secret_or_unset("bootstrap.client_secret", rules::client_secret);
        reader.both_or_neither("bootstrap.client_id", "bootstrap.client_secret");
        let credentials = id
            .zip(secret)
            .map(|(client_id, client_secret)| BootstrapCredentials {
                client_id,
                client_secret,
            });
        Self { credentials }
    }
}
