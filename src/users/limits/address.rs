//! Where an attempt comes from: an address, and the networks that one customer may have as a whole.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address or an IPv6 /64, which every customer of any provider has, with the wider networks
/// around it. Providers give out a /56 or a /48 to a customer (RFC 6177), and hosters an IPv4 /24.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    own: String,
    networks: Vec<Network>,
}

/// A network around an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Network {
    /// Its first address and its length.
    pub(super) name: String,
    /// How many times what an address may do it may do.
    pub(super) share: i64,
}

impl Address {
    /// The address of a request; all whose address is not known count as one.
    #[must_use]
    pub fn of(ip: Option<IpAddr>) -> Self {
        match ip.map(|ip| ip.to_canonical()) {
            None => Self {
                own: "unknown".to_owned(),
                networks: Vec::new(),
            },
            Some(IpAddr::V4(address)) => Self {
                own: address.to_string(),
                networks: vec![Network {
                    name: format!("{}/24", first_of(address)),
                    share: 16,
                }],
            },
            Some(IpAddr::V6(address)) => Self {
                own: network(address, 64),
                networks: vec![
                    Network {
                        name: network(address, 56),
                        share: 4,
                    },
                    Network {
                        name: network(address, 48),
                        share: 16,
                    },
                ],
            },
        }
    }

    /// The address itself, or its /64.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.own
    }

    /// The networks around it, the narrowest first.
    pub(super) fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// Its networks and itself, the widest first: for queues.
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        let networks = self.networks.iter().rev();
        let names = networks.map(|network| &network.name).chain([&self.own]);
        names.cloned().collect()
    }
}

fn first_of(address: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(address) & 0xffff_ff00)
}

fn network(address: Ipv6Addr, length: u32) -> String {
    let mask = u128::MAX << (128 - length);
    format!("{}/{length}", Ipv6Addr::from(u128::from(address) & mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Address {
        Address::of(Some(text.parse().unwrap()))
    }

    #[test]
    fn an_ipv6_address_counts_as_its_network_and_a_mapped_one_as_ipv4() {
        assert_eq!(of("192.0.2.7").as_str(), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        assert_eq!(of("2001:db8:1:2:3:4:5:6").as_str(), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2::9"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
        assert_eq!(Address::of(None).as_str(), "unknown");
    }

    #[test]
    fn an_address_belongs_to_the_networks_around_it() {
        assert_eq!(of("192.0.2.7").groups(), ["192.0.2.0/24", "192.0.2.7"]);
        assert_eq!(
            of("2001:db8:1:2345::6").groups(),
            [
                "2001:db8:1::/48",
                "2001:db8:1:2300::/56",
                "2001:db8:1:2345::/64"
            ]
        );
        assert_eq!(Address::of(None).groups(), ["unknown"]);
    }
}
