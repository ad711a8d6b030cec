//! Redirect URIs: compared byte for byte (RFC 9700 §2.1), but for the port of a program on the user's
//! own machine (RFC 8252 §7.3).

use url::Url;

use super::issuer::is_loopback;

/// True where the application has registered it. A pattern of Auth0's never matches.
#[must_use]
pub fn is_registered(callbacks: &[String], named: &str) -> bool {
    callbacks
        .iter()
        .any(|own| own == named || is_on_another_port(own, named))
}

/// The same but for the port, at this machine's own address.
fn is_on_another_port(own: &str, named: &str) -> bool {
    let (Some(own), Some(named)) = (on_loopback(own), on_loopback(named)) else {
        return false;
    };
    own == named
}

/// A URI at this machine's own address without its port, and otherwise as it was written: what is left
/// is compared byte for byte.
fn on_loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let bracket = authority.rfind(']').unwrap_or(0);
    let host = match authority.get(bracket..)?.find(':') {
        Some(colon) => {
            let (host, port) = authority.split_at_checked(bracket + colon)?;
            let digits = port.get(1..)?;
            let is_port = digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
            if !is_port || digits.is_empty() {
                return None;
            }
            host
        }
        None => authority,
    };
    let url = Url::parse(uri).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    (is_plain && is_loopback(&url)).then_some((host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_port_of_loopback_is_free() {
        let registered = [
            "https://app.example/cb",
            "http://127.0.0.1/cb",
            "http://localhost:3000/cb?x=1",
            "http://[::1]:1/cb",
            "com.example.app:/cb",
            "https://*.example.com/cb",
        ]
        .map(str::to_owned);
        for fine in [
            "https://app.example/cb",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:49152/cb",
            "http://localhost/cb?x=1",
            "http://localhost:65535/cb?x=1",
            "http://[::1]/cb",
            "http://[::1]:5/cb",
            "com.example.app:/cb",
        ] {
            assert!(is_registered(&registered, fine), "{fine}");
        }
        for wrong in [
            "https://app.example/cb/",
            "https://app.example/CB",
            "https://APP.example/cb",
            "https://app.example:443/cb",
            "https://app.example/cb?x",
            "https://app.example/cb#",
            "http://app.example/cb",
            "https://app.example/./cb",
            "https://127.0.0.1/cb",
            "http://127.0.0.2/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:1x/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://user@127.0.0.1/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://localhost:3000/cb",
            "http://localhost:3000/cb?x=2",
            "http://[::1]:1/other",
            "http://[::1]evil:1/cb",
            "com.example.app:/cb2",
            "https://x.example.com/cb",
            "",
        ] {
            assert!(!is_registered(&registered, wrong), "{wrong}");
        }
    }
}
