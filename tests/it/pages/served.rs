//! What lies around the pages on the way: the guard against forged posts, and the files they load.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use grantor::login::{Language, Pages, refuse_forged_posts};
use grantor::model::issuer::Issuer;
use reqwest::Client;
use tokio::net::TcpListener;

use super::{POLICY, branding, html, sample};

/// Our posts and files on a listener of their own; the base of its addresses.
async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let issuer = Issuer::new("https://id.example.com/".to_owned());
    let pages = Pages::new(&branding(&[]), &issuer);
    let posts = Router::new().route("/u/login", post(async || "done").get(async || "page"));
    let routes = refuse_forged_posts(posts, &pages, &issuer).route("/u/assets/{file}", get(asset));
    let routes = routes.with_state(pages);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    base
}

async fn asset(State(pages): State<Arc<Pages>>, Path(file): Path<String>) -> Response {
    let found = pages.asset(&file);
    found.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

#[tokio::test]
async fn a_post_from_another_site_is_refused_with_a_page() {
    let (client, url) = (Client::new(), format!("{}/u/login", serve().await));
    let send = async |headers: &[(&str, &str)]| {
        let mut request = client.post(&url).header("accept-language", "de");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    };
    for ours in [
        &[("sec-fetch-site", "same-origin"), ("origin", "null")][..],
        &[("origin", "https://id.example.com")],
        &[("sec-fetch-site", "none")],
        &[],
    ] {
        assert_eq!(send(ours).await.status(), 200, "{ours:?}");
    }
    for forged in [
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ] {
        let refused = send(forged).await;
        assert_eq!(refused.status(), 403, "{forged:?}");
        assert!(refused.headers().contains_key(POLICY));
        let page = refused.text().await.unwrap();
        assert!(page.contains("Das kam nicht von unserer Seite"), "{page}");
    }
    let reading = client.get(&url).header("sec-fetch-site", "cross-site");
    assert_eq!(reading.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn everything_that_a_page_loads_is_there_and_may_be_kept() {
    let base = serve().await;
    let pages = Pages::new(
        &branding(&[]),
        &Issuer::new("https://id.example.com/".to_owned()),
    );
    let mut loaded = 0;
    for name in ["sign-in", "form-post", "web-message"] {
        let page = html(sample(pages.frame(Language::English), name)).await;
        for rest in page.split("\"/u/assets/").skip(1) {
            let file = rest.split('"').next().unwrap();
            let answer = reqwest::get(format!("{base}/u/assets/{file}"))
                .await
                .unwrap();
            assert_eq!(answer.status(), 200, "{file}");
            assert!(
                answer.headers()["cache-control"]
                    .to_str()
                    .unwrap()
                    .contains("immutable")
            );
            assert!(!answer.text().await.unwrap().is_empty(), "{file}");
            loaded += 1;
        }
    }
    assert!(loaded >= 12);
    let missing = reqwest::get(format!("{base}/u/assets/other"))
        .await
        .unwrap();
    assert_eq!(missing.status(), 404);
}
