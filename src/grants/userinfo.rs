//! What userinfo tells of a user (OpenID Connect Core §5.3): always as the user is now.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::authorization::ClaimRequest;
use crate::model::claims;
use crate::model::fault::Fault;
use crate::model::scope::Scopes;
use crate::model::token::Token;
use crate::store::{self, Store};

/// The claims that a token opens, `sub` among them (§5.3.2); none where the user is gone or blocked.
///
/// # Errors
/// A fault of the store.
pub async fn tell(token: &Token, store: &Store) -> Result<Option<Map<String, Value>>, Fault> {
    let user = store::users::get(&mut *store.read().await?, &token.subject).await?;
    let Some(user) = user.filter(|user| !user.blocked) else {
        return Ok(None);
    };
    let asked = token.userinfo_claims.iter();
    let asked: BTreeMap<_, _> = asked
        .map(|name| (name.clone(), ClaimRequest::default()))
        .collect();
    let mut told = claims::of_user(&user, &Scopes::parse(&token.scope), &asked);
    told.insert("sub".to_owned(), user.user_id.into());
    Ok(Some(told))
}
