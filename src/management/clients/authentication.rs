//! `client_authentication_methods` of an application: which of its credentials it proves itself by.
//! Where it is set, `token_endpoint_auth_method` is null and no secret counts.

use serde_json::{Value, json};

use super::super::access::{may_become, require};
use super::super::answer::Problem;
use super::super::call::Admin;
use super::super::credentials;
use crate::app::App;
use crate::model::application::Application;
use crate::model::client_credential::CREDENTIALS_MAX;
use crate::store::{self, Write};
use crate::wire::bearer::Caller;
use crate::wire::schema::{Field, Fields, free, is_null, object, objects, text};

const NAME: &str = "client_authentication_methods";
const METHOD: &str = "token_endpoint_auth_method";
const NO_MUTUAL_TLS: &str = "mutual TLS is not built yet.";
const NO_METHOD: &str =
    "private_key_jwt takes its place: one of the two is null (client_secret_jwt is not offered)";
/// Longest object that describes a method which is not built.
const UNBUILT_BYTES_MAX: usize = 100_000;

/// At the creation of an application: with whole credentials.
pub(super) const CREATE_TABLE: &[Field] = &[object(NAME, CREATED).or_null()];
/// In a change, and as it is shown: with ids of credentials that are stored.
pub(super) const UPDATE_TABLE: &[Field] = &[object(NAME, UPDATED).or_null()];

const CREATED: &[Field] = &[
    object(
        "private_key_jwt",
        &[objects("credentials", CREDENTIALS_MAX, credentials::TABLE).required()],
    ),
    MUTUAL_TLS[0],
    MUTUAL_TLS[1],
];
const UPDATED: &[Field] = &[
    object(
        "private_key_jwt",
        &[objects("credentials", CREDENTIALS_MAX, ID).required()],
    ),
    MUTUAL_TLS[0],
    MUTUAL_TLS[1],
];
/// A credential that is stored.
pub(super) const ID: &[Field] = &[text("id", 1, 255).required()];
const MUTUAL_TLS: [Field; 2] = [
    free("tls_client_auth", UNBUILT_BYTES_MAX)
        .or_null()
        .unbuilt(is_null, NO_MUTUAL_TLS),
    free("self_signed_tls_client_auth", UNBUILT_BYTES_MAX)
        .or_null()
        .unbuilt(is_null, NO_MUTUAL_TLS),
];

/// What a body says.
pub(super) struct Named {
    /// Absent, null, or the members of each credential.
    methods: Option<Option<Vec<Fields>>>,
    names_method: bool,
}

/// Keys need the scope of keys, secrets that of secrets, and all else that of applications.
pub(super) fn require_scopes(caller: &Caller, fields: &Fields) -> Result<(), Problem> {
    if fields.names(NAME) {
        require(caller, &["update:client_credentials"])?;
    }
    if fields.names_other_than(&["client_secret", NAME]) {
        require(caller, &["update:clients"])?;
    }
    Ok(())
}

/// As Auth0 shows it.
pub(super) fn show(application: &Application) -> Option<Value> {
    let ids = application.private_key_jwt.as_ref()?;
    let credentials: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
    Some(json!({ "private_key_jwt": { "credentials": credentials } }))
}

/// Takes the field out of a body.
pub(super) fn read(fields: &mut Fields) -> Result<Named, Problem> {
    let names_method = fields.names(METHOD);
    let methods = match fields.object_or_null(NAME) {
        None => None,
        Some(None) => Some(None),
        Some(Some(mut methods)) => {
            let by_key = methods.object("private_key_jwt");
            let credentials = by_key.and_then(|mut own| own.objects("credentials"));
            let credentials = credentials.ok_or_else(|| {
                Problem::property(NAME, "Expected private_key_jwt, the method that is built")
            })?;
            Some(Some(credentials))
        }
    };
    Ok(Named {
        methods,
        names_method,
    })
}

impl Named {
    /// Gives a new application the credentials that stand in the body.
    pub(super) fn give(self, application: &mut Application, now: i64) -> Result<(), Problem> {
        let Some(Some(named)) = self.methods else {
            return Ok(());
        };
        check_method(self.names_method, application)?;
        let mut ids = Vec::with_capacity(named.len());
        for mut fields in named {
            let credential = credentials::read(&mut fields, now)?;
            ids.push(credential.id.clone());
            application.credentials.push(credential);
        }
        application.private_key_jwt = Some(ids);
        Ok(())
    }

    /// Attaches and detaches; the application's row is locked, and its other fields are laid over it
    /// already. Taking a credential away hands out nothing; attaching one does, and so does going
    /// back to secrets, which wakes those that are stored.
    pub(super) async fn change(
        self,
        app: &App,
        tx: &mut Write,
        admin: &Admin,
        application: &mut Application,
    ) -> Result<(), Problem> {
        let Some(methods) = self.methods else {
            return match application.private_key_jwt {
                Some(_) => check_method(self.names_method, application),
                None => Ok(()),
            };
        };
        let client_id = application.client_id.clone();
        let wanted = match methods {
            None => None,
            Some(named) => {
                check_method(self.names_method, application)?;
                Some(known(tx, &client_id, named).await?)
            }
        };
        let hands_out = match (&application.private_key_jwt, &wanted) {
            (Some(before), Some(wanted)) => wanted.iter().any(|id| !before.contains(id)),
            (None, None) => false,
            _ => true,
        };
        if hands_out {
            may_become(app, tx, &admin.caller, &client_id).await?;
        }
        store::client_credentials::attach(tx, &client_id, wanted.as_deref()).await?;
        application.private_key_jwt = wanted;
        Ok(())
    }
}

/// Stores the credentials that a body has brought, once the application itself is stored.
pub(super) async fn insert(tx: &mut Write, application: &Application) -> Result<(), Problem> {
    let client_id = &application.client_id;
    let further = &application.request_credentials;
    for credential in application.credentials.iter().chain(further) {
        credentials::insert(tx, client_id, credential).await?;
    }
    let ids = application.private_key_jwt.as_deref();
    store::client_credentials::attach(tx, client_id, ids).await?;
    Ok(())
}

/// A method that is stored gives way; one that the same body names does not.
fn check_method(names_method: bool, application: &mut Application) -> Result<(), Problem> {
    if names_method && application.token_endpoint_auth_method.is_some() {
        return Err(Problem::property(METHOD, NO_METHOD));
    }
    application.token_endpoint_auth_method = None;
    Ok(())
}

/// The ids, each of a credential of the application, each once.
pub(super) async fn known(
    tx: &mut Write,
    client_id: &str,
    named: Vec<Fields>,
) -> Result<Vec<String>, Problem> {
    let stored = store::client_credentials::of_application(tx, client_id).await?;
    let mut ids: Vec<String> = Vec::with_capacity(named.len());
    for mut fields in named {
        let path = fields.path("id");
        let id = fields.text("id").unwrap_or_default();
        if !stored.iter().any(|own| own.id == id) {
            return Err(Problem::property(&path, "Not a credential of the client"));
        }
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}
