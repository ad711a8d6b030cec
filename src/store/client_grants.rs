//! Client grants.

use sqlx::FromRow;

use super::apis::{known, parse_system};
use super::{Conn, PageStart, Write, execute, run};
use crate::model::client_grant::{ClientGrant, SubjectType};
use crate::model::described::Described;
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;

/// Columns are named, so that a newer version's further column changes nothing for a running node.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select g.id, g.client_id, g.api_id, a.system, a.identifier, g.subject_type, g.scopes,
                 g.allow_all_scopes, g.expires_at, g.described, g.created_at
               from client_grants g join apis a on a.id = g.api_id ",
            $rest
        )
    };
}

#[derive(FromRow)]
struct GrantRow {
    id: String,
    client_id: String,
    api_id: String,
    system: Option<String>,
    identifier: Option<String>,
    subject_type: String,
    scopes: String,
    allow_all_scopes: bool,
    expires_at: Option<i64>,
    described: String,
    created_at: i64,
}

impl GrantRow {
    fn into_grant(self, issuer: &Issuer) -> Result<ClientGrant, Fault> {
        let audience = match (self.system.as_deref(), self.identifier) {
            (Some(system), _) => issuer.identifier_of(parse_system(system)?),
            (None, Some(identifier)) => identifier,
            (None, None) => {
                let api_id = self.api_id;
                return Err(Fault::internal(format_args!(
                    "API {api_id} has no identifier"
                )));
            }
        };
        let subject_type = known(SubjectType::parse(&self.subject_type), &self.subject_type)?;
        Ok(ClientGrant {
            id: self.id,
            client_id: self.client_id,
            api_id: self.api_id,
            audience,
            subject_type,
            scopes: super::parse_json(&self.scopes)?,
            allow_all_scopes: self.allow_all_scopes,
            expires_at: self.expires_at,
            described: Described(super::parse_json(&self.described)?),
            created_at: self.created_at,
        })
    }
}

fn into_grants(rows: Vec<GrantRow>, issuer: &Issuer) -> Result<Vec<ClientGrant>, Fault> {
    rows.into_iter().map(|row| row.into_grant(issuer)).collect()
}

/// Stores a new client grant; false where the application has one of this kind for the API.
///
/// # Errors
/// A fault of the store.
pub async fn insert(tx: &mut Write, grant: &ClientGrant) -> Result<bool, Fault> {
    let inserted = execute!(
        tx,
        "insert into client_grants
             (id, client_id, api_id, subject_type, scopes, allow_all_scopes, expires_at, described, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (client_id, api_id, subject_type) do nothing",
        &grant.id,
        &grant.client_id,
        &grant.api_id,
        grant.subject_type.as_str(),
        super::to_json(&grant.scopes)?,
        grant.allow_all_scopes,
        grant.expires_at,
        super::to_json(&grant.described.0)?,
        grant.created_at
    )?;
    Ok(inserted == 1)
}

/// Overwrites what may change of a client grant; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn update(tx: &mut Write, grant: &ClientGrant) -> Result<bool, Fault> {
    let updated = execute!(
        tx,
        "update client_grants set scopes = $2, allow_all_scopes = $3, expires_at = $4, described = $5
          where id = $1",
        &grant.id,
        super::to_json(&grant.scopes)?,
        grant.allow_all_scopes,
        grant.expires_at,
        super::to_json(&grant.described.0)?
    )?;
    Ok(updated == 1)
}

/// Takes the grant's row lock, so that a change that was read before is written over nobody's other
/// change; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn lock(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    Ok(execute!(tx, "update client_grants set id = id where id = $1", id)? == 1)
}

/// Removes a client grant; false where it is gone already.
///
/// # Errors
/// A fault of the store.
pub async fn delete(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    Ok(execute!(tx, "delete from client_grants where id = $1", id)? == 1)
}

/// The client grant of an id.
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<ClientGrant>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        GrantRow,
        select!("where g.id = $1"),
        id
    )?;
    row.map(|row| row.into_grant(conn.issuer())).transpose()
}

/// Every client grant of an application, oldest first: the order of the APIs of a token where none
/// is named (compatibility.md §6).
///
/// # Errors
/// A fault of the store.
pub async fn of_application(conn: &mut Conn, client_id: &str) -> Result<Vec<ClientGrant>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        GrantRow,
        select!("where g.client_id = $1 order by g.created_at, g.id"),
        client_id
    )?;
    into_grants(rows, conn.issuer())
}

/// What a list of client grants is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one application.
    pub client_id: Option<String>,
    /// For one API, by its id.
    pub api_id: Option<String>,
    /// For applications or users.
    pub subject_type: Option<SubjectType>,
}

/// A page of client grants, oldest first.
///
/// # Errors
/// A fault of the store.
pub async fn list(
    conn: &mut Conn,
    filter: &Filter,
    from: &PageStart,
    rows_max: i64,
) -> Result<Vec<ClientGrant>, Fault> {
    let (offset, behind_at, behind_id) = from.columns();
    let rows = run!(
        fetch_all,
        conn,
        GrantRow,
        select!(
            "where (cast($1 as text) is null or g.client_id = $1)
            and (cast($2 as text) is null or g.api_id = $2)
            and (cast($3 as text) is null or g.subject_type = $3)
            and (g.created_at > $4 or (g.created_at = $4 and g.id > $5))
          order by g.created_at, g.id limit $6 offset $7"
        ),
        &filter.client_id,
        &filter.api_id,
        filter.subject_type.map(SubjectType::as_str),
        behind_at,
        behind_id,
        rows_max,
        offset
    )?;
    into_grants(rows, conn.issuer())
}

/// How many client grants the filter lets through.
///
/// # Errors
/// A fault of the store.
pub async fn count(conn: &mut Conn, filter: &Filter) -> Result<i64, Fault> {
    let (count,) = run!(
        fetch_one,
        conn,
        (i64,),
        "select count(*) from client_grants
          where (cast($1 as text) is null or client_id = $1)
            and (cast($2 as text) is null or api_id = $2)
            and (cast($3 as text) is null or subject_type = $3)",
        &filter.client_id,
        &filter.api_id,
        filter.subject_type.map(SubjectType::as_str)
    )?;
    Ok(count)
}
