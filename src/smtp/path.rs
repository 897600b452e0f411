//! The paths of an envelope. RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3.

use crate::mail::{Address, Domain};

/// Where reports go: a mailbox, or nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReversePath(Option<String>);

/// Where a mail shall go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain. RFC 5321 §4.1.1.3.
    Postmaster,
    /// A mailbox whose address has the form of ours; whether it is ours the store knows.
    Address(Address),
    /// `postmaster` at a domain, in letters of any case. RFC 5321 §4.5.1.
    PostmasterAt(Domain),
    /// An address at a domain that has the form of ours, with a local part that none of ours has.
    OtherLocalPart(Domain),
    /// An address that can't be one of ours: an address literal.
    Foreign,
}

impl ReversePath {
    /// The text inside the angle brackets, empty for none.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}
