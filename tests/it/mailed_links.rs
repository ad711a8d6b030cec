//! A forgotten password and a new address in a browser, with the mails between: from the page that asks
//! for a link to what the link has changed.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::harness::{
    ADMIN_ID, Credentials, ISSUER, Node, PASSWORD, Person, Seen, authorize_path, both_stores,
    exchange, hidden, usual,
};
use crate::held::{EVERYTHING, Held, NOTHING};
use crate::manage_users::CONNECTION;
use crate::post_office::{Letter, node_with_mail};
use crate::shop;

const JOBS: &str = "/jobs/verification-email";
const NEW: &str = "six quiet otters mend the kettle";

/// The link that a mail is about.
fn link_in(letter: &Letter) -> String {
    let text = letter.text();
    let link = text
        .split_whitespace()
        .find(|word| word.starts_with(ISSUER));
    link.unwrap_or_else(|| panic!("no link in {text}"))
        .to_owned()
}

/// The sign-in page that a request leads to: its HTML.
async fn sign_in_page(person: &Person, node: &Node, shop: &Credentials) -> String {
    let path = authorize_path(&usual(shop, &[("prompt", "login")]));
    let (path, status, html) = person.open(node, &path).await.page();
    assert_eq!((path.as_str(), status), ("u/login", StatusCode::OK));
    html
}

/// What the browser sees after this password.
async fn sign_in(person: &Person, node: &Node, shop: &Credentials, password: &str) -> Seen {
    let state = hidden(&sign_in_page(person, node, shop).await, "state");
    let form = [
        ("state", state.as_str()),
        ("username", &person.email),
        ("password", password),
    ];
    person.send(node, "/u/login", &form).await
}

async fn told_by_userinfo(node: &Node, token: &str) -> Value {
    let request = node.request(Method::GET, "/userinfo").bearer_auth(token);
    node.send(request).await.expect(StatusCode::OK).json
}

/// A link that has been used, or never worked, is a page that says so, whether it is opened or its form
/// is sent.
async fn is_spent(person: &Person, node: &Node, link: &str) {
    let (address, ticket) = link.split_once("?ticket=").unwrap();
    let form = [
        ("ticket", ticket),
        ("password", "five loud herons count rain"),
    ];
    for seen in [
        person.open(node, link).await,
        person.send(node, address, &form).await,
    ] {
        let (_, status, html) = seen.page();
        assert_eq!(status, StatusCode::GONE, "{html}");
    }
}

both_stores! {
    /// As the mail after making an account does.
    async fn an_administrator_has_a_mail_sent_by_which_a_user_proves_an_address(world: World) {
        let (node, post) = node_with_mail(world).await;
        let desk = Desk::open(&node).await;
        let ann = Person::create(&node, "ann@example.com").await;
        let of_ann = format!("/users/{}", ann.id);
        desk.patch(&of_ann, json!({ "email_verified": false })).await.expect(StatusCode::OK);
        let body = json!({ "user_id": ann.id, "client_id": ADMIN_ID });
        let job = desk.post(JOBS, body).await.expect(StatusCode::CREATED).json;
        assert_eq!((&job["type"], &job["status"]), (&json!("verification_email"), &json!("completed")));
        assert_eq!(job.as_object().unwrap().len(), 4, "{job}");
        let of_job = format!("/jobs/{}", job["id"].as_str().unwrap());
        assert_eq!(desk.shown(&of_job).await, job);
        assert_eq!(desk.shown(&format!("{of_job}/errors")).await, json!([]));
        let letters = post.letters(1).await;
        assert_eq!(letters[0].to, ["ann@example.com"]);
        let (address, ticket) = link_in(&letters[0]).split_once("?ticket=").map(|(a, t)| (a.to_owned(), t.to_owned())).unwrap();
        assert_eq!(address, format!("{ISSUER}u/verify-email"));
        ann.send(&node, &address, &[("ticket", &ticket)]).await;
        assert_eq!(desk.shown(&of_ann).await["email_verified"], true);
        let told = desk.shown("/logs?q=description:%22Create%20a%20job%20to%20send%20a%20verification%20email%22").await;
        assert_eq!((told.as_array().unwrap().len(), &told[0]["user_id"]), (1, &json!(ann.id)), "{told}");
        assert!(!told.to_string().contains(&ticket));
        node.stop().await;
    }

    async fn what_no_mail_can_be_sent_for_is_refused_and_nothing_is_sent(world: World) {
        let (node, post) = node_with_mail(world).await;
        let desk = Desk::open(&node).await;
        let ann = Person::create(&node, "ann@example.com").await;
        let named = json!({ "username": "bob", "connection": CONNECTION, "password": PASSWORD });
        let bob = desk.post("/users", named).await.expect(StatusCode::CREATED).text("user_id");
        let with = |name: &str, value: Value| json!({ "user_id": ann.id, name: value });
        for (body, code, says) in [
            (json!({}), "invalid_body", "user_id"),
            (with("unknown", json!(1)), "invalid_body", "unknown"),
            (with("client_id", json!("nobody")), "invalid_body", "client_id"),
            (with("organization_id", json!("org_1")), "operation_not_supported", "organization_id"),
            (with("identity", json!({ "user_id": "1", "provider": "auth0" })), "operation_not_supported", "identity"),
            (json!({ "user_id": bob }), "invalid_body", "no e-mail address"),
        ] {
            let refused = desk.post(JOBS, body).await.expect_problem(StatusCode::BAD_REQUEST, code);
            assert!(refused.text("message").contains(says), "{}", refused.body);
        }
        desk.post(JOBS, json!({ "user_id": "auth0|nobody" })).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_user");
        Desk::with_scopes(&node, &["create:users", "create:user_tickets"]).await
            .post(JOBS, with("client_id", Value::Null)).await.expect_problem(StatusCode::FORBIDDEN, "insufficient_scope");
        assert_eq!(post.letters(0).await.len(), 0);
        let without = Desk::open(&world.node).await.post(JOBS, with("client_id", Value::Null)).await;
        let refused = without.expect_problem(StatusCode::BAD_REQUEST, "operation_not_supported");
        assert!(refused.text("message").contains("mail.smtp_url"), "{}", refused.body);
        node.stop().await;
    }

    async fn a_forgotten_password_is_set_anew_by_mail_and_the_old_one_opens_nothing_any_more(world: World) {
        let (node, post) = node_with_mail(world).await;
        let shop = shop::open(&node, json!({})).await;
        let (ann, ben) = (Person::create(&node, "ann@example.com").await, Person::create(&node, "ben@example.com").await);
        let held = Held::get(&node, &ann, &shop).await;
        let of_ben = Held::get(&node, &ben, &shop).await;
        let at_home = ann.at_another_browser();

        // From the sign-in page, whose way to the application goes along.
        let html = sign_in_page(&at_home, &node, &shop).await;
        let state = hidden(&html, "state");
        let (_, rest) = html.split_once("href=\"/u/reset-password?").expect("a link for who has forgotten");
        let query = rest.split('"').next().unwrap();
        let (_, status, html) = at_home.open(&node, &format!("/u/reset-password?{query}")).await.page();
        assert_eq!((status, hidden(&html, "state")), (StatusCode::OK, state.clone()));
        let ask = async |email: &str| {
            let form = [("state", state.as_str()), ("email", email)];
            let (_, status, html) = at_home.send(&node, "/u/reset-password", &form).await.page();
            assert_eq!(status, StatusCode::OK);
            html.replace(email, "somebody")
        };
        assert_eq!(ask("nobody@example.com").await, ask("ANN@example.com").await, "who has an account is not told");
        let letters = post.letters(1).await;
        assert_eq!((letters.len(), letters[0].to.as_slice()), (1, ["ann@example.com".to_owned()].as_slice()));

        let link = link_in(&letters[0]);
        let (path, status, html) = at_home.open(&node, &link).await.page();
        assert_eq!((path.as_str(), status), ("u/change-password", StatusCode::OK));
        let ticket = hidden(&html, "ticket");
        let set = async |password: &str| {
            let form = [("ticket", ticket.as_str()), ("password", password)];
            at_home.send(&node, "/u/change-password", &form).await.page()
        };
        let (_, status, html) = set("short").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(html.contains("role=\"alert\""), "{html}");
        assert_eq!(held.works(&node).await, EVERYTHING, "nothing has changed so far");
        let (_, status, html) = set(NEW).await;
        assert_eq!(status, StatusCode::OK);
        assert!(html.contains("Your password is changed"), "{html}");

        assert_eq!(held.works(&node).await, NOTHING, "whoever knew the old password is out");
        assert_eq!(of_ben.works(&node).await, EVERYTHING);
        is_spent(&at_home, &node, &link).await;
        let (_, status, html) = sign_in(&at_home, &node, &shop, PASSWORD).await.page();
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(html.contains("This user name or password is wrong."), "{html}");
        let (path, status, _) = sign_in(&at_home, &node, &shop, NEW).await.page();
        assert_eq!((path.as_str(), status), ("u/consent", StatusCode::OK), "she is signed in");
        node.stop().await;
    }

    async fn a_new_account_proves_its_address_by_the_button_behind_the_mails_link(world: World, "GRANTOR_SIGN_UP__ALLOWED" = "true") {
        let (node, post) = node_with_mail(world).await;
        let shop = shop::application(&node, json!({ "is_first_party": true })).await;
        let new = Person::stranger();
        let path = authorize_path(&usual(&shop, &[("scope", "openid email")]));
        let (_, _, html) = new.open(&node, &path).await.page();
        let state = hidden(&html, "state");
        let form = [("state", state.as_str()), ("email", &new.email), ("password", PASSWORD)];
        let answer = new.send(&node, "/u/signup", &form).await.answer();
        let tokens = exchange(&node, &shop, &answer["code"], &[]).await.expect(StatusCode::OK);
        let token = tokens.text("access_token");
        let is_verified = async || told_by_userinfo(&node, &token).await["email_verified"].clone();
        assert_eq!(told_by_userinfo(&node, &token).await["email"], new.email.as_str());
        assert_eq!(is_verified().await, false);

        let letters = post.letters(1).await;
        assert_eq!(letters[0].to, std::slice::from_ref(&new.email));
        let link = link_in(&letters[0]);
        // On another device, where nobody is signed in.
        let elsewhere = Person::stranger();
        let (path, status, html) = elsewhere.open(&node, &link).await.page();
        assert_eq!((path.as_str(), status), ("u/verify-email", StatusCode::OK));
        assert!(html.contains("<button") && html.contains(&new.email), "{html}");
        assert_eq!(is_verified().await, false, "programs that look into mails open links");
        let ticket = hidden(&html, "ticket");
        let form = [("ticket", ticket.as_str())];
        let (_, status, html) = elsewhere.send(&node, "/u/verify-email", &form).await.page();
        assert_eq!(status, StatusCode::OK);
        assert!(html.contains("Your e-mail address is confirmed"), "{html}");
        assert_eq!(is_verified().await, true);
        is_spent(&elsewhere, &node, &link).await;
        node.stop().await;
    }

    /// A ticket is good for what its mail was about, and until its time is over.
    async fn a_link_is_worth_nothing_elsewhere_and_nothing_later(world: World, "GRANTOR_SIGN_UP__ALLOWED" = "true") {
        let (node, post) = node_with_mail(world).await;
        let shop = shop::application(&node, json!({ "is_first_party": true })).await;
        let ann = Person::create(&node, "ann@example.com").await;
        let form = [("email", ann.email.as_str())];
        ann.send(&node, "/u/reset-password", &form).await.page();
        let reset = link_in(&post.letters(1).await[0]);
        is_spent(&ann, &node, &reset.replace("change-password", "verify-email")).await;
        let new = Person::stranger();
        let state = hidden(&sign_in_page(&new, &node, &shop).await, "state");
        let form = [("state", state.as_str()), ("email", &new.email), ("password", PASSWORD)];
        new.send(&node, "/u/signup", &form).await.answer();
        let verify = link_in(&post.letters(2).await[1]);
        is_spent(&new, &node, &verify.replace("verify-email", "change-password")).await;
        // Trying that has used neither up.
        for link in [&reset, &verify] {
            assert_eq!(ann.open(&node, link).await.page().1, StatusCode::OK);
        }
        world.clock.advance(3600);
        is_spent(&ann, &node, &reset).await;
        let old = sign_in(&ann, &node, &shop, PASSWORD).await;
        assert!(old.answer().contains_key("code"), "the password is what it was");
        node.stop().await;
    }
}
