//! The decision (lifetime.md, The decision): a candidate, then ceilings, each step recorded.

use std::fmt;

use super::{
    ApiLifetimes, ApplicationLifetimes, LONGEST_FINITE_SECONDS, Lifetime, MFA_SECONDS,
    ServerLifetimes, SystemApi,
};

/// Who set the lifetime (lifetime.md, The decision, steps 1 to 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Step 1: the constant of the MFA audience.
    MfaAudience,
    /// Step 2: the request's `validity_period`.
    Requested,
    /// Step 2: the application's own value for this kind of token.
    Application,
    /// Steps 2 and 3: the API's `token_lifetime_for_web`, for a front-channel token.
    ApiWeb,
    /// Step 2: the API's `token_lifetime`, or the file's default where there is no API.
    ApiDefault,
    /// Step 3: the API's `max_token_lifetime` in force.
    ApiMaximum,
    /// Step 3: an authorization request that was not pushed may only shorten.
    AuthorizationRequest,
    /// Step 3: the file's `api_maximum`, where never-expiring tokens are not allowed.
    ServerMaximum,
    /// Step 3: 100 years.
    LongestFinite,
    /// Step 3: `expires_at` of the application, or of the secret or key that it proves itself by.
    CredentialExpiry,
    /// Step 3: `expires_at` of the client grant or user grant.
    GrantExpiry,
    /// Step 3: `exp` of the subject token of a token exchange.
    SubjectTokenExpiry,
}

impl Rule {
    /// The name of the rule in audit records, answers and the dashboard.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Rule::MfaAudience => "mfa_audience",
            Rule::Requested => "requested",
            Rule::Application => "application",
            Rule::ApiWeb => "api_web",
            Rule::ApiDefault => "api_default",
            Rule::ApiMaximum => "api_maximum",
            Rule::AuthorizationRequest => "authorization_request",
            Rule::ServerMaximum => "server_maximum",
            Rule::LongestFinite => "longest_finite",
            Rule::CredentialExpiry => "credential_expiry",
            Rule::GrantExpiry => "grant_expiry",
            Rule::SubjectTokenExpiry => "subject_token_expiry",
        }
    }
}

/// What the token is, as far as its lifetime depends on it (lifetime.md, Words).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// One that an application gets for itself.
    Application,
    /// One that is issued on behalf of a user.
    User,
    /// A user token that the authorization endpoint delivers (implicit and hybrid).
    FrontChannel,
}

/// One API of the token.
#[derive(Clone, Copy, Debug)]
pub struct ApiTerms<'a> {
    /// The API's identifier, for the trace.
    pub identifier: &'a str,
    /// Which system API it is, if any.
    pub system: Option<SystemApi>,
    /// Its lifetime fields.
    pub lifetimes: ApiLifetimes,
    /// Seconds until the client grant or user grant ends that the token is issued under. One that
    /// has ended is refused before; less than 1 counts as 1.
    pub grant_expires_in: Option<i64>,
}

/// What is asked, by whom.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The kind of token.
    pub kind: TokenKind,
    /// The request's `validity_period`; one in the token request wins over one in the
    /// authorization request.
    pub validity_period: Option<Lifetime>,
    /// Whether `validity_period` comes from an authorization request that came through the
    /// browser, not pushed: it may only shorten.
    pub unpushed_authorization: bool,
    /// The application's own values.
    pub application: ApplicationLifetimes,
    /// Seconds until the application or its secret or key ends, whichever is sooner. One that has ended
    /// is refused before; less than 1 counts as 1.
    pub credential_expires_in: Option<i64>,
    /// Seconds until the subject token of a token exchange ends; less than 1 counts as 1.
    pub subject_token_expires_in: Option<i64>,
}

impl Request {
    fn application_value(&self) -> Option<Lifetime> {
        match self.kind {
            TokenKind::Application => self.application.application,
            TokenKind::User | TokenKind::FrontChannel => self.application.user,
        }
    }
}

/// How long the token lives, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Never, or at least 1 and at most 3153600000 seconds.
    pub lifetime: Lifetime,
    /// The rule that set the lifetime.
    pub rule: Rule,
    /// Each step with what it saw; the last one's value is the lifetime.
    pub trace: Vec<Step>,
}

/// One step of a decision. Its text is written only when somebody reads it: [`Step::text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rule of this step, whether or not it set the value.
    pub rule: Rule,
    /// What there is after this step.
    pub value: Lifetime,
    /// Which API of the decision, where several share the token.
    api: Option<usize>,
    words: &'static str,
    saw: Saw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saw {
    /// A candidate, or the shortest of several decisions.
    Value(Lifetime),
    Ceiling {
        ceiling: Lifetime,
        before: Lifetime,
    },
}

impl fmt::Display for Saw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Saw::Value(value) => write!(f, "{value}"),
            Saw::Ceiling { ceiling, before } if ceiling < before => {
                write!(f, "{ceiling}, shorter than what there was ({before})")
            }
            Saw::Ceiling { ceiling, before } => {
                write!(f, "{ceiling}, no shorter than what there is ({before})")
            }
        }
    }
}

impl Step {
    /// What the step saw, as a line for the operator. `apis` are those that were decided for;
    /// where they are several, the line begins with the identifier of the step's own.
    #[must_use]
    pub fn text(&self, apis: &[ApiTerms<'_>]) -> String {
        match self.api.and_then(|index| apis.get(index)) {
            Some(api) => format!("{}: {}: {}", api.identifier, self.words, self.saw),
            None => format!("{}: {}", self.words, self.saw),
        }
    }
}

/// Decides how long a token for these APIs lives (lifetime.md, The decision). Issuance and
/// `explain` call this one function. It formats nothing, and allocates the trace only.
///
/// The MFA audience never shares a token with another (`invalid_target`), and an expired
/// credential or grant is refused: both before this. No API at all is a user flow whose token is
/// for userinfo only.
#[must_use]
pub fn decide(server: &ServerLifetimes, apis: &[ApiTerms<'_>], request: &Request) -> Decision {
    let mut trace = Vec::with_capacity(apis.len().max(1).saturating_mul(STEPS_MAX));
    let record = &mut |step| trace.push(step);
    let Ruling { lifetime, rule } = match apis {
        [] => decide_for(&Terms::without_api(server), server, request, record),
        [api] => decide_for(&Terms::of(api, server, None), server, request, record),
        [first, rest @ ..] => decide_shortest(first, rest, server, request, record),
    };
    Decision {
        lifetime,
        rule,
        trace,
    }
}

/// The most steps that a decision for one API has, so that the trace is allocated once: a
/// candidate, eight ceilings, and the shortest of several.
const STEPS_MAX: usize = 10;

type Record<'r> = dyn FnMut(Step) + 'r;

#[derive(Clone, Copy)]
struct Ruling {
    lifetime: Lifetime,
    rule: Rule,
}

/// Step 4: the whole decision for each, the shortest wins, ties go to the API named first.
fn decide_shortest(
    first: &ApiTerms<'_>,
    rest: &[ApiTerms<'_>],
    server: &ServerLifetimes,
    request: &Request,
    record: &mut Record<'_>,
) -> Ruling {
    let mut decide_one = |index, api| {
        let terms = Terms::of(api, server, Some(index));
        decide_for(&terms, server, request, record)
    };
    let mut shortest = decide_one(0, first);
    let mut winner = 0;
    for (index, api) in (1..).zip(rest) {
        let ruling = decide_one(index, api);
        if ruling.lifetime < shortest.lifetime {
            shortest = ruling;
            winner = index;
        }
    }
    record(Step {
        rule: shortest.rule,
        value: shortest.lifetime,
        api: Some(winner),
        words: "the shortest of the APIs in this token",
        saw: Saw::Value(shortest.lifetime),
    });
    shortest
}

/// Steps 1 to 3, for one API or for none.
fn decide_for(
    terms: &Terms,
    server: &ServerLifetimes,
    request: &Request,
    record: &mut Record<'_>,
) -> Ruling {
    let mut course = Course::from(terms.candidate(request), terms.index, record);
    if terms.system != Some(SystemApi::Mfa) {
        policy_ceilings(&mut course, terms, server, request);
    }
    ending_ceilings(&mut course, terms, request);
    // Once more, for Never that ends with something more than 100 years away.
    course.longest_finite();
    course.now
}

/// Step 3, the ceilings that somebody set, in the page's order.
fn policy_ceilings(
    course: &mut Course<'_>,
    terms: &Terms,
    server: &ServerLifetimes,
    request: &Request,
) {
    course.ceiling(
        Rule::ApiMaximum,
        terms.maximum,
        "max_token_lifetime in force",
    );
    if request.kind == TokenKind::FrontChannel {
        course.ceiling(
            terms.web.rule,
            terms.web.lifetime,
            "the longest in the front channel",
        );
    }
    if request.unpushed_authorization && request.validity_period.is_some() {
        let unasked = Request {
            validity_period: None,
            ..*request
        };
        let without = decide_for(terms, server, &unasked, &mut |_| ());
        course.ceiling(
            Rule::AuthorizationRequest,
            without.lifetime,
            "the authorization request was not pushed, so it may only shorten what it would be without validity_period",
        );
    }
    if !server.allow_never_expiring {
        course.ceiling(
            Rule::ServerMaximum,
            Lifetime::Finite(server.finite_bound()),
            "lifetimes.api_maximum, as lifetimes.allow_never_expiring is false",
        );
    }
    course.longest_finite();
}

/// Step 3, the ends that no token outlives; the only ceilings of the MFA audience.
fn ending_ceilings(course: &mut Course<'_>, terms: &Terms, request: &Request) {
    let ends = [
        (
            Rule::CredentialExpiry,
            request.credential_expires_in,
            "time left to the application or its credential (secret or key)",
        ),
        (
            Rule::GrantExpiry,
            terms.grant_expires_in,
            "time left to the client grant or user grant",
        ),
        (
            Rule::SubjectTokenExpiry,
            request.subject_token_expires_in,
            "time left to the subject token",
        ),
    ];
    for (rule, expires_in, words) in ends {
        if let Some(seconds) = expires_in {
            course.ceiling(rule, Lifetime::Finite(seconds), words);
        }
    }
}

/// What one decision is made on: an API's terms with the maximum in force, or the file's values
/// where there is no API.
struct Terms {
    system: Option<SystemApi>,
    /// Which API, for the trace, where several share the token.
    index: Option<usize>,
    default: Candidate,
    web: Candidate,
    maximum: Lifetime,
    grant_expires_in: Option<i64>,
}

/// Where a decision begins.
#[derive(Clone, Copy)]
struct Candidate {
    rule: Rule,
    lifetime: Lifetime,
    words: &'static str,
}

impl Terms {
    fn of(api: &ApiTerms<'_>, server: &ServerLifetimes, index: Option<usize>) -> Terms {
        Terms {
            system: api.system,
            index,
            default: Candidate {
                rule: Rule::ApiDefault,
                lifetime: api.lifetimes.token_lifetime,
                words: "nothing asked, the application inherits, the API's token_lifetime",
            },
            web: Candidate {
                rule: Rule::ApiWeb,
                lifetime: Lifetime::Finite(api.lifetimes.token_lifetime_for_web),
                words: "nothing asked, the application inherits, the API's token_lifetime_for_web",
            },
            maximum: api.lifetimes.maximum_in_force(server, api.system),
            grant_expires_in: api.grant_expires_in,
        }
    }

    /// The token is for userinfo only, and what an API would say is read in the file.
    fn without_api(server: &ServerLifetimes) -> Terms {
        Terms {
            system: None,
            index: None,
            default: Candidate {
                rule: Rule::ApiDefault,
                lifetime: server.api_default,
                words: "nothing asked, the application inherits, no API, lifetimes.api_default",
            },
            web: Candidate {
                rule: Rule::ApiDefault,
                lifetime: Lifetime::Finite(server.api_default.for_web()),
                words: "nothing asked, the application inherits, no API, the shorter of lifetimes.api_default and two hours",
            },
            maximum: server.api_maximum,
            grant_expires_in: None,
        }
    }

    /// Steps 1 and 2: the MFA constant, or the first that is present.
    fn candidate(&self, request: &Request) -> Candidate {
        if self.system == Some(SystemApi::Mfa) {
            return MFA;
        }
        if let Some(lifetime) = request.validity_period {
            return Candidate {
                rule: Rule::Requested,
                lifetime,
                words: "the request's validity_period",
            };
        }
        if let Some(lifetime) = request.application_value() {
            return Candidate {
                rule: Rule::Application,
                lifetime,
                words: "nothing asked, the application's own value for this kind of token",
            };
        }
        match request.kind {
            TokenKind::FrontChannel => self.web,
            TokenKind::Application | TokenKind::User => self.default,
        }
    }
}

const MFA: Candidate = Candidate {
    rule: Rule::MfaAudience,
    lifetime: Lifetime::Finite(MFA_SECONDS),
    words: "the MFA audience, where validity_period, the application's values and the API's fields are ignored",
};

/// A decision on its way from the candidate through the ceilings.
struct Course<'r> {
    now: Ruling,
    index: Option<usize>,
    record: &'r mut Record<'r>,
}

impl<'r> Course<'r> {
    fn from(candidate: Candidate, index: Option<usize>, record: &'r mut Record<'_>) -> Course<'r> {
        let Candidate { rule, words, .. } = candidate;
        let lifetime = at_least_a_second(candidate.lifetime);
        record(Step {
            rule,
            value: lifetime,
            api: index,
            words,
            saw: Saw::Value(lifetime),
        });
        Course {
            now: Ruling { lifetime, rule },
            index,
            record,
        }
    }

    /// One ceiling; it becomes the rule only where it is strictly smaller than what there is.
    fn ceiling(&mut self, rule: Rule, ceiling: Lifetime, words: &'static str) {
        let ceiling = at_least_a_second(ceiling);
        let before = self.now.lifetime;
        if ceiling < before {
            self.now = Ruling {
                lifetime: ceiling,
                rule,
            };
        }
        (self.record)(Step {
            rule,
            value: self.now.lifetime,
            api: self.index,
            words,
            saw: Saw::Ceiling { ceiling, before },
        });
    }

    /// 100 years, for finite values.
    fn longest_finite(&mut self) {
        if self.now.lifetime.seconds() > Some(LONGEST_FINITE_SECONDS) {
            let longest = Lifetime::Finite(LONGEST_FINITE_SECONDS);
            self.ceiling(
                Rule::LongestFinite,
                longest,
                "100 years, the longest finite lifetime",
            );
        }
    }
}

/// No token lives less than a second, whatever a caller computed.
fn at_least_a_second(lifetime: Lifetime) -> Lifetime {
    lifetime.max(Lifetime::Finite(1))
}
