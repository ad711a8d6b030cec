//! The audit of what the Management API refuses: who tried to change what it may not, or could not.

use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::App;
use crate::audit::Failure;
use crate::model::record::{Kind, Whence};
use crate::wire::is_management;
use crate::wire::origin::Origin;

/// In the extensions of a request: the application that holds its token, once that is known.
#[derive(Clone, Default)]
pub(crate) struct Asker(Arc<OnceLock<String>>);

impl Asker {
    /// The token is good, and this application's.
    pub(crate) fn is(&self, client_id: &str) {
        // A call that reads a body recognises its token twice, and finds the same.
        self.0.get_or_init(|| client_id.to_owned());
    }
}

/// In the extensions of an answer: what was refused.
#[derive(Clone)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// Records refused changes, and reading without the right to.
pub(crate) async fn record(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    if !is_management(request.uri().path()) {
        return next.run(request).await;
    }
    let asker = Asker::default();
    request.extensions_mut().insert(asker.clone());
    let is_change = request.method() != Method::GET && request.method() != Method::HEAD;
    let origin = request.extensions().get::<Origin>().cloned();
    let response = next.run(request).await;
    let status = response.status();
    let is_denied = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if (is_change || is_denied)
        && let Some(refused) = response.extensions().get::<Refused>()
    {
        app.audit.refused(&Failure {
            kind: Kind::RefusedChange,
            whence: &origin.map(Whence::from).unwrap_or_default(),
            client_id: asker.0.get().map(String::as_str),
            client_name: None,
            user_id: None,
            code: refused.code,
            description: &refused.message,
            log: "",
            status: status.as_u16(),
        });
    }
    response
}
