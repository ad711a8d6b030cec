//! The issuer: the URL that names this server, and what follows from it.

use url::{Host, Url};

pub use crate::lifetime::SystemApi;

/// The issuer URL; it always ends with a slash (compatibility.md §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

impl Issuer {
    /// `url` has been checked by the configuration and ends with `/`.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self(url)
    }

    /// The URL, as `iss` says it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A URL below the issuer; `path` is without a leading slash.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The audience of tokens for userinfo, and its URL.
    #[must_use]
    pub fn userinfo(&self) -> String {
        self.join("userinfo")
    }

    /// The issuer's host, without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        let after_scheme = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = after_scheme.split('/').next().unwrap_or("");
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        }
    }

    /// The issuer's path without its last slash: empty for `https://host/`, `/auth` for `https://host/auth/`.
    #[must_use]
    pub fn path(&self) -> &str {
        let after_scheme = self.0.split_once("://").map_or("", |(_, rest)| rest);
        after_scheme
            .find('/')
            .map_or("", |at| after_scheme.get(at..).unwrap_or(""))
            .trim_end_matches('/')
    }

    /// True where clients come by TLS, to us or to a proxy.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// True where the host is this machine by its own name: 127.0.0.0/8, ::1 or localhost.
    #[must_use]
    pub fn is_on_loopback(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| is_loopback(&url))
    }

    /// The identifier of a system API.
    #[must_use]
    pub fn identifier_of(&self, system: SystemApi) -> String {
        match system {
            SystemApi::Management => self.join("api/v2/"),
            SystemApi::Mfa => self.join("mfa/"),
        }
    }

    /// The system API that an audience names. The MFA audience is also written without its last slash.
    #[must_use]
    pub fn system_api(&self, audience: &str) -> Option<SystemApi> {
        match audience.strip_prefix(&self.0)? {
            "api/v2/" => Some(SystemApi::Management),
            "mfa/" | "mfa" => Some(SystemApi::Mfa),
            _ => None,
        }
    }

    /// True for the system identifiers, with and without their last slash: nobody can take them.
    #[must_use]
    pub fn is_system_identifier(&self, identifier: &str) -> bool {
        let rest = identifier
            .strip_prefix(&self.0)
            .map(|rest| rest.trim_end_matches('/'));
        matches!(rest, Some("api/v2" | "mfa" | "userinfo"))
    }
}

/// True where the URL's host is this machine by its own name.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    url.host().is_some_and(|host| is_loopback_host(&host))
}

/// The same of a host alone.
#[must_use]
pub fn is_loopback_host(host: &Host<impl AsRef<str>>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name.as_ref() == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_what_stands_behind_the_host() {
        assert_eq!(Issuer::new("https://host/".into()).path(), "");
        assert_eq!(
            Issuer::new("https://host:1/auth/eu/".into()).path(),
            "/auth/eu"
        );
    }
}
