//! A node without one of its vital background tasks stops, so that whoever supervises it starts it again.

use std::time::Duration;

use grantor::serve::serve;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::harness::{Parts, both_stores};

/// Every vital task of a node without TLS. The program itself adds `log report`, and TLS `certificate renewal`.
const VITAL: [&str; 7] = [
    "feed listener",
    "feed reader",
    "group commit",
    "sweep",
    "uses of secrets",
    "audit",
    "logout notices",
];
/// What the end of a node may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

both_stores! {
    async fn a_node_stops_and_says_which_task_has_ended(world: World) {
        assert_eq!(world.node.app.background.vital_names(), VITAL);
        for name in VITAL {
            let Parts { app, listener, background } = world.parts_of_another_node().await;
            let address = listener.local_addr().unwrap();
            let served = tokio::spawn(serve(app, listener, background.clone(), CancellationToken::new()));
            drop(TcpStream::connect(address).await.unwrap());
            assert!(background.abort_vital(name));
            let ended = timeout(PATIENCE, served).await.expect("an end").unwrap();
            let text = ended.unwrap_err().to_string();
            assert!(text.contains(&format!("'{name}' has ended")), "{text}");
            TcpStream::connect(address).await.unwrap_err();
        }
    }
}
