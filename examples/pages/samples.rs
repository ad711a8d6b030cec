//! A sample of each page in each state, and of each mail.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use grantor::lifetime::Lifetime;
use grantor::login::mails::{self, Purpose};
use grantor::login::views::{
    Access, ApiView, ApplicationView, ConfirmEmail, Consent, EmailConfirmed, ErrorKind, ErrorPage,
    FormPost, NewPassword, NewPasswordProblem, PasswordChanged, PasswordProblem, Renewal,
    ResetPassword, ResetProblem, ResetSent, ScopeView, SignIn, SignInProblem, SignOut, SignUp,
    SignUpProblem, SignedOut, StillSignedIn, WebMessage,
};
use grantor::login::{Destination, Frame, Page};
use serde_json::json;
use url::Url;

/// What an application sends in the hope that somebody does not escape it.
pub(crate) const HOSTILE: &str = r#"<script>alert("1")</script>&'"#;

const STATE: &str = "ticket-of_this+page";

const EMAIL: &str = "maria.lindqvist@example.com";

/// Names each sample.
pub(crate) type Samples = Vec<(&'static str, Response)>;

/// All of them.
pub(crate) fn all(frame: Frame<'_>) -> Samples {
    [
        signing_in(frame),
        signing_up(frame),
        consents(frame),
        consent_durations(frame),
        passwords(frame),
        addresses(frame),
        ends(frame),
        errors(frame),
        on_the_way(frame),
        mails(frame),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn url(text: &str) -> Url {
    Url::parse(text).expect("samples are URLs")
}

fn shop(destination: &Destination) -> ApplicationView<'_> {
    ApplicationView {
        name: "Acme Shop",
        logo: None,
        destination: Some(destination),
        is_unverified: false,
    }
}

/// The same, where anybody may have sent the request.
fn unverified(application: ApplicationView<'_>) -> ApplicationView<'_> {
    ApplicationView {
        is_unverified: true,
        ..application
    }
}

fn signing_in(frame: Frame<'_>) -> Samples {
    let destination = Destination::of(&url("https://shop.acme.example/callback"));
    let device = Destination::of(&url("com.acme.shop:/callback"));
    let page = |name, username, problem| {
        let application = ApplicationView {
            name,
            ..shop(&destination)
        };
        let page = SignIn {
            frame,
            application,
            state: STATE,
            username,
            can_sign_up: true,
            can_reset: true,
            problem,
        };
        page.show()
    };
    let unverified = SignIn {
        frame,
        application: unverified(shop(&device)),
        state: STATE,
        username: "",
        can_sign_up: true,
        can_reset: true,
        problem: Some(SignInProblem::WrongCredentials),
    };
    let limited = SignInProblem::Limited {
        retry_after_seconds: 290,
    };
    vec![
        ("sign-in", page("Acme Shop", "", None)),
        (
            "sign-in-wrong",
            page("Acme Shop", EMAIL, Some(SignInProblem::WrongCredentials)),
        ),
        ("sign-in-limited", page("Acme Shop", EMAIL, Some(limited))),
        (
            "sign-in-blocked",
            page("Acme Shop", EMAIL, Some(SignInProblem::Blocked)),
        ),
        ("sign-in-hostile", page(HOSTILE, HOSTILE, None)),
        ("sign-in-unverified", unverified.show()),
    ]
}

fn signing_up(frame: Frame<'_>) -> Samples {
    let destination = Destination::of(&url("https://shop.acme.example/callback"));
    let device = Destination::of(&url("com.acme.shop:/callback"));
    let unverified = SignUp {
        frame,
        application: unverified(shop(&device)),
        state: STATE,
        email: "",
        password_chars_min: 10,
        problem: None,
    };
    let page = |email, problem| {
        let page = SignUp {
            frame,
            application: shop(&destination),
            state: STATE,
            email,
            password_chars_min: 10,
            problem,
        };
        page.show()
    };
    let limited = SignUpProblem::Limited {
        retry_after_seconds: 30,
    };
    let known = SignUpProblem::Password(PasswordProblem::Known);
    vec![
        ("sign-up", page("", None)),
        (
            "sign-up-invalid",
            page("maria@", Some(SignUpProblem::EmailInvalid)),
        ),
        (
            "sign-up-refused",
            page(EMAIL, Some(SignUpProblem::EmailRefused)),
        ),
        ("sign-up-known", page(EMAIL, Some(known))),
        ("sign-up-limited", page(EMAIL, Some(limited))),
        ("sign-up-unverified", unverified.show()),
    ]
}

/// An API with scopes, described and not.
fn orders() -> ApiView<'static> {
    let scope = |value, description| ScopeView { value, description };
    ApiView {
        name: "Orders",
        identifier: "https://api.acme.example/orders",
        scopes: vec![
            scope("read:orders", Some("See what you have ordered")),
            scope("create:orders", Some("Order in your name")),
            scope("delete:orders", None),
        ],
    }
}

/// One without name and scopes, and one that is up to no good.
fn other_apis() -> [ApiView<'static>; 2] {
    let identifier = "https://stock.acme.example/";
    let scope = ScopeView {
        value: HOSTILE,
        description: Some(HOSTILE),
    };
    [
        ApiView {
            name: identifier,
            identifier,
            scopes: Vec::new(),
        },
        ApiView {
            name: HOSTILE,
            identifier: HOSTILE,
            scopes: vec![scope],
        },
    ]
}

const HALF_A_YEAR: Renewal = Renewal::Until {
    seconds: 15_552_000,
    at: 1_809_302_400,
};

fn access(lifetime: Lifetime, renewal: Option<Renewal>) -> Access {
    Access {
        token: lifetime,
        longest: lifetime,
        renewal,
    }
}

fn consents(frame: Frame<'_>) -> Samples {
    let web = Destination::of(&url("https://shop.acme.example/callback"));
    let device = Destination::of(&url("com.acme.shop:/callback"));
    let about_user = ["openid", "profile", "email"];
    let [stock, hostile] = other_apis();
    let (one_api, two_apis) = ([orders()], [orders(), stock]);
    let ordinary = Consent {
        frame,
        application: shop(&web),
        state: STATE,
        user: EMAIL,
        about_user: &about_user,
        apis: &two_apis,
        access: access(Lifetime::Finite(3600), Some(HALF_A_YEAR)),
    };
    let of_device = Consent {
        application: shop(&device),
        about_user: &["openid", "phone", "address"],
        apis: &one_api,
        access: access(Lifetime::Finite(5400), Some(Renewal::UntilTakenBack)),
        ..ordinary
    };
    let unverified = Consent {
        application: unverified(shop(&device)),
        ..ordinary
    };
    let unverified_shop = unverified.application;
    let hostile = Consent {
        application: ApplicationView {
            name: HOSTILE,
            ..unverified_shop
        },
        user: HOSTILE,
        apis: &[hostile],
        ..ordinary
    };
    vec![
        ("consent", ordinary.show()),
        ("consent-device", of_device.show()),
        ("consent-unverified", unverified.show()),
        ("consent-hostile", hostile.show()),
    ]
}

/// For how long an application has access.
fn consent_durations(frame: Frame<'_>) -> Samples {
    let web = Destination::of(&url("https://shop.acme.example/callback"));
    let one_api = [orders()];
    let ordinary = Consent {
        frame,
        application: shop(&web),
        state: STATE,
        user: EMAIL,
        about_user: &["openid", "profile", "email"],
        apis: &one_api,
        access: access(Lifetime::Finite(3600), Some(HALF_A_YEAR)),
    };
    let once = Consent {
        apis: &[],
        access: Access {
            longest: Lifetime::Finite(2_592_000),
            ..access(Lifetime::Finite(86_400), None)
        },
        ..ordinary
    };
    let or_never = Consent {
        access: Access {
            longest: Lifetime::Never,
            ..once.access
        },
        ..once
    };
    let never = Consent {
        about_user: &[],
        apis: &one_api,
        access: access(Lifetime::Never, None),
        ..ordinary
    };
    vec![
        ("consent-once", once.show()),
        ("consent-or-never", or_never.show()),
        ("consent-never", never.show()),
    ]
}

fn passwords(frame: Frame<'_>) -> Samples {
    let reset = |email, problem| {
        ResetPassword {
            frame,
            state: Some(STATE),
            email,
            problem,
        }
        .show()
    };
    let new = |problem| {
        NewPassword {
            frame,
            ticket: STATE,
            email: EMAIL,
            password_chars_min: 10,
            problem,
        }
        .show()
    };
    let sent = ResetSent {
        frame,
        state: Some(STATE),
        email: EMAIL,
        valid_seconds: 1800,
    };
    let limited = ResetProblem::Limited {
        retry_after_seconds: 3600,
    };
    let weak = |problem| new(Some(NewPasswordProblem::Password(problem)));
    let new_limited = NewPasswordProblem::Limited {
        retry_after_seconds: 180,
    };
    vec![
        ("reset", reset("", None)),
        (
            "reset-invalid",
            reset("maria", Some(ResetProblem::EmailInvalid)),
        ),
        ("reset-limited", reset(EMAIL, Some(limited))),
        ("reset-sent", sent.show()),
        ("new-password", new(None)),
        ("new-password-short", weak(PasswordProblem::TooShort)),
        ("new-password-long", weak(PasswordProblem::TooLong)),
        ("new-password-personal", weak(PasswordProblem::Personal)),
        ("new-password-guessable", weak(PasswordProblem::Guessable)),
        ("new-password-limited", new(Some(new_limited))),
        ("password-changed", PasswordChanged { frame }.show()),
    ]
}

fn addresses(frame: Frame<'_>) -> Samples {
    let confirm = ConfirmEmail {
        frame,
        ticket: STATE,
        email: EMAIL,
    };
    vec![
        ("confirm-email", confirm.show()),
        ("email-confirmed", EmailConfirmed { frame }.show()),
    ]
}

fn ends(frame: Frame<'_>) -> Samples {
    let target = url("https://shop.acme.example/bye?x=1&y=2");
    let destination = Destination::of(&target);
    vec![
        (
            "sign-out",
            SignOut {
                frame,
                state: STATE,
                user: EMAIL,
                destination: Some(&destination),
            }
            .show(),
        ),
        ("signed-out", SignedOut { frame }.show()),
        ("still-signed-in", StillSignedIn { frame }.show()),
    ]
}

fn errors(frame: Frame<'_>) -> Samples {
    let page = |kind| {
        ErrorPage {
            frame,
            kind,
            reference: Some("wCh0lWzqYsh2tX4i"),
        }
        .show()
    };
    let request = |description| ErrorKind::Request {
        code: "invalid_request",
        description,
    };
    let server = ErrorKind::Server {
        status: StatusCode::SERVICE_UNAVAILABLE,
        retry_after_seconds: Some(1),
    };
    vec![
        (
            "error-request",
            page(request(
                "redirect_uri is not one of those that this application has registered.",
            )),
        ),
        ("error-hostile", page(request(HOSTILE))),
        ("error-expired", page(ErrorKind::Expired)),
        ("error-link", page(ErrorKind::Link)),
        ("error-forged", page(ErrorKind::Forged)),
        ("error-missing", page(ErrorKind::Missing)),
        ("error-server", page(server)),
    ]
}

fn on_the_way(frame: Frame<'_>) -> Samples {
    // An address that keeps the form: the answer to it is 204 or 404, and the page stays.
    let target = url("https://shop.acme.example/callback");
    let destination = Destination::of(&target);
    let parameters = [("code", "abc"), ("state", HOSTILE)];
    let form = FormPost {
        frame,
        application: shop(&destination),
        redirect_uri: &target,
        parameters: &parameters,
    };
    let response = json!({ "code": "abc", "state": HOSTILE });
    let message = WebMessage {
        frame,
        application: shop(&destination),
        origin: "https://shop.acme.example",
        response: &response,
    };
    vec![("form-post", form.show()), ("web-message", message.show())]
}

fn mails(frame: Frame<'_>) -> Samples {
    let link = "https://id.example.com/u/change-password?ticket=abc&x=1";
    let mail =
        |purpose| mails::write(frame, purpose, EMAIL, link, 1800).expect("mails can be rendered");
    vec![
        (
            "mail-reset",
            Html(mail(Purpose::ResetPassword).html).into_response(),
        ),
        (
            "mail-reset-text",
            mail(Purpose::ResetPassword).text.into_response(),
        ),
        (
            "mail-confirm",
            Html(mail(Purpose::ConfirmEmail).html).into_response(),
        ),
    ]
}
