//! The levels around an API: what the file may say, and what applications may set.

use super::*;
use Lifetime::{Finite, Never};

fn file() -> ServerLifetimes {
    ServerLifetimes::default()
}

fn forbidding() -> ServerLifetimes {
    ServerLifetimes {
        allow_never_expiring: false,
        ..file()
    }
}

#[test]
fn what_an_application_names_wins_over_the_file() {
    let server = ServerLifetimes {
        new_applications: ApplicationLifetimes {
            application: Some(Finite(3600)),
            user: Some(Finite(60)),
        },
        ..file()
    };
    let change = |application, user| {
        let named = NamedApplicationLifetimes { application, user };
        let changed = server.new_applications.change(&named, &server).unwrap();
        (changed.application, changed.user)
    };
    assert_eq!(change(None, None), (Some(Finite(3600)), Some(Finite(60))));
    assert_eq!(change(Some(None), None), (None, Some(Finite(60))));
    assert_eq!(
        change(Some(Some(-9)), Some(Some(5))),
        (Some(Never), Some(Finite(5)))
    );
}

#[test]
fn an_application_may_not_name_zero_or_a_forbidden_never() {
    let set = |seconds| NamedApplicationLifetimes {
        user: Some(Some(seconds)),
        application: None,
    };
    let stored = ApplicationLifetimes {
        user: Some(Never),
        application: None,
    };
    let inherits = ApplicationLifetimes::default();
    let problem = inherits.change(&set(0), &file()).unwrap_err();
    assert_eq!(problem.property, "access_token_lifetimes.user");
    let problem = inherits.change(&set(-1), &forbidding()).unwrap_err();
    assert_eq!(problem.property, "access_token_lifetimes.user");
    assert!(
        problem.text.contains("lifetimes.allow_never_expiring"),
        "{problem}"
    );
    assert_eq!(stored.change(&set(-1), &forbidding()), Ok(stored));
}

#[test]
fn contradictions_of_the_file_are_each_named() {
    let new = |user| ApplicationLifetimes {
        application: None,
        user: Some(user),
    };
    let count_and_keys: &[(ServerLifetimes, &[&str])] = &[
        (file(), &[]),
        (forbidding(), &[]),
        (
            ServerLifetimes {
                api_default: Never,
                api_maximum: Never,
                ..file()
            },
            &[],
        ),
        (
            ServerLifetimes {
                api_default: Finite(MONTH + 1),
                ..file()
            },
            &["lifetimes.api_default (2592001"],
        ),
        (
            ServerLifetimes {
                api_default: Never,
                ..file()
            },
            &["lifetimes.api_default (never"],
        ),
        (
            ServerLifetimes {
                api_default: Finite(MONTH + 1),
                api_maximum: Never,
                ..file()
            },
            &["2592000"],
        ),
        (
            ServerLifetimes {
                api_default: Never,
                api_maximum: Never,
                ..forbidding()
            },
            &[
                "lifetimes.api_default is negative",
                "lifetimes.api_maximum is negative",
            ],
        ),
        (
            ServerLifetimes {
                new_applications: new(Never),
                ..forbidding()
            },
            &["lifetimes.new_applications.user_token"],
        ),
        (
            ServerLifetimes {
                new_applications: new(Never),
                ..file()
            },
            &[],
        ),
    ];
    for (server, keys) in count_and_keys {
        let found = server.contradictions();
        assert_eq!(found.len(), keys.len(), "{found:?}");
        for (text, key) in found.iter().zip(*keys) {
            assert!(text.contains(key), "{text}");
        }
    }
}

#[test]
fn a_clamped_never_in_the_file_is_warned_about() {
    let new_applications = ApplicationLifetimes {
        application: Some(Never),
        user: Some(Finite(1)),
    };
    let server = ServerLifetimes {
        new_applications,
        ..file()
    };
    let warnings = server.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings
            .concat()
            .contains("lifetimes.new_applications.application_token")
    );
    assert!(
        ServerLifetimes {
            api_maximum: Never,
            ..server
        }
        .warnings()
        .is_empty()
    );
    assert!(file().warnings().is_empty());
}

#[test]
fn the_bound_on_finite_values_is_finite() {
    for (api_maximum, bound) in [
        (Finite(900), 900),
        (Never, MONTH),
        (Finite(i64::MAX), LONGEST_FINITE_SECONDS),
    ] {
        let server = ServerLifetimes {
            api_maximum,
            ..file()
        };
        assert_eq!(server.finite_bound(), bound);
    }
}
