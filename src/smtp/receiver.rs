//! A message's data on its way in: end of data, faults, size, hops, and what submission adds.

use crate::wire::data::DataFault;

/// Takes the octets behind 354, gives the message's octets as they are to be stored.
#[derive(Debug)]
pub struct Receiver {}

/// How a message's data ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataEnd {
    /// Whole and good.
    Good,
    /// Spoilt by octets that must not be; read to the true end.
    Faulty(DataFault),
    /// Over the size limit; read to the true end.
    TooLarge,
    /// Over the size limit by so much that the rest is not read (S-152): the session must close.
    MuchTooLarge,
    /// More than [`crate::limits::RECEIVED_FIELDS`] Received fields (S-117).
    Looping,
}

impl Receiver {
    /// Takes `input`, appends what is to be stored to `message` (nothing more once the message is
    /// spoilt), and returns how many octets it used up and how the data ended, if they did.
    pub fn receive(&mut self, _input: &[u8], _message: &mut Vec<u8>) -> (usize, Option<DataEnd>) {
        todo!()
    }
}
