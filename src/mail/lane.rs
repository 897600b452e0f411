//! The ways on which mail leaves, as the queue sorts it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Address, Alias, Domain};

/// The way on which a recipient's mail leaves: a rule and not a host, so that mail that waits follows the rule when its
/// hosts change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lane {
    /// The smart host for all.
    SmartHost,
    /// The smart host that a domain of ours, or one user of ours, has for what he sends.
    SmartHostOf(Sending),
    /// A route.
    Route(AddressSpace),
    /// To the servers that the name system gives for that domain or address literal (MX).
    Direct(Box<str>),
    /// There is no way at present.
    Nowhere,
}

/// Whose mail leaves on a way of his own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Sending {
    /// A domain's users.
    Domain(Domain),
    /// One user.
    User(Address),
}

/// For whom a route is: the address space of Exchange's connectors.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AddressSpace {
    /// `alice@home.lan`: one address.
    Address(Address),
    /// `example.com`: every address of it, and none of a domain below it.
    Domain(Domain),
    /// `*.example.com`: every domain below it, at any depth, without itself.
    Below(Domain),
    /// `*`: all else.
    All,
}

impl FromStr for AddressSpace {
    type Err = super::AddressError;

    fn from_str(text: &str) -> Result<AddressSpace, super::AddressError> {
        if text == "*" {
            return Ok(AddressSpace::All);
        }
        if let Some(domain) = text.strip_prefix("*.") {
            return domain.parse().map(AddressSpace::Below);
        }
        match text.parse::<Alias>()? {
            Alias::Address(address) => Ok(AddressSpace::Address(address)),
            Alias::CatchAll(domain) | Alias::Domain(domain) => Ok(AddressSpace::Domain(domain)),
        }
    }
}

impl fmt::Display for AddressSpace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressSpace::Address(address) => address.fmt(out),
            AddressSpace::Domain(domain) => domain.fmt(out),
            AddressSpace::Below(domain) => write!(out, "*.{domain}"),
            AddressSpace::All => out.write_str("*"),
        }
    }
}

impl fmt::Display for Lane {
    /// `smarthost`, `smarthost:alice@home.lan`, `route:example.com`, `mx:example.com`, `nowhere`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lane::SmartHost => out.write_str("smarthost"),
            Lane::SmartHostOf(Sending::Domain(domain)) => write!(out, "smarthost:{domain}"),
            Lane::SmartHostOf(Sending::User(address)) => write!(out, "smarthost:{address}"),
            Lane::Route(space) => write!(out, "route:{space}"),
            Lane::Direct(domain) => write!(out, "mx:{domain}"),
            Lane::Nowhere => out.write_str("nowhere"),
        }
    }
}

impl FromStr for Lane {
    type Err = super::AddressError;

    fn from_str(text: &str) -> Result<Lane, super::AddressError> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        Ok(match (kind, rest) {
            ("smarthost", "") => Lane::SmartHost,
            ("smarthost", whose) if whose.contains('@') => Lane::SmartHostOf(Sending::User(whose.parse()?)),
            ("smarthost", whose) => Lane::SmartHostOf(Sending::Domain(whose.parse()?)),
            ("route", space) => Lane::Route(space.parse()?),
            ("mx", domain) if !domain.is_empty() => Lane::Direct(domain.into()),
            ("nowhere", "") => Lane::Nowhere,
            _ => return Err(super::AddressError::BadDomain),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_shown_so_that_it_is_read_again() {
        for text in [
            "smarthost",
            "smarthost:home.lan",
            "smarthost:alice@home.lan",
            "route:example.com",
            "route:alice@home.lan",
            "route:*.example.com",
            "route:*",
            "mx:example.com",
            "mx:[192.0.2.1]",
            "mx:[IPv6:2001:db8::1]",
            "nowhere",
        ] {
            let lane: Lane = text.parse().unwrap();
            assert_eq!(lane.to_string(), text);
        }
        for bad in ["", "mx:", "route:", "route:*.", "smarthosts", "nowhere:x", "smarthost:a b"] {
            assert!(bad.parse::<Lane>().is_err(), "{bad}");
        }
    }
}
