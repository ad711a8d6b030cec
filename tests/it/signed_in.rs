//! A user's sessions for the stories of administrators: put into the store, as a sign-in does.

use grantor::model::session::{Device, Session};
use grantor::store::{self, group};

use crate::away::write;
use crate::harness::Node;

/// Signs a user in, in one browser; the session's id.
pub(crate) async fn sign_in(node: &Node, user_id: &str, clients: &[&str]) -> String {
    let now = node.app.clock.now();
    let id = grantor::secret::random_text(16);
    let session = Session {
        id: id.clone(),
        user_id: user_id.to_owned(),
        position: node.app.directory.position(),
        amr: vec!["pwd".into()],
        is_persistent: true,
        device: Device {
            initial_ip: Some("192.0.2.1".into()),
            initial_user_agent: Some("A browser".into()),
            last_ip: Some("192.0.2.2".into()),
            last_user_agent: None,
        },
        metadata: serde_json::Map::new(),
        created_at: now,
        updated_at: now,
        authenticated_at: now,
        last_interacted_at: now,
        expires_at: now + 604_800,
    };
    write(node, now, async |tx| {
        store::sessions::insert(tx, &session, &format!("digest of {id}"))
            .await
            .unwrap();
    })
    .await;
    for client_id in clients {
        let touch = group::Operation::TouchSession {
            id: id.clone(),
            client_id: Some((*client_id).to_owned()),
        };
        node.app.mint.door.commit(touch).await.unwrap();
    }
    id
}
