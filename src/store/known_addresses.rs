//! Addresses from which an account has signed in.

use super::{Conn, Write, execute, run};
use crate::model::fault::Fault;

/// How long an address stays known after a sign-in from it: 90 days.
pub const KNOWN_SECONDS: i64 = 90 * 86_400;

/// Where an account has signed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// When it was last seen at the address that was asked about, to the day; `None` where it is not known
    /// by it.
    pub seen_at: Option<i64>,
    /// True where it is known by this or another address.
    pub is_known_anywhere: bool,
}

/// Whether the account is known by the address, or by any.
///
/// # Errors
/// A fault of the store.
pub async fn history(
    conn: &mut Conn,
    (account, address): (&str, &str),
    now: i64,
) -> Result<History, Fault> {
    let row = run!(
        fetch_one,
        conn,
        (Option<i64>, i64),
        "select max(case when address = $2 then seen_at end), count(*)
           from known_addresses where account = $1 and seen_at > $3",
        account,
        address,
        now - KNOWN_SECONDS
    )?;
    Ok(History {
        seen_at: row.0,
        is_known_anywhere: row.1 > 0,
    })
}

/// The addresses that the account is known by, the newest first.
///
/// # Errors
/// A fault of the store.
pub async fn of_account(conn: &mut Conn, account: &str, now: i64) -> Result<Vec<String>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        (String,),
        "select address from known_addresses where account = $1 and seen_at > $2
         order by seen_at desc, address",
        account,
        now - KNOWN_SECONDS
    )?;
    Ok(rows.into_iter().map(|(address,)| address).collect())
}

/// The account has signed in from the address. Of all its addresses the newest `rows_max` are kept.
///
/// # Errors
/// A fault of the store.
pub async fn see(
    tx: &mut Write,
    (account, address): (&str, &str),
    now: i64,
    rows_max: i64,
) -> Result<(), Fault> {
    execute!(
        tx,
        "insert into known_addresses (account, address, seen_at) values ($1, $2, $3)
         on conflict (account, address) do update set seen_at = $3",
        account,
        address,
        now
    )?;
    execute!(
        tx,
        "delete from known_addresses where account = $1 and address not in (
            select address from known_addresses where account = $1
            order by seen_at desc, address limit $2)",
        account,
        rows_max
    )
    .map(drop)
}

/// Removes up to `rows_max` addresses that are known no more.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, now: i64, rows_max: i64) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from known_addresses where (account, address) in (
            select account, address from known_addresses where seen_at <= $1
            order by seen_at limit $2)",
        now - KNOWN_SECONDS,
        rows_max
    )
}
