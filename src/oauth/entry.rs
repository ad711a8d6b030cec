//! The audit's entry of a protocol request: who asked from where, filled in as it becomes known, and
//! at the end what became of it.

use axum::http::HeaderMap;

use super::client_auth::Presented;
use super::error::status;
use crate::app::App;
use crate::audit::{Failure, Issuance};
use crate::grants::authorization_code::AUTHORIZATION_CODE;
use crate::grants::refresh_token::REFRESH_TOKEN;
use crate::grants::{Approved, Authenticated, GrantRequest};
use crate::lifetime::Lifetime;
use crate::model::application::{Application, CLIENT_CREDENTIALS};
use crate::model::authorization::Authorization;
use crate::model::record::{Kind, Record, Whence};
use crate::model::refusal::{Refusal, Stop};
use crate::model::token::Token;
use crate::wire::origin::Origin;
use crate::wire::params::Params;

/// Longest grant type that is looked at.
const GRANT_TYPE_BYTES_MAX: usize = 200;

/// An entry that is being written.
pub(super) struct Entry<'a> {
    app: &'a App,
    whence: Whence,
    /// What it is if it is refused now.
    refused: Kind,
    client_id: Option<String>,
    client_name: Option<String>,
}

impl<'a> Entry<'a> {
    pub(super) fn open(app: &'a App, origin: Origin, refused: Kind) -> Self {
        Self {
            app,
            whence: origin.into(),
            refused,
            client_id: None,
            client_name: None,
        }
    }

    /// Which request it is.
    pub(super) const fn whence(&self) -> &Whence {
        &self.whence
    }

    /// What a token request that cannot be read says of itself all the same.
    pub(super) fn claims(&mut self, headers: &HeaderMap, params: &Params) {
        match params.text("grant_type", GRANT_TYPE_BYTES_MAX) {
            Ok(Some(CLIENT_CREDENTIALS)) => self.refused = Kind::RefusedClientCredentials,
            Ok(Some(AUTHORIZATION_CODE)) => self.refused = Kind::RefusedAuthorizationCode,
            Ok(Some(REFRESH_TOKEN)) => self.refused = Kind::RefusedRefreshToken,
            _ => {}
        }
        if let Ok(presented) = Presented::read(headers, params) {
            self.is_asked_by(&presented);
        }
    }

    /// A token request that was read.
    pub(super) fn asks(&mut self, presented: &Presented, grant: &GrantRequest) {
        self.refused = match grant {
            GrantRequest::ClientCredentials(_) => Kind::RefusedClientCredentials,
            GrantRequest::AuthorizationCode(_) => Kind::RefusedAuthorizationCode,
            GrantRequest::RefreshToken(_) => Kind::RefusedRefreshToken,
            GrantRequest::Password(_) => Kind::RefusedPassword,
        };
        self.is_asked_by(presented);
    }

    /// Somebody says who it is.
    pub(super) fn is_asked_by(&mut self, presented: &Presented) {
        self.client_id = Some(presented.client_id().to_owned());
    }

    /// An application presents an access token of its own.
    pub(super) fn is_held_by(&mut self, token: &Token) {
        self.client_id = Some(token.client_id.clone());
    }

    /// Somebody has proven who it is.
    pub(super) fn is_of(&mut self, application: &Application) {
        self.client_id = Some(application.client_id.clone());
        self.client_name = Some(application.name.clone());
    }

    /// A token was issued: requested, granted and the rule go along.
    pub(super) fn issued(
        &self,
        grant: &GrantRequest,
        client: &Authenticated,
        (approved, token): (Approved, &Token),
    ) {
        let kind = match grant {
            GrantRequest::ClientCredentials(_) => Kind::IssuedForClientCredentials,
            GrantRequest::AuthorizationCode(_) => Kind::IssuedForAuthorizationCode,
            GrantRequest::RefreshToken(_) => Kind::IssuedForRefreshToken,
            GrantRequest::Password(_) => Kind::IssuedForPassword,
        };
        let requested = grant.validity_period().map(Lifetime::as_integer);
        self.issued_as((kind, requested), &client.application, (approved, token));
    }

    /// The same, however it was come by.
    pub(super) fn issued_as(
        &self,
        (kind, requested): (Kind, Option<i64>),
        application: &Application,
        (approved, token): (Approved, &Token),
    ) {
        let approval = approved.access;
        self.app.audit.issued(Issuance {
            kind,
            whence: self.whence.clone(),
            client_id: application.client_id.clone(),
            client_name: Some(application.name.clone()),
            user: approved.user,
            by: None,
            apis: approval.apis,
            scope: approval.scope,
            jti: token.jti.clone(),
            issued_at: token.issued_at,
            requested,
            granted: approval.decision.lifetime.as_integer(),
            rule: approval.decision.rule.as_str(),
        });
    }

    /// The record of a token's revocation, for its own transaction.
    pub(super) fn revoked(&self, token: &Token) -> Record {
        let date_ms = self.app.clock.now_millis();
        Record::new(Kind::RevokedAccessToken, date_ms, &self.whence, Some(200))
            .by(self.client_id.as_deref(), self.client_name.as_deref())
            .of_token(&token.audiences, &token.scope)
            .says("Access token revoked")
            .with("jti", token.jti.as_str().into())
    }

    /// The same of a refresh token, which takes the access tokens of its family along.
    pub(super) fn gave_back(&self, authorization: &Authorization) -> Record {
        let date_ms = self.app.clock.now_millis();
        let apis = authorization.apis.iter();
        let audiences: Vec<String> = apis.map(|api| api.audience.clone()).collect();
        Record::new(Kind::RevokedRefreshToken, date_ms, &self.whence, Some(200))
            .by(self.client_id.as_deref(), self.client_name.as_deref())
            .about_user(&authorization.user_id)
            .of_token(&audiences, &authorization.scope().to_text())
            .says("Refresh token revoked, and the access tokens that came by it")
            .with("refresh_token_id", authorization.family.as_str().into())
    }

    /// Hands the answer on; where it is a refusal, that is recorded.
    pub(super) fn close<T>(self, answered: Result<T, Stop>) -> Result<T, Stop> {
        if let Err(Stop::Refused(refusal)) = &answered {
            self.refused(refusal);
        }
        answered
    }

    /// Records a refusal.
    pub(super) fn refused(&self, refusal: &Refusal) {
        self.app.audit.refused(&Failure {
            kind: refusal.kind.unwrap_or(self.refused),
            whence: &self.whence,
            client_id: self.client_id.as_deref(),
            client_name: self.client_name.as_deref(),
            user_id: refusal.user_id.as_deref(),
            code: refusal.code.as_str(),
            description: &refusal.description,
            log: &refusal.log,
            status: status(refusal.code).as_u16(),
        });
    }
}
