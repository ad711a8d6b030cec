//! Where a page in a browser comes from (RFC 6454), as applications list it for CORS.

use std::collections::{HashMap, HashSet};

use url::Url;

/// The origin of a URL that an application lists, with its `*`; none where it has a placeholder,
/// which stands for nothing here.
#[must_use]
pub fn of_listed(url: &str) -> Option<String> {
    if url.contains('{') {
        return None;
    }
    let url = Url::parse(url).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    Some(format!("{}://{host}{port}", url.scheme()).to_ascii_lowercase())
}

/// The origins of all applications.
#[derive(Debug, Default)]
pub struct WebOrigins {
    exact: HashSet<String>,
    /// What stands before and behind the `*`, by the origin without its first label.
    patterns: HashMap<String, Vec<(String, String)>>,
}

impl WebOrigins {
    /// True where an application lists the origin.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        if self.exact.contains(origin) {
            return true;
        }
        let Some((label, rest)) = without_first_label(origin) else {
            return false;
        };
        let fits = |(start, end): &(String, String)| {
            label.len() > start.len() + end.len()
                && label.starts_with(start)
                && label.ends_with(end)
        };
        let patterns = self.patterns.get(&rest);
        patterns.is_some_and(|patterns| patterns.iter().any(fits))
    }
}

impl FromIterator<String> for WebOrigins {
    fn from_iter<I: IntoIterator<Item = String>>(origins: I) -> Self {
        let mut all = Self::default();
        for origin in origins {
            let pattern = without_first_label(&origin)
                .and_then(|(label, rest)| Some((label.split_once('*')?, rest)));
            match pattern {
                Some(((start, end), rest)) => {
                    let pattern = (start.to_owned(), end.to_owned());
                    all.patterns.entry(rest).or_default().push(pattern);
                }
                None => {
                    all.exact.insert(origin);
                }
            }
        }
        all
    }
}

/// `https://app.example.com:444` as `app` and `https://example.com:444`.
fn without_first_label(origin: &str) -> Option<(&str, String)> {
    let (scheme, host) = origin.split_once("://")?;
    let (label, rest) = host.split_once('.')?;
    Some((label, format!("{scheme}://{rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_allowed_exactly_or_by_its_first_label() {
        let listed = [
            "https://App.example/path?x",
            "http://localhost:3000",
            "https://*.example.com",
            "https://pr-*-x.example.org:444",
            "capacitor://localhost",
            "https://{organization_name}.example.net",
            "https://shop.example:443/",
        ];
        let all: WebOrigins = listed.iter().filter_map(|url| of_listed(url)).collect();
        for allowed in [
            "https://app.example",
            "http://localhost:3000",
            "https://a.example.com",
            "https://pr-7-x.example.org:444",
            "capacitor://localhost",
            "https://shop.example",
        ] {
            assert!(all.allows(allowed), "{allowed}");
        }
        for other in [
            "null",
            "",
            "http://app.example",
            "https://app.example:8443",
            "http://localhost",
            "https://example.com",
            "https://a.b.example.com",
            "https://.example.com",
            "https://evil-example.com",
            "https://pr--x.example.org:444",
            "https://pr-x.example.org:444",
            "https://a.example.net",
            "https://app.example.evil.example",
        ] {
            assert!(!all.allows(other), "{other}");
        }
    }
}
