//! Families of refresh tokens: a row each, whatever number of tokens there have been.

use serde_json::{Map, Value};
use sqlx::FromRow;

use super::group::Reach;
use super::{Conn, PageStart, Write, execute, parse_json, run, to_json};
use crate::model::authorization::Authorization;
use crate::model::change::Covered;
use crate::model::fault::Fault;
use crate::model::record::Record;
use crate::model::refresh::{Family, Previous};
use crate::model::session::Device;

/// Most families that one new family pushes out: after the cap was lowered, the next ones go on.
const EVICTED_ROWS_MAX: i64 = 100;

macro_rules! select {
    ($($rest:tt)*) => {
        concat!(
            "select authorized, generation, current_digest, previous_digest, sealed_successor, rotated_at,
                 replays, mark, initial_ip, initial_user_agent, last_ip, last_user_agent, metadata,
                 created_at, ends_at, last_exchanged_at, used_at
               from refresh_families ",
            $($rest)*
        )
    };
}

#[derive(FromRow)]
struct FamilyRow {
    authorized: String,
    generation: i64,
    current_digest: String,
    previous_digest: Option<String>,
    sealed_successor: Option<String>,
    rotated_at: Option<i64>,
    replays: i64,
    mark: Option<String>,
    initial_ip: Option<String>,
    initial_user_agent: Option<String>,
    last_ip: Option<String>,
    last_user_agent: Option<String>,
    metadata: String,
    created_at: i64,
    ends_at: Option<i64>,
    last_exchanged_at: Option<i64>,
    used_at: i64,
}

impl FamilyRow {
    fn into_family(self) -> Result<Family, Fault> {
        let previous = match (self.previous_digest, self.sealed_successor, self.rotated_at) {
            (Some(digest), Some(sealed_successor), Some(rotated_at)) => Some(Previous {
                digest,
                sealed_successor,
                rotated_at,
                replays: self.replays,
                mark: self.mark,
            }),
            _ => None,
        };
        Ok(Family {
            authorization: parse_json(&self.authorized)?,
            generation: self.generation,
            current_digest: self.current_digest,
            previous,
            device: Device {
                initial_ip: self.initial_ip,
                initial_user_agent: self.initial_user_agent,
                last_ip: self.last_ip,
                last_user_agent: self.last_user_agent,
            },
            metadata: parse_json(&self.metadata)?,
            created_at: self.created_at,
            ends_at: self.ends_at,
            last_exchanged_at: self.last_exchanged_at,
            used_at: self.used_at,
        })
    }
}

/// A family that begins, and the bound on how many there may be beside it.
#[derive(Clone, Debug)]
pub struct NewFamily {
    /// The family, with its first token.
    pub family: Family,
    /// Families of this user at this application; the oldest goes where there are more.
    pub families_max: i64,
    /// What the audit says of one that goes.
    pub evicted: Record,
}

/// True where an older family has to give way to one that begins.
pub(super) async fn is_full(conn: &mut Conn, new: &NewFamily) -> Result<bool, Fault> {
    let Authorization {
        family,
        user_id,
        client_id,
        ..
    } = &new.family.authorization;
    let row = run!(
        fetch_optional,
        conn,
        (String,),
        "select id from refresh_families where user_id = $1 and client_id = $2 and id <> $3
          limit 1 offset $4",
        user_id,
        client_id,
        family,
        new.families_max - 1
    )?;
    Ok(row.is_some())
}

/// Stores a family that begins; false where it is there already, stored by this same request, which
/// runs again after an unknown outcome, and where its application or user is gone. Others give way only where the
/// user is locked: whoever has less asks first whether any has to ([`is_full`]).
pub(super) async fn insert(tx: &mut Write, new: &NewFamily, reach: Reach) -> Result<bool, Fault> {
    let Family {
        authorization,
        device,
        ..
    } = &new.family;
    let inserted = execute!(
        tx,
        "insert into refresh_families (id, client_id, user_id, session_id, position, authorized,
             generation, current_digest, initial_ip, initial_user_agent, last_ip, last_user_agent,
             created_at, ends_at, used_at)
         select $1, a.client_id, u.user_id, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
           from applications a, users u where a.client_id = $2 and u.user_id = $3
         on conflict (id) do nothing",
        &authorization.family,
        &authorization.client_id,
        &authorization.user_id,
        &authorization.session_id,
        authorization.position,
        to_json(authorization)?,
        new.family.generation,
        &new.family.current_digest,
        &device.initial_ip,
        &device.initial_user_agent,
        &device.last_ip,
        &device.last_user_agent,
        new.family.created_at,
        new.family.ends_at,
        new.family.used_at
    )?;
    if inserted == 0 {
        return Ok(false);
    }
    insert_apis(tx, authorization).await?;
    if reach == Reach::User {
        evict(tx, new).await?;
    }
    Ok(true)
}

async fn insert_apis(tx: &mut Write, authorization: &Authorization) -> Result<(), Fault> {
    let of_apis = authorization.apis.iter();
    let mut places: Vec<(&str, String)> = of_apis
        .map(|api| (api.api_id.as_str(), api.audience.clone()))
        .collect();
    if places.is_empty() {
        places.push(("", tx.issuer().userinfo()));
    }
    for (place, audience) in places {
        execute!(
            tx,
            "insert into refresh_family_apis (family_id, place, audience) values ($1, $2, $3)",
            &authorization.family,
            place,
            audience
        )?;
    }
    Ok(())
}

/// The oldest families of the user at the application go, until there are no more than allowed.
async fn evict(tx: &mut Write, new: &NewFamily) -> Result<(), Fault> {
    let Authorization {
        family,
        user_id,
        client_id,
        ..
    } = &new.family.authorization;
    let evicted = run!(
        fetch_all,
        tx,
        (String,),
        "delete from refresh_families where id in (
            select id from refresh_families
             where user_id = $1 and client_id = $2 and id <> $3
             order by created_at desc, id desc limit $4 offset $5)
         returning id",
        user_id,
        client_id,
        family,
        EVICTED_ROWS_MAX,
        new.families_max - 1
    )?;
    for (id,) in evicted {
        tx.record(new.evicted.clone().with("refresh_token_id", id.into()));
    }
    Ok(())
}

/// The family of an id.
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Family>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        FamilyRow,
        select!("where id = $1"),
        id
    )?;
    row.map(FamilyRow::into_family).transpose()
}

/// What a list of families is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one user.
    pub user_id: Option<String>,
    /// Of one application.
    pub client_id: Option<String>,
    /// That came from one session.
    pub session_id: Option<String>,
}

/// The condition of a [`Filter`], whose values are the first three.
macro_rules! fits {
    () => {
        "where (cast($1 as text) is null or user_id = $1)
           and (cast($2 as text) is null or client_id = $2)
           and (cast($3 as text) is null or session_id = $3)"
    };
}

/// A page of the families, oldest first. Some may have ended by themselves, or be covered by a
/// wholesale revocation, until the sweep has been there.
///
/// # Errors
/// A fault of the store.
pub async fn list(
    conn: &mut Conn,
    filter: &Filter,
    from: &PageStart,
    rows_max: i64,
) -> Result<Vec<Family>, Fault> {
    let (offset, behind_at, behind_id) = from.columns();
    let rows = run!(
        fetch_all,
        conn,
        FamilyRow,
        select!(
            fits!(),
            " and (created_at > $4 or (created_at = $4 and id > $5))
              order by created_at, id limit $6 offset $7"
        ),
        &filter.user_id,
        &filter.client_id,
        &filter.session_id,
        behind_at,
        behind_id,
        rows_max,
        offset
    )?;
    rows.into_iter().map(FamilyRow::into_family).collect()
}

/// How many families the filter lets through.
///
/// # Errors
/// A fault of the store.
pub async fn count(conn: &mut Conn, filter: &Filter) -> Result<i64, Fault> {
    let (count,) = run!(
        fetch_one,
        conn,
        (i64,),
        concat!("select count(*) from refresh_families ", fits!()),
        &filter.user_id,
        &filter.client_id,
        &filter.session_id
    )?;
    Ok(count)
}

/// Takes the family's row lock; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn lock(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    let locked = execute!(tx, "update refresh_families set id = id where id = $1", id)?;
    Ok(locked == 1)
}

/// Sets what the operator keeps of a family; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn set_metadata(
    tx: &mut Write,
    id: &str,
    metadata: &Map<String, Value>,
) -> Result<bool, Fault> {
    let updated = execute!(
        tx,
        "update refresh_families set metadata = $2 where id = $1",
        id,
        to_json(metadata)?
    )?;
    Ok(updated == 1)
}

/// Ends the refresh tokens of a family, and leaves its access tokens alone, which
/// [`super::families::revoke`] does not; false where they have ended already.
///
/// # Errors
/// A fault of the store.
pub async fn delete(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    Ok(execute!(tx, "delete from refresh_families where id = $1", id)? == 1)
}

/// The same for up to `rows_max` families that the filter lets through; answers how many.
///
/// # Errors
/// A fault of the store.
pub async fn delete_all(tx: &mut Write, filter: &Filter, rows_max: i64) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from refresh_families where id in (
            select id from refresh_families
             where (cast($1 as text) is null or user_id = $1)
               and (cast($2 as text) is null or client_id = $2)
               and (cast($3 as text) is null or session_id = $3) limit $4)",
        &filter.user_id,
        &filter.client_id,
        &filter.session_id,
        rows_max
    )
}

/// The same for every family of a user at an application that is for one place: an API's id, or
/// nothing where no API is meant.
pub(super) async fn delete_at(
    tx: &mut Write,
    (user_id, client_id): (&str, &str),
    place: &str,
) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from refresh_families
          where user_id = $1 and client_id = $2 and exists (
                select 1 from refresh_family_apis a where a.family_id = id and a.place = $3)",
        user_id,
        client_id,
        place
    )
}

/// Removes up to `rows_max` families that have ended: at the end that was fixed, or by today's terms
/// of their application.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, now: i64, rows_max: i64) -> Result<u64, Fault> {
    let fixed = execute!(
        tx,
        "delete from refresh_families where id in (
            select id from refresh_families where ends_at <= $1 order by ends_at limit $2)",
        now,
        rows_max
    )?;
    let idle = execute!(
        tx,
        "delete from refresh_families where id in (
            select f.id from applications a join refresh_families f on f.client_id = a.client_id
             where a.refresh_idle_seconds is not null
               and f.used_at <= $1 - a.refresh_idle_seconds limit $2)",
        now,
        rows_max
    )?;
    let shortened = execute!(
        tx,
        "delete from refresh_families where id in (
            select f.id from applications a join refresh_families f on f.client_id = a.client_id
             where a.refresh_lifetime_seconds is not null
               and f.created_at <= $1 - a.refresh_lifetime_seconds limit $2)",
        now,
        rows_max
    )?;
    Ok(fixed + idle + shortened)
}

/// Up to `rows_max` families that a wholesale revocation covers. They go before it is forgotten: a
/// refresh token may outlive it.
///
/// # Errors
/// A fault of the store.
pub async fn covered(
    conn: &mut Conn,
    covered: &Covered,
    number: i64,
    rows_max: i64,
) -> Result<Vec<String>, Fault> {
    let rows = match covered {
        Covered::Application(client_id) | Covered::UsersOf(client_id) => run!(
            fetch_all,
            conn,
            (String,),
            "select id from refresh_families where client_id = $1 and position < $2 limit $3",
            client_id,
            number,
            rows_max
        ),
        Covered::User(user_id) => run!(
            fetch_all,
            conn,
            (String,),
            "select id from refresh_families where user_id = $1 and position < $2 limit $3",
            user_id,
            number,
            rows_max
        ),
        Covered::All => run!(
            fetch_all,
            conn,
            (String,),
            "select id from refresh_families where position < $1 limit $2",
            number,
            rows_max
        ),
        Covered::Api(audience) => {
            at_api(conn, (audience.as_str(), None, None), number, rows_max).await
        }
        Covered::ClientGrant {
            client_id,
            audience,
        } => {
            let narrowed = (audience.as_str(), Some(client_id.as_str()), None);
            at_api(conn, narrowed, number, rows_max).await
        }
        Covered::UserGrant {
            client_id,
            audience,
            user_id,
        } => {
            let narrowed = (
                audience.as_str(),
                Some(client_id.as_str()),
                Some(user_id.as_str()),
            );
            at_api(conn, narrowed, number, rows_max).await
        }
    };
    Ok(rows?.into_iter().map(|(id,)| id).collect())
}

/// Those for an API, of one application or any, of one user or any.
async fn at_api(
    conn: &mut Conn,
    (audience, client_id, user_id): (&str, Option<&str>, Option<&str>),
    number: i64,
    rows_max: i64,
) -> Result<Vec<(String,)>, Fault> {
    run!(
        fetch_all,
        conn,
        (String,),
        "select f.id from refresh_family_apis a join refresh_families f on f.id = a.family_id
          where a.audience = $1 and (cast($2 as text) is null or f.client_id = $2)
            and (cast($3 as text) is null or f.user_id = $3) and f.position < $4 limit $5",
        audience,
        client_id,
        user_id,
        number,
        rows_max
    )
}
