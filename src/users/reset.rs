//! What a user does by a link in a mail: sets a new password without the old one, or proves that an
//! address is theirs.

use std::net::IpAddr;

use super::limits::{Address, Limited, Verdict};
use super::password::Weak;
use super::queues::Work;
use super::{Users, end_everything};
use crate::directory::Directory;
use crate::logout::Why;
use crate::mail::{Mail, Place};
use crate::model::fault::Fault;
use crate::model::record::{Kind, Record, Whence};
use crate::model::user::User;
use crate::model::user_ticket::{TicketKind, UserTicket};
use crate::secret::Secret;
use crate::store;
use crate::store::{Locks, Write};

/// Which request it is.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Where it comes from.
    pub ip: Option<IpAddr>,
    /// The same, for the audit.
    pub whence: Whence,
    /// Unix milliseconds: the one reading of the clock.
    pub now_ms: i64,
}

impl Visit {
    fn now(&self) -> i64 {
        self.now_ms.div_euclid(1000)
    }

    fn record(&self, kind: Kind, user: &User) -> Record {
        Record::new(kind, self.now_ms, &self.whence, None)
            .about_user(&user.user_id)
            .says(kind.says())
    }
}

/// What became of a new password.
#[derive(Debug)]
pub enum Changed {
    /// It is in force, and everything that the old one opened is over.
    Done(Box<User>, UserTicket),
    /// It is not good enough; the ticket goes on to work.
    Weak(Weak),
    /// The ticket does not work, or not any more.
    NoTicket,
    /// Too many passwords were tried by this link or from this address.
    Limited(Limited),
}

impl Users {
    /// True where somebody who forgot the password can have a mail.
    #[must_use]
    pub fn offers_reset(&self) -> bool {
        self.mailer.is_set()
    }

    /// Sends a link to set a new password, if there is such a user. The answer and its time are the
    /// same if there is none: what makes the difference runs behind the answer. `write` makes the mail
    /// of the user and the ticket.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too many mails wait, or the store is away.
    pub async fn request_reset<W>(
        &self,
        email: &str,
        visit: Visit,
        write: W,
    ) -> Result<Verdict<()>, Fault>
    where
        W: FnOnce(&User, &Secret<String>) -> Result<Mail, Fault> + Send + 'static,
    {
        let place = self.mailer.reserve()?;
        let account = self.limits.account_named(email);
        let address = Address::of(visit.ip);
        let verdict = self.limits.mail(&account, &address, visit.now_ms).await?;
        if matches!(verdict, Verdict::Admitted(())) {
            let (store, tickets, email) =
                (self.store.clone(), self.tickets.clone(), email.to_owned());
            place.send_what_comes_of(email.clone(), async move {
                let found = store::users::by_email(&mut *store.read().await?, &email).await?;
                let Some(user) = found.into_iter().next() else {
                    return Ok(None);
                };
                let mut tx = store.write_locked(&Locks::of_user(&user.user_id)).await?;
                let ticket = tickets.by_mail(TicketKind::ResetPassword, &user.user_id, visit.now());
                let Some(text) = tickets.issue(&mut tx, &ticket).await? else {
                    return Ok(None);
                };
                tx.record(visit.record(Kind::AskedForReset, &user));
                tx.commit(visit.now()).await?;
                write(&user, &text).map(Some)
            });
        }
        Ok(verdict)
    }

    /// Makes a link that proves the user's address, and sends it behind the answer. Who calls has counted it
    /// ([`super::limits::Limits::sign_up`]).
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too many mails wait, or the store is away.
    pub async fn send_verification<W>(
        &self,
        user: &User,
        visit: &Visit,
        write: W,
    ) -> Result<(), Fault>
    where
        W: FnOnce(&User, &Secret<String>) -> Result<Mail, Fault>,
    {
        let locks = Locks::of_user(&user.user_id);
        let mut tx = self.store.write_locked(&locks).await?;
        let Some((place, mail)) = self
            .write_verification(&mut tx, user, visit.now(), write)
            .await?
        else {
            return Ok(());
        };
        tx.commit(visit.now()).await?;
        place.send(&mail)
    }

    /// The same, to be sent once a transaction has committed that does more. `None` where there is no such
    /// user any more.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too many mails wait, or the store is away.
    pub async fn write_verification<W>(
        &self,
        tx: &mut Write,
        user: &User,
        now: i64,
        write: W,
    ) -> Result<Option<(Place, Mail)>, Fault>
    where
        W: FnOnce(&User, &Secret<String>) -> Result<Mail, Fault>,
    {
        let place = self.mailer.reserve()?;
        let kind = TicketKind::VerifyEmail;
        let ticket = self.tickets.by_mail(kind, &user.user_id, now);
        let Some(text) = self.tickets.issue(tx, &ticket).await? else {
            return Ok(None);
        };
        Ok(Some((place, write(user, &text)?)))
    }

    /// Who a ticket is for, where it works: to show a page.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn ticket_holder(
        &self,
        kind: TicketKind,
        ticket: &str,
        now: i64,
    ) -> Result<Option<User>, Fault> {
        let mut conn = self.store.read().await?;
        match self.tickets.find(&mut conn, (kind, ticket), now).await? {
            Some(ticket) => store::users::get(&mut conn, &ticket.user_id).await,
            None => Ok(None),
        }
    }

    /// Sets a new password by a ticket. Sessions and tokens end, and counts of attempts start anew.
    /// Judging and hashing is for those whose ticket works, so many times an hour.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where too many slow hashes wait, or the store is away.
    pub async fn change_password(
        &self,
        directory: &Directory,
        (ticket, password): (&str, &Secret<String>),
        visit: &Visit,
    ) -> Result<Changed, Fault> {
        let (kind, now) = (TicketKind::ResetPassword, visit.now());
        let Some(user) = self.ticket_holder(kind, ticket, now).await? else {
            return Ok(Changed::NoTicket);
        };
        let address = Address::of(visit.ip);
        let counted = self.limits.new_password(ticket, &address, visit.now_ms);
        if let Verdict::Limited(limited) = counted.await? {
            return Ok(Changed::Limited(limited));
        }
        let work = Work::link(&address);
        let hash = match self.passwords.keep(password, &user, &work).await? {
            Ok(hash) => hash,
            Err(weak) => return Ok(Changed::Weak(weak)),
        };
        let account = self.limits.account_of(&user.user_id);
        let mut locks = Locks::of_user(&user.user_id);
        locks.extend(account.locks());
        let mut tx = self.store.write_locked(&locks).await?;
        // A change of the address or the password that is under way comes first, and ends the ticket.
        store::users::lock(&mut tx, &user.user_id).await?;
        let Some(ticket) = self.tickets.redeem(&mut tx, (kind, ticket), now).await? else {
            return Ok(Changed::NoTicket);
        };
        store::users::set_password_hash(&mut tx, &user.user_id, &hash, now).await?;
        end_everything(&mut tx, &user.user_id, Why::PasswordChanged, now).await?;
        let user = verified(&mut tx, &ticket, now).await?.unwrap_or(user);
        self.limits.forgive(&mut tx, &account, now).await?;
        self.limits
            .welcome(&mut tx, &account, &address, now)
            .await?;
        tx.record(visit.record(Kind::ChangedPassword, &user));
        directory.commit(tx, now).await?;
        Ok(Changed::Done(Box::new(user), ticket))
    }

    /// Notes that an address is the user's, by a ticket. `None` where it does not work.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn verify_email(
        &self,
        ticket: &str,
        visit: &Visit,
    ) -> Result<Option<(User, UserTicket)>, Fault> {
        let (kind, now) = (TicketKind::VerifyEmail, visit.now());
        let Some(user) = self.ticket_holder(kind, ticket, now).await? else {
            return Ok(None);
        };
        let locks = Locks::of_user(&user.user_id);
        let mut tx = self.store.write_locked(&locks).await?;
        store::users::lock(&mut tx, &user.user_id).await?;
        let Some(ticket) = self.tickets.redeem(&mut tx, (kind, ticket), now).await? else {
            return Ok(None);
        };
        let user = verified(&mut tx, &ticket, now).await?.unwrap_or(user);
        tx.record(visit.record(Kind::VerifiedEmail, &user));
        tx.commit(now).await?;
        Ok(Some((user, ticket)))
    }
}

/// Notes that the address is the user's, where the ticket proves it. The user's row is locked, and
/// has the address that the ticket was issued for.
async fn verified(tx: &mut Write, ticket: &UserTicket, now: i64) -> Result<Option<User>, Fault> {
    let Some(mut user) = store::users::get(tx, &ticket.user_id).await? else {
        return Ok(None);
    };
    if ticket.proves_email && user.email.is_some() && !user.email_verified {
        user.email_verified = true;
        user.updated_at = now;
        store::users::update(tx, &user).await?;
    }
    Ok(Some(user))
}
