//! The parts of a node before it serves.

use std::sync::Arc;

use grantor::app::App;
use grantor::background::Background;
use grantor::clock::Clock;
use grantor::config;
use grantor::model::issuer::Issuer;
use tokio::net::TcpListener;

use super::{Database, environment};

/// What `grantor::serve::serve` takes.
pub(crate) struct Parts {
    pub(crate) app: Arc<App>,
    pub(crate) listener: TcpListener,
    pub(crate) background: Background,
}

impl Parts {
    pub(super) async fn prepare(
        database: &Database,
        settings: &[(String, String)],
        clock: Clock,
    ) -> Self {
        let defaults =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/identity.toml");
        let environment = environment(database, settings)
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()));
        let config = config::load(Some(&defaults), environment)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .config;
        let listener = TcpListener::bind(config.server.listen).await.unwrap();
        let bound = listener.local_addr().unwrap();
        let issuer = Issuer::new(config.issuer_at(bound));
        let background = Background::default();
        // On the heap: what a start takes is too much for the stack of every test.
        let starting = Box::pin(App::start(config, issuer, clock, &background));
        let (app, _) = starting.await.unwrap();
        Self {
            app,
            listener,
            background,
        }
    }
}
