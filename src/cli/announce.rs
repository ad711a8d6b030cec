//! Handing over credentials, once.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;

use serde_json::json;

use crate::bootstrap::administrator::FirstApplication;
use crate::bootstrap::master::write_private;
use crate::model::api::SystemApi;
use crate::model::issuer::Issuer;
use crate::store::make_private_folder;

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
    let written = write(&path, &format!("{credentials:#}\n"));
    let path = path.display();
    let client_id = &first.client_id;
    match written {
        Ok(()) => {
            tracing::warn!(%path, "the first application was made; its credentials are in this file");
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => tracing::warn!(
            %path,
            client_id,
            "the first application was made, but this file exists and was not overwritten; \
             `grantor admin-secret` gives a secret that you can see"
        ),
        Err(error) => tracing::error!(
            %path,
            %error,
            client_id,
            "the first application was made, but this file could not be written; \
             `grantor admin-secret` gives a secret that you can see"
        ),
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        make_private_folder(folder).map_err(io::Error::other)?;
    }
    write_private(path, text)
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
