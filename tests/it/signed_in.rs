//! What users have at applications, for the stories of administrators: put into the store, as a sign-in
//! and a consent do.

use grantor::app::App;
use grantor::model::authorization::{Authorization, ClaimsRequest};
use grantor::model::record::{Kind, Record, Whence};
use grantor::model::refresh::Family;
use grantor::model::session::{Device, Session};
use grantor::model::sign_in::RefreshTerms;
use grantor::secret::random_text;
use grantor::store::group::Operation;
use grantor::store::refresh_families::NewFamily;
use grantor::store::sessions;
use grantor::tokens::refresh::new_family;

fn device() -> Device {
    Device {
        initial_ip: Some("192.0.2.1".into()),
        initial_user_agent: Some("A browser".into()),
        last_ip: Some("192.0.2.2".into()),
        last_user_agent: None,
    }
}

/// Signs a user in, in one browser, to these applications; the session's id.
pub(crate) async fn sign_in(app: &App, user_id: &str, clients: &[&str]) -> String {
    let now = app.clock.now();
    let id = random_text(16);
    let session = Session {
        id: id.clone(),
        user_id: user_id.to_owned(),
        position: app.directory.position(),
        amr: vec!["pwd".into()],
        is_persistent: true,
        device: device(),
        metadata: serde_json::Map::new(),
        created_at: now,
        updated_at: now,
        authenticated_at: now,
        last_interacted_at: now,
        expires_at: now + 604_800,
    };
    let mut tx = app.store.write().await.unwrap();
    let digest = format!("digest of {id}");
    sessions::insert(&mut tx, &session, &digest).await.unwrap();
    tx.commit(now).await.unwrap();
    for client_id in clients {
        let touch = Operation::TouchSession {
            id: id.clone(),
            user_id: user_id.to_owned(),
            client_id: Some((*client_id).to_owned()),
        };
        app.mint.door.commit(touch).await.unwrap();
    }
    id
}

/// A family of refresh tokens for userinfo, of which nobody knows the text; its id.
pub(crate) async fn family(app: &App, user_id: &str, client_id: &str) -> String {
    let now = app.clock.now();
    let authorization = Authorization {
        family: new_family(),
        client_id: client_id.to_owned(),
        user_id: user_id.to_owned(),
        session_id: None,
        openid: ["openid", "offline_access"].into_iter().collect(),
        apis: Vec::new(),
        authenticated_at: now,
        amr: vec!["pwd".into()],
        nonce: None,
        claims: ClaimsRequest::default(),
        position: app.directory.position(),
    };
    let id = authorization.family.clone();
    let begins = (RefreshTerms::usual(false), device());
    let new = NewFamily {
        family: Family::begin(authorization, format!("digest of {id}"), begins, now),
        families_max: 100,
        evicted: Record::new(
            Kind::RevokedRefreshToken,
            now * 1000,
            &Whence::default(),
            None,
        ),
    };
    let operation = Operation::StoreFamily(Box::new(new));
    app.mint.door.commit(operation).await.unwrap();
    id
}
