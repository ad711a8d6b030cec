//! `/authorize` (RFC 6749 §3.1, OpenID Connect Core §3.1.2): an application asks a user, in the user's
//! browser. The order of it is written in `answer` and `proceed`.

mod arrival;
mod reply;
pub(super) mod request;

use std::sync::Arc;

use axum::response::Response;

use self::reply::{Parameters, Reply, Unproven};
use self::request::{Early, Terms};
use super::entry::Entry;
use crate::directory::Stance;
use crate::grants::authorize::{self, Ruling};
use crate::grants::user_token::{self, Asked};
use crate::grants::{Approved, Authenticated};
use crate::lifetime::{Lifetime, TokenKind};
use crate::login::redirect;
use crate::login::views::ErrorPage;
use crate::login::visit::{PageRequest, Visit};
use crate::model::application::Application;
use crate::model::audience::Named;
use crate::model::authorization::{Authorization, AuthorizationRequest};
use crate::model::authorization_code::CodeRequest;
use crate::model::fault::Fault;
use crate::model::record::Kind;
use crate::model::refusal::{Code, Refusal, Stop};
use crate::secret::Secret;
use crate::sessions::SignedIn;
use crate::tokens::id_token::Beside;
use crate::tokens::request_object::REQUEST_OBJECT_BYTES_MAX;
use crate::tokens::ticket::{REQUEST_BYTES_MAX, TICKET_BYTES_MAX, Ticket};
use crate::wire::operation::{Answer, Body as Takes, Operation};
use crate::wire::params::Params;
use crate::wire::schema::{Field, Form, integer, text, texts};

pub(crate) const GET: Operation = Operation {
    summary: "Ask a user (RFC 6749, OpenID Connect Core); the answer is a redirect or a page",
    query: &[PARAMETERS, REFERENCE],
    answer: Answer::HtmlOrRedirect,
    refuses: &[400],
    ..Operation::DEFAULT
};
pub(crate) const POST: Operation = Operation {
    query: &[],
    body: Takes::Parameters(&[PARAMETERS, REFERENCE]),
    ..GET
};
pub(crate) const RESUME: Operation = Operation {
    summary: "Go on where a user has signed in or consented; the answer is a redirect or a page",
    query: &[&[text("state", 1, TICKET_BYTES_MAX).required()]],
    ..GET
};

pub(super) const PARAMETERS: &[Field] = &[
    text("client_id", 1, 255),
    text("response_type", 1, 200),
    text("redirect_uri", 1, request::URI_BYTES_MAX),
    text("response_mode", 1, 200),
    text("scope", 0, REQUEST_BYTES_MAX),
    text("audience", 0, 2400),
    texts("resource", request::RESOURCES_MAX, 2400, Form::Any),
    text("state", 0, 8000),
    text("nonce", 0, 2000),
    text("code_challenge", 0, 2000),
    text("code_challenge_method", 0, 200),
    text("prompt", 0, 200),
    integer("max_age", 0, i64::MAX),
    text("login_hint", 0, 2000),
    text("id_token_hint", 0, 16_384),
    text("acr_values", 0, 2000),
    text("ui_locales", 0, 2000),
    text("claims", 0, 16_384),
    integer("validity_period", i64::MIN, i64::MAX),
    text("request", 0, REQUEST_OBJECT_BYTES_MAX),
];
/// What only a browser brings.
const REFERENCE: &[Field] = &[text("request_uri", 0, 2000)];

/// `GET /authorize`
pub(crate) async fn get(request: PageRequest) -> Response {
    if let Some(refused) = request.refuse_head("GET, POST") {
        return refused;
    }
    let served = request.serve(async |visit, params| visit.answer(params).await);
    served.await
}

/// `POST /authorize` (OpenID Connect Core §3.1.2.1): the same in a form.
pub(crate) async fn post(request: PageRequest) -> Response {
    let served = request.serve(async |visit, params| visit.answer_posted(params).await);
    served.await
}

/// `GET /authorize/resume`
pub(crate) async fn resume(request: PageRequest) -> Response {
    if let Some(refused) = request.refuse_head("GET") {
        return refused;
    }
    let served = request.serve(async |visit, params| match visit.reopen(params).await {
        Ok((reply, ticket)) => visit.proceed(reply, ticket).await,
        Err(early) => visit.show_early(early, &[]),
    });
    served.await
}

impl Visit<'_> {
    async fn answer(&self, params: Result<Params, Refusal>) -> Response {
        match self.read(params).await {
            Ok((reply, ticket)) => self.proceed(reply, ticket).await,
            Err(response) => response,
        }
    }

    /// The session's cookie does not come along with what another site posts, so the browser is sent
    /// on to a request with which it does.
    async fn answer_posted(&self, params: Result<Params, Refusal>) -> Response {
        match self.read(params).await {
            Ok((_, ticket)) => match self.to_page("authorize/resume", &ticket) {
                Ok(location) => redirect(&location),
                Err(fault) => self.show_early(fault.into(), &[]),
            },
            Err(response) => response,
        }
    }

    /// A request that was read before, out of its ticket.
    async fn reopen(&self, params: Result<Params, Refusal>) -> Result<(Reply, Ticket), Early> {
        let params = params?;
        params.check_whole()?;
        let text = params.required("state", TICKET_BYTES_MAX)?;
        let ticket = self.app.mint.open_ticket(text, self.now);
        let ticket = ticket.ok_or_else(Unproven::expired)?;
        let request = &ticket.request;
        let application = request::application(self.app, &request.client_id, self.now).await?;
        Ok((Reply::of(application, request)?, ticket))
    }

    /// A request of an application: who asks and where the answer goes, then the rest.
    async fn read(&self, params: Result<Params, Refusal>) -> Result<(Reply, Ticket), Response> {
        let read = async {
            let params = params?;
            let application = request::applicant(self.app, &params, self.now).await?;
            match arrival::reference(&params)? {
                Some(reference) => {
                    params.check_whole()?;
                    self.take_pushed(reference, application).await
                }
                None => self.read_unpushed(&params, application).await,
            }
        };
        let shown = |early| self.show_early(early, &[]);
        let (reply, read) = read.await.map_err(shown)?;
        match read {
            Ok(request) => Ok((reply, Ticket::new(request, self.now))),
            Err(refusal) => Err(self.refuse(&reply, &refusal, &[])),
        }
    }

    /// What is wrong with the parameters, or with a request object, is told to the application where what
    /// can be read of them proves a redirect URI.
    async fn read_unpushed(
        &self,
        params: &Params,
        application: Arc<Application>,
    ) -> Result<(Reply, Result<AuthorizationRequest, Refusal>), Early> {
        let settings = self.app.directory.settings(Stance::Strict).await?;
        let terms = Terms {
            settings: &settings,
            mint: &self.app.mint,
            now: self.now,
        };
        let whole = params.check_whole();
        let counted = whole.and_then(|()| arrival::counted(params, &application, terms));
        let counted = match counted {
            Ok(counted) => counted,
            Err(refusal) => {
                let reply = request::identify(application, params);
                return Ok((reply.map_err(|_| refusal.clone())?, Err(refusal)));
            }
        };
        let reply = request::identify(application, &counted)?;
        if reply.application.sign_in.must_push {
            let text = "The client's authorization requests must be pushed.";
            return Ok((reply, Err(Refusal::invalid_request(text))));
        }
        let request = request::parse(&counted, &reply, terms);
        Ok((reply, request))
    }

    /// A request that the application has pushed before (RFC 9126 §4).
    async fn take_pushed(
        &self,
        reference: &str,
        application: Arc<Application>,
    ) -> Result<(Reply, Result<AuthorizationRequest, Refusal>), Early> {
        let client_id = &application.client_id;
        let taken = self.app.mint.take_pushed(reference, client_id, self.now);
        let unknown = || {
            let text = "The request_uri is not one of this client, was used before or has expired.";
            Refusal::new(Code::InvalidRequestUri, text)
        };
        let request = taken.await?.ok_or_else(unknown)?;
        Ok((Reply::of(application, &request)?, Ok(request)))
    }

    /// One of our pages, with the ticket.
    fn to_page(&self, path: &str, ticket: &Ticket) -> Result<String, Fault> {
        let state = self.app.mint.seal_ticket(ticket)?;
        Ok(format!("{}?state={state}", self.app.issuer.join(path)))
    }

    /// Everything is known that the application has said: what the user still has to do, or the answer.
    async fn proceed(&self, reply: Reply, ticket: Ticket) -> Response {
        let locales = ticket.request.ui_locales.clone();
        match self.settle(&reply, ticket).await {
            Ok(Settled::Answer(parameters)) => {
                reply.send(parameters, self.frame(&locales), self.app.issuer.as_str())
            }
            Ok(Settled::Elsewhere(location)) => redirect(&location),
            Err(Stop::Refused(refusal)) => self.refuse(&reply, &refusal, &locales),
            Err(Stop::Fault(fault)) => self.show_early(fault.into(), &locales),
        }
    }

    async fn settle(&self, reply: &Reply, ticket: Ticket) -> Result<Settled, Stop> {
        let app = self.app;
        let signed_in = self.signed_in().await?;
        let session = signed_in.as_ref().map(|own| &own.session);
        // What the request was allowed when it came may have been taken back since.
        let settings = app.directory.settings(Stance::Strict).await?;
        request::check_allowed(&ticket.request, &reply.application, &settings)?;
        let whence = self.origin.clone().into();
        let at_hand = (app.ground(self.position, self.now), app.means(&whence));
        let ruling = authorize::decide(&ticket, &reply.application, session, at_hand).await?;
        let page = |path: &str, ticket: &Ticket| -> Result<Settled, Stop> {
            Ok(Settled::Elsewhere(self.to_page(path, ticket)?))
        };
        let authorization = match ruling {
            Ruling::SignIn if ticket.request.prompt.sign_up_first && app.config.sign_up_allowed => {
                return page("u/signup", &ticket);
            }
            Ruling::SignIn => return page("u/login", &ticket),
            Ruling::Consent(_) => return page("u/consent", &ticket),
            Ruling::Authorized(authorization) => *authorization,
        };
        if let Some(SignedIn { session, .. }) = &signed_in {
            let client_id = reply.application.client_id.as_str();
            app.sessions().note_client(session, client_id).await?;
        }
        let issued = self.issue(reply, ticket.request, authorization).await?;
        Ok(Settled::Answer(issued))
    }

    /// What the application has asked for: a code, and in front-channel flows tokens.
    async fn issue(
        &self,
        reply: &Reply,
        request: AuthorizationRequest,
        authorization: Authorization,
    ) -> Result<Parameters, Stop> {
        let app = self.app;
        let mut parameters = Parameters::new();
        let tokens = if request.response_type.is_front_channel() {
            Some(self.approve(reply, &request, &authorization).await?)
        } else {
            None
        };
        let code = if request.response_type.code {
            let code = CodeRequest {
                redirect_uri: request.redirect_uri.clone(),
                redirect_uri_is_named: request.redirect_uri_is_named,
                code_challenge: request.code_challenge.clone(),
                validity_period: request.validity_period,
                is_pushed: request.is_pushed,
            };
            let lives = (self.now, app.config.tokens.authorization_code_seconds);
            let code = app.mint.issue_code(authorization, code, lives).await?;
            parameters.push(("code", code.expose().clone()));
            Some(code)
        } else {
            None
        };
        if let Some(approved) = tokens {
            let tokens = self.tokens(reply, &request, (approved, code.as_ref()));
            parameters.extend(tokens.await?);
        }
        Ok(parameters)
    }

    /// A front-channel token is a user token that this endpoint delivers (lifetime.md, Words).
    async fn approve(
        &self,
        reply: &Reply,
        request: &AuthorizationRequest,
        authorization: &Authorization,
    ) -> Result<Approved, Stop> {
        let whence = self.origin.clone().into();
        let asked = Asked {
            authorization,
            named: &Named::None,
            scope: None,
            kind: TokenKind::FrontChannel,
            gty: None,
            validity_period: request.validity_period,
            is_unpushed: !request.is_pushed,
        };
        let client = Authenticated {
            application: Arc::clone(&reply.application),
            credential_expires_at: None,
        };
        let at_hand = (
            self.app.ground(self.position, self.now),
            self.app.means(&whence),
        );
        user_token::approve(&asked, &client, at_hand).await
    }

    async fn tokens(
        &self,
        reply: &Reply,
        request: &AuthorizationRequest,
        (approved, code): (Approved, Option<&Secret<String>>),
    ) -> Result<Parameters, Fault> {
        let mint = &self.app.mint;
        let mut parameters = Parameters::new();
        let issued = if request.response_type.token {
            Some(mint.issue(&approved.access, self.now).await?)
        } else {
            None
        };
        if let Some(issued) = &issued {
            parameters.push(("access_token", issued.text.expose().clone()));
            parameters.push(("token_type", "Bearer".to_owned()));
            let seconds = issued.token.expires_in();
            parameters.extend(seconds.map(|seconds| ("expires_in", seconds.to_string())));
            let scope = Some(issued.token.scope.clone()).filter(|scope| !scope.is_empty());
            parameters.extend(scope.map(|scope| ("scope", scope)));
        }
        if let Some(id_token) = approved
            .id_token
            .as_ref()
            .filter(|_| request.response_type.id_token)
        {
            let beside = Beside {
                access_token: issued.as_ref().map(|issued| &issued.text),
                code,
                state: request.state.as_deref(),
            };
            let text = mint.sign_id_token(id_token, beside, self.now).await?;
            parameters.push(("id_token", text.expose().clone()));
        }
        if let Some(issued) = &issued {
            let mut entry = Entry::open(self.app, self.origin.clone(), Kind::RefusedAuthorization);
            entry.is_of(&reply.application);
            let requested = request.validity_period.map(Lifetime::as_integer);
            entry.issued_as(
                (Kind::IssuedInFrontChannel, requested),
                &reply.application,
                (approved, &issued.token),
            );
        }
        Ok(parameters)
    }

    fn refuse(&self, reply: &Reply, refusal: &Refusal, ui_locales: &[String]) -> Response {
        let mut entry = Entry::open(self.app, self.origin.clone(), Kind::RefusedAuthorization);
        entry.is_of(&reply.application);
        entry.refused(refusal);
        tracing::info!(
            error = refusal.code.as_str(),
            description = refusal.description,
            log = refusal.log,
            "an authorization request was refused"
        );
        let issuer = self.app.issuer.as_str();
        reply.refuse(refusal, self.frame(ui_locales), issuer)
    }

    /// There is no way back to an application.
    fn show_early(&self, early: Early, ui_locales: &[String]) -> Response {
        let frame = self.frame(ui_locales);
        let reference = &self.origin.request_id;
        match early {
            Early::Unproven(unproven) => unproven.show(frame, reference),
            Early::Fault(fault) => ErrorPage::apologise(frame, &fault, Some(reference)),
        }
    }
}

enum Settled {
    /// The application gets its answer.
    Answer(Parameters),
    /// The user goes on at one of our pages.
    Elsewhere(String),
}
