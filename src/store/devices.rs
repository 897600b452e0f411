//! Devices that may send without a logon (M11); all of them are in memory too, since every connection asks.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::{Ask, StoreError};
use crate::clock::UnixTime;
use crate::mail::{Address, Network};

/// A device profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// Whence it sends.
    pub network: Network,
    /// The sender of all its mail; none for what it says.
    pub sender: Option<Address>,
    /// Where its mail may go.
    pub reach: Reach,
    /// Mails that it may send in a day; none for as many as it likes.
    pub mails_per_day: Option<u32>,
    /// Whether bare LFs and odd addresses are taken from it.
    pub is_lenient: bool,
    /// When it was made.
    pub created: UnixTime,
}

/// Where a device's mail may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// To mailboxes here.
    Local,
    /// Also out, through the smart host.
    SmartHost,
}

impl Store {
    /// Adds a device profile. Errs with [`StoreError::Exists`] if the name or the very network has one, with
    /// [`StoreError::Refused`] beyond [`crate::limits::DEVICES`].
    pub fn add_device(&self, device: Device) -> Ask<()> {
        let _ = device;
        Ask::ready(Err(StoreError::Closed))
    }

    /// Takes a device profile away; errs with [`StoreError::NotFound`].
    pub fn remove_device(&self, name: &str) -> Ask<()> {
        let _ = name;
        Ask::ready(Err(StoreError::Closed))
    }

    /// All device profiles in the order of their names, from memory.
    pub fn devices(&self) -> Arc<[Device]> {
        Arc::new([])
    }

    /// The device at that address: the one with the smallest network that holds it. From memory.
    pub fn device_at(&self, address: IpAddr) -> Option<Device> {
        let _ = address;
        None
    }
}
