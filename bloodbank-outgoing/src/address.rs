//! Which addresses a webhook may reach.
//!
//! Whoever may name a URL could otherwise have the gateway ask services that only it can reach: the metadata of a cloud, a database, a
//! page of administration. What a name resolves to is looked at where the connection is made, so that a name that means one
//! address when it is checked and another one later does not get through.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// Whether everybody could reach this address: it is not one of this machine, of a private network, or of a special use.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        // This network, shared by carriers, protocol assignments, benchmarks, reserved and broadcast.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240;
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, .., g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // Mapped and compatible addresses of IPv4, with loopback and the unspecified address among them.
        (0, 0) => c == 0 && d == 0 && address.to_ipv4().is_some_and(is_public_v4),
        // Addresses of IPv4 by way of a translator, and by 6to4.
        (0x64, 0xff9b) => c == 0 && v4(g, h),
        (0x2002, _) => v4(b, c),
        // Teredo, benchmarks, documentation.
        (0x2001, 0 | 2 | 0xdb8) => false,
        // Documentation.
        (0x3fff, ..0x1000) => false,
        // Global unicast.
        _ => a & 0xe000 == 0x2000,
    }
}

/// Refuses a URL whose host is an address that is not public. Names are looked at when they are resolved.
pub(crate) fn check(url: &Url) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(address) if !is_public(address) => Err(refusal(host)),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn refusal(host: &str) -> String {
    format!(
        "{host} is an address of this machine or of a private network; set `allow_private = true` if that is what you want"
    )
}

/// Resolves names to public addresses only.
pub(crate) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, refusal(name.as_str())).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_everybody_can_reach_are_public() {
        for address in [
            "1.1.1.1",
            "93.184.216.34",
            "100.128.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "100::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_address_is_recognised_in_every_spelling() {
        for url in
            ["http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://[::1]/", "http://[::ffff:7f00:1]:80/"]
        {
            assert!(check(&url.parse().unwrap()).is_err(), "{url}");
        }
        assert!(check(&"https://example.org/".parse().unwrap()).is_ok());
    }
}
