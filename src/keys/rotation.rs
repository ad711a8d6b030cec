//! How keys take turns: next becomes current, current becomes previous, and a revoked one is gone.
//! Pure: the caller holds the lock on the rows, and writes what comes out of here in its order.

use crate::lifetime::LONGEST_SIGNED_SECONDS;
use crate::model::key::{Key, KeyState};

/// Most previous keys of an algorithm that still verify: each is in the key set that everybody
/// fetches.
pub const PREVIOUS_MAX: usize = 20;

/// How long others go on with what they have seen, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// `keys.jwks_max_age_seconds`
    pub jwks_max_age: i64,
    /// `store.stale_seconds_max`
    pub stale_max: i64,
}

impl Terms {
    /// From when on a key may sign that was published at `created_at`: nobody's copy of the key set
    /// is older then, a second for the way of the change to all nodes included.
    fn known_from(self, created_at: i64) -> i64 {
        created_at + self.jwks_max_age + 1
    }

    /// When the last token has ended that a key or secret can have signed which is replaced at
    /// `ended_at`. No token that lives longer than [`LONGEST_SIGNED_SECONDS`] is ever signed,
    /// whatever was allowed while the key signed; and a node that is cut off signs with it for
    /// `stale_max` more.
    #[must_use]
    pub fn verifies_until(self, ended_at: i64) -> i64 {
        ended_at + LONGEST_SIGNED_SECONDS + self.stale_max + 1
    }
}

/// Why keys do not take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwilling {
    /// [`PREVIOUS_MAX`] previous keys still verify.
    TooManyPrevious,
    /// Only a previous key can be revoked: somebody has to sign.
    InItsTurn(KeyState),
}

/// The rows that a rotation changes; `made` becomes the next key, the last of them. Without a
/// current key, `made` is the first of its algorithm and signs at once.
///
/// # Errors
/// [`Unwilling::TooManyPrevious`].
pub fn rotate(rows: &[Key], mut made: Key, terms: Terms, now: i64) -> Result<Vec<Key>, Unwilling> {
    let of = |state| rows.iter().filter(move |key| key.state == state);
    if of(KeyState::Previous).count() >= PREVIOUS_MAX {
        return Err(Unwilling::TooManyPrevious);
    }
    let mut changed = Vec::new();
    if let (Some(current), Some(next)) = (of(KeyState::Current).next(), of(KeyState::Next).next()) {
        let takes_over = terms.known_from(next.created_at).max(now);
        changed.push(Key {
            state: KeyState::Previous,
            current_until: Some(now),
            published_until: Some(terms.verifies_until(takes_over)),
            ..current.clone()
        });
        changed.push(Key {
            state: KeyState::Current,
            current_since: Some(now),
            signs_from: Some(takes_over),
            ..next.clone()
        });
    }
    let newest = rows.iter().map(|key| key.generation).max().unwrap_or(0);
    made.generation = newest + 1;
    changed.push(made);
    Ok(changed)
}

/// The rows that a revocation changes, the revoked one first; that one alone where it was revoked
/// before.
///
/// # Errors
/// [`Unwilling::InItsTurn`].
pub fn revoke(rows: &[Key], key: &Key, now: i64) -> Result<Vec<Key>, Unwilling> {
    match key.state {
        KeyState::Revoked => return Ok(vec![key.clone()]),
        KeyState::Current | KeyState::Next => return Err(Unwilling::InItsTurn(key.state)),
        KeyState::Previous => {}
    }
    let revoked = Key {
        state: KeyState::Revoked,
        sealed_private_key: None,
        revoked_at: Some(now),
        ..key.clone()
    };
    // Where the key might sign still, or might yet, the current one signs at once, by whichever
    // node's clock: an older key that has handed over never signs again.
    let is_done = |other: &Key| {
        other.generation > key.generation && other.signs_from.is_some_and(|from| from <= now)
    };
    let may_sign = !rows.iter().any(is_done);
    let current = rows.iter().find(|key| key.state == KeyState::Current);
    let at_once = current.filter(|_| may_sign).map(|current| Key {
        signs_from: Some(0),
        ..current.clone()
    });
    Ok(std::iter::once(revoked).chain(at_once).collect())
}
