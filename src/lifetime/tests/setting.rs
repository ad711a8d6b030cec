//! Setting lifetimes, row by row.

use super::*;
use Lifetime::{Finite, Never};
use Maximum::{ImpliedNever, Set, Unset};

/// What a creation or PATCH names: `token_lifetime`, `token_lifetime_for_web`,
/// `max_token_lifetime`.
type Named = (Option<i64>, Option<i64>, Option<Option<i64>>);

fn named((token_lifetime, token_lifetime_for_web, max_token_lifetime): Named) -> NamedLifetimes {
    NamedLifetimes {
        token_lifetime,
        token_lifetime_for_web,
        max_token_lifetime,
    }
}

const fn api(token_lifetime: Lifetime, for_web: i64, maximum: Maximum) -> ApiLifetimes {
    ApiLifetimes {
        token_lifetime,
        token_lifetime_for_web: for_web,
        max_token_lifetime: maximum,
    }
}

const USUAL: ApiLifetimes = api(Finite(DAY), 7200, Unset);

const FIELDS: (&str, &str, &str) = (
    "token_lifetime",
    "token_lifetime_for_web",
    "max_token_lifetime",
);

const ALLOW_NEVER: &str = "lifetimes.allow_never_expiring";

fn file() -> ServerLifetimes {
    ServerLifetimes::default()
}

fn file_with(api_default: Lifetime, api_maximum: Lifetime) -> ServerLifetimes {
    let server = ServerLifetimes {
        api_default,
        api_maximum,
        ..file()
    };
    assert_eq!(server.contradictions(), Vec::<String>::new());
    server
}

fn forbidding() -> ServerLifetimes {
    ServerLifetimes {
        allow_never_expiring: false,
        ..file()
    }
}

/// A problem's property, and that its text holds each of `words`.
fn assert_refused(result: Result<ApiLifetimes, LifetimeProblem>, property: &str, words: &[&str]) {
    let problem = result.unwrap_err();
    assert_eq!(problem.property, property, "{problem}");
    for word in words.iter().chain([&property]) {
        assert!(problem.text.contains(word), "{word:?} is not in {problem}");
    }
}

#[test]
fn creations_that_are_accepted() {
    let never = || file_with(Finite(DAY), Never);
    let rows: &[(Named, ServerLifetimes, ApiLifetimes)] = &[
        ((None, None, None), file(), USUAL),
        (
            (Some(3600), None, None),
            file(),
            api(Finite(3600), 3600, Unset),
        ),
        (
            (Some(MONTH), None, None),
            file(),
            api(Finite(MONTH), 7200, Unset),
        ),
        ((None, Some(60), None), file(), api(Finite(DAY), 60, Unset)),
        (
            (None, Some(DAY), None),
            file(),
            api(Finite(DAY), DAY, Unset),
        ),
        // Only a maximum: the default is the shorter of the two. Naming it pins it.
        (
            (None, None, Some(Some(900))),
            file(),
            api(Finite(900), 900, Set(Finite(900))),
        ),
        (
            (None, None, Some(Some(MONTH))),
            file(),
            api(Finite(DAY), 7200, Set(Finite(MONTH))),
        ),
        (
            (None, None, Some(Some(-7))),
            file(),
            api(Finite(DAY), 7200, Set(Never)),
        ),
        ((None, None, Some(None)), file(), USUAL),
        // Never by name, and what it implies.
        (
            (Some(-1), None, None),
            file(),
            api(Never, 7200, ImpliedNever),
        ),
        (
            (Some(-86_400), Some(9000), None),
            file(),
            api(Never, 9000, ImpliedNever),
        ),
        (
            (Some(-1), None, Some(Some(-2))),
            file(),
            api(Never, 7200, Set(Never)),
        ),
        (
            (Some(-1), None, Some(None)),
            never(),
            api(Never, 7200, Unset),
        ),
        // From the file.
        (
            (None, None, None),
            file_with(Finite(60), Finite(90)),
            api(Finite(60), 60, Unset),
        ),
        (
            (Some(90), None, None),
            file_with(Finite(60), Finite(90)),
            api(Finite(90), 90, Unset),
        ),
        (
            (None, None, None),
            file_with(Never, Never),
            api(Never, 7200, ImpliedNever),
        ),
        (
            (None, None, Some(Some(900))),
            file_with(Never, Never),
            api(Finite(900), 900, Set(Finite(900))),
        ),
    ];
    for (row, server, created) in rows {
        assert_eq!(
            ApiLifetimes::create(&named(*row), server),
            Ok(*created),
            "{row:?}"
        );
    }
}

#[test]
fn creations_out_of_bounds_are_refused() {
    let short = || file_with(Finite(60), Finite(90));
    let never = || file_with(Finite(DAY), Never);
    let (token, web, maximum) = FIELDS;
    let rows: &[(Named, ServerLifetimes, &str, &str)] = &[
        ((Some(0), None, None), file(), token, "is 0"),
        ((None, Some(0), None), file(), web, "is 0"),
        ((None, None, Some(Some(0))), file(), maximum, "is 0"),
        ((None, Some(-1), None), file(), web, "negative"),
        ((Some(-1), Some(-1), None), file(), web, "negative"),
        ((Some(MONTH + 1), None, None), file(), token, "2592000"),
        (
            (None, None, Some(Some(MONTH + 1))),
            file(),
            maximum,
            "2592000",
        ),
        ((Some(-1), Some(MONTH + 1), None), file(), web, "2592000"),
        ((Some(91), None, None), short(), token, "90 seconds"),
        ((None, None, Some(Some(91))), short(), maximum, "90 seconds"),
        (
            (None, None, Some(Some(MONTH + 1))),
            never(),
            maximum,
            "2592000",
        ),
        ((Some(-1), None, None), forbidding(), token, ALLOW_NEVER),
        (
            (None, None, Some(Some(-1))),
            forbidding(),
            maximum,
            ALLOW_NEVER,
        ),
    ];
    for (row, server, property, words) in rows {
        let created = ApiLifetimes::create(&named(*row), server);
        assert_refused(created, property, &[words]);
    }
}

#[test]
fn creations_that_contradict_themselves_are_refused_naming_both() {
    let (token, web, maximum) = FIELDS;
    let rows: &[(Named, &str, &[&str])] = &[
        ((Some(-1), None, Some(Some(900))), token, &[maximum, "900 "]),
        ((Some(-1), None, Some(None)), token, &[maximum, "2592000"]),
        ((Some(901), None, Some(Some(900))), token, &["901", "900 "]),
        ((Some(60), Some(61), None), web, &["61", "token_lifetime ("]),
        ((None, Some(DAY + 1), None), web, &["86401", "86400"]),
        ((None, Some(901), Some(Some(900))), web, &["901", "900 "]),
    ];
    for (row, property, words) in rows {
        let created = ApiLifetimes::create(&named(*row), &file());
        assert_refused(created, property, words);
    }
}

#[test]
fn changes_that_are_accepted() {
    let never = api(Never, 7200, ImpliedNever);
    let never_by_name = api(Never, 7200, Set(Never));
    let capped = api(Finite(300), 300, Set(Finite(900)));
    let rows: &[(ApiLifetimes, Named, ApiLifetimes)] = &[
        (USUAL, (None, None, None), USUAL),
        // Repeating what is in force pins nothing.
        (USUAL, (Some(DAY), Some(7200), Some(Some(MONTH))), USUAL),
        (never, (Some(-5), Some(7200), Some(Some(-5))), never),
        (capped, (Some(300), Some(300), Some(Some(900))), capped),
        // Never by implication, and back.
        (USUAL, (Some(-1), None, None), never),
        (
            capped,
            (Some(-1), None, None),
            api(Never, 300, ImpliedNever),
        ),
        (
            never,
            (Some(3600), None, None),
            api(Finite(3600), 3600, Unset),
        ),
        (
            never,
            (Some(3600), None, Some(Some(-1))),
            api(Finite(3600), 3600, Unset),
        ),
        (
            never,
            (Some(60), None, Some(Some(900))),
            api(Finite(60), 60, Set(Finite(900))),
        ),
        (
            never_by_name,
            (Some(3600), None, None),
            api(Finite(3600), 3600, Set(Never)),
        ),
        (
            api(Finite(9), 9, Set(Never)),
            (Some(-1), None, None),
            api(Never, 9, Set(Never)),
        ),
        // The maximum by name, and unset.
        (
            USUAL,
            (None, None, Some(Some(DAY))),
            api(Finite(DAY), 7200, Set(Finite(DAY))),
        ),
        (
            USUAL,
            (None, None, Some(Some(-1))),
            api(Finite(DAY), 7200, Set(Never)),
        ),
        (
            capped,
            (None, None, Some(None)),
            api(Finite(300), 300, Unset),
        ),
        // The web lifetime follows a lowered default, and does not come back.
        (USUAL, (Some(60), None, None), api(Finite(60), 60, Unset)),
        (
            USUAL,
            (Some(60), Some(30), None),
            api(Finite(60), 30, Unset),
        ),
        (
            capped,
            (Some(900), None, None),
            api(Finite(900), 300, Set(Finite(900))),
        ),
        (
            never,
            (None, Some(DAY), None),
            api(Never, DAY, ImpliedNever),
        ),
    ];
    for (before, row, after) in rows {
        let changed = before.change(&named(*row), &file(), None);
        assert_eq!(changed, Ok(*after), "{before:?} {row:?}");
    }
}

#[test]
fn changes_that_are_refused() {
    let never = api(Never, 7200, ImpliedNever);
    let capped = api(Finite(300), 300, Set(Finite(900)));
    let rows: &[(ApiLifetimes, Named, &str, &[&str])] = &[
        (USUAL, (Some(0), None, None), "token_lifetime", &["is 0"]),
        (
            USUAL,
            (Some(MONTH + 1), None, None),
            "token_lifetime",
            &["2592000"],
        ),
        (
            USUAL,
            (None, Some(-3), None),
            "token_lifetime_for_web",
            &["-3"],
        ),
        (
            USUAL,
            (None, None, Some(Some(3600))),
            "max_token_lifetime",
            &["token_lifetime (86400"],
        ),
        (
            USUAL,
            (Some(60), Some(7200), None),
            "token_lifetime_for_web",
            &["60 seconds"],
        ),
        (
            USUAL,
            (Some(-1), None, Some(Some(900))),
            "token_lifetime",
            &["max_token_lifetime (900"],
        ),
        (
            USUAL,
            (Some(-1), None, Some(Some(MONTH))),
            "token_lifetime",
            &["2592000 seconds"],
        ),
        (
            capped,
            (Some(901), None, None),
            "token_lifetime",
            &["max_token_lifetime (900"],
        ),
        (
            never,
            (None, None, Some(Some(900))),
            "max_token_lifetime",
            &["token_lifetime (never"],
        ),
        (
            never,
            (None, None, Some(None)),
            "max_token_lifetime",
            &["token_lifetime (never"],
        ),
    ];
    for (before, row, property, words) in rows {
        assert_refused(before.change(&named(*row), &file(), None), property, words);
    }
}

#[test]
fn only_what_changes_is_checked() {
    let lowered = file_with(Finite(600), Finite(900));
    let changed = USUAL.change(&named((Some(DAY), Some(60), None)), &lowered, None);
    assert_eq!(changed, Ok(api(Finite(DAY), 60, Unset)));
    assert_eq!(USUAL.maximum_in_force(&lowered, None), Finite(900));

    let never = api(Never, 7200, ImpliedNever);
    let repeated = named((Some(-1), Some(60), Some(Some(-1))));
    assert_eq!(
        never.change(&repeated, &forbidding(), None),
        Ok(api(Never, 60, ImpliedNever))
    );
    let never_expiring = USUAL.change(&named((Some(-1), None, None)), &forbidding(), None);
    assert_refused(never_expiring, "token_lifetime", &[ALLOW_NEVER]);
}

#[test]
fn the_management_api_is_never_longer_than_its_page_says() {
    let system = Some(SystemApi::Management);
    let management = ApiLifetimes::of_system_api(SystemApi::Management);
    let long = file_with(Finite(DAY), Finite(5_000_000));
    for server in [file(), long.clone(), file_with(Never, Never)] {
        assert_eq!(management.maximum_in_force(&server, system), Finite(MONTH));
        let capped = api(Finite(DAY), 7200, Set(Finite(DAY)));
        for (before, row, after) in [
            (
                management,
                (Some(3600), None, None),
                api(Finite(3600), 3600, Unset),
            ),
            (management, (None, None, Some(Some(DAY))), capped),
            (management, (None, None, Some(Some(MONTH))), management),
            (capped, (None, None, Some(None)), management),
        ] {
            assert_eq!(before.change(&named(row), &server, system), Ok(after));
        }
        for (row, property, words) in [
            ((Some(DAY + 1), None, None), "token_lifetime", "86400"),
            ((Some(-1), None, None), "token_lifetime", "86400"),
            (
                (None, None, Some(Some(MONTH + 1))),
                "max_token_lifetime",
                "2592000",
            ),
            (
                (None, None, Some(Some(-1))),
                "max_token_lifetime",
                "2592000",
            ),
        ] {
            assert_refused(
                management.change(&named(row), &server, system),
                property,
                &[words],
            );
        }
    }
    let stored_higher = api(Finite(DAY), 7200, Set(Finite(5_000_000)));
    assert_eq!(stored_higher.maximum_in_force(&long, system), Finite(MONTH));
    assert_eq!(
        stored_higher.maximum_in_force(&long, None),
        Finite(5_000_000)
    );
}

#[test]
fn the_mfa_api_cannot_be_set() {
    let system = Some(SystemApi::Mfa);
    let mfa = ApiLifetimes::of_system_api(SystemApi::Mfa);
    let repeated = named((Some(600), Some(600), Some(Some(600))));
    assert_eq!(mfa.change(&repeated, &file(), system), Ok(mfa));
    for (row, property) in [
        ((Some(601), None, None), "token_lifetime"),
        ((Some(300), None, None), "token_lifetime"),
        ((Some(-1), None, None), "token_lifetime"),
        ((None, Some(599), None), "token_lifetime_for_web"),
        ((None, None, Some(Some(900))), "max_token_lifetime"),
        ((None, None, Some(Some(-1))), "max_token_lifetime"),
        ((None, None, Some(None)), "max_token_lifetime"),
    ] {
        assert_refused(
            mfa.change(&named(row), &file(), system),
            property,
            &["cannot be changed"],
        );
    }
}
