//! The model of refresh tokens: a token is a position in a line. It knows nothing of digests, rows and
//! transactions.

use serde_json::{Value, json};

/// The defaults of `[refresh]`.
const REPLAY_SECONDS: i64 = 30;
const REPLAYS_MAX: usize = 10;

/// The application's settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) rotates: bool,
    pub(super) leeway: i64,
    pub(super) lifetime: Option<i64>,
    pub(super) idle: Option<i64>,
}

impl Terms {
    pub(super) fn to_json(self) -> Value {
        json!({ "refresh_token": {
            "rotation_type": if self.rotates { "rotating" } else { "non-rotating" },
            "expiration_type": "expiring",
            "leeway": self.leeway,
            "infinite_token_lifetime": self.lifetime.is_none(),
            "token_lifetime": self.lifetime.unwrap_or(100_000_000),
            "infinite_idle_token_lifetime": self.idle.is_none(),
            "idle_token_lifetime": self.idle.unwrap_or(1),
        }})
    }
}

/// What must have come up in the cases of a run, or the two have agreed on little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A token got a successor.
    Rotation,
    /// A token that does not rotate was exchanged.
    Use,
    /// The same successor was told again.
    Replay,
    /// The same, to a client that has not seen it: its answer was lost.
    ReplayOfLost,
    /// A token came that its successor had made worthless, and everything ended.
    Theft,
    /// A token came too late.
    Expiry,
    /// A token was revoked that was good for something.
    Revocation,
    /// A living line was named without its token.
    Forgery,
}

impl Event {
    pub(super) const ALL: [Self; 8] = [
        Self::Rotation,
        Self::Use,
        Self::Replay,
        Self::ReplayOfLost,
        Self::Theft,
        Self::Expiry,
        Self::Revocation,
        Self::Forgery,
    ];
}

/// The model: the lines of tokens of one user at one application.
pub(super) struct Model {
    pub(super) now: i64,
    pub(super) terms: Terms,
    /// The user's consent stands.
    pub(super) is_consented: bool,
    pub(super) lines: Vec<Line>,
}

/// A token: what it is, as soon as anybody was told, and whether the client has seen it.
#[derive(Default)]
pub(super) struct Token {
    pub(super) text: Option<String>,
    pub(super) is_seen: bool,
}

pub(super) struct Line {
    /// Oldest first.
    pub(super) tokens: Vec<Token>,
    pub(super) access_tokens: Vec<String>,
    pub(super) has_ended: bool,
    pub(super) are_access_tokens_dead: bool,
    pub(super) born: i64,
    pub(super) fixed_end: Option<i64>,
    pub(super) used: i64,
    /// The token before the newest may be answered: since when, and how often still.
    pub(super) open: Option<(i64, usize)>,
}

/// What the model says of an exchange.
pub(super) enum Verdict {
    /// The client goes on with this token, and that is how it came to it.
    Granted(usize, Event),
    /// It gets nothing, which may be an event.
    Refused(Option<Event>),
}

impl Line {
    pub(super) fn newest(&self) -> usize {
        self.tokens.len() - 1
    }

    /// How an exchange is answered that leads to the newest token once more.
    fn replayed(&self) -> Event {
        match &self.tokens[self.newest()] {
            Token {
                text: Some(_),
                is_seen: false,
            } => Event::ReplayOfLost,
            _ => Event::Replay,
        }
    }

    /// When it ends if nobody uses it.
    pub(super) fn end(&self, terms: Terms) -> Option<i64> {
        let ends = [
            self.fixed_end,
            terms.lifetime.map(|seconds| self.born + seconds),
            terms.idle.map(|seconds| self.used + seconds),
        ];
        ends.into_iter().flatten().min()
    }
}

impl Model {
    pub(super) fn is_alive(&self, line: usize) -> bool {
        let own = &self.lines[line];
        !own.has_ended && self.is_consented && own.end(self.terms).is_none_or(|end| self.now < end)
    }

    pub(super) fn is_anything_alive(&self) -> bool {
        (0..self.lines.len()).any(|line| self.is_alive(line))
    }

    pub(super) fn exchange(&mut self, line: usize, token: usize) -> Verdict {
        if !self.is_alive(line) {
            let is_late = self.is_consented && !self.lines[line].has_ended;
            return Verdict::Refused(is_late.then_some(Event::Expiry));
        }
        let (now, terms) = (self.now, self.terms);
        let own = &mut self.lines[line];
        if token == own.newest() {
            if terms.rotates {
                own.tokens.push(Token::default());
                own.open = Some((now, REPLAYS_MAX));
                own.used = now;
                return Verdict::Granted(own.newest(), Event::Rotation);
            }
            let every = terms.idle.map_or(60, |idle| (idle / 10).min(60));
            if own.open.take().is_some() || now - own.used >= every {
                own.used = now;
            }
            return Verdict::Granted(token, Event::Use);
        }
        let is_before = token + 1 == own.newest();
        match &mut own.open {
            Some((since, left))
                if is_before && *left > 0 && now < *since + terms.leeway.max(REPLAY_SECONDS) =>
            {
                *left -= 1;
                Verdict::Granted(own.newest(), own.replayed())
            }
            _ => {
                self.end_for_a_thief(line);
                Verdict::Refused(Some(Event::Theft))
            }
        }
    }

    /// The line ends with its access tokens, and the consent with every line that rests on it.
    fn end_for_a_thief(&mut self, line: usize) {
        self.lines[line].are_access_tokens_dead = true;
        self.is_consented = false;
        for own in &mut self.lines {
            own.has_ended = true;
        }
    }
}
