//! From where a request comes: the address at the other end, or what a proxy that is trusted says of it.
//! It must not judge anybody.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::request::Parts;
use http::{HeaderName, HeaderValue};

use crate::network::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a connection; the listener puts it into each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The caller's address. Each trusted proxy adds the one that it saw at the end of `X-Forwarded-For`; so the last that is no
/// trusted proxy's is the caller's, and what stands before it is what the caller wrote.
pub fn of(parts: &Parts, trusted: &[Network]) -> Option<IpAddr> {
    let Peer(peer) = parts.extensions.get()?;
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.ip().to_canonical();
    if trusted.is_empty() || !is_trusted(address) {
        return Some(address);
    }
    let lines = parts.headers.get_all(FORWARDED_FOR).iter();
    let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
    let hops = lines.iter().rev();
    let hops = hops.flat_map(|line| line.rsplit(|byte| *byte == b','));
    for hop in hops {
        // Beyond what cannot be read, nothing is known.
        let Some(next) = str::from_utf8(hop).ok().and_then(read) else {
            break;
        };
        address = next;
        if !is_trusted(address) {
            break;
        }
    }
    Some(address)
}

/// An address, which some proxies write with a port.
fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

/// By what an address is counted: whoever has one of IPv6 has all that share its first 64 bits.
pub fn counted(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[track_caller]
    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let mut request = Request::get("/");
        for line in forwarded {
            request = request.header("x-forwarded-for", line.as_bytes());
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(Peer(peer.parse().unwrap()));
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let found = of(&parts, &trusted).unwrap();
        assert_eq!(
            found,
            expected.parse::<IpAddr>().unwrap(),
            "{peer} {forwarded:?}"
        );
    }

    #[test]
    fn only_what_a_trusted_proxy_says_is_believed() {
        check("203.0.113.9:1000", &[], "203.0.113.9");
        check("203.0.113.9:1000", &["198.51.100.1"], "203.0.113.9");
        check("10.0.0.1:1000", &["198.51.100.1"], "198.51.100.1");
        check(
            "10.0.0.1:1000",
            &["1.1.1.1, 198.51.100.1, 10.0.0.2"],
            "198.51.100.1",
        );
        check(
            "10.0.0.1:1000",
            &["1.1.1.1", "198.51.100.1,10.0.0.2"],
            "198.51.100.1",
        );
        check(
            "10.0.0.1:1000",
            &["1.1.1.1, nonsense, 10.0.0.2"],
            "10.0.0.2",
        );
        // A line that is no text hides nothing of what the proxy added to it, and nothing before it counts.
        check(
            "10.0.0.1:1000",
            &["1.1.1.1", "文, 198.51.100.1"],
            "198.51.100.1",
        );
        check("10.0.0.1:1000", &["1.1.1.1", "文, 10.0.0.2"], "10.0.0.2");
        check("10.0.0.1:1000", &[], "10.0.0.1");
        check("10.0.0.1:1000", &["198.51.100.1:5000"], "198.51.100.1");
        check("[fd00::1]:1000", &["[2001:db8::7]:443"], "2001:db8::7");
        check("[::ffff:10.0.0.1]:1000", &["2001:db8::7"], "2001:db8::7");
    }

    #[test]
    fn a_household_of_ipv6_is_one() {
        let counted = |text: &str| counted(text.parse().unwrap());
        assert_eq!(counted("2001:db8:1:2:3::4"), counted("2001:db8:1:2::9"));
        assert_ne!(counted("2001:db8:1:2::9"), counted("2001:db8:1:3::9"));
        assert_ne!(counted("192.0.2.1"), counted("192.0.2.2"));
    }
}
