//! Who sent a request, and over what: what we see of the connection, or what a trusted proxy saw.
//!
//! `Forwarded` (RFC 7239) and `X-Forwarded-For` are lists that each proxy lengthens on the right, by
//! the address of whoever sent it the request. Read from the right, every entry was written by
//! somebody we trust for as long as the one who sent it is trusted; the first sender that is not
//! trusted is the client, and what stands left of it is the client's own invention.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderName, Request};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Proxies that are followed; what is further away counts as the last one's word.
const HOPS_MAX: usize = 32;

/// The other end of a connection, as `serve.rs` found it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    pub(crate) scheme: Scheme,
}

/// How a request travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        is("https")
            .then_some(Self::Https)
            .or_else(|| is("http").then_some(Self::Http))
    }
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    /// The client's address, as near as we can know it.
    pub(crate) address: IpAddr,
    /// How the client's own request travelled; `None` where a plain connection comes from somebody
    /// who may well be a proxy, and nobody says.
    pub(crate) scheme: Option<Scheme>,
}

/// Finds the sender of a request; `None` where it came over no connection.
pub(crate) fn sender<B>(request: &Request<B>, trusted: &[IpNet]) -> Option<Sender> {
    let peer = request.extensions().get::<Peer>()?;
    Some(sender_behind(*peer, request.headers(), trusted))
}

/// IPv4 addresses are IPv4 ones, also on an IPv6 socket.
fn sender_behind(peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> Sender {
    let address = peer.address.to_canonical();
    let itself = Sender {
        address,
        scheme: (peer.scheme == Scheme::Https).then_some(Scheme::Https),
    };
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&address) {
        return itself;
    }
    let said = |hops: Vec<Hop>| follow(itself, &hops, is_trusted);
    match (forwarded(headers).map(said), x_forwarded(headers).map(said)) {
        (Some(one), None) | (None, Some(one)) => one,
        (Some(one), Some(other)) if one.address == other.address => one,
        // The client wrote one of them, and we cannot tell which.
        (Some(_), Some(_)) | (None, None) => itself,
    }
}

/// One entry: who sent a request to the proxy that wrote it, and how.
#[derive(Clone, Copy, Debug, Default)]
struct Hop {
    /// `None` where it is hidden or no address (RFC 7239 §6.2, §6.3).
    address: Option<IpAddr>,
    scheme: Option<Scheme>,
}

/// Goes from the connection's other end towards the client. `hops` has the nearest first.
fn follow(peer: Sender, hops: &[Hop], is_trusted: impl Fn(&IpAddr) -> bool) -> Sender {
    let mut sender = peer;
    for hop in hops {
        sender.scheme = hop.scheme.or(sender.scheme);
        let Some(address) = hop.address else { break };
        sender.address = address;
        if !is_trusted(&address) {
            break;
        }
    }
    sender
}

/// RFC 7239 §4, the nearest entry first; `None` without the header. What cannot be read is an entry
/// that says nothing, and so nothing left of it is believed.
fn forwarded(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let texts = texts(headers, &FORWARDED)?;
    let elements = texts.iter().rev().flat_map(|text| {
        let mut elements = split_unquoted(text, ',');
        elements.reverse();
        elements
    });
    Some(elements.take(HOPS_MAX).map(forwarded_hop).collect())
}

fn forwarded_hop(element: &str) -> Hop {
    let mut hop = Hop::default();
    for pair in split_unquoted(element, ';') {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        let value = value.trim();
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .unwrap_or(value);
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.address = address(value),
            "proto" => hop.scheme = Scheme::parse(value),
            _ => {}
        }
    }
    hop
}

/// Splits at a character outside of quoted strings (RFC 9110 §5.6.4).
fn split_unquoted(text: &str, at: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        let was_escaped = std::mem::replace(&mut is_escaped, false);
        match c {
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            '"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        c == at && !is_quoted
    })
    .collect()
}

/// `X-Forwarded-For`, the nearest entry first; the schemes of `X-Forwarded-Proto` go with the entries
/// where there are as many, and otherwise the nearest one is that of all. `None` without either.
fn x_forwarded(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let senders = texts(headers, &X_FORWARDED_FOR);
    let schemes = texts(headers, &X_FORWARDED_PROTO);
    if senders.is_none() && schemes.is_none() {
        return None;
    }
    let senders = reversed(senders.as_deref().unwrap_or_default(), address);
    let schemes = reversed(schemes.as_deref().unwrap_or_default(), Scheme::parse);
    let nearest = schemes.first().copied().flatten();
    let of_all = vec![nearest; senders.len().max(1)];
    let schemes = if schemes.len() == senders.len() {
        schemes
    } else {
        of_all
    };
    let addresses = senders.into_iter().chain(std::iter::repeat(None));
    let hops = schemes.into_iter().zip(addresses);
    Some(
        hops.map(|(scheme, address)| Hop { address, scheme })
            .collect(),
    )
}

/// The members of a list over all its headers, the last one first.
fn reversed<T>(texts: &[&str], read: impl Fn(&str) -> Option<T>) -> Vec<Option<T>> {
    let members = texts.iter().rev().flat_map(|text| text.rsplit(','));
    members
        .take(HOPS_MAX)
        .map(|member| read(member.trim()))
        .collect()
}

/// The headers of a name in their order; one that is not ASCII says nothing.
fn texts<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Vec<&'h str>> {
    let texts: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    (!texts.is_empty()).then_some(texts)
}

/// An address as proxies write it: with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare
        .parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, written: &[(&'static str, &str)]) -> (String, Option<Scheme>) {
        let mut headers = HeaderMap::new();
        for (name, value) in written {
            headers.append(*name, value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"].map(|text| text.parse().unwrap());
        let peer = Peer {
            address: peer.parse().unwrap(),
            scheme: Scheme::Http,
        };
        let sender = sender_behind(peer, &headers, &trusted);
        (sender.address.to_string(), sender.scheme)
    }

    fn address_seen(peer: &str, written: &[(&'static str, &str)]) -> String {
        seen(peer, written).0
    }

    #[test]
    fn a_stranger_cannot_say_that_it_is_somebody_else() {
        for peer in ["192.0.2.1", "2001:db8::1", "11.0.0.0"] {
            let written = [
                ("x-forwarded-for", "198.51.100.7"),
                ("x-forwarded-proto", "https"),
                ("forwarded", "for=198.51.100.7;proto=https"),
            ];
            assert_eq!(seen(peer, &written), (peer.to_owned(), None));
        }
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_no_trusted_proxy() {
        for (written, client) in [
            ("198.51.100.7", "198.51.100.7"),
            ("1.1.1.1, 198.51.100.7", "198.51.100.7"),
            ("1.1.1.1,198.51.100.7,10.9.9.9 , fd00::5", "198.51.100.7"),
            ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
            ("198.51.100.7:5123", "198.51.100.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            // Left of what cannot be read, nothing is believed.
            ("198.51.100.7, nonsense", "10.0.0.1"),
            ("198.51.100.7, nonsense, 10.3.3.3", "10.3.3.3"),
            ("198.51.100.7,", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("999.1.1.1", "10.0.0.1"),
        ] {
            assert_eq!(
                address_seen("10.0.0.1", &[("x-forwarded-for", written)]),
                client,
                "{written}"
            );
        }
        let twice = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "198.51.100.7"),
        ];
        assert_eq!(address_seen("::ffff:10.0.0.1", &twice), "198.51.100.7");
        let long = "1.1.1.1,".to_owned() + &"10.0.0.2,".repeat(5000) + "10.0.0.2";
        assert_eq!(
            address_seen("10.0.0.1", &[("x-forwarded-for", &long)]),
            "10.0.0.2"
        );
    }

    #[test]
    fn forwarded_is_read_as_the_rfc_writes_it() {
        for (written, client, scheme) in [
            ("for=198.51.100.7", "198.51.100.7", None),
            (
                "For=\"[2001:db8::7]:4711\";Proto=HTTPS;by=10.0.0.1",
                "2001:db8::7",
                Some(Scheme::Https),
            ),
            (
                "for=1.1.1.1;proto=https, for=198.51.100.7;proto=http",
                "198.51.100.7",
                Some(Scheme::Http),
            ),
            (
                "for=198.51.100.7;proto=https, for=10.4.4.4;proto=http",
                "198.51.100.7",
                Some(Scheme::Https),
            ),
            ("for=1.1.1.1, for=unknown", "10.0.0.1", None),
            (
                "for=1.1.1.1, for=\"_hidden\";proto=https",
                "10.0.0.1",
                Some(Scheme::Https),
            ),
            // A comma, a semicolon and an escaped quote within quotes are nothing but text.
            (
                "by=\"a,for=1.1.1.1;\\\"\";for=198.51.100.7",
                "198.51.100.7",
                None,
            ),
            ("for=\"1.1.1.1", "10.0.0.1", None),
            (";;,,==", "10.0.0.1", None),
        ] {
            assert_eq!(
                seen("10.0.0.1", &[("forwarded", written)]),
                (client.to_owned(), scheme),
                "{written}"
            );
        }
    }

    #[test]
    fn where_the_two_headers_disagree_neither_is_believed() {
        let agree = [
            ("forwarded", "for=198.51.100.7;proto=https"),
            ("x-forwarded-for", "198.51.100.7"),
        ];
        assert_eq!(
            seen("10.0.0.1", &agree),
            ("198.51.100.7".to_owned(), Some(Scheme::Https))
        );
        let disagree = [
            ("forwarded", "for=1.1.1.1;proto=https"),
            ("x-forwarded-for", "198.51.100.7"),
        ];
        assert_eq!(seen("10.0.0.1", &disagree), ("10.0.0.1".to_owned(), None));
    }

    #[test]
    fn the_scheme_is_the_one_that_the_client_used() {
        for (senders, schemes, scheme) in [
            ("198.51.100.7", "https", Some(Scheme::Https)),
            ("198.51.100.7", "HTTP", Some(Scheme::Http)),
            ("198.51.100.7, 10.2.2.2", "https, http", Some(Scheme::Https)),
            ("1.1.1.1, 198.51.100.7", "https, http", Some(Scheme::Http)),
            ("198.51.100.7, 10.2.2.2", "https", Some(Scheme::Https)),
            ("198.51.100.7", "https, http", Some(Scheme::Http)),
            ("198.51.100.7", "gopher", None),
        ] {
            let written = [("x-forwarded-for", senders), ("x-forwarded-proto", schemes)];
            assert_eq!(seen("127.0.0.1", &written).1, scheme, "{senders} {schemes}");
        }
        let alone = seen("10.0.0.1", &[("x-forwarded-proto", "http")]);
        assert_eq!(alone, ("10.0.0.1".to_owned(), Some(Scheme::Http)));
    }

    #[test]
    fn what_comes_over_tls_came_by_https_unless_the_proxy_says_otherwise() {
        let peer = |address: &str| Peer {
            address: address.parse().unwrap(),
            scheme: Scheme::Https,
        };
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_PROTO, "http".parse().unwrap());
        assert_eq!(
            sender_behind(peer("1.1.1.1"), &headers, &trusted).scheme,
            Some(Scheme::Https)
        );
        assert_eq!(
            sender_behind(peer("10.0.0.1"), &headers, &trusted).scheme,
            Some(Scheme::Http)
        );
    }
}
