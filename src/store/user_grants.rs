//! User grants: what users have consented to.

use sqlx::FromRow;

use super::{Conn, PageStart, Write, execute, parse_json, run, to_json};
use crate::model::api::SystemApi;
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::model::user_grant::UserGrant;

/// With the API's identifier, where there is an API.
macro_rules! select {
    ($($rest:tt)*) => {
        concat!(
            "select g.id, g.user_id, g.client_id, g.api_id, a.identifier, a.system, g.scopes,
                 g.expires_at, g.created_at, g.updated_at
               from user_grants g left join apis a on a.id = g.api_id ",
            $($rest)*
        )
    };
}

#[derive(FromRow)]
struct GrantRow {
    id: String,
    user_id: String,
    client_id: String,
    api_id: Option<String>,
    identifier: Option<String>,
    system: Option<String>,
    scopes: String,
    expires_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl GrantRow {
    fn into_grant(self, issuer: &Issuer) -> Result<UserGrant, Fault> {
        let system = self.system.as_deref();
        let system: Option<SystemApi> = system.map(super::apis::parse_system).transpose()?;
        let audience = match system {
            Some(system) => Some(issuer.identifier_of(system)),
            None => self.identifier,
        };
        Ok(UserGrant {
            id: self.id,
            user_id: self.user_id,
            client_id: self.client_id,
            api_id: self.api_id,
            audience,
            scopes: parse_json(&self.scopes)?,
            expires_at: self.expires_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// What a user has consented to for an application, oldest first.
///
/// # Errors
/// A fault of the store.
pub async fn of_user_at(
    conn: &mut Conn,
    user_id: &str,
    client_id: &str,
) -> Result<Vec<UserGrant>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        GrantRow,
        select!("where g.user_id = $1 and g.client_id = $2 order by g.created_at, g.id"),
        user_id,
        client_id
    )?;
    let issuer = conn.issuer();
    rows.into_iter().map(|row| row.into_grant(issuer)).collect()
}

/// The user grant of an id.
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<UserGrant>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        GrantRow,
        select!("where g.id = $1"),
        id
    )?;
    row.map(|row| row.into_grant(conn.issuer())).transpose()
}

/// Takes the lock of the row that a consent goes to, and answers what is there: the grant itself where
/// there was nothing. None where the user, the application or the API is gone.
///
/// # Errors
/// A fault of the store.
pub async fn hold(tx: &mut Write, grant: &UserGrant) -> Result<Option<UserGrant>, Fault> {
    // The idle update makes the row that is there answer, in the one statement.
    let row = run!(
        fetch_optional,
        tx,
        (String, String, Option<i64>, i64, i64),
        "insert into user_grants (id, user_id, client_id, place, api_id, scopes, expires_at,
             created_at, updated_at)
         select $1, u.user_id, a.client_id, $4, $5, $6, $7, $8, $9
           from users u, applications a
          where u.user_id = $2 and a.client_id = $3
            and (cast($5 as text) is null or exists (select 1 from apis where apis.id = $5))
         on conflict (user_id, client_id, place) do update set id = user_grants.id
         returning id, scopes, expires_at, created_at, updated_at",
        &grant.id,
        &grant.user_id,
        &grant.client_id,
        grant.api_id.as_deref().unwrap_or(""),
        &grant.api_id,
        to_json(&grant.scopes)?,
        grant.expires_at,
        grant.created_at,
        grant.updated_at
    )?;
    let Some((id, scopes, expires_at, created_at, updated_at)) = row else {
        return Ok(None);
    };
    Ok(Some(UserGrant {
        id,
        scopes: parse_json(&scopes)?,
        expires_at,
        created_at,
        updated_at,
        ..grant.clone()
    }))
}

/// Keeps what a user has consented to just now, in the place of what was there: the caller has locked
/// that and goes on with all of it. The id stays.
///
/// # Errors
/// A fault of the store.
pub async fn upsert(tx: &mut Write, grant: &UserGrant) -> Result<(), Fault> {
    execute!(
        tx,
        "insert into user_grants (id, user_id, client_id, place, api_id, scopes, expires_at,
             created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (user_id, client_id, place) do update
            set scopes = excluded.scopes, expires_at = excluded.expires_at,
                updated_at = excluded.updated_at",
        &grant.id,
        &grant.user_id,
        &grant.client_id,
        grant.api_id.as_deref().unwrap_or(""),
        &grant.api_id,
        to_json(&grant.scopes)?,
        grant.expires_at,
        grant.created_at,
        grant.updated_at
    )?;
    Ok(())
}

/// What a list of user grants is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one user.
    pub user_id: Option<String>,
    /// For one application.
    pub client_id: Option<String>,
    /// At one API, by its id; empty: where no API is meant.
    pub place: Option<String>,
}

/// A page of user grants, oldest first; those that have ended included.
///
/// # Errors
/// A fault of the store.
pub async fn list(
    conn: &mut Conn,
    filter: &Filter,
    from: &PageStart,
    rows_max: i64,
) -> Result<Vec<UserGrant>, Fault> {
    let (offset, behind_at, behind_id) = from.columns();
    let rows = run!(
        fetch_all,
        conn,
        GrantRow,
        select!(
            "where (cast($1 as text) is null or g.user_id = $1)
                and (cast($2 as text) is null or g.client_id = $2)
                and (cast($3 as text) is null or g.place = $3)
                and (g.created_at > $4 or (g.created_at = $4 and g.id > $5))
              order by g.created_at, g.id limit $6 offset $7"
        ),
        &filter.user_id,
        &filter.client_id,
        &filter.place,
        behind_at,
        behind_id,
        rows_max,
        offset
    )?;
    let issuer = conn.issuer();
    rows.into_iter().map(|row| row.into_grant(issuer)).collect()
}

/// How many user grants the filter lets through.
///
/// # Errors
/// A fault of the store.
pub async fn count(conn: &mut Conn, filter: &Filter) -> Result<i64, Fault> {
    let (count,) = run!(
        fetch_one,
        conn,
        (i64,),
        "select count(*) from user_grants
          where (cast($1 as text) is null or user_id = $1)
            and (cast($2 as text) is null or client_id = $2)
            and (cast($3 as text) is null or place = $3)",
        &filter.user_id,
        &filter.client_id,
        &filter.place
    )?;
    Ok(count)
}

/// Takes the grant's row lock; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn lock(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    let locked = execute!(tx, "update user_grants set id = id where id = $1", id)?;
    Ok(locked == 1)
}

/// Sets when a user grant ends; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn set_end(
    tx: &mut Write,
    id: &str,
    expires_at: Option<i64>,
    now: i64,
) -> Result<bool, Fault> {
    let set = execute!(
        tx,
        "update user_grants set expires_at = $2, updated_at = $3 where id = $1",
        id,
        expires_at,
        now
    )?;
    Ok(set == 1)
}

/// Removes a user grant; false where it is gone already.
///
/// # Errors
/// A fault of the store.
pub async fn delete(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    Ok(execute!(tx, "delete from user_grants where id = $1", id)? == 1)
}
