//! Every page and mail as people see it, on loopback: `cargo run --example pages`, for whoever works
//! on templates, styles or texts. The headers are the real ones. `GRANTOR_BRANDING__…` sets the brand.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "it shows samples to whoever started it, and says where"
)]

mod samples;

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use grantor::config;
use grantor::login::{Language, Pages};
use grantor::model::issuer::Issuer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let issuer = Issuer::new(format!("http://{}/", listener.local_addr()?));
    eprintln!("{}", issuer.as_str());
    let branding = config::load(None, std::env::vars_os())?.config.branding;
    let routes = Router::new()
        .route("/", get(index))
        .route("/{language}/{name}", get(page))
        .route("/u/assets/{file}", get(asset))
        .with_state(Pages::new(&branding, &issuer));
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn index(State(pages): State<Arc<Pages>>) -> Html<String> {
    let mut list = String::new();
    for language in Language::ALL {
        let tag = language.tag();
        for (name, _) in samples::all(pages.frame(language)) {
            // Writing to a String cannot fail.
            let _ = writeln!(list, r#"<li><a href="/{tag}/{name}">{tag} {name}</a></li>"#);
        }
    }
    Html(format!(
        "<!doctype html><title>Pages</title><ul>{list}</ul>"
    ))
}

async fn page(
    State(pages): State<Arc<Pages>>,
    Path((tag, name)): Path<(String, String)>,
) -> Response {
    let language = Language::ALL
        .into_iter()
        .find(|language| language.tag() == tag);
    let samples = language.map(|language| samples::all(pages.frame(language)));
    let mut found = samples
        .into_iter()
        .flatten()
        .filter(|(own, _)| *own == name);
    found
        .next()
        .map_or_else(|| StatusCode::NOT_FOUND.into_response(), |(_, page)| page)
}

async fn asset(State(pages): State<Arc<Pages>>, Path(file): Path<String>) -> Response {
    let found = pages.asset(&file);
    found.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}
