//! Addresses that are no mailboxes: where their mail goes instead.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Address, AddressError, Domain};

/// What can be sent to and is no mailbox.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Alias {
    /// `info@home.lan`.
    Address(Address),
    /// `*@home.lan`: every name of the domain that nobody has.
    CatchAll(Domain),
    /// `home.example`: every address there is that of the same name at another domain.
    Domain(Domain),
}

/// Where an alias leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AliasTarget {
    /// A mailbox or another alias here.
    Address(Address),
    /// A domain here: the target of a domain, and of nothing else.
    Domain(Domain),
    /// An address elsewhere.
    Outside(Box<str>),
}

impl Alias {
    /// The domain that it belongs to; its own where it is one.
    pub fn domain(&self) -> Domain {
        match self {
            Alias::Address(address) => address.domain(),
            Alias::CatchAll(domain) | Alias::Domain(domain) => domain.clone(),
        }
    }
}

impl FromStr for Alias {
    type Err = AddressError;

    /// Takes `info@home.lan`, `*@home.lan` or `@home.lan`, and `home.example`.
    fn from_str(text: &str) -> Result<Alias, AddressError> {
        match text.split_once('@') {
            Some(("" | "*", domain)) => domain.parse().map(Alias::CatchAll),
            Some(_) => text.parse().map(Alias::Address),
            None => text.parse().map(Alias::Domain),
        }
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Alias::Address(address) => address.fmt(out),
            Alias::CatchAll(domain) => write!(out, "*@{domain}"),
            Alias::Domain(domain) => domain.fmt(out),
        }
    }
}

impl fmt::Display for AliasTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AliasTarget::Address(address) => address.fmt(out),
            AliasTarget::Domain(domain) => domain.fmt(out),
            AliasTarget::Outside(address) => out.write_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_an_address_a_catch_all_or_a_domain() {
        for (text, shown) in [
            ("Info@Home.lan", "info@home.lan"),
            ("*@home.lan", "*@home.lan"),
            ("@home.lan", "*@home.lan"),
            ("home.example", "home.example"),
        ] {
            let alias: Alias = text.parse().unwrap();
            assert_eq!(alias.to_string(), shown);
            assert_eq!(shown.parse(), Ok(alias));
        }
        for bad in ["", "@", "*", "*@", "**@home.lan", "a b@home.lan", "a@b@home.lan"] {
            assert!(bad.parse::<Alias>().is_err(), "{bad:?}");
        }
    }
}
