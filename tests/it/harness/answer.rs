//! What a server answers: status, headers, body, and the tokens in it.

use reqwest::StatusCode;
use serde_json::{Value, json};

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
    /// Null where the body is not JSON.
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.unwrap();
        let json = serde_json::from_str(&body).unwrap_or(Value::Null);
        Self {
            status,
            headers,
            body,
            json,
        }
    }

    /// Fails with the whole answer where the status is another.
    #[track_caller]
    pub(crate) fn expect(self, status: impl Into<StatusCode>) -> Self {
        assert_eq!(self.status, status.into(), "{self:?}");
        self
    }

    /// Fails where this is not the OAuth error `code` with `status`.
    #[track_caller]
    pub(crate) fn expect_error(self, status: StatusCode, code: &str) -> Self {
        assert_eq!(
            (self.status, &self.json["error"]),
            (status, &json!(code)),
            "{self:?}"
        );
        self
    }

    /// Fails where this is not the Management API's error `code` with `status`.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: StatusCode, code: &str) -> Self {
        assert_eq!(
            (self.status, &self.json["errorCode"]),
            (status, &json!(code)),
            "{self:?}"
        );
        assert_eq!(self.json["statusCode"], status.as_u16(), "{self:?}");
        self
    }

    /// A member that must be a string.
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> String {
        self.json[name]
            .as_str()
            .unwrap_or_else(|| panic!("no string '{name}' in {self:?}"))
            .to_owned()
    }
}

/// The claims of a signed token, without checking its signature.
pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The header of a signed token.
pub(crate) fn header(token: &str) -> Value {
    part(token, 0)
}

fn part(token: &str, index: usize) -> Value {
    use base64::Engine;
    let part = token.split('.').nth(index).expect("a signed token");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(part)
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
