//! What follows when a session ends: the applications that it had signed the user in to are told
//! (OpenID Connect Back-Channel Logout 1.0). Whoever ends sessions does it here.
//!
//! Nothing else follows: refresh tokens are given for `offline_access` only, which means that they
//! outlive the session (OpenID Connect Core §11), and access tokens run out.

pub mod notices;

use crate::model::change::Covered;
use crate::model::fault::Fault;
use crate::model::logout_notice::LogoutNotice;
use crate::model::session::Session;
use crate::secret;
use crate::store::{self, Locks, Scope, Store, Write};

/// How long an application is tried to be told, in seconds.
const TRIED_SECONDS: i64 = 86_400;
/// Sessions that are read, or ended in one transaction.
const BATCH_ROWS: i64 = 100;

/// Why sessions end, by Auth0's names of initiators: applications choose of which they are told
/// (`oidc_logout.backchannel_logout_initiators`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The user has signed out.
    SignedOut,
    /// The user has another password.
    PasswordChanged,
    /// The session has come to its end.
    Expired,
    /// An administrator, or the user from elsewhere, has ended it.
    Revoked,
    /// There is no such user any more.
    AccountDeleted,
    /// The user is blocked.
    AccountDeactivated,
}

impl Why {
    /// As applications name it.
    #[must_use]
    pub const fn initiator(self) -> &'static str {
        match self {
            Self::SignedOut => "rp-logout",
            Self::PasswordChanged => "password-changed",
            Self::Expired => "session-expired",
            Self::Revoked => "session-revoked",
            Self::AccountDeleted => "account-deleted",
            Self::AccountDeactivated => "account-deactivated",
        }
    }
}

/// Ends a session, and notes who is to be told; false where it is gone already. The transaction holds
/// [`Locks::of_user`], or `locks_of_any`.
///
/// # Errors
/// A fault of the store.
pub async fn end_session(tx: &mut Write, id: &str, why: Why, now: i64) -> Result<bool, Fault> {
    // Of two who end it at one time, one tells; and no application is noted between reading who is to be
    // told and the end.
    if !store::sessions::lock(tx, id).await? {
        return Ok(false);
    }
    let Some(session) = store::sessions::get(tx, id).await? else {
        return Ok(false);
    };
    let clients = store::sessions::clients(tx, id).await?;
    store::sessions::delete(tx, id).await?;
    for client_id in clients {
        note(tx, (&session, &client_id), why, now).await?;
    }
    Ok(true)
}

/// Ends every session of a user; how many there were. Before the user is deleted, who takes them along
/// untold.
///
/// # Errors
/// A fault of the store.
pub async fn end_sessions(tx: &mut Write, user_id: &str, why: Why, now: i64) -> Result<u64, Fault> {
    let mut ended = 0;
    loop {
        let mut ids = store::sessions::ids_of_user(tx, user_id, BATCH_ROWS).await?;
        in_one_order(&mut ids);
        if ids.is_empty() {
            return Ok(ended);
        }
        for id in ids {
            ended += u64::from(end_session(tx, &id, why, now).await?);
        }
    }
}

/// Ends the sessions that live no more by today's settings; how many there were. One that was in use
/// just now stays.
///
/// # Errors
/// A fault of the store.
pub async fn end_expired(store: &Store, now: i64) -> Result<u64, Fault> {
    let mut ended = 0;
    loop {
        let mut expired = {
            let mut conn = store.read().await?;
            let settings = store::settings::in_force(&mut conn).await?;
            let today = (settings.sessions, settings.ephemeral_sessions);
            store::sessions::expired(&mut conn, today, now, BATCH_ROWS).await?
        };
        in_one_order(&mut expired);
        if expired.is_empty() {
            return Ok(ended);
        }
        let mut tx = store.write_locked(&locks_of_any()).await?;
        for id in &expired {
            ended += u64::from(end_session(&mut tx, id, Why::Expired, now).await?);
        }
        tx.commit(now).await?;
    }
}

/// Ends the sessions that a wholesale revocation covers, before it is forgotten: a session may outlive it.
/// How many there were.
///
/// # Errors
/// A fault of the store.
pub async fn end_covered(
    store: &Store,
    (covered, number): (&Covered, i64),
    now: i64,
) -> Result<u64, Fault> {
    let user_id = match covered {
        Covered::User(user_id) => Some(user_id.as_str()),
        Covered::All => None,
        // A session is nobody's but the user's.
        Covered::Application(_)
        | Covered::UsersOf(_)
        | Covered::Api(_)
        | Covered::ClientGrant { .. }
        | Covered::UserGrant { .. } => return Ok(0),
    };
    let mut ended = 0;
    loop {
        let mut conn = store.read().await?;
        let mut ids = store::sessions::begun_before(&mut conn, user_id, number, BATCH_ROWS).await?;
        drop(conn);
        in_one_order(&mut ids);
        if ids.is_empty() {
            return Ok(ended);
        }
        let mut tx = store.write_locked(&locks_of_any()).await?;
        for id in &ids {
            ended += u64::from(end_session(&mut tx, id, Why::Revoked, now).await?);
        }
        tx.commit(now).await?;
    }
}

/// What ending the sessions of any users locks: everybody who ends some, and every deletion of an application.
fn locks_of_any() -> Locks {
    Locks::new()
        .exclusive(Scope::Expiring)
        .exclusive(Scope::Catalog)
}

/// So that two who end several at one time cannot wait for each other.
fn in_one_order(ids: &mut [String]) {
    ids.sort_unstable();
}

/// Notes that an application is to be told, at each of its addresses, where it wants to hear of such
/// an end.
async fn note(
    tx: &mut Write,
    (session, client_id): (&Session, &str),
    why: Why,
    now: i64,
) -> Result<(), Fault> {
    let Some(application) = store::applications::get(tx, client_id).await? else {
        return Ok(());
    };
    if !application.sign_in.hears_of(why.initiator()) {
        return Ok(());
    }
    for url in &application.sign_in.logout_notice_urls {
        let notice = LogoutNotice {
            id: secret::random_text(16),
            client_id: client_id.to_owned(),
            user_id: session.user_id.clone(),
            session_id: session.id.clone(),
            url: url.clone(),
            attempts: 0,
            next_attempt_at: now,
            ends_at: now.saturating_add(TRIED_SECONDS),
        };
        store::logout_notices::insert(tx, &notice).await?;
    }
    Ok(())
}
