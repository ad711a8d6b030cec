//! What each page shows. The fields of a view are all that its template in `templates/` knows.

mod application;
mod consent;
mod error;
mod on_the_way;
mod password;
mod sign_in;
mod sign_out;
mod sign_up;

pub use application::ApplicationView;
pub use consent::{Access, ApiView, Consent, Renewal, ScopeView};
pub use error::{ErrorKind, ErrorPage};
pub use on_the_way::{FormPost, WebMessage};
pub use password::{
    ConfirmEmail, EmailConfirmed, NewPassword, NewPasswordProblem, PasswordChanged,
    PasswordProblem, ResetPassword, ResetProblem, ResetSent,
};
pub use sign_in::{SignIn, SignInProblem};
pub use sign_out::{SignOut, SignedOut, StillSignedIn};
pub use sign_up::{SignUp, SignUpProblem};

use super::page::Frame;

/// "Try again in so many minutes."
fn limited(frame: &Frame<'_>, retry_after_seconds: i64) -> String {
    frame.say_count(
        "limited",
        retry_after_seconds.max(1).saturating_add(59).div_euclid(60),
    )
}
