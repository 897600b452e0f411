//! Addresses elsewhere: what SMTP can name, and no mailbox of ours need look like.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Address, Domain, a_label};

/// The address of somebody elsewhere as a command of SMTP names him, without the angle brackets: a local part of any
/// form, also in quotes, at a domain or an address literal. RFC 5321 §4.1.2, beyond ASCII RFC 6531 §3.3.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RemoteAddress(Box<str>);

impl RemoteAddress {
    /// Takes the text of a forward-path that was found to be one; see `smtp::path`.
    pub fn from_path(text: &str) -> RemoteAddress {
        RemoteAddress(text.into())
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the last `@`: a domain as it was written, or an address literal; empty if there is no `@`.
    pub fn domain_text(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// What stands before the last `@`, in quotes if it was written so.
    pub fn local_text(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(local, _)| local)
    }

    /// The domain as the name system has it; none for an address literal, or what can be no name.
    pub fn domain(&self) -> Option<Domain> {
        a_label::coded(self.domain_text()).parse().ok()
    }

    /// Whether it can be told to a server without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.0.is_ascii()
    }
}

impl From<&Address> for RemoteAddress {
    fn from(address: &Address) -> RemoteAddress {
        RemoteAddress(address.as_str().into())
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
