//! Handing over credentials, once.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;

use serde_json::json;

use crate::bootstrap::FirstApplication;
use crate::bootstrap::master::write_private;
use crate::model::api::SystemApi;
use crate::model::issuer::Issuer;

/// On a terminal the credentials are printed; otherwise they go to a file that only this user
/// reads, and only its path is logged.
pub(super) fn first_application(
    first: &FirstApplication,
    issuer: &Issuer,
    folder: &Path,
) -> io::Result<()> {
    if io::stdout().is_terminal() {
        return to_terminal(first, issuer);
    }
    let path = folder.join("first-application.json");
    let credentials = json!({
        "client_id": first.client_id,
        "client_secret": first.client_secret.expose(),
        "audience": issuer.identifier_of(SystemApi::Management),
        "token_endpoint": issuer.join("oauth/token"),
    });
    std::fs::create_dir_all(folder)?;
    match write_private(&path, &format!("{credentials:#}\n")) {
        Ok(()) => {
            tracing::warn!(path = %path.display(), "the first application was made; its credentials are in this file");
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            tracing::warn!(
                path = %path.display(),
                client_id = first.client_id,
                "the first application was made, but this file exists and was not overwritten; `grantor admin-secret` gives it a secret that you can see"
            );
            Ok(())
        }
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("{}: {error}", path.display()),
        )),
    }
}

/// Prints the credentials with a line that gets a token.
pub(super) fn to_terminal(first: &FirstApplication, issuer: &Issuer) -> io::Result<()> {
    let FirstApplication {
        client_id,
        client_secret,
    } = first;
    writeln!(
        io::stdout(),
        "\nAn application that may administer this server (shown this once):\n\n  client_id      {client_id}\n  client_secret  {secret}\n\nGet a token with it:\n\n  curl -s {token_endpoint} -u '{client_id}:{secret}' -d grant_type=client_credentials -d audience={audience}\n",
        secret = client_secret.expose(),
        token_endpoint = issuer.join("oauth/token"),
        audience = issuer.identifier_of(SystemApi::Management),
    )
}
