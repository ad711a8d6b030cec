//! Ending families of refresh tokens, one or many, each with its record.

use serde_json::json;

use super::super::call::Admin;
use super::audiences;
use crate::app::App;
use crate::model::fault::Fault;
use crate::model::record::{Kind, Record};
use crate::model::refresh::Family;
use crate::store::refresh_families::Filter;
use crate::store::{self, PageStart, Write};

/// Families that are read at one time where all of them end.
const AT_A_TIME: i64 = 500;

/// Ends families, each with its record in the audit.
pub(in super::super) struct Ending<'a> {
    app: &'a App,
    admin: &'a Admin,
}

impl<'a> Ending<'a> {
    pub(in super::super) fn of(app: &'a App, admin: &'a Admin) -> Self {
        Self { app, admin }
    }

    /// A family: its refresh tokens and its access tokens.
    pub(in super::super) async fn one(&self, tx: &mut Write, family: &Family) -> Result<(), Fault> {
        let authorization = &family.authorization;
        store::families::revoke(tx, &authorization.family, self.admin.now).await?;
        let whence = self.admin.origin.clone().into();
        let now = self.app.clock.now_millis();
        let apis: Vec<String> = audiences(&authorization.apis).map(str::to_owned).collect();
        let record = Record::new(Kind::RevokedRefreshToken, now, &whence, None)
            .by(Some(&self.admin.caller.client_id), None)
            .about_user(&authorization.user_id)
            .of_token(&apis, &authorization.scope().to_text())
            .says("Refresh token revoked by an administrator")
            .with("refresh_token_id", family.id().into())
            .with("object", json!({ "client_id": authorization.client_id }));
        tx.record(record);
        Ok(())
    }

    /// Every family that the filter lets through; how many there were.
    pub(in super::super) async fn all(
        &self,
        tx: &mut Write,
        filter: &Filter,
    ) -> Result<usize, Fault> {
        let mut ended = 0;
        loop {
            let first = PageStart::Offset(0);
            let families = store::refresh_families::list(tx, filter, &first, AT_A_TIME).await?;
            if families.is_empty() {
                return Ok(ended);
            }
            for family in &families {
                self.one(tx, family).await?;
            }
            ended += families.len();
        }
    }
}
