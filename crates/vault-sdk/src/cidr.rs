//! Networks that a token or a credential may be used from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network in CIDR notation (RFC 4632, RFC 4291 section 2.3). A bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
    /// Whether the text had no `/`, so that it is shown as it was given.
    bare: bool,
}

/// Not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a network as 10.0.0.0/8 or an address, found {0:?}")]
pub struct NotACidr(String);

impl Cidr {
    /// Whether an address lies in the network. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (a.to_bits() ^ b.to_bits()).leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                (a.to_bits() ^ b.to_bits()).leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }

    /// Whether another network lies wholly within this one.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    /// With a `/`, whether or not the text had one.
    #[must_use]
    pub fn with_prefix(mut self) -> Self {
        self.bare = false;
        self
    }
}

/// Whether an address may be used under a list of networks, where an empty list allows all and an
/// unknown address (a unix socket) only that.
#[must_use]
pub fn allowed(networks: &[Cidr], address: Option<IpAddr>) -> bool {
    networks.is_empty()
        || address.is_some_and(|address| networks.iter().any(|network| network.contains(address)))
}

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let error = || NotACidr(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| error())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| error())?
            }
            Some(_) => return Err(error()),
            None => longest,
        };
        if bits > longest {
            return Err(error());
        }
        Ok(Self { address, prefix: bits, bare: prefix.is_none() })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bare {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

impl TryFrom<String> for Cidr {
    type Error = NotACidr;

    fn try_from(text: String) -> Result<Self, NotACidr> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn contains_what_shares_the_prefix() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fd12::1", true),
            ("127.0.0.0/8", "::ffff:127.0.0.1", true),
        ] {
            assert_eq!(cidr(network).contains(address.parse().unwrap()), expected, "{network}");
        }
        assert!(cidr("10.0.0.0/8").includes(&cidr("10.2.0.0/16")));
        assert!(!cidr("10.2.0.0/16").includes(&cidr("10.0.0.0/8")));
    }

    #[test]
    fn refuses_what_is_no_network() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "a/8", "10.0.0.0/", "10.0.0.0/+8"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_address_is_only_allowed_where_all_are() {
        assert!(allowed(&[], None));
        assert!(!allowed(&[cidr("0.0.0.0/0")], None));
    }
}
