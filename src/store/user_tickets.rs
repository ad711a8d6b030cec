//! User tickets, under the keyed digest of their text.

use sqlx::FromRow;

use super::{Conn, Write, execute, run};
use crate::model::fault::Fault;
use crate::model::user_ticket::{TicketKind, UserTicket};

/// A ticket that works: unused, not expired, and its user as they were when it was issued.
macro_rules! works {
    () => {
        "digest = $1 and kind = $2 and used_at is null and expires_at > $3 and exists (
            select 1 from users where users.user_id = user_tickets.user_id
                and coalesce(users.email_folded, '') = user_tickets.email_folded
                and (user_tickets.password_version is null
                    or user_tickets.password_version = users.password_version))"
    };
}

#[derive(FromRow)]
struct TicketRow {
    user_id: String,
    proves_email: bool,
    result_url: Option<String>,
    created_at: i64,
    expires_at: i64,
}

impl TicketRow {
    fn into_ticket(self, kind: TicketKind) -> UserTicket {
        UserTicket {
            kind,
            user_id: self.user_id,
            proves_email: self.proves_email,
            result_url: self.result_url,
            created_at: self.created_at,
            expires_at: self.expires_at,
        }
    }
}

/// Stores a ticket for the user as they are now; false where there is no such user.
///
/// # Errors
/// A fault of the store.
pub async fn insert(tx: &mut Write, digest: &str, ticket: &UserTicket) -> Result<bool, Fault> {
    let inserted = execute!(
        tx,
        "insert into user_tickets (digest, kind, user_id, email_folded, password_version,
             proves_email, result_url, created_at, expires_at)
         select $1, $2, user_id, coalesce(email_folded, ''),
             case when $2 = 'reset_password' then password_version end, $4, $5, $6, $7
         from users where user_id = $3",
        digest,
        ticket.kind.as_str(),
        &ticket.user_id,
        ticket.proves_email,
        &ticket.result_url,
        ticket.created_at,
        ticket.expires_at
    )?;
    Ok(inserted == 1)
}

/// Ends the user's unused tickets of a kind; how many there were.
///
/// # Errors
/// A fault of the store.
pub async fn end_unused(tx: &mut Write, user_id: &str, kind: TicketKind) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from user_tickets where user_id = $1 and kind = $2 and used_at is null",
        user_id,
        kind.as_str()
    )
}

/// The ticket, where it works.
///
/// # Errors
/// A fault of the store.
pub async fn find(
    conn: &mut Conn,
    digest: &str,
    kind: TicketKind,
    now: i64,
) -> Result<Option<UserTicket>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        TicketRow,
        concat!(
            "select user_id, proves_email, result_url, created_at, expires_at from user_tickets
             where ",
            works!()
        ),
        digest,
        kind.as_str(),
        now
    )?;
    Ok(row.map(|row| row.into_ticket(kind)))
}

/// Uses the ticket up, where it works: of any number of attempts exactly one has it.
///
/// # Errors
/// A fault of the store.
pub async fn redeem(
    tx: &mut Write,
    digest: &str,
    kind: TicketKind,
    now: i64,
) -> Result<Option<UserTicket>, Fault> {
    let row = run!(
        fetch_optional,
        tx,
        TicketRow,
        concat!(
            "update user_tickets set used_at = $3 where ",
            works!(),
            " returning user_id, proves_email, result_url, created_at, expires_at"
        ),
        digest,
        kind.as_str(),
        now
    )?;
    Ok(row.map(|row| row.into_ticket(kind)))
}

/// Removes up to `rows_max` tickets that have expired, used or not.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, now: i64, rows_max: i64) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from user_tickets where digest in (
            select digest from user_tickets where expires_at <= $1 order by expires_at limit $2)",
        now.saturating_sub(super::revocations::CLOCKS_APART_SECONDS_MAX),
        rows_max
    )
}
