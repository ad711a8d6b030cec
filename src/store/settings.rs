//! The tenant's settings: one row, which the migrations make.

use super::{Conn, Write, execute, run};
use crate::model::fault::Fault;
use crate::model::settings::{InForce, Settings};

/// What requests need of the settings.
///
/// # Errors
/// A fault of the store.
pub async fn in_force(conn: &mut Conn) -> Result<InForce, Fault> {
    Ok(InForce::of(&get(conn).await?))
}

/// All settings.
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn) -> Result<Settings, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        (String, Option<String>),
        "select s.fields, a.identifier from settings s left join apis a on a.id = s.default_api_id
          where s.id = 1"
    )?;
    let Some((fields, default_audience)) = row else {
        return Ok(Settings::default());
    };
    Ok(Settings {
        default_audience,
        fields: super::parse_json(&fields)?,
    })
}

/// Takes the row's lock, so that a change that was read before is written over nobody's other change.
///
/// # Errors
/// A fault of the store.
pub async fn lock(tx: &mut Write) -> Result<(), Fault> {
    execute!(tx, "update settings set id = id where id = 1")?;
    Ok(())
}

/// Overwrites the settings; `default_api_id` is the id of the API of `default_audience`.
///
/// # Errors
/// A fault of the store.
pub async fn update(
    tx: &mut Write,
    settings: &Settings,
    default_api_id: Option<&str>,
) -> Result<(), Fault> {
    execute!(
        tx,
        "update settings set fields = $1, default_api_id = $2 where id = 1",
        super::to_json(&settings.fields)?,
        default_api_id
    )?;
    Ok(())
}

/// Takes back an API as the `default_audience`, because it goes; false where it is not that.
///
/// # Errors
/// A fault of the store.
pub async fn clear_default(tx: &mut Write, api_id: &str) -> Result<bool, Fault> {
    let cleared = execute!(
        tx,
        "update settings set default_api_id = null where id = 1 and default_api_id = $1",
        api_id
    )?;
    Ok(cleared == 1)
}
