//! Mailboxes whose mail goes on to other addresses (O5).

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::{Ask, StoreError};
use crate::mail::{Address, AliasTarget};

/// Where a mailbox's mail goes on to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The addresses, here or elsewhere; never none.
    pub targets: Vec<AliasTarget>,
    /// Whether the mailbox keeps a copy.
    pub keeps_copy: bool,
}

impl Store {
    /// Has a mailbox's mail go on, or no more. Errs with [`StoreError::NotFound`] for the mailbox or a target here that is
    /// none, with [`StoreError::Refused`] for a cycle, a target of the wrong kind, or more than
    /// [`crate::limits::FORWARD_TARGETS`].
    pub fn set_forward(&self, address: Address, forward: Option<Forward>) -> Ask<()> {
        let _ = (address, forward);
        Ask::ready(Err(StoreError::Refused("forwards are not built yet".into())))
    }

    /// Where a mailbox's mail goes on to; none if it stays.
    pub fn forward(&self, address: Address) -> Ask<Option<Forward>> {
        let _ = address;
        Ask::ready(Ok(None))
    }

    /// Every mailbox whose mail goes on, in the order of domain and name.
    pub fn forwards(&self) -> Ask<Vec<(Address, Forward)>> {
        Ask::ready(Ok(Vec::new()))
    }
}
