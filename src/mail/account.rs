//! A user's account elsewhere: with the system, or in a directory.

use serde::{Deserialize, Serialize};

use crate::limits;

/// The account that a mailbox belongs to, where users are not known by the password file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name there: `alice`, `HOME\alice`, `alice@ad.home.lan` or a DN.
    pub name: String,
    /// What tells it from another one that gets the same name later (S-220): the system's uid, the directory's
    /// entryUUID or objectGUID. Empty where that is not known.
    pub identity: Vec<u8>,
}

impl Account {
    /// An account of which only the name is known; none if it is empty, too long, or holds a control character.
    pub fn named(name: &str) -> Option<Account> {
        let is_fine =
            !name.is_empty() && name.len() <= limits::ACCOUNT_OCTETS && !name.chars().any(char::is_control);
        is_fine.then(|| Account { name: name.into(), identity: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_held_at_its_edge_and_has_no_controls() {
        for length in [1, limits::ACCOUNT_OCTETS - 1, limits::ACCOUNT_OCTETS] {
            assert!(Account::named(&"a".repeat(length)).is_some(), "{length}");
        }
        for bad in ["", "a\0b", "a\nb", "a\u{85}b", &"a".repeat(limits::ACCOUNT_OCTETS + 1)] {
            assert_eq!(Account::named(bad), None, "{bad:?}");
        }
    }
}
