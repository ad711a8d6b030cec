//! How an authorization request arrives: in parameters, in a request object that the application has
//! signed (RFC 9101), or as the reference of one that was pushed before (RFC 9126).

use std::borrow::Cow;

use super::request::Terms;
use crate::model::application::Application;
use crate::model::refusal::{Code, Refusal};
use crate::tokens::pushed::is_reference;
use crate::tokens::request_object::{self, REQUEST_OBJECT_BYTES_MAX};
use crate::wire::params::Params;

/// Longest `request_uri`, in bytes.
const URI_BYTES_MAX: usize = 2000;

/// The reference of a request that was pushed here, where the request brings one: of the rest of its
/// parameters only `client_id` counts (RFC 9126 §4).
///
/// # Errors
/// `invalid_request` where it brings a request object as well (RFC 9101 §5).
pub(super) fn reference(params: &Params) -> Result<Option<&str>, Refusal> {
    let uri = params.text("request_uri", URI_BYTES_MAX)?;
    if uri.is_some() && params.text("request", REQUEST_OBJECT_BYTES_MAX)?.is_some() {
        let text = "'request' and 'request_uri' in one request.";
        return Err(Refusal::invalid_request(text));
    }
    Ok(uri.filter(|uri| is_reference(uri)))
}

/// The parameters that count: where there is a request object, those in it and no others (RFC 9101
/// §6.3).
///
/// # Errors
/// What is wrong with it, or that there has to be one. What we do not take is said by its own name
/// (OpenID Connect Core §6 and §7.2.1).
pub(super) fn counted<'p>(
    params: &'p Params,
    application: &Application,
    terms: Terms<'_>,
) -> Result<Cow<'p, Params>, Refusal> {
    let unsupported = [
        ("request_uri", Code::RequestUriNotSupported),
        ("registration", Code::RegistrationNotSupported),
    ];
    for (name, code) in unsupported {
        if params.text(name, usize::MAX)?.is_some() {
            let text = format!("Parameter '{name}' is not supported.");
            return Err(Refusal::new(code, text));
        }
    }
    let Some(text) = params.text("request", REQUEST_OBJECT_BYTES_MAX)? else {
        if application.sign_in.must_sign_requests {
            let text = "The client's authorization requests must be signed request objects.";
            return Err(Refusal::invalid_request(text));
        }
        return Ok(Cow::Borrowed(params));
    };
    let refused = |why: &str| {
        let text = format!("The request object is refused: {why}.");
        Refusal::new(Code::InvalidRequestObject, text)
    };
    let opened = request_object::open(text, application, &terms.mint.issuer, terms.now);
    let opened = opened.map_err(refused)?;
    let inner = Params::of_object(opened).map_err(|why| refused(&why.description))?;
    Ok(Cow::Owned(inner))
}
