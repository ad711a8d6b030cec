//! Lifetimes in the file (lifetime.md, Words and What is set where).

use proptest::prelude::*;

use super::*;

const VARIABLE: &str = "GRANTOR_LIFETIMES__NEW_APPLICATIONS__USER_TOKEN";

/// A key that takes every lifetime, because what it sets is clamped later on.
fn from_file(value: &str) -> Result<i64, Problems> {
    let toml = format!("lifetimes.new_applications.user_token = {value}\n");
    user_token(load(&toml, &[]))
}

fn from_environment(value: &str) -> Result<i64, Problems> {
    user_token(load("", &[(VARIABLE, value)]))
}

fn user_token(loaded: Result<Loaded, Problems>) -> Result<i64, Problems> {
    let lifetimes = loaded?.config.lifetimes.new_applications;
    Ok(lifetimes
        .user
        .expect("the token's lifetime is set")
        .as_integer())
}

#[test]
fn a_lifetime_is_a_number_of_seconds_or_one_unit() {
    for (value, seconds) in [
        ("1", 1),
        ("3600", 3600),
        ("-1", -1),
        ("-86400", -1),
        ("\"90s\"", 90),
        ("\"5m\"", 300),
        ("\"1h\"", 3600),
        ("\"30d\"", 2_592_000),
    ] {
        assert_eq!(from_file(value), Ok(seconds), "{value} in a file");
        let bare = value.trim_matches('"');
        assert_eq!(
            from_environment(bare),
            Ok(seconds),
            "{bare} in the environment"
        );
    }
}

#[test]
fn zero_is_refused_by_name() {
    for (value, shown) in [
        ("0", "0"),
        ("-0", "0"),
        ("\"0s\"", "\"0s\""),
        ("\"0d\"", "\"0d\""),
    ] {
        let problem = from_file(value).unwrap_err().to_string();
        assert_says(
            &problem,
            &[&format!("user_token = {shown} ("), "a lifetime is never 0"],
        );
    }
    assert_eq!(
        variable_problem("GRANTOR_LIFETIMES__API_DEFAULT", "0"),
        "lifetimes.api_default = 0 (GRANTOR_LIFETIMES__API_DEFAULT): a lifetime is never 0; use a \
         number of seconds from 1 up, or a negative number for tokens that never expire"
    );
}

#[test]
fn anything_else_is_no_lifetime() {
    for value in [
        "", "h", "-1h", "+1h", "1h30m", "1 h", "1H", "1w", "1.5h", "1e3", "never", "９s",
    ] {
        let quoted = format!("\"{value}\"");
        assert_says(
            &from_file(&quoted).unwrap_err().to_string(),
            &["whole number of seconds"],
        );
        let problem = from_environment(value).unwrap_err().to_string();
        assert_says(&problem, &["whole number of seconds"]);
    }
    for value in [
        "\"3600\"",
        "3600.0",
        "true",
        "[1]",
        "\"9223372036854775807d\"",
    ] {
        assert_says(
            &from_file(value).unwrap_err().to_string(),
            &["whole number of seconds"],
        );
    }
}

#[test]
fn new_applications_inherit_unless_something_is_set() {
    let config = config("[lifetimes.new_applications]\nuser_token = \"30d\"\n");
    assert_eq!(config.lifetimes.new_applications.application, None);
    assert_eq!(
        config.lifetimes.new_applications.user.unwrap().as_integer(),
        2_592_000
    );
}

#[test]
fn contradictions_name_each_key_with_its_value_and_source() {
    let problem = variable_problem("GRANTOR_LIFETIMES__API_MAXIMUM", "1h");
    assert_says(
        &problem,
        &[
            "lifetimes.api_default = 86400 (default)",
            "lifetimes.api_maximum = 3600 (GRANTOR_LIFETIMES",
        ],
    );
}

#[test]
fn a_wrong_lifetime_is_not_also_a_contradiction() {
    assert_says(
        &problem("[lifetimes]\napi_maximum = \"soon\"\n"),
        &["whole number of seconds"],
    );
}

#[test]
fn a_never_expiring_application_token_that_will_be_clamped_is_worth_a_warning() {
    let clamped = load("lifetimes.new_applications.user_token = -1\n", &[]).unwrap();
    assert_says(&clamped.warnings.join("\n"), &["user_token"]);
}

#[test]
fn no_key_sets_the_lifetime_of_mfa_tokens() {
    for key in ["lifetimes.mfa", "lifetimes.mfa_token", "mfa.token_lifetime"] {
        assert_says(
            &problem(&format!("{key} = 86400\n")),
            &[key, "there is no such key"],
        );
    }
}

proptest! {
    #[test]
    fn every_number_but_zero_is_a_lifetime(seconds: i64) {
        let expected = match seconds {
            0 => return Ok(()),
            seconds if seconds < 0 => -1,
            seconds => seconds,
        };
        prop_assert_eq!(from_environment(&seconds.to_string()), Ok(expected));
    }

    #[test]
    fn no_text_at_all_breaks_the_reader(text in "\\PC*") {
        let _ = from_environment(&text);
        let _ = load(&text, &[]);
    }
}
