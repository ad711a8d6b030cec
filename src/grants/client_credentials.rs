//! RFC 6749 §4.4: an application gets a token for itself.

use super::targets::{self, Target};
use super::{Authenticated, Ground};
use crate::lifetime::{self, Decision, Lifetime, TokenKind};
use crate::model::application::CLIENT_CREDENTIALS;
use crate::model::audience::Named;
use crate::model::client_grant::SubjectType;
use crate::model::refusal::Stop;
use crate::model::scope::Scopes;
use crate::tokens::issue::Approval;

/// What the request asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The APIs.
    pub named: Named,
    /// The scopes; none: all that are granted.
    pub scope: Option<Scopes>,
    /// How long the token is to live.
    pub validity_period: Option<Lifetime>,
}

/// Auth0's `gty` for this grant.
const GTY: &str = "client-credentials";

pub(super) async fn decide(
    request: &Request,
    client: &Authenticated,
    ground: Ground<'_>,
) -> Result<Approval, Stop> {
    let application = &client.application;
    if application.is_public() {
        return Err(super::not_allowed(CLIENT_CREDENTIALS).into());
    }
    super::check_grant_type(application, CLIENT_CREDENTIALS)?;
    let targets = targets::find(&request.named, application, SubjectType::Client, ground).await?;
    let scope = targets::scopes(&targets, request.scope.as_ref())?;
    let decision = decide_lifetime(request.validity_period, &targets, client, ground);
    Ok(Approval {
        client_id: application.client_id.clone(),
        subject: format!("{}@clients", application.client_id),
        scope: scope.to_text(),
        apis: targets.into_iter().map(|target| target.api).collect(),
        opens_userinfo: false,
        userinfo_claims: Vec::new(),
        decision,
        gty: Some(GTY),
        family: None,
        signed_in: None,
        position: ground.position,
    })
}

fn decide_lifetime(
    validity_period: Option<Lifetime>,
    targets: &[Target],
    client: &Authenticated,
    ground: Ground<'_>,
) -> Decision {
    let terms = targets.iter().map(|target| target.terms(ground.now));
    let terms: Vec<_> = terms.collect();
    let request = lifetime::Request {
        kind: TokenKind::Application,
        validity_period,
        unpushed_authorization: false,
        application: client.application.lifetimes,
        credential_expires_in: client.expires_in(ground.now),
        subject_token_expires_in: None,
    };
    lifetime::decide(ground.lifetimes, &terms, &request)
}
