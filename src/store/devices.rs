//! Devices that may send without a logon (M11); all of them are in memory too, since every connection asks.

use std::net::IpAddr;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::Store;
use super::engine::Fault;
use super::error::{Ask, StoreError};
use super::schema::{self, DEVICES};
use crate::clock::UnixTime;
use crate::limits;
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
    /// [`StoreError::Refused`] for a name that is none, a network wider than [`limits::DEVICE_PREFIX_V4`] or
    /// [`limits::DEVICE_PREFIX_V6`], or beyond [`limits::DEVICES`].
    pub fn add_device(&self, device: Device) -> Ask<()> {
        if let Err(error) = must_be_one(&device) {
            return Ask::ready(Err(error));
        }
        let shared = Arc::clone(&self.shared);
        self.change_then(move |transaction| add(transaction, &device), move |()| shared.reload_devices())
    }

    /// Takes a device profile away; errs with [`StoreError::NotFound`].
    pub fn remove_device(&self, name: &str) -> Ask<()> {
        let name = name.to_owned();
        let shared = Arc::clone(&self.shared);
        let remove = move |transaction: &WriteTransaction| match transaction
            .open_table(DEVICES)?
            .remove(name.as_str())?
        {
            Some(_) => Ok(()),
            None => Err(StoreError::NotFound(format!("there is no device {name:?}")).into()),
        };
        self.change_then(remove, move |()| shared.reload_devices())
    }

    /// All device profiles in the order of their names, from memory.
    pub fn devices(&self) -> Arc<[Device]> {
        self.shared.devices()
    }

    /// The device at that address: the one with the smallest network that holds it. From memory.
    pub fn device_at(&self, address: IpAddr) -> Option<Device> {
        let devices = self.shared.devices();
        let holding = devices.iter().filter(|device| device.network.contains(address));
        holding.max_by_key(|device| device.network.prefix()).cloned()
    }
}

/// Reads them all; this proves them too.
pub(super) fn read(transaction: &ReadTransaction) -> Result<Arc<[Device]>, Fault> {
    let mut devices = Vec::new();
    for entry in transaction.open_table(DEVICES)?.iter()? {
        let (key, stored) = entry?;
        let device: Device = schema::decode(&DEVICES, key.value(), stored.value())?;
        devices.push(device);
    }
    Ok(devices.into())
}

fn must_be_one(device: &Device) -> Result<(), StoreError> {
    let is_sign = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    let is_name = (1..=limits::DEVICE_NAME_OCTETS).contains(&device.name.len())
        && device.name.bytes().all(is_sign)
        && !device.name.starts_with('-');
    if !is_name {
        return Err(StoreError::Refused(format!(
            "a device can't be called {:?}: its name has letters, digits, - and _, no - in front, and {} at most",
            device.name,
            limits::DEVICE_NAME_OCTETS
        )));
    }
    let least = match device.network.address() {
        IpAddr::V4(_) => limits::DEVICE_PREFIX_V4,
        IpAddr::V6(_) => limits::DEVICE_PREFIX_V6,
    };
    if device.network.prefix() < least {
        return Err(StoreError::Refused(format!(
            "{} is too wide for a device: name its address, or a network of /{least} or smaller",
            device.network
        )));
    }
    Ok(())
}

fn add(transaction: &WriteTransaction, device: &Device) -> Result<(), Fault> {
    let mut table = transaction.open_table(DEVICES)?;
    for entry in table.iter()? {
        let (key, stored) = entry?;
        let other: Device = schema::decode(&DEVICES, key.value(), stored.value())?;
        if other.name == device.name {
            return Err(StoreError::Exists(format!("there is a device {} already", other.name)).into());
        }
        if other.network == device.network {
            let text = format!("the device {} is at {} already", other.name, other.network);
            return Err(StoreError::Exists(text).into());
        }
    }
    if table.len()? >= limits::DEVICES as u64 {
        let text = format!("there are {} devices, and no more can be added: remove one", limits::DEVICES);
        return Err(StoreError::Refused(text).into());
    }
    let stored = schema::encode(&DEVICES, device.name.as_str(), device)?;
    table.insert(device.name.as_str(), stored.as_slice())?;
    Ok(())
}
