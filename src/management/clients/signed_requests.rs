//! `signed_request_object` of an application: whether its authorization requests have to be signed
//! (RFC 9101), and by which keys they may be, beside those that it authenticates by.

use serde_json::{Map, Value, json};

use super::super::answer::Problem;
use super::super::credentials;
use super::authentication::{ID, known};
use crate::model::application::Application;
use crate::model::client_credential::CREDENTIALS_MAX;
use crate::store::Write;
use crate::wire::schema::{Field, Fields, boolean, object, objects};

const NAME: &str = "signed_request_object";

/// At the creation of an application: with whole credentials.
pub(super) const CREATE_TABLE: &[Field] = &[object(NAME, CREATED).or_null()];
/// In a change, and as it is shown: with ids of credentials that are stored.
pub(super) const UPDATE_TABLE: &[Field] = &[object(NAME, UPDATED).or_null()];

const CREATED: &[Field] = &[
    boolean("required"),
    objects("credentials", CREDENTIALS_MAX, credentials::TABLE),
];
const UPDATED: &[Field] = &[
    boolean("required"),
    objects("credentials", CREDENTIALS_MAX, ID),
];

/// What a body says: absent, null, or the members.
pub(super) struct Named(Option<Option<Fields>>);

/// Takes the field out of a body.
pub(super) fn read(fields: &mut Fields) -> Named {
    Named(fields.object_or_null(NAME))
}

impl Named {
    /// Gives a new application the credentials that stand in the body.
    pub(super) fn give(self, application: &mut Application, now: i64) -> Result<(), Problem> {
        let Some(Some(mut members)) = self.0 else {
            return Ok(());
        };
        let mut ids = Vec::new();
        for mut fields in members.objects("credentials").unwrap_or_default() {
            let credential = credentials::read(&mut fields, now)?;
            ids.push(credential.id.clone());
            application.request_credentials.push(credential);
        }
        keep(application, Some((&mut members, ids)));
        Ok(())
    }

    /// Lays it over a stored application, whose row is locked. A key that signs requests proves nothing
    /// else, so naming one hands out nothing.
    pub(super) async fn change(
        self,
        tx: &mut Write,
        application: &mut Application,
    ) -> Result<(), Problem> {
        let Some(named) = self.0 else {
            return Ok(());
        };
        let Some(mut members) = named else {
            keep(application, None);
            return Ok(());
        };
        let named = members.objects("credentials").unwrap_or_default();
        let ids = known(tx, &application.client_id, named).await?;
        keep(application, Some((&mut members, ids)));
        Ok(())
    }
}

/// As it is shown.
fn keep(application: &mut Application, named: Option<(&mut Fields, Vec<String>)>) {
    let value = named.map_or(Value::Null, |(members, ids)| {
        let is_required = members.boolean("required") == Some(true);
        let mut own = Map::from_iter([("required".to_owned(), is_required.into())]);
        if !ids.is_empty() {
            let ids = ids.into_iter().map(|id| json!({ "id": id }));
            own.insert("credentials".to_owned(), ids.collect());
        }
        own.into()
    });
    let named = Map::from_iter([(NAME.to_owned(), value)]);
    application.described.overlay(named);
}
