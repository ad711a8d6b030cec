//! Signing out: `/oidc/logout` (OpenID Connect RP-Initiated Logout 1.0), Auth0's `/v2/logout`, and the
//! question before it where a request could be anybody's.

mod request;

use axum::http::header::SET_COOKIE;
use axum::response::Response;
use url::Url;

use super::views::{SignOut, SignedOut, StillSignedIn};
use super::visit::{PageRequest, Trouble, Visit};
use super::{Destination, Page, cookies, redirect};
use crate::audit::Failure;
use crate::logout::{self, Why};
use crate::model::record::{Kind, Record, Whence};
use crate::sessions::SignedIn;
use crate::store::Locks;
use crate::wire::operation::{Answer, Body as Takes, Operation};
use crate::wire::schema::{Field, choice, text};

use self::request::{HINT_BYTES_MAX, STATE_BYTES_MAX, SignOutRequest, TEXT_BYTES_MAX};

pub(crate) const GET: Operation = Operation {
    summary: "Sign out (OpenID Connect RP-Initiated Logout); a redirect back, or a page",
    query: &[PARAMETERS],
    answer: Answer::HtmlOrRedirect,
    refuses: &[400],
    ..Operation::DEFAULT
};
pub(crate) const POST: Operation = Operation {
    query: &[],
    body: Takes::Parameters(&[PARAMETERS]),
    ..GET
};
pub(crate) const AUTH0: Operation = Operation {
    summary: "Sign out as at Auth0; a redirect back, or a page",
    query: &[&[
        text("client_id", 0, TEXT_BYTES_MAX),
        text("returnTo", 0, TEXT_BYTES_MAX),
        text("federated", 0, TEXT_BYTES_MAX),
    ]],
    ..GET
};
pub(crate) const RESUME: Operation = Operation {
    summary: "Go on with a request to sign out that was posted",
    query: &[&[text("state", 1, STATE_BYTES_MAX).required()]],
    ..GET
};
pub(crate) const ANSWER: Operation = Operation {
    summary: "Sign out, or stay signed in",
    query: &[],
    body: Takes::Parameters(&[&[
        text("state", 0, STATE_BYTES_MAX),
        choice("action", &["accept", "deny"]).required(),
    ]]),
    refuses: &[400, 403],
    ..GET
};
/// RP-Initiated Logout §2.
const PARAMETERS: &[Field] = &[
    text("id_token_hint", 0, HINT_BYTES_MAX),
    text("logout_hint", 0, TEXT_BYTES_MAX),
    text("client_id", 0, TEXT_BYTES_MAX),
    text("post_logout_redirect_uri", 0, TEXT_BYTES_MAX),
    text("state", 0, TEXT_BYTES_MAX),
    text("ui_locales", 0, TEXT_BYTES_MAX),
];

/// `GET /oidc/logout`
pub(crate) async fn get(request: PageRequest) -> Response {
    if let Some(refused) = request.refuse_head("GET, POST") {
        return refused;
    }
    let answered = request.answer_or(refuse, async |visit, params| {
        let request = SignOutRequest::parse(visit, params).await?;
        proceed(visit, request).await
    });
    answered.await
}

/// `POST /oidc/logout`: the session's cookie does not come along with what another site posts, so the
/// browser is sent on to a request with which it does. The hint has been read, and stays here.
pub(crate) async fn post(request: PageRequest) -> Response {
    let answered = request.answer_or(refuse, async |visit, params| {
        let request = SignOutRequest::parse(visit, params).await?;
        if cookies::session(&visit.app.issuer, visit.headers).is_some() {
            return proceed(visit, request).await;
        }
        let (location, state) = (visit.app.issuer.join("u/logout"), request.seal(visit.app)?);
        Ok(redirect(&format!("{location}?state={state}")))
    });
    answered.await
}

/// `GET /v2/logout`
pub(crate) async fn auth0(request: PageRequest) -> Response {
    if let Some(refused) = request.refuse_head("GET") {
        return refused;
    }
    let answered = request.answer_or(refuse, async |visit, params| {
        let request = SignOutRequest::parse_auth0(visit, params).await?;
        proceed(visit, request).await
    });
    answered.await
}

/// `GET /u/logout`
pub(crate) async fn resume(request: PageRequest) -> Response {
    if let Some(refused) = request.refuse_head("GET, POST") {
        return refused;
    }
    let answered = request.answer_or(refuse, async |visit, params| {
        let request = SignOutRequest::unseal(visit, params)?;
        proceed(visit, request).await
    });
    answered.await
}

/// `POST /u/logout`: the answer to the question.
pub(crate) async fn answer(request: PageRequest) -> Response {
    let answered = request.answer_or(refuse, async |visit, params| {
        let request = SignOutRequest::unseal(visit, params)?;
        if params.required("action", TEXT_BYTES_MAX)? == "accept" {
            let signed_in = visit.signed_in().await?;
            let session_id = signed_in.as_ref().map(|own| &own.session.id);
            // Somebody else may have signed in in another tab meanwhile, whom the page did not name.
            if session_id.is_some() && session_id != request.asked_session.as_ref() {
                return proceed(visit, request).await;
            }
            return sign_out(visit, request, signed_in).await;
        }
        // Whoever stays signed in goes back where they came from all the same.
        let page = StillSignedIn {
            frame: visit.frame(&request.ui_locales),
        };
        let back = request.back.as_deref().map(redirect);
        Ok(back.unwrap_or_else(|| page.show()))
    });
    answered.await
}

/// Signs out at once where the request is surely the user's, and asks otherwise (§2).
async fn proceed(visit: &Visit<'_>, request: SignOutRequest) -> Result<Response, Trouble> {
    let Some(signed_in) = visit.signed_in().await? else {
        return sign_out(visit, request, None).await;
    };
    if request.is_of(&signed_in.session) || !request.asks(visit).await? {
        return sign_out(visit, request, Some(signed_in)).await;
    }
    let mut request = request;
    request.asked_session = Some(signed_in.session.id.clone());
    let user = &signed_in.user;
    let destination = request.back.as_deref().and_then(|uri| Url::parse(uri).ok());
    let destination = destination.as_ref().map(Destination::of);
    let page = SignOut {
        frame: visit.frame(&request.ui_locales),
        state: &request.seal(visit.app)?,
        user: user.shown_name().unwrap_or(&user.user_id),
        destination: destination.as_ref(),
    };
    Ok(page.show())
}

/// Ends the session of this browser, whoever is signed in, and takes its cookie away.
async fn sign_out(
    visit: &Visit<'_>,
    request: SignOutRequest,
    signed_in: Option<SignedIn>,
) -> Result<Response, Trouble> {
    let app = visit.app;
    if let Some(SignedIn { session, .. }) = signed_in {
        let whence: Whence = visit.origin.clone().into();
        let record = Record::new(Kind::SignedOut, app.clock.now_millis(), &whence, Some(200))
            .by(request.client_id.as_deref(), None)
            .about_user(&session.user_id)
            .says("User successfully logged out")
            .with("session_id", session.id.as_str().into());
        let locks = Locks::of_user(&session.user_id);
        let mut tx = app.store.write_locked(&locks).await?;
        if logout::end_session(&mut tx, &session.id, Why::SignedOut, visit.now).await? {
            tx.record(record);
            tx.commit(visit.now).await?;
        }
    }
    // Back to the application, where it has said where to, or the page that says that it is done.
    let page = SignedOut {
        frame: visit.frame(&request.ui_locales),
    };
    let back = request.back.as_deref().map(redirect);
    let mut response = back.unwrap_or_else(|| page.show());
    let cookie = cookies::clear(&app.issuer)?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

/// The page that says what is wrong, and the record of it. Nobody is sent anywhere (§4).
fn refuse(visit: &Visit<'_>, trouble: Trouble) -> Response {
    if let Trouble::Refused(refusal) = &trouble {
        visit.app.audit.refused(&Failure {
            kind: Kind::RefusedSignOut,
            whence: &visit.origin.clone().into(),
            client_id: None,
            client_name: None,
            user_id: None,
            code: refusal.code.as_str(),
            description: &refusal.description,
            log: &refusal.log,
            status: 400,
        });
    }
    super::visit::refuse(visit, trouble)
}
