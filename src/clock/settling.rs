//! Tells whether the time of day may be relied on to remove what has ended: it has kept pace with the monotonic
//! clock, which nobody sets, for a while. Pure: readings come in, an answer comes out.

/// The time of day may move away from the monotonic clock by this much: what slow corrections and a leap second
/// come to. It is less than [`crate::store::revocations::CLOCKS_APART_SECONDS_MAX`], which the records of revoked
/// tokens outlive the tokens by.
pub const JUMP_SECONDS_MAX: i64 = 60;
/// How long the time of day must have kept pace after a start or a jump.
pub const SETTLED_AFTER_SECONDS: i64 = 3600;
/// How long after a jump of more than this much.
pub const SETTLED_AFTER_FAR_JUMP_SECONDS: i64 = 86_400;

/// Both clocks at one moment, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The time of day, unix seconds.
    pub(super) now: i64,
    /// The monotonic clock, from any beginning.
    pub(super) elapsed: i64,
}

impl Reading {
    /// By how much the time of day has moved away from the monotonic clock since `before`.
    fn moved_since(self, before: Self) -> i64 {
        (self.now - before.now) - (self.elapsed - before.elapsed)
    }

    fn keeps_pace_with(self, before: Self) -> bool {
        self.moved_since(before).abs() <= JUMP_SECONDS_MAX
    }
}

/// What a reading says of the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may be relied on.
    Settled,
    /// It may be relied on again: it has waited long enough, or has come back from a jump.
    SettledAgain,
    /// It has moved by so many seconds, and may be relied on in `wait` seconds.
    Jumped { by: i64, wait: i64 },
    /// Not yet.
    Waits,
}

/// What has been seen of the two clocks.
#[derive(Debug)]
pub(super) struct Settling {
    /// The time of day is right where it keeps pace with this reading.
    relied_on: Option<Reading>,
    /// A time of day that may come to be relied on, and after how many seconds.
    candidate: Option<(Reading, i64)>,
}

impl Settling {
    /// A clock that may be relied on from the first reading.
    pub(super) const fn settled(first: Reading) -> Self {
        Self {
            relied_on: Some(first),
            candidate: None,
        }
    }

    /// A clock that has to prove itself first.
    pub(super) const fn unsettled(first: Reading) -> Self {
        Self {
            relied_on: None,
            candidate: Some((first, SETTLED_AFTER_SECONDS)),
        }
    }

    /// The time of day is not relied on any more: something else says that it is `apart` seconds from the truth.
    pub(super) fn doubt(&mut self, reading: Reading, apart: i64) {
        *self = Self {
            relied_on: None,
            candidate: Some((reading, wait_after(apart))),
        };
    }

    /// Takes a reading.
    pub(super) fn see(&mut self, reading: Reading) -> Verdict {
        if self
            .relied_on
            .is_some_and(|right| reading.keeps_pace_with(right))
        {
            return match self.candidate.take() {
                None => Verdict::Settled,
                Some(_) => Verdict::SettledAgain,
            };
        }
        match self.candidate {
            Some((since, wait)) if reading.keeps_pace_with(since) => {
                if reading.elapsed - since.elapsed < wait {
                    return Verdict::Waits;
                }
                *self = Self::settled(since);
                Verdict::SettledAgain
            }
            before => {
                let before = self.relied_on.or(before.map(|(since, _)| since));
                let by = before.map_or(0, |before| reading.moved_since(before));
                let wait = wait_after(by);
                self.candidate = Some((reading, wait));
                Verdict::Jumped { by, wait }
            }
        }
    }
}

const fn wait_after(jump: i64) -> i64 {
    if jump.abs() > SETTLED_AFTER_FAR_JUMP_SECONDS {
        SETTLED_AFTER_FAR_JUMP_SECONDS
    } else {
        SETTLED_AFTER_SECONDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = SETTLED_AFTER_SECONDS;
    const DAY: i64 = SETTLED_AFTER_FAR_JUMP_SECONDS;
    const START: i64 = 1_800_000_000;

    /// What is seen `elapsed` seconds after the start by a clock that is `ahead`.
    fn at(elapsed: i64, ahead: i64) -> Reading {
        Reading {
            now: START + elapsed + ahead,
            elapsed,
        }
    }

    #[test]
    fn a_clock_that_has_just_started_is_relied_on_after_an_hour() {
        let mut clock = Settling::unsettled(at(0, 0));
        assert_eq!(clock.see(at(HOUR - 1, 0)), Verdict::Waits);
        assert_eq!(clock.see(at(HOUR, 0)), Verdict::SettledAgain);
        assert_eq!(clock.see(at(HOUR + 1, 0)), Verdict::Settled);
    }

    #[test]
    fn a_clock_that_jumps_and_comes_back_is_relied_on_at_once() {
        for by in [7200, -7200, JUMP_SECONDS_MAX + 1] {
            let mut clock = Settling::settled(at(0, 0));
            let jumped = Verdict::Jumped { by, wait: HOUR };
            assert_eq!(clock.see(at(10, by)), jumped);
            assert_eq!(clock.see(at(20, by)), Verdict::Waits);
            assert_eq!(clock.see(at(30, 0)), Verdict::SettledAgain);
            assert_eq!(clock.see(at(40, 0)), Verdict::Settled);
        }
    }

    #[test]
    fn a_clock_that_was_set_is_relied_on_when_it_has_kept_pace_for_an_hour() {
        let mut clock = Settling::settled(at(0, 0));
        let jumped = |by| Verdict::Jumped { by, wait: HOUR };
        assert_eq!(clock.see(at(10, 7200)), jumped(7200));
        // Another jump meanwhile begins the hour anew.
        assert_eq!(clock.see(at(HOUR, 3600)), jumped(3600));
        assert_eq!(clock.see(at(HOUR + 20, 3600)), Verdict::Waits);
        assert_eq!(clock.see(at(2 * HOUR, 3600)), Verdict::SettledAgain);
        assert_eq!(clock.see(at(2 * HOUR + 1, 3600)), Verdict::Settled);
        assert_eq!(clock.see(at(2 * HOUR + 2, 0)), jumped(-3600));
    }

    #[test]
    fn after_a_jump_of_more_than_a_day_it_takes_a_day() {
        for by in [DAY + 1, -DAY - 1, 400 * DAY] {
            let mut clock = Settling::settled(at(0, 0));
            assert_eq!(clock.see(at(10, by)), Verdict::Jumped { by, wait: DAY });
            assert_eq!(clock.see(at(9 + DAY, by)), Verdict::Waits);
            assert_eq!(clock.see(at(10 + DAY, by)), Verdict::SettledAgain);
        }
    }

    #[test]
    fn small_corrections_are_no_jump_until_they_come_to_more_than_a_minute() {
        let mut clock = Settling::settled(at(0, 0));
        for day in 1..=JUMP_SECONDS_MAX {
            assert_eq!(clock.see(at(day * DAY, day)), Verdict::Settled);
        }
        let by = JUMP_SECONDS_MAX + 1;
        let jumped = Verdict::Jumped { by, wait: HOUR };
        assert_eq!(clock.see(at(by * DAY, by)), jumped);
    }

    #[test]
    fn a_clock_in_doubt_is_not_relied_on_though_it_keeps_pace() {
        let mut clock = Settling::settled(at(0, 0));
        clock.doubt(at(10, 0), 600);
        assert_eq!(clock.see(at(20, 0)), Verdict::Waits);
        assert_eq!(clock.see(at(10 + HOUR, 0)), Verdict::SettledAgain);
        clock.doubt(at(2 * HOUR, 0), -2 * DAY);
        assert_eq!(clock.see(at(4 * HOUR, 0)), Verdict::Waits);
        assert_eq!(clock.see(at(2 * HOUR + DAY, 0)), Verdict::SettledAgain);
    }
}
