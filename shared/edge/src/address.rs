//! The shopper's address, as far as headers can be believed: a client can write these headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;

/// The first address of `X-Forwarded-For`, else `X-Real-IP`, else the connection's; what is no address is
/// skipped.
#[must_use]
pub fn client_address(headers: &HeaderMap, source_ip: Option<IpAddr>) -> Option<IpAddr> {
    let real = headers
        .get_all("x-real-ip")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(parse);
    forwarded_for(headers)
        .chain(real)
        .find_map(|address| address)
        .or(source_ip)
        .map(|address| address.to_canonical())
}

/// The entries of `X-Forwarded-For`, over all its lines; `None` for one that is no address.
pub(crate) fn forwarded_for(
    headers: &HeaderMap,
) -> impl DoubleEndedIterator<Item = Option<IpAddr>> {
    headers
        .get_all("x-forwarded-for")
        .iter()
        // A line with other bytes in it is one entry that is no address: it must not make its neighbours adjacent.
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(parse)
}

/// The address cut to its network: /24 of IPv4, /48 of IPv6.
#[must_use]
pub fn anonymize(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & (!0 << 8)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (!0 << 80)).into(),
    }
}

/// An address, with or without a port: proxies write both.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| text.parse().map(|address: SocketAddr| address.ip()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        client_address(&map, "192.0.2.9".parse().ok()).map(|address| address.to_string())
    }

    #[test]
    fn the_first_true_address_is_taken() {
        let is =
            |headers: &[_], expected: &str| assert_eq!(address(headers).as_deref(), Some(expected));
        is(
            &[("x-forwarded-for", "203.0.113.7, 10.0.0.1")],
            "203.0.113.7",
        );
        is(
            &[("x-forwarded-for", "unknown, 203.0.113.7")],
            "203.0.113.7",
        );
        is(&[("x-forwarded-for", "203.0.113.7:4711")], "203.0.113.7");
        is(&[("x-forwarded-for", "[2001:db8::1]:4711")], "2001:db8::1");
        is(&[("x-forwarded-for", "::ffff:203.0.113.7")], "203.0.113.7");
        is(
            &[("x-forwarded-for", "_hidden"), ("x-real-ip", "2001:db8::2")],
            "2001:db8::2",
        );
        is(&[("x-real-ip", "<script>")], "192.0.2.9");
        is(&[], "192.0.2.9");
    }

    #[test]
    fn addresses_are_cut_to_their_network() {
        let cut = |text: &str| anonymize(text.parse().unwrap()).to_string();
        assert_eq!(cut("203.0.113.7"), "203.0.113.0");
        assert_eq!(cut("2001:db8:1:2:3:4:5:6"), "2001:db8:1::");
    }
}
