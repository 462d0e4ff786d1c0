//! Which addresses a webhook may be posted to: public ones, and those networks that the configuration lists.
//! It must not resolve names: it judges what a name was resolved to, just before it is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::network::Network;

/// Whether a webhook may be posted to this address.
pub fn may_reach(address: IpAddr, allowed: &[Network]) -> bool {
    let address = address.to_canonical();
    is_public(address) || allowed.iter().any(|network| network.contains(address))
}

/// Whether an address belongs to the internet at large: not to this machine, this network, a cloud's metadata service, or
/// anything that leads there.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    // Azure's metadata and agents are behind a public address, the same for every machine there.
    let azure = address == Ipv4Addr::new(168, 63, 129, 16);
    let shared = a == 100 && (64..128).contains(&b);
    let protocols = (a, b, c) == (192, 0, 0);
    let relays = (a, b, c) == (192, 88, 99);
    let benchmarks = a == 198 && (b == 18 || b == 19);
    let reserved = a >= 240;
    !(a == 0
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || shared
        || protocols
        || relays
        || benchmarks
        || azure
        || reserved)
}

/// Only what is given out for use in the internet, and of that not what carries an address of IPv4 in it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let given_out = first & 0xe000 == 0x2000;
    let documentation = (first, second) == (0x2001, 0x0db8) || first == 0x3fff;
    let special = first == 0x2001 && second < 0x0200;
    let six_to_four = first == 0x2002;
    given_out && !documentation && !special && !six_to_four
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(address: &str) -> bool {
        may_reach(address.parse().unwrap(), &[])
    }

    #[test]
    fn what_is_not_the_internet_is_out_of_reach() {
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.8.8.8",
            "168.63.129.16",
            "::ffff:168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!public(address), "{address}");
        }
        for address in [
            "1.1.1.1",
            "100.63.255.255",
            "168.63.129.15",
            "172.15.0.1",
            "172.32.0.1",
            "223.5.5.5",
            "::ffff:8.8.8.8",
            "2400:3200::1",
            "2606:4700::1111",
        ] {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn what_is_listed_may_be_reached_and_nothing_beside_it() {
        let listed: Vec<Network> = ["10.1.0.0/16", "127.0.0.1", "fd12::/16"]
            .map(|text| text.parse().unwrap())
            .to_vec();
        let reach = |address: &str| may_reach(address.parse().unwrap(), &listed);
        for address in ["10.1.255.1", "127.0.0.1", "::ffff:10.1.0.1", "fd12:3::1"] {
            assert!(reach(address), "{address}");
        }
        for address in ["10.2.0.1", "127.0.0.2", "fd13::1", "::1"] {
            assert!(!reach(address), "{address}");
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(may_reach("10.9.9.9".parse().unwrap(), &[all]));
        assert!(!may_reach("fd00::1".parse().unwrap(), &[all]));
    }

    #[test]
    fn a_network_is_written_as_people_write_it() {
        let network: Network = "10.1.2.3".parse().unwrap();
        assert_eq!(network.to_string(), "10.1.2.3/32");
        for text in [
            "",
            "10.1.0.0/33",
            "10.1/16",
            "::/129",
            "host",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
