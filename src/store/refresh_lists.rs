//! Refresh tokens as administrators see them: lists of families by user and application, and ending
//! many at once.

use serde_json::{Map, Value};
use sqlx::FromRow;

use super::{Conn, PageStart, Write, execute, parse_json, run, to_json};
use crate::model::authorization::Authorization;
use crate::model::change::Covered;
use crate::model::fault::Fault;
use crate::model::session::Device;
use crate::model::sign_in::RefreshTerms;
use crate::model::user_grant::UserGrant;

/// Families that are read at one time where all of them are looked at.
const AT_A_TIME: i64 = 500;

/// A family of refresh tokens: whichever of them is the unused one at present.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshFamily {
    /// What the user has authorized; its family is the id.
    pub authorization: Authorization,
    /// Where.
    pub device: Device,
    /// The operator's own.
    pub metadata: Map<String, Value>,
    /// Unix seconds.
    pub created_at: i64,
    /// The absolute end that was fixed at the beginning, unix seconds; none: without end.
    pub ends_at: Option<i64>,
    /// The last exchange, unix seconds.
    pub last_exchanged_at: Option<i64>,
    /// The beginning or the last exchange, unix seconds: from when on it is idle.
    pub used_at: i64,
}

impl RefreshFamily {
    /// The absolute end, unix seconds: the one fixed at the beginning, or today's where that is
    /// sooner (lifetime.md, Refresh tokens).
    #[must_use]
    pub fn absolute_end(&self, today: RefreshTerms) -> Option<i64> {
        let by_today = today.lifetime;
        let by_today = by_today.map(|seconds| self.created_at.saturating_add(seconds));
        [self.ends_at, by_today].into_iter().flatten().min()
    }

    /// When it ends if nobody uses it, unix seconds; none where idling does not end it.
    #[must_use]
    pub fn idle_end(&self, today: RefreshTerms) -> Option<i64> {
        let idle = self.used_at.saturating_add(today.idle?);
        Some(self.absolute_end(today).map_or(idle, |end| end.min(idle)))
    }

    /// True before its ends.
    #[must_use]
    pub fn is_live(&self, today: RefreshTerms, now: i64) -> bool {
        let ends = [self.absolute_end(today), self.idle_end(today)];
        ends.into_iter().flatten().all(|end| now < end)
    }
}

macro_rules! select {
    ($($rest:tt)*) => {
        concat!(
            "select f.authorized, f.initial_ip, f.initial_user_agent, f.last_ip, f.last_user_agent,
                 f.metadata, f.created_at, f.ends_at, f.last_exchanged_at, f.used_at
               from refresh_families f ",
            $($rest)*
        )
    };
}

#[derive(FromRow)]
struct FamilyRow {
    authorized: String,
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
    fn into_family(self) -> Result<RefreshFamily, Fault> {
        Ok(RefreshFamily {
            authorization: parse_json(&self.authorized)?,
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

/// What a list of families is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one user.
    pub user_id: Option<String>,
    /// At one application.
    pub client_id: Option<String>,
    /// From one session.
    pub session_id: Option<String>,
}

/// `$1` to `$3` are the filter's, `$4` is now. What idling has ended is among them, because that
/// depends on each application's settings.
macro_rules! matching {
    () => {
        "where (cast($1 as text) is null or f.user_id = $1)
           and (cast($2 as text) is null or f.client_id = $2)
           and (cast($3 as text) is null or f.session_id = $3)
           and (f.ends_at is null or f.ends_at > $4)
           and not exists (
                select 1 from revocations r
                 where r.object in ('all', 'application ' || f.client_id,
                                    'users_of ' || f.client_id, 'user ' || f.user_id)
                   and r.number > f.position)"
    };
}

/// A page of families that no absolute end and no wholesale revocation has ended, oldest first.
///
/// # Errors
/// A fault of the store.
pub async fn list(
    conn: &mut Conn,
    (filter, now): (&Filter, i64),
    from: &PageStart,
    rows_max: i64,
) -> Result<Vec<RefreshFamily>, Fault> {
    let (offset, behind_at, behind_id) = from.columns();
    let rows = run!(
        fetch_all,
        conn,
        FamilyRow,
        select!(
            matching!(),
            " and (f.created_at > $5 or (f.created_at = $5 and f.id > $6))
              order by f.created_at, f.id limit $7 offset $8"
        ),
        &filter.user_id,
        &filter.client_id,
        &filter.session_id,
        now,
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
pub async fn count(conn: &mut Conn, filter: &Filter, now: i64) -> Result<i64, Fault> {
    let (count,) = run!(
        fetch_one,
        conn,
        (i64,),
        concat!("select count(*) from refresh_families f ", matching!()),
        &filter.user_id,
        &filter.client_id,
        &filter.session_id,
        now
    )?;
    Ok(count)
}

/// Every family that the filter lets through, ended or not, as a transaction that ends them sees them.
///
/// # Errors
/// A fault of the store.
pub async fn all(tx: &mut Write, filter: &Filter) -> Result<Vec<RefreshFamily>, Fault> {
    let mut found: Vec<RefreshFamily> = Vec::new();
    loop {
        let behind = match found.last() {
            None => PageStart::Offset(0),
            Some(last) => PageStart::Behind {
                created_at: last.created_at,
                id: last.authorization.family.clone(),
            },
        };
        let page = list(tx, (filter, i64::MIN), &behind, AT_A_TIME).await?;
        let is_last = page.is_empty();
        found.extend(page);
        if is_last {
            return Ok(found);
        }
    }
}

/// The family of an id.
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<RefreshFamily>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        FamilyRow,
        select!("where f.id = $1"),
        id
    )?;
    row.map(FamilyRow::into_family).transpose()
}

/// Takes the family's row lock; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn lock(tx: &mut Write, id: &str) -> Result<bool, Fault> {
    let locked = execute!(tx, "update refresh_families set id = id where id = $1", id)?;
    Ok(locked == 1)
}

/// Sets what an administrator keeps of a family; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn set_metadata(
    tx: &mut Write,
    id: &str,
    metadata: &Map<String, Value>,
) -> Result<bool, Fault> {
    let set = execute!(
        tx,
        "update refresh_families set metadata = $2 where id = $1",
        id,
        to_json(metadata)?
    )?;
    Ok(set == 1)
}

/// Removes the refresh tokens that a user grant carries: those of its user and application whose
/// authorization has its API, or where it is for no API, has none. Access tokens live on.
///
/// # Errors
/// A fault of the store.
pub async fn delete_under(tx: &mut Write, grant: &UserGrant) -> Result<u64, Fault> {
    let filter = Filter {
        user_id: Some(grant.user_id.clone()),
        client_id: Some(grant.client_id.clone()),
        session_id: None,
    };
    let mut deleted = 0;
    for family in all(tx, &filter).await? {
        let authorization = family.authorization;
        let apis = &authorization.apis;
        let is_under = match &grant.api_id {
            Some(api_id) => apis.iter().any(|api| api.api_id == *api_id),
            None => apis.is_empty(),
        };
        if is_under {
            deleted += execute!(
                tx,
                "delete from refresh_families where id = $1",
                &authorization.family
            )?;
        }
    }
    Ok(deleted)
}

/// Removes the refresh tokens of a user, whose families have ended by a wholesale revocation.
///
/// # Errors
/// A fault of the store.
pub async fn delete_of_user(tx: &mut Write, user_id: &str) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from refresh_families where user_id = $1",
        user_id
    )
}

/// True where a wholesale revocation covers a family that is still there, and [`sweep_covered`]
/// removes it.
///
/// # Errors
/// A fault of the store.
pub async fn is_any_covered(
    conn: &mut Conn,
    covered: &Covered,
    number: i64,
) -> Result<bool, Fault> {
    let row = match covered {
        Covered::Application(client_id) | Covered::UsersOf(client_id) => run!(
            fetch_optional,
            conn,
            (String,),
            "select id from refresh_families where client_id = $1 and position < $2 limit 1",
            client_id,
            number
        ),
        Covered::User(user_id) => run!(
            fetch_optional,
            conn,
            (String,),
            "select id from refresh_families where user_id = $1 and position < $2 limit 1",
            user_id,
            number
        ),
        Covered::All => run!(
            fetch_optional,
            conn,
            (String,),
            "select id from refresh_families where position < $1 limit 1",
            number
        ),
        Covered::Api(_) | Covered::ClientGrant { .. } | Covered::UserGrant { .. } => Ok(None),
    };
    Ok(row?.is_some())
}

/// Removes up to `rows_max` families that a wholesale revocation of an application or a user, or of
/// everything, covers. Those that another one covers are refused when they are used.
///
/// # Errors
/// A fault of the store.
pub async fn sweep_covered(
    tx: &mut Write,
    covered: &Covered,
    number: i64,
    rows_max: i64,
) -> Result<u64, Fault> {
    match covered {
        Covered::Application(client_id) | Covered::UsersOf(client_id) => execute!(
            tx,
            "delete from refresh_families where id in (
                select id from refresh_families where client_id = $1 and position < $2 limit $3)",
            client_id,
            number,
            rows_max
        ),
        Covered::User(user_id) => execute!(
            tx,
            "delete from refresh_families where id in (
                select id from refresh_families where user_id = $1 and position < $2 limit $3)",
            user_id,
            number,
            rows_max
        ),
        Covered::All => execute!(
            tx,
            "delete from refresh_families where id in (
                select id from refresh_families where position < $1 limit $2)",
            number,
            rows_max
        ),
        Covered::Api(_) | Covered::ClientGrant { .. } | Covered::UserGrant { .. } => Ok(0),
    }
}
