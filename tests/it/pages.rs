//! The pages themselves: what they show, load and allow. What happens behind them is in other files.

use std::sync::Arc;

use axum::response::Response;
use grantor::config::{self, Branding};
use grantor::login::mails::{self, Purpose};
use grantor::login::views::{ApplicationView, Consent, SignIn};
use grantor::login::{Destination, Frame, Language, Page, Pages};
use grantor::model::issuer::Issuer;
use samples::HOSTILE;
use url::Url;

mod served;

#[path = "../../examples/pages/samples.rs"]
mod samples;

const POLICY: &str = "content-security-policy";

fn branding(settings: &[(&str, &str)]) -> Branding {
    let environment = settings
        .iter()
        .map(|(key, value)| (format!("GRANTOR_BRANDING__{key}").into(), (*value).into()));
    // Whatever lies below the working directory is no part of the test.
    let file = tempfile::NamedTempFile::new().unwrap();
    config::load(Some(file.path()), environment)
        .unwrap()
        .config
        .branding
}

fn pages(settings: &[(&str, &str)]) -> Arc<Pages> {
    let issuer = Issuer::new("https://id.example.com/auth/".to_owned());
    Pages::new(&branding(settings), &issuer)
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

async fn html(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The sample of this name.
fn sample(frame: Frame<'_>, name: &str) -> Response {
    let mut found = samples::all(frame)
        .into_iter()
        .filter(|(own, _)| *own == name);
    found.next().expect(name).1
}

/// The value of each directive that differs between pages.
fn directives(response: &Response) -> [&str; 3] {
    ["img-src ", "form-action ", "frame-ancestors "].map(|name| {
        let mut all = header(response, POLICY).split("; ");
        all.find_map(|directive| directive.strip_prefix(name))
            .unwrap()
    })
}

#[tokio::test]
async fn every_page_is_whole_in_every_language_and_escapes_what_it_shows() {
    let pages = pages(&[]);
    for language in Language::ALL {
        let mut count = 0;
        for (name, response) in samples::all(pages.frame(language)) {
            if name.ends_with("-text") {
                continue;
            }
            let is_mail = name.starts_with("mail-");
            let page = html(response).await;
            let name = format!("{name} in {language:?}");
            assert!(
                page.starts_with(&format!(
                    "<!doctype html>\n<html lang=\"{}\">",
                    language.tag()
                )),
                "{name}"
            );
            assert!(page.trim_end().ends_with("</html>"), "{name}");
            assert!(
                !page.contains(HOSTILE) && !page.contains("alert(\""),
                "{name}"
            );
            if !is_mail {
                assert_eq!(page.matches("<h1>").count(), 1, "{name}");
                assert_eq!(page.matches("<main>").count(), 1, "{name}");
                let is_inline = page.contains(" style=")
                    || page.contains("<style")
                    || page.contains("<script>");
                assert!(!is_inline, "{name} holds what its policy forbids");
            }
            count += 1;
        }
        assert!(count > 30);
    }
}

#[tokio::test]
async fn no_page_may_be_kept_framed_or_guessed_at() {
    let pages = pages(&[]);
    for (name, response) in samples::all(pages.frame(Language::German)) {
        if name.starts_with("mail-") {
            continue;
        }
        let policy = header(&response, POLICY);
        assert!(
            policy.starts_with(
                "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'"
            ),
            "{name}: {policy}"
        );
        assert!(policy.contains("; base-uri 'none'; "), "{name}: {policy}");
        for (header_name, value) in [
            ("cache-control", "no-store"),
            ("content-language", "de"),
            ("content-type", "text/html; charset=utf-8"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(header(&response, header_name), value, "{name}");
        }
        let is_framed = name == "web-message";
        assert_eq!(
            header(&response, "x-frame-options"),
            if is_framed { "" } else { "DENY" },
            "{name}"
        );
        let [_, _, ancestors] = directives(&response);
        assert_eq!(
            ancestors,
            if is_framed {
                "https://shop.acme.example"
            } else {
                "'none'"
            },
            "{name}"
        );
        let referrer = if name == "form-post" {
            "strict-origin"
        } else {
            "same-origin"
        };
        assert_eq!(header(&response, "referrer-policy"), referrer, "{name}");
        assert!(
            header(&response, "permissions-policy").contains("camera=()"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_form_may_lead_to_the_application_where_its_answer_does() {
    let pages = pages(&[]);
    let frame = pages.frame(Language::English);
    for (name, form_action) in [
        ("sign-in", "'self' https://shop.acme.example"),
        ("sign-up", "'self' https://shop.acme.example"),
        ("consent", "'self' https://shop.acme.example"),
        ("consent-device", "'self' com.acme.shop:"),
        ("sign-out", "'self' https://shop.acme.example"),
        ("form-post", "'self' https://shop.acme.example"),
        ("reset", "'self'"),
        ("new-password", "'self'"),
        ("error-request", "'self'"),
    ] {
        assert_eq!(directives(&sample(frame, name))[1], form_action, "{name}");
    }
}

#[tokio::test]
async fn pictures_come_from_where_they_are_set_and_from_nowhere_else() {
    let pages = pages(&[("LOGO_URL", "https://cdn.example.net/logo.svg")]);
    let frame = pages.frame(Language::English);
    let consent = |logo: &str| {
        let logo = Url::parse(logo).unwrap();
        let application = ApplicationView {
            name: "Shop",
            logo: Some(&logo),
            destination: None,
            is_unverified: false,
        };
        let access = grantor::login::views::Access {
            token: grantor::lifetime::Lifetime::Never,
            longest: grantor::lifetime::Lifetime::Never,
            renewal: None,
        };
        Consent {
            frame,
            application,
            state: "s",
            user: "u",
            about_user: &[],
            apis: &[],
            access,
        }
        .show()
    };
    for (logo, sources) in [
        (
            "https://shop.example:444/l.png",
            "'self' https://shop.example:444 https://cdn.example.net",
        ),
        (
            "http://shop.example/l.png",
            "'self' https://cdn.example.net",
        ),
        (
            "data:image/png;base64,AAAA",
            "'self' https://cdn.example.net",
        ),
    ] {
        let response = consent(logo);
        assert_eq!(directives(&response)[0], sources, "{logo}");
        assert_eq!(
            html(response).await.contains(logo),
            sources.contains("shop"),
            "{logo}"
        );
    }
    let sign_in = html(sample(frame, "sign-in")).await;
    assert!(
        sign_in
            .contains(r#"<img class="logo" src="https://cdn.example.net/logo.svg" alt="Grantor">"#)
    );
}

#[tokio::test]
async fn forms_have_the_fields_that_browsers_and_scripts_look_for() {
    let pages = pages(&[]);
    let frame = pages.frame(Language::Spanish);
    for (name, parts) in [
        (
            "sign-in",
            &[
                r#"action="/auth/u/login""#,
                r#"<input type="hidden" name="state" value="ticket-of_this+page">"#,
                r#"name="username" type="text" value="" autocomplete="username""#,
                r#"name="password" type="password" autocomplete="current-password""#,
                r#"type="submit" name="action" value="default""#,
                r#"href="/auth/u/reset-password?state=ticket-of_this%2Bpage""#,
                r#"href="/auth/u/signup?state=ticket-of_this%2Bpage""#,
            ][..],
        ),
        (
            "sign-in-wrong",
            &[
                r#"id="problem" role="alert""#,
                r#"value="maria.lindqvist@example.com" autocomplete="username""#,
                r#"aria-invalid="true" aria-describedby="problem" autofocus"#,
            ],
        ),
        (
            "sign-up",
            &[
                r#"action="/auth/u/signup""#,
                r#"name="email" type="email""#,
                r#"name="password" type="password" autocomplete="new-password" minlength="10""#,
                r#"name="action" value="default""#,
            ],
        ),
        (
            "consent",
            &[
                r#"action="/auth/u/consent""#,
                r#"name="action" value="deny""#,
                r#"name="action" value="accept""#,
            ],
        ),
        (
            "reset",
            &[r#"action="/auth/u/reset-password""#, r#"name="email""#],
        ),
        (
            "new-password",
            &[
                r#"action="/auth/u/change-password""#,
                r#"<input type="hidden" name="ticket" value="ticket-of_this+page">"#,
                r#"name="password""#,
            ],
        ),
        (
            "sign-out",
            &[
                r#"action="/auth/u/logout""#,
                r#"name="action" value="accept""#,
            ],
        ),
        (
            "form-post",
            &[
                r#"action="https://shop.acme.example/callback""#,
                r#"<input type="hidden" name="code" value="abc">"#,
                r#"<button class="main" type="submit">"#,
            ],
        ),
        (
            "web-message",
            &[r#"data-origin="https://shop.acme.example""#],
        ),
    ] {
        let page = html(sample(frame, name)).await;
        for part in parts {
            assert!(page.contains(part), "{name} has no {part}:\n{page}");
        }
    }
}

#[tokio::test]
async fn a_failed_attempt_has_a_status_that_machines_understand() {
    let pages = pages(&[]);
    let frame = pages.frame(Language::English);
    for (name, status, retry_after) in [
        ("sign-in", 200, ""),
        ("sign-in-wrong", 400, ""),
        ("sign-in-limited", 429, "290"),
        ("sign-in-blocked", 403, ""),
        ("sign-up-known", 400, ""),
        ("reset-limited", 429, "3600"),
        ("error-request", 400, ""),
        ("error-link", 410, ""),
        ("error-missing", 404, ""),
        ("error-server", 503, "1"),
    ] {
        let response = sample(frame, name);
        assert_eq!(response.status().as_u16(), status, "{name}");
        assert_eq!(header(&response, "retry-after"), retry_after, "{name}");
    }
}

#[tokio::test]
async fn consent_says_who_wants_what_where_and_for_how_long() {
    let pages = pages(&[]);
    for (language, name, words) in [
        (
            Language::English,
            "consent",
            &[
                "Acme Shop asks for access to your account",
                "You are signed in as maria.lindqvist@example.com.",
                "See your profile, such as your name and picture",
                "At Orders",
                "https://api.acme.example/orders",
                "See what you have ordered",
                "Access lasts 1 hour. Acme Shop can renew it without you for 180 days, until 3 May 2027.",
                "Acme Shop will receive the access at shop.acme.example.",
            ][..],
        ),
        (
            Language::German,
            "consent",
            &["noch 180 Tage, bis zum 3. Mai 2027."],
        ),
        (
            Language::Spanish,
            "consent",
            &["durante 180 días, hasta el 3 de mayo de 2027."],
        ),
        (
            Language::English,
            "consent-device",
            &[
                "Access lasts 1 hour and 30 minutes. Acme Shop can renew it without you, until you take it back.",
                "Acme Shop is a program on this device.",
            ],
        ),
        (
            Language::English,
            "consent-once",
            &[
                "Access lasts 1 day, or up to 30 days if Acme Shop asks for that. Afterwards Acme Shop has to send you here again.",
            ],
        ),
        (
            Language::German,
            "consent-or-never",
            &["Der Zugriff gilt 1 Tag, oder ohne Ende, wenn Acme Shop das verlangt."],
        ),
        (
            Language::English,
            "consent-never",
            &["Access has no end of its own"],
        ),
    ] {
        let page = html(sample(pages.frame(language), name)).await;
        for words in words {
            assert!(page.contains(words), "{name} does not say {words}:\n{page}");
        }
    }
}

#[tokio::test]
async fn a_name_that_turns_text_around_is_straightened() {
    let pages = pages(&[]);
    let destination = Destination::of(&Url::parse("https://shop.example/").unwrap());
    let page = SignIn {
        frame: pages.frame(Language::English),
        application: ApplicationView {
            name: "Bank\u{202e}live",
            logo: None,
            destination: Some(&destination),
            is_unverified: false,
        },
        state: "s",
        username: "",
        can_sign_up: false,
        can_reset: false,
        problem: None,
    };
    let page = html(page.show()).await;
    assert!(page.contains("to continue to Banklive") && !page.contains('\u{202e}'));
    assert!(!page.contains("/u/signup") && !page.contains("/u/reset-password"));
}

#[test]
fn a_mail_holds_its_link_in_both_forms() {
    let pages = pages(&[("NAME", "Müller & Söhne")]);
    let link = "https://id.example.com/u/change-password?ticket=a&b";
    let mail = mails::write(
        pages.frame(Language::German),
        Purpose::ResetPassword,
        "m@example.com",
        link,
        5400,
    )
    .unwrap();
    assert_eq!(mail.subject, "Neues Passwort für Müller & Söhne");
    assert!(mail.text.contains(&format!("\n{link}\n")), "{}", mail.text);
    assert!(
        mail.text.contains("Gültigkeit: 1 Stunde und 30 Minuten."),
        "{}",
        mail.text
    );
    assert!(mail.html.contains("ticket=a&#38;b\""), "{}", mail.html);
    assert!(mail.html.contains("Müller &#38; Söhne"), "{}", mail.html);
}
