//! The properties of lifetime.md that hold for all inputs.

use super::*;
use Lifetime::{Finite, Never};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// Seconds of every size: small ones that collide, those around the constants, and all others.
fn seconds() -> impl Strategy<Value = i64> {
    let constants = vec![600, 7200, DAY, MONTH, LONGEST_FINITE_SECONDS, i64::MAX - 1];
    prop_oneof![
        1..10_i64,
        (prop::sample::select(constants), -1..=1_i64).prop_map(|(near, off)| near + off),
        1..=i64::MAX,
    ]
}

fn lifetime() -> impl Strategy<Value = Lifetime> {
    prop_oneof![4 => seconds().prop_map(Finite), 1 => Just(Never)]
}

/// An integer as a client may send it: anything.
fn sent() -> impl Strategy<Value = i64> {
    prop_oneof![6 => seconds(), 1 => Just(0), 1 => Just(-1), 1 => any::<i64>()]
}

/// Time left; none, past and far future included.
fn expires_in() -> impl Strategy<Value = Option<i64>> {
    of(prop_oneof![8 => seconds(), 1 => any::<i64>()])
}

fn application_lifetimes() -> impl Strategy<Value = ApplicationLifetimes> {
    (of(lifetime()), of(lifetime()))
        .prop_map(|(application, user)| ApplicationLifetimes { application, user })
}

/// Files of every kind, contradictory ones included.
fn server() -> impl Strategy<Value = ServerLifetimes> {
    (
        lifetime(),
        lifetime(),
        any::<bool>(),
        application_lifetimes(),
    )
        .prop_map(
            |(api_default, api_maximum, allow_never_expiring, new_applications)| ServerLifetimes {
                api_default,
                api_maximum,
                allow_never_expiring,
                new_applications,
            },
        )
}

fn consistent_server() -> impl Strategy<Value = ServerLifetimes> {
    server().prop_filter("contradictory", |server| server.contradictions().is_empty())
}

fn maximum() -> impl Strategy<Value = Maximum> {
    prop_oneof![
        Just(Maximum::Unset),
        Just(Maximum::ImpliedNever),
        lifetime().prop_map(Maximum::Set)
    ]
}

fn api_with(
    system: impl Strategy<Value = Option<SystemApi>>,
) -> impl Strategy<Value = ApiTerms<'static>> {
    let identifier = prop::sample::select(vec!["https://a/", "https://b/", "https://c/"]);
    (
        identifier,
        system,
        lifetime(),
        seconds(),
        maximum(),
        expires_in(),
    )
        .prop_map(
            |(
                identifier,
                system,
                token_lifetime,
                token_lifetime_for_web,
                max_token_lifetime,
                ends,
            )| {
                let lifetimes = ApiLifetimes {
                    token_lifetime,
                    token_lifetime_for_web,
                    max_token_lifetime,
                };
                ApiTerms {
                    identifier,
                    system,
                    lifetimes,
                    grant_expires_in: ends,
                }
            },
        )
}

fn api() -> impl Strategy<Value = ApiTerms<'static>> {
    api_with(prop_oneof![3 => Just(None), 1 => Just(Some(SystemApi::Management))])
}

fn mfa() -> impl Strategy<Value = ApiTerms<'static>> {
    api_with(Just(Some(SystemApi::Mfa)))
}

fn request() -> impl Strategy<Value = Request> {
    let kind = prop::sample::select(vec![
        TokenKind::Application,
        TokenKind::User,
        TokenKind::FrontChannel,
    ]);
    let ends = (expires_in(), expires_in());
    (
        kind,
        of(lifetime()),
        any::<bool>(),
        application_lifetimes(),
        ends,
    )
        .prop_map(
            |(kind, validity_period, unpushed_authorization, application, ends)| Request {
                kind,
                validity_period,
                unpushed_authorization,
                application,
                credential_expires_in: ends.0,
                subject_token_expires_in: ends.1,
            },
        )
}

fn without_validity_period(request: &Request) -> Request {
    Request {
        validity_period: None,
        ..*request
    }
}

fn end(expires_in: Option<i64>) -> Option<Lifetime> {
    expires_in.map(|seconds| Finite(seconds.max(1)))
}

/// The ends of credentials and grants, in the page's words and not in the module's.
fn ends(api: &ApiTerms<'_>, request: &Request) -> impl Iterator<Item = Lifetime> {
    [
        request.credential_expires_in,
        api.grant_expires_in,
        request.subject_token_expires_in,
    ]
    .into_iter()
    .filter_map(end)
}

/// Every ceiling that applies to one ordinary API, likewise.
fn ceilings(server: &ServerLifetimes, api: &ApiTerms<'_>, request: &Request) -> Vec<Lifetime> {
    let mut ceilings: Vec<Lifetime> = ends(api, request).collect();
    ceilings.push(match api.lifetimes.max_token_lifetime {
        Maximum::Unset => server.api_maximum,
        Maximum::ImpliedNever => Never,
        Maximum::Set(maximum) => maximum,
    });
    if api.system == Some(SystemApi::Management) {
        ceilings.push(Finite(2_592_000));
    }
    if request.kind == TokenKind::FrontChannel {
        ceilings.push(Finite(api.lifetimes.token_lifetime_for_web));
    }
    if request.unpushed_authorization && request.validity_period.is_some() {
        ceilings.push(decide(server, &[*api], &without_validity_period(request)).lifetime);
    }
    if !server.allow_never_expiring {
        ceilings.push(match server.api_maximum {
            Never => Finite(2_592_000),
            finite @ Finite(_) => finite,
        });
    }
    ceilings
}

fn candidate(api: &ApiTerms<'_>, request: &Request) -> Lifetime {
    let (own, default) = match request.kind {
        TokenKind::Application => (
            request.application.application,
            api.lifetimes.token_lifetime,
        ),
        TokenKind::User => (request.application.user, api.lifetimes.token_lifetime),
        TokenKind::FrontChannel => (
            request.application.user,
            Finite(api.lifetimes.token_lifetime_for_web),
        ),
    };
    request.validity_period.or(own).unwrap_or(default)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_result_is_at_most_every_ceiling_that_applies(
        server in server(), apis in vec(api(), 1..4), request in request()
    ) {
        let decision = decide(&server, &apis, &request);
        for api in &apis {
            for ceiling in ceilings(&server, api, &request) {
                prop_assert!(decision.lifetime <= ceiling, "{ceiling} {decision:#?}");
            }
        }
    }

    #[test]
    fn the_result_is_the_candidate_where_no_ceiling_is_lower(
        server in server(), api in api(), request in request()
    ) {
        let shortest = ceilings(&server, &api, &request).into_iter().min().unwrap_or(Never);
        let expected = match shortest.min(candidate(&api, &request)) {
            Finite(seconds) => Finite(seconds.min(3_153_600_000)),
            Never => Never,
        };
        prop_assert_eq!(decide(&server, &[api], &request).lifetime, expected);
    }

    #[test]
    fn never_only_where_no_ceiling_is_finite(
        server in server(), apis in vec(api(), 1..3), request in request()
    ) {
        if decide(&server, &apis, &request).lifetime == Never {
            prop_assert!(server.allow_never_expiring);
            for api in &apis {
                prop_assert!(ceilings(&server, api, &request).iter().all(|c| *c == Never));
            }
        }
    }

    #[test]
    fn a_finite_result_is_from_one_second_to_a_hundred_years(
        server in server(), apis in vec(prop_oneof![api(), mfa()], 0..4), request in request()
    ) {
        if let Finite(seconds) = decide(&server, &apis, &request).lifetime {
            prop_assert!((1..=3_153_600_000).contains(&seconds));
        }
    }

    #[test]
    fn asking_for_more_never_yields_less(
        server in server(), apis in vec(prop_oneof![api(), mfa()], 0..4), request in request(),
        asked in (lifetime(), lifetime())
    ) {
        let granted = |asked| {
            decide(&server, &apis, &Request { validity_period: Some(asked), ..request }).lifetime
        };
        prop_assert!(granted(asked.0.min(asked.1)) <= granted(asked.0.max(asked.1)));
    }

    #[test]
    fn nobody_gets_more_than_asked_for_but_mfa(
        server in server(), apis in vec(api(), 0..4), request in request()
    ) {
        if let Some(asked) = request.validity_period {
            prop_assert!(decide(&server, &apis, &request).lifetime <= asked);
        }
    }

    #[test]
    fn a_browser_only_shortens(server in server(), apis in vec(api(), 0..4), request in request()) {
        let unpushed = Request { unpushed_authorization: true, ..request };
        let without = decide(&server, &apis, &without_validity_period(&request));
        prop_assert!(decide(&server, &apis, &unpushed).lifetime <= without.lifetime);
    }

    #[test]
    fn the_mfa_audience_yields_600_unless_something_ends_sooner(
        server in server(), mfa in mfa(), request in request()
    ) {
        let decision = decide(&server, &[mfa], &request);
        let end = ends(&mfa, &request).min().unwrap_or(Never);
        prop_assert_eq!(decision.lifetime, Finite(600).min(end));
        prop_assert_eq!(decision.rule == Rule::MfaAudience, end >= Finite(600));
    }

    #[test]
    fn no_company_lengthens_the_mfa_audience(
        server in server(), mfa in mfa(), apis in vec(api(), 0..3), request in request()
    ) {
        let all: Vec<_> = apis.into_iter().chain([mfa]).collect();
        prop_assert!(decide(&server, &all, &request).lifetime <= Finite(600));
    }

    #[test]
    fn several_apis_get_the_shortest_of_their_decisions(
        server in server(), apis in vec(api(), 2..5), request in request()
    ) {
        let alone: Vec<_> = apis.iter().map(|api| decide(&server, &[*api], &request)).collect();
        // `min_by_key` answers the first of equal ones, as ties go to the API named first.
        let shortest = alone.iter().min_by_key(|decision| decision.lifetime).unwrap();
        let decision = decide(&server, &apis, &request);
        prop_assert_eq!(
            (decision.lifetime, decision.rule),
            (shortest.lifetime, shortest.rule)
        );
    }

    #[test]
    fn the_decision_depends_on_nothing_but_its_arguments(
        server in server(), apis in vec(api(), 0..4), request in request()
    ) {
        let decision = decide(&server, &apis, &request);
        prop_assert_eq!(&decide(&server, &apis, &request), &decision);
        let thread = std::thread::scope(|scope| {
            scope.spawn(|| decide(&server.clone(), &apis.clone(), &request)).join()
        });
        prop_assert_eq!(&thread.unwrap(), &decision);
    }

    #[test]
    fn the_trace_agrees_with_the_decision(
        server in server(), apis in vec(prop_oneof![api(), mfa()], 0..4), request in request()
    ) {
        let decision = decide(&server, &apis, &request);
        prop_assert!(decision.trace.len() <= 10 * apis.len().max(1), "two allocations");
        let last = decision.trace.last().unwrap();
        prop_assert_eq!(last.value, decision.lifetime);
        if apis.len() < 2 {
            prop_assert!(decision.trace.iter().rev().map(|step| step.value).is_sorted());
            let mut setters = decision.trace.iter().filter(|step| step.rule == decision.rule);
            prop_assert!(setters.any(|step| step.value == decision.lifetime));
        } else {
            prop_assert_eq!(last.rule, decision.rule);
        }
        for step in &decision.trace {
            let text = step.text(&apis);
            prop_assert_eq!(apis.len() > 1, text.starts_with("https://"), "{}", text);
        }
    }

    #[test]
    fn what_is_set_is_consistent(
        server in consistent_server(), created in named(), changed in named()
    ) {
        let Ok(api) = ApiLifetimes::create(&created, &server) else { return Ok(()) };
        assert_consistent(&api, &server)?;
        if let Ok(api) = api.change(&changed, &server, None) {
            assert_consistent(&api, &server)?;
        }
    }

    #[test]
    fn what_is_read_and_written_back_changes_nothing(
        created_under in consistent_server(), server in server(), created in named()
    ) {
        let Ok(api) = ApiLifetimes::create(&created, &created_under) else { return Ok(()) };
        let read = NamedLifetimes {
            token_lifetime: Some(api.token_lifetime.as_integer()),
            token_lifetime_for_web: Some(api.token_lifetime_for_web),
            max_token_lifetime: Some(Some(api.maximum_in_force(&server, None).as_integer())),
        };
        prop_assert_eq!(api.change(&read, &server, None), Ok(api));
        prop_assert_eq!(api.change(&NamedLifetimes::default(), &server, None), Ok(api));
    }

    #[test]
    fn integers_are_read_as_they_are_written(seconds in any::<i64>(), text in ".*") {
        let lifetime = Lifetime::from_seconds(seconds);
        prop_assert_eq!(parse_seconds(&seconds.to_string()).ok(), lifetime);
        if let Some(lifetime) = lifetime {
            prop_assert_eq!(Lifetime::from_seconds(lifetime.as_integer()), Some(lifetime));
        }
        if parse_seconds(&text).is_ok() {
            prop_assert!(text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()));
        }
    }
}

fn named() -> impl Strategy<Value = NamedLifetimes> {
    (of(sent()), of(sent()), of(of(sent()))).prop_map(
        |(token_lifetime, token_lifetime_for_web, max_token_lifetime)| NamedLifetimes {
            token_lifetime,
            token_lifetime_for_web,
            max_token_lifetime,
        },
    )
}

/// What holds for an API whose lifetimes were set under this file.
fn assert_consistent(api: &ApiLifetimes, server: &ServerLifetimes) -> Result<(), TestCaseError> {
    let maximum = api.maximum_in_force(server, None);
    prop_assert!(api.token_lifetime <= maximum, "{api:?}");
    prop_assert!(api.token_lifetime_for_web >= 1);
    prop_assert!(
        Finite(api.token_lifetime_for_web) <= api.token_lifetime,
        "{api:?}"
    );
    prop_assert!(api.token_lifetime_for_web <= server.finite_bound());
    let bound = Finite(server.finite_bound());
    for lifetime in [api.token_lifetime, maximum]
        .into_iter()
        .filter(|l| *l != server.api_maximum)
    {
        match lifetime {
            Never => prop_assert!(server.allow_never_expiring),
            Finite(_) => prop_assert!(lifetime <= bound),
        }
    }
    let implied = api.max_token_lifetime == Maximum::ImpliedNever;
    prop_assert!(!implied || api.token_lifetime == Never);
    Ok(())
}
