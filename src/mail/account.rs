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

    /// Whether both are one: by what tells them apart, else by their names, in which case doesn't count (S-206).
    pub fn is_same_as(&self, other: &Account) -> bool {
        match self.identity.is_empty() || other.identity.is_empty() {
            false => self.identity == other.identity,
            true => self.name.to_lowercase() == other.name.to_lowercase(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_one_by_identity_else_by_name_s_206_s_220() {
        let account = |name: &str, identity: &str| Account { name: name.into(), identity: identity.into() };
        for (left, right, wanted) in [
            (account("alice", ""), account("Alice", ""), true),
            (account("alice", ""), account("alicia", ""), false),
            (account("alice", "1"), account("alice", "2"), false),
            (account("alice", "1"), account("HOME\\al", "1"), true),
            (account("alice", "1"), account("ALICE", ""), true),
            (account("J\u{d6}RG", ""), account("j\u{f6}rg", ""), true),
        ] {
            let both = (left.is_same_as(&right), right.is_same_as(&left));
            assert_eq!(both, (wanted, wanted), "{left:?} {right:?}");
        }
    }

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
