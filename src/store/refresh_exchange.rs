//! The exchange of a refresh token. The usual one is a single conditional statement; what it does not
//! find is judged by the family's own rules (`model/refresh.rs`) under the lock of its row.

use super::group::{Parties, Reach};
use super::{Write, execute, families, refresh_families};
use crate::model::fault::Fault;
use crate::model::record::Record;
use crate::model::refresh::{Family, Presentation, Previous, Standing};

/// A refresh token is exchanged by a request.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The token's family.
    pub family: String,
    /// Whose it is.
    pub parties: Parties,
    /// The keyed digest of its text.
    pub presented: String,
    /// What is in its place afterwards; none: it stays, because the application's do not rotate.
    pub successor: Option<Successor>,
    /// The request's own, random.
    pub mark: String,
    /// How long the token before the current one is answered, in seconds from its first exchange.
    pub window: i64,
    /// How often.
    pub replays_max: i64,
    /// Address and `User-Agent` of the request.
    pub seen: (Option<String>, Option<String>),
    /// What the audit says where the token is spent.
    pub reuse: Record,
}

/// A token that may take another one's place.
#[derive(Clone, Debug)]
pub struct Successor {
    /// The keyed digest of its text.
    pub digest: String,
    /// Its text, under a key that only the presented token opens.
    pub sealed: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchanged {
    /// The successor that the request brought is the current token now.
    Rotated,
    /// The presented token goes on.
    Stays,
    /// It was exchanged a moment ago: this is the very same successor.
    Replayed {
        /// Its text, under a key that only the presented token opens.
        sealed: String,
        /// When it was first exchanged, unix seconds.
        rotated_at: i64,
    },
    /// Two have used it: all that came from the authorization has ended.
    Reused,
    /// The family has ended.
    Gone,
}

/// Exchanges a token. Run again by the same request after an unknown outcome, it answers the same. None: it ends
/// the family, which takes [`Reach::User`].
pub(super) async fn run(
    tx: &mut Write,
    own: &Exchange,
    reach: Reach,
    now: i64,
) -> Result<Option<Exchanged>, Fault> {
    let usual = match &own.successor {
        Some(successor) => rotate(tx, own, successor, now).await?,
        None => stay(tx, own, now).await?,
    };
    if let Some(done) = usual {
        return Ok(Some(done));
    }
    if !refresh_families::lock(tx, &own.family).await? {
        return Ok(Some(Exchanged::Gone));
    }
    let Some(family) = refresh_families::get(tx, &own.family).await? else {
        return Ok(Some(Exchanged::Gone));
    };
    if is_own_successor(&family, own) {
        return Ok(Some(Exchanged::Rotated));
    }
    let presented = Presentation {
        digest: &own.presented,
        mark: &own.mark,
        window: own.window,
        replays_max: own.replays_max,
        now,
    };
    match (family.standing(presented), &family.previous) {
        // It was not a moment ago, and no token becomes the current one again.
        (Standing::Current, _) => Err(Fault::internal("a current refresh token was not exchanged")),
        (Standing::Replayable, Some(previous)) => replay(tx, own, previous).await.map(Some),
        (Standing::Replayable | Standing::Spent, _) if reach == Reach::Row => Ok(None),
        (Standing::Replayable | Standing::Spent, _) => end(tx, own, &family, now).await.map(Some),
    }
}

/// The one statement that makes the successor of this request the current token.
async fn rotate(
    tx: &mut Write,
    own: &Exchange,
    successor: &Successor,
    now: i64,
) -> Result<Option<Exchanged>, Fault> {
    let (ip, user_agent) = &own.seen;
    let rotated = execute!(
        tx,
        "update refresh_families
            set generation = generation + 1, current_digest = $3, previous_digest = $2,
                sealed_successor = $4, rotated_at = $5, replays = 0, mark = null,
                last_ip = $6, last_user_agent = $7, last_exchanged_at = $5, used_at = $5
          where id = $1 and current_digest = $2",
        &own.family,
        &own.presented,
        &successor.digest,
        &successor.sealed,
        now,
        ip,
        user_agent
    )?;
    Ok((rotated == 1).then_some(Exchanged::Rotated))
}

/// The token stays the current one; the one before it, if there is one, is spent now.
async fn stay(tx: &mut Write, own: &Exchange, now: i64) -> Result<Option<Exchanged>, Fault> {
    let (ip, user_agent) = &own.seen;
    let stays = execute!(
        tx,
        "update refresh_families
            set previous_digest = null, sealed_successor = null, rotated_at = null, mark = null,
                last_ip = $3, last_user_agent = $4, last_exchanged_at = $5, used_at = $5
          where id = $1 and current_digest = $2",
        &own.family,
        &own.presented,
        ip,
        user_agent,
        now
    )?;
    Ok((stays == 1).then_some(Exchanged::Stays))
}

/// True where this request has rotated before, and does not know it: its outcome was unknown. Its
/// successor may have been used since, by somebody who was answered with it.
fn is_own_successor(family: &Family, own: &Exchange) -> bool {
    let is_own = |digest: &str| {
        let successor = own.successor.as_ref();
        successor.is_some_and(|successor| successor.digest == digest)
    };
    let previous = family.previous.as_ref();
    is_own(&family.current_digest) || previous.is_some_and(|previous| is_own(&previous.digest))
}

/// Counts the replay, once for each request. The row is locked.
async fn replay(tx: &mut Write, own: &Exchange, previous: &Previous) -> Result<Exchanged, Fault> {
    execute!(
        tx,
        "update refresh_families set replays = replays + 1, mark = $2
          where id = $1 and (mark is null or mark <> $2)",
        &own.family,
        &own.mark
    )?;
    Ok(Exchanged::Replayed {
        sealed: previous.sealed_successor.clone(),
        rotated_at: previous.rotated_at,
    })
}

/// Whoever of the two is a thief: refresh tokens, access tokens and consent end together.
async fn end(
    tx: &mut Write,
    own: &Exchange,
    family: &Family,
    now: i64,
) -> Result<Exchanged, Fault> {
    families::end_grants(tx, &family.authorization).await?;
    families::revoke(tx, &own.family, now).await?;
    let record = own.reuse.clone();
    tx.record(record.with("newest_generation", family.generation.into()));
    Ok(Exchanged::Reused)
}
