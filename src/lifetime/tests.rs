//! The rules of lifetime.md as tests: its worked cases by number, setting lifetimes, and the
//! properties that hold for all inputs.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test may panic, and a table is as long as it is"
)]

mod levels;
mod properties;
mod setting;
mod worked_cases;

use super::*;

const DAY: i64 = 86_400;
const MONTH: i64 = 2_592_000;

/// The API of the worked cases: default 86400, web 7200, maximum from the file.
fn usual_api() -> ApiTerms<'static> {
    let lifetimes = ApiLifetimes::create(&NamedLifetimes::default(), &ServerLifetimes::default());
    ApiTerms {
        identifier: "https://orders.example/",
        system: None,
        lifetimes: lifetimes.unwrap(),
        grant_expires_in: None,
    }
}

fn system_api(system: SystemApi) -> ApiTerms<'static> {
    ApiTerms {
        system: Some(system),
        lifetimes: ApiLifetimes::of_system_api(system),
        ..usual_api()
    }
}

/// An application token for which nothing is asked.
fn usual_request() -> Request {
    Request {
        kind: TokenKind::Application,
        validity_period: None,
        unpushed_authorization: false,
        application: ApplicationLifetimes::default(),
        credential_expires_in: None,
        subject_token_expires_in: None,
    }
}
