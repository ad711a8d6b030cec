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

/// The rows that a rotation changes; `made` becomes the next key, the last of them.
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

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        jwks_max_age: 300,
        stale_max: 30,
    };

    fn key(generation: i64, state: KeyState, created_at: i64) -> Key {
        let has_signed = state != KeyState::Next;
        Key {
            kid: generation.to_string(),
            algorithm: "ES256".into(),
            generation,
            state,
            sealed_private_key: Some("sealed".into()),
            certificate: None,
            created_at,
            current_since: has_signed.then_some(created_at),
            signs_from: has_signed.then_some(created_at),
            current_until: None,
            published_until: None,
            revoked_at: None,
        }
    }

    /// Rotates at a time; the rows afterwards.
    fn rotated(rows: &[Key], now: i64) -> Vec<Key> {
        let made = Key {
            kid: format!("made at {now}"),
            ..key(0, KeyState::Next, now)
        };
        let changed = rotate(rows, made, TERMS, now).unwrap();
        let kept = rows
            .iter()
            .filter(|row| !changed.iter().any(|key| key.kid == row.kid));
        kept.cloned().chain(changed.clone()).collect()
    }

    #[test]
    fn the_old_key_is_published_until_the_last_token_that_it_can_have_signed_has_ended() {
        let rows = [key(1, KeyState::Current, 0), key(2, KeyState::Next, 1000)];
        for (now, takes_over) in [(1000, 1301), (1200, 1301), (1301, 1301), (5000, 5000)] {
            let [old, new, made] = rotated(&rows, now).try_into().unwrap();
            assert_eq!(
                (old.state, old.current_until),
                (KeyState::Previous, Some(now))
            );
            let until = takes_over + LONGEST_SIGNED_SECONDS + 30 + 1;
            assert_eq!(old.published_until, Some(until));
            assert_eq!(
                (new.state, new.signs_from),
                (KeyState::Current, Some(takes_over))
            );
            assert_eq!((made.state, made.generation), (KeyState::Next, 3));
        }
    }

    #[test]
    fn only_where_the_revoked_key_might_sign_does_the_current_one_sign_at_once() {
        let rows = [key(1, KeyState::Current, 0), key(2, KeyState::Next, 1000)];
        let rows = rotated(&rotated(&rows, 1100), 1200);
        // 1 signs until 1301, 2 until 1401, then "made at 1100", which is the current one.
        let signs_at_once = |kid: &str, now: i64| {
            let key = rows.iter().find(|key| key.kid == kid).unwrap();
            let changed = revoke(&rows, key, now).unwrap();
            assert_eq!(changed[0].kid, kid);
            assert_eq!(
                (changed[0].state, &changed[0].sealed_private_key),
                (KeyState::Revoked, &None)
            );
            changed
                .get(1)
                .map(|current| (current.kid.as_str(), current.signs_from))
                == Some(("made at 1100", Some(0)))
        };
        for (kid, now, expected) in [
            ("1", 1250, true),
            ("2", 1250, true),
            ("1", 1350, false),
            ("2", 1350, true),
            ("2", 1401, false),
        ] {
            assert_eq!(signs_at_once(kid, now), expected, "{kid} at {now}");
        }
        for in_its_turn in rows.iter().filter(|key| key.state != KeyState::Previous) {
            assert_eq!(
                revoke(&rows, in_its_turn, 9999),
                Err(Unwilling::InItsTurn(in_its_turn.state))
            );
        }
    }
}
