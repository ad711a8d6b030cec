//! What userinfo tells of a user (OpenID Connect Core §5.3): always as the user is now.

use serde_json::{Map, Value};

use crate::model::authorization::{ClaimRequest, ClaimsRequest};
use crate::model::claims;
use crate::model::fault::Fault;
use crate::model::scope::Scopes;
use crate::model::token::Token;
use crate::store::{self, Conn, Store};

/// The claims that a token opens, `sub` among them (§5.3.2); none where the user is gone or blocked.
/// `userinfo` is the audience of this endpoint itself, and `now` are unix seconds.
///
/// # Errors
/// A fault of the store.
pub async fn tell(
    token: &Token,
    store: &Store,
    userinfo: &str,
    now: i64,
) -> Result<Option<Map<String, Value>>, Fault> {
    let mut conn = store.read().await?;
    let user = store::users::get(&mut conn, &token.subject).await?;
    let Some(user) = user.filter(|user| !user.blocked) else {
        return Ok(None);
    };
    let single = single_claims(token, &mut conn, userinfo, now).await?;
    let mut told = claims::of_user(&user, &Scopes::parse(&token.scope), &single.userinfo);
    told.insert("sub".to_owned(), user.user_id.into());
    Ok(Some(told))
}

/// The claims that were requested one by one, to which the user's consent still holds at everything that
/// the token is for.
async fn single_claims(
    token: &Token,
    conn: &mut Conn,
    userinfo: &str,
    now: i64,
) -> Result<ClaimsRequest, Fault> {
    let names = token.userinfo_claims.iter();
    let requested = ClaimsRequest {
        userinfo: names
            .map(|name| (name.clone(), ClaimRequest::default()))
            .collect(),
        ..ClaimsRequest::default()
    };
    if requested.is_empty() {
        return Ok(requested);
    }
    let grants = store::user_grants::of_user_at(conn, &token.subject, &token.client_id).await?;
    let apis = token.audiences.iter().map(String::as_str);
    let apis = apis.filter(|audience| *audience != userinfo);
    let mut places: Vec<Option<&str>> = apis.map(Some).collect();
    if places.is_empty() {
        places.push(None);
    }
    let holds_at = |place: Option<&str>, scope: &str| {
        let mut grants = grants.iter().filter(|grant| grant.is_live(now));
        grants.any(|grant| grant.audience.as_deref() == place && grant.scopes.contains(scope))
    };
    Ok(requested.limited_to(|scope| places.iter().all(|place| holds_at(*place, scope))))
}
