//! Which applications are the resource servers of APIs (`resource_server_identifier`).

use super::{Conn, Write, applications, execute, run};
use crate::model::fault::Fault;

/// The applications that are the resource servers of these APIs, as pairs of identifier and
/// `client_id`, oldest first.
///
/// # Errors
/// A fault of the store.
pub async fn of_apis(
    conn: &mut Conn,
    identifiers: &[&str],
) -> Result<Vec<(String, String)>, Fault> {
    // No identifier holds a control character, so a line is an identifier.
    let lines = format!("\n{}\n", identifiers.join("\n"));
    run!(
        fetch_all,
        conn,
        (String, String),
        "select resource_server_identifier, client_id from applications
          where app_type = 'resource_server' and resource_server_identifier is not null
            and replace($1, $2 || resource_server_identifier || $2, '') <> $1
          order by created_at, client_id",
        &lines,
        "\n"
    )
}

/// Takes the row locks of the applications that are an API's resource server, in the order of their
/// `client_id`s, which it answers.
///
/// # Errors
/// A fault of the store.
pub async fn lock(tx: &mut Write, identifier: &str) -> Result<Vec<String>, Fault> {
    let rows = run!(
        fetch_all,
        tx,
        (String,),
        "select client_id from applications where resource_server_identifier = $1",
        identifier
    )?;
    let mut client_ids: Vec<String> = rows.into_iter().map(|(client_id,)| client_id).collect();
    client_ids.sort_unstable();
    for client_id in &client_ids {
        applications::lock(tx, client_id).await?;
    }
    Ok(client_ids)
}

/// Takes the API from an application that is its resource server: an API that is made anew under the same
/// identifier does not inherit it. False where it is not, or not any more.
///
/// # Errors
/// A fault of the store.
pub async fn unlink(tx: &mut Write, client_id: &str, identifier: &str) -> Result<bool, Fault> {
    let unlinked = execute!(
        tx,
        "update applications set resource_server_identifier = null
          where client_id = $1 and resource_server_identifier = $2",
        client_id,
        identifier
    )?;
    Ok(unlinked == 1)
}
