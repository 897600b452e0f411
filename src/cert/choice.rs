//! Which certificate is shown to whom: by the name that is asked for, by the address that was come by (T2, S-252).

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::make::is_name;

/// What a certificate can be bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// A name that clients ask for, in small letters; may begin with `*.`, which stands for one label.
    Name(String),
    /// An address of this machine.
    Address(IpAddr),
}

/// Who is shown which certificate, each by its number; as large as what an administrator has bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// By binding.
    pub bound: HashMap<Place, usize>,
    /// By the names that stand in the certificates.
    pub named: HashMap<String, usize>,
    /// For everybody else.
    pub everywhere: usize,
}

impl Choice {
    /// What the address alone binds to, of this machine as the peer has come by it.
    pub fn at(&self, address: IpAddr) -> Option<usize> {
        self.bound.get(&Place::Address(address.to_canonical())).copied()
    }

    /// Which certificate who asks for that name is shown, where the address that he came by binds to `at`: that
    /// which is bound to the name, or to the address; else one that has the name; else that for everybody.
    pub fn of(&self, name: Option<&str>, at: Option<usize>) -> usize {
        let name = name.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let wildcard = name.as_ref().and_then(|name| Some(format!("*.{}", name.split_once('.')?.1)));
        let spellings: Vec<String> = name.into_iter().chain(wildcard).collect();
        let bound = || spellings.iter().find_map(|name| self.bound.get(&Place::Name(name.clone())));
        let named = || spellings.iter().find_map(|name| self.named.get(name));
        bound().or(at.as_ref()).or_else(named).copied().unwrap_or(self.everywhere)
    }

    /// Each of the numbers that an address binds to, and none for the other addresses.
    pub fn by_address(&self) -> Vec<Option<usize>> {
        let mut all = vec![None];
        for (place, number) in &self.bound {
            if matches!(place, Place::Address(_)) && !all.contains(&Some(*number)) {
                all.push(Some(*number));
            }
        }
        all
    }
}

/// A name or an address.
impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Name(name) => out.write_str(name),
            Place::Address(address) => address.fmt(out),
        }
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Place, ()> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Place::Address(address.to_canonical()));
        }
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        match is_name(name.strip_prefix("*.").unwrap_or(&name)) {
            true => Ok(Place::Name(name)),
            false => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_a_name_or_an_address() {
        for (text, wanted) in [
            ("Mail.Example.ORG.", "mail.example.org"),
            ("*.example.org", "*.example.org"),
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("FD00::0:2", "fd00::2"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(place(text).to_string(), wanted);
        }
        for bad in
            ["", "*", "*.", "a..b", "a.*.b", "**.a", "höme.lan", "a b", "192.0.2", "192.0.2.1:995", "[::1]"]
        {
            assert_eq!(bad.parse::<Place>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn what_is_bound_goes_before_what_a_certificate_says_and_names_before_addresses_s_252() {
        let choice = Choice {
            bound: [("mail.example.org", 1), ("*.example.org", 2), ("192.0.2.1", 3)]
                .map(|(text, number)| (place(text), number))
                .into(),
            named: [("mail.example.org", 4), ("pop.example.net", 5), ("*.example.net", 6)]
                .map(|(name, number)| (name.to_owned(), number))
                .into(),
            everywhere: 7,
        };
        let (here, other) = ("::ffff:192.0.2.1", "192.0.2.2");
        for (name, address, wanted) in [
            (Some("MAIL.example.org"), here, 1),
            (Some("mail.example.org."), other, 1),
            (Some("pop.example.org"), here, 2),
            (Some("a.pop.example.org"), other, 7),
            (Some("example.org"), other, 7),
            (Some("pop.example.net"), here, 3),
            (Some("pop.example.net"), other, 5),
            (Some("smtp.example.net"), other, 6),
            (Some("smtp.example.com"), other, 7),
            (Some("*.example.org"), other, 2),
            (Some(""), other, 7),
            (None, here, 3),
            (None, other, 7),
        ] {
            let at = choice.at(address.parse().unwrap());
            assert_eq!(choice.of(name, at), wanted, "{name:?} by {address}");
        }
        assert_eq!(choice.by_address(), [None, Some(3)]);
        assert_eq!(Choice::default().of(Some("mail.example.org"), None), 0);
    }
}
