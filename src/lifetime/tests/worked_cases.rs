//! Worked cases of lifetime.md, by number.

use super::*;
use Lifetime::{Finite, Never};

/// One row of the table: how it differs from the usual, and what is granted.
struct Case {
    number: u32,
    server: ServerLifetimes,
    apis: Vec<ApiTerms<'static>>,
    request: Request,
    granted: (Lifetime, Rule),
}

/// A case that is as usual but for the request.
fn case(number: u32, request: Request, lifetime: Lifetime, rule: Rule) -> Case {
    Case {
        number,
        server: ServerLifetimes::default(),
        apis: vec![usual_api()],
        request,
        granted: (lifetime, rule),
    }
}

impl Case {
    fn on(self, api: ApiTerms<'static>) -> Case {
        self.on_all(vec![api])
    }

    fn on_all(self, apis: Vec<ApiTerms<'static>>) -> Case {
        Case { apis, ..self }
    }

    fn under(self, server: ServerLifetimes) -> Case {
        Case { server, ..self }
    }

    fn check(&self) {
        let decision = decide(&self.server, &self.apis, &self.request);
        let number = self.number;
        assert_eq!(
            (decision.lifetime, decision.rule),
            self.granted,
            "case {number}: {decision:#?}"
        );
        assert_eq!(
            decision.trace.last().unwrap().value,
            decision.lifetime,
            "case {number}"
        );
    }
}

fn asks(seconds: i64) -> Request {
    Request {
        validity_period: Lifetime::from_seconds(seconds),
        ..usual_request()
    }
}

fn application(seconds: i64) -> Request {
    with_application(seconds, usual_request())
}

fn with_application(seconds: i64, request: Request) -> Request {
    let named = NamedApplicationLifetimes {
        application: Some(Some(seconds)),
        user: None,
    };
    let application = request
        .application
        .change(&named, &ServerLifetimes::default())
        .unwrap();
    Request {
        application,
        ..request
    }
}

fn user(request: Request) -> Request {
    Request {
        kind: TokenKind::User,
        ..request
    }
}

fn implicit(request: Request) -> Request {
    Request {
        kind: TokenKind::FrontChannel,
        ..request
    }
}

fn unpushed(request: Request) -> Request {
    Request {
        unpushed_authorization: true,
        ..user(request)
    }
}

fn secret_ends_in(seconds: i64, request: Request) -> Request {
    Request {
        credential_expires_in: Some(seconds),
        ..request
    }
}

fn api(token_lifetime: Option<i64>, max_token_lifetime: Option<i64>) -> ApiTerms<'static> {
    let named = NamedLifetimes {
        token_lifetime,
        max_token_lifetime: max_token_lifetime.map(Some),
        ..NamedLifetimes::default()
    };
    let lifetimes = ApiLifetimes::create(&named, &ServerLifetimes::default()).unwrap();
    ApiTerms {
        lifetimes,
        ..usual_api()
    }
}

fn maximum_never() -> ApiTerms<'static> {
    api(None, Some(-1))
}

fn check_all(cases: &[Case]) {
    for case in cases {
        case.check();
    }
}

#[test]
fn cases_1_to_11_what_a_request_asks_for() {
    check_all(&[
        case(1, usual_request(), Finite(DAY), Rule::ApiDefault),
        case(2, asks(3600), Finite(3600), Rule::Requested),
        case(3, asks(1), Finite(1), Rule::Requested),
        case(4, asks(MONTH), Finite(MONTH), Rule::Requested),
        case(5, asks(MONTH + 1), Finite(MONTH), Rule::ApiMaximum),
        case(6, asks(i64::MAX), Finite(MONTH), Rule::ApiMaximum),
        case(7, asks(-1), Finite(MONTH), Rule::ApiMaximum),
        case(8, asks(-1), Never, Rule::Requested).on(maximum_never()),
        case(9, asks(31_536_000), Finite(31_536_000), Rule::Requested).on(maximum_never()),
        case(10, usual_request(), Never, Rule::ApiDefault).on(api(Some(-1), None)),
        case(11, asks(600), Finite(600), Rule::Requested).on(api(Some(-1), None)),
    ]);
}

#[test]
fn case_12_what_is_no_lifetime() {
    for (text, problem) in [
        ("0", NotALifetime::Zero),
        ("-0", NotALifetime::Zero),
        ("000", NotALifetime::Zero),
        ("abc", NotALifetime::NotAnInteger),
        ("1.5", NotALifetime::NotAnInteger),
        ("3600.0", NotALifetime::NotAnInteger),
        ("", NotALifetime::Empty),
        ("1e3", NotALifetime::NotAnInteger),
        ("+60", NotALifetime::NotAnInteger),
        ("-", NotALifetime::NotAnInteger),
        ("--1", NotALifetime::NotAnInteger),
        (" 60", NotALifetime::NotAnInteger),
        ("60 ", NotALifetime::NotAnInteger),
        ("٣", NotALifetime::NotAnInteger),
        ("6\0", NotALifetime::NotAnInteger),
        ("9223372036854775808", NotALifetime::OutOfRange),
        ("-9223372036854775809", NotALifetime::OutOfRange),
    ] {
        assert_eq!(parse_seconds(text), Err(problem), "{text:?}");
        let sentence = problem.to_string();
        assert!(
            sentence
                .bytes()
                .all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\')
        );
    }
}

#[test]
fn what_is_a_lifetime() {
    for (text, lifetime) in [
        ("1", Finite(1)),
        ("3600", Finite(3600)),
        ("0060", Finite(60)),
        ("9223372036854775807", Finite(i64::MAX)),
        ("-1", Never),
        ("-86400", Never),
        ("-9223372036854775808", Never),
    ] {
        assert_eq!(parse_seconds(text), Ok(lifetime), "{text:?}");
    }
}

#[test]
fn cases_13_to_18_what_the_application_sets() {
    check_all(&[
        case(13, application(1800), Finite(1800), Rule::Application),
        case(
            14,
            with_application(1800, asks(7200)),
            Finite(7200),
            Rule::Requested,
        ),
        case(15, application(5_184_000), Finite(MONTH), Rule::ApiMaximum),
        case(16, application(-1), Finite(MONTH), Rule::ApiMaximum),
        case(17, application(-1), Never, Rule::Application).on(maximum_never()),
        case(18, user(application(1800)), Finite(DAY), Rule::ApiDefault),
    ]);
}

#[test]
fn cases_19_to_24_tokens_that_begin_in_a_browser() {
    check_all(&[
        case(19, implicit(usual_request()), Finite(7200), Rule::ApiWeb),
        case(20, implicit(asks(DAY)), Finite(7200), Rule::ApiWeb),
        case(21, implicit(asks(60)), Finite(60), Rule::Requested),
        case(22, unpushed(usual_request()), Finite(DAY), Rule::ApiDefault),
        case(
            23,
            unpushed(asks(MONTH)),
            Finite(DAY),
            Rule::AuthorizationRequest,
        ),
        case(24, user(asks(MONTH)), Finite(MONTH), Rule::Requested),
    ]);
}

#[test]
fn cases_25_to_27_the_mfa_audience() {
    let mfa = || system_api(SystemApi::Mfa);
    check_all(&[
        case(25, usual_request(), Finite(600), Rule::MfaAudience).on(mfa()),
        case(26, asks(30), Finite(600), Rule::MfaAudience).on(mfa()),
        case(26, asks(DAY), Finite(600), Rule::MfaAudience).on(mfa()),
        case(26, asks(-1), Finite(600), Rule::MfaAudience).on(mfa()),
        case(26, application(-1), Finite(600), Rule::MfaAudience).on(mfa()),
        case(
            27,
            secret_ends_in(300, usual_request()),
            Finite(300),
            Rule::CredentialExpiry,
        )
        .on(mfa()),
    ]);
}

#[test]
fn cases_28_and_29_several_apis() {
    let short = || ApiTerms {
        identifier: "https://b.example/",
        ..api(Some(3600), None)
    };
    let hour = (Finite(3600), Rule::ApiDefault);
    check_all(&[
        case(28, usual_request(), hour.0, hour.1).on_all(vec![usual_api(), short()]),
        case(28, usual_request(), hour.0, hour.1).on_all(vec![short(), usual_api()]),
        case(29, usual_request(), hour.0, hour.1).on_all(vec![api(Some(-1), None), short()]),
    ]);
}

#[test]
fn cases_30_to_33_credentials_and_the_management_api() {
    let management = || system_api(SystemApi::Management);
    let secret = secret_ends_in(300, usual_request());
    check_all(&[
        case(30, secret, Finite(300), Rule::CredentialExpiry),
        case(31, secret, Finite(300), Rule::CredentialExpiry).on(api(Some(-1), None)),
        case(32, usual_request(), Finite(DAY), Rule::ApiDefault).on(management()),
        case(33, asks(-1), Finite(MONTH), Rule::ApiMaximum).on(management()),
        case(33, asks(-1), Finite(MONTH), Rule::ApiMaximum)
            .on(management())
            .under(ServerLifetimes {
                api_maximum: Never,
                ..ServerLifetimes::default()
            }),
    ]);
}

#[test]
fn cases_34_and_35_the_file_is_copied_into_new_applications() {
    let mut server = ServerLifetimes::default();
    let create = |server: &ServerLifetimes| {
        let named = NamedApplicationLifetimes::default();
        let application = server.new_applications.change(&named, server).unwrap();
        Request {
            application,
            ..usual_request()
        }
    };
    let created_before = create(&server);
    server.new_applications.application = Some(Finite(3600));
    let created_after = create(&server);
    check_all(&[
        case(34, created_before, Finite(DAY), Rule::ApiDefault).under(server.clone()),
        case(35, created_after, Finite(3600), Rule::Application).under(server),
    ]);
}

#[test]
fn cases_36_to_38_ceilings() {
    let forbidding = ServerLifetimes {
        allow_never_expiring: false,
        ..ServerLifetimes::default()
    };
    check_all(&[
        case(36, usual_request(), Finite(MONTH), Rule::ServerMaximum)
            .on(api(Some(-1), None))
            .under(forbidding),
        case(37, asks(901), Finite(900), Rule::ApiMaximum).on(api(Some(300), Some(900))),
        case(
            38,
            asks(i64::MAX),
            Finite(3_153_600_000),
            Rule::LongestFinite,
        )
        .on(maximum_never()),
    ]);
}

#[test]
fn tokens_longer_than_thirty_days_are_stored() {
    for (lifetime, stored) in [
        (Finite(1), false),
        (Finite(MONTH), false),
        (Finite(MONTH + 1), true),
        (Finite(31_536_000), true),
        (Never, true),
    ] {
        assert_eq!(lifetime.must_be_stored(), stored, "{lifetime}");
    }
}

// Below: what the page says without a number.

#[test]
fn a_user_token_without_an_api_lives_as_the_file_says() {
    let file = |api_default| ServerLifetimes {
        api_default,
        api_maximum: Never,
        ..ServerLifetimes::default()
    };
    let nothing = || case(0, user(usual_request()), Finite(DAY), Rule::ApiDefault).on_all(vec![]);
    let web =
        |lifetime| case(0, implicit(usual_request()), lifetime, Rule::ApiDefault).on_all(vec![]);
    check_all(&[
        nothing(),
        web(Finite(7200)),
        web(Finite(600)).under(file(Finite(600))),
        web(Finite(7200)).under(file(Never)),
        case(0, user(usual_request()), Never, Rule::ApiDefault)
            .on_all(vec![])
            .under(file(Never)),
        case(0, user(asks(60)), Finite(60), Rule::Requested).on_all(vec![]),
        case(0, user(asks(-1)), Finite(MONTH), Rule::ApiMaximum).on_all(vec![]),
        case(0, implicit(asks(DAY)), Finite(7200), Rule::ApiDefault).on_all(vec![]),
        case(
            0,
            secret_ends_in(5, user(usual_request())),
            Finite(5),
            Rule::CredentialExpiry,
        )
        .on_all(vec![]),
    ]);
}

#[test]
fn a_browser_may_not_lengthen_what_the_application_has() {
    let own = ApplicationLifetimes {
        application: None,
        user: Some(Finite(600)),
    };
    let with_own = |request| Request {
        application: own,
        ..request
    };
    check_all(&[
        case(
            0,
            with_own(unpushed(asks(3600))),
            Finite(600),
            Rule::AuthorizationRequest,
        ),
        case(0, with_own(unpushed(asks(30))), Finite(30), Rule::Requested),
        case(
            0,
            with_own(implicit(asks(3600))),
            Finite(3600),
            Rule::Requested,
        ),
    ]);
}

#[test]
fn the_first_of_equal_ceilings_is_the_rule() {
    let ends = Request {
        subject_token_expires_in: Some(300),
        ..secret_ends_in(300, asks(-1))
    };
    let grant_ends = |seconds| ApiTerms {
        grant_expires_in: Some(seconds),
        ..usual_api()
    };
    check_all(&[
        case(0, ends, Finite(300), Rule::CredentialExpiry).on(grant_ends(300)),
        case(0, ends, Finite(299), Rule::GrantExpiry).on(grant_ends(299)),
        case(
            0,
            secret_ends_in(300, asks(300)),
            Finite(300),
            Rule::Requested,
        ),
        case(
            0,
            Request {
                subject_token_expires_in: Some(298),
                ..ends
            },
            Finite(298),
            Rule::SubjectTokenExpiry,
        )
        .on(grant_ends(299)),
    ]);
}

#[test]
fn a_hundred_years_come_before_the_ends_and_hold_after_them() {
    let century = (Finite(LONGEST_FINITE_SECONDS), Rule::LongestFinite);
    let end = |seconds| secret_ends_in(seconds, usual_request());
    let asked = secret_ends_in(LONGEST_FINITE_SECONDS, asks(i64::MAX));
    check_all(&[
        case(0, asked, century.0, century.1).on(maximum_never()),
        case(0, end(4_000_000_000), century.0, century.1).on(api(Some(-1), None)),
        case(
            0,
            end(LONGEST_FINITE_SECONDS),
            century.0,
            Rule::CredentialExpiry,
        )
        .on(api(Some(-1), None)),
    ]);
}

#[test]
fn ties_go_to_the_api_named_first() {
    let capped = ApiTerms {
        identifier: "https://capped.example/",
        ..api(Some(60), Some(600))
    };
    let ended = ApiTerms {
        grant_expires_in: Some(600),
        ..usual_api()
    };
    check_all(&[
        case(0, asks(3600), Finite(600), Rule::ApiMaximum).on_all(vec![capped, ended]),
        case(0, asks(3600), Finite(600), Rule::GrantExpiry).on_all(vec![ended, capped]),
    ]);
}

#[test]
fn the_trace_says_what_each_step_saw() {
    let explain = |apis: &[ApiTerms<'_>], request: &Request| -> Vec<String> {
        let decision = decide(&ServerLifetimes::default(), apis, request);
        let step = |step: &Step| {
            let value = step.value.as_integer();
            format!("{} {value} {}", step.rule.as_str(), step.text(apis))
        };
        decision.trace.iter().map(step).collect()
    };
    assert_eq!(
        explain(
            &[api(Some(300), Some(900))],
            &secret_ends_in(1000, asks(-1))
        ),
        [
            "requested -1 the request's validity_period: never expires",
            "api_maximum 900 max_token_lifetime in force: 900 seconds, shorter than what there was (never expires)",
            "credential_expiry 900 time left to the application or its credential (secret or key): 1000 seconds, no shorter than what there is (900 seconds)",
        ]
    );
    assert_eq!(
        explain(&[system_api(SystemApi::Mfa)], &asks(1)),
        [
            "mfa_audience 600 the MFA audience, where validity_period, the application's values and the API's fields are ignored: 600 seconds"
        ]
    );
    let other = ApiTerms {
        identifier: "https://b.example/",
        ..api(Some(1), None)
    };
    assert_eq!(
        explain(&[usual_api(), other], &usual_request())
            .last()
            .unwrap(),
        "api_default 1 https://b.example/: the shortest of the APIs in this token: 1 second"
    );
}
