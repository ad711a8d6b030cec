//! Where an answer goes: the redirect URI of an application, as a policy and a person read it.

use url::Url;

use crate::model::issuer::is_loopback;

/// Where an answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    source: String,
    host: Option<String>,
}

impl Destination {
    /// Reads a redirect URI that the application has registered.
    #[must_use]
    pub fn of(redirect_uri: &Url) -> Self {
        let host = redirect_uri
            .host_str()
            .filter(|_| is_of_the_web(redirect_uri) && !is_loopback(redirect_uri));
        Self {
            source: source(redirect_uri),
            host: host.map(str::to_owned),
        }
    }

    /// As a Content Security Policy names it (CSP Level 3 §2.3.1).
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The host on the web; `None` for a program on the person's own device (RFC 8252 §7). Names
    /// beyond ASCII are in punycode, so that none can look like another.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

fn is_of_the_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// An origin, or a scheme where the policy has no word for the origin: for schemes of an
/// application's own, for IPv6 addresses, and for hosts whose characters would end the source and
/// begin something else.
pub(super) fn source(url: &Url) -> String {
    let is_of_a_source = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let host = url
        .host_str()
        .filter(|host| host.chars().all(is_of_a_source) && is_of_the_web(url));
    match (host, url.port()) {
        (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
        (Some(host), None) => format!("{}://{host}", url.scheme()),
        (None, _) => format!("{}:", url.scheme()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_uri_is_read_as_a_policy_and_a_person_read_it() {
        for (uri, source, host) in [
            (
                "https://shop.example/callback?x=1",
                "https://shop.example",
                Some("shop.example"),
            ),
            (
                "https://shop.example:8443/",
                "https://shop.example:8443",
                Some("shop.example"),
            ),
            (
                "https://müller.example/",
                "https://xn--mller-kva.example",
                Some("xn--mller-kva.example"),
            ),
            ("http://127.0.0.1:5000/cb", "http://127.0.0.1:5000", None),
            ("http://localhost:3000", "http://localhost:3000", None),
            ("http://[::1]:3000/", "http:", None),
            (
                "https://a;script-src.example/",
                "https:",
                Some("a;script-src.example"),
            ),
            ("com.example.app://callback", "com.example.app:", None),
            ("com.example.app:/callback", "com.example.app:", None),
        ] {
            let destination = Destination::of(&Url::parse(uri).unwrap());
            assert_eq!(destination.source(), source, "{uri}");
            assert_eq!(destination.host(), host, "{uri}");
        }
    }
}
