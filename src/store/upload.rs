//! A body on its way into the store.

use super::Delivered;
use super::error::{Ask, StoreError};
use crate::mail::MailboxId;

/// A body on its way into the store; dropped before [`Upload::finish`], nothing of it stays.
#[derive(Debug)]
pub struct Upload {}

/// To whom a body goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// What stands before the body for this recipient alone.
    pub prefix: Vec<u8>,
}

impl Upload {
    /// Takes the next octets of the body. Waits while the memory for bodies in flight is used up, and
    /// while a long body streams into the file.
    pub async fn push(&mut self, _octets: &[u8]) -> Result<(), StoreError> {
        todo!()
    }

    /// Makes the message durable for all recipients, or for none.
    pub fn finish(self, _deliveries: Vec<Delivery>) -> Ask<Delivered> {
        todo!()
    }
}
