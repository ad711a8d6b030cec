//! Who is signed in, in which browser.

use crate::directory::{Directory, Stance};
use crate::logout::{self, Why};
use crate::model::fault::Fault;
use crate::model::session::{Device, Session};
use crate::model::settings::InForce;
use crate::model::user::User;
use crate::secret::{self, Digester, Secret};
use crate::store::group::{GroupDoor, Operation};
use crate::store::{self, Locks, Scope, Store, Write};

/// What sessions need of the server.
#[derive(Clone, Copy)]
pub struct Sessions<'a> {
    /// Settings and revocations.
    pub directory: &'a Directory,
    /// Sessions and users.
    pub store: &'a Store,
    /// Digests cookies.
    pub digester: &'a Digester,
    /// Records uses.
    pub door: &'a GroupDoor,
}

/// A user who is signed in.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedIn {
    /// In which browser.
    pub session: Session,
    /// Who.
    pub user: User,
}

/// A session that begins, and the text of its cookie.
pub struct Opened {
    /// The session.
    pub session: Session,
    /// What the browser carries.
    pub cookie: Secret<String>,
}

/// A user who has just proven who he is.
pub struct Proven<'a> {
    /// The user.
    pub user_id: &'a str,
    /// How (RFC 8176).
    pub amr: &'a [&'a str],
    /// In which browser.
    pub device: Device,
    /// The feed's position that the request had noted.
    pub position: i64,
}

/// What the text of a cookie begins with, so that secret scanners can look for it.
const PREFIX: &str = "grantor_ss_";

impl Sessions<'_> {
    /// The user of a cookie, where the session lives, and the user may sign in.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where nobody can tell.
    pub async fn find(&self, cookie: &Secret<String>, now: i64) -> Result<Option<SignedIn>, Fault> {
        let text = cookie.expose();
        if text.len() != PREFIX.len() + 43 || !text.starts_with(PREFIX) {
            return Ok(None);
        }
        let settings = self.directory.settings(Stance::Strict).await?;
        let digest = self.digester.digest(text);
        let mut conn = self.store.read().await?;
        let Some(session) = store::sessions::by_cookie(&mut conn, &digest).await? else {
            return Ok(None);
        };
        let today = settings.of_session(session.is_persistent);
        if !session.is_live(today, now) {
            return Ok(None);
        }
        let user = store::users::get(&mut conn, &session.user_id).await?;
        drop(conn);
        let Some(user) = user.filter(|user| !user.blocked) else {
            return Ok(None);
        };
        let has_ended = self
            .directory
            .is_user_revoked(&user.user_id, session.position);
        Ok((!has_ended.await?).then_some(SignedIn { session, user }))
    }

    /// Records, before the application hears of it, that a session has signed the user in to it, so that
    /// it is told of the session's end; and, seldom, the use.
    ///
    /// # Errors
    /// As [`GroupDoor::commit`].
    pub async fn note_client(&self, session: &Session, client_id: &str) -> Result<(), Fault> {
        let touch = Operation::TouchSession {
            id: session.id.clone(),
            user_id: session.user_id.clone(),
            client_id: Some(client_id.to_owned()),
        };
        self.door.commit(touch).await?;
        Ok(())
    }
}

/// Begins a session, or goes on with the one that the same user has in the same browser: always under a
/// new cookie, so that one which somebody else has planted is worth nothing.
///
/// # Errors
/// A fault of the store.
pub async fn open(
    tx: &mut Write,
    proven: Proven<'_>,
    (before, settings): (Option<Session>, &InForce),
    digester: &Digester,
    now: i64,
) -> Result<Opened, Fault> {
    let cookie = Secret::new(format!("{PREFIX}{}", secret::random_text(32)));
    let digest = digester.digest(cookie.expose());
    let is_persistent = settings.are_sessions_persistent;
    let today = settings.of_session(is_persistent);
    let mut session = Session {
        id: secret::random_text(16),
        user_id: proven.user_id.to_owned(),
        position: proven.position,
        amr: proven.amr.iter().map(|own| (*own).to_owned()).collect(),
        is_persistent,
        device: proven.device,
        metadata: serde_json::Map::new(),
        created_at: now,
        updated_at: now,
        authenticated_at: now,
        last_interacted_at: now,
        expires_at: now.saturating_add(today.absolute),
    };
    match before {
        Some(before) if before.user_id == session.user_id => {
            session.id = before.id;
            session.created_at = before.created_at;
            session.metadata = before.metadata;
            session.device.initial_ip = before.device.initial_ip;
            session.device.initial_user_agent = before.device.initial_user_agent;
            if store::sessions::renew(tx, &session, &digest).await? {
                return Ok(Opened { session, cookie });
            }
        }
        // Somebody else signs in at this browser.
        Some(before) => drop(logout::end_session(tx, &before.id, Why::SignedOut, now).await?),
        None => {}
    }
    // Without the user there is no session, and its cookie opens none: the next page asks who it is.
    store::sessions::insert(tx, &session, &digest).await?;
    Ok(Opened { session, cookie })
}

/// What [`open`] locks.
#[must_use]
pub fn locks_to_open(user_id: &str, before: Option<&Session>) -> Locks {
    let locks = Locks::new()
        .shared(Scope::User(user_id))
        .shared(Scope::Expiring);
    match before {
        Some(before) => locks.and_user(&before.user_id),
        None => locks,
    }
}
